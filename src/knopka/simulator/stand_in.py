"""What the four stand-ins have in common: accounts, chats, calls with their faults, a person's doings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from knopka.domain.errors import Conflict, NotFound
from knopka.simulator.accounts import Account, Kind
from knopka.simulator.asgi import Fate, Reply, Request
from knopka.simulator.courier import Courier, Manners
from knopka.simulator.faults import Fault, Trouble
from knopka.simulator.samples import Piece, Sample
from knopka.simulator.world import Button, Chat, Grid, Line, Link, Person, Side, World

MAX_ACCOUNTS = 20


class Refusal(Exception):
    """The platform's own answer to a call that it does not take."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.outcome)
        self.reply = reply


@dataclass(slots=True)
class Call:
    """One call of a platform's API, and whom it turned out to concern."""

    account: str
    method: str
    params: dict[str, Any]
    request: Request
    person: int | None = None
    text: str = ""
    identity: str = ""


class House(Protocol):
    """What a stand-in keeps of one account."""

    @property
    def account(self) -> Account: ...


H = TypeVar("H", bound=House)


class StandIn(ABC, Generic[H]):
    """One messenger: its API towards the account's owner, its window towards the person."""

    kind: ClassVar[Kind]
    manners: ClassVar[Manners]
    sending: ClassVar[frozenset[str]]
    """The methods that put a message before a person."""
    abilities: ClassVar[frozenset[str]]
    """What a person can do here, of those things that not every messenger has."""

    def __init__(self, world: World, courier: Courier) -> None:
        self.world = world
        self.courier = courier
        self.houses: dict[str, H] = {}
        self.chats: dict[tuple[str, int], Chat] = {}
        courier.learn(self.kind, self.manners)

    # The owner's side.

    def add(self, account: Account) -> None:
        """Open an account; one that is there already gets the new values and keeps its chats."""
        if len(self.houses) >= MAX_ACCOUNTS and account.key not in self.houses:
            raise Conflict("There are too many accounts already.")
        self.houses[account.key] = self.open_house(account)
        self.world.touch()

    async def answer(self, request: Request, path: str) -> Reply:
        """Answer a call of the API, unless a fault says otherwise."""
        try:
            call = self.read_call(request, path)
        except Refusal as refusal:
            self.world.note(self.kind, "", "call", path.rpartition("/")[2], refusal.reply.outcome)
            return refusal.reply
        sends = call.method in self.sending
        fault = self.world.faults.take_call(self.kind, call.account, call.method, sends=sends)
        reply = await self._answer(call, fault)
        self.world.note(
            self.kind,
            call.account,
            "call",
            call.method,
            reply.outcome,
            person=call.person,
            text=call.text,
            identity=call.identity,
            fault="" if fault is None else fault.trouble,
        )
        return reply

    async def _answer(self, call: Call, fault: Fault | None) -> Reply:
        if fault is None:
            return await self._perform(call)
        match fault.trouble:
            case Trouble.TIMEOUT_BEFORE:
                return Reply(fate=Fate.HELD, outcome="not taken, never answered")
            case Trouble.TIMEOUT_AFTER:
                done = await self._perform(call)
                return Reply(fate=Fate.HELD, outcome=f"{done.outcome}, never answered")
            case Trouble.ANSWER_LOST:
                done = await self._perform(call)
                return Reply(fate=Fate.CUT, outcome=f"{done.outcome}, answer lost")
            case _:
                return self.refuse(fault)

    async def _perform(self, call: Call) -> Reply:
        try:
            return await self.perform(call)
        except Refusal as refusal:
            return refusal.reply

    @abstractmethod
    def open_house(self, account: Account) -> H:
        """What is kept of a new account, or of the one that is there with new values."""

    @abstractmethod
    def read_call(self, request: Request, path: str) -> Call:
        """Whose call it is and what it asks; raises Refusal as the platform does for a wrong token."""

    @abstractmethod
    async def perform(self, call: Call) -> Reply:
        """Do what a call asks; raises Refusal."""

    @abstractmethod
    def refuse(self, fault: Fault) -> Reply:
        """The platform's words for a fault."""

    # The person's side.

    def find_account(self, name: str) -> str:
        """The account that an entry link names."""
        for key, house in self.houses.items():
            if name.casefold() in {one.casefold() for one in self.names(house)}:
                return key
        raise NotFound("This simulator has no such account.")

    def names(self, house: H) -> set[str]:
        return {house.account.key}

    def chat(self, account: str, person: Person) -> Chat:
        """The person's chat with an account; made when it is looked at first."""
        if account not in self.houses:
            raise NotFound("This simulator has no such account.")
        found = self.chats.get((account, person.number))
        if found is None:
            found = Chat(person, self.kind, account, self.user_id(account, person))
            self.chats[account, person.number] = found
        return found

    def find_chat(self, account: str, user_id: object) -> Chat | None:
        """The chat of the person whom the platform calls so towards this account."""
        wanted = str(user_id)
        return next(
            (chat for (key, _), chat in self.chats.items() if key == account and chat.user_id == wanted), None
        )

    @abstractmethod
    def user_id(self, account: str, person: Person) -> str: ...

    @abstractmethod
    def start_label(self, chat: Chat) -> str:
        """What stands on the button that opens the chat; empty when there is none now."""

    def can_write(self, chat: Chat) -> bool:
        """Whether the person's window has a field to write in."""
        return not chat.blocked

    @abstractmethod
    def open(self, chat: Chat, link: Link) -> None:
        """The person has followed an entry link."""

    @abstractmethod
    def start(self, chat: Chat) -> None:
        """The person presses the button that opens the chat."""

    @abstractmethod
    def say(self, chat: Chat, text: str) -> None: ...

    @abstractmethod
    def attach(self, chat: Chat, piece: Piece, sample: Sample | None, caption: str) -> None:
        """The person sends something else than text; `sample` is there for files alone."""

    @abstractmethod
    def press(self, chat: Chat, button: Button, line: Line | None) -> None:
        """The person presses a button of the bot's: under a line, or of the keyboard that stands below."""

    @abstractmethod
    def block(self, chat: Chat) -> None: ...

    @abstractmethod
    def unblock(self, chat: Chat) -> None: ...

    def edit(self, chat: Chat, line: Line, text: str) -> None:
        raise Conflict("This messenger tells nobody of an edit.")

    def delete(self, chat: Chat, line: Line) -> None:
        raise Conflict("This messenger tells nobody that a message was deleted.")

    def read(self, chat: Chat) -> None:
        raise Conflict("This messenger tells nobody what was read.")

    def allow(self, chat: Chat, key: str) -> None:
        raise Conflict("This messenger has no such permission.")

    def type(self, chat: Chat) -> None:
        raise Conflict("This messenger tells nobody who is typing.")

    # Shared pieces of both.

    def show(self, chat: Chat, line: Line) -> Line:
        """Put a bot's message before the person."""
        chat.add(line)
        chat.typing = False
        chat.unanswered.append(self.world.now())
        what = line.text or line.what
        self.world.note(
            self.kind,
            chat.account,
            "seen",
            line.what,
            "shown",
            person=chat.person.number,
            text=what,
            identity=line.id,
        )
        return line

    def tell(self, chat: Chat, text: str) -> None:
        """Put a note of the messenger itself into the window."""
        chat.lines.append(Line("", Side.NOTE, text, self.world.now()))
        self.world.touch()

    def set_keyboard(self, chat: Chat, keyboard: Grid, *, goes: bool) -> None:
        chat.keyboard, chat.keyboard_goes = keyboard, goes

    def spend_keyboard(self, chat: Chat) -> None:
        """A button of the standing keyboard was pressed."""
        if chat.keyboard_goes:
            chat.keyboard = ()

    def needs_reach(self, chat: Chat) -> None:
        if chat.blocked:
            raise Conflict("The person has blocked this account; unblock it first.")
