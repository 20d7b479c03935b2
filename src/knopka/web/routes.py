"""Every URL of the product, in one table."""

from __future__ import annotations

from collections.abc import Sequence

from litestar import Router
from litestar.types import ControllerRouterHandler

from knopka.web import auth, demo, health, inbox_live, inbox_page, static_files
from knopka.web.guard import operators_only

PUBLIC: Sequence[ControllerRouterHandler] = (
    # Sites and their pages
    static_files.get_loader,
    static_files.get_release,
    static_files.get_widget_file,
    # Whoever runs the server
    health.get_health,
    health.get_readiness,
    health.get_metrics,
    health.post_policy_report,
)
"""What visitors and the server's own keeper call."""

OPERATORS: Sequence[ControllerRouterHandler] = (
    # Pages without JavaScript
    auth.get_sign_in,
    auth.post_sign_in,
    auth.post_sign_out,
    auth.get_setup,
    auth.post_setup,
    auth.get_style,
    # The inbox
    inbox_page.get_page,
    inbox_page.get_asset,
    Router("/inbox/api", route_handlers=[inbox_live.get_live], guards=[operators_only]),
)
"""What operators call, all under /inbox."""

DEMO: Sequence[ControllerRouterHandler] = (
    demo.get_demo,
    demo.get_demo_file,
    demo.get_clock,
    demo.post_clock,
)
"""What `knopka demo` alone has."""
