/** The one store: a snapshot, kept true by the live line and by asking what was missed. */
import { SvelteMap, SvelteSet } from "svelte/reactivity";
import {
  getConversation,
  getMe,
  listChanges,
  listConversations,
  listPipelines,
  markRead,
  setStatus,
  tellTyping,
} from "../api/calls";
import { ApiError } from "../api/http";
import type { ConversationPage, ConversationStatus, LiveEvent, Me, Pipeline, Summary } from "../api/shapes";
import { Line } from "../api/socket";
import { language } from "../words/index.svelte";
import { LeadCard } from "./card.svelte";
import { Channels } from "./channels.svelte";
import { wordsOf } from "./faults";
import { ConversationList, UnsortedList, type Status } from "./lists.svelte";
import { later } from "./merge";
import { Outbox } from "./outbox";
import { prefs } from "./prefs.svelte";
import { Thread } from "./thread.svelte";

export type Connection = "connecting" | "live" | "lost" | "polling" | "offline";

/** After so many failures in a row the changes are polled until a socket opens. */
const SOCKET_FAILURES = 3;
const POLL_MS = 5_000;
const TYPING_EVERY_MS = 3_000;
/** A messenger shows the mark for about five seconds (Bot API, sendChatAction). */
const MESSENGER_TYPING_EVERY_MS = 4_000;
const TYPING_LASTS_MS = 6_000;
const SOON_MS = 300;

class Desk {
  me = $state.raw<Me | null>(null);
  startFault = $state("");
  connection = $state<Connection>("connecting");
  /** Unread messages of the whole account. */
  unread = $state(0);
  /** The server's clock, which the demo can move, beside ours. */
  clockOffset = $state(0);
  now = $state(Date.now());
  pipelines = $state.raw<Pipeline[]>([]);
  conversations = new SvelteMap<number, Summary>();
  drafts = new SvelteSet<number>();
  missing = new SvelteSet<number>();
  /** Conversations whose visitor types just now. */
  typingIn = new SvelteSet<number>();

  lists: Record<Status, ConversationList> = {
    open: this.#list("open"),
    closed: this.#list("closed"),
    all: this.#list("all"),
  };
  unsorted = new UnsortedList();
  channels = new Channels();

  #threads = new Map<number, Thread>();
  #cards = new Map<number, LeadCard>();
  /** The one card and the one thread on the screen are kept fresh; any other is read when it is shown. */
  #shownCard: LeadCard | null = null;
  #shownThread: Thread | null = null;
  #outbox = new Outbox(0);
  #line: Line | null = null;
  #cursor: number | null = null;
  #bridging = false;
  /** From the loss of the line until all that was missed is here. */
  #isBehind = true;
  #bridgeAgain = false;
  #bridgeRetry: number | undefined;
  #poll: number | undefined;
  #reading = new Map<number, number>();
  #isCountEarly = false;
  #typedAt = new Map<number, number>();
  #typingEnds = new Map<number, number>();
  #recounting: number | undefined;
  #sorting: number | undefined;

