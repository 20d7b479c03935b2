"""Connecting messengers: what their owner gives is kept sealed, what their platform says is written down."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from knopka.db import channels as db
from knopka.db import conversations as db_conversations
from knopka.db.catalog import next_id
from knopka.db.crm import find_answer, keep_answer
from knopka.db.database import Database, Transaction
from knopka.db.jobs import has_job, set_timer, start_timer, wake_jobs
from knopka.domain.catalog import ChannelSetup, ChannelState
from knopka.domain.channel_wording import explain
from knopka.domain.errors import (
    ChannelBroken,
    Conflict,
    DeliveryError,
    Fault,
    InvalidInput,
    NotFound,
    Retryable,
    Uncertain,
)
from knopka.domain.messaging import (
    NAMES,
    Channel,
    ChannelConfig,
    ChannelKind,
    DeepLink,
    Finding,
    Level,
    MessageState,
    Parameter,
    PreparedChannel,
    SetupReport,
)
from knopka.services.catalog import ACCOUNT
from knopka.services.jobs import share_of
from knopka.services.outbox import chore_kind, deliver_kind
from knopka.services.repeats import is_first
from knopka.services.vault import Vault, WrongKey, hint

CHECK_EVERY = timedelta(hours=1)
CHECK_BROKEN_EVERY = timedelta(minutes=10)
CHECK = "check"
"""The kind of the job that looks how a channel stands: this and the platform, and each channel's share."""
POLL = "poll"
"""The kind of the job that asks a platform for news where no webhook reaches us: this and the platform."""

LINK_BASE = "link_base"
"""The one value that is given and no parameter of a platform: where links begin when it is simulated."""
OWN_ID = "account_id"
"""The value that names the bot, page or community as its platform does: no two channels are of one."""

MOST_CHANNELS = 100
LEAVE_WITHIN_S = 10.0
"""How long the platform of an account that is left may keep its owner waiting."""
SECRETS_LOST = Finding(Level.BROKEN, "secrets_lost")
NOT_YET_OURS = frozenset(
    {"webhook_removed", "webhook_elsewhere", "webhook_error", "webhook_unconfirmed", "not_subscribed"}
)
"""What is found of an account that is good and has yet to be set up."""
ADDED = "channels:added"
WEBHOOK_SECRET = "webhook_secret"  # noqa: S105  # its name, not the secret
_LEVELS = {Level.OK: ChannelState.OK, Level.WARNING: ChannelState.WARNING, Level.BROKEN: ChannelState.BROKEN}

MakeChannel = Callable[[ChannelKind, ChannelConfig], Channel]
Parameters = Callable[[ChannelKind], Sequence[Parameter]]


def check_kind(kind: ChannelKind) -> str:
    return f"{CHECK}.{kind.value}"


def poll_kind(kind: ChannelKind) -> str:
    return f"{POLL}.{kind.value}"


@dataclass(frozen=True, slots=True)
class ChannelView:
    """A channel as its owner sees it."""

    setup: ChannelSetup
    webhook_url: str | None
    hints: Mapping[str, str]
    """The last characters of each secret."""
    verify_token: str | None
    """What Meta's dashboard asks for; told only while the webhook has to be entered there by hand."""
    last_event_at: datetime | None
    last_fault: db.LogLine | None
    waiting: int


