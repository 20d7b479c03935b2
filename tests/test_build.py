"""The build hook: when it builds, and that it never ships a gap."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from hatch_build import BrowserCode

NAMES = (
    "widget/button.js",
    "widget/chat-1.js",
    "widget/chat-1.css",
    "inbox/index.html",
    "inbox/assets/index-1.js",
)


@pytest.fixture
def browser_code(tmp_path: Path) -> BrowserCode:
    """A tree as it stands after a build."""
    code = BrowserCode(tmp_path)
    (code.sources / "widget").mkdir(parents=True)
    (code.sources / "widget" / "main.ts").write_text("export {}")
    (code.sources / "node_modules").mkdir()
    for name in NAMES:
        path = code.static / name
        path.parent.mkdir(parents=True, exist_ok=True)
        for ending in ("", ".br", ".gz"):
            path.with_name(path.name + ending).write_text("built")
    manifest = {"button.js": {"file": "widget/button.js"}, "chat.js": {"file": "widget/chat-1.js"}}
    (code.static / "manifest.json").write_text(json.dumps(manifest))
    code.mark.write_text(code.fingerprint())
    return code


def test_what_is_built_from_these_sources_is_not_built_again(browser_code: BrowserCode) -> None:
    assert browser_code.is_current()


def test_installed_packages_are_no_sources(browser_code: BrowserCode) -> None:
    (browser_code.sources / "node_modules" / "some.js").write_text("theirs")
    assert browser_code.is_current()


CHANGES: Mapping[str, Callable[[Path], object]] = {
    "edit": lambda source: source.write_text("export { }"),
    "add": lambda source: source.with_name("more.ts").write_text(""),
    "remove": lambda source: source.unlink(),
    "rename": lambda source: source.rename(source.with_name("other.ts")),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_any_change_of_the_sources_asks_for_a_build(
    browser_code: BrowserCode, change: Callable[[Path], object]
) -> None:
    change(browser_code.sources / "widget" / "main.ts")
    assert not browser_code.is_current()


@pytest.mark.parametrize(
    "name",
    [
        "manifest.json",
        "widget/button.js",
        "widget/chat-1.js",
        "widget/chat-1.js.br",
        "inbox/index.html",
        "inbox/assets/index-1.js.gz",
    ],
)
def test_a_missing_file_is_noticed(browser_code: BrowserCode, name: str) -> None:
    (browser_code.static / name).unlink()
    assert not browser_code.is_current()
    assert name in browser_code.missing()


def test_a_build_that_leaves_a_gap_fails(browser_code: BrowserCode, monkeypatch: pytest.MonkeyPatch) -> None:
    (browser_code.static / "widget" / "button.js.br").unlink()
    browser_code.mark.unlink()
    monkeypatch.setattr(BrowserCode, "install_packages", lambda _: None)
    monkeypatch.setattr(BrowserCode, "npm", lambda _, *arguments: None)
    with pytest.raises(SystemExit, match=r"widget/button\.js\.br"):
        browser_code.build()
    assert not browser_code.mark.exists()
