"""The questions that every channel must answer; each channel's test file asks them with its own samples."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knopka.domain.errors import (
    DeliveryError,
    KnopkaError,
    Retryable,
    Uncertain,
    UnreadableUpdate,
    UntrustedWebhook,
)
from knopka.domain.messaging import (
    CODE,
    Button,
    Channel,
    ChannelEvent,
    EventKind,
    OutboundMessage,
    OutboxKey,
    PollingChannel,
)

KEY = OutboxKey("00112233445566778899aabbccddeeff")
LARGEST_PAYLOAD = f"b:{10**18 - 1}:{10**18 - 1}:"
"""How the payload of a bot's button begins that is as long as one can be."""
WEBHOOK = "https://chat.example/hooks/1/unguessable"

Said = (
    httpx.Response | Exception | Mapping[str, Any] | Sequence[Any] | Callable[[httpx.Request], httpx.Response]
)


class Platform:
    """A messenger's API as a plain function: answers as it is told, by the last part of the path called.

    `*` answers what is not named. A mapping or list is the JSON of a 200, an
    exception is what the transport does. What was asked stays in `requests`.
    """

    def __init__(self, answers: Mapping[str, Said]) -> None:
        self.answers = dict(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        name = request.url.path.rpartition("/")[2]
        said = self.answers.get(name, self.answers.get("*"))
        match said:
            case None:
                raise AssertionError(f"nobody expected a call of {name}")
            case httpx.Response():
                return httpx.Response(said.status_code, headers=said.headers, content=said.content)
            case Exception():
                raise said
            case _ if callable(said):
                return said(request)
            case _:
                return httpx.Response(200, json=said)

    def asked(self, name: str) -> list[httpx.Request]:
        """The calls whose path ends with this name."""
        return [request for request in self.requests if request.url.path.rpartition("/")[2] == name]

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self))


SILENCE = Platform({})
"""Nothing may be asked."""


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook's request."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    """What a platform answers to a message, and what that means for us (channels.md §4.4)."""

    name: str
    said: Said
    means: type[DeliveryError]
    after: float | None = None
    """Of Retryable: the seconds that the platform asks for."""


