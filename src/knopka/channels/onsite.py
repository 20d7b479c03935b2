"""The chat on the page, as a channel without a platform."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

from knopka.domain.errors import BadRequest, UntrustedWebhook
from knopka.domain.messaging import (
    Capabilities,
    ChannelEvent,
    ChannelKind,
    DeepLink,
    HttpReply,
    OutboundMessage,
    OutboxKey,
    Parameter,
    Profile,
    SentMessage,
    SetupReport,
)


class Onsite:
    """Our own server stands where the platform would: what it keeps has arrived."""

    kind: ChannelKind = ChannelKind.ONSITE
    caps: Capabilities = Capabilities(
        text_most=10_000,
        per_second=1000.0,
        has_send_key=True,
        tells_delivered=True,
        tells_read=True,
        has_typing=True,
    )
    parameters: tuple[Parameter, ...] = ()

    def deep_link(self) -> DeepLink:
        """None: the icon opens the window on the page."""
        return DeepLink("")

    def verify(self, headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> None:
        """No platform sends anything here, so whoever does is somebody else."""
        raise UntrustedWebhook("The chat on the page has no webhook.")

    def parse(self, body: bytes) -> list[ChannelEvent]:
        """Nothing: what the page sends is taken by the page's own address."""
        return []

    def reply(self, events: Sequence[ChannelEvent]) -> HttpReply:
        """Nothing was heard, so nothing is said."""
        return HttpReply()

    def answer_challenge(self, query: Mapping[str, str]) -> HttpReply | None:
        """Nobody has to be shown that the address is ours."""
        return None

    def echo_mark(self, key: OutboxKey) -> str:
        """There is no echo: nobody but us writes from our side."""
        return ""

    async def setup(self, webhook_url: str) -> SetupReport:
        """It stands as soon as the server does."""
        return SetupReport("")

    async def check(self, webhook_url: str) -> SetupReport:
        """The one who asks is the one who would answer."""
        return SetupReport("")

    async def leave(self) -> None:
        """Nobody sends anything that would have to be stopped."""

    async def send(self, message: OutboundMessage, key: OutboxKey) -> SentMessage:
        """It is sent by being kept: the hub tells the page after the commit."""
        return SentMessage(key)

    async def answer_callback(self, event: ChannelEvent) -> None:
        """The page does not wait: it shows a press by itself."""

    async def type(self, chat_id: str) -> None:
        """The inbox tells the hub itself, and the hub the page."""

    async def mark_read(self, chat_id: str, message_id: str) -> None:
        """The inbox tells the hub itself, and the hub the page."""

    async def profile(self, chat_id: str) -> Profile | None:
        """The page's visitor says himself who he is."""
        return None

    async def fetch(self, source: str) -> AsyncIterator[bytes]:
        """Files of the page are uploaded to us, so none is to be fetched from elsewhere."""
        nothing: tuple[bytes, ...] = ()
        for part in nothing:
            yield part
        raise BadRequest("gone")
