/** Checking a script and playing it: nothing is kept, and nothing is sent. */
import type { ScriptRemark, WaitKind } from "./bots";
import { post } from "./http";
import type { Entity } from "./shapes";

/** Why an arrow is gone; `text` is the answer or the pattern. */
export interface ArrowLabel {
  reason: "answer" | "pattern" | "else" | "yes" | "no" | "found" | "ok" | "error" | "undelivered" | "timeout";
  text: string;
}

/** A step; that of null is the list `error`. Lines begin with 1. */
export interface DiagramNode {
  step: number | null;
  line: number | null;
  says: string;
  handlers: string[];
  asks: boolean;
  ends: boolean;
}

export interface DiagramArrow {
  source: number | null;
  to: number;
  block: "question" | "answer" | "finish";
  /** Gone with the visitor's next answer. */
  waits: boolean;
  /** From the outermost branch to the innermost. */
  labels: ArrowLabel[];
  line: number;
}

export interface Diagram {
  nodes: DiagramNode[];
  arrows: DiagramArrow[];
}

export interface Checked {
  faults: ScriptRemark[];
  warnings: ScriptRemark[];
  /** Null when the script cannot be run. */
  diagram: Diagram | null;
}

export type PlayEvent =
  | { do: "say"; text: string }
  | { do: "press"; button: number }
  | { do: "wait"; seconds: number }
  | { do: "answer"; data?: unknown; error?: string }
  | { do: "lose"; reason: string }
  | { do: "end" };

export interface PlayLine {
  who: "visitor" | "bot" | "operators" | "elsewhere";
  text: string;
  buttons: { label: string; url: string | null }[];
  quick_replies: string[];
}

/** What was done to the cards and to the conversation. */
export type Change =
  | { what: "write_card"; entity: Entity; target: number | string; value: string; add: boolean }
  | { what: "tag"; entity: Entity; value: string }
  | { what: "untag"; entity: Entity; values: string[] }
  | { what: "write_note"; entity: Entity; note_type: string; text: string }
  | { what: "move_lead"; status_id: number; of_double: boolean }
  | { what: "decide"; accept: boolean }
  | { what: "assign"; user_id: number; entity: Entity | null }
  | { what: "set_subscription"; is_on: boolean; type: "group" | "user" | "all"; id: number | null; entity: Entity }
  | { what: "make_cards"; lead: NewCard; contact: NewCard }
  | { what: "join"; from_entity: Entity; from_id: number | null; to_entity: Entity; to_id: number }
  | { what: "close_talk" }
  | { what: "start_bot"; bot: number };

export interface NewCard {
  name: string;
  price: string;
  tags: string[];
}

export interface PlayTrace {
  step: number;
  block: string;
  path: string;
  line: number | null;
  handler: string;
  seen: Record<string, string>;
  note: string;
  text: string;
  detail: string;
}

/** What one event brought about; the first moment is the start. */
export interface Moment {
  at: number;
  lines: PlayLine[];
  changes: Change[];
  traces: PlayTrace[];
}

export interface Play {
  moments: Moment[];
  now: number;
  waiting: { kind: WaitKind; until: number | null } | null;
  call: { method: string; url: string; is_widget: boolean } | null;
  ended: string | null;
  ended_text: string | null;
}

export const checkScript = (script: string) => post<Checked>("bots/check", { script });
export const playScript = (script: string, given: object, events: PlayEvent[]) => post<Play>("bots/play", { script, given, events });
