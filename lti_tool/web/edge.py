"""The edge of every request: one transaction, one moment, one reference code.

A view that answers POST, PUT or DELETE writes; a GET reads, unless it is marked by `writes`. The commit happens before the
answer leaves; when it fails the person gets the error page, never an acknowledgement.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Flask, Response, g, request
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from kernel.clock import Clock
from kernel.db import Database
from kernel.ids import new_token
from lti_tool.settings import Settings

View = TypeVar("View", bound=Callable[..., Any])

MAX_FORM_BYTES = 65_536
"""Largest body of every address but the record store's: a launch with a token of 32 kB, or the longest answer."""

READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def writes(view: View) -> View:
    """Marks a view that writes although it answers GET."""
    view.kaona_writes = True  # type: ignore[attr-defined]
    return view


def without_transaction(view: View) -> View:
    """Marks a view that needs no database or opens its own transaction."""
    view.kaona_no_transaction = True  # type: ignore[attr-defined]
    return view


@dataclass(frozen=True, slots=True)
class AfterCommit:
    """A page whose values are all at hand: rendered once the transaction is over, so that SQLite's one write lock is free meanwhile."""

    render: Callable[[], Any]


class KaonaApp(Flask):
    """The Flask application with the request's edge built in."""

    database: Database
    settings: Settings
    clock: Clock
    secret: bytes
    """The installation's secret, read once."""

    def dispatch_request(self) -> Response:
        """Runs the view inside the request's one transaction and commits before the answer leaves."""
        g.now = self.clock()
        view = self.view_functions.get(request.endpoint or "")
        blueprint = request.blueprint or ""
        if view is None or blueprint.startswith("xapi") or request.endpoint == "static" or getattr(view, "kaona_no_transaction", False):
            return self.make_response(super().dispatch_request())
        request.max_content_length = MAX_FORM_BYTES
        _ = request.form  # the whole body has come before the database is asked: a slow line must hold nobody else up
        reads = request.method in READING_METHODS and not getattr(view, "kaona_writes", False)
        with self.database.reading() if reads else self.database.transaction() as db:
            g.db = db
            result: Any = super().dispatch_request()
            if not isinstance(result, AfterCommit):
                result = self.make_response(result)
        return self.make_response(result.render()) if isinstance(result, AfterCommit) else result


def reference() -> str:
    """The code that this request goes by on error pages and in the log, 8 characters."""
    if "reference" not in g:
        g.reference = new_token(16)[:8].replace("-", "x").replace("_", "y").upper()
    return str(g.reference)


def is_database_away(error: BaseException) -> bool:
    """Whether an error says that the database cannot be reached or is out of connections or disk: try again later."""
    return isinstance(error, PoolTimeoutError | OperationalError) or (isinstance(error, DBAPIError) and error.connection_invalidated)
