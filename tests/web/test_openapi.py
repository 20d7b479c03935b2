"""The OpenAPI document names every address, and no request that it allows, or nearly allows, breaks us."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.errors import Unsatisfiable
from litestar import Litestar
from litestar.routes import HTTPRoute, WebSocketRoute
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from knopka.domain.api_tokens import Scope
from knopka.services import api_tokens, operators
from knopka.web.openapi import OPERATIONS, SOCKET, make_document
from knopka.web.routes import DEMO, OPERATORS, PUBLIC
from tests.web.running import Running, running

pytestmark = pytest.mark.anyio

BY_THE_FRAMEWORK = ("HEAD", "OPTIONS")
"""Answered for every address; only our own OPTIONS are worth describing."""
WIDE = "\n".join(
    f'{name} = "100000/min"'
    for name in (
        *("meta_per_visit", "meta_per_address", "tokens_per_address", "tokens_per_button"),
        *("messages_per_visitor", "reads_per_visitor", "reports_per_address"),
        *("sign_ins_per_account", "sign_ins_per_address", "api_calls_per_token"),
    )
)
SESSION = "s" * 43
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]


def routed() -> set[tuple[str, str]]:
    """Method and path of every route, as the router knows them."""
    app = Litestar([*PUBLIC, *OPERATORS, *DEMO], openapi_config=None)
    found: set[tuple[str, str]] = set()
    for route in app.routes:
        path = re.sub(r"{(\w+):\w+}", r"{\1}", route.path)
        if isinstance(route, WebSocketRoute):
            found.add((SOCKET, path))
        elif isinstance(route, HTTPRoute):
            found |= {
                (str(method), path) for handler in route.route_handlers for method in handler.http_methods
            }
    return found


def test_S_OPS_06_every_route_is_described_and_nothing_else_is() -> None:
    described = {(operation.method, operation.path) for operation in OPERATIONS}
    wanted = {(method, path) for method, path in routed() if method not in BY_THE_FRAMEWORK}
    assert {pair for pair in described if pair[0] not in BY_THE_FRAMEWORK} == wanted
    assert described <= routed()


def test_no_operation_is_described_twice() -> None:
    assert len({(operation.method, operation.path) for operation in OPERATIONS}) == len(OPERATIONS)


def test_S_AC_06_every_address_under_the_inbox_api_is_for_operators() -> None:
    assert all(o.access == "operator" for o in OPERATIONS if o.path.startswith("/inbox/api/"))


def test_the_document_is_valid() -> None:
    schemathesis.openapi.from_dict(make_document()).validate()


@dataclass(frozen=True)
class Caller:
    """Who calls in the run: a page of the shop, its visitor, an operator, and an integration."""

    server: Running
    token: str
    integration: str

    def headers(self, access: str, path: str) -> dict[str, str]:
        headers = {"origin": self.server.url, "sec-fetch-site": "same-origin"}
        if access == "chat":
            headers["authorization"] = f"Bearer {self.token}"
        if access == "integration":
            headers["authorization"] = f"Bearer {self.integration}"
        if access == "operator":
            headers |= {"x-knopka": "inbox", "cookie": f"knopka={SESSION}"}
        return headers


@pytest.fixture
async def caller(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Caller]:
    async with running(sqlite_url, tmp_path, limits=WIDE, demo=True) as server:
        server.pretend_built()
        token = (await server.client.post(f"/w/chat/{server.button}/token", json={})).json()["token"]
        write = server.house.database.write
        anna = await write(operators.add_operator, "anna", "Anna", "no hash", key="operators")
        await write(
            operators.sign_in,
            anna.id,
            operators.hash_token(SESSION),
            replaces=None,
            new_password_hash=None,
            agent="",
            address="",
            at=datetime.now(UTC),
            key="operators",
        )
        made = await write(api_tokens.add_token, "CRM", frozenset(Scope), key="tokens")
        yield Caller(server, token, made.text)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value
)
async def test_what_the_document_allows_and_nearly_allows_is_answered_as_it_says(
    caller: Caller, mode: GenerationMode
) -> None:
    await anyio.to_thread.run_sync(partial(call_everything, caller, mode))
    assert caller.server.house.database.health.state == "ok"


def call_everything(caller: Caller, mode: GenerationMode) -> None:
    document = make_document()
    _name_the_button(document, caller.server)
    access = {(operation.method, operation.path): operation.access for operation in OPERATIONS}
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        headers = caller.headers(access[operation.method.upper(), operation.path], operation.path)
        # An address that takes anything cannot be called wrongly.
        with suppress(Unsatisfiable) if mode.is_negative else nullcontext():
            call_often(operation, mode, caller.server.url, headers)


def call_often(operation: Any, mode: GenerationMode, url: str, headers: dict[str, str]) -> None:
    @seed(7)
    @settings(
        max_examples=12,
        deadline=None,
        database=None,
        derandomize=False,
        phases=[Phase.generate],
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def call(case: Any) -> None:
        answer = case.call(base_url=url, headers=headers, allow_redirects=False, timeout=10)
        case.validate_response(answer, checks=CHECKS)

    call()


def _name_the_button(document: dict[str, Any], server: Running) -> None:
    """Random ids meet no button: let the run meet the one that is there."""
    source = server.source
    for path, methods in document["paths"].items():
        if not path.startswith("/w/") or "{hash}" not in path:
            continue
        for described in methods.values():
            for parameter in described["parameters"]:
                if parameter["name"] in ("id", "hash"):
                    value = source.public_id if parameter["name"] == "id" else source.hash
                    parameter["schema"] = {"type": "string", "enum": [value]}
