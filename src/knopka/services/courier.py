"""Carries between the store and the platforms: deliveries, media, profiles, polls. No transaction is open."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

from knopka.db import attachments as db_attachments
from knopka.db import channels as db_channels
from knopka.db import conversations as db_conversations
from knopka.db import crm as db_crm
from knopka.db import visitors as db_visitors
from knopka.db.clock import to_ms
from knopka.db.database import Database, Transaction
from knopka.db.jobs import Job, has_job, insert_job, set_timer
from knopka.domain.catalog import ChannelSetup, ChannelState
from knopka.domain.conversation import Attachment
from knopka.domain.errors import (
    BadRequest,
    ChannelBroken,
    ChatGone,
    DeliveryError,
    NotYet,
    Retryable,
    Unavailable,
    UnreadableUpdate,
    WindowClosed,
)
from knopka.domain.messaging import (
    AttachmentKind,
    Channel,
    ChannelEvent,
    ChannelId,
    ChannelKind,
    Channels,
    EventKind,
    MessageState,
    OutboundMessage,
    PollingChannel,
    Profile,
    ReloadingChannel,
    SentMessage,
)
from knopka.files import FileStore, Refused, Taken, make_name, take_in
from knopka.services import events
from knopka.services.catalog import ACCOUNT
from knopka.services.channels import (
    CHECK_BROKEN_EVERY,
    Connector,
    check_again,
    check_kind,
    poll_key,
    poll_kind,
    report_broken,
)
from knopka.services.early import EVENT_JOB
from knopka.services.jobs import Handler, InStore, JobEnd, Outside, share_of
from knopka.services.links import chat_token
from knopka.services.media import OVER_QUOTA, find_media, note_over_quota
from knopka.services.outbox import (
    chore_kind,
    deliver_kind,
    find_read,
    find_turn,
    note_end,
    note_sent,
    note_told,
)
from knopka.services.updates import (
    MOST_TRIES,
    GetCatalog,
    accept_updates,
    take_event,
    take_profile,
)

log = logging.getLogger(__name__)

BROKEN_PAUSE = 5.0
"""Seconds for which a job lets go that has met a broken channel; it is not taken up before that is mended."""
PART_PAUSE = 5.0
"""Seconds after which a part looks again whether the one before it has gone."""
LONGEST_POLL_PAUSE = timedelta(seconds=60)
"""What a platform that was away has kept for us is not left there longer than this."""
POLL_UNKNOWN_AFTER = timedelta(seconds=5)
"""When a channel is polled that the store knows, and memory does not yet."""
LONGEST_HOLD = 5.0
"""How long one refusal for too many calls holds back the whole channel; most are about one chat alone."""
DELIVERIES_AT_ONCE = 12
CHORES_AT_ONCE = 6
CHECKS_AT_ONCE = 4
POLLS_AT_ONCE = 32
MOST_FILE = 20 * 1024 * 1024
_GONE = ("too_large", "gone")

Change = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Pace:
    """How fast one channel may send: its platform's figure, and what the platform asked for."""

    per_second: float
    clock: Callable[[], float] = monotonic
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    _next_at: float = field(default=0.0)

    async def take_turn(self) -> None:
        """Wait until the next message may go."""
        now = self.clock()
        at = max(now, self._next_at)
        self._next_at = at + 1 / self.per_second
        if at > now:
            await self.pause(at - now)

    def hold(self, seconds: float) -> None:
        """Send nothing for so long."""
        self._next_at = max(self._next_at, self.clock() + min(seconds, LONGEST_HOLD))


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of fetching a file: its place in the store, or why there is none."""

    file: str = ""
    taken: Taken | None = None
    reason: str = ""


class Courier:
    """The outside half of the messengers. `on_change` is told when a channel's row has changed."""

    def __init__(
        self,
        database: Database,
        channels: Channels,
        catalog: GetCatalog,
        connector: Connector,
        files: FileStore,
        folder: Path,
        on_change: Change,
        media_a_day: int,
    ) -> None:
        self._database = database
        self._channels = channels
        self._catalog = catalog
        self._connector = connector
        self._files = files
        self._folder = folder
        self._on_change = on_change
        self._media_a_day = media_a_day
        self._paces: dict[int, Pace] = {}

    def handlers(self, kinds: Mapping[ChannelKind, bool]) -> dict[str, Handler]:
        """What becomes of each kind of job; of each messenger: whether it drops repeats by their key."""
        take = partial(take_event, channels=self._channels, catalog=self._catalog)
        handlers: dict[str, Handler] = {EVENT_JOB: InStore(take, most_tries=MOST_TRIES)}
        for kind, has_send_key in kinds.items():
            handlers[deliver_kind(kind)] = Outside(
                self.deliver,
                on_done=note_sent,
                on_dead=note_end,
                may_repeat=has_send_key,
                at_once=DELIVERIES_AT_ONCE,
                is_held=self._is_broken,
            )
            handlers[chore_kind(kind)] = Outside(
                self.run_errand,
                on_done=self._note_errand,
                on_dead=_note_dead_errand,
                may_repeat=True,
                at_once=CHORES_AT_ONCE,
                is_held=self._is_broken,
            )
            handlers[check_kind(kind)] = Outside(
                self.check,
                on_dead=_check_later,
                may_repeat=True,
                at_once=CHECKS_AT_ONCE,
                longest_delay=CHECK_BROKEN_EVERY,
            )
            handlers[poll_kind(kind)] = Outside(
                self.poll,
                on_done=self._note_poll,
                on_dead=_poll_later,
                may_repeat=True,
                at_once=POLLS_AT_ONCE,
                is_wait=True,
                longest_delay=LONGEST_POLL_PAUSE,
            )
        return handlers

    def _is_broken(self, channel_id: str) -> bool:
        """Nothing goes through the channel, so nothing is taken up: it waits as it is, in its order."""
        setup = self._catalog().channels.get(ChannelId(int(channel_id)))
        return setup is not None and setup.is_enabled and setup.state is ChannelState.BROKEN

    # --- Messages.

    async def deliver(self, payload: Mapping[str, Any], _job: Job) -> SentMessage:
        """Send one part of a message: a job of `outbox.deliver_kind`."""
        setup, channel = self._find(payload["channel"])
        try:
            found = await self._database.read(find_turn, payload["delivery"])
        except Unavailable as busy:  # nothing has left yet
            raise Retryable("The store was busy.", busy.retry_after) from None
        if found is None:
            raise BadRequest("There is no such delivery any more.")
        delivery, chat, is_its_turn = found
        if delivery.state is MessageState.SENT:
            return SentMessage(delivery.platform_id or "")  # its echo was quicker than its answer
        if chat["chat_gone"] is not None:
            raise ChatGone("The person cannot be reached.")
        if setup.state is ChannelState.BROKEN:
            raise NotYet("The channel is broken; its settings tell why.", BROKEN_PAUSE)
        if not is_its_turn:
            raise Retryable("The part before it has not been sent yet.", PART_PAUSE)
        ends = chat["window_ends_at"]
        is_beyond = ends is not None and to_ms(self._database.clock()) >= ends
        if is_beyond and chat["bot_id"] is not None:
            raise WindowClosed("The time for answers is over, and a bot does not write then.")
        message = OutboundMessage(
            chat_id=chat["chat_id"],
            text=delivery.text,
            buttons=delivery.buttons,
            is_beyond_window=is_beyond,
        )
        pace = self._pace_of(setup, channel)
        await pace.take_turn()
        begun = self._database.clock()
        try:
            return replace(await channel.send(message, delivery.key), begun_at=begun)
        except Retryable as error:
            pace.hold(error.after)
            raise
        except ChannelBroken as error:
            await self._break(setup, error)
            raise NotYet(error.message, BROKEN_PAUSE) from None

    def _pace_of(self, setup: ChannelSetup, channel: Channel) -> Pace:
        return self._paces.setdefault(setup.id, Pace(channel.caps.per_second))

    def _find(self, channel_id: int) -> tuple[ChannelSetup, Channel]:
        setup = self._catalog().channels.get(ChannelId(channel_id))
        channel = self._channels.find(channel_id)
        if setup is None or channel is None:
            raise ChannelBroken("The channel was removed or switched off.")
        return setup, channel

    async def _break(self, setup: ChannelSetup, error: ChannelBroken) -> None:
        await self._database.write(report_broken, setup.id, error.message, key=("channel", setup.id))
        await self._on_change()

    async def type(self, channel_id: int, chat_id: str) -> None:
        """Show the person that somebody is typing. Nothing hangs on it, so nobody is told of a failure."""
        channel = self._channels.find(channel_id)
        if channel is not None and channel.caps.has_typing:
            with contextlib.suppress(DeliveryError):
                await channel.type(chat_id)

    # --- Errands: whatever else is asked of a platform.

    async def run_errand(self, payload: Mapping[str, Any], _job: Job) -> Any:
        """Fetch a file or a profile, or tell what was seen: a job of `chore_kind`."""
        setup, channel = self._find(payload["channel"])
        if setup.state is ChannelState.BROKEN:
            raise NotYet("The channel is broken; its settings tell why.", BROKEN_PAUSE)
        try:
            match payload["do"]:
                case "media":
                    return await self._fetch_media(channel, payload["attachment"])
                case "profile":
                    return await self._fetch_profile(channel, payload["chat_id"])
                case "callback":
                    await channel.answer_callback(_callback(payload))
                case "read":
                    return await self._tell_read(channel, payload)
                case "whole":
                    return await _reload(channel, payload)
                case unknown:
                    raise BadRequest(f"There is no errand {unknown}.")
        except ChannelBroken as error:
            await self._break(setup, error)
            raise NotYet(error.message, BROKEN_PAUSE) from None
        return None

    async def _tell_read(self, channel: Channel, payload: Mapping[str, Any]) -> str:
        newest = await self._database.read(find_read, payload["conversation"])
        told: str = newest or payload["message_id"]
        await channel.mark_read(payload["chat_id"], told)
        return told

    async def _fetch_media(self, channel: Channel, attachment_id: int) -> Fetched:
        came, left = await self._database.read(
            find_media, attachment_id, self._media_a_day, now=self._database.clock()
        )
        if came is None:
            return Fetched(reason="gone")
        if came.size is not None and came.size > MOST_FILE:
            return Fetched(reason="too_large")
        if left < max(came.size or 0, 1):
            return Fetched(reason=OVER_QUOTA)
        most = min(MOST_FILE, left)
        fetched = await self._fetch(channel.fetch(came.source), came.kind, came.name, came.mime, most)
        is_over = fetched.reason == "too_large" and most < MOST_FILE
        return Fetched(reason=OVER_QUOTA) if is_over else fetched

    async def _fetch(
        self, stream: AsyncIterator[bytes], kind: AttachmentKind, name: str, mime: str, most: int = MOST_FILE
    ) -> Fetched:
        try:
            taken = await take_in(
                stream, kind=kind.value, name=name, mime=mime, most=most, folder=self._folder
            )
        except Refused as refused:
            return Fetched(reason=refused.code)
        except BadRequest as error:
            return Fetched(reason=error.message if error.message in _GONE else "gone")
        file = make_name()
        try:
            await self._files.put(file, taken.path, taken.mime)
        finally:
            await asyncio.to_thread(taken.path.unlink, missing_ok=True)
        return Fetched(file, taken)

    async def _fetch_profile(self, channel: Channel, chat_id: str) -> tuple[Profile | None, Fetched]:
        try:
            profile = await channel.profile(chat_id)
        except (ChatGone, BadRequest):
            return None, Fetched()
        if profile is None or not profile.avatar:
            return profile, Fetched()
        picture = await self._fetch(channel.fetch(profile.avatar), AttachmentKind.PHOTO, "", "")
        return profile, picture

    def _note_errand(
        self, tx: Transaction, payload: Mapping[str, Any], result: Any, *, now: datetime
    ) -> None:
        match payload["do"]:
            case "media":
                _note_media(tx, payload["attachment"], result)
                if result.reason == OVER_QUOTA:
                    note_over_quota(tx, payload["channel"], now=now)
            case "profile":
                _note_profile(tx, payload, result, now)
            case "read":
                note_told(tx, payload, result)
            case "whole":
                self._take_whole(tx, payload, result, now)
            case _:
                pass

    def _take_whole(
        self, tx: Transaction, payload: Mapping[str, Any], whole: ChannelEvent | None, now: datetime
    ) -> None:
        setup = self._catalog().channels.get(ChannelId(payload["channel"]))
        if whole is not None and setup is not None:
            accept_updates(tx, setup, [whole], now=now)

    # --- Looking after the channels themselves.

    async def check(self, payload: Mapping[str, Any], _job: Job) -> None:
        """Look how a channel stands: a job of `check_kind`."""
        setup = self._catalog().channels.get(ChannelId(payload["channel"]))
        if setup is None or not setup.is_enabled:
            return
        checked = await self._connector.check(setup)
        if checked != setup:
            await self._on_change()

    # --- Polling, where no webhook reaches us.

    async def poll(self, payload: Mapping[str, Any], _job: Job) -> tuple[str, list[ChannelEvent]] | None:
        """Ask for news and wait for them: a job of `poll_kind`. None for what is no channel to be asked, as
        far as memory knows."""
        setup = self._catalog().channels.get(ChannelId(payload["channel"]))
        channel = self._channels.find(payload["channel"])
        if setup is None or channel is None or not setup.is_polling:
            return None
        if not isinstance(channel, PollingChannel):
            return None
        cursor = await self._database.read(db_channels.find_cursor, setup.id)
        try:
            polled = await channel.poll(cursor)
        except ChannelBroken as error:
            await self._break(setup, error)
            raise Retryable(error.message, CHECK_BROKEN_EVERY.total_seconds()) from None
        return polled.cursor, [event for body in polled.bodies for event in _parse(channel, body)]

    def _note_poll(
        self,
        tx: Transaction,
        payload: Mapping[str, Any],
        result: tuple[str, list[ChannelEvent]] | None,
        *,
        now: datetime,
    ) -> None:
        """Keep what came together with the place where to go on, and go on.

        As the store says: memory may be a moment old, and a poll that is not
        promised again would be missed for long.
        """
        setup = _find_stored(tx, payload["channel"])
        if setup is None:
            return
        if result is None:
            _poll_after(tx, setup, payload, POLL_UNKNOWN_AFTER, now)
            return
        cursor, came = result
        accept_updates(tx, setup, came, now=now)
        db_channels.set_cursor(tx, ACCOUNT, setup.id, cursor)
        if _is_polled(setup) and not has_job(tx, ACCOUNT, poll_key(setup.id)):
            insert_job(tx, ACCOUNT, poll_key(setup.id), share_of(poll_kind(setup.kind), setup.id), payload)


