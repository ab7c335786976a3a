"""A system outside, on loopback: an LRS of ours or a receiver of webhooks, which misbehaves on request."""

import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

WsgiApp = Callable[[dict[str, Any], Any], Any]


@dataclass(frozen=True)
class Call:
    """One request that came in."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def statements(self) -> list[dict[str, Any]]:
        value = json.loads(self.body)
        return value if isinstance(value, list) else value["statements"]

    @property
    def ids(self) -> list[str]:
        return [statement["id"] for statement in self.statements]


Misdeed = Callable[[Call], Response | None]


@dataclass
class Outside:
    """misdeed: asked of every request; an answer of its own, or None to let the application answer. drops: answers that never arrive."""

    url: str
    calls: list[Call] = field(default_factory=list)
    misdeed: Misdeed = lambda _call: None
    drops: int = 0

    @property
    def batches(self) -> list[list[str]]:
        return [call.ids for call in self.calls if call.body]


class _Quiet(WSGIRequestHandler):
    def log(self, *_: Any) -> None:
        pass


@contextmanager
def outside(app: WsgiApp) -> Iterator[Outside]:
    """The application, on a port of its own."""

    def served(environ: dict[str, Any], start_response: Any) -> Any:
        request = Request(environ)
        call = Call(request.path, {name.lower(): value for name, value in request.headers.items()}, request.get_data())
        environ["wsgi.input"] = io.BytesIO(call.body)  # read once already
        here.calls.append(call)
        answer = here.misdeed(call)
        if answer is None:
            answer = Response.from_app(app, environ, buffered=True)
        if here.drops:
            here.drops -= 1
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        return answer(environ, start_response)

    server = make_server("127.0.0.1", 0, served, threaded=True, request_handler=_Quiet)
    here = Outside(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield here
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def taker(environ: dict[str, Any], start_response: Any) -> Any:
    """Takes whatever is sent."""
    return Response(status=204)(environ, start_response)


def refusing(status: int, *statement_ids: str, **headers: str) -> Misdeed:
    """Refuses batches that hold one of these statements; every batch when none is named."""

    def misdeed(call: Call) -> Response | None:
        if call.body and (not statement_ids or any(one in call.body.decode() for one in statement_ids)):
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            return Response('{"error": "not this one"}', status=status, headers=sent)
        return None

    return misdeed


def hanging(seconds: float) -> Misdeed:
    """Answers late."""

    def misdeed(_call: Call) -> None:
        time.sleep(seconds)

    return misdeed
