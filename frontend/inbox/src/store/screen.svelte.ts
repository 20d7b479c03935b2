/** What the operator looks at: the chosen list, its filter, the row under the cursor, the open dialog. */
import type { ChannelKind, Direction, Summary, UnsortedRow } from "../api/shapes";
import { plainName } from "../text/safe";
import { desk } from "./desk.svelte";
import { newestAt } from "./merge";
import { conversationPath, leadPath, route } from "./route.svelte";
import type { Status } from "./lists.svelte";

export type Tab = "open" | "unsorted" | "closed" | "all";
export const TABS: readonly Tab[] = ["open", "unsorted", "closed", "all"];
export type DialogName = "help" | "palette" | "settings" | "accept" | "decline" | "startBot";

export interface Row {
  key: string;
  path: string;
  conversationId: number | null;
  name: string;
  text: string;
  direction: Direction | null;
  at: number;
  unread: number;
  isUnsorted: boolean;
  isClosed: boolean;
  /** Null where nothing is known of the conversation yet. */
  channel: ChannelKind | null;
  channelTitle: string;
  avatarUrl: string | null;
  sourceName: string;
  hasBot: boolean;
}

class Screen {
  tab = $state<Tab>("open");
  filter = $state("");
  cursor = $state<string | null>(null);
  dialog = $state<DialogName | null>(null);
  /** The picture that is looked at in full. */
  picture = $state.raw<{ url: string; alt: string; name: string } | null>(null);

  list = $derived(this.tab === "unsorted" ? desk.unsorted : desk.lists[this.tab satisfies Status]);
  rows = $derived.by(() => this.#rows());
  /** The conversation on the screen, once its summary is here. */
  conversation = $derived(
    route.place.conversationId === null ? undefined : desk.conversations.get(route.place.conversationId),
  );
  leadId = $derived(route.place.leadId ?? this.conversation?.lead_id ?? null);
  /** More than one button: then each row says which. */
  hasSources = $derived(new Set([...desk.conversations.values()].map((c) => c.source.id)).size > 1);

  /** More than the chat on the site: then each row says how the visitor writes. */
  hasChannels = $derived([...desk.conversations.values()].some((c) => c.channel !== "onsite"));

  show(tab: Tab): void {
    this.tab = tab;
    this.cursor = null;
    if (this.list.phase === "new" || this.list.phase === "failed") void this.list.load();
  }

  #rows(): Row[] {
    const all =
      this.tab === "unsorted" ? desk.unsorted.rows.map(ofUnsorted) : desk.lists[this.tab].shown.map(ofConversation);
    const wanted = this.filter.trim().toLocaleLowerCase();
    if (!wanted) return all;
    return all.filter((row) => `${row.name}\n${row.text}\n${row.sourceName}\n${row.channelTitle}`.toLocaleLowerCase().includes(wanted));
  }
}

function ofConversation(c: Summary): Row {
  return {
    key: `c${c.id}`,
    path: conversationPath(c.id),
    conversationId: c.id,
    name: plainName(c.visitor_name),
    text: c.last_message?.text ?? "",
    direction: c.last_message?.direction ?? null,
    at: newestAt(c),
    unread: c.unread,
    isUnsorted: c.unsorted?.state === "unsorted",
    isClosed: c.status === "closed",
    channel: c.channel,
    channelTitle: plainName(c.channel_title ?? ""),
    avatarUrl: c.avatar_url ?? null,
    sourceName: plainName(c.source.name),
    hasBot: Boolean(c.bot),
  };
}

function ofUnsorted(row: UnsortedRow): Row {
  const id = row.conversation_id;
  const known = id === null ? undefined : desk.conversations.get(id);
  if (known) return { ...ofConversation(known), key: `u${row.uid}` };
  return {
    key: `u${row.uid}`,
    path: id === null ? leadPath(row.lead_id) : conversationPath(id),
    conversationId: id,
    name: plainName(row.contact_name || row.lead_name),
    text: row.last_text,
    direction: null,
    at: row.created_at,
    unread: 0,
    isUnsorted: true,
    isClosed: false,
    channel: null,
    channelTitle: "",
    avatarUrl: null,
    sourceName: plainName(row.source_name),
    hasBot: false,
  };
}

export const screen = new Screen();
