"""A card with a value of every field type, and what else an inbox shows."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
DAY = 86_400


def pipelines() -> list[Json]:
    stages = [
        {"id": 10, "name": "Unsorted", "color": "#c1c1c1", "type": 1},
        {"id": 11, "name": "First contact", "color": "#99ccff", "type": 0},
        {"id": 12, "name": "Offer sent", "color": "#ffff99", "type": 0},
        {"id": 142, "name": "Won", "color": "#ccff66", "type": 0},
        {"id": 143, "name": "Lost", "color": "#d5d8db", "type": 0},
    ]
    second = [{"id": 21, "name": "Call back", "color": "#99ccff", "type": 0}]
    return [
        {"id": 1, "name": "Sales", "is_main": True, "statuses": stages},
        {"id": 2, "name": "Wholesale", "is_main": False, "statuses": second},
    ]


def kinds() -> list[Json]:
    """The messengers that can be connected, and what each of them needs."""

    def need(name: str, hint: str, *, is_secret: bool = False, is_required: bool = True) -> Json:
        return {"name": name, "hint": hint, "is_secret": is_secret, "is_required": is_required}

    return [
        {"kind": "telegram", "parameters": [need("token", "BotFather shows it.", is_secret=True)]},
        {
            "kind": "messenger",
            "parameters": [
                need("page_token", "Made in the app's Messenger settings.", is_secret=True),
                need("app_secret", "In the app's basic settings.", is_secret=True),
            ],
        },
        {
            "kind": "viber",
            "parameters": [
                need("token", "On the bot's page, under Info.", is_secret=True),
                need("sender_name", "At most 28 characters.", is_required=False),
            ],
        },
        {
            "kind": "vk",
            "parameters": [
                need("group_id", "Digits only."),
                need("token", "Made under API usage.", is_secret=True),
            ],
        },
    ]


def attachment(kind: str, state: str = "none", **news: Any) -> Json:
    """One thing that came with a message, as the server tells of it."""
    return {
        "id": 1,
        "kind": kind,
        "name": "",
        "mime": "",
        "size": None,
        "state": state,
        "reason": None,
        "url": None,
        "title": "",
        "phone": "",
        "latitude": None,
        "longitude": None,
        "width": None,
        "height": None,
        **news,
    }


def full_card(number: int, name: str, unsorted: str | None, at: int) -> Json:
    """A card as the server shows it; times in unix seconds."""
    return {
        "lead": {
            "id": number,
            "name": f"Lead {number}",
            "price": 999,
            "pipeline_id": 1,
            "status_id": 11,
            "created_at": at,
            "custom_fields_values": _lead_fields(at),
            "_embedded": {"tags": []},
        },
        "contact": {
            "id": number,
            "name": name,
            "custom_fields_values": _contact_fields(),
            "_embedded": {"tags": []},
        },
        "notes": [
            _note(1, number, "leads", 0, "Asked for delivery on Saturday,\nbefore noon.", at),
            _note(2, number, "contacts", 7, "Prefers e-mail: https://shop.example/orders/17.", at + 60),
        ],
        "site_data": _site_data(at),
        "window": {"opened_at": at, "closes_at": at + DAY, "is_open": True},
        "unsorted": {"uid": f"{number:032x}", "category": "chats", "created_at": at, "state": unsorted}
        if unsorted
        else None,
        "bot_params": {"cart": {"items": 3, "total": 12990}, "plan": "pro"},
        "fields": {
            "leads": [
                _info(200, "Delivery city", "text"),
                _info(201, "Weight, kg", "numeric"),
                _info(220, "Promo code", "text"),
                _info(221, "Referral", "text"),
            ],
            "contacts": [
                _info(123456, "Phone", "multitext", "PHONE"),
                _info(301, "E-mail", "multitext", "EMAIL"),
                _info(320, "Position", "text", "POSITION"),
            ],
        },
        "claimed": {"leads": [], "contacts": [123456]},
    }


def _lead_fields(at: int) -> list[Json]:
    return [
        _field(200, "Delivery city", "text", [{"value": "Казань"}]),
        _field(201, "Weight, kg", "numeric", [{"value": "1250.5"}]),
        _field(202, "Gift wrap", "checkbox", [{"value": True}]),
        _field(203, "Urgent", "checkbox", [{"value": False}]),
        _field(204, "Size", "select", [{"value": "Large", "enum_id": 501, "enum_code": None}]),
        _field(
            205,
            "Interests",
            "multiselect",
            [{"value": "Chairs", "enum_id": 601}, {"value": "Tables", "enum_id": 602}],
        ),
        _field(206, "Payment", "radiobutton", [{"value": "On delivery", "enum_id": 701}]),
        _field(207, "Delivery day", "date", [{"value": 1_773_349_200}]),
        _field(208, "Call at", "date_time", [{"value": 1_773_396_000}]),
        _field(209, "Product page", "url", [{"value": "https://shop.example/chairs/17"}]),
        _field(210, "Bad link", "url", [{"value": "java\tscript:alert(1)"}]),
        _field(211, "Wishes", "textarea", [{"value": "Two floors,\nno lift."}]),
        _field(212, "Street", "streetaddress", [{"value": "Baumana 1"}]),
        _field(213, "Insured for", "monetary", [{"value": "10500.50"}]),
        _field(214, "Client id", "text", [{"value": "1234567890.0987654321"}]),
        _field(230, "utm_source", "tracking_data", [{"value": "yandex"}], "UTM_SOURCE"),
        _field(231, "utm_campaign", "tracking_data", [{"value": "spring_chairs"}], "UTM_CAMPAIGN"),
        _field(232, "referrer", "tracking_data", [{"value": "https://search.example/?q=chair"}], "REFERRER"),
    ]


def _contact_fields() -> list[Json]:
    return [
        _field(
            123456,
            "Phone",
            "multitext",
            [
                {"value": "+7 912 345-67-89", "enum_id": 12345, "enum_code": "WORK"},
                {"value": "by courier", "enum_id": 12346, "enum_code": "OTHER"},
            ],
            "PHONE",
        ),
        _field(301, "E-mail", "multitext", [{"value": "ann@shop.example", "enum_code": "PRIV"}], "EMAIL"),
        _field(302, "Birthday", "birthday", [{"value": 642_286_800}]),
        _field(
            303,
            "Address",
            "smart_address",
            [
                {"value": "RU", "enum_code": "country"},
                {"value": "Lenina 1", "enum_code": "address_line_1"},
                {"value": "Казань", "enum_code": "city"},
            ],
        ),
        _field(
            304,
            "Company",
            "legal_entity",
            [{"value": {"name": "OOO Stul", "entity_type": 2, "vat_id": "7700000000", "kpp": None}}],
        ),
    ]


def _site_data(at: int) -> list[Json]:
    page = "https://shop.example/catalog/chairs"

    def sent(
        path: str, value: Any, verdict: str, name: str, reason: str | None = None, after: int = 0
    ) -> Json:
        return {
            "at": at + after,
            "page": page,
            "path": path,
            "value": value,
            "verdict": verdict,
            "verdict_name": name,
            "reason": reason,
        }

    phone = {"id": 123456, "values": [{"value": "+7 912 345-67-89", "enum": 12345}]}
    return [
        sent("note", {"text": "From the price page", "element_type": 2}, "noted", "Added as a note"),
        sent("contact.name", "Ann", "filled", "Filled"),
        sent("contact.custom_fields[0]", phone, "filled", "Filled"),
        sent("bot_params.plan", "pro", "passed_to_bot", "Passed to the bot"),
        sent(
            "lead.custom_fields[0]",
            {"id": 999, "values": [{"value": "x"}]},
            "refused_unknown_field",
            "Refused: no such field",
            "The account has no field 999.",
        ),
        sent(
            "lead.sale",
            500,
            "refused_not_empty",
            "Refused: filled already",
            "The lead already has a budget.",
            after=90,
        ),
        sent("utm", {"source": "x"}, "ignored_unknown_key", "Ignored: unknown key", None, after=90),
        sent("lead.name", "Chair", "waiting_for_lead", "Waits for the lead", None, after=90),
    ]


def _field(number: int, name: str, kind: str, values: list[Json], code: str | None = None) -> Json:
    return {"field_id": number, "field_name": name, "field_code": code, "field_type": kind, "values": values}


def _info(number: int, name: str, kind: str, code: str | None = None) -> Json:
    return {"id": number, "name": name, "type": kind, "code": code}


def _note(number: int, entity_id: int, entity: str, author: int, text: str, at: int) -> Json:
    return {
        "id": number,
        "entity_id": entity_id,
        "entity_type": entity,
        "note_type": "common",
        "created_at": at,
        "created_by": author,
        "params": {"text": text},
    }
