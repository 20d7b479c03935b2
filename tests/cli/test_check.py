"""`knopka check` finds each fault and says how to mend it; what is well it leaves alone."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import threading
from collections import namedtuple
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from knopka.app import set_up
from knopka.cli import questions
from knopka.settings import Settings
from tests.cli.conftest import BASE_URL, Answer, Shell
from tests.files.bucket import Bucket
from tests.files.server import listening

SNIPPET = "{id: 10211, hash: '0f1e2d3c4b5a69788796a5b4c3d2e1f0', locale: 'ru'}"
TOKEN = "1:nobody-has-ever-given-this-token-to"
Usage = namedtuple("Usage", "total used free")
LOCAL = {
    "KNOPKA_BASE_URL": "https://chat.shop.example",
    "KNOPKA_INBOX_URL": "https://inbox.shop.example",
    "KNOPKA_TRUSTED_PROXIES": "127.0.0.1",
}


@pytest.fixture(autouse=True)
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Browser code as a wheel carries it."""
    static = tmp_path / "static"
    for name in ("widget/button.js", "inbox/index.html"):
        (static / name).parent.mkdir(parents=True, exist_ok=True)
        (static / name).touch()
    (static / "manifest.json").write_text(json.dumps({"button.js": {"file": "widget/button.js"}}))
    monkeypatch.setattr(questions, "FOLDER", static)
    return static


@pytest.fixture
def healthy(shell: Shell) -> Shell:
    """An installation without a fault."""
    shell("operator", "add", "anna", "--generate")
    shell("button", "add", "--name", "Shop", "--origin", "https://shop.example")
    return Shell({**shell.environment, **LOCAL})


def findings(answer: Answer) -> dict[str, dict[str, Any]]:
    return {finding["name"]: finding for finding in json.loads(answer.out)["findings"]}


def test_a_healthy_installation_has_nothing_to_mend(healthy: Shell) -> None:
    answer = healthy("check", "--json")
    assert {name: finding for name, finding in findings(answer).items() if finding["state"] != "ok"} == {}
    assert answer.code == 0
    assert json.loads(answer.out)["ok"] is True


def test_every_fault_and_warning_has_a_fix_and_nothing_else_has(bare: Shell, healthy: Shell) -> None:
    for shell in (bare, healthy, Shell({"KNOPKA_DATA_DIR": "/proc/nowhere", "KNOPKA_X": "1"})):
        for finding in findings(shell("check", "--json")).values():
            assert bool(finding["fix"]) == (finding["state"] != "ok"), finding


@pytest.fixture
def bucket() -> Iterator[tuple[str, Bucket]]:
    """An S3 store in a thread of its own: the address without its options, and what lies there."""
    held = Bucket(now=datetime.now(UTC))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = listening(held)
    port = asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result().port
    yield f"s3://AKIDTEST:a%2Fb%2Bc%3D%3Dd@127.0.0.1:{port}/media", held
    asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_a_bucket_is_tried_and_left_as_it_was(healthy: Shell, bucket: tuple[str, Bucket]) -> None:
    address, held = bucket
    well = findings(healthy("check", "--json", KNOPKA_FILES=f"{address}?region=eu-west-7&insecure=1"))
    assert well["files"]["state"] == "ok"
    assert [asked.split()[0] for asked in held.asked] == ["PUT", "HEAD", "GET", "DELETE"]
    assert held.objects == {}
    answer = healthy("check", "--json", KNOPKA_FILES=f"{address}?region=elsewhere&insecure=1")
    told = findings(answer)["files"]
    assert (told["state"], answer.code) == ("fault", 1)
    assert "SignatureDoesNotMatch" in told["message"]
    assert "a/b+c" not in answer.out


def test_a_folder_that_takes_no_files_is_told_with_its_place(healthy: Shell, tmp_path: Path) -> None:
    assert findings(healthy("check", "--json"))["files"]["state"] == "ok"
    (tmp_path / "media").write_text("a file stands in the way")
    told = findings(healthy("check", "--json", KNOPKA_FILES=str(tmp_path / "media")))["files"]
    assert (told["state"], str(tmp_path / "media") in told["fix"]) == ("fault", True)


