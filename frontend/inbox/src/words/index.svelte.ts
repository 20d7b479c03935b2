/** The language in force, its words, and dates as its readers write them. */
import { speak } from "../api/http";
import { en, type Words } from "./en";
import { ru } from "./ru";

export type Locale = "en" | "ru";
export const LOCALES: Record<Locale, Words> = { en, ru };

/** The nearest language that we have. */
export function nearest(locale: string): Locale {
  return locale.toLowerCase().startsWith("ru") ? "ru" : "en";
}

class Language {
  locale = $state<Locale>(nearest(navigator.language));
  timezone = $state("UTC");
  currency = $state("RUB");
  words = $derived(LOCALES[this.locale]);

  use(locale: Locale): void {
    this.locale = locale;
    document.documentElement.lang = locale;
    speak(locale);
  }
}

export const language = new Language();
