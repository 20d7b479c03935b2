"""A messenger that nobody runs: signed JSON comes in, one call sends. What a new channel needs at least."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping, Sequence

from knopka.channels._http import Api
from knopka.channels._json import get_moment_or_epoch, get_text, hash_node, read_object
from knopka.domain.errors import (
    BadRequest,
    ChannelBroken,
    ChatGone,
    Retryable,
    Uncertain,
    UnreadableUpdate,
    UntrustedWebhook,
)
from knopka.domain.formatting import to_plain
from knopka.domain.messaging import (
    CODE,
    Capabilities,
    ChannelConfig,
    ChannelEvent,
    ChannelKind,
    DeepLink,
    EventKind,
    HttpReply,
    OutboundMessage,
    OutboxKey,
    Parameter,
    Profile,
    SentMessage,
    SetupReport,
    parse_entry_token,
)


class Toy:
    """One account of the toy. ChannelKind is a closed set, so the toy takes Viber's place in it."""

    kind: ChannelKind = ChannelKind.VIBER
    caps: Capabilities = Capabilities(text_most=1000, per_second=100.0)
    parameters: tuple[Parameter, ...] = (
        Parameter("token", "The toy's settings, Token.", is_secret=True),
        Parameter("account", "The name in the toy's address."),
    )

    def __init__(self, config: ChannelConfig, api: Api) -> None:
        self._config = config
        self._api = api

    def deep_link(self) -> DeepLink:
        base = self._config.link_base or "https://toy.example"
        return DeepLink(f"{base}/{self._config.values.get('account', '')}?start={CODE}")

    def verify(self, headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> None:
        secret, given = self._config.webhook_secret, headers.get("x-toy-signature", "")
        wanted = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        if not secret or not hmac.compare_digest(wanted.encode(), given.encode()):
            raise UntrustedWebhook("The signature is not the toy's.")

    def parse(self, body: bytes) -> list[ChannelEvent]:
        sent = read_object(body)
        match get_text(sent, "type"):
            case "":
                raise UnreadableUpdate("An event of the toy has a type.")
            case "message":
                kind, event_id = EventKind.MESSAGE, get_text(sent, "id")
            case _:
                kind, event_id = EventKind.OTHER, hash_node(sent)
        chat_id = get_text(sent, "chat")
        if kind is EventKind.MESSAGE and not (event_id and chat_id):
            raise UnreadableUpdate("A message of the toy has an id and a chat.")
        event = ChannelEvent(
            kind=kind,
            event_id=f"{kind}:{event_id}",
            chat_id=chat_id,
            user_id=chat_id,
            at=get_moment_or_epoch(sent, "at"),
            code=parse_entry_token(get_text(sent, "start")),
            text=get_text(sent, "text"),
            message_id=event_id,
            profile=Profile(name=get_text(sent, "name")),
            raw=sent,
        )
        return [event]

    def reply(self, events: Sequence[ChannelEvent]) -> HttpReply:
        return HttpReply()

    def answer_challenge(self, query: Mapping[str, str]) -> HttpReply | None:
        return None

    def echo_mark(self, key: OutboxKey) -> str:
        return ""

    async def setup(self, webhook_url: str) -> SetupReport:
        _ = await self._ask("/webhook", {"url": webhook_url, "secret": self._config.webhook_secret})
        return await self.check(webhook_url)

    async def check(self, webhook_url: str) -> SetupReport:
        return SetupReport(self._config.values.get("account", ""))

    async def leave(self) -> None:
        _ = await self._ask("/webhook", {"url": ""})

    async def send(self, message: OutboundMessage, key: OutboxKey) -> SentMessage:
        buttons = (f"{button.label} {button.url}".strip() for row in message.buttons for button in row)
        json = {"chat": message.chat_id, "text": "\n".join([to_plain(message.text), *buttons])}
        message_id = await self._ask("/messages", json, sends=True)
        if not message_id:
            raise Uncertain("The toy's answer names no message.")
        return SentMessage(message_id)

    async def answer_callback(self, event: ChannelEvent) -> None: ...

    async def type(self, chat_id: str) -> None: ...

    async def mark_read(self, chat_id: str, message_id: str) -> None: ...

    async def profile(self, chat_id: str) -> Profile | None:
        return None

    def fetch(self, source: str) -> AsyncIterator[bytes]:
        return self._api.fetch(source)

    async def _ask(self, path: str, json: Mapping[str, str], *, sends: bool = False) -> str:
        """The id that the toy answers with, if any."""
        headers = {"authorization": f"Bearer {self._config.values.get('token', '')}"}
        answer = await self._api.call("POST", path, json=json, headers=headers, sends=sends)
        match answer.status:
            case 200:
                return get_text(answer.body, "id")
            case 401:
                raise ChannelBroken("The toy refuses the token.")
            case 404:
                raise ChatGone("The toy knows no such chat.")
            case status if status == 429 or status >= 500:
                raise Retryable(f"The toy cannot take it now (HTTP {status}).", answer.retry_after)
            case status:
                raise BadRequest(f"The toy refused it (HTTP {status}).")
