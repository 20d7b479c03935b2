/** What opens when the button is pressed: the menu of channels and the chat's window. Loaded then, not before. */

import type { ButtonParts } from "./button";
import type { Channel } from "./config";
import { addStyle, make } from "./dom";
import { isForPhone, makeItems, serviceOf } from "./items";
import type { Links } from "./links";
import { makePanel } from "./panel";
import { keep } from "./shared/storage";
import css from "./window.css";
import { findWindowWords } from "./window-words";
import { findWords } from "./words";

/** What the button hands over; a change that older buttons would not bear needs another file name. */
export interface Stage extends ButtonParts {
  host: HTMLElement;
  signal: AbortSignal;
  links: Links;
}

export interface Windows {
  /** The visitor pressed the button. */
  press: () => void;
  setOpen: (open: boolean) => void;
  /** Make the chat without showing it, for the unread count of one who wrote before. */
  prepare: () => void;
}

const PHONE = matchMedia("(max-width: 480px)");
/** How long an app may take to open before we think that there is none. */
const PATIENCE_MS = 1500;

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
  /** A QR code, in the menu's place. */
  let scan: HTMLElement | null = null;
  let leaveScan = (): void => {};

  const pressChannel = (channel: Channel, href: string): void => {
    fire("onButtonClick", serviceOf(channel), href);
    if (!scan) setMenu(false);
    if (!channel.link) setOpen(!isOpen);
    if (channel.needs_app) awaitApp(channel);
  };

  /** An app that opens takes the page's focus, or hides it. */
  const awaitApp = (channel: Channel): void => {
    const timer = setTimeout(() => {
      if (!document.hasFocus()) return;
      if (!scan) setMenu(!only);
      note.textContent = words.missing.replace("{name}", nameOf(channel));
    }, PATIENCE_MS);
    for (const sign of ["blur", "pagehide", "visibilitychange"]) {
      addEventListener(sign, () => clearTimeout(timer), { once: true, signal });
    }
  };

  /** Show the channel's QR code in the menu's place; where that cannot be, the link itself is used. */
  const openScan = async (channel: Channel, opener: HTMLElement): Promise<void> => {
    const link = makeLink(channel);
    try {
      const { draw } = (await import(`${stage.base}/w/static/qr-1.js`)) as typeof import("./qr");
      setMenu(true);
      leaveScan = () => {
        setMenu(!only);
        opener.focus();
      };
      scan = draw({ stage, channel, name: nameOf(channel), link, back: leaveScan });
      list.before(scan);
      paint();
      scan.querySelector("button")!.focus();
      fire("onButtonClick", channel.kind, link.href);
    } catch {
      // A button that is itself the link has been followed already.
      if (only) return pressChannel(only, link.href);
      list.append(link);
      link.click();
      link.replaceWith();
    }
  };

  const { nameOf, makeLink, makeItem } = makeItems({ links: stage.links, words, press: pressChannel, scan: openScan });
  const list = make("ul", { id: "list", className: "card" }, ...(only ? [] : channels.map(makeItem)));
  const note = make("p", { className: "card", role: "status" });
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
      if (type === "started") stage.ask();
      if (type === "sent") fire("onMessageSent");
      if (type === "history") keep("knopka.history", exists ? "1" : "");
      if (type === "unread" && count !== unread) fire("onUnreadChange", (unread = Number(count) || 0));
      paint();
    },
  });

  const paint = (): void => {
    const isBusy = isOpen || (isMenuOpen && !only);
    const name = isBusy ? words.close : only ? nameOf(only) : words.contact;
    main.ariaLabel = unread ? `${name}, ${words.unread}: ${unread}` : name;
    if (!only?.link) main.ariaExpanded = String(isBusy);
    main.hidden = isInline && !only;
    badge.textContent = unread > 99 ? "99+" : String(unread);
    badge.hidden = !unread || isBusy;
    list.hidden = !!only || !(isInline || (isMenuOpen && !scan));
    panel.box.classList.toggle("shut", !isOpen);
    // On a phone the window covers the button: not before the frame has brought its own way out.
    const isFull = isOpen && panel.isReady();
    section.className = isFull ? "open" : "";
    host.className = `amo-button-holder${isInline ? " amo-horisontal" : ""}${isFull ? " open" : ""}`;
    marker.className = `amo-livechat amo-livechat_${isOpen ? "chat" : "hidden"}`;
  };

  const setMenu = (open: boolean): void => {
    isMenuOpen = open;
    scan?.replaceWith();
    scan = null;
    note.textContent = "";
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
    if (only) void (isForPhone(only) ? openScan(only, main) : pressChannel(only, (main as HTMLAnchorElement).href ?? ""));
    else if (isOpen) setOpen(false);
    else setMenu(!isMenuOpen);
  };

  const onKey = (event: KeyboardEvent): void => {
    const items = [...list.querySelectorAll<HTMLElement>("a,button")];
    const at = items.indexOf(root.activeElement as HTMLElement);
    const next = { ArrowDown: at + 1, ArrowUp: at < 0 ? -1 : at - 1 }[event.key];
    if (event.key === "Escape" && scan) leaveScan();
    else if (event.key === "Escape") {
      setMenu(false);
      setOpen(false);
      main.focus();
    } else if (next !== undefined && !list.hidden) {
      event.preventDefault();
      items.at(next % items.length)!.focus();
    }
  };
  const onPointer = (event: Event): void => {
    if ((isMenuOpen || note.textContent) && !event.composedPath().includes(host)) setMenu(false);
  };

  addStyle(root, css);
  main.append(badge);
  if (isInline) list.classList.add("row");
  section.prepend(panel.box, list, note);
  section.addEventListener("keydown", onKey, { signal });
  document.addEventListener("pointerdown", onPointer, { signal, passive: true });
  PHONE.addEventListener("change", () => panel.tell(isOpen), { signal });
  if (only) main.classList.add(`amo-button--${serviceOf(only)}`);
  else main.setAttribute("aria-controls", "list");
  paint();
  return { press, setOpen, prepare: panel.load };
}
