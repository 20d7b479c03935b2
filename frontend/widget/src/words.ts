/** The launcher's few words; the chat has its own in `frame/lang`. */

const en = {
  chat: "Chat",
  contact: "Contact us",
  close: "Close",
  unread: "unread",
  wait: "Loading…",
  failed: "No answer. Please try later.",
};

const ru: typeof en = {
  chat: "Чат",
  contact: "Связаться с нами",
  close: "Закрыть",
  unread: "не прочитано",
  wait: "Загрузка…",
  failed: "Нет ответа. Попробуйте позже.",
};

export type Words = typeof en;

export const findWords = (locale: string): Words => (/^ru/.test(locale) ? ru : en);
