/** The messenger accounts that are set up, and how each of them is. */
import { listChannels } from "../api/channels";
import type { Channel, ChannelState, KindInfo, Summary } from "../api/shapes";
import { wordsOf } from "./faults";
import type { Phase } from "./thread.svelte";

export class Channels {
  list = $state.raw<Channel[]>([]);
  kinds = $state.raw<KindInfo[]>([]);
  sources = $state.raw<{ id: number; name: string }[]>([]);
  phase = $state<Phase>("new");
  fault = $state("");
  broken = $derived(this.list.filter((channel) => channel.state === "broken"));

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
        const { channels, kinds, sources } = await listChannels();
        // What was changed meanwhile is newer than what was read.
        if (changes === this.#changes) this.list = channels;
        else this.#again = true;
        [this.kinds, this.sources, this.phase] = [kinds, sources, "ready"];
      } catch (error) {
        this.fault = wordsOf(error);
        this.phase = "failed";
      }
    } while (this.#again && this.phase === "ready");
  }

  put(channel: Channel): void {
    this.#changes += 1;
    const isNew = this.list.every((one) => one.id !== channel.id);
    this.list = isNew ? [...this.list, channel] : this.list.map((one) => (one.id === channel.id ? channel : one));
  }

  drop(id: number): void {
    this.#changes += 1;
    this.list = this.list.filter((channel) => channel.id !== id);
  }

  /** How the conversation's channel is: the list is newer than what the conversation says. */
  stateOf(conversation: Summary): ChannelState | null {
    const listed = this.list.find((channel) => channel.id === conversation.channel_id);
    return listed?.state ?? conversation.channel_state;
  }
}
