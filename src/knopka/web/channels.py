"""The operators' API of the channels: list, add, change, look again, try, remove."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from litestar import delete, get, patch, post

from knopka.db.clock import to_ms
from knopka.domain.catalog import Catalog, ChannelSetup, ChannelState
from knopka.domain.channel_wording import explain, explain_parameter
from knopka.domain.errors import Fault, InvalidInput, NotFound
from knopka.domain.messaging import ChannelKind, Finding, without_code
from knopka.services import channels, desk, shapes
from knopka.services.channels import LINK_BASE, ChangeRefused, ChannelView, say_refused
from knopka.web.answers import Answer, answer, answer_json
from knopka.web.bodies import read_object
from knopka.web.context import Messengers, Web, web_of
from knopka.web.inbox import OperatorRequest
from knopka.web.pages.views import pick_locale
from knopka.web.wants import read_id, take

KINDS = tuple(kind for kind in ChannelKind if kind is not ChannelKind.ONSITE)
TEST_TEXT = {"ru": "Проверка связи.", "en": "A test message."}


@get("/channels")
async def get_channels(request: OperatorRequest) -> Answer:
    """Every channel, what each kind asks for, and the buttons that can show one."""
    web = web_of(request)
    messengers = _messengers(web)
    views = await _messengers(web).connector.list_views()
    locale = _locale(request)
    return answer_json(
        {
            "channels": [show(view, locale) for view in views],
            "kinds": [_show_kind(messengers, kind, locale) for kind in KINDS],
            "sources": [{"id": source.id, "name": source.name} for source in web.catalog().sources.values()],
        }
    )


@post("/channels", status_code=201)
async def post_channel(request: OperatorRequest) -> Answer:
    """Add a channel and set it up at its platform, which may take some seconds."""
    web = web_of(request)
    body = await _read(request, {"kind": str, "values": dict}, {"source_ids": list})
    if body["kind"] not in KINDS:
        raise InvalidInput(Fault("$.kind", "bad_choice", f"This must be one of: {', '.join(KINDS)}."))
    setup = await _messengers(web).connector.add(
        ChannelKind(body["kind"]), _values(body), _source_ids(body, web.catalog()), body["key"]
    )
    return await _show_one(request, setup, status=201)


@patch("/channels/{id:str}")
async def patch_channel(request: OperatorRequest) -> Answer:
    """Change what was given, where it is shown, or whether it is on."""
    web = web_of(request)
    body = await _read(request, {}, {"values": dict, "source_ids": list, "is_enabled": bool})
    setup = _setup(request)
    try:
        changed = await _messengers(web).connector.change(
            setup,
            _values(body) if "values" in body else {},
            source_ids=_source_ids(body, web.catalog()),
            keeps_sources="source_ids" not in body,
            is_enabled=body.get("is_enabled"),
        )
    except ChangeRefused as error:
        why = error.finding
        raise InvalidInput(Fault("$.values", why.code, say_refused(why, _locale(request)))) from None
    return await _show_one(request, changed)


@post("/channels/{id:str}/check", status_code=200)
async def post_check(request: OperatorRequest) -> Answer:
    """Look again how the channel stands."""
    await _read(request, {})
    setup = await _messengers(web_of(request)).connector.check(_setup(request))
    return await _show_one(request, setup)


@post("/channels/{id:str}/test", status_code=201)
async def post_test(request: OperatorRequest) -> Answer:
    """Send a test message to whoever wrote last through this channel."""
    web = web_of(request)
    body = await _read(request, {})
    conversation_id = await web.database.read(channels.find_test_chat, _setup(request).id)
    message = await web.database.write(
        desk.reply,
        request.user.operator,
        conversation_id,
        body["key"],
        TEST_TEXT[_locale(request)],
        channels=web.channels,
        key=("conversation", conversation_id),
    )
    shown = {"conversation_id": conversation_id, "message": shapes.desk_message(message)}
    return answer_json(shown, status=201)


@delete("/channels/{id:str}", status_code=200)
async def delete_channel(request: OperatorRequest) -> Answer:
    """Forget the channel and its secrets; its conversations stay."""
    web = web_of(request)
    await _read(request, {})
    await _messengers(web).connector.remove(_setup(request))
    await _reload(web)
    return answer(status=204)


def show(view: ChannelView, locale: str) -> dict[str, Any]:
    """A channel as operators see it, every finding in their language."""
    setup, fault = view.setup, view.last_fault
    return {
        "id": setup.id,
        "kind": setup.kind.value,
        "title": setup.title,
        "state": (setup.state if setup.is_enabled else ChannelState.OFF).value,
        "webhook_url": view.webhook_url,
        "is_polling": setup.is_polling,
        "link": without_code(setup.link),
        "source_ids": setup.source_ids,
        "created_at": to_ms(setup.created_at),
        "last_event_at": None if view.last_event_at is None else to_ms(view.last_event_at),
        "last_error": None
        if fault is None
        else {**_say(Finding(fault.level, fault.code, fault.detail), locale), "at": to_ms(fault.at)},
        "findings": [_say(_with_token(finding, view), locale) for finding in setup.findings],
        "values": dict(setup.values),
        "secrets": dict(view.hints),
        "waiting": view.waiting,
    }


def _with_token(finding: Finding, view: ChannelView) -> Finding:
    """What has to be entered by hand is told beside the address that it goes with."""
    if finding.code != "webhook_by_hand" or view.verify_token is None:
        return finding
    return replace(finding, detail=f"{finding.detail} · verify token: {view.verify_token}")


def _say(finding: Finding, locale: str) -> dict[str, str]:
    message, fix = explain(finding.code, locale)
    return {
        "level": finding.level.value,
        "code": finding.code,
        "message": message,
        "fix": fix,
        "detail": finding.detail,
    }


def _show_kind(messengers: Messengers, kind: ChannelKind, locale: str) -> dict[str, Any]:
    parameters = [
        {
            "name": parameter.name,
            "hint": explain_parameter(kind, parameter, locale),
            "is_secret": parameter.is_secret,
            "is_required": parameter.is_required,
        }
        for parameter in messengers.connector.parameters(kind)
    ]
    return {"kind": kind.value, "parameters": parameters}


async def _read(
    request: OperatorRequest, needed: Mapping[str, type], optional: Mapping[str, type] | None = None
) -> dict[str, Any]:
    body = await read_object(request, web_of(request).limits.message_bytes)
    if body.get("source_ids", 0) is None:
        # Null stands for every button, and `take` knows no null.
        body["source_ids"] = []
    return take(body, {"key": str, **needed}, optional)


def _values(body: Mapping[str, Any]) -> dict[str, str]:
    faults = [
        Fault(f"$.values.{name}", "wrong_type", "This must be a text.")
        for name, value in body["values"].items()
        if not isinstance(value, str)
    ]
    if LINK_BASE in body["values"]:  # for whoever runs the server: it decides where visitors are led
        faults.append(Fault(f"$.values.{LINK_BASE}", "unknown_value", "This is not asked for."))
    if faults:
        raise InvalidInput(*faults)
    return dict(body["values"])


def _source_ids(body: Mapping[str, Any], catalog: Catalog) -> tuple[int, ...] | None:
    """The buttons that show the channel; None, for all of them, when none is named."""
    given = body.get("source_ids")
    if not given:
        return None
    known = {source.id for source in catalog.sources.values()}
    faults = [
        Fault(f"$.source_ids[{at}]", "unknown_button", "There is no such button.")
        for at, source_id in enumerate(given)
        if type(source_id) is not int or source_id not in known
    ]
    if faults:
        raise InvalidInput(*faults)
    return tuple(given)


def _messengers(web: Web) -> Messengers:
    if web.messengers is None:
        raise NotFound("This server has no messengers.")
    return web.messengers


def _setup(request: OperatorRequest) -> ChannelSetup:
    number = read_id(request.path_params["id"])
    for setup in web_of(request).catalog().channels.values():
        if setup.id == number:
            return setup
    raise NotFound("There is no such channel.")


async def _reload(web: Web) -> None:
    if web.reload is not None:
        await web.reload()


async def _show_one(request: OperatorRequest, setup: ChannelSetup, *, status: int = 200) -> Answer:
    web = web_of(request)
    await _reload(web)
    views = {view.setup.id: view for view in await _messengers(web).connector.list_views()}
    if setup.id not in views:
        raise NotFound("There is no such channel.")
    return answer_json(show(views[setup.id], _locale(request)), status=status)


def _locale(request: OperatorRequest) -> str:
    return pick_locale(request.headers.get("accept-language", ""))
