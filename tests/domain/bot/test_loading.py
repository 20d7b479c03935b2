"""Scripts as they are loaded: every form that amoCRM documents, and every fault with its place."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knopka.domain.bot.loading import MAX_STEPS, parse_continue, parse_script
from knopka.domain.bot.reading import MAX_FAULTS, MAX_WARNINGS
from knopka.domain.bot.script import (
    MAX_SCRIPT_BYTES,
    AddLeadContact,
    AddNote,
    Block,
    Buttons,
    ChangeResponsible,
    ChangeStatus,
    Check,
    Choice,
    DecideUnsorted,
    Filter,
    FindDouble,
    GetBaseInfo,
    Goto,
    Handler,
    Handover,
    Http,
    If,
    Link,
    NewCard,
    NewField,
    Nothing,
    Pattern,
    Pause,
    Place,
    Script,
    ScriptButton,
    SendExternal,
    SendInternal,
    SetBudget,
    SetField,
    SetTag,
    Show,
    Split,
    Step,
    Stop,
    Subscribe,
    Term,
    UnsetTag,
    Validate,
    ValidateBaseInfo,
    WaitAnswer,
    WaitFor,
    WidgetRequest,
)
from knopka.domain.errors import Fault, InvalidInput, ScriptError
from knopka.domain.meta import Entity

SAMPLE = """\
[{"question":[{"handler":"show","params":{"type":"buttons","value":"Hi {{contact.name}}, new order?","buttons":["Yes","No"]}}],
  "answer":[{"handler":"buttons","params":[{"value":"Yes","params":[{"handler":"goto","params":{"type":"question","step":1}}]},
                                            {"regex":"/no|nope/iu","params":[{"handler":"stop","params":{"action":"talk-close"}}]}]}]},
 {"question":[{"handler":"show","params":{"type":"text","value":"Phone?"}}],
  "answer":[{"handler":"preset","params":{"name":"contacts.get_base_info"}}],
  "finish":[{"handler":"action","params":{"name":"set_tag","params":{"type":2,"value":"bot"}}}]}]
