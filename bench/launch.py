"""Launches a second: login and launch with every check and a durable commit, beside the stock PyLTI1p3 Flask example.

Both run under granian with the same processes and threads, take turns in the same run, and answer the same platform and the
same browsers, in other processes of the same machine. A round is two stretches of work: all logins, then all launches; the
platform signs its tokens in between, while the clock stands. Everybody has launched once before anything is measured.
CPU is that of the web processes for each login and launch: the one figure that other work on the machine changes least.
`--database postgresql` measures ours on PostgreSQL; `--burst` adds 50 launches a second for a minute, everybody at nine o'clock.
Targets: 1.2 x stock with its key cache on and the key set local; 3 x stock without cache and the key set 100 ms away;
p95 <= 30 ms at 15 launches a second; no error in the minute.
"""

import http.client
import json as json_module
import multiprocessing
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

from bench import common

CLIENTS = 8
"""Browsers at once, in two processes."""
ROUNDS, LAUNCHES_EACH = 3, 50
"""Rounds of a server, and launches of each browser in one."""
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
    pid: int


@dataclass(frozen=True, slots=True)
class Begun:
    """A login that came back to the platform, with what its browser keeps."""

    sub: str
    state: str
    nonce: str
    cookies: dict[str, str]
    seconds: float


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
        pattern = stack.enter_context(common.database_server(database, folder))
        urls = {name: common.new_database(pattern, name) for name in ("near", "far")}
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
        browser = Browser(server)
        for number in range(PEOPLE):  # the first one fetches the key set; later ones find their person
            browser.launch(key, f"person-{number}")
        _round(pool, server, pem, 5)
    times: dict[str, list[float]] = {server.name: [] for server in servers}
    seconds, cpu = Counter[str](), Counter[str]()
    for _ in range(ROUNDS):
        for server in servers:
            before = common.cpu_seconds(server.pid)
            taken, lasted = _round(pool, server, pem, LAUNCHES_EACH)
            cpu[server.name] += common.cpu_seconds(server.pid) - before
            times[server.name] += taken
            seconds[server.name] += lasted
    figures = {}
    for server in servers:
        taken, paced = times[server.name], _paced(server, pem, PACE_PER_SECOND, PACE_SECONDS, 4)
        figures[server.name] = {
            "per_second": round(len(taken) / seconds[server.name], 1),
            "p50_ms": _percentile(taken, 50),
            "p95_ms": _percentile(taken, 95),
            "paced_p50_ms": _percentile(paced, 50),
            "paced_p95_ms": _percentile(paced, 95),
            "cpu_ms": round(1000 * cpu[server.name] / len(taken), 2),
        }
    return figures


def _round(pool: Pool, server: Server, pem: str, each: int) -> tuple[list[float], float]:
    """Seconds of each login and launch, and of both stretches of work together."""
    logins = pool.starmap(_log_in, [(server, half, each) for half in range(2)], chunksize=1)
    key = RSAKey.import_key(pem, {"kid": "bench"})
    forms = [[[(one, _form(key, server, one)) for one in begun] for begun in part] for part, _ in logins]
    launches = pool.starmap(_launch, [(server, part) for part in forms], chunksize=1)
    lasted = sum(max(seconds for _, seconds in stretch) for stretch in (logins, launches))
    return [taken for part, _ in launches for taken in part], lasted


