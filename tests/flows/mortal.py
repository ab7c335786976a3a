"""Processes of the tool that are killed at a named moment of their work, for `test_flow_kills`.

`python -m tests.flows.mortal` loads the tool once and forks whatever it is told to on standard input, one JSON object a line, so that
a process that has died is back at once. The tool itself knows of none of this: a fault point is a function of it, before or after whose
call the process ends itself by SIGKILL. A web process does so where a request says so in its header `X-Die`, the others at once.
"""

import json
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from lti_tool.web.edge import KaonaApp

POINTS: dict[str, tuple[str, str, str]] = {
    "answer: the attempt is locked": ("assessment.commands", "lock_attempt", "after"),
    "answer: stored, and no next item": ("assessment.commands", "_present", "before"),
    "answer: stored with the next item": ("assessment.api", "submit_response", "after"),
    "finish: estimates stored": ("assessment.commands", "_finish", "after"),
    "finish: score in the outbox": ("lti_tool.workflows.attempt_finished", "score_sitting", "after"),
    "finish: statements stored": ("xapi.api", "store_statements", "after"),
    "finish: evidence stored": ("roadmap.api", "record_statements", "after"),
    "finish: path stored": ("learning.api", "plan_paths", "after"),
    "worker: score claimed": ("lti_tool.jobs.score_publish", "publish_score", "before"),
    "worker: score stamped and not sent": ("lti_tool.jobs.score_publish", "tried", "before"),
    "worker: score sent and not noted": ("lti_tool.jobs.score_publish", "tried", "after"),
    "worker: score noted and not committed": ("kernel.outbox", "finish", "after"),
    "worker: overdue sitting ended": ("assessment.api", "close_overdue", "after"),
    "worker: overdue sitting recorded": ("lti_tool.workflows.background", "record_outcome", "after"),
    "import: batch landed": ("xapi.api", "land_lines", "after"),
    "import: batch committed": ("lti_tool.cli.lrs_import", "_show", "before"),
}
"""What a process has just done, or is about to do: module, function, before or after its call."""

COMMIT, REPLY = "about to commit", "committed, and no reply"
"""Two more of a web process: at the edge, whatever it has done."""
HEADER = "X-Die"


def die() -> NoReturn:
    """The end that leaves nothing behind."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def lay(point: str, is_here: Callable[[], bool]) -> None:
    """Lets this process die at a point where it is asked to."""
    module_name, name, when = POINTS[point]
    module = import_module(module_name)
    function = getattr(module, name)

    @wraps(function)
    def mortal(*arguments: Any, **named: Any) -> Any:
        if when == "before" and is_here():
            die()
        result = function(*arguments, **named)
        if when == "after" and is_here():
            die()
        return result

    setattr(module, name, mortal)


def _is_asked_for(point: str) -> bool:
    from flask import has_request_context, request

    return has_request_context() and request.headers.get(HEADER) == point


def serve(app: "KaonaApp", listener: socket.socket) -> None:
    """A web process of several threads."""
    from sqlalchemy import event
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_request(self, *_: Any) -> None:
            """Nobody reads it."""

    def answer(environ: dict[str, Any], start_response: Any) -> Any:
        def start(*arguments: Any) -> Any:  # the request is done with, and nothing of its answer has left
            if environ.get("HTTP_X_DIE") == REPLY:
                die()
            return start_response(*arguments)

        return app(environ, start)

    event.listen(app.database.engine, "commit", lambda _: die() if _is_asked_for(COMMIT) else None)
    make_server("127.0.0.1", 0, answer, threaded=True, fd=listener.fileno(), request_handler=Quiet).serve_forever()


def work(ahead_seconds: float) -> None:
    """A worker, on a clock that may be ahead."""
    from kernel.clock import system_clock
    from kernel.db import Database
    from lti_tool import logs
    from lti_tool.settings import read_settings
    from lti_tool.workflows.background import make_worker

    settings = read_settings()
    logs.configure(settings.log_level)
    clock = lambda: system_clock() + timedelta(seconds=ahead_seconds)  # noqa: E731  a clock is a function
    make_worker(settings, Database(settings.resolved_database_url), clock).run(threading.Event())


def bring_in(arguments: list[str]) -> None:
    """`kaona lrs import`."""
    from lti_tool.cli.lrs_import import import_statements

    import_statements.main(arguments, prog_name="import")


def _tell(told: dict[str, int]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def _forked(run: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        os.dup2(2, 1)  # what it says is not for whoever told it
        try:
            run()
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        except Exception:  # noqa: BLE001  it ends here in any case, and says why
            traceback.print_exc()
        finally:
            os._exit(code)
    return pid


def main() -> None:
    """Forks and waits as it is told to, until standard input ends; then ends what it has begun."""
    import lti_tool.cli.lrs_import
    import lti_tool.workflows.background  # noqa: F401  loaded here, so that a fork need not
    from lti_tool.app import create_app

    for point in POINTS:
        if point.startswith(("answer", "finish")):
            lay(point, lambda point=point: _is_asked_for(point))  # type: ignore[misc]
    app = create_app()
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    listener.set_inheritable(True)
    begun: set[int] = set()
    _tell({"port": listener.getsockname()[1]})
    for line in sys.stdin:
        told = json.loads(line)
        if told["do"] == "wait":
            _, status = os.waitpid(told["pid"], 0)
            begun.discard(told["pid"])
            _tell({"code": os.waitstatus_to_exitcode(status)})
            continue
        run: Callable[[], None] = {
            "serve": lambda: serve(app, listener),
            "work": lambda told=told: work(told.get("ahead", 0)),
            "import": lambda told=told: bring_in(told["arguments"]),
        }[told["do"]]  # type: ignore[misc]
        point, calls = told.get("point"), iter(range(1, 1000))

        def start(run: Callable[[], None] = run, point: str | None = point, nth: int = told.get("nth", 1)) -> None:
            if point is not None:
                lay(point, lambda: next(calls) == nth)  # noqa: B023  of this fork
            run()

        begun.add(pid := _forked(start))
        _tell({"pid": pid})
    for pid in begun:
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