class ChangeRefused(Conflict):
    """The platform does not take what a working channel was to be changed to, so nothing was changed."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(say_refused(finding, "en"))
        self.finding = finding


def say_refused(finding: Finding, locale: str) -> str:
    """Why a change was refused, and what to do."""
    message, fix = explain(finding.code, locale)
    kept, _ = explain("stays_as_it_was", locale)
    detail = f"({finding.detail})" if finding.detail else ""
    return " ".join(filter(None, (message, detail, fix, kept)))


def read_config(vault: Vault, setup: ChannelSetup) -> ChannelConfig:
    """What the channel is made of, its secrets opened. Raises WrongKey when none of our keys opens them."""
    return _config(setup.values, _open_secrets(vault, setup))


def _config(values: Mapping[str, str], opened: Mapping[str, str]) -> ChannelConfig:
    return ChannelConfig(
        values={**values, **{name: text for name, text in opened.items() if name != WEBHOOK_SECRET}},
        webhook_secret=opened.get(WEBHOOK_SECRET, ""),
        link_base=values.get(LINK_BASE, ""),
    )


def _open_secrets(vault: Vault, setup: ChannelSetup) -> dict[str, str]:
    if not setup.secrets:
        return {}
    opened: dict[str, str] = json.loads(
        vault.open(setup.secrets, account_id=ACCOUNT, field=_sealed_field(setup.id))
    )
    return opened


def _seal_secrets(vault: Vault, channel_id: int, opened: Mapping[str, str]) -> str:
    return vault.seal(json.dumps(opened), account_id=ACCOUNT, field=_sealed_field(channel_id))


def _sealed_field(channel_id: int) -> str:
    return f"channels.secrets:{channel_id}"


def check_values(
    parameters: Sequence[Parameter], values: Mapping[str, str], *, known: Collection[str] = ()
) -> dict[str, str]:
    """The values that a channel's owner gave, cleaned. Raises InvalidInput with every fault.

    `known` are parameters that have a value already: an empty one keeps it.
    """
    by_name = {parameter.name: parameter for parameter in parameters}
    faults = [
        Fault(f"$.values.{name}", "unknown_value", f"this is not asked for; these are: {', '.join(by_name)}")
        for name in values
        if name not in by_name and name != LINK_BASE
    ]
    given = {name: text.strip() for name, text in values.items() if text.strip()}
    faults += [
        Fault(f"$.values.{name}", "bad_value", fault)
        for name, text in given.items()
        if (fault := by_name[name].takes(text) if name in by_name else "")
    ]
    faults += [
        Fault(f"$.values.{parameter.name}", "missing", parameter.hint)
        for parameter in parameters
        if parameter.is_required and parameter.name not in given and parameter.name not in known
    ]
    if faults:
        raise InvalidInput(*faults)
    return given


# --- In the store.


def add_channel(
    tx: Transaction,
    vault: Vault,
    kind: ChannelKind,
    parameters: Sequence[Parameter],
    values: Mapping[str, str],
    source_ids: tuple[int, ...] | None,
    key: str,
    *,
    now: datetime,
    account: str = "",
    most: int = MOST_CHANNELS,
) -> ChannelSetup:
    """Keep a new channel of this account, which its platform does not know of yet.

    The same key again is the same channel. Raises Conflict when the account has
    a channel, or there are as many as the limit allows.
    """
    given = check_values(parameters, values)
    if not is_first(tx, ACCOUNT, ADDED, key, kind, values, source_ids, now=now):
        known = find_answer(tx, ACCOUNT, ADDED, key)
        return _get(tx, int(known["answer"]) if known is not None else 0)
    _need_unused(tx, kind, account)
    if len(db.list_channels(tx, ACCOUNT)) >= most:
        raise Conflict(f"There are {most} channels already, which is the limit `channels` of this server.")
    secret_names = {parameter.name for parameter in parameters if parameter.is_secret}
    opened = {name: text for name, text in given.items() if name in secret_names}
    plain = {name: text for name, text in given.items() if name not in secret_names}
    found = {OWN_ID: account} if account else {}
    setup = _insert(tx, vault, kind, {**plain, **found}, opened, source_ids, now)
    keep_answer(tx, ACCOUNT, ADDED, key, str(setup.id))
    return setup


def _insert(
    tx: Transaction,
    vault: Vault,
    kind: ChannelKind,
    values: Mapping[str, str],
    opened: Mapping[str, str],
    source_ids: tuple[int, ...] | None,
    now: datetime,
) -> ChannelSetup:
    """A channel whose webhooks come to an address and with a secret that no other has had."""
    path = secrets.token_urlsafe(24)
    channel_id = db.insert_channel(tx, ACCOUNT, kind=kind, path=path, source_ids=source_ids, now=now)
    sealed = _seal_secrets(vault, channel_id, {**opened, WEBHOOK_SECRET: _new_secret()})
    setup = replace(_get(tx, channel_id), values=values, secrets=sealed)
    db.update_channel(tx, ACCOUNT, setup, now)
    return setup


def find_double(tx: Transaction, kind: ChannelKind, account: str, but: int = 0) -> ChannelSetup | None:
    """The channel that this account has already, `but` one."""
    return next(
        (
            setup
            for setup in db.list_channels(tx, ACCOUNT)
            if account and setup.kind is kind and setup.id != but and setup.values.get(OWN_ID) == account
        ),
        None,
    )


def _need_unused(tx: Transaction, kind: ChannelKind, account: str, but: int = 0) -> None:
    """Raise Conflict when the account has a channel. Of two that ask at once one waits for the other."""
    next_id(tx, ACCOUNT, "channels")
    double = find_double(tx, kind, account, but)
    if double is not None:
        raise Conflict(f"{name_channel(double)} is of this account already. Change that one, or remove it.")


def name_channel(setup: ChannelSetup) -> str:
    """The channel as its owner knows it."""
    return f"Channel {setup.id} ({' '.join(filter(None, (NAMES.get(setup.kind), setup.title)))})"


def draw_up(
    vault: Vault, setup: ChannelSetup, parameters: Sequence[Parameter], values: Mapping[str, str]
) -> ChannelSetup:
    """The channel with what was given; what is left out stays, and so does a secret that is empty.

    Where our key does not open its secrets, all of them are asked for. Raises
    InvalidInput.
    """
    opened = _open_or_nothing(vault, setup)
    given = check_values(parameters, values, known={*setup.values, *opened})
    secret_names = {parameter.name for parameter in parameters if parameter.is_secret}
    cleared = {
        parameter.name
        for parameter in parameters
        if not parameter.is_required and not values.get(parameter.name, "-").strip()
    }
    plain = {name: text for name, text in given.items() if name not in secret_names}
    sealed = {WEBHOOK_SECRET: _new_secret(), **opened}
    sealed |= {name: text for name, text in given.items() if name in secret_names}
    return replace(
        setup,
        values={name: text for name, text in {**setup.values, **plain}.items() if name not in cleared},
        secrets=_seal_secrets(vault, setup.id, sealed),
    )


def change_channel(
    tx: Transaction,
    vault: Vault,
    channel_id: int,
    parameters: Sequence[Parameter],
    values: Mapping[str, str],
    *,
    now: datetime,
    source_ids: tuple[int, ...] | None = None,
    keeps_sources: bool = True,
    is_enabled: bool | None = None,
) -> tuple[ChannelSetup, ChannelSetup]:
    """Change what was given, and tell the channel as it was and as it is. Raises NotFound."""
    before = _get(tx, channel_id)
    setup = draw_up(vault, before, parameters, values) if values else before
    setup = replace(
        setup,
        source_ids=setup.source_ids if keeps_sources else source_ids,
        is_enabled=setup.is_enabled if is_enabled is None else is_enabled,
    )
    db.update_channel(tx, ACCOUNT, setup, now)
    _tell(tx)
    return before, setup


def succeed_channel(
    tx: Transaction,
    vault: Vault,
    channel_id: int,
    parameters: Sequence[Parameter],
    values: Mapping[str, str],
    account: str,
    *,
    now: datetime,
) -> ChannelSetup:
    """A new channel that is to follow this one, made for another account of what is known and was given.

    The people, the chats and the numbers of their messages are another
    account's, and are never to be mistaken for the earlier ones.
    """
    before = _get(tx, channel_id)
    drawn = draw_up(vault, before, parameters, values)
    _need_unused(tx, before.kind, account)
    kept = {LINK_BASE, *(parameter.name for parameter in parameters)}
    given = {name: text for name, text in drawn.values.items() if name in kept}
    opened = _open_secrets(vault, drawn)
    return _insert(tx, vault, before.kind, {**given, OWN_ID: account}, opened, before.source_ids, now)


def claim_account(tx: Transaction, channel_id: int, account: str, *, now: datetime) -> ChannelSetup:
    """Write down which account the channel is of. Raises Conflict when the account has another channel."""
    setup = _get(tx, channel_id)
    if not account:
        return setup
    _need_unused(tx, setup.kind, account, but=channel_id)
    setup = replace(setup, values={**setup.values, OWN_ID: account})
    db.update_channel(tx, ACCOUNT, setup, now)
    return setup


def is_other_account(setup: ChannelSetup, account: str) -> bool:
    """Whether the platform's account is not the one that the channel is known to be of."""
    return account not in ("", setup.values.get(OWN_ID, account))


