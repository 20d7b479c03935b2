/** Moments in words, in the account's time zone and the reader's language. */
import { language } from "../words/index.svelte";

const made = new Map<string, Intl.DateTimeFormat>();

function format(at: number, options: Intl.DateTimeFormatOptions): string {
  const timeZone = language.timezone;
  const key = `${language.locale} ${timeZone} ${JSON.stringify(options)}`;
  const formatter = made.get(key) ?? new Intl.DateTimeFormat(language.locale, { ...options, timeZone });
  made.set(key, formatter);
  return formatter.format(at);
}

export const clock = (at: number): string => format(at, { hour: "numeric", minute: "2-digit" });
/** To the second, where one thing follows the other. */
export const second = (at: number): string => format(at, { hour: "numeric", minute: "2-digit", second: "2-digit" });
export const date = (at: number): string => format(at, { day: "numeric", month: "long", year: "numeric" });
export const dateTime = (at: number): string =>
  format(at, { day: "numeric", month: "short", year: "numeric", hour: "numeric", minute: "2-digit" });
/** The same text for two moments of one day in the account's zone. */
export const dayKey = (at: number): string => format(at, { day: "numeric", month: "numeric", year: "numeric" });

const DAY_MS = 86_400_000;

/** The heading of a day in a conversation: today, yesterday, or the date. */
export function dayName(at: number, now: number): string {
  const { time } = language.words;
  if (dayKey(at) === dayKey(now)) return time.today;
  if (dayKey(at) === dayKey(now - DAY_MS)) return time.yesterday;
  const thisYear = format(at, { year: "numeric" }) === format(now, { year: "numeric" });
  return thisYear ? format(at, { weekday: "long", day: "numeric", month: "long" }) : date(at);
}

/** As short as a row of a list needs it: 14:05, 3 May, 03.05.24. */
export function stamp(at: number, now: number): string {
  if (dayKey(at) === dayKey(now)) return clock(at);
  if (dayKey(at) === dayKey(now - DAY_MS)) return language.words.time.yesterday;
  const thisYear = format(at, { year: "numeric" }) === format(now, { year: "numeric" });
  return thisYear
    ? format(at, { day: "numeric", month: "short" })
    : format(at, { day: "2-digit", month: "2-digit", year: "2-digit" });
}

/** What is left of a span: 23 h 05 min, or 12 min 07 s when it gets short. */
export function remaining(ms: number): string {
  const { hours, minutes, seconds } = language.words.time;
  const total = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number): string => String(n).padStart(2, "0");
  const h = Math.floor(total / 3600);
  const m = Math.floor((total % 3600) / 60);
  const s = total % 60;
  if (h) return `${h} ${hours} ${two(m)} ${minutes}`;
  if (m) return `${m} ${minutes} ${two(s)} ${seconds}`;
  return `${s} ${seconds}`;
}
