"""Waiting for what a script can see, under any policy: Playwright's wait_for_function needs eval."""

from __future__ import annotations

from playwright.sync_api import Frame, Page


def until(world: Page | Frame, is_so: str) -> None:
    """Return once the expression is true there; the test's own time limit ends a vain wait."""
    world.evaluate(
        f"""() => new Promise((done) => {{
          const look = () => (({is_so}) ? done() : setTimeout(look, 20));
          look();
        }})"""
    )
