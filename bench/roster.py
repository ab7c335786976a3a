"""A roster of 15,000: read page by page into the database, beside a bare reader that fetches and parses the same pages and keeps nothing.

The platform is another process; each reader runs in a process of its own, so that its memory is its own. `python -m bench.roster`
prints the table, `--json` the figures alone, `--postgresql` writes into a PostgreSQL instead of SQLite.
CPU is that of the reader's process, the one figure that other work on the machine hardly changes.
Targets: 15,000 members within 60 s, memory growth below 50 MB.
"""

import json as json_module
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bench.common import database_server, free_port, new_database, serving

MEMBERS = 15_000
CLIENT_ID = "bench"
SECRET = b"0123456789abcdef0123456789abcdef"
PAGE_RUNS = 5


def run(json: bool = False, *, postgresql: bool = False) -> dict[str, Any]:
    """Measures, prints the table unless `json`, and returns the figures."""
    kind = "postgresql" if postgresql else "sqlite"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = free_port()
        stack.enter_context(serving([sys.executable, "-m", "bench.roster", "--platform", str(port)], port, {}, "/members?limit=1"))
        url = new_database(stack.enter_context(database_server(kind, folder)), "roster")
        pool = multiprocessing.get_context("spawn")
        with pool.Pool(1) as reader:
            bare = reader.apply(_read_bare, (f"http://127.0.0.1:{port}",))
        with pool.Pool(1) as reader:
            ours = reader.apply(_read_ours, (f"http://127.0.0.1:{port}", url, str(folder)))
    result = {"members": MEMBERS, "database": kind, "bare": bare, "ours": ours}
    if not json:
        _print(result)
    return result


