/** The page around the frame: only an origin on the button's list is listened to, and only it is answered. */

import { MARK, readEnvelope, type PageInfo, type ToPage } from "../shared/protocol";
import { whole } from "./text";

export interface PageEvents {
  onVisit: (visit: string, page: PageInfo) => void;
  onShow: (isFull: boolean, takesFocus: boolean) => void;
  onHide: () => void;
  onLocale: (locale: string) => void;
}

const MOST_TEXT = 2000;

const isText = (value: unknown): value is string => typeof value === "string";
const readText = (value: unknown): string => (isText(value) ? whole(value.slice(0, MOST_TEXT)) : "");

function readPage(value: unknown): PageInfo {
  const { url, title, referrer } = Object(value) as Record<string, unknown>;
  return { url: readText(url), title: readText(title), referrer: readText(referrer) };
}

/** Listen to the page; the result speaks to it once it has made itself known. */
export function meetPage(origins: readonly string[], events: PageEvents): (message: ToPage) => void {
  let origin: string | null = null;
  const post = (message: ToPage): void => {
    if (origin) parent.postMessage({ knopka: MARK, ...message }, origin);
  };
  addEventListener("message", (event) => {
    if (event.source !== parent || parent === window || !origins.includes(event.origin)) return;
    const message = readEnvelope(event.data);
    if (!message) return;
    const { type, visit, page, full, focus, locale } = message;
    if (type === "visit" && isText(visit) && /^[\w-]{22,64}$/.test(visit)) {
      events.onVisit(visit, readPage(page));
      if (origin) return;
      origin = event.origin;
      post({ type: "ready" });
    }
    if (type === "show") events.onShow(full === true, focus === true);
    if (type === "hide") events.onHide();
    if (type === "locale" && isText(locale)) events.onLocale(locale);
  });
  return post;
}
