"""VK: the messages of one community, through VK's API and its callback server."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from knopka.channels._buttons import add_lines, number_rows, send_each, write_lines
from knopka.channels._http import Api
from knopka.channels._json import (
    get,
    get_count,
    get_degrees,
    get_dict,
    get_dicts,
    get_moment_or_epoch,
    get_number,
    get_text,
    hash_node,
    read_answer,
    read_object,
)
from knopka.domain.errors import (
    BadRequest,
    ChannelBroken,
    ChatGone,
    DeliveryError,
    Retryable,
    Uncertain,
    UnreadableUpdate,
    UntrustedWebhook,
)
from knopka.domain.formatting import to_plain
from knopka.domain.messaging import (
    CODE,
    DIGITS,
    AttachmentKind,
    Button,
    Capabilities,
    ChannelConfig,
    ChannelEvent,
    ChannelKind,
    DeepLink,
    EntryToken,
    EventKind,
    Finding,
    HttpReply,
    InAttachment,
    Level,
    OutboundMessage,
    OutboxKey,
    Parameter,
    Profile,
    SentMessage,
    SetupReport,
    parse_entry_token,
    read_start,
)

VERSION = "5.199"
EVENTS = (
    "message_new", "message_reply", "message_edit", "message_allow", "message_deny", "message_read",
    "message_typing_state", "message_event",
)  # fmt: skip
FIRST_GROUP_CHAT = 2_000_000_000
"""Peers from here on are chats of several people (VK API, messages.send, peer_id)."""
MOST_PAYLOAD = 255
MOST_IN_ROW = 5
MOST_ROWS = 6
"""Of buttons that stand under a message (VK API, bots, keyboard)."""
MOST_BEGINNINGS = 15
"""Messages that go before the last one of a text with its lines, and can be told from somebody else's."""
TITLE = "knopka"
"""The callback server's name in the community's settings; VK takes 14 characters."""

NEEDS_ADDRESS = Finding(Level.BROKEN, "needs_public_address")

_STARTS = ("start", "начать")
"""What the community's own Start button writes, in the languages that VK shows it in."""
_AGAIN_SOON = {1: 5.0, 6: 1.0, 9: 3600.0, 10: 5.0, 29: 3600.0, 36: 5.0}
"""Codes that pass by themselves, and the seconds after which to try again (VK API, errors)."""
_GONE = frozenset({900, 901, 902, 936, 950})
_BROKEN = frozenset({5, 7, 14, 15, 27, 38, 912})


