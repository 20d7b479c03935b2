"""From our types to the JSON that the browser code, the sockets and the command line get."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import count
from typing import Any

import msgspec

from knopka.db.clock import to_ms
from knopka.domain.catalog import Account
from knopka.domain.conversation import Attachment, AttachmentState, Conversation, Message
from knopka.domain.crm import CardTag, Contact, IncomingLead, IncomingState, Lead, Note, Pipeline
from knopka.domain.fields import CustomField, FieldType
from knopka.domain.messaging import Direction
from knopka.domain.meta import Entity
from knopka.domain.verdicts import PathVerdict
from knopka.domain.visitor import FillWindow
from knopka.domain.wording import name as name_verdict
from knopka.domain.wording import say_all
from knopka.services.views import (
    Changes,
    Chat,
    ConversationPage,
    JournalEntry,
    LeadCard,
    LeadRow,
    Recorded,
    SiteDatum,
    Unsorted,
    UnsortedPage,
    Valued,
)

Object = dict[str, Any]

_AUTHORS = {Direction.IN: "visitor", Direction.OUT: "operator", Direction.SYSTEM: "system"}


# --- The page. Times in milliseconds.


def recorded(answer: Recorded, locale: str) -> Object:
    """The answer to setMeta calls, each reason a sentence in the button's language."""
    calls = [
        {"key": call.key, "verdicts": [_verdict(verdict, locale) for verdict in call.verdicts]}
        for call in answer.calls
    ]
    window = None
    if answer.window is not None:
        window = {
            "opened_at": to_ms(_opened_at(answer.window)),
            "closes_at": to_ms(answer.window.closes_at),
            "is_open": answer.is_window_open,
        }
    return {"calls": calls, "window": window}


def _verdict(verdict: PathVerdict, locale: str) -> Object:
    return {"path": verdict.path, "verdict": verdict.verdict.value, "reason": reason(verdict, locale)}


def reason(verdict: PathVerdict, locale: str) -> str | None:
    """Why, in words; None where the verdict says it all."""
    return say_all(verdict.reasons, locale)


def _opened_at(window: FillWindow) -> datetime:
    """The page: from the first data or from the unsorted lead, whichever was first."""
    return min(window.lead_created_at, window.first_data_at or window.lead_created_at)


# --- The chat and the inbox. Times in milliseconds.


def message(shown: Message) -> Object:
    return {
        "id": shown.id,
        "conversation_id": shown.conversation_id,
        "seq": shown.seq,
        "direction": shown.direction.value,
        "author": _author(shown),
        "text": shown.text,
        "buttons": _buttons(shown),
        "key": shown.key,
        "state": shown.state.value,
        "created_at": to_ms(shown.created_at),
    }


def _author(shown: Message) -> Object:
    if shown.bot is not None:
        return {"kind": "bot", "name": shown.bot.name}
    return {"kind": _AUTHORS[shown.direction], "name": shown.operator_name}


def _buttons(shown: Message) -> list[list[Object]]:
    """The rows under a message; `option` names a button to `post_message`. What it carries stays here."""
    numbers = count()
    return [
        [
            {
                "option": next(numbers),
                "label": button.label,
                "url": button.url or None,
                "asks": "phone" if button.asks_phone else "email" if button.asks_email else None,
            }
            for button in row
        ]
        for row in shown.buttons
    ]


def desk_message(shown: Message) -> Object:
    """A message with all that operators see of it."""
    return {
        **message(shown),
        "error": None if shown.error is None else {"code": shown.error, "detail": shown.error_detail},
        "attachments": [attachment(came) for came in shown.attachments],
        "event": shown.event,
        "is_press": shown.pressed is not None,
        "is_elsewhere": shown.is_elsewhere,
        "edited_at": _moment(shown.edited_at),
        "deleted_at": _moment(shown.deleted_at),
    }


