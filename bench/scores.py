"""Waiting scores delivered: how fast, at which pace, none lost, none doubled, in order, beside a platform that hangs.

Ours is the worker of the tool in a process of its own, with every score a durable row until the platform has it; the baseline is
a bare sender with as many threads and no memory: what it was doing when it dies is lost. Both post to the same receiver, a
process on this machine. `python -m bench.scores` prints the table, `--json` the figures alone, `--size N` delivers fewer,
`--postgresql` measures on PostgreSQL.
Targets: 15,000 delivered, 0 lost, 0 doubled, 0 out of order; on the whole no faster than the pace (calls begin one interval
apart; on a busy machine some come together); a platform that hangs beside it changes nothing of that.
"""

import http.client
import json as json_module
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from bench.common import ROOT, database_server, free_port, new_database, serving

SIZE = 15_000
THREADS = 16
PACE, PACED_SECONDS = 5.0, 6.0
FULL_SPEED = 1000.0
SILENT = 40
"""Scores that wait for the platform that hangs."""
CHANGED_SHARE = 0.05
"""Of the people, those whose score changes while the delivery is under way."""
PATIENCE_SECONDS = 600


class Receiver(ThreadingHTTPServer):
    """A platform's token and score services; keeps what came and when."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, *, hangs: bool) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.hangs = hangs
        self.ledger: list[tuple[float, str, str, float]] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """The ledger, which begins anew; or a sign of life."""
        assert isinstance(self.server, Receiver)
        kept: list[Any] = []
        if self.path == "/ledger":
            kept, self.server.ledger = self.server.ledger, []
        self._answer(json_module.dumps(kept).encode())

    def do_POST(self) -> None:
        """A token, or a score."""
        assert isinstance(self.server, Receiver)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.hangs:
            time.sleep(PATIENCE_SECONDS)
        if self.path == "/token":
            self._answer(b'{"access_token": "bench", "token_type": "Bearer", "expires_in": 3600}')
            return
        score = json_module.loads(body)
        self.server.ledger.append((time.time(), score["userId"], score["timestamp"], score["scoreGiven"]))
        self._answer(b"")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def run(json: bool = False, *, size: int = SIZE, postgresql: bool = False) -> dict[str, Any]:
    """Measures, prints the table unless `json`, and returns the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            _receiving(hangs=False) as well,
            _receiving(hangs=True) as hung,
            database_server("postgresql" if postgresql else "sqlite", folder) as pattern,
        ):
            house = _House(folder, new_database(pattern, "scores"), well, hung)
            result = {
                "size": size,
                "paced": house.paced(),
                "ours": house.delivered(size),
                "ours beside a platform that hangs": house.delivered(size, silent=SILENT),
                "bare sender": _bare(well, size),
            }
            house.database.dispose()
    alone, beside, bare = (result[name]["per_second"] for name in ("ours", "ours beside a platform that hangs", "bare sender"))
    result["ratio_to_bare_sender"] = round(alone / bare, 2)
    result["ratio_beside_a_platform_that_hangs"] = round(beside / alone, 2)
    if not json:
        _print(result)
    return result


