"""What a run wants done, done: each effect in the transaction that keeps the run's new state.

A value that cannot be used leaves a line in the run's log and nothing else: the
visitor never sees an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from knopka.db import bot_cards
from knopka.db import bots as db
from knopka.db import conversations as db_conversations
from knopka.db import crm as db_crm
from knopka.db import operators as db_operators
from knopka.db import tags as db_tags
from knopka.db.clock import to_ms
from knopka.db.database import Row, Transaction
from knopka.db.jobs import insert_job, set_timer
from knopka.domain.bot.effects import (
    Assign,
    CallOut,
    CloseTalk,
    Decide,
    Effect,
    Join,
    LookUp,
    MakeCards,
    MoveLead,
    Note,
    Say,
    SayElsewhere,
    SetSubscription,
    SetTimer,
    StartBot,
    Tag,
    TellOperators,
    Trace,
    Untag,
    WriteCard,
    WriteNote,
)
from knopka.domain.bot.payload import write_payload
from knopka.domain.bot.script import NewCard, NewField, ScriptButton
from knopka.domain.bot.setup import Bot, BotRun
from knopka.domain.bot.state import EndReason, Event, Found, RunState, Undelivered
from knopka.domain.catalog import Catalog, first_stage
from knopka.domain.conversation import BotAuthor, ConversationStatus
from knopka.domain.crm import IncomingState, NameOrigin
from knopka.domain.errors import Conflict, InvalidInput, NotFound
from knopka.domain.field_meta import RawValue
from knopka.domain.field_values import read_values
from knopka.domain.fields import CustomField, FieldType, FieldValue
from knopka.domain.messaging import Button, Channels
from knopka.domain.meta import MAX_NAME, MAX_NOTE, MAX_SALE, Entity
from knopka.domain.notes import COMMON, FROM_TEXT, note_params
from knopka.domain.numbers import read_decimal, round_half_up
from knopka.domain.phones import normalise_phone, region_of
from knopka.domain.text import clean_message, clean_name, clean_text
from knopka.services import bot_runs, cards, events
from knopka.services.bot_values import StoreValues, read_card
from knopka.services.catalog import ACCOUNT
from knopka.services.links import append_line
from knopka.services.speech import may_speak, speak
from knopka.services.texts import MAX_TEXT

CALL = "bot.http"
"""The kind of the job of a call that may do something at the other side."""
FETCH = "bot.get"
"""The kind of the job of a call that only asks, and may be made again in doubt."""
CALLS_A_MINUTE = 10
MAX_TAG = 255
MANY = frozenset({FieldType.MULTITEXT, FieldType.MULTISELECT})
"""Types of fields to which a value can be added."""

_QUICK = {
    "user_phone_number": ("Отправить номер телефона", "Share phone number"),
    "user_email": ("Отправить почту", "Share e-mail address"),
}


@dataclass(slots=True)
class Talk:
    """One step of one run, as far as it has come within its transaction."""

    bot: Bot
    run: BotRun
    held: Row
    catalog: Catalog
    channels: Channels
    now: datetime
    traces: list[Trace] = field(default_factory=list)
    feedback: list[Event] = field(default_factory=list)
    """What the effects brought about that the run is to know at once."""
    unsaid: EndReason | None = None
    """Why the visitor cannot be spoken to any more."""
    closes: bool = False
    """The conversation is put away when the run has ended."""
    successor: int | None = None
    """The bot that is to begin when the run has ended."""


class Hands:
    """Carries out the effects of one step, in their order."""

    def __init__(self, tx: Transaction, talk: Talk) -> None:
        self._tx = tx
        self._talk = talk
        self._run = talk.run
        self._catalog = talk.catalog
        self._now = talk.now
        self._holds_cards = False
        self._place: Trace | None = None

    @property
    def values(self) -> StoreValues:
        """What the store says now."""
        return StoreValues(self._tx, self._catalog, self._talk.held, self._now)

    def carry_out(self, effects: Iterable[Effect], state: RunState) -> None:
        """Do everything up to a message that cannot be said; the run is then told, and says nothing more."""
        before = self._talk.unsaid
        for effect in effects:
            self._do(effect, state)
            if self._talk.unsaid is not before:
                return

    def note(self, note: Note, detail: str = "") -> None:
        """A line of ours in the log, at the place of the handler before it."""
        place = self._place
        self._talk.traces.append(
            Trace(
                step=0 if place is None else place.step,
                block="error" if place is None else place.block,
                at=None if place is None else place.at,
                handler="" if place is None else place.handler,
                note=note,
                detail=detail[:200],
            )
        )

    def _do(self, effect: Effect, state: RunState) -> None:
        match effect:
            case Trace():
                self._place = effect
                self._talk.traces.append(effect)
            case Say():
                self._say(effect)
            case SayElsewhere():
                self._say_elsewhere(effect)
            case TellOperators():
                self._tell_operators(effect)
            case SetTimer(wait, at):
                self._set_timer(wait, at)
            case CallOut():
                self._call_out(effect)
            case LookUp():
                self._talk.feedback.append(self._look_up(effect))
            case CloseTalk():
                self._talk.closes = True
            case StartBot(bot):
                self._talk.successor = bot
            case _:
                self._write(effect, state)

    def _write(self, effect: Effect, state: RunState) -> None:
        """Effects on cards. They are held in the order of everybody: conversations, contact, lead."""
        if self._talk.held["lead_id"] is None or self._talk.held["contact_id"] is None:
            self.note(Note.NOT_THERE)
            return
        self._hold_cards()
        match effect:
            case WriteCard():
                self._write_card(effect)
            case Tag(entity, value):
                self._tag(entity, self._id_of(entity), value)
            case Untag(entity, values):
                for value in values:
                    db_tags.remove_tag(self._tx, ACCOUNT, entity, self._id_of(entity), clean_name(value))
            case WriteNote():
                self._write_note(effect)
            case MoveLead():
                self._move_lead(effect, state)
            case Decide(accept):
                self._decide(accept)
            case Assign():
                self._assign(effect)
            case SetSubscription():
                self._subscribe(effect)
            case MakeCards(lead, contact):
                self._make_cards(lead, contact)
            case Join():
                self._join(effect)
            case _:
                raise NotImplementedError(f"an effect that nobody carries out: {effect!r}")
        events.publish_card(self._tx, ACCOUNT, self._talk.held["lead_id"])

    def _hold_cards(self) -> None:
        if not self._holds_cards:
            self._holds_cards = True
            db_conversations.touch_of_lead(self._tx, ACCOUNT, self._talk.held["lead_id"], self._now)
            db_crm.lock_contact(self._tx, ACCOUNT, self._talk.held["contact_id"])
            db_crm.lock_lead(self._tx, ACCOUNT, self._talk.held["lead_id"])

    def _id_of(self, entity: Entity) -> int:
        return int(self._talk.held["contact_id" if entity is Entity.CONTACT else "lead_id"])

    # --- Words.

    def _say(self, effect: Say) -> None:
        if self._talk.unsaid is not None:
            return
        reason = may_speak(self._talk.held, self._talk.channels, self._now)
        if reason is not None:
            self._talk.unsaid = reason
            self._talk.feedback.append(Undelivered(reason.value, message=effect.number))
            return
        self._speak(self._talk.held, effect.text, self._buttons(effect), effect.number)

    def _speak(self, held: Row, text: str, buttons: Sequence[Sequence[Button]], number: int) -> None:
        text = clean_message(text)[:MAX_TEXT]
        if not text:
            self.note(Note.EMPTY_VALUE)
            return
        message = speak(
            self._tx,
            held,
            key=bot_runs.message_key(self._run.id, number),
            text=text,
            buttons=buttons,
            author=BotAuthor(self._talk.bot.id, self._talk.bot.name),
            channels=self._talk.channels,
            now=self._now,
        )
        if held["id"] == self._talk.held["id"]:
            self._run = self._talk.run = replace(self._talk.run, said_seq=message.seq)

    def _buttons(self, effect: Say) -> list[list[Button]]:
        rows = self._rows(effect.buttons, effect.wait)
        is_russian = self._catalog.account.locale.startswith("ru")
        for name in effect.quick_replies:
            label = _QUICK[name][0 if is_russian else 1]
            rows.append(
                [Button(label, asks_phone=name == "user_phone_number", asks_email=name == "user_email")]
            )
        return rows

    def _rows(self, buttons: Sequence[ScriptButton], wait: int) -> list[list[Button]]:
        """One button a row. Its place among them all is its option, links included."""
        return [
            [Button(button.text, url=button.url)]
            if button.url
            else [Button(button.text, payload=write_payload(self._run.id, wait, option))]
            for option, button in enumerate(buttons)
        ]

    def _say_elsewhere(self, effect: SayElsewhere) -> None:
        """In other conversations of the lead's contacts, the one with the newest message first."""
        found = [
            held
            for held in self._list_talks(effect)
            if may_speak(held, self._talk.channels, self._now) is None
            and (not effect.channels or held["channel_id"] in effect.channels)
        ]
        chosen = {"over_all": found, "any_first": found[:1], "last_active": found[:1]}[effect.way]
        if not chosen:
            self.note(Note.NO_RECIPIENT)
            self._talk.feedback.append(Undelivered("no_recipient", message=effect.number))
        for held in chosen:
            buttons = [[Button(button.text, url=button.url)] for button in effect.buttons]
            self._speak(held, effect.text, buttons, effect.number)

    def _list_talks(self, effect: SayElsewhere) -> list[Row]:
        lead_id = self._talk.held["lead_id"]
        if lead_id is None:
            return []
        lead_ids = [lead_id]
        if effect.recipient == "all_contacts":
            for contact_id in db_tags.list_joined(self._tx, ACCOUNT, lead_id):
                lead_ids += db_crm.list_lead_ids(self._tx, ACCOUNT, contact_id)[:1]
        return [
            held
            for number in lead_ids
            for held in db.list_latest_of_lead(self._tx, ACCOUNT, number, bot_runs.MOST_TALKS)
        ]

    def _tell_operators(self, effect: TellOperators) -> None:
        """A line that no visitor sees, with whom it is for."""
        held = db_conversations.lock_conversation(self._tx, ACCOUNT, self._talk.held["id"])
        text = clean_message(effect.text)[:MAX_TEXT]
        if held is None or not text:
            return
        line = {"kind": "bot_told", "text": text, "bot": self._talk.bot.name}
        if effect.group_id is not None:
            line["group_id"] = str(effect.group_id)
        if effect.user_id is not None:
            line["user_id"] = str(effect.user_id)
        key = f"bot:{self._run.id}:told:{self._run.lines + len(self._talk.traces)}"
        message = append_line(self._tx, held, line, key=key, now=self._now)
        events.publish_conversation(self._tx, ACCOUNT, held["id"], message)

    # --- Waits and calls.

    def _set_timer(self, wait: int, at: datetime) -> None:
        conversation_id = self._talk.held["id"]
        payload = bot_runs.job_payload(conversation_id, self._run.id, {"type": "timer", "wait": wait})
        set_timer(self._tx, ACCOUNT, bot_runs.WAKE, bot_runs.lane(conversation_id), payload, at)

    def _call_out(self, effect: CallOut) -> None:
        """Promise the call, ten a minute at most; its end comes back as an event of the run."""
        since = to_ms(self._now - timedelta(minutes=1))
        recent = tuple(at for at in self._run.calls if at > since)
        conversation_id = self._talk.held["id"]
        if len(recent) >= CALLS_A_MINUTE:
            failed = {"type": "called", "wait": effect.wait, "error": "too_many_calls"}
            bot_runs.promise(self._tx, conversation_id, self._run.id, failed)
            return
        self._run = self._talk.run = replace(self._talk.run, calls=(*recent, to_ms(self._now)))
        payload = {
            "conversation": conversation_id,
            "run": self._run.id,
            "bot": self._talk.bot.id,
            "wait": effect.wait,
            "is_widget": effect.is_widget,
            "method": effect.method,
            "url": effect.url,
            "data": effect.data,
            "headers": dict(effect.headers),
            "lead": self._talk.held["lead_id"],
        }
        kind = FETCH if effect.method == "GET" else CALL
        insert_job(self._tx, ACCOUNT, f"bot-http:{self._run.id}", kind, payload)

    def _look_up(self, effect: LookUp) -> Found:
        entity = Entity.LEAD if effect.kind == "external_lead" else Entity.CONTACT
        card_id = self._find_card(entity, effect)
        card = None if card_id is None else read_card(self._tx, self._catalog, entity, card_id)
        return Found(effect.wait, card)

    def _find_card(self, entity: Entity, effect: LookUp) -> int | None:
        """The newest other card with the value, among the newest of all."""
        own = self._talk.held["lead_id" if entity is Entity.LEAD else "contact_id"]
        if effect.by == "name":
            name = effect.value.casefold()
            found = (
                number
                for number, known in bot_cards.list_names(self._tx, ACCOUNT, entity)
                if known.casefold() == name
            )
        else:
            codes = {"phone": "PHONE", "email": "EMAIL"}
            code = codes.get(effect.by)
            known_field = (
                self._catalog.fields.get(effect.field_id or 0)
                if code is None
                else self._catalog.by_code.get((entity, code))
            )
            if known_field is None or known_field.entity is not entity:
                self.note(Note.NOT_THERE, str(effect.field_id or effect.by))
                return None
            fits = self._make_test(known_field, effect.value)
            values = bot_cards.list_values(self._tx, ACCOUNT, entity, known_field.id)
            found = (number for number, items in values if any(map(fits, items)))
        return next((number for number in found if number != own), None)

    def _make_test(self, known: CustomField, wanted: str) -> Callable[[Mapping[str, Any]], bool]:
        folded = wanted.strip().casefold()
        region = region_of(self._catalog.account.currency)
        normal = normalise_phone(wanted, region) if known.code == "PHONE" else None

        def fits(item: Mapping[str, Any]) -> bool:
            if normal is not None and item.get("normal") == normal:
                return True
            return folded in (str(item.get("value", "")).casefold(), str(item.get("enum_id", "")))

        return fits

    # --- Cards.

    def _write_card(self, effect: WriteCard) -> None:
        match effect.target:
            case "name":
                self._rename(effect)
            case "price":
                self._set_price(effect)
            case _:
                found = self._find_field(effect.entity, effect.target)
                if found is None:
                    self.note(Note.NOT_THERE, str(effect.target))
                else:
                    self._write_field(effect.entity, self._id_of(effect.entity), found, effect)

    def _find_field(self, entity: Entity, target: int | str) -> CustomField | None:
        if isinstance(target, str):
            return self._catalog.by_code.get((entity, target))
        found = self._catalog.fields.get(target)
        return found if found is not None and found.entity is entity else None

    def _rename(self, effect: WriteCard) -> None:
        name = clean_name(effect.value)[:MAX_NAME]
        if not name:
            self.note(Note.EMPTY_VALUE)
            return
        card_id = self._id_of(effect.entity)
        db_crm.rename(self._tx, ACCOUNT, effect.entity, card_id, name, NameOrigin.BOT, self._now)
        events.publish_conversations(self._tx, ACCOUNT, self._talk.held["lead_id"])

    def _set_price(self, effect: WriteCard) -> None:
        number = read_decimal(effect.value)
        price = None if number is None else round_half_up(number)
        if price is None or not 0 <= price <= MAX_SALE:
            self.note(Note.BAD_VALUE, effect.value)
        else:
            db_crm.set_price(self._tx, ACCOUNT, self._id_of(Entity.LEAD), price, self._now)

    def _write_field(
        self, entity: Entity, card_id: int, known: CustomField, wanted: WriteCard | NewField
    ) -> None:
        """Write over what stands there; with `add`, beside it."""
        if not wanted.value.strip() and not wanted.enum:
            value: FieldValue | None = FieldValue(known.id, ())
        else:
            value = self._read(known, wanted.value, wanted.enum)
        if value is None:
            return
        if isinstance(wanted, WriteCard) and wanted.add and known.type in MANY:
            value = FieldValue(known.id, self._with_new(entity, card_id, known, value))
        bot_cards.set_field(self._tx, ACCOUNT, entity, card_id, value, self._now, origin=NameOrigin.BOT)
        db_crm.touch_card(self._tx, ACCOUNT, entity, card_id, self._now)

    def _read(self, known: CustomField, value: str, enum: str) -> FieldValue | None:
        """The value as the field takes it; what it does not take is told in the log."""
        account = self._catalog.account
        parsed = read_values(
            replace(known, is_page_writable=True),
            (RawValue(clean_text(value) or None, enum or None),),
            region=region_of(account.currency),
            timezone=account.timezone,
        )
        if parsed.value is None:
            self.note(Note.BAD_VALUE, ", ".join(reason.code for reason in parsed.reasons) or value)
        return parsed.value

    def _with_new(
        self, entity: Entity, card_id: int, known: CustomField, value: FieldValue
    ) -> tuple[Mapping[str, Any], ...]:
        """What stands there, and of the new values those that do not stand there yet."""
        held = db_crm.list_values(self._tx, ACCOUNT, entity, card_id)
        before = next((one.items for one in held if one.field_id == known.id), ())
        known_values = {_same(item) for item in before}
        return (*before, *(item for item in value.items if _same(item) not in known_values))

    def _tag(self, entity: Entity, card_id: int, value: str) -> None:
        name = clean_name(value)[:MAX_TAG]
        if name:
            db_tags.add_tag(self._tx, ACCOUNT, entity, card_id, name)
        else:
            self.note(Note.EMPTY_VALUE)

    def _write_note(self, effect: WriteNote) -> None:
        text = clean_message(effect.text)[:MAX_NOTE]
        if not text:
            self.note(Note.EMPTY_VALUE)
            return
        note_type = effect.note_type if effect.note_type in FROM_TEXT else COMMON
        phone = self.values.find(("contact", "phone")) if note_type.startswith("sms_") else ""
        params = note_params(note_type, text, service=self._talk.bot.name, phone=str(phone or ""))
        db_crm.append_note(
            self._tx,
            ACCOUNT,
            effect.entity,
            self._id_of(effect.entity),
            note_type,
            {**params, "bot": self._talk.bot.name},
            created_by=0,
            now=self._now,
        )

    def _move_lead(self, effect: MoveLead, state: RunState) -> None:
        lead_id: int | None = self._id_of(Entity.LEAD)
        if effect.of_double:
            lead_id = self._find_lead_of_double(state)
        if lead_id is None:
            self.note(Note.NOT_THERE)
            return
        try:
            cards.move_lead(
                self._tx, self._catalog, 0, lead_id, effect.status_id, by_run=self._run.id, now=self._now
            )
        except (InvalidInput, NotFound):
            self.note(Note.NOT_THERE, str(effect.status_id))

    def _find_lead_of_double(self, state: RunState) -> int | None:
        double = state.variables.get("contact_double")
        contact_id = double.get("id") if isinstance(double, Mapping) else None
        lead = db_crm.find_open_lead(self._tx, ACCOUNT, contact_id) if isinstance(contact_id, int) else None
        return None if lead is None else lead.id

    def _decide(self, accept: bool) -> None:
        """An unsorted lead alone is decided; of any other it was decided before."""
        incoming = db_crm.find_incoming_lead_of(self._tx, ACCOUNT, self._id_of(Entity.LEAD))
        if incoming is None or incoming.state is not IncomingState.UNSORTED:
            return
        key = f"bot:{self._run.id}"
        try:
            if accept:
                cards.accept(
                    self._tx, self._catalog, 0, incoming.uid, key, by_run=self._run.id, now=self._now
                )
            else:
                cards.decline(self._tx, 0, incoming.uid, key, by_run=self._run.id, now=self._now)
        except (Conflict, InvalidInput):
            self.note(Note.NOT_THERE)

    def _assign(self, effect: Assign) -> None:
        operator = db_operators.find_operator(self._tx, ACCOUNT, effect.user_id)
        if operator is None or not operator.is_enabled:
            self.note(Note.NOT_THERE, str(effect.user_id))
            return
        for entity in (Entity.CONTACT, Entity.LEAD) if effect.entity is None else (effect.entity,):
            db_tags.assign(self._tx, ACCOUNT, entity, self._id_of(entity), operator.id, self._now)

    def _subscribe(self, effect: SetSubscription) -> None:
        kind = "group" if effect.type == "group" else "user"
        known = [int(one.id) for one in db_operators.list_enabled(self._tx, ACCOUNT)]
        wanted = known if effect.type == "all" else [effect.id]
        for number in wanted:
            if number is None or (kind == "user" and number not in known):
                self.note(Note.NOT_THERE, str(number))
            else:
                db_tags.set_subscription(
                    self._tx,
                    ACCOUNT,
                    effect.entity,
                    self._id_of(effect.entity),
                    kind,
                    number,
                    is_on=effect.is_on,
                )

    def _make_cards(self, lead: NewCard, contact: NewCard) -> None:
        """A contact and a lead of their own, beside those of the conversation."""
        made = cards.make_pair(
            self._tx,
            self._catalog,
            source_id=self._talk.held["source_id"],
            stage=self._find_stage(lead.status_id),
            now=self._now,
        )
        for entity, card, card_id in (
            (Entity.CONTACT, contact, made.contact_id),
            (Entity.LEAD, lead, made.id),
        ):
            self._fill_new(entity, card_id, card)
        price = read_decimal(lead.price)
        if price is not None and 0 <= round_half_up(price) <= MAX_SALE:
            db_crm.set_price(self._tx, ACCOUNT, made.id, round_half_up(price), self._now)
        elif lead.price.strip():
            self.note(Note.BAD_VALUE, lead.price)

    def _find_stage(self, status_id: str) -> tuple[int, int]:
        """The stage that a script names, else the first usual one of the main pipeline."""
        for pipeline in self._catalog.pipelines:
            for status in pipeline.statuses:
                if str(status.id) == status_id.strip():
                    return pipeline.id, status.id
        if status_id.strip():
            self.note(Note.NOT_THERE, status_id)
        main = self._catalog.main_pipeline
        return main.id, first_stage(main).id

    def _fill_new(self, entity: Entity, card_id: int, card: NewCard) -> None:
        name = clean_name(card.name)[:MAX_NAME]
        if name:
            db_crm.rename(self._tx, ACCOUNT, entity, card_id, name, NameOrigin.BOT, self._now)
        for tag in card.tags:
            self._tag(entity, card_id, tag)
        for wanted in card.fields:
            known = self._find_field(entity, wanted.field_id)
            if known is None:
                self.note(Note.NOT_THERE, str(wanted.field_id))
            elif wanted.value.strip() or wanted.enum:
                self._write_field(entity, card_id, known, wanted)
        user = card.responsible_user_id.strip()
        operator = (
            db_operators.find_operator(self._tx, ACCOUNT, int(user))
            if user.isascii() and user.isdecimal() and len(user) < 19
            else None
        )
        if operator is not None and operator.is_enabled:
            db_tags.assign(self._tx, ACCOUNT, entity, card_id, operator.id, self._now)
        elif user:
            self.note(Note.NOT_THERE, user)

    def _join(self, effect: Join) -> None:
        own = self._id_of(effect.from_entity)
        ids = {effect.from_entity: effect.from_id or own, effect.to_entity: effect.to_id}
        lead_id, contact_id = ids.get(Entity.LEAD), ids.get(Entity.CONTACT)
        if (
            lead_id is None
            or contact_id is None
            or db_crm.find_lead(self._tx, ACCOUNT, lead_id) is None
            or db_crm.find_contact(self._tx, ACCOUNT, contact_id) is None
        ):
            self.note(Note.NOT_THERE, str(effect.to_id))
        else:
            db_tags.join_contact(self._tx, ACCOUNT, lead_id, contact_id)

    # --- The end.

    def finish(self, successor_of: Sequence[Bot]) -> None:
        """The run has ended: put the conversation away, or let another bot begin."""
        held = db_conversations.lock_conversation(self._tx, ACCOUNT, self._talk.held["id"])
        if held is None:
            return
        if self._talk.closes:
            db_conversations.set_status(self._tx, held, ConversationStatus.CLOSED, self._now)
            self._start_nps(held, successor_of)
        elif self._talk.successor is not None:
            bot = next((one for one in successor_of if one.id == self._talk.successor), None)
            if bot is None or bot_runs.start(self._tx, bot, held, "bot", now=self._now) is None:
                self.note(Note.NOT_STARTED, str(self._talk.successor))
        events.publish_conversation(self._tx, ACCOUNT, held["id"], None)

    def _start_nps(self, held: Row, bots: Sequence[Bot]) -> None:
        """amoCRM: closing a talk outside an NPS bot starts the NPS bot."""
        if self._talk.bot.settings.is_nps:
            return
        found = bot_runs.pick_nps(bots, held)
        if found is not None:
            bot_runs.start(self._tx, found, held, "nps", now=self._now)


def _same(item: Mapping[str, Any]) -> str:
    """What makes two values of a field the same one."""
    return str(item.get("normal") or item.get("value")).casefold()
