"""One case for each handler and each action: what stands in the script, and what is wanted done."""

from __future__ import annotations

from typing import Any

import pytest

from knopka.domain.bot.effects import (
    Assign,
    CallOut,
    CloseTalk,
    Decide,
    Effect,
    Join,
    LookUp,
    MakeCards,
    MoveLead,
    Note,
    Say,
    SayElsewhere,
    SetSubscription,
    SetTimer,
    StartBot,
    Tag,
    TellOperators,
    Untag,
    WriteCard,
    WriteNote,
)
from knopka.domain.bot.handlers import HANDLERS
from knopka.domain.bot.script import NewCard, NewField, ScriptButton
from knopka.domain.bot.state import EndReason
from knopka.domain.meta import Entity
from tests.domain.bot.playing import NOW, Play, action, goto, handler, show

STORE = {
    "contact.name": "Ann", "lead.id": 55, "contact.id": 7, "lead.price": 1200, "lead.cf.1": "901",
    "lead.cf.2": "text", "lead.cf.3": "2*3", "lead.cf.4": "", "origin": "telegram", "phone_region": "RU",
    "contact.email": "a@x.example", "start_payload": "promo__42__Kazan", "contact.cf.8": "/../admin?x=1",
    "lead.cf.5": "javascript:alert(1)", "lead.cf.6": "https://shop.example/cart",
}  # fmt: skip

LEAD, CONTACT = Entity.LEAD, Entity.CONTACT

