"""A running simulator with one account of each messenger, and a webhook for it to call."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from knopka.simulator.accounts import Kind, MessengerAccount, TelegramAccount, ViberAccount, VkAccount
from knopka.simulator.faults import parse_fault
from knopka.simulator.run import run_simulator
from knopka.simulator.simulator import Simulator
from knopka.simulator.world import Chat, Line, Side
from tests.simulator.receiver import Received, Receiver, confirm, receiving

TELEGRAM = TelegramAccount("123456:AAtelegramTESTtokenAAAAAAAAAAAAAAAA", "shop_bot", "Shop")
MESSENGER = MessengerAccount("100200300", "EAAB-page-token", "555", "app-secret", "shop.page", "Shop")
VIBER = ViberAccount("4453b6ac12345678-e02c5f12174805f9-knopkatesttoken1", "shopbot", "Shop")
VK = VkAccount(123, "vk1.a.community-token", "shop_vk", "Shop")
CODE = "k1Zm9vYmFyQUJDREVGR0hJSktMTU5PUA"
"""A link code, as the button makes them."""
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts nobody and costs nothing to load: nothing here speaks TLS."""


@dataclass
class Stage:
    """The simulator, the webhook it calls, and one person."""

    url: str
    simulator: Simulator
    hook: Receiver
    http: httpx.AsyncClient

    def person(self) -> int:
        return self.simulator.add_person().number

    def fault(self, fault: str, **given: Any) -> None:
        self.simulator.faults.switch_on(parse_fault({"fault": fault, **given}))

    async def pushed(self) -> list[Received]:
        """What has come since the last look, when nothing more is on its way."""
        await self.simulator.settled()
        got, self.hook.got = self.hook.got, []
        return got

    def outcomes(self, what: str, name: str | None = None) -> list[str]:
        """What the log says of pushes, calls or things seen."""
        log = self.simulator.show_log()
        return [entry["outcome"] for entry in log if entry["what"] == what and name in (None, entry["name"])]

    async def telegram(self, method: str, **params: Any) -> Any:
        return (await self.http.post(f"/telegram/bot{TELEGRAM.token}/{method}", json=params)).json()

    async def graph(self, verb: str, path: str, **params: Any) -> Any:
        token = (
            f"{MESSENGER.app_id}|{MESSENGER.app_secret}" if "subscriptions" in path else MESSENGER.page_token
        )
        query = {"access_token": token}
        if verb == "GET":
            return (await self.http.get(f"/graph/v26.0/{path}", params=query | params)).json()
        return (await self.http.request(verb, f"/graph/v26.0/{path}", params=query, json=params)).json()

    async def viber(self, method: str, **params: Any) -> Any:
        headers = {"X-Viber-Auth-Token": VIBER.token}
        return (await self.http.post(f"/viber/pa/{method}", json=params, headers=headers)).json()

    async def vk(self, method: str, **params: Any) -> Any:
        form = {"v": "5.199", "access_token": VK.token, **params}
        return (await self.http.post(f"/vk/method/{method}", data=form)).json()

    async def connect_telegram(self, **params: Any) -> None:
        answer = await self.telegram(
            "setWebhook", url=f"{self.hook.url}/tg", secret_token="s3cret_T-1", **params
        )
        assert answer["ok"], answer

    async def connect_messenger(self) -> None:
        fields = (
            "messages,messaging_postbacks,messaging_referrals,message_echoes,message_deliveries,"
            "message_reads,message_edits"
        )
        started = await self.graph("POST", "me/messenger_profile", get_started={"payload": "GET_STARTED"})
        assert started == {"result": "success"}
        taken = await self.graph("POST", "me/subscribed_apps", subscribed_fields=fields)
        assert taken == {"success": True}
        subscription = {"object": "page", "callback_url": f"{self.hook.url}/fb", "verify_token": "verify"}
        answer = await self.graph("POST", f"{MESSENGER.app_id}/subscriptions", **subscription, fields=fields)
        assert answer == {"success": True}, answer
        self.hook.got.clear()

    async def connect_viber(self) -> None:
        answer = await self.viber(
            "set_webhook", url=f"{self.hook.url}/viber", send_name=True, send_photo=True
        )
        assert answer["status"] == 0, answer
        self.hook.got.clear()

    async def connect_vk(self) -> None:
        code = (await self.vk("groups.getCallbackConfirmationCode", group_id=123))["response"]["code"]
        self.hook.answer = lambda received: (200, code if b'"confirmation"' in received.body else "ok")
        given = {"group_id": 123, "url": f"{self.hook.url}/vk", "title": "knopka", "secret_key": "s3cret"}
        server = (await self.vk("groups.addCallbackServer", **given))["response"]["server_id"]
        events = dict.fromkeys(
            (
                *("message_new", "message_reply", "message_edit", "message_allow", "message_deny"),
                *("message_read", "message_typing_state", "message_event"),
            ),
            1,
        )
        answer = await self.vk("groups.setCallbackSettings", group_id=123, server_id=server, **events)
        assert answer == {"response": 1}
        self.hook.got.clear()

    async def connect(self, kind: Kind) -> None:
        match kind:
            case Kind.TELEGRAM:
                await self.connect_telegram()
            case Kind.MESSENGER:
                await self.connect_messenger()
            case Kind.VIBER:
                await self.connect_viber()
            case Kind.VK:
                await self.connect_vk()

    def link(self, kind: Kind, code: str = CODE) -> str:
        match kind:
            case Kind.TELEGRAM:
                return f"{self.url}/open/telegram/shop_bot?start={code}"
            case Kind.MESSENGER:
                return f"{self.url}/open/messenger/shop.page?ref={code}"
            case Kind.VIBER:
                return f"{self.url}/open/viber?chatURI=shopbot&context={code}"
            case Kind.VK:
                return f"{self.url}/open/vk/shop_vk?ref={code}&ref_source=button"

    async def meet(self, kind: Kind, person: int | None = None) -> Chat:
        """A person comes by the link, starts, and says a word; all of it is delivered."""
        await self.connect(kind)
        chat = self.simulator.open_link(person or self.person(), self.link(kind))
        self.simulator.start(chat)
        self.simulator.say(chat, "Hello")
        await self.pushed()
        return chat

    async def send(self, chat: Chat, text: str) -> httpx.Response:
        """The platform's sending method, with nothing but the text."""
        match chat.kind:
            case Kind.TELEGRAM:
                path = f"/telegram/bot{TELEGRAM.token}/sendMessage"
                return await self.http.post(path, json={"chat_id": chat.user_id, "text": text})
            case Kind.MESSENGER:
                body = {
                    "recipient": {"id": chat.user_id},
                    "messaging_type": "RESPONSE",
                    "message": {"text": text},
                }
                query = {"access_token": MESSENGER.page_token}
                return await self.http.post("/graph/v26.0/me/messages", params=query, json=body)
            case Kind.VIBER:
                body = {"receiver": chat.user_id, "type": "text", "text": text, "sender": {"name": "Shop"}}
                headers = {"X-Viber-Auth-Token": VIBER.token}
                return await self.http.post("/viber/pa/send_message", json=body, headers=headers)
            case Kind.VK:
                form = {"peer_id": chat.user_id, "message": text, "random_id": 7, "v": "5.199"}
                headers = {"Authorization": f"Bearer {VK.token}"}
                return await self.http.post("/vk/method/messages.send", data=form, headers=headers)


def shown(chat: Chat) -> list[str]:
    """What the bot's messages in the person's window say."""
    return [line.text for line in chat.lines if line.side is Side.BOT]


def last_of(chat: Chat, side: Side) -> Line:
    return [line for line in chat.lines if line.side is side][-1]


@pytest.fixture(scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    """One webhook's server for the tests of a file."""
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def stage(receiver: Receiver) -> AsyncIterator[Stage]:
    receiver.got, receiver.answer = [], confirm
    server = await run_simulator(pace=0.001)
    try:
        for account in (TELEGRAM, MESSENGER, VIBER, VK):
            server.simulator.add_account(account)
        async with httpx.AsyncClient(base_url=server.url, trust_env=False, verify=PLAIN, timeout=5) as http:
            yield Stage(server.url, server.simulator, receiver, http)
    finally:
        await server.stop()
