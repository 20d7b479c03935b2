"""Messages, the ways they travel, and what every messenger must be able to do; knows nothing of cards."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NewType, Protocol, runtime_checkable

from knopka.domain.splitting import count_units

ChannelId = NewType("ChannelId", int)
OutboxKey = NewType("OutboxKey", str)
"""Names one outgoing message through all tries to send it: 32 hexadecimal digits."""
EntryToken = NewType("EntryToken", str)
"""The link code: made by the launcher, carried by the messenger's link, brought back by the visitor."""

_ENTRY_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")
_SHORT_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_SHORT_MARK = re.compile(r"\[kn:([0-9A-Z]{8})\]")
SHORT_LENGTH = 8

CODE = "{code}"
SHORT = "{short}"
"""What stands in a channel's link where the launcher puts its code, and the code's short form."""


class ChannelKind(StrEnum):
    """What a visitor can write through (the page's first sentence)."""

    ONSITE = "onsite"
    TELEGRAM = "telegram"
    MESSENGER = "messenger"
    VIBER = "viber"
    VK = "vk"


NAMES = {
    ChannelKind.TELEGRAM: "Telegram",
    ChannelKind.MESSENGER: "Messenger",
    ChannelKind.VIBER: "Viber",
    ChannelKind.VK: "VK",
}
"""The messengers' own names, the same in every language."""


class Direction(StrEnum):
    """`IN` is the visitor's word, `OUT` the operator's, `SYSTEM` ours."""

    IN = "in"
    OUT = "out"
    SYSTEM = "system"


class MessageState(StrEnum):
    """How far a message has come. WAITING is on its way to a messenger, of an UNCERTAIN one nobody knows
    whether it was taken; that and a FAILED one can be sent again by an operator."""

    WAITING = "waiting"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    UNCERTAIN = "uncertain"


class EventKind(StrEnum):
    """What a messenger tells us, in our words (channels.md §3)."""

    OPENED = "opened"
    """The chat was opened by a link or the START button; no word of the visitor's."""
    MESSAGE = "message"
    EDITED = "edited"
    DELETED = "deleted"
    CALLBACK = "callback"
    """A button of ours was pressed that sends no message; `payload` is what we put in it."""
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    """A message of ours that had been taken was not shown after all."""
    BLOCKED = "blocked"
    UNBLOCKED = "unblocked"
    TYPING = "typing"
    ECHO = "echo"
    """What our side said: by us, or by staff in the messenger's own tools."""
    CHALLENGE = "challenge"
    """The platform asks whether the address is ours: answered by `reply` as the channel is set up at that
    moment, and kept nowhere."""
    OTHER = "other"
    """Real, but nothing for us: counted and kept, never shown."""


class AttachmentKind(StrEnum):
    PHOTO = "photo"
    FILE = "file"
    VOICE = "voice"
    AUDIO = "audio"
    VIDEO = "video"
    STICKER = "sticker"
    LOCATION = "location"
    CONTACT = "contact"
    LINK = "link"


@dataclass(frozen=True, slots=True, kw_only=True)
class InAttachment:
    """Something that came with a message. What has a `source` is fetched by a job, the rest says it all."""

    kind: AttachmentKind
    source: str = ""
    """What `Channel.fetch` needs: an address, or the platform's id of the file."""
    name: str = ""
    mime: str = ""
    """What the platform says; the bytes decide."""
    size: int | None = None
    title: str = ""
    """A place's name, a contact's name, a sticker's emoji, a link's address."""
    phone: str = ""
    is_own_phone: bool = False
    """The platform vouches that the shared phone is the sender's own."""
    latitude: float | None = None
    longitude: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a messenger tells of a person."""

    name: str = ""
    username: str = ""
    language: str = ""
    avatar: str = ""
    """What `Channel.fetch` needs to get the picture; empty when there is none."""
    phone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelEvent:
    """One event of a messenger in our normal form (channels.md §3)."""

    kind: EventKind
    event_id: str
    """The event's own identity within its channel (S-HOOK-05): what comes again is the same event."""
    chat_id: str
    """Where an answer goes; empty for events that belong to no chat."""
    at: datetime
    """By the platform's clock, which decides nothing."""
    user_id: str = ""
    code: EntryToken | None = None
    """The link code, when something of its form was brought."""
    start: str = ""
    """What a link of somebody's own carried in the code's place."""
    text: str = ""
    attachments: tuple[InAttachment, ...] = ()
    message_id: str = ""
    """The platform's id of the message that this event is, changes or tells of."""
    message_ids: tuple[str, ...] = ()
    """DELIVERED, READ: the messages of ours that are meant, where the platform names them."""
    watermark: datetime | None = None
    """DELIVERED, READ: or everything that was sent up to then."""
    reply_to: str = ""
    payload: str = ""
    """What a pressed button of ours carried."""
    echo_mark: str = ""
    """ECHO: what `Channel.echo_mark` gave for our own message; anything else is somebody else's."""
    begins: tuple[str, ...] = ()
    """ECHO: or the beginning, sent apart from the rest, of a message of ours with one of these marks."""
    reason: str = ""
    """FAILED: why, in the platform's words."""
    cut: str = ""
    """The message was told cut: what `ReloadingChannel.reload` takes to bring the whole of it."""
    is_whole: bool = False
    """EDITED: nothing was edited, this is the whole of what was told cut."""
    may_answer: bool = True
    """Whether we may write from now on; a Viber chat that was only opened takes one welcome and no more."""
    profile: Profile | None = None
    """What the event itself tells of the person."""
    raw: Mapping[str, Any] = field(default_factory=dict)
    """The event as it came, without secrets."""


