"""What messengers tell us: kept at once with its identity, worked later from its row, in order per chat."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from knopka.db import attachments as db_attachments
from knopka.db import channels as db
from knopka.db import conversations as db_conversations
from knopka.db import crm as db_crm
from knopka.db import outbox as db_outbox
from knopka.db import visitors as db_visitors
from knopka.db.clock import EPOCH, to_ms
from knopka.db.database import Row, Transaction
from knopka.db.jobs import insert_job
from knopka.domain.bot.payload import Pressed
from knopka.domain.bot.state import EndReason
from knopka.domain.catalog import Catalog, ChannelSetup
from knopka.domain.conversation import AnswerWindow, ConversationStatus, Message
from knopka.domain.crm import ContactId, Lead, NameOrigin
from knopka.domain.errors import NotYet
from knopka.domain.field_meta import RawValue
from knopka.domain.field_values import read_values
from knopka.domain.incoming import bound_event
from knopka.domain.messaging import (
    AttachmentKind,
    Capabilities,
    ChannelEvent,
    Channels,
    Direction,
    EventKind,
    Finding,
    InAttachment,
    Level,
    MessageState,
    Profile,
    split_short,
)
from knopka.domain.meta import MAX_NAME, Entity
from knopka.domain.phones import region_of
from knopka.domain.text import clean_message, clean_name
from knopka.domain.visitor import Source
from knopka.services import bot_runs, early, events, opening
from knopka.services.catalog import ACCOUNT, load_catalog
from knopka.services.jobs import share_of
from knopka.services.links import (
    Brought,
    append_line,
    bind_brought,
    bring_code,
    chat_token,
    settle_lead,
)
from knopka.services.outbox import chore_kind, end_part, judge_message
from knopka.services.presses import read_press
from knopka.services.repeats import hash_body
from knopka.services.texts import MAX_TEXT

KEPT_NOWHERE = (EventKind.TYPING, EventKind.CHALLENGE)
MOST_TRIES = 5
"""After so many failures an event goes to the dead letters, and the chat goes on (S-HOOK-06)."""

CLOSED_PAUSE = 30.0
"""Seconds after which an event looks again whether its channel can be had."""

MAX_LABEL = 255
MOST_FILES = 10
MOST_ATTACHMENTS = 20
"""How much of what comes with one message is fetched, and how much is kept at all (security.md §4)."""

GetCatalog = Callable[[], Catalog]


@dataclass(frozen=True, slots=True)
class Accepted:
    """How many of the events were new, and how many of those nobody knows the kind of."""

    new: int
    unknown: int


def accept_updates(
    tx: Transaction, channel: ChannelSetup, came: Sequence[ChannelEvent], *, now: datetime
) -> Accepted:
    """Keep the events of one webhook, each once (S-HOOK-05), and promise their work."""
    new = unknown = 0
    for event in map(bound_event, came):
        if event.kind is EventKind.TYPING:
            _tell_typing(tx, channel, event)
        if event.kind in KEPT_NOWHERE:
            continue
        identity = hashlib.sha256(event.event_id.encode(errors="replace")).hexdigest()
        row_id = db.insert_event(tx, ACCOUNT, channel.id, identity, event, now)
        if row_id is None:
            continue
        new += 1
        if event.kind is EventKind.OTHER:
            unknown += 1
        else:
            early.promise_event(tx, channel.id, event.chat_id, row_id)
    return Accepted(new, unknown)


def _tell_typing(tx: Transaction, channel: ChannelSetup, event: ChannelEvent) -> None:
    """Worth nothing a moment later, so it is passed on and never kept."""
    visitor = db_visitors.find_visitor_by_token(tx, ACCOUNT, chat_token(channel.id, event.chat_id))
    if visitor is None:
        return
    row = db_conversations.find_row_of_visitor(tx, ACCOUNT, visitor["id"], channel.kind)
    if row is not None:
        tx.publish(f"account:{ACCOUNT}", {"type": "typing", "conversation_id": row["id"]})


def take_event(
    tx: Transaction, payload: Mapping[str, Any], *, channels: Channels, catalog: GetCatalog, now: datetime
) -> None:
    """Work off one event that was kept: a job of the kind `early.EVENT_JOB`.

    What is in memory may be a moment old. Another process may have added the
    channel, or the button that shows it, so what memory does not know is read;
    and a channel that cannot be had yet is asked for again, which holds up its
    own chat alone.
    """
    event = db.find_event(tx, ACCOUNT, payload["event"])
    if event is None:
        return
    known = catalog()
    setup = known.channels.get(payload["channel"])
    if setup is None or known.source_of(setup) is None:
        known = load_catalog(tx)
        setup = known.channels.get(payload["channel"])
    if setup is None:
        db.append_log(tx, ACCOUNT, payload["channel"], Finding(Level.WARNING, "came_after_removal"), now)
        return
    channel = channels.find(setup.id)
    if channel is None:
        raise NotYet("The channel is switched off or cannot be opened at the moment.", CLOSED_PAUSE)
    _Taker(tx, known, setup, channel.caps, event, payload["event"], now).take()


def _read_time(event: ChannelEvent, now: datetime) -> datetime | None:
    """When it happened by the platform's clock, which may tell nothing and may be fast: no later than now.

    A press on a button carries the time of the message that the button stands under.
    """
    return None if event.at <= EPOCH or event.kind is EventKind.CALLBACK else min(event.at, now)


class _Taker:
    """One event on its way into a conversation."""

    def __init__(
        self,
        tx: Transaction,
        catalog: Catalog,
        channel: ChannelSetup,
        caps: Capabilities,
        event: ChannelEvent,
        event_id: int,
        now: datetime,
    ) -> None:
        self._tx = tx
        self._catalog = catalog
        self._channel = channel
        self._caps = caps
        self._event = event
        self._event_id = event_id
        self._now = now
        self._told_at = _read_time(event, now)
        self._key = hashlib.sha256(event.event_id.encode(errors="replace")).hexdigest()

    def take(self) -> None:
        match self._event.kind:
            case EventKind.OPENED | EventKind.MESSAGE | EventKind.CALLBACK:
                self._take_word()
            case EventKind.EDITED:
                self._take_edit()
            case EventKind.DELETED:
                self._take_deletion()
            case EventKind.DELIVERED | EventKind.READ:
                self._take_mark()
            case EventKind.FAILED:
                self._take_failure()
            case EventKind.BLOCKED | EventKind.UNBLOCKED:
                self._take_block()
            case EventKind.ECHO:
                self._take_echo()
            case EventKind.TYPING | EventKind.CHALLENGE | EventKind.OTHER:
                pass

    # --- The person opens the chat, writes, or presses a button.

    def _take_word(self) -> None:
        event = self._event
        text, short = split_short(event.text)
        brought = bring_code(self._tx, self._channel, event.chat_id, event.code, short, now=self._now)
        if not event.may_answer:
            return  # a chat that was only opened: what it brought is kept until the person writes
        source = self._source_of(brought)
        if source is None:
            self._log(Finding(Level.WARNING, "no_button"))
            return
        visitor = db_visitors.touch_visitor(
            self._tx, source, chat_token(self._channel.id, event.chat_id), self._now
        )
        held = db_conversations.touch_conversation(
            self._tx,
            self._source_with(visitor),
            visitor["id"],
            self._channel.kind,
            brought.page_url,
            self._now,
            channel_id=self._channel.id,
            chat_id=event.chat_id,
            is_visit_unknown=not brought.visits,
        )
        press = read_press(self._tx, held, event.payload, text)
        text = press.label
        is_new = held["last_seq"] == 0
        lead = opening.find_lead(self._tx, held)
        if lead is not None and brought.visit is not None and held["is_visit_unknown"]:
            lead = settle_lead(self._tx, source, brought.visit, visitor, held)
        known = lead
        lead = known or opening.open_lead(
            self._tx, self._catalog, source, visitor, brought.visit, held, text, brought.page_url, self._now
        )
        held = self._bind(brought, visitor, held, lead)
        message = self._append(held, brought, text, press.pressed)
        self._set_reach(held)
        if is_new:
            self._meet(lead)
        if message is not None:
            self._fill_phone(lead.contact_id)
        if message is not None and message.seq > held["last_seq"]:
            bot_runs.notice_message(
                self._tx,
                self._catalog,
                held,
                message,
                is_first=is_new,
                opens_lead=known is None and lead.created_at == self._now,
                is_visit_to_come=event.code is not None and held["visit_id"] is None,
                now=self._now,
            )
        if event.kind is EventKind.CALLBACK:
            answered = {"event_id": event.event_id, "message_id": event.message_id, "user_id": event.user_id}
            self._promise("callback", {**answered, "at": event.at.isoformat()})
        shown = None if message is None else db_conversations.find_message_by_id(self._tx, held, message.id)
        events.publish_conversation(self._tx, ACCOUNT, held["id"], shown)

    def _source_of(self, brought: Brought) -> Source | None:
        """The button of the visit, else the first one that shows the channel."""
        if brought.visit is not None:
            return self._catalog.get_source(brought.visit.source_id)
        return self._catalog.source_of(self._channel)

    def _source_with(self, visitor: Row) -> Source:
        return self._catalog.get_source(visitor["source_id"])

    def _bind(self, brought: Brought, visitor: Row, held: Row, lead: Lead) -> Row:
        """Put the conversation, and the visits that were brought, on the lead's cards."""
        is_known = held["visit_id"] is not None or bool(brought.visits)
        changed = {
            "contact_id": lead.contact_id,
            "lead_id": lead.id,
            "visit_id": held["visit_id"] if brought.visit is None else brought.visit.id,
        }
        if is_known and held["is_visit_unknown"] and changed["visit_id"] is not None:
            db_conversations.move_to_lead(self._tx, held, **changed, now=self._now)
        bind_brought(self._tx, self._catalog, brought, visitor_id=visitor["id"], lead=lead, now=self._now)
        return {**held, **changed}

    def _append(self, held: Row, brought: Brought, text: str, pressed: Pressed | None) -> Message | None:
        """The line that tells where the chat was opened from, and the person's words if there are any."""
        event = self._event
        is_new_start = event.start != "" and event.start != db_conversations.find_start(self._tx, held)
        if event.kind is EventKind.OPENED or brought.visits or is_new_start:
            told = {"kind": "opened", "page_url": brought.page_url, "page_title": brought.page_title}
            line = append_line(
                self._tx,
                held,
                told | ({"start": event.start} if event.start else {}),
                key=f"opened:{self._key}",
                now=self._now,
            )
            if event.kind is EventKind.OPENED:
                db_conversations.set_status(self._tx, held, ConversationStatus.OPEN, self._now)
                return line
            if line is not None:
                events.publish_conversation(self._tx, ACCOUNT, held["id"], line)
                held = {**held, "last_seq": line.seq, "page_url": brought.page_url or held["page_url"]}
        return self._append_words(held, text, pressed=pressed)

    def _append_words(
        self,
        held: Row,
        text: str,
        *,
        direction: Direction = Direction.IN,
        is_elsewhere: bool = False,
        pressed: Pressed | None = None,
    ) -> Message | None:
        """The words as one message of the conversation, however often and in whatever order it is told
        of them; None when this very event has said them before."""
        event = self._event
        known = self._find_said(held)
        if known is not None:
            return self._complete(held, known, text)
        text = clean_message(text)[:MAX_TEXT]
        message = db_conversations.append_message(
            self._tx,
            held,
            direction=direction,
            key=self._key,
            body_hash=hash_body(text),
            text=text,
            operator_id=None,
            operator_name=None,
            now=self._now,
            platform_id=event.message_id or None,
            is_elsewhere=is_elsewhere,
            words_at=self._told_at,
            pressed=pressed,
        )
        if message is None:
            return None
        self._attach_all(message)
        self._promise_whole(message)
        if event.message_id and early.was_taken_back(
            self._tx, self._channel.id, event.chat_id, event.message_id
        ):
            db_conversations.delete_message(self._tx, message, self._now)
        db_conversations.take_message(
            self._tx,
            held,
            message=message if text else replace(message, text=_describe(event.attachments)),
            contact_id=held["contact_id"],
            lead_id=held["lead_id"],
            visit_id=held["visit_id"],
            page_url=held["page_url"],
            now=self._now,
        )
        return message

    def _complete(self, held: Row, known: Message, text: str) -> Message:
        """Words that stand here already: of a change that was quicker than the message itself, say. The
        newest words stay; what comes with a message and did not come with its change is added."""
        if self._event.kind is EventKind.EDITED:
            self._edit(held, known, text)
        if not known.attachments:
            self._attach_all(known)
        return known

    def _attach_all(self, message: Message, *, known: int = 0) -> bool:
        """Keep what came beside the words, without the first ones that are known; True if there was any."""
        came = self._event.attachments[:MOST_ATTACHMENTS]
        for number, one in enumerate(came[known:], known + 1):
            self._attach(message, one if number <= MOST_FILES else replace(one, source=""))
        return len(came) > known

    def _promise_whole(self, message: Message) -> None:
        """Of a message that was told cut the rest is asked for; until it comes, what was told is shown."""
        if self._event.cut:
            self._promise("whole", {"cut": self._event.cut}, key=f"whole:{message.id}")

    def _attach(self, message: Message, came: InAttachment) -> None:
        cleaned = replace(
            came,
            title=clean_name(came.title)[:MAX_LABEL],
            phone=clean_name(came.phone)[:MAX_LABEL],
            mime=came.mime[:MAX_LABEL],
        )
        label = clean_name(came.name)[:MAX_LABEL]
        kept = db_attachments.insert_attachment(self._tx, ACCOUNT, message, cleaned, label, self._now)
        if came.source:
            self._promise("media", {"attachment": kept.id}, key=f"media:{kept.id}")

    def _set_reach(self, held: Row) -> None:
        """Who writes can be reached, unless he was gone after that; the time for free answers begins anew."""
        window = None
        if (rule := self._caps.window) is not None:
            late = None if rule.late is None else self._now + rule.late
            window = AnswerWindow(rule.kind, self._now + rule.length, late)
        if self._is_overtaken(held):
            self._store_reach(held, held["chat_gone"], window, None)
        else:
            self._store_reach(held, None, window, self._told_at)

    def _is_overtaken(self, held: Row) -> bool:
        """Whether something newer has told already whether the person can be reached."""
        reach_at = held["reach_at"]
        return reach_at is not None and self._told_at is not None and to_ms(self._told_at) < reach_at

    def _store_reach(
        self, held: Row, gone: str | None, window: AnswerWindow | None, told_at: datetime | None
    ) -> None:
        db_conversations.set_reach(
            self._tx, held, chat_gone=gone, window=window, now=self._now, told_at=told_at
        )

    def _meet(self, lead: Lead) -> None:
        """The chat is new: call the person as the messenger does, and ask it for the rest."""
        profile = self._event.profile
        if profile is not None:
            take_profile(self._tx, lead.contact_id, profile, now=self._now)
        self._promise("profile", {})

    def _promise(self, what: str, more: Mapping[str, Any], *, key: str | None = None) -> None:
        """Have something asked of the platform."""
        payload = {"do": what, "channel": self._channel.id, "chat_id": self._event.chat_id, **more}
        lane = key or f"{what}:{self._channel.id}:{self._event.chat_id}"
        kind = share_of(chore_kind(self._channel.kind), self._channel.id)
        insert_job(self._tx, ACCOUNT, lane, kind, payload)

    def _fill_phone(self, contact_id: int) -> None:
        """A phone that the platform says is the person's own goes on the contact's card if there is none."""
        shared = [came.phone for came in self._event.attachments if came.is_own_phone and came.phone]
        field = self._catalog.by_code.get((Entity.CONTACT, "PHONE"))
        if not shared or field is None:
            return
        account = self._catalog.account
        writable = replace(field, is_page_writable=True)
        parsed = read_values(
            writable,
            tuple(RawValue(phone) for phone in shared),
            region=region_of(account.currency),
            timezone=account.timezone,
        )
        if parsed.value is not None:
            db_crm.fill_field(
                self._tx,
                ACCOUNT,
                Entity.CONTACT,
                contact_id,
                parsed.value,
                self._now,
                origin=NameOrigin.PROFILE,
            )

    # --- What happens to words that were said before.

    def _take_edit(self) -> None:
        if self._find_said(self._peek()) is None:
            self._take_word()  # of what we were never told, or are told later
            return
        held = self._hold()
        message = self._find_said(held)
        if held is not None and message is not None:
            text, _ = split_short(self._event.text)
            self._edit(held, message, text)
            self._promise_whole(message)
            if self._event.is_whole and self._attach_all(message, known=len(message.attachments)):
                self._publish(held, message.id)

    def _edit(self, held: Row, message: Message, text: str) -> None:
        """Change the words, unless they were changed later than that already."""
        told_at = self._told_at
        if told_at is not None and message.words_at is not None and told_at < message.words_at:
            return
        if told_at is not None:
            db_conversations.set_words_at(self._tx, message, told_at)
        text = clean_message(text)[:MAX_TEXT]
        if text and text != message.text:
            edited_at = message.edited_at if self._event.is_whole else self._now
            db_conversations.edit_message(self._tx, message, text, edited_at)
            db_conversations.change_last_text(self._tx, held, message, text)
            self._publish(held, message.id)

    def _take_deletion(self) -> None:
        event = self._event
        held = self._hold()
        message = self._find_said(held)
        if held is None or message is None:
            if event.message_id:
                early.keep_deletion(self._tx, self._event_id, event.chat_id, event.message_id)
        elif message.deleted_at is None:
            db_conversations.delete_message(self._tx, message, self._now)
            self._publish(held, message.id)

    def _find_said(self, held: Row | None) -> Message | None:
        if held is None or not self._event.message_id:
            return None
        return db_conversations.find_by_platform_id(self._tx, held, self._event.message_id)

    # --- How far our own words have come.

    def _take_mark(self) -> None:
        held = self._hold()
        if held is None:
            return
        seq, is_whole = self._find_marked(held["id"])
        if not is_whole:
            self._keep_if_overtaking(held)
        read = seq if self._event.kind is EventKind.READ else 0
        marks = {
            "visitor_read_seq": max(held["visitor_read_seq"], read),
            "visitor_delivered_seq": max(held["visitor_delivered_seq"], seq),
        }
        if all(held[name] == value for name, value in marks.items()):
            return
        db_conversations.mark(
            self._tx,
            held,
            operator_read_seq=held["operator_read_seq"],
            unread=held["unread"],
            now=self._now,
            **marks,
        )
        events.publish_conversation(self._tx, ACCOUNT, held["id"], None)

    def _find_marked(self, conversation_id: int) -> tuple[int, bool]:
        """The number of the last message that the mark is about, never one that we have not sent; and
        whether it can be about nothing more."""
        event = self._event
        named, is_whole = 0, False
        if event.message_ids:
            named, is_whole = db_outbox.find_last_seq_of(self._tx, conversation_id, event.message_ids)
        if named or event.watermark is None:
            return named, is_whole
        return db_outbox.find_last_seq_sent(self._tx, conversation_id, event.watermark), False

    def _keep_if_overtaking(self, held: Row) -> None:
        """What is about words whose sending has not been answered yet is looked at again once it is."""
        if db_outbox.has_unnamed(self._tx, held["id"]):
            early.keep_mark(self._tx, self._event_id, self._event.chat_id)

    def _take_failure(self) -> None:
        held = self._hold()
        if held is None:
            return
        for platform_id in self._event.message_ids or (self._event.message_id,):
            delivery = db_outbox.find_by_platform_id(self._tx, held["id"], platform_id)
            if delivery is None:
                self._keep_if_overtaking(held)
            elif delivery.state is not MessageState.FAILED:
                end_part(
                    self._tx,
                    held,
                    delivery,
                    MessageState.FAILED,
                    error="rejected",
                    detail=self._event.reason[:MAX_LABEL],
                )

    def _take_echo(self) -> None:
        """Our own message comes back and settles a doubt; staff's words from elsewhere are shown."""
        held = self._hold()
        if held is None:
            return
        event = self._event
        ours = db_outbox.find_by_mark(self._tx, held["id"], event.echo_mark) if event.echo_mark else None
        ours = ours or db_outbox.find_by_platform_id(self._tx, held["id"], event.message_id)
        if ours is not None:
            if ours.state is not MessageState.SENT:
                db_outbox.set_sent(self._tx, ours.id, event.message_id, self._told_at or self._now)
                judge_message(self._tx, held, ours.message_id)
                early.take_up_marks(self._tx, held, now=self._now)
            return
        if event.begins and db_outbox.find_by_mark(self._tx, held["id"], *event.begins) is not None:
            return  # ours as well, and settles nothing: the rest is still to come
        message = self._append_words(held, event.text, direction=Direction.OUT, is_elsewhere=True)
        if message is not None and message.seq > held["last_seq"]:
            bot_runs.stop(self._tx, held, EndReason.OPERATOR, now=self._now)
            self._publish(held, message.id)

    # --- Whether the person can be reached.

    def _take_block(self) -> None:
        event = self._event
        held = self._hold()
        if held is None or self._is_overtaken(held):
            return
        gone = "blocked" if event.kind is EventKind.BLOCKED else None
        self._store_reach(held, gone, db_conversations.read_window(held), self._told_at)
        if held["chat_gone"] == gone:
            return
        line = append_line(
            self._tx, held, {"kind": event.kind.value}, key=f"{event.kind.value}:{self._key}", now=self._now
        )
        events.publish_conversation(self._tx, ACCOUNT, held["id"], line)

    def _hold(self) -> Row | None:
        """The conversation that the event is about, held; None when the person never wrote."""
        visitor = self._find_visitor()
        return (
            None
            if visitor is None
            else db_conversations.lock_conversation_of(self._tx, ACCOUNT, visitor["id"])
        )

    def _peek(self) -> Row | None:
        """The same without holding it, where rows may still have to be held that come before it."""
        visitor = self._find_visitor()
        return (
            None
            if visitor is None
            else db_conversations.find_row_of_visitor(self._tx, ACCOUNT, visitor["id"], self._channel.kind)
        )

    def _find_visitor(self) -> Row | None:
        token = chat_token(self._channel.id, self._event.chat_id)
        return db_visitors.find_visitor_by_token(self._tx, ACCOUNT, token)

    def _publish(self, held: Row, message_id: int) -> None:
        db_conversations.touch(self._tx, held)
        shown = db_conversations.find_message_by_id(self._tx, held, message_id)
        events.publish_conversation(self._tx, ACCOUNT, held["id"], shown)

    def _log(self, finding: Finding) -> None:
        db.append_log(self._tx, ACCOUNT, self._channel.id, finding, self._now)


