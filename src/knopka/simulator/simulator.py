"""The four stand-ins together, and everything that a person, a test or the page does with them."""

from __future__ import annotations

import asyncio
import base64
import binascii
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from knopka.domain.errors import Fault as InputFault
from knopka.domain.errors import InvalidInput, NotFound
from knopka.simulator.accounts import Account, Kind, check_account
from knopka.simulator.courier import Courier
from knopka.simulator.faults import READINGS, Faults, Readings
from knopka.simulator.messenger import Messenger
from knopka.simulator.samples import FILES, Piece, Sample, make_sample
from knopka.simulator.stand_in import StandIn
from knopka.simulator.telegram import Telegram
from knopka.simulator.viber import Viber
from knopka.simulator.vk import Vk
from knopka.simulator.world import Button, Chat, Grid, Line, Link, Person, World

MAX_TEXT = 10_000
MAX_FILE = 25 * 1024 * 1024
SHOWN_LOG = 40


class Simulator:
    """Telegram, Messenger, Viber and VK in one process. It belongs to one event loop."""

    def __init__(self, public_url: str, *, pace: float = 1.0, seed: int | None = None) -> None:
        """`pace` shortens the platforms' waits between tries: 1 is as they are, 0.001 a thousandth.

        `seed` goes into the ids of people; without one, those of another start are other people.
        """
        self.world = World(public_url, pace=pace, seed=int(time.time()) if seed is None else seed)
        self.courier = Courier(self.world)
        self.telegram = Telegram(self.world, self.courier)
        self.messenger = Messenger(self.world, self.courier)
        self.viber = Viber(self.world, self.courier)
        self.vk = Vk(self.world, self.courier)

    def stand_in(self, kind: Kind) -> StandIn[Any]:
        match kind:
            case Kind.TELEGRAM:
                return self.telegram
            case Kind.MESSENGER:
                return self.messenger
            case Kind.VIBER:
                return self.viber
            case Kind.VK:
                return self.vk

    @property
    def faults(self) -> Faults:
        return self.world.faults

    @property
    def readings(self) -> Readings:
        return self.world.readings

    def add_account(self, account: Account) -> None:
        """Open an account. One with the same name gets the new token and keeps its chats."""
        check_account(account)
        self.stand_in(account.kind).add(account)

    def add_person(self) -> Person:
        return self.world.add_person()

    async def settled(self, seconds: float = 10.0) -> None:
        """Return when nothing is on its way any more; raises TimeoutError when that takes too long."""
        async with asyncio.timeout(seconds):
            await self.courier.settled()

    async def close(self) -> None:
        self.world.close()
        await self.courier.close()

    # What a person does.

    def chat(self, person: int, kind: Kind, account: str | None = None) -> Chat:
        """The person's chat with an account; without a name, with the only or first one."""
        stand_in = self.stand_in(kind)
        key = account or next(iter(stand_in.houses), None)
        if key is None:
            raise NotFound("This messenger has no account yet.")
        return stand_in.chat(key, self.world.person(person))

    def open_link(self, person: int, url: str) -> Chat:
        """Follow an entry link, `…/open/<messenger>/…`."""
        kind, name, link = read_link(url)
        stand_in = self.stand_in(kind)
        chat = stand_in.chat(stand_in.find_account(name), self.world.person(person))
        stand_in.open(chat, link)
        self._note(chat, "open", link.code)
        return chat

    def start(self, chat: Chat) -> None:
        """Press START, Get started, Message or Start."""
        self.stand_in(chat.kind).start(chat)
        self._note(chat, "start")

    def say(self, chat: Chat, text: str) -> None:
        self.stand_in(chat.kind).say(chat, _check_text(text))
        self._note(chat, "say", text)

    def attach(self, chat: Chat, piece: Piece, sample: Sample | None = None, caption: str = "") -> None:
        """Send something else than text; without a file of the caller's own, a sample of ours."""
        given = (sample or make_sample(piece)) if piece in FILES else None
        self.stand_in(chat.kind).attach(chat, piece, given, caption)
        self._note(chat, "attach", piece)

    def edit(self, chat: Chat, line_id: str, text: str) -> None:
        self.stand_in(chat.kind).edit(chat, chat.find_own(line_id), _check_text(text))
        self._note(chat, "edit", text)

    def delete(self, chat: Chat, line_id: str) -> None:
        self.stand_in(chat.kind).delete(chat, chat.find_own(line_id))
        self._note(chat, "delete")

    def press(self, chat: Chat, label: str, line_id: str | None = None) -> None:
        """Press a button of the bot's: under the named line, on the keyboard, or the newest so called."""
        line, button = _find_button(chat, label, line_id)
        self.stand_in(chat.kind).press(chat, button, line)
        self._note(chat, "press", label)

    def block(self, chat: Chat) -> None:
        self.stand_in(chat.kind).block(chat)
        self._note(chat, "block")

    def unblock(self, chat: Chat) -> None:
        self.stand_in(chat.kind).unblock(chat)
        self._note(chat, "unblock")

    def read(self, chat: Chat) -> None:
        self.stand_in(chat.kind).read(chat)
        self._note(chat, "read")

    def allow(self, chat: Chat, key: str = "") -> None:
        """Allow messages with the key of a page of the site (VK)."""
        self.stand_in(chat.kind).allow(chat, key)
        self._note(chat, "allow", key)

    def type(self, chat: Chat) -> None:
        self.stand_in(chat.kind).type(chat)
        self._note(chat, "type")

    def do(self, chat: Chat, action: str, given: Mapping[str, Any]) -> None:
        """Do what a JSON body asks; raises InvalidInput for what nobody can do."""
        match action:
            case "start":
                self.start(chat)
            case "say":
                self.say(chat, _string(given, "text"))
            case "attach":
                piece = _string(given, "what")
                if piece not in set(Piece):
                    raise InvalidInput(InputFault("$.what", "unknown", f"One of {', '.join(Piece)}."))
                self.attach(chat, Piece(piece), _read_sample(given), str(given.get("caption", "")))
            case "edit":
                self.edit(chat, _string(given, "line"), _string(given, "text"))
            case "delete":
                self.delete(chat, _string(given, "line"))
            case "press":
                line = _string(given, "line") if given.get("line") else None
                self.press(chat, _string(given, "label"), line)
            case "block":
                self.block(chat)
            case "unblock":
                self.unblock(chat)
            case "read":
                self.read(chat)
            case "allow":
                self.allow(chat, str(given.get("key", "")))
            case "type":
                self.type(chat)
            case _:
                raise NotFound("A person cannot do that.")

    def _note(self, chat: Chat, action: str, text: str = "") -> None:
        self.world.note(chat.kind, chat.account, "did", action, "ok", person=chat.person.number, text=text)

    # What can be seen.

    def show_log(
        self, *, kind: Kind | None = None, person: int | None = None, after: int = 0
    ) -> list[dict[str, Any]]:
        """What happened, oldest first: what people did and saw, what was pushed, what was called."""
        return [
            asdict(entry)
            for entry in self.world.log
            if entry.number > after and kind in (None, entry.kind) and person in (None, entry.person)
        ]

    def show_state(self, person: int | None) -> dict[str, Any]:
        """Everything that the page shows to one person."""
        known = person if person in self.world.people else None
        return {
            "version": self.world.version,
            "person": known,
            "people": [{"number": one.number, "name": one.name} for one in self.world.people.values()],
            "windows": [self._window(kind, known) for kind in Kind],
            "faults": [asdict(fault) for fault in self.faults.list()],
            "readings": [
                {"name": name, "choices": choices, "chosen": self.readings.get(name)}
                for name, choices in READINGS.items()
            ],
            "log": [asdict(entry) for entry in list(self.world.log)[-SHOWN_LOG:]],
        }

    def _window(self, kind: Kind, person: int | None) -> dict[str, Any]:
        stand_in = self.stand_in(kind)
        accounts = {key: house.account.title for key, house in stand_in.houses.items()}
        chats = {} if person is None else {key: self._show_chat(kind, person, key) for key in accounts}
        return {"kind": kind, "accounts": accounts, "chats": chats, "abilities": sorted(stand_in.abilities)}

    def _show_chat(self, kind: Kind, person: int, account: str) -> dict[str, Any]:
        chat = self.chat(person, kind, account)
        stand_in = self.stand_in(kind)
        return {
            "start": stand_in.start_label(chat),
            "can_write": stand_in.can_write(chat),
            "draft": chat.link.draft if chat.link else "",
            "code": chat.link.code if chat.link else "",
            "blocked": chat.blocked,
            "reachable": chat.reachable,
            "typing": chat.typing,
            "keyboard": _show_grid(chat.keyboard),
            "lines": [_show_line(line) for line in chat.lines],
        }


