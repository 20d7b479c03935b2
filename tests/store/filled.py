"""A row of every table as each revision has written it, with what its columns held then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

AT = 1_790_000_000_000
"""The moment of all of it, in milliseconds."""
TOKEN_HASH = "c1" * 32
"""Of the token that the first visitor's page keeps."""

Rows = Mapping[str, list[dict[str, Any]]]

_ACCOUNT = {"account_id": 1}
_PIPELINE = 1_000_000_001
_STATUSES = (
    (1_000_000_001, "Неразобранное", 10, 1),
    (1_000_000_002, "Первичный контакт", 20, 0),
    (142, "Успешно реализовано", 10000, 0),
    (143, "Закрыто и не реализовано", 11000, 0),
)

FIRST: Rows = {
    "accounts": [
        _ACCOUNT
        | {
            "name": "Лавка",
            "locale": "ru",
            "timezone": "Europe/Moscow",
            "currency": "RUB",
            "created_at": AT,
        }
    ],
    "counters": [
        _ACCOUNT | {"name": name, "value": 1_000_000_020}
        for name in ("statuses", "pipelines", "options", "fields")
    ],
    "pipelines": [_ACCOUNT | {"id": _PIPELINE, "name": "Воронка", "sort": 1, "is_main": True}],
    "statuses": [
        _ACCOUNT
        | {
            "pipeline_id": _PIPELINE,
            "id": number,
            "name": name,
            "sort": sort,
            "color": "#c1c1c1",
            "type": kind,
        }
        for number, name, sort, kind in _STATUSES
    ],
    "custom_fields": [
        _ACCOUNT
        | {
            "id": 123456,
            "entity": "contacts",
            "type": "multitext",
            "name": "Телефон",
            "code": "PHONE",
            "sort": 1,
            "currency": None,
            "is_computed": False,
            "is_page_writable": True,
        },
        _ACCOUNT
        | {
            "id": 223456,
            "entity": "leads",
            "type": "text",
            "name": "Город",
            "code": None,
            "sort": 2,
            "currency": None,
            "is_computed": False,
            "is_page_writable": True,
        },
    ],
    "field_options": [
        _ACCOUNT | {"field_id": 123456, "id": 12345, "value": "WORK", "code": "WORK", "sort": 1}
    ],
    "sources": [
        _ACCOUNT
        | {
            "id": 1,
            "public_id": "1000000001",
            "hash": "7" * 64,
            "name": "Лавка",
            "locale": "ru",
            "inline": False,
            "color": "#2f6fed",
            "origins": '["https://shop.example"]',
            "identity": "signed",
            "window_mode": "later",
            "pipeline_id": _PIPELINE,
            "is_enabled": True,
            "settings": "{}",
            "created_at": AT,
            "changed_at": AT,
        }
    ],
    "contacts": [
        _ACCOUNT
        | {"id": 1, "name": "Иван Иванов", "name_origin": "site", "created_at": AT, "updated_at": AT},
    ],
    "leads": [
        _ACCOUNT
        | {
            "id": 1,
            "contact_id": 1,
            "source_id": 1,
            "name": "Название сделки",
            "name_origin": "site",
            "price": 999,
            "pipeline_id": _PIPELINE,
            "status_id": 1_000_000_001,
            "created_at": AT,
            "updated_at": AT,
            "closed_at": None,
        }
    ],
    "visitors": [
        _ACCOUNT
        | {
            "id": 1,
            "source_id": 1,
            "token_hash": TOKEN_HASH,
            "contact_id": 1,
            "created_at": AT,
            "seen_at": AT,
        }
    ],
    "visits": [
        _ACCOUNT
        | {
            "id": 1,
            "source_id": 1,
            "key_hash": "6" * 64,
            "visitor_id": 1,
            "contact_id": 1,
            "lead_id": 1,
            "waiting_since": None,
            "waiting": None,
            "bot_params": '{"size":"42"}',
            "page_url": "https://shop.example/tea",
            "created_at": AT,
            "seen_at": AT,
        },
        _ACCOUNT
        | {
            "id": 2,
            "source_id": 1,
            "key_hash": "5" * 64,
            "visitor_id": None,
            "contact_id": None,
            "lead_id": None,
            "waiting_since": None,
            "waiting": None,
            "bot_params": None,
            "page_url": "",
            "created_at": AT,
            "seen_at": AT,
        },
    ],
    "meta_calls": [
        _ACCOUNT
        | {
            "id": 1,
            "source_id": 1,
            "visit_id": 1,
            "lead_id": 1,
            "key": "key-00001",
            "body_hash": "4" * 64,
            "body": '{"lead":{"sale":999}}',
            "page_url": "https://shop.example/tea",
            "verdicts": '[{"path":"lead.sale","verdict":"filled","reasons":[]}]',
            "at": AT,
        }
    ],
    "fill_windows": [
        _ACCOUNT
        | {
            "visit_id": 1,
            "lead_id": 1,
            "lead_created_at": AT,
            "first_data_at": AT,
            "note_hashes": '[["contacts","33"]]',
        }
    ],
    "field_values": [
        _ACCOUNT
        | {
            "entity": "contacts",
            "entity_id": 1,
            "field_id": 123456,
            "items": '[{"value":"+7123456789","enum_id":12345,"enum_code":"WORK"}]',
            "origin": "site",
            "at": AT,
        }
    ],
    "notes": [
        _ACCOUNT
        | {
            "id": 1,
            "entity": "contacts",
            "entity_id": 1,
            "note_type": "common",
            "params": '{"text":"Текст примечания"}',
            "window_lead_id": 1,
            "visit_id": 1,
            "text_hash": "3" * 64,
            "created_by": 0,
            "created_at": AT,
        }
    ],
    "incoming_leads": [
        _ACCOUNT
        | {
            "uid": "8c61faaec8815a15724d711c7176227a",
            "lead_id": 1,
            "contact_id": 1,
            "conversation_id": 1,
            "visit_id": 1,
            "source_id": 1,
            "category": "chats",
            "pipeline_id": _PIPELINE,
            "state": "unsorted",
            "created_at": AT,
            "decided_at": None,
            "decided_by": None,
            "metadata": '{"from":"Иван Иванов","to":"Лавка","received_at":1790000000,"service":"onsite",'
            '"client":{"name":"Иван Иванов","avatar":""},"origin":{"chat_id":"1","ref":"","visitor_uid":""},'
            '"last_message_text":"","source_name":"Лавка"}',
        }
    ],
    "conversations": [
        _ACCOUNT
        | {
            "id": 1,
            "source_id": 1,
            "channel": "onsite",
            "visitor_id": 1,
            "visit_id": 1,
            "contact_id": 1,
            "lead_id": 1,
            "status": "open",
            "is_visit_unknown": False,
            "last_seq": 2,
            "last_text": "Чем помочь?",
            "last_direction": "out",
            "last_message_at": AT,
            "operator_read_seq": 1,
            "visitor_read_seq": 0,
            "visitor_delivered_seq": 0,
            "unread": 0,
            "page_url": "https://shop.example/tea",
            "created_at": AT,
            "changed_at": AT,
        }
    ],
    "messages": [
        _ACCOUNT
        | {
            "id": number,
            "conversation_id": 1,
            "seq": number,
            "direction": direction,
            "operator_id": operator,
            "key": f"said-{number}",
            "body_hash": "2" * 64,
            "text": text,
            "created_at": AT,
        }
        for number, direction, operator, text in (
            (1, "in", None, "Здравствуйте"),
            (2, "out", 1, "Чем помочь?"),
        )
    ],
    "answers": [
        _ACCOUNT | {"scope": "desk", "key": "key-1", "body_hash": "1" * 64, "answer": "{}", "at": AT}
    ],
    "operators": [
        _ACCOUNT
        | {
            "id": 1,
            "login": "anna",
            "name": "Анна",
            "password_hash": "$plain$",
            "is_enabled": True,
            "created_at": AT,
        }
    ],
    "logins": [
        _ACCOUNT
        | {
            "token_hash": "9" * 64,
            "operator_id": 1,
            "created_at": AT,
            "seen_at": AT,
            "agent": "Firefox",
            "address": "192.0.2.1",
        }
    ],
    "setup_codes": [_ACCOUNT | {"code_hash": "8" * 64, "created_at": AT, "used_at": AT}],
    "jobs": [
        _ACCOUNT
        | {
            "id": 1,
            "key": "waiting:1",
            "kind": "visit.waiting",
            "payload": '{"visit": 1}',
            "created_at": AT,
            "due_at": 4 * AT,
            "attempts": 1,
            "first_tried_at": AT,
            "lease_until": None,
            "fence": 1,
            "is_out_of_order": False,
            "error": None,
        }
    ],
    "job_attempts": [
        _ACCOUNT
        | {
            "id": 1,
            "job_id": 1,
            "fence": 1,
            "started_at": AT,
            "ended_at": AT,
            "outcome": "failed",
            "error": "busy",
        }
    ],
    "dead_letters": [
        _ACCOUNT
        | {
            "id": 900,
            "key": "waiting:9",
            "kind": "visit.waiting",
            "payload": '{"visit": 9}',
            "created_at": AT,
            "attempts": 9,
            "is_out_of_order": True,
            "error": "busy",
            "died_at": AT,
        }
    ],
    "timers": [
        _ACCOUNT | {"kind": "visit.waiting", "key": "waiting:2", "payload": '{"visit": 2}', "due_at": 4 * AT}
    ],
}

