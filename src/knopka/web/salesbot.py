"""Salesbot for integrations, in the shapes of API v4: bots are listed, started, stopped and continued.

Sources: amocrm.ru/developers salesbot-api and widgets-api, and developers.kommo.com on bots.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Router, get, post
from litestar.handlers.base import BaseRouteHandler

from knopka.db.clock import to_ms
from knopka.domain.api_tokens import ApiToken, Scope
from knopka.domain.bot.setup import Bot
from knopka.domain.errors import (
    Fault,
    InvalidInput,
    KnopkaError,
    NotAllowed,
    NotFound,
    NotSignedIn,
    Unavailable,
)
from knopka.domain.meta import Entity
from knopka.domain.strict_json import MAX_FAULTS, Json, read_json
from knopka.services import api_tokens, bot_runs, bot_steps, bots
from knopka.services.bot_steps import Kit
from knopka.services.catalog import ACCOUNT
from knopka.web.answers import Answer, answer
from knopka.web.bodies import JSON, header, media_type, read_body
from knopka.web.context import Web, web_of
from knopka.web.errors import NOTHING_HERE, log_ours, retry_after, status_of
from knopka.web.guard import Connection
from knopka.web.wants import MAX_ID, read_id

ApiRequest = Request[ApiToken, None, Any]

MAX_BODY = 65_536
MOST_RUNS = 100
"""Runs in one call, as amoCRM takes them."""
HAL = b"application/hal+json"
PROBLEM = b"application/problem+json"
RUN = "/api/v2/salesbot/run"
ENTITIES: Mapping[str, Entity] = {
    "1": Entity.CONTACT,
    "contacts": Entity.CONTACT,
    "2": Entity.LEAD,
    "leads": Entity.LEAD,
}
_BEARER = re.compile(r"(?i:bearer) +(\S+)")
_DIGITS = re.compile(r"[1-9][0-9]{0,15}")


# --- Who calls


async def bots_only(connection: Connection, _: BaseRouteHandler) -> None:
    """Stand before every address here: a token that opens bots, in its header alone (S-AU-10).

    Who brings none that holds is counted by the address, whoever does by the token: the guesses of one
    hold up no other behind the same address.
    """
    web = web_of(connection)
    given = _BEARER.fullmatch(header(connection, b"authorization").strip())
    now = web.database.clock()
    token = None if given is None else await web.database.read(api_tokens.find_token, given[1], at=now)
    if token is None:
        web.counters.refused_tokens_per_address.take(web.address(connection))
        raise NotSignedIn("Send a token that holds: Authorization: Bearer knp_… (knopka token add).")
    web.counters.api_calls_per_token.take(str(token.id))
    if Scope.BOTS not in token.scopes:
        raise NotAllowed("This token does not open bots.")
    if token.is_to_be_touched(now):
        # A store that is busy for a moment shuts nobody out.
        with contextlib.suppress(Unavailable):
            await web.database.write(api_tokens.touch_token, token.id, at=now, key=("tokens",))
    connection.scope["user"] = token


# --- Bots


@get("/api/v4/bots")
async def get_bots(request: ApiRequest) -> Answer:
    """Every bot, the oldest first; there are never more than one page of them."""
    found = await web_of(request).database.read(bots.list_bots)
    shown = [_show(request, bot) for bot in found]
    return _answer(
        {
            "_page": 1,
            "_total_items": len(shown),
            "_links": _self(request, "/api/v4/bots"),
            "_embedded": {"bots": shown},
        }
    )


@get("/api/v4/bots/{id:str}")
async def get_bot(request: ApiRequest) -> Answer:
    """One bot."""
    bot = await web_of(request).database.read(bots.get_bot, read_id(request.path_params["id"]))
    return _answer(_show(request, bot))


def _show(request: ApiRequest, bot: Bot) -> dict[str, Any]:
    return {
        "id": bot.id,
        "name": bot.name,
        "is_active": bot.may_start,
        "published_version": bot.published_version,
        "created_at": to_ms(bot.created_at) // 1000,
        "updated_at": to_ms(bot.changed_at) // 1000,
        "account_id": ACCOUNT,
        "_links": _self(request, f"/api/v4/bots/{bot.id}"),
    }


# --- Runs


@post("/api/v4/bots/{id:str}/run", status_code=202)
async def post_run(request: ApiRequest) -> Answer:
    """Start the bot on a lead or a contact: in its conversation with the newest message."""
    bot_id = read_id(request.path_params["id"])
    entity, card_id = _read_card(await _read(request), "$")
    run_id = await _start(request, bot_id, entity, card_id)
    return _answer({"run_id": run_id, "_links": _self(request, f"/api/v4/bots/{bot_id}/run")}, 202)


@post("/api/v4/bots/{id:str}/stop", status_code=202)
async def post_stop(request: ApiRequest) -> Answer:
    """Stop the bot wherever it talks about a lead or with a contact; that it does nowhere is no fault."""
    bot_id = read_id(request.path_params["id"])
    entity, card_id = _read_card(await _read(request), "$")
    stopped = await web_of(request).database.write(
        bot_runs.stop_for_card, bot_id, entity, card_id, key=("card", entity, card_id)
    )
    return _answer({"stopped": stopped, "_links": _self(request, f"/api/v4/bots/{bot_id}/stop")}, 202)


@post(RUN, status_code=202)
async def post_runs(request: ApiRequest) -> Answer:
    """Start up to 100 bots, each by itself: what cannot start is told and keeps no other from starting.

    When none starts, the answer is what the first of them was refused for.
    """
    wanted = _read_runs(await _read(request))
    refused: list[tuple[int, KnopkaError]] = []
    for number, (bot_id, entity, card_id) in enumerate(wanted):
        try:
            await _start(request, bot_id, entity, card_id)
        except KnopkaError as error:
            refused.append((number, error))
    if len(refused) == len(wanted):
        raise refused[0][1]
    links = {"self": {"href": RUN, "method": "post"}}
    told = [{"request_id": str(number), "detail": error.message} for number, error in refused]
    return _answer({"_links": links, "success": not refused, **({"errors": told} if told else {})}, 202)


async def _start(request: ApiRequest, bot_id: int, entity: Entity, card_id: int) -> int:
    return await web_of(request).database.write(
        bot_steps.start_on_card, bot_id, entity, card_id, kit=_kit(request), key=("card", entity, card_id)
    )


# --- A service that a bot has called continues its run


@post("/api/v4/{kind:str}/{id:str}/continue/{run:str}", status_code=202)
async def post_continue(request: ApiRequest) -> Answer:
    """Go on with `data` for `{{json.…}}`, and with handlers to execute; each wait is continued once."""
    params = request.path_params
    bot_id = read_id(params["id"])
    if params["kind"] not in ("salesbot", "marketingbot"):
        raise NotFound(NOTHING_HERE)
    await web_of(request).database.write(
        bot_steps.continue_run,
        bot_id,
        params["run"],
        await _read(request),
        kit=_kit(request),
        key=("bot", bot_id),
    )
    path = f"/api/v4/{params['kind']}/{bot_id}/continue/{params['run']}"
    return _answer({"_links": _self(request, path)}, 202)


# --- What is read


async def _read(request: ApiRequest) -> Json:
    media_type(request, (JSON,))
    return read_json(await read_body(request, MAX_BODY), max_bytes=MAX_BODY)


def _read_runs(body: Json) -> list[tuple[int, Entity, int]]:
    """All of them, or InvalidInput with every fault."""
    if not isinstance(body, list) or not 1 <= len(body) <= MOST_RUNS:
        raise InvalidInput(Fault("$", "bad_list", f"This must be a list of 1 to {MOST_RUNS} runs."))
    found: list[tuple[int, Entity, int]] = []
    faults: list[Fault] = []
    for number, item in enumerate(body):
        try:
            found.append((_read_number(item, "bot_id", f"$[{number}]"), *_read_card(item, f"$[{number}]")))
        except InvalidInput as error:
            faults += error.faults
    if faults:
        raise InvalidInput(*faults[:MAX_FAULTS])
    return found


def _read_card(body: Json, place: str) -> tuple[Entity, int]:
    """`entity_type` is `leads` or `contacts`, or as in API v2 their numbers 2 and 1."""
    number = _read_number(body, "entity_id", place)
    said = body.get("entity_type") if isinstance(body, dict) else None
    entity = ENTITIES.get(str(said)) if type(said) in (int, str) else None
    if entity is None:
        message = "This must be leads or contacts (2 or 1)."
        raise InvalidInput(Fault(f"{place}.entity_type", "bad_choice", message))
    return entity, number


def _read_number(body: Json, name: str, place: str) -> int:
    """A number, or a text of digits: what older clients send comes out of forms."""
    if not isinstance(body, dict):
        raise InvalidInput(Fault(place, "not_an_object", "This must be an object."))
    value = body.get(name)
    if type(value) in (int, str) and _DIGITS.fullmatch(str(value)) and int(str(value)) <= MAX_ID:
        return int(str(value))
    code = "missing" if value is None else "bad_number"
    raise InvalidInput(Fault(f"{place}.{name}", code, f"This must be a whole number from 1 to {MAX_ID}."))


def _kit(request: ApiRequest) -> Kit:
    kit = web_of(request).bots
    if kit is None:
        raise NotFound(NOTHING_HERE)
    return kit


# --- What is answered


def _self(request: ApiRequest, path: str) -> dict[str, Any]:
    web: Web = web_of(request)
    return {"self": {"href": web.base_url + path}}


def _answer(body: Any, status: int = 200) -> Answer:
    return answer(msgspec.json.encode(body), status=status, kind=HAL)


def render_problem(request: Request[Any, Any, Any], error: KnopkaError) -> Answer:
    """A refusal as API v4 tells it: problem+json, with `validation-errors` by the number of the request."""
    status = status_of(error)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        log_ours(error)
    problem: dict[str, Any] = {
        "title": HTTPStatus(status).phrase,
        "type": f"https://httpstatus.es/{status}",
        "status": status,
        "detail": error.message
        if status < HTTPStatus.INTERNAL_SERVER_ERROR
        else "Something went wrong here.",
    }
    if isinstance(error, InvalidInput):
        problem["validation-errors"] = _group(error.faults)
        problem["detail"] = "Request validation failed"
    headers = retry_after(error)
    if status == HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", b"Bearer"))
    return answer(msgspec.json.encode(problem), status=status, kind=PROBLEM, headers=headers)


_PLACE = re.compile(r"\$(?:\[([0-9]+)\])?\.?(.*)", re.DOTALL)


def _group(faults: tuple[Fault, ...]) -> list[dict[str, Any]]:
    grouped: dict[str, list[dict[str, Any]]] = {}
    for fault in faults:
        place = _PLACE.fullmatch(fault.path)
        number, path = (place[1] or "0", place[2]) if place else ("0", fault.path)
        detail = fault.message
        if fault.line is not None:
            detail += f" (line {fault.line}, column {fault.column})"
        grouped.setdefault(number, []).append({"code": fault.code, "path": path, "detail": detail})
    return [{"request_id": number, "errors": errors} for number, errors in grouped.items()]


_REFUSALS: dict[int | type[Exception], Any] = {KnopkaError: render_problem}
integrations = Router(
    "/",
    guards=[bots_only],
    exception_handlers=_REFUSALS,
    route_handlers=[get_bots, get_bot, post_run, post_stop, post_runs, post_continue],
)
