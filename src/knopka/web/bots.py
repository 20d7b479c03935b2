"""The operators' API of bots: their scripts and versions, when they start, what their runs did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from litestar import delete, get, patch, post

from knopka.db.clock import to_ms
from knopka.db.database import Transaction
from knopka.domain.bot.diagram import Arrow, Diagram, Node, draw
from knopka.domain.bot.loading import parse_script
from knopka.domain.bot.script import MAX_SCRIPT_BYTES, Script, Warning
from knopka.domain.bot.setup import Bot, BotRun, BotVersion, LogLine
from knopka.domain.bot.wording import say_end, say_note
from knopka.domain.catalog import Catalog
from knopka.domain.errors import Fault, InvalidInput, ScriptError
from knopka.services import bot_runs, bots, desk, shapes
from knopka.services.catalog import ACCOUNT
from knopka.services.repeats import is_first
from knopka.web.answers import Answer, answer, answer_json
from knopka.web.bodies import read_object
from knopka.web.context import Web, web_of
from knopka.web.inbox import OperatorRequest
from knopka.web.pages.views import pick_locale
from knopka.web.wants import read_id, read_limit, read_number, take

MAX_BODY = 2 * MAX_SCRIPT_BYTES + 64 * 1024
"""A script as a JSON text, in which quotes and line breaks take two bytes, and what comes with it."""
LAST_RUNS = 5

Object = dict[str, Any]


# --- Bots


@get("/bots")
async def get_bots(request: OperatorRequest) -> Answer:
    """Every bot with its last run, and what a bot's settings may name."""
    web = web_of(request)
    found = await web.database.read(_list_bots)
    return answer_json(
        {"bots": [_show(bot, runs, locale_of(request)) for bot, runs in found], **_show_places(web.catalog())}
    )


def _list_bots(tx: Transaction) -> list[tuple[Bot, list[BotRun]]]:
    return [(bot, bots.list_runs(tx, bot_id=bot.id, limit=1)) for bot in bots.list_bots(tx)]


@post("/bots", status_code=201)
async def post_bot(request: OperatorRequest) -> Answer:
    """Add a bot, which says nothing before a version of its script is published."""
    web = web_of(request)
    body = take(await _read(request), {"key": str, "name": str}, {"settings": dict})
    bot = await web.database.write(
        bots.add_bot, body["name"], body["key"], settings=body.get("settings"), key=("bots", 0)
    )
    return answer_json(_show(bot, [], locale_of(request)), status=201)


@get("/bots/{id:str}")
async def get_bot(request: OperatorRequest) -> Answer:
    """A bot with the script that it runs, and its last runs."""
    web = web_of(request)
    bot, version, runs = await web.database.read(_read_bot, _id(request))
    locale = locale_of(request)
    return answer_json(
        {
            **_show(bot, runs, locale),
            **_show_places(web.catalog()),
            "published": None if version is None else _show_version(version),
            "runs": [_show_run(run, locale) for run in runs],
        }
    )


def _read_bot(tx: Transaction, bot_id: int) -> tuple[Bot, BotVersion | None, list[BotRun]]:
    bot = bots.get_bot(tx, bot_id)
    published = bot.published_version
    version = None if published is None else bots.get_version(tx, bot_id, published)
    return bot, version, bots.list_runs(tx, bot_id=bot_id, limit=LAST_RUNS)


@patch("/bots/{id:str}")
async def patch_bot(request: OperatorRequest) -> Answer:
    """Rename it, say when it starts, switch it on or off: all of it or nothing."""
    number = _id(request)
    body = take(await _read(request), {"key": str}, {"name": str, "settings": dict, "is_enabled": bool})
    if len(body) == 1:
        raise InvalidInput(Fault("$", "empty", "One of name, settings and is_enabled is needed."))
    await web_of(request).database.write(_change, number, body, key=("bot", number))
    return await _show_changed(request, number)


def _change(tx: Transaction, bot_id: int, body: Mapping[str, Any], *, now: datetime) -> None:
    """One key is one change."""
    said = [(name, body[name]) for name in sorted(body)]
    if not is_first(tx, ACCOUNT, f"bot:{bot_id}:change", body["key"], said, now=now):
        return
    bots.change(tx, bot_id, **{name: value for name, value in body.items() if name != "key"}, now=now)


@delete("/bots/{id:str}", status_code=200)
async def delete_bot(request: OperatorRequest) -> Answer:
    """Take it away with the talks it has; what its runs did can still be read."""
    number, web = _id(request), web_of(request)
    take(await _read(request), {"key": str})
    await web.database.write(bots.remove, number, key=("bot", number))
    await _reload(web)
    return answer(status=204)


# --- Versions


@post("/bots/check", status_code=200)
async def post_check(request: OperatorRequest) -> Answer:
    """What is wrong with a script, or what it looks like; nothing is kept."""
    body = take(await _read(request), {"script": str})
    return answer_json(check(body["script"]))