_CONVERSATION = FIRST["conversations"][0]
_MESSAGE = FIRST["messages"][0]

MESSENGERS: Rows = {
    "channels": [
        _ACCOUNT
        | {
            "id": 1,
            "kind": "telegram",
            "title": "@tea_shop_bot",
            "path": "an-address-that-nobody-guesses",
            "link": "https://t.me/tea_shop_bot?start={code}",
            "needs_app": False,
            "source_ids": None,
            "is_enabled": False,
            "is_polling": False,
            "state": "ok",
            "findings": '[{"level":"ok","code":"webhook_set","detail":""}]',
            "settings": '{"account_id":"100200300","username":"tea_shop_bot"}',
            "secrets": "",
            "created_at": AT,
            "changed_at": AT,
            "removed_at": None,
        }
    ],
    "channel_cursors": [_ACCOUNT | {"channel_id": 1, "cursor": "30187324"}],
    "channel_log": [
        _ACCOUNT
        | {"id": 1, "channel_id": 1, "level": "warning", "code": "unreachable", "detail": "", "at": AT}
    ],
    "channel_events": [_ACCOUNT | {"id": 1, "channel_id": 1, "identity": "e" * 64, "event": None, "at": AT}],
    "entry_links": [
        _ACCOUNT
        | {
            "id": 1,
            "code_hash": "d" * 64,
            "short_code": "LR2NZWZN",
            "source_id": 1,
            "visit_id": 1,
            "page_url": "https://shop.example/tea",
            "page_title": "Чай",
            "announced_at": AT,
            "channel_id": 1,
            "chat_id": "55",
            "brought_at": AT,
            "bound_at": AT,
            "created_at": AT,
        }
    ],
    "contacts": [
        FIRST["contacts"][0] | {"id": 2, "name": "Ольга", "name_origin": "profile", "avatar": "f" * 32}
    ],
    "leads": [FIRST["leads"][0] | {"id": 2, "contact_id": 2, "name": "Сделка #2"}],
    "visitors": [FIRST["visitors"][0] | {"id": 2, "token_hash": "c" * 64, "contact_id": 2}],
    "conversations": [
        _CONVERSATION
        | {
            "id": 2,
            "channel": "telegram",
            "visitor_id": 2,
            "visit_id": None,
            "contact_id": 2,
            "lead_id": 2,
            "is_visit_unknown": True,
            "channel_id": 1,
            "chat_id": "55",
            "chat_gone": "blocked",
            "window_kind": "closes",
            "window_ends_at": AT,
            "window_late_until": AT,
        }
    ],
    "messages": [
        _MESSAGE
        | {
            "id": 3,
            "conversation_id": 2,
            "key": "said-3",
            "platform_id": "101",
            "edited_at": AT,
            "deleted_at": AT,
        },
        _MESSAGE
        | {
            "id": 4,
            "conversation_id": 2,
            "seq": 2,
            "direction": "out",
            "key": "said-4",
            "state": "failed",
            "error": "rejected",
            "error_detail": "Too long.",
            "is_elsewhere": False,
        },
    ],
    "deliveries": [
        _ACCOUNT
        | {
            "id": 1,
            "conversation_id": 2,
            "channel_id": 1,
            "message_id": 4,
            "part": 0,
            "text": "Чем помочь?",
            "key": "b" * 32,
            "echo_mark": "",
            "state": "failed",
            "platform_id": None,
            "sent_at": None,
        }
    ],
    "attachments": [
        _ACCOUNT
        | {
            "id": 1,
            "conversation_id": 2,
            "message_id": 3,
            "kind": "photo",
            "source": "6b085ef3-1",
            "name": "чай.jpg",
            "mime": "image/jpeg",
            "size": 1829,
            "state": "stored",
            "reason": None,
            "file": "a" * 32,
            "width": 320,
            "height": 240,
            "title": "",
            "phone": "",
            "latitude": None,
            "longitude": None,
            "created_at": AT,
        }
    ],
}

