import socket
import threading
import time

import pytest
from werkzeug.serving import make_server

from lti_tool.app import create_app
from lti_tool.settings import Settings


@pytest.fixture
def running(migrated_database, installation):
    server = make_server("127.0.0.1", 0, create_app(Settings(data_dir=installation), database=migrated_database), threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()


def _post(port, body, length=None):
    line = socket.create_connection(("127.0.0.1", port), timeout=20)
    head = (
        "POST /lti/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {length or len(body)}\r\nConnection: close\r\n\r\n"
    )
    line.sendall(head.encode() + body)
    return line


def test_a_body_that_never_ends_holds_nobody_else_up(running):
    stalled = _post(running, b"iss=", length=100)
    time.sleep(0.5)

    other = _post(running, b"iss=https%3A%2F%2Fnobody.example&login_hint=1&target_link_uri=http%3A%2F%2F127.0.0.1%3A8000%2F")
    answer = other.makefile("rb").readline()

    assert b" 400 " in answer  # an issuer that nobody registered; a writer whose turn does not come is told 503
    stalled.close()
    other.close()


def test_a_body_beyond_the_bound_is_refused_before_the_database_is_asked(running):
    answer = _post(running, b"iss=" + b"x" * 70_000).makefile("rb").readline()

    assert b" 413 " in answer or b" 400 " in answer
