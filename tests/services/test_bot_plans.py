"""Every statement of bots finds its rows by an index, however many runs there are."""

from __future__ import annotations

from typing import Any

import pytest

from knopka.db import bot_cards, bots, conversations, retention, tags
from knopka.db.statement import Statement
from knopka.domain.meta import Entity
from tests.plans import explain, walks_a_table

ACCOUNT = {"account_id": 1}
PAGE = ACCOUNT | {"most": 50}
STATEMENTS: dict[str, tuple[Statement, dict[str, Any]]] = {
    "bots": (bots._LIST, ACCOUNT),
    "a run": (bots._GET_RUN, ACCOUNT | {"run_id": 1}),
    "runs": (bots._LIST_RUNS, PAGE | {"before": 9}),
    "runs of a bot": (bots._LIST_RUNS_OF_BOT, PAGE | {"before": 9, "bot_id": 1}),
    "runs of a conversation": (
        bots._LIST_RUNS_OF_CONVERSATION,
        PAGE | {"before": 9, "conversation_id": 1},
    ),
    "runs of an hour": (bots._COUNT_RUNS, {"conversation_id": 1, "since": 1}),
    "the log of a run": (bots._LIST_LOG, PAGE | {"run_id": 1, "after": 0}),
    "bots that talk about a lead": (bots._OF_LEAD_WITH_RUN, ACCOUNT | {"lead_id": 1}),
    "talks of a bot": (bots._WITH_RUN_OF_BOT, PAGE | {"bot_id": 1}),
    "a lead's newest conversation": (bots._LATEST_OF_LEAD, PAGE | {"lead_id": 1}),
    "a slice of a schedule": (bots._SCHEDULED, ACCOUNT | {"after": 0, "until": 500}),
    "how a person came": (conversations._LINES, ACCOUNT | {"conversation_id": 1}),
    "tags of a card": (tags._LIST, ACCOUNT | {"entity": "leads", "entity_id": 1}),
    "tags of cards": (tags._LIST_OF, ACCOUNT | {"entity": "leads", "entity_ids": [1, 2]}),
    "names of the newest cards": (bot_cards._NAMED[Entity.CONTACT], ACCOUNT | {"after": 9}),
    "values of the newest cards": (
        bot_cards._VALUED,
        ACCOUNT | {"entity": "leads", "after": 9, "field_id": 1},
    ),
    "old lines of bots": (retention._DELETE_BOT_LOG, PAGE | {"until": 1}),
    "old runs": (retention._DELETE_RUNS, PAGE | {"until": 1}),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_of_bots_finds_its_rows_by_an_index(store_url: str, name: str) -> None:
    statement, params = STATEMENTS[name]
    plan = explain(store_url, statement, **params)
    assert not walks_a_table(plan), plan
