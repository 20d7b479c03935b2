"""The OpenAPI document of every address: made here, compared with the router by a test, served by nobody."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import knopka

Schema = Mapping[str, Any]
JSON = "application/json"
TEXT = "text/plain"
HTML = "text/html"
FORM = "application/x-www-form-urlencoded"

OBJECT: Schema = {"type": "object"}
NUMBER: Schema = {"type": "integer", "minimum": 0, "maximum": 2**53 - 1}
LIMIT: Schema = {"type": "integer", "minimum": 1, "maximum": 100}


def _text(least: int, most: int, pattern: str | None = None) -> Schema:
    shape = {"type": "string", "minLength": least, "maxLength": most}
    return shape if pattern is None else shape | {"pattern": pattern}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _shape(needed: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    return {"type": "object", "properties": {**needed, **(optional or {})}, "required": [*needed]}


def _list(item: Schema, most: int | None = None) -> Schema:
    return {"type": "array", "items": item} | ({} if most is None else {"minItems": 1, "maxItems": most})


VISIT = _text(22, 64, "^[A-Za-z0-9_-]+$")
KEY = _text(8, 64, "^[A-Za-z0-9_-]+$")
LINK_CODE = _text(32, 32, "^[A-Za-z0-9_-]+$")
ANY_TEXT: Schema = {"type": "string"}

SCHEMAS: Mapping[str, Schema] = {
    "Error": _shape(
        {
            "error": _shape(
                {
                    "code": ANY_TEXT,
                    "message": ANY_TEXT,
                    "faults": _list(
                        _shape(
                            {
                                "path": ANY_TEXT,
                                "code": ANY_TEXT,
                                "message": ANY_TEXT,
                                "line": _or_null(NUMBER),
                                "column": _or_null(NUMBER),
                            }
                        )
                    ),
                }
            )
        }
    ),
    "Page": _shape({}, {"url": ANY_TEXT, "title": ANY_TEXT, "referrer": ANY_TEXT}),
    "Recorded": _shape(
        {
            "calls": _list(
                _shape(
                    {
                        "key": KEY,
                        "verdicts": _list(
                            _shape({"path": ANY_TEXT, "verdict": ANY_TEXT, "reason": _or_null(ANY_TEXT)})
                        ),
                    }
                )
            ),
            "window": _or_null(
                _shape({"opened_at": NUMBER, "closes_at": NUMBER, "is_open": {"type": "boolean"}})
            ),
        }
    ),
    "Message": _shape(
        {
            "id": NUMBER,
            "conversation_id": NUMBER,
            "seq": NUMBER,
            "direction": {"enum": ["in", "out", "system"]},
            "author": _shape(
                {"kind": {"enum": ["visitor", "operator", "bot", "system"]}, "name": _or_null(ANY_TEXT)}
            ),
            "text": ANY_TEXT,
            "buttons": _list(_list(_ref("Button"))),
            "key": ANY_TEXT,
            "state": {"enum": ["waiting", "sent", "delivered", "read", "failed", "uncertain"]},
            "created_at": NUMBER,
        }
    ),
    "Button": _shape(
        {
            "option": NUMBER,
            "label": ANY_TEXT,
            "url": _or_null(ANY_TEXT),
            "asks": _or_null({"enum": ["phone", "email"]}),
        }
    ),
    "Chat": _shape(
        {
            "id": NUMBER,
            "status": {"enum": ["open", "closed"]},
            "last_seq": NUMBER,
            "visitor_read_seq": NUMBER,
            "operator_read_seq": NUMBER,
            "unread": NUMBER,
        }
    ),
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one address."""

    method: str
    path: str
    summary: str
    answers: Mapping[int, Schema | str]
    """By status: the schema of a JSON answer, a media type, or an empty text for no body."""
    body: Schema | None = None
    kinds: tuple[str, ...] = (JSON,)
    query: Mapping[str, Schema] | None = None
    access: str = ""
    """`chat` for a visitor's token, `operator` for a sign-in, `integration` for a token of the API, empty for
    anybody."""