_WORDS = {
    AttachmentKind.PHOTO: "🖼",
    AttachmentKind.FILE: "📄",
    AttachmentKind.VOICE: "🎤",
    AttachmentKind.AUDIO: "🎵",
    AttachmentKind.VIDEO: "🎞",
    AttachmentKind.STICKER: "🙂",
    AttachmentKind.LOCATION: "📍",
    AttachmentKind.CONTACT: "👤",
    AttachmentKind.LINK: "🔗",
}
"""What a list shows of a message without words, in any language."""


def _describe(came: Sequence[InAttachment]) -> str:
    first = came[0] if came else None
    if first is None:
        return ""
    return f"{_WORDS[first.kind]} {clean_name(first.title or first.name)[:MAX_LABEL]}".strip()


def take_profile(tx: Transaction, contact_id: int, profile: Profile, *, now: datetime) -> None:
    """Call the contact as his messenger does, unless the site or an operator gave a name."""
    name = clean_name(profile.name or profile.username)[:MAX_NAME]
    if not name:
        return
    db_crm.lock_contact(tx, ACCOUNT, contact_id)
    if db_crm.give_profile_name(tx, ACCOUNT, ContactId(contact_id), name, now):
        for lead_id in db_crm.list_lead_ids(tx, ACCOUNT, contact_id):
            events.publish_conversations(tx, ACCOUNT, lead_id)
