/** How two reports of one thing become one; pure. */
import type { Message, Summary } from "../api/shapes";

/** Numbers of a conversation that only ever grow; they order reports of the same millisecond. */
const progress = (c: Summary): number =>
  c.last_seq + c.operator_read_seq + c.visitor_read_seq + c.visitor_delivered_seq;

/** The later of what is known and what has just been heard. */
export function later(known: Summary | undefined, heard: Summary): Summary {
  if (!known || heard.changed_at > known.changed_at) return heard;
  return heard.changed_at === known.changed_at && progress(heard) >= progress(known) ? heard : known;
}

export const newestAt = (c: Summary): number => c.last_message?.created_at ?? c.created_at;

/** Newest message first, as the server lists them. */
export const byNewest = (a: Summary, b: Summary): number => newestAt(b) - newestAt(a) || b.id - a.id;

/** The messages with the new ones in their places: one for each seq, the newest report of each. */
export function withMessages(known: Message[], heard: Message[]): Message[] {
  if (heard.length === 0) return known;
  const bySeq = new Map(known.map((message) => [message.seq, message]));
  for (const message of heard) bySeq.set(message.seq, message);
  return [...bySeq.values()].sort((a, b) => a.seq - b.seq);
}

/** The last seq before the first hole; seqs count without gaps, so a hole is a missed message. */
export function solidUntil(messages: Message[]): number {
  for (let i = 1; i < messages.length; i++) {
    const before = messages[i - 1]!.seq;
    if (messages[i]!.seq !== before + 1) return before;
  }
  return messages.at(-1)?.seq ?? 0;
}
