/** What one view reads for itself: a single thing, or a list that comes in pages. */
import { ApiError } from "../api/http";
import { wordsOf } from "./faults";
import type { Phase } from "./thread.svelte";

export class Loaded<T> {
  value = $state.raw<T | null>(null);
  phase = $state<Phase>("new");
  fault = $state("");
  /** The server knows of no such thing. */
  isGone = $state(false);
  #turn = 0;

  /** Reads it (again); of several readings the newest counts, and what is here stays meanwhile. */
  async load(ask: () => Promise<T>): Promise<void> {
    const turn = ++this.#turn;
    this.phase = "loading";
    this.isGone = false;
    try {
      const value = await ask();
      if (turn !== this.#turn) return;
      this.value = value;
      this.phase = "ready";
    } catch (error) {
      if (turn !== this.#turn) return;
      this.fault = wordsOf(error);
      this.isGone = error instanceof ApiError && error.status === 404;
      this.phase = "failed";
    }
  }

  /** Forgets what is here, and what is on its way. */
  clear(): void {
    this.#turn += 1;
    this.value = null;
    this.phase = "new";
  }
}

export interface Paged<T> {
  rows: T[];
  next: number | null;
}

export class Pages<T extends object> {
  rows = $state.raw<T[]>([]);
  next = $state<number | null>(null);
  phase = $state<Phase>("new");
  fault = $state("");

  constructor(private readonly ask: (before: number | null) => Promise<Paged<T>>) {}

  /** Reads the newest page anew. */
  load(): Promise<void> {
    return this.#read(null);
  }

  /** Reads the page after the last one. */
  async more(): Promise<void> {
    if (this.next !== null && this.phase !== "loading") await this.#read(this.next);
  }

  async #read(before: number | null): Promise<void> {
    this.phase = "loading";
    try {
      const page = await this.ask(before);
      this.rows = before === null ? page.rows : [...this.rows, ...page.rows];
      this.next = page.next;
      this.phase = "ready";
    } catch (error) {
      this.fault = wordsOf(error);
      this.phase = "failed";
    }
  }
}