def _parse(channel: Channel, body: bytes) -> list[ChannelEvent]:
    try:
        return channel.parse(body)
    except UnreadableUpdate:
        log.warning("an update of a channel (%s) could not be read and was left out", channel.kind.value)
        return []


async def _reload(channel: Channel, payload: Mapping[str, Any]) -> ChannelEvent | None:
    """The whole of a message; None where the platform gives it no more."""
    if not isinstance(channel, ReloadingChannel):
        return None
    try:
        return await channel.reload(payload["chat_id"], payload["cut"])
    except (ChatGone, BadRequest):
        return None


def _callback(payload: Mapping[str, Any]) -> ChannelEvent:
    """As much of the event as its answer takes."""
    return ChannelEvent(
        kind=EventKind.CALLBACK,
        event_id=payload["event_id"],
        chat_id=payload["chat_id"],
        user_id=payload["user_id"],
        at=datetime.fromisoformat(payload["at"]),
        message_id=payload["message_id"],
    )


def _note_media(tx: Transaction, attachment_id: int, fetched: Fetched) -> None:
    taken = fetched.taken
    if taken is None:
        db_attachments.fail_attachment(tx, ACCOUNT, attachment_id, fetched.reason)
    else:
        db_attachments.store_attachment(
            tx,
            ACCOUNT,
            attachment_id,
            file=fetched.file,
            name=taken.name,
            mime=taken.mime,
            size=taken.size,
            width=taken.width,
            height=taken.height,
        )
    _publish_attachment(tx, db_attachments.find_attachment(tx, ACCOUNT, attachment_id))


