/** What an operator chose for this browser: appearance, language, keys. */
import { language, LOCALES, nearest, type Locale } from "../words/index.svelte";
import { read, write } from "./storage";

export type Theme = "auto" | "light" | "dark";

const isTheme = (text: string | null): text is Theme => text === "light" || text === "dark" || text === "auto";
const isLocale = (text: string | null): text is Locale => text !== null && Object.hasOwn(LOCALES, text);

class Prefs {
  theme = $state<Theme>("auto");
  locale = $state<Locale | null>(null);
  letterKeys = $state(true);
  #accountLocale: Locale = "en";

  /** Takes up what was chosen before; without a choice of language the page's own guess stays. */
  restore(): void {
    const theme = read("theme");
    this.setTheme(isTheme(theme) ? theme : "auto");
    const locale = read("locale");
    this.locale = isLocale(locale) ? locale : null;
    this.letterKeys = read("letters") !== "off";
    this.#accountLocale = nearest(navigator.language);
    this.#speak();
  }

  followAccount(locale: string): void {
    this.#accountLocale = nearest(locale);
    this.#speak();
  }

  setTheme(theme: Theme): void {
    this.theme = theme;
    document.documentElement.dataset["theme"] = theme;
    write("theme", theme);
  }

  setLocale(locale: Locale | null): void {
    this.locale = locale;
    write("locale", locale);
    this.#speak();
  }

  setLetterKeys(on: boolean): void {
    this.letterKeys = on;
    write("letters", on ? null : "off");
  }

  #speak(): void {
    language.use(this.locale ?? this.#accountLocale);
  }
}

export const prefs = new Prefs();
