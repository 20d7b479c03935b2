/** setMeta calls on their way: in order, gathered, at most one request a second, none lost, none sent twice. */

import { fire } from "./events";
import {
  DAY_MS,
  GATHER_MS,
  LONGEST_PAUSE_MS,
  MOST_BYTES,
  MOST_CALLS,
  MOST_KNOWN,
  MOST_QUEUED,
  SPACING_MS,
} from "./limits";
import { copyParams, quote, type Verdict } from "./meta";
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
  /** Send something of another kind that must be on its way before the visitor leaves, and all calls with it. */
  post: (kind: string, rest: string) => Promise<Answer>;
}

const judge = (verdict: string, reason: string): Verdict[] => [{ path: "", verdict, reason }];

export function makeOutbox(urlOf: (kind: string) => string, visit: string): Outbox {
  const url = urlOf("meta");
  const prefix = `knopka.unsent.${visit}.`;
  /** Accepted and unanswered, in order; the first of them may be on their way. */
  let queue: Call[] = [];
  /** The latest calls, newest first, for callers on timers. */
  let known: Call[] = [];
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

  /** Where a copy is kept until the answer has come; in the alphabet's order, as times have 13 digits. */
  const nameOf = ({ at, key }: Call): string => `${prefix}${at} ${key}`;

  const accept = (text: string, dropped: Verdict[], key: string, at: number): Call => {
    const call = { key, text, at, dropped } as Call;
    call.promise = new Promise((resolve) => (call.done = resolve));
    known = [call, ...known].slice(0, MOST_KNOWN);
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
    const isWaiting = answered.some(({ verdict }) => verdict === "waiting_for_lead");
    queue = queue.filter((one) => one !== call);
    waiting = waiting.filter((one) => one !== call).slice(-MOST_QUEUED);
    if (isWaiting) waiting.push(call);
    forget(nameOf(call));
    const isNews = !call.verdicts || !isWaiting;
    call.done((call.verdicts = [...call.dropped, ...answered]));
    if (isNews) fire("onMetaResult", call.verdicts, call.key);
  };

  /** Each body says who sends it and from which page. */
  const write = (rest: string): string => {
    const [address, title, referrer] = [location.href, document.title, document.referrer].map((text) => quote(text.slice(0, 2000)));
    return `{"visit":"${visit}","page":{"url":${address},"title":${title},"referrer":${referrer}},${rest}}`;
  };
  const writeCalls = (calls: Call[]): string =>
    write(`"calls":[${calls.map(({ key, text }) => `{"key":"${key}","params":${text}}`)}]`);

  /** The longest beginning of the calls that fits one request; one call always goes. */
  const takeBatch = (calls: Call[]): Call[] => {
    const batch = calls.slice(0, isAlone ? 1 : MOST_CALLS);
    while (batch.length > 1 && new Blob([writeCalls(batch)]).size > MOST_BYTES) batch.pop();
    return batch;
  };

  /** Take an answer in; false when it has to be asked for again. */
  const read = ({ status, body, waitMs }: Answer, isAbout: boolean): boolean => {
    const { calls, window, error } = Object(body);
    if (calls) {
      const before = waiting.length;
      for (const call of [...waiting, ...inFlight]) {
        const answer = calls.find(({ key }: Call) => key === call.key);
        if (answer) settle(call, answer.verdicts);
      }
      // Once the cards exist nothing has to wait any longer.
      isAsking = waiting.length > 0 && (isAbout ? !!window : waiting.length < before);
    } else if (status < 400 || status === 429 || status > 499) {
      blockedUntil = performance.now() + waitMs;
      return false;
    } else if (inFlight.length > 1) {
      isAlone = true;
    } else {
      known = [];
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
    const body = isAbout ? writeCalls(inFlight) : write(`"keys":[${keys}]`);
    isAsking &&= isAbout;
    // One call that is larger than a browser carries along fails once, and goes without keepalive.
    const answer = await request(isAbout ? url : `${url}/verdicts`, body, !failures);
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
   * The page may never come back: hand over all that is unanswered. What is in flight goes along, so that the order holds whichever arrives first; the keys keep it from
   * counting twice, the copies kept bring the verdicts.
   */
  const leave = (): void => {
    const batch = takeBatch(queue.filter((call) => !call.isSent));
    if (performance.now() < blockedUntil || !batch.length || !navigator.sendBeacon(url, writeCalls(batch))) return;
    for (const call of batch) call.isSent = true;
    leave();
  };

  const ask = (): void => {
    isAsking = waiting.length > 0;
    schedule(0);
  };

  addEventListener("pagehide", leave);
  addEventListener("online", ask);
  addEventListener("visibilitychange", () => (document.hidden ? leave() : ask()));

  // What earlier pages could not deliver goes first, under its old keys.
  for (const name of listKept(prefix).sort()) {
    const [at, key] = name.slice(prefix.length).split(" ");
    accept(recall(name)!, [], key!, +at!);
  }
  schedule(0);

  return {
    ask,
    post(kind, rest) {
      const answer = request(urlOf(kind), write(rest), true);
      leave();
      return answer;
    },
    async setMeta(params) {
      const { text, dropped } = copyParams(params);
      if (text[0] !== "{") return judge("refused_bad_value", "not JSON");
      const twin = known.find((one) => one.text === text && Date.now() - one.at < DAY_MS);
      if (twin) return twin.verdicts ?? twin.promise;
      if (queue.length >= MOST_QUEUED) return judge("refused_limit", "too large");
      lastAt = Math.max(Date.now(), lastAt + 0.01);
      const call = accept(text, dropped, makeId(), lastAt);
      keep(nameOf(call), text);
      schedule(GATHER_MS);
      return call.promise;
    },
  };
}
