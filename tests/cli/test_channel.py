"""`knopka channel` as its owner types it: where secrets come from, what is refused, and what is printed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from knopka.db.database import Database
from knopka.demo_messengers import SAMPLES
from knopka.domain.messaging import Finding, Level, SetupReport
from knopka.services.channels import store_report
from knopka.simulator.accounts import TelegramAccount
from knopka.simulator.run import run_simulator
from tests.cli.conftest import Shell

BOT = "100:the-token-of-the-first-bot-of-the-shop"
OTHER_BOT = "200:the-token-of-the-other-bot-of-the-shop"
PAGE = ("--page-id", "100200300")


@contextmanager
def simulated() -> Iterator[str]:
    """The simulator with two bots, beside commands that have an event loop of their own."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    call: Callable[[Any], Any] = lambda work: asyncio.run_coroutine_threadsafe(work, loop).result(20)  # noqa: E731
    server = call(run_simulator(pace=0.001))
    try:
        for token, name in ((BOT, "shop_bot"), (OTHER_BOT, "other_bot")):
            server.simulator.add_account(TelegramAccount(token, name, "Shop"))
        yield server.url
    finally:
        call(server.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def alone(shell: Shell) -> Shell:
    """No platform answers."""
    return Shell({**shell.environment, **{f"KNOPKA_{name}_API": "http://127.0.0.1:9" for name in APIS}})


APIS = ("TELEGRAM", "GRAPH", "VIBER", "VK")


@pytest.fixture
def shop(shell: Shell) -> Iterator[Shell]:
    """Telegram answers."""
    with simulated() as url:
        here = {"KNOPKA_BASE_URL": "http://127.0.0.1:8000", "KNOPKA_TELEGRAM_API": f"{url}/telegram"}
        yield Shell({**shell.environment, **here})


def listed(shell: Shell) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = shell("channel", "list", "--json").json
    return found


def test_a_token_comes_from_a_file(shop: Shell, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"\ufeff{BOT}\n", encoding="utf-8")
    assert shop("channel", "add", "telegram", "--token-file", tmp_path / "token").code == 0
    assert [(one["title"], one["state"]) for one in listed(shop)] == [("@shop_bot", "ok")]


def test_a_token_comes_from_standard_input(shop: Shell) -> None:
    assert shop("channel", "add", "telegram", "--token-file", "-", stdin=f"{BOT}\n").code == 0
    assert listed(shop)[0]["state"] == "ok"


def test_every_secret_of_every_messenger_can_stand_in_a_file(alone: Shell) -> None:
    for kind, sample in SAMPLES.items():
        for verb in ("add", "change"):
            told = alone("channel", verb, kind.value, "--help").out
            names = {"token", "page_token", "app_secret"} & set(sample.values)
            assert names
            assert all(f"--{name.replace('_', '-')}-file" in told for name in names)


def test_a_secret_is_given_one_way(alone: Shell, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(BOT)
    answer = alone("channel", "add", "telegram", "--token", BOT, "--token-file", tmp_path / "token")
    assert (answer.code, "--token: is given both" in answer.err) == (2, True)
    answer = alone(
        "channel", "add", "messenger", *PAGE, "--page-token-file", "-", "--app-secret-file", "-", stdin="x"
    )
    assert (answer.code, "--app-secret-file: standard input holds one" in answer.err) == (2, True)
    assert listed(alone) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("telegram", "--token", "12345"), "--token: must be the bot's number, a colon"),
        (("vk", "--token", "x", "--group-id", "club5"), "--group-id: must be digits alone"),
        (
            ("messenger", "--page-id", "shop", "--page-token", "x", "--app-secret", "y"),
            "--page-id: must be digits alone",
        ),
        (("viber", "--token", "x y"), "--token: must be printable ASCII"),
    ],
)
def test_what_cannot_be_a_value_is_told_at_its_option(
    alone: Shell, arguments: tuple[str, ...], told: str
) -> None:
    answer = alone("channel", "add", *arguments)
    assert (answer.code, told in answer.err) == (2, True), answer.err
    assert listed(alone) == []


def test_the_same_bot_twice_is_refused_by_the_name_of_its_channel(shop: Shell) -> None:
    shop("channel", "add", "telegram", "--token", BOT)
    answer = shop("channel", "add", "telegram", "--token", BOT)
    assert answer.code == 1
    assert "Channel 1 (Telegram @shop_bot) is of this account already" in answer.err


def test_a_channel_is_given_another_bot(shop: Shell) -> None:
    shop("channel", "add", "telegram", "--token", BOT)
    before = listed(shop)
    assert shop("channel", "change", "telegram", "1", "--token-file", "-", stdin=OTHER_BOT).code == 0
    (after,) = listed(shop)
    assert (after["title"], after["state"]) == ("@other_bot", "ok")
    assert after["webhook_url"] != before[0]["webhook_url"]


def test_a_change_that_the_platform_refuses_changes_nothing(shop: Shell) -> None:
    shop("channel", "add", "telegram", "--token", BOT)
    before = listed(shop)
    answer = shop("channel", "change", "telegram", "1", "--token", "300:the-token-that-nobody-has-ever-had")
    assert answer.code == 1
    assert "does not know the token" in answer.err
    assert "stays as it was" in answer.err
    assert listed(shop) == before


def test_a_channel_is_changed_as_what_it_is(shop: Shell) -> None:
    shop("channel", "add", "telegram", "--token", BOT)
    answer = shop("channel", "change", "vk", "1", "--token", "x")
    assert (answer.code, "channel 1 is one of Telegram" in answer.err) == (2, True)


def test_S_SEC_01_with_another_key_the_secrets_are_entered_again(shop: Shell) -> None:
    shop("channel", "add", "telegram", "--token", BOT)
    moved = Shell({**shop.environment, "KNOPKA_SECRET_KEY": "f3b1c5d7" * 8})
    (broken,) = listed(moved)
    assert (broken["state"], broken["findings"][0]["code"]) == ("broken", "secrets_lost")
    assert "Enter the secrets again" in moved("channel", "check", "1").out
    assert moved("channel", "change", "telegram", "1", "--token", BOT).code == 0
    assert [(one["id"], one["state"]) for one in listed(moved)] == [(1, "ok")]


HOSTILE = "[red]\x1b[2J\x1b]0;gone\x07[/red]\u202e\r"


def test_S_OUT_09_what_a_platform_says_moves_no_terminal(alone: Shell) -> None:
    alone("channel", "add", "telegram", "--token", BOT)
    store = f"sqlite:///{alone.store}"

    async def name() -> None:
        database = await Database.open(store)
        finding = Finding(Level.BROKEN, "refused", HOSTILE)
        await database.write(store_report, 1, SetupReport(HOSTILE, findings=(finding,)), key="channel")
        await database.close()

    asyncio.run(name())
    for command in (("list",), ("log", "1"), ("check", "1"), ("remove", "1")):
        shown = alone("channel", *command)
        if command == ("list",):
            assert "[red]" in shown.out
            assert "\\x1b" in shown.out
        assert not set("\x1b\x07\u202e\r") & set(shown.out + shown.err), command