@dataclass(frozen=True, slots=True)
class Button:
    """A choice under a message. `payload` comes back when it is pressed; a `url` opens instead."""

    label: str
    payload: str = ""
    url: str = ""
    asks_phone: bool = False
    asks_email: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundMessage:
    """One message to one chat, short enough for its channel (`Capabilities.text_most`)."""

    chat_id: str
    text: str
    """Our markdown: bold, italic, code, links (domain/formatting.py); each channel shows what it can."""
    buttons: tuple[tuple[Button, ...], ...] = ()
    """Rows of buttons. What a platform has no room for is written under the text as numbered lines."""
    is_beyond_window: bool = False
    """The free window has closed: by a person, and on platforms that have a way for this."""


@dataclass(frozen=True, slots=True)
class SentMessage:
    """What the platform calls the message that it took."""

    message_id: str
    begun_at: datetime | None = None
    """By our clock, when it was handed over: what is read up to a later moment holds this message."""


class WindowKind(StrEnum):
    """What happens when the time for free answers is over."""

    CLOSES = "closes"
    COSTS = "costs"


@dataclass(frozen=True, slots=True)
class Window:
    """How long after the visitor's last sign of life we may answer."""

    kind: WindowKind
    length: timedelta
    late: timedelta | None = None
    """How long a person, and no bot, may still answer where the platform has a way for that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a platform can do and how much it takes."""

    text_most: int
    """UTF-16 units of one message, of the text as the person sees it."""
    per_second: float
    """Messages a second that one channel may send."""
    window: Window | None = None
    buttons_most: int = 0
    label_most: int = 20
    has_send_key: bool = False
    """The platform drops the repeat of a message by its key, so that doubt is no reason to stop."""
    tells_delivered: bool = False
    tells_read: bool = False
    has_typing: bool = False
    marks_read: bool = False
    """Our reading can be told to the person."""
    asks_phone: bool = False
    asks_email: bool = False


@dataclass(frozen=True, slots=True)
class DeepLink:
    """Where the button's icon leads: an address that holds CODE, and SHORT where a text can be prefilled."""

    url: str
    needs_app: bool = False
    """Nothing happens where the app is missing: a computer shows a QR code and a line of help."""


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What a webhook is answered with."""

    status: int = 200
    body: bytes = b""
    media_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at while a channel was set up or checked, and how to mend it."""

    level: Level
    code: str
    """Stable; wording.py has a sentence and a fix for each in every language."""
    detail: str = ""
    """In the platform's words, without secrets."""


@dataclass(frozen=True, slots=True)
class SetupReport:
    """What setting up or checking a channel found. `values` are kept with the channel, `title` is shown."""

    title: str
    values: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    account: str = ""
    """The platform's id of the bot, page or community, which tells two channels of one account; empty where
    it was not told."""

    @property
    def level(self) -> Level:
        order = (Level.OK, Level.WARNING, Level.BROKEN)
        return max((finding.level for finding in self.findings), key=order.index, default=Level.OK)


@dataclass(frozen=True, slots=True)
class Form:
    """What a value must look like: an expression for the whole of it, and the same in words."""

    pattern: str
    words: str


TEXT = Form(r".{1,1000}", "at most 1000 printable characters")
SECRET = Form(r"[!-~]{1,1000}", "printable ASCII characters without spaces, at most 1000")
DIGITS = Form(r"[0-9]{1,20}", "digits alone, at most 20")
SWITCH = Form(r"(?i:on|off)", "“on” or “off”")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing that a channel's owner must give: a token, an id."""

    name: str
    hint: str
    """Where to find it, one line."""
    is_secret: bool = False
    is_required: bool = True
    form: Form | None = None
    """Else SECRET of a secret, and TEXT of the rest."""
    units_most: int | None = None
    """UTF-16 units that the platform takes of it."""

    def takes(self, text: str) -> str:
        """Why the value cannot be the one that is asked for; empty when it can."""
        form = self.form or (SECRET if self.is_secret else TEXT)
        if not text.isprintable() or not re.fullmatch(form.pattern, text):
            return f"must be {form.words}"
        if self.units_most is not None and count_units(text) > self.units_most:
            return f"has at most {self.units_most} characters here (an emoji counts as two)"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelConfig:
    """What one channel is made of."""

    values: Mapping[str, str] = field(repr=False)
    """By name: what its owner gave (`Channel.parameters`) and what its set-up found."""
    webhook_secret: str = field(default="", repr=False)
    """Made by us; an empty one trusts nobody (S-HOOK-01)."""
    link_base: str = ""
    """Another beginning of the links than the platform's own, for the simulator; no slash at its end."""