def check(text: str) -> Object:
    """Every fault and warning of a script with its place, and its diagram when it can be run."""
    try:
        script = parse_script(text.encode())
    except ScriptError as error:
        faults = [
            {"path": f.path, "code": f.code, "message": f.message, "line": f.line, "column": f.column}
            for f in error.faults
        ]
        return {"faults": faults, "warnings": [], "diagram": None}
    return {"faults": [], "warnings": _show_warnings(script), "diagram": _show_diagram(draw(script))}


@get("/bots/{id:str}/versions")
async def get_versions(request: OperatorRequest) -> Answer:
    """The versions of a bot, the newest first, without their scripts."""
    query = request.query_params
    limit = read_limit(query)
    found = await web_of(request).database.read(
        bots.list_versions, _id(request), before=read_number(query, "before"), limit=limit + 1
    )
    page = found[:limit]
    return answer_json(
        {
            "versions": [_show_heading(version) for version in page],
            "next": page[-1].version if len(found) > limit else None,
        }
    )


@get("/bots/{id:str}/versions/{version:str}")
async def get_version(request: OperatorRequest) -> Answer:
    """One version with its script."""
    version = await web_of(request).database.read(
        bots.get_version, _id(request), read_id(request.path_params["version"])
    )
    return answer_json(_show_version(version))


@post("/bots/{id:str}/versions", status_code=201)
async def post_version(request: OperatorRequest) -> Answer:
    """Keep a new version; what is published stays so. A script that cannot be run is refused."""
    number, web = _id(request), web_of(request)
    body = take(await _read(request), {"key": str, "script": str}, {"note": str})
    put = await web.database.write(
        bots.put_version,
        number,
        body["script"].encode(),
        body["key"],
        author=request.user.operator.name,
        note=body.get("note", ""),
        key=("bot", number),
    )
    shown = {"version": _show_version(put.version), "warnings": _show_warnings(put.script)}
    return answer_json({"bot": _show(put.bot, [], locale_of(request)), **shown}, status=201)


@post("/bots/{id:str}/publish", status_code=200)
async def post_publish(request: OperatorRequest) -> Answer:
    """Let runs that begin from now on use this version."""
    number = _id(request)
    body = take(await _read(request), {"key": str, "version": int})
    await web_of(request).database.write(bots.publish, number, body["version"], key=("bot", number))
    return await _show_changed(request, number)


@post("/bots/{id:str}/roll-back", status_code=200)
async def post_roll_back(request: OperatorRequest) -> Answer:
    """Publish the version before the published one, once for each key."""
    number = _id(request)
    body = take(await _read(request), {"key": str})
    await web_of(request).database.write(_roll_back, number, body["key"], key=("bot", number))
    return await _show_changed(request, number)


def _roll_back(tx: Transaction, bot_id: int, key: str, *, now: datetime) -> None:
    if is_first(tx, ACCOUNT, f"bot:{bot_id}:roll-back", key, now=now):
        bots.roll_back(tx, bot_id, now=now)


# --- Runs


@get("/bots/{id:str}/runs")
async def get_runs(request: OperatorRequest) -> Answer:
    """What the bot has done, the newest run first."""
    query = request.query_params
    limit = read_limit(query)
    found = await web_of(request).database.read(
        _list_runs, _id(request), before=read_number(query, "before"), limit=limit + 1
    )
    page, locale = found[:limit], locale_of(request)
    return answer_json(
        {
            "runs": [_show_run(run, locale) for run in page],
            "next": page[-1].id if len(found) > limit else None,
        }
    )


def _list_runs(tx: Transaction, bot_id: int, *, before: int | None, limit: int) -> list[BotRun]:
    return bots.list_runs(tx, bot_id=bots.get_bot(tx, bot_id).id, before=before, limit=limit)


@get("/bot-runs/{id:str}")
async def get_run(request: OperatorRequest) -> Answer:
    """One run, step by step, each line in words."""
    found = await web_of(request).database.read(bots.get_run, _id(request))
    locale = locale_of(request)
    lines = [_show_line(line, locale) for line in found.lines]
    return answer_json({**_show_run(found.run, locale), "lines": lines})


@post("/conversations/{id:str}/bot", status_code=200)
async def post_conversation_bot(request: OperatorRequest) -> Answer:
    """Start a bot in a conversation, in the place of the one that talks there."""
    number, web = _id(request), web_of(request)
    body = take(await _read(request), {"key": str, "bot_id": int})
    await web.database.write(
        bot_runs.start_by_hand,
        request.user.operator,
        number,
        body["bot_id"],
        body["key"],
        key=("conversation", number),
    )
    return await _show_conversation(request, number)