class ChannelContract:
    """Inherit as `TestTelegram(ChannelContract)` and fill in what is declared."""

    pytestmark = pytest.mark.anyio

    samples: ClassVar[Path]
    """A folder of payloads, `update__detail.json`, as the platform documents them."""
    secret: ClassVar[str]
    """What a webhook is proven with: at least four characters, among them letters of both cases."""
    hidden: ClassVar[tuple[str, ...]]
    """What may stand in no error and no repr: tokens, secrets."""
    chat_id: ClassVar[str]
    taken: ClassVar[bytes]
    """What the platform answers to a message that it has taken."""
    unknown: ClassVar[tuple[bytes, ...]]
    """Real bodies with nothing for us: each gives events of OTHER alone."""
    unreadable: ClassVar[tuple[bytes, ...]] = ()
    """JSON that this messenger never sends, beside the garbage below."""
    faults: ClassVar[tuple[Fault, ...]]
    garbage: ClassVar[tuple[bytes, ...]] = (
        b"",
        b"{",
        b"{}",
        b"[]",
        b"null",
        b"1",
        b'"text"',
        b"[{}]",
        b"\xff\xfe",
        b'{"a":1}x',
        b"[" * 100_000,
    )

    def make(self, platform: Platform = SILENCE, *, secret: str | None = None) -> Channel:
        """The channel in front of this platform; its webhook's secret is `secret`, else the usual one."""
        raise NotImplementedError

    def sign(self, body: bytes, secret: str | None) -> Hook:
        """The body as the platform sends it with this secret; None: without any sign of one."""
        raise NotImplementedError

    # Who is believed

    def test_S_HOOK_01_the_true_secret_is_believed(self, sample: bytes) -> None:
        hook = self.sign(sample, self.secret)
        self.make().verify(hook.headers, hook.query, hook.body)

    def test_S_HOOK_01_every_other_secret_is_refused(self) -> None:
        channel = self.make()
        others = (
            None,
            "",
            " ",
            self.secret[:-1],
            self.secret + "x",
            f" {self.secret}",
            self.secret.swapcase(),
            "of-another-channel-A1",
            "ключ",
        )
        for body in self._bodies():
            for other in others:
                self._refuses(channel, self.sign(body, other))

    def test_S_HOOK_01_without_a_secret_of_our_own_nobody_is_believed(self) -> None:
        channel = self.make(secret="")
        for body in self._bodies():
            for other in (None, "", self.secret):
                self._refuses(channel, self.sign(body, other))

    def test_S_HOOK_01_garbage_without_a_secret_is_refused_before_it_is_read(self) -> None:
        for body in self.garbage:
            self._refuses(self.make(), Hook(body))

    def _refuses(self, channel: Channel, hook: Hook) -> None:
        with pytest.raises(UntrustedWebhook) as refusal:
            channel.verify(hook.headers, hook.query, hook.body)
        self._tells_no_secret(refusal.value)

    # What is read

    def test_S_HOOK_05_the_same_body_gives_the_same_events(self, sample: bytes) -> None:
        events = self.make().parse(sample)
        assert events == self.make().parse(sample)
        assert all(event.event_id for event in events)
        assert len({event.event_id for event in events}) == len(events)

    def test_S_HOOK_05_events_of_different_bodies_are_different(self) -> None:
        ids = [event.event_id for body in self._bodies() for event in self.make().parse(body)]
        assert len(set(ids)) == len(ids)

    def test_every_sample_has_an_event(self, sample: bytes) -> None:
        events = self.make().parse(sample)
        assert events
        for event in events:
            check_sound(event)

    def test_a_member_that_nobody_knows_changes_nothing(self, sample: bytes) -> None:
        known = self.make().parse(sample)
        grown = self.make().parse(json.dumps(_grow(json.loads(sample))).encode())
        assert [replace(event, raw={}) for event in grown] == [replace(event, raw={}) for event in known]

    def test_S_HOOK_06_an_unknown_kind_is_kept_as_other(self, unknown: bytes) -> None:
        events = self.make().parse(unknown)
        assert events
        assert {event.kind for event in events} == {EventKind.OTHER}

    def test_garbage_is_unreadable(self) -> None:
        for body in (*self.garbage, *self.unreadable):
            with pytest.raises(UnreadableUpdate):
                self.make().parse(body)

    def test_S_HOOK_08_a_member_of_a_wrong_type_is_at_most_unreadable(self) -> None:
        bodies = [json.loads(body) for body in self._bodies()]
        channel = self.make()

        @settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(st.data())
        def read(data: st.DataObject) -> None:
            body = data.draw(st.sampled_from(bodies))
            for _ in range(data.draw(st.integers(1, 3))):
                body = _put(body, data.draw(st.sampled_from(list(_paths(body)))), data.draw(json_values))
            try:
                events = channel.parse(json.dumps(body).encode())
            except UnreadableUpdate as error:
                self._tells_no_secret(error)
            else:
                for event in events:
                    check_sound(event)

        read()

    def test_S_HOOK_08_each_member_may_be_anything(self, sample: bytes) -> None:
        channel, body = self.make(), json.loads(sample)
        for path in _paths(body):
            for member in ANYTHING:
                try:
                    events = channel.parse(json.dumps(_put(body, path, member)).encode())
                except UnreadableUpdate:
                    continue
                for event in events:
                    check_sound(event)

    def test_what_is_kept_of_an_event_holds_no_secret(self, sample: bytes) -> None:
        hook = self.sign(sample, self.secret)
        for event in self.make().parse(hook.body):
            assert not any(secret in json.dumps(event.raw, ensure_ascii=False) for secret in self.hidden)

    def test_every_body_gets_a_good_answer(self, sample: bytes) -> None:
        channel = self.make()
        assert channel.reply(channel.parse(sample)).status == 200

    # What is told of it

    def test_the_link_holds_the_place_of_the_code_once(self) -> None:
        assert self.make().deep_link().url.count(CODE) == 1

    def test_S_SEC_05_its_repr_tells_no_secret(self) -> None:
        assert not any(secret in repr(self.make()) for secret in self.hidden)

    # What is sent

    async def test_a_fault_has_the_class_that_says_what_to_do(self, fault: Fault) -> None:
        with pytest.raises(DeliveryError) as failure:
            await self._send(fault.said)
        assert type(failure.value) is fault.means
        if fault.after is not None:
            assert isinstance(failure.value, Retryable)
            assert failure.value.after == fault.after
        self._tells_no_secret(failure.value)

    @pytest.mark.parametrize("error", [httpx.ConnectError("x"), httpx.ConnectTimeout("x")])
    async def test_what_never_left_is_sent_again(self, error: Exception) -> None:
        with pytest.raises(Retryable) as failure:
            await self._send(error)
        self._tells_no_secret(failure.value)

    @pytest.mark.parametrize("error", [httpx.ReadTimeout("x"), httpx.RemoteProtocolError("x")])
    async def test_what_was_not_answered_is_uncertain(self, error: Exception) -> None:
        with pytest.raises(Uncertain) as failure:
            await self._send(error)
        self._tells_no_secret(failure.value)

    @pytest.mark.parametrize("text", ["", "<html>", "null", "[]", "{}", '"x"', '{"ok": 1}'])
    async def test_an_answer_that_says_nothing_leaves_it_uncertain(self, text: str) -> None:
        with pytest.raises(Uncertain):
            await self._send(httpx.Response(200, text=text))

    @pytest.mark.parametrize("most", [1, 5, 10, 13, 14, 40, 100])
    @pytest.mark.parametrize("is_one_row", [False, True])
    async def test_every_button_can_be_pressed_or_stands_in_the_text(
        self, most: int, is_one_row: bool
    ) -> None:
        labels = [f"Сорт чая {number}" for number in range(most)]
        buttons = [Button(label, f"{LARGEST_PAYLOAD}{number}") for number, label in enumerate(labels)]
        rows = (tuple(buttons),) if is_one_row else tuple((button,) for button in buttons)
        said = await self._said(rows)
        for number, label in enumerate(labels):
            payload = rf"{LARGEST_PAYLOAD}{number}(?![0-9])"
            line = rf"(?m)^(?:{number + 1}\. )?{label}$"
            assert any(re.search(payload, text) or re.search(line, text) for text in said)

    @pytest.mark.parametrize(
        "url", ["https://shop.example/_tea_", "mailto:tea@shop.example", "tel:+74951234567"]
    )
    async def test_where_a_button_leads_is_told(self, url: str) -> None:
        said = await self._said(((Button("Чай", "b:1:2:0"),), (Button("Куда", url=url),)))
        is_line = any(re.search(rf"(?m)^(?:2\. )?Куда:? {re.escape(url)}$", text) for text in said)
        assert is_line or (url in said and url.startswith("https:"))

    async def _said(self, rows: tuple[tuple[Button, ...], ...]) -> list[str]:
        """Every text in what is sent of a message with these buttons, which the platform takes."""
        platform = Platform({"*": httpx.Response(200, content=self.taken)})
        message = OutboundMessage(chat_id=self.chat_id, text="Какой?", buttons=rows)
        await self.make(platform).send(message, KEY)
        return [text for request in platform.requests for text in _list_texts(_read_body(request))]

    async def _send(self, said: Said) -> None:
        channel = self.make(Platform({"*": said}))
        await channel.send(OutboundMessage(chat_id=self.chat_id, text="Hello"), KEY)

    @pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 409, 429, 500])
    async def test_garbage_from_the_platform_is_a_delivery_error_at_most(self, status: int) -> None:
        for text in ("", "<html>", "null", "[]", "{}", '"x"', '{"ok":true}', '{"error":7,"result":[]}'):
            await self._survives(httpx.Response(status, text=text))

    @pytest.mark.parametrize("error", [httpx.ConnectError("x"), httpx.ReadTimeout("x")])
    async def test_an_absent_platform_is_a_delivery_error_at_most(self, error: Exception) -> None:
        await self._survives(error)

    async def _survives(self, said: Said) -> None:
        channel = self.make(Platform({"*": said}))
        event = ChannelEvent(
            kind=EventKind.CALLBACK,
            event_id="callback:1",
            chat_id=self.chat_id,
            at=datetime(2026, 1, 1, tzinfo=UTC),
        )
        calls: list[Callable[[], Any]] = [
            lambda: channel.setup(WEBHOOK),
            lambda: channel.setup(""),
            lambda: channel.check(WEBHOOK),
            lambda: channel.check(""),
            channel.leave,
            lambda: channel.type(self.chat_id),
            lambda: channel.mark_read(self.chat_id, "5"),
            lambda: channel.profile(self.chat_id),
            lambda: channel.answer_callback(event),
        ]
        if isinstance(channel, PollingChannel):
            poller = channel
            calls.append(lambda: poller.poll(""))
        for call in calls:
            try:
                await call()
            except DeliveryError as error:
                self._tells_no_secret(error)

    # Helpers

    def _bodies(self) -> list[bytes]:
        return list_samples(self.samples)

    def _tells_no_secret(self, error: KnopkaError) -> None:
        told = f"{error} {error!r} {error.message} {error.args}"
        assert not any(secret in told for secret in self.hidden)


