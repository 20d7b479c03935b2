/** Whether an answer can reach the person, and for how long; pure. */
import type { Summary } from "../api/shapes";

export type Reach =
  | { kind: "free" }
  | { kind: "gone"; why: "blocked" | "gone" }
  | { kind: "shut" }
  | { kind: "late"; until: number }
  | { kind: "closes" | "costs"; left: number; isSoon: boolean }
  | { kind: "paid" };

/** From here on the time that is left is a warning. */
const SOON_MS = 60 * 60_000;

export function reachOf({ chat_gone, window }: Pick<Summary, "chat_gone" | "window">, now: number): Reach {
  if (chat_gone) return { kind: "gone", why: chat_gone };
  if (!window) return { kind: "free" };
  const left = window.ends_at - now;
  if (left > 0) return { kind: window.kind, left, isSoon: left <= SOON_MS };
  if (window.kind === "costs") return { kind: "paid" };
  const { late_until } = window;
  return late_until && now < late_until ? { kind: "late", until: late_until } : { kind: "shut" };
}

export const isShut = (reach: Reach): boolean => reach.kind === "gone" || reach.kind === "shut";