def read_link(url: str) -> tuple[Kind, str, Link]:
    """The messenger, the account's name and what the link carries; raises NotFound for a foreign address."""
    parts = urlsplit(url)
    steps = [unquote(step) for step in parts.path.strip("/").split("/")]
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    if len(steps) < 2 or steps[0] != "open" or steps[1] not in set(Kind):
        raise NotFound("This is no entry link of the simulator.")
    kind = Kind(steps[1])
    name = query.get("chatURI", "") if kind is Kind.VIBER else "/".join(steps[2:])
    parameter = {Kind.TELEGRAM: "start", Kind.VIBER: "context"}.get(kind, "ref")
    link = Link(query.get(parameter, ""), query.get("ref_source", ""), query.get("text", ""))
    return kind, name, link


def _find_button(chat: Chat, label: str, line_id: str | None) -> tuple[Line | None, Button]:
    if line_id is not None:
        line = chat.find(line_id)
        return line, _button_of(line.buttons, label)
    if found := _named(chat.keyboard, label):
        return None, found
    for line in reversed(chat.lines):
        if found := _named(line.buttons, label):
            return line, found
    raise NotFound("There is no such button.")


def _button_of(grid: Grid, label: str) -> Button:
    found = _named(grid, label)
    if found is None:
        raise NotFound("There is no such button.")
    return found


