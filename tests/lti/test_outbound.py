"""The guarded client: what it calls, what it refuses, how long it waits, how much it reads."""

import ast
import gzip
import socket
import threading
import time
from pathlib import Path

import pytest

from kernel.http import GuardedClient, HttpPolicy, OutboundFailed, OutboundRefused
from lti_tool.settings import Settings
from tests.lti.lti_world import Answer, Platform

STRICT = HttpPolicy()
DEV = HttpPolicy(dev_mode=True)


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/", "https://[::1]/", "https://0x7f000001/", "https://2130706433/", "https://169.254.169.254/latest/", "https://10.1.2.3/",
        "https://192.168.0.1/", "https://172.16.0.1/", "https://100.64.0.1/", "https://0.0.0.0/", "https://224.0.0.1/", "https://[fe80::1]/",
        "https://[fc00::1]/", "https://[::ffff:127.0.0.1]/", "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/", "https://localhost/",
        "http://93.184.216.34/", "https://user@93.184.216.34/", "https://user:pw@93.184.216.34/", "https://93.184.216.34:22/", "ftp://93.184.216.34/",
        "file:///etc/passwd", "//93.184.216.34/", "https://", "https://93.184.216.34\\@127.0.0.1/", "https://93.184.216.34/\r\nX: y", "https://[::1",
        "https://93.184.216.34:99999/", "https://ก.example/",
    ],
)  # fmt: skip
def test_h38_an_address_that_is_not_public_https_is_refused_before_anything_is_sent(url: str, monkeypatch: pytest.MonkeyPatch):
    def connect(*_: object, **__: object) -> None:
        raise AssertionError("it connected")

    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)

    with pytest.raises(OutboundRefused):
        GuardedClient(STRICT).get(url)


def test_h38_a_name_that_resolves_inside_is_refused():
    client = GuardedClient(STRICT, resolve=lambda _host, _port: ["10.0.0.5", "169.254.169.254"])

    with pytest.raises(OutboundRefused):
        client.get("https://lms.example/")


def test_a_name_is_resolved_once_and_that_address_is_called(monkeypatch: pytest.MonkeyPatch):
    resolved: list[str] = []
    connected: list[tuple[str, int]] = []

    def resolve(host: str, _port: int) -> list[str]:
        resolved.append(host)
        return ["93.184.216.34"] if len(resolved) == 1 else ["127.0.0.1"]

    def connect(address: tuple[str, int], *_: object, **__: object) -> None:
        connected.append(address)
        raise TimeoutError

    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)

    with pytest.raises(OutboundFailed):
        GuardedClient(STRICT, resolve=resolve).get("https://lms.example/")
    assert (resolved, connected) == (["lms.example"], [("93.184.216.34", 443)])


def test_a_network_that_the_administrator_listed_may_be_called_by_https():
    policy = GuardedClient.from_settings(Settings(public_url="https://kaona.example", allowed_networks="10.1.0.0/16, 127.0.0.0/8")).policy  # type: ignore[arg-type]

    import ipaddress

    assert [policy.allows(ipaddress.ip_address(address)) for address in ("10.1.2.3", "10.2.0.1", "127.0.0.1", "8.8.8.8")] == [
        True,
        False,
        True,
        True,
    ]
    with pytest.raises(OutboundRefused):
        GuardedClient(policy).get("http://10.1.2.3/")


def test_loopback_may_be_called_in_development_alone(platform: Platform):
    platform.answers["/x"] = lambda call: Answer(201, call.method.encode(), {"X-One": "1"})

    response = GuardedClient(DEV).request("POST", f"{platform.url}/x?a=1", body=b"hello", headers={"Content-Type": "text/plain"})

    assert (response.status, response.body, response.headers["x-one"]) == (201, b"POST", "1")
    assert (platform.calls[0].path, platform.calls[0].body) == ("/x?a=1", b"hello")
    with pytest.raises(OutboundRefused):
        GuardedClient(STRICT).get(f"{platform.url}/x")


