"""VK, judged by vkbottle: as a client of the API, and by its types as a reader of what is pushed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession
from vkbottle import API, VKAPIError
from vkbottle.http import AiohttpClient
from vkbottle_types import GroupTypes

from knopka.domain import errors
from knopka.simulator.accounts import Kind
from knopka.simulator.samples import Piece
from knopka.simulator.world import Chat, Side
from tests.simulator.conftest import CODE, VK, Stage, last_of, shown

pytestmark = pytest.mark.anyio

KEYBOARD = (
    '{"one_time":true,"buttons":[[{"action":{"type":"text","label":"Yes","payload":"{\\"opt\\":1}"}}],'
    '[{"action":{"type":"open_link","label":"Site","link":"https://shop.example/"}}]]}'
)
INLINE = '{"inline":true,"buttons":[[{"action":{"type":"callback","label":"Go","payload":"{\\"go\\":1}"}}]]}'


@pytest.fixture
async def api(stage: Stage) -> AsyncIterator[API]:
    """The library, as anybody points it at another server."""
    async with ClientSession() as session:
        made = API(VK.token, http_client=AiohttpClient(session=session))
        made.API_URL = f"{stage.url}/vk/method/"
        yield made


def opened(stage: Stage) -> Chat:
    return stage.simulator.open_link(stage.person(), stage.link(Kind.VK))


async def events(stage: Stage) -> list[Any]:
    """What was pushed; each with the secret and an id of its own."""
    bodies = [received.json() for received in await stage.pushed()]
    assert all((body["secret"], body["group_id"]) == ("s3cret", 123) for body in bodies)
    assert len({body["event_id"] for body in bodies}) == len(bodies)
    return bodies


async def messages(stage: Stage) -> list[Any]:
    """The pushed messages of people, as the library reads them."""
    read = [GroupTypes.MessageNew(**body) for body in await events(stage) if body["type"] == "message_new"]
    return [event.object.message for event in read]


async def test_users_get_answers_the_library(stage: Stage, api: API) -> None:
    chat = await stage.meet(Kind.VK)
    [user] = await api.users.get(user_ids=[int(chat.user_id)], fields=["photo_200", "screen_name"])
    assert (user.first_name, user.last_name) == (chat.person.first_name, chat.person.last_name)
    assert user.photo_200 is not None
    assert await api.users.get(user_ids=[1]) == []


async def test_messages_send_shows_the_text_and_tells_its_id(stage: Stage, api: API) -> None:
    chat = await stage.meet(Kind.VK)
    message_id = await api.messages.send(peer_id=int(chat.user_id), message="Hi", random_id=1)
    assert shown(chat) == ["Hi"]
    assert last_of(chat, Side.BOT).id == str(message_id)


async def test_the_same_random_id_is_the_same_message(stage: Stage, api: API) -> None:
    chat = await stage.meet(Kind.VK)
    peer = int(chat.user_id)
    first = await api.messages.send(peer_id=peer, message="Hi", random_id=9)
    assert await api.messages.send(peer_id=peer, message="Hi", random_id=9) == first
    assert await api.messages.send(peer_id=peer, message="Hi", random_id=10) != first
    assert shown(chat) == ["Hi", "Hi"]
    await api.messages.send(peer_id=peer, message="Hi", random_id=0)
    await api.messages.send(peer_id=peer, message="Hi", random_id=0)
    assert len(shown(chat)) == 4


@pytest.mark.parametrize(("reading", "count"), [("for an hour", 2), ("for ever", 1)])
async def test_how_long_a_random_id_is_remembered(stage: Stage, api: API, reading: str, count: int) -> None:
    chat = await stage.meet(Kind.VK)
    stage.simulator.readings.choose("vk_random_id", reading)
    await api.messages.send(peer_id=int(chat.user_id), message="Hi", random_id=9)
    stage.simulator.world.advance(3601)
    await api.messages.send(peer_id=int(chat.user_id), message="Hi", random_id=9)
    assert len(shown(chat)) == count


async def test_nobody_is_written_to_who_has_not_allowed_it(stage: Stage, api: API) -> None:
    chat = opened(stage)
    with pytest.raises(VKAPIError[901]):
        await api.messages.send(peer_id=int(chat.user_id), message="Hi", random_id=1)
    stage.simulator.allow(chat)
    await api.messages.send(peer_id=int(chat.user_id), message="Hi", random_id=1)
    stage.simulator.block(chat)
    with pytest.raises(VKAPIError[901]):
        await api.messages.send(peer_id=int(chat.user_id), message="Hi", random_id=2)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"message": "x" * 9001, "random_id": 1}, 914),
        ({"message": "", "random_id": 1}, 100),
        ({"message": "Hi"}, 100),
        ({"message": "Hi", "random_id": 1, "keyboard": '{"buttons":[{}]}'}, 911),
        ({"message": "Hi", "random_id": 1, "v": ""}, 8),
        ({"message": "Hi", "random_id": 1, "access_token": "wrong"}, 5),
        ({"message": "Hi", "random_id": 1, "access_token": ""}, 5),
    ],
)
async def test_a_bad_call_is_refused(stage: Stage, given: dict[str, Any], code: int) -> None:
    chat = await stage.meet(Kind.VK)
    answer = await stage.vk("messages.send", peer_id=chat.user_id, **given)
    assert answer["error"]["error_code"] == code
    assert shown(chat) == []
    await stage.vk("messages.send", peer_id=chat.user_id, message="x" * 9000, random_id=1)
    assert len(shown(chat)) == 1


async def test_the_older_limit_of_a_text(stage: Stage) -> None:
    chat = await stage.meet(Kind.VK)
    stage.simulator.readings.choose("vk_text_limit", "4096")
    answer = await stage.vk("messages.send", peer_id=chat.user_id, message="x" * 4097, random_id=1)
    assert answer["error"]["error_code"] == 914


async def test_a_json_body_is_no_form(stage: Stage) -> None:
    chat = await stage.meet(Kind.VK)
    query = {"access_token": VK.token, "v": "5.199"}
    body = {"peer_id": chat.user_id, "message": "Hi", "random_id": 1}
    answer = await stage.http.post("/vk/method/messages.send", params=query, json=body)
    assert answer.status_code == 200
    assert answer.json()["error"]["error_code"] == 100


async def test_start_brings_the_ref_and_the_payload(stage: Stage) -> None:
    await stage.connect_vk()
    chat = opened(stage)
    assert await events(stage) == []
    stage.simulator.start(chat)
    bodies = await events(stage)
    assert [body["type"] for body in bodies] == ["message_allow", "message_new"]
    [message] = [GroupTypes.MessageNew(**body).object.message for body in bodies[1:]]
    assert (message.ref, message.ref_source) == (CODE, "button")
    assert message.payload == '{"command":"start"}'
    assert message.peer_id == message.from_id == int(chat.user_id) < 2_000_000_000


async def test_without_the_start_button_the_ref_rides_on_the_first_text(stage: Stage) -> None:
    await stage.connect_vk()
    stage.simulator.readings.choose("vk_start_button", "off")
    chat = opened(stage)
    with pytest.raises(errors.Conflict):
        stage.simulator.start(chat)
    stage.simulator.say(chat, "Hello")
    [message] = await messages(stage)
    assert (message.text, message.ref) == ("Hello", CODE)


@pytest.mark.parametrize(
    ("reading", "repeated"), [("on the first message", None), ("on every message", CODE)]
)
async def test_whether_later_messages_repeat_the_ref(
    stage: Stage, reading: str, repeated: str | None
) -> None:
    await stage.connect_vk()
    stage.simulator.readings.choose("vk_ref", reading)
    chat = opened(stage)
    stage.simulator.say(chat, "One")
    stage.simulator.say(chat, "Two")
    assert [message.ref for message in await messages(stage)] == [CODE, repeated]


async def test_an_old_chat_brings_the_ref_of_a_new_link_with_the_next_message(stage: Stage) -> None:
    chat = await stage.meet(Kind.VK)
    stage.simulator.open_link(chat.person.number, stage.link(Kind.VK, "second"))
    assert await events(stage) == []
    stage.simulator.say(chat, "Again")
    [message] = await messages(stage)
    assert message.ref == "second"


@pytest.mark.parametrize("piece", [piece for piece in Piece if piece is not Piece.CONTACT])
async def test_every_kind_of_message_is_read(stage: Stage, piece: Piece) -> None:
    chat = await stage.meet(Kind.VK)
    stage.simulator.attach(chat, piece)
    [message] = await messages(stage)
    if piece is Piece.LOCATION:
        assert message.geo.coordinates.latitude
        return
    [attachment] = message.attachments
    kind = {Piece.FILE: "doc", Piece.VOICE: "audio_message"}.get(piece, piece.value)
    assert attachment.type.value == kind
    assert getattr(attachment, kind) is not None


async def test_a_message_that_is_told_cut_can_be_had_whole(stage: Stage, api: API) -> None:
    stage.simulator.readings.choose("vk_cropped", "what is long or has attachments")
    chat = await stage.meet(Kind.VK)
    await stage.pushed()
    stage.simulator.attach(chat, Piece.PHOTO, caption="word " * 50)
    [told] = await messages(stage)
    assert (told.is_cropped, told.text, told.attachments) == (True, ("word " * 50)[:100], [])
    answer = await api.messages.get_by_conversation_message_id(
        peer_id=told.peer_id, conversation_message_ids=[told.conversation_message_id]
    )
    [whole] = answer.items
    assert (whole.is_cropped, whole.text) == (None, "word " * 50)
    assert whole.attachments[0].photo is not None
    stage.simulator.say(chat, "short")
    [told] = await messages(stage)
    assert (told.is_cropped, told.text) == (None, "short")


async def test_a_file_can_be_fetched(stage: Stage) -> None:
    chat = await stage.meet(Kind.VK)
    stage.simulator.attach(chat, Piece.FILE)
    [message] = await messages(stage)
    answer = await stage.http.get(message.attachments[0].doc.url)
    assert answer.content.startswith(b"%PDF")


async def test_a_text_button_brings_its_payload(stage: Stage, api: API) -> None:
    chat = await stage.meet(Kind.VK)
    await api.messages.send(peer_id=int(chat.user_id), message="Sure?", random_id=1, keyboard=KEYBOARD)
    await stage.pushed()
    stage.simulator.press(chat, "Yes")
    [message] = await messages(stage)
    assert (message.text, message.payload) == ("Yes", '{"opt":1}')
    assert chat.keyboard == ()


async def test_a_callback_button_is_an_event_and_is_answered_once(stage: Stage, api: API) -> None:
    chat = await stage.meet(Kind.VK)
    peer = int(chat.user_id)
    await api.messages.send(peer_id=peer, message="Sure?", random_id=1, keyboard=INLINE)
    await stage.pushed()
    stage.simulator.press(chat, "Go")
    [body] = await events(stage)
    event = GroupTypes.MessageEvent(**body).object
    assert (event.user_id, event.peer_id, event.payload) == (peer, peer, {"go": 1})
    snack = '{"type":"show_snackbar","text":"Done"}'
    given = {"event_id": event.event_id, "user_id": peer, "peer_id": peer, "event_data": snack}
    await api.messages.send_message_event_answer(**given)
    assert chat.lines[-1].text == "Done"
    with pytest.raises(VKAPIError[100]):
        await api.messages.send_message_event_answer(**given)


async def test_edits_reading_typing_and_permission_are_told(stage: Stage, api: API) -> None:
    chat = await stage.meet(Kind.VK)
    await api.messages.send(peer_id=int(chat.user_id), message="Hi", random_id=5)
    [reply] = await events(stage)
    assert reply["type"] == "message_reply"
    assert reply["object"]["random_id"] == 5
    stage.simulator.edit(chat, last_of(chat, Side.PERSON).id, "Hello!")
    stage.simulator.read(chat)
    stage.simulator.type(chat)
    stage.simulator.block(chat)
    stage.simulator.allow(chat, "key-from-the-site")
    bodies = {body["type"]: body for body in await events(stage)}
    assert GroupTypes.MessageEdit(**bodies["message_edit"]).object.text == "Hello!"
    assert bodies["message_read"]["object"]["read_message_id"] == int(last_of(chat, Side.BOT).id)
    typing = GroupTypes.MessageTypingState(**bodies["message_typing_state"]).object
    assert (typing.state, typing.to_id) == ("typing", -123)
    assert GroupTypes.MessageDeny(**bodies["message_deny"]).object.user_id == int(chat.user_id)
    assert GroupTypes.MessageAllow(**bodies["message_allow"]).object.key == "key-from-the-site"


async def test_activity_is_shown(stage: Stage, api: API) -> None:
    chat = await stage.meet(Kind.VK)
    await api.messages.set_activity(peer_id=int(chat.user_id), type="typing")
    assert chat.typing
    await api.messages.mark_as_read(peer_id=int(chat.user_id))
    assert last_of(chat, Side.PERSON).read


async def test_the_group_is_told(api: API) -> None:
    [group] = await api.groups.get_by_id()
    assert (group.id, group.screen_name) == (123, "shop_vk")


async def test_a_server_that_does_not_know_the_code_gets_no_events(stage: Stage) -> None:
    given = {"group_id": 123, "url": f"{stage.hook.url}/vk", "title": "knopka", "secret_key": "s3cret"}
    server = (await stage.vk("groups.addCallbackServer", **given))["response"]["server_id"]
    [asked] = await stage.pushed()
    assert asked.json() == {"type": "confirmation", "group_id": 123, "secret": "s3cret"}
    [item] = (await stage.vk("groups.getCallbackServers", group_id=123))["response"]["items"]
    assert (item["id"], item["status"]) == (server, "failed")
    stage.simulator.say(opened(stage), "Hello")
    assert await stage.pushed() == []


async def test_the_confirmation_may_come_after_the_answer(stage: Stage) -> None:
    stage.simulator.readings.choose("vk_confirms", "after its answer")
    code = (await stage.vk("groups.getCallbackConfirmationCode", group_id=123))["response"]["code"]
    stage.hook.answer = lambda _: (200, code)
    given = {"group_id": 123, "url": stage.hook.url, "title": "knopka"}
    await stage.vk("groups.addCallbackServer", **given)
    await stage.pushed()
    [item] = (await stage.vk("groups.getCallbackServers", group_id=123))["response"]["items"]
    assert item["status"] == "ok"


@pytest.mark.parametrize(
    "given",
    [
        {"title": "a title that is too long"},
        {"secret_key": "s" * 51},
        {"url": "https://shop.example/vk"},
        {"group_id": 124},
    ],
)
async def test_a_bad_server_is_refused(stage: Stage, given: dict[str, Any]) -> None:
    usual = {"group_id": 123, "url": stage.hook.url, "title": "knopka"}
    assert "error" in await stage.vk("groups.addCallbackServer", **(usual | given))
    assert "response" in await stage.vk("groups.addCallbackServer", **usual)


async def test_a_community_has_at_most_ten_servers(stage: Stage) -> None:
    given = {"group_id": 123, "url": stage.hook.url, "title": "knopka"}
    servers = [(await stage.vk("groups.addCallbackServer", **given))["response"] for _ in range(10)]
    assert (await stage.vk("groups.addCallbackServer", **given))["error"]["error_code"] == 2000
    await stage.vk("groups.deleteCallbackServer", group_id=123, **servers[-1])
    assert "response" in await stage.vk("groups.addCallbackServer", **given)


async def test_settings_say_which_events_come_and_in_which_shape(stage: Stage) -> None:
    await stage.connect_vk()
    await stage.vk(
        "groups.setCallbackSettings", group_id=123, server_id=1, api_version="5.80", message_allow=0
    )
    settings = (await stage.vk("groups.getCallbackSettings", group_id=123, server_id=1))["response"]
    assert (settings["api_version"], settings["events"]["message_allow"]) == ("5.80", 0)
    stage.simulator.say(opened(stage), "Hello")
    [body] = await events(stage)
    assert body["object"]["text"] == "Hello"


async def test_an_answer_other_than_ok_is_tried_again_with_a_counter(stage: Stage) -> None:
    await stage.connect_vk()
    answers = iter([(200, "nice"), (500, "")])
    stage.hook.answer = lambda _: next(answers, (200, "ok"))
    stage.simulator.readings.choose("vk_first_message", "without")
    stage.simulator.say(opened(stage), "Hello")
    got = await stage.pushed()
    assert [one.headers.get("x-retry-counter") for one in got] == [None, "1", "2"]
    assert len({one.json()["event_id"] for one in got}) == 1


async def test_remove_takes_the_server_away(stage: Stage) -> None:
    await stage.connect_vk()
    stage.hook.answer = lambda _: (200, "remove")
    stage.simulator.allow(opened(stage))
    await stage.pushed()
    servers = await stage.vk("groups.getCallbackServers", group_id=123)
    assert servers["response"]["count"] == 0


@pytest.mark.parametrize(("fault", "code"), [("too_many", 6), ("flood", 9), ("bad_token", 5)])
async def test_faults_speak_the_platforms_words(stage: Stage, fault: str, code: int) -> None:
    chat = await stage.meet(Kind.VK)
    stage.fault(fault, platform="vk", times=1)
    assert (await stage.send(chat, "Hi")).json()["error"]["error_code"] == code
    assert "response" in (await stage.send(chat, "Hi")).json()