BUTTON = "{id}/{hash}"
NOTHING = ""
SOCKET = "websocket"
FILE: Mapping[int, str] = {200: "*/*", 206: "*/*", 416: NOTHING}
SENT = _shape({"key": KEY, "text": _text(1, 10_000)})
ACTION = _shape({"key": KEY})
PLACES: Mapping[str, Schema] = {"channels": _list(OBJECT), "sources": _list(OBJECT), "stages": _list(OBJECT)}

HAL = "application/hal+json"
PROBLEM = "application/problem+json"
PROBLEM_SHAPE = _shape({"title": ANY_TEXT, "type": ANY_TEXT, "status": NUMBER, "detail": ANY_TEXT})
CARD_ID: Schema = {"anyOf": [{"type": "integer", "minimum": 1}, _text(1, 16, "^[1-9][0-9]*$")]}
CARD_KIND: Schema = {"enum": ["leads", "contacts", "1", "2", 1, 2]}
CARD = _shape({"entity_id": CARD_ID, "entity_type": CARD_KIND})

OPERATIONS: tuple[Operation, ...] = (
    Operation("GET", "/js/button.js", "The loader", {200: "text/javascript", 304: NOTHING, 503: TEXT}),
    Operation("GET", "/v1/button.js", "The loader", {200: "text/javascript", 304: NOTHING, 503: TEXT}),
    Operation(
        "GET",
        f"/v{knopka.__version__}/button.js",
        "The loader of this release",
        {200: "text/javascript", 304: NOTHING, 503: TEXT},
    ),
    Operation("GET", "/w/static/{name}", "A file of the chat", {200: "*/*", 304: NOTHING, 503: TEXT}),
    Operation("GET", f"/w/config/{BUTTON}", "How a button looks", {200: OBJECT, 304: NOTHING}),
    Operation("OPTIONS", f"/w/config/{BUTTON}", "What a page asks first", {204: NOTHING}),
    Operation(
        "POST",
        f"/w/meta/{BUTTON}",
        "Take setMeta calls of one visit",
        {200: _ref("Recorded")},
        _shape(
            {"visit": VISIT, "calls": _list(_shape({"key": KEY, "params": OBJECT}), 20)},
            {"page": _ref("Page")},
        ),
        (JSON, TEXT, FORM),
    ),
    Operation("OPTIONS", f"/w/meta/{BUTTON}", "What a page asks first", {204: NOTHING}),
    Operation(
        "POST",
        f"/w/meta/{BUTTON}/verdicts",
        "What has become of earlier calls",
        {200: _ref("Recorded")},
        _shape({"visit": VISIT, "keys": _list(KEY, 20)}),
        (JSON, TEXT),
    ),
    Operation("OPTIONS", f"/w/meta/{BUTTON}/verdicts", "What a page asks first", {204: NOTHING}),
    Operation(
        "POST",
        f"/w/link/{BUTTON}",
        "Tell which visit a messenger's link stands for",
        {204: NOTHING},
        _shape({"visit": VISIT, "code": LINK_CODE}, {"page": _ref("Page")}),
        (JSON, TEXT),
    ),
    Operation("OPTIONS", f"/w/link/{BUTTON}", "What a page asks first", {204: NOTHING}),
    Operation(
        "POST",
        f"/w/qr/{BUTTON}",
        "The same, and the link as a QR code",
        {200: _shape({"size": NUMBER, "path": ANY_TEXT})},
        _shape({"visit": VISIT, "code": LINK_CODE, "kind": ANY_TEXT}, {"page": _ref("Page")}),
        (JSON, TEXT),
    ),
    Operation("OPTIONS", f"/w/qr/{BUTTON}", "What a page asks first", {204: NOTHING}),
    Operation(
        "POST",
        "/hooks/{kind}/{path}",
        "What a messenger's platform tells",
        {200: "*/*", 403: NOTHING},
        OBJECT,
    ),
    Operation(
        "GET", "/hooks/{kind}/{path}", "A platform's question whether the address is ours", {200: TEXT}
    ),
    Operation("GET", f"/w/frame/{BUTTON}", "The document of the chat", {200: "text/html"}),
    Operation(
        "POST", f"/w/chat/{BUTTON}/token", "A new chat token", {201: _shape({"token": ANY_TEXT})}, OBJECT
    ),
    Operation(
        "POST",
        f"/w/chat/{BUTTON}/open",
        "The visitor's conversation",
        {200: _shape({"conversation": _or_null(_ref("Chat")), "messages": _list(_ref("Message"))})},
        _shape({}, {"visit": _or_null(VISIT)}),
        access="chat",
    ),
    Operation(
        "POST",
        f"/w/chat/{BUTTON}/messages",
        "Take a message",
        {201: _shape({"conversation": _ref("Chat"), "message": _ref("Message")})},
        _shape(
            {"key": KEY, "text": _text(1, 10_000)},
            {
                "visit": _or_null(VISIT),
                "page": _or_null(_ref("Page")),
                "pressed": _or_null(_shape({"message_id": NUMBER, "option": NUMBER})),
            },
        ),
        access="chat",
    ),
    Operation(
        "GET",
        f"/w/chat/{BUTTON}/messages",
        "A page of the conversation",
        {200: _shape({"messages": _list(_ref("Message"))})},
        query={"conversation_id": NUMBER, "after": NUMBER, "before": NUMBER, "limit": LIMIT},
        access="chat",
    ),
    Operation(
        "POST",
        f"/w/chat/{BUTTON}/seen",
        "How far answers have come",
        {204: NOTHING},
        _shape({"conversation_id": NUMBER, "delivered_seq": NUMBER, "read_seq": NUMBER}),
        access="chat",
    ),
    Operation(SOCKET, f"/w/chat/{BUTTON}/live", "The visitor's socket", {}),
    Operation("POST", "/w/csp", "A browser's report of its content policy", {204: NOTHING}, OBJECT),
    Operation("GET", "/healthz", "Whether the process answers", {200: OBJECT}),
    Operation("GET", "/readyz", "Whether what is sent would be kept", {200: OBJECT, 503: OBJECT}),
    Operation("GET", "/metrics", "Numbers, for this machine alone", {200: TEXT}),
    Operation("GET", "/demo", "The demo's shop", {200: "text/html"}),
    Operation("GET", "/demo/{name}", "A file of the demo's page", {200: "*/*"}),
    Operation("GET", "/demo/clock", "The demo's clock", {200: _shape({"now": NUMBER})}),
    Operation(
        "POST",
        "/demo/clock",
        "Move the demo's clock ahead",
        {200: _shape({"now": NUMBER})},
        _shape({"advance": _text(2, 7, "^[1-9][0-9]{0,5}[smhd]$")}),
    ),
    Operation("GET", "/inbox/sign-in", "The sign-in page", {200: "text/html", 303: NOTHING}),
    Operation("POST", "/inbox/sign-in", "Sign in", {303: NOTHING}, OBJECT, (FORM,)),
    Operation("POST", "/inbox/sign-out", "Sign out", {204: NOTHING, 303: NOTHING}, OBJECT, (FORM, JSON)),
    Operation("GET", "/inbox/setup", "The page of the first start", {200: "text/html", 303: NOTHING}),
    Operation("POST", "/inbox/setup", "Make the first operator", {303: NOTHING}, OBJECT, (FORM,)),
    Operation("GET", "/inbox/pages.css", "The style of these pages", {200: "text/css", 304: NOTHING}),
    Operation("GET", "/inbox", "The inbox", {200: "text/html", 303: NOTHING, 503: TEXT}, access="operator"),
    Operation(
        "GET", "/inbox/{place}", "The inbox", {200: "text/html", 303: NOTHING, 503: TEXT}, access="operator"
    ),
    Operation("GET", "/inbox/assets/{name}", "A file of the inbox", {200: "*/*", 304: NOTHING, 503: TEXT}),
    Operation("GET", "/inbox/api/me", "Who is signed in", {200: OBJECT}, access="operator"),
    Operation(
        "GET",
        "/inbox/api/conversations",
        "Conversations, newest message first",
        {200: _shape({"conversations": _list(OBJECT), "cursor": NUMBER, "unread": NUMBER})},
        query={"status": {"enum": ["open", "closed", "all"]}, "before": ANY_TEXT, "limit": LIMIT},
        access="operator",
    ),
    Operation(
        "GET",
        "/inbox/api/changes",
        "Conversations changed since",
        {200: _shape({"conversations": _list(OBJECT), "cursor": NUMBER, "more": {"type": "boolean"}})},
        query={"since": NUMBER, "limit": LIMIT},
        access="operator",
    ),
    Operation(
        "GET",
        "/inbox/api/conversations/{id}",
        "A conversation",
        {200: OBJECT},
        access="operator",
    ),
    Operation(
        "GET",
        "/inbox/api/conversations/{id}/messages",
        "A page of its messages",
        {200: _shape({"messages": _list(_ref("Message"))})},
        query={"after": NUMBER, "before": NUMBER, "limit": LIMIT},
        access="operator",
    ),
    Operation(
        "POST",
        "/inbox/api/conversations/{id}/messages",
        "Answer",
        {201: _ref("Message")},
        SENT,
        access="operator",
    ),
    Operation(
        "POST",
        "/inbox/api/conversations/{id}/messages/{message_id}/resend",
        "Send again what failed or is in doubt",
        {200: _ref("Message")},
        ACTION,
        access="operator",
    ),
    Operation(
        "POST",
        "/inbox/api/conversations/{id}/typing",
        "Show in the messenger that an answer is being written",
        {204: NOTHING},
        OBJECT,
        access="operator",
    ),
    Operation(
        "POST",
        "/inbox/api/conversations/{id}/read",
        "Note what was read",
        {204: NOTHING},
        _shape({"seq": NUMBER}),
        access="operator",
    ),
    Operation(
        "POST",
        "/inbox/api/conversations/{id}/close",
        "Close",
        {200: OBJECT},
        ACTION,
        access="operator",
    ),
    Operation(
        "POST",
        "/inbox/api/conversations/{id}/reopen",
        "Open again",
        {200: OBJECT},
        ACTION,
        access="operator",
    ),
    Operation("GET", "/inbox/api/leads/{id}", "A card", {200: OBJECT}, access="operator"),
    Operation(
        "PATCH",
        "/inbox/api/leads/{id}",
        "Change names and budget",
        {200: OBJECT},
        _shape({"key": KEY}, {"name": ANY_TEXT, "price": NUMBER, "contact_name": ANY_TEXT}),
        access="operator",
    ),
    Operation(
        "POST",
        "/inbox/api/leads/{id}/notes",
        "Add a note",
        {201: OBJECT},
        _shape({"key": KEY, "entity": {"enum": ["leads", "contacts"]}, "text": _text(1, 20_000)}),
        access="operator",
    ),
    Operation(
        "GET",
        "/inbox/api/unsorted",
        "Unsorted leads",
        {200: _shape({"unsorted": _list(OBJECT)})},
        query={"before": ANY_TEXT, "limit": LIMIT},
        access="operator",
    ),
    Operation(
        "POST",
        "/inbox/api/unsorted/{uid}/accept",
        "Accept",
        {200: OBJECT},
        _shape({"key": KEY}, {"pipeline_id": NUMBER, "status_id": NUMBER}),
        access="operator",
    ),
    Operation(
        "POST", "/inbox/api/unsorted/{uid}/decline", "Decline", {200: OBJECT}, ACTION, access="operator"
    ),
    Operation("GET", "/inbox/api/pipelines", "Pipelines and their stages", {200: OBJECT}, access="operator"),
    Operation("GET", "/inbox/api/files/{id}", "What came with a message", FILE, access="operator"),
    Operation("GET", "/inbox/api/contacts/{id}/avatar", "A contact's picture", FILE, access="operator"),
    Operation(
        "GET",
        "/inbox/api/channels",
        "The channels, and what each kind asks for",
        {200: _shape({"channels": _list(OBJECT), "kinds": _list(OBJECT), "sources": _list(OBJECT)})},
        access="operator",
    ),
    Operation(
        "POST",
        "/inbox/api/channels",
        "Add a channel and set it up",
        {201: OBJECT},
        _shape(
            {
                "key": KEY,
                "kind": {"enum": ["telegram", "messenger", "viber", "vk"]},
                "values": {"type": "object", "additionalProperties": ANY_TEXT},
            },
            {"source_ids": _or_null(_list(NUMBER))},
        ),
        access="operator",
    ),
    Operation(
        "PATCH",
        "/inbox/api/channels/{id}",
        "Change a channel",
        {200: OBJECT},
        _shape(
            {"key": KEY},
            {
                "values": {"type": "object", "additionalProperties": ANY_TEXT},
                "source_ids": _or_null(_list(NUMBER)),
                "is_enabled": {"type": "boolean"},
            },
        ),
        access="operator",
    ),
    Operation("DELETE", "/inbox/api/channels/{id}", "Forget a channel", {204: NOTHING}, access="operator"),
    Operation(
        "POST",
        "/inbox/api/channels/{id}/check",
        "Look again how it stands",
        {200: OBJECT},
        ACTION,
        access="operator",
    ),
    Operation(
        "POST",
        "/inbox/api/channels/{id}/test",
        "Send a test message",
        {201: OBJECT},
        ACTION,
        access="operator",
    ),
    Operation(
        "GET",
        "/inbox/api/bots",
        "The bots, and what their settings may name",
        {200: _shape({"bots": _list(OBJECT), **PLACES})},
        access="operator",
    ),
    Operation(
        "POST",
        "/inbox/api/bots",
        "Add a bot",
        {201: OBJECT},
        _shape({"key": KEY, "name": _text(1, 255)}, {"settings": OBJECT}),
        access="operator",
    ),
    Operation(
        "POST",
        "/inbox/api/bots/check",
        "What is wrong with a script",
        {200: _shape({"faults": _list(OBJECT), "warnings": _list(OBJECT), "diagram": _or_null(OBJECT)})},
        _shape({"script": ANY_TEXT}),
        access="operator",
    ),
    Operation(
        "POST",
        "/inbox/api/bots/play",
        "Play a script without touching anything",
        {200: _shape({"moments": _list(OBJECT), "waiting": _or_null(OBJECT), "ended": _or_null(ANY_TEXT)})},
        _shape({"script": ANY_TEXT}, {"given": OBJECT, "events": _list(OBJECT)}),
        access="operator",
    ),
    Operation(
        "GET",
        "/inbox/api/bots/{id}",
        "A bot with the script that it runs",
        {200: _shape({"published": _or_null(OBJECT), "runs": _list(OBJECT), **PLACES})},
        access="operator",
    ),
    Operation(
        "PATCH",
        "/inbox/api/bots/{id}",
        "Rename a bot, say when it starts, switch it on or off",
        {200: OBJECT},
        _shape({"key": KEY}, {"name": _text(1, 255), "settings": OBJECT, "is_enabled": {"type": "boolean"}}),
        access="operator",
    ),
    Operation("DELETE", "/inbox/api/bots/{id}", "Take a bot away", {204: NOTHING}, access="operator"),
    Operation(
        "GET",
        "/inbox/api/bots/{id}/versions",
        "Its versions, newest first",
        {200: _shape({"versions": _list(OBJECT), "next": _or_null(NUMBER)})},
        query={"before": NUMBER, "limit": LIMIT},
        access="operator",
    ),
    Operation(
        "POST",
        "/inbox/api/bots/{id}/versions",
        "Keep a new version of its script",
        {201: _shape({"bot": OBJECT, "version": OBJECT, "warnings": _list(OBJECT)})},
        _shape({"key": KEY, "script": ANY_TEXT}, {"note": ANY_TEXT}),
        access="operator",
    ),
    Operation(
        "GET",
        "/inbox/api/bots/{id}/versions/{version}",
        "One version with its script",
        {200: OBJECT},
        access="operator",
    ),
    Operation(
        "POST",
        "/inbox/api/bots/{id}/publish",
        "Run this version from now on",
        {200: OBJECT},
        _shape({"key": KEY, "version": NUMBER}),
        access="operator",
    ),
    Operation(
        "POST",
        "/inbox/api/bots/{id}/roll-back",
        "Run the version before the published one",
        {200: OBJECT},
        ACTION,
        access="operator",
    ),
    Operation(
        "GET",
        "/inbox/api/bots/{id}/runs",
        "Its runs, newest first",
        {200: _shape({"runs": _list(OBJECT), "next": _or_null(NUMBER)})},
        query={"before": NUMBER, "limit": LIMIT},
        access="operator",
    ),
    Operation(
        "GET",
        "/inbox/api/bot-runs/{id}",
        "One run, step by step",
        {200: _shape({"lines": _list(OBJECT)})},
        access="operator",
    ),
    Operation(
        "POST",
        "/inbox/api/conversations/{id}/bot",
        "Start a bot in a conversation",
        {200: OBJECT},
        _shape({"key": KEY, "bot_id": NUMBER}),
        access="operator",
    ),
    Operation(
        "POST",
        "/inbox/api/conversations/{id}/bot/stop",
        "Stop the bot that talks in a conversation",
        {200: OBJECT},
        ACTION,
        access="operator",
    ),
    Operation(SOCKET, "/inbox/api/live", "The operators' socket", {}, access="operator"),
    Operation(
        "POST",
        "/api/v2/salesbot/run",
        "Start up to 100 bots",
        {202: HAL},
        _list(_shape({"bot_id": CARD_ID, "entity_id": CARD_ID, "entity_type": CARD_KIND}), 100),
        access="integration",
    ),
    Operation("GET", "/api/v4/bots", "The bots", {200: HAL}, access="integration"),
    Operation("GET", "/api/v4/bots/{id}", "A bot", {200: HAL}, access="integration"),
    Operation("POST", "/api/v4/bots/{id}/run", "Start a bot", {202: HAL}, CARD, access="integration"),
    Operation("POST", "/api/v4/bots/{id}/stop", "Stop a bot", {202: HAL}, CARD, access="integration"),
    Operation(
        "POST",
        "/api/v4/{kind}/{id}/continue/{run}",
        "Continue a run that waits for this service",
        {202: HAL},
        _shape({}, {"data": OBJECT, "execute_handlers": _list(OBJECT, 10)}),
        access="integration",
    ),
)


