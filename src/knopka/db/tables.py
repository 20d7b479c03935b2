"""The tables, once. `account_id` stands in each, and no query crosses it.

Times are whole milliseconds since 1970 in UTC, JSON is text: both stores then
take and give the same plain values, and statements run through the bare driver.
`sqlite_autoincrement` stands where an id is known outside its table: such an id
is never given to another row, even after the first is gone.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeEngine

metadata = MetaData()

Big: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite counts rows up only in a column declared INTEGER."""

_WITHOUT_CARD = "visitor_id IS NULL AND contact_id IS NULL AND lead_id IS NULL"
"""Visits that nobody has written in from: they alone are deleted, and found, by their age."""


def _id() -> Column[int]:
    return Column("id", Big, primary_key=True, autoincrement=True)


def _account() -> Column[int]:
    return Column("account_id", Big, nullable=False)


def _needed(name: str, kind: TypeEngine[Any] | type[TypeEngine[Any]] = Text) -> Column[Any]:
    return Column(name, kind, nullable=False)


accounts = Table(
    "accounts",
    metadata,
    Column("account_id", Big, primary_key=True, autoincrement=False),
    _needed("name"),
    _needed("locale"),
    _needed("timezone"),
    _needed("currency"),
    _needed("created_at", Big),
)

counters = Table(
    "counters",
    metadata,
    _account(),
    _needed("name"),
    _needed("value", Big),
    PrimaryKeyConstraint("account_id", "name"),
)

pipelines = Table(
    "pipelines",
    metadata,
    _account(),
    _needed("id", Big),
    _needed("name"),
    _needed("sort", Integer),
    _needed("is_main", Boolean),
    PrimaryKeyConstraint("account_id", "id"),
)

statuses = Table(
    "statuses",
    metadata,
    _account(),
    _needed("pipeline_id", Big),
    _needed("id", Big),
    _needed("name"),
    _needed("sort", Integer),
    _needed("color"),
    _needed("type", Integer),
    PrimaryKeyConstraint("account_id", "pipeline_id", "id"),
    ForeignKeyConstraint(["account_id", "pipeline_id"], ["pipelines.account_id", "pipelines.id"]),
)

custom_fields = Table(
    "custom_fields",
    metadata,
    _account(),
    _needed("id", Big),
    _needed("entity"),
    _needed("type"),
    _needed("name"),
    Column("code", Text),
    _needed("sort", Integer),
    Column("currency", Text),
    _needed("is_computed", Boolean),
    _needed("is_page_writable", Boolean),
    PrimaryKeyConstraint("account_id", "id"),
    UniqueConstraint("account_id", "entity", "code"),
)

field_options = Table(
    "field_options",
    metadata,
    _account(),
    _needed("field_id", Big),
    _needed("id", Big),
    _needed("value"),
    Column("code", Text),
    _needed("sort", Integer),
    PrimaryKeyConstraint("account_id", "field_id", "id"),
    ForeignKeyConstraint(["account_id", "field_id"], ["custom_fields.account_id", "custom_fields.id"]),
)

sources = Table(
    "sources",
    metadata,
    _id(),
    _account(),
    _needed("public_id"),
    _needed("hash"),
    _needed("name"),
    _needed("locale"),
    _needed("inline", Boolean),
    _needed("color"),
    _needed("origins"),
    _needed("identity"),
    _needed("window_mode"),
    _needed("pipeline_id", Big),
    _needed("is_enabled", Boolean),
    _needed("settings"),
    _needed("created_at", Big),
    _needed("changed_at", Big),
    UniqueConstraint("public_id"),
    sqlite_autoincrement=True,
)

contacts = Table(
    "contacts",
    metadata,
    _id(),
    _account(),
    _needed("name"),
    _needed("name_origin"),
    _needed("created_at", Big),
    _needed("updated_at", Big),
    Column("avatar", Text),
    Column("responsible_user_id", Big),
    Index("contacts_by_account", "account_id", "id"),
    sqlite_autoincrement=True,
)

