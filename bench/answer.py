"""Answer to next item over HTTP with commit: at one taker, at 100 takers who think, and as many answers as the machine gives.

The tool runs as `kaona serve` runs it; beside it, in the same run and on the same kind of database, a bare Flask and
SQLAlchemy app (one read, two inserts, one commit) under the same granian. The takers work on the same machine.
`python -m bench.answer [--database sqlite|postgresql] [--seconds N]` prints the table, `--json` the figures alone.
CPU is that of the web processes for each answer, warm-up and starts of attempts included: the one figure that other work on the
machine does not change.
Every acknowledged answer must be stored, each once. What an examination has to hold is measured by `bench.exam`.
"""

import argparse
import json as json_module
import multiprocessing
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import common
from bench.takers import Taker, Told, take

N_TAKERS = 100
ANSWERS_PER_SECOND = 170
SECONDS = 10.0
WARM_UP_ITEMS = 17
CLIENT_ID = "bench"
SITUATIONS: dict[str, tuple[int, float]] = {
    "1 taker": (1, 0.0),
    "100 takers, 170 answers/s": (N_TAKERS, N_TAKERS / ANSWERS_PER_SECOND),
    "100 takers, no pause": (N_TAKERS, 0.0),
}
"""Takers at once, and mean seconds from one answer of a taker to the next."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server under load, its takers and its database."""

    name: str
    pid: int
    port: int
    takers: list[Taker]
    database_url: str


