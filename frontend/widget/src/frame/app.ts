/** The chat: what was said, what is being said, and the wires between the server, the page and the screen. */

import type { PageInfo, ToPage } from "../shared/protocol";
import { forget, keep, recall } from "../shared/storage";
import { History } from "./history";
import { Live, type LiveState } from "./live";
import type { Item } from "./log";
import { Server } from "./server";
import type { Button, Chat, Message, Pressed, Words } from "./types";
import { Unsent, type Accepted } from "./unsent";
import { View } from "./view";

interface Opened {
  conversation: Chat | null;
  messages: Message[];
}

const MOST_SHOWN = 200;
const PAGE = 50;
const TYPING_SHOWN_MS = 6_000;
const TYPING_EVERY_MS = 3_000;
const SEEN_MS = 250;
const GAP_MS = 1_500;
const UNEASE_MS = 1_500;

export class App {
  readonly #button: Button;
  readonly #post: (message: ToPage) => void;
  readonly #server: Server;
  readonly #unsent: Unsent;
  readonly #live: Live;
  readonly #history = new History();
  #words: Words;
  #view: View;
  #visit: string | null = null;
  #page: PageInfo = { url: "", title: "", referrer: "" };
  #isSeen = false;
  #isOpened = false;
  #isOpening = false;
  #hasEarlier = false;
  /** The first message shown, counted from the oldest; null while the latest are shown. */
  #start: number | null = null;
  #status = "";
  #isBusy = false;
  #unread = 0;
  #reported = "";
  #seenTimer = 0;
  #gapTimer = 0;
  #typingTimer = 0;
  #uneaseTimer = 0;
  #typedAt = 0;
  #isTyping = false;

