/** What opens when the button is pressed: the menu of channels and the chat's window. Loaded then, not before. */

import type { ButtonParts } from "./button";
import type { Channel } from "./config";
import { addStyle, CHAT_ICON, CLOSE_ICON, make, makeIcon } from "./dom";
import { makePanel } from "./panel";
import { keep } from "./shared/storage";
import css from "./window.css";
import { findWindowWords } from "./window-words";
import { findWords } from "./words";

/** What the button hands over; a change that older buttons would not bear needs another file name. */
export interface Stage extends ButtonParts {
  host: HTMLElement;
  signal: AbortSignal;
}

export interface Windows {
  /** The visitor pressed the button. */
  press: () => void;
  setOpen: (open: boolean) => void;
  /** Make the chat without showing it, for the unread count of one who wrote before. */
  prepare: () => void;
}

const PHONE = matchMedia("(max-width: 480px)");

export function open(stage: Stage): Windows {
  const { host, config, locale, isInline, signal, fire } = stage;
  const { channels } = config;
  const root = host.shadowRoot!;
  const marker = host.firstElementChild!;
  const section = root.firstElementChild as HTMLElement;
  const main = section.lastElementChild as HTMLElement;
  const words = { ...findWords(locale), ...findWindowWords(locale) };
  const only = channels.length < 2 ? channels[0]! : null;
  let unread = 0;
  let isOpen = false;
  let isMenuOpen = false;

  const nameOf = ({ kind, title, link }: Channel): string => title ?? (link ? kind : words.chat);
  /** Sites know the chat as `livechat`. */
  const serviceOf = ({ kind, link }: Channel): string => (link ? kind : "livechat");

  const pressChannel = (channel: Channel): void => {
    fire("onButtonClick", serviceOf(channel), channel.link ?? "");
    setMenu(false);
    if (!channel.link) setOpen(!isOpen);
  };

  /** A channel is a link that works by itself; the chat is a button. */
  const makeItem = (channel: Channel): HTMLElement => {
    const { link } = channel;
    const name = nameOf(channel);
    const control = link
      ? make("a", { href: link, target: "_blank", rel: "noopener noreferrer" })
      : make("button", { type: "button" });
    control.className = `amo-button amo-button--${serviceOf(channel)}`;
    control.onclick = () => pressChannel(channel);
    const mark = link ? name.slice(0, 1).toUpperCase() : makeIcon(CHAT_ICON);
    control.append(make("i", { ariaHidden: "true" }, mark), name);
    return make("li", {}, control);
  };

  const list = make("ul", { id: "list" }, ...(only ? [] : channels.map(makeItem)));
  const badge = make("b", { ariaHidden: "true" });
  const panel = makePanel({
    url: stage.base + config.frame,
    visit: stage.visit,
    locale,
    words,
    signal,
    isFull: () => PHONE.matches,
    onMessage: ({ type, count, exists }) => {
      if (type === "close") {
        setOpen(false);
        main.focus();
      }
      if (type === "started") stage.onStarted();
      if (type === "sent") fire("onMessageSent");
      if (type === "history") keep("knopka.history", exists ? "1" : "");
      if (type === "unread" && count !== unread) fire("onUnreadChange", (unread = Number(count) || 0));
      paint();
    },
  });

  // Only when it changes: browsers fire no click when what was pressed is gone before the release.
  let drawn = CHAT_ICON;
  const drawIcon = (icon: string): void => {
    if (icon === drawn) return;
    drawn = icon;
    main.firstChild!.replaceWith(makeIcon(icon));
  };
  const paint = (): void => {
    const isBusy = isOpen || isMenuOpen;
    const name = isBusy ? words.close : only ? nameOf(only) : words.contact;
    main.ariaLabel = unread ? `${name}, ${words.unread}: ${unread}` : name;
    if (!only?.link) main.ariaExpanded = String(isBusy);
    drawIcon(isBusy ? CLOSE_ICON : CHAT_ICON);
    main.hidden = isInline && !only;
    badge.textContent = unread > 99 ? "99+" : String(unread);
    badge.hidden = !unread || isBusy;
    list.hidden = !!only || !(isInline || isMenuOpen);
    list.className = isInline ? "row" : "";
    panel.box.classList.toggle("shut", !isOpen);
    // On a phone the window covers the button: not before the frame has brought its own way out.
    const isFull = isOpen && panel.isReady();
    section.className = isFull ? "open" : "";
    host.className = `amo-button-holder${isInline ? " amo-horisontal" : ""}${isFull ? " open" : ""}`;
    marker.className = `amo-livechat amo-livechat_${isOpen ? "chat" : "hidden"}`;
  };

  const setMenu = (open: boolean): void => {
    isMenuOpen = open;
    paint();
  };
  const setOpen = (open: boolean): void => {
    if (open === isOpen) return;
    isOpen = open;
    if (open) panel.load();
    panel.tell(open);
    paint();
    fire(open ? "onChatShow" : "onChatHide");
  };
  const press = (): void => {
    if (only) pressChannel(only);
    else if (isOpen) setOpen(false);
    else setMenu(!isMenuOpen);
  };

  const onKey = (event: KeyboardEvent): void => {
    const items = [...list.querySelectorAll<HTMLElement>("a,button")];
    const at = items.indexOf(root.activeElement as HTMLElement);
    const next = { ArrowDown: at + 1, ArrowUp: at < 0 ? -1 : at - 1 }[event.key];
    if (event.key === "Escape") {
      setMenu(false);
      setOpen(false);
      main.focus();
    } else if (next !== undefined && !list.hidden) {
      event.preventDefault();
      items.at(next % items.length)!.focus();
    }
  };
  const onPointer = (event: Event): void => {
    if (isMenuOpen && !event.composedPath().includes(host)) setMenu(false);
  };

  addStyle(root, css);
  main.append(badge);
  section.prepend(panel.box, list);
  section.addEventListener("keydown", onKey, { signal });
  document.addEventListener("pointerdown", onPointer, { signal, passive: true });
  PHONE.addEventListener("change", () => panel.tell(isOpen), { signal });
  if (only) main.classList.add(`amo-button--${serviceOf(only)}`);
  else main.setAttribute("aria-controls", "list");
  paint();
  return { press, setOpen, prepare: panel.load };
}