leads = Table(
    "leads",
    metadata,
    _id(),
    _account(),
    _needed("contact_id", Big),
    _needed("source_id", Big),
    _needed("name"),
    _needed("name_origin"),
    _needed("price", Big),
    _needed("pipeline_id", Big),
    _needed("status_id", Big),
    _needed("created_at", Big),
    _needed("updated_at", Big),
    Column("closed_at", Big),
    Column("responsible_user_id", Big),
    ForeignKeyConstraint(["contact_id"], ["contacts.id"]),
    ForeignKeyConstraint(["source_id"], ["sources.id"]),
    Index("leads_by_account", "account_id", "id"),
    Index("leads_by_contact", "contact_id", "id"),
    sqlite_autoincrement=True,
)

visitors = Table(
    "visitors",
    metadata,
    _id(),
    _account(),
    _needed("source_id", Big),
    _needed("token_hash"),
    Column("contact_id", Big),
    _needed("created_at", Big),
    _needed("seen_at", Big),
    UniqueConstraint("token_hash"),
    ForeignKeyConstraint(["source_id"], ["sources.id"]),
    sqlite_autoincrement=True,
)

visits = Table(
    "visits",
    metadata,
    _id(),
    _account(),
    _needed("source_id", Big),
    _needed("key_hash"),
    Column("visitor_id", Big),
    Column("contact_id", Big),
    Column("lead_id", Big),
    Column("waiting_since", Big),
    Column("waiting", Text),
    Column("bot_params", Text),
    _needed("page_url"),
    _needed("created_at", Big),
    _needed("seen_at", Big),
    UniqueConstraint("source_id", "key_hash"),
    ForeignKeyConstraint(["source_id"], ["sources.id"]),
    Index("visits_by_lead", "lead_id", "id"),
    Index("visits_by_visitor", "visitor_id", "id"),
    Index(
        "visits_without_card",
        "account_id",
        "seen_at",
        "id",
        sqlite_where=text(_WITHOUT_CARD),
        postgresql_where=text(_WITHOUT_CARD),
    ),
    sqlite_autoincrement=True,
)

meta_calls = Table(
    "meta_calls",
    metadata,
    _id(),
    _account(),
    _needed("source_id", Big),
    _needed("visit_id", Big),
    Column("lead_id", Big),
    _needed("key"),
    _needed("body_hash"),
    _needed("body"),
    _needed("page_url"),
    _needed("verdicts"),
    _needed("at", Big),
    UniqueConstraint("visit_id", "key"),
    ForeignKeyConstraint(["visit_id"], ["visits.id"]),
    Index("meta_calls_by_lead", "lead_id", "id"),
    Index("meta_calls_by_account", "account_id", "id"),
    sqlite_autoincrement=True,
)

fill_windows = Table(
    "fill_windows",
    metadata,
    _account(),
    _needed("visit_id", Big),
    _needed("lead_id", Big),
    _needed("lead_created_at", Big),
    Column("first_data_at", Big),
    # What this visit has noted on this card: it bounds the notes, and tells `repeated`
    # without a word about the notes of other visits.
    Column("note_hashes", Text),
    PrimaryKeyConstraint("visit_id", "lead_id"),
    ForeignKeyConstraint(["visit_id"], ["visits.id"]),
    ForeignKeyConstraint(["lead_id"], ["leads.id"]),
    Index("fill_windows_by_lead", "lead_id"),
)

field_values = Table(
    "field_values",
    metadata,
    _account(),
    _needed("entity"),
    _needed("entity_id", Big),
    _needed("field_id", Big),
    _needed("items"),
    _needed("origin"),
    _needed("at", Big),
    PrimaryKeyConstraint("account_id", "entity", "entity_id", "field_id"),
    ForeignKeyConstraint(["account_id", "field_id"], ["custom_fields.account_id", "custom_fields.id"]),
)

notes = Table(
    "notes",
    metadata,
    _id(),
    _account(),
    _needed("entity"),
    _needed("entity_id", Big),
    _needed("note_type"),
    _needed("params"),
    Column("window_lead_id", Big),
    Column("visit_id", Big),
    Column("text_hash", Text),
    _needed("created_by", Big),
    _needed("created_at", Big),
    # The same text for the same card within one window is stored once; a note of an
    # operator has no window, and NULLs are distinct in a unique constraint.
    UniqueConstraint("account_id", "entity", "entity_id", "window_lead_id", "text_hash"),
    Index("notes_by_card", "account_id", "entity", "entity_id", "id"),
)

