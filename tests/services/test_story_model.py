"""The rules of the page against a small model of them: whatever happens, in whatever order, on both stores.

The model is the page's text in the plainest words that run: sets and dictionaries,
no waiting list, no SQL. One contact, one visitor with two visits.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from knopka.db.database import Database
from knopka.domain.visitor import WindowMode
from tests import postgres
from tests.services.story import CITY, START, Story

T = TypeVar("T")
DAY = timedelta(hours=24)
VISITS = ("the-first-visit-of-two", "the-other-visit-of-two")
VALUES = ("Tver", "Omsk", "Perm")

CALLS = st.fixed_dictionaries(
    {},
    optional={
        "city": st.sampled_from(VALUES),
        "sale": st.sampled_from((1, 2, -5)),
        "contact": st.sampled_from(VALUES),
        "lead": st.sampled_from(VALUES),
        "note": st.sampled_from((*VALUES, *"abcdefghij")),
        "bot": st.sampled_from(VALUES),
    },
)
Call = dict[str, Any]

PATHS = {
    "city": "lead.custom_fields[0]",
    "sale": "lead.sale",
    "contact": "contact.name",
    "lead": "lead.name",
    "note": "note",
    "bot": "bot_params.mark",
}


def as_params(call: Call) -> dict[str, Any]:
    lead: dict[str, Any] = {}
    params: dict[str, Any] = {"lead": lead}
    if "city" in call:
        lead["custom_fields"] = [{"id": CITY, "values": [{"value": call["city"]}]}]
    if "sale" in call:
        lead["sale"] = call["sale"]
    if "lead" in call:
        lead["name"] = call["lead"]
    if "contact" in call:
        params["contact"] = {"name": call["contact"]}
    if "note" in call:
        params["note"] = {"text": call["note"]}
    if "bot" in call:
        params["bot_params"] = {"mark": call["bot"]}
    return params


@dataclass
class ModelLead:
    """A lead with everything that was ever written on it."""

    created_at: datetime
    accepted: bool = False
    declined: bool = False
    values: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    own_notes: dict[str, set[str]] = field(default_factory=lambda: {visit: set() for visit in VISITS})
    first_data: dict[str, datetime] = field(default_factory=dict)


@dataclass
class ModelCall:
    """A call and what became of it so far."""

    at: datetime
    call: Call
    verdicts: dict[str, str]
    key: str


@dataclass
class Model:
    """The page's rules in the plainest words that run."""

    mode: WindowMode
    now: datetime = START
    contact: dict[str, str] = field(default_factory=dict)
    leads: list[ModelLead] = field(default_factory=list)
    lead_of: dict[str, ModelLead | None] = field(default_factory=lambda: dict.fromkeys(VISITS))
    waiting: dict[str, list[ModelCall]] = field(default_factory=lambda: {visit: [] for visit in VISITS})
    calls: dict[str, dict[str, ModelCall]] = field(default_factory=lambda: {visit: {} for visit in VISITS})
    bot: dict[str, str] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    """Visits whose visitor has written."""

    @property
    def open_lead(self) -> ModelLead | None:
        return self.leads[-1] if self.leads and not self.leads[-1].declined else None

    def set_meta(self, visit: str, key: str, call: Call) -> dict[str, str]:
        self.expire(visit)
        if key in self.calls[visit]:
            return self.calls[visit][key].verdicts
        made = ModelCall(self.now, call, {}, key)
        self.calls[visit][key] = made
        self.follow(visit)
        lead = self.lead_of[visit]
        if lead is None:
            self.wait(visit, made)
        else:
            self.fill(visit, lead, made, set(call))
        return made.verdicts

    def follow(self, visit: str) -> None:
        """A visit whose lead is over writes on the contact's open lead, if there is one."""
        lead = self.lead_of[visit]
        if visit in self.known and (lead is None or lead.declined) and self.open_lead is not None:
            self.bind(visit, self.open_lead)

    def wait(self, visit: str, made: ModelCall) -> None:
        """First wins, field by field; ten notes; what cannot be read is refused at once."""
        taken: dict[str, Any] = {}
        notes: set[str] = set()
        for earlier in self.waiting[visit]:
            for part, value in earlier.call.items():
                if earlier.verdicts[PATHS[part]] == "waiting_for_lead":
                    taken[part] = value
                    notes |= {value} if part == "note" else set()
        for part, value in made.call.items():
            made.verdicts[PATHS[part]] = self.verdict_of_waiting(visit, part, value, taken, notes)
        if "waiting_for_lead" in made.verdicts.values():
            self.waiting[visit].append(made)

    def verdict_of_waiting(
        self, visit: str, part: str, value: Any, taken: dict[str, Any], notes: set[str]
    ) -> str:
        if value == -5:
            return "refused_bad_value"
        if part == "bot":
            if visit in self.known:
                self.bot[visit] = value
                return "passed_to_bot"
            return "waiting_for_lead"
        if part == "note":
            if value in notes:
                return "repeated"
            return "refused_limit" if len(notes) >= 10 else "waiting_for_lead"
        return "refused_not_empty" if part in taken else "waiting_for_lead"

    def expire(self, visit: str) -> None:
        """Data of a visit without a card waits 24 hours from the first call."""
        waiting = self.waiting[visit]
        if waiting and self.now >= waiting[0].at + DAY:
            for made in waiting:
                for path, verdict in made.verdicts.items():
                    if verdict == "waiting_for_lead":
                        made.verdicts[path] = "expired"
            waiting.clear()

    def is_open(self, visit: str, lead: ModelLead) -> bool:
        data = lead.first_data.get(visit)
        starts = [lead.created_at] + ([] if data is None else [data])
        pick = max if self.mode is WindowMode.LATER else min
        return self.now < pick(starts) + DAY

    def fill(self, visit: str, lead: ModelLead, made: ModelCall, parts: set[str]) -> None:
        is_data = any(part != "bot" and made.call[part] != -5 for part in parts)
        if is_data and not lead.declined and self.is_open(visit, lead):
            lead.first_data.setdefault(visit, self.now)
        for part, value in made.call.items():
            if part in parts:
                made.verdicts[PATHS[part]] = self.fill_part(visit, lead, part, value)

    def fill_part(self, visit: str, lead: ModelLead, part: str, value: Any) -> str:
        if value == -5:
            return "refused_bad_value"
        if part == "bot":
            self.bot[visit] = value
            return "passed_to_bot"
        if lead.declined:
            return "refused_declined"
        if not self.is_open(visit, lead):
            return "refused_window_closed"
        if part == "note":
            own = lead.own_notes[visit]
            if value in own:
                return "repeated"
            if len(own) >= 10:
                return "refused_limit"
            own.add(value)
            if value not in lead.notes:
                lead.notes.append(value)
            return "noted"
        card = self.contact if part == "contact" else lead.values
        if part in card:
            return "refused_not_empty"
        card[part] = value
        return "filled"

    def bind(self, visit: str, lead: ModelLead | None) -> None:
        self.known.add(visit)
        self.lead_of[visit] = lead
        for made in self.waiting[visit]:
            if made.verdicts.get(PATHS["bot"]) == "waiting_for_lead":
                self.bot[visit] = made.call["bot"]
                made.verdicts[PATHS["bot"]] = "passed_to_bot"
        if lead is None:
            self.waiting[visit] = [
                made for made in self.waiting[visit] if "waiting_for_lead" in made.verdicts.values()
            ]
            return
        waiting, self.waiting[visit] = self.waiting[visit], []
        data = [made for made in waiting if "waiting_for_lead" in made.verdicts.values()]
        if data and data[0].at < lead.created_at + DAY:
            lead.first_data.setdefault(visit, data[0].at)
        for made in data:
            parts = {part for part in made.call if made.verdicts[PATHS[part]] == "waiting_for_lead"}
            self.fill(visit, lead, made, parts)

    def say(self, visit: str) -> None:
        self.expire(visit)
        if self.open_lead is None:
            self.leads.append(ModelLead(self.now))
        if self.lead_of[visit] is not self.open_lead:
            self.bind(visit, self.open_lead)

    def open_chat(self, visit: str) -> None:
        if self.leads:
            self.expire(visit)
            if visit not in self.known:
                self.bind(visit, self.open_lead)


