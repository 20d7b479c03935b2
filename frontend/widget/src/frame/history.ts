/** What has been said: each message once, in the server's order, and how far we know it without a gap. */

import type { Chat, Message, State } from "./types";

const RANK: Record<State, number> = { failed: 0, sending: 0, sent: 1, delivered: 2, read: 3 };

export class History {
  readonly #byId = new Map<number, Message>();
  #sorted: Message[] | null = null;
  chat: Chat | null = null;
  /** Every message of the current conversation up to this one is here. */
  cursor = 0;

  get messages(): readonly Message[] {
    this.#sorted ??= [...this.#byId.values()].sort((a, b) => a.conversation_id - b.conversation_id || a.seq - b.seq);
    return this.#sorted;
  }

  /** Operator's words that the visitor has not seen. */
  get unread(): number {
    const seen = this.chat?.visitor_read_seq ?? 0;
    const known = this.#current().filter(({ direction, seq }) => direction === "out" && seq > seen).length;
    return Math.max(known, this.cursor >= (this.chat?.last_seq ?? 0) ? 0 : (this.chat?.unread ?? 0));
  }

  get hasGap(): boolean {
    return this.lastSeq > this.cursor;
  }

  get lastSeq(): number {
    return this.#current().at(-1)?.seq ?? 0;
  }

  #current(): Message[] {
    return this.messages.filter((message) => message.conversation_id === this.chat?.id);
  }

  setChat(chat: Chat | null): void {
    if (!chat) return;
    const old = this.chat;
    if (old?.id !== chat.id) this.cursor = 0;
    const isSame = old?.id === chat.id;
    // Answers may overtake one another: what was read stays read.
    const latest = (name: "visitor_read_seq" | "operator_read_seq" | "last_seq"): number =>
      Math.max(chat[name], isSame ? old[name] : 0);
    this.chat = {
      ...chat,
      last_seq: latest("last_seq"),
      visitor_read_seq: latest("visitor_read_seq"),
      operator_read_seq: latest("operator_read_seq"),
    };
  }

  /** Take messages in; `isRun` says that nothing is missing between them and what is known. Returns the new ones. */
  add(messages: readonly Message[], isRun = false): Message[] {
    const fresh = messages.filter(({ id }) => !this.#byId.has(id));
    for (const message of messages) {
      const known = this.#byId.get(message.id);
      const state = known && RANK[known.state] > RANK[message.state] ? known.state : message.state;
      this.#byId.set(message.id, { ...message, state });
    }
    this.#sorted = null;
    if (isRun) this.cursor = Math.max(this.cursor, this.lastSeq);
    const known = new Set(this.#current().map(({ seq }) => seq));
    while (known.has(this.cursor + 1)) this.cursor++;
    return fresh;
  }

  markOperatorRead(seq: number): void {
    if (this.chat) this.chat = { ...this.chat, operator_read_seq: Math.max(this.chat.operator_read_seq, seq) };
  }

  markVisitorRead(seq: number): void {
    if (this.chat) this.chat = { ...this.chat, visitor_read_seq: Math.max(this.chat.visitor_read_seq, seq) };
  }

  /** How far a message of the visitor has come. */
  stateOf(message: Message): State {
    const isRead = message.conversation_id === this.chat?.id && message.seq <= this.chat.operator_read_seq;
    return isRead ? "read" : message.state;
  }
}
