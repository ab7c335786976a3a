"""Is the process alive, may it take requests, how much of what has it done, and who waits for statements of the record store."""

import os
import threading
import time
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Any

import structlog
from flask import Response, abort, g, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from prometheus_client import REGISTRY as PROCESS_REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

import xapi.api as xapi
from lti_tool import migrate
from lti_tool.web.current import this_app
from lti_tool.web.edge import KaonaApp, without_transaction

log = structlog.get_logger()

REQUESTS = Counter("kaona_requests_total", "Answered requests.", ["endpoint", "method", "status"])
DURATION = Histogram(
    "kaona_request_seconds",
    "Time from request to answer.",
    ["endpoint"],
    buckets=(0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10),
)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
"""Methods that are counted by name; what a stranger makes up is counted as `other`, so that it makes no new series."""

LAGS_SECONDS = 15.0
"""How old the figures of the record store may be that a process gives to whoever asks next."""

FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Via")
"""Headers by which a proxy shows itself."""


def register(app: KaonaApp) -> None:
    """Adds `/healthz`, `/readyz` and `/metrics`, and counts every request."""
    of_store = CollectorRegistry()
    of_store.register(_Lags(app))

    @app.get("/healthz")
    @without_transaction
    def healthz() -> Any:
        return jsonify(status="ok")

    @app.get("/readyz")
    @without_transaction
    def readyz() -> Any:
        try:
            with app.database.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
            behind = migrate.pending(app.database)
        except SQLAlchemyError:
            return jsonify(status="database_away", cure="check KAONA_DATABASE_URL and that the database runs"), 503
        if behind:
            return jsonify(status="schema_behind", pending=behind, cure="run: kaona db upgrade"), 503
        return jsonify(status="ready")

    @app.get("/metrics")
    @without_transaction
    def metrics() -> Response:
        if not app.settings.metrics_public and not _is_from_this_machine():
            abort(404)
        registry = PROCESS_REGISTRY
        if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return Response(generate_latest(registry) + generate_latest(of_store), content_type=CONTENT_TYPE_LATEST)

    app.before_request(_start)
    app.after_request(_count)


class _Lags(Collector):
    """Gauges of the record store's pushes and feeds; read from the database at most every `LAGS_SECONDS` in a process."""

    def __init__(self, app: KaonaApp) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._found: list[xapi.Lag] = []
        self._good_until = float("-inf")

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing, so that registering reads nothing."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One sample a push or feed and gauge; none while the database is away."""
        names = ["kind", "tenant", "name"]
        waiting = GaugeMetricFamily("kaona_lrs_waiting", "Statements that wait for a push or a feed's consumer, up to 1,000.", labels=names)
        oldest = GaugeMetricFamily("kaona_lrs_oldest_waiting_seconds", "Time since the first of them was stored; 0 for none.", labels=names)
        refused = GaugeMetricFamily("kaona_lrs_refused", "Statements that a push's target refused, up to 1,000.", labels=names)
        paused = GaugeMetricFamily("kaona_lrs_paused", "Whether a push stands still until somebody resumes it.", labels=names)
        now = self._app.clock()
        for lag in self._lags():
            labels = [lag.kind, str(lag.tenant_id), lag.name]
            waiting.add_metric(labels, lag.waiting)
            oldest.add_metric(labels, max(0.0, (now - lag.oldest_at).total_seconds()) if lag.oldest_at else 0)
            if lag.kind != "feed":
                refused.add_metric(labels, lag.refused)
                paused.add_metric(labels, lag.is_paused)
        yield from (waiting, oldest, refused, paused)

    def _lags(self) -> list[xapi.Lag]:
        with self._lock:
            if time.monotonic() >= self._good_until:
                try:
                    with self._app.database.reading() as db:
                        self._found = xapi.measure_lags(db)
                except SQLAlchemyError:
                    self._found = []
                self._good_until = time.monotonic() + LAGS_SECONDS
            return self._found


def _start() -> None:
    g.started = time.perf_counter()


def _count(response: Response) -> Response:
    endpoint = request.endpoint or "none"
    seconds = time.perf_counter() - g.get("started", time.perf_counter())
    requests, duration = _series(endpoint, request.method if request.method in METHODS else "other", response.status_code)
    requests.inc()
    duration.observe(seconds)
    if this_app().settings.log_level == "DEBUG":
        log.debug("answered", status=response.status_code, milliseconds=round(seconds * 1000, 1))
    return response


@lru_cache(maxsize=4096)
def _series(endpoint: str, method: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(endpoint, method, status), DURATION.labels(endpoint)


def _is_from_this_machine() -> bool:
    """Whether the request was sent from loopback without a proxy: one on this machine would lend its address to everyone."""
    if any(name in request.headers for name in FORWARDED):
        return False
    try:
        address = ip_address(request.remote_addr or "")
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback
