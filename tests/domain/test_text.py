"""What is left of a text that somebody types."""

from __future__ import annotations

import pytest

from knopka.domain.text import clean_message

LRE, RLE, PDF, RLO = "\u202a", "\u202b", "\u202c", "\u202e"
LRI, RLI, FSI, PDI = "\u2066", "\u2067", "\u2068", "\u2069"
FAMILY = "\U0001f469\u200d\U0001f467"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t",
        "\u200b",
        "\ufeff",
        "\u2060 \u200d",
        RLO,
        RLO + PDF,
        PDI,
        "\u00ad",
        "\u3164",
        "\u2800",
        "\ufe0f",
    ],
)
def test_S_OUT_05_a_text_that_shows_nothing_is_empty(text: str) -> None:
    assert clean_message(text) == ""


@pytest.mark.parametrize("text", [".", "0", "👍", FAMILY, "می\u200cخواهم", "❤\ufe0f", "\u200fשלום!", "é"])
def test_a_text_that_shows_something_is_left_alone(text: str) -> None:
    assert clean_message(text) == text


@pytest.mark.parametrize(
    ("text", "balanced"),
    [
        (f"a{RLO}b", f"a{RLO}b{PDF}"),
        (f"a{RLI}b", f"a{RLI}b{PDI}"),
        (f"a{RLI}b{LRE}c", f"a{RLI}b{LRE}c{PDF}{PDI}"),
        (f"a{FSI}b{RLE}c{PDI}d", f"a{FSI}b{RLE}c{PDI}d"),
        (f"a{RLE}b{LRI}c{PDF}d", f"a{RLE}b{LRI}cd{PDI}{PDF}"),
        (f"a{PDF}b{PDI}c", "abc"),
        (f"{PDI} a", "a"),
        (f"a{RLE}b{PDF}c{RLI}d{PDI}", f"a{RLE}b{PDF}c{RLI}d{PDI}"),
    ],
)
def test_S_OUT_05_what_turns_the_direction_ends_with_the_text(text: str, balanced: str) -> None:
    assert clean_message(text) == balanced
    assert clean_message(balanced) == balanced


def test_D_08_many_ends_without_a_beginning_cost_no_more_than_others() -> None:
    assert clean_message("a" + RLE * 200_000 + PDI * 200_000) == "a" + RLE * 200_000 + PDF * 200_000
