"""The words and the templates of the pages that work without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

FOLDER = Path(__file__).parent
LOCALES = ("en", "ru")

TEXTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "product": "knopka",
        "sign_in": "Sign in",
        "do_sign_in": "Sign in",
        "sign_in_lead": "The inbox of your feedback button.",
        "login": "Login",
        "password": "Password",
        "show_next": "Continue to the inbox",
        "signed_in_as": "You are signed in as {name}.",
        "sign_out": "Sign out",
        "set_up": "Set up knopka",
        "set_up_lead": "Make the first operator. The one-time code was printed to the server's console "
        "when it started; after a restart the newest one is good.",
        "code": "One-time code",
        "name": "Your name, as visitors see it",
        "login_hint": "Letters, digits and . @ + - _",
        "password_hint": "At least 8 characters; 12 or more are better.",
        "create": "Make the operator",
        "not_signed_in": "The login or the password is wrong.",
        "too_many": "Too many attempts. Try again in {seconds} s.",
        "unavailable": "The server is busy at this moment. Try again.",
        "stale_form": "This page was open for too long or was sent twice. Try again.",
        "foreign_form": "This form was sent from another site and was not accepted.",
        "not_allowed": "This code is not valid. Take the newest one from the server's console.",
        "conflict": "This login is taken.",
        "bad_login": "A login has 1 to 100 letters, digits and . @ + - _",
        "bad_name": "A name has 1 to 100 characters.",
        "too_short": "The password is too short: 8 characters are the least.",
        "too_long": "The password is too long: 1,024 bytes are the most.",
        "too_common": "This password is among the first that are guessed. Choose another.",
        "unreadable": "The form cannot be read.",
    },
    "ru": {
        "product": "knopka",
        "sign_in": "Вход",
        "do_sign_in": "Войти",
        "sign_in_lead": "Входящие вашей кнопки обратной связи.",
        "login": "Логин",
        "password": "Пароль",
        "show_next": "Перейти к входящим",
        "signed_in_as": "Вы вошли как {name}.",
        "sign_out": "Выйти",
        "set_up": "Настройка knopka",
        "set_up_lead": "Создайте первого оператора. Одноразовый код напечатан в консоли сервера при запуске; "
        "после перезапуска действует последний.",
        "code": "Одноразовый код",
        "name": "Ваше имя, каким его видят посетители",
        "login_hint": "Буквы, цифры и . @ + - _",
        "password_hint": "Не короче 8 символов; лучше 12 и больше.",
        "create": "Создать оператора",
        "not_signed_in": "Неверный логин или пароль.",
        "too_many": "Слишком много попыток. Попробуйте через {seconds} с.",
        "unavailable": "Сервер сейчас занят. Попробуйте ещё раз.",
        "stale_form": "Страница была открыта слишком долго или отправлена дважды. Попробуйте ещё раз.",
        "foreign_form": "Форма отправлена с другого сайта и не принята.",
        "not_allowed": "Код не подходит. Возьмите последний из консоли сервера.",
        "conflict": "Этот логин занят.",
        "bad_login": "Логин: от 1 до 100 букв, цифр и . @ + - _",
        "bad_name": "Имя: от 1 до 100 символов.",
        "too_short": "Пароль слишком короткий: нужно не меньше 8 символов.",
        "too_long": "Пароль слишком длинный: не больше 1024 байт.",
        "too_common": "Этот пароль подбирают одним из первых. Выберите другой.",
        "unreadable": "Форму не удалось прочитать.",
    },
}

_LANGUAGE = re.compile(r"\s*([A-Za-z]{1,8}|\*)(?:-[A-Za-z0-9-]*)?\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*)?")


def pick_locale(accept_language: str) -> str:
    """The one of our languages that the browser likes most; English when it names none."""
    liked = {"en": 0.0, "ru": 0.0}
    for part in accept_language[:500].split(","):
        match = _LANGUAGE.fullmatch(part)
        if match is not None and match[1].lower() in liked:
            language = match[1].lower()
            liked[language] = max(liked[language], float(match[2] or 1))
    return "ru" if liked["ru"] > liked["en"] else "en"


def say(locale: str, key: str, **values: str) -> str:
    return TEXTS[locale][key].format(**values)


def render(template: str, locale: str, **values: Any) -> bytes:
    """The page as bytes; every value is escaped."""
    page = _environment().get_template(template)
    return page.render(locale=locale, text=TEXTS[locale], **values).encode()


@cache
def style() -> bytes:
    return (FOLDER / "pages.css").read_bytes()


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
