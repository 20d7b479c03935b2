/** The bots, and what their settings may name. */
import { listBots, type Bot, type BotList, type Places } from "../api/bots";
import { wordsOf } from "./faults";
import type { Phase } from "./thread.svelte";

class Bots {
  list = $state.raw<Bot[]>([]);
  places = $state.raw<Places>({ channels: [], sources: [], stages: [] });
  phase = $state<Phase>("new");
  fault = $state("");
  /** Whether there is anything to show while it is read again. */
  isHere = $state(false);
  startable = $derived(this.list.filter((bot) => bot.is_enabled && bot.published_version !== null));

  #again = false;
  #changes = 0;

  /** Reads the list (again); any number of wishes meanwhile cost one more reading. */
  async load(): Promise<void> {
    if (this.phase === "loading") {
      this.#again = true;
      return;
    }
    this.phase = "loading";
    do {
      this.#again = false;
      const changes = this.#changes;
      try {
        const heard = await listBots();
        // What was changed meanwhile is newer than what was read.
        if (changes === this.#changes) this.#take(heard);
        else this.#again = true;
        this.phase = "ready";
      } catch (error) {
        this.fault = wordsOf(error);
        this.phase = "failed";
      }
    } while (this.#again && this.phase === "ready");
  }

  #take({ bots, channels, sources, stages }: BotList): void {
    this.list = bots;
    this.places = { channels, sources, stages };
    this.isHere = true;
  }

  find(id: number): Bot | undefined {
    return this.list.find((bot) => bot.id === id);
  }

  /** What a call answers of a bot; those that tell no run leave the known one. */
  put(bot: Bot): void {
    this.#changes += 1;
    const known = this.find(bot.id);
    const news = { ...bot, last_run: bot.last_run ?? known?.last_run ?? null };
    this.list = known ? this.list.map((one) => (one.id === bot.id ? news : one)) : [...this.list, news];
  }

  drop(id: number): void {
    this.#changes += 1;
    this.list = this.list.filter((bot) => bot.id !== id);
  }
}

export const bots = new Bots();