incoming_leads = Table(
    "incoming_leads",
    metadata,
    Column("uid", Text, primary_key=True),
    _account(),
    _needed("lead_id", Big),
    _needed("contact_id", Big),
    Column("conversation_id", Big),
    Column("visit_id", Big),
    _needed("source_id", Big),
    _needed("category"),
    _needed("pipeline_id", Big),
    _needed("state"),
    _needed("created_at", Big),
    Column("decided_at", Big),
    Column("decided_by", Big),
    _needed("metadata"),
    UniqueConstraint("lead_id"),
    ForeignKeyConstraint(["lead_id"], ["leads.id"]),
    ForeignKeyConstraint(["contact_id"], ["contacts.id"]),
    Index("incoming_leads_by_state", "account_id", "state", "created_at", "uid"),
)

conversations = Table(
    "conversations",
    metadata,
    _id(),
    _account(),
    _needed("source_id", Big),
    _needed("channel"),
    _needed("visitor_id", Big),
    Column("visit_id", Big),
    Column("contact_id", Big),
    Column("lead_id", Big),
    _needed("status"),
    _needed("is_visit_unknown", Boolean),
    _needed("last_seq", Big),
    _needed("last_text"),
    Column("last_direction", Text),
    Column("last_message_at", Big),
    _needed("operator_read_seq", Big),
    _needed("visitor_read_seq", Big),
    _needed("visitor_delivered_seq", Big),
    _needed("unread", Integer),
    _needed("page_url"),
    _needed("created_at", Big),
    _needed("changed_at", Big),
    # A conversation in a messenger: which account of ours, which chat there, and until when
    # answers are free. The rest is NULL for the chat on the page.
    Column("channel_id", Big),
    Column("chat_id", Text),
    Column("chat_gone", Text),
    Column("window_kind", Text),
    Column("window_ends_at", Big),
    Column("window_late_until", Big),
    # When the person was heard of last, or was gone, by the messenger's clock.
    Column("reach_at", Big),
    # The run of a bot that talks here; NULL when none does.
    Column("bot_run_id", Big),
    # One visitor has one conversation in a channel; a new message opens it again.
    UniqueConstraint("visitor_id", "channel"),
    ForeignKeyConstraint(["source_id"], ["sources.id"]),
    ForeignKeyConstraint(["visitor_id"], ["visitors.id"]),
    Index("conversations_by_change", "account_id", "changed_at", "id"),
    Index("conversations_by_message", "account_id", "status", "last_message_at", "id"),
    Index("conversations_by_time", "account_id", "last_message_at", "id"),
    Index("conversations_by_lead", "lead_id"),
    Index("conversations_by_visit", "visit_id"),
    Index("conversations_by_channel", "channel_id", "last_message_at", "id"),
    sqlite_autoincrement=True,
)

messages = Table(
    "messages",
    metadata,
    _id(),
    _account(),
    _needed("conversation_id", Big),
    _needed("seq", Big),
    _needed("direction"),
    Column("operator_id", Big),
    _needed("key"),
    _needed("body_hash"),
    _needed("text"),
    _needed("created_at", Big),
    # How far a message has come to its messenger; in the chat on the page the marks of the
    # conversation alone tell it.
    Column("state", Text),
    Column("error", Text),
    Column("error_detail", Text),
    Column("event", Text),
    Column("platform_id", Text),
    Column("is_elsewhere", Boolean),
    Column("edited_at", Big),
    Column("deleted_at", Big),
    # When the words that stand here were said or changed last, by the messenger's clock.
    Column("words_at", Big),
    # The bot that said it, by the name that it had then; a bot may be gone.
    Column("bot_id", Big),
    Column("bot_name", Text),
    # Rows of what stands under it, and in a visitor's message the bot's button that was pressed: JSON.
    Column("buttons", Text),
    Column("pressed", Text),
    UniqueConstraint("conversation_id", "seq"),
    UniqueConstraint("conversation_id", "direction", "key"),
    ForeignKeyConstraint(["conversation_id"], ["conversations.id"]),
    Index("messages_by_platform_id", "conversation_id", "platform_id"),
    Index(
        "messages_with_buttons",
        "conversation_id",
        "seq",
        sqlite_where=text("buttons IS NOT NULL"),
        postgresql_where=text("buttons IS NOT NULL"),
    ),
)