class PageAgainstModel(RuleBasedStateMachine):
    """Runs the story on a store and beside it the model."""

    make_url: Callable[[], str]
    loop: asyncio.Runner

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run(work)

    @initialize(mode=st.sampled_from(WindowMode))
    def begin(self, mode: WindowMode) -> None:
        self.keys = count(1)
        self.database = self.run(Database.open(self.make_url()))
        self.story = self.run(Story.begin(self.database, mode=mode))
        self.model = Model(mode)

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.run(self.database.close())

    @rule(visit=st.sampled_from(VISITS), call=CALLS)
    def set_meta(self, visit: str, call: Call) -> None:
        key = f"call-{next(self.keys):04}"
        told = self.run(self.story.set_meta(as_params(call), visit=visit, key=key))
        assert told == self.model.set_meta(visit, key, call)

    @rule(visit=st.sampled_from(VISITS), choice=st.integers(0, 10))
    def repeat(self, visit: str, choice: int) -> None:
        """The same call with the same key: a repeat of the network, not of the page."""
        calls = list(self.model.calls[visit].values())
        if calls:
            made = calls[choice % len(calls)]
            told = self.run(self.story.set_meta(as_params(made.call), visit=visit, key=made.key))
            assert told == self.model.set_meta(visit, made.key, made.call)

    @rule(visit=st.sampled_from(VISITS))
    def say(self, visit: str) -> None:
        self.run(self.story.say(visit=visit))
        self.model.say(visit)
        self.run_jobs()

    @rule(visit=st.sampled_from(VISITS))
    def open_chat(self, visit: str) -> None:
        self.run(self.story.open_chat(visit=visit))
        self.model.open_chat(visit)

    @rule(hours=st.sampled_from((1, 9, 12, 23, 24)), seconds=st.sampled_from((-1, 0, 1)))
    def let_time_pass(self, hours: int, seconds: int) -> None:
        self.story.pass_time(timedelta(hours=hours, seconds=seconds))
        self.model.now = self.story.now

    @rule()
    def run_jobs(self) -> None:
        """The worker comes by: whatever is due expires, whatever found its lead is written."""
        self.run(self.story.run_timers())
        for visit in VISITS:
            self.model.expire(visit)
            if self.model.waiting[visit]:
                self.model.follow(visit)

    @precondition(lambda self: self.has_unsorted)
    @rule()
    def accept(self) -> None:
        self.run(self.story.accept(len(self.model.leads)))
        self.model.leads[-1].accepted = True

    @precondition(lambda self: self.has_unsorted)
    @rule()
    def decline(self) -> None:
        self.run(self.story.decline(len(self.model.leads)))
        self.model.leads[-1].declined = True

    @precondition(lambda self: self.has_unsorted)
    @rule(visit=st.sampled_from(VISITS), call=CALLS)
    def write_again_after_a_decline(self, visit: str, call: Call) -> None:
        """Far apart in a random walk, and the place where most goes wrong: so they also come together."""
        self.decline()
        self.say(visit)
        for each in VISITS:
            self.set_meta(each, call)

    @property
    def has_unsorted(self) -> bool:
        lead = self.model.open_lead
        return lead is not None and not lead.accepted

    @invariant()
    def cards_are_those_of_the_model(self) -> None:
        if not hasattr(self, "story"):
            return
        ids = self.run(self.story.leads())
        assert ids == list(range(len(self.model.leads), 0, -1))
        for lead_id, lead in enumerate(self.model.leads, start=1):
            card = self.run(self.story.card(lead_id))
            city = card["lead"]["custom_fields_values"]
            assert (city[0]["values"][0]["value"] if city else None) == lead.values.get("city")
            assert card["lead"]["price"] == lead.values.get("sale", 0)
            assert card["lead"]["name"] == lead.values.get("lead", f"Сделка #{lead_id}")
            assert card["contact"]["name"] == self.model.contact.get("contact", "Посетитель #1")
            assert [item["params"]["text"] for item in card["notes"]] == lead.notes

    @invariant()
    def verdicts_are_those_of_the_model(self) -> None:
        if not hasattr(self, "story"):
            return
        for visit in VISITS:
            for key in list(self.model.calls[visit])[-4:]:
                told = self.run(self.story.verdicts(key, visit=visit))
                assert told == self.told_by_the_model(visit, key), key

    def told_by_the_model(self, visit: str, key: str) -> dict[str, str]:
        """An answer never shows as waiting what has waited too long, whether or not the timer has run."""
        waiting = self.model.waiting[visit]
        is_late = bool(waiting) and self.model.now >= waiting[0].at + DAY
        verdicts = self.model.calls[visit][key].verdicts
        late = {"waiting_for_lead": "expired"} if is_late else {}
        return {path: late.get(verdict, verdict) for path, verdict in verdicts.items()}


def check(make_url: Callable[[], str], examples: int) -> None:
    with asyncio.Runner() as runner:

        class Machine(PageAgainstModel):
            loop = runner

        Machine.make_url = staticmethod(make_url)
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=50,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                derandomize=True,
            ),
        )


def test_the_rules_hold_on_sqlite(sqlite_template: Path, tmp_path: Path) -> None:
    numbers = count(1)

    def make_url() -> str:
        path = tmp_path / f"knopka-{next(numbers)}.sqlite3"
        shutil.copy(sqlite_template, path)
        return f"sqlite:///{path}"

    check(make_url, examples=90)


def test_the_rules_hold_on_postgresql(postgres_server: postgres.Server) -> None:
    numbers = count(1)
    last: list[str] = []

    def make_url() -> str:
        while last:
            postgres_server.execute(f"DROP DATABASE {last.pop()} WITH (FORCE)")
        name = f"knopka_model_{next(numbers)}"
        postgres_server.execute(f"CREATE DATABASE {name} TEMPLATE knopka_template")
        last.append(name)
        return postgres_server.url(name)

    check(make_url, examples=15)