HANDLER_CASES: list[tuple[dict[str, Any], list[Effect]]] = [
    (show("Hi {{name}}"), [Say(text="Hi Ann", number=1)]),
    (
        handler("show", type="buttons", value="?", buttons=["A", "{{name}}"]),
        [Say(text="?", buttons=(ScriptButton("A"), ScriptButton("Ann")), wait=1, number=1)],
    ),
    (
        handler(
            "show",
            type="buttons_url",
            value="?",
            buttons=[{"text": "Site", "url": "https://x.example/?q={{contact.cf.8}}"}],
        ),
        [
            Say(
                text="?",
                buttons=(ScriptButton("Site", "https://x.example/?q=%2F..%2Fadmin%3Fx%3D1"),),
                wait=1,
                number=1,
            )
        ],
    ),
    (
        handler(
            "show",
            type="buttons_url",
            value="?",
            buttons=[{"text": "Cart", "url": "{{lead.cf.6}}"}, {"text": "Bad", "url": "{{lead.cf.5}}"}],
        ),
        [
            Say(
                text="?",
                buttons=(ScriptButton("Cart", "https://shop.example/cart"), ScriptButton("Bad")),
                wait=1,
                number=1,
            )
        ],
    ),
    (
        handler("show", type="text", value="?", quick_replies=["user_phone_number"]),
        [Say(text="?", quick_replies=("user_phone_number",), number=1)],
    ),
    (handler("show", type="text", value="{{bot_params.none}}"), []),
    (show("{{bot_params.none}}", "A"), [Say(text="…", buttons=(ScriptButton("A"),), wait=1, number=1)]),
    (handler("buttons"), []),
    (goto(0, "finish"), []),
    (handler("wait_answer", type="answer", step=0), []),
    (
        handler("find", type="contact_double", params={"type": "name", "value": "{{name}}"}),
        [LookUp(wait=1, kind="contact_double", by="name", value="Ann")],
    ),
    (handler("find", type="contact_double", params={"type": "name", "value": "{{lead.cf.4}}"}), []),
    (
        handler("find", type="catalog_elements", params={"type": "name", "value": "x", "catalog_id": 1}),
        [],
    ),
    (
        handler("filter", type=1, value="{{origin}}", custom_fields_id=9),
        [LookUp(wait=1, kind="external_contact", by="field", field_id=9, value="telegram")],
    ),
    (
        handler("filter", type=2, value="x", custom_fields_id=9),
        [LookUp(wait=1, kind="external_lead", by="field", field_id=9, value="x")],
    ),
    (handler("filter", type=12, value="x", custom_fields_id=9), []),
    (
        handler("send_internal", entity_type=2, message="Call {{name}}", group_id="{{lead.cf.1}}", user_id=5),
        [TellOperators("Call Ann", None, 901)],
    ),
    (handler("send_internal", entity_type=2, message="m", user_id=5), [TellOperators("m", 5, None)]),
    (
        handler("send_internal", entity_type=2, message="m", user_id="{{lead.cf.2}}"),
        [TellOperators("m", None, None)],
    ),
    (handler("send_internal", entity_type=2, message="{{lead.cf.4}}"), []),
    (
        handler(
            "send_external_message",
            message={"type": "external", "text": "Hi {{name}}", "buttons": [{"type": "inline", "text": "A"}]},
            recipient={"type": "all_contacts", "way_of_communication": "over_all"},
            channels=[{"id": 3}],
        ),
        [
            SayElsewhere(
                text="Hi Ann",
                buttons=(ScriptButton("A"),),
                recipient="all_contacts",
                way="over_all",
                channels=(3,),
                number=1,
            )
        ],
    ),
    (
        handler(
            "send_external_message",
            message={"type": "external", "text": "Hi"},
            recipient={
                "type": "filtered_contacts",
                "way_of_communication": "any_first",
                "filter": {
                    "logic": "and",
                    "conditions": [{"term1": "{{name}}", "term2": "Bea", "operation": "="}],
                },
            },
        ),
        [],
    ),
    (
        handler("condition", term1="{{name}}", term2="ann", operation="=", result=[show("y")]),
        [Say(text="y", number=1)],
    ),
    (
        handler(
            "conditions",
            logic="or",
            conditions=[{"term1": "{{name}}", "term2": "ann", "operation": "="}],
            result=[show("y")],
        ),
        [Say(text="y", number=1)],
    ),
    (
        handler(
            "validations",
            logic="and",
            conditions=[{"client_value": "{{contact.email}}", "type": "email", "operation": "contains"}],
            result=[show("{{last_validation_result}}")],
        ),
        [Say(text="a@x.example", number=1)],
    ),
    (handler("preset", name="contacts.get_base_info"), []),
    (
        handler("preset", name="contacts.validate_base_info", params={"empty_phone": "Phone?"}),
        [Say(text="Phone?", number=1)],
    ),
    (
        handler(
            "meta",
            delimiter="__",
            values=["lead.tags", "lead.custom_fields.10", "contact.name", "lead.price"],
        ),
        [Tag(LEAD, "promo"), WriteCard(LEAD, 10, "42"), WriteCard(CONTACT, "name", "Kazan")],
    ),
    (handler("meta", delimiter="__", values=["", "lead.price"]), [WriteCard(LEAD, "price", "42")]),
    (
        handler(
            "widget_request",
            url="https://w.example/{{contact.cf.8}}",
            data={"{{name}}": ["{{name}}", 1, None]},
        ),
        [
            CallOut(
                wait=1,
                is_widget=True,
                method="POST",
                url="https://w.example/%2F..%2Fadmin%3Fx%3D1",
                data={"{{name}}": ["Ann", 1, None]},
            )
        ],
    ),
    (handler("stop", action="talk-close"), [CloseTalk()]),
    (handler("stop", action="salesbot-start", bot=4), [StartBot(4)]),
    ({"handler": "exits", "params": [{"value": "ok"}]}, []),
    (handler("knopka_pause", seconds=90), [SetTimer(1, NOW.replace(minute=1, second=30))]),
    (handler("knopka_wait", minutes=2, step=0), [SetTimer(1, NOW.replace(minute=2))]),
    (
        handler(
            "knopka_http",
            method="PUT",
            url="https://api.example/?q={{name}} {{lead.id}}".replace(" ", "+"),
            data={"p": "{{lead.price}}"},
            headers={"Authorization": "Bearer {{lead.cf.2}}"},
        ),
        [
            CallOut(
                wait=1,
                is_widget=False,
                method="PUT",
                url="https://api.example/?q=Ann+55",
                data={"p": "1200"},
                headers={"Authorization": "Bearer text"},
            )
        ],
    ),
    (handler("knopka_handover", message="Help {{name}}"), [TellOperators("Help Ann")]),
]

