/** The words of the menu and of the window around the chat. */

const en = {
  close: "Close",
  unread: "unread",
  wait: "Loading…",
  failed: "No answer. Please try again later.",
};

const ru: typeof en = {
  close: "Закрыть",
  unread: "не прочитано",
  wait: "Загрузка…",
  failed: "Нет ответа. Попробуйте позже.",
};

export type WindowWords = typeof en;

export const findWindowWords = (locale: string): WindowWords => (/^ru/.test(locale) ? ru : en);
