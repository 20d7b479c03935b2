"""What the simulator holds: people, chats, what was said, files, and the log. All in memory, all bounded."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from typing import Any

from knopka.domain.errors import Conflict, NotFound
from knopka.simulator.accounts import Kind
from knopka.simulator.faults import Faults, Readings
from knopka.simulator.samples import Sample, draw_avatar

MAX_PEOPLE = 999
MAX_LINES = 500
MAX_LOG = 10_000
MAX_MEDIA = 500
MAX_MEDIA_BYTES = 128 * 1024 * 1024
EXCERPT = 200

FIRST_NAMES = ("Ivan", "Мария", "Oleg", "Анна", "Peter", "Ольга", "Timur", "Елена")
LAST_NAMES = ("Petrov", "Иванова", "Sokolov", "Смирнова", "Novak", "Кузнецова", "Aliev", "Попова")


class Side(StrEnum):
    """Who speaks in a line of a chat."""

    PERSON = "person"
    BOT = "bot"
    NOTE = "note"


class Press(StrEnum):
    """What a bot's button does when it is pressed."""

    CALLBACK = "callback"
    SAY = "say"
    LINK = "link"
    PHONE = "phone"
    EMAIL = "email"
    LOCATION = "location"


@dataclass(frozen=True, slots=True)
class Button:
    label: str
    press: Press
    data: str = ""


Grid = tuple[tuple[Button, ...], ...]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a phone that has all four messengers."""

    number: int
    first_name: str
    last_name: str
    phone: str
    language: str = "ru"

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}"

    @property
    def username(self) -> str:
        return f"person{self.number}"

    @property
    def email(self) -> str:
        return f"{self.username}@mail.example"


@dataclass(frozen=True, slots=True)
class Media:
    """A file of the simulator's own store."""

    id: str
    name: str
    type: str
    content: bytes
    url: str


@dataclass(slots=True)
class Line:
    """One message as its chat shows it; `id` is the platform's own."""

    id: str
    side: Side
    text: str
    at: float
    what: str = "text"
    media: Media | None = None
    buttons: Grid = ()
    edited: bool = False
    deleted: bool = False
    read: bool = False
    body: Mapping[str, Any] = field(default_factory=dict)
    """The message as the platform's API writes it, where an answer must quote it."""


@dataclass(frozen=True, slots=True)
class Link:
    """An entry link that was opened: the code it carries, where it says it comes from, the text it drafts."""

    code: str = ""
    source: str = ""
    draft: str = ""


