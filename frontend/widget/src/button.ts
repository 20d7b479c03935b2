/** The button on the page, its menu of channels and the chat's window behind it. */

import type { Channel, Config } from "./config";
import { make, makeIcon } from "./dom";
import { fire } from "./events";
import css from "./look.css";
import { makePanel } from "./panel";
import { inkOn } from "./shared/colour";
import { keep, recall } from "./shared/storage";
import { findWords } from "./words";

export interface ButtonParts {
  config: Config;
  base: string;
  visit: string;
  locale: string;
  isInline: boolean;
  /** The visitor's first message has made the cards. */
  onStarted: () => void;
}

export interface Button {
  show: () => void;
  hide: () => void;
  destroy: () => void;
}

const HISTORY = "knopka.history";

export function drawButton({ config, base, visit, locale, isInline, onStarted }: ButtonParts): Button {
  const words = findWords(locale);
  const life = new AbortController();
  const { signal } = life;
  const { channels } = config;
  // One channel needs no menu: its own control is the button.
  const only = channels.length < 2 ? channels[0]! : null;
  let unread = 0;
  let isOpen = false;
  let isMenuOpen = false;

  /** A channel is a link that works by itself; the chat is a button. Sites know it as `livechat`. */
  const makeControl = ({ kind, link }: Channel): HTMLElement => {
    const service = link ? kind : "livechat";
    const control = link
      ? make("a", { href: link, target: "_blank", rel: "noopener noreferrer" })
      : make("button", { type: "button" });
    control.className = `amo-button amo-button--${service}`;
    control.onclick = () => {
      fire("onButtonClick", service, link ?? "");
      isMenuOpen = false;
      if (link) paint();
      else setOpen(!isOpen);
    };
    return control;
  };
  const nameOf = ({ kind, title, link }: Channel): string => title ?? (link ? kind : words.chat);
  const makeItem = (channel: Channel): HTMLElement => {
    const control = makeControl(channel);
    const name = nameOf(channel);
    const disc = make("i", { ariaHidden: "true" }, channel.link ? name.slice(0, 1).toUpperCase() : makeIcon("chat"));
    control.append(disc, name);
    return make("li", {}, control);
  };

  const list = make("ul", { id: "list" }, ...(only ? [] : channels.map(makeItem)));
  const badge = make("b", { ariaHidden: "true" });
  const main = only ? makeControl(only) : make("button", { type: "button", className: "amo-button" });
  main.className += " amo-button--main main";
  if (!only) {
    main.setAttribute("aria-controls", "list");
    main.onclick = () => {
      isMenuOpen = !isOpen && !isMenuOpen;
      if (isOpen) setOpen(false);
      paint();
    };
  }

  const panel = makePanel({
    url: new URL(config.frame, base).href,
    visit,
    locale,
    words,
    signal,
    onMessage: ({ type, count, exists }) => {
      if (type === "close") {
        setOpen(false);
        main.focus();
      }
      if (type === "started") onStarted();
      if (type === "sent") fire("onMessageSent");
      if (type === "history") keep(HISTORY, exists ? "1" : "");
      if (type === "unread" && count !== unread) fire("onUnreadChange", (unread = Number(count) || 0));
      paint();
    },
  });

  const section = make("section", { ariaLabel: words.contact }, panel.box, list, main);
  // Sites look for the chat by this name; the window itself is out of their styles' reach.
  const marker = make("div", { id: "amo-livechat" });
  const host = make("div", { id: "amobutton" }, marker);
  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  root.adoptedStyleSheets = [sheet];
  root.append(section);
  const brand = /^#\w{6}$/.test(config.color) ? config.color : "#2460d8";
  section.style.setProperty("--brand", brand);
  section.style.setProperty("--ink", inkOn(brand));

  const paint = (): void => {
    const isBusy = isOpen || isMenuOpen;
    const name = isBusy ? words.close : only ? nameOf(only) : words.contact;
    main.ariaLabel = unread ? `${name}, ${words.unread}: ${unread}` : name;
    if (!only?.link) main.ariaExpanded = String(isBusy);
    badge.textContent = String(unread);
    badge.hidden = !unread || isBusy;
    main.replaceChildren(makeIcon(isBusy ? "close" : "chat"), badge);
    main.hidden = isInline && !only;
    list.hidden = !(isInline || isMenuOpen) || !!only;
    list.className = isInline ? "row" : "";
    panel.box.classList.toggle("shut", !isOpen);
    // On a phone the window covers the button: not before the frame has its own way out.
    const isFull = isOpen && panel.isReady();
    host.className = `amo-button-holder${isInline ? " amo-horisontal" : ""}${isFull ? " open" : ""}`;
    section.className = isFull ? "open" : "";
    marker.className = `amo-livechat amo-livechat_${isOpen ? "chat" : "hidden"}`;
  };

  const setOpen = (open: boolean): void => {
    if (open === isOpen) return;
    isOpen = open;
    if (open) panel.load();
    panel.tell(open);
    paint();
    fire(open ? "onChatShow" : "onChatHide");
  };

  section.onkeydown = (event) => {
    const items = [...list.querySelectorAll<HTMLElement>("a,button")];
    const at = items.indexOf(root.activeElement as HTMLElement);
    const next = { ArrowDown: at + 1, ArrowUp: at < 0 ? -1 : at - 1 }[event.key];
    if (event.key === "Escape") {
      isMenuOpen = false;
      setOpen(false);
      paint();
      main.focus();
    } else if (next !== undefined && !list.hidden) {
      event.preventDefault();
      items.at(next % items.length)!.focus();
    }
  };
  document.addEventListener(
    "pointerdown",
    (event) => {
      if (!isMenuOpen || event.composedPath().includes(host)) return;
      isMenuOpen = false;
      paint();
    },
    { signal, passive: true },
  );

  /** Beside the body: pages swap it, and a transformed body would move what is fixed in it. */
  const attach = (): void => {
    if (!host.isConnected) document.documentElement.append(host);
  };
  const watch = new MutationObserver(attach);
  watch.observe(document, { childList: true });
  watch.observe(document.documentElement, { childList: true });
  paint();
  attach();
  if (recall(HISTORY)) {
    if (document.readyState === "complete") panel.load();
    else addEventListener("load", panel.load, { signal });
  }

  return {
    show: () => setOpen(true),
    hide: () => setOpen(false),
    destroy: () => {
      life.abort();
      watch.disconnect();
      host.remove();
    },
  };
}
