"""What a channel asks for, what is found about it, and how to mend it, in English and Russian."""

from __future__ import annotations

from collections.abc import Mapping

from knopka.domain.messaging import ChannelKind, Parameter

Words = tuple[str, str]
"""What it is, and what to do; the second is empty where nothing is to be done."""

_EN: Mapping[str, Words] = {
    "account_taken": (
        "This account is connected as another channel already.",
        "Change that one, or remove one of the two.",
    ),
    "bad_request": (
        "The platform did not understand the set-up.",
        "Check what was entered; the detail is in the platform's words.",
    ),
    "came_after_removal": ("Something came in after the channel was removed, and was left out.", ""),
    "events_missing": (
        "Some events are not switched on at the platform.",
        "Check the channel again, or enter it anew.",
    ),
    "media_quota": (
        "Somebody has sent more files in a day than are fetched.",
        "Nothing is to be done, unless that is usual: then raise media_bytes_per_day in KNOPKA_LIMITS.",
    ),
    "mended": ("The channel works again.", ""),
    "needs_public_address": (
        "The platform reaches public https addresses only.",
        "Set KNOPKA_BASE_URL to an https address that is reachable from outside.",
    ),
    "no_button": (
        "Somebody wrote, and no button shows this channel.",
        "Add a button, or have one show this channel.",
    ),
    "no_get_started": (
        "The Page has no Get Started button, so new chats bring no link code.",
        "Check the channel again with a token that may manage the Page's messages.",
    ),
    "no_uri": (
        "The bot has no address that a link could lead to.",
        "Give the bot a URI in Viber's admin panel, then check again.",
    ),
    "not_subscribed": (
        "The app does not get all events of the Page.",
        "Check the channel again with a token that may manage the Page.",
    ),
    "page_not_found": ("There is no such Page for this token.", "Check the Page's number and the token."),
    "pending_updates": ("Events wait at the platform to be taken.", "Wait a moment, then check again."),
    "permission_missing": (
        "The token lacks a right.",
        "Make a token with the rights that docs/channels names, and enter it.",
    ),
    "polling": ("The platform is asked for news; it needs no public address.", ""),
    "refused": (
        "The platform refuses the channel.",
        "The token may have been revoked: make a new one and enter it.",
    ),
    "secrets_lost": (
        "The server's key is another one and does not open the channel's secrets.",
        "Enter the secrets again, or bring the earlier key back in KNOPKA_SECRET_KEY_OLD.",
    ),
    "stays_as_it_was": ("The channel stays as it was.", ""),
    "token_rejected": ("The platform does not know the token.", "Copy the token again, whole, and enter it."),
    "unreachable": (
        "The platform gives no answer.",
        "Check that this server may reach it; knopka looks again by itself.",
    ),
    "webhook_by_hand": (
        "The webhook must be entered in the app by hand.",
        "Enter the address and the verify token in the app's dashboard, or give the app's id.",
    ),
    "webhook_elsewhere": (
        "The platform sends its events to another address.",
        "Enter the channel anew to have them sent here; another program loses them then.",
    ),
    "webhook_error": (
        "The platform could not deliver events here lately.",
        "Check that the address is reachable from outside and its certificate is good.",
    ),
    "webhook_removed": (
        "The platform sends its events nowhere.",
        "Enter the channel anew, or switch it off and on.",
    ),
    "webhook_set": ("The platform sends its events here.", ""),
    "webhook_unconfirmed": (
        "The platform has not confirmed the address yet.",
        "Check again in a minute.",
    ),
}
_RU: Mapping[str, Words] = {
    "account_taken": (
        "Этот аккаунт уже подключён другим каналом.",
        "Измените тот канал или удалите один из двух.",
    ),
    "bad_request": (
        "Платформа не поняла настройку.",
        "Проверьте введённое; подробность – словами платформы.",
    ),
    "came_after_removal": ("Что-то пришло уже после удаления канала и осталось без внимания.", ""),
    "events_missing": (
        "Часть событий у платформы не включена.",
        "Проверьте канал ещё раз или подключите его заново.",
    ),
    "media_quota": (
        "Кто-то прислал за день больше файлов, чем забирается.",
        "Делать ничего не нужно; если так бывает часто, увеличьте media_bytes_per_day в KNOPKA_LIMITS.",
    ),
    "mended": ("Канал снова работает.", ""),
    "needs_public_address": (
        "Платформа обращается только к открытым адресам https.",
        "Укажите в KNOPKA_BASE_URL адрес https, доступный снаружи.",
    ),
    "no_button": (
        "Кто-то написал, но ни одна кнопка не показывает этот канал.",
        "Добавьте кнопку или включите канал на имеющейся.",
    ),
    "no_get_started": (
        "У страницы нет кнопки «Начать», поэтому новые чаты не приносят код ссылки.",
        "Проверьте канал ещё раз с токеном, который может управлять сообщениями страницы.",
    ),
    "no_uri": (
        "У бота нет адреса, на который вела бы ссылка.",
        "Задайте боту URI в панели Viber и проверьте ещё раз.",
    ),
    "not_subscribed": (
        "Приложение получает не все события страницы.",
        "Проверьте канал ещё раз с токеном, который может управлять страницей.",
    ),
    "page_not_found": ("С этим токеном такой страницы нет.", "Проверьте номер страницы и токен."),
    "pending_updates": ("События ждут у платформы.", "Подождите немного и проверьте ещё раз."),
    "permission_missing": (
        "Токену не хватает права.",
        "Создайте токен с правами из docs/channels и введите его.",
    ),
    "polling": ("Новости запрашиваются у платформы; открытый адрес не нужен.", ""),
    "refused": (
        "Платформа отказывает каналу.",
        "Возможно, токен отозван: создайте новый и введите его.",
    ),
    "secrets_lost": (
        "Ключ сервера сменился и не открывает секреты канала.",
        "Введите секреты заново или верните прежний ключ в KNOPKA_SECRET_KEY_OLD.",
    ),
    "stays_as_it_was": ("Канал остался прежним.", ""),
    "token_rejected": ("Платформа не знает токен.", "Скопируйте токен ещё раз целиком и введите."),
    "unreachable": (
        "Платформа не отвечает.",
        "Проверьте, что сервер может к ней обратиться; knopka проверит ещё раз сама.",
    ),
    "webhook_by_hand": (
        "Вебхук нужно ввести в приложении вручную.",
        "Введите адрес и проверочный токен в настройках приложения или укажите его id.",
    ),
    "webhook_elsewhere": (
        "Платформа шлёт события на другой адрес.",
        "Подключите канал заново, чтобы они шли сюда; другая программа их тогда лишится.",
    ),
    "webhook_error": (
        "Платформа недавно не смогла доставить события.",
        "Проверьте, что адрес доступен снаружи и сертификат верен.",
    ),
    "webhook_removed": (
        "Платформа никуда не шлёт события.",
        "Подключите канал заново или выключите и включите его.",
    ),
    "webhook_set": ("Платформа шлёт события сюда.", ""),
    "webhook_unconfirmed": ("Платформа ещё не подтвердила адрес.", "Проверьте ещё раз через минуту."),
}
CODES = frozenset(_EN)
_HINTS_RU: Mapping[tuple[ChannelKind, str], str] = {
    (ChannelKind.TELEGRAM, "token"): "У @BotFather: /newbot, а для готового бота – /token.",
    (ChannelKind.MESSENGER, "page_id"): ("Номер страницы: раздел «Информация», «Прозрачность страницы»."),
    (ChannelKind.MESSENGER, "page_token"): (
        "developers.facebook.com, ваше приложение, Messenger, «Сгенерировать маркеры доступа»."
    ),
    (ChannelKind.MESSENGER, "app_secret"): (
        "developers.facebook.com, ваше приложение, «Настройки приложения», «Основное»."
    ),
    (ChannelKind.MESSENGER, "app_id"): "Там же; с ним адрес для событий будет введён за вас.",
    (ChannelKind.MESSENGER, "human_agent"): (
        "«on», если Meta одобрила приложению Human Agent: отвечать можно 7 дней."
    ),
    (ChannelKind.MESSENGER, "greeting"): "Слова в поле ввода посетителя; иначе «Здравствуйте!».",
    (ChannelKind.VIBER, "token"): "partners.viber.com, ваш бот, Edit info, Your app key.",
    (ChannelKind.VIBER, "sender_name"): "Кто пишет, не длиннее 28 символов; иначе имя самого бота.",
    (ChannelKind.VIBER, "greeting"): "Слова в поле ввода посетителя; иначе «Здравствуйте!».",
    (ChannelKind.VIBER, "welcome"): "Что сказать, когда чат открыт впервые; иначе – наша фраза.",
    (ChannelKind.VK, "group_id"): (
        "Номер сообщества: «Управление», «Работа с API», или из адреса vk.com/club<номер>."
    ),
    (ChannelKind.VK, "token"): (
        "«Управление», «Работа с API», «Ключи доступа»: с правами на сообщения, управление и фотографии."
    ),
}
"""The English ones stand beside the parameters themselves."""


def explain(code: str, locale: str) -> Words:
    """The sentence for a finding, and its fix."""
    words = _RU if locale.startswith("ru") else _EN
    return words.get(code, (code, ""))


def explain_parameter(kind: ChannelKind, parameter: Parameter, locale: str) -> str:
    """Where to find what a channel asks for."""
    found = _HINTS_RU.get((kind, parameter.name)) if locale.startswith("ru") else None
    return found or parameter.hint
