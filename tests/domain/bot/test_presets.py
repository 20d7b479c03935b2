"""Phone and e-mail out of a reply: what is taken, what is asked for again, and doubles."""

from __future__ import annotations

from typing import Any

import pytest

from knopka.domain.bot.effects import LookUp, Note, Say, WriteCard
from knopka.domain.bot.state import EndReason, Found
from knopka.domain.meta import Entity
from tests.domain.bot.playing import Play, handler, show

TEXTS = {
    "empty_all": "Phone and e-mail?",
    "empty_phone": "And a phone?",
    "empty_email": "And an e-mail?",
    "invalid_phone": "That is no phone.",
    "success": "Thanks, {{name}}!",
    "phone_doubles": "Known phone.",
    "email_doubles": "Known e-mail.",
    "all_doubles": "We know you, {{contact_double.name}}.",
}
PHONE, EMAIL = "8 (999) 123-45-67", "ann@example.com"


def phone(number: str = "+79991234567") -> WriteCard:
    return WriteCard(Entity.CONTACT, "PHONE", number, add=True)


def email(address: str = EMAIL) -> WriteCard:
    return WriteCard(Entity.CONTACT, "EMAIL", address, add=True)


def ask(preset: dict[str, Any], **store: Any) -> Play:
    script = [{"question": [show("?")], "answer": [preset, show("behind")]}]
    return Play(script, {"phone_region": "RU", "contact.name": "Ann"} | store).start()


GET = handler("preset", name="contacts.get_base_info")


def validate(**more: Any) -> dict[str, Any]:
    return handler("preset", name="contacts.validate_base_info", params={**TEXTS, **more})


@pytest.mark.parametrize(
    ("reply", "written"),
    [
        (PHONE, [phone()]),
        (EMAIL, [email()]),
        (f"I am Ann, {EMAIL}, call me at {PHONE}!", [phone(), email()]),
        ("12-34-567", [phone("12-34-567")]),
        ("+44 20 7946 0018", [phone("+442079460018")]),
        ("380441234567", [phone("+380441234567")]),
        ("79991234567@x.example", [email("79991234567@x.example")]),
        ("card 4276 1234 5678 9012 3456 7", []),
        ("see you at 12", []),
        ("", []),
    ],
)
def test_phone_and_email_of_a_reply_go_to_the_contact(reply: str, written: list[WriteCard]) -> None:
    play = ask(GET).answer(reply)
    assert [effect for effect in play.done if isinstance(effect, WriteCard)] == written
    assert play.said == ["behind"]


def test_it_asks_on_until_both_are_there() -> None:
    play = ask(validate())
    assert play.answer("hello").said == ["Phone and e-mail?"]
    assert play.notes[-1] == ("", Note.WAITING_AGAIN)
    assert play.answer("8 999 123").said == ["That is no phone."]
    assert play.answer(PHONE).said == ["And an e-mail?"]
    assert phone() in play.done
    assert play.answer("later").said == ["And an e-mail?"]
    assert not [effect for effect in play.done if isinstance(effect, WriteCard)]
    assert play.answer(EMAIL).said == ["Thanks, Ann!", "behind"]
    assert email() in play.done
    assert play.state.ended is EndReason.DONE


def test_an_email_first_leaves_the_phone_to_be_asked_for() -> None:
    assert ask(validate()).answer(EMAIL).said == ["And a phone?"]


def test_both_in_one_reply_are_enough() -> None:
    assert ask(validate()).answer(f"{PHONE} {EMAIL}").said == ["Thanks, Ann!", "behind"]


def test_what_the_contact_has_already_is_not_asked_for() -> None:
    play = ask(validate(), **{"contact.phone": "+7", "contact.email": "a@x.example"})
    assert play.answer("hello").said == ["Thanks, Ann!", "behind"]
    assert ask(validate(), **{"contact.phone": "+7"}).answer("hello").said == ["And an e-mail?"]


def test_what_the_script_has_no_text_for_is_waited_for_in_silence() -> None:
    script = [{"question": [show("?")], "answer": [handler("preset", name="contacts.validate_base_info")]}]
    play = Play(script).start().answer("hello")
    assert (play.said, play.state.ended) == ([], None)
    assert ("contacts.validate_base_info", Note.ASKED_FOR) in play.notes


def test_quick_replies_offer_what_is_missing() -> None:
    play = ask(validate(use_quick_replies=True)).answer("hello")
    assert play.only(Say).quick_replies == ("user_phone_number", "user_email")
    assert play.answer(PHONE).only(Say).quick_replies == ("user_email",)


@pytest.mark.parametrize(
    ("doubles", "said"),
    [
        ((True, True), "We know you, Bea."),
        ((True, False), "Known phone."),
        ((False, True), "Known e-mail."),
        ((False, False), "Thanks, Ann!"),
    ],
)
def test_doubles_are_looked_for_by_phone_and_then_by_email(doubles: tuple[bool, bool], said: str) -> None:
    play = ask(validate(check_doubles=True)).answer(f"{PHONE} {EMAIL}")
    asked = []
    for is_found in doubles:
        asked.append((play.only(LookUp).by, play.only(LookUp).value))
        play.feed(Found(wait=play.wait, card={"id": 12, "name": "Bea"} if is_found else None))
    assert asked == [("phone", "+79991234567"), ("email", EMAIL)]
    assert play.said == [said, "behind"]
    assert play.state.ended is EndReason.DONE


def test_a_double_without_words_of_its_own_is_told_as_a_success() -> None:
    play = ask(validate(check_doubles=True, phone_doubles="")).answer(f"{PHONE} {EMAIL}")
    play.feed(Found(wait=play.wait, card={"id": 12}))
    play.feed(Found(wait=play.wait, card=None))
    assert play.said == ["Thanks, Ann!", "behind"]


def test_a_double_of_one_question_is_not_told_at_the_next() -> None:
    preset = validate(check_doubles=True)
    script = [{"question": [show("?")], "answer": [preset, handler("goto", type="question", step=0)]}]
    play = Play(script, {"phone_region": "RU", "contact.name": "Ann"}).start()
    for card, said in (({"id": 12, "name": "Bea"}, "We know you, Bea."), (None, "Thanks, Ann!")):
        play.answer(f"{PHONE} {EMAIL}")
        play.feed(Found(wait=play.wait, card=card))
        play.feed(Found(wait=play.wait, card=card))
        assert play.said == [said, "?"]


def test_a_phone_is_only_likely_where_no_country_is_known() -> None:
    play = ask(validate(), phone_region=None).answer("123-45-67")
    assert phone("123-45-67") in play.done
