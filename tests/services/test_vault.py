"""Secrets at rest."""

from __future__ import annotations

from typing import Any

import pytest

from knopka.services.vault import Vault, WrongKey, hint

KEY, OTHER = b"k" * 32, b"o" * 32
PLACE: dict[str, Any] = {"account_id": 1, "field": "channels.secrets:7"}


def test_S_SEC_01_what_is_sealed_is_opened_in_its_place_alone() -> None:
    vault = Vault(KEY)
    sealed = vault.seal("the token", **PLACE)
    assert vault.open(sealed, **PLACE) == "the token"
    assert "token" not in sealed
    for moved in ({**PLACE, "account_id": 2}, {**PLACE, "field": "channels.secrets:8"}):
        with pytest.raises(WrongKey, match="another channel"):
            vault.open(sealed, **moved)


def test_S_SEC_01_a_changed_character_opens_nothing() -> None:
    vault = Vault(KEY)
    sealed = vault.seal("the token", **PLACE)
    for at in range(len(sealed)):
        changed = sealed[:at] + ("A" if sealed[at] != "A" else "B") + sealed[at + 1 :]
        with pytest.raises(WrongKey):
            vault.open(changed, **PLACE)


@pytest.mark.parametrize("nothing", ["", "...", "v1", "v1.a.b", "v1.a.b.c.d", "text"])
def test_what_was_never_sealed_is_refused_in_words(nothing: str) -> None:
    with pytest.raises(WrongKey, match="KNOPKA_SECRET_KEY"):
        Vault(KEY).open(nothing, **PLACE)


def test_another_key_is_told_as_that() -> None:
    sealed = Vault(OTHER).seal("the token", **PLACE)
    with pytest.raises(WrongKey, match="KNOPKA_SECRET_KEY"):
        Vault(KEY).open(sealed, **PLACE)


def test_a_key_can_be_replaced_step_by_step() -> None:
    sealed = Vault(OTHER).seal("the token", **PLACE)
    both = Vault(KEY, OTHER)
    assert both.open(sealed, **PLACE) == "the token"
    assert not both.is_newest(sealed)
    again = both.seal("the token", **PLACE)
    assert both.is_newest(again)
    assert Vault(KEY).open(again, **PLACE) == "the token"


def test_the_same_text_is_never_sealed_alike() -> None:
    vault = Vault(KEY)
    assert vault.seal("the token", **PLACE) != vault.seal("the token", **PLACE)


@pytest.mark.parametrize(
    ("secret", "shown"), [("", "…"), ("abc", "…"), ("abcd", "…d"), ("a" * 12 + "wxyz", "…wxyz")]
)
def test_S_SEC_05_a_secret_shows_its_end_alone(secret: str, shown: str) -> None:
    assert hint(secret) == shown
