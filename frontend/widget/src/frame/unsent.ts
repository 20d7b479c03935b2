/** Messages on their way: one after another, kept until the server has them, sent exactly once by their key. */

import type { PageInfo } from "../shared/protocol";
import { makeId } from "../shared/random";
import { forget, keep, listKept, recall } from "../shared/storage";
import { whole } from "./text";
import type { Server } from "./server";
import type { Chat, Message, Pressed } from "./types";

export interface Pending {
  key: string;
  text: string;
  at: number;
  isFailed: boolean;
  /** The server has refused it: only the visitor can want it tried again. */
  isRefused: boolean;
  /** Forgotten with the page: its label, which is the text, says the same. */
  pressed?: Pressed | undefined;
}

export interface Accepted {
  conversation: Chat;
  message: Message;
}

export interface UnsentParts {
  server: Server;
  buttonId: string;
  origin: () => { visit: string | null; page: PageInfo };
  onAccepted: (accepted: Accepted) => void;
  onChange: () => void;
  /** Shown while the server asks for patience. */
  onBusy: (isBusy: boolean) => void;
}

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;
const TRIES = 4;

export class Unsent {
  readonly #parts: UnsentParts;
  readonly #prefix: string;
  readonly list: Pending[] = [];
  #isBusy = false;
  #wake: (() => void) | null = null;

  constructor(parts: UnsentParts) {
    this.#parts = parts;
    this.#prefix = `knopka.unsent.${parts.buttonId}.`;
    for (const name of listKept(this.#prefix)) {
      const value = recall(name) ?? "";
      const at = readTime(value.split(" ", 1)[0]!);
      this.list.push({ key: name.slice(this.#prefix.length), text: value.slice(value.indexOf(" ") + 1), at, isFailed: false, isRefused: false });
    }
    this.list.sort((a, b) => a.at - b.at);
  }

  add(written: string, pressed?: Pressed): void {
    const text = whole(written);
    const at = Math.max(Date.now(), (this.list.at(-1)?.at ?? 0) + 1);
    const pending = { key: makeId(), text, at, isFailed: false, isRefused: false, pressed };
    this.list.push(pending);
    keep(this.#prefix + pending.key, `${at} ${text}`);
    void this.run();
  }

  retry(key: string): void {
    const pending = this.list.find((one) => one.key === key);
    if (pending) pending.isFailed = false;
    this.#parts.onChange();
    void this.run();
  }

  /** The connection is back: whatever waits goes now. */
  wake(): void {
    this.#wake?.();
    for (const pending of this.list) pending.isFailed = pending.isRefused;
    void this.run();
  }

  /** The server has this message, however we came to know it. */
  settle(key: string | null): boolean {
    const at = this.list.findIndex((pending) => pending.key === key);
    if (at < 0) return false;
    this.list.splice(at, 1);
    forget(this.#prefix + key);
    return true;
  }

  async run(): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    this.#parts.onChange();
    for (let pending = this.#next(); pending; pending = this.#next()) await this.#deliver(pending);
    this.#isBusy = false;
    this.#parts.onChange();
  }

  #next(): Pending | undefined {
    return this.list.find(({ isFailed }) => !isFailed);
  }

  async #deliver(pending: Pending): Promise<void> {
    for (let attempt = 0; this.list.includes(pending) && !pending.isFailed; attempt++) {
      const { status, waitMs } = await this.#try(pending);
      if (status === 200 || status === 201) return;
      const isTemporary = !status || status === 429 || status >= 500;
      if (status === 401 && attempt === 0) continue;
      pending.isRefused = !isTemporary;
      pending.isFailed = pending.isRefused || (attempt >= TRIES && !waitMs);
      this.#parts.onChange();
      if (pending.isFailed) return;
      await this.#pause(waitMs || Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt) * (0.5 + Math.random() / 2), waitMs > 0);
    }
  }

  async #try(pending: Pending): Promise<{ status: number; waitMs: number }> {
    const { server, origin, onAccepted } = this.#parts;
    const minted = await server.ensureToken();
    if (minted !== 201) return { status: minted, waitMs: 0 };
    const { key, text, pressed } = pending;
    const reply = await server.post<Partial<Accepted>>("messages", { key, text, pressed, ...origin() });
    if (reply.status === 401) server.dropToken();
    const { conversation, message } = reply.body ?? {};
    // A network's own page in the place of our answer: nothing is known, so it is asked again.
    if (!conversation || !message) return { status: reply.status < 400 ? 0 : reply.status, waitMs: reply.waitMs };
    this.settle(pending.key);
    onAccepted({ conversation, message });
    return reply;
  }

  async #pause(ms: number, isAsked: boolean): Promise<void> {
    this.#parts.onBusy(isAsked);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        if (!isAsked) resolve();
      };
      if (isAsked) this.#wake = null;
    });
    this.#wake = null;
    this.#parts.onBusy(false);
  }
}

/** A time that a calendar knows; garbage counts as now. */
function readTime(text: string): number {
  const at = parseFloat(text);
  return Math.abs(at) <= 8.64e15 ? at : Date.now();
}