def restore_channel(tx: Transaction, before: ChannelSetup, *, now: datetime) -> None:
    """A change that failed is none, and what it held up goes on."""
    _get(tx, before.id)
    db.update_channel(tx, ACCOUNT, before, now)
    _wake(tx, before)
    _tell(tx)


def _wake(tx: Transaction, setup: ChannelSetup) -> None:
    """Whatever the channel's platform was to be told or asked is due now."""
    for kind in (deliver_kind(setup.kind), chore_kind(setup.kind), poll_kind(setup.kind)):
        wake_jobs(tx, ACCOUNT, share_of(kind, setup.id))


def reseal_channels(tx: Transaction, vault: Vault, *, now: datetime) -> None:
    """Seal with the newest key what an older one sealed (S-SEC-01); what none opens is shown as broken."""
    for listed in db.list_channels(tx, ACCOUNT):
        if not listed.secrets or vault.is_newest(listed.secrets):
            continue
        setup = _get(tx, listed.id)
        try:
            sealed = _seal_secrets(vault, setup.id, _open_secrets(vault, setup))
        except WrongKey:
            if setup.is_enabled:
                store_report(tx, setup.id, SetupReport("", findings=(SECRETS_LOST,)), now=now)
        else:
            db.update_channel(tx, ACCOUNT, replace(setup, secrets=sealed), now)