def _publish_attachment(tx: Transaction, came: Attachment | None) -> None:
    held = None if came is None else db_conversations.find_row(tx, ACCOUNT, came.conversation_id)
    if came is not None and held is not None:
        db_conversations.touch(tx, held)
        message = db_conversations.find_message_by_id(tx, held, came.message_id)
        events.publish_conversation(tx, ACCOUNT, held["id"], message)


def _note_profile(
    tx: Transaction, payload: Mapping[str, Any], result: tuple[Profile | None, Fetched], now: datetime
) -> None:
    """Put it on the card that the chat stands on by now."""
    token = chat_token(payload["channel"], payload["chat_id"])
    visitor = db_visitors.find_visitor_by_token(tx, ACCOUNT, token)
    held = None if visitor is None else db_conversations.lock_conversation_of(tx, ACCOUNT, visitor["id"])
    if held is None:
        return
    contact_id = held["contact_id"]
    profile, picture = result
    if profile is not None:
        take_profile(tx, contact_id, profile, now=now)
    if picture.file:
        db_crm.set_avatar(tx, ACCOUNT, contact_id, picture.file)
        for lead_id in db_crm.list_lead_ids(tx, ACCOUNT, contact_id):
            events.publish_conversations(tx, ACCOUNT, lead_id)


