"""The bots, pages, public accounts and communities that the simulator has, as their owner names them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from typing import Any, ClassVar

from knopka.domain.errors import Fault, InvalidInput


class Kind(StrEnum):
    """A messenger."""

    TELEGRAM = "telegram"
    MESSENGER = "messenger"
    VIBER = "viber"
    VK = "vk"


@dataclass(frozen=True, slots=True, repr=False)
class TelegramAccount:
    """A bot of Telegram."""

    kind: ClassVar = Kind.TELEGRAM
    token: str
    username: str
    title: str

    @property
    def key(self) -> str:
        return self.username

    @property
    def bot_id(self) -> int:
        """The number before the colon, as in every token that BotFather gives."""
        return int(self.token.partition(":")[0])


@dataclass(frozen=True, slots=True, repr=False)
class MessengerAccount:
    """A Page of Facebook with the app that speaks for it."""

    kind: ClassVar = Kind.MESSENGER
    page_id: str
    page_token: str
    app_id: str
    app_secret: str
    username: str
    name: str

    @property
    def key(self) -> str:
        return self.page_id

    @property
    def title(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, repr=False)
class ViberAccount:
    """A bot of Viber."""

    kind: ClassVar = Kind.VIBER
    token: str
    uri: str
    name: str

    @property
    def key(self) -> str:
        return self.uri

    @property
    def title(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, repr=False)
class VkAccount:
    """A community of VK."""

    kind: ClassVar = Kind.VK
    group_id: int
    token: str
    screen_name: str
    name: str

    @property
    def key(self) -> str:
        return str(self.group_id)

    @property
    def title(self) -> str:
        return self.name


Account = TelegramAccount | MessengerAccount | ViberAccount | VkAccount
KINDS: dict[Kind, type[Account]] = {
    Kind.TELEGRAM: TelegramAccount,
    Kind.MESSENGER: MessengerAccount,
    Kind.VIBER: ViberAccount,
    Kind.VK: VkAccount,
}
TELEGRAM_TOKEN = re.compile(r"[0-9]{1,15}:[A-Za-z0-9_-]{1,128}")


def parse_account(given: Mapping[str, Any]) -> Account:
    """Read an account from JSON: `platform`, and the fields of that platform's account. No other is taken."""
    kind = given.get("platform")
    if not isinstance(kind, str) or kind not in set(Kind):
        raise InvalidInput(Fault("$.platform", "unknown", f"One of {', '.join(Kind)}."))
    made = KINDS[Kind(kind)]
    types = {field.name: int if field.type == "int" else str for field in fields(made)}
    values = {name: value for name, value in given.items() if name != "platform"}
    faults = [
        Fault(f"$.{name}", "not_of_the_type", f"A {kind_of.__name__} that is not empty.")
        for name, kind_of in types.items()
        if type(values.get(name, MISSING)) is not kind_of or not values[name]
    ]
    faults += [Fault(f"$.{name}", "unknown", "No such field.") for name in values.keys() - types.keys()]
    if faults:
        raise InvalidInput(*faults)
    account = made(**values)
    check_account(account)
    return account


def check_account(account: Account) -> None:
    """Refuse an account that its platform could not have."""
    if isinstance(account, TelegramAccount) and not TELEGRAM_TOKEN.fullmatch(account.token):
        raise InvalidInput(
            Fault("$.token", "not_a_token", "A bot's token is its number, a colon and a secret.")
        )
