/** The button on the page: all that a visitor who only looks is sent. What opens comes when it is pressed. */

import type { Config } from "./config";
import { addStyle, make } from "./dom";
import css from "./button.css";
import { makeLinks } from "./links";
import type { Outbox } from "./outbox";
import { reached } from "./ready";
import { inkOn } from "./shared/colour";
import { recall } from "./shared/storage";
import { warn } from "./warn";
import type { Stage, Windows } from "./window";
import { findWords } from "./words";

export interface ButtonParts extends Pick<Outbox, "ask" | "post"> {
  config: Config;
  base: string;
  visit: string;
  locale: string;
  isInline: boolean;
  fire: (event: string, ...args: unknown[]) => void;
}

export interface Button {
  setOpen: (open: boolean) => void;
  destroy: () => void;
}

export function drawButton(parts: ButtonParts): Button {
  const { config, base, locale, isInline, post } = parts;
  const life = new AbortController();
  const { signal } = life;
  const words = findWords(locale);
  const only = config.channels[1] ? null : config.channels[0]!;
  const link = only?.link;
  const links = makeLinks(post);
  const main = link
    ? make("a", { target: only!.needs_app ? "" : "_blank", rel: "noopener noreferrer" })
    : make("button", { ariaExpanded: "false" });
  if (link) links.add(main as HTMLAnchorElement, link);
  main.ariaLabel = only ? (only.title ?? words.chat) : words.contact;
  const section = make("section", { ariaLabel: words.contact }, main);
  // Sites look for the chat by this name; the window itself is out of their styles' reach.
  const marker = make("div", { id: "amo-livechat", className: "amo-livechat amo-livechat_hidden" });
  const host = make("div", { id: "amobutton", className: "amo-button-holder" }, marker);
  const root = host.attachShadow({ mode: "open" });
  main.className = "main amo-button amo-button--main";
  section.style.cssText = `--brand:${config.color};--ink:${inkOn(config.color)}`;
  addStyle(root, css);
  root.append(section);
  section.onpointerdown = section.oncontextmenu = section.onclick = links.notice;

  /** Beside the body: pages swap it, and a transformed body would move what is fixed in it. */
  const attach = (): void => {
    if (!host.isConnected) document.documentElement.append(host);
  };
  const watch = new MutationObserver(attach);
  watch.observe(document.documentElement, { childList: true });
  attach();

  let windows: Promise<Windows> | undefined;
  const use = (work: (windows: Windows) => void = () => {}): void => {
    // The number is that of the agreement between the two files: a page may have loaded this one long ago.
    windows ??= import(`${base}/w/static/window-2.js`).then(({ open }) => open({ ...parts, host, signal, links } satisfies Stage));
    windows!.then(
      (loaded) => signal.aborted || work(loaded),
      (error) => {
        // The next press tries again.
        windows = undefined;
        warn(error);
      },
    );
  };
  main.onclick = () => use(({ press }) => press());
  // Between pressing and letting go there is time to load.
  main.onpointerdown = () => use();
  if (isInline) use();
  if (recall("knopka.history")) void reached(/complete/).then(() => use((loaded) => loaded.prepare()));

  return {
    setOpen(open) {
      if (open || windows) use((loaded) => loaded.setOpen(open));
    },
    destroy: () => {
      life.abort();
      watch.disconnect();
      host.remove();
    },
  };
}
