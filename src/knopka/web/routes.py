"""Every URL of the product, in one table."""

from __future__ import annotations

from collections.abc import Sequence

from litestar import Router
from litestar.types import ControllerRouterHandler

from knopka.web import (
    auth,
    bot_play,
    bots,
    channels,
    chat,
    config,
    demo,
    files,
    health,
    inbox,
    inbox_live,
    inbox_page,
    links,
    meta,
    salesbot,
    static_files,
    webhooks,
)
from knopka.web.guard import operators_only

PUBLIC: Sequence[ControllerRouterHandler] = (
    # Sites and their pages
    static_files.get_loader,
    static_files.get_release,
    static_files.get_widget_file,
    # The framework answers OPTIONS by itself unless it meets our own answer first
    config.preflight_config,
    config.get_config,
    meta.preflight_meta,
    meta.post_meta,
    meta.post_verdicts,
    links.preflight_links,
    links.post_link,
    links.post_qr,
    # The messengers' platforms
    webhooks.post_update,
    webhooks.get_challenge,
    # The chat's frame
    chat.get_frame,
    chat.post_token,
    chat.post_open,
    chat.post_message,
    chat.get_messages,
    chat.post_seen,
    chat.get_live,
    # Integrations
    salesbot.integrations,
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
    Router(
        "/inbox/api",
        guards=[operators_only],  # S-AC-06: one policy before every address of the inbox
        route_handlers=[
            inbox.get_me,
            inbox.get_conversations,
            inbox.get_changes,
            inbox.get_conversation,
            inbox.get_messages,
            inbox.post_message,
            inbox.post_resend,
            inbox.post_typing,
            inbox.post_read,
            inbox.post_close,
            inbox.post_reopen,
            inbox.get_lead,
            inbox.patch_lead,
            inbox.post_note,
            inbox.get_unsorted,
            inbox.post_accept,
            inbox.post_decline,
            inbox.get_pipelines,
            files.get_file,
            files.get_avatar,
            channels.get_channels,
            channels.post_channel,
            channels.patch_channel,
            channels.post_check,
            channels.post_test,
            channels.delete_channel,
            bots.get_bots,
            bots.post_bot,
            bots.post_check,
            bot_play.post_play,
            bots.get_bot,
            bots.patch_bot,
            bots.delete_bot,
            bots.get_versions,
            bots.post_version,
            bots.get_version,
            bots.post_publish,
            bots.post_roll_back,
            bots.get_runs,
            bots.get_run,
            bots.post_conversation_bot,
            bots.post_conversation_stop,
            inbox_live.get_live,
        ],
    ),
)
"""What operators call, all under /inbox."""

DEMO: Sequence[ControllerRouterHandler] = (
    demo.get_demo,
    demo.get_demo_file,
    demo.get_clock,
    demo.post_clock,
)
"""What `knopka demo` alone has."""
