"""The shape of setMeta's parameters: note, contact, lead, bot_params."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from itertools import islice
from typing import Any, TypeVar

from knopka.domain.bot_params import MAX_BOT_KEYS, BotParamsRoom
from knopka.domain.errors import Fault, InvalidInput
from knopka.domain.field_meta import FieldMeta, as_array, read_field
from knopka.domain.notes import read_note_type
from knopka.domain.numbers import read_decimal, round_half_up
from knopka.domain.text import UNSAFE_KEYS, clean_json, clean_name, clean_text, excerpt
from knopka.domain.verdicts import PathVerdict, Reason, Verdict

MAX_FIELDS = 50
MAX_NOTE = 20_000
MAX_NAME = 255
MAX_SALE = 2**53 - 1
"""The largest whole number that every reader of our JSON holds exactly."""
MAX_NAMED = 250
"""Entries of one list that get a path of their own; whatever is beyond shares one."""

_T = TypeVar("_T")
_PLAIN_KEY = re.compile(r"[^\s.\[\]\"*\x00-\x1f]+")

Json = Any
"""What a JSON text can hold; the strict reader has already refused the rest."""


class Entity(StrEnum):
    """The two cards that a page can write on; the values are API v4's names."""

    CONTACT = "contacts"
    LEAD = "leads"


@dataclass(frozen=True, slots=True)
class NoteMeta:
    """A note for one card. `note_type` is an API v4 name that can be built from a text alone."""

    text: str
    entity: Entity = Entity.LEAD
    note_type: str = "common"
    reasons: tuple[Reason, ...] = ()
    """Why the note became another type than the page asked for, if it did."""


@dataclass(frozen=True, slots=True)
class CardMeta:
    """What one call wants on one card. `sale` is the lead's budget and None for a contact."""

    name: str | None = None
    sale: int | None = None
    fields: tuple[FieldMeta, ...] = ()


@dataclass(frozen=True, slots=True)
class Meta:
    """One setMeta call, readable. `settled` holds the paths that reading alone has decided."""

    note: NoteMeta | None = None
    contact: CardMeta = CardMeta()
    lead: CardMeta = CardMeta()
    bot_params: Mapping[str, Json] = field(default_factory=dict)
    settled: tuple[PathVerdict, ...] = ()
    paths: tuple[str, ...] = ()
    """Every path of the call in the order given; each ends in exactly one verdict."""
    remarks: Mapping[str, tuple[Reason, ...]] = field(default_factory=dict)
    """What a path's final verdict will add in words, such as a rounded budget."""


def parse_meta(params: Json) -> Meta:
    """Read one call. Only a value that is no object is refused whole; a bad path is that path's verdict."""
    if not isinstance(params, dict):
        raise InvalidInput(Fault("$", "not_an_object", f"setMeta takes an object, not {excerpt(params)}"))
    call = _Reading()
    note: NoteMeta | None = None
    cards = {"contact": CardMeta(), "lead": CardMeta()}
    bot_params: Mapping[str, Json] = {}
    for key, value in params.items():
        match key:
            case "note":
                note = _read_note(call, value)
            case "contact" | "lead":
                cards[key] = _read_card(call, key, value)
            case "bot_params":
                bot_params = _read_bot_params(call, value)
            case _:
                call.ignore_key("", key)
    return Meta(
        note=note,
        contact=cards["contact"],
        lead=cards["lead"],
        bot_params=bot_params,
        settled=tuple(call.settled),
        paths=tuple(call.paths),
        remarks=call.remarks,
    )


class _Reading:
    """The paths of one call as they are met: settled here, or carried on to the cards."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.settled: list[PathVerdict] = []
        self.remarks: dict[str, tuple[Reason, ...]] = {}
        self.fields_left = MAX_FIELDS
        self.unknown_keys_left = MAX_NAMED

    def take(self, path: str, result: _T | PathVerdict) -> _T | None:
        """Note the path, and either its verdict or the value that is carried on."""
        self.paths.append(path)
        if isinstance(result, PathVerdict):
            self.settled.append(result)
            return None
        return result

    def settle(self, path: str, verdict: Verdict, *reasons: Reason) -> None:
        self.paths.append(path)
        self.settled.append(PathVerdict(path, verdict, reasons))

    def take_object(self, path: str, value: Json) -> Mapping[str, Json]:
        """An object whose parts have paths of their own; anything else is settled as a whole."""
        if isinstance(value, dict):
            return value
        if value is None:
            self.settle(path, Verdict.EMPTY)
        else:
            self.settle(path, Verdict.BAD_VALUE, Reason("not_an_object", {"value": excerpt(value)}))
        return {}

    def ignore_key(self, parent: str, key: str) -> None:
        """The page knows no such key. Beyond a sane number they share one path."""
        self.unknown_keys_left -= 1
        if self.unknown_keys_left >= 0:
            self.settle(_join(parent, key), Verdict.UNKNOWN_KEY, Reason("unknown_key", {"key": excerpt(key)}))
        elif self.unknown_keys_left == -1:
            self.settle("*", Verdict.UNKNOWN_KEY, Reason("many_unknown_keys", {"limit": str(MAX_NAMED)}))


def _join(parent: str, key: str) -> str:
    """The path of an unknown key, such that it can never be taken for a known one."""
    if _PLAIN_KEY.fullmatch(key):
        return f"{parent}.{key}" if parent else key
    return f"{parent}[{json.dumps(key)}]"


def _bad(path: str, reason: Reason) -> PathVerdict:
    return PathVerdict(path, Verdict.BAD_VALUE, (reason,))


def _limit(path: str, reason: Reason) -> PathVerdict:
    return PathVerdict(path, Verdict.LIMIT, (reason,))


def _read_note(call: _Reading, value: Json) -> NoteMeta | None:
    """The page: note[text], note[element_type], note[note_type]."""
    if not isinstance(value, dict):
        call.take_object("note", value)
        return None
    note = call.take("note", _read_note_parts(value))
    for key in value:
        if key not in ("text", "element_type", "note_type"):
            call.ignore_key("note", key)
    return note


def _read_note_parts(note: Mapping[str, Json]) -> NoteMeta | PathVerdict:
    given = note.get("text")
    if given is not None and not isinstance(given, str):
        return _bad("note", Reason("note_text_not_text", {"value": excerpt(given)}))
    text = clean_text(given or "")
    if not text:
        return PathVerdict("note", Verdict.EMPTY)
    if len(text) > MAX_NOTE:
        return _limit("note", Reason("too_long", {"limit": str(MAX_NOTE)}))
    entity = _find_note_card(note.get("element_type"))
    if entity is None:
        return _bad("note", Reason("element_type_unknown", {"value": excerpt(note["element_type"])}))
    return NoteMeta(text, entity, *read_note_type(note.get("note_type")))


def _find_note_card(element_type: Json) -> Entity | None:
    """The page: element_type 1 is the contact's card, 2 the lead's. Not told means the lead's."""
    if isinstance(element_type, bool):
        return None
    match element_type.strip() if isinstance(element_type, str) else element_type:
        case 1 | "1":
            return Entity.CONTACT
        case 2 | "2" | None | "":
            return Entity.LEAD
        case _:
            return None