ACTION_CASES: list[tuple[dict[str, Any], list[Effect]]] = [
    (action("unsorted", value="accept"), [Decide(True)]),
    (action("unsorted", value="decline"), [Decide(False)]),
    (action("change_status", value=901), [MoveLead(901)]),
    (action("change_status", value="{{lead.cf.1}}", entity="double"), [MoveLead(901, of_double=True)]),
    (action("change_status", value="{{lead.cf.2}}"), []),
    (action("set_tag", type=1, value="{{origin}}"), [Tag(CONTACT, "telegram")]),
    (action("set_tag", type=2, value="{{lead.cf.4}}"), []),
    (
        action("unset_tag", type=2, value=["a", "{{origin}}", "{{lead.cf.4}}"]),
        [Untag(LEAD, ("a", "telegram"))],
    ),
    (
        action("set_custom_fields", type=2, custom_fields_id=9, value="{{name}}", enum=3),
        [WriteCard(LEAD, 9, "Ann", "3")],
    ),
    (
        action("set_custom_fields", type=1, custom_fields_id=9, value="x", option="add"),
        [WriteCard(CONTACT, 9, "x", add=True)],
    ),
    (
        action(
            "set_custom_fields", type=2, custom_fields_id=9, value="({{lead.price}} + 1) / 4", calculated=True
        ),
        [WriteCard(LEAD, 9, "300.25")],
    ),
    (action("set_custom_fields", type=2, custom_fields_id=9, value="{{lead.cf.3}}", calculated=True), []),
    (
        action("set_custom_fields", type=2, custom_field="{{lead.price}}", value="10,5"),
        [WriteCard(LEAD, "price", "11")],
    ),
    (action("set_custom_fields", type=2, custom_field="{{lead.price}}", value="{{lead.cf.2}}"), []),
    (
        action("set_custom_fields", type=2, custom_field="{{lead.name}}", value="Order"),
        [WriteCard(LEAD, "name", "Order")],
    ),
    (action("set_custom_fields", type=1, custom_field="{{contact.name}}", value="{{lead.cf.4}}"), []),
    (action("set_custom_fields", type=2, custom_field="{{cf.talk.nps}}", value="9"), []),
    (action("set_budget", value="{{lead.price}} * 1.1 + {{lead.cf.4}}"), [WriteCard(LEAD, "price", "1320")]),
    (action("set_budget", value="{{lead.price}} / {{lead.cf.4}}"), []),
    (action("set_budget", value="{{lead.cf.2}} + 1"), []),
    (action("set_budget", value="0 - {{lead.price}}"), []),
    (action("subscribe", type="user", value="{{lead.cf.1}}"), [SetSubscription(True, "user", 901, LEAD)]),
    (action("unsubscribe", type="all"), [SetSubscription(False, "all", None, LEAD)]),
    (action("subscribe", type="group", value="{{lead.cf.2}}"), []),
    (
        action(
            "add_lead_contact",
            lead={
                "name": "From {{name}}",
                "status_id": "{{lead.cf.2}}",
                "price": "{{lead.price}}",
                "tags": ["a"],
            },
            contact={"name": "{{name}}", "custom_fields": [{"id": 9, "values": [{"value": "{{origin}}"}]}]},
        ),
        [
            MakeCards(
                NewCard(name="From Ann", price="1200", tags=("a",)),
                NewCard(name="Ann", fields=(NewField(9, "telegram"),)),
            )
        ],
    ),
    (
        action(
            "add_lead_contact",
            preset="contacts.require_email_or_phone",
            lead={"name": "x"},
            contact={"custom_fields": [{"id": 9, "values": [{"value": "{{origin}}"}]}]},
        ),
        [],
    ),
    (
        action(
            "add_lead_contact",
            preset="contacts.require_email_or_phone",
            lead={"name": "x"},
            contact={"custom_fields": [{"id": 9, "values": [{"value": "{{contact.email}}"}]}]},
        ),
        [MakeCards(NewCard(name="x"), NewCard(fields=(NewField(9, "a@x.example"),)))],
    ),
    (action("add_linked_company", name="x"), []),
    (action("add_note", element_type=2, note_type=4, text="{{name}}"), [WriteNote(LEAD, "common", "Ann")]),
    (
        action("add_note", element_type=1, note_type=25, text="x"),
        [WriteNote(CONTACT, "service_message", "x")],
    ),
    (action("add_note", element_type=2, note_type=4, text="{{lead.cf.4}}"), []),
    (action("link", **{"from": 2, "to": 1, "to_id": "{{lead.cf.1}}"}), [Join(LEAD, None, CONTACT, 901)]),
    (action("link", **{"from": 2, "to": 1, "to_id": "{{lead.cf.2}}"}), []),
    (action("link", **{"from": 2, "from_id": "{{lead.cf.2}}", "to": 1, "to_id": 4}), []),
    (action("change_responsible_user", value=9), [Assign(9, LEAD)]),
    (action("change_responsible_user", value="{{lead.cf.1}}", type=1), [Assign(901, CONTACT)]),
    (action("change_responsible_user", value="{{lead.cf.2}}"), []),
    (action("link_to_unsorted", entity_type=2, entity_id=5), []),
]