@dataclass(slots=True)
class Chat:
    """One person with one account."""

    person: Person
    kind: Kind
    account: str
    user_id: str
    """The person's id as this platform tells it to this account."""
    lines: deque[Line] = field(default_factory=lambda: deque(maxlen=MAX_LINES))
    link: Link | None = None
    """Opened, and its code not delivered yet."""
    kept_link: Link | None = None
    """Delivered already, but some platforms may repeat it."""
    has_history: bool = False
    opened: bool = False
    """The chat was opened, but nothing has been said yet (Viber)."""
    reachable: bool = False
    """Whether the account may write: START was pressed, the person has subscribed or allowed it."""
    blocked: bool = False
    keyboard: Grid = ()
    keyboard_goes: bool = False
    """The keyboard disappears when one of its buttons is pressed."""
    typing: bool = False
    acted_at: float | None = None
    """When the person last did what opens a time for free answers."""
    tracking: str = ""
    """Viber's tracking_data of the bot's last message."""
    unanswered: deque[float] = field(default_factory=lambda: deque(maxlen=101))
    """When the bot wrote since the person last did."""

    def add(self, line: Line) -> Line:
        self.lines.append(line)
        if line.side is Side.PERSON:
            self.has_history = True
            self.typing = False
            self.unanswered.clear()
        return line

    def find(self, line_id: str) -> Line:
        found = next((line for line in self.lines if line.id == line_id and line.side is not Side.NOTE), None)
        if found is None or found.deleted:
            raise NotFound("No such message in this chat.")
        return found

    def find_own(self, line_id: str) -> Line:
        """One of the person's own texts."""
        line = self.find(line_id)
        if line.side is not Side.PERSON:
            raise Conflict("A person changes only what he wrote himself.")
        return line

    def take_link(self) -> Link | None:
        link, self.link = self.link, None
        self.kept_link = link or self.kept_link
        return link


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log."""

    number: int
    at: float
    kind: Kind
    account: str
    what: str
    """did, push, call or seen."""
    name: str
    """The action, the event or the method."""
    outcome: str
    person: int | None = None
    text: str = ""
    attempt: int = 0
    identity: str = ""
    """What tells one event or message from another: its repeats carry the same."""
    fault: str = ""


class World:
    """Everything that the stand-ins share. It belongs to one event loop."""

    def __init__(self, public_url: str, *, pace: float, seed: int) -> None:
        self.public_url = public_url.rstrip("/")
        self.pace = pace
        self.seed = seed
        """Goes into every id of a person, so that the people of another run are other people."""
        self.faults = Faults()
        self.readings = Readings()
        self.people: dict[int, Person] = {}
        self.log: deque[Entry] = deque(maxlen=MAX_LOG)
        self.version = 0
        self._media: OrderedDict[str, Media] = OrderedDict()
        self._media_bytes = 0
        self._entries = count(1)
        self._media_ids = count(1)
        self.closing = asyncio.Event()
        """Set when the simulator stops: whoever waits or holds a connection lets it go."""
        self._ahead = 0.0
        self._changed = asyncio.Event()

    def now(self) -> float:
        return time.time() + self._ahead

    def advance(self, seconds: float) -> None:
        """Put the clock ahead: windows close and limits run out as after that time."""
        self._ahead += max(0.0, seconds)
        self.touch()

    def close(self) -> None:
        self.closing.set()
        self.touch()

    def touch(self) -> None:
        """Say that something is to be shown anew."""
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_for_change(self, after: int, seconds: float) -> None:
        """Return at once when something has changed since `after`, else at the next change."""
        if self.version <= after:
            try:
                async with asyncio.timeout(seconds):
                    await self._changed.wait()
            except TimeoutError:
                return

    def add_person(self) -> Person:
        number = len(self.people) + 1
        if number > MAX_PEOPLE:
            raise Conflict("The simulator is full of people; start it anew.")
        names = (number - 1) % len(FIRST_NAMES)
        person = Person(
            number, FIRST_NAMES[names], LAST_NAMES[names], f"+7900{self.seed % 10000:04}{number:03}"
        )
        self.people[number] = person
        self.touch()
        return person

    def person(self, number: int) -> Person:
        if number not in self.people:
            raise NotFound("No such person.")
        return self.people[number]

    def keep(self, sample: Sample) -> Media:
        """Put a file into the store; the oldest make room."""
        media_id = f"{self.seed:x}-{next(self._media_ids)}"
        suffix = sample.name.rpartition(".")[2]
        url = f"{self.public_url}/media/{media_id}.{suffix}"
        media = Media(media_id, sample.name, sample.type, sample.content, url)
        self._media[media_id] = media
        self._media_bytes += len(media.content)
        while len(self._media) > MAX_MEDIA or (self._media_bytes > MAX_MEDIA_BYTES and len(self._media) > 1):
            _, gone = self._media.popitem(last=False)
            self._media_bytes -= len(gone.content)
        return media

    def media(self, media_id: str) -> Media | None:
        return self._media.get(media_id)

    def avatar_url(self, person: Person) -> str:
        return f"{self.public_url}/media/avatar-{person.number}.png"

    def avatar(self, number: int) -> Media:
        person = self.person(number)
        sample = draw_avatar(person.number)
        return Media(f"avatar-{number}", sample.name, sample.type, sample.content, self.avatar_url(person))

    def note(
        self,
        kind: Kind,
        account: str,
        what: str,
        name: str,
        outcome: str,
        *,
        person: int | None = None,
        text: str = "",
        attempt: int = 0,
        identity: str = "",
        fault: str = "",
    ) -> None:
        """Write into the log."""
        number = next(self._entries)
        excerpt = text[:EXCERPT]
        self.log.append(
            Entry(
                number,
                self.now(),
                kind,
                account,
                what,
                name,
                outcome,
                person,
                excerpt,
                attempt,
                identity,
                fault,
            )
        )
        self.touch()
