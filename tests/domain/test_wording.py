"""Every verdict and every reason has its words in both languages."""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

import knopka
from knopka.domain.verdicts import Reason, Verdict
from knopka.domain.wording import NAMES, SENTENCES, name, say, say_all

SOURCE = Path(knopka.__file__).parent


def reasons_in_source() -> Iterator[tuple[str, ast.Call]]:
    """Each `Reason(…)` in the code, with its place."""
    for file in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if (
                isinstance(node, ast.Call)
                and getattr(node.func, "id", getattr(node.func, "attr", "")) == "Reason"
            ):
                yield f"{file.relative_to(SOURCE)}:{node.lineno}", node


def placeholders(sentence: str) -> set[str]:
    return {field for _, field, _, _ in string.Formatter().parse(sentence) if field is not None}


def test_every_reason_of_the_code_has_its_sentence() -> None:
    found = {
        place: node.args[0].value
        for place, node in reasons_in_source()
        if node.args and isinstance(node.args[0], ast.Constant)
    }
    assert len(found) > 50
    assert {place: code for place, code in found.items() if code not in SENTENCES} == {}


def test_every_sentence_is_said_by_the_code() -> None:
    said = {
        node.args[0].value
        for _, node in reasons_in_source()
        if node.args and isinstance(node.args[0], ast.Constant)
    }
    assert set(SENTENCES) - said == set()


def test_every_reason_brings_the_values_of_its_sentence() -> None:
    for place, node in reasons_in_source():
        if len(node.args) == 2 and isinstance(node.args[1], ast.Dict):
            assert isinstance(node.args[0], ast.Constant), place
            given = {key.value for key in node.args[1].keys if isinstance(key, ast.Constant)}
            for sentence in SENTENCES[str(node.args[0].value)]:
                assert placeholders(sentence) <= given, place
        elif len(node.args) == 1 and isinstance(node.args[0], ast.Constant):
            assert placeholders(SENTENCES[str(node.args[0].value)][0]) == set(), place


@pytest.mark.parametrize("code", sorted(SENTENCES))
def test_both_languages_say_the_same_values(code: str) -> None:
    english, russian = SENTENCES[code]
    assert placeholders(english) == placeholders(russian)
    assert english.isascii() or not set(english) & set("абвгдеёжзийклмнопрстуфхцчшщъыьэюя")
    assert set(russian.lower()) & set("абвгдеёжзийклмнопрстуфхцчшщъыьэюя")
    assert english.endswith(".")
    assert russian.endswith(".")


def test_every_verdict_has_a_name_in_both_languages() -> None:
    assert set(NAMES) == set(Verdict)
    assert (name(Verdict.NOTED, "en"), name(Verdict.NOTED, "ru-RU")) == ("noted", "записано примечанием")


def test_a_reason_is_said_in_the_language_asked_for() -> None:
    reason = Reason("unknown_field", {"field": "77"})
    assert say(reason, "en") == "The account has no field 77."
    assert say(reason, "ru") == "В аккаунте нет поля 77."
    assert say(reason, "pt") == "The account has no field 77."


def test_values_of_the_page_are_never_read_as_a_template() -> None:
    reason = Reason("unknown_field", {"field": "{0.__class__} {field} %s {"})
    assert say(reason, "en") == "The account has no field {0.__class__} {field} %s {."


def test_a_journal_of_another_release_is_still_readable() -> None:
    assert say(Reason("unheard_of"), "en") == "unheard_of"
    assert say(Reason("unknown_field"), "en") == "The account has no field …."


def test_several_reasons_stand_one_after_the_other() -> None:
    assert say_all([], "en") is None
    assert say_all([Reason("declined"), Reason("not_empty")], "ru") == (
        "Входящая заявка отклонена. Поле уже заполнено, а заполненное поле не обновляется."
    )