"""  # noqa: E501 - the page's own lines, whose columns count
AT = Place("$[0].question[0]", 1, 16)


def dump(script: Any) -> bytes:
    return json.dumps(script, ensure_ascii=False).encode()


def handle(name: str, params: Any = None, /, **beside: Any) -> dict[str, Any]:
    return {"handler": name, **({} if params is None else {"params": params}), **beside}


def act(name: str, /, **params: Any) -> dict[str, Any]:
    return handle("action", {"name": name, "params": params})


def wrap(*handlers: Any) -> list[Any]:
    """A script of two steps that begins with these handlers."""
    return [{"question": [*handlers], "answer": [], "finish": []}, {"question": [], "answer": []}]


def load_one(handler: Any) -> tuple[Handler, list[str]]:
    """The handler as it was loaded, and the codes of the warnings about it."""
    script = parse_script(dump(wrap(handler, handle("goto", {"type": "question", "step": 1}))))
    return script.steps[0].question[0], [warning.code for warning in script.warnings]


def faults_of(script: Any) -> list[Fault]:
    text = script if isinstance(script, bytes) else dump(script)
    with pytest.raises(ScriptError) as refused:
        parse_script(text)
    return list(refused.value.faults)


SHOW = handle("show", {"type": "text", "value": "x"})
GOTO = handle("goto", {"type": "question", "step": 1})


def test_the_script_of_the_page_is_loaded_unchanged() -> None:
    def at(path: str, line: int, column: int) -> Place:
        return Place(f"$[{path}", line, column)

    go = Goto(at("0].answer[0].params[0].params[0]", 2, 69), Block.QUESTION, 1)
    stop = Stop(at("0].answer[0].params[1].params[0]", 3, 78), "talk-close")
    no = Pattern("/no|nope/iu", "(?i)no|nope")
    choices = (Choice("Yes", None, (go,)), Choice(None, no, (stop,)))
    hi = "Hi {{contact.name}}, new order?"
    yes_or_no = (ScriptButton("Yes"), ScriptButton("No"))
    assert parse_script(SAMPLE.encode()) == Script(
        {
            0: Step(
                question=(Show(at=at("0].question[0]", 1, 15), value=hi, buttons=yes_or_no),),
                answer=(Buttons(at("0].answer[0]", 2, 13), choices),),
            ),
            1: Step(
                question=(Show(at=at("1].question[0]", 4, 15), value="Phone?"),),
                answer=(GetBaseInfo(at("1].answer[0]", 5, 13)),),
                finish=(SetTag(at("1].finish[0]", 6, 13), Entity.LEAD, "bot"),),
            ),
        }
    )


def inner(path: str) -> Place:
    """Handlers inside others are compared without line and column."""
    return Place(path, 0, 0)


def without_lines(value: Any) -> Any:
    """The same with every place of a handler inside another cut to its path."""
    match value:
        case Place(path) if path != AT.path:
            return inner(path)
        case tuple():
            return tuple(map(without_lines, value))
        case _ if hasattr(value, "__dataclass_fields__"):
            names = value.__dataclass_fields__
            return type(value)(**{name: without_lines(getattr(value, name)) for name in names})
        case _:
            return value


RESULT = (Goto(inner(f"{AT.path}.params.result[0]"), Block.QUESTION, 1),)
BESIDE = (Goto(inner(f"{AT.path}.result[0]"), Block.QUESTION, 1),)
ELSE = (Goto(inner(f"{AT.path}.params.else[0]"), Block.QUESTION, 1),)
EQUAL = Term("{{bot_params.locale}}", "en", "=")
TERM = {"term1": "{{bot_params.locale}}", "term2": "en", "operation": "="}

HANDLERS: list[tuple[Any, Handler]] = [
    (SHOW, Show(at=AT, value="x")),
    (handle("show", {"value": 5, "accept_unsorted": False}), Show(at=AT, value="5", accept_unsorted=False)),
    (
        handle(
            "show", {"type": "buttons", "value": "x", "buttons": {"0": "A", "1": 2}, "accept_unsorted": "0"}
        ),
        Show(at=AT, value="x", buttons=(ScriptButton("A"), ScriptButton("2")), accept_unsorted=False),
    ),
    (
        handle(
            "show",
            {
                "type": "buttons_url",
                "value": "x",
                "buttons": [{"text": "A", "url": "https://a.example/{{lead.id}}"}],
            },
        ),
        Show(at=AT, value="x", buttons=(ScriptButton("A", "https://a.example/{{lead.id}}"),)),
    ),
    (
        handle("show", {"type": "text", "value": "x", "quick_replies": ["user_phone_number", "user_email"]}),
        Show(at=AT, value="x", quick_replies=("user_phone_number", "user_email")),
    ),
    (handle("buttons", [{"value": "A"}]), Buttons(AT, (Choice("A", None, ()),))),
    (
        handle("buttons", {"0": {"value": 1, "params": {"0": GOTO}}}),
        Buttons(
            AT, (Choice("1", None, (Goto(inner(f'{AT.path}.params["0"].params["0"]'), Block.QUESTION, 1),)),)
        ),
    ),
    (handle("goto", {"type": "finish", "step": "0"}), Goto(AT, Block.FINISH, 0)),
    (handle("wait_answer", {"type": "answer", "step": 1}), WaitAnswer(AT, Block.ANSWER, 1)),
    (
        handle("find", {"type": "contact_double", "params": {"type": "name", "actions": [GOTO]}}),
        FindDouble(
            AT,
            "name",
            "{{contact.name}}",
            (Goto(inner(f"{AT.path}.params.params.actions[0]"), Block.QUESTION, 1),),
        ),
    ),
    (
        handle("filter", {"type": 2, "value": "{{lead.cf.111}}", "custom_fields_id": "222", "actions": []}),
        Filter(AT, Entity.LEAD, 222, "{{lead.cf.111}}", ()),
    ),
    (
        handle(
            "send_internal",
            {"entity_id": "{{lead.id}}", "entity_type": 2, "message": "Hi", "group_id": 3, "user_id": "4"},
        ),
        SendInternal(AT, "Hi", Entity.LEAD, "3", "4"),
    ),
    (
        handle(
            "send_external_message",
            {
                "message": {
                    "type": "external",
                    "text": "x",
                    "buttons": [
                        {"type": "inline", "text": "A"},
                        {"type": "url", "text": "B", "url": "https://b.example"},
                    ],
                },
                "recipient": {
                    "type": "filtered_contacts",
                    "way_of_communication": "over_all",
                    "filter": {"logic": "or", "result": 1, "conditions": [{**TERM, "value_type": "value"}]},
                },
                "channels": [{"id": 23499795}, "7"],
                "metadata": {"facebook_tag": "CONFIRMED_EVENT_UPDATE"},
                "on_error": GOTO,
            },
        ),
        SendExternal(
            at=AT,
            text="x",
            buttons=(ScriptButton("A"), ScriptButton("B", "https://b.example")),
            recipient="filtered_contacts",
            way="over_all",
            logic="or",
            terms=(EQUAL,),
            channels=(23499795, 7),
            on_error=(Goto(inner(f"{AT.path}.params.on_error"), Block.QUESTION, 1),),
        ),
    ),
    (
        handle("send_external_message", {"message": {"text": "x"}, "channels": [], "on_error": None}),
        SendExternal(at=AT, text="x"),
    ),
    (
        handle("condition", {"term1": "lead.tags", "term2": "vip", "operation": "!=", "result": [GOTO]}),
        If(AT, "and", (Term("lead.tags", "vip", "!="),), RESULT),
    ),
    (handle("condition", {**TERM, "result": [GOTO], "else": [GOTO]}), If(AT, "and", (EQUAL,), RESULT, ELSE)),
    (handle("condition", [TERM, TERM], result=[GOTO]), If(AT, "and", (EQUAL, EQUAL), BESIDE)),
    (
        handle("condition", {"term1": 5, "term2": {"from": 7}, "operation": "in_range", "result": []}),
        If(AT, "and", (Term("5", "", "in_range", "7", ""),), ()),
    ),
    (
        handle("condition", {"term1": "{{lead.price}}", "term2": ["1", 2], "operation": "in"}),
        If(AT, "and", (Term("{{lead.price}}", "1,2", "in"),), ()),
    ),
    (
        handle("conditions", {"logic": "or", "conditions": [TERM, TERM], "result": [GOTO]}),
        If(AT, "or", (EQUAL, EQUAL), RESULT),
    ),
    (
        handle(
            "validations",
            {
                "logic": "or",
                "conditions": [
                    {
                        "client_value": "{{message_text}}",
                        "type": "regex",
                        "condition_value": "/[0-9]+/",
                        "operation": "contains",
                    },
                    {
                        "client_value": "{{message_text}}",
                        "type": "simple",
                        "condition_value": 654,
                        "operation": "equal",
                    },
                    {
                        "client_value": "{{message_text}}",
                        "type": "simple",
                        "condition_value": "3",
                        "operation": "length",
                    },
                    {
                        "client_value": "{{message_text}}",
                        "type": "range_numbers",
                        "condition_value": {"from": 123, "to": "{{lead.price}}"},
                        "operation": "not_contains",
                    },
                    {
                        "client_value": "{{message_text}}",
                        "type": "email",
                        "condition_value": "",
                        "operation": "contains",
                    },
                    {"client_value": "{{message_text}}", "type": "phone", "operation": "contains"},
                ],
                "result": [GOTO],
                "else": GOTO,
            },
        ),
        Validate(
            AT,
            "or",
            (
                Check("{{message_text}}", "regex", "contains", pattern=Pattern("/[0-9]+/", "(?:[0-9])+")),
                Check("{{message_text}}", "simple", "equal", "654"),
                Check("{{message_text}}", "simple", "length", "3"),
                Check("{{message_text}}", "range_numbers", "not_contains", low="123", high="{{lead.price}}"),
                Check("{{message_text}}", "email", "contains"),
                Check("{{message_text}}", "phone", "contains"),
            ),
            RESULT,
            (Goto(inner(f"{AT.path}.params.else"), Block.QUESTION, 1),),
        ),
    ),
    (handle("preset", {"name": "contacts.get_base_info", "params": []}), GetBaseInfo(AT)),
    (
        handle(
            "preset",
            {
                "name": "contacts.validate_base_info",
                "params": {
                    "empty_email": "E-mail?",
                    "success": "Thanks",
                    "check_doubles": True,
                    "phone_doubles": "Another?",
                    "use_quick_replies": 1,
                },
            },
        ),
        ValidateBaseInfo(
            at=AT,
            texts={"empty_email": "E-mail?", "success": "Thanks", "phone_doubles": "Another?"},
            check_doubles=True,
            use_quick_replies=True,
        ),
    ),
    (
        handle(
            "meta",
            {"delimiter": "-", "values": ["lead.tags", "lead.custom_fields.123", "contact.custom_fields.4"]},
        ),
        Split(AT, "-", ("lead.tags", "lead.custom_fields.123", "contact.custom_fields.4")),
    ),
    (
        handle(
            "widget_request",
            {
                "url": "https://w.example/{{lead.id}}?a=1",
                "data": {"{{contact.name}}": ["{{contact.name}}", 1], "__proto__": None},
            },
        ),
        WidgetRequest(
            AT,
            "https://w.example/{{lead.id}}?a=1",
            {"{{contact.name}}": ["{{contact.name}}", 1], "__proto__": None},
        ),
    ),
    (handle("stop", {"action": "talk-close"}), Stop(AT, "talk-close")),
    (handle("stop", {"action": "salesbot-start", "bot": "7049"}), Stop(AT, "salesbot-start", 7049)),
    (handle("stop"), Stop(AT, "")),
    (handle("stop", []), Stop(AT, "")),
    (handle("exits", [{"value": "yes"}]), Nothing(AT, "exits", "drawing_only")),
    (act("unsorted", value="accept"), DecideUnsorted(AT, True)),
    (act("unsorted", value="decline"), DecideUnsorted(AT, False)),
    (act("change_status", value=142), ChangeStatus(AT, "142")),
    (act("change_status", value="142", entity="double"), ChangeStatus(AT, "142", True)),
    (act("set_tag", type=2, value="{{origin}}"), SetTag(AT, Entity.LEAD, "{{origin}}")),
    (act("set_tag", type="1", value="{{bot_params.tag}}"), SetTag(AT, Entity.CONTACT, "{{bot_params.tag}}")),
    (act("unset_tag", type=2, value="a"), UnsetTag(AT, Entity.LEAD, ("a",))),
    (act("unset_tag", type=1, value=["a", 2]), UnsetTag(AT, Entity.CONTACT, ("a", "2"))),
    (
        act("set_custom_fields", type=2, value="{{bot_params.car}}", custom_fields_id="123", option="add"),
        SetField(at=AT, entity=Entity.LEAD, target=123, value="{{bot_params.car}}", add=True),
    ),
    (
        act(
            "set_custom_fields",
            type="lead",
            value="{{lead.cf.1}}*2",
            custom_field="{{lead.price}}",
            calculated=True,
        ),
        SetField(at=AT, entity=Entity.LEAD, target="price", value="{{lead.cf.1}}*2", calculated=True),
    ),
    (
        act("set_custom_fields", value="x", custom_field="{{contact.name}}"),
        SetField(at=AT, entity=Entity.CONTACT, target="name", value="x"),
    ),
    (
        act("set_custom_fields", type=1, custom_fields_id=4, enum="WORK"),
        SetField(at=AT, entity=Entity.CONTACT, target=4, value="", enum="WORK"),
    ),
    (
        act("set_budget", value="({{lead.cf.555123}} + 1) * {{lead.cf.555321}}"),
        SetBudget(AT, "({{lead.cf.555123}} + 1) * {{lead.cf.555321}}"),
    ),
    (act("set_budget", value=12.5), SetBudget(AT, "12.5")),
    (
        act("subscribe", type="user", value="{{lead.responsible_user_id}}"),
        Subscribe(AT, True, "user", "{{lead.responsible_user_id}}", Entity.LEAD),
    ),
    (act("subscribe", type="group", value=111), Subscribe(AT, True, "group", "111", Entity.LEAD)),
    (act("unsubscribe", type="all", entity_type=2), Subscribe(AT, False, "all", "", Entity.LEAD)),
    (
        act(
            "add_lead_contact",
            preset="contacts.require_email_or_phone",
            lead={
                "name": "Lead",
                "status_id": 142,
                "responsible_user_id": 123,
                "price": 2000,
                "tags": "",
                "custom_fields": [{"id": 7, "values": [{"value": "{{contact.name}}"}]}],
            },
            contact={
                "name": "{{bot_params.name}}",
                "tags": ["a", "b"],
                "custom_fields": [
                    {"id": "8", "values": [{"value": "{{message_text.phone}}", "enum": "WORK"}, {"value": 1}]}
                ],
            },
        ),
        AddLeadContact(
            at=AT,
            lead=NewCard(
                name="Lead",
                status_id="142",
                responsible_user_id="123",
                price="2000",
                fields=(NewField(7, "{{contact.name}}"),),
            ),
            contact=NewCard(
                name="{{bot_params.name}}",
                tags=("a", "b"),
                fields=(NewField(8, "{{message_text.phone}}", "WORK"), NewField(8, "1")),
            ),
            requires_way_to_reach=True,
        ),
    ),
    (act("add_lead_contact", lead=[]), AddLeadContact(at=AT, lead=NewCard(), contact=NewCard())),
    (act("add_note", element_type=1, note_type=4, text="x"), AddNote(AT, Entity.CONTACT, "common", "x")),
    (
        act("add_note", element_type="2", note_type="25", text="x"),
        AddNote(AT, Entity.LEAD, "service_message", "x"),
    ),
    (act("add_note", element_type=2, note_type="sms_in", text="x"), AddNote(AT, Entity.LEAD, "sms_in", "x")),
    (
        act("link", **{"from": 2, "to": 1, "to_id": "{{external_contact.id}}"}),
        Link(AT, Entity.LEAD, "", Entity.CONTACT, "{{external_contact.id}}"),
    ),
    (act("change_responsible_user", value=123), ChangeResponsible(AT, "123", Entity.LEAD)),
    (act("change_responsible_user", value="5", type=1), ChangeResponsible(AT, "5", Entity.CONTACT)),
    (handle("knopka_pause", 90), Pause(AT, timedelta(seconds=90))),
    (handle("knopka_pause", {"hours": 1.5, "minutes": 1}), Pause(AT, timedelta(minutes=91))),
    (handle("knopka_pause", {"for": {"weeks": 8}}), Pause(AT, timedelta(weeks=8))),
    (
        handle("knopka_wait", {"for": {"days": 1}, "type": "answer", "step": 1, "timeout": [GOTO]}),
        WaitFor(
            AT,
            timedelta(days=1),
            1,
            Block.ANSWER,
            (Goto(inner(f"{AT.path}.params.timeout[0]"), Block.QUESTION, 1),),
        ),
    ),
    (
        handle("knopka_wait", {"minutes": 5, "step": 1}),
        WaitFor(AT, timedelta(minutes=5), 1, Block.ANSWER, ()),
    ),
    (handle("knopka_http", {"url": "https://a.example"}), Http(at=AT, method="GET", url="https://a.example")),
    (
        handle(
            "knopka_http",
            {
                "method": "PUT",
                "url": "https://a.example:8443/x?y={{lead.id}}",
                "data": {"name": "{{bot_params.name}}"},
                "headers": {"X-Key": "{{lead.id}}"},
                "save_as": "order",
                "result": [GOTO],
                "error": [],
            },
        ),
        Http(
            at=AT,
            method="PUT",
            url="https://a.example:8443/x?y={{lead.id}}",
            data={"name": "{{bot_params.name}}"},
            headers={"X-Key": "{{lead.id}}"},
            save_as="order",
            result=RESULT,
        ),
    ),
    (
        handle("knopka_handover", {"message": "Take over, {{name}} waits"}),
        Handover(AT, "Take over, {{name}} waits"),
    ),
    (handle("knopka_handover"), Handover(AT, "")),
]


@pytest.mark.parametrize(("handler", "loaded"), HANDLERS, ids=lambda value: type(value).__name__)
def test_a_handler_is_loaded_without_a_warning(handler: Any, loaded: Handler) -> None:
    found, warnings = load_one(handler)
    assert (without_lines(found), warnings) == (loaded, [])


@pytest.mark.parametrize(
    ("handler", "name", "code"),
    [
        (
            handle(
                "find",
                {
                    "type": "catalog_elements",
                    "params": {"value": "x", "catalog_id": "15", "actions": [{"handler": "?"}]},
                },
            ),
            "find",
            "no_such_part",
        ),
        (
            handle("filter", {"type": 12, "value": "x", "custom_fields_id": 1, "actions": []}),
            "filter",
            "no_such_part",
        ),
        (
            handle("send_internal", {"entity_id": "{{lead.id}}", "entity_type": 12, "message": "x"}),
            "send_internal",
            "no_such_part",
        ),
        (
            act("set_custom_fields", type=2, value="9", custom_field="{{cf.talk.nps}}"),
            "set_custom_fields",
            "no_such_part",
        ),
        (
            act("set_custom_fields", type=12, value="9", custom_field="{{customer.next_price}}"),
            "set_custom_fields",
            "no_such_part",
        ),
        (act("add_linked_company", name="{{message_text}}"), "add_linked_company", "no_such_part"),
        (act("add_note", element_type=12, text="x"), "add_note", "no_such_part"),
        (
            act(
                "link",
                **{"from": 2, "to": 11, "to_id": "{{founded_id}}", "to_catalog_id": 123, "quantity": 1},
            ),
            "link",
            "no_such_part",
        ),
        (act("link", **{"from": 2, "to": 3, "to_id": 5}), "link", "no_such_part"),
        (act("subscribe", type="user", value=1, entity_type=12), "subscribe", "no_such_part"),
        (act("link_to_unsorted", entity_type=2, entity_id="12345"), "link_to_unsorted", "no_such_part"),
    ],
)
def test_what_acts_on_parts_that_knopka_has_not_is_loaded_and_told(
    handler: Any, name: str, code: str
) -> None:
    found, warnings = load_one(handler)
    assert (found, warnings) == (Nothing(AT, name, "no_such_part"), [code])


@pytest.mark.parametrize(
    ("handler", "path", "code"),
    [
        (handle("show", {"value": "{{lead.nmae}}"}), ".params.value", "unknown_marker"),
        (handle("show", {"value": "{{leed.name}}"}), ".params.value", "unknown_marker"),
        (handle("show", {"value": "{{}}"}), ".params.value", "unknown_marker"),
        (handle("show", {"value": "{{company.name}}"}), ".params.value", "no_such_part"),
        (handle("show", {"value": "{{name"}), ".params.value", "unclosed_marker"),
        (handle("show", {"value": "x", "vlaue": "y"}), ".params.vlaue", "unknown_param"),
        (handle("show", {"value": " "}), ".params", "empty_text"),
        (
            handle("show", {"value": "x", "buttons": [{"text": "A", "url": "tg://resolve?domain=bot"}]}),
            ".params.buttons[0].url",
            "app_link",
        ),
        (act("set_budget", value="1 + + * 2"), ".params.params.value", "not_a_sum"),
        (
            act("set_custom_fields", type=2, custom_fields_id=1, value="two", calculated=True),
            ".params.params.value",
            "not_a_sum",
        ),
        (act("add_note", element_type=2, note_type=10, text="x"), ".params.params.note_type", "note_type"),
        (handle("meta", {"delimiter": "-", "values": ["lead.sale"]}), ".params.values[0]", "unknown_target"),
        (handle("widget_request", {"url": "http://a.example"}), ".params.url", "not_https"),
        (
            handle("knopka_http", {"url": "https://a.example", "method": "GET", "data": 1}),
            ".params",
            "data_not_sent",
        ),
        (handle("send_internal", {"entity_id": 7, "message": "x"}), ".params", "entity_id_ignored"),
        (handle("goto", {"type": "question", "step": 0}), "", "loop_without_wait"),
    ],
)
def test_what_will_not_do_what_it_says_is_told_with_its_place(handler: Any, path: str, code: str) -> None:
    script = parse_script(dump(wrap(handler, GOTO)))
    assert [(warning.at.path, warning.code) for warning in script.warnings] == [(AT.path + path, code)]
    assert all(warning.at.line == 1 and warning.at.column > 1 for warning in script.warnings)


@pytest.mark.parametrize(
    ("handler", "path", "code", "says"),
    [
        (handle("shwo", {}), ".handler", "unknown_handler", "did you mean show?"),
        ({"params": {}}, "", "missing", "handler"),
        ("show", "", "not_an_object", ""),
        (handle("show", "x"), ".params", "not_an_object", ""),
        (handle("show", {"type": "text"}), ".params", "missing", "value"),
        (handle("show", {"value": ["x"]}), ".params.value", "not_a_text", ""),
        (handle("show", {"value": "x", "type": "picture"}), ".params.type", "unknown_value", "text, buttons"),
        (handle("show", {"value": "x", "type": "buttons"}), ".params", "missing", "buttons"),
        (handle("show", {"value": "x", "buttons": "A"}), ".params.buttons", "not_an_array", ""),
        (
            handle("show", {"value": "x", "buttons": ["A"] * 101}),
            ".params.buttons",
            "too_many_buttons",
            "100",
        ),
        (
            handle("show", {"value": "x", "accept_unsorted": "no"}),
            ".params.accept_unsorted",
            "not_a_flag",
            "",
        ),
        (
            handle("show", {"value": "x", "quick_replies": ["phone"]}),
            ".params.quick_replies[0]",
            "unknown_value",
            "",
        ),
        (
            handle("show", {"value": "x", "buttons": [{"text": "A", "url": "javascript:alert(1)"}]}),
            ".params.buttons[0].url",
            "bad_address",
            "https",
        ),
        (handle("show", {"value": "{{lead.cf.{{name}}}}"}), ".params.value", "nested_marker", ""),
        (
            handle("show", {"value": r"{{regexp./(a)\1/}}"}),
            ".params.value",
            "pattern_not_linear",
            "back reference",
        ),
        (handle("buttons", [{"params": []}]), ".params[0]", "missing", "value or regex"),
        (
            handle("buttons", [{"regex": "/(?=a)/", "params": []}]),
            ".params[0].regex",
            "pattern_not_linear",
            "character 2",
        ),
        (
            handle("buttons", [{"regex": "да|yes", "params": []}]),
            ".params[0].regex",
            "pattern_no_delimiter",
            "/да|yes/iu",
        ),
        (
            handle("buttons", [{"regex": "/(" + "a{1000}" * 9 + "){9}/"}]),
            ".params[0].regex",
            "pattern_too_large",
            "",
        ),
        (handle("buttons", [{"regex": 7}]), ".params[0].regex", "not_a_text", ""),
        (handle("goto", {"type": "question", "step": 7}), ".params.step", "no_such_step", "there are 0, 1"),
        (
            handle("goto", {"type": "finish", "step": 1}),
            ".params.step",
            "no_such_block",
            "step 1 has no finish",
        ),
        (
            handle("goto", {"type": "qestion", "step": 1}),
            ".params.type",
            "unknown_value",
            "did you mean question?",
        ),
        (handle("goto", {"type": "question"}), ".params", "missing", "step"),
        (handle("goto", {"type": "question", "step": 1.5}), ".params.step", "not_a_number", ""),
        (handle("goto", {"type": "question", "step": -1}), ".params.step", "not_a_number", ""),
        (
            handle("goto", {"type": "question", "step": "{{bot_params.step}}"}),
            ".params.step",
            "not_a_number",
            "",
        ),
        (handle("wait_answer", {"type": "finish", "step": 1}), ".params.type", "unknown_value", ""),
        (handle("wait_answer", {"type": "answer", "step": 8}), ".params.step", "no_such_step", ""),
        (handle("knopka_wait", {"for": 5, "step": 8}), ".params.step", "no_such_step", ""),
        (handle("knopka_wait", {"step": 1}), ".params", "bad_span", "seconds, minutes"),
        (handle("knopka_pause", {"for": {"hours": 0}}), ".params.for", "span_out_of_range", "8 weeks"),
        (handle("knopka_pause", {"weeks": 9}), ".params", "span_out_of_range", ""),
        (handle("knopka_pause", {"days": "1"}), ".params", "bad_span", ""),
        (handle("knopka_pause", 1e300), ".params", "span_out_of_range", ""),
        (
            handle("condition", {"term1": "a", "operation": "~", "result": []}),
            ".params.operation",
            "unknown_value",
            "",
        ),
        (
            handle("condition", {"term1": "a", "operation": "in_range", "term2": "5"}),
            ".params.term2",
            "not_an_object",
            "",
        ),
        (
            handle("condition", {"term1": "a", "operation": "in_range", "term2": {}}),
            ".params.term2",
            "missing",
            "from or to",
        ),
        (
            handle("condition", {"term1": "a", "operation": "=", "term2": {"from": 1}}),
            ".params.term2",
            "not_a_text",
            "",
        ),
        (
            handle("validations", {"conditions": [{"type": "email", "operation": "equal"}]}),
            ".params.conditions[0].operation",
            "unknown_value",
            "contains",
        ),
        (handle("validations", {"result": []}), ".params", "missing", "conditions"),
        (
            handle("preset", {"name": "contacts.base_info"}),
            ".params",
            "unknown_preset",
            "contacts.get_base_info",
        ),
        (act("set_tags"), ".params", "unknown_action", "did you mean set_tag?"),
        (act("set_tag", type=5, value="x"), ".params.params.type", "unknown_value", ""),
        (act("set_custom_fields", type=2, value="x"), ".params.params", "missing", "custom_fields_id"),
        (
            act("set_custom_fields", type=2, value="x", custom_field="{{lead.nmae}}"),
            ".params.params.custom_field",
            "unknown_field",
            "lead.name",
        ),
        (
            act("set_custom_fields", type=1, value="x", custom_field="{{lead.price}}"),
            ".params.params",
            "wrong_card",
            "",
        ),
        (act("link", **{"from": 2, "to": 2, "to_id": 5}), ".params.params", "wrong_card", ""),
        (handle("stop", {"action": "salesbot-start"}), ".params", "missing", "bot"),
        (handle("knopka_http", {"url": "http://a.example"}), ".params.url", "not_https", ""),
        (handle("knopka_http", {"url": "https://{{lead.cf.1}}/"}), ".params.url", "marker_in_host", ""),
        (handle("knopka_http", {"url": "{{lead.cf.1}}"}), ".params.url", "bad_address", ""),
        (handle("knopka_http", {"url": "https://u:p@a.example"}), ".params.url", "userinfo", "headers"),
        (
            handle("knopka_http", {"url": "https://a.example/" + "a" * 2048}),
            ".params.url",
            "address_too_long",
            "",
        ),
        (
            handle("knopka_http", {"url": "https://a.example", "method": "DELETE"}),
            ".params.method",
            "unknown_value",
            "",
        ),
        (
            handle("knopka_http", {"url": "https://a.example", "headers": {"Host": "b"}}),
            ".params.headers.Host",
            "bad_header",
            "",
        ),
        (
            handle("knopka_http", {"url": "https://a.example", "headers": {"A\r\nB": "b"}}),
            r'.params.headers["A\r\nB"]',
            "bad_header",
            "",
        ),
        (
            handle("knopka_http", {"url": "https://a.example", "save_as": "{{name}}"}),
            ".params",
            "bad_name",
            "",
        ),
        (handle("widget_request", {}), ".params", "missing", "url"),
    ],
)
def test_a_fault_has_its_place_and_says_what_to_do(handler: Any, path: str, code: str, says: str) -> None:
    found = faults_of(wrap(handler))
    assert [(fault.path, fault.code) for fault in found] == [(AT.path + path, code)]
    assert says in found[0].message
    assert found[0].line == 1
    assert found[0].column is not None
    assert found[0].column > 1


MARKED = "{{ bot_params.x[0].y }}"


@pytest.mark.parametrize(
    "handler",
    [
        act("change_status", value=MARKED),
        act("subscribe", type="user", value=MARKED),
        act("change_responsible_user", value=MARKED),
        act("add_lead_contact", lead={"status_id": MARKED}),
        act("add_lead_contact", contact={"responsible_user_id": MARKED}),
        act("link", **{"from": 2, "to": 1, "to_id": MARKED}),
        handle("send_internal", {"message": "x", "user_id": MARKED}),
        handle("send_internal", {"message": "x", "group_id": MARKED}),
        handle("show", {"value": "x", "buttons": [{"text": "A", "url": f"https://{MARKED}/"}]}),
        handle("show", {"value": "x", "buttons": [{"text": "A", "url": f"https://a.example/{MARKED}"}]}),
        handle("show", {"value": "x", "buttons": [{"text": "A", "url": MARKED}]}),
        handle("widget_request", {"url": f"https://a.example/?{MARKED}"}),
        handle("knopka_http", {"url": f"https://a.example/?{MARKED}"}),
    ],
)
def test_S_WEB_13_what_the_page_gave_names_nothing(handler: Any) -> None:
    assert [fault.code for fault in faults_of(wrap(handler))] == ["bot_params_name"]


@pytest.mark.parametrize(
    "handler",
    [
        handle("show", {"value": MARKED, "buttons": [MARKED]}),
        handle("show", {"value": "x", "buttons": [{"text": "A", "url": f"https://a.example/?q={MARKED}"}]}),
        handle("condition", {"term1": MARKED, "term2": MARKED, "operation": "=", "result": []}),
        handle("knopka_http", {"url": "https://a.example", "data": {"a": [MARKED]}}),
        act("set_custom_fields", type=2, custom_fields_id=1, value=MARKED),
    ],
)
def test_S_WEB_13_what_the_page_gave_stands_in_texts_and_values(handler: Any) -> None:
    load_one(handler)


TEXT_TWICE = """\
[{"question": [{"handler": "show", "params": {"type": "text", "value": "Phone and e-mail?"}}],
  "answer": [{"handler": "preset", "params": {
    "name": "contacts.validate_base_info",
    "params": {
      "empty_email": "And your e-mail?",
      "empty_phone": "And your phone?",
      "invalid_phone": "That is no phone number.",
      "success": "Thanks!",
      "empty_all": "Please leave a phone number.",
      "empty_all": "Please leave a phone number or an e-mail."
    }}}]}]
