/** The words of the menu and of the window around the chat. */

const en = {
  close: "Close",
  unread: "unread",
  wait: "Loading…",
  failed: "No answer. Please try again later.",
  code: "QR code",
  missing: "Nothing happened? Install {name} or choose another way.",
};

const ru: typeof en = {
  close: "Закрыть",
  unread: "не прочитано",
  wait: "Загрузка…",
  failed: "Нет ответа. Попробуйте позже.",
  code: "QR-код",
  missing: "Ничего не произошло? Установите {name} или выберите другой способ.",
};

export type WindowWords = typeof en;

export const findWindowWords = (locale: string): WindowWords => (/^ru/.test(locale) ? ru : en);
