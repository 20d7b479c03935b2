"""The pages of sign-in, sign-out and set-up; they work without JavaScript."""

from __future__ import annotations

import hashlib
import math
import re
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote

import structlog
from litestar import Request, post, route

from knopka.domain.errors import (
    Fault,
    InvalidInput,
    KnopkaError,
    NotAllowed,
    NotSignedIn,
    TooMany,
    Unavailable,
)
from knopka.services import operators
from knopka.services.passwords import MAX_BYTES, check_new_password
from knopka.web.answers import HTML, Answer, Header, answer
from knopka.web.bodies import FORM, media_type, read_body
from knopka.web.context import Web, web_of
from knopka.web.desk import FORM_SECONDS
from knopka.web.errors import status_of
from knopka.web.guard import check_change, check_site, cookie_name, find_session, is_https, session_cookie
from knopka.web.headers import REPORTS
from knopka.web.pages import views
from knopka.web.static_files import IMMUTABLE, READ

AnyRequest = Request[Any, Any, Any]
Fields = Mapping[str, str]

HOME = "/inbox"
SIGN_IN = "/inbox/sign-in"
SET_UP = "/inbox/setup"
MAX_FORM_BYTES = 16 * 1024
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    f"require-trusted-types-for 'script'; report-uri {REPORTS}"
)
_NEXT = re.compile(r"/inbox(?:/(?!api/|assets/|sign-|setup)[A-Za-z0-9_-]+)*")
_FORM_COOKIE = re.compile(r"[A-Za-z0-9_-]{22}")
log = structlog.get_logger(__name__)


class StaleForm(NotAllowed):
    """The form's token is used, too old, or another browser's."""

    code = "stale_form"


@route(SIGN_IN, http_method=READ)
async def get_sign_in(request: AnyRequest) -> Answer:
    """The sign-in page; who is signed in is offered the way on and the way out."""
    web = web_of(request)
    target = allowed_target(request.query_params.get("next", ""))
    session = await find_session(request)
    if session is not None:
        return _show(request, "signed_in.html", name=session.operator.name, next=target)
    if not await web.database.read(operators.has_operators):
        return _see_other(SET_UP)
    return _show(request, "sign_in.html", login="", next=target)


@post(SIGN_IN, status_code=303)
async def post_sign_in(request: AnyRequest) -> Answer:
    """Sign in and go on, or show the page again with what was wrong."""
    fields: Fields = {}
    try:
        fields = await _read_form(request)
        operator_id, new_hash = await _check_password(request, fields)
        cookie = await _begin_session(request, operator_id, new_hash)
    except KnopkaError as error:
        target = allowed_target(fields.get("next", ""))
        return _show_problem(request, error, "sign_in.html", login=fields.get("login", "")[:100], next=target)
    return _see_other(allowed_target(fields.get("next", "")), cookie)


@post("/inbox/sign-out", status_code=303)
async def post_sign_out(request: AnyRequest) -> Answer:
    """End this sign-in and its sockets; asked by the inbox's script or by a form."""
    is_script = "x-knopka" in request.headers
    try:
        if is_script:
            check_change(request)
        else:
            await _read_form(request)
    except KnopkaError as error:
        if is_script:
            raise
        return _show_problem(request, error, "sign_in.html", login="", next=HOME)
    web = web_of(request)
    token_hash = session_cookie(request)
    if token_hash is not None:
        await web.database.write(operators.sign_out, token_hash, key=("login", token_hash))
        web.desk.sockets.end([token_hash])
    gone = _cookie(web, "knopka", "", 0)
    return answer(status=204, headers=[gone]) if is_script else _see_other(SIGN_IN, gone)


@route(SET_UP, http_method=READ)
async def get_setup(request: AnyRequest) -> Answer:
    """The page that makes the first operator; later it leads to the sign-in."""
    if await web_of(request).database.read(operators.has_operators):
        return _see_other(SIGN_IN)
    return _show(request, "setup.html", login="", name="")


@post(SET_UP, status_code=303)
async def post_setup(request: AnyRequest) -> Answer:
    """Make the first operator for who knows the one-time code, and sign him in (S-AU-11)."""
    fields: Fields = {}
    try:
        fields = await _read_form(request)
        operator_id = await _set_up(request, fields)
        cookie = await _begin_session(request, operator_id, None)
    except KnopkaError as error:
        shown = {name: fields.get(name, "")[:100] for name in ("login", "name")}
        return _show_problem(request, error, "setup.html", **shown)
    return _see_other(HOME, cookie)


@route("/inbox/pages.css", http_method=READ)
async def get_style(request: AnyRequest) -> Answer:
    """The pages' style sheet; its address holds the hash of its content."""
    return answer(views.style(), kind=b"text/css; charset=utf-8", headers=[(b"cache-control", IMMUTABLE)])


def allowed_target(path: str) -> str:
    """A place inside the inbox to go on to, and the inbox itself for anything else (S-AU-09)."""
    return path if len(path) <= 200 and _NEXT.fullmatch(path) else HOME


def sign_in_address(path: str) -> str:
    """Where to send who must sign in first, and will then want this path."""
    target = allowed_target(path)
    return SIGN_IN if target == HOME else f"{SIGN_IN}?next={quote(target)}"


