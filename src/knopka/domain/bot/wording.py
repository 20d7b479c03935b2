"""The log of a run in words: what each handler came to, and why a run ended, in English and Russian."""

from __future__ import annotations

from collections.abc import Mapping

from knopka.domain.bot.effects import Note
from knopka.domain.bot.state import EndReason

NOTES: Mapping[Note, tuple[str, str]] = {
    Note.STARTED: ("The bot begins.", "Бот начинает."),
    Note.ANSWERED: ("The visitor answered.", "Посетитель ответил."),
    Note.NOT_LISTENING: (
        "The visitor wrote while the bot was not waiting for an answer; no step takes it.",
        "Посетитель написал, когда бот не ждал ответа; ни один шаг это не берёт.",
    ),
    Note.ALREADY_ENDED: (
        "The visitor wrote after the bot had ended.",
        "Посетитель написал после окончания бота.",
    ),
    Note.ALREADY_STARTED: ("The bot is running already.", "Бот уже запущен."),
    Note.WAITING: ("The bot waits.", "Бот ждёт."),
    Note.WAITING_AGAIN: (
        "The answer did not fit; the bot waits for another one.",
        "Ответ не подошёл; бот ждёт другого.",
    ),
    Note.TIME_OVER: ("The time is over.", "Время вышло."),
    Note.ENDED: ("The bot has ended.", "Бот закончил работу."),
    Note.DONE: ("Done.", "Сделано."),
    Note.SAID: ("Said to the visitor.", "Сказано посетителю."),
    Note.TOLD: ("Told to the operators.", "Передано операторам."),
    Note.WENT: ("The bot goes to another step.", "Бот переходит к другому шагу."),
    Note.BRANCH_TAKEN: ("It is so: this branch is taken.", "Условие выполнено: выбрана эта ветка."),
    Note.ELSE_TAKEN: (
        "It is not so: the other branch is taken.",
        "Условие не выполнено: выбрана другая ветка.",
    ),
    Note.NO_MATCH: ("Nothing fits; the bot goes on.", "Ничего не подошло; бот идёт дальше."),
    Note.UNKNOWN_MARKER: (
        "A marker has no value; nothing stands in its place.",
        "У маркера нет значения; на его месте пусто.",
    ),
    Note.EMPTY_VALUE: ("The value is empty; nothing is done.", "Значение пустое; ничего не сделано."),
    Note.NOT_A_NUMBER: (
        "A number is needed here, and the value is none.",
        "Здесь нужно число, а значение не число.",
    ),
    Note.OUT_OF_RANGE: (
        "The budget would be negative or too large; nothing is done.",
        "Бюджет вышел бы отрицательным или слишком большим; ничего не сделано.",
    ),
    Note.NOT_A_SUM: (
        "The sum cannot be read; nothing is done.",
        "Выражение нельзя прочитать; ничего не сделано.",
    ),
    Note.DIVISION_BY_ZERO: ("A division by zero; nothing is done.", "Деление на ноль; ничего не сделано."),
    Note.NOTHING_FOUND: ("Nothing was found.", "Ничего не найдено."),
    Note.FOUND: ("Found.", "Найдено."),
    Note.ASKED_FOR: (
        "Something is missing in the answer; the bot asks for it.",
        "В ответе чего-то не хватает; бот спрашивает.",
    ),
    Note.DOUBLES: ("Another contact has the same.", "У другого контакта то же самое."),
    Note.LOOKING_UP: ("The bot looks for a card.", "Бот ищет карточку."),
    Note.CANNOT_LOOK_UP: (
        "Cards cannot be looked for by this.",
        "По этому признаку карточки не ищутся.",
    ),
    Note.CALLING: ("The bot calls an address.", "Бот обращается по адресу."),
    Note.CALLED: ("The address has answered.", "Адрес ответил."),
    Note.CALL_FAILED: ("The call failed.", "Обращение не удалось."),
    Note.CONTINUED: ("The called service continues the bot.", "Вызванный сервис продолжает бота."),
    Note.UNSORTED_ACCEPTED: (
        "The first answer accepts the unsorted lead.",
        "Первый ответ принимает неразобранную сделку.",
    ),
    Note.UNKNOWN_TARGET: ("There is no such place to write to.", "Записать некуда: такого места нет."),
    Note.NO_RECIPIENT: ("No contact fits the filter.", "Ни один контакт не подходит под фильтр."),
    Note.NO_WAY_TO_REACH: (
        "The new contact would have neither phone nor e-mail; nothing is made.",
        "У нового контакта не было бы ни телефона, ни почты; ничего не создано.",
    ),
    Note.UNDELIVERED: ("A message was not delivered.", "Сообщение не доставлено."),
    Note.NO_STEP: ("The script has no such step.", "В скрипте нет такого шага."),
    Note.PLACE_LOST: (
        "The place where the bot stood is not in the script.",
        "Места, где стоял бот, нет в скрипте.",
    ),
    Note.DRAWING_ONLY: (
        "This only draws the script and does nothing.",
        "Это только рисует скрипт и ничего не делает.",
    ),
    Note.NO_SUCH_PART: (
        "This acts on a part of a CRM that is not here; nothing is done.",
        "Это действует на часть CRM, которой здесь нет; ничего не сделано.",
    ),
    Note.BAD_VALUE: (
        "The field does not take this value; nothing is written.",
        "Поле не принимает это значение; ничего не записано.",
    ),
    Note.NOT_THERE: (
        "There is no such stage, user, card or bot; nothing is done.",
        "Такого этапа, пользователя, карточки или бота нет; ничего не сделано.",
    ),
    Note.SAID_BEFORE: (
        "The visitor had written this before the bot asked; it is no answer.",
        "Посетитель написал это до вопроса бота; это не ответ.",
    ),
    Note.NOT_STARTED: (
        "The other bot could not be started.",
        "Другого бота запустить не удалось.",
    ),
}

