/** The calls of the channels' settings, one line each. */
import { get, newKey, patch, post, remove } from "./http";
import type { Channel, ChannelKind, ChannelList, Message } from "./shapes";

/** The server talks to the messenger meanwhile, more than once. */
const SETUP_MS = 60_000;

export interface ChannelWish {
  values: Record<string, string>;
  source_ids: number[] | null;
}

export const listChannels = () => get<ChannelList>("channels", "channels");
export const addChannel = (key: string, kind: ChannelKind, wish: ChannelWish) =>
  post<Channel>("channels", { key, kind, ...wish }, SETUP_MS);
export const editChannel = (id: number, key: string, change: Partial<ChannelWish>) =>
  patch<Channel>(`channels/${id}`, { key, ...change }, SETUP_MS);
export const switchChannel = (id: number, is_enabled: boolean) =>
  patch<Channel>(`channels/${id}`, { key: newKey(), is_enabled }, SETUP_MS);
export const checkChannel = (id: number) => post<Channel>(`channels/${id}/check`, { key: newKey() }, SETUP_MS);
export const testChannel = (id: number) =>
  post<{ conversation_id: number; message: Message }>(`channels/${id}/test`, { key: newKey() }, SETUP_MS);
export const removeChannel = (id: number) => remove(`channels/${id}`, { key: newKey() }, SETUP_MS);
