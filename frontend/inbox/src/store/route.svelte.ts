/** The address of what is on the screen: /inbox/, /inbox/c/12, /inbox/c/12/card, /inbox/lead/5, /inbox/settings/channels, /inbox/settings/bots/3/runs/8. */

export type View = "list" | "conversation" | "card" | "channels" | "bots";
export const BOT_PARTS = ["script", "try", "versions", "runs", "settings"] as const;
export type BotPart = (typeof BOT_PARTS)[number];

export interface Place {
  view: View;
  conversationId: number | null;
  /** A lead opened without its conversation. */
  leadId: number | null;
  /** The channel that is looked at in the settings, or the one that is being added. */
  channel: number | "new" | null;
  /** The bot that is looked at, in which part of its pane, and the version or the run that is open there. */
  bot: number | null;
  botPart: BotPart;
  botItem: number | null;
}

const NOWHERE: Place = { view: "list", conversationId: null, leadId: null, channel: null, bot: null, botPart: "script", botItem: null };
const BASE = "/inbox";

export function readPlace(path: string): Place {
  const [settings, which] = /^\/inbox\/settings\/channels(?:\/(new|\d{1,15}))?\/?$/.exec(path) ?? [];
  if (settings) return { ...NOWHERE, view: "channels", channel: which === "new" ? which : which ? Number(which) : null };
  const [bots, bot, botPart, botItem] =
    /^\/inbox\/settings\/bots(?:\/(\d{1,15})(?:\/(script|try|versions|runs|settings)(?:\/(\d{1,15}))?)?)?\/?$/.exec(path) ?? [];
  if (bots) {
    const part = BOT_PARTS.find((one) => one === botPart) ?? "script";
    return { ...NOWHERE, view: "bots", bot: bot ? Number(bot) : null, botPart: part, botItem: botItem ? Number(botItem) : null };
  }
  const [, kind, id, part] = /^\/inbox\/(c|lead)\/(\d{1,15})(?:\/(card))?\/?$/.exec(path) ?? [];
  if (kind === "c") return { ...NOWHERE, view: part ? "card" : "conversation", conversationId: Number(id) };
  if (kind === "lead") return { ...NOWHERE, view: "card", leadId: Number(id) };
  return NOWHERE;
}

export const listPath = `${BASE}/`;
export const conversationPath = (id: number): string => `${BASE}/c/${id}`;
export const cardPath = (id: number): string => `${BASE}/c/${id}/card`;
export const leadPath = (id: number): string => `${BASE}/lead/${id}`;
export const channelsPath = `${BASE}/settings/channels`;
export const channelPath = (which: number | "new"): string => `${channelsPath}/${which}`;
export const botsPath = `${BASE}/settings/bots`;
export const botPath = (id: number, part: BotPart = "script", item?: number): string =>
  `${botsPath}/${id}/${part}${item === undefined ? "" : `/${item}`}`;
/** The settings stand in the place of the inbox, which waits behind them. */
export const isSettings = (place: Place): boolean => place.view === "channels" || place.view === "bots";

class Route {
  place = $state.raw<Place>(readPlace(location.pathname));
  /** Where the settings were entered from, and where they lead back to. */
  deskPath = $state(listPath);

  constructor() {
    window.addEventListener("popstate", () => (this.place = readPlace(location.pathname)));
  }

  /** Goes to a path of ours; moving between panes of one conversation leaves no trail behind. */
  go(path: string, { replace = false } = {}): void {
    if (path === location.pathname) return;
    if (!isSettings(this.place)) this.deskPath = location.pathname;
    history[replace ? "replaceState" : "pushState"](null, "", path);
    this.place = readPlace(path);
  }

  back(path: string): void {
    this.go(path);
  }
}

export const route = new Route();

/** Follows a link inside the app, unless the reader asked for a new tab or window. */
export function follow(event: MouseEvent, path: string): void {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  route.go(path);
}
