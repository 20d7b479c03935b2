/** Text from outside, made safe to look at (the server stores it as it was given). */

// Bidi controls and marks, zero-width and control characters: they let a name pretend to be another.
const INVISIBLE = /[\p{Cc}\u00AD\u061C\u180E\u200B-\u200F\u2028-\u202E\u2060-\u206F\uFEFF]/gu;
const STACKED_MARKS = /(\p{M}{5})\p{M}+/gu;
const LONGEST_NAME = 120;
const SAFE_SCHEMES = new Set(["http:", "https:", "mailto:", "tel:"]);

/** A name on one line, without anything that cannot be seen. */
export function plainName(name: string): string {
  const clean = unstack(name.replace(/\s+/gu, " ").replace(INVISIBLE, "")).trim();
  return clip(clean, LONGEST_NAME);
}

/** At most five combining marks on one base, so that a text cannot spill over its neighbours. */
export function unstack(text: string): string {
  return text.replace(STACKED_MARKS, "$1");
}

function clip(text: string, longest: number): string {
  if (text.length <= longest) return text;
  const letters = [...new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(text)];
  return letters.length <= longest ? text : `${letters.slice(0, longest).map((letter) => letter.segment).join("")}…`;
}

/** The address if it may become a link, else null: then it is shown as text. */
export function safeAddress(address: string): string | null {
  if (/[\s\p{Cc}]/u.test(address)) return null;
  try {
    const url = new URL(address);
    return SAFE_SCHEMES.has(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** The host and path of a page's address, as one reads it; what is no address stays as it is. */
export function shortPage(address: string): string {
  try {
    const { host, pathname } = new URL(address);
    return host ? `${host}${pathname === "/" ? "" : decodeURI(pathname)}` : address;
  } catch {
    return address;
  }
}

/** A phone number as a `tel:` address, or null when it has no digits to dial. */
export function dialable(phone: string): string | null {
  const digits = phone.replace(/[^\d+]/g, "").replace(/(?!^)\+/g, "");
  return /\d{3}/.test(digits) ? `tel:${digits}` : null;
}

export type Piece = { text: string; href?: string };

const LINK = /https?:\/\/[^\s<>"]+|[\p{L}\d._%+-]{1,64}@[\p{L}\d-]{1,63}(?:\.[\p{L}\d-]{1,63})+/giu;
const TRAILING = /[.,;:!?…'"»”’]+$/u;

/** Cuts a message into plain pieces and links; brackets and stops after an address stay outside it. */
export function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  let from = 0;
  for (const match of text.matchAll(LINK)) {
    const link = withoutTail(match[0]);
    const href = safeAddress(link.includes("://") ? link : `mailto:${link}`);
    if (!href) continue;
    if (match.index > from) found.push({ text: text.slice(from, match.index) });
    found.push({ text: link, href });
    from = match.index + link.length;
  }
  if (from < text.length) found.push({ text: text.slice(from) });
  return found;
}

/** One pass from the end: a stranger's text must cost no more than its length (S-IN-05). */
function withoutTail(link: string): string {
  let surplus = 0;
  for (const sign of link) surplus += sign === ")" ? 1 : sign === "(" ? -1 : 0;
  let end = link.length;
  for (; end > 0; end--) {
    const sign = link[end - 1]!;
    if (sign === ")" && surplus > 0) surplus--;
    else if (!TRAILING.test(sign)) break;
  }
  return link.slice(0, end);
}

/** One or two letters that stand for a name. */
export function initials(name: string): string {
  const words = plainName(name).split(" ").filter((word) => /[\p{L}\p{N}]/u.test(word));
  const letters = words.slice(0, 2).map((word) => [...word].find((sign) => /[\p{L}\p{N}]/u.test(sign)) ?? "");
  return letters.join("").toLocaleUpperCase() || "?";
}