def test_a_redirect_is_not_followed(platform: Platform):
    platform.answers["/a"] = lambda _: Answer(302, headers={"Location": "/b"})

    assert GuardedClient(DEV).get(f"{platform.url}/a").status == 302
    assert platform.count("/b") == 0


def test_more_than_the_cap_is_not_read(platform: Platform):
    platform.answers |= {
        "/big": lambda _: Answer(body=b" " * 1_000_001),
        "/bomb": lambda _: Answer(body=gzip.compress(b" " * 50_000_000), headers={"Content-Encoding": "gzip"}),
        "/gzip": lambda _: Answer(body=gzip.compress(b'{"a":1}'), headers={"Content-Encoding": "gzip"}),
        "/odd": lambda _: Answer(body=b"x", headers={"Content-Encoding": "br"}),
    }
    client = GuardedClient(DEV)

    for path, reason in (("/big", "too large"), ("/bomb", "too large"), ("/odd", "encoding")):
        with pytest.raises(OutboundFailed) as refused:
            client.get(platform.url + path)
        assert refused.value.details["reason"] == reason
    assert client.get(f"{platform.url}/gzip").json() == {"a": 1}


N_DROPS = 200


def drip(listener: socket.socket, first: bytes, letter: bytes, drops: list[bytes]) -> None:
    connection, _ = listener.accept()
    connection.recv(4096)
    try:
        connection.sendall(first)
        for _ in range(N_DROPS):
            connection.sendall(letter)
            drops.append(letter)
            time.sleep(0.1)
    except OSError:
        pass


@pytest.mark.parametrize(
    ("first", "letter"), [(b"", b""), (b"HTTP/1.1 200 OK\r\nX: ", b"x"), (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", b"x")]
)
def test_a_server_that_answers_drop_by_drop_is_cut_off_in_time(first: bytes, letter: bytes):
    listener = socket.create_server(("127.0.0.1", 0))
    drops: list[bytes] = []
    threading.Thread(target=drip, args=(listener, first, letter, drops), daemon=True).start()

    with pytest.raises(OutboundFailed) as failed:
        GuardedClient(DEV).get(f"http://127.0.0.1:{listener.getsockname()[1]}/", total_seconds=0.6)

    assert failed.value.details["reason"] == "timeout"
    assert len(drops) < N_DROPS  # the answer was not over
    listener.close()


def test_connections_are_kept_for_the_next_call(platform: Platform):
    platform.answers["/x"] = lambda _: Answer(body=b"{}")
    client = GuardedClient(DEV)
    calls: list[tuple[str, str, int]] = []
    client._observe = lambda method, host, status, _seconds: calls.append((method, host, status))

    for _ in range(3):
        client.get(f"{platform.url}/x")

    (pool,) = client._pools.values()
    assert pool.num_connections == 1
    assert calls == [("GET", "127.0.0.1", 200)] * 3


ROOT = Path(__file__).resolve().parents[2]
NETWORK = {"requests", "urllib3", "http.client", "urllib.request", "httpx", "aiohttp", "socket", "ftplib", "smtplib"}


def opened_in(source: str) -> set[str]:
    """Modules that open connections, as one source file imports them."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in names if any(name == module or name.startswith(f"{module}.") for module in NETWORK)}


def test_s16_nothing_but_the_guarded_client_opens_connections():
    rooms = ("kernel", "xapi", "roadmap", "assessment", "learning", "lti_tool")
    sources = [path for room in rooms for path in (ROOT / room).rglob("*.py")]
    allowed = {ROOT / "kernel" / "http.py"}
    development = ROOT / "lti_tool" / "dev"
    commands = ROOT / "lti_tool" / "cli"  # they start servers and look for free ports on this machine

    opening = {
        str(path.relative_to(ROOT)): names
        for path in sources
        if path not in allowed and development not in path.parents and commands not in path.parents
        for names in [opened_in(path.read_text())]
        if names
    }

    assert opening == {}
    assert opened_in("import requests\nfrom http import client\nfrom urllib.request import urlopen\n") == {
        "requests", "http.client", "urllib.request", "urllib.request.urlopen",
    }  # fmt: skip
