"""Is the process alive, may it take requests, and how much of what has it done."""

import os
import time
from typing import Any

import structlog
from flask import Response, g, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from prometheus_client import REGISTRY as PROCESS_REGISTRY
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from lti_tool import migrate
from lti_tool.web.edge import KaonaApp, without_transaction

log = structlog.get_logger()

REQUESTS = Counter("kaona_requests_total", "Answered requests.", ["endpoint", "method", "status"])
DURATION = Histogram(
    "kaona_request_seconds",
    "Time from request to answer.",
    ["endpoint"],
    buckets=(0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10),
)


def register(app: KaonaApp) -> None:
    """Adds `/healthz`, `/readyz` and `/metrics`, and counts every request."""

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
        registry = PROCESS_REGISTRY
        if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    @app.before_request
    def start() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def count(response: Response) -> Response:
        endpoint = request.endpoint or "none"
        seconds = time.perf_counter() - g.get("started", time.perf_counter())
        REQUESTS.labels(endpoint, request.method, response.status_code).inc()
        DURATION.labels(endpoint).observe(seconds)
        log.debug("answered", status=response.status_code, milliseconds=round(seconds * 1000, 1))
        return response
