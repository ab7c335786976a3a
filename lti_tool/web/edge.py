"""The edge of every request: one transaction, one moment, one reference code.

A view that answers POST, PUT or DELETE writes; a GET reads, unless it is marked by `writes`. The commit happens before the
answer leaves; when it fails the person gets the error page, never an acknowledgement.
"""

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Flask, Request, Response, g, has_request_context, request
from flask.sessions import NullSession, SessionInterface, SessionMixin
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.datastructures import Headers
from werkzeug.wrappers import Response as BaseResponse

from kernel.clock import Clock
from kernel.db import Database
from kernel.ids import new_token
from kernel.per_minute import PerMinute
from lti_tool.settings import Settings

View = TypeVar("View", bound=Callable[..., Any])

MAX_FORM_BYTES = 65_536
"""Largest body of every address but the record store's: a launch with a token of 32 kB, or the longest answer."""

READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
REDIRECTS = frozenset({302, 303})


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


class _NoSessions(SessionInterface):
    """Flask's own sessions are not used: ours are rows (`lti_tool.lti.sessions`)."""

    def open_session(self, app: Flask, request: Request) -> NullSession:  # noqa: ARG002  Flask's signature
        """The same empty one for everybody; it refuses to be written."""
        return _NO_SESSION

    def save_session(self, app: Flask, session: SessionMixin, response: BaseResponse) -> None:
        """Never called for that one."""


_NO_SESSION = NullSession()


class _Answer(Response):
    """An answer whose headers go out as they were set: ours are whole, and its Location is an address that we wrote."""

    def get_wsgi_headers(self, environ: dict[str, Any]) -> Headers:
        """As they are where there is nothing to be worked out."""
        if self.status_code in REDIRECTS and self.headers["Location"].isascii():
            self.headers["Content-Length"] = str(sum(map(len, self.iter_encoded())))
            return self.headers
        return super().get_wsgi_headers(environ)


class KaonaApp(Flask):
    """The Flask application with the request's edge built in."""

    response_class = _Answer
    session_interface = _NoSessions()

    database: Database
    settings: Settings
    clock: Clock
    secret: bytes
    """The installation's secret, read once."""
    requests: PerMinute
    """To the pages of each launch."""

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


def name_request(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Puts the request's reference and endpoint into a log line that is written while one is answered."""
    if has_request_context():
        event.setdefault("reference", reference())
        event.setdefault("endpoint", request.endpoint)
    return event


def reference() -> str:
    """The code that this request goes by on error pages and in the log, 8 characters."""
    if "reference" not in g:
        g.reference = new_token(16)[:8].replace("-", "x").replace("_", "y").upper()
    return str(g.reference)


def is_database_away(error: BaseException) -> bool:
    """Whether an error says that the database cannot be reached or is out of connections or disk: try again later."""
    return isinstance(error, PoolTimeoutError | OperationalError) or (isinstance(error, DBAPIError) and error.connection_invalidated)


def error_code(error: BaseException) -> str | None:
    """The database's own code of an error, `SQLITE_BUSY` or an SQLSTATE: it says what is wrong and holds no data."""
    origin = getattr(error, "orig", None)
    return getattr(origin, "sqlite_errorname", None) or getattr(origin, "sqlstate", None)