channels = Table(
    "channels",
    metadata,
    _id(),
    _account(),
    _needed("kind"),
    _needed("title"),
    _needed("path"),
    _needed("link"),
    _needed("needs_app", Boolean),
    Column("source_ids", Text),
    _needed("is_enabled", Boolean),
    _needed("is_polling", Boolean),
    _needed("state"),
    _needed("findings"),
    _needed("settings"),
    _needed("secrets"),
    _needed("created_at", Big),
    _needed("changed_at", Big),
    Column("removed_at", Big),
    UniqueConstraint("path"),
    Index("channels_by_account", "account_id", "id"),
    sqlite_autoincrement=True,
)

channel_cursors = Table(
    "channel_cursors",
    metadata,
    _account(),
    Column("channel_id", Big, primary_key=True, autoincrement=False),
    _needed("cursor"),
    ForeignKeyConstraint(["channel_id"], ["channels.id"]),
)

channel_log = Table(
    "channel_log",
    metadata,
    _id(),
    _account(),
    _needed("channel_id", Big),
    _needed("level"),
    _needed("code"),
    _needed("detail"),
    _needed("at", Big),
    ForeignKeyConstraint(["channel_id"], ["channels.id"]),
    Index("channel_log_by_channel", "channel_id", "id"),
    Index("channel_log_by_time", "account_id", "at"),
)

channel_events = Table(
    "channel_events",
    metadata,
    _id(),
    _account(),
    _needed("channel_id", Big),
    # What makes the event itself (S-HOOK-05), hashed; it outlives the event's content (S-HOOK-07).
    _needed("identity"),
    Column("event", Text),
    _needed("at", Big),
    # Of which message the event tells, hashed, when it came before that was known (services/early.py).
    Column("waits_for", Text),
    UniqueConstraint("channel_id", "identity"),
    ForeignKeyConstraint(["channel_id"], ["channels.id"]),
    Index("channel_events_by_channel", "channel_id", "id"),
    # What still has its content: it alone is looked for by its age.
    Index(
        "channel_events_with_content",
        "account_id",
        "at",
        sqlite_where=text("event IS NOT NULL"),
        postgresql_where=text("event IS NOT NULL"),
    ),
    Index(
        "channel_events_that_wait",
        "channel_id",
        "waits_for",
        sqlite_where=text("waits_for IS NOT NULL"),
        postgresql_where=text("waits_for IS NOT NULL"),
    ),
    sqlite_autoincrement=True,
)

entry_links = Table(
    "entry_links",
    metadata,
    _id(),
    _account(),
    _needed("code_hash"),
    Column("short_code", Text),
    Column("source_id", Big),
    Column("visit_id", Big),
    _needed("page_url"),
    _needed("page_title"),
    Column("announced_at", Big),
    # The first chat that brought the code; what another one brings is nobody's visit.
    Column("channel_id", Big),
    Column("chat_id", Text),
    Column("brought_at", Big),
    Column("bound_at", Big),
    _needed("created_at", Big),
    UniqueConstraint("account_id", "code_hash"),
    ForeignKeyConstraint(["source_id"], ["sources.id"]),
    Index("entry_links_by_short_code", "account_id", "short_code"),
    Index("entry_links_by_chat", "channel_id", "chat_id", "id"),
    Index("entry_links_by_visit", "visit_id"),
    Index("entry_links_by_time", "account_id", "created_at"),
    sqlite_autoincrement=True,
)

deliveries = Table(
    "deliveries",
    metadata,
    _id(),
    _account(),
    _needed("conversation_id", Big),
    _needed("channel_id", Big),
    _needed("message_id", Big),
    _needed("part", Integer),
    _needed("text"),
    _needed("key"),
    _needed("echo_mark"),
    _needed("state"),
    Column("platform_id", Text),
    Column("sent_at", Big),
    # What stands under this part: JSON.
    Column("buttons", Text),
    UniqueConstraint("key"),
    ForeignKeyConstraint(["conversation_id"], ["conversations.id"]),
    ForeignKeyConstraint(["channel_id"], ["channels.id"]),
    ForeignKeyConstraint(["message_id"], ["messages.id"]),
    Index("deliveries_by_message", "message_id", "part"),
    Index("deliveries_by_platform_id", "conversation_id", "platform_id"),
    Index("deliveries_by_mark", "conversation_id", "echo_mark"),
    Index("deliveries_by_state", "channel_id", "state"),
    sqlite_autoincrement=True,
)