ENDS: Mapping[EndReason, tuple[str, str]] = {
    EndReason.DONE: ("The script came to its end.", "Скрипт дошёл до конца."),
    EndReason.STOPPED: ("The script stopped the bot.", "Скрипт остановил бота."),
    EndReason.STOPPED_BY_API: ("The bot was stopped by the API.", "Бот остановлен через API."),
    EndReason.OPERATOR: ("An operator answered.", "Ответил оператор."),
    EndReason.REPLACED: ("Another bot was started in its place.", "Вместо него запущен другой бот."),
    EndReason.LOOP: (
        "The script went round in a circle without an answer of the visitor.",
        "Скрипт ходил по кругу без ответа посетителя.",
    ),
    EndReason.TOO_MANY_STEPS: (
        "Too many steps without an answer of the visitor.",
        "Слишком много шагов без ответа посетителя.",
    ),
    EndReason.TOO_MANY_MESSAGES: ("Too many messages.", "Слишком много сообщений."),
    EndReason.TOO_OLD: ("The bot had been running for too long.", "Бот работал слишком долго."),
    EndReason.WINDOW_CLOSED: (
        "The messenger takes no more answers until the visitor writes again.",
        "Мессенджер не принимает ответов, пока посетитель не напишет снова.",
    ),
    EndReason.CHAT_GONE: ("The visitor has left the chat.", "Посетитель ушёл из чата."),
    EndReason.UNDELIVERED: ("A message could not be delivered.", "Сообщение не удалось доставить."),
    EndReason.CLOSED: ("The lead was closed or declined.", "Сделка закрыта или отклонена."),
    EndReason.SWITCHED_OFF: (
        "The bot was switched off or removed.",
        "Бот выключен или удалён.",
    ),
    EndReason.FAILED: (
        "An error of ours; the visitor saw nothing of it.",
        "Наша ошибка; посетитель её не видел.",
    ),
}


def say_note(note: str, locale: str) -> str:
    """A line of the log in words; one that this release does not know is named by its code."""
    return _pick(NOTES[Note(note)], locale) if note in _NOTES else note


def say_end(reason: str, locale: str) -> str:
    """Why a run ended, in words."""
    return _pick(ENDS[EndReason(reason)], locale) if reason in _ENDS else reason


_NOTES = frozenset(Note)
_ENDS = frozenset(EndReason)


def _pick(pair: tuple[str, str], locale: str) -> str:
    english, russian = pair
    return russian if locale.lower().startswith("ru") else english
