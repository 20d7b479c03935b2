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

/** Our own simple drawings on a grid of 24; what runs the other way round is a hole. */
export const CHAT_ICON = "M12 3c6 0 10 3 10 8s-4 8-10 8h-2l-5 3v-4c-2-2-3-4-3-7 0-5 4-8 10-8ZM7 8v2h10V8Zm0 4v2h7v-2Z";
export const CLOSE_ICON = "m6 4.5 6 6 6-6L19.5 6l-6 6 6 6-1.5 1.5-6-6-6 6L4.5 18l6-6-6-6Z";

export function makeIcon(drawing: string): Element {
  const [icon, path] = ["svg", "path"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
  icon!.setAttribute("viewBox", "0 0 24 24");
  path!.setAttribute("d", drawing);
  icon!.append(path!);
  return icon!;
}

export function addStyle(root: ShadowRoot, css: string): void {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  root.adoptedStyleSheets.push(sheet);
}
