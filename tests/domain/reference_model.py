"""Only-empty and 24 hours in a few lines, written apart from the code that it judges.

The cards' test drives both stores with concurrent callers and compares them with this.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

DAY = timedelta(hours=24)


@dataclass
class ReferenceVisit:
    """One visit of one visitor. A call is its paths in their order, each with its value."""

    strict: bool = False
    cards: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    waiting: list[dict[str, str]] = field(default_factory=list)
    waiting_since: datetime | None = None
    lead_at: datetime | None = None
    data_at: datetime | None = None
    declined: bool = False

    def closes_at(self) -> datetime:
        assert self.lead_at is not None
        moments = [self.lead_at] if self.data_at is None else [self.lead_at, self.data_at]
        return (min(moments) if self.strict else max(moments)) + DAY

    def call(self, wanted: dict[str, str], now: datetime) -> dict[str, str]:
        """The verdict of each path of one call."""
        if self.lead_at is None:
            if self.waiting_since is None or now >= self.waiting_since + DAY:
                self.waiting, self.waiting_since = [], now
            self.waiting.append(wanted)
            return dict.fromkeys(wanted, "waiting_for_lead")
        if self.declined:
            return dict.fromkeys(wanted, "refused_declined")
        if now >= self.closes_at():
            return dict.fromkeys(wanted, "refused_window_closed")
        self.data_at = self.data_at or now
        return self._fill(wanted)

    def write_message(self, now: datetime) -> list[dict[str, str]]:
        """Only a message without a living lead makes cards; the final verdicts of what waited."""
        if self.lead_at is not None and not self.declined:
            return []
        was_declined, self.declined = self.declined, False
        self.lead_at, self.data_at = now, None
        self.notes = []
        if was_declined:  # the contact stays who he is; the lead is a new one
            self.cards = {path: value for path, value in self.cards.items() if path.startswith("contact")}
        alive = self.waiting_since is not None and now < self.waiting_since + DAY
        if alive:
            self.data_at = self.waiting_since
        calls, self.waiting, self.waiting_since = self.waiting, [], None
        return [self._fill(wanted) if alive else dict.fromkeys(wanted, "expired") for wanted in calls]

    def decline(self) -> None:
        self.declined = self.lead_at is not None

    def _fill(self, wanted: dict[str, str]) -> dict[str, str]:
        verdicts = {}
        for path, value in wanted.items():
            if path == "note":
                is_new = value not in self.notes
                self.notes += [value] * is_new
                verdicts[path] = "noted" if is_new else "repeated"
            else:
                verdicts[path] = "refused_not_empty" if path in self.cards else "filled"
                self.cards.setdefault(path, value)
        return verdicts
