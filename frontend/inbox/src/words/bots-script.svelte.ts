/** The words of the script editor and the dry run in the language in force. */
import { en, type BotScriptWords } from "./bots-script.en";
import { ru } from "./bots-script.ru";
import { language, type Locale } from "./index.svelte";

const SETS: Record<Locale, BotScriptWords> = { en, ru };

class BotScriptLanguage {
  words = $derived(SETS[language.locale]);
}

export const botScriptLanguage = new BotScriptLanguage();