"""


def test_a_key_that_stands_twice_has_its_last_value_as_in_amoCRM() -> None:
    """amoCRM's own page on the preset gives `empty_all` twice."""
    script = parse_script(TEXT_TWICE.encode())
    (asked,) = script.steps[0].answer
    assert isinstance(asked, ValidateBaseInfo)
    assert asked.texts["empty_all"] == "Please leave a phone number or an e-mail."
    (warning,) = script.warnings
    assert warning.code == "duplicate_key"
    assert warning.at == Place("$[0].answer[0].params.params.empty_all", 10, 20)


def test_many_keys_that_stand_twice_take_no_more_time_or_room() -> None:
    script = parse_script(b'{"0": {' + b'"question": [],' * 4_000 + b'"question": []}}')
    assert len(script.warnings) == MAX_WARNINGS


@pytest.mark.parametrize(
    ("text", "path", "code", "line", "column"),
    [
        (b" " * (MAX_SCRIPT_BYTES + 1), "$", "too_large", None, None),
        (b"", "$", "not_json", 1, 1),
        (b'[{"question":\n  [}]', "$", "not_json", 2, 4),
        (b'[\n"\xff"]', "$", "not_utf8", 2, 2),
        (b"\xef\xbb\xbf[]", "$", "byte_order_mark", 1, 1),
        (b'[{},\n {"question":[], "question":[7]}]', "$[1].question[0]", "not_an_object", 2, 30),
        (b'[{"question":[], "question":[NaN]}]', "$[0].question[0]", "not_a_number", 1, 30),
        (b"[" * 65 + b"]" * 65, "$", "too_deep", 1, 65),
        (b"[" * 30_000, "$", "too_deep", 1, 65),
        (b"[" + b"0," * 25_000 + b"0]", "$[19999]", "too_many_values", 1, 40_000),
        (b"[NaN]", "$[0]", "not_a_number", 1, 2),
        (b'["\\ud800"]', "$[0]", "lone_surrogate", 1, 2),
        (b"null", "$", "not_a_script", 1, 1),
        (b'"{{lead.id}}"', "$", "not_a_script", 1, 1),
        (b"[]", "$", "empty_script", 1, 1),
        (b"{}", "$", "empty_script", 1, 1),
        (b'{"error": []}', "$", "empty_script", 1, 1),
        (b'{"1": {}}', "$", "no_first_step", 1, 1),
        (b"[{}, 7]", "$[1]", "not_an_object", 1, 6),
        (b'{"0": {},\n "01": {}}', '$["01"]', "bad_step_key", 2, 8),
        (b'{"0": {}, "eror": []}', "$.eror", "bad_step_key", 1, 19),
        (b'{"0": {}, "__proto__": {}}', "$.__proto__", "bad_step_key", 1, 24),
        (b'{"0": {}, "{{contact.name}}": {}}', '$["{{contact.name}}"]', "bad_step_key", 1, 31),
        (b'[{"qestion": []}]', "$[0].qestion", "unknown_block", 1, 14),
        (b'[{"question": {"a": 1}}]', "$[0].question", "not_an_array", 1, 15),
        (b'[{"question": [null]}]', "$[0].question[0]", "not_an_object", 1, 16),
        (b'{"0": {}, "error": [7]}', "$.error[0]", "not_an_object", 1, 21),
        (dump([{}] * (MAX_STEPS + 1)), "$", "too_many_steps", 1, 1),
    ],
)
def test_a_script_that_is_none_is_refused_with_its_place(
    text: bytes, path: str, code: str, line: int | None, column: int | None
) -> None:
    fault = faults_of(text)[0]
    assert (fault.path, fault.code, fault.line, fault.column) == (path, code, line, column)
    assert fault.message