def run(json: bool = False, *, database: str = "sqlite", seconds: float = SECONDS) -> dict[str, Any]:
    """Measures, prints the table unless `json`, and returns the figures."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kaona-bench-")))
        pattern = stack.enter_context(common.database_server(database, folder))
        pool = stack.enter_context(ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")))
        servers = [
            stack.enter_context(tool(common.new_database(pattern, "tool"), folder)),
            stack.enter_context(bare(common.new_database(pattern, "bare"))),
        ]
        told: dict[str, dict[str, Told]] = {server.name: {} for server in servers}
        cpu: dict[str, dict[str, float]] = {server.name: {} for server in servers}
        for number, (situation, (n_takers, pause)) in enumerate(SITUATIONS.items()):
            for server in servers:
                before = common.cpu_seconds(server.pid)
                takers = server.takers[:n_takers]
                one = pool.submit(take, server.port, takers, seconds=seconds, pause=pause, warm_up=WARM_UP_ITEMS, seed=number).result()
                told[server.name][situation] = one
                cpu[server.name][situation] = 1000 * (common.cpu_seconds(server.pid) - before) / max(1, len(one.acknowledged))
        rows = {
            server.name: {
                situation: _figures(one) | {"cpu_ms_per_answer": round(cpu[server.name][situation], 1)}
                for situation, one in told[server.name].items()
            }
            | {"kept": compare_with_rows(server, told[server.name].values())}
            for server in servers
        }
    ours = rows["tool"]
    result = {
        "benchmark": "answer",
        "database": database,
        "servers": rows,
        "ratio_to_bare_at_saturation": round(
            ours["100 takers, no pause"]["answers_per_second"] / rows["bare"]["100 takers, no pause"]["answers_per_second"], 2
        ),
        "targets": {"every acknowledged answer stored once": ours["kept"]["lost"] == ours["kept"]["doubled"] == 0},
    }
    if not json:
        _print(result)
    return result


def _figures(told: Told) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "answers_per_second": round((len(told.answers) + len(told.finishes)) / told.seconds, 1),
        **common.percentiles(told.answers),
        "errors": dict(Counter(told.errors)),
    }
    if len(told.finishes) > 1:
        figures["finish_p95_ms"] = common.percentiles(told.finishes)["p95_ms"]
    return figures


def compare_with_rows(server: Server, told: Iterable[Told]) -> dict[str, int]:
    """Compares what takers of a server were told with what it has stored."""
    from sqlalchemy import select

    from assessment.models import Response
    from bench.bare_answer_tables import answer
    from kernel.db import Database

    acknowledged = [client_id for one in told for client_id in one.acknowledged]
    database = Database(server.database_url)
    with database.reading() as db:
        stored = Counter(db.scalars(select(Response.client_id if server.name == "tool" else answer.c.client_id)))
    database.dispose()
    return {
        "acknowledged": len(acknowledged),
        "stored": stored.total(),
        "lost": sum(client_id not in stored for client_id in acknowledged),
        "doubled": sum(count > 1 for count in stored.values()),
    }


@contextmanager
def tool(database_url: str, folder: Path, *, n_takers: int = N_TAKERS) -> Iterator[Server]:
    """The tool as `kaona serve` runs it, with people who have a session each."""
    from kernel.db import Database
    from lti_tool import migrate
    from lti_tool.settings import Settings

    port = common.free_port()
    settings = Settings(data_dir=folder, public_url=f"http://127.0.0.1:{port}", database_url=database_url)
    database = Database(database_url)
    migrate.upgrade(database)
    takers = _people(database, settings, n_takers)
    database.dispose()
    environment = {
        "KAONA_PUBLIC_URL": settings.public_url,
        "KAONA_DATA_DIR": str(folder),
        "KAONA_DATABASE_URL": database_url,
        "KAONA_WEB_WORKERS": str(common.WORKERS),
        "KAONA_WEB_THREADS": str(common.THREADS),
    }
    command = [sys.executable, "-m", "lti_tool", "serve", "--port", str(port)]
    with common.serving(command, port, environment, "/readyz") as pid:
        yield Server("tool", pid, port, takers, database_url)


@contextmanager
def bare(database_url: str, *, n_takers: int = N_TAKERS) -> Iterator[Server]:
    """The bare save."""
    from sqlalchemy import insert

    from bench.bare_answer_tables import metadata, taker
    from kernel.db import Database

    port = common.free_port()
    tokens = [f"taker-{number}" for number in range(n_takers)]
    database = Database(database_url)
    metadata.create_all(database.engine)
    with database.transaction() as db:
        db.execute(insert(taker), [{"token": token} for token in tokens])
    database.dispose()
    with common.granian("bench.bare_answer:app", port, {"BARE_DATABASE_URL": database_url}) as pid:
        yield Server("bare", pid, port, [Taker("", "", "", "", token) for token in tokens], database_url)


def _people(database: Any, settings: Any, n_takers: int) -> list[Taker]:
    """Takers with a session each, made by the doors that a launch goes through after its checks."""
    from kernel.clock import system_clock
    from kernel.ids import digest, new_uuid
    from lti_tool.lti.enrol import enrol
    from lti_tool.lti.message import Message
    from lti_tool.lti.registrations import add_platform
    from lti_tool.lti.sessions import begin_session
    from lti_tool.lti.storage import find_known, list_platforms_of
    from lti_tool.lti.tenants import add_tenant
    from lti_tool.lti.vocabulary import Role
    from lti_tool.web import cookies
    from lti_tool.web.csrf import token_of
    from lti_tool.workflows import content

    now, issuer, takers = system_clock(), "http://127.0.0.1:9", []
    with database.transaction() as db:
        form = content.load_defaults(db, now=now).form
        add_tenant(db, key="bench", name={"th": "ทดสอบ", "en": "Bench"}, home_page="https://bench.example", now=now)
        add_platform(
            db, issuer=issuer, client_id=CLIENT_ID, auth_url=f"{issuer}/auth", token_url=f"{issuer}/token", jwks_url=f"{issuer}/jwks",
            deployment="1", tenant="bench", now=now,
        )  # fmt: skip
        platform = list_platforms_of(db, issuer, CLIENT_ID)[0]
        for number in range(n_takers):
            message = Message(
                deployment_id="1", sub=f"person-{number}", name="สมชาย ใจดี", roles=frozenset({Role.LEARNER}),
                target_link_uri=f"{settings.public_url}/open/assessment/{form.uuid}", context_id="course-1", context_title="รายวิชา",
                link_id="link-1", link_title=None, activity=None, locale="th", return_url=None, document_target="iframe",
                line_item_url=f"{issuer}/lineitem", ags_scopes=(), memberships_url=None,
            )  # fmt: skip
            parts = {"deployment": "1", "sub": message.sub, "context": "course-1", "link": "link-1"}
            known = find_known(db, platform, **parts, line_item=message.line_item_url)
            assert known is not None
            enrolled = enrol(db, message, known, platform=platform, now=now)
            launch = new_uuid()
            row = {
                "uuid": launch, "tenant_id": enrolled.tenant_id, "registration_id": enrolled.registration_id,
                "deployment_id": enrolled.deployment_id, "user_id": enrolled.user_id, "context_id": enrolled.context_id,
                "resource_link_id": enrolled.resource_link_id, "line_item_id": enrolled.line_item_id, "state_hash": digest(str(launch)),
                "locale": "th", "target": {"uri": message.target_link_uri, "activity": None}, "return_url": None, "framed": True,
            }  # fmt: skip
            token = begin_session(db, row=row, roles=message.roles, now=now)
            cookie = f"{cookies.SESSION}={token}"
            takers.append(Taker(cookie, str(launch), str(form.uuid), token_of(launch, settings.secret_key)))
    return takers


def _print(result: dict[str, Any]) -> None:
    print(f"answer to next item over HTTP with commit, {result['database']}, {common.WORKERS} processes of {common.THREADS} threads\n")
    print(f"{'':34}{'answers/s':>10}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'finish p95':>12}{'CPU ms':>8}  errors")
    for name, rows in result["servers"].items():
        for situation in SITUATIONS:
            row = rows[situation]
            times = "".join(f"{row.get(part, float('nan')):9.1f}" for part in ("p50_ms", "p95_ms", "p99_ms"))
            rest = f"{row.get('finish_p95_ms', '-'):>12}{row['cpu_ms_per_answer']:8.1f}  {row['errors'] or 'none'}"
            print(f"{name + ': ' + situation:34}{row['answers_per_second']:10.1f}{times}{rest}")
        kept = rows["kept"]
        print(f"{'':34}{kept['acknowledged']} acknowledged, {kept['stored']} stored, {kept['lost']} lost, {kept['doubled']} doubled")
    print(f"\nanswers a second at saturation: {result['ratio_to_bare_at_saturation']} x the bare app")
    for target, is_met in result["targets"].items():
        print(f"{'met   ' if is_met else 'MISSED'} {target}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.answer")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    figures = run(json=chosen.json, database=chosen.database, seconds=chosen.seconds)
    if chosen.json:
        print(json_module.dumps(figures, indent=1))
