/** The chat's window on the page: a frame on our host, made when the chat is first wanted. */

import { make } from "./dom";
import { MARK, readEnvelope, type ToFrame } from "./shared/protocol";
import type { WindowWords } from "./window-words";

export interface PanelParts {
  url: string;
  visit: string;
  locale: string;
  words: WindowWords & { chat: string };
  signal: AbortSignal;
  /** The window covers the whole screen. */
  isFull: () => boolean;
  onMessage: (message: Record<string, unknown>) => void;
}

export interface Panel {
  box: HTMLElement;
  /** The frame has answered: from here on it brings its own way to close. */
  isReady: () => boolean;
  /** Make the frame, unless it is there: on opening, or for the unread count of one who wrote before. */
  load: () => void;
  /** Tell the frame whether it is seen. */
  tell: (isOpen: boolean) => void;
}

const PATIENCE_MS = 15_000;

export function makePanel({ url, visit, locale, words, signal, isFull, onMessage }: PanelParts): Panel {
  const { origin } = new URL(url);
  const note = make("p", { role: "status" });
  const box = make("div", { className: "window shut" }, note);
  let frame: HTMLIFrameElement | null = null;
  let isReady = false;
  let isOpen = false;

  const post = (message: ToFrame): void => frame?.contentWindow?.postMessage({ knopka: MARK, ...message }, origin);
  const postVisit = (): void => {
    const cut = (text: string): string => text.slice(0, 2000);
    const page = { url: cut(location.href), title: cut(document.title), referrer: cut(document.referrer) };
    post({ type: "visit", visit, page });
  };
  const tell = (isSeen: boolean): void => {
    isOpen = isSeen;
    if (!isReady) return;
    postVisit();
    post(isOpen ? { type: "show", full: isFull(), focus: navigator.userActivation?.isActive } : { type: "hide" });
  };

  const load = (): void => {
    if (frame) return;
    note.textContent = words.wait;
    const made = make("iframe", { title: words.chat, allow: "clipboard-write", src: url, onload: postVisit });
    frame = made;
    box.append(made);
    setTimeout(() => {
      if (isReady) return;
      // The next opening tries again.
      note.textContent = words.failed;
      made.remove();
      frame = null;
    }, PATIENCE_MS);
  };

  addEventListener(
    "message",
    ({ data, origin: from, source }) => {
      const message = readEnvelope(data);
      if (from !== origin || !source || source !== frame?.contentWindow || !message) return;
      if (message["type"] === "ready") {
        isReady = true;
        note.textContent = "";
        post({ type: "locale", locale });
        tell(isOpen);
      }
      onMessage(message);
    },
    { signal },
  );
  addEventListener("popstate", () => tell(isOpen), { signal });

  return { box, isReady: () => isReady, load, tell };
}