def test_all_faults_are_told_at_once_in_the_order_of_the_file() -> None:
    bad = [handle("goto", {"type": "question", "step": 9}), handle("shwo"), handle("show", {"type": "text"})]
    codes = [fault.code for fault in faults_of(wrap(*bad))]
    assert codes == ["no_such_step", "unknown_handler", "missing"]


def test_faults_beyond_the_limit_are_left_unsaid() -> None:
    assert len(faults_of(wrap(*[handle("shwo")] * (MAX_FAULTS + 5)))) == MAX_FAULTS


def test_patterns_that_are_too_large_together_are_refused() -> None:
    one = {"regex": "/(?:.*?){0,390}x/", "params": []}
    parse_script(dump(wrap(handle("buttons", [one] * 50))))
    codes = {fault.code for fault in faults_of(wrap(handle("buttons", [one] * 200)))}
    assert codes == {"patterns_too_large"}
    marker = handle("show", {"value": "{{regexp./(?:.*?){0,390}x/}}"})
    assert {fault.code for fault in faults_of(wrap(*[marker] * 200))} == codes


def test_steps_by_number_and_steps_in_order_are_the_same_script() -> None:
    steps = [{"question": [SHOW, GOTO]}, {"question": [SHOW]}]
    numbered = {"1": steps[1], "0": {"question": {"0": SHOW, "1": GOTO}}}
    first, second = parse_script(dump(steps)), parse_script(dump(numbered))
    assert list(second.steps) == [0, 1]
    kinds = [
        [type(one) for step in script.steps.values() for one in step.question] for script in (first, second)
    ]
    assert kinds[0] == kinds[1] == [Show, Goto, Show]