def _note_dead_errand(tx: Transaction, payload: Mapping[str, Any], end: JobEnd, *, now: datetime) -> None:
    """A file that never came is shown as that; of a message that cannot be marked the next one still can."""
    match payload["do"]:
        case "media":
            _note_media(tx, payload["attachment"], Fetched(reason="gone"))
        case "read":
            note_told(tx, payload, payload["message_id"])
        case _:
            log.warning("an errand was given up: %s (%s)", payload["do"], end.code)


def _poll_later(tx: Transaction, payload: Mapping[str, Any], end: JobEnd, *, now: datetime) -> None:
    """However long a platform is away, it is asked again."""
    setup = _find_stored(tx, payload["channel"])
    if setup is not None:
        _poll_after(tx, setup, payload, LONGEST_POLL_PAUSE, now)


def _poll_after(
    tx: Transaction, setup: ChannelSetup, payload: Mapping[str, Any], pause: timedelta, now: datetime
) -> None:
    """Have the channel asked for news then, if it is one to be asked."""
    if _is_polled(setup):
        is_broken = setup.state is ChannelState.BROKEN
        at = now + (CHECK_BROKEN_EVERY if is_broken else pause)
        set_timer(tx, ACCOUNT, share_of(poll_kind(setup.kind), setup.id), poll_key(setup.id), payload, at)


def _is_polled(setup: ChannelSetup) -> bool:
    return setup.is_enabled and setup.is_polling


def _find_stored(tx: Transaction, channel_id: int) -> ChannelSetup | None:
    """The channel as it stands in the store."""
    return next((setup for setup in db_channels.list_channels(tx, ACCOUNT) if setup.id == channel_id), None)


def _check_later(tx: Transaction, payload: Mapping[str, Any], end: JobEnd, *, now: datetime) -> None:
    """Whatever became of one look, there is a next one."""
    check_again(tx, payload["channel"], now=now)
