/** setMeta calls on their way: in order, gathered, at most one request a second, none lost, none sent twice. */

import { fire } from "./events";
import { copyParams, digest, quote, type Verdict } from "./meta";
import { makeId } from "./shared/random";
import { forget, keep, listKept, recall } from "./shared/storage";
import { request, type Answer } from "./transport";

interface Call {
  key: string;
  text: string;
  /** When it was accepted, in ms; fractions keep the order within one ms. */
  at: number;
  dropped: Verdict[];
  verdicts?: Verdict[];
  /** What callers of the same content are given: the verdicts as they are known by now. */
  promise: Promise<Verdict[]>;
  done: (verdicts: Verdict[]) => void;
  isSent?: boolean;
}

export interface Outbox {
  setMeta: (params: unknown) => Promise<Verdict[]>;
  /** Ask for the final verdicts of calls that wait for a lead. */
  ask: () => void;
}

const GATHER_MS = 50;
const SPACING_MS = 1000;
// A page that is not on the button's list cannot tell that from a dead server.
const LONGEST_PAUSE_MS = 300_000;
const DAY_MS = 24 * 3600_000;
const MOST_CALLS = 20;
// A browser carries 64 KiB of keepalive requests a page, and the server reads bodies of 64 KiB.
const MOST_BYTES = 60_000;
const MOST_KNOWN = 50;
const MOST_QUEUED = 200;

const measure = (text: string): number => new Blob([text]).size;
const isWaiting = ({ verdict }: Verdict): boolean => verdict === "waiting_for_lead";
const judge = (verdict: string, reason: string): Verdict[] => [{ path: "", verdict, reason }];

