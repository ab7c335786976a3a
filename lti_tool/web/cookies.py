"""The two cookies: one binds a launch to the browser of its login, one names the session.

Both are `__Host-`, Secure, HttpOnly, SameSite=None and Partitioned: the only set that a browser keeps in a frame when it
blocks third-party cookies. Chromium and Firefox take them on plain HTTP too when the host is loopback; Safari and HTTP
libraries do not, so on loopback HTTP, and nowhere else, each has a twin without Secure, for the same site only.
"""

import re

from flask import Request, Response, current_app

from lti_tool.web.edge import KaonaApp
from lti_tool.web.path_sessions import is_in_path, read_path_token

BINDING = "__Host-kaona-login"
SESSION = "__Host-kaona-session"
BINDING_SECONDS = 3600
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
"""256 bits as we write them."""


def read_token(request: Request, name: str) -> str | None:
    """The cookie's value when it has the form of ours."""
    value = request.cookies.get(name) or (request.cookies.get(_twin(name)) if _on_loopback_http() else None) or ""
    return value if TOKEN.fullmatch(value) else None


def read_session(request: Request) -> str | None:
    """The token of this request's session: at the head of its address where it has one, else in the cookie."""
    return read_path_token(request) if is_in_path(request) else read_token(request, SESSION)


def set_token(response: Response, name: str, value: str, *, max_age: int | None = None) -> None:
    """Gives the browser a cookie; without `max_age` until it closes.

    value   of letters, digits, `-` and `_` alone
    """
    lives = "" if max_age is None else f" Max-Age={max_age};"
    response.headers.add("Set-Cookie", f"{name}={value};{lives} Secure; HttpOnly; Path=/; SameSite=None; Partitioned")
    if _on_loopback_http():
        response.headers.add("Set-Cookie", f"{_twin(name)}={value};{lives} HttpOnly; Path=/; SameSite=Lax")


def drop_token(response: Response, name: str) -> None:
    """Lets the browser forget a cookie."""
    set_token(response, name, "", max_age=0)


def _twin(name: str) -> str:
    return name.removeprefix("__Host-")


def _on_loopback_http() -> bool:
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001  the proxy has no type
    assert isinstance(app, KaonaApp)
    return app.settings.dev_mode