def _open_or_nothing(vault: Vault, setup: ChannelSetup) -> dict[str, str]:
    try:
        return _open_secrets(vault, setup)
    except WrongKey:
        return {}


def _new_secret() -> str:
    return secrets.token_urlsafe(32)


def remove_channel(tx: Transaction, channel_id: int, *, now: datetime) -> None:
    """Forget a channel and its secrets; its conversations stay, and cannot be answered any more."""
    if not db.remove_channel(tx, ACCOUNT, channel_id, now):
        raise NotFound(f"There is no channel {channel_id}.")
    _tell(tx)


def keep_values(tx: Transaction, channel_id: int, values: Mapping[str, str], *, now: datetime) -> None:
    """Keep what the platform will ask for while the channel is being set up."""
    setup = _get(tx, channel_id)
    db.update_channel(tx, ACCOUNT, replace(setup, values={**setup.values, **values}), now)


def store_report(
    tx: Transaction,
    channel_id: int,
    report: SetupReport,
    *,
    now: datetime,
    link: DeepLink | None = None,
    is_polling: bool | None = None,
) -> ChannelSetup:
    """Write down how a channel stands. One that is mended sends what has waited."""
    setup = _get(tx, channel_id)
    state = _LEVELS[report.level]
    for finding in report.findings:
        is_news = finding not in setup.findings
        if finding.level is not Level.OK and is_news:
            db.append_log(tx, ACCOUNT, channel_id, finding, now)
    if setup.state is ChannelState.BROKEN and state is not ChannelState.BROKEN:
        _wake(tx, setup)
        db.append_log(tx, ACCOUNT, channel_id, Finding(Level.OK, "mended"), now)
    changed = replace(
        setup,
        title=report.title or setup.title,
        state=state,
        findings=report.findings,
        values={**setup.values, **report.values, **({OWN_ID: report.account} if report.account else {})},
        link=setup.link if link is None else link.url,
        needs_app=setup.needs_app if link is None else link.needs_app,
        is_polling=setup.is_polling if is_polling is None else is_polling,
    )
    _set_next_check(tx, changed, now)
    if changed != setup:
        db.update_channel(tx, ACCOUNT, changed, now)
        _tell(tx)
    if changed.is_polling:
        start_polling(tx, changed, now)
    return changed


def report_broken(tx: Transaction, channel_id: int, detail: str, *, now: datetime) -> None:
    """The platform refuses everything: say so once, and stop trying until it is mended."""
    setup = db.lock_channel(tx, ACCOUNT, channel_id)
    if setup is None or setup.state is ChannelState.BROKEN:
        return
    finding = Finding(Level.BROKEN, "refused", detail)
    db.append_log(tx, ACCOUNT, channel_id, finding, now)
    broken = replace(setup, state=ChannelState.BROKEN, findings=(finding,))
    db.update_channel(tx, ACCOUNT, broken, now)
    _set_next_check(tx, broken, now)
    _tell(tx)


def note_unreachable(tx: Transaction, channel_id: int, finding: Finding, *, now: datetime) -> None:
    """The platform gave no answer, which says nothing of the channel: look again soon."""
    setup = _get(tx, channel_id)
    db.append_log(tx, ACCOUNT, channel_id, finding, now)
    _set_check(tx, setup, now + CHECK_BROKEN_EVERY)