class VK:
    """The messages of one community. A person is known by his id, which is also the chat's."""

    kind: ChannelKind = ChannelKind.VK
    caps: Capabilities = Capabilities(
        text_most=4096,  # newer texts say 9,000; code 914 would be the answer if they were wrong
        per_second=18.0,  # VK counts 20 calls a second for a community's token
        buttons_most=10,
        label_most=40,
        has_send_key=True,
        tells_read=True,
        has_typing=True,
        marks_read=True,
    )
    parameters: tuple[Parameter, ...] = (
        Parameter(
            "group_id",
            "The community's number: Manage, API usage, or the address vk.com/club<number>.",
            form=DIGITS,
        ),
        Parameter(
            "token",
            "Manage, API usage, Access tokens: with messages, manage and photos of the community.",
            is_secret=True,
        ),
    )

    def __init__(self, config: ChannelConfig, api: Api) -> None:
        self._config = config
        self._api = api
        self._group_id = config.values.get("group_id", "").removeprefix("club").lstrip("-")
        self._token = config.values.get("token", "")

    def deep_link(self) -> DeepLink:
        base = self._config.link_base or "https://vk.me"
        name = self._config.values.get("screen_name", "") or f"club{self._group_id}"
        return DeepLink(f"{base}/{quote(name, safe='')}?ref={CODE}&ref_source=knopka")

    # --- Webhooks.

    def verify(self, headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> None:
        """VK signs nothing: the secret stands in the body, beside the community's number."""
        try:
            sent = read_object(body)
        except UnreadableUpdate:
            raise UntrustedWebhook("The body holds no secret.") from None
        secret, group = get(sent, "secret"), get_text(sent, "group_id")
        wanted = self._config.webhook_secret
        is_known = (
            bool(wanted)
            and isinstance(secret, str)
            and hmac.compare_digest(secret.encode(errors="replace"), wanted.encode())
        )
        if not is_known or not group or group != self._group_id:
            raise UntrustedWebhook("The secret or the community is not the one of this channel.")

    def parse(self, body: bytes) -> list[ChannelEvent]:
        sent = read_object(body)
        what = get(sent, "type")
        if not isinstance(what, str) or not what:
            raise UnreadableUpdate("An event of VK has a type.")
        raw = {name: value for name, value in sent.items() if name != "secret"}
        found = get_dict(sent, "object")
        match what:
            case "message_new":
                return [self._read_message(sent, raw, EventKind.MESSAGE)]
            case "message_edit":
                return [self._read_message(sent, raw, EventKind.EDITED)]
            case "message_reply":
                return [self._read_message(sent, raw, EventKind.ECHO)]
            case "message_allow":
                return [_read_permission(sent, found, raw)]
            case "message_deny":
                return [_event(sent, raw, EventKind.BLOCKED, get_text(found, "user_id"))]
            case "message_read":
                last = get_text(found, "read_message_id") or get_text(found, "conversation_message_id")
                peer = get_text(found, "peer_id") or get_text(found, "from_id")
                return [_event(sent, raw, EventKind.READ, peer, message_ids=(last,) if last else ())]
            case "message_typing_state":
                return [_event(sent, raw, EventKind.TYPING, get_text(found, "from_id"))]
            case "message_event":
                return [_read_press(sent, found, raw)]
            case "confirmation":
                return [_event(sent, raw, EventKind.CHALLENGE, "")]
            case _:
                return [_event(sent, raw, EventKind.OTHER, "")]

    def _read_message(self, sent: Mapping[str, Any], raw: Mapping[str, Any], kind: EventKind) -> ChannelEvent:
        """A message; before version 5.103 of the events it stands there itself, without its wrapping."""
        message = get_dict(sent, "object", "message") or get_dict(sent, "object")
        peer = get_text(message, "peer_id") or get_text(message, "from_id") or get_text(message, "user_id")
        number = get_number(message, "peer_id")
        if not peer or (number is not None and number >= FIRST_GROUP_CHAT):
            return _event(sent, raw, EventKind.OTHER, "")
        if kind is EventKind.MESSAGE and get_number(message, "out") == 1:
            kind = EventKind.ECHO
        brought = get_text(message, "ref") if kind is EventKind.MESSAGE else ""
        code = parse_entry_token(brought)
        payload = _read_payload(get_text(message, "payload"))
        if kind is EventKind.MESSAGE and _is_start(message):
            kind = EventKind.OPENED
        text, attachments = _read_words(message), tuple(_read_attachments(message))
        is_cut = get(message, "is_cropped") is True
        random_id = (get_count(message, "random_id") or 0) if kind is EventKind.ECHO else 0
        if kind is EventKind.MESSAGE and not (text or attachments or code or is_cut):
            return _event(sent, raw, EventKind.OTHER, "")
        return _event(
            sent,
            raw,
            kind,
            peer,
            identity=_identity(sent, message, kind),
            user_id=get_text(message, "from_id"),
            at=_moment(message),
            code=code,
            start=read_start(brought),
            text="" if kind is EventKind.OPENED else text,
            attachments=attachments,
            message_id=_number(message),
            reply_to=get_text(message, "reply_message", "id"),
            payload=payload,
            echo_mark=str(random_id) if random_id else "",
            begins=_list_begun(random_id),
            cut=get_text(message, "conversation_message_id") if is_cut else "",
        )

    def reply(self, events: Sequence[ChannelEvent]) -> HttpReply:
        """VK wants the word `ok`, and for its first question the community's confirmation code."""
        if any(event.kind is EventKind.CHALLENGE for event in events):
            return HttpReply(body=self._config.values.get("confirmation", "").encode())
        return HttpReply(body=b"ok")

    def answer_challenge(self, query: Mapping[str, str]) -> HttpReply | None:
        return None

    def echo_mark(self, key: OutboxKey) -> str:
        return str(_random_id(key))

    # --- Set-up.

    async def prepare(self) -> Mapping[str, str]:
        """The code that VK asks the address for while the callback server is being added."""
        answer = await self._ask("groups.getCallbackConfirmationCode", group_id=self._group_id)
        return {"confirmation": get_text(answer, "code")}

    async def setup(self, webhook_url: str) -> SetupReport:
        group = await self._introduce()
        if not webhook_url:
            return replace(group, findings=(NEEDS_ADDRESS,))
        values = {**group.values, **await self.prepare()}
        # VK may ask for the code while the server is still being added.
        self._learn(values)
        server_id = await self._place_server(webhook_url)
        values["server_id"] = server_id
        self._learn(values)
        on: dict[str, Any] = dict.fromkeys(EVENTS, 1)
        await self._ask(
            "groups.setCallbackSettings",
            group_id=self._group_id,
            server_id=server_id,
            api_version=VERSION,
            **on,
        )
        stands = _judge_server(await self._find_server(webhook_url))
        return replace(group, values=values, findings=(stands,))

    async def check(self, webhook_url: str) -> SetupReport:
        group = await self._introduce()
        if not webhook_url:
            return replace(group, findings=(NEEDS_ADDRESS,))
        return replace(group, findings=(_judge_server(await self._find_server(webhook_url)),))

    async def leave(self) -> None:
        server_id = self._config.values.get("server_id", "")
        if server_id:
            await self._ask("groups.deleteCallbackServer", group_id=self._group_id, server_id=server_id)

    def _learn(self, values: Mapping[str, str]) -> None:
        self._config = replace(self._config, values={**self._config.values, **values})

    async def _introduce(self) -> SetupReport:
        """The community's name, which also proves that the token is good."""
        answer = await self._ask("groups.getById", group_id=self._group_id)
        found = get_dicts(answer, "groups") or get_dicts({"groups": answer}, "groups")
        group = found[0] if found else {}
        title = get_text(group, "name") or f"club{self._group_id}"
        return SetupReport(title, {"screen_name": get_text(group, "screen_name")}, account=self._group_id)

    async def _find_server(self, webhook_url: str) -> dict[str, Any]:
        answer = await self._ask("groups.getCallbackServers", group_id=self._group_id)
        servers = get_dicts(answer, "items")
        return next((server for server in servers if get_text(server, "url") == webhook_url), {})

    async def _place_server(self, webhook_url: str) -> str:
        """The callback server with our address: a community has ten at most, so an own one is used again."""
        secret = self._config.webhook_secret
        known = get_text(await self._find_server(webhook_url), "id") or self._config.values.get(
            "server_id", ""
        )
        if known:
            try:
                await self._ask(
                    "groups.editCallbackServer",
                    group_id=self._group_id, server_id=known, url=webhook_url, title=TITLE, secret_key=secret,
                )  # fmt: skip
            except BadRequest:
                pass  # somebody has removed it there
            else:
                return known
        answer = await self._ask(
            "groups.addCallbackServer",
            group_id=self._group_id, url=webhook_url, title=TITLE, secret_key=secret,
        )  # fmt: skip
        return get_text(answer, "server_id")

    # --- Messages.

    async def send(self, message: OutboundMessage, key: OutboxKey) -> SentMessage:
        """Send a text, with a keyboard if there are buttons; those without room stand under it as lines."""
        rows, lines = _lay_out(message.buttons)
        keyboard = _write_keyboard(rows) if rows else ""

        async def send(number: int, text: str, is_last: bool) -> SentMessage:
            form: dict[str, Any] = {
                "peer_id": message.chat_id,
                "message": text,
                "random_id": _random_id(key) if is_last else _begin(key, number),
                "dont_parse_links": 1,
            }
            if keyboard and is_last:
                form["keyboard"] = keyboard
            answer = await self._ask("messages.send", sends=True, **form)
            message_id = get_text({"id": answer}, "id") or get_text(answer, "message_id")
            if not message_id:
                raise Uncertain("VK's answer could not be read.")
            return SentMessage(message_id)

        return await send_each(add_lines(to_plain(message.text), lines, self.caps.text_most), send)

    async def answer_callback(self, event: ChannelEvent) -> None:
        """Without an answer the button shows that it waits for a minute."""
        await self._ask(
            "messages.sendMessageEventAnswer",
            event_id=event.message_id,
            user_id=event.user_id,
            peer_id=event.chat_id,
        )

    async def type(self, chat_id: str) -> None:
        await self._ask("messages.setActivity", peer_id=chat_id, type="typing", group_id=self._group_id)

    async def mark_read(self, chat_id: str, message_id: str) -> None:
        await self._ask(
            "messages.markAsRead", peer_id=chat_id, start_message_id=message_id, group_id=self._group_id
        )

    async def profile(self, chat_id: str) -> Profile | None:
        answer = await self._ask("users.get", user_ids=chat_id, fields="photo_200,screen_name")
        people = get_dicts({"people": answer}, "people")
        if not people:
            return None
        person = people[0]
        name = f"{get_text(person, 'first_name')} {get_text(person, 'last_name')}".strip()
        return Profile(
            name=name, username=get_text(person, "screen_name"), avatar=get_text(person, "photo_200")
        )

    def fetch(self, source: str) -> AsyncIterator[bytes]:
        return self._api.fetch(source)

    async def reload(self, chat_id: str, cut: str) -> ChannelEvent | None:
        """The message whole: what is long is told with `is_cropped` (VK API, message)."""
        answer = await self._ask(
            "messages.getByConversationMessageId",
            peer_id=chat_id,
            conversation_message_ids=cut,
            group_id=self._group_id,
        )
        found = get_dicts(answer, "items")
        if not found or get_text(found[0], "conversation_message_id") != cut:
            return None
        raw = {"type": "message_edit", "object": found[0]}
        event = self._read_message(raw, raw, EventKind.EDITED)
        whole = f"whole:{chat_id}:{cut}:{hash_node(raw)}"
        return replace(event, event_id=whole, cut="", is_whole=True) if event.chat_id == chat_id else None

    async def _ask(self, method: str, *, sends: bool = False, **form: Any) -> Any:
        """Call a method: a form, never JSON, and the token in a header (VK API, requests)."""
        answer = await self._api.call(
            "POST",
            f"/method/{method}",
            form={**form, "v": VERSION},
            headers={"Authorization": f"Bearer {self._token}"},
            sends=sends,
        )
        if answer.status == 429:
            raise Retryable("VK counts too many calls.", answer.retry_after or 1.0)
        if answer.status >= 500:
            raise Retryable(f"VK has an error of its own ({answer.status}).", answer.retry_after)
        if not isinstance(answer.body, dict) or not {"response", "error"} & answer.body.keys():
            raise (Uncertain if sends else Retryable)("VK's answer could not be read.")
        error = get_dict(answer.body, "error")
        if error:
            raise _judge(error)
        return answer.body.get("response")


def _judge_server(server: Mapping[str, Any]) -> Finding:
    """How the callback server stands (VK API, groups.getCallbackServers): until VK has got the community's
    code from us it sends nothing else, and where it got another answer it does not ask again by itself."""
    match get_text(server, "status"):
        case "ok":
            return Finding(Level.OK, "webhook_set")
        case "wait" | "unconfigured":
            return Finding(Level.WARNING, "webhook_unconfirmed")
        case "failed":
            return Finding(Level.BROKEN, "webhook_unconfirmed")
        case _:
            return Finding(Level.BROKEN, "webhook_removed")


def _judge(error: Mapping[str, Any]) -> DeliveryError:
    """What an error means for us; its words are VK's, and hold none of our secrets."""
    code = get_count(error, "error_code") or 0
    words = f"VK: {get_text(error, 'error_msg')[:200]} ({code})"
    if code in _AGAIN_SOON:
        return Retryable(words, _AGAIN_SOON[code])
    if code in _GONE:
        return ChatGone(words)
    if code in _BROKEN:
        return ChannelBroken(words)
    return BadRequest(words)


def _random_id(key: OutboxKey) -> int:
    """VK shows messages of one random_id once: 31 bits of the key, never 0, which stands for none."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") & 0x7FFFFFFF or 1


def _begin(key: OutboxKey, number: int) -> int:
    """The random_id of what goes before the rest of a message: a neighbour of that one's, as long as there
    are any, so that it is known by it."""
    near = _random_id(key) ^ (number + 1)
    return near if number < MOST_BEGINNINGS and near else _random_id(OutboxKey(f"{key}:{number}"))


def _list_begun(random_id: int) -> tuple[str, ...]:
    """The marks of the messages that this one may be the beginning of."""
    if random_id == 0:
        return ()
    return tuple(str(random_id ^ (number + 1)) for number in range(MOST_BEGINNINGS))


def _event(
    sent: Mapping[str, Any],
    raw: Mapping[str, Any],
    kind: EventKind,
    chat_id: str,
    *,
    identity: str = "",
    at: datetime | None = None,
    **more: Any,
) -> ChannelEvent:
    if not chat_id and kind not in (EventKind.OTHER, EventKind.CHALLENGE):
        kind = EventKind.OTHER
    return ChannelEvent(
        kind=kind,
        event_id=identity or get_text(sent, "event_id") or hash_node(raw),
        chat_id=chat_id,
        at=at or _moment(get_dict(sent, "object")),
        raw=raw,
        **{"user_id": chat_id, **more},
    )


def _identity(sent: Mapping[str, Any], message: Mapping[str, Any], kind: EventKind) -> str:
    """S-HOOK-05: the message's own place in its chat, for edits with the version; VK's event id else."""
    peer, number = get_text(message, "peer_id"), get_text(message, "conversation_message_id")
    if kind in (EventKind.MESSAGE, EventKind.OPENED) and peer and number:
        return f"message:{peer}:{number}"
    return get_text(sent, "event_id")


def _number(message: Mapping[str, Any]) -> str:
    """What names the message; one whose own number is 0 has none, and is named by its place in the chat."""
    number = get_text(message, "id")
    return number if number not in ("", "0") else get_text(message, "conversation_message_id")


def _moment(message: Mapping[str, Any]) -> datetime:
    """When it was said, or changed last."""
    seconds = get_number(message, "update_time") or get_number(message, "date")
    return get_moment_or_epoch({"at": None if seconds is None else seconds * 1000}, "at")


def _read_permission(
    sent: Mapping[str, Any], found: Mapping[str, Any], raw: Mapping[str, Any]
) -> ChannelEvent:
    """The person allows messages. `key` is a second carrier of our code (messages.allowMessagesFromGroup)."""
    person = get_text(found, "user_id")
    code: EntryToken | None = parse_entry_token(get_text(found, "key"))
    kind = EventKind.UNBLOCKED if code is None else EventKind.OPENED
    return _event(sent, raw, kind, person, code=code)


def _read_press(sent: Mapping[str, Any], found: Mapping[str, Any], raw: Mapping[str, Any]) -> ChannelEvent:
    payload = found.get("payload")
    text = payload if isinstance(payload, str) else json.dumps(payload)
    pressed = get_text(found, "event_id")
    return _event(
        sent,
        raw,
        EventKind.CALLBACK,
        get_text(found, "peer_id") or get_text(found, "user_id"),
        identity=f"press:{pressed}" if pressed else "",
        user_id=get_text(found, "user_id"),
        message_id=pressed,
        payload=_read_payload(text),
    )


def _is_start(message: Mapping[str, Any]) -> bool:
    """The community's Start button: its command, or its word together with a code."""
    if get(read_answer(get_text(message, "payload")), "command") == "start":
        return True
    return bool(get_text(message, "ref")) and get_text(message, "text").strip().lower() in _STARTS


def _read_payload(text: str) -> str:
    """What we put into a button of ours; a payload of somebody else's is given as it stands."""
    ours = get(read_answer(text), "b")
    return ours if isinstance(ours, str) else text[:MOST_PAYLOAD]


def _read_words(message: Mapping[str, Any]) -> str:
    """What the message says, and below that, quoted, what it passes on of others."""
    passed_on = [get_text(one, "text") for one in get_dicts(message, "fwd_messages")]
    quoted = [f"> {line}" for words in passed_on for line in words.splitlines()]
    own = get_text(message, "text") or get_text(message, "body")
    return "\n".join([own, *quoted] if own else quoted)


def _read_attachments(message: Mapping[str, Any]) -> Iterator[InAttachment]:
    for one in (message, *get_dicts(message, "fwd_messages")):
        for item in get_dicts(one, "attachments"):
            kind = get_text(item, "type")
            yield from _read_attachment(kind, get_dict(item, kind))
    place = get_dict(message, "geo")
    if place:
        yield InAttachment(
            kind=AttachmentKind.LOCATION,
            title=get_text(place, "place", "title"),
            latitude=get_degrees(place, "coordinates", "latitude"),
            longitude=get_degrees(place, "coordinates", "longitude"),
        )


def _read_attachment(kind: str, found: Mapping[str, Any]) -> Iterator[InAttachment]:
    match kind:
        case "photo":
            yield InAttachment(kind=AttachmentKind.PHOTO, source=_widest(found, "sizes"))
        case "doc":
            yield InAttachment(
                kind=AttachmentKind.FILE,
                source=get_text(found, "url"),
                name=get_text(found, "title"),
                size=get_count(found, "size"),
            )
        case "graffiti":
            yield InAttachment(kind=AttachmentKind.PHOTO, source=get_text(found, "url"))
        case "audio_message":
            source = get_text(found, "link_mp3") or get_text(found, "link_ogg")
            yield InAttachment(kind=AttachmentKind.VOICE, source=source)
        case "video":
            # VK gives no file of a video: its picture is kept, and where to see it (VK API, video).
            address = f"https://vk.com/video{get_text(found, 'owner_id')}_{get_text(found, 'id')}"
            yield InAttachment(kind=AttachmentKind.PHOTO, source=_widest(found, "image"))
            yield InAttachment(kind=AttachmentKind.LINK, title=address)
        case "sticker":
            yield InAttachment(kind=AttachmentKind.STICKER, source=_widest(found, "images"))
        case "link":
            yield InAttachment(kind=AttachmentKind.LINK, title=get_text(found, "url"))
        case _:
            yield InAttachment(kind=AttachmentKind.LINK, title=kind)


def _widest(found: Mapping[str, Any], name: str) -> str:
    """The address of the largest picture."""
    sizes = get_dicts(found, name)
    return get_text(max(sizes, key=lambda size: get_number(size, "width") or 0), "url") if sizes else ""


def _lay_out(rows: Sequence[Sequence[Button]]) -> tuple[list[Sequence[Button]], list[str]]:
    """The rows of the keyboard, and a numbered line for each button beyond what one holds."""
    numbered, left = number_rows(rows)
    flat, most = [one for row in numbered for one in row], VK.caps.buttons_most
    left += flat[most:]
    cut = [row[at : at + MOST_IN_ROW] for row in numbered for at in range(0, len(row), MOST_IN_ROW)]
    if len(flat) > most or len(cut) > MOST_ROWS:
        cut = [flat[at : min(at + 2, most)] for at in range(0, min(len(flat), most), 2)]
    return [[button for _, button in row] for row in cut], write_lines(left)


def _write_keyboard(rows: Sequence[Sequence[Button]]) -> str:
    """Buttons under the message itself; each says its label in the person's name when it is pressed."""
    shown = [[_write_button(button) for button in row] for row in rows]
    return json.dumps({"inline": True, "buttons": shown}, ensure_ascii=False)


def _write_button(button: Button) -> dict[str, Any]:
    label = button.label[: VK.caps.label_most]
    if button.url:
        return {"action": {"type": "open_link", "label": label, "link": button.url}}
    payload = json.dumps({"b": button.payload}, ensure_ascii=False)
    if len(payload) > MOST_PAYLOAD:
        raise BadRequest("A button's payload is longer than VK takes.")
    return {"action": {"type": "text", "label": label, "payload": payload}, "color": "secondary"}
