/** The address of what is on the screen: /inbox/, /inbox/c/12, /inbox/c/12/card, /inbox/lead/5. */

export type View = "list" | "conversation" | "card";

export interface Place {
  view: View;
  conversationId: number | null;
  /** A lead opened without its conversation. */
  leadId: number | null;
}

const BASE = "/inbox";

export function readPlace(path: string): Place {
  const [, kind, id, part] = /^\/inbox\/(c|lead)\/(\d{1,15})(?:\/(card))?\/?$/.exec(path) ?? [];
  if (kind === "c") return { view: part ? "card" : "conversation", conversationId: Number(id), leadId: null };
  if (kind === "lead") return { view: "card", conversationId: null, leadId: Number(id) };
  return { view: "list", conversationId: null, leadId: null };
}

export const listPath = `${BASE}/`;
export const conversationPath = (id: number): string => `${BASE}/c/${id}`;
export const cardPath = (id: number): string => `${BASE}/c/${id}/card`;
export const leadPath = (id: number): string => `${BASE}/lead/${id}`;

class Route {
  place = $state.raw<Place>(readPlace(location.pathname));

  constructor() {
    window.addEventListener("popstate", () => (this.place = readPlace(location.pathname)));
  }

  /** Goes to a path of ours; moving between panes of one conversation leaves no trail behind. */
  go(path: string, { replace = false } = {}): void {
    if (path === location.pathname) return;
    history[replace ? "replaceState" : "pushState"](null, "", path);
    this.place = readPlace(path);
  }

  back(path: string): void {
    this.go(path);
  }
}

export const route = new Route();

/** Follows a link inside the app, unless the reader asked for a new tab or window. */
export function follow(event: MouseEvent, path: string): void {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  route.go(path);
}
