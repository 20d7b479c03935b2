"""The handlers of scripts, as they are read: amoCRM's, and ours with `knopka_` before them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, Literal

from knopka.domain.bot.actions import CARDS, no_such_part, read_action, read_card
from knopka.domain.bot.pcre import PatternError
from knopka.domain.bot.reading import Spot
from knopka.domain.bot.references import check_called, check_shown
from knopka.domain.bot.script import (
    Block,
    Buttons,
    Check,
    Choice,
    Filter,
    FindDouble,
    GetBaseInfo,
    Goto,
    Handler,
    Handover,
    Http,
    If,
    Logic,
    Nothing,
    Pattern,
    Pause,
    ScriptButton,
    SendExternal,
    SendInternal,
    Show,
    Split,
    Stop,
    Term,
    Validate,
    ValidateBaseInfo,
    WaitAnswer,
    WaitFor,
    WidgetRequest,
)
from knopka.domain.buttons import MOST_BUTTONS
from knopka.domain.meta import Entity
from knopka.domain.strict_json import join_path

SHORTEST, LONGEST = timedelta(seconds=1), timedelta(weeks=8)

_BLOCKS: Final = {"question": Block.QUESTION, "answer": Block.ANSWER, "finish": Block.FINISH}
_AFTER_REPLY: Final = {"question": Block.QUESTION, "answer": Block.ANSWER}
_LOGIC: Final[dict[str, Logic]] = {"and": "and", "or": "or"}
_UNITS: Final = ("seconds", "minutes", "hours", "days", "weeks")
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_OWN_HEADERS: Final = frozenset(
    {
        "host", "connection", "content-length", "transfer-encoding", "upgrade", "te", "trailer", "expect",
        "proxy-authorization", "proxy-connection", "keep-alive", "accept-encoding",
    }
)  # fmt: skip
"""What the one HTTP client says itself."""


def read_handlers(spot: Spot | None) -> tuple[Handler, ...]:
    """The handlers of a list; a single one may stand without its brackets."""
    if spot is None:
        return ()
    spots = [spot] if isinstance(spot.value, dict) and "handler" in spot.value else spot.items()
    return tuple(handler for one in spots if (handler := _read_handler(one)) is not None)


def _read_handler(spot: Spot) -> Handler | None:
    if not spot.expect_object():
        return None
    name = spot.text("handler")
    read = HANDLERS.get(name)
    if read is None:
        named = spot.get("handler")
        if named is not None:
            named.refuse("unknown_handler", f"there is no handler {name[:60]}", name, HANDLERS)
        return None
    return read(spot, spot.get("params") or _no_params(spot))


def _no_params(spot: Spot) -> Spot:
    """Params that were left out: an empty object where the handler stands."""
    return Spot({}, join_path(spot.path, "params"), spot.node, spot.findings)


def _read_branches(spot: Spot, params: Spot) -> tuple[tuple[Handler, ...], tuple[Handler, ...]]:
    """`result` and `else`, inside the params or beside them."""
    both = [
        next((found for holder in _holders(spot, params) if (found := holder.get(key)) is not None), None)
        for key in ("result", "else")
    ]
    return read_handlers(both[0]), read_handlers(both[1])


def _holders(spot: Spot, params: Spot) -> list[Spot]:
    return [*(params.items() if isinstance(params.value, list) else [params]), spot]


# --- What the bot says


def _read_show(spot: Spot, params: Spot) -> Show | None:
    if not params.expect_object():
        return None
    types = {"text": "text", "buttons": "buttons", "buttons_url": "buttons_url"}
    type_ = params.one_of("type", types, "text")
    value = params.text("value")
    if params.get("value") is not None and not value.strip():
        params.warn("empty_text", "there is nothing to say here")
    buttons = params.get("buttons")
    if buttons is None and type_ != "text":
        params.refuse("missing", "buttons is missing here")
    shown = Show(
        at=spot.at,
        value=value,
        buttons=_read_buttons_shown(buttons),
        quick_replies=_read_quick_replies(params.get("quick_replies")),
        accept_unsorted=params.flag("accept_unsorted", True),
    )
    params.warn_of_unread()
    return shown


def _read_buttons_shown(spot: Spot | None) -> tuple[ScriptButton, ...]:
    if spot is None:
        return ()
    items = spot.items()
    if len(items) > MOST_BUTTONS:
        spot.refuse("too_many_buttons", f"one message has at most {MOST_BUTTONS} buttons, not {len(items)}")
    return tuple(_read_button(item) for item in items[:MOST_BUTTONS])


def _read_button(spot: Spot) -> ScriptButton:
    """A label, or a label with an address."""
    if not isinstance(spot.value, dict):
        return ScriptButton(spot.as_text())
    text, url = spot.text("text"), spot.get("url")
    is_link = url is not None and url.value != ""
    spot.one_of("type", {"inline": False, "url": True, "buttons": False}, is_link)
    if url is None or not is_link:
        return ScriptButton(text)
    if not isinstance(url.value, str):
        url.refuse("not_a_text", 'this must be a text: "https://…"')
        return ScriptButton(text)
    url.tell(check_shown(url.value, spot.findings.read_pattern))
    return ScriptButton(text, url.value)


def _read_quick_replies(spot: Spot | None) -> tuple[str, ...]:
    known = {"user_phone_number": "user_phone_number", "user_email": "user_email"}
    return tuple(item.as_one_of(known, "user_email") for item in (spot.items() if spot else []))


def _read_send_internal(spot: Spot, params: Spot) -> SendInternal | Nothing | None:
    if not params.expect_object():
        return None
    entity, message = read_card(params, "entity_type", Entity.LEAD), params.text("message")
    entity_id = params.text("entity_id", "", names="a card").replace(" ", "")
    group_id, user_id = (params.text(key, "", names="a user or a group") for key in ("group_id", "user_id"))
    if entity is None:
        return no_such_part(params, spot.at, "send_internal", "such chats")
    if entity_id not in ("", "{{lead.id}}", "{{contact.id}}"):
        params.warn("entity_id_ignored", "the message goes to the operators of this conversation")
    params.warn_of_unread()
    return SendInternal(spot.at, message, entity, group_id, user_id)


_RECIPIENTS: Final[dict[str, Literal["all_contacts", "main_contact", "filtered_contacts"]]] = {
    "main_contact": "main_contact",
    "all_contacts": "all_contacts",
    "filtered_contacts": "filtered_contacts",
}
_WAYS: Final[dict[str, Literal["over_all", "any_first", "last_active"]]] = {
    "last_active": "last_active",
    "over_all": "over_all",
    "any_first": "any_first",
}


def _read_send_external(spot: Spot, params: Spot) -> SendExternal | None:
    message = params.require("message") if params.expect_object() else None
    if message is None or not message.expect_object():
        return None
    recipient = params.get("recipient") or _no_params(params)
    wanted = (recipient.get("filter") if recipient.expect_object() else None) or _no_params(recipient)
    channels = params.get("channels")
    return SendExternal(
        at=spot.at,
        text=message.text("text"),
        buttons=_read_buttons_shown(message.get("buttons")),
        recipient=recipient.one_of("type", _RECIPIENTS, "main_contact"),
        way=recipient.one_of("way_of_communication", _WAYS, "last_active"),
        logic=wanted.one_of("logic", _LOGIC, "and"),
        terms=_read_terms(wanted.get("conditions")),
        channels=tuple(_read_channel(item) for item in (channels.items() if channels else [])),
        on_error=read_handlers(params.get("on_error")),
    )


def _read_channel(spot: Spot) -> int:
    return spot.whole("id") if isinstance(spot.value, dict) else spot.as_whole()


# --- Where a run goes


def _read_buttons(spot: Spot, params: Spot) -> Buttons:
    return Buttons(spot.at, tuple(_read_choice(item) for item in params.items() if item.expect_object()))


def _read_choice(spot: Spot) -> Choice:
    value, regex = spot.get("value"), spot.get("regex")
    if value is None and regex is None:
        spot.refuse("missing", "value or regex is missing here")
    choice = Choice(
        None if value is None else value.as_text(),
        None if regex is None else _read_pattern(regex),
        read_handlers(spot.get("params")),
    )
    spot.warn_of_unread()
    return choice


def _read_pattern(spot: Spot) -> Pattern | None:
    if not isinstance(spot.value, str):
        spot.refuse("not_a_text", 'this must be a pattern: "/…/iu"')
        return None
    try:
        return spot.findings.read_pattern(spot.value)
    except PatternError as error:
        spot.refuse(error.code, f"{error.message} (character {error.offset + 1} of the pattern)")
        return None


def _read_goto(spot: Spot, params: Spot) -> Goto | None:
    if not params.expect_object():
        return None
    return Goto(spot.at, *_read_jump(params, _BLOCKS, Block.QUESTION))


def _read_wait_answer(spot: Spot, params: Spot) -> WaitAnswer | None:
    if not params.expect_object():
        return None
    return WaitAnswer(spot.at, *_read_jump(params, _AFTER_REPLY, Block.ANSWER))


def _read_jump(params: Spot, blocks: Mapping[str, Block], default: Block) -> tuple[Block, int]:
    block = params.one_of("type", blocks, default)
    named = params.require("step")
    if named is None:
        return block, 0
    faults = len(params.findings.faults)
    step = named.as_whole()
    if len(params.findings.faults) == faults:
        params.findings.jumps.append((named, block, step))
    return block, step


def _read_stop(spot: Spot, params: Spot) -> Stop | None:
    if not params.expect_object():
        return None
    actions: dict[str, Literal["talk-close", "salesbot-start", ""]] = {
        "talk-close": "talk-close",
        "salesbot-start": "salesbot-start",
        "": "",
    }
    action = params.one_of("action", actions, "")
    bot = params.whole("bot") if action == "salesbot-start" else None
    return Stop(spot.at, action, bot)


# --- Conditions


def _read_condition(spot: Spot, params: Spot) -> If | None:
    """One comparison, an array of them, or `conditions` with a logic."""
    given = params.get("conditions")
    if isinstance(params.value, list):
        terms, logic = _read_terms(params), _LOGIC["and"]
    elif not params.expect_object():
        return None
    elif given is not None:
        terms, logic = _read_terms(given), params.one_of("logic", _LOGIC, "and")
    else:
        terms, logic = (_read_term(params),), _LOGIC["and"]
    return If(spot.at, logic, terms, *_read_branches(spot, params))


def _read_terms(spot: Spot | None) -> tuple[Term, ...]:
    return tuple(_read_term(item) for item in (spot.items() if spot else []) if item.expect_object())


_OPERATIONS: Final[dict[str, Literal["=", "!=", "in", "not_in", "in_range", ">", "<", ">=", "<="]]] = {
    "=": "=", "!=": "!=", "in": "in", "not_in": "not_in", "in_range": "in_range", ">": ">", "<": "<",
    ">=": ">=", "<=": "<=",
}  # fmt: skip


def _read_term(spot: Spot) -> Term:
    operation = spot.one_of("operation", _OPERATIONS)
    term1 = spot.text("term1")
    if operation == "in_range":
        return Term(term1, "", operation, *_read_range(spot, "term2"))
    given = spot.get("term2")
    if given is not None and isinstance(given.value, list):
        return Term(term1, ",".join(spot.texts("term2")), operation)
    return Term(term1, spot.text("term2", ""), operation)


def _read_range(spot: Spot, key: str) -> tuple[str, str]:
    given = spot.require(key)
    if given is None or not given.expect_object():
        return "", ""
    low, high = given.text("from", ""), given.text("to", "")
    if not low and not high:
        given.refuse("missing", "from or to is missing here")
    return low, high


_CHECKS: Final[dict[str, Literal["simple", "email", "phone", "regex", "range_numbers"]]] = {
    "simple": "simple", "email": "email", "phone": "phone", "regex": "regex",
    "range_numbers": "range_numbers",
}  # fmt: skip
_SIMPLE: Final[dict[str, Literal["equal", "not_equal", "length", "contains", "not_contains"]]] = {
    "equal": "equal", "not_equal": "not_equal", "length": "length", "contains": "contains",
    "not_contains": "not_contains",
}  # fmt: skip
_CONTAINS: Final[dict[str, Literal["equal", "not_equal", "length", "contains", "not_contains"]]] = {
    "contains": "contains", "not_contains": "not_contains",
}  # fmt: skip


def _read_validations(spot: Spot, params: Spot) -> Validate | None:
    if not params.expect_object():
        return None
    given = params.require("conditions")
    checks = tuple(_read_check(item) for item in (given.items() if given else []) if item.expect_object())
    return Validate(spot.at, params.one_of("logic", _LOGIC, "and"), checks, *_read_branches(spot, params))


def _read_check(spot: Spot) -> Check:
    type_ = spot.one_of("type", _CHECKS)
    operation = spot.one_of("operation", _SIMPLE if type_ == "simple" else _CONTAINS)
    client_value = spot.text("client_value", "{{message_text}}")
    given = spot.get("condition_value")
    match type_:
        case "regex":
            given = spot.require("condition_value")
            return Check(client_value, type_, operation, pattern=_read_pattern(given) if given else None)
        case "range_numbers":
            low, high = _read_range(spot, "condition_value")
            return Check(client_value, type_, operation, low=low, high=high)
        case "simple" if operation == "length" and given is not None and isinstance(given.value, dict):
            low, high = _read_range(spot, "condition_value")
            return Check(client_value, type_, operation, low=low, high=high)
        case "simple":
            return Check(client_value, type_, operation, spot.text("condition_value"))
        case _:
            return Check(client_value, type_, operation)


# --- Cards of others


def _read_find(spot: Spot, params: Spot) -> FindDouble | Nothing | None:
    if not params.expect_object():
        return None
    kinds = {"contact_double": True, "catalog_elements": False}
    if not params.one_of("type", kinds):
        return no_such_part(params, spot.at, "find", "catalogs")
    inner = params.require("params")
    if inner is None or not inner.expect_object():
        return None
    ways = {"name": "name", "phone": "phone", "email": "email"}
    by = inner.one_of("type", ways, "name")
    found = FindDouble(
        spot.at, by, inner.text("value", f"{{{{contact.{by}}}}}"), read_handlers(inner.get("actions"))
    )
    inner.get("catalog_id")
    inner.warn_of_unread()
    return found


def _read_filter(spot: Spot, params: Spot) -> Filter | Nothing | None:
    if not params.expect_object():
        return None
    entity = params.one_of("type", CARDS)
    if entity is None:
        return no_such_part(params, spot.at, "filter", "such cards")
    field_id, value = params.whole("custom_fields_id"), params.text("value")
    return Filter(spot.at, entity, field_id, value, read_handlers(params.get("actions")))


# --- Presets, the start's payload, calls


_TEXTS: Final = (
    "empty_email", "empty_phone", "invalid_phone", "success", "empty_all", "phone_doubles", "email_doubles",
    "all_doubles",
)  # fmt: skip
PRESETS: Final = ("contacts.get_base_info", "contacts.validate_base_info")


def _read_preset(spot: Spot, params: Spot) -> GetBaseInfo | ValidateBaseInfo | None:
    if not params.expect_object():
        return None
    name = params.text("name")
    if name == "contacts.get_base_info":
        return GetBaseInfo(spot.at)
    if name != "contacts.validate_base_info":
        if params.get("name") is not None:
            params.refuse("unknown_preset", f"there is no preset {name[:60]}", name, PRESETS)
        return None
    texts = params.get("params") or _no_params(params)
    if not texts.expect_object():
        return None
    asked = ValidateBaseInfo(
        at=spot.at,
        texts={key: text for key in _TEXTS if (text := texts.text(key, ""))},
        check_doubles=texts.flag("check_doubles", False),
        use_quick_replies=texts.flag("use_quick_replies", False),
    )
    texts.warn_of_unread()
    return asked


_TARGET: Final = re.compile(r"(?:lead|contact)\.(?:tags|name|custom_fields\.[0-9]{1,15})|lead\.price")


def _read_meta(spot: Spot, params: Spot) -> Split | None:
    if not params.expect_object():
        return None
    delimiter, values = params.text("delimiter"), params.require("values")
    if params.get("delimiter") is not None and not delimiter:
        params.refuse("missing", "delimiter is empty: name the character between the parts")
    targets = tuple(_read_meta_target(item) for item in (values.items() if values else []))
    return Split(spot.at, delimiter, targets)


def _read_meta_target(spot: Spot) -> str:
    """A place that a part of the payload goes to; an empty one keeps the others in their order."""
    if isinstance(spot.value, str) and _TARGET.fullmatch(spot.value):
        return spot.value
    if spot.value not in (None, ""):
        spot.warn(
            "unknown_target", "nothing is written here: lead.tags or lead.custom_fields.123 name a place"
        )
    return ""


def _read_widget_request(spot: Spot, params: Spot) -> WidgetRequest | None:
    if not params.expect_object():
        return None
    url = _read_called(params.require("url"), https_only=False)
    return WidgetRequest(spot.at, url, _read_data(params.get("data")))


def _read_called(spot: Spot | None, *, https_only: bool) -> str:
    if spot is None:
        return ""
    if not isinstance(spot.value, str):
        spot.refuse("not_a_text", 'this must be a text: "https://…"')
        return ""
    spot.tell(check_called(spot.value, spot.findings.read_pattern, https_only=https_only))
    return spot.value


def _read_data(spot: Spot | None) -> Any:
    """JSON as it stands, with the markers in its texts checked. Keys are data too and never filled in."""
    if spot is None:
        return None
    match spot.value:
        case str():
            spot.as_text()
        case list():
            for item in spot.items():
                _read_data(item)
        case dict():
            for _, item in spot.entries():
                _read_data(item)
        case _:
            pass
    return spot.value


def _read_exits(spot: Spot, params: Spot) -> Nothing:
    return Nothing(spot.at, "exits", "drawing_only")


def _read_action_handler(spot: Spot, params: Spot) -> Handler:
    return read_action(params, spot.at)


# --- Ours


def _read_span(spot: Spot) -> timedelta:
    """A number of seconds, or an object of units that are added up."""
    match spot.value:
        case bool():
            seconds = None
        case int() | float():
            seconds = float(spot.value)
        case str() if re.fullmatch(r"[0-9]{1,9}", spot.value):
            seconds = float(spot.value)
        case dict() if spot.value.keys() & set(_UNITS):
            amounts = [(unit, spot.value[unit]) for unit in _UNITS if unit in spot.value]
            seconds = _add_up(amounts)
        case _:
            seconds = None
    if seconds is None:
        spot.refuse(
            "bad_span", f'this must be a number of seconds, or such as {{"hours": 2}}: {", ".join(_UNITS)}'
        )
        return SHORTEST
    if not SHORTEST.total_seconds() <= seconds <= LONGEST.total_seconds():
        spot.refuse("span_out_of_range", "this must be between 1 second and 8 weeks")
        return SHORTEST
    return timedelta(seconds=seconds)


def _add_up(amounts: list[tuple[str, Any]]) -> float | None:
    total = 0.0
    for unit, amount in amounts:
        if isinstance(amount, bool) or not isinstance(amount, (int, float)) or not 0 <= amount < 1e9:
            return None
        total += timedelta(**{unit: 1}).total_seconds() * amount
    return total


def _read_pause(spot: Spot, params: Spot) -> Pause:
    """`{"minutes": 5}`, the same under `for`, or a number of seconds."""
    given = params.get("for")
    return Pause(spot.at, _read_span(params if given is None else given))


def _read_wait(spot: Spot, params: Spot) -> WaitFor | None:
    if not params.expect_object():
        return None
    span = params.get("for")
    block, step = _read_jump(params, _AFTER_REPLY, Block.ANSWER)
    timeout = read_handlers(params.get("timeout"))
    return WaitFor(spot.at, _read_span(params if span is None else span), step, block, timeout)


_METHODS: Final[dict[str, Literal["GET", "POST", "PUT", "PATCH"]]] = {
    "GET": "GET", "POST": "POST", "PUT": "PUT", "PATCH": "PATCH",
}  # fmt: skip


def _read_http(spot: Spot, params: Spot) -> Http | None:
    if not params.expect_object():
        return None
    data, save_as = params.get("data"), params.text("save_as", "")
    if save_as and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", save_as):
        params.refuse(
            "bad_name", "save_as must be a name of letters, digits and _: it is read as {{json.<name>}}"
        )
    result, otherwise = (read_handlers(params.get(key) or spot.get(key)) for key in ("result", "error"))
    call = Http(
        at=spot.at,
        method=params.one_of("method", _METHODS, "GET" if data is None else "POST"),
        url=_read_called(params.require("url"), https_only=True),
        data=_read_data(data),
        headers=_read_headers(params.get("headers")),
        save_as=save_as,
        result=result,
        error=otherwise,
    )
    if call.method == "GET" and data is not None:
        params.warn("data_not_sent", "GET sends no data: put it into the address, or use POST")
    params.warn_of_unread()
    return call


def _read_headers(spot: Spot | None) -> dict[str, str]:
    if spot is None or not spot.expect_object():
        return {}
    headers = {}
    for name, value in spot.entries():
        if _HEADER.fullmatch(name) is None or name.lower() in _OWN_HEADERS:
            value.refuse("bad_header", "this header cannot be set here")
        headers[name] = value.as_text()
    return headers


def _read_handover(spot: Spot, params: Spot) -> Handover:
    if isinstance(params.value, dict):
        handover = Handover(spot.at, params.text("message", ""))
        params.warn_of_unread()
        return handover
    return Handover(spot.at, "" if params.value == [] else params.as_text())


HANDLERS: Final[dict[str, Callable[[Spot, Spot], Handler | None]]] = {
    "show": _read_show,
    "buttons": _read_buttons,
    "goto": _read_goto,
    "wait_answer": _read_wait_answer,
    "find": _read_find,
    "filter": _read_filter,
    "send_internal": _read_send_internal,
    "send_external_message": _read_send_external,
    "condition": _read_condition,
    "conditions": _read_condition,
    "validations": _read_validations,
    "preset": _read_preset,
    "meta": _read_meta,
    "widget_request": _read_widget_request,
    "stop": _read_stop,
    "exits": _read_exits,
    "action": _read_action_handler,
    "knopka_pause": _read_pause,
    "knopka_wait": _read_wait,
    "knopka_http": _read_http,
    "knopka_handover": _read_handover,
}