def attachment(shown: Attachment) -> Object:
    """What came with a message; its address only once there is something at it."""
    is_stored = shown.state is AttachmentState.STORED
    return {
        "id": shown.id,
        "kind": shown.kind.value,
        "name": shown.name,
        "mime": shown.mime,
        "size": shown.size,
        "state": shown.state.value,
        "reason": shown.reason,
        "url": f"/inbox/api/files/{shown.id}" if is_stored else None,
        "title": shown.title,
        "phone": shown.phone,
        "latitude": None if shown.latitude is None else float(shown.latitude),
        "longitude": None if shown.longitude is None else float(shown.longitude),
        "width": shown.width,
        "height": shown.height,
    }


def _moment(at: datetime | None) -> int | None:
    return None if at is None else to_ms(at)


def chat(shown: Chat) -> Object:
    """A conversation as its visitor may see it."""
    return {
        "id": shown.id,
        "status": shown.status.value,
        "last_seq": shown.last_seq,
        "visitor_read_seq": shown.visitor_read_seq,
        "operator_read_seq": shown.operator_read_seq,
        "unread": shown.unread,
    }


def summary(shown: Conversation) -> Object:
    """A conversation as operators' lists show it."""
    unsorted, last = None, None
    if shown.unsorted_uid is not None:
        unsorted = {"uid": shown.unsorted_uid, "state": shown.unsorted_state}
    if shown.last_direction is not None and shown.last_message_at is not None:
        last = {
            "text": shown.last_text,
            "direction": shown.last_direction.value,
            "created_at": to_ms(shown.last_message_at),
        }
    window = shown.window
    return {
        "id": shown.id,
        "channel": shown.channel.value,
        "channel_id": shown.channel_id,
        "channel_title": shown.channel_title,
        "channel_state": shown.channel_state,
        "is_visit_unknown": shown.is_visit_unknown,
        "chat_gone": shown.chat_gone,
        "bot": None
        if shown.bot is None
        else {"id": shown.bot.bot_id, "name": shown.bot.name, "run_id": shown.bot_run_id},
        "window": None
        if window is None
        else {
            "kind": window.kind.value,
            "ends_at": to_ms(window.ends_at),
            "late_until": _moment(window.late_until),
        },
        "avatar_url": None if shown.avatar is None else f"/inbox/api/contacts/{shown.contact_id}/avatar",
        "source": {"id": shown.source_id, "name": shown.source_name},
        "status": shown.status.value,
        "visitor_name": shown.visitor_name,
        "contact_id": shown.contact_id,
        "lead_id": shown.lead_id,
        "lead_name": shown.lead_name,
        "unsorted": unsorted,
        "last_seq": shown.last_seq,
        "last_message": last,
        "operator_read_seq": shown.operator_read_seq,
        "visitor_read_seq": shown.visitor_read_seq,
        "visitor_delivered_seq": shown.visitor_delivered_seq,
        "unread": shown.unread,
        "page_url": shown.page_url,
        "created_at": to_ms(shown.created_at),
        "changed_at": to_ms(shown.changed_at),
    }


def conversation_page(page: ConversationPage) -> Object:
    return {
        "conversations": [summary(item) for item in page.conversations],
        "next": page.next,
        "cursor": to_ms(page.cursor),
        "unread": page.unread,
    }


def changes(page: Changes) -> Object:
    return {
        "conversations": [summary(item) for item in page.conversations],
        "cursor": to_ms(page.cursor),
        "more": page.has_more,
    }


def unsorted_page(page: UnsortedPage) -> Object:
    return {"unsorted": [_unsorted(item) for item in page.unsorted], "next": page.next}


def _unsorted(item: Unsorted) -> Object:
    return {
        "uid": item.uid,
        "lead_id": item.lead_id,
        "lead_name": item.lead_name,
        "contact_name": item.contact_name,
        "conversation_id": item.conversation_id,
        "created_at": to_ms(item.created_at),
        "source_name": item.source_name,
        "last_text": item.last_text,
    }