@post("/conversations/{id:str}/bot/stop", status_code=200)
async def post_conversation_stop(request: OperatorRequest) -> Answer:
    """Stop the bot that talks in a conversation; that none does is no fault."""
    number, web = _id(request), web_of(request)
    take(await _read(request), {"key": str})
    await web.database.write(bot_runs.stop_in, number, key=("conversation", number))
    return await _show_conversation(request, number)


async def _show_conversation(request: OperatorRequest, number: int) -> Answer:
    found = await web_of(request).database.read(desk.get_conversation, number)
    return answer_json(shapes.summary(found))


# --- What is shown


def _show(bot: Bot, runs: list[BotRun], locale: str) -> Object:
    return {
        "id": bot.id,
        "name": bot.name,
        "is_enabled": bot.is_enabled,
        "published_version": bot.published_version,
        "last_version": bot.last_version,
        "settings": bot.settings,
        "created_at": to_ms(bot.created_at),
        "changed_at": to_ms(bot.changed_at),
        "last_run": _show_run(runs[0], locale) if runs else None,
    }


def _show_places(catalog: Catalog) -> Object:
    """The channels, buttons and stages that settings name by their ids."""
    stages = [
        {"id": status.id, "name": status.name, "pipeline": pipeline.name}
        for pipeline in catalog.pipelines
        for status in pipeline.statuses
    ]
    return {
        "channels": [
            {"id": setup.id, "kind": setup.kind.value, "title": setup.title}
            for setup in catalog.channels.values()
        ],
        "sources": [{"id": source.id, "name": source.name} for source in catalog.sources.values()],
        "stages": stages,
    }


def _show_heading(version: BotVersion) -> Object:
    return {
        "version": version.version,
        "note": version.note,
        "author": version.author,
        "created_at": to_ms(version.created_at),
        "bytes": len(version.script.encode()),
    }


def _show_version(version: BotVersion) -> Object:
    return {**_show_heading(version), "script": version.script}


def _show_warnings(script: Script) -> list[Object]:
    return [_show_warning(warning) for warning in script.warnings]


def _show_warning(warning: Warning) -> Object:
    at = warning.at
    return {
        "path": at.path,
        "code": warning.code,
        "message": warning.message,
        "line": at.line,
        "column": at.column,
    }


def _show_diagram(diagram: Diagram) -> Object:
    return {"nodes": [_show_node(node) for node in diagram.nodes], "arrows": _show_arrows(diagram.arrows)}


def _show_node(node: Node) -> Object:
    return {
        "step": node.step,
        "line": node.line,
        "says": node.says,
        "handlers": node.handlers,
        "asks": node.asks,
        "ends": node.ends,
    }


def _show_arrows(arrows: Iterable[Arrow]) -> list[Object]:
    return [
        {
            "source": arrow.source,
            "to": arrow.to,
            "block": arrow.block.value,
            "waits": arrow.waits,
            "labels": [{"reason": label.reason, "text": label.text} for label in arrow.labels],
            "line": arrow.line,
        }
        for arrow in arrows
    ]


def _show_run(run: BotRun, locale: str) -> Object:
    return {
        "id": run.id,
        "bot_id": run.bot_id,
        "version": run.version,
        "conversation_id": run.conversation_id,
        "lead_id": run.lead_id,
        "is_active": run.is_active,
        "wait": run.wait,
        "cause": run.cause,
        "started_at": to_ms(run.started_at),
        "changed_at": to_ms(run.changed_at),
        "ended_at": None if run.ended_at is None else to_ms(run.ended_at),
        "reason": run.reason,
        "reason_text": None if run.reason is None else say_end(run.reason, locale),
    }


def _show_line(line: LogLine, locale: str) -> Object:
    """One line of the log; the last one tells why the run ended."""
    told = line.line
    note, detail = str(told["note"]), str(told["detail"])
    is_end = note == "ended"
    return {
        "seq": line.seq,
        "at": to_ms(line.at),
        "step": told.get("step"),
        "block": told.get("block"),
        "path": told.get("path", ""),
        "line": told.get("row"),
        "handler": told["handler"],
        "seen": told["seen"],
        "note": note,
        "text": say_end(detail, locale) if is_end else say_note(note, locale),
        "detail": "" if is_end else detail,
    }


async def _show_changed(request: OperatorRequest, number: int) -> Answer:
    web = web_of(request)
    await _reload(web)
    bot, _, runs = await web.database.read(_read_bot, number)
    return answer_json(_show(bot, runs, locale_of(request)))


async def _reload(web: Web) -> None:
    """Conversations ask the catalog which bots may start."""
    if web.reload is not None:
        await web.reload()


async def _read(request: OperatorRequest) -> dict[str, Any]:
    return await read_object(request, MAX_BODY)


def _id(request: OperatorRequest) -> int:
    return read_id(request.path_params["id"])


def locale_of(request: OperatorRequest) -> str:
    """The language in which notes and ends are said."""
    return pick_locale(request.headers.get("accept-language", ""))
