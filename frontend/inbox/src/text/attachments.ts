/** What came with a message, in the form in which it can be shown; pure. Whatever is not of its form is said to be so. */
import type { Attachment } from "../api/shapes";
import { language } from "../words/index.svelte";
import { dialable, plainName, safeAddress } from "./safe";

export type ShownAttachment =
  | { kind: "picture"; url: string; name: string; alt: string; width: number; height: number }
  | { kind: "player"; medium: "audio" | "video"; url: string; name: string; label: string }
  | { kind: "file"; url: string; name: string; size: string }
  | { kind: "coming"; text: string; name: string; box: Box | null }
  | { kind: "lost"; text: string; reason: string; name: string }
  | { kind: "place"; name: string; point: string; address: string | null }
  | { kind: "person"; name: string; phone: string; address: string | null }
  | { kind: "link"; address: string }
  | { kind: "sign"; text: string }
  | { kind: "unknown" };

export interface Box {
  width: number;
  height: number;
}

const MOST = 20;
const LARGEST: Box = { width: 264, height: 280 };
const USUAL: Box = { width: 264, height: 198 };
const STICKER: Box = { width: 128, height: 128 };
const SHORTEST_SIDE = 48;
/** Files come from our own server and from nowhere else. */
const FILE = /^\/inbox\/api\/files\/[\w-]{1,64}$/;

export function shownAttachments(given: unknown): ShownAttachment[] {
  return Array.isArray(given) ? given.slice(0, MOST).map((one: unknown) => shown(one)) : [];
}

function shown(given: unknown): ShownAttachment {
  const { attachment: words } = language.words;
  if (typeof given !== "object" || given === null) return { kind: "unknown" };
  const one = given as Attachment;
  const name = plainName(textOf(one.name));
  const what = Object.hasOwn(words.kinds, textOf(one.kind)) ? words.kinds[one.kind] : words.kinds.file;
  switch (one.state) {
    case "waiting":
      return { kind: "coming", text: words.coming(what), name, box: boxOf(one) };
    case "failed":
      return { kind: "lost", text: words.lost(what), reason: reasonOf(one.reason), name };
    case "stored":
      return FILE.test(textOf(one.url)) ? stored(one, textOf(one.url), name || what, what) : { kind: "unknown" };
    case "none":
      return toldOf(one, name);
    default:
      return { kind: "unknown" };
  }
}

function stored(one: Attachment, url: string, name: string, what: string): ShownAttachment {
  switch (one.kind) {
    case "photo":
    case "sticker":
      return { kind: "picture", url, name, alt: altOf(one, what), ...(boxOf(one) ?? USUAL) };
    case "voice":
    case "audio":
      return { kind: "player", medium: "audio", url, name, label: what };
    case "video":
      return { kind: "player", medium: "video", url, name, label: what };
    default:
      return { kind: "file", url, name, size: sizeText(one.size) };
  }
}

/** What says everything by itself: a place, a person, an address, a sign. */
function toldOf(one: Attachment, name: string): ShownAttachment {
  const title = plainName(textOf(one.title)) || name;
  switch (one.kind) {
    case "location":
      return { kind: "place", name: title, ...pointOf(one.latitude, one.longitude) };
    case "contact": {
      const phone = plainName(textOf(one.phone));
      return { kind: "person", name: title, phone, address: dialable(phone) };
    }
    case "link":
      return { kind: "link", address: textOf(one.title) || name };
    case "sticker":
      return { kind: "sign", text: title };
    default:
      return { kind: "unknown" };
  }
}

function altOf(one: Attachment, what: string): string {
  const title = plainName(textOf(one.title)) || plainName(textOf(one.name));
  return title ? `${what}: ${title}` : what;
}

/** The place that a picture takes before it is here, so that nothing jumps when it comes. */
function boxOf({ kind, width, height }: Attachment): Box | null {
  if (kind === "sticker") return STICKER;
  if (kind !== "photo") return null;
  if (!isLength(width) || !isLength(height)) return USUAL;
  const scale = Math.min(1, LARGEST.width / width, LARGEST.height / height);
  const side = (length: number): number => Math.max(SHORTEST_SIDE, Math.round(length * scale));
  return { width: side(width), height: side(height) };
}

const isLength = (given: unknown): given is number => typeof given === "number" && given > 0 && given < 1e6;

function pointOf(latitude: unknown, longitude: unknown): { point: string; address: string | null } {
  if (!isDegree(latitude, 90) || !isDegree(longitude, 180)) return { point: "", address: null };
  const [north, east] = [latitude.toFixed(6), longitude.toFixed(6)];
  return { point: `${north}, ${east}`, address: `https://www.openstreetmap.org/?mlat=${north}&mlon=${east}` };
}

const isDegree = (given: unknown, most: number): given is number => typeof given === "number" && Math.abs(given) <= most;

function reasonOf(reason: unknown): string {
  const reasons: Record<string, string> = language.words.attachment.reasons;
  return typeof reason === "string" && Object.hasOwn(reasons, reason) ? reasons[reason]! : "";
}

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte"];

/** A file's size as one says it: 1.2 MB. */
function sizeText(bytes: unknown): string {
  if (typeof bytes !== "number" || !(bytes >= 0)) return "";
  const step = Math.min(UNITS.length - 1, Math.floor(Math.log(Math.max(1, bytes)) / Math.log(1024)));
  const options = { style: "unit", unit: UNITS[step]!, unitDisplay: "short", maximumFractionDigits: step > 1 ? 1 : 0 } as const;
  return new Intl.NumberFormat(language.locale, options).format(bytes / 1024 ** step);
}

const textOf = (given: unknown): string => (typeof given === "string" ? given : "");

/** An address that may be followed out of the inbox: only http and https. */
export function webAddress(address: unknown): string | null {
  const safe = safeAddress(textOf(address));
  return safe && /^https?:/.test(safe) ? safe : null;
}