def check_again(tx: Transaction, channel_id: int, *, now: datetime) -> None:
    """A look has come to nothing: there is a next one for as long as the channel is switched on."""
    setup = db.lock_channel(tx, ACCOUNT, channel_id)
    if setup is not None and setup.is_enabled:
        _set_next_check(tx, setup, now)


def start_polling(tx: Transaction, setup: ChannelSetup, now: datetime) -> None:
    """Have the platform asked for news, by one at a time."""
    key = poll_key(setup.id)
    if setup.is_enabled and not has_job(tx, ACCOUNT, key):
        set_timer(tx, ACCOUNT, share_of(poll_kind(setup.kind), setup.id), key, {"channel": setup.id}, now)


def poll_key(channel_id: int) -> str:
    return f"{POLL}:{channel_id}"


def start_channels(tx: Transaction, *, now: datetime) -> None:
    """At the start of a server: whatever is to happen by itself is promised again if it got lost."""
    for setup in db.list_channels(tx, ACCOUNT):
        if setup.is_enabled and setup.state is not ChannelState.NEW:
            _set_check(tx, setup, now, put=start_timer)
            if setup.is_polling:
                start_polling(tx, setup, now)


def _set_next_check(tx: Transaction, setup: ChannelSetup, now: datetime) -> None:
    pause = CHECK_BROKEN_EVERY if setup.state is ChannelState.BROKEN else CHECK_EVERY
    _set_check(tx, setup, now + pause)


def _set_check(
    tx: Transaction, setup: ChannelSetup, at: datetime, *, put: Callable[..., None] = set_timer
) -> None:
    kind, key = share_of(check_kind(setup.kind), setup.id), f"check:{setup.id}"
    put(tx, ACCOUNT, kind, key, {"channel": setup.id}, at)


def _get(tx: Transaction, channel_id: int) -> ChannelSetup:
    setup = db.lock_channel(tx, ACCOUNT, channel_id)
    if setup is None:
        raise NotFound(f"There is no channel {channel_id}.")
    return setup


def _tell(tx: Transaction) -> None:
    tx.publish(f"account:{ACCOUNT}", {"type": "channels"})


def find_test_chat(tx: Transaction, channel_id: int) -> int:
    """The conversation that a test message goes to: the newest one that can be reached."""
    row = db_conversations.find_latest_of_channel(tx, ACCOUNT, channel_id)
    if row is None:
        raise Conflict(
            "Nobody has written through this channel yet. Open its link, write something, try again."
        )
    return int(row["id"])


def list_views(
    tx: Transaction, vault: Vault, webhook_url: Callable[[ChannelSetup], str]
) -> list[ChannelView]:
    """Every channel with what its owner wants to know."""
    return [_view(tx, vault, setup, webhook_url(setup)) for setup in db.list_channels(tx, ACCOUNT)]


def _view(tx: Transaction, vault: Vault, setup: ChannelSetup, webhook_url: str) -> ChannelView:
    try:
        opened = _open_secrets(vault, setup)
    except WrongKey:
        opened = {}
        setup = replace(setup, state=ChannelState.BROKEN, findings=(SECRETS_LOST,))
    return ChannelView(
        setup=setup,
        webhook_url=None if setup.is_polling else webhook_url or None,
        hints={name: hint(text) for name, text in opened.items() if name != WEBHOOK_SECRET},
        verify_token=opened.get(WEBHOOK_SECRET) if _is_by_hand(setup) else None,
        last_event_at=db.find_last_event_at(tx, setup.id),
        last_fault=db.find_last_fault(tx, setup.id),
        waiting=db.count_waiting(tx, setup.id, MessageState.WAITING.value),
    )


def _is_by_hand(setup: ChannelSetup) -> bool:
    return any(finding.code == "webhook_by_hand" for finding in setup.findings)


# --- With the platforms.


async def _nothing() -> None: ...


