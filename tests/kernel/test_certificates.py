"""Whom the guarded client believes to be who they say (ASVS 5.0.0, 12.3.2)."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from kernel.http import GuardedClient, HttpPolicy, OutboundFailed
from tests.authority import Authority

LONG_AGO = timedelta(days=30)


@contextmanager
def serving(context: ssl.SSLContext) -> Iterator[tuple[int, list[bytes]]]:
    """A server over TLS on this machine: its port, and what it has read."""
    heard: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):  # the listener is closed at the end
            while True:
                line, _ = listener.accept()
                with suppress(OSError), context.wrap_socket(line, server_side=True) as secure:
                    heard.append(secure.recv(4096))
                    secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1], heard
    finally:
        listener.close()


def client() -> GuardedClient:
    return GuardedClient(HttpPolicy(dev_mode=True), resolve=lambda _host, _port: ["127.0.0.1"])


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """An authority that this machine trusts, as an administrator makes it do."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    return authority


def test_v12_a_server_with_a_good_certificate_is_called(trusted: Authority):
    with serving(trusted.server_side(["lms.example.go.th"])) as (port, _):
        assert client().get(f"https://lms.example.go.th:{port}/keys").body == b"ok"


@pytest.mark.parametrize("fault", ["another name", "over", "unknown authority"])
def test_v12_a_wrong_certificate_ends_the_call_before_a_word_is_sent(fault: str, trusted: Authority, tmp_path: Path):
    (tmp_path / "other").mkdir()
    context = {
        "another name": lambda: trusted.server_side(["other.example.go.th"]),
        "over": lambda: trusted.server_side(["lms.example.go.th"], since=LONG_AGO),
        "unknown authority": lambda: Authority(tmp_path / "other").server_side(["lms.example.go.th"]),
    }[fault]()

    with serving(context) as (port, heard), pytest.raises(OutboundFailed) as refused:
        client().request("POST", f"https://lms.example.go.th:{port}/token", body=b"client_assertion=secret")

    assert refused.value.details["reason"] == "certificate"
    assert b"".join(heard) == b""
