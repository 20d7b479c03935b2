"""The API of the operators' inbox."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from litestar import Request, get, patch, post

from knopka.db.clock import from_ms, to_ms
from knopka.db.crm import find_lead
from knopka.db.database import Transaction
from knopka.domain.conversation import Operator
from knopka.domain.crm import Lead, Note
from knopka.domain.errors import Fault, InvalidInput, NotFound
from knopka.domain.meta import Entity
from knopka.services import cards, desk, shapes
from knopka.services.operators import ACCOUNT, Session
from knopka.services.repeats import is_first
from knopka.web.answers import Answer, answer, answer_json
from knopka.web.bodies import read_object
from knopka.web.context import web_of
from knopka.web.pages.views import pick_locale
from knopka.web.wants import read_choice, read_id, read_limit, read_number, take

OperatorRequest = Request[Session, Any, Any]

ENTITIES = (Entity.LEAD.value, Entity.CONTACT.value)
LAST_MS = 253_402_300_799_999
"""The end of the year 9999: no moment lies beyond it."""
_UID = re.compile(r"[0-9a-f]{32}")


@get("/me")
async def get_me(request: OperatorRequest) -> Answer:
    web = web_of(request)
    account = web.catalog().account
    operator = request.user.operator
    return answer_json(
        {
            "operator": {"id": operator.id, "login": operator.login, "name": operator.name},
            "account": {
                "id": account.id,
                "name": account.name,
                "locale": account.locale,
                "timezone": account.timezone,
                "currency": account.currency,
            },
            "now": to_ms(web.database.clock()),
        }
    )


@get("/conversations")
async def get_conversations(request: OperatorRequest) -> Answer:
    """A page of conversations, the one with the newest message first."""
    query = request.query_params
    status = read_choice(query, "status", ("open", "closed", "all"))
    page = await web_of(request).database.read(
        desk.list_conversations, status=status, before=query.get("before"), limit=read_limit(query)
    )
    return answer_json(shapes.conversation_page(page))


@get("/changes")
async def get_changes(request: OperatorRequest) -> Answer:
    """What changed since a cursor, repeats included; the client asks again while there is more."""
    query = request.query_params
    since = read_number(query, "since", most=LAST_MS)
    if since is None:
        raise InvalidInput(Fault("since", "missing", "The cursor of the last answer is needed."))
    page = await web_of(request).database.read(
        desk.list_changes, since=from_ms(since), limit=read_limit(query, 100)
    )
    return answer_json(shapes.changes(page))


@get("/conversations/{id:str}")
async def get_conversation(request: OperatorRequest) -> Answer:
    found = await web_of(request).database.read(desk.get_conversation, _id(request))
    return answer_json(shapes.summary(found))


@get("/conversations/{id:str}/messages")
async def get_messages(request: OperatorRequest) -> Answer:
    """Messages before or after a number, oldest first; the newest when neither is given."""
    query = request.query_params
    found = await web_of(request).database.read(
        desk.list_messages,
        _id(request),
        before=read_number(query, "before"),
        after=read_number(query, "after"),
        limit=read_limit(query),
    )
    return answer_json({"messages": [shapes.desk_message(message) for message in found]})


@post("/conversations/{id:str}/messages")
async def post_message(request: OperatorRequest) -> Answer:
    """The operator's answer; the same key again gives the same message."""
    number = _id(request)
    body = take(await _read(request), {"key": str, "text": str})
    message = await web_of(request).database.write(
        desk.reply,
        request.user.operator,
        number,
        body["key"],
        body["text"],
        channels=web_of(request).channels,
        key=("conversation", number),
    )
    return answer_json(shapes.desk_message(message), status=201)


@post("/conversations/{id:str}/messages/{message_id:str}/resend", status_code=200)
async def post_resend(request: OperatorRequest) -> Answer:
    """Send once more what failed or is in doubt."""
    number, message_id = _id(request), read_id(request.path_params["message_id"])
    body = take(await _read(request), {"key": str})
    message = await web_of(request).database.write(
        desk.resend,
        request.user.operator,
        number,
        message_id,
        body["key"],
        channels=web_of(request).channels,
        key=("conversation", number),
    )
    return answer_json(shapes.desk_message(message))


@post("/conversations/{id:str}/typing", status_code=200)
async def post_typing(request: OperatorRequest) -> Answer:
    """Show the person in his messenger that an answer is being written."""
    web = web_of(request)
    take(await _read(request), {})
    found = await web.database.read(desk.get_conversation, _id(request))
    if web.messengers is not None and found.channel_id is not None and found.chat_id is not None:
        await web.messengers.courier.type(found.channel_id, found.chat_id)
    return answer(status=204)


@post("/conversations/{id:str}/read")
async def post_read(request: OperatorRequest) -> Answer:
    """Everything up to this number has been read."""
    number = _id(request)
    body = take(await _read(request), {"seq": int})
    await web_of(request).database.write(
        desk.mark_read,
        request.user.operator,
        number,
        body["seq"],
        channels=web_of(request).channels,
        key=("conversation", number),
    )
    return answer(status=204)


@post("/conversations/{id:str}/close")
async def post_close(request: OperatorRequest) -> Answer:
    return await _set_status(request, desk.close)


@post("/conversations/{id:str}/reopen")
async def post_reopen(request: OperatorRequest) -> Answer:
    return await _set_status(request, desk.reopen)