class Connector:
    """Sets channels up at their platforms. `webhook_url` gives where one of them sends, or an empty text;
    `on_change` lets this process know a channel before its platform calls."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        make: MakeChannel,
        parameters: Parameters,
        webhook_url: Callable[[ChannelSetup], str],
        on_change: Callable[[], Awaitable[None]] = _nothing,
        most: int = MOST_CHANNELS,
    ) -> None:
        self._database = database
        self._on_change = on_change
        self._make = make
        self._most = most
        self.vault = vault
        self.parameters = parameters
        self.webhook_url = webhook_url

    async def list_views(self) -> list[ChannelView]:
        """Every channel with what its owner wants to know."""
        return await self._database.read(list_views, self.vault, self.webhook_url)

    async def add(
        self,
        kind: ChannelKind,
        values: Mapping[str, str],
        source_ids: tuple[int, ...] | None,
        key: str | None = None,
    ) -> ChannelSetup:
        """Keep the channel and set it up. It stays, with the reason, when its platform refuses.

        The same key again is the same channel, set up once more. Raises Conflict
        when the account has a channel already.
        """
        given = check_values(self.parameters(kind), values)
        told = await look(self._make(kind, _config(given, {})), "", "")
        setup = await self._database.write(
            add_channel,
            self.vault,
            kind,
            self.parameters(kind),
            values,
            source_ids,
            key or secrets.token_urlsafe(16),
            account=told.account,
            most=self._most,
            key=("channels", ACCOUNT),
        )
        return await self.connect(setup)

    async def change(
        self,
        setup: ChannelSetup,
        values: Mapping[str, str],
        *,
        source_ids: tuple[int, ...] | None = None,
        keeps_sources: bool = True,
        is_enabled: bool | None = None,
    ) -> ChannelSetup:
        """Change the channel; what its platform has to know of is set up anew.

        Given another account of the platform's, it is left and a new channel
        follows it. Raises ChangeRefused, and changes nothing, when the platform
        does not take what was given.
        """
        if values and is_other_account(setup, account := await self._look_ahead(setup, values)):
            setup = await self._succeed(setup, values, account)
            values = {}
        before, changed = await self._database.write(
            change_channel,
            self.vault,
            setup.id,
            self.parameters(setup.kind),
            values,
            source_ids=source_ids,
            keeps_sources=keeps_sources,
            is_enabled=is_enabled,
            key=("channel", setup.id),
        )
        if not changed.is_enabled:
            if before.is_enabled:
                await self._leave(before)
            return changed
        if not values and not is_enabled:
            return changed
        ready = await self.connect(changed)
        if values and _works(before) and ready.state is ChannelState.BROKEN:
            await self._database.write(restore_channel, before, key=("channel", setup.id))
            await self._on_change()
            raise ChangeRefused(_worst(ready.findings))
        return ready

    async def _look_ahead(self, setup: ChannelSetup, values: Mapping[str, str]) -> str:
        """The account that the channel would be of. Raises ChangeRefused when it would not work."""
        drawn = draw_up(self.vault, setup, self.parameters(setup.kind), values)
        channel = self._make(setup.kind, read_config(self.vault, drawn))
        report = await look(channel, self.webhook_url(setup), setup.title)
        for finding in report.findings:
            if finding.level is Level.BROKEN and finding.code not in NOT_YET_OURS:
                raise ChangeRefused(finding)
        return report.account

    async def _succeed(self, setup: ChannelSetup, values: Mapping[str, str], account: str) -> ChannelSetup:
        """Set a channel of the other account up, and only then leave the earlier one and forget it."""
        new = await self._database.write(
            succeed_channel,
            self.vault,
            setup.id,
            self.parameters(setup.kind),
            values,
            account,
            key=("channels", ACCOUNT),
        )
        ready = await self.connect(new)
        if ready.state is ChannelState.BROKEN:
            await self.remove(ready)
            raise ChangeRefused(_worst(ready.findings))
        await self.remove(setup)
        await self._on_change()
        return ready

    async def connect(self, setup: ChannelSetup) -> ChannelSetup:
        """Set the channel up at its platform, and write down what that said."""
        try:
            if OWN_ID not in setup.values:
                setup = await self._claim(setup)
            channel = self._make(setup.kind, read_config(self.vault, setup))
        except WrongKey:
            return await self._store(setup, SetupReport(setup.title, findings=(SECRETS_LOST,)))
        except Conflict as error:
            taken = Finding(Level.BROKEN, "account_taken", error.message)
            return await self._store(setup, SetupReport(setup.title, findings=(taken,)))
        url = self.webhook_url(setup)
        try:
            if url and isinstance(channel, PreparedChannel):
                values = await channel.prepare()
                await self._database.write(keep_values, setup.id, values, key=("channel", setup.id))
            await self._on_change()
            report = await ask(lambda: channel.setup(url), setup.title)
        except (Retryable, Uncertain) as error:
            report = SetupReport(setup.title, findings=(Finding(Level.BROKEN, "unreachable", error.message),))
        except DeliveryError as error:
            report = SetupReport(setup.title, findings=(Finding(Level.BROKEN, "refused", error.message),))
        ready = replace(setup, values={**setup.values, **report.values})
        link = None
        if report.level is not Level.BROKEN:
            link = self._make(setup.kind, read_config(self.vault, ready)).deep_link()
        return await self._store(
            setup, report, link=link, is_polling=None if report.level is Level.BROKEN else not url
        )

    async def _claim(self, setup: ChannelSetup) -> ChannelSetup:
        """Ask the platform which account it is; where nobody answers, that stays open. Raises Conflict when
        the account has another channel, and WrongKey."""
        told = await look(self._make(setup.kind, read_config(self.vault, setup)), "", setup.title)
        return await self._database.write(claim_account, setup.id, told.account, key=("channel", setup.id))

    async def check(self, setup: ChannelSetup) -> ChannelSetup:
        """Look again; a channel whose set-up never got through is set up."""
        codes = {finding.code for finding in setup.findings}
        is_half = setup.state is ChannelState.BROKEN and bool(codes & {"unreachable", "webhook_removed"})
        if setup.state is ChannelState.NEW or not setup.link or is_half:
            return await self.connect(setup)
        try:
            channel = self._make(setup.kind, read_config(self.vault, setup))
        except WrongKey:
            return await self._store(setup, SetupReport(setup.title, findings=(SECRETS_LOST,)))
        url = "" if setup.is_polling else self.webhook_url(setup)
        try:
            report = await ask(lambda: channel.check(url), setup.title)
        except (Retryable, Uncertain) as error:
            finding = Finding(Level.WARNING, "unreachable", error.message)
            await self._database.write(note_unreachable, setup.id, finding, key=("channel", setup.id))
            return setup
        return await self._store(setup, report)

    async def _store(self, setup: ChannelSetup, report: SetupReport, **more: Any) -> ChannelSetup:
        return await self._database.write(store_report, setup.id, report, **more, key=("channel", setup.id))

    async def remove(self, setup: ChannelSetup) -> None:
        """Have the platform send nothing more, if it can be reached, and forget the channel."""
        await self._leave(setup)
        await self._database.write(remove_channel, setup.id, key=("channel", setup.id))

    async def _leave(self, setup: ChannelSetup) -> None:
        """Tell the platform, if it can be told: a channel goes whatever its platform says."""

        async def leave() -> SetupReport:
            await self._make(setup.kind, read_config(self.vault, setup)).leave()
            return SetupReport("")

        with contextlib.suppress(Retryable, Uncertain, WrongKey, TimeoutError):
            async with asyncio.timeout(LEAVE_WITHIN_S):
                await ask(leave, setup.title)


def _works(setup: ChannelSetup) -> bool:
    return setup.is_enabled and setup.state in (ChannelState.OK, ChannelState.WARNING)


def _worst(findings: Sequence[Finding]) -> Finding:
    return next(finding for finding in findings if finding.level is Level.BROKEN)


async def look(channel: Channel, webhook_url: str, title: str) -> SetupReport:
    """How a channel would stand, asked without changing anything at its platform."""
    try:
        return await ask(lambda: channel.check(webhook_url), title)
    except (Retryable, Uncertain) as error:
        return SetupReport(title, findings=(Finding(Level.BROKEN, "unreachable", error.message),))


async def ask(question: Callable[[], Awaitable[SetupReport]], title: str) -> SetupReport:
    """Ask a platform how a channel stands; what it refuses is a finding. Raises Retryable or Uncertain
    when it cannot be reached, which says nothing of the channel."""
    try:
        return await question()
    except (Retryable, Uncertain):
        raise
    except ChannelBroken as error:
        return SetupReport(title, findings=(Finding(Level.BROKEN, "refused", error.message),))
    except DeliveryError as error:
        return SetupReport(title, findings=(Finding(Level.BROKEN, "bad_request", error.message),))