def test_numbers_of_steps_may_have_gaps() -> None:
    go = handle("goto", {"type": "question", "step": "40"})
    script = parse_script(dump({"0": {"question": [go]}, "40": {"question": [SHOW]}}))
    assert (list(script.steps), script.warnings) == ([0, 40], ())


def test_error_handlers_stand_beside_the_steps() -> None:
    script = parse_script(dump({"0": {"question": [SHOW]}, "error": [act("change_status", value=142)]}))
    assert script.error == (ChangeStatus(Place("$.error[0]", 1, 96), "142"),)


@pytest.mark.parametrize(
    ("steps", "codes"),
    [
        ([{"question": [SHOW]}, {"question": [SHOW]}], ["unreachable_step"]),
        ([{"question": [handle("widget_request", {"url": "https://a.example"})]}, {"question": []}], []),
        (
            [{"question": [GOTO]}, {"question": [handle("goto", {"type": "question", "step": 0})]}],
            ["loop_without_wait"],
        ),
        (
            [
                {"question": [GOTO]},
                {"question": [], "answer": [handle("goto", {"type": "question", "step": 0})]},
            ],
            [],
        ),
        (
            [
                {"question": [GOTO]},
                {"question": [handle("knopka_pause", 60), handle("goto", {"type": "question", "step": 0})]},
            ],
            [],
        ),
        ([{"question": [handle("wait_answer", {"type": "question", "step": 0})]}], []),
        (
            [
                {
                    "answer": [
                        handle(
                            "buttons",
                            [{"value": "A", "params": [handle("goto", {"type": "answer", "step": 0})]}],
                        )
                    ]
                }
            ],
            ["loop_without_wait"],
        ),
    ],
)
def test_where_a_script_cannot_come_to_or_out_of_is_told(steps: Any, codes: list[str]) -> None:
    assert [warning.code for warning in parse_script(dump(steps)).warnings] == codes


# --- Continuing a run


def test_a_service_continues_with_data_and_handlers() -> None:
    script = parse_script(SAMPLE.encode())
    body = {
        "data": {"status": "ok"},
        "execute_handlers": [handle("show", {"type": "text", "value": "Found"}), GOTO],
    }
    data, handlers = parse_continue(body, script)
    assert data == {"status": "ok"}
    assert [type(handler) for handler in handlers] == [Show, Goto]
    assert parse_continue({"data": []}, script) == ({}, ())


@pytest.mark.parametrize(
    ("body", "path", "code"),
    [
        ([1], "$", "not_an_object"),
        ({"data": "x"}, "$.data", "not_an_object"),
        ({"execute_handlers": [SHOW] * 11}, "$.execute_handlers", "too_many_handlers"),
        ({"execute_handlers": [handle("stop")]}, "$.execute_handlers[0]", "unknown_handler"),
        (
            {"execute_handlers": [handle("show", {"value": "x" * 81})]},
            "$.execute_handlers[0]",
            "text_too_long",
        ),
        (
            {"execute_handlers": [handle("show", {"value": "x", "buttons": ["A"] * 26})]},
            "$.execute_handlers[0]",
            "too_many_buttons",
        ),
        (
            {"execute_handlers": [handle("goto", {"type": "question", "step": 9})]},
            "$.execute_handlers[0].params.step",
            "no_such_step",
        ),
    ],
)
def test_what_a_service_may_not_send_is_refused(body: Any, path: str, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_continue(body, parse_script(SAMPLE.encode()))
    assert [(fault.path, fault.code, fault.line) for fault in refused.value.faults] == [(path, code, None)]


# --- Whatever is loaded

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(
        ["show", "goto", "action", "{{bot_params.x}}", "{{", "/(?=a)/", "https://{{a}}", "question"]
    ),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["0", "1", "error", "question", "answer", "handler", "params", "value", "result", "__proto__"]
            ),
            below,
            max_size=4,
        )
    ),
    max_leaves=20,
)
GOOD = [handler for handler, _ in HANDLERS]


