"""The command `knopka`: one file for each group of commands, loaded when it is called."""

from __future__ import annotations

import gc
from importlib import import_module
from typing import Any

import click

from knopka import __version__
from knopka.domain.errors import Fault, InvalidInput, KnopkaError

COMMANDS = (
    "demo",
    "serve",
    "work",
    "migrate",
    "check",
    "backup",
    "button",
    "field",
    "channel",
    "bot",
    "operator",
    "token",
    "lead",
    "journal",
    "simulator",
)


class Refused(click.ClickException):
    """The command was understood and could not be done."""

    exit_code = 1


class Misused(click.ClickException):
    """An option, a setting or a file holds what cannot be taken."""

    exit_code = 2


def _say(fault: Fault) -> str:
    """A fault with its place: the path, and line and column where the text cannot even be parsed."""
    place = fault.path if fault.line is None else f"{fault.path}, line {fault.line}, column {fault.column}"
    return f"{place}: {fault.message}"


class Knopka(click.Group):
    """Loads a command late, so that `knopka lead list` does not wait for the web server's imports."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        # Loading leaves no garbage, and looking for it takes an eighth of the time.
        gc.disable()
        command: click.Command = getattr(import_module(f"knopka.cli.{cmd_name}"), cmd_name)
        gc.enable()
        return command

    def invoke(self, ctx: click.Context) -> Any:
        from knopka.cli.output import plain  # late: `knopka --help` needs no tables

        try:
            return super().invoke(ctx)
        except InvalidInput as error:
            raise Misused("\n".join(plain(_say(fault)) for fault in error.faults)) from error
        except KnopkaError as error:
            raise Refused(plain(error.message)) from error
        except OSError as error:  # a port that is taken, a folder that cannot be written
            raise Refused(str(error)) from error


@click.group(cls=Knopka, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="knopka")
def main() -> None:
    """The feedback button of a web site and everything behind it.

    Settings come from the environment (docs/settings.md). Every command takes --json and then prints
    machine-readable output alone; errors go to stderr. Exit codes: 0 done, 1 not done, 2 called wrongly.
    """
