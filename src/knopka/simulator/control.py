"""The simulator's own addresses: the page, the entry links, its files, and the API for tests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from http.cookies import CookieError, SimpleCookie
from importlib.resources import files
from typing import Any
from urllib.parse import quote, urlencode

from knopka.domain.errors import (
    Conflict,
    InvalidInput,
    KnopkaError,
    NotFound,
    TooLarge,
    WrongMediaType,
)
from knopka.domain.errors import Fault as InputFault
from knopka.simulator.accounts import Kind, parse_account
from knopka.simulator.asgi import Reply, Request, reply_json
from knopka.simulator.faults import parse_fault
from knopka.simulator.simulator import Simulator

COOKIE = "knopka_simulator_person"
WAIT = 20.0
"""How long a question for news may wait."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'; require-trusted-types-for 'script'"
)
PAGE_TYPES = {
    "index.html": "text/html; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "words.js": "text/javascript; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
SHOWN_TYPES = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
COMMON = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
}
STATUSES: Mapping[type[KnopkaError], int] = {
    InvalidInput: 400,
    NotFound: 404,
    Conflict: 409,
    TooLarge: 413,
    WrongMediaType: 415,
}


class Control:
    """What is asked of the simulator itself."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        folder = files("knopka.simulator") / "page"
        self._page = {name: (folder / name).read_bytes() for name in PAGE_TYPES}

    async def answer(self, request: Request) -> Reply:
        try:
            reply = await self._route(request)
        except KnopkaError as error:
            reply = _refuse(error)
        return Reply(reply.status, reply.body, {**COMMON, **reply.headers}, reply.outcome)

    async def _route(self, request: Request) -> Reply:
        head, _, rest = request.path.lstrip("/").partition("/")
        match request.method, head:
            case (("GET" | "HEAD"), "" | "page"):
                return self._page_file(rest or "index.html")
            case (("GET" | "HEAD"), "media"):
                return self._media(rest)
            case "GET", "open":
                return self._open(request)
            case "GET", "api":
                return await self._get(rest, request)
            case (("POST" | "DELETE"), "api"):
                return await self._change(rest, request)
            case _:
                raise NotFound("Nothing is here.")

    def _page_file(self, name: str) -> Reply:
        if name not in self._page:
            raise NotFound("Nothing is here.")
        headers = {"content-type": PAGE_TYPES[name], "content-security-policy": POLICY}
        return Reply(200, self._page[name], headers)

    def _media(self, name: str) -> Reply:
        """Pictures are shown; every other file is only ever a download."""
        media_id = name.partition(".")[0]
        avatar = re.fullmatch(r"avatar-([0-9]{1,4})", media_id)
        world = self.simulator.world
        media = world.avatar(int(avatar[1])) if avatar else world.media(media_id)
        if media is None:
            raise NotFound("This file is here no more.")
        shown = media.type in SHOWN_TYPES
        headers = {
            "content-type": media.type if media.type in SHOWN_TYPES else "application/octet-stream",
            "content-security-policy": "default-src 'none'; sandbox",
            "content-disposition": _disposition("inline" if shown else "attachment", media.name),
        }
        return Reply(200, media.content, headers)

    def _open(self, request: Request) -> Reply:
        """Follow an entry link in a browser: as the person of this browser's session, or as `?person=N`."""
        person = self._person_of(request)
        query = urlencode({name: value for name, value in request.query.items() if name != "person"})
        chat = self.simulator.open_link(person, f"{quote(request.path)}?{query}")
        cookie = f"{COOKIE}={person}; Path=/; HttpOnly; SameSite=Lax"
        place = f"/?{urlencode({'person': person, 'account': chat.account})}#{chat.kind}"
        return Reply(303, b"", {"location": place, "set-cookie": cookie})

    def _person_of(self, request: Request) -> int:
        named = request.query.get("person", "")
        if named.isascii() and named.isdigit():
            return self.simulator.world.person(int(named)).number
        remembered = _read_cookie(request.headers.get("cookie", ""))
        if remembered in self.simulator.world.people:
            return remembered
        return self.simulator.add_person().number

    async def _get(self, rest: str, request: Request) -> Reply:
        after = _number(request.query.get("after", ""))
        person = _number(request.query.get("person", ""))
        match rest:
            case "state":
                if after is not None and not self.simulator.world.closing.is_set():
                    await self.simulator.world.wait_for_change(after, WAIT)
                return reply_json(self.simulator.show_state(person))
            case "log":
                kind = request.query.get("platform")
                chosen = _kind(kind) if kind else None
                return reply_json(self.simulator.show_log(kind=chosen, person=person, after=after or 0))
            case _:
                raise NotFound("Nothing is here.")

    async def _change(self, rest: str, request: Request) -> Reply:
        """Change something. Only JSON is read, which no foreign page can send here unasked."""
        if request.media_type != "application/json":
            raise WrongMediaType("The body must be application/json.")
        given = request.json()
        if not isinstance(given, dict):
            raise InvalidInput(InputFault("$", "not_an_object", "The body is a JSON object."))
        match rest.split("/"):
            case ["accounts"]:
                account = parse_account(given)
                self.simulator.add_account(account)
                return reply_json({"platform": account.kind, "account": account.key}, 201)
            case ["persons"]:
                person = self.simulator.add_person()
                return reply_json({"id": person.number, "name": person.name}, 201)
            case ["persons", number, action]:
                return self._act(_number(number), action, given)
            case ["faults"]:
                return self._change_faults(request.method, given)
            case ["readings"]:
                for name, reading in given.items():
                    self.simulator.readings.choose(name, str(reading))
                self.simulator.world.touch()
                return reply_json(self.simulator.readings.all())
            case ["clock"]:
                advance = given.get("advance")
                if isinstance(advance, bool) or not isinstance(advance, int | float) or advance < 0:
                    raise InvalidInput(InputFault("$.advance", "not_a_number", "Seconds to put it ahead."))
                self.simulator.world.advance(float(advance))
                return reply_json({"now": self.simulator.world.now()})
            case ["settle"]:
                return await self._settle()
            case _:
                raise NotFound("Nothing is here.")

    def _act(self, person: int | None, action: str, given: Mapping[str, Any]) -> Reply:
        number = self.simulator.world.person(person or 0).number
        if action == "open":
            chat = self.simulator.open_link(number, str(given.get("link", "")))
        else:
            account = given.get("account")
            chat = self.simulator.chat(
                number, _kind(given.get("platform")), str(account) if account else None
            )
            self.simulator.do(chat, action, given)
        return reply_json({"platform": chat.kind, "account": chat.account, "user_id": chat.user_id})

    def _change_faults(self, method: str, given: Mapping[str, Any]) -> Reply:
        faults = self.simulator.faults
        if method == "POST":
            switched = faults.switch_on(parse_fault(given))
            self.simulator.world.touch()
            return reply_json(asdict(switched), 201)
        if "id" in given:
            faults.switch_off(_number(str(given["id"])) or 0)
        else:
            faults.clear()
        self.simulator.world.touch()
        return reply_json({"faults": len(faults.list())})

    async def _settle(self) -> Reply:
        try:
            await self.simulator.settled()
        except TimeoutError:
            raise Conflict("Something is still on its way.") from None
        return reply_json({"settled": True})


def _refuse(error: KnopkaError) -> Reply:
    body: dict[str, Any] = {"error": error.code, "message": error.message}
    if isinstance(error, InvalidInput):
        body["faults"] = [
            {"path": one.path, "code": one.code, "message": one.message} for one in error.faults
        ]
    return reply_json(body, STATUSES.get(type(error), 400), outcome=f"refused: {error.message}")


def _kind(value: object) -> Kind:
    if not isinstance(value, str) or value not in set(Kind):
        raise InvalidInput(InputFault("$.platform", "unknown", f"One of {', '.join(Kind)}."))
    return Kind(value)


def _number(value: str) -> int | None:
    return int(value) if value.isascii() and value.isdigit() and len(value) < 16 else None


def _read_cookie(header: str) -> int | None:
    try:
        morsel = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return None
    return None if morsel is None else _number(morsel.value)


def _disposition(how: str, name: str) -> str:
    """Content-Disposition with the name as RFC 8187 writes it."""
    return f"{how}; filename*=UTF-8''{quote(name, safe='')}"
