/** Every call of the inbox, one line each. */
import { get, newKey, patch, post } from "./http";
import type {
  Card,
  Changes,
  ConversationPage,
  ConversationStatus,
  Entity,
  Me,
  Message,
  Pipeline,
  Summary,
  UnsortedPage,
} from "./shapes";

export const PAGE = 50;

export const getMe = () => get<Me>("me", "operator");
export const listConversations = (status: ConversationStatus | "all", before: string | null, limit = PAGE) =>
  get<ConversationPage>("conversations", "conversations", { status, before, limit });
export const listChanges = (since: number) => get<Changes>("changes", "cursor", { since });
export const getConversation = (id: number) => get<Summary>(`conversations/${id}`, "last_seq");
export const listBefore = (id: number, before: number | null) =>
  get<{ messages: Message[] }>(`conversations/${id}/messages`, "messages", { before, limit: PAGE });
export const listAfter = (id: number, after: number) =>
  get<{ messages: Message[] }>(`conversations/${id}/messages`, "messages", { after, limit: PAGE });
export const sendMessage = (id: number, key: string, text: string) =>
  post<Message>(`conversations/${id}/messages`, { key, text });
/** Sends a failed or an uncertain message once more; the same key again is the same sending. */
export const resendMessage = (id: number, messageId: number, key: string) =>
  post<Message>(`conversations/${id}/messages/${messageId}/resend`, { key });
export const tellTyping = (id: number) => post<void>(`conversations/${id}/typing`, {});
export const markRead = (id: number, seq: number) => post<void>(`conversations/${id}/read`, { seq });
export const setStatus = (id: number, status: ConversationStatus) =>
  post<Summary>(`conversations/${id}/${status === "closed" ? "close" : "reopen"}`, { key: newKey() });

export interface CardEdit {
  name?: string;
  price?: number;
  contact_name?: string;
}
export const getCard = (leadId: number) => get<Card>(`leads/${leadId}`, "lead");
export const editCard = (leadId: number, edit: CardEdit) => patch<Card>(`leads/${leadId}`, { key: newKey(), ...edit });
export const addNote = (leadId: number, key: string, entity: Entity, text: string) =>
  post<unknown>(`leads/${leadId}/notes`, { key, entity, text });

export const listUnsorted = (before: string | null) => get<UnsortedPage>("unsorted", "unsorted", { before, limit: PAGE });
export const acceptLead = (uid: string, pipelineId: number, statusId: number) =>
  post<Card>(`unsorted/${uid}/accept`, { key: newKey(), pipeline_id: pipelineId, status_id: statusId });
export const declineLead = (uid: string) => post<Card>(`unsorted/${uid}/decline`, { key: newKey() });
export const listPipelines = () => get<{ pipelines: Pipeline[] }>("pipelines", "pipelines");
