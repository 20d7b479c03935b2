/** Starts the chat in its frame: reads what the server wrote into the page, loads the words, meets the page around. */

import { App } from "./app";
import { meetPage } from "./page";
import type { Button, Words } from "./types";

/** Language → built file beside this one; filled in by the build. */
declare const LANGUAGES: Record<string, string>;

const pickLanguage = (locale: string): string => {
  const language = locale.toLowerCase().split(/[-_]/)[0] ?? "";
  return Object.hasOwn(LANGUAGES, language) ? language : "en";
};

async function loadWords(language: string): Promise<Words> {
  const { default: words } = (await import(LANGUAGES[language]!)) as { default: Words };
  return words;
}

async function start(button: Button): Promise<void> {
  let language = pickLanguage(button.locale);
  const app = loadWords(language).then((words) => new App(button, words, language, (message) => post(message)));
  const post = meetPage(button.origins, {
    onVisit: (visit, page) => void app.then((chat) => chat.meetVisit(visit, page)),
    onShow: (isFull, takesFocus) => void app.then((chat) => chat.show(isFull, takesFocus)),
    onHide: () => void app.then((chat) => chat.hide()),
    onLocale: (locale) => {
      if (pickLanguage(locale) === language) return;
      language = pickLanguage(locale);
      void Promise.all([app, loadWords(language)]).then(([chat, words]) => chat.speak(words, language));
    },
  });
  await app;
}

void start(JSON.parse(document.getElementById("knopka")?.textContent ?? "{}") as Button);
