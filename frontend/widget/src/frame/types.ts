/** What the server tells the chat, and what the frame's own page was given. */

import type en from "./lang/en";

export type Words = typeof en;

export interface Message {
  id: number;
  conversation_id: number;
  seq: number;
  direction: "in" | "out" | "system";
  author: { kind: string; name: string | null };
  text: string;
  /** Rows of what stands under it. */
  buttons: Choice[][];
  key: string | null;
  state: State;
  created_at: number;
}

/** A button of the bot's: a press says its label, a link opens, and what asks for more is for messengers. */
export interface Choice {
  option: number;
  label: string;
  url: string | null;
  asks: string | null;
}

/** Which button was pressed instead of writing. */
export interface Pressed {
  message_id: number;
  option: number;
}

/** How far a message has come; `sending` is known to this frame alone. */
export type State = "sending" | "sent" | "delivered" | "read" | "failed";

export interface Chat {
  id: number;
  status: string;
  last_seq: number;
  visitor_read_seq: number;
  operator_read_seq: number;
  unread: number;
}

export interface Button {
  id: string;
  locale: string;
  origins: string[];
  name: string;
  color: string;
  api: string;
}
