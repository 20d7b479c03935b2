/** What authors have written and not yet kept, for as long as their window is open. */

const PREFIX = "knopka.inbox.script.";
const memory = new Map<number, string>();

export interface ScriptDraft {
  text: string;
  /** The version that it was begun from; null is none. */
  base: number | null;
}

export function readDraft(botId: number): ScriptDraft | null {
  const text = memory.get(botId) ?? stored(botId);
  if (text === null) return null;
  try {
    const draft = JSON.parse(text) as ScriptDraft;
    return typeof draft.text === "string" ? draft : null;
  } catch {
    return null;
  }
}

function stored(botId: number): string | null {
  try {
    return sessionStorage.getItem(PREFIX + botId);
  } catch {
    return null;
  }
}

export function writeDraft(botId: number, draft: ScriptDraft | null): void {
  memory.delete(botId);
  try {
    if (draft === null) sessionStorage.removeItem(PREFIX + botId);
    else sessionStorage.setItem(PREFIX + botId, JSON.stringify(draft));
  } catch {
    if (draft !== null) memory.set(botId, JSON.stringify(draft));
  }
}
