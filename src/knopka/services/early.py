"""What a messenger tells of a message before we know that message: kept, and not lost on the way."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from knopka.db import channels as db
from knopka.db.database import Row, Transaction
from knopka.db.jobs import insert_job
from knopka.services.catalog import ACCOUNT

EVENT_JOB = "channel.event"
"""The kind of the job that works off one event that was kept."""

PATIENCE = timedelta(hours=6)
"""How long a mark waits for the answer of the sending that it has overtaken."""
MOST_MARKS = 100
"""How many of them are taken up at once: the newest."""


def promise_event(tx: Transaction, channel_id: int, chat_id: str, event_id: int) -> None:
    """Have an event worked off that was kept, behind the earlier ones of its chat."""
    payload = {"event": event_id, "channel": channel_id}
    insert_job(tx, ACCOUNT, f"in:{channel_id}:{chat_id}", EVENT_JOB, payload)


def keep_mark(tx: Transaction, event_id: int, chat_id: str) -> None:
    """Keep what tells how far words of ours have come, while it is not known how the messenger calls some."""
    db.let_wait(tx, ACCOUNT, event_id, _hash("sent", chat_id))


def take_up_marks(tx: Transaction, held: Row, *, now: datetime) -> None:
    """It is known now how the messenger calls one more of our words: have what waited looked at again.

    By a job each, behind whatever else has come from the chat.
    """
    waited = db.end_wait(tx, held["channel_id"], _hash("sent", held["chat_id"]))
    for event_id, at in waited[-MOST_MARKS:]:
        if at > now - PATIENCE:
            promise_event(tx, held["channel_id"], held["chat_id"], event_id)


def keep_deletion(tx: Transaction, event_id: int, chat_id: str, message_id: str) -> None:
    """Keep that a message was taken back which has not come yet, for as long as events are kept."""
    db.let_wait(tx, ACCOUNT, event_id, _hash("said", chat_id, message_id))


def was_taken_back(tx: Transaction, channel_id: int, chat_id: str, message_id: str) -> bool:
    """Whether the message that comes now was taken back before; asked once for each message."""
    return bool(db.end_wait(tx, channel_id, _hash("said", chat_id, message_id)))


def _hash(*what: str) -> str:
    return hashlib.sha256("\0".join(what).encode(errors="replace")).hexdigest()