attachments = Table(
    "attachments",
    metadata,
    _id(),
    _account(),
    _needed("conversation_id", Big),
    _needed("message_id", Big),
    _needed("kind"),
    _needed("source"),
    _needed("name"),
    _needed("mime"),
    Column("size", Big),
    _needed("state"),
    Column("reason", Text),
    Column("file", Text),
    Column("width", Integer),
    Column("height", Integer),
    _needed("title"),
    _needed("phone"),
    Column("latitude", Text),
    Column("longitude", Text),
    _needed("created_at", Big),
    ForeignKeyConstraint(["conversation_id"], ["conversations.id"]),
    ForeignKeyConstraint(["message_id"], ["messages.id"]),
    Index("attachments_by_message", "message_id", "id"),
    sqlite_autoincrement=True,
)

answers = Table(
    "answers",
    metadata,
    _account(),
    _needed("scope"),
    _needed("key"),
    _needed("body_hash"),
    _needed("answer"),
    _needed("at", Big),
    PrimaryKeyConstraint("account_id", "scope", "key"),
    Index("answers_by_time", "account_id", "at"),
)

operators = Table(
    "operators",
    metadata,
    _id(),
    _account(),
    _needed("login"),
    _needed("name"),
    _needed("password_hash"),
    _needed("is_enabled", Boolean),
    _needed("created_at", Big),
    UniqueConstraint("login"),
    sqlite_autoincrement=True,
)

logins = Table(
    "logins",
    metadata,
    Column("token_hash", Text, primary_key=True),
    _account(),
    _needed("operator_id", Big),
    _needed("created_at", Big),
    _needed("seen_at", Big),
    _needed("agent"),
    _needed("address"),
    ForeignKeyConstraint(["operator_id"], ["operators.id"]),
    Index("logins_by_operator", "operator_id"),
    Index("logins_by_time", "account_id", "created_at"),
)

setup_codes = Table(
    "setup_codes",
    metadata,
    Column("code_hash", Text, primary_key=True),
    _account(),
    _needed("created_at", Big),
    Column("used_at", Big),
)

jobs = Table(
    "jobs",
    metadata,
    _id(),
    _account(),
    _needed("key"),
    _needed("kind"),
    _needed("payload"),
    _needed("created_at", Big),
    _needed("due_at", Big),
    _needed("attempts", Integer),
    Column("first_tried_at", Big),
    Column("lease_until", Big),
    _needed("fence", Big),
    _needed("is_out_of_order", Boolean),
    Column("error", Text),
    Index("jobs_by_due", "due_at", "id"),
    Index("jobs_by_kind", "kind", "due_at", "id"),
    Index("jobs_by_key", "key", "id"),
    sqlite_autoincrement=True,
)

