"""`preset`: phone and e-mail out of a reply, and what is still missing of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from knopka.domain.bot.effects import WriteCard
from knopka.domain.bot.patterns import MAX_TEXT
from knopka.domain.bot.scope import Scope
from knopka.domain.bot.script import ValidateBaseInfo
from knopka.domain.emails import find_email
from knopka.domain.meta import Entity

BASE_INFO = "base_info"
"""Where the run keeps what it has got so far, among its variables."""

Kind = Literal["phone", "email"]


@dataclass(frozen=True, slots=True)
class BaseInfo:
    """What is known of a contact's phone and e-mail. `has_wrong_phone`: a number that cannot be dialled."""

    phone: str = ""
    email: str = ""
    has_wrong_phone: bool = False
    doubles: tuple[Kind, ...] = ()
    """Which of both another contact has."""
    asked: Kind | None = None
    """Which of both the store is asked about."""

    def get(self, kind: Kind) -> str:
        return self.phone if kind == "phone" else self.email

    def asking(self, kind: Kind) -> BaseInfo:
        return replace(self, asked=kind)

    def with_double(self) -> BaseInfo:
        """Another contact has what was asked about last."""
        return self if self.asked is None else replace(self, doubles=(*self.doubles, self.asked))


def read_reply(scope: Scope) -> BaseInfo:
    """Phone and e-mail that stand in the visitor's reply."""
    text = (scope.reply or "")[:MAX_TEXT]
    email = find_email(text) or ""
    phone = scope.find_phone(text.replace(email, " ") if email else text)
    return BaseInfo(
        phone=phone.number if phone else "",
        email=email,
        has_wrong_phone=phone is not None and not phone.is_certain,
    )


def plan_additions(info: BaseInfo) -> tuple[WriteCard, ...]:
    """Put what was found beside what the contact has already."""
    phone = WriteCard(Entity.CONTACT, "PHONE", info.phone, add=True)
    email = WriteCard(Entity.CONTACT, "EMAIL", info.email, add=True)
    return tuple(effect for effect in (phone, email) if effect.value)


def take_reply(known: BaseInfo, reply: BaseInfo) -> tuple[BaseInfo, BaseInfo]:
    """What is known after a reply, and what of it is new. A phone that cannot be dialled is not taken."""
    phone = "" if reply.has_wrong_phone else reply.phone
    new = BaseInfo(
        phone=phone if phone != known.phone else "",
        email=reply.email if reply.email != known.email else "",
    )
    after = replace(
        known,
        phone=phone or known.phone,
        email=reply.email or known.email,
        has_wrong_phone=reply.has_wrong_phone,
    )
    return after, new


def find_fault(info: BaseInfo, has_phone: bool, has_email: bool) -> str:
    """The name of the text that asks for what is missing; empty when nothing is."""
    if info.has_wrong_phone and not has_phone:
        return "invalid_phone"
    match has_phone, has_email:
        case False, False:
            return "empty_all"
        case False, True:
            return "empty_phone"
        case True, False:
            return "empty_email"
        case _:
            return ""


def pick_last_text(handler: ValidateBaseInfo, doubles: tuple[Kind, ...]) -> str:
    """What is said when both are there: which of them another contact has, if the script has words for it."""
    names = {("phone",): "phone_doubles", ("email",): "email_doubles", ("phone", "email"): "all_doubles"}
    told = handler.texts.get(names[doubles], "") if doubles else ""
    return told or handler.texts.get("success", "")


def read_info(variables: Mapping[str, Any]) -> BaseInfo:
    """What the run has kept; nothing where it has kept nothing that can be read."""
    kept = variables.get(BASE_INFO)
    if not isinstance(kept, dict):
        return BaseInfo()
    asked = kept.get("asked")
    doubles = kept.get("doubles")
    return BaseInfo(
        phone=str(kept.get("phone", "")),
        email=str(kept.get("email", "")),
        doubles=tuple(kind for kind in _KINDS if kind in doubles) if isinstance(doubles, list) else (),
        asked=asked if asked in _KINDS else None,
    )


def write_info(info: BaseInfo) -> dict[str, Any]:
    return {
        "phone": info.phone,
        "email": info.email,
        "doubles": list(info.doubles),
        "asked": info.asked or "",
    }


_KINDS: tuple[Kind, ...] = ("phone", "email")


def next_to_ask(info: BaseInfo) -> Kind | None:
    """Whose double is looked for next: first the phone's, then the e-mail's."""
    left = _KINDS if info.asked is None else _KINDS[_KINDS.index(info.asked) + 1 :]
    return next((kind for kind in left if info.get(kind)), None)