class SignedContract(ChannelContract):
    """For platforms that sign their bodies: a signature of `sign` is of the very bytes."""

    def test_S_HOOK_02_the_signature_is_of_the_raw_bytes(self, sample: bytes) -> None:
        hook = self.sign(sample, self.secret)
        again = json.dumps(json.loads(sample), separators=(" , ", " : ")).encode()
        self._refuses(self.make(), replace(hook, body=again))

    def test_S_HOOK_02_one_other_byte_is_refused(self, sample: bytes) -> None:
        hook = self.sign(sample, self.secret)
        for body in (sample + b" ", sample[:-1], b" " + sample, b""):
            self._refuses(self.make(), replace(hook, body=body))


def _read_body(request: httpx.Request) -> Any:
    if request.headers["content-type"].startswith("application/json"):
        return json.loads(request.content)
    return [_read_value(value) for _, value in parse_qsl(request.content.decode())]


def _read_value(value: str) -> Any:
    """A form's value, which may be JSON itself."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def _list_texts(node: Any) -> Iterator[str]:
    match node:
        case str():
            yield node
        case dict():
            for member in node.values():
                yield from _list_texts(member)
        case list():
            for member in node:
                yield from _list_texts(member)
        case _:
            pass


def list_samples(folder: Path) -> list[bytes]:
    """The payloads of one channel, in the order of their names."""
    return [path.read_bytes() for path in sorted(folder.glob("*.json"))]


def check_sound(event: ChannelEvent) -> None:
    """Raise AssertionError unless every member has the type that it is declared with."""
    texts = (
        event.event_id, event.chat_id, event.user_id, event.text, event.message_id, event.reply_to,
        event.payload, event.echo_mark, event.reason, *event.message_ids, *event.begins,
    )  # fmt: skip
    assert all(type(text) is str for text in texts)
    assert event.event_id
    assert event.at.utcoffset() == timedelta(0)
    assert event.watermark is None or event.watermark.utcoffset() == timedelta(0)
    assert isinstance(event.raw, Mapping)
    for attachment in event.attachments:
        assert all(
            type(text) is str
            for text in (
                attachment.source,
                attachment.name,
                attachment.mime,
                attachment.title,
                attachment.phone,
            )
        )
        assert attachment.size is None or type(attachment.size) is int
        assert all(
            place is None or (type(place) is float and abs(place) <= 180)
            for place in (attachment.latitude, attachment.longitude)
        )
    if event.profile is not None:
        told = event.profile
        assert all(
            type(text) is str for text in (told.name, told.username, told.language, told.avatar, told.phone)
        )


ANYTHING: tuple[Any, ...] = (
    None,
    True,
    0,
    7,
    -1,
    10**30,
    1.5,
    500.0,
    "",
    "x",
    "7",
    [],
    [7],
    [[7]],
    {},
    {"a": 1},
    [{}],
)
"""What may stand for any member by mistake."""

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.sampled_from([0, 1, -1, 2**31, 2**53, 2**64, 10**30, 1767225600, 10**15])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.sampled_from(["1", "{}", "[]", "null", '{"command":"start"}', "/start", "k" * 32]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abcdeft_y", max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
"""Any JSON, the awkward more often than elsewhere."""

Path_ = tuple[str | int, ...]


def _paths(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """The way to every member of a JSON value, beginning with the value itself."""
    yield path
    match value:
        case dict():
            for key, member in value.items():
                yield from _paths(member, (*path, key))
        case list():
            for at, member in enumerate(value):
                yield from _paths(member, (*path, at))
        case _:
            pass


def _put(value: Any, path: Path_, member: Any) -> Any:
    """A copy of the value with another member at the end of the path."""
    if not path:
        return member
    step, *rest = path
    copy = value.copy()
    copy[step] = _put(value[step], tuple(rest), member)
    return copy


def _grow(value: Any) -> Any:
    """A copy of the value with an unknown member in every object."""
    match value:
        case dict():
            return {key: _grow(member) for key, member in value.items()} | {"not_yet_known": {"a": [1, None]}}
        case list():
            return [_grow(member) for member in value]
        case _:
            return value