class _House:
    """An installation with two platforms, a column on each, and its worker."""

    def __init__(self, folder: Path, url: str, well: int, hung: int) -> None:
        from kernel.clock import system_clock
        from kernel.db import Database
        from lti_tool import migrate
        from lti_tool.lti.tenants import add_tenant
        from lti_tool.settings import Settings

        self.folder, self.url, self.receiver = folder, url, well
        self.database, self.now = Database(url), system_clock
        self.settings = Settings(data_dir=folder, database_url=url)
        migrate.ensure_current(self.database)
        self._names = 0
        with self.database.transaction() as db:
            add_tenant(db, key="bench", name={"th": "ทดสอบ", "en": "Bench"}, home_page="https://bench.example", now=self.now())
            self.column, self.silent_column = (self._column(db, port) for port in (well, hung))

    def paced(self) -> dict[str, float]:
        """The default pace, as the platform sees it."""
        n = int(PACE * PACED_SECONDS)
        self._enqueue(self._people(n), 1.0)
        with self._working(PACE):
            self._until_empty()
        arrivals = sorted(moment for moment, *_ in _ledger(self.receiver))
        most = max(sum(first <= other < first + 1 for other in arrivals) for first in arrivals)
        return {"delivered": len(arrivals), "per_second": round((n - 1) / (arrivals[-1] - arrivals[0]), 2), "most_in_a_second": most}

    def delivered(self, size: int, *, silent: int = 0) -> dict[str, float]:
        """Everything that waits, as fast as the worker can; some values change meanwhile."""
        people = self._people(size)
        expected = dict.fromkeys(people, 1.0)
        self._enqueue(people, 1.0)
        if silent:
            self._enqueue(self._people(silent, self.silent_column), 1.0, self.silent_column)
        changed = list(people)[:: int(1 / CHANGED_SHARE)]
        with self._working(FULL_SPEED):
            self._enqueue(changed, 2.0)
            expected |= dict.fromkeys(changed, 2.0)
            self._until_empty()
        ledger = _ledger(self.receiver)
        moments = [moment for moment, *_ in ledger]
        seconds = max(moments) - min(moments)  # without the start of the worker
        return {"per_second": round((len(ledger) - 1) / seconds, 1), "delivered": len(ledger), **_judged(ledger, expected)}

    def _column(self, db: Any, port: int) -> int:
        from lti_tool.lti import vocabulary as v
        from lti_tool.lti.registrations import add_platform
        from lti_tool.models import LineItem

        base = f"http://127.0.0.1:{port}"
        urls = {"auth_url": f"{base}/auth", "token_url": f"{base}/token", "jwks_url": f"{base}/jwks"}
        platform = add_platform(db, issuer=base, client_id="bench", deployment="1", tenant="bench", now=self.now(), **urls)
        column = LineItem(tenant_id=1, registration_id=platform.id, url=f"{base}/items/1", scopes=[v.SCOPE_SCORE], created_at=self.now())
        db.add(column)
        db.flush()
        return column.id

    def _people(self, n: int, column: int | None = None) -> dict[str, None]:
        from lti_tool.models import LineItem, User

        with self.database.transaction() as db:
            registration = db.get_one(LineItem, column or self.column).registration_id
            names = [f"person-{self._names + number}" for number in range(n)]
            db.add_all(User(tenant_id=1, registration_id=registration, sub=name, created_at=self.now()) for name in names)
        self._names += n
        return dict.fromkeys(names)

    def _enqueue(self, people: Any, given: float, column: int | None = None) -> None:
        from sqlalchemy import select

        from lti_tool.jobs.score_publish import enqueue_score
        from lti_tool.models import LineItem, User

        names = list(people)
        for first in range(0, len(names), 500):
            with self.database.transaction() as db:
                line_item = db.get_one(LineItem, column or self.column)
                some = select(User).where(User.registration_id == line_item.registration_id, User.sub.in_(names[first : first + 500]))
                for user in db.scalars(some):
                    enqueue_score(db, line_item=line_item, user=user, score_given=given, score_maximum=2.0, comment=None, now=self.now())

    @contextmanager
    def _working(self, per_second: float) -> Iterator[None]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("KAONA_")}
        own = {
            "KAONA_DATA_DIR": str(self.folder), "KAONA_DATABASE_URL": self.url, "KAONA_LOG_LEVEL": "ERROR",
            "KAONA_WORKER_THREADS": str(THREADS), "KAONA_PLATFORM_CALLS_PER_SECOND": str(per_second),
        }  # fmt: skip
        process = subprocess.Popen([sys.executable, "-m", "lti_tool", "worker"], env=clean | own, cwd=ROOT, stdout=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.kill()  # some of its threads wait for the platform that hangs
            process.wait()

    def _until_empty(self) -> None:
        from sqlalchemy import select

        from lti_tool.models import Score

        waiting = select(Score.id).where(Score.line_item_id == self.column, Score.state == "waiting").limit(1)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            with self.database.reading() as db:
                if db.scalar(waiting) is None:
                    return
            time.sleep(0.1)
        raise SystemExit("the scores were not delivered")


def _judged(ledger: list[Any], expected: Mapping[str, float]) -> dict[str, int]:
    """What came, against what was to come: the last value of each person, each value once, times and values rising."""
    by_person: dict[str, list[tuple[str, float]]] = {}
    for _, person, stamp, given in ledger:
        by_person.setdefault(person, []).append((stamp, given))
    return {
        "lost": sum(not by_person.get(person) or by_person[person][-1][1] != given for person, given in expected.items()),
        "doubled": sum(n - 1 for n in Counter((person, given) for _, person, _, given in ledger).values()),
        "out_of_order": sum(came != sorted(came) or len({stamp for stamp, _ in came}) < len(came) for came in by_person.values()),
    }


def _bare(port: int, size: int) -> dict[str, float]:
    """Threads that post, each on a connection of its own, and remember nothing."""
    bodies = iter(range(size))
    lock = threading.Lock()

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while True:
            with lock:
                number = next(bodies, None)
            if number is None:
                return
            score = {
                "userId": f"bare-{number}", "scoreGiven": 1.0, "scoreMaximum": 2.0, "activityProgress": "Completed",
                "gradingProgress": "FullyGraded", "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            }  # fmt: skip
            headers = {"Content-Type": "application/vnd.ims.lis.v1.score+json", "Authorization": "Bearer bench"}
            connection.request("POST", "/items/1/scores", json_module.dumps(score), headers)
            connection.getresponse().read()

    began = time.monotonic()
    threads = [threading.Thread(target=send) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - began
    return {"per_second": round(size / seconds, 1), "delivered": len(_ledger(port))}


def _ledger(port: int) -> list[Any]:
    """What the receiver got since it was last asked."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/ledger")
    return list(json_module.loads(connection.getresponse().read()))


@contextmanager
def _receiving(*, hangs: bool) -> Iterator[int]:
    port = free_port()
    with serving([sys.executable, "-m", "bench.scores", "--receive", str(port), *(["--hangs"] if hangs else [])], port, {}):
        yield port


def _print(result: Mapping[str, Any]) -> None:
    print(f"{result['size']} waiting scores{'':16} {'a second':>9} {'lost':>6} {'doubled':>8} {'out of order':>13}")
    for name in ("ours", "ours beside a platform that hangs", "bare sender"):
        figures = result[name]
        cells = [str(figures.get(column, "-")) for column in ("lost", "doubled", "out_of_order")]
        print(f"{name:36} {figures['per_second']:9.1f} {cells[0]:>6} {cells[1]:>8} {cells[2]:>13}")
    paced = result["paced"]
    print(f"at the default pace: {paced['per_second']} a second, at most {paced['most_in_a_second']} came in one")
    for name in ("ratio_to_bare_sender", "ratio_beside_a_platform_that_hangs"):
        print(f"{name}: {result[name]}")


def _argument(name: str) -> str | None:
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else None


if __name__ == "__main__":
    if "--receive" in sys.argv:
        Receiver(int(_argument("--receive") or 0), hangs="--hangs" in sys.argv).serve_forever()
    figures = run("--json" in sys.argv, size=int(_argument("--size") or SIZE), postgresql="--postgresql" in sys.argv)
    if "--json" in sys.argv:
        print(json_module.dumps(figures))