def test_S_SEC_05_an_address_of_a_bucket_that_cannot_be_read_is_not_repeated(healthy: Shell) -> None:
    answer = healthy("check", "--json", KNOPKA_FILES="s3://KEY:TOPSECRET@s3.example.com")
    assert "TOPSECRET" not in answer.out
    assert answer.code == 1


def test_every_setting_at_fault_is_told_at_once(shell: Shell) -> None:
    answer = shell("check", "--json", KNOPKA_PORT="high", KNOPKA_HOTS="x")
    told = [
        finding["message"] for finding in json.loads(answer.out)["findings"] if finding["state"] == "fault"
    ]
    assert answer.code == 1
    assert any("KNOPKA_PORT" in message and "'high'" in message for message in told)
    assert any("KNOPKA_HOTS" in message for message in told)


@pytest.mark.parametrize(
    ("settings", "name", "state"),
    [
        ({"KNOPKA_BASE_URL": ""}, "base URL", "fault"),
        ({"KNOPKA_BASE_URL": "http://chat.shop.example"}, "base URL", "warning"),
        ({"KNOPKA_BASE_URL": "http://127.0.0.1:8000"}, "base URL", "ok"),
        ({"KNOPKA_INBOX_URL": ""}, "inbox host", "warning"),
        ({"KNOPKA_INBOX_URL": "https://chat.shop.example"}, "inbox host", "warning"),
        ({"KNOPKA_INBOX_URL": "http://inbox.shop.example"}, "inbox host", "warning"),
        ({"KNOPKA_TRUSTED_PROXIES": ""}, "proxy", "warning"),
        ({"KNOPKA_TRUSTED_PROXIES": "0.0.0.0/0"}, "proxy", "fault"),
        ({"KNOPKA_TRUSTED_PROXIES": "", "KNOPKA_BASE_URL": "http://127.0.0.1:8000"}, "proxy", "ok"),
        ({"KNOPKA_LIMITS": "/nowhere.toml"}, "limits", "fault"),
        ({"KNOPKA_DATABASE_URL": "sqlite:////nowhere/knopka.db"}, "store", "fault"),
        ({"KNOPKA_DATABASE_URL": "sqlite:///knopka.db?synchronous=off"}, "store", "fault"),
        ({"KNOPKA_DATABASE_URL": "postgresql://127.0.0.1:1/none"}, "store", "fault"),
    ],
)
def test_each_setting_is_judged(healthy: Shell, settings: dict[str, str], name: str, state: str) -> None:
    answer = healthy("check", "--json", **settings)
    assert findings(answer)[name]["state"] == state
    assert answer.code == (1 if state == "fault" else 0)


def test_missing_browser_code_is_a_fault(healthy: Shell, built: Path) -> None:
    (built / "widget" / "button.js").unlink()
    finding = findings(healthy("check", "--json"))["browser code"]
    assert finding["state"] == "fault"
    assert "widget/button.js" in finding["message"]


def test_no_store_names_the_command_that_makes_it(bare: Shell) -> None:
    assert findings(bare("check", "--json"))["store"]["fix"] == "knopka migrate"


def test_nobody_to_answer_is_a_fault(shell: Shell) -> None:
    finding = findings(shell("check", "--json"))["operators"]
    assert (finding["state"], finding["fix"]) == ("fault", "knopka operator add LOGIN")


def test_no_button_is_a_warning(shell: Shell) -> None:
    assert findings(shell("check", "--json"))["buttons"]["state"] == "warning"


def test_an_imported_button_is_warned_of(healthy: Shell) -> None:
    healthy("button", "import", "--origin", "https://shop.example", stdin=SNIPPET)
    finding = findings(healthy("check", "--json"))["button 10211"]
    assert finding["state"] == "warning"
    assert "identity is plain" in finding["message"]


def test_a_key_that_others_may_read_is_a_fault(healthy: Shell) -> None:
    key = healthy.data_dir / "secret.key"
    key.write_text("0" * 64)
    key.chmod(0o644)
    finding = findings(healthy("check", "--json"))["secret key"]
    assert finding["state"] == "fault"
    assert finding["fix"] == f"chmod 600 {key}"


