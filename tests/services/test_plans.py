"""Every statement that runs on the way of a page, a visitor or an operator finds its rows by an index."""

from __future__ import annotations

from typing import Any

import pytest

from knopka.db import channels, conversations, crm, links, outbox, visitors
from knopka.db.statement import Statement
from tests.plans import explain, walks_a_table

ACCOUNT = {"account_id": 1}
PAGE = ACCOUNT | {"most": 50}
STATEMENTS: dict[str, tuple[Statement, dict[str, Any]]] = {
    "a visit is held": (visitors._LOCK_VISIT, ACCOUNT | {"visit_id": 1}),
    "a visit is found": (visitors._FIND_VISIT, {"source_id": 1, "key_hash": "a"}),
    "the last visit of a visitor": (visitors._LAST_VISIT, ACCOUNT | {"visitor_id": 1}),
    "visits that wait": (visitors._WAITING_VISITS, ACCOUNT | {"visitor_id": 1}),
    "a visitor is found": (visitors._FIND_VISITOR, ACCOUNT | {"token_hash": "a"}),
    "calls by their keys": (visitors._FIND_CALLS, {"visit_id": 1, "keys": ["a", "b"]}),
    "what waited expires": (visitors._EXPIRE_WAITING, {"of_visit": 1}),
    "what waited goes to the bot": (visitors._PASS_WAITING, {"of_visit": 1}),
    "calls come to a lead": (visitors._BIND_CALLS, {"visit_id": 1, "new_lead_id": 1}),
    "the journal of a lead": (visitors._LIST_ENTRIES_OF_LEAD, PAGE | {"lead_id": 1, "after_id": 0}),
    "the journal": (visitors._LIST_ENTRIES, PAGE | {"after_id": 0}),
    "what a card shows of it": (visitors._LAST_ENTRIES_OF_LEAD, PAGE | {"lead_id": 1}),
    "the cards are held": (crm._LOCK_CARDS, ACCOUNT | {"visit_id": 1, "lead_id": 1}),
    "filled fields": (crm._FILLED, ACCOUNT | {"contact_id": 1, "lead_id": 1}),
    "the open lead of a contact": (crm._FIND_OPEN_LEAD, ACCOUNT | {"contact_id": 1}),
    "values of a card": (crm._VALUES, ACCOUNT | {"entity": "leads", "entity_id": 1}),
    "values of leads": (crm._VALUES_OF_LEADS, ACCOUNT | {"lead_ids": [1, 2]}),
    "notes of a card": (crm._LAST_NOTES, PAGE | {"entity": "leads", "entity_id": 1}),
    "leads": (crm._LIST_LEADS, PAGE),
    "more leads": (crm._LIST_LEADS_BEFORE, PAGE | {"before_id": 9}),
    "unsorted leads": (crm._LIST_UNSORTED, PAGE),
    "more unsorted leads": (crm._LIST_UNSORTED_BEFORE, PAGE | {"before_at": 1, "before_uid": "a"}),
    "the unsorted lead of a lead": (crm._INCOMING_OF_LEAD, ACCOUNT | {"lead_id": 1}),
    "a conversation": (conversations._GET, ACCOUNT | {"conversation_id": 1}),
    "conversations of a lead": (conversations._OF_LEAD, ACCOUNT | {"lead_id": 1}),
    "a visitor's conversation": (conversations._OF_VISITOR, ACCOUNT | {"visitor_id": 1, "channel": "onsite"}),
    "conversations": (conversations._LISTS[False, False], PAGE),
    "more conversations": (conversations._LISTS[False, True], PAGE | {"before_at": 1, "before_id": 1}),
    "open conversations": (conversations._LISTS[True, False], PAGE | {"status": "open"}),
    "more open conversations": (
        conversations._LISTS[True, True],
        PAGE | {"status": "open", "before_at": 1, "before_id": 1},
    ),
    "changes": (conversations._CHANGES, PAGE | {"since": 1}),
    "names may change": (
        conversations._TOUCH_UNNAMED,
        {"account": 1, "of_lead": 1, "new_changed_at": 1},
    ),
    "messages after": (conversations._MESSAGES_AFTER, PAGE | {"conversation_id": 1, "after_seq": 1}),
    "messages before": (conversations._MESSAGES_BEFORE, PAGE | {"conversation_id": 1, "before_seq": 1}),
    "the list's last words change": (
        conversations._CHANGE_LAST_TEXT,
        {"account": 1, "of_id": 1, "of_seq": 1, "new_last_text": ""},
    ),
    "messages with buttons": (conversations._WITH_BUTTONS, ACCOUNT | {"conversation_id": 1}),
    "a message by its key": (
        conversations._FIND_MESSAGE,
        ACCOUNT | {"conversation_id": 1, "direction": "in", "key": "a"},
    ),
    "events that waited for this": (channels._END_WAIT, {"of_channel": 1, "what": "a"}),
    "what has no name at its messenger yet": (outbox._HAS_UNNAMED, {"conversation_id": 1}),
    "the last of the messages that a mark names": (
        outbox._LAST_SEQ_OF,
        {"conversation_id": 1, "platform_ids": ["a", "b"]},
    ),
    "a link by its code": (links._FIND, ACCOUNT | {"code_hash": "a"}),
    "unread messages": (
        conversations._COUNT_UNREAD,
        {"conversation_id": 1, "direction": "in", "after_seq": 1},
    ),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_finds_its_rows_by_an_index(store_url: str, name: str) -> None:
    statement, params = STATEMENTS[name]
    plan = explain(store_url, statement, **params)
    assert not walks_a_table(plan), plan