def _read_card(call: _Reading, card: str, value: Json) -> CardMeta:
    """The page: contact[name], contact[custom_fields]; lead[name], lead[sale], lead[custom_fields]."""
    name: str | None = None
    sale: int | None = None
    fields: tuple[FieldMeta, ...] = ()
    parts = call.take_object(card, value)
    for key, item in parts.items():
        match key:
            case "name":
                name = call.take(f"{card}.name", _read_name(f"{card}.name", item))
            case "custom_fields":
                fields = _read_fields(call, f"{card}.custom_fields", item)
            case "sale" if card == "lead":
                sale = _read_sale(call, item)
            case "price" if card == "lead" and "sale" not in parts:
                sale = _read_sale(call, item)  # what API v4 calls the same thing
            case _:
                call.ignore_key(card, key)
    return CardMeta(name, sale, fields)


def _read_name(path: str, value: Json) -> str | PathVerdict:
    if value is not None and not isinstance(value, str):
        return _bad(path, Reason("not_text", {"value": excerpt(value)}))
    name = clean_name(value or "")
    if not name:
        return PathVerdict(path, Verdict.EMPTY)
    if len(name) > MAX_NAME:
        return _limit(path, Reason("too_long", {"limit": str(MAX_NAME)}))
    return name


def _read_sale(call: _Reading, value: Json) -> int | None:
    """The page: lead[sale] is the budget, a whole number. A fraction is rounded, and that is said."""
    number = call.take("lead.sale", _read_budget("lead.sale", value))
    if number is None:
        return None
    sale = round_half_up(number)
    if sale != number:
        call.remarks["lead.sale"] = (Reason("rounded", {"value": excerpt(value), "became": str(sale)}),)
    return sale


def _read_budget(path: str, value: Json) -> Decimal | PathVerdict:
    """Not negative; 0 says nothing, as an empty budget is 0."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return PathVerdict(path, Verdict.EMPTY)
    number = read_decimal(value)
    if number is None:
        return _bad(path, Reason("not_a_number", {"value": excerpt(value)}))
    if not 0 <= number <= MAX_SALE:
        return _bad(path, Reason("sale_out_of_range", {"value": excerpt(value), "limit": str(MAX_SALE)}))
    return number if round_half_up(number) else PathVerdict(path, Verdict.EMPTY)


def _read_fields(call: _Reading, path: str, value: Json) -> tuple[FieldMeta, ...]:
    """The page: custom_fields is an array of additional fields. An empty one asks for nothing."""
    entries = [] if value is None else as_array(value)
    if entries is None:
        call.settle(path, Verdict.BAD_VALUE, Reason("not_an_array", {"value": excerpt(value)}))
        return ()
    if value is None:
        call.settle(path, Verdict.EMPTY)
    found: list[FieldMeta] = []
    too_many = Reason("too_many_fields", {"limit": str(MAX_FIELDS)})
    for index, entry in entries[:MAX_NAMED]:
        place = f"{path}[{index}]"
        call.fields_left -= 1
        result = _limit(place, too_many) if call.fields_left < 0 else read_field(place, entry)
        if field_meta := call.take(place, result):
            found.append(field_meta)
    if len(entries) > MAX_NAMED:
        call.settle(f"{path}[{MAX_NAMED}:]", Verdict.LIMIT, too_many)
    return tuple(found)


def _read_bot_params(call: _Reading, value: Json) -> Mapping[str, Json]:
    """The page: any JSON object, passed on to Salesbot. Keys are taken in order while there is room."""
    params = call.take_object("bot_params", None if value == [] else value)
    taken: dict[str, Json] = {}
    room = BotParamsRoom()
    for key, item in islice(params.items(), MAX_NAMED):
        path = f"bot_params.{key}"
        if key in UNSAFE_KEYS:
            call.settle(path, Verdict.UNKNOWN_KEY, Reason("unsafe_key", {"key": key}))
        elif fault := room.take(key, item):
            call.settle(path, Verdict.LIMIT, fault)
        else:
            taken[key] = call.take(path, clean_json(item))
    if len(params) > MAX_NAMED:
        too_many = Reason("bot_params_keys", {"limit": str(MAX_BOT_KEYS)})
        call.settle(f"bot_params[{MAX_NAMED}:]", Verdict.LIMIT, too_many)
    return taken