  async start(): Promise<void> {
    this.startFault = "";
    try {
      const me = await getMe();
      this.#sync(me.now);
      language.timezone = me.account.timezone;
      language.currency = me.account.currency;
      prefs.followAccount(me.account.locale);
      this.#outbox = new Outbox(me.operator.id);
      for (const id of this.#outbox.drafts()) this.drafts.add(id);
      this.me = me;
    } catch (error) {
      this.startFault = wordsOf(error);
      return;
    }
    this.#openLine();
    void this.lists.open.load();
    void this.unsorted.load();
    void this.#loadPipelines();
    void this.channels.load();
    // What a closed page left unsent goes out now.
    for (const id of this.#outbox.conversations()) void this.thread(id).flush();
  }

  // --- reading -----------------------------------------------------------------------------

  thread(id: number): Thread {
    const known = this.#threads.get(id);
    if (known) return known;
    const thread = new Thread(id, this.#outbox);
    this.#threads.set(id, thread);
    return thread;
  }

  card(leadId: number): LeadCard {
    const known = this.#cards.get(leadId);
    if (known) return known;
    const card = new LeadCard(leadId);
    this.#cards.set(leadId, card);
    return card;
  }

  showCard(card: LeadCard | null): void {
    this.#shownCard = card;
    void card?.load();
  }

  /** Makes a conversation ready to be looked at, wherever its id came from. */
  async open(id: number): Promise<void> {
    const thread = this.thread(id);
    this.#shownThread = thread;
    void thread.load();
    if (this.conversations.has(id)) return;
    try {
      this.apply(await getConversation(id));
      this.missing.delete(id);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) this.missing.add(id);
    }
  }

  // --- acting ------------------------------------------------------------------------------

  draft(id: number): string {
    return this.#outbox.draft(id);
  }

  setDraft(id: number, text: string): void {
    this.#outbox.setDraft(id, text);
    if (text.trim()) this.drafts.add(id);
    else this.drafts.delete(id);
  }

  /** Tells the visitor that somebody answers, not more often than is worth it. */
  typing(id: number): void {
    const at = Date.now();
    const isOnsite = (this.conversations.get(id)?.channel ?? "onsite") === "onsite";
    if (at - (this.#typedAt.get(id) ?? 0) < (isOnsite ? TYPING_EVERY_MS : MESSENGER_TYPING_EVERY_MS)) return;
    this.#typedAt.set(id, at);
    if (isOnsite) this.#line?.send({ type: "typing", conversation_id: id });
    else void this.#tellTyping(id);
  }

  read(id: number): void {
    const conversation = this.conversations.get(id);
    if (!conversation || conversation.unread === 0) return;
    this.#reading.set(id, Math.max(conversation.last_seq, this.#reading.get(id) ?? 0));
    this.apply(conversation);
    void this.#tellRead(id);
  }

  /** Closes or reopens at once on the screen; a refusal brings the old state back. */
  async setStatus(id: number, status: ConversationStatus): Promise<void> {
    const before = this.conversations.get(id);
    if (!before || before.status === status) return;
    this.conversations.set(id, { ...before, status });
    try {
      this.apply(await setStatus(id, status));
    } catch (error) {
      const now = this.conversations.get(id);
      if (now && now.changed_at === before.changed_at) this.conversations.set(id, { ...now, status: before.status });
      throw error;
    }
  }

  /** After a decision on a lead: its row goes, its conversation tells the new state. */
  decided(uid: string, conversationId: number | null): void {
    this.unsorted.drop(uid);
    if (conversationId !== null) void this.#refresh(conversationId);
  }

  forget(): void {
    this.#outbox.clear();
    this.#line?.close();
    clearInterval(this.#poll);
    clearTimeout(this.#bridgeRetry);
  }

  tick(): void {
    this.now = Date.now() + this.clockOffset;
  }

  // --- what the server says ----------------------------------------------------------------

  apply(heard: Summary): void {
    const known = this.conversations.get(heard.id);
    const merged = this.#asRead(later(known, heard));
    if (known) this.unread = Math.max(0, this.unread + merged.unread - known.unread);
    else if (merged.unread > 0 && this.#cursor !== null) this.#recountSoon();
    this.conversations.set(heard.id, merged);
    if (known?.unsorted?.state !== merged.unsorted?.state || known?.unsorted?.uid !== merged.unsorted?.uid) this.#sortSoon();
    void this.#threads.get(heard.id)?.known(merged.last_seq);
  }

  #list(status: Status): ConversationList {
    return new ConversationList(
      status,
      () => this.conversations.values(),
      (page) => this.#take(page),
    );
  }

  #take(page: ConversationPage): void {
    for (const conversation of page.conversations) {
      this.conversations.set(conversation.id, this.#asRead(later(this.conversations.get(conversation.id), conversation)));
    }
    this.#count(page.unread);
    this.#cursor ??= page.cursor;
  }

  /** What we have just read stays read, though the server may not have heard of it yet. */
  #asRead(conversation: Summary): Summary {
    const seq = this.#reading.get(conversation.id) ?? 0;
    if (seq <= conversation.operator_read_seq || seq < conversation.last_seq) return conversation;
    return { ...conversation, operator_read_seq: seq, unread: 0 };
  }

  #openLine(): void {
    const address = new URL("/inbox/api/live", location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    this.#line = new Line(address.href, {
      opened: () => this.#opened(),
      lost: (failures) => this.#lost(failures),
      event: (event) => this.#hear(event),
      signedOut: () => void this.#bridge(),
    });
    this.#line.open();
    window.addEventListener("online", () => void this.#bridge());
  }

  #opened(): void {
    clearInterval(this.#poll);
    this.#poll = undefined;
    this.connection = "live";
    void this.#bridge();
  }

  #lost(failures: number): void {
    this.#isBehind = true;
    if (!navigator.onLine) this.connection = "offline";
    else if (failures < SOCKET_FAILURES) this.connection = "lost";
    else this.#startPolling();
  }

  #startPolling(): void {
    if (this.connection !== "polling") this.connection = "lost";
    this.#poll ??= window.setInterval(() => void this.#bridge(), POLL_MS);
    void this.#bridge();
  }

  #hear(event: LiveEvent): void {
    switch (event.type) {
      case "conversation":
        if (event.message) this.#threads.get(event.conversation.id)?.take(event.message);
        this.apply(event.conversation);
        this.#follow(event.conversation.changed_at);
        if (event.message?.direction === "in") this.typingIn.delete(event.conversation.id);
        return;
      case "card":
        if (this.#shownCard?.leadId === event.lead_id) void this.#shownCard.load();
        this.#sortSoon();
        return;
      case "typing":
        this.#hearTyping(event.conversation_id);
        return;
      case "channels":
        void this.channels.load();
        return;
      case "pong":
        if (event.now) this.#sync(event.now);
        return;
    }
  }

  /** What is heard while nothing is missing need not be asked for again. */
  #follow(at: number): void {
    if (!this.#isBehind && this.#cursor !== null) this.#cursor = Math.max(this.#cursor, at);
  }

  #hearTyping(id: number): void {
    clearTimeout(this.#typingEnds.get(id));
    this.typingIn.add(id);
    this.#typingEnds.set(id, window.setTimeout(() => this.typingIn.delete(id), TYPING_LASTS_MS));
  }

  /** Fetches what happened while there was no line: the changes, then each open thread's own gap. */
  async #bridge(): Promise<void> {
    if (this.#bridging) {
      this.#bridgeAgain = true;
      return;
    }
    this.#bridging = true;
    try {
      do {
        this.#bridgeAgain = false;
        await this.#bridgeOnce();
      } while (this.#bridgeAgain);
      if (this.#poll !== undefined) this.connection = "polling";
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (this.connection === "polling") this.connection = "lost";
      clearTimeout(this.#bridgeRetry);
      this.#bridgeRetry = window.setTimeout(() => void this.#bridge(), error.retryAfterMs ?? POLL_MS);
    } finally {
      this.#bridging = false;
    }
  }

  async #bridgeOnce(): Promise<void> {
    const cursor = this.#cursor ?? (await this.#firstPage());
    for (let since = cursor, more = true; more; since = this.#cursor) {
      const changes = await listChanges(since);
      for (const conversation of changes.conversations) {
        this.apply(conversation);
        this.#threads.get(conversation.id)?.outdate();
      }
      this.#cursor = Math.max(since, changes.cursor);
      more = changes.more && this.#cursor > since;
    }
    this.#isBehind = this.connection !== "live";
    for (const id of this.#reading.keys()) void this.#tellRead(id);
    for (const thread of this.#threads.values()) this.#wake(thread);
    void this.#shownCard?.load();
    void this.#shownThread?.refresh();
    void this.unsorted.refresh();
    void this.channels.load();
    this.#recountSoon();
  }

  #wake(thread: Thread): void {
    void thread.flush();
    if (thread.phase === "failed") void thread.load();
    else void thread.known(this.conversations.get(thread.id)?.last_seq ?? 0);
  }

  /** The snapshot; the changes are asked for all the same, since the line may have opened after it. */
  async #firstPage(): Promise<number> {
    await this.lists.open.load();
    if (this.#cursor === null) throw new ApiError(0, "unreachable", this.lists.open.fault);
    return this.#cursor;
  }

  async #tellRead(id: number): Promise<void> {
    const seq = this.#reading.get(id);
    if (seq === undefined) return;
    try {
      await markRead(id, seq);
    } catch (error) {
      // Said again when the line is back.
      if (error instanceof ApiError && error.isPassing) return;
    }
    if (this.#reading.get(id) === seq) this.#reading.delete(id);
    if (this.#isCountEarly) this.#recountSoon();
  }

  /** Says it once; a mark that did not arrive is out of date before it could be said again. */
  async #tellTyping(id: number): Promise<void> {
    try {
      await tellTyping(id);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
  }

  async #refresh(id: number): Promise<void> {
    try {
      this.apply(await getConversation(id));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
  }

  async #loadPipelines(): Promise<void> {
    try {
      this.pipelines = (await listPipelines()).pipelines;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
  }

  /** Asks for the pipelines again where they are needed and did not come at the start. */
  async needPipelines(): Promise<void> {
    if (this.pipelines.length === 0) await this.#loadPipelines();
  }

  #recountSoon(): void {
    clearTimeout(this.#recounting);
    this.#recounting = window.setTimeout(() => void this.#recount(), SOON_MS);
  }

  /** The server's count may still hold what we are just telling it to be read: then it is asked again. */
  #count(unread: number): void {
    this.unread = unread;
    this.#isCountEarly = this.#reading.size > 0;
  }

  async #recount(): Promise<void> {
    try {
      this.#count((await listConversations("open", null, 1)).unread);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
  }

  #sortSoon(): void {
    clearTimeout(this.#sorting);
    this.#sorting = window.setTimeout(() => void this.unsorted.refresh(), SOON_MS);
  }

  #sync(now: number): void {
    this.clockOffset = now - Date.now();
    this.tick();
  }
}

export const desk = new Desk();
