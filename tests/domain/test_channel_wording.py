"""Every finding has its sentence and its fix, in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import knopka
from knopka.domain.channel_wording import CODES, explain, explain_parameter
from knopka.domain.messaging import ChannelKind, Parameter
from knopka.platforms import PLATFORMS

SOURCES = Path(knopka.__file__).parent
CODE = re.compile(r'Finding\(\s*Level\.[A-Z]+,\s*"([a-z_]+)"')


def test_every_finding_in_the_code_has_words() -> None:
    folders = (SOURCES / "channels", SOURCES / "services")
    used = {
        code for folder in folders for path in folder.glob("*.py") for code in CODE.findall(path.read_text())
    }
    assert used
    assert used <= CODES


@pytest.mark.parametrize("code", sorted(CODES))
def test_both_languages_say_the_same_things(code: str) -> None:
    english, russian = explain(code, "en"), explain(code, "ru")
    assert english[0] != code
    assert re.search("[а-я]", russian[0])
    assert bool(english[1]) == bool(russian[1])


@pytest.mark.parametrize("kind", PLATFORMS)
def test_whatever_a_channel_asks_for_is_explained_in_both_languages(kind: ChannelKind) -> None:
    for parameter in PLATFORMS[kind].parameters:
        assert explain_parameter(kind, parameter, "en") == parameter.hint
        assert re.search("[а-я]", explain_parameter(kind, parameter, "ru-RU")), parameter.name


def test_a_parameter_of_a_later_release_is_explained_as_it_is() -> None:
    assert explain_parameter(ChannelKind.VK, Parameter("new", "Somewhere."), "ru") == "Somewhere."


def test_a_code_of_a_later_release_is_shown_as_it_is() -> None:
    assert explain("something_new", "en") == ("something_new", "")