def pipelines(found: tuple[Pipeline, ...]) -> Object:
    return {"pipelines": [_pipeline(pipeline) for pipeline in found]}


def _pipeline(pipeline: Pipeline) -> Object:
    statuses = [
        {"id": status.id, "name": status.name, "color": status.color, "type": status.type}
        for status in pipeline.statuses
    ]
    return {
        "id": pipeline.id,
        "name": pipeline.name,
        "is_main": pipeline.is_main,
        "statuses": statuses,
    }


# --- Models of API v4, and what stands beside them. Times in seconds.


def lead_model(account: Account, lead: Lead, values: Valued, tags: Sequence[CardTag] = ()) -> Object:
    """A lead as API v4 gives it. Tasks are not kept yet."""
    return {
        "id": lead.id,
        "name": lead.name,
        "price": lead.price,
        "responsible_user_id": lead.responsible_user_id or 0,
        "group_id": 0,
        "status_id": lead.status_id,
        "pipeline_id": lead.pipeline_id,
        "loss_reason_id": None,
        "created_by": 0,
        "updated_by": 0,
        "created_at": _seconds(lead.created_at),
        "updated_at": _seconds(lead.updated_at),
        "closed_at": None if lead.closed_at is None else _seconds(lead.closed_at),
        "closest_task_at": None,
        "is_deleted": False,
        "custom_fields_values": _values(values),
        "score": None,
        "account_id": account.id,
        "labor_cost": None,
        "_embedded": {
            "tags": _tags(tags),
            "companies": [],
            "contacts": [{"id": lead.contact_id, "is_main": True}],
        },
    }


def _tags(tags: Sequence[CardTag]) -> list[Object]:
    return [{"id": tag.id, "name": tag.name, "color": None} for tag in tags]


def contact_model(
    account: Account,
    contact: Contact,
    values: Valued,
    tags: Sequence[CardTag] = (),
    *,
    is_unsorted: bool,
    leads: list[int],
) -> Object:
    """A contact as API v4 gives it. The name stands whole: pages give no first and last name."""
    return {
        "id": contact.id,
        "name": contact.name,
        "first_name": "",
        "last_name": "",
        "responsible_user_id": contact.responsible_user_id or 0,
        "group_id": 0,
        "created_by": 0,
        "updated_by": 0,
        "created_at": _seconds(contact.created_at),
        "updated_at": _seconds(contact.updated_at),
        "closest_task_at": None,
        "is_deleted": False,
        "is_unsorted": is_unsorted,
        "custom_fields_values": _values(values),
        "account_id": account.id,
        "_embedded": {
            "tags": _tags(tags),
            "companies": [],
            "leads": [{"id": lead_id} for lead_id in leads],
        },
    }


def _values(values: Valued) -> list[Object] | None:
    """`custom_fields_values`: null where no field has a value. `normal` is our own and stays inside."""
    return [
        {
            "field_id": field.id,
            "field_name": field.name,
            "field_code": field.code,
            "field_type": field.type.value,
            "values": [{key: item[key] for key in item if key != "normal"} for item in value.items],
        }
        for field, value in values
    ] or None


def note_model(account: Account, note: Note) -> Object:
    """A note as API v4 gives it, with the card that it stands on."""
    return {
        "id": note.id,
        "entity_id": note.entity_id,
        "entity_type": note.entity.value,
        "created_by": note.created_by,
        "updated_by": note.created_by,
        "created_at": _seconds(note.created_at),
        "updated_at": _seconds(note.created_at),
        "responsible_user_id": 0,
        "group_id": 0,
        "note_type": note.note_type,
        "params": dict(note.params),
        "account_id": account.id,
    }


