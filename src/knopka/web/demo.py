"""The demo's shop page and its clock; `knopka serve` has neither."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import Any

from litestar import Request, get, post

from knopka.db.clock import to_ms
from knopka.domain.errors import Fault, InvalidInput, NotFound
from knopka.domain.snippet import render_snippet
from knopka.domain.verdicts import Verdict
from knopka.domain.wording import name as name_verdict
from knopka.web.answers import HTML, Answer, Header, answer, answer_json
from knopka.web.bodies import header, read_object
from knopka.web.context import Demo, is_from_here, web_of
from knopka.web.errors import NOTHING_HERE
from knopka.web.headers import REPORTS
from knopka.web.pages import views

AnyRequest = Request[Any, Any, Any]
STEP = re.compile(r"([1-9][0-9]{0,5})(s|m|h|d)")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
LONGEST_STEP = timedelta(days=366)
LAST_YEAR = 2099
LOOPBACK = ("127.0.0.1", "[::1]", "localhost")
HTTP_PORT = 80
"""What browsers leave out."""
FILES = {
    "demo.js": b"text/javascript; charset=utf-8",
    "demo.css": b"text/css; charset=utf-8",
    "icon.svg": b"image/svg+xml",
}

TEXTS: Mapping[str, Mapping[str, Any]] = {
    "ru": {
        "nav": "Страница",
        "inbox": "Входящие оператора",
        "title": "Чай, который ждут",
        "lead": "Это пример магазина с кнопкой обратной связи. Кнопка стоит в углу: напишите в чат, "
        "и у оператора появится сделка. Ниже страница сама добавляет в неё данные.",
        "teas": (
            ("Те Гуань Инь", "Светлый улун с запахом сирени.", "420 ₽"),
            ("Да Хун Пао", "Тёмный улун, печёное яблоко и камень.", "560 ₽"),
            ("Ассам", "Крепкий утренний, хорош с молоком.", "280 ₽"),
        ),
        "clock_title": "Часы",
        "hour": "+1 час",
        "day": "+24 часа",
        "clock_lead": "Страница может добавлять данные 24 часа. Часы демонстрации можно передвинуть вперёд.",
        "operator_title": "Оператор",
        "operator_lead": "Другая сторона разговора:",
        "login": "логин",
        "password": "пароль",
        "calls_title": "Что сайт передаёт о посетителе",
        "calls_lead": "Каждая кнопка выполняет показанный код. До первого сообщения в чате данные ждут; "
        "с ним они попадают на карточки.",
        "code": "Код",
        "run": "Выполнить",
        "verdicts_title": "Что стало с каждым значением",
        "nothing": "Пока ничего: выполните один из примеров.",
        "actions": (
            ("example", "Пример из документации", "Примечание, имя, телефон, сделка и бюджет."),
            (
                "again",
                "То же с другими значениями",
                "Заполненное поле не обновляется: первый записавший прав.",
            ),
            (
                "bot",
                "Разговор с ботом",
                "Бот здоровается с тем, кого назвал сайт: выполните код и напишите первое сообщение в чат "
                "или мессенджер. Если вы уже писали, напишите «бот».",
            ),
            ("note", "Примечание к контакту", "element_type: 1 – карточка контакта, 2 – карточка сделки."),
            ("address", "Адрес по частям", "Поле «адрес» пишется целиком, части называет subtype."),
            ("enum", "Список: только enum", "Вариант выбран по его id."),
            ("text", "Список: текст", "Вариант выбран по его тексту."),
            ("option", "Список: неизвестный id", "Нового варианта страница не создаёт."),
            ("field", "Неизвестное поле", "Одна ошибка не губит остальные поля."),
            ("utm", "UTM-метки и bot_params", "Поля отслеживания по коду; остальное – для Salesbot."),
        ),
    },
    "en": {
        "nav": "Page",
        "inbox": "The operator's inbox",
        "title": "Tea worth waiting for",
        "lead": "This is a sample shop with the feedback button. It is in the corner: write in the chat, and "
        "the operator gets a lead. Below, the page itself adds data to it.",
        "teas": (
            ("Tie Guan Yin", "A light oolong that smells of lilac.", "€4.20"),
            ("Da Hong Pao", "A dark oolong, baked apple and stone.", "€5.60"),
            ("Assam", "Strong, for the morning, good with milk.", "€2.80"),
        ),
        "clock_title": "The clock",
        "hour": "+1 hour",
        "day": "+24 hours",
        "clock_lead": "A page may add data for 24 hours. The demo's clock can be moved ahead.",
        "operator_title": "The operator",
        "operator_lead": "The other side of the talk:",
        "login": "login",
        "password": "password",
        "calls_title": "What the site tells about the visitor",
        "calls_lead": "Each button runs the code that is shown. Until the first message in the chat the data "
        "waits; with it, it lands on the cards.",
        "code": "Code",
        "run": "Run",
        "verdicts_title": "What became of each value",
        "nothing": "Nothing yet: run one of the examples.",
        "actions": (
            ("example", "The documentation's example", "A note, a name, a phone, the lead and its budget."),
            ("again", "The same with other values", "A filled field is not updated: the first writer wins."),
            (
                "bot",
                "A talk with the bot",
                "The bot greets whom the site has named: run the code, then write the first message in the "
                "chat or in a messenger. If you have written already, write “bot”.",
            ),
            ("note", "A note on the contact", "element_type: 1 is the contact's card, 2 the lead's."),
            ("address", "An address by its parts", "An address is written whole; subtype names the parts."),
            ("enum", "A list: by enum alone", "The option is chosen by its id."),
            ("text", "A list: by text", "The option is chosen by its text."),
            ("option", "A list: an unknown id", "A page never makes a new option."),
            ("field", "An unknown field", "One mistake does not lose the other fields."),
            ("utm", "UTM tags and bot_params", "Tracking fields by their code; the rest is for Salesbot."),
        ),
    },
}
NAMES = {"ru": "Русский", "en": "English"}
CALL = {"ru": "Вызов setMeta", "en": "A call of setMeta"}


def _demo(request: AnyRequest) -> Demo:
    demo = web_of(request).demo
    if demo is None:
        raise NotFound(NOTHING_HERE)
    return demo


@get("/demo")
async def get_demo(request: AnyRequest) -> Answer:
    """The shop, in the language that was asked for or that the browser likes."""
    web, demo = web_of(request), _demo(request)
    locale = request.query_params.get("lang", "")
    if locale not in TEXTS:
        locale = views.pick_locale(header(request, b"accept-language"))
    source = web.catalog().sources[demo.buttons[locale]]
    snippet = render_snippet(web.base_url, source.public_id, source.hash, locale, inline=source.inline)
    other = next(name for name in TEXTS if name != locale)
    verdicts = {verdict.value: name_verdict(verdict, locale) for verdict in Verdict}
    page = views.render(
        "demo.html",
        locale,
        say=TEXTS[locale],
        shop=source.name,
        other={"locale": other, "name": NAMES[other]},
        inbox=f"{web.inbox_url}/inbox",
        login=demo.login,
        password=demo.password if is_from_here(request) and is_own_host(request) else "",
        words={"verdicts": verdicts, "call": CALL[locale]},
    )
    page = page.replace(b"<!-- snippet -->", snippet.encode())
    policy = (b"content-security-policy", page_policy(web.base_url, snippet).encode())
    return answer(page, kind=HTML, headers=[policy])


def is_own_host(request: AnyRequest) -> bool:
    """Whether the browser asked for the demo by a name of this machine.

    A foreign page whose own name leads to 127.0.0.1 (DNS rebinding) also comes from here, and reads.
    """
    server = request.scope.get("server")
    port = f":{server[1]}" if server and server[1] != HTTP_PORT else ""
    own = {web_of(request).public_host, *(f"{name}{port}" for name in LOOPBACK)}
    return header(request, b"host").lower() in own


def page_policy(base_url: str, snippet: str) -> str:
    """What a strict site would have: our host, and the pasted snippet by its hash; nothing else gets in."""
    inner = snippet.removeprefix("<script>").removesuffix("</script>")
    digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'self' {base_url} 'sha256-{digest}'; style-src 'self'; "
        f"img-src 'self'; connect-src 'self' {base_url}; frame-src {base_url}; base-uri 'none'; "
        f"form-action 'none'; frame-ancestors 'none'; report-uri {REPORTS}"
    )


@get("/demo/{name:str}")
async def get_demo_file(request: AnyRequest) -> Answer:
    """The page's script and style sheet."""
    name = request.path_params["name"]
    if name not in FILES:
        raise NotFound(NOTHING_HERE)
    fresh: Header = (b"cache-control", b"no-cache")
    return answer(_read(name), kind=FILES[name], headers=[fresh])


@cache
def _read(name: str) -> bytes:
    return (views.FOLDER / "demo" / name).read_bytes()


@get("/demo/clock")
async def get_clock(request: AnyRequest) -> Answer:
    return answer_json({"now": to_ms(_demo(request).now())})


@post("/demo/clock", status_code=200)
async def post_clock(request: AnyRequest) -> Answer:
    """Move the clock ahead; windows, timers and the inbox follow. It never goes back."""
    demo = _demo(request)
    body = await read_object(request, 1024)
    step = parse_step(body.get("advance"))
    if (demo.now() + step).year > LAST_YEAR:
        raise InvalidInput(Fault("$.advance", "too_far", f"The demo ends with the year {LAST_YEAR}."))
    demo.advance(step)
    return answer_json({"now": to_ms(demo.now())})


def parse_step(text: object) -> timedelta:
    match = STEP.fullmatch(text) if isinstance(text, str) else None
    step = timedelta(**{UNITS[match[2]]: int(match[1])}) if match else timedelta(0)
    if not timedelta(0) < step <= LONGEST_STEP:
        message = "This must be a span of at most 366 days, such as 30m, 24h or 2d."
        raise InvalidInput(Fault("$.advance", "bad_span", message))
    return step
