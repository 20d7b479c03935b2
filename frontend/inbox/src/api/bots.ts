/** The calls of the bots' settings, one line each, and the shapes they speak (times in milliseconds). */
import { get, newKey, patch, post, remove, type Fault } from "./http";
import type { ChannelKind, Summary } from "./shapes";

export type Start =
  | { on: "first_message" }
  | { on: "incoming_lead" }
  | { on: "keyword"; words: string[] }
  | { on: "key_action"; names: string[] }
  | { on: "stage"; status_ids: number[] }
  | { on: "no_answer"; minutes: number }
  /** 1 is Monday; times are those of the account's day, like 09:30. */
  | { on: "schedule"; times: string[]; status_ids: number[]; weekdays: number[] };
export type StartKind = Start["on"];

export interface BotSettings {
  starts: Start[];
  /** Kinds of channels and ids of single ones; none is every channel. */
  channels: (ChannelKind | number)[];
  /** None is every button. */
  source_ids: number[];
  is_nps: boolean;
  priority: number;
}

export type RunCause = StartKind | "manual" | "api" | "bot" | "nps";
export type WaitKind = "answer" | "pause" | "call" | "continue" | "lookup";

export interface BotRun {
  id: number;
  bot_id: number;
  version: number;
  conversation_id: number;
  lead_id: number | null;
  is_active: boolean;
  wait: WaitKind | null;
  cause: RunCause;
  started_at: number;
  changed_at: number;
  ended_at: number | null;
  reason: string | null;
  reason_text: string | null;
}

/** One line of a run's log; `text` says the note in words. */
export interface RunLine {
  seq: number;
  at: number;
  step: number | null;
  block: string | null;
  path: string;
  /** The line of the script. */
  line: number | null;
  handler: string;
  /** What the markers stood for, by their names. */
  seen: Record<string, unknown>;
  note: string;
  text: string;
  detail: string;
}

export interface RunWithLog extends BotRun {
  lines: RunLine[];
}

export interface Bot {
  id: number;
  name: string;
  is_enabled: boolean;
  published_version: number | null;
  /** 0 before the first one. */
  last_version: number;
  settings: BotSettings;
  created_at: number;
  changed_at: number;
  last_run: BotRun | null;
}

export interface VersionHeading {
  version: number;
  note: string;
  author: string;
  created_at: number;
  bytes: number;
}

export interface BotVersion extends VersionHeading {
  script: string;
}

/** What the settings of a bot may name. */
export interface Places {
  channels: { id: number; kind: ChannelKind; title: string }[];
  sources: { id: number; name: string }[];
  stages: { id: number; name: string; pipeline: string }[];
}

export interface BotList extends Places {
  bots: Bot[];
}

/** Something in a script, with its place; lines and columns begin with 1. */
export interface ScriptRemark extends Fault {
  code: string;
  line: number | null;
  column: number | null;
}

export interface BotEdit {
  name?: string;
  settings?: BotSettings;
  is_enabled?: boolean;
}

export const RUNS_PAGE = 30;

export const listBots = () => get<BotList>("bots", "bots");
export const addBot = (key: string, name: string) => post<Bot>("bots", { key, name });
export const getBot = (id: number) => get<Bot & Places & { published: BotVersion | null; runs: BotRun[] }>(`bots/${id}`, "settings");
export const editBot = (id: number, key: string, edit: BotEdit) => patch<Bot>(`bots/${id}`, { key, ...edit });
export const removeBot = (id: number) => remove(`bots/${id}`, { key: newKey() });

export const listVersions = (id: number, before: number | null) =>
  get<{ versions: VersionHeading[]; next: number | null }>(`bots/${id}/versions`, "versions", { before });
export const getVersion = (id: number, version: number) => get<BotVersion>(`bots/${id}/versions/${version}`, "script");
/** Keeps a new version; what is published stays so. */
export const putVersion = (id: number, key: string, script: string, note: string) =>
  post<{ bot: Bot; version: BotVersion; warnings: ScriptRemark[] }>(`bots/${id}/versions`, { key, script, note });
export const publishVersion = (id: number, version: number) => post<Bot>(`bots/${id}/publish`, { key: newKey(), version });
export const rollBack = (id: number, key: string) => post<Bot>(`bots/${id}/roll-back`, { key });

export const listRuns = (id: number, before: number | null) =>
  get<{ runs: BotRun[]; next: number | null }>(`bots/${id}/runs`, "runs", { before, limit: RUNS_PAGE });
export const getRun = (id: number) => get<RunWithLog>(`bot-runs/${id}`, "lines");
export const startBot = (conversationId: number, key: string, botId: number) =>
  post<Summary>(`conversations/${conversationId}/bot`, { key, bot_id: botId });
export const stopBot = (conversationId: number) => post<Summary>(`conversations/${conversationId}/bot/stop`, { key: newKey() });