export function makeOutbox(url: string, visit: string): Outbox {
  const prefix = `knopka.unsent.${visit}.`;
  /** Accepted and unanswered, in order; the first of them may be on their way. */
  let queue: Call[] = [];
  /** The latest calls by their content, for callers on timers. */
  const known = new Map<string, Call>();
  let waiting: Call[] = [];
  let inFlight: Call[] = [];
  /** A request could not be read: from then on each call goes alone, so that none spoils another. */
  let isAlone = false;
  let isBusy = false;
  let isAsking = false;
  let timer = 0;
  let nextAt = 0;
  let blockedUntil = 0;
  let failures = 0;
  let lastAt = 0;

  const accept = (text: string, dropped: Verdict[], key: string, at: number): Call => {
    const call = { key, text, at, dropped } as Call;
    call.promise = new Promise((resolve) => (call.done = resolve));
    known.set(digest(text), call);
    if (known.size > MOST_KNOWN) known.delete(known.keys().next().value!);
    queue.push(call);
    return call;
  };

  // Waiting is counted on a clock that nobody sets.
  const schedule = (delay: number): void => {
    if (isBusy || !(queue.length || isAsking)) return;
    clearTimeout(timer);
    timer = setTimeout(flush, Math.max(delay, Math.max(nextAt, blockedUntil) - performance.now()));
  };

  const settle = (call: Call, answered: Verdict[]): void => {
    const isNews = !call.verdicts || !answered.some(isWaiting);
    queue = queue.filter((one) => one !== call);
    waiting = waiting.filter((one) => one !== call).slice(-MOST_QUEUED);
    if (answered.some(isWaiting)) waiting.push(call);
    forget(prefix + call.key);
    call.verdicts = [...call.dropped, ...answered];
    call.done(call.verdicts);
    call.promise = Promise.resolve(call.verdicts);
    if (isNews) fire("onMetaResult", call.verdicts, call.key);
  };

  const writeBody = (calls: Call[]): string => {
    const [address, title, referrer] = [location.href, document.title, document.referrer].map((text) => quote(text.slice(0, 2000)));
    const list = calls.map(({ key, text }) => `{"key":"${key}","params":${text}}`);
    return `{"visit":"${visit}","page":{"url":${address},"title":${title},"referrer":${referrer}},"calls":[${list}]}`;
  };

  /** The longest beginning of the calls that fits one request; one call always goes. */
  const takeBatch = (calls: Call[]): Call[] => {
    let count = Math.min(isAlone ? 1 : MOST_CALLS, calls.length);
    while (count > 1 && measure(writeBody(calls.slice(0, count))) > MOST_BYTES) count--;
    return calls.slice(0, count);
  };

  /** Take an answer in; false when it has to be asked for again. */
  const read = ({ status, body, waitMs }: Answer, isAbout: boolean): boolean => {
    const { calls, window, error } = Object(body);
    if (calls) {
      const before = waiting.length;
      for (const { key, verdicts } of calls) {
        const call = [...waiting, ...inFlight].find((one) => one.key === key);
        if (call) settle(call, verdicts);
      }
      // Once the cards exist nothing has to wait any longer.
      isAsking = waiting.length > 0 && (isAbout ? Boolean(window) : waiting.length < before);
    } else if (status < 400 || status === 429 || status > 499) {
      blockedUntil = performance.now() + waitMs;
      return false;
    } else if (inFlight.length > 1) {
      isAlone = true;
    } else {
      known.clear();
      for (const call of inFlight) settle(call, judge(status === 413 ? "refused_limit" : "refused_bad_value", error?.message ?? null));
    }
    return true;
  };

  const flush = async (): Promise<void> => {
    isBusy = true;
    nextAt = performance.now() + SPACING_MS;
    inFlight = takeBatch(queue);
    const isAbout = inFlight.length > 0;
    const keys = waiting.slice(0, MOST_CALLS).map(({ key }) => `"${key}"`);
    const body = isAbout ? writeBody(inFlight) : `{"visit":"${visit}","keys":[${keys}]}`;
    isAsking &&= isAbout;
    // One call that is larger than a browser carries along fails once, and goes without keepalive.
    const answer = await request(isAbout ? url : `${url}/verdicts`, { method: "POST", body, keepalive: !failures });
    failures++;
    try {
      if (read(answer, isAbout)) failures = 0;
    } catch {
      // Not the shape of our server's answers.
    }
    inFlight = [];
    isBusy = false;
    schedule(failures && Math.min(LONGEST_PAUSE_MS, 500 * 2 ** failures) * (1 + Math.random()));
  };

  /**
   * The page may never come back: hand over all that is unanswered. What is in flight goes along, so that the
   * order holds whichever arrives first; the keys keep it from counting twice, the copies kept bring the verdicts.
   */
  const leave = (): void => {
    if (performance.now() < blockedUntil) return;
    for (;;) {
      const batch = takeBatch(queue.filter((call) => !call.isSent));
      if (!batch.length || !navigator.sendBeacon(url, writeBody(batch))) return;
      for (const call of batch) call.isSent = true;
    }
  };

  const ask = (): void => {
    isAsking = waiting.length > 0;
    schedule(0);
  };

  addEventListener("pagehide", leave);
  addEventListener("online", ask);
  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : ask()));

  // What earlier pages could not deliver goes first, under its old keys.
  const kept = listKept(prefix).map((name) => [recall(name) ?? "", name.slice(prefix.length)] as const);
  for (const [value, key] of kept.sort()) {
    const space = value.indexOf(" ");
    accept(value.slice(space + 1), [], key, +value.slice(0, space));
  }
  schedule(0);

  return {
    ask,
    async setMeta(params) {
      const { text, dropped } = copyParams(params);
      if (text[0] !== "{") return judge("refused_bad_value", "not JSON");
      const twin = known.get(digest(text));
      if (twin && Date.now() - twin.at < DAY_MS) return twin.promise;
      if (queue.length >= MOST_QUEUED) return judge("refused_limit", "too large");
      lastAt = Math.max(Date.now(), lastAt + 0.01);
      const call = accept(text, dropped, makeId(), lastAt);
      keep(prefix + call.key, `${lastAt} ${text}`);
      schedule(GATHER_MS);
      return call.promise;
    },
  };
}
