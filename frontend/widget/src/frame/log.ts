/** The messages on the screen: nodes are kept and moved as little as possible, so that readers hear news only. */

import { hint, make, makeIcon } from "./dom";
import { cleanName, makeLink, showText } from "./text";
import type { Choice, Pressed, State, Words } from "./types";

export interface Item {
  id: string;
  direction: "in" | "out" | "system";
  author: string;
  text: string;
  at: number;
  state: State;
  /** Set where the visitor can try again. */
  retryKey: string | null;
  choices: readonly Choice[];
  /** Whether its buttons still wait for an answer. */
  isOpen: boolean;
}

export interface LogEvents {
  onRetry: (key: string) => void;
  onPress: (text: string, pressed: Pressed) => void;
}

interface Shown {
  node: HTMLElement;
  print: string;
}

const GROUP_MS = 5 * 60_000;

export class Log {
  readonly element = make("div", { className: "log", role: "log", tabIndex: 0 });
  readonly #words: Words;
  readonly #events: LogEvents;
  readonly #time: Intl.DateTimeFormat;
  readonly #day: Intl.DateTimeFormat;
  #shown = new Map<string, Shown>();

  constructor(words: Words, locale: string, events: LogEvents) {
    this.#words = words;
    this.#events = events;
    this.#time = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" });
    this.#day = new Intl.DateTimeFormat(locale, { day: "numeric", month: "long" });
    this.element.ariaLabel = words.log;
    this.element.ariaLive = "off";
  }

  /** History comes silently; what follows is read aloud. */
  setLive(isLive: boolean): void {
    this.element.ariaLive = isLive ? "polite" : "off";
  }

  get isAtEnd(): boolean {
    const { scrollHeight, scrollTop, clientHeight } = this.element;
    return scrollHeight - scrollTop - clientHeight < 80;
  }

  scrollToEnd(): void {
    this.element.scrollTop = this.element.scrollHeight;
  }

  /** Bring the screen in line with the items, and keep the reader's place when earlier ones come. */
  render(items: readonly Item[]): void {
    const next = new Map<string, Shown>();
    let before: Item | null = null;
    let place = this.element.firstElementChild;
    const put = (id: string, print: string, draw: () => HTMLElement): HTMLElement => {
      const old = this.#shown.get(id);
      const shown = old?.print === print ? old : { node: draw(), print };
      next.set(id, shown);
      if (old && shown !== old) {
        if (place === old.node) place = shown.node;
        old.node.replaceWith(shown.node);
      }
      if (shown.node === place) place = place.nextElementSibling;
      else this.element.insertBefore(shown.node, place);
      return shown.node;
    };
    for (const item of items) {
      const day = this.#nameDay(item.at);
      const isNewDay = !before || this.#nameDay(before.at) !== day;
      if (isNewDay) put(`day ${day}`, "", () => make("p", { className: "day" }, day));
      const isFirst = isNewDay || !before || !isSameSpeaker(before, item);
      const print = JSON.stringify([{ ...item, isOpen: 0 }, isFirst]);
      const node = put(item.id, print, () => this.#draw(item, isFirst));
      // In place: a message that is drawn anew would be read aloud again, and lose the focus.
      for (const choice of node.querySelectorAll("button.choice")) choice.ariaDisabled = String(!item.isOpen);
      before = item;
    }
    for (const [id, { node }] of this.#shown) if (!next.has(id)) node.remove();
    this.#shown = next;
  }

  #nameDay(at: number): string {
    const daysAgo = Math.round((startOfDay(Date.now()) - startOfDay(at)) / 86_400_000);
    return daysAgo === 0 ? this.#words.today : daysAgo === 1 ? this.#words.yesterday : this.#day.format(at);
  }

  #draw(item: Item, isFirst: boolean): HTMLElement {
    const text = make("span", { className: "text", dir: "auto" }, ...showText(item.text));
    if (item.direction === "system") return make("p", { className: "system" }, text);
    const isOwn = item.direction === "in";
    const author = isOwn ? this.#words.you : cleanName(item.author) || this.#words.operator;
    const isTitled = !isOwn && isFirst;
    const who = isTitled ? make("bdi", { className: "who" }, author) : hint(`${author}: `);
    const bubble = make("div", { className: "bubble" }, text, this.#drawMeta(item, isOwn));
    const node = make("div", { className: `message ${isOwn ? "own" : "theirs"}${isFirst ? " first" : ""}` }, who, bubble);
    if (item.choices.length) node.append(this.#drawChoices(item));
    if (item.state === "failed") node.append(this.#drawFailure(item.retryKey));
    return node;
  }

  #drawChoices(item: Item): HTMLElement {
    const group = make("div", { className: "choices", role: "group", ariaLabel: this.#words.choices });
    for (const { option, label, url } of item.choices) {
      const choice = url ? makeLink(url) : make("button", { type: "button" });
      if (!choice) continue;
      choice.className = "choice";
      choice.dir = "auto";
      choice.textContent = cleanName(label);
      if (!url) choice.onclick = () => choice.ariaDisabled !== "true" && this.#events.onPress(label, { message_id: Number(item.id), option });
      group.append(choice);
    }
    return group;
  }

  #drawMeta(item: Item, isOwn: boolean): HTMLElement {
    const time = make("time", { dateTime: new Date(item.at).toISOString() }, this.#time.format(item.at));
    const meta = make("span", { className: `meta ${item.state}` }, time);
    if (isOwn && item.state !== "failed") {
      const icon = item.state === "read" ? "delivered" : item.state;
      meta.append(makeIcon(icon), hint(`, ${this.#words[item.state]}`));
    }
    return meta;
  }

  #drawFailure(key: string | null): HTMLElement {
    const line = make("span", { className: "failure" }, makeIcon("failed"), this.#words.failed);
    if (key) {
      const button = make("button", { type: "button", className: "retry", onclick: () => this.#events.onRetry(key) }, this.#words.retry);
      line.append(button);
    }
    return line;
  }
}

const startOfDay = (at: number): number => new Date(at).setHours(0, 0, 0, 0);

const isSameSpeaker = (a: Item, b: Item): boolean =>
  a.direction === b.direction && a.author === b.author && b.at - a.at < GROUP_MS;