def _named(grid: Grid, label: str) -> Button | None:
    buttons: Iterable[Button] = (button for row in grid for button in row)
    return next((button for button in buttons if button.label == label), None)


def _show_line(line: Line) -> dict[str, Any]:
    media = None
    if line.media is not None:
        media = {"url": urlsplit(line.media.url).path, "name": line.media.name, "type": line.media.type}
    return {
        "id": line.id,
        "side": line.side,
        "text": "" if line.deleted else line.text,
        "what": line.what,
        "at": line.at,
        "media": None if line.deleted else media,
        "buttons": _show_grid(line.buttons),
        "edited": line.edited,
        "deleted": line.deleted,
        "read": line.read,
    }


def _show_grid(grid: Grid) -> list[list[dict[str, str]]]:
    return [[{"label": button.label, "press": button.press} for button in row] for row in grid]


def _string(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidInput(InputFault(f"$.{name}", "not_a_text", "A text that is not empty."))
    return value


def _check_text(text: str) -> str:
    if not text.strip() or len(text) > MAX_TEXT:
        raise InvalidInput(InputFault("$.text", "not_a_text", f"From 1 to {MAX_TEXT} characters."))
    return text


def _read_sample(given: Mapping[str, Any]) -> Sample | None:
    """A file of the caller's own: `content` in base64, `name` and `type`."""
    if "content" not in given:
        return None
    try:
        content = base64.b64decode(_string(given, "content"), validate=True)
    except binascii.Error:
        raise InvalidInput(InputFault("$.content", "not_base64", "This is no base64.")) from None
    if len(content) > MAX_FILE:
        raise InvalidInput(InputFault("$.content", "too_large", "The file is too large."))
    return Sample(_string(given, "name"), _string(given, "type"), content)
