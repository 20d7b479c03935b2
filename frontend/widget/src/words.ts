/** The words on the page itself; the chat has its own in `frame/lang`. */

const en = {
  chat: "Chat",
  contact: "Contact us",
};

const ru: typeof en = {
  chat: "Чат",
  contact: "Связаться с нами",
};

export const findWords = (locale: string): typeof en => (/^ru/.test(locale) ? ru : en);
