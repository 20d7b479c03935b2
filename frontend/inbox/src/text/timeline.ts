/** What stands in a conversation from top to bottom: days, the unread mark, messages in groups; pure. */
import type { Message } from "../api/shapes";
import { dayKey } from "./dates";

export type Entry =
  | { kind: "day"; key: string; at: number }
  | { kind: "unread"; key: string }
  | { kind: "message"; key: string; message: Message; startsGroup: boolean };

/** Messages of one author this near to each other read as one turn. */
const ONE_TURN_MS = 5 * 60_000;

export function timeline(messages: Message[], firstUnread: number | null): Entry[] {
  const entries: Entry[] = [];
  let before: Message | null = null;
  for (const message of messages) {
    const isNewDay = !before || dayKey(before.created_at) !== dayKey(message.created_at);
    if (isNewDay) entries.push({ kind: "day", key: `d${message.seq}`, at: message.created_at });
    const isMark = firstUnread === message.seq;
    if (isMark) entries.push({ kind: "unread", key: "unread" });
    const startsGroup = isNewDay || isMark || !before || !isOneTurn(before, message);
    entries.push({ kind: "message", key: `m${message.seq}`, message, startsGroup });
    before = message;
  }
  return entries;
}

function isOneTurn(a: Message, b: Message): boolean {
  return (
    a.direction === b.direction &&
    a.author.kind === b.author.kind &&
    a.author.name === b.author.name &&
    b.created_at - a.created_at < ONE_TURN_MS
  );
}