  constructor(button: Button, words: Words, locale: string, post: (message: ToPage) => void) {
    this.#button = button;
    this.#words = words;
    this.#post = post;
    this.#server = new Server(button.api, button.id);
    this.#unsent = new Unsent({
      server: this.#server,
      buttonId: button.id,
      origin: () => ({ visit: this.#visit, page: this.#page }),
      onAccepted: (accepted) => this.#accept(accepted),
      onChange: () => this.#paint(),
      onBusy: (isBusy) => {
        this.#isBusy = isBusy;
        this.#paint();
      },
    });
    this.#live = new Live({
      address: this.#server.liveAddress,
      hello: () => this.#sayHello(),
      onEvent: (event) => this.#hear(event),
      onState: (state) => this.#feel(state),
      poll: () => this.#fetchNews(),
      onRefused: () => this.#server.dropToken(),
    });
    this.#view = this.#makeView(locale);
    this.#listen();
    this.#paint();
  }

  // What the page says

  meetVisit(visit: string, page: PageInfo): void {
    const isNew = this.#visit !== visit;
    this.#visit = visit;
    this.#page = page;
    if (!isNew) return;
    if (this.#unsent.list.length) void this.#unsent.run();
    void this.#open();
  }

  show(isFull: boolean, takesFocus: boolean): void {
    this.#view.setFull(isFull);
    if (this.#isSeen) return;
    this.#isSeen = true;
    this.#view.scrollToEnd();
    if (takesFocus) this.#view.focus();
    this.#report();
    this.#live.hurry();
  }

  hide(): void {
    this.#isSeen = false;
  }

  speak(words: Words, locale: string): void {
    this.#words = words;
    this.#view = this.#makeView(locale);
    this.#paint();
  }

  // What the visitor does

  #makeView(locale: string): View {
    const draft = `knopka.draft.${this.#button.id}`;
    return new View(this.#button, this.#words, locale, recall(draft) ?? "", {
      onSend: (text) => this.#send(text),
      onPress: (text, pressed) => this.#send(text, pressed),
      onDraft: (text) => {
        if (text) keep(draft, text);
        else forget(draft);
        if (text) this.#tellTyping();
      },
      onRetry: (key) => this.#unsent.retry(key),
      onClose: () => {
        // An answer that comes before the page has said so was not seen either.
        this.hide();
        this.#post({ type: "close" });
      },
      onEarlier: () => void this.#showEarlier(),
      onLatest: () => this.#showLatest(),
    });
  }

  #send(text: string, pressed?: Pressed): void {
    this.#start = null;
    this.#view.setLive(true);
    this.#unsent.add(text, pressed);
    this.#view.scrollToEnd();
  }

  #tellTyping(): void {
    if (Date.now() - this.#typedAt < TYPING_EVERY_MS) return;
    this.#typedAt = Date.now();
    this.#live.send({ type: "typing" });
  }

  async #showEarlier(): Promise<void> {
    const { messages, chat } = this.#history;
    const start = this.#firstShown();
    if (start < PAGE && chat && this.#hasEarlier) {
      const before = messages[0]?.seq ?? chat.last_seq + 1;
      const path = `messages?conversation_id=${chat.id}&before=${before}&limit=${PAGE}`;
      const { body } = await this.#server.get<{ messages: Message[] }>(path);
      if (!body) return;
      this.#hasEarlier = body.messages.length === PAGE;
      const added = this.#history.add(body.messages).length;
      this.#start = Math.max(0, start + added - PAGE);
    } else {
      this.#start = Math.max(0, start - PAGE);
    }
    this.#view.setLive(false);
    this.#paint();
    requestAnimationFrame(() => this.#view.setLive(true));
  }

  #showLatest(): void {
    this.#start = null;
    this.#paint();
    this.#view.scrollToEnd();
  }

  // What the server says

  /** Take up what was said before; a visitor who never wrote has no token and costs no request. */
  async #open(): Promise<void> {
    if (!this.#server.token || this.#isOpening) return;
    this.#isOpening = true;
    const { status, body } = await this.#server.post<Opened>("open", { visit: this.#visit });
    this.#isOpening = false;
    if (status === 401) return this.#server.dropToken();
    if (!body) return this.#feel("lost");
    this.#isOpened = true;
    this.#history.setChat(body.conversation);
    this.#history.add(body.messages, true);
    this.#hasEarlier = body.messages.length >= PAGE;
    for (const { key } of body.messages) this.#unsent.settle(key);
    this.#post({ type: "history", exists: body.conversation !== null });
    this.#paint();
    this.#view.scrollToEnd();
    requestAnimationFrame(() => this.#view.setLive(true));
    if (body.conversation) this.#live.start();
  }

  #accept({ conversation, message }: Accepted): void {
    const isFirst = this.#history.chat?.id !== conversation.id;
    this.#history.setChat(conversation);
    this.#history.add([message]);
    this.#isOpened = true;
    if (isFirst) {
      this.#post({ type: "started" });
      this.#post({ type: "history", exists: true });
      this.#live.start();
    }
    this.#post({ type: "sent" });
    this.#mind();
  }

  #sayHello(): Record<string, unknown> | null {
    const { chat, cursor } = this.#history;
    const { token } = this.#server;
    return token ? { type: "hello", token, conversation_id: chat?.id ?? null, after: cursor } : null;
  }

  #hear(event: Record<string, unknown>): void {
    switch (event["type"]) {
      case "welcome":
        this.#history.setChat(event["conversation"] as Chat | null);
        this.#unsent.wake();
        break;
      case "message":
        // An event too long for the way between two servers comes without its message.
        if (event["message"]) this.#hearMessage(event["message"] as Message);
        else void this.#fetchNews();
        break;
      case "seen":
        if (event["conversation_id"] === this.#history.chat?.id) this.#history.markOperatorRead(Number(event["operator_read_seq"]) || 0);
        break;
      case "typing":
        this.#showTyping();
        break;
    }
    this.#mind();
  }

  #hearMessage(message: Message): void {
    if (message.direction === "in") this.#unsent.settle(message.key);
    if (message.direction === "out") this.#stopTyping();
    this.#history.add([message]);
    // Another conversation has begun: its state is not in the event.
    if (message.conversation_id !== this.#history.chat?.id) void this.#open();
  }

  #showTyping(): void {
    this.#isTyping = true;
    clearTimeout(this.#typingTimer);
    this.#typingTimer = setTimeout(() => {
      this.#stopTyping();
      this.#paint();
    }, TYPING_SHOWN_MS);
  }

  #stopTyping(): void {
    this.#isTyping = false;
    clearTimeout(this.#typingTimer);
  }

  /** Ask for what came after the last message that we know without a gap. */
  async #fetchNews(): Promise<boolean> {
    const { chat, cursor } = this.#history;
    if (!chat) return true;
    const path = `messages?conversation_id=${chat.id}&after=${cursor}&limit=${PAGE}`;
    const { body } = await this.#server.get<{ messages: Message[] }>(path);
    if (!body) return false;
    for (const { key, direction } of body.messages) if (direction === "in") this.#unsent.settle(key);
    this.#history.add(body.messages, body.messages.length < PAGE);
    this.#mind();
    return true;
  }

  // What follows from it

  /** After any news: close gaps, tell what was seen, show it. */
  #mind(): void {
    clearTimeout(this.#gapTimer);
    if (this.#history.hasGap) this.#gapTimer = setTimeout(() => void this.#fetchNews(), GAP_MS);
    this.#report();
    this.#paint();
  }

  #report(): void {
    const { cursor, chat } = this.#history;
    if (!chat || !cursor) return;
    if (this.#isSeen && !document.hidden) this.#history.markVisitorRead(cursor);
    const readSeq = this.#history.chat?.visitor_read_seq ?? 0;
    const unread = this.#history.unread;
    if (unread !== this.#unread) this.#post({ type: "unread", count: (this.#unread = unread) });
    const body = { conversation_id: chat.id, delivered_seq: cursor, read_seq: readSeq };
    const print = JSON.stringify(body);
    if (print === this.#reported) return;
    clearTimeout(this.#seenTimer);
    this.#seenTimer = setTimeout(() => {
      void this.#server.post("seen", body).then(({ status }) => {
        if (status === 204) this.#reported = print;
      });
    }, SEEN_MS);
  }

  #feel(state: LiveState): void {
    clearTimeout(this.#uneaseTimer);
    const text = { off: "", on: "", polling: "", connecting: this.#words.connecting, lost: this.#words.offline }[state];
    const say = (): void => {
      this.#status = text;
      this.#paint();
    };
    // A moment without a connection is nobody's business.
    if (state === "connecting") this.#uneaseTimer = setTimeout(say, UNEASE_MS);
    else say();
  }

  #firstShown(): number {
    return this.#start ?? Math.max(0, this.#history.messages.length - PAGE * 2);
  }

  #paint(): void {
    const { messages, chat } = this.#history;
    const pending = this.#start === null || this.#start + MOST_SHOWN >= messages.length ? this.#unsent.list : [];
    const start = this.#firstShown();
    const shown = messages.slice(start, start + MOST_SHOWN - pending.length);
    const isClosed = chat?.status === "closed" && !this.#unsent.list.length;
    const said = this.#isBusy ? this.#words.busy : this.#status || (isClosed ? this.#words.closed : "");
    const operator = messages.findLast(({ author }) => author.kind === "operator")?.author.name ?? this.#words.operator;
    const open = this.#unsent.list.length ? undefined : messages.findLast(isTurn);
    this.#view.render({
      items: [...shown.map((message) => this.#describe(message, message === open)), ...pending.map(describePending)],
      hasEarlier: start > 0 || this.#hasEarlier,
      hasLater: start + shown.length < messages.length,
      status: said,
      typing: this.#isTyping ? `${operator} ${this.#words.typing}` : "",
    });
  }

  #describe(message: Message, isOpen: boolean): Item {
    return {
      id: message.direction === "in" && message.key ? message.key : String(message.id),
      direction: message.direction,
      author: message.direction === "in" ? "" : (message.author.name ?? ""),
      text: message.text,
      at: message.created_at,
      state: this.#history.stateOf(message),
      retryKey: null,
      choices: message.buttons.flat().filter(({ asks }) => !asks),
      isOpen,
    };
  }

  #listen(): void {
    const goOn = (): void => {
      this.#unsent.wake();
      this.#live.hurry();
      if (!this.#isOpened) void this.#open();
      this.#report();
    };
    addEventListener("online", goOn);
    addEventListener("offline", () => this.#feel("lost"));
    document.addEventListener("visibilitychange", () => !document.hidden && goOn());
    addEventListener("pagehide", () => this.#live.stop());
    addEventListener("pageshow", ({ persisted }) => persisted && this.#history.chat && this.#live.start());
  }
}

const describePending = ({ key, text, at, isFailed }: { key: string; text: string; at: number; isFailed: boolean }): Item => ({
  id: key,
  direction: "in",
  author: "",
  text,
  at,
  state: isFailed ? "failed" : "sending",
  retryKey: isFailed ? key : null,
  choices: [],
  isOpen: false,
});

/** Buttons wait for an answer until the visitor gives one, or a person takes over. */
const isTurn = ({ direction, author, buttons }: Message): boolean =>
  direction === "in" || author.kind === "operator" || buttons.length > 0;