def make_document() -> dict[str, Any]:
    """The document, in OpenAPI 3.1. Sockets, which it has no words for, are left out."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        if operation.method != SOCKET:
            paths.setdefault(operation.path, {})[operation.method.lower()] = _describe(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "knopka", "version": knopka.__version__},
        "paths": paths,
        "components": {
            "schemas": dict(SCHEMAS),
            "securitySchemes": {
                "chat": {"type": "http", "scheme": "bearer"},
                "integration": {"type": "http", "scheme": "bearer"},
                "operator": {"type": "apiKey", "in": "cookie", "name": "__Host-knopka"},
            },
        },
    }


def _describe(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "summary": operation.summary,
        "parameters": [*_path_parameters(operation.path), *_query_parameters(operation.query or {})],
        "responses": {str(status): _answer(answer) for status, answer in operation.answers.items()}
        | {"default": {"description": "refused", "content": _refusal(operation)}},
        "security": [{operation.access: []}] if operation.access else [],
    }
    if operation.body is not None:
        content = {kind: {"schema": operation.body if kind != FORM else OBJECT} for kind in operation.kinds}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _refusal(operation: Operation) -> dict[str, Any]:
    """Our error body; the pages that take forms show what was wrong as a page, and API v4 has its own."""
    if operation.access == "integration":
        return {PROBLEM: {"schema": PROBLEM_SHAPE}, JSON: {"schema": _ref("Error")}}
    shown = {JSON: {"schema": _ref("Error")}}
    is_page = FORM in operation.kinds and operation.path.startswith("/inbox/")
    return shown | ({HTML: {"schema": {}}} if is_page else {})


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = re.findall(r"{(\w+)}", path)
    return [{"name": name, "in": "path", "required": True, "schema": _text(1, 128)} for name in names]


def _query_parameters(query: Mapping[str, Schema]) -> list[dict[str, Any]]:
    return [{"name": name, "in": "query", "schema": schema} for name, schema in query.items()]


def _answer(answer: Schema | str) -> dict[str, Any]:
    if answer == NOTHING:
        return {"description": "done"}
    if isinstance(answer, str):
        return {"description": "done", "content": {answer: {"schema": {}}}}
    return {"description": "done", "content": {JSON: {"schema": answer}}}