def _read_bare(platform: str) -> dict[str, Any]:
    """Fetches and parses every page, and counts."""
    import orjson
    import urllib3

    http = urllib3.PoolManager()
    following, n = f"{platform}/members?limit=500", 0
    with _growth() as memory:
        began, worked = time.perf_counter(), time.process_time()
        while following:
            response = http.request("GET", following)
            n += len(orjson.loads(response.data)["members"])
            following = response.headers.get("Link", "<>")[1:].partition(">")[0]
        seconds, cpu = time.perf_counter() - began, time.process_time() - worked
    return {"rows": n, "seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2), "memory_growth_mb": memory()}


def _read_ours(platform: str, database_url: str, folder: str) -> dict[str, Any]:
    """The worker's own reading, twice: everybody is new, then nobody is; and the teacher's page over all of them."""
    from sqlalchemy import func, select

    from kernel import outbox
    from kernel.clock import system_clock
    from kernel.db import Database
    from kernel.http import GuardedClient, HttpPolicy
    from lti_tool import logs, migrate, models
    from lti_tool.jobs import roster_sync
    from lti_tool.settings import Settings
    from lti_tool.workflows import roster
    from lti_tool.workflows.enrolled import place_learners_in_scope

    logs.configure("WARNING")
    secret = Path(folder) / "secret.key"
    secret.write_bytes(SECRET)
    settings = Settings(public_url="http://127.0.0.1:8000", data_dir=Path(folder), secret_key_file=secret)
    database = Database(database_url)
    migrate.ensure_current(database)
    principal, form_uuid = _course(database, platform)
    http = GuardedClient(HttpPolicy(dev_mode=True))

    def place(db: Any, tenant_id: int, people: Any) -> None:
        place_learners_in_scope(db, tenant_id, people, now=system_clock())

    def read() -> tuple[float, float]:
        with database.transaction() as db:
            roster_sync.ask_for_roster(db, tenant_id=principal.tenant_id, context_id=principal.context_id, now=system_clock())
            (item,) = outbox.claim(db, kinds=[roster_sync.KIND], now=system_clock())
        began, worked = time.perf_counter(), time.process_time()
        outcome = roster_sync.sync_roster(database, item, http=http, settings=settings, clock=system_clock, on_learners=place)
        assert outcome == "done", outcome
        return time.perf_counter() - began, time.process_time() - worked

    def show(page: int) -> float:
        worked = time.process_time()
        with database.reading() as db:
            shown = roster.class_page(db, principal, form_uuid, roster.Asked(page=page))
        assert len(shown.rows) == roster.ROWS_A_PAGE
        return time.process_time() - worked

    with _growth() as memory:
        first, first_cpu = read()
        growth = memory()
    again, again_cpu = read()
    with database.reading() as db:
        rows = db.scalar(select(func.count()).select_from(models.Enrolment).where(models.Enrolment.in_roster_at.is_not(None)))
    page = sorted(show(1 + n) for n in range(PAGE_RUNS))[PAGE_RUNS // 2]
    database.dispose()
    return {
        "rows": rows,
        "seconds": round(first, 2),
        "cpu_seconds": round(first_cpu, 2),
        "memory_growth_mb": growth,
        "again_seconds": round(again, 2),
        "again_cpu_seconds": round(again_cpu, 2),
        "teachers_page_cpu_ms": round(page * 1000),
    }


def _course(database: Any, platform: str) -> tuple[Any, Any]:
    """A course that an instructor opened. Returns the instructor's launch, as pages know it, and the assessment."""
    from kernel.clock import system_clock
    from kernel.ids import new_uuid
    from lti_tool import models
    from lti_tool.lti.registrations import add_platform
    from lti_tool.lti.tenants import add_tenant
    from lti_tool.lti.tool_keys import ensure_tool_key
    from lti_tool.web.principal import Principal, Role
    from lti_tool.workflows.content import load_defaults

    now = system_clock()
    with database.transaction() as db:
        ensure_tool_key(db, secret=SECRET, now=now)
        form = load_defaults(db, now=now).form
        add_tenant(db, key="bench", name={"th": "ทดสอบ", "en": "Bench"}, home_page="https://bench.example.go.th", now=now)
        urls = {"auth_url": f"{platform}/auth", "token_url": f"{platform}/token", "jwks_url": f"{platform}/jwks"}
        view = add_platform(db, issuer=platform, client_id=CLIENT_ID, deployment="1", tenant="bench", now=now, **urls)
        shared: dict[str, Any] = {"tenant_id": 1, "created_at": now}
        user = models.User(registration_id=view.id, sub="teacher", **shared)
        context = models.Context(deployment_id=1, lti_id="1", memberships_url=f"{platform}/members", **shared)
        db.add_all([user, context])
        db.flush()
        launch = models.Launch(
            uuid=new_uuid(),
            registration_id=view.id,
            deployment_id=1,
            user_id=user.id,
            context_id=context.id,
            state_hash="x",
            roles=["instructor"],
            locale="th",
            target={},
            framed=False,
            seen_at=now,
            expires_at=now + timedelta(hours=12),
            **shared,
        )
        db.add(launch)
        db.flush()
        values: dict[str, Any] = dict.fromkeys(Principal.__dataclass_fields__) | {
            "launch_uuid": launch.uuid, "session_id": launch.id, "tenant_id": 1, "registration_id": view.id, "user_id": user.id,
            "context_id": context.id, "roles": frozenset({Role.INSTRUCTOR}),
        }  # fmt: skip
    return Principal(**values), form.uuid


@contextmanager
def _growth() -> Iterator[Any]:
    """Looks every few milliseconds at the memory of this process; gives how much it grew at the most so far, MB."""
    start, most, over = _resident_mb(), [0.0], threading.Event()

    def look() -> None:
        while not over.wait(0.005):
            most[0] = max(most[0], _resident_mb() - start)

    threading.Thread(target=look, daemon=True).start()
    try:
        yield lambda: round(max(most[0], _resident_mb() - start), 1)
    finally:
        over.set()


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1_000_000


class _Platform(BaseHTTPRequestHandler):
    """Tokens, and members in pages of the size that is asked for."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """A token."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        scope = "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly"
        self._answer({"access_token": "bench", "expires_in": 3600, "scope": scope})

    def do_GET(self) -> None:
        """One page."""
        query = {name: int(values[0]) for name, values in parse_qs(urlsplit(self.path).query).items()}
        start, limit = query.get("from", 0), query["limit"]
        end = min(MEMBERS, start + limit)
        link = f'<http://{self.headers["Host"]}/members?limit={limit}&from={end}>; rel="next"' if end < MEMBERS else None
        self._answer({"id": self.path, "context": {"id": "1"}, "members": [_member(n) for n in range(start, end)]}, link)

    def _answer(self, document: dict[str, Any], link: str | None = None) -> None:
        body = json_module.dumps(document, ensure_ascii=False).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.ims.lti-nrps.v2.membershipcontainer+json")
        self.send_header("Content-Length", str(len(body)))
        if link:
            self.send_header("Link", link)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def _member(n: int) -> dict[str, Any]:
    given, family = f"สมชาย{n:05}", "ใจดีมากที่สุด"
    return {
        "status": "Active", "roles": ["Learner"], "user_id": str(n), "lis_person_sourcedid": f"SRC-{n:08}", "name": f"{given} {family}",
        "given_name": given, "family_name": family, "email": f"person{n:05}@agency.example.go.th", "ext_user_username": f"person{n:05}",
    }  # fmt: skip


def _print(result: dict[str, Any]) -> None:
    bare, ours = result["bare"], result["ours"]
    print(f"roster of {result['members']:,} members, {result['database']}")
    print(f"{'':24}{'rows':>8}{'seconds':>10}{'CPU s':>8}{'memory growth':>16}")
    for name, figures in (("bare reader", bare), ("ours, everybody new", ours)):
        row = f"{name:24}{figures['rows']:>8,}{figures['seconds']:>10.2f}{figures['cpu_seconds']:>8.2f}"
        print(f"{row}{figures['memory_growth_mb']:>13.1f} MB")
    print(f"{'ours, nothing changed':24}{ours['rows']:>8,}{ours['again_seconds']:>10.2f}{ours['again_cpu_seconds']:>8.2f}")
    print(f"teacher's page over all of them: {ours['teachers_page_cpu_ms']} ms of CPU")


if __name__ == "__main__":
    if "--platform" in sys.argv:
        ThreadingHTTPServer(("127.0.0.1", int(sys.argv[-1])), _Platform).serve_forever()
    else:
        found = run("--json" in sys.argv, postgresql="--postgresql" in sys.argv)
        if "--json" in sys.argv:
            print(json_module.dumps(found))
