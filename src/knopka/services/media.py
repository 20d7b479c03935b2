"""How much of what one person sends is fetched in a day (security.md, limits)."""

from __future__ import annotations

from datetime import datetime, timedelta

from knopka.db import attachments as db
from knopka.db import channels as db_channels
from knopka.db.database import Transaction
from knopka.domain.conversation import Attachment
from knopka.domain.messaging import Finding, Level
from knopka.services.catalog import ACCOUNT

OVER_QUOTA = "quota"
"""Why a file is not fetched, as the inbox knows it."""
DAY = timedelta(days=1)
MOST_MESSAGES = 1_000
"""Of these, the newest of a conversation, the files are counted: so a count costs the same whoever writes."""
_FINDING = Finding(Level.WARNING, "media_quota")


def find_media(
    tx: Transaction, attachment_id: int, most_a_day: int, *, now: datetime
) -> tuple[Attachment | None, int]:
    """What came with a message, and how many bytes more of its sender's are fetched today.

    Those that are being fetched at the same moment count when they are here.
    """
    came = db.find_attachment(tx, ACCOUNT, attachment_id)
    if came is None:
        return None, 0
    stored = db.count_stored(tx, ACCOUNT, came.conversation_id, now - DAY, most=MOST_MESSAGES)
    return came, most_a_day - stored


def note_over_quota(tx: Transaction, channel_id: int, *, now: datetime) -> None:
    """Say in the channel's log, once a day, that more was sent than is fetched."""
    last = db_channels.find_last_fault(tx, channel_id)
    if last is None or last.code != _FINDING.code or last.at <= now - DAY:
        db_channels.append_log(tx, ACCOUNT, channel_id, _FINDING, now)