def custom_field_model(field: CustomField) -> Object:
    """A custom field as API v4 gives it."""
    enums = [
        {"id": option.id, "value": option.value, "sort": option.sort, "code": option.code}
        for option in field.options
    ]
    is_tracking = field.type is FieldType.TRACKING_DATA
    return {
        "id": field.id,
        "name": field.name,
        "code": field.code,
        "sort": field.sort,
        "type": field.type.value,
        "entity_type": field.entity.value,
        "is_predefined": False,
        "is_deletable": True,
        "is_visible": True,
        "is_required": False,
        "is_api_only": False,
        "is_computed": field.is_computed,
        "group_id": "statistic" if is_tracking else None,
        "required_statuses": [],
        "remind": None,
        "enums": enums or None,
        "nested": None,
        "tracking_callback": None,
        "hidden_statuses": [],
        "chained_lists": None,
        "currency": field.currency,
        "search_in": None,
        "settings": None,
    }


def lead_row(row: LeadRow) -> Object:
    """A lead model with what it was as an unsorted one: the shape of `lead list`."""
    return lead_model(row.account, row.lead, row.values, row.tags) | {
        "unsorted": None if row.incoming is None else _incoming(row.incoming, "status")
    }


def _incoming(incoming: IncomingLead, state: str) -> Object:
    return {
        "uid": incoming.uid,
        "category": incoming.category,
        "created_at": _seconds(incoming.created_at),
        state: incoming.state.value,
    }


def lead_show(card: LeadCard, locale: str) -> Object:
    """A lead's card as a whole: the shape of `lead show` and of the inbox's card."""
    is_unsorted = card.incoming is not None and card.incoming.state is IncomingState.UNSORTED
    return {
        "lead": lead_model(card.account, card.lead, card.lead_values, card.lead_tags),
        "contact": contact_model(
            card.account,
            card.contact,
            card.contact_values,
            card.contact_tags,
            is_unsorted=is_unsorted,
            leads=[card.lead.id],
        ),
        "notes": [note_model(card.account, note) for note in card.notes],
        "site_data": [_site_datum(datum, locale) for datum in card.site_data],
        "window": _card_window(card),
        "unsorted": None if card.incoming is None else _incoming(card.incoming, "state"),
        "bot_params": dict(card.bot_params),
        "fields": {
            entity.value: _field_names(card.fields, entity) for entity in (Entity.LEAD, Entity.CONTACT)
        },
        "claimed": {
            entity.value: [
                field.id for field in card.fields if field.entity is entity and field.id in card.claimed
            ]
            for entity in (Entity.LEAD, Entity.CONTACT)
        },
    }


def _site_datum(datum: SiteDatum, locale: str) -> Object:
    return {
        "at": _seconds(datum.at),
        "page": datum.page,
        "path": datum.path,
        "value": datum.value,
        "verdict": datum.verdict.verdict.value,
        "verdict_name": name_verdict(datum.verdict.verdict, locale),
        "reason": reason(datum.verdict, locale),
    }


def _card_window(card: LeadCard) -> Object | None:
    if card.window is None:
        return None
    return {
        "opened_at": _seconds(_opened_at(card.window)),
        "closes_at": _seconds(card.window.closes_at),
        "is_open": card.is_window_open,
    }


def _field_names(fields: tuple[CustomField, ...], entity: Entity) -> list[Object]:
    return [
        {"id": field.id, "name": field.name, "type": field.type.value, "code": field.code}
        for field in fields
        if field.entity is entity
    ]


def journal_line(entry: JournalEntry, locale: str = "en") -> Object:
    """One call as `knopka journal` prints it."""
    return {
        "id": entry.id,
        "at": _seconds(entry.at),
        "button": entry.source_public_id,
        "visit": entry.visit,
        "page": entry.page_url,
        "key": entry.key,
        "call": msgspec.json.decode(entry.body),
        "verdicts": [_verdict(verdict, locale) for verdict in entry.verdicts],
        "lead_id": entry.lead_id,
    }


def _seconds(moment: datetime) -> int:
    return to_ms(moment) // 1000
