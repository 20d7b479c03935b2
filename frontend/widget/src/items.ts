/** The channels in the menu: a messenger's link works by itself, the chat is a button. */

import type { Channel } from "./config";
import { make } from "./dom";
import type { Links } from "./links";
import type { WindowWords } from "./window-words";

export interface ItemParts {
  links: Links;
  words: WindowWords & { chat: string };
  press: (channel: Channel, href: string) => void;
  /** Show the channel as a QR code. */
  scan: (channel: Channel, opener: HTMLElement) => void;
}

export interface Items {
  nameOf: (channel: Channel) => string;
  makeLink: (channel: Channel) => HTMLAnchorElement;
  makeItem: (channel: Channel) => HTMLElement;
}

/** A computer: its visitor may have the messenger on the phone beside it. */
const DESK = matchMedia("(hover: hover) and (pointer: fine)");

export const isForPhone = (channel: Channel): boolean => channel.needs_app && DESK.matches;

/** Sites know the chat as `livechat`. */
export const serviceOf = ({ kind, link }: Channel): string => (link ? kind : "livechat");

export function makeItems({ links, words, press, scan }: ItemParts): Items {
  const nameOf = ({ kind, title, link }: Channel): string => title ?? (link ? kind : words.chat);

  const makeLink = (channel: Channel): HTMLAnchorElement => {
    const link = make("a", { target: channel.needs_app ? "" : "_blank", rel: "noopener noreferrer" });
    link.onclick = () => press(channel, link.href);
    links.add(link, channel.link!);
    return link;
  };

  const makeScanner = (channel: Channel): HTMLElement => {
    const button = make("button", {});
    button.onclick = () => scan(channel, button);
    return button;
  };

  const makeControl = (channel: Channel): HTMLElement => {
    if (!channel.link) return make("button", { onclick: () => press(channel, "") });
    return isForPhone(channel) ? makeScanner(channel) : makeLink(channel);
  };

  const makeItem = (channel: Channel): HTMLElement => {
    const name = nameOf(channel);
    const service = serviceOf(channel);
    const control = makeControl(channel);
    control.className = `amo-button amo-button--${service}`;
    const letter = channel.link ? name.slice(0, 1).toUpperCase() : "";
    control.append(make("i", { className: service, ariaHidden: "true" }, letter), name);
    const item = make("li", {}, control);
    if (channel.link && DESK.matches && !channel.needs_app) {
      const scanner = makeScanner(channel);
      scanner.className = "qr";
      scanner.ariaLabel = `${words.code}: ${name}`;
      scanner.append("QR");
      item.append(scanner);
    }
    return item;
  };

  return { nameOf, makeLink, makeItem };
}
