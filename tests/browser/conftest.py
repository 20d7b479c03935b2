"""The browser of every test in this folder; for the button's, our server's stand-in and a customer's site."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Playwright

from knopka.domain.snippet import render_snippet
from tests.browser.site import Site
from tests.browser.stand_in import BUTTON, HASH, StandIn, serve

FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SYSTEM_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WATCH_POLICY = """
window.reports = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.reports.push(`${event.violatedDirective} ${event.blockedURI}`));
"""


@pytest.fixture(scope="session")
def base_url() -> None:
    """pytest-base-url's own fixture is of a kind that pytest gives up; no test here uses it."""


@pytest.fixture(scope="session")
def browser_type_launch_args(
    browser_type_launch_args: dict[str, Any], playwright: Playwright
) -> dict[str, Any]:
    """The named browser, else the system's, else the one that Playwright has fetched itself."""
    found = os.environ.get("KNOPKA_CHROMIUM") or next(filter(None, map(shutil.which, SYSTEM_BROWSERS)), None)
    if found is None and not Path(playwright.chromium.executable_path).exists():
        pytest.exit(
            "The browser tests need a Chromium and none was found. Install one:\n"
            "    apt-get install chromium      (as root)\n"
            "    playwright install chromium   (for yourself)",
            returncode=2,
        )
    sandbox = ("--no-sandbox",) if os.geteuid() == 0 or "CI" in os.environ else ()
    named = {"executable_path": found} if found else {}
    return {**browser_type_launch_args, **named, "args": [*FLAGS, *sandbox]}


@pytest.fixture
def server() -> Iterator[StandIn]:
    stand_in = StandIn()
    # The same site as the customer's for the browser, another origin: the frame may keep its own storage.
    with serve(stand_in, "localhost") as url:
        stand_in.url = url
        yield stand_in


@pytest.fixture
def site(server: StandIn, page: Page) -> Iterator[Site]:
    """The customer's site, on the button's list."""
    page.set_default_timeout(10_000)
    page.context.add_init_script(WATCH_POLICY)
    made = Site()
    with serve(made, "localhost") as url:
        made.url = url
        server.origins = [url]
        yield made


@pytest.fixture
def snippet(server: StandIn) -> str:
    """What the site's owner was given to paste, to the letter."""
    return render_snippet(server.url, BUTTON, HASH, "ru", inline=False)


@pytest.fixture
def faults(page: Page) -> list[str]:
    """What went wrong on the page: thrown errors, and lines that we wrote on its console."""
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("console", lambda message: found.append(message.text) if "knopka" in message.text else None)
    return found
