/** Texts of others on the screen: links that are safe to follow, names that cannot turn the line around. */

// One run of non-space characters after a scheme: linear, whatever the text.
const ADDRESS = /https?:\/\/[^\s<>"]+/gi;
const TRAILING = /[.,:;!?'»”)\]}]+$/;
const TURNING = /[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]/g;

export const cleanName = (name: string): string => name.replace(TURNING, "").trim();

function makeLink(address: string): HTMLElement | null {
  try {
    const { protocol, href } = new URL(address);
    if (protocol !== "https:" && protocol !== "http:") return null;
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

/** A bracket that was opened inside the address belongs to it. */
function trim(address: string): string {
  const tail = TRAILING.exec(address)?.[0] ?? "";
  const isOpened = tail.startsWith(")") && address.includes("(");
  return address.slice(0, address.length - tail.length + (isOpened ? 1 : 0));
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