def _log_in(server: Server, half: int, each: int) -> tuple[list[list[Begun]], float]:
    """Logins of the browsers of one process, each beginning the next when the last is done; the seconds of all of them."""
    begun: list[list[Begun]] = [[] for _ in range(CLIENTS // 2)]

    def client(number: int) -> None:
        browser = Browser(server)
        for turn in range(each):
            begun[number].append(browser.log_in(f"person-{(half * 100 + number * 25 + turn) % PEOPLE}"))

    seconds = _all(client, CLIENTS // 2)
    assert all(len(one) == each for one in begun), "not every login was answered"
    return begun, seconds


def _launch(server: Server, forms: list[list[tuple[Begun, str]]]) -> tuple[list[float], float]:
    """Launches of the same browsers: seconds of each with its login, and of all of them."""
    taken = list[float]()

    def client(number: int) -> None:
        browser = Browser(server)
        taken.extend([begun.seconds + browser.post(begun, form) for begun, form in forms[number]])

    seconds = _all(client, CLIENTS // 2)
    assert len(taken) == sum(map(len, forms)), "not every launch was answered"
    return taken, seconds


def _percentile(values: list[float], percent: int) -> float:
    return round(statistics.quantiles(values, n=100)[percent - 1] * 1000, 1)


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
        browser = Browser(server)
        while True:
            with lock:
                turn = next(turns, None)
            if turn is None:
                return
            time.sleep(max(0.0, started + turn / per_second - time.monotonic()))
            taken.append(browser.launch(key, f"person-{turn % PEOPLE}"))

    _all(client, clients)
    return taken


def _all(work: Any, count: int) -> float:
    """Lets so many threads do it. Returns the seconds until the last was done."""
    began = time.monotonic()
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - began


class Browser:
    """One browser with one connection."""

    def __init__(self, server: Server) -> None:
        self._server = server
        parts = urlsplit(server.url)
        self._connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
        self._cookies: dict[str, str] = {}

    def launch(self, key: RSAKey, sub: str) -> float:
        """One login and launch. Returns its seconds without the platform's signing."""
        begun = self.log_in(sub)
        return begun.seconds + self.post(begun, _form(key, self._server, begun))

    def log_in(self, sub: str) -> Begun:
        """A login in a browser without cookies: the stock example's session would grow with each."""
        self._cookies = {}
        query = {"iss": self._server.issuer, "client_id": CLIENT_ID, "login_hint": sub, "target_link_uri": _target(self._server)}
        path = f"/lti/login?{urlencode(query)}"
        began = time.perf_counter()
        status, location = self._send("GET", path, None)
        seconds = time.perf_counter() - began
        assert status == 302, status
        asked = parse_qs(urlsplit(location).query)
        return Begun(sub, asked["state"][0], asked["nonce"][0], self._cookies, seconds)

    def post(self, begun: Begun, form: str) -> float:
        """The platform's answer to a login. Returns its seconds."""
        self._cookies = dict(begun.cookies)
        began = time.perf_counter()
        status, _ = self._send("POST", "/lti/launch", form)
        assert status in {200, 303}, status
        return time.perf_counter() - began

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


def _target(server: Server) -> str:
    return f"{server.url}/open/roadmap"


def _form(key: RSAKey, server: Server, begun: Begun) -> str:
    """What the platform lets the browser post: the state, and a token that it signs."""
    at = int(time.time()) - 1  # the stock library takes no token of its own future
    claims = {
        "iss": server.issuer, "aud": CLIENT_ID, "sub": begun.sub, "nonce": begun.nonce, "iat": at, "exp": at + 300, "name": "สมชาย ใจดี",
        CLAIM + "message_type": "LtiResourceLinkRequest", CLAIM + "version": "1.3.0", CLAIM + "deployment_id": "1",
        CLAIM + "target_link_uri": _target(server), CLAIM + "resource_link": {"id": "link-1", "title": "แบบประเมิน"},
        CLAIM + "context": {"id": "course-1", "title": "รายวิชา", "type": ["CourseSection"]},
        CLAIM + "roles": ["http://purl.imsglobal.org/vocab/lis/v2/membership#Learner"],
        CLAIM + "launch_presentation": {"locale": "th", "document_target": "iframe"},
    }  # fmt: skip
    return urlencode({"state": begun.state, "id_token": jwt.encode({"alg": "RS256", "kid": "bench"}, claims, key)})


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

    port = common.free_port()
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
    with common.granian("lti_tool.wsgi:app", port, settings) as pid:
        yield Server(name, url, issuer, pid)


@contextmanager
def _stock(name: str, issuer: str, *, cache: bool) -> Iterator[Server]:
    port = common.free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {
        "STOCK_ISSUER": issuer, "STOCK_CLIENT_ID": CLIENT_ID, "STOCK_PUBLIC_URL": url, "STOCK_JWKS_URL": f"{issuer}/jwks",
        "STOCK_CACHE": "1" if cache else "0",
    }  # fmt: skip
    with common.granian("bench.stock_launch:app", port, settings) as pid:
        yield Server(name, url, issuer, pid)


def _print(result: Mapping[str, Any]) -> None:
    print(f"{'login + launch, ' + result['database']:40} {'a second':>9} {'p50 ms':>8} {'p95 ms':>8} {'p95 ms at 15/s':>15} {'CPU ms':>7}")
    for name, figures in result["servers"].items():
        parts = (("per_second", 10), ("p50_ms", 9), ("p95_ms", 9), ("paced_p95_ms", 16))
        row = "".join(f"{figures[part]:{width}.1f}" for part, width in parts)
        print(f"{name:40}{row}{figures['cpu_ms']:8.2f}")
    for name, target in (("ratio_to_cached_stock", ">= 1.2"), ("ratio_to_far_stock", ">= 3"), ("p95_ms_at_15_per_second", "<= 30")):
        print(f"{name}: {result[name]} (target {target})")
    if "burst" in result:
        print(f"{BURST_PER_SECOND:.0f} launches a second for {BURST_SECONDS:.0f} s: {result['burst']}")


if __name__ == "__main__":
    run()
