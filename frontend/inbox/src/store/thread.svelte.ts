/** One conversation's messages: history, gaps, and what has not been sent yet. */
import { listAfter, listBefore, resendMessage, sendMessage } from "../api/calls";
import { ApiError, newKey } from "../api/http";
import type { Message } from "../api/shapes";
import { sentenceOf, wordsOf } from "./faults";
import { solidUntil, withMessages } from "./merge";
import { Outbox, type Unsent } from "./outbox";

const SHORTEST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;
/** How long a hole may stand when its messages could not be fetched. */
const LONGEST_GAP_MS = 3_000;

export type Phase = "new" | "loading" | "ready" | "failed";

export class Thread {
  messages = $state.raw<Message[]>([]);
  unsent = $state.raw<Unsent[]>([]);
  phase = $state<Phase>("new");
  olderPhase = $state<Phase>("ready");
  hasOlder = $state(false);
  fault = $state("");

  /** Counts what the line said of messages, and keeps for each seq the last of it. */
  #said = 0;
  #saidOf = new Map<number, { turn: number; message: Message }>();
  #isStale = false;
  #isRefreshing = false;
  #catching = false;
  #wanted = 0;
  #sending = false;
  #tries = 0;
  #retry: number | undefined;

  constructor(
    readonly id: number,
    private readonly outbox: Outbox,
  ) {
    this.unsent = outbox.restore(id);
  }

  get lastSeq(): number {
    return this.messages.at(-1)?.seq ?? 0;
  }

  /** Loads the newest page, unless it is here. */
  async load(): Promise<void> {
    if (this.phase === "ready") return this.refresh();
    if (this.phase === "loading") return;
    this.phase = "loading";
    const asked = this.#said;
    try {
      const { messages } = await listBefore(this.id, null);
      this.hasOlder = messages.length > 0 && messages[0]!.seq > 1;
      this.#put(messages, asked);
      this.phase = "ready";
      await this.known(this.#wanted);
    } catch (error) {
      this.fault = wordsOf(error);
      this.phase = "failed";
    }
  }

  async loadOlder(): Promise<void> {
    const first = this.messages[0];
    if (!first || !this.hasOlder || this.olderPhase === "loading") return;
    this.olderPhase = "loading";
    const asked = this.#said;
    try {
      const { messages } = await listBefore(this.id, first.seq);
      this.hasOlder = messages.length > 0 && messages[0]!.seq > 1;
      this.#put(messages, asked);
      this.olderPhase = "ready";
    } catch (error) {
      this.fault = wordsOf(error);
      this.olderPhase = "failed";
    }
  }

  /** Messages may have changed unheard: the newest page is read again when it is looked at. */
  outdate(): void {
    this.#isStale = true;
  }

  async refresh(): Promise<void> {
    if (!this.#isStale || this.phase !== "ready" || this.#isRefreshing) return;
    this.#isRefreshing = true;
    this.#isStale = false;
    const asked = this.#said;
    try {
      const { messages } = await listBefore(this.id, null);
      this.#put(messages, asked);
      await this.known(this.#wanted);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#isStale = true;
    } finally {
      this.#isRefreshing = false;
    }
  }

  /** A message was heard; what lies between it and what is here is fetched. */
  take(message: Message): void {
    this.#saidOf.set(message.seq, { turn: ++this.#said, message });
    // A change above what is loaded is read with its page.
    if (this.hasOlder && message.seq < (this.messages[0]?.seq ?? 0)) return;
    if (this.phase === "ready") this.#put([message]);
    void this.known(message.seq);
  }

  /** The server has messages up to `seq`: fetches until they are here, without a hole. */
  async known(seq: number): Promise<void> {
    this.#wanted = Math.max(this.#wanted, seq);
    if (this.phase !== "ready" || this.#catching) return;
    this.#catching = true;
    try {
      while (this.#wanted > 0 && solidUntil(this.messages) < Math.max(this.#wanted, this.lastSeq)) {
        const asked = this.#said;
        const { messages } = await listAfter(this.id, solidUntil(this.messages));
        if (messages.length === 0) break;
        this.#put(messages, asked);
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.isPassing) window.setTimeout(() => void this.known(0), error.retryAfterMs ?? LONGEST_GAP_MS);
    } finally {
      this.#catching = false;
    }
  }

  send(text: string): void {
    const unsent: Unsent = { key: newKey(), text, created_at: Date.now(), state: "sending", fault: "" };
    this.outbox.keep(this.id, unsent);
    this.unsent = [...this.unsent, unsent];
    void this.flush();
  }

  /** Asks the server to send a message of its own once more; the same key again is the same sending. */
  async resend(messageId: number, key: string): Promise<void> {
    const asked = this.#said;
    this.#put([await resendMessage(this.id, messageId, key)], asked);
  }

  again(key: string): void {
    this.#mark(key, "sending", "");
    this.#tries = 0;
    void this.flush();
  }

  discard(key: string): void {
    this.outbox.drop(this.id, key);
    this.unsent = this.unsent.filter((unsent) => unsent.key !== key);
  }

  /** Sends what waits, one after the other, so that the order of writing is the order of arrival. */
  async flush(): Promise<void> {
    if (this.#sending) return;
    clearTimeout(this.#retry);
    this.#sending = true;
    try {
      for (let next = this.#next(); next; next = this.#next()) {
        if (!(await this.#deliver(next))) return;
      }
      this.#tries = 0;
    } finally {
      this.#sending = false;
    }
  }

  #next(): Unsent | undefined {
    return this.unsent.find((unsent) => unsent.state !== "failed");
  }

  /** One attempt; false when the server cannot be reached, and nothing behind it can be sent either. */
  async #deliver(unsent: Unsent): Promise<boolean> {
    this.#mark(unsent.key, "sending", "");
    const asked = this.#said;
    try {
      const message = await sendMessage(this.id, unsent.key, unsent.text);
      this.discard(unsent.key);
      if (this.phase === "ready") this.#put([message], asked);
      void this.known(message.seq);
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (!error.isPassing) {
        this.#mark(unsent.key, "failed", sentenceOf(error));
        return true;
      }
      for (const waiting of this.unsent) if (waiting.state === "sending") this.#mark(waiting.key, "waiting", "");
      this.#later(error.retryAfterMs);
      return false;
    }
  }

  #later(asked: number | null): void {
    this.#tries += 1;
    const wait = asked ?? Math.min(LONGEST_WAIT_MS, SHORTEST_WAIT_MS * 2 ** this.#tries);
    this.#retry = window.setTimeout(() => void this.flush(), wait * (0.75 + Math.random() / 2));
  }

  #mark(key: string, state: Unsent["state"], fault: string): void {
    this.unsent = this.unsent.map((unsent) => (unsent.key === key ? { ...unsent, state, fault } : unsent));
  }

  /**
   * A message that came back under the key of an unsent one is that one. What the line
   * said of a message after the answer was asked for is newer than the answer.
   */
  #put(messages: Message[], asked = this.#said): void {
    const news = messages.map((message) => {
      const said = this.#saidOf.get(message.seq);
      return said && said.turn > asked ? said.message : message;
    });
    this.messages = withMessages(this.messages, news);
    const arrived = new Set(messages.filter((message) => message.direction === "out").map((message) => message.key));
    for (const unsent of this.unsent) if (arrived.has(unsent.key)) this.discard(unsent.key);
  }}
