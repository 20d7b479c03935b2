"""A run with everything that it was given and heard, read for playing it once more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from knopka.db import conversations as db_conversations
from knopka.db.database import Row, Transaction
from knopka.domain.bot.markers import Json
from knopka.domain.bot.rehearsal import Card, Stage
from knopka.domain.bot.replay import Recording
from knopka.domain.bot.setup import BotRun, LogLine
from knopka.domain.bot.state_json import read_state
from knopka.domain.catalog import Catalog
from knopka.domain.conversation import Message
from knopka.domain.messaging import Direction
from knopka.domain.meta import Entity
from knopka.domain.numbers import read_decimal
from knopka.domain.phones import region_of
from knopka.services.bot_runs import read_message_key
from knopka.services.bot_values import read_card
from knopka.services.bots import get_run
from knopka.services.catalog import ACCOUNT, load_catalog

PAGE = 500
"""Messages that are read at once."""

_FOUND = {
    "contact_double": Entity.CONTACT,
    "external_contact": Entity.CONTACT,
    "external_lead": Entity.LEAD,
}


def read_recording(tx: Transaction, run_id: int) -> tuple[BotRun, Recording]:
    """The run, and what it takes to play it once more. Raises NotFound.

    Cards are as they are now, but with each value that the run has seen as it
    saw it first; bot_params are those of the run's last step.
    """
    found = get_run(tx, run_id)
    run, catalog = found.run, load_catalog(tx)
    state = read_state(run.state)
    held = db_conversations.find_row(tx, ACCOUNT, run.conversation_id)
    messages = [] if held is None else list(_list_messages(tx, held, run.ended_at))
    opening, words = _split(messages, run.started_at)
    recording = Recording(
        started_at=run.started_at,
        stage=_read_stage(tx, catalog, run, found.lines, "" if held is None else held["channel"]),
        bot_params=state.bot_params,
        opening=opening,
        words=words,
        said=[message.text for message in messages if _is_of(message, run)],
        lines=found.lines,
        json=state.variables.get("json"),
        ended=run.reason,
        waits=run.wait,
    )
    others = [
        (entity, _make_card(card, {}))
        for name, entity in _FOUND.items()
        if (card := state.variables.get(name))
    ]
    return run, replace(recording, stage=replace(recording.stage, others=tuple(others)))


# --- Messages


def _list_messages(tx: Transaction, held: Row, until: datetime | None) -> Iterator[Message]:
    after = 0
    while True:
        page = db_conversations.list_messages(tx, held, after=after, before=None, limit=PAGE)
        for message in page:
            if until is not None and message.created_at > until:
                return
            yield message
        if len(page) < PAGE:
            return
        after = page[-1].seq


def _split(messages: Iterable[Message], started_at: datetime) -> tuple[str | None, list[str | None]]:
    """What the visitor had written when the run began, and what he wrote from then on."""
    heard = [message for message in messages if message.direction is Direction.IN]
    before = [message for message in heard if message.created_at < started_at]
    later = heard[len(before) :]
    if later and later[0].created_at == started_at:  # it has started the run
        return later[0].text, [_words_of(message) for message in later[1:]]
    return before[-1].text if before else None, [_words_of(message) for message in later]


def _words_of(message: Message) -> str | None:
    is_changed = message.edited_at is not None or message.deleted_at is not None
    return None if is_changed else message.text


def _is_of(message: Message, run: BotRun) -> bool:
    named = None if message.bot is None else read_message_key(message.key)
    return named is not None and named[0] == run.id


# --- Cards


def _read_stage(
    tx: Transaction, catalog: Catalog, run: BotRun, lines: Sequence[LogLine], channel: str
) -> Stage:
    seen = _first_seen(lines)
    cards = {
        entity: _fill_codes(catalog, entity, {} if number is None else read_card(tx, catalog, entity, number))
        for entity, number in ((Entity.CONTACT, run.contact_id), (Entity.LEAD, run.lead_id))
    }
    return Stage(
        contact=_make_card(cards[Entity.CONTACT], _of_card(seen, "contact")),
        lead=_make_card(cards[Entity.LEAD], _of_card(seen, "lead")),
        channel=channel or "onsite",
        region=region_of(catalog.account.currency) or "",
    )


def _first_seen(lines: Iterable[LogLine]) -> dict[str, str]:
    """Each marker's value as a handler saw it first; long ones are cut in the log, and left out."""
    seen: dict[str, str] = {}
    for line in lines:
        for name, value in line.line["seen"].items():
            if not value.endswith("…"):
                seen.setdefault(name, value)
    return seen


def _of_card(seen: Mapping[str, str], card: str) -> dict[str, str]:
    return {
        name.removeprefix(f"{card}."): value for name, value in seen.items() if name.startswith(f"{card}.")
    }


def _fill_codes(catalog: Catalog, entity: Entity, card: dict[str, Json]) -> dict[str, Json]:
    """A field that has a code stands under it as well: scripts name it in both ways."""
    fields = dict(card.get("cf") or {})
    for (of_entity, code), field in catalog.by_code.items():
        if of_entity is entity and str(field.id) in fields:
            fields[code] = fields[str(field.id)]
    return {**card, "cf": fields}


def _make_card(shown: Mapping[str, Json], seen: Mapping[str, str]) -> Card:
    """The card out of what markers read, with what was seen in place of what is there now."""
    now = {**shown, **{name: value for name, value in seen.items() if name in ("name", "phone", "email")}}
    fields = dict(shown.get("cf") or {})
    fields |= {name.removeprefix("cf."): value for name, value in seen.items() if name.startswith("cf.")}
    fields |= {code: now[key] for key, code in (("phone", "PHONE"), ("email", "EMAIL")) if key in now}
    price = read_decimal(seen.get("price", "")) if "price" in seen else None
    return Card(
        id=shown.get("id") or 0,
        name=now.get("name") or "",
        fields={name: value for name, value in fields.items() if value not in (None, "")},
        tags=tuple(shown.get("tags") or ()),
        responsible=shown.get("responsible") or {},
        price=int(shown.get("price") or 0) if price is None else int(price),
        status_id=_number(seen.get("status_id"), shown.get("status_id")),
        pipeline_id=_number(seen.get("pipeline_id"), shown.get("pipeline_id")),
        source_id=shown.get("source_id"),
    )


def _number(seen: str | None, now: Json) -> int | None:
    return int(seen) if seen and seen.isascii() and seen.isdecimal() else now
