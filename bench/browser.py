"""The system's Chromium under Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

from tests.browser.conftest import FLAGS, SYSTEM_BROWSERS


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The named browser, else the system's, else the one that Playwright has fetched itself."""
    found = os.environ.get("KNOPKA_CHROMIUM") or next(filter(None, map(shutil.which, SYSTEM_BROWSERS)), None)
    sandbox = ("--no-sandbox",) if os.geteuid() == 0 or "CI" in os.environ else ()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=[*FLAGS, *sandbox])
        try:
            yield browser
        finally:
            await browser.close()
