"""What must stay true of the whole house: its contracts, its locks, and docs that tell everything."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
import pytest
from litestar import Litestar

from knopka import __version__
from knopka.cli import main
from knopka.domain import errors, wording
from knopka.domain.verdicts import Verdict
from knopka.settings import PARSERS, SECRETS
from knopka.web.errors import STATUSES
from knopka.web.limits import Limits, Rate
from knopka.web.routes import DEMO, OPERATORS, PUBLIC

ROOT = Path(__file__).parent.parent
SOURCES = ROOT / "src" / "knopka"
MOST_PACKAGES = 55
LOADED_BY_NAME = {
    "httptools": "uvicorn's parser",
    "uvloop": "uvicorn's event loop",
    "websockets": "uvicorn's sockets",
}
"""Runtime packages that another package loads, so that nothing of ours imports them."""
IMPORTED_AS = {
    "argon2-cffi": "argon2",
    "pillow": "PIL",
    "prometheus-client": "prometheus_client",
    "email-validator": "email_validator",
    "google-re2": "re2",
    "pyyaml": "yaml",
}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def headings(name: str) -> set[str]:
    return set(re.findall(r"^#+ (.+)$", read(name), re.MULTILINE))


def code_words(name: str) -> set[str]:
    """Everything that stands in `code` on a page."""
    return set(re.findall(r"`([^`\n]+)`", read(name)))


def test_imports_run_one_way() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_setting_has_its_heading_and_no_other() -> None:
    named = {heading for heading in headings("docs/settings.md") if heading.startswith("KNOPKA_")}
    assert named == {f"KNOPKA_{name}" for name in PARSERS}


def test_every_setting_with_a_secret_is_named_with_its_file() -> None:
    assert {f"KNOPKA_{name}_FILE" for name in SECRETS} <= code_words("docs/settings.md")


def told_addresses() -> set[str]:
    """Each as `GET /path`, from the first column of the tables of docs/api.md."""
    told = set()
    for cell in re.findall(
        r"^\| ((?:GET|POST|PATCH|DELETE|WS)\b[^|]*) \|", read("docs/api.md"), re.MULTILINE
    ):
        for methods, path in re.findall(r"([A-Z, ]+?) `([^`]+)`", cell):
            told |= {f"{method} {path}" for method in re.findall("[A-Z]+", methods)}
    return told


def test_every_address_is_told_and_no_other() -> None:
    """HEAD goes with GET, and OPTIONS is the browser's own question."""
    app = Litestar(route_handlers=[*PUBLIC, *OPERATORS, *DEMO], openapi_config=None)
    ours = set()
    for route in app.routes:
        path = re.sub(r"\{(\w+)\}", r"<\1>", route.path_format).replace(f"/v{__version__}/", "/v<release>/")
        methods = set(getattr(route, "methods", ())) or {"WS"}
        ours |= {f"{method} {path}" for method in methods - {"HEAD", "OPTIONS"}}
    assert told_addresses() == ours


def test_every_error_code_is_told() -> None:
    """Those that reach a caller: the others are the command line's."""
    codes = {kind.code for kind in STATUSES} | {"internal", "bad_request", "method_not_allowed"}
    assert codes <= code_words("docs/api.md")


def test_every_error_that_can_reach_a_caller_has_its_status() -> None:
    known = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.KnopkaError)
    }
    ours = (errors.DeliveryError, errors.WebhookError)  # for the worker and for web/webhooks.py
    elsewhere = {kind for kind in known if issubclass(kind, ours)}
    assert known - {errors.KnopkaError} - elsewhere == set(STATUSES)


def test_every_verdict_is_explained() -> None:
    assert {verdict.value for verdict in Verdict} <= code_words("docs/button.md")


def test_every_reason_is_told_with_its_sentence() -> None:
    pages = read("docs/button.md") + read("docs/commands.md")
    told = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|$", pages, re.MULTILINE))
    assert {code: told.get(code) for code in wording.SENTENCES} == {
        code: english for code, (english, _) in wording.SENTENCES.items()
    }


def test_every_limit_is_told_with_its_value() -> None:
    told = dict(re.findall(r'^    (\w+) = "?([^"\n]+)"?$', read("docs/operations.md"), re.MULTILINE))
    assert set(told) == {field.name for field in fields(Limits)}
    for name, text in told.items():
        value = getattr(Limits(), name)
        assert (Rate.parse(text) if isinstance(value, Rate) else int(text)) == value, name


def commands(group: click.Group, before: str) -> Iterator[str]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{before} {name}")
        else:
            yield f"{before} {name}"


def leaves(group: click.Group) -> Iterator[click.Command]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from leaves(command)
        else:
            yield command


def test_every_command_has_its_heading() -> None:
    named = {heading for heading in headings("docs/commands.md") if heading.startswith("knopka ")}
    assert named == set(commands(main, "knopka"))


def test_every_command_takes_json() -> None:
    for command in leaves(main):
        assert "--json" in {name for option in command.params for name in option.opts}, command.name


def runtime_dependencies() -> set[str]:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    return {re.split(r"[\[<>=~; ]", text)[0] for text in project["dependencies"]}


def test_every_dependency_has_its_reason_and_no_other_has() -> None:
    told = set(re.findall(r"^\| ([a-z0-9-]+) \|", read("docs/dependencies.md"), re.MULTILINE))
    assert told == runtime_dependencies()


def imported_packages() -> set[str]:
    found = set()
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                found.add(node.module.split(".")[0])
    return found


def test_every_dependency_is_used() -> None:
    names = {IMPORTED_AS.get(name, name) for name in runtime_dependencies() - set(LOADED_BY_NAME)}
    assert names - imported_packages() == set()


def test_everything_that_is_imported_is_a_dependency() -> None:
    ours = {IMPORTED_AS.get(name, name) for name in runtime_dependencies()}
    assert imported_packages() - ours - set(sys.stdlib_module_names) - {"knopka"} == set()


def test_runtime_packages_stay_few() -> None:
    names = set(re.findall(r"^([a-z0-9][a-z0-9._-]*)==", read("requirements.lock"), re.MULTILINE))
    assert len(names) <= MOST_PACKAGES


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-build.lock", "requirements-test.lock"])
def test_locks_hold_hashes_and_no_address(lock: str) -> None:
    text = read(lock)
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert entries
    assert all("--hash=sha256:" in entry for entry in entries)
    assert re.search(r"://|--index-url|--find-links|file:", text) is None


def test_the_lock_of_the_browser_code_holds_no_address() -> None:
    assert '"resolved"' not in read("frontend/package-lock.json")


def test_the_browser_code_that_runs_for_visitors_has_no_dependency() -> None:
    """The widget is ours alone; a bare import would bundle somebody else's code into other people's pages."""
    foreign = [
        (path.name, name)
        for path in (ROOT / "frontend" / "widget" / "src").rglob("*.ts")
        for name in re.findall(
            r'^\s*(?:import|export)\b[^"\n]*from "([^".][^"]*)"', path.read_text(), re.MULTILINE
        )
    ]
    assert foreign == []


def test_every_security_rule_that_is_named_is_told() -> None:
    files = [*SOURCES.rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    named = re.compile(r"(?<![A-Za-z])(?:S[-_][A-Z]{2,4}|D)[-_]\d\d(?!\d)")
    ids = {
        found.replace("_", "-") for file in files for found in named.findall(file.read_text(encoding="utf-8"))
    }
    assert ids - code_words("docs/security-rules.md") == set()


def test_links_between_the_pages_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    broken = []
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if not (page.parent / target).exists():
                broken.append((page.name, target))
    assert broken == []
