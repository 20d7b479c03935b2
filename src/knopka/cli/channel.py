"""`knopka channel`: the messengers through which visitors write."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import click

from knopka.app import api_addresses, open_vault, read_limits, webhook_url
from knopka.cli import store
from knopka.cli.output import ID, json_option, print_json, print_line, print_table
from knopka.db.channels import list_log
from knopka.db.clock import to_ms
from knopka.db.database import Database
from knopka.domain.catalog import ChannelSetup, ChannelState
from knopka.domain.channel_wording import explain
from knopka.domain.errors import Fault, InvalidInput, NotFound
from knopka.domain.messaging import NAMES, ChannelKind, Finding, Level, Parameter
from knopka.platforms import PLATFORMS, Apis
from knopka.services.catalog import load_catalog
from knopka.services.channels import LINK_BASE, Connector

T = TypeVar("T")
MOST_LINES = 50
MOST_SECRET = 2_000
"""Characters of a file that are read; a longer secret is refused."""


@click.group()
def channel() -> None:
    """Messengers, and the bots, pages and communities by which visitors reach you there."""


@channel.group()
def add() -> None:
    """Connect a messenger and say where its events go.

    A secret that is not given is asked for, so that it stands in no history of commands.
    """


@channel.group()
def change() -> None:
    """Give a channel another token, another account or other words.

    What is left out stays. What the platform does not take changes nothing.
    """


def _options(parameters: tuple[Parameter, ...], *, without_buttons: str) -> list[click.Parameter]:
    """An option for each thing that a messenger asks for, and of a secret one more: the file it stands in."""
    options: list[click.Parameter] = []
    for parameter in parameters:
        flag = _flag(parameter.name)
        end = "" if parameter.is_required else " May be left out."
        options.append(click.Option([flag, parameter.name], required=False, help=parameter.hint + end))
        if parameter.is_secret:
            place = (
                f"The file that {flag} stands in, or - for standard input; no history of commands keeps it."
            )
            options.append(
                click.Option(
                    [f"{flag}-file", parameter.name + _FILE],
                    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
                    help=place,
                )
            )
    options.append(
        click.Option(
            ["--button", "buttons"], multiple=True, metavar="ID",
            help=f"A button that shows it; repeat it for more. {without_buttons} when left out.",
        )
    )  # fmt: skip
    options.append(click.Option(["--link-base", LINK_BASE], hidden=True))
    options.append(click.Option(["--json", "as_json"], is_flag=True, help="Print JSON instead of words."))
    return options


def _add_command(kind: ChannelKind, parameters: tuple[Parameter, ...]) -> click.Command:
    def run(buttons: tuple[str, ...], as_json: bool, **given: Any) -> None:
        values = _read_values(parameters, given)
        for parameter in parameters:
            if parameter.is_required and parameter.name not in values:
                values[parameter.name] = click.prompt(
                    f"{parameter.name} ({parameter.hint})", hide_input=parameter.is_secret, err=True
                )
        source_ids = _find_buttons(buttons)
        _tell(lambda connector: connector.add(kind, values, source_ids), as_json=as_json)

    return click.Command(
        kind.value,
        params=_options(parameters, without_buttons="Every button"),
        callback=run,
        help=f"Connect {NAMES[kind]}.",
    )


def _change_command(kind: ChannelKind, parameters: tuple[Parameter, ...]) -> click.Command:
    def run(channel_id: int, buttons: tuple[str, ...], as_json: bool, **given: Any) -> None:
        found = _find(channel_id)
        if found.kind is not kind:
            raise InvalidInput(
                Fault("ID", "other_kind", f"channel {channel_id} is one of {NAMES[found.kind]}")
            )
        values, source_ids = _read_values(parameters, given), _find_buttons(buttons)
        _tell(
            lambda connector: connector.change(
                found, values, source_ids=source_ids, keeps_sources=not buttons
            ),
            as_json=as_json,
        )

    return click.Command(
        kind.value,
        params=[
            click.Argument(["channel_id"], type=ID, metavar="ID"),
            *_options(parameters, without_buttons="The same as before"),
        ],
        callback=run,
        help=f"Change a channel of {NAMES[kind]}.",
    )


_FILE = "_file"


def _read_values(parameters: tuple[Parameter, ...], given: Mapping[str, Any]) -> dict[str, str]:
    """What was given by name, a secret also by its file."""
    files = {
        parameter.name: given[parameter.name + _FILE]
        for parameter in parameters
        if given.get(parameter.name + _FILE) is not None
    }
    names = {LINK_BASE, *(parameter.name for parameter in parameters)}
    values = {name: text for name, text in given.items() if name in names and text is not None}
    twice = [name for name in files if name in values]
    from_stdin = [name for name, path in files.items() if path == "-"]
    faults = [
        Fault(_flag(name), "given_twice", "is given both by its value and by its file") for name in twice
    ]
    if len(from_stdin) > 1:
        faults.append(
            Fault(f"{_flag(from_stdin[1])}-file", "given_twice", "standard input holds one secret only")
        )
    if faults:
        raise InvalidInput(*faults)
    return values | {name: _read_secret(path) for name, path in files.items()}


def _read_secret(path: str) -> str:
    with click.open_file(path, encoding="utf-8-sig", errors="replace") as file:
        secret: str = file.read(MOST_SECRET)
    return secret.strip()


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _at_its_option(fault: Fault) -> Fault:
    """The fault at what was typed, and not at its place in a body."""
    _, mark, name = fault.path.partition("$.values.")
    return replace(fault, path=_flag(name)) if mark else fault


def _tell(job: Callable[[Connector], Awaitable[ChannelSetup]], *, as_json: bool) -> None:
    """Set a channel up, and say how it stands and what is left to do."""
    try:
        setup, address, token = _with_connector(lambda connector: _connect(connector, job))
    except InvalidInput as error:
        raise InvalidInput(*map(_at_its_option, error.faults)) from None
    if as_json:
        state = setup.state.value
        print_json({"id": setup.id, "kind": setup.kind.value, "webhook_url": address, "state": state})
    else:
        title = setup.title or "(no name yet)"
        print_line(f"{NAMES[setup.kind]} {title} is channel {setup.id}: {setup.state.value}")
        _say_findings(setup)
        if token is not None:
            print_line(f"    Verify token: {token}")
    if setup.state is ChannelState.BROKEN:
        raise click.exceptions.Exit(1)


async def _connect(
    connector: Connector, job: Callable[[Connector], Awaitable[ChannelSetup]]
) -> tuple[ChannelSetup, str | None, str | None]:
    setup = await job(connector)
    view = next(view for view in await connector.list_views() if view.setup.id == setup.id)
    return view.setup, view.webhook_url, view.verify_token


def _find_buttons(public_ids: tuple[str, ...]) -> tuple[int, ...] | None:
    if not public_ids:
        return None
    sources = store.read(load_catalog).sources
    faults = [
        Fault(
            "--button", "unknown_button", f"there is no button {public_id!r}; `knopka button list` shows all"
        )
        for public_id in public_ids
        if public_id not in sources
    ]
    if faults:
        raise InvalidInput(*faults)
    return tuple(sources[public_id].id for public_id in public_ids)


for _kind, _platform in PLATFORMS.items():
    add.add_command(_add_command(_kind, tuple(_platform.parameters)))
    change.add_command(_change_command(_kind, tuple(_platform.parameters)))


@channel.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """List the channels with how each stands."""
    views = _with_connector(lambda connector: connector.list_views())
    if as_json:
        print_json(
            [
                {
                    "id": view.setup.id,
                    "kind": view.setup.kind.value,
                    "title": view.setup.title,
                    "state": _state(view.setup),
                    "webhook_url": view.webhook_url,
                    "link": view.setup.link,
                    "last_event_at": None
                    if view.last_event_at is None
                    else to_ms(view.last_event_at) // 1000,
                    "findings": [_describe(finding) for finding in view.setup.findings],
                }
                for view in views
            ]
        )
        return
    rows = [
        (
            view.setup.id,
            NAMES[view.setup.kind],
            view.setup.title,
            _state(view.setup),
            "" if view.last_event_at is None else f"{view.last_event_at:%Y-%m-%d %H:%M:%S}Z",
            view.waiting,
        )
        for view in views
    ]
    columns = ("Id", "Messenger", "Name", "State", "Last event", "Waiting")
    print_table(columns, rows, empty="No channels yet: knopka channel add")


@channel.command()
@click.argument("channel_id", type=ID, metavar="ID")
@json_option
def check(channel_id: int, as_json: bool) -> None:
    """Ask the platform how a channel stands."""
    found = _find(channel_id)
    setup = _with_connector(lambda connector: connector.check(found))
    if as_json:
        findings = [_describe(finding) for finding in setup.findings]
        print_json({"id": setup.id, "state": _state(setup), "findings": findings})
    else:
        print_line(f"{NAMES[setup.kind]} {setup.title}: {_state(setup)}")
        _say_findings(setup)
    if setup.state is ChannelState.BROKEN:
        raise click.exceptions.Exit(1)


@channel.command()
@click.argument("channel_id", type=ID, metavar="ID")
@json_option
def log(channel_id: int, as_json: bool) -> None:
    """Show what happened to a channel, the newest first."""
    _find(channel_id)
    lines = store.read(list_log, channel_id, MOST_LINES)
    if as_json:
        for line in lines:
            finding = Finding(line.level, line.code, line.detail)
            print_json({"at": to_ms(line.at) // 1000, **_describe(finding)})
        return
    rows = [
        (f"{line.at:%Y-%m-%d %H:%M:%S}Z", line.level.value, explain(line.code, "en")[0], line.detail)
        for line in lines
    ]
    print_table(("At", "Level", "What", "Detail"), rows, empty="Nothing has happened to this channel.")


@channel.command()
@click.argument("channel_id", type=ID, metavar="ID")
@json_option
def remove(channel_id: int, as_json: bool) -> None:
    """Forget a channel and its secrets; its conversations stay."""
    found = _find(channel_id)
    _with_connector(lambda connector: connector.remove(found))
    if as_json:
        print_json({"removed": found.id})
    else:
        print_line(f"{NAMES[found.kind]} {found.title} was removed.")


def _find(channel_id: int) -> ChannelSetup:
    for setup in store.read(load_catalog).channels.values():
        if setup.id == channel_id:
            return setup
    raise NotFound(f"There is no channel {channel_id}; `knopka channel list` shows them all.")


def _state(setup: ChannelSetup) -> str:
    return (setup.state if setup.is_enabled else ChannelState.OFF).value


def _describe(finding: Finding) -> dict[str, str]:
    message, fix = explain(finding.code, "en")
    return {
        "level": finding.level.value,
        "code": finding.code,
        "message": message,
        "fix": fix,
        "detail": finding.detail,
    }


def _say_findings(setup: ChannelSetup) -> None:
    for finding in setup.findings:
        message, fix = explain(finding.code, "en")
        detail = f" ({finding.detail})" if finding.detail else ""
        print_line(f"  {finding.level.value}: {message}{detail}")
        if fix and finding.level is not Level.OK:
            print_line(f"    {fix}")


def _with_connector(job: Callable[[Connector], Awaitable[T]]) -> T:
    """Do something with the platforms, beside a running server or without one."""
    settings = store.read_settings()
    if not settings.base_url:
        message = "must say where the platforms reach us, like https://chat.example.com"
        raise InvalidInput(Fault("KNOPKA_BASE_URL", "missing", message))

    async def run(database: Database) -> T:
        apis = Apis(api_addresses(settings))
        address = partial(webhook_url, apis, settings.base_url)
        connector = Connector(
            database,
            open_vault(settings),
            apis.make,
            apis.parameters_of,
            address,
            most=read_limits(settings).channels,
        )
        try:
            return await job(connector)
        finally:
            await apis.close()

    return store.with_database(run)