_OTHER_CHAT = MESSENGERS["conversations"][0] | {"visit_id": None, "contact_id": 1, "lead_id": 1}

ORDER: Rows = {
    "visitors": [FIRST["visitors"][0] | {"id": 3, "token_hash": "3c" * 32}],
    "conversations": [_OTHER_CHAT | {"id": 3, "visitor_id": 3, "chat_id": "77", "reach_at": AT}],
    "messages": [_MESSAGE | {"id": 5, "conversation_id": 3, "key": "said-5", "words_at": AT}],
    "channel_events": [MESSENGERS["channel_events"][0] | {"id": 2, "identity": "2e" * 32, "waits_for": "w"}],
}

BUTTONS: Rows = {
    "messages": [
        _MESSAGE
        | {
            "id": 6,
            "conversation_id": 2,
            "seq": 3,
            "direction": "out",
            "key": "said-6",
            "bot_id": 1,
            "bot_name": "Помощник",
            "buttons": "[]",
        },
        _MESSAGE
        | {
            "id": 7,
            "conversation_id": 2,
            "seq": 4,
            "key": "said-7",
            "pressed": '{"run":1,"step":"0","option":0}',
        },
    ],
    "deliveries": [
        MESSENGERS["deliveries"][0] | {"id": 2, "message_id": 6, "key": "2b" * 16, "buttons": "[]"}
    ],
}

