/** The settings of a bot as a form has them, and in words. */
import type { Bot, BotRun, BotSettings, Places, Start, StartKind } from "../api/bots";
import type { BotWords } from "../words/bots.en";
import { plainName } from "./safe";

export const START_KINDS: readonly StartKind[] = [
  "first_message",
  "incoming_lead",
  "keyword",
  "key_action",
  "stage",
  "no_answer",
  "schedule",
];
export const EVERY_DAY: readonly number[] = [1, 2, 3, 4, 5, 6, 7];
export const MOST_STARTS = 20;
const MOST = 100;
const LONGEST_WORD = 100;
const MOST_TIMES = 24;
const LONGEST_SILENCE = 7 * 24 * 60;
const CLOCK = /^([01]\d|2[0-3]):[0-5]\d$/;

/** One start while it is written: the fields of every kind, so that another kind can be looked at. */
export interface StartDraft {
  key: number;
  on: StartKind;
  words: string;
  names: string;
  minutes: string;
  times: string;
  status_ids: number[];
  weekdays: number[];
}

let lastKey = 0;

export function draftOf(start: Start | null): StartDraft {
  const blank = { on: "first_message" as const, words: "", names: "", minutes: "10", times: "", status_ids: [], weekdays: [...EVERY_DAY] };
  const key = ++lastKey;
  switch (start?.on) {
    case "keyword":
      return { ...blank, key, on: start.on, words: start.words.join("\n") };
    case "key_action":
      return { ...blank, key, on: start.on, names: start.names.join("\n") };
    case "stage":
      return { ...blank, key, on: start.on, status_ids: start.status_ids };
    case "no_answer":
      return { ...blank, key, on: start.on, minutes: String(start.minutes) };
    case "schedule":
      return { ...blank, key, on: start.on, times: start.times.join(", "), status_ids: start.status_ids, weekdays: start.weekdays };
    default:
      return { ...blank, key, on: start?.on ?? blank.on };
  }
}

export function startOf(draft: StartDraft): Start {
  switch (draft.on) {
    case "keyword":
      return { on: draft.on, words: lines(draft.words) };
    case "key_action":
      return { on: draft.on, names: lines(draft.names) };
    case "stage":
      return { on: draft.on, status_ids: draft.status_ids };
    case "no_answer":
      return { on: draft.on, minutes: Number(draft.minutes) };
    case "schedule":
      return { on: draft.on, times: clocks(draft.times), status_ids: draft.status_ids, weekdays: draft.weekdays };
    default:
      return { on: draft.on };
  }
}

const lines = (text: string): string[] => text.split("\n").map((line) => line.trim()).filter(Boolean);
/** 9:05 is 09:05. */
const clocks = (text: string): string[] => text.split(/[\s,;]+/).filter(Boolean).map((one) => one.padStart(5, "0"));
export const isWhole = (text: string, least: number, most: number): boolean =>
  /^-?\d{1,9}$/.test(text.trim()) && Number(text) >= least && Number(text) <= most;

/** What is wrong with a start, by the name of its field. */
export function faultsOf(draft: StartDraft, words: BotWords): Record<string, string> {
  const said = words.settings.faults;
  const found: Record<string, string> = {};
  const list = (name: "words" | "names"): void => {
    const given = lines(draft[name]);
    if (given.length === 0 || given.some((one) => [...one].length > LONGEST_WORD)) found[name] = said[name];
    else if (given.length > MOST) found[name] = said.tooMany;
  };
  const stages = (): void => {
    if (draft.status_ids.length === 0) found.status_ids = said.stages;
    else if (draft.status_ids.length > MOST) found.status_ids = said.tooMany;
  };
  switch (draft.on) {
    case "keyword":
      list("words");
      break;
    case "key_action":
      list("names");
      break;
    case "stage":
      stages();
      break;
    case "no_answer":
      if (!isWhole(draft.minutes, 1, LONGEST_SILENCE)) found.minutes = said.minutes;
      break;
    case "schedule": {
      const times = clocks(draft.times);
      if (times.length === 0 || times.length > MOST_TIMES || times.some((one) => !CLOCK.test(one))) found.times = said.times;
      if (draft.weekdays.length === 0) found.weekdays = said.days;
      stages();
    }
  }
  return found;
}

/** Stages by pipeline; one that every pipeline has stands in a group of its own. */
export function groupStages(stages: Places["stages"], shared: string): { name: string; stages: Places["stages"] }[] {
  const pipelinesOf = new Map<number, Set<string>>();
  for (const { id, pipeline } of stages) pipelinesOf.set(id, (pipelinesOf.get(id) ?? new Set()).add(pipeline));
  const groups = new Map<string, Map<number, Places["stages"][number]>>();
  for (const stage of stages) {
    const name = pipelinesOf.get(stage.id)!.size > 1 ? shared : stage.pipeline;
    groups.set(name, (groups.get(name) ?? new Map()).set(stage.id, stage));
  }
  const last = groups.get(shared);
  groups.delete(shared);
  if (last) groups.set(shared, last);
  return [...groups].map(([name, byId]) => ({ name, stages: [...byId.values()] }));
}

const SHOWN = 3;

function some(names: string[], words: BotWords): string {
  const shown = names.slice(0, SHOWN).map((name) => plainName(name)).join(", ");
  return names.length > SHOWN ? `${shown} ${words.andMore(names.length - SHOWN)}` : shown;
}

function sayStart(start: Start, places: Places, words: BotWords): string {
  const said = words.startIn;
  switch (start.on) {
    case "keyword":
      return said.keyword(some(start.words, words));
    case "key_action":
      return said.key_action(some(start.names, words));
    case "stage":
      return said.stage(some(start.status_ids.map((id) => nameOf(places.stages, id, words)), words));
    case "no_answer":
      return said.no_answer(start.minutes);
    case "schedule": {
      const days = start.weekdays.length === EVERY_DAY.length ? words.everyDay : start.weekdays.map((day) => words.weekdays[day - 1]).join(", ");
      return said.schedule(days, some(start.times, words));
    }
    default:
      return said[start.on];
  }
}

export function nameOf(all: { id: number; name: string }[], id: number, words: BotWords): string {
  return all.find((one) => one.id === id)?.name ?? words.settings.unknownPlace(id);
}

/** When the bot starts, in one line. */
export function sayStarts(settings: BotSettings, places: Places, words: BotWords): string {
  const said = settings.starts.map((start) => sayStart(start, places, words));
  if (settings.is_nps) said.push(words.nps);
  const text = said.join("; ") || words.noStart;
  return text.charAt(0).toLocaleUpperCase() + text.slice(1);
}

export type BotState = "draft" | "on" | "off";

export function stateOf(bot: Bot): BotState {
  if (!bot.is_enabled) return "off";
  return bot.published_version === null ? "draft" : "on";
}

export const TONES: Record<BotState, string> = { draft: "wait", on: "good", off: "" };

/** How a run stands: what it waits for, or why it ended. */
export function sayRun(run: BotRun, words: BotWords): string {
  if (run.is_active) return run.wait === null ? words.runs.begins : (words.runs.waits[run.wait] ?? run.wait);
  return run.reason_text ?? words.runs.ended;
}

export const sayCause = (run: BotRun, words: BotWords): string => words.runs.causes[run.cause] ?? run.cause;