def replace_at(value: Any, path: list[int], new: Any) -> Any:
    """The value with one part of it, found by walking down, put in another's place."""
    if not path or not isinstance(value, (dict, list)) or not value:
        return new
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = keys[path[0] % len(keys)]
    value[key] = replace_at(value[key], path[1:], new)
    return value


@settings(max_examples=300)
@given(json_values)
def test_any_json_is_a_script_or_refused(value: Any) -> None:
    load_or_refuse(value)


@settings(max_examples=500)
@given(
    st.lists(st.sampled_from(GOOD), min_size=1, max_size=3),
    st.lists(st.integers(0, 9), max_size=8),
    json_values,
)
def test_a_script_with_one_wrong_part_is_a_script_or_refused(
    handlers: list[Any], path: list[int], new: Any
) -> None:
    load_or_refuse(replace_at(wrap(*copy.deepcopy(handlers)), path, new))


@settings(max_examples=200)
@given(st.binary(max_size=40) | st.integers(0, len(SAMPLE)).map(lambda end: SAMPLE[:end].encode()))
def test_any_bytes_are_a_script_or_refused(text: bytes) -> None:
    try:
        parse_script(text)
    except ScriptError as refused:
        faults = refused.faults
    else:
        return
    assert faults


def load_or_refuse(value: Any) -> None:
    text = json.dumps(value)
    try:
        script = parse_script(text.encode())
    except ScriptError as refused:
        faults = refused.faults
    else:
        assert isinstance(script.steps, Mapping)
        return
    assert 0 < len(faults) <= MAX_FAULTS
    assert all(fault.path.startswith("$") and fault.message and fault.line for fault in faults)