def play_one(step: dict[str, Any]) -> Play:
    return Play([{"question": [step], "answer": [], "finish": []}], STORE).start()


@pytest.mark.parametrize(("step", "effects"), HANDLER_CASES)
def test_a_handler_wants_done_what_its_params_say(step: dict[str, Any], effects: list[Effect]) -> None:
    play = play_one(step)
    assert play.done == effects
    assert len(play.notes) > 1


@pytest.mark.parametrize(("step", "effects"), ACTION_CASES)
def test_an_action_wants_done_what_its_params_say(step: dict[str, Any], effects: list[Effect]) -> None:
    play = play_one(step)
    assert play.done == effects
    assert play.state.ended is EndReason.DONE
    assert play.notes[1][0] == step["params"]["name"]


def test_there_is_a_case_for_each_handler_and_action() -> None:
    named = {step["handler"] for step, _ in HANDLER_CASES} | {"action"}
    assert named == set(HANDLERS)


@pytest.mark.parametrize(
    ("step", "note"),
    [
        (action("change_status", value="{{lead.cf.2}}"), Note.NOT_A_NUMBER),
        (action("set_budget", value="1 / {{lead.cf.4}}"), Note.DIVISION_BY_ZERO),
        (action("set_budget", value="{{lead.cf.3}}"), Note.NOT_A_NUMBER),
        (action("set_budget", value="0 - 1"), Note.OUT_OF_RANGE),
        (action("set_tag", type=2, value="{{lead.cf.4}}"), Note.EMPTY_VALUE),
        (action("add_linked_company", name="x"), Note.NO_SUCH_PART),
        ({"handler": "exits", "params": []}, Note.DRAWING_ONLY),
        (handler("preset", name="contacts.get_base_info"), Note.NOTHING_FOUND),
    ],
)
def test_what_does_nothing_tells_why(step: dict[str, Any], note: Note) -> None:
    assert play_one(step).notes[1][1] is note


def test_the_secrets_of_a_call_stand_in_no_line_of_the_log() -> None:
    call = handler(
        "knopka_http",
        url="https://api.example/orders?key=QUERYSECRET",
        headers={"X-Key": "HEADERSECRET", "Authorization": "Bearer {{lead.cf.2}}\r\nX-More: 1"},
        data={"token": "BODYSECRET"},
    )
    play = Play([{"question": [call]}], STORE | {"lead.cf.2": "MARKERSECRET"}).start()
    assert "SECRET" not in repr([line for line in play.last if type(line).__name__ == "Trace"])
    assert play.trace("knopka_http").detail == "POST https://api.example/orders"
    assert play.only(CallOut).headers["Authorization"] == "Bearer MARKERSECRET X-More: 1"


def test_every_documented_placeholder_is_filled_in_data_and_headers_alike() -> None:
    call = handler("knopka_http", url="https://api.example/", data=[{"a": "{{bot_params.a.b[0].c}}"}])
    play = Play([{"question": [call]}], STORE, {"a": {"b": [{"c": "deep"}]}}).start()
    assert play.only(CallOut).data == [{"a": "deep"}]
