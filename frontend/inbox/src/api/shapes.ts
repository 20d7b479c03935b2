/** The shapes the server speaks (times in milliseconds, but for cards: seconds). */

export type ConversationStatus = "open" | "closed";
export type Direction = "in" | "out" | "system";
export type MessageState = "sent" | "delivered" | "read" | "failed";
export type UnsortedState = "unsorted" | "accepted" | "declined";
export type Channel = "onsite" | "telegram" | "messenger" | "viber" | "vk";
export type Entity = "leads" | "contacts";

export interface Me {
  operator: { id: number; login: string; name: string };
  account: { id: number; name: string; locale: string; timezone: string; currency: string };
  now: number;
}

export interface Summary {
  id: number;
  channel: Channel;
  source: { id: number; name: string };
  status: ConversationStatus;
  visitor_name: string;
  contact_id: number | null;
  lead_id: number | null;
  lead_name: string | null;
  unsorted: { uid: string; state: UnsortedState } | null;
  last_seq: number;
  last_message: { text: string; direction: Direction; created_at: number } | null;
  operator_read_seq: number;
  visitor_read_seq: number;
  visitor_delivered_seq: number;
  unread: number;
  page_url: string;
  created_at: number;
  changed_at: number;
}

export interface Message {
  id: number;
  conversation_id: number;
  seq: number;
  direction: Direction;
  author: { kind: "visitor" | "operator" | "system"; name: string | null };
  text: string;
  key: string;
  state: MessageState;
  created_at: number;
}

export interface ConversationPage {
  conversations: Summary[];
  next: string | null;
  cursor: number;
  unread: number;
}

export interface Changes {
  conversations: Summary[];
  cursor: number;
  more: boolean;
}

export interface UnsortedRow {
  uid: string;
  lead_id: number;
  lead_name: string;
  contact_name: string;
  conversation_id: number | null;
  created_at: number;
  source_name: string;
  last_text: string;
}

export interface UnsortedPage {
  unsorted: UnsortedRow[];
  next: string | null;
}

export interface Pipeline {
  id: number;
  name: string;
  is_main: boolean;
  statuses: { id: number; name: string; color: string; type: number }[];
}

export interface FieldItem {
  value?: unknown;
  enum_id?: number | null;
  enum_code?: string | null;
}

export interface FilledField {
  field_id: number;
  field_name: string;
  field_code: string | null;
  field_type: string;
  values: FieldItem[];
}

export interface Note {
  id: number;
  entity_id: number;
  entity_type: Entity;
  note_type: string;
  created_at: number;
  created_by: number;
  params: Record<string, unknown>;
}

export interface SentBySite {
  at: number;
  page: string | null;
  path: string;
  value: unknown;
  verdict: string;
  verdict_name: string;
  reason: string | null;
}

export interface FillWindow {
  opened_at: number;
  closes_at: number;
  is_open: boolean;
}

export interface FieldInfo {
  id: number;
  name: string;
  type: string;
  code: string | null;
}

export interface Card {
  lead: {
    id: number;
    name: string;
    price: number;
    pipeline_id: number;
    status_id: number;
    created_at: number;
    custom_fields_values: FilledField[] | null;
  };
  contact: { id: number; name: string; custom_fields_values: FilledField[] | null };
  notes: Note[];
  site_data: SentBySite[];
  window: FillWindow | null;
  unsorted: { uid: string; category: string; created_at: number; state: UnsortedState } | null;
  bot_params: Record<string, unknown>;
  fields: Record<Entity, FieldInfo[]>;
  /** Phones and e-mails that a page gave and nobody has checked: the ids of their fields. */
  claimed: Record<Entity, number[]>;
}

export type LiveEvent =
  | { type: "conversation"; conversation: Summary; message: Message | null }
  | { type: "card"; lead_id: number }
  | { type: "typing"; conversation_id: number }
  | { type: "pong"; now?: number };
