/** One lead's card: read, edited at once on the screen, then by the server's answer. */
import { acceptLead, addNote, declineLead, editCard, getCard, type CardEdit } from "../api/calls";
import type { Card, Entity } from "../api/shapes";
import { wordsOf } from "./faults";
import type { Phase } from "./thread.svelte";

export class LeadCard {
  card = $state.raw<Card | null>(null);
  phase = $state<Phase>("new");
  fault = $state("");
  #again = false;
  #edits = 0;

  constructor(readonly leadId: number) {}

  /** Reads the card (again); two wishes at once cost one more reading, not two. */
  async load(): Promise<void> {
    if (this.phase === "loading") {
      this.#again = true;
      return;
    }
    this.phase = "loading";
    do {
      this.#again = false;
      const edits = this.#edits;
      try {
        const card = await getCard(this.leadId);
        // An edit made meanwhile is newer than what was read.
        if (edits === this.#edits) this.card = card;
        else this.#again = true;
        this.phase = "ready";
      } catch (error) {
        this.fault = wordsOf(error);
        this.phase = "failed";
      }
    } while (this.#again && this.phase === "ready");
  }

  /** Shows the edit at once; an edit that is refused is taken back and told as an error. */
  async edit(edit: CardEdit): Promise<void> {
    const before = this.card;
    if (!before) return;
    this.card = edited(before, edit);
    await this.#change(before, () => editCard(this.leadId, edit));
  }

  async note(key: string, entity: Entity, text: string): Promise<void> {
    await addNote(this.leadId, key, entity, text);
    await this.load();
  }

  accept(uid: string, pipelineId: number, statusId: number): Promise<void> {
    return this.#change(this.card, () => acceptLead(uid, pipelineId, statusId));
  }

  decline(uid: string): Promise<void> {
    return this.#change(this.card, () => declineLead(uid));
  }

  async #change(before: Card | null, act: () => Promise<Card>): Promise<void> {
    const edit = ++this.#edits;
    try {
      const card = await act();
      if (edit === this.#edits) this.card = card;
    } catch (error) {
      if (edit === this.#edits) this.card = before;
      throw error;
    }
  }
}

function edited(card: Card, edit: CardEdit): Card {
  const { name = card.lead.name, price = card.lead.price, contact_name = card.contact.name } = edit;
  return { ...card, lead: { ...card.lead, name, price }, contact: { ...card.contact, name: contact_name } };
}