async def _set_status(request: OperatorRequest, change: Any) -> Answer:
    number = _id(request)
    body = take(await _read(request), {"key": str})
    found = await web_of(request).database.write(
        change, request.user.operator, number, body["key"], key=("conversation", number)
    )
    return answer_json(shapes.summary(found))


@get("/leads/{id:str}")
async def get_lead(request: OperatorRequest) -> Answer:
    """The card: lead, contact, notes, and what the site sent with each verdict in words."""
    return await _show_card(request, _id(request))


@patch("/leads/{id:str}")
async def patch_lead(request: OperatorRequest) -> Answer:
    """The operator's word on the card: its names and its price, all of it or nothing."""
    number = _id(request)
    edit = take(await _read(request), {"key": str}, {"name": str, "price": int, "contact_name": str})
    if len(edit) == 1:
        raise InvalidInput(Fault("$", "empty", "One of name, price and contact_name is needed."))
    await web_of(request).database.write(
        _edit_card, request.user.operator.id, number, edit, key=("lead", number)
    )
    return await _show_card(request, number)


def _edit_card(
    tx: Transaction, operator_id: int, lead_id: int, edit: Mapping[str, Any], *, now: datetime
) -> None:
    """One key is one edit: the same key with other members is another request, and a conflict."""
    key = edit["key"]
    said = [(name, edit[name]) for name in sorted(edit)]
    if not is_first(tx, ACCOUNT, f"{Entity.LEAD.value}:{lead_id}:edit", key, said, now=now):
        return
    if "contact_name" in edit:
        contact_id = _get_lead(tx, lead_id).contact_id
        cards.rename_contact(tx, operator_id, contact_id, edit["contact_name"], key, now=now)
    if "name" in edit:
        cards.rename_lead(tx, operator_id, lead_id, edit["name"], key, now=now)
    if "price" in edit:
        cards.set_price(tx, operator_id, lead_id, edit["price"], key, now=now)


@post("/leads/{id:str}/notes")
async def post_note(request: OperatorRequest) -> Answer:
    """A note on the lead's card or on its contact's."""
    number = _id(request)
    body = take(await _read(request), {"key": str, "entity": str, "text": str})
    if body["entity"] not in ENTITIES:
        raise InvalidInput(Fault("$.entity", "bad_choice", f"This must be one of: {', '.join(ENTITIES)}."))
    web = web_of(request)
    note = await web.database.write(_add_note, request.user.operator, number, body, key=("lead", number))
    return answer_json(shapes.note_model(web.catalog().account, note), status=201)


def _add_note(
    tx: Transaction, operator: Operator, lead_id: int, body: Mapping[str, str], *, now: datetime
) -> Note:
    entity = Entity(body["entity"])
    lead = _get_lead(tx, lead_id)
    card_id = lead.id if entity is Entity.LEAD else lead.contact_id
    return desk.add_note(tx, operator, entity, card_id, body["key"], body["text"], now=now)


@get("/unsorted")
async def get_unsorted(request: OperatorRequest) -> Answer:
    """The leads that nobody has accepted or declined yet, newest first."""
    query = request.query_params
    page = await web_of(request).database.read(
        cards.list_unsorted, before=query.get("before"), limit=read_limit(query)
    )
    return answer_json(shapes.unsorted_page(page))


@post("/unsorted/{uid:str}/accept")
async def post_accept(request: OperatorRequest) -> Answer:
    """Take the lead into a stage: the one that is named, else the first of its pipeline."""
    uid = _uid(request)
    body = take(await _read(request), {"key": str}, {"pipeline_id": int, "status_id": int})
    web = web_of(request)
    stage = {name: body.get(name) for name in ("pipeline_id", "status_id")}
    incoming = await web.database.write(
        cards.accept,
        web.catalog(),
        request.user.operator.id,
        uid,
        body["key"],
        **stage,
        key=("unsorted", uid),
    )
    return await _show_card(request, incoming.lead_id)


@post("/unsorted/{uid:str}/decline")
async def post_decline(request: OperatorRequest) -> Answer:
    """Refuse the lead; the visitor's next message opens a new one."""
    uid = _uid(request)
    body = take(await _read(request), {"key": str})
    incoming = await web_of(request).database.write(
        cards.decline, request.user.operator.id, uid, body["key"], key=("unsorted", uid)
    )
    return await _show_card(request, incoming.lead_id)


@get("/pipelines")
async def get_pipelines(request: OperatorRequest) -> Answer:
    return answer_json(shapes.pipelines(web_of(request).catalog().pipelines))


async def _read(request: OperatorRequest) -> dict[str, Any]:
    return await read_object(request, web_of(request).limits.message_bytes)


async def _show_card(request: OperatorRequest, lead_id: int) -> Answer:
    web = web_of(request)
    card = await web.database.read(cards.read_card, web.catalog(), lead_id)
    return answer_json(shapes.lead_show(card, pick_locale(request.headers.get("accept-language", ""))))


def _get_lead(tx: Transaction, lead_id: int) -> Lead:
    lead = find_lead(tx, ACCOUNT, lead_id)
    if lead is None:
        raise NotFound(f"There is no lead {lead_id}.")
    return lead


def _id(request: OperatorRequest) -> int:
    return read_id(request.path_params["id"])


def _uid(request: OperatorRequest) -> str:
    uid: str = request.path_params["uid"]
    if _UID.fullmatch(uid) is None:
        raise NotFound("There is no such unsorted lead.")
    return uid
