"""Puts the demo LMS together: a Flask app of its own, and a small threaded server for it."""

import socket
import threading
from typing import Any

from flask import Flask, g, redirect, render_template, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Response

from kernel.ids import new_token
from lti_tool.dev.lms import (
    administration,
    ags,
    control,
    deep_linking,
    grading,
    launch,
    nrps,
    pages,
    registration,
    teaching,
    tokens,
)
from lti_tool.dev.lms.config import LmsConfig
from lti_tool.dev.lms.lms import Lms, the_lms

MAX_BODY_BYTES = 1024 * 1024
POLL_SECONDS = 0.02
"""How often a server looks whether it shall end."""


def create_lms(config: LmsConfig) -> Flask:
    """A demo LMS as a WSGI app; its `Lms` is in `app.extensions["lms"]`."""
    app = Flask("lti_tool.dev.lms", static_url_path="/static")
    lms = Lms.open(config)
    app.extensions["lms"] = lms
    is_https = config.base_url.startswith("https:")
    app.config.update(
        SECRET_KEY=_secret_key(lms),
        SESSION_COOKIE_NAME="demo_lms_session",  # a name of its own: cookies of one host are shared by all its ports
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="None" if is_https else "Lax",
        SESSION_COOKIE_SECURE=is_https,
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
    )
    app.register_blueprint(registration.configuration_bp)
    for part in (pages, launch, teaching, grading, administration, registration, deep_linking, tokens, ags, nrps):
        app.register_blueprint(part.bp)
    if config.control:
        app.register_blueprint(control.bp)
    app.after_request(_add_headers)
    app.register_error_handler(HTTPException, _error_page)
    return app


class RunningServer:
    """A demo LMS, or any WSGI app, that serves in a thread until it is closed."""

    def __init__(self, server: BaseWSGIServer) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), name="demo-lms", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._server.port

    def wait(self) -> None:
        """Returns when the server has ended."""
        self._thread.join()

    def close(self) -> None:
        """Ends the server and frees its port."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _QuietHandler(WSGIRequestHandler):
    """Keeps connections open and writes no access log."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  the name that werkzeug gives it
        """Nothing: the LMS keeps its own log of calls."""


def serve(app: Flask, host: str = "127.0.0.1", port: int = 0, *, listener: socket.socket | None = None) -> RunningServer:
    """Serves an app with a thread for each connection; returns at once.

    listener   a bound, listening socket, for who must know the port before the app exists (see `listen`)
    """
    if listener is not None:
        host, port = listener.getsockname()[:2]
    server = make_server(
        host, port, app, threaded=True, request_handler=_QuietHandler, fd=listener.fileno() if listener is not None else None
    )
    if listener is not None:
        listener.close()  # the server works on a copy of it
    return RunningServer(server)


def listen(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """A listening socket; port 0 takes a free one, which `getsockname()` tells."""
    listener = socket.create_server((host, port), backlog=128)
    listener.set_inheritable(False)
    return listener


def _secret_key(lms: Lms) -> str:
    kept = lms.store.find_setting("secret_key")
    if kept is None:
        kept = new_token()
        lms.store.put_setting("secret_key", kept)
    return kept


def _add_headers(response: Response) -> Response:
    """Pages run no foreign script, go into no foreign frame and post only where they say."""
    if response.mimetype != "text/html":
        return response
    lms = the_lms()
    tools = " ".join(sorted({tool.origin for tool in lms.tools}))
    form_target = f"'self' {tools} {g.get('form_target', '')}".rstrip()
    frames = f"'self' {tools} {g.get('frame_origin', '')}".rstrip() if g.get("frames_tools") else "'none'"
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; base-uri 'none'; "
        f"form-action {form_target}; frame-src {frames}; frame-ancestors 'self'"
    )
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    response.headers["Referrer-Policy"] = "strict-origin-when-cross-origin"
    response.headers["Cache-Control"] = "no-store"
    return response


def _error_page(error: HTTPException) -> Response | tuple[str, int]:
    if error.code == 401 and not request.path.startswith("/mod/"):  # noqa: PLR2004  not signed in
        return redirect(url_for("lms_pages.front"))
    return render_template("lms/invalid.html"), error.code or 500