class Channel(Protocol):
    """One messenger account: a bot, a page, a community. Each file in `channels/` has one class that obeys.

    Whatever calls the network is async and fails with DeliveryError alone; the
    rest reads no clock and no network.
    """

    kind: ChannelKind
    caps: Capabilities
    parameters: tuple[Parameter, ...]

    def deep_link(self) -> DeepLink: ...

    def verify(self, headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> None:
        """Raise UntrustedWebhook unless the platform sent these bytes. Header names are in lower case."""

    def parse(self, body: bytes) -> list[ChannelEvent]:
        """Read the events of a trusted body. Raises UnreadableUpdate; an unknown event is OTHER, no error."""

    def reply(self, events: Sequence[ChannelEvent]) -> HttpReply:
        """What the platform wants to hear once the events are on disk."""

    def answer_challenge(self, query: Mapping[str, str]) -> HttpReply | None:
        """The answer to a platform's GET that asks whether the address is ours; None for nothing here."""

    def echo_mark(self, key: OutboxKey) -> str:
        """What an ECHO of the message that is sent under this key carries; empty where there is none."""

    async def setup(self, webhook_url: str) -> SetupReport:
        """Check token and rights, say where webhooks go, and tell how it stands.

        `webhook_url` is empty where no webhook can reach us. May be run again.
        """

    async def check(self, webhook_url: str) -> SetupReport:
        """Tell how it stands without changing anything there."""

    async def leave(self) -> None:
        """Have the platform send nothing any more."""

    async def send(self, message: OutboundMessage, key: OutboxKey) -> SentMessage:
        """Send one message. Raises a DeliveryError of one of the classes of channels.md §4.4."""

    async def answer_callback(self, event: ChannelEvent) -> None:
        """Tell the platform that a button's press has arrived, where it waits for that."""

    async def type(self, chat_id: str) -> None:
        """Show that somebody is typing, where that can be shown."""

    async def mark_read(self, chat_id: str, message_id: str) -> None:
        """Tell the person that he has been read up to this message, where that can be told."""

    async def profile(self, chat_id: str) -> Profile | None:
        """What the platform tells of a person; None where it tells nothing."""

    def fetch(self, source: str) -> AsyncIterator[bytes]:
        """The bytes of a file, as they come. Raises Retryable, or another DeliveryError when it is gone."""


@dataclass(frozen=True, slots=True)
class Polled:
    """What a poll brought: bodies as a webhook would bring them, and where to go on."""

    bodies: tuple[bytes, ...]
    cursor: str


@runtime_checkable
class PollingChannel(Protocol):
    """A channel that can also be asked for its events, where no webhook can reach us."""

    async def poll(self, cursor: str) -> Polled:
        """Wait for events after the cursor (empty: from the first that is still there), a while at most."""


@runtime_checkable
class PreparedChannel(Protocol):
    """A channel whose platform asks for something while it is being set up."""

    async def prepare(self) -> Mapping[str, str]:
        """Values to be kept before the set-up begins, so that whoever is asked knows them."""


@runtime_checkable
class ReloadingChannel(Protocol):
    """A channel whose platform sometimes tells a message cut (`ChannelEvent.cut`)."""

    async def reload(self, chat_id: str, cut: str) -> ChannelEvent | None:
        """The whole of the message, as EDITED; None when it is there no more."""


class Channels(Protocol):
    """The channels that are set up, as services see them."""

    def find(self, channel_id: int) -> Channel | None:
        """The channel with this id, unless it was removed or switched off."""


def parse_entry_token(text: str) -> EntryToken | None:
    """The link code, if the text is one; anything else that a link may carry is foreign."""
    return EntryToken(text) if _ENTRY_TOKEN.fullmatch(text) else None


def read_start(text: str) -> str:
    """What a link carried, unless it is the link code."""
    return "" if parse_entry_token(text) else text


def without_code(link: str) -> str:
    """A channel's link for people to copy: what stands for the code, and for a visit's text, is left out."""
    address, mark, query = link.partition("?")
    kept = [part for part in query.split("&") if CODE not in part and SHORT not in part]
    return address + mark * bool(kept) + "&".join(kept)


def shorten(code: EntryToken) -> str:
    """The short form for prefilled texts, made of the code's beginning; the launcher makes the same.

    It tells 8 of the code's 32 characters and leaves 144 bits unsaid.
    """
    return "".join(_SHORT_ALPHABET[ord(char) & 31] for char in code[:SHORT_LENGTH])


def split_short(text: str) -> tuple[str, str]:
    """A text without the mark `[kn:7Q4K2M5X]` of a prefilled text, and its short code if there is one."""
    found = _SHORT_MARK.search(text)
    if found is None:
        return text, ""
    before, behind = text[: found.start()].rstrip(" \t"), text[found.end() :].lstrip(" \t")
    return f"{before} {behind}".strip(), found[1]
