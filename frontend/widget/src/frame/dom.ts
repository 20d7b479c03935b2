/** Elements and drawings of the chat, made without markup text. */

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]>,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Words for screen readers alone. */
export const hint = (text: string): HTMLElement => make("span", { className: "hint" }, text);

const ICONS = {
  close: "m6 6 12 12M18 6 6 18",
  send: "M12 19V5m-6 6 6-6 6 6",
  chat: "M12 4c5 0 9 3 9 7s-4 7-9 7H9l-4 3v-5c-1-1-2-3-2-5 0-4 4-7 9-7ZM8 10h8m-8 3h5",
  down: "m6 9 6 6 6-6",
  sending: "M12 7v5l3 2M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18Z",
  sent: "m6 12.5 4 4 8-9",
  delivered: "m1.5 12.5 4.5 4.5L14.5 8M11 16.5l.5.5L20.5 8",
  failed: "M12 8v5m0 3v.01M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18Z",
};

export function makeIcon(name: keyof typeof ICONS): SVGElement {
  const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  icon.setAttribute("viewBox", "0 0 24 24");
  icon.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[name]);
  icon.append(path);
  return icon;
}
