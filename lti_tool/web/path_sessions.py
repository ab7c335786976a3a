"""Sessions where a browser keeps no cookie for us in a frame: the token stands at the head of each address, `/s/<token>/...`.

A layer before the application takes it off into SCRIPT_NAME, so that routes do not know of it and `url_for` keeps it. Such a
token is made by one kind of launch alone (`docs/decisions/0007-session-in-the-path.md`), and opens nothing outside a frame.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

from flask import Request

KEY = "kaona.path_session"
HEAD = re.compile(r"/s/([A-Za-z0-9_-]{64})(?=/)", re.ASCII)
WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class PathSessions:
    """The layer: takes the token off the path."""

    def __init__(self, app: WsgiApp) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answers one request."""
        path = environ.get("PATH_INFO", "")
        found = HEAD.match(path) if path.startswith("/s/") else None
        if found:
            environ[KEY] = found[1]
            environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + found[0]
            environ["PATH_INFO"] = path[found.end() :]
        return self._app(environ, start_response)


def head_of(token: str) -> str:
    """What stands before the path of every page of such a session."""
    return f"/s/{token}"


def is_in_path(request: Request) -> bool:
    """Whether the request's address carries a session."""
    return KEY in request.environ


def read_path_token(request: Request) -> str | None:
    """The token at the head of the address, when one of our own pages in a frame asks; a copied or planted link is worth nothing.

    Browsers that do not say where a request comes from are believed.
    """
    site, place = request.headers.get("Sec-Fetch-Site"), request.headers.get("Sec-Fetch-Dest")
    if site in {"cross-site", "same-site"} or place == "document":
        return None
    token = request.environ.get(KEY)
    return str(token) if token else None
