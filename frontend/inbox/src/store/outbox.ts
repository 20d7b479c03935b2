/** Drafts and unsent messages, kept in this browser until they are sent or discarded. */
import { names, read, write } from "./storage";

export interface Unsent {
  key: string;
  text: string;
  created_at: number;
  state: "sending" | "waiting" | "failed";
  fault: string;
}

/** Older than this, a message left behind by a closed page is offered, not sent by itself. */
const FRESH_MS = 10 * 60_000;

/** What a calendar can hold. */
const isTime = (at: unknown): boolean => typeof at === "number" && Math.abs(at) <= 8.64e15;

/** One operator's own, so that colleagues at one computer never send each other's words. */
export class Outbox {
  constructor(private readonly operatorId: number) {}

  keep(conversationId: number, unsent: Unsent): void {
    const { key, text, created_at } = unsent;
    write(this.#name(conversationId, key), JSON.stringify({ key, text, created_at }));
  }

  drop(conversationId: number, key: string): void {
    write(this.#name(conversationId, key), null);
  }

  restore(conversationId: number): Unsent[] {
    return names(this.#name(conversationId, ""))
      .map((name) => this.#read(name))
      .filter((unsent) => unsent !== null)
      .sort((a, b) => a.created_at - b.created_at);
  }

  /** The conversations that have something unsent. */
  conversations(): number[] {
    const ids = names(`unsent.${this.operatorId}.`).map((name) => Number(name.split(".")[2]));
    return [...new Set(ids)];
  }

  draft(conversationId: number): string {
    return read(`draft.${this.operatorId}.${conversationId}`) ?? "";
  }

  setDraft(conversationId: number, text: string): void {
    write(`draft.${this.operatorId}.${conversationId}`, text.trim() ? text : null);
  }

  /** The ids of the conversations with a draft. */
  drafts(): number[] {
    return names(`draft.${this.operatorId}.`).map((name) => Number(name.split(".")[2]));
  }

  clear(): void {
    for (const name of [...names(`draft.${this.operatorId}.`), ...names(`unsent.${this.operatorId}.`)]) write(name, null);
  }

  #name(conversationId: number, key: string): string {
    return `unsent.${this.operatorId}.${conversationId}.${key}`;
  }

  #read(name: string): Unsent | null {
    try {
      const { key, text, created_at } = JSON.parse(read(name) ?? "null") as Unsent;
      if (typeof text !== "string" || typeof key !== "string" || !isTime(created_at)) return null;
      const isFresh = Date.now() - created_at < FRESH_MS;
      return { key, text, created_at, state: isFresh ? "waiting" : "failed", fault: "" };
    } catch {
      return null;
    }
  }
}
