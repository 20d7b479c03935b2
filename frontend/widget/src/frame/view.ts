/** The chat's window: header, messages, the line about the state, and the place to write. */

import { inkOn } from "../shared/colour";
import { make, makeIcon } from "./dom";
import { Log, type Item, type LogEvents } from "./log";
import { cleanName } from "./text";
import type { Button, Words } from "./types";

export interface ViewEvents extends LogEvents {
  onSend: (text: string) => void;
  onDraft: (text: string) => void;
  onClose: () => void;
  onEarlier: () => void;
  onLatest: () => void;
}

export interface Picture {
  items: readonly Item[];
  hasEarlier: boolean;
  hasLater: boolean;
  status: string;
  typing: string;
}

const MOST_TEXT = 10_000;
const TALLEST = 160;

export class View {
  readonly #words: Words;
  readonly #events: ViewEvents;
  readonly #log: Log;
  readonly #input: HTMLTextAreaElement;
  readonly #send: HTMLButtonElement;
  readonly #status = make("p", { className: "status", role: "status" });
  readonly #typing = make("p", { className: "typing", ariaHidden: "true" });
  readonly #welcome: HTMLElement;
  readonly #earlier: HTMLButtonElement;
  readonly #latest: HTMLButtonElement;
  readonly #dialog: HTMLElement;
  #isFull = false;

  constructor(button: Button, words: Words, locale: string, draft: string, events: ViewEvents) {
    this.#words = words;
    this.#events = events;
    this.#log = new Log(words, locale, events);
    this.#earlier = make("button", { type: "button", className: "pill", onclick: events.onEarlier }, words.earlier);
    this.#latest = make("button", { type: "button", className: "latest", ariaLabel: words.latest, onclick: events.onLatest });
    this.#latest.append(makeIcon("down"));
    this.#welcome = make("div", { className: "welcome" }, makeIcon("chat"), make("h2", {}, words.hello), make("p", {}, words.invite));
    this.#input = make("textarea", { rows: 1, placeholder: words.placeholder, ariaLabel: words.placeholder, dir: "auto", value: draft });
    this.#input.setAttribute("enterkeyhint", "send");
    this.#send = make("button", { type: "submit", className: "send", ariaLabel: words.send }, makeIcon("send"));
    this.#dialog = this.#assemble(button);
    this.#listen();
    const language = locale.split("-")[0] ?? "en";
    document.documentElement.lang = language;
    document.documentElement.dir = /^(ar|he|fa|ur)$/.test(language) ? "rtl" : "ltr";
    document.title = words.title;
    paintBrand(button.color);
    document.body.replaceChildren(this.#dialog);
    this.#fitInput();
  }

  #assemble(button: Button): HTMLElement {
    const name = cleanName(button.name) || this.#words.title;
    const title = make("h1", { id: "title", dir: "auto" }, name);
    const close = make("button", { type: "button", className: "close", ariaLabel: this.#words.close, onclick: this.#events.onClose });
    close.append(makeIcon("close"));
    const mark = make("span", { className: "mark" }, makeIcon("chat"));
    const header = make("header", {}, mark, title, close);
    const middle = make("div", { className: "middle" }, this.#earlier, this.#welcome, this.#log.element, this.#latest);
    const foot = make("div", { className: "foot" }, this.#typing, this.#status);
    const form = make("form", { onsubmit: (event) => this.#submit(event) }, this.#input, this.#send);
    const dialog = make("main", { className: "chat", role: "dialog" }, header, middle, foot, form);
    dialog.setAttribute("aria-labelledby", "title");
    return dialog;
  }

  #listen(): void {
    this.#input.oninput = () => {
      this.#events.onDraft(this.#input.value);
      this.#fitInput();
    };
    this.#input.onkeydown = (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) this.#submit(event);
    };
    this.#dialog.onkeydown = (event) => {
      if (event.key === "Escape" && !event.isComposing) this.#events.onClose();
      if (event.key === "Tab" && this.#isFull) this.#keepFocus(event);
    };
    this.#log.element.addEventListener("scroll", () => this.#paintLatest(false), { passive: true });
  }

  #submit(event: Event): void {
    event.preventDefault();
    const text = this.#input.value.trim();
    if (!text) return;
    if (text.length > MOST_TEXT) {
      this.#status.textContent = this.#words.tooLong.replace("{most}", MOST_TEXT.toLocaleString());
      return;
    }
    this.#input.value = "";
    this.#events.onDraft("");
    this.#fitInput();
    this.#events.onSend(text);
    this.#input.focus();
  }

  #fitInput(): void {
    const { style } = this.#input;
    style.setProperty("height", "auto");
    style.setProperty("height", `${Math.min(this.#input.scrollHeight, TALLEST)}px`);
    this.#send.disabled = !this.#input.value.trim();
  }

  /** On a full screen the page behind cannot be seen, so Tab stays inside. */
  #keepFocus(event: KeyboardEvent): void {
    const stops = [...this.#dialog.querySelectorAll<HTMLElement>("button:not([disabled],[hidden]),textarea,a,[tabindex]")];
    const [first, last] = event.shiftKey ? [stops.at(-1), stops[0]] : [stops[0], stops.at(-1)];
    if (document.activeElement !== last) return;
    event.preventDefault();
    first?.focus();
  }

  #paintLatest(hasLater: boolean): void {
    this.#latest.hidden = !hasLater && this.#log.isAtEnd;
  }

  render({ items, hasEarlier, hasLater, status, typing }: Picture): void {
    const wasAtEnd = this.#log.isAtEnd;
    this.#earlier.hidden = !hasEarlier;
    this.#welcome.hidden = items.length > 0;
    this.#log.render(items);
    if (wasAtEnd && !hasLater) this.#log.scrollToEnd();
    this.#paintLatest(hasLater);
    if (this.#status.textContent !== status) this.#status.textContent = status;
    if (this.#typing.textContent !== typing) this.#typing.textContent = typing;
  }

  scrollToEnd(): void {
    this.#log.scrollToEnd();
  }

  setLive(isLive: boolean): void {
    this.#log.setLive(isLive);
  }

  setFull(isFull: boolean): void {
    this.#isFull = isFull;
    document.body.classList.toggle("full", isFull);
    this.#dialog.ariaModal = isFull ? "true" : null;
  }

  focus(): void {
    // A phone's keyboard would cover half of what there is to read.
    if (!matchMedia("(pointer: coarse)").matches) this.#input.focus();
  }
}

function paintBrand(colour: string): void {
  if (!/^#[\da-f]{6}$/i.test(colour)) return;
  const { style } = document.documentElement;
  style.setProperty("--brand", colour);
  style.setProperty("--ink", inkOn(colour));
}
