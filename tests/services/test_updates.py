"""From the page to a messenger's chat: whose visit it is, on which card it lands, and exactly once."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from knopka.domain.messaging import (
    AttachmentKind,
    EventKind,
    InAttachment,
    Profile,
    shorten,
)
from knopka.services import desk
from tests.services.story import CITY, EXAMPLE, HOUR, PHONE, SECOND, Story, city
from tests.services.toy import CODE, IVAN, OLGA, OTHER_CODE, Messengers

pytestmark = pytest.mark.anyio

DAY = 24 * HOUR


@pytest.fixture
async def chat(story: Story) -> Messengers:
    return await Messengers.begin(story)


async def test_the_visits_data_lands_on_the_card_when_start_is_pressed(chat: Messengers) -> None:
    await chat.story.set_meta(EXAMPLE, key="example-1")
    await chat.announce()
    await chat.start()
    conversation = await chat.conversation()
    assert conversation.lead_id is not None
    assert not conversation.is_visit_unknown
    assert set((await chat.story.verdicts("example-1")).values()) == {"filled", "noted"}
    assert (await chat.story.fields(conversation.lead_id))[PHONE] == "+7123456789"
    (line,) = await chat.messages()
    assert line.event == {"kind": "opened", "page_url": "https://shop.example/tea", "page_title": "Tea"}
    assert line.text == ""


async def test_a_webhook_that_overtakes_the_visit_is_joined_when_the_visit_arrives(chat: Messengers) -> None:
    await chat.start()
    conversation = await chat.conversation()
    assert conversation.is_visit_unknown
    await chat.story.set_meta(city("Tver"), key="city-001")
    assert await chat.story.verdicts("city-001") == {"lead.custom_fields[0]": "waiting_for_lead"}
    await chat.announce()
    joined = await chat.conversation()
    assert not joined.is_visit_unknown
    assert joined.lead_id == conversation.lead_id
    assert await chat.story.verdicts("city-001") == {"lead.custom_fields[0]": "filled"}
    assert [line.event["kind"] for line in await chat.messages() if line.event] == ["opened", "joined"]


@pytest.mark.parametrize("late", [DAY - SECOND, DAY, DAY + SECOND])
async def test_a_code_that_comes_after_a_day_binds_nobody(chat: Messengers, late: timedelta) -> None:
    await chat.announce()
    chat.story.pass_time(late)
    await chat.start()
    assert (await chat.conversation()).is_visit_unknown is (late >= DAY)


@pytest.mark.parametrize("late", [DAY - SECOND, DAY, DAY + SECOND])
async def test_an_announcement_that_comes_after_a_day_joins_nobody(chat: Messengers, late: timedelta) -> None:
    await chat.start()
    chat.story.pass_time(late)
    await chat.announce()
    assert (await chat.conversation()).is_visit_unknown is (late >= DAY)


async def test_S_WEB_09_the_second_to_bring_a_code_gets_no_data(chat: Messengers) -> None:
    await chat.story.set_meta(city("Tver"))
    await chat.announce()
    await chat.start(chat=IVAN)
    await chat.start(chat=OLGA)
    by_chat = {found.chat_id: found for found in await chat.conversations()}
    assert not by_chat[IVAN].is_visit_unknown
    assert by_chat[OLGA].is_visit_unknown
    assert by_chat[IVAN].contact_id != by_chat[OLGA].contact_id
    lead = by_chat[OLGA].lead_id
    assert lead is not None
    assert await chat.story.fields(lead) == {}


async def test_who_comes_without_a_code_gets_a_lead_whose_visit_is_unknown(chat: Messengers) -> None:
    await chat.write("Здравствуйте")
    conversation = await chat.conversation()
    assert conversation.is_visit_unknown
    assert conversation.unsorted_state == "unsorted"
    assert [message.text for message in await chat.messages()] == ["Здравствуйте"]


async def test_a_short_code_in_the_text_links_the_visit_and_is_not_shown(chat: Messengers) -> None:
    await chat.story.set_meta(city("Tver"), key="city-001")
    await chat.announce()
    await chat.write(f"Здравствуйте! [kn:{shorten(CODE)}]")
    assert not (await chat.conversation()).is_visit_unknown
    assert await chat.story.verdicts("city-001") == {"lead.custom_fields[0]": "filled"}
    assert [message.text for message in await chat.messages()] == ["", "Здравствуйте!"]


async def test_a_short_code_of_two_live_links_links_nobody(chat: Messengers) -> None:
    twin = type(CODE)(CODE[:8] + "x" * 24)
    await chat.announce(CODE)
    await chat.announce(twin, visit="another-visit-of-theirs")
    await chat.write(f"Здравствуйте! [kn:{shorten(CODE)}]")
    assert (await chat.conversation()).is_visit_unknown


async def test_the_same_event_again_is_the_same_event(chat: Messengers) -> None:
    await chat.announce()
    event = chat.event(text="Привет", code=CODE)
    for _ in range(5):
        await chat.tell(event)
    await chat.work()
    assert [message.text for message in await chat.messages()] == ["", "Привет"]
    assert len(await chat.story.leads()) == 1


async def test_a_visitor_who_has_a_card_gets_only_what_is_empty(chat: Messengers) -> None:
    await chat.story.set_meta(city("Tver"))
    await chat.announce()
    await chat.start()
    second = "second-visit-of-theirs"
    await chat.story.set_meta(city("Perm"), visit=second, key="city-002")
    await chat.announce(OTHER_CODE, visit=second)
    await chat.start(OTHER_CODE)
    conversation = await chat.conversation()
    assert conversation.lead_id is not None
    assert await chat.story.verdicts("city-002", visit=second) == {
        "lead.custom_fields[0]": "refused_not_empty"
    }
    assert (await chat.story.fields(conversation.lead_id))[CITY] == "Tver"
    assert len(await chat.story.leads()) == 1


async def test_data_of_a_second_visit_goes_to_a_new_lead_once_the_first_is_declined(chat: Messengers) -> None:
    await chat.announce()
    await chat.start()
    first = (await chat.conversation()).lead_id
    assert first is not None
    await chat.story.decline(first)
    second = "second-visit-of-theirs"
    await chat.story.set_meta(city("Perm"), visit=second, key="city-002")
    await chat.announce(OTHER_CODE, visit=second)
    await chat.start(OTHER_CODE)
    lead = (await chat.conversation()).lead_id
    assert lead not in (None, first)
    assert await chat.story.verdicts("city-002", visit=second) == {"lead.custom_fields[0]": "filled"}


STEPS = ("announce", "start", "say", "meta")


@pytest.mark.parametrize("order", list(itertools.permutations(STEPS)), ids=" ".join)
async def test_no_visit_makes_two_unsorted_leads_whatever_comes_first(
    chat: Messengers, order: tuple[str, ...]
) -> None:
    for step in order * 2:
        match step:
            case "announce":
                await chat.announce()
            case "start":
                await chat.start()
            case "say":
                await chat.story.say(key="message-1")
            case _:
                await chat.story.set_meta(city("Tver"), key="city-001")
    assert len(await chat.story.leads()) == 1
    found = await chat.conversations()
    assert len(found) == 2
    assert len({(one.contact_id, one.lead_id) for one in found}) == 1
    assert await chat.story.verdicts("city-001") == {"lead.custom_fields[0]": "filled"}


async def test_cards_that_an_operator_has_worked_on_do_not_give_way(chat: Messengers) -> None:
    await chat.start()
    lead = (await chat.conversation()).lead_id
    assert lead is not None
    await chat.story.accept(lead)
    await chat.story.say()
    await chat.announce()
    assert len(await chat.story.leads()) == 2


async def test_a_chat_that_was_only_opened_makes_no_card_until_the_person_writes(chat: Messengers) -> None:
    await chat.story.set_meta(city("Tver"), key="city-001")
    await chat.announce()
    await chat.take(chat.event(EventKind.OPENED, code=CODE, may_answer=False))
    assert await chat.conversations() == []
    await chat.write("Привет")
    assert await chat.story.verdicts("city-001") == {"lead.custom_fields[0]": "filled"}
    assert [message.event is None for message in await chat.messages()] == [False, True]


async def test_a_shared_phone_of_ones_own_fills_the_contacts_phone_if_it_is_empty(chat: Messengers) -> None:
    theirs = InAttachment(kind=AttachmentKind.CONTACT, title="Пётр", phone="+79990000001")
    own = InAttachment(kind=AttachmentKind.CONTACT, title="Иван", phone="+79991234567", is_own_phone=True)
    other = InAttachment(kind=AttachmentKind.CONTACT, title="Иван", phone="+79990000002", is_own_phone=True)
    await chat.write("", attachments=(theirs,))
    lead = (await chat.conversation()).lead_id
    assert lead is not None
    assert await chat.story.fields(lead) == {}
    await chat.write("", attachments=(own,))
    await chat.write("", attachments=(other,))
    assert (await chat.story.fields(lead))[PHONE] == "+79991234567"


async def test_a_profiles_name_gives_way_to_the_sites_and_never_the_other_way_round(chat: Messengers) -> None:
    await chat.write(profile=Profile(name="Ivan from Telegram"))
    assert (await chat.conversation()).visitor_name == "Ivan from Telegram"
    await chat.announce()
    await chat.story.set_meta({"contact": {"name": "Иван Иванов"}}, key="name-001")
    await chat.write("ещё", code=CODE)
    assert (await chat.conversation()).visitor_name == "Иван Иванов"
    await chat.write("и ещё", profile=Profile(name="Another"))
    assert (await chat.conversation()).visitor_name == "Иван Иванов"


async def test_a_name_of_ten_thousand_marks_is_clipped(chat: Messengers) -> None:
    await chat.write(profile=Profile(name="И" + "\u0301" * 10_000))
    assert len((await chat.conversation()).visitor_name) < 10


async def test_an_edited_message_shows_its_new_text_and_a_deleted_one_its_mark(chat: Messengers) -> None:
    await chat.write("Превет", message_id="m1")
    await chat.take(chat.event(EventKind.EDITED, message_id="m1", text="Привет"))
    (edited,) = await chat.messages()
    assert (edited.text, edited.edited_at is not None, edited.deleted_at) == ("Привет", True, None)
    await chat.take(chat.event(EventKind.DELETED, message_id="m1"))
    (deleted,) = await chat.messages()
    assert (deleted.text, deleted.deleted_at is not None) == ("Привет", True)


async def test_the_list_shows_the_last_words_as_they_were_changed(chat: Messengers) -> None:
    await chat.write("Раз", message_id="m1")
    await chat.write("Дав", message_id="m2")
    await chat.take(chat.event(EventKind.BLOCKED))  # a line of ours is nobody's words
    await chat.take(chat.event(EventKind.EDITED, message_id="m2", text="Два"))
    await chat.take(chat.event(EventKind.EDITED, message_id="m1", text="Один"))
    assert [message.text for message in await chat.messages() if message.text] == ["Один", "Два"]
    assert (await chat.conversation()).last_text == "Два"


async def test_an_edit_of_what_we_never_heard_is_a_message(chat: Messengers) -> None:
    await chat.take(chat.event(EventKind.EDITED, message_id="m1", text="Привет"))
    assert [message.text for message in await chat.messages()] == ["Привет"]


async def test_who_blocks_us_is_marked_until_he_writes_again(chat: Messengers) -> None:
    await chat.write()
    for _ in range(2):
        await chat.take(chat.event(EventKind.BLOCKED))
    assert (await chat.conversation()).chat_gone == "blocked"
    await chat.write("Я вернулся")
    assert (await chat.conversation()).chat_gone is None
    assert [line.event["kind"] for line in await chat.messages() if line.event] == ["blocked"]


async def test_a_block_by_somebody_who_never_wrote_makes_nothing(chat: Messengers) -> None:
    await chat.take(chat.event(EventKind.BLOCKED), chat.event(EventKind.READ, message_ids=("x",)))
    assert await chat.conversations() == []
    assert await chat.story.leads() == []


async def test_what_staff_wrote_elsewhere_is_shown_as_theirs(chat: Messengers) -> None:
    await chat.write()
    echo = chat.event(EventKind.ECHO, text="Здравствуйте, это Пётр", message_id="out-77")
    await chat.take(echo)
    await chat.take(echo)
    said = (await chat.messages())[-1]
    assert (said.text, said.is_elsewhere, said.direction.value) == ("Здравствуйте, это Пётр", True, "out")
    assert len(await chat.messages()) == 2


async def test_what_comes_with_a_message_is_kept_to_be_fetched(chat: Messengers) -> None:
    photo = InAttachment(kind=AttachmentKind.PHOTO, source="file-1", name="../../tea\u202e.png", size=10)
    place = InAttachment(kind=AttachmentKind.LOCATION, title="Лавка", latitude=55.75, longitude=37.61)
    await chat.write("", attachments=(photo, place))
    (message,) = await chat.messages()
    kept = [(one.kind.value, one.state.value, one.name, one.title) for one in message.attachments]
    assert kept == [("photo", "waiting", "../../tea.png", ""), ("location", "none", "", "Лавка")]
    assert (await chat.conversation()).last_text == "🖼 ../../tea.png"


async def test_an_event_of_an_unknown_kind_is_counted_and_does_nothing(chat: Messengers) -> None:
    accepted = await chat.tell(chat.event(EventKind.OTHER), chat.event(EventKind.TYPING))
    await chat.work()
    assert (accepted.new, accepted.unknown) == (1, 1)
    assert await chat.conversations() == []


async def test_each_message_of_the_person_begins_the_window_anew(chat: Messengers) -> None:
    await chat.write()
    first = (await chat.conversation()).window
    chat.story.pass_time(HOUR)
    await chat.write("ещё")
    second = (await chat.conversation()).window
    assert first is not None
    assert second is not None
    assert second.ends_at - first.ends_at == HOUR


async def test_of_very_many_files_with_one_message_the_first_are_fetched(chat: Messengers) -> None:
    many = tuple(InAttachment(kind=AttachmentKind.FILE, source=f"file-{n}") for n in range(1_000))
    await chat.write("", attachments=many)
    (message,) = await chat.messages()
    states = [one.state.value for one in message.attachments]
    assert states == ["waiting"] * 10 + ["none"] * 10


async def test_who_blocks_us_leaves_a_closed_conversation_closed(chat: Messengers) -> None:
    await chat.write()
    conversation = await chat.conversation()
    await chat.story.write(desk.close, chat.story.operator, conversation.id, "close-001")
    await chat.take(chat.event(EventKind.BLOCKED))
    assert (await chat.conversation()).status == "closed"
    await chat.start(None)
    assert (await chat.conversation()).status == "open"


async def test_a_conversation_shows_the_page_of_the_code_that_came_with_words(chat: Messengers) -> None:
    await chat.write()
    await chat.announce()
    await chat.write("ещё", code=CODE)
    assert (await chat.conversation()).page_url == "https://shop.example/tea"


@pytest.mark.parametrize("order", [("announce", "start"), ("start", "announce")])
async def test_a_known_chat_that_brings_a_visit_with_a_card_joins_that_card(
    chat: Messengers, order: tuple[str, str]
) -> None:
    await chat.write("Без кода")
    lead = await chat.story.write_in()
    for step in order:
        await (chat.announce() if step == "announce" else chat.start())
    assert await chat.story.leads() == [lead]
    assert {found.lead_id for found in await chat.conversations()} == {lead}