def test_a_folder_that_others_may_look_into_is_a_warning(healthy: Shell) -> None:
    healthy.data_dir.chmod(0o755)
    assert findings(healthy("check", "--json"))["data directory"]["state"] == "warning"


@pytest.mark.parametrize(
    ("free", "state"), [(10 * 1024**3, "ok"), (500 * 1024**2, "warning"), (1024, "fault")]
)
def test_little_room_on_the_disk_is_told(
    healthy: Shell, monkeypatch: pytest.MonkeyPatch, free: int, state: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(2**40, 2**40 - free, free))
    assert findings(healthy("check", "--json"))["disk"]["state"] == state


def test_a_clock_behind_the_store_is_a_fault(healthy: Shell) -> None:
    os.utime(healthy.store, (2**32, 2**32))
    assert findings(healthy("check", "--json"))["clock"]["state"] == "fault"


def test_postgresql_is_judged_too(postgres_url: str, tmp_path: Path) -> None:
    shell = Shell({**LOCAL, "KNOPKA_DATA_DIR": str(tmp_path / "data"), "KNOPKA_DATABASE_URL": postgres_url})
    assert shell("migrate").code == 0
    found = findings(shell("check", "--json", PATH=str(tmp_path)))
    assert (found["store"]["state"], found["database clock"]["state"]) == ("ok", "ok")
    assert (found["backup"]["state"], found["backup"]["fix"]) == (
        "warning",
        "apt-get install postgresql-client",
    )


def test_people_are_told_as_well(shell: Shell) -> None:
    answer = shell("check")
    assert answer.code == 1
    assert "knopka operator add LOGIN" in answer.out
    assert "to mend" in answer.out


def test_a_broken_channel_is_found_with_its_fix(healthy: Shell) -> None:
    nobody = {"KNOPKA_TELEGRAM_API": "http://127.0.0.1:9"}
    healthy("channel", "add", "telegram", "--token", TOKEN, "--json", **nobody)
    found = {one["name"]: one for one in json.loads(healthy("check", "--json").out)["findings"]}
    assert found["channel 1"]["state"] == "fault"
    assert found["channel 1"]["message"] == "Telegram: The platform gives no answer."
    assert "knopka looks again by itself" in found["channel 1"]["fix"]


def test_S_SEC_01_secrets_sealed_with_another_key_are_found(healthy: Shell) -> None:
    nobody = {"KNOPKA_TELEGRAM_API": "http://127.0.0.1:9"}
    healthy("channel", "add", "telegram", "--token", TOKEN, "--json", **nobody)
    other = {"KNOPKA_SECRET_KEY": "f3b1c5d7" * 8}
    found = findings(healthy("check", "--json", **other))
    assert found["channel 1"]["state"] == "fault"
    assert "KNOPKA_SECRET_KEY is not the one" in found["channel 1"]["message"]
    assert "knopka channel change telegram 1" in found["channel 1"]["fix"]
    assert TOKEN not in healthy("channel", "list", "--json", **nobody).out


def test_S_SEC_01_an_earlier_key_is_told_as_needed_until_a_start_has_sealed_anew(healthy: Shell) -> None:
    nobody = {"KNOPKA_TELEGRAM_API": "http://127.0.0.1:9"}
    healthy("channel", "add", "telegram", "--token", TOKEN, "--json", **nobody)
    key = (healthy.data_dir / "secret.key").read_text()
    moved = Shell(
        {**healthy.environment, "KNOPKA_SECRET_KEY": "f3b1c5d7" * 8, "KNOPKA_SECRET_KEY_OLD": key, **nobody}
    )
    found = findings(moved("check", "--json"))
    assert found["channel 1"]["message"] == "Telegram: The platform gives no answer."
    assert found["earlier keys"]["state"] == "warning"
    asyncio.run(set_up(Settings.from_env(moved.environment), BASE_URL, demo=False))
    found = findings(moved("check", "--json"))
    assert found["earlier keys"]["state"] == "ok"
    assert "remove it" in found["earlier keys"]["message"]
    del moved.environment["KNOPKA_SECRET_KEY_OLD"]
    assert findings(moved("check", "--json"))["channel 1"] == found["channel 1"]
