"""Connecting messengers: what their owner gives is kept sealed, what their platform says is written down."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from knopka.db import channels as db
from knopka.db import conversations as db_conversations
from knopka.db.crm import find_answer, keep_answer
from knopka.db.database import Database, Transaction
from knopka.db.jobs import has_job, set_timer, start_timer, wake_jobs
from knopka.domain.catalog import ChannelSetup, ChannelState
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
"""The one value that is no parameter of a platform: where links begin when the platform is simulated."""

MAX_VALUE = 1_000
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


def read_config(vault: Vault, setup: ChannelSetup) -> ChannelConfig:
    """What the channel is made of, its secrets opened. Raises a KnopkaError when the key is another one."""
    opened = _open_secrets(vault, setup)
    return ChannelConfig(
        values={**setup.values, **{name: text for name, text in opened.items() if name != WEBHOOK_SECRET}},
        webhook_secret=opened.get(WEBHOOK_SECRET, ""),
        link_base=setup.values.get(LINK_BASE, ""),
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
        Fault(f"$.values.{name}", "bad_value", f"a value has at most {MAX_VALUE} printable characters")
        for name, text in given.items()
        if len(text) > MAX_VALUE or not text.isprintable()
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
) -> ChannelSetup:
    """Keep a new channel, which its platform does not know of yet. The same key again is the same channel."""
    given = check_values(parameters, values)
    if not is_first(tx, ACCOUNT, ADDED, key, kind, values, source_ids, now=now):
        known = find_answer(tx, ACCOUNT, ADDED, key)
        return _get(tx, int(known["answer"]) if known is not None else 0)
    channel_id = db.insert_channel(
        tx, ACCOUNT, kind=kind, path=secrets.token_urlsafe(24), source_ids=source_ids, now=now
    )
    setup = _get(tx, channel_id)
    secret_names = {parameter.name for parameter in parameters if parameter.is_secret}
    opened = {name: text for name, text in given.items() if name in secret_names}
    opened[WEBHOOK_SECRET] = secrets.token_urlsafe(32)
    setup = replace(
        setup,
        values={name: text for name, text in given.items() if name not in secret_names},
        secrets=_seal_secrets(vault, channel_id, opened),
    )
    db.update_channel(tx, ACCOUNT, setup, now)
    keep_answer(tx, ACCOUNT, ADDED, key, str(channel_id))
    return setup


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
) -> ChannelSetup:
    """Change what was given; what is left out stays, and so does a secret that is empty. Raises NotFound."""
    setup = _get(tx, channel_id)
    opened = _open_secrets(vault, setup)
    given = check_values(parameters, values, known={*setup.values, *opened})
    secret_names = {parameter.name for parameter in parameters if parameter.is_secret}
    opened |= {name: text for name, text in given.items() if name in secret_names}
    plain = {name: text for name, text in given.items() if name not in secret_names}
    cleared = {
        parameter.name
        for parameter in parameters
        if not parameter.is_required and not values.get(parameter.name, "-").strip()
    }
    setup = replace(
        setup,
        values={name: text for name, text in {**setup.values, **plain}.items() if name not in cleared},
        secrets=_seal_secrets(vault, channel_id, opened),
        source_ids=setup.source_ids if keeps_sources else source_ids,
        is_enabled=setup.is_enabled if is_enabled is None else is_enabled,
    )
    db.update_channel(tx, ACCOUNT, setup, now)
    _tell(tx)
    return setup


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
        wake_jobs(tx, ACCOUNT, lanes(channel_id))
        wake_jobs(tx, ACCOUNT, poll_key(channel_id))
        db.append_log(tx, ACCOUNT, channel_id, Finding(Level.OK, "mended"), now)
    changed = replace(
        setup,
        title=report.title or setup.title,
        state=state,
        findings=report.findings,
        values={**setup.values, **report.values},
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


def _wake(tx: Transaction, setup: ChannelSetup) -> None:
    """Whatever the channel's platform was to be told or asked is due now."""
    for kind in (deliver_kind(setup.kind), chore_kind(setup.kind), poll_kind(setup.kind)):
        wake_jobs(tx, ACCOUNT, share_of(kind, setup.id))


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
        opened = {}  # `knopka check` tells of it; the list must still be shown
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
    ) -> None:
        self._database = database
        self._on_change = on_change
        self._make = make
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

        The same key again is the same channel, set up once more.
        """
        setup = await self._database.write(
            add_channel,
            self.vault,
            kind,
            self.parameters(kind),
            values,
            source_ids,
            key or secrets.token_urlsafe(16),
            key=("channels", kind),
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
        """Change the channel; what its platform has to know of is set up anew."""
        changed = await self._database.write(
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
        if is_enabled is False:
            await self._leave(changed)
            return changed
        return await self.connect(changed) if values or is_enabled else changed

    async def connect(self, setup: ChannelSetup) -> ChannelSetup:
        """Set the channel up at its platform, and write down what that said."""
        channel = self._make(setup.kind, read_config(self.vault, setup))
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
        return await self._database.write(
            store_report,
            setup.id,
            report,
            link=link,
            is_polling=None if report.level is Level.BROKEN else not url,
            key=("channel", setup.id),
        )

    async def check(self, setup: ChannelSetup) -> ChannelSetup:
        """Look again; a channel whose set-up never got through is set up."""
        codes = {finding.code for finding in setup.findings}
        is_half = setup.state is ChannelState.BROKEN and bool(codes & {"unreachable", "webhook_removed"})
        if setup.state is ChannelState.NEW or not setup.link or is_half:
            return await self.connect(setup)
        channel = self._make(setup.kind, read_config(self.vault, setup))
        url = "" if setup.is_polling else self.webhook_url(setup)
        try:
            report = await ask(lambda: channel.check(url), setup.title)
        except (Retryable, Uncertain) as error:
            finding = Finding(Level.WARNING, "unreachable", error.message)
            await self._database.write(note_unreachable, setup.id, finding, key=("channel", setup.id))
            return setup
        return await self._database.write(store_report, setup.id, report, key=("channel", setup.id))

    async def remove(self, setup: ChannelSetup) -> None:
        """Have the platform send nothing more, if it can be reached, and forget the channel."""
        await self._leave(setup)
        await self._database.write(remove_channel, setup.id, key=("channel", setup.id))

    async def _leave(self, setup: ChannelSetup) -> None:
        """Tell the platform, if it can be told: a channel goes whatever its platform says."""

        async def leave() -> SetupReport:
            await self._make(setup.kind, read_config(self.vault, setup)).leave()
            return SetupReport("")

        with contextlib.suppress(Retryable, Uncertain, WrongKey):
            await ask(leave, setup.title)


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
