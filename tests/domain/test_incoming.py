"""What a messenger tells us, within bounds that a store and a call can bear."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from knopka.domain.incoming import MOST_ID, MOST_LABEL, MOST_SIZE, MOST_SOURCE, bound_event
from knopka.domain.messaging import AttachmentKind, ChannelEvent, EventKind, InAttachment, Profile

AT = datetime(2026, 1, 1, tzinfo=UTC)


def event(**given: Any) -> ChannelEvent:
    return ChannelEvent(**{"kind": EventKind.MESSAGE, "event_id": "1", "chat_id": "7", "at": AT, **given})


def attachment(**given: Any) -> InAttachment:
    came = InAttachment(**{"kind": AttachmentKind.FILE, "source": "https://files.example/1", **given})
    (bound,) = bound_event(event(attachments=(came,))).attachments
    return bound


def test_what_is_within_bounds_is_left_as_it_is() -> None:
    told = event(
        user_id="7",
        text="Hello\nthere",
        message_id="5",
        message_ids=("4", "5"),
        payload="yes:  or  no",
        attachments=(
            InAttachment(
                kind=AttachmentKind.FILE,
                source="https://files.example/1?a=b",
                name="Прайс 😀.pdf",
                mime="application/vnd.ms-excel",
                size=5,
                title="A place",
                phone="+7 999",
            ),
        ),
        profile=Profile(name="Ann", username="ann", language="en", avatar="https://a.example/1", phone="+7"),
        raw={"a": [1]},
    )
    assert bound_event(told) == told


@pytest.mark.parametrize("size", [-1, MOST_SIZE + 1, 2**63, 2**64 - 1])
def test_S_HOOK_08_a_size_that_no_file_has_is_no_size(size: int) -> None:
    assert attachment(size=size).size is None


@pytest.mark.parametrize("mime", ["text/html\r\nx: y", "text", "/", "a/b/c", "a/\0b", "x" * 300 + "/y"])
def test_S_HOOK_08_a_type_that_is_none_is_left_out(mime: str) -> None:
    assert attachment(mime=mime).mime == ""


@pytest.mark.parametrize("source", ["https://a.example/\0", "a\nb", "\x1b[2J", "x" * (MOST_SOURCE + 1)])
def test_S_HOOK_08_a_source_that_cannot_be_asked_for_is_none(source: str) -> None:
    assert attachment(source=source).source == ""


def test_S_HOOK_08_names_are_lines_of_text() -> None:
    bound = attachment(name="a\0b\x1b[31m\u202ec.exe", title="x\ny", phone="1\t2")
    assert (bound.name, bound.title, bound.phone) == ("ab[31mc.exe", "x y", "1 2")
    assert len(attachment(name="я" * 5000).name) == MOST_LABEL


@pytest.mark.parametrize("bad", ["a\0", "\x07", "x" * (MOST_ID + 1), "a\nb"])
def test_S_HOOK_08_an_id_that_cannot_be_one_is_none(bad: str) -> None:
    told = event(user_id=bad, message_id=bad, message_ids=("4", bad), reply_to=bad, echo_mark=bad, cut=bad)
    bound = bound_event(told)
    assert (bound.user_id, bound.message_id, bound.message_ids) == ("", "", ("4",))
    assert (bound.reply_to, bound.echo_mark, bound.cut, bound.kind) == ("", "", "", EventKind.MESSAGE)


@pytest.mark.parametrize("bad", ["a\0", "x" * (MOST_ID + 1)])
def test_S_HOOK_06_what_belongs_to_no_chat_is_counted_and_not_worked(bad: str) -> None:
    bound = bound_event(event(chat_id=bad))
    assert (bound.kind, bound.chat_id) == (EventKind.OTHER, "")


def test_S_HOOK_05_a_long_identity_stays_an_identity() -> None:
    first, second = (bound_event(event(event_id="x" * 400 + end)).event_id for end in "ab")
    assert first != second
    assert first == bound_event(event(event_id="x" * 400 + "a")).event_id
    assert len(first) <= MOST_ID