job_attempts = Table(
    "job_attempts",
    metadata,
    _id(),
    _account(),
    _needed("job_id", Big),
    _needed("fence", Big),
    _needed("started_at", Big),
    Column("ended_at", Big),
    Column("outcome", Text),
    Column("error", Text),
    Index("job_attempts_by_job", "job_id", "id"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", Big, primary_key=True, autoincrement=False),
    _account(),
    _needed("key"),
    _needed("kind"),
    _needed("payload"),
    _needed("created_at", Big),
    _needed("attempts", Integer),
    _needed("is_out_of_order", Boolean),
    _needed("error"),
    _needed("died_at", Big),
    Index("dead_letters_by_account", "account_id", "id"),
)

timers = Table(
    "timers",
    metadata,
    _account(),
    _needed("kind"),
    _needed("key"),
    _needed("payload"),
    _needed("due_at", Big),
    PrimaryKeyConstraint("account_id", "kind", "key"),
    Index("timers_by_due", "due_at"),
)

bots = Table(
    "bots",
    metadata,
    _id(),
    _account(),
    _needed("name"),
    _needed("is_enabled", Boolean),
    Column("published_version", Integer),
    _needed("last_version", Integer),
    _needed("settings"),
    _needed("created_at", Big),
    _needed("changed_at", Big),
    Column("removed_at", Big),
    Index("bots_by_account", "account_id", "id"),
    sqlite_autoincrement=True,
)

bot_versions = Table(
    "bot_versions",
    metadata,
    _account(),
    _needed("bot_id", Big),
    _needed("version", Integer),
    # As its author gave it: what a run does must be told from these bytes in years.
    _needed("script"),
    _needed("note"),
    _needed("author"),
    _needed("created_at", Big),
    PrimaryKeyConstraint("bot_id", "version"),
    ForeignKeyConstraint(["bot_id"], ["bots.id"]),
)

bot_runs = Table(
    "bot_runs",
    metadata,
    _id(),
    _account(),
    _needed("bot_id", Big),
    _needed("version", Integer),
    _needed("conversation_id", Big),
    Column("lead_id", Big),
    Column("contact_id", Big),
    _needed("state"),
    _needed("is_active", Boolean),
    Column("wait", Text),
    _needed("cause"),
    # Number of the last message that the run said: what was written before that is no answer to it.
    _needed("said_seq", Big),
    _needed("calls"),
    _needed("lines", Integer),
    _needed("started_at", Big),
    _needed("changed_at", Big),
    Column("ended_at", Big),
    Column("reason", Text),
    ForeignKeyConstraint(["bot_id"], ["bots.id"]),
    ForeignKeyConstraint(["conversation_id"], ["conversations.id"]),
    Index("bot_runs_by_bot", "bot_id", "id"),
    Index("bot_runs_by_account", "account_id", "id"),
    Index("bot_runs_by_conversation", "conversation_id", "started_at"),
    Index("bot_runs_by_end", "account_id", "ended_at"),
    # One bot at a time talks in a conversation.
    Index(
        "bot_runs_active",
        "conversation_id",
        unique=True,
        sqlite_where=text("is_active"),
        postgresql_where=text("is_active"),
    ),
    # Those that a bot which is switched off has to let go.
    Index(
        "bot_runs_active_of_bot",
        "bot_id",
        "id",
        sqlite_where=text("is_active"),
        postgresql_where=text("is_active"),
    ),
    sqlite_autoincrement=True,
)

bot_log = Table(
    "bot_log",
    metadata,
    _account(),
    _needed("run_id", Big),
    _needed("seq", Integer),
    _needed("at", Big),
    _needed("line"),
    PrimaryKeyConstraint("run_id", "seq"),
    ForeignKeyConstraint(["run_id"], ["bot_runs.id"]),
    Index("bot_log_by_time", "account_id", "at"),
)

tags = Table(
    "tags",
    metadata,
    _id(),
    _account(),
    _needed("name"),
    # The name without its case: `VIP` and `vip` are one tag.
    _needed("key"),
    UniqueConstraint("account_id", "key"),
    sqlite_autoincrement=True,
)

card_tags = Table(
    "card_tags",
    metadata,
    _account(),
    _needed("entity"),
    _needed("entity_id", Big),
    _needed("tag_id", Big),
    PrimaryKeyConstraint("account_id", "entity", "entity_id", "tag_id"),
    ForeignKeyConstraint(["tag_id"], ["tags.id"]),
)

card_subscribers = Table(
    "card_subscribers",
    metadata,
    _account(),
    _needed("entity"),
    _needed("entity_id", Big),
    _needed("kind"),
    _needed("subscriber_id", Big),
    PrimaryKeyConstraint("account_id", "entity", "entity_id", "kind", "subscriber_id"),
)

# Contacts of a lead beside its own one.
lead_contacts = Table(
    "lead_contacts",
    metadata,
    _account(),
    _needed("lead_id", Big),
    _needed("contact_id", Big),
    PrimaryKeyConstraint("lead_id", "contact_id"),
    ForeignKeyConstraint(["lead_id"], ["leads.id"]),
    ForeignKeyConstraint(["contact_id"], ["contacts.id"]),
)

# What integrators call the API with; of the token itself only its hash is kept.
api_tokens = Table(
    "api_tokens",
    metadata,
    _id(),
    _account(),
    _needed("name"),
    _needed("token_hash"),
    # Names parted by spaces.
    _needed("scopes"),
    _needed("created_at", Big),
    Column("expires_at", Big),
    Column("last_used_at", Big),
    Column("revoked_at", Big),
    UniqueConstraint("token_hash"),
    Index("api_tokens_by_account", "account_id", "id"),
    sqlite_autoincrement=True,
)
