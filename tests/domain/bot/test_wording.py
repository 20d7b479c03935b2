"""The log of a run in words."""

from __future__ import annotations

import pytest

from knopka.domain.bot.effects import Note
from knopka.domain.bot.state import EndReason
from knopka.domain.bot.wording import ENDS, NOTES, say_end, say_note


def test_every_note_and_every_end_has_its_sentence_in_both_languages() -> None:
    assert set(NOTES) == set(Note)
    assert set(ENDS) == set(EndReason)
    for english, russian in [*NOTES.values(), *ENDS.values()]:
        assert english.isascii()
        assert english.endswith(".")
        assert russian.endswith(".")
        assert not russian.isascii()


@pytest.mark.parametrize(("locale", "said"), [("en", "Done."), ("de", "Done."), ("ru-RU", "Сделано.")])
def test_a_note_is_said_in_the_reader_s_language(locale: str, said: str) -> None:
    assert say_note("done", locale) == said


def test_what_another_release_wrote_is_named_by_its_code() -> None:
    assert say_note("danced", "en") == "danced"
    assert say_end("tired", "ru") == "tired"
    assert say_end("loop", "en").startswith("The script went round")
