/** Texts of others on the screen: links that are safe to follow, names that cannot turn the line around. */

// One run of non-space characters after a scheme: linear, whatever the text.
const ADDRESS = /https?:\/\/[^\s<>"]+/gi;
const TRAILING = ".,:;!?'»”]}*";
const TURNING = /[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]/g;

/** Pages cut texts inside an emoji: the half that is left, and NUL, cannot travel. */
export const whole = (text: string): string => text.replace(/[\ud800-\udfff]/gu, "\ufffd").replace(/\0/g, "");

export const cleanName = (name: string): string => name.replace(TURNING, "").trim();

/** A link that cannot harm; null where an address leads to anything but the web, a mail or a phone. */
export function makeLink(address: string): HTMLElement | null {
  try {
    const { protocol, href } = new URL(address);
    if (!/^(https?|mailto|tel):$/.test(protocol)) return null;
    const link = document.createElement("a");
    link.href = href;
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow ugc";
    link.textContent = address;
    return link;
  } catch {
    return null;
  }
}

const count = (text: string, sign: string): number => text.split(sign).length - 1;

/** What ends a sentence does not end an address, nor does a bracket that was not opened in it. */
function trim(address: string): string {
  let unopened = count(address, ")") - count(address, "(");
  let end = address.length;
  for (; end > 0; end--) {
    const sign = address[end - 1]!;
    if (sign === ")" ? unopened-- <= 0 : !TRAILING.includes(sign)) break;
  }
  return address.slice(0, end);
}

/** The text as nodes, its web addresses as links; nothing in it is ever read as markup. */
export function showText(text: string): (Node | string)[] {
  const parts: (Node | string)[] = [];
  let end = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = trim(match[0]);
    const link = makeLink(address);
    if (!link) continue;
    parts.push(text.slice(end, match.index), link);
    end = match.index + address.length;
  }
  parts.push(text.slice(end));
  return parts;
}
