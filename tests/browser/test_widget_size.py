"""What the browser code weighs, against the budgets that it was promised under."""

from __future__ import annotations

import gzip
import json
import re
from fnmatch import fnmatch
from pathlib import Path

import brotli
import pytest

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "src/knopka/web/static"
BUDGETS: dict[str, dict[str, int]] = json.loads((ROOT / "frontend/size-budget.json").read_text())
MANIFEST: dict[str, dict[str, str]] = json.loads((STATIC / "manifest.json").read_text())


def weigh(paths: list[Path]) -> dict[str, int]:
    contents = [path.read_bytes() for path in paths]
    return {
        "brotli": sum(len(brotli.compress(one, quality=11)) for one in contents),
        "gzip": sum(len(gzip.compress(one, 9)) for one in contents),
    }


def first_load() -> list[Path]:
    """What the inbox's page names: its script, what that needs at once, its styles."""
    page = (STATIC / "inbox/index.html").read_text()
    named = re.findall(r'(?:src|href)="/inbox/assets/([^"]+\.(?:js|css))"', page)
    assert named
    return [STATIC / "inbox/assets" / name for name in named]


def cases() -> list[tuple[str, str, list[Path]]]:
    found = [
        (name, budget, [STATIC / entry["file"]])
        for name, entry in MANIFEST.items()
        for budget in BUDGETS
        if fnmatch(name, budget)
    ]
    chunks = sorted(set((STATIC / "inbox/assets").glob("*.js")) - set(first_load()))
    return [
        *found,
        ("inbox first load", "inbox first load", first_load()),
        *((path.name, "inbox chunk", [path]) for path in chunks),
    ]


CASES = cases()


@pytest.mark.parametrize(("name", "budget", "paths"), CASES, ids=[name for name, _, _ in CASES])
def test_no_file_outgrows_its_budget(name: str, budget: str, paths: list[Path]) -> None:
    weight = weigh(paths)
    assert {kind: weight[kind] for kind, most in BUDGETS[budget].items() if weight[kind] > most} == {}


def test_every_part_of_the_button_has_a_budget() -> None:
    without = [
        name
        for name, entry in MANIFEST.items()
        if entry["file"].startswith("widget/") and not any(fnmatch(name, budget) for budget in BUDGETS)
    ]
    assert without == []


def test_compressed_copies_say_the_same() -> None:
    for entry in MANIFEST.values():
        path = STATIC / entry["file"]
        if path.suffix in (".js", ".css", ".html"):
            assert brotli.decompress(Path(f"{path}.br").read_bytes()) == path.read_bytes()
            assert gzip.decompress(Path(f"{path}.gz").read_bytes()) == path.read_bytes()
