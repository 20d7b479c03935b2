"""What the environment can say, and what of it is refused."""

from __future__ import annotations

from dataclasses import fields
from ipaddress import ip_network
from pathlib import Path

import pytest

from knopka.domain.errors import InvalidInput
from knopka.settings import PARSERS, SECRETS, Settings

APIS = ("TELEGRAM", "GRAPH", "VIBER", "VK", "AMOCRM")
KEY = "8f3b1c0a9d7e6254" * 2


def faults_of(environ: dict[str, str]) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        Settings.from_env(environ)
    return {fault.path: fault.message for fault in caught.value.faults}


def test_nothing_set_is_a_server_on_loopback_with_sqlite_in_its_folder() -> None:
    settings = Settings.from_env({"PATH": "/bin"})
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.store_url == "sqlite:///knopka-data/knopka.db"


def test_every_setting_has_a_field_and_a_parser() -> None:
    assert {name.lower() for name in PARSERS} == {field.name for field in fields(Settings)}


def test_every_setting_is_explained_under_its_own_heading() -> None:
    text = (Path(__file__).parents[2] / "docs/settings.md").read_text()
    headings = {line.removeprefix("## ") for line in text.splitlines() if line.startswith("## KNOPKA_")}
    assert headings == {f"KNOPKA_{name}" for name in PARSERS}


def test_every_secret_that_can_come_from_a_file_is_named_in_the_docs() -> None:
    text = (Path(__file__).parents[2] / "docs/settings.md").read_text()
    assert all(f"KNOPKA_{name}_FILE" in text for name in SECRETS)


def test_values_are_read_with_their_types() -> None:
    settings = Settings.from_env(
        {
            "KNOPKA_PORT": "0",
            "KNOPKA_BASE_URL": "https://Chat.Example.com:443/",
            "KNOPKA_TRUSTED_PROXIES": "10.0.0.0/8, ::1",
            "KNOPKA_LIMITS": "limits.toml",
            "KNOPKA_LOG_LEVEL": "WARNING",
        }
    )
    assert settings.port == 0
    assert settings.base_url == "https://chat.example.com"
    assert settings.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1"))
    assert settings.limits == Path("limits.toml")
    assert settings.log_level == "warning"


def test_all_faults_are_told_at_once() -> None:
    faults = faults_of({"KNOPKA_PORT": "http", "KNOPKA_BASE_URL": "chat.example.com", "KNOPKA_PROT": "1"})
    assert set(faults) == {"KNOPKA_PORT", "KNOPKA_BASE_URL", "KNOPKA_PROT"}
    assert "'http'" in faults["KNOPKA_PORT"]
    assert "0 to 65535" in faults["KNOPKA_PORT"]


@pytest.mark.parametrize("name", ["KNOPKA_CHROMIUM", "KNOPKA_TEST_SEED", "KNOPKA_BUILD_SKIP"])
def test_names_of_the_build_and_the_tests_are_left_alone(name: str) -> None:
    assert Settings.from_env({name: "1"}) == Settings()


@pytest.mark.parametrize("name", ["KNOPKA_CHROMIUM_PATH", "KNOPKA_TESTS", "KNOPKA_PORT_FILE"])
def test_a_name_that_is_only_like_a_known_one_is_refused(name: str) -> None:
    assert set(faults_of({name: "1"})) == {name}


def test_a_secret_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    assert Settings.from_env({"KNOPKA_SECRET_KEY_FILE": str(tmp_path / "key")}).secret_key == KEY


def test_a_secret_given_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    given = {"KNOPKA_SECRET_KEY_FILE": str(tmp_path / "key"), "KNOPKA_SECRET_KEY": KEY}
    assert "twice" in faults_of(given)["KNOPKA_SECRET_KEY"]


def test_a_file_that_cannot_be_read_is_a_fault_of_its_setting() -> None:
    assert "cannot be read" in faults_of({"KNOPKA_SECRET_KEY_FILE": "/nowhere"})["KNOPKA_SECRET_KEY"]


@pytest.mark.parametrize("key", ["short", "a" * 64, "change-me-change-me-change-me-0123456789"])
def test_S_SEC_04_a_short_or_sample_key_is_refused(key: str) -> None:
    assert "KNOPKA_SECRET_KEY" in faults_of({"KNOPKA_SECRET_KEY": key})


def test_S_SEC_01_earlier_keys_are_a_list_and_each_is_judged() -> None:
    other = "0a1b2c3d4e5f6789" * 2
    given = Settings.from_env({"KNOPKA_SECRET_KEY_OLD": f"{KEY}, {other},"})
    assert given.secret_key_old == (KEY, other)
    assert "at least 32" in faults_of({"KNOPKA_SECRET_KEY_OLD": f"{KEY},short"})["KNOPKA_SECRET_KEY_OLD"]


def test_S_SEC_01_earlier_keys_are_read_from_a_file_too(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"{KEY}\n")
    given = Settings.from_env({"KNOPKA_SECRET_KEY_OLD_FILE": str(tmp_path / "keys")})
    assert given.secret_key_old == (KEY,)


def test_S_SEC_05_a_repr_of_the_settings_tells_no_secret() -> None:
    word = "7d3fcanary9e1b5a"
    given = {
        "DATABASE_URL": f"postgresql://knopka:{word}@db.example/knopka",
        "SECRET_KEY": f"{word}{KEY}",
        "SECRET_KEY_OLD": f"{KEY}{word}",
        "BUS_URL": f"nats://knopka:{word}@bus.example",
        "SMTP_URL": f"smtp://knopka:{word}@mail.example",
        "FILES": f"s3://id:{word}@files.example/bucket",
        **{f"{name}_API": f"https://knopka:{word}@api.example" for name in APIS},
    }
    settings = Settings.from_env({f"KNOPKA_{name}": value for name, value in given.items()})
    assert all(word in str(getattr(settings, name.lower())) for name in given)
    assert word not in f"{settings!r} {settings}"
    assert set(given) >= SECRETS


@pytest.mark.parametrize(
    "url",
    [
        "ftp://chat.example.com",
        "https://",
        "https://a.example/chat",
        "https://user@a.example",
        "https://a.example?x",
    ],
)
def test_only_an_origin_is_a_base_url(url: str) -> None:
    assert "KNOPKA_BASE_URL" in faults_of({"KNOPKA_BASE_URL": url})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://x"),
        ("TRUSTED_PROXIES", "all"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("LOG_LEVEL", "loud"),
        ("BUS_URL", "redis://x"),
        ("SMTP_URL", "mail.example.com"),
        ("GRAPH_API", "graph.example.com"),
        ("PORT", "65536"),
        ("PORT", "٣"),
    ],
)
def test_a_wrong_value_is_refused_by_name(name: str, value: str) -> None:
    assert set(faults_of({f"KNOPKA_{name}": value})) == {f"KNOPKA_{name}"}
