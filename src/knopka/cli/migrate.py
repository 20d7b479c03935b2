"""`knopka migrate`: makes the store, or brings it to this release."""

from __future__ import annotations

import re
import zoneinfo

import click

from knopka.app import FIRST_ACCOUNT
from knopka.cli import store
from knopka.cli.output import json_option, print_json
from knopka.db.migrate import migrate as bring_to_this_release
from knopka.services.catalog import ensure_account


class Timezone(click.ParamType[str]):
    """A name of the time zone table, such as `Europe/Moscow`."""

    name = "timezone"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        known = zoneinfo.available_timezones()
        if known and value not in known:  # a small system may have no table
            self.fail(f"{value!r} is not a time zone such as UTC or Europe/Moscow")
        return value


class Currency(click.ParamType[str]):
    """Three letters of ISO 4217."""

    name = "currency"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not re.fullmatch("[A-Z]{3}", value):
            self.fail(f"{value!r} is not a currency such as RUB or EUR")
        return value


@click.command()
@click.option(
    "--name", default=FIRST_ACCOUNT["name"], show_default=True, help="What a new account is called."
)
@click.option("--locale", type=click.Choice(["ru", "en"]), default=FIRST_ACCOUNT["locale"], show_default=True)
@click.option("--timezone", type=Timezone(), default=FIRST_ACCOUNT["timezone"], show_default=True)
@click.option("--currency", type=Currency(), default=FIRST_ACCOUNT["currency"], show_default=True)
@json_option
def migrate(name: str, locale: str, timezone: str, currency: str, as_json: bool) -> None:
    """Make the store or bring it to this release; on SQLite a backup is made first.

    The options say what a new account begins with; an account that is there stays as it is.
    """
    report = bring_to_this_release(store.read_settings().store_url)
    account = {"name": name, "locale": locale, "timezone": timezone, "currency": currency}
    store.write(ensure_account, key=("catalog",), **account)
    backup = str(report.backup) if report.backup else None
    if as_json:
        print_json({"before": report.before, "after": report.after, "backup": backup})
    elif report.before == report.after:
        click.echo(f"The store is at revision {report.after} already.")
    else:
        before = f"at {report.before}" if report.before else "new"
        click.echo(f"The store was {before} and is at {report.after} now.")
        if backup:
            click.echo(f"The store as it was before: {backup}")
