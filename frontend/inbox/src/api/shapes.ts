/** The shapes the server speaks (times in milliseconds, but for cards: seconds). */

export type ConversationStatus = "open" | "closed";
export type Direction = "in" | "out" | "system";
/** Waiting is on its way to a messenger; of an uncertain one nobody knows whether it arrived. */
export type MessageState = "waiting" | "sent" | "delivered" | "read" | "failed" | "uncertain";
export type UnsortedState = "unsorted" | "accepted" | "declined";
export type ChannelKind = "onsite" | "telegram" | "messenger" | "viber" | "vk";
export type ChannelState = "new" | "ok" | "warning" | "broken" | "off";
export type Entity = "leads" | "contacts";

export interface Me {
  operator: { id: number; login: string; name: string };
  account: { id: number; name: string; locale: string; timezone: string; currency: string };
  now: number;
}

export interface Summary {
  id: number;
  channel: ChannelKind;
  channel_id: number | null;
  channel_title: string | null;
  channel_state: ChannelState | null;
  /** The person came without a link code: nothing is known of the visit. */
  is_visit_unknown: boolean;
  /** Nothing can be sent until the person writes again. */
  chat_gone: "blocked" | "gone" | null;
  /** The bot that talks there now. */
  bot: { id: number; name: string; run_id: number } | null;
  window: ReplyWindow | null;
  /** The picture that a messenger shows of the person, on our own server. */
  avatar_url: string | null;
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

/** After `ends_at` the platform takes no answers, or takes money for them. */
export interface ReplyWindow {
  kind: "closes" | "costs";
  ends_at: number;
  /** Until then a person may still answer. */
  late_until: number | null;
}

export interface SendFault {
  code: "chat_gone" | "window_closed" | "channel_broken" | "bad_request" | "uncertain" | "gave_up" | "rejected";
  /** In the platform's words. */
  detail: string;
}

export type AttachmentKind = "photo" | "file" | "voice" | "audio" | "video" | "sticker" | "location" | "contact" | "link";

export interface Attachment {
  id: number;
  kind: AttachmentKind;
  name: string;
  mime: string;
  size: number | null;
  /** None: there is nothing to fetch. */
  state: "waiting" | "stored" | "failed" | "none";
  reason: "too_large" | "wrong_type" | "gone" | "quota" | "broken" | null;
  url: string | null;
  /** A place's name, a contact's name, a sticker's emoji, a link's address. */
  title: string;
  phone: string;
  latitude: number | null;
  longitude: number | null;
  width: number | null;
  height: number | null;
}

export interface ChatEvent {
  kind: "opened" | "blocked" | "unblocked" | "joined" | "bot_told";
  page_url?: string;
  page_title?: string;
  /** bot_told: what the bot says to operators alone, and its name. */
  text?: string;
  bot?: string;
}

export interface Choice {
  option: number;
  label: string;
  url: string | null;
  asks: "phone" | "email" | null;
}

export interface Message {
  id: number;
  conversation_id: number;
  seq: number;
  direction: Direction;
  author: { kind: "visitor" | "operator" | "bot" | "system"; name: string | null };
  text: string;
  /** Rows of what stands under it. */
  buttons: Choice[][];
  /** The visitor pressed a button instead of writing. */
  is_press: boolean;
  key: string;
  state: MessageState;
  error: SendFault | null;
  attachments: Attachment[];
  edited_at: number | null;
  deleted_at: number | null;
  event: ChatEvent | null;
  /** An answer that staff wrote in the messenger's own tools. */
  is_elsewhere: boolean;
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

export interface Tag {
  id: number;
  name: string;
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
    _embedded: { tags: Tag[] };
  };
  contact: { id: number; name: string; custom_fields_values: FilledField[] | null; _embedded: { tags: Tag[] } };
  notes: Note[];
  site_data: SentBySite[];
  window: FillWindow | null;
  unsorted: { uid: string; category: string; created_at: number; state: UnsortedState } | null;
  bot_params: Record<string, unknown>;
  fields: Record<Entity, FieldInfo[]>;
  /** Phones and e-mails that a page gave and nobody has checked: the ids of their fields. */
  claimed: Record<Entity, number[]>;
}

export interface Finding {
  level: "ok" | "warning" | "broken";
  code: string;
  message: string;
  fix: string;
  detail: string;
}

/** One messenger account that is set up: a bot, a page, a community. */
export interface Channel {
  id: number;
  kind: ChannelKind;
  title: string;
  state: ChannelState;
  webhook_url: string | null;
  is_polling: boolean;
  link: string;
  /** The buttons it is on; null is every button. */
  source_ids: number[] | null;
  created_at: number;
  last_event_at: number | null;
  last_error: { code: string; message: string; fix: string; detail: string; at: number } | null;
  findings: Finding[];
  values: Record<string, string>;
  /** Secrets are never told; this is their end: "…1234". */
  secrets: Record<string, string>;
  waiting: number;
}

export interface Parameter {
  name: string;
  hint: string;
  is_secret: boolean;
  is_required: boolean;
}

export interface KindInfo {
  kind: ChannelKind;
  parameters: Parameter[];
}

export interface ChannelList {
  channels: Channel[];
  kinds: KindInfo[];
  sources: { id: number; name: string }[];
}

export type LiveEvent =
  | { type: "conversation"; conversation: Summary; message: Message | null }
  | { type: "card"; lead_id: number }
  | { type: "typing"; conversation_id: number }
  | { type: "channels" }
  | { type: "pong"; now?: number };
