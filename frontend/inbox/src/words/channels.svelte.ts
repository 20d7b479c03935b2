/** The words of the channels' settings in the language in force. */
import { en, type ChannelWords } from "./channels.en";
import { ru } from "./channels.ru";
import { language, type Locale } from "./index.svelte";

const SETS: Record<Locale, ChannelWords> = { en, ru };

class ChannelLanguage {
  words = $derived(SETS[language.locale]);
}

export const channelLanguage = new ChannelLanguage();
