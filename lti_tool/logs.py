"""Logs: one JSON line an event, on standard error. A line names the event and ids; never a token, a name or an answer."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog
from structlog.typing import Processor

FORBIDDEN = frozenset({
    "id_token", "token", "access_token", "client_assertion", "authorization", "cookie", "secret", "password", "state", "nonce",
    "name", "given_name", "family_name", "email", "answer", "value", "response",
})  # fmt: skip
"""Keys whose values never reach a log line."""


def configure(level: str, *processors: Processor) -> None:
    """Sets up the process's log: JSON lines, UTC times, secrets struck out.

    processors   what else goes into each line
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            *processors,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _strike_out,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=lambda value, **_: orjson.dumps(value, default=str).decode()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _strike_out(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key in event.keys() & FORBIDDEN:
        event[key] = "[struck out]"
    return event
