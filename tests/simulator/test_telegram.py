"""Telegram, judged by python-telegram-bot: as a client of the API, and as a reader of what is pushed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from telegram import (
    Bot,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    KeyboardButton,
    MessageEntity,
    ReplyKeyboardMarkup,
    Update,
)
from telegram.error import BadRequest, Conflict, Forbidden, InvalidToken, RetryAfter
from telegram.request import HTTPXRequest

from knopka.domain import errors
from knopka.simulator.accounts import Kind
from knopka.simulator.samples import Piece
from knopka.simulator.world import Chat, Side
from tests.simulator.conftest import CODE, TELEGRAM, Stage, last_of, shown

pytestmark = pytest.mark.anyio

HEADER = "x-telegram-bot-api-secret-token"


@pytest.fixture
async def bot(stage: Stage) -> AsyncIterator[Bot]:
    """The library, as anybody points it at another server."""
    base = f"{stage.url}/telegram"
    request = HTTPXRequest(httpx_kwargs={"trust_env": False})
    made = Bot(TELEGRAM.token, base_url=f"{base}/bot", base_file_url=f"{base}/file/bot", request=request)
    async with made:
        yield made


def started(stage: Stage) -> Chat:
    """A person who came by a link and pressed START."""
    chat = stage.simulator.open_link(stage.person(), stage.link(Kind.TELEGRAM))
    stage.simulator.start(chat)
    return chat


async def updates(stage: Stage, bot: Bot) -> list[Update]:
    """What was pushed, as the library reads it; each push carries the secret."""
    read: list[Update] = []
    for received in await stage.pushed():
        assert received.headers[HEADER] == "s3cret_T-1"
        update = Update.de_json(received.json(), bot)
        assert update is not None
        read.append(update)
    return read


async def test_the_bot_knows_itself(bot: Bot) -> None:
    me = await bot.get_me()
    assert (me.id, me.username, me.is_bot) == (123456, "shop_bot", True)


async def test_an_unknown_token_is_unauthorized(stage: Stage) -> None:
    answer = await stage.http.get("/telegram/bot123456:wrong/getMe")
    assert answer.status_code == 401
    assert answer.json() == {"ok": False, "error_code": 401, "description": "Unauthorized"}
    request = HTTPXRequest(httpx_kwargs={"trust_env": False})
    with pytest.raises(InvalidToken):
        await Bot("123456:wrong", base_url=f"{stage.url}/telegram/bot", request=request).initialize()
    await request.shutdown()


async def test_start_brings_the_code_after_the_tap_and_not_before(stage: Stage, bot: Bot) -> None:
    await stage.connect_telegram()
    chat = stage.simulator.open_link(stage.person(), stage.link(Kind.TELEGRAM))
    assert await updates(stage, bot) == []
    stage.simulator.start(chat)
    [update] = await updates(stage, bot)
    assert update.message is not None
    assert update.message.text == f"/start {CODE}"
    [entity] = update.message.entities
    assert (entity.type, entity.offset, entity.length) == (MessageEntity.BOT_COMMAND, 0, 6)
    assert update.message.chat.type == "private"
    assert str(update.message.chat.id) == chat.user_id


async def test_an_old_chat_shows_start_again_for_a_new_link(stage: Stage, bot: Bot) -> None:
    chat = await stage.meet(Kind.TELEGRAM)
    assert stage.simulator.telegram.start_label(chat) == ""
    stage.simulator.open_link(chat.person.number, stage.link(Kind.TELEGRAM, "second"))
    assert stage.simulator.telegram.start_label(chat) == "start"
    stage.simulator.start(chat)
    [update] = await updates(stage, bot)
    assert update.message is not None
    assert update.message.text == "/start second"


async def test_a_web_client_may_lose_the_code(stage: Stage, bot: Bot) -> None:
    await stage.connect_telegram()
    stage.simulator.readings.choose("telegram_start_code", "lost by a web client")
    started(stage)
    [update] = await updates(stage, bot)
    assert update.message is not None
    assert update.message.text == "/start"


async def test_nothing_can_be_said_before_start(stage: Stage) -> None:
    chat = stage.simulator.open_link(stage.person(), stage.link(Kind.TELEGRAM))
    with pytest.raises(errors.Conflict):
        stage.simulator.say(chat, "Hello")


@pytest.mark.parametrize("piece", list(Piece))
async def test_every_kind_of_message_is_read(stage: Stage, bot: Bot, piece: Piece) -> None:
    chat = await stage.meet(Kind.TELEGRAM)
    stage.simulator.attach(chat, piece, caption="See")
    [update] = await updates(stage, bot)
    message = update.message
    assert message is not None
    content: dict[Piece, Any] = {
        Piece.PHOTO: message.photo,
        Piece.FILE: message.document,
        Piece.VOICE: message.voice,
        Piece.VIDEO: message.video,
        Piece.LOCATION: message.location,
        Piece.CONTACT: message.contact,
        Piece.STICKER: message.sticker,
    }
    assert content.pop(piece)
    assert not any(content.values())


async def test_a_file_is_fetched_by_the_path_that_getfile_tells(stage: Stage, bot: Bot) -> None:
    chat = await stage.meet(Kind.TELEGRAM)
    stage.simulator.attach(chat, Piece.FILE)
    [update] = await updates(stage, bot)
    assert update.message is not None
    document = update.message.document
    assert document is not None
    assert document.file_name == "Счёт 17.pdf"
    content = await (await document.get_file()).download_as_bytearray()
    assert content.startswith(b"%PDF")
    with pytest.raises(BadRequest, match="file"):
        await bot.get_file("no such file")


async def test_the_profile_and_its_picture(stage: Stage, bot: Bot) -> None:
    chat = await stage.meet(Kind.TELEGRAM)
    full = await bot.get_chat(int(chat.user_id))
    assert full.first_name == chat.person.first_name
    photos = await bot.get_user_profile_photos(int(chat.user_id), limit=1)
    content = await (await photos.photos[0][0].get_file()).download_as_bytearray()
    assert content.startswith(b"\x89PNG")


async def test_a_sent_message_is_seen(stage: Stage, bot: Bot) -> None:
    chat = started(stage)
    message = await bot.send_message(int(chat.user_id), "Hi <b>you</b>", parse_mode="HTML")
    assert message.text == "Hi you"
    assert [(one.type, one.offset, one.length) for one in message.entities] == [("bold", 3, 3)]
    assert shown(chat) == ["Hi you"]


async def test_typing_is_seen_until_the_message(stage: Stage, bot: Bot) -> None:
    chat = started(stage)
    await bot.send_chat_action(int(chat.user_id), "typing")
    assert chat.typing
    await bot.send_message(int(chat.user_id), "Hi")
    assert not chat.typing


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        ("x" * 4097, None, "essage is too long"),
        ("  ", None, "essage text is empty"),
        ("<i>open", "HTML", "an't find end tag"),
        ("<font>no</font>", "HTML", "nsupported start tag"),
        ("a.", "MarkdownV2", "is reserved and must be escaped"),
        ("*a", "MarkdownV2", "an't find end of bold entity"),
    ],
)
async def test_a_bad_text_is_refused(stage: Stage, bot: Bot, text: str, mode: str | None, words: str) -> None:
    chat = started(stage)
    with pytest.raises(BadRequest, match=words):
        await bot.send_message(int(chat.user_id), text, parse_mode=mode)
    assert shown(chat) == []
    await bot.send_message(int(chat.user_id), "x" * 4096)
    assert len(shown(chat)) == 1


async def test_nobody_is_written_to_before_start(stage: Stage, bot: Bot) -> None:
    chat = stage.simulator.open_link(stage.person(), stage.link(Kind.TELEGRAM))
    with pytest.raises(BadRequest, match="hat not found"):
        await bot.send_message(int(chat.user_id), "Hi")


async def test_an_inline_button_brings_its_data_and_is_answered(stage: Stage, bot: Bot) -> None:
    chat = await stage.meet(Kind.TELEGRAM)
    keyboard = InlineKeyboardMarkup([[InlineKeyboardButton("Yes", callback_data="b:1")]])
    sent = await bot.send_message(int(chat.user_id), "Sure?", reply_markup=keyboard)
    stage.simulator.press(chat, "Yes")
    [update] = await updates(stage, bot)
    query = update.callback_query
    assert query is not None
    assert query.data == "b:1"
    assert query.message is not None
    assert query.message.message_id == sent.message_id
    await query.answer("Thanks")
    assert chat.lines[-1].text == "Thanks"
    with pytest.raises(BadRequest, match="uery is too old"):
        await query.answer()


async def test_callback_data_has_at_most_64_bytes(stage: Stage, bot: Bot) -> None:
    chat = started(stage)
    keyboard = InlineKeyboardMarkup([[InlineKeyboardButton("Yes", callback_data="ж" * 33)]])
    with pytest.raises(BadRequest, match=r"(?i)button_data_invalid"):
        await bot.send_message(int(chat.user_id), "Sure?", reply_markup=keyboard)


async def test_a_shared_phone_names_its_owner(stage: Stage, bot: Bot) -> None:
    chat = await stage.meet(Kind.TELEGRAM)
    rows = [[KeyboardButton("My phone", request_contact=True)]]
    keyboard = ReplyKeyboardMarkup(rows, one_time_keyboard=True)
    await bot.send_message(int(chat.user_id), "Phone?", reply_markup=keyboard)
    stage.simulator.press(chat, "My phone")
    [update] = await updates(stage, bot)
    assert update.message is not None
    contact = update.message.contact
    assert contact is not None
    assert (contact.phone_number, str(contact.user_id)) == (chat.person.phone, chat.user_id)
    assert chat.keyboard == ()


async def test_an_edit_carries_the_same_message_id(stage: Stage, bot: Bot) -> None:
    chat = await stage.meet(Kind.TELEGRAM)
    line = last_of(chat, Side.PERSON)
    stage.simulator.edit(chat, line.id, "Hello!")
    [update] = await updates(stage, bot)
    edited = update.edited_message
    assert edited is not None
    assert edited.text == "Hello!"
    assert str(edited.message_id) == line.id
    assert edited.edit_date is not None


async def test_telegram_tells_nobody_of_a_deletion_or_of_reading(stage: Stage) -> None:
    chat = await stage.meet(Kind.TELEGRAM)
    with pytest.raises(errors.Conflict):
        stage.simulator.delete(chat, last_of(chat, Side.PERSON).id)
    with pytest.raises(errors.Conflict):
        stage.simulator.read(chat)


async def test_a_blocked_bot_is_told_and_cannot_write(stage: Stage, bot: Bot) -> None:
    chat = await stage.meet(Kind.TELEGRAM)
    stage.simulator.block(chat)
    [update] = await updates(stage, bot)
    assert update.my_chat_member is not None
    assert update.my_chat_member.new_chat_member.status == "kicked"
    with pytest.raises(Forbidden, match="bot was blocked by the user"):
        await bot.send_message(int(chat.user_id), "Hi")
    stage.simulator.unblock(chat)
    [update] = await updates(stage, bot)
    assert update.my_chat_member is not None
    assert update.my_chat_member.new_chat_member.status == "member"


@pytest.mark.parametrize("order", ["before the message", "after the message"])
async def test_start_unblocks_the_bot(stage: Stage, bot: Bot, order: str) -> None:
    chat = await stage.meet(Kind.TELEGRAM)
    stage.simulator.block(chat)
    await stage.pushed()
    stage.simulator.readings.choose("telegram_unblock_event", order)
    stage.simulator.open_link(chat.person.number, stage.link(Kind.TELEGRAM, "again"))
    stage.simulator.start(chat)
    numbered = sorted((update.update_id, update) for update in await updates(stage, bot))
    kinds = ["member" if update.my_chat_member else "message" for _, update in numbered]
    expected = ["member", "message"]
    assert kinds == (expected if order == "before the message" else expected[::-1])


async def test_updates_can_be_fetched_and_are_forgotten_when_confirmed(stage: Stage, bot: Bot) -> None:
    chat = started(stage)
    stage.simulator.say(chat, "One")
    first, second = await bot.get_updates()
    assert first.message is not None
    assert second.message is not None
    assert (first.message.text, second.message.text) == (f"/start {CODE}", "One")
    assert [one.update_id for one in await bot.get_updates(offset=second.update_id)] == [second.update_id]
    assert await bot.get_updates(offset=second.update_id + 1) == ()


async def test_a_long_poll_ends_with_the_first_update(stage: Stage, bot: Bot) -> None:
    chat = started(stage)
    await bot.get_updates(offset=(await bot.get_updates())[-1].update_id + 1)
    polling = asyncio.create_task(bot.get_updates(timeout=20))
    while stage.simulator.telegram.houses["shop_bot"].poll is None:  # noqa: ASYNC110 # it tells nobody
        await asyncio.sleep(0)
    stage.simulator.say(chat, "Now")
    [update] = await polling
    assert update.message is not None
    assert update.message.text == "Now"


async def test_a_second_poll_ends_the_first(stage: Stage, bot: Bot) -> None:
    chat = started(stage)
    await bot.get_updates(offset=(await bot.get_updates())[-1].update_id + 1)
    polling = asyncio.create_task(bot.get_updates(timeout=20))
    while stage.simulator.telegram.houses["shop_bot"].poll is None:  # noqa: ASYNC110 # it tells nobody
        await asyncio.sleep(0)
    assert await stage.telegram("getUpdates") == {"ok": True, "result": []}
    with pytest.raises(Conflict, match="terminated by other getUpdates request"):
        await polling
    stage.simulator.say(chat, "Now")
    assert len(await bot.get_updates()) == 1


async def test_polling_and_a_webhook_exclude_each_other(stage: Stage, bot: Bot) -> None:
    await bot.set_webhook(f"{stage.hook.url}/tg", secret_token="abc")
    with pytest.raises(Conflict, match="webhook is active"):
        await bot.get_updates()
    await bot.delete_webhook()
    assert await bot.get_updates() == ()


async def test_what_waited_is_pushed_when_a_webhook_is_set(stage: Stage, bot: Bot) -> None:
    started(stage)
    info = await bot.get_webhook_info()
    assert (info.url, info.pending_update_count) == ("", 1)
    await stage.connect_telegram(allowed_updates=["message"])
    assert len(await updates(stage, bot)) == 1
    info = await bot.get_webhook_info()
    assert (info.pending_update_count, info.allowed_updates) == (0, ("message",))


async def test_only_allowed_updates_come(stage: Stage, bot: Bot) -> None:
    await stage.connect_telegram(allowed_updates=["message"])
    chat = started(stage)
    stage.simulator.block(chat)
    assert [update.my_chat_member for update in await updates(stage, bot)] == [None]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"url": "https://shop.example/hook"}, "this machine alone"),
        ({"url": "ftp://127.0.0.1/hook"}, "this machine alone"),
        ({"url": "http://127.0.0.1.shop.example/"}, "this machine alone"),
        ({"url": "http://127.0.0.1/", "secret_token": "a b"}, "unallowed characters"),
        ({"url": "http://127.0.0.1/", "secret_token": "a" * 257}, "too long"),
        ({"url": "http://127.0.0.1/", "max_connections": 101}, "max_connections"),
    ],
)
async def test_a_bad_webhook_is_refused(stage: Stage, given: dict[str, Any], words: str) -> None:
    answer = await stage.telegram("setWebhook", **given)
    assert answer["error_code"] == 400
    assert words in answer["description"]
    assert (await stage.telegram("getWebhookInfo"))["result"]["url"] == ""


async def test_a_failing_update_holds_up_its_own_chat_alone(stage: Stage, bot: Bot) -> None:
    await stage.connect_telegram()
    first, second = started(stage), started(stage)
    await stage.pushed()
    fails = iter([500, 500])
    stage.hook.answer = lambda received: (next(fails, 200) if b"One" in received.body else 200, "")
    stage.simulator.say(first, "One")
    stage.simulator.say(first, "Two")
    stage.simulator.say(second, "Other")
    texts = [update.message.text for update in await updates(stage, bot) if update.message]
    assert [text for text in texts if text != "Other"] == ["One", "One", "One", "Two"]
    assert texts.index("Other") < 3
    info = await bot.get_webhook_info()
    assert info.last_error_message == "Wrong response from the webhook: 500 Internal Server Error"


async def test_an_answer_that_names_a_method_is_carried_out(stage: Stage) -> None:
    await stage.connect_telegram()
    chat = started(stage)
    words = f'{{"method": "sendMessage", "chat_id": {chat.user_id}, "text": "At once"}}'
    stage.hook.answer = lambda _: (200, words)
    await stage.pushed()
    assert shown(chat) == ["At once"]


# The library warns of a change of its own each time it raises this error.
@pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")
async def test_too_many_calls_are_told_when_to_come_again(stage: Stage, bot: Bot) -> None:
    chat = started(stage)
    stage.fault("too_many", platform="telegram", times=1, seconds=3)
    with pytest.raises(RetryAfter, match="Retry in 3 seconds"):
        await bot.send_message(int(chat.user_id), "Hi")
    await bot.send_message(int(chat.user_id), "Hi")
    assert shown(chat) == ["Hi"]


async def test_a_photo_and_a_document_are_taken(stage: Stage, bot: Bot) -> None:
    chat = started(stage)
    sent = await bot.send_document(int(chat.user_id), b"a,b\r\n1,2\r\n", filename="t.csv", caption="Here")
    assert sent.document is not None
    content = await (await sent.document.get_file()).download_as_bytearray()
    assert content == b"a,b\r\n1,2\r\n"
    await bot.send_photo(int(chat.user_id), b"\x89PNG\r\n\x1a\n\r\x00\n", filename="p.png")
    media = last_of(chat, Side.BOT).media
    assert media is not None
    assert media.content == b"\x89PNG\r\n\x1a\n\r\x00\n"
