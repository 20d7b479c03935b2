"""Whether the server is alive, whether it can store, and its numbers for whoever runs it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import structlog
from litestar import Request, get, post, route
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from knopka.domain.errors import Fault, InvalidInput, NotFound
from knopka.domain.strict_json import read_json
from knopka.web.answers import Answer, answer, answer_json
from knopka.web.bodies import media_type, read_body
from knopka.web.context import Web, is_from_here, web_of
from knopka.web.errors import NOTHING_HERE
from knopka.web.headers import REPORTS
from knopka.web.static_files import READ

AnyRequest = Request[Any, Any, Any]
REPORT_BYTES = 16 * 1024
REPORT_KINDS = ("application/csp-report", "application/reports+json", "application/json")
log = structlog.get_logger(__name__)


@route("/healthz", http_method=READ)
async def get_health(request: AnyRequest) -> Answer:
    """The process answers; nothing more is promised."""
    return answer_json({"status": "ok"})


@route("/readyz", http_method=READ)
async def get_readiness(request: AnyRequest) -> Answer:
    """Whether what is sent here would be kept; if not, since when. The reason itself stands in the log."""
    health = web_of(request).database.health
    if health.state == "ok":
        return answer_json({"status": "ok"})
    since = None if health.since is None else health.since.isoformat()
    retry = (b"retry-after", b"5")
    return answer_json(
        {"status": "not_ready", "store": health.state, "since": since}, status=503, headers=[retry]
    )


@get("/metrics")
async def get_metrics(request: AnyRequest) -> Answer:
    """The numbers, for a collector on this machine alone (S-OPS-06).

    A request that came through a proxy is not from this machine, whatever its peer's address.
    """
    if not is_from_here(request):
        raise NotFound(NOTHING_HERE)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Numbers(web_of(request)))
    return answer(generate_latest(registry), kind=CONTENT_TYPE_LATEST.encode())


class Numbers(Collector):
    """What this process has counted, read at the moment of asking."""

    def __init__(self, web: Web) -> None:
        self.web = web

    def collect(self) -> Iterator[Metric]:
        database, counters = self.web.database, self.web.counters
        for name, what in STORE_COUNTERS.items():
            yield CounterMetricFamily(f"knopka_store_{name}", what, getattr(database.counters, name))
        yield GaugeMetricFamily(
            "knopka_store_ok", "1 while the store keeps data", database.health.state == "ok"
        )
        limited = CounterMetricFamily("knopka_limited", "Calls refused for their number", labels=["limit"])
        forgotten = CounterMetricFamily("knopka_limit_forgotten", "Callers pushed out", labels=["limit"])
        for name, counter in counters.by_name():
            limited.add_metric([name], counter.refused)
            forgotten.add_metric([name], counter.forgotten)
        yield limited
        yield forgotten
        webhooks = CounterMetricFamily(
            "knopka_webhooks", "What messengers posted, by what became of it", labels=["channel", "outcome"]
        )
        for (channel, outcome), count in self.web.hooks.items():
            webhooks.add_metric([channel, outcome], count)
        yield webhooks
        yield CounterMetricFamily("knopka_csp_reports", "Reports of content policies", self.web.csp_reports)
        if self.web.gate is not None:
            yield GaugeMetricFamily("knopka_sockets", "Open connections", self.web.gate.open)
            yield CounterMetricFamily("knopka_sockets_refused", "Refused connections", self.web.gate.refused)


STORE_COUNTERS = {
    "batches": "Transactions committed",
    "written": "Use cases written",
    "refused": "Use cases refused for a full queue",
    "tried_again": "Use cases run again after a conflict",
    "lost_batches": "Transactions lost whole",
}


@post(REPORTS)
async def post_policy_report(request: AnyRequest) -> Answer:
    """Take a browser's report that a content policy stopped something: counted and logged, never stored."""
    web = web_of(request)
    web.counters.reports_per_address.take(web.address(request))
    media_type(request, REPORT_KINDS)
    report = read_json(await read_body(request, REPORT_BYTES), max_bytes=REPORT_BYTES)
    web.csp_reports += 1
    log.warning("a content policy stopped something", **_summary(report))
    return answer(status=204)


def _summary(report: Any) -> dict[str, str]:
    """The few words of a report that help, each clipped; both shapes that browsers send are known."""
    entry = report[0] if isinstance(report, list) and report else report
    body = entry.get("csp-report") or entry.get("body") if isinstance(entry, dict) else None
    if not isinstance(body, dict):
        raise InvalidInput(Fault("$", "not_a_report", "This is not a report of a content policy."))
    said = {key.lower().replace("-", ""): value for key, value in body.items()}
    wanted = {
        "directive": "effectivedirective",
        "blocked": "blockeduri",
        "blocked_url": "blockedurl",
        "document": "documenturi",
        "document_url": "documenturl",
        "source": "sourcefile",
    }
    # S-LOG-01: what stands behind ? and # may be anybody's words.
    return {
        name: re.split(r"[?#]", str(said[key]), maxsplit=1)[0][:200]
        for name, key in wanted.items()
        if said.get(key)
    }
