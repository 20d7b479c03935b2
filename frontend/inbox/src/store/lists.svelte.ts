/** Which conversations a list shows: those loaded so far by keyset, and whatever moved since. */
import { listConversations, listUnsorted } from "../api/calls";
import type { ConversationPage, ConversationStatus, Summary, UnsortedRow } from "../api/shapes";
import { wordsOf } from "./faults";
import { byNewest, newestAt } from "./merge";
import type { Phase } from "./thread.svelte";

export type Status = ConversationStatus | "all";

export class ConversationList {
  phase = $state<Phase>("new");
  fault = $state("");
  next = $state<string | null>(null);
  /** Older than this is not loaded yet, and is not shown before it is. */
  #floor = $state(Number.POSITIVE_INFINITY);

  constructor(
    readonly status: Status,
    private readonly all: () => Iterable<Summary>,
    private readonly take: (page: ConversationPage) => void,
  ) {}

  shown = $derived.by(() => this.#shown());

  #loading: Promise<void> | null = null;

  /** Loads the next page; who asks while one is under way waits for that one. */
  load(): Promise<void> {
    if (this.phase === "ready" && this.next === null) return Promise.resolve();
    this.#loading ??= this.#fetch().finally(() => (this.#loading = null));
    return this.#loading;
  }

  async #fetch(): Promise<void> {
    const before = this.next;
    this.phase = "loading";
    try {
      const page = await listConversations(this.status, before);
      this.take(page);
      const oldest = page.conversations.at(-1);
      this.next = page.next;
      this.#floor = page.next === null || !oldest ? Number.NEGATIVE_INFINITY : newestAt(oldest);
      this.phase = "ready";
    } catch (error) {
      this.fault = wordsOf(error);
      this.phase = "failed";
    }
  }

  #shown(): Summary[] {
    const shown: Summary[] = [];
    for (const conversation of this.all()) {
      const belongs = this.status === "all" || conversation.status === this.status;
      if (belongs && newestAt(conversation) >= this.#floor) shown.push(conversation);
    }
    return shown.sort(byNewest);
  }
}

export class UnsortedList {
  rows = $state.raw<UnsortedRow[]>([]);
  phase = $state<Phase>("new");
  fault = $state("");
  next = $state<string | null>(null);
  #again = false;

  /** Loads the next page of older ones. */
  async load(): Promise<void> {
    if (this.phase === "loading" || (this.phase === "ready" && this.next === null)) return;
    await this.#fetch(this.next);
  }

  /** Reads the newest page again; what it no longer names of its own span is gone. */
  async refresh(): Promise<void> {
    if (this.phase === "loading") {
      this.#again = true;
      return;
    }
    await this.#fetch(null);
  }

  drop(uid: string): void {
    this.rows = this.rows.filter((row) => row.uid !== uid);
  }

  async #fetch(before: string | null): Promise<void> {
    const hadMore = this.phase === "ready" && this.next !== null;
    this.phase = "loading";
    try {
      const page = await listUnsorted(before);
      this.#put(page.unsorted, before === null, page.next);
      if (before !== null || !hadMore || page.next === null) this.next = page.next;
      this.phase = "ready";
    } catch (error) {
      this.fault = wordsOf(error);
      this.phase = "failed";
    }
    if (!this.#again) return;
    this.#again = false;
    await this.#fetch(null);
  }

  #put(rows: UnsortedRow[], isNewest: boolean, next: string | null): void {
    const heard = new Set(rows.map((row) => row.uid));
    const floor = next === null ? Number.NEGATIVE_INFINITY : (rows.at(-1)?.created_at ?? Number.NEGATIVE_INFINITY);
    const kept = this.rows.filter((row) => !heard.has(row.uid) && !(isNewest && row.created_at >= floor));
    this.rows = [...kept, ...rows].sort((a, b) => b.created_at - a.created_at || (a.uid < b.uid ? 1 : -1));
  }
}