async def _check_password(request: AnyRequest, fields: Fields) -> tuple[int, str | None]:
    """The operator's id, and a hash to replace an outdated one; raises NotSignedIn without saying why."""
    web = web_of(request)
    login = operators.normal_login(fields.get("login", ""))
    password = fields.get("password", "")
    web.counters.sign_ins_per_address.take(web.address(request))
    web.desk.count_sign_in(login)
    web.counters.sign_ins_per_account.take(login)
    found = await web.database.read(operators.find_credentials, login)
    known = found.password_hash if found is not None else None
    if not await web.desk.passwords.is_right(known, password[:MAX_BYTES]) or found is None:
        log.warning("sign-in refused", address=web.address(request))
        raise NotSignedIn("The login or the password is wrong.")
    web.desk.delays.forgive(login)
    is_outdated = web.desk.passwords.is_outdated(found.password_hash)
    return found.operator_id, await web.desk.passwords.hash(password) if is_outdated else None


async def _set_up(request: AnyRequest, fields: Fields) -> int:
    web = web_of(request)
    web.counters.sign_ins_per_address.take(web.address(request))
    login = operators.parse_login(fields.get("login", ""))
    name = operators.parse_name(fields.get("name", ""))
    password = fields.get("password", "")
    code = fields.get("code", "")
    # Asked before the costly hash is made, and once more in the write.
    await web.database.read(operators.check_setup_code, code, at=web.database.clock())
    check_new_password(password, login)
    password_hash = await web.desk.passwords.hash(password)
    operator = await web.database.write(
        operators.set_up, code, login, name, password_hash, key=("operators", operators.ACCOUNT)
    )
    log.info("first operator made", operator=operator.id)
    return operator.id


async def _begin_session(request: AnyRequest, operator_id: int, new_hash: str | None) -> Header:
    """Begin a sign-in with a fresh value, whatever the browser brought; gives the cookie."""
    web = web_of(request)
    token = operators.make_token()
    await web.database.write(
        operators.sign_in,
        operator_id,
        operators.hash_token(token),
        replaces=session_cookie(request),
        new_password_hash=new_hash,
        agent=request.headers.get("user-agent", ""),
        address=web.address(request),
        at=web.desk.clock(),
        key=("operator", operator_id),
    )
    log.info("signed in", operator=operator_id)
    return _cookie(web, "knopka", token, int(operators.LIFETIME.total_seconds()))


async def _read_form(request: AnyRequest) -> Fields:
    """The form's fields, once its origin and its one-time token are found to be ours."""
    check_site(request)
    media_type(request, (FORM,))
    body = await read_body(request, MAX_FORM_BYTES)
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=10)
    except ValueError as error:
        raise InvalidInput(Fault("$", "unreadable", "The form cannot be read.")) from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise InvalidInput(Fault("$", "unreadable", "A field of the form stands twice."))
    web = web_of(request)
    form_cookie = request.cookies.get(cookie_name(web, "knopka-form"), "")
    if not form_cookie or not web.desk.forms.use(fields.get("form", ""), form_cookie):
        raise StaleForm("This form was sent twice or is too old.")
    return fields


def _show(
    request: AnyRequest,
    template: str,
    *,
    status: int = 200,
    problem: str = "",
    more: list[Header] | None = None,
    **values: str,
) -> Answer:
    """A page with a fresh form token and the cookie that the token is bound to."""
    web = web_of(request)
    given = request.cookies.get(cookie_name(web, "knopka-form"), "")
    form_cookie = given if _FORM_COOKIE.fullmatch(given) else secrets.token_urlsafe(16)
    page = views.render(
        template,
        locale=_locale(request),
        problem=problem,
        form=web.desk.forms.make(form_cookie),
        style_version=hashlib.sha256(views.style()).hexdigest()[:12],
        **values,
    )
    headers = [
        _cookie(web, "knopka-form", form_cookie, FORM_SECONDS),
        (b"content-security-policy", PAGE_POLICY.encode()),
        # With no-referrer a browser names the form's origin "null", and an old one says nothing else.
        (b"referrer-policy", b"same-origin"),
        (b"vary", b"Accept-Language, Cookie"),
        *(more or ()),
    ]
    return answer(page, status=status, kind=HTML, headers=headers)


def _show_problem(request: AnyRequest, error: KnopkaError, template: str, **values: str) -> Answer:
    """The page once more, with what was wrong in words and the status that the error has everywhere."""
    more: list[Header] = []
    seconds = ""
    if isinstance(error, TooMany | Unavailable):
        seconds = str(max(1, math.ceil(error.retry_after)))
        more.append((b"retry-after", seconds.encode()))
    code = error.faults[0].code if isinstance(error, InvalidInput) else error.code
    locale = _locale(request)
    problem = views.say(locale, code if code in views.TEXTS[locale] else "unreadable", seconds=seconds)
    return _show(request, template, status=status_of(error), problem=problem, more=more, **values)


def _locale(request: AnyRequest) -> str:
    return views.pick_locale(request.headers.get("accept-language", ""))


def _see_other(target: str, *cookies: Header) -> Answer:
    return answer(status=303, headers=[(b"location", target.encode()), *cookies])


def _cookie(web: Web, base: str, value: str, seconds: int) -> Header:
    secure = "; Secure" if is_https(web) else ""
    text = f"{cookie_name(web, base)}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
    return b"set-cookie", text.encode()
