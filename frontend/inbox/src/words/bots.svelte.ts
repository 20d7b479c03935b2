/** The words of the bots' settings in the language in force. */
import { en, type BotWords } from "./bots.en";
import { ru } from "./bots.ru";
import { language, type Locale } from "./index.svelte";

const SETS: Record<Locale, BotWords> = { en, ru };

class BotLanguage {
  words = $derived(SETS[language.locale]);
}

export const botLanguage = new BotLanguage();
