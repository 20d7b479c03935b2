"""SQL of what is deleted for its age: so many rows at a time, the oldest first, found by an index."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, delete, exists, null, select, tuple_, update
from sqlalchemy.sql.elements import ColumnElement

from knopka.db.clock import to_ms
from knopka.db.database import Transaction
from knopka.db.statement import Statement
from knopka.db.tables import (
    answers,
    bot_log,
    bot_runs,
    channel_events,
    channel_log,
    entry_links,
    logins,
    meta_calls,
    visits,
)

# These conditions stand in the partial index `visits_without_card` word for word.
_WITHOUT_CARD = (visits.c.visitor_id.is_(None), visits.c.contact_id.is_(None), visits.c.lead_id.is_(None))
# A visit that somebody holds is being seen at this moment, so it is passed over; who comes
# for one that is held here waits, and then finds it gone and makes it anew.
_OLD_VISITS = Statement(
    select(visits.c.id)
    .where(
        visits.c.account_id == bindparam("account_id"), visits.c.seen_at <= bindparam("until"), *_WITHOUT_CARD
    )
    .order_by(visits.c.seen_at, visits.c.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_DELETE_CALLS = Statement(
    delete(meta_calls).where(
        meta_calls.c.id.in_(
            select(meta_calls.c.id)
            .where(meta_calls.c.visit_id.in_(bindparam("visit_ids", expanding=True)))
            .limit(bindparam("most"))
        )
    )
)
_DELETE_VISITS = Statement(
    delete(visits).where(
        visits.c.id.in_(bindparam("visit_ids", expanding=True)),
        ~exists().where(meta_calls.c.visit_id == visits.c.id),
    )
)


def _old(account: ColumnElement[int], at: ColumnElement[int]) -> tuple[ColumnElement[bool], ...]:
    return account == bindparam("account_id"), at <= bindparam("until")


_ANSWER_KEY = tuple_(answers.c.account_id, answers.c.scope, answers.c.key)
_DELETE_ANSWERS = Statement(
    delete(answers).where(
        _ANSWER_KEY.in_(
            select(answers.c.account_id, answers.c.scope, answers.c.key)
            .where(*_old(answers.c.account_id, answers.c.at))
            .order_by(answers.c.at)
            .limit(bindparam("most"))
        )
    )
)
_DELETE_LOGINS = Statement(
    delete(logins).where(
        logins.c.token_hash.in_(
            select(logins.c.token_hash)
            .where(*_old(logins.c.account_id, logins.c.created_at))
            .order_by(logins.c.created_at)
            .limit(bindparam("most"))
        )
    )
)


# S-HOOK-07: the identity stays, so that what is sent again after years is still known.
_FORGET_EVENTS = Statement(
    update(channel_events)
    .where(
        channel_events.c.id.in_(
            select(channel_events.c.id)
            .where(
                *_old(channel_events.c.account_id, channel_events.c.at), channel_events.c.event.is_not(None)
            )
            .order_by(channel_events.c.at)
            .limit(bindparam("most"))
        )
    )
    .values(event=null(), waits_for=null())
)
_DELETE_LOG = Statement(
    delete(channel_log).where(
        channel_log.c.id.in_(
            select(channel_log.c.id)
            .where(*_old(channel_log.c.account_id, channel_log.c.at))
            .order_by(channel_log.c.at)
            .limit(bindparam("most"))
        )
    )
)
_DELETE_BOT_LOG = Statement(
    delete(bot_log).where(
        tuple_(bot_log.c.run_id, bot_log.c.seq).in_(
            select(bot_log.c.run_id, bot_log.c.seq)
            .where(*_old(bot_log.c.account_id, bot_log.c.at))
            .order_by(bot_log.c.at)
            .limit(bindparam("most"))
        )
    )
)
# A run whose log is longer than what was deleted just now goes the next time.
_DELETE_RUNS = Statement(
    delete(bot_runs).where(
        bot_runs.c.id.in_(
            select(bot_runs.c.id)
            .where(
                *_old(bot_runs.c.account_id, bot_runs.c.ended_at),
                ~exists().where(bot_log.c.run_id == bot_runs.c.id),
            )
            .order_by(bot_runs.c.ended_at)
            .limit(bindparam("most"))
        )
    )
)
_DELETE_LINKS = Statement(
    delete(entry_links).where(
        entry_links.c.id.in_(
            select(entry_links.c.id)
            .where(*_old(entry_links.c.account_id, entry_links.c.created_at))
            .order_by(entry_links.c.created_at)
            .limit(bindparam("most"))
        )
    )
)


def delete_visits(tx: Transaction, account_id: int, until: datetime, *, most: int, most_calls: int) -> bool:
    """Delete visits without a card that were not seen since, with their calls; True if there may be more.

    A visit with more calls than may be deleted at once goes when its last call has gone.
    """
    found = [row["id"] for row in tx.rows(_OLD_VISITS, account_id=account_id, until=to_ms(until), most=most)]
    if not found:
        return False
    # A list of one length is one statement: each other length would be compiled, and kept, for itself.
    visit_ids = found + found[-1:] * (most - len(found))
    calls = tx.run(_DELETE_CALLS, visit_ids=visit_ids, most=most_calls)
    tx.run(_DELETE_VISITS, visit_ids=visit_ids)
    return len(found) == most or calls == most_calls


def delete_answers(tx: Transaction, account_id: int, until: datetime, *, most: int) -> bool:
    """Delete the kept answers to operators' requests from before; True if there may be more."""
    return tx.run(_DELETE_ANSWERS, account_id=account_id, until=to_ms(until), most=most) == most


def delete_logins(tx: Transaction, account_id: int, until: datetime, *, most: int) -> bool:
    """Delete the sign-ins that were begun before; True if there may be more."""
    return tx.run(_DELETE_LOGINS, account_id=account_id, until=to_ms(until), most=most) == most


def forget_events(tx: Transaction, account_id: int, until: datetime, *, most: int) -> bool:
    """Forget what messengers told before, but for its identity; True if there may be more."""
    return tx.run(_FORGET_EVENTS, account_id=account_id, until=to_ms(until), most=most) == most


def delete_channel_log(tx: Transaction, account_id: int, until: datetime, *, most: int) -> bool:
    """Delete what happened to channels before; True if there may be more."""
    return tx.run(_DELETE_LOG, account_id=account_id, until=to_ms(until), most=most) == most


def delete_bot_runs(tx: Transaction, account_id: int, until: datetime, *, most: int) -> bool:
    """Delete what bots noted before, and runs that had ended by then; True if there may be more.

    No run is older than the limit of its age, so an old line is one of a run that has ended.
    """
    where = {"account_id": account_id, "until": to_ms(until), "most": most}
    lines = tx.run(_DELETE_BOT_LOG, **where)
    return most in (lines, tx.run(_DELETE_RUNS, **where))


def delete_links(tx: Transaction, account_id: int, until: datetime, *, most: int) -> bool:
    """Delete link codes that nobody can be bound by any more; True if there may be more."""
    return tx.run(_DELETE_LINKS, account_id=account_id, until=to_ms(until), most=most) == most
