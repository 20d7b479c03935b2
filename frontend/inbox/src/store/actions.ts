/** What an operator does, with the word that tells it and the way back. */
import type { Summary } from "../api/shapes";
import { language } from "../words/index.svelte";
import { desk } from "./desk.svelte";
import { wordsOf } from "./faults";
import { notices } from "./notices.svelte";
import { listPath, route } from "./route.svelte";
import { screen } from "./screen.svelte";

export async function toggleStatus(conversation: Summary): Promise<void> {
  const isOpen = conversation.status === "open";
  const { closedNotice, reopenedNotice } = language.words;
  const undo = (): void => {
    const now = desk.conversations.get(conversation.id);
    if (now && now.status !== conversation.status) void toggleStatus(now);
  };
  try {
    const done = desk.setStatus(conversation.id, isOpen ? "closed" : "open");
    notices.done(isOpen ? closedNotice : reopenedNotice, undo);
    await done;
  } catch (error) {
    notices.fault(wordsOf(error));
  }
}

/** Closes the open conversation and goes on with the next row of the list. */
export async function closeAndNext(conversation: Summary): Promise<void> {
  const at = screen.rows.findIndex((row) => row.conversationId === conversation.id);
  const next = screen.rows[at + 1] ?? screen.rows[at - 1];
  const done = conversation.status === "open" ? toggleStatus(conversation) : Promise.resolve();
  screen.cursor = next?.key ?? null;
  route.go(next?.path ?? listPath);
  await done;
}

export async function signOut(): Promise<void> {
  try {
    await fetch("/inbox/sign-out", { method: "POST", headers: { "X-Knopka": "inbox" }, redirect: "error" });
  } catch {
    notices.fault(language.words.errors.unreachable);
    return;
  }
  desk.forget();
  location.assign("/inbox/sign-in");
}
