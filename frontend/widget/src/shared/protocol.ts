/** What the page's launcher and the chat frame tell each other by postMessage. */

export interface PageInfo {
  url: string;
  title: string;
  referrer: string;
}

export type ToFrame =
  | { type: "visit"; visit: string; page: PageInfo }
  | { type: "show"; full: boolean; focus: boolean }
  | { type: "hide" }
  | { type: "locale"; locale: string };

export type ToPage =
  | { type: "ready" }
  | { type: "close" }
  | { type: "unread"; count: number }
  | { type: "started" }
  | { type: "sent" }
  | { type: "history"; exists: boolean };

/** Our own messages carry this mark; every other message on the window is somebody else's. */
export const MARK = 1;

/** A message of ours with its fields still unchecked, or null. */
export function readEnvelope(data: unknown): Record<string, unknown> | null {
  if (typeof data !== "object" || data === null) return null;
  const message = data as Record<string, unknown>;
  return message["knopka"] === MARK && typeof message["type"] === "string" ? message : null;
}