SALESBOT: Rows = {
    "bots": [
        _ACCOUNT
        | {
            "id": 1,
            "name": "Помощник",
            "is_enabled": False,
            "published_version": None,
            "last_version": 1,
            "settings": "{}",
            "created_at": AT,
            "changed_at": AT,
            "removed_at": AT,
        }
    ],
    "bot_versions": [
        _ACCOUNT
        | {
            "bot_id": 1,
            "version": 1,
            "script": "{}",
            "note": "",
            "author": "Анна",
            "created_at": AT,
        }
    ],
    "bot_runs": [
        _ACCOUNT
        | {
            "id": 1,
            "bot_id": 1,
            "version": 1,
            "conversation_id": 2,
            "lead_id": 2,
            "contact_id": 2,
            "state": "{}",
            "is_active": False,
            "wait": None,
            "cause": "{}",
            "said_seq": 3,
            "calls": "[]",
            "lines": 1,
            "started_at": AT,
            "changed_at": AT,
            "ended_at": AT,
            "reason": "finished",
        }
    ],
    "bot_log": [_ACCOUNT | {"run_id": 1, "seq": 1, "at": AT, "line": "{}"}],
    "tags": [_ACCOUNT | {"id": 1, "name": "Опт", "key": "опт"}],
    "card_tags": [_ACCOUNT | {"entity": "leads", "entity_id": 1, "tag_id": 1}],
    "card_subscribers": [_ACCOUNT | {"entity": "leads", "entity_id": 1, "kind": "users", "subscriber_id": 1}],
    "lead_contacts": [_ACCOUNT | {"lead_id": 1, "contact_id": 2}],
    "contacts": [FIRST["contacts"][0] | {"id": 3, "responsible_user_id": 1}],
    "leads": [FIRST["leads"][0] | {"id": 3, "contact_id": 3, "responsible_user_id": 1}],
}

ROWS: Mapping[str, Rows] = {
    "0001": FIRST,
    "0002": MESSENGERS,
    "0003": ORDER,
    "0004": BUTTONS,
    "0005": SALESBOT,
}
"""What each revision added to what was there."""
