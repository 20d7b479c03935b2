/** Elements without markup text: hosts with a strict policy forbid the rest. */

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]>,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Our own simple drawings, strokes on a grid of 24. */
export const ICONS = {
  chat: "M12 4c5 0 9 3 9 7s-4 7-9 7H9l-4 3v-5c-1-1-2-3-2-5 0-4 4-7 9-7ZM8 10h8m-8 3h5",
  close: "m6 6 12 12M18 6 6 18",
};

export function makeIcon(name: keyof typeof ICONS): SVGElement {
  const [icon, path] = ["svg", "path"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
  icon!.setAttribute("viewBox", "0 0 24 24");
  path!.setAttribute("d", ICONS[name]);
  icon!.append(path!);
  return icon as SVGElement;
}
