"""The record store over HTTP: intake by one and by many, reads at 10,000, 100,000 and 1,000,000 statements, order under 32 writers.

The LRS stands alone under granian (`bench.lrs_server`): full validation, durable commits. Beside it, always and in the same run, the bare
insert of the same rows with the same rows of the index (`bench.bare_insert`); and Ralph with a tenth of the load (`bench.ralph`), where
`--ralph` is given or its environment stands in `var/ralph`: it keeps its statements in a file, so read that as what its own code takes in.
`python -m bench.lrs [--database sqlite|postgresql] [--statements N] [--ralph] [--json]` prints the tables. The statements that are read
are loaded by the store's own code, spread over 36 months. CPU is that of the web processes, which other work changes least.
Targets: the table `TARGETS`.
"""

import argparse
import json as json_module
import multiprocessing
import random
import statistics
import tempfile
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench import bare_insert, common, ralph
from bench.lrs_client import (
    HOME,
    N_BUSY,
    N_COURSES,
    VERB,
    Server,
    Told,
    get_all,
    new_bodies,
    new_statement,
    person_name,
    post_all,
    registration,
    walk,
    write_and_poll,
)

PEPPER = b"bench"
INTAKE = {"1 x 1": (1, 1, 1_500), "25 x 8": (25, 8, 600), "100 x 8": (100, 8, 250)}
"""Statements in a batch, clients at once, batches."""
STEPS = (10_000, 100_000, 1_000_000)
N_MONTHS = 36
N_READS = 200
N_WRITERS, N_BATCHES, BATCH = 32, 640, 25
LOAD_BATCH = 1_000
DEEP_PAGE = 1_000
TARGETS = {
    "sqlite": {"1 x 1": 400, "25 x 8": 2_500, "100 x 8": 4_000},
    "postgresql": {"1 x 1": 400, "25 x 8": 4_000, "100 x 8": 6_000},
}
"""Statements a second, at least."""
P99_MS = {"25 x 8": 250, "100 x 8": 500}
P95_MS = {"id": 5, "single": 10, "pair": 20}
LEAST_OF_BARE = 0.5
MOST_GROWTH, MOST_DEEPER = 2.0, 1.5
MOST_MEMORY_MB = 200.0


@dataclass(frozen=True, slots=True)
class Loaded:
    """Statements that the store's own code stored."""

    ids: list[str]
    seconds: float


def run(json: bool = False, *, database: str = "sqlite", statements: int = STEPS[-1], beside_ralph: bool | None = None) -> dict[str, Any]:
    """Measures, prints the tables unless `json`, and returns the figures.

    statements     the largest number that reads are measured at; 0 leaves the reads out
    beside_ralph   whether Ralph is loaded too; None: if its environment was made before
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kaona-bench-")))
        pattern = stack.enter_context(common.database_server(database, folder))
        pool = stack.enter_context(ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")))
        result: dict[str, Any] = {"benchmark": "lrs", "database": database, "intake": {}, "reads": {}}
        peer = stack.enter_context(_ralph(folder, beside_ralph))
        with _lrs(common.new_database(pattern, "intake")) as (server, pid):
            _warm_up(pool, server)
            for number, (name, (size, clients, count)) in enumerate(INTAKE.items(), start=1):
                before = common.cpu_seconds(pid)
                told = pool.submit(post_all, server, count, size, number, clients).result()
                cpu = (common.cpu_seconds(pid) - before) / max(1, len(told.ids))
                bare = pool.submit(_bare, common.new_database(pattern, f"bare_{number}"), count, size, number, clients).result()
                result["intake"][name] = _intake(told, count * size / bare) | {"cpu_ms_per_statement": round(cpu * 1000, 3)}
                if peer is not None:
                    other = pool.submit(post_all, peer, max(clients, count // 10), size, number + 100, clients).result()
                    result["intake"][name]["ralph"] = _intake(other)
            result["memory_mb"] = _memory(pid)
        with _lrs(common.new_database(pattern, "order")) as (server, _):
            result["order"] = pool.submit(write_and_poll, server, N_BATCHES, BATCH, 50, N_WRITERS).result()
        if statements:
            result["reads"] = _reads(pool, common.new_database(pattern, "reads"), statements)
    result["targets"] = _judged(result)
    if not json:
        _print(result)
    return result


@contextmanager
def _lrs(database_url: str) -> Iterator[tuple[Server, int]]:
    """The LRS alone on a new database, a credential that may do everything, and its process id."""
    import xapi.api as xapi
    from kernel.clock import system_clock
    from kernel.db import Database

    database = Database(database_url)
    xapi.migrate(database)
    with database.transaction() as db:
        made = xapi.create_key(db, tenant_id=1, name="bench", scopes=["all"], now=system_clock(), pepper=PEPPER)
    database.dispose()
    authorization = "Basic " + b64encode(f"{made.key}:{made.secret}".encode()).decode()
    port = common.free_port()
    with common.granian("bench.lrs_server:app", port, {"BENCH_DATABASE_URL": database_url}) as pid:
        yield Server(port, authorization), pid


@contextmanager
def _ralph(folder: Path, wanted: bool | None) -> Iterator[Server | None]:
    """Ralph, if it is wanted."""
    if wanted is False or (wanted is None and not (ralph.ROOT / "var/ralph/installed").exists()):
        yield None
        return
    (folder / "ralph").mkdir()
    with ralph.running(ralph.ensure_python(), folder / "ralph") as port:
        authorization = "Basic " + b64encode(f"{ralph.USER}:{ralph.PASSWORD}".encode()).decode()
        yield Server(port, authorization, f"{ralph.PATH}/statements", "1.0.3")


def _warm_up(pool: ProcessPoolExecutor, server: Server) -> None:
    pool.submit(post_all, server, 60, 5, 0, 8).result()


def _bare(url: str, count: int, size: int, seed: int, n_clients: int) -> float:
    """Seconds of the bare insert of what `post_all` sends with the same arguments."""
    from xapi import links

    authority = {"objectType": "Agent", "name": "bench", "account": {"homePage": "https://w3id.org/kaona/xapi/credentials", "name": "key"}}
    batches = []
    for body in new_bodies(count, size, seed):
        rows = []
        for statement in json_module.loads(body):
            document = json_module.dumps(statement | {"authority": authority}, ensure_ascii=False, separators=(",", ":"))
            rows.append((statement["id"], document, sorted(links.keys_of(statement, authority))))
        batches.append(rows)
    return bare_insert.insert_all(url, batches, n_clients)


def _intake(told: Told, bare_per_second: float | None = None) -> dict[str, Any]:
    per_second = len(told.ids) / told.elapsed
    figures = {"per_second": round(per_second), **common.percentiles(told.seconds), "errors": dict(Counter(told.errors))}
    if bare_per_second is not None:
        figures |= {"bare_per_second": round(bare_per_second), "of_bare": round(per_second / bare_per_second, 2)}
    return figures


def _memory(pid: int) -> float:
    """Memory of the largest web process, MB: its own and its share of what it shares with others."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    lines = [Path(f"/proc/{child}/smaps_rollup").read_text() for child in children]
    return max(int(line.split()[1]) for text in lines for line in text.splitlines() if line.startswith("Pss:")) / 1024


def _reads(pool: ProcessPoolExecutor, url: str, statements: int) -> dict[str, Any]:
    """Reads at each size on the way to the largest."""
    steps = [step for step in STEPS if step < statements] + [statements]
    found: dict[str, Any] = {"sizes": {}}
    ids: list[str] = []
    with _lrs(url) as (server, _):
        for before, step in pairwise([0, *steps]):
            loaded = pool.submit(_load, url, before, step, statements).result()
            ids += loaded.ids
            chance = random.Random(step)
            figures: dict[str, Any] = {"loaded_per_second": round((step - before) / loaded.seconds)}
            for name, queries in _queries(chance, ids).items():
                pool.submit(get_all, server, queries[:20]).result()
                told = pool.submit(get_all, server, queries).result()
                figures[name] = common.percentiles(told.seconds) | {
                    "statements": round(told.n_found / len(queries), 1),
                    "errors": dict(Counter(told.errors)),
                }
            found["sizes"][str(step)] = figures
        seconds = pool.submit(walk, server, DEEP_PAGE).result()
    if len(seconds) == DEEP_PAGE:
        first, deep = statistics.median(seconds[:20]), statistics.median(seconds[-20:])
        found["deep_page"] = {"first_ms": round(first * 1000, 1), "deep_ms": round(deep * 1000, 1), "ratio": round(deep / first, 2)}
    return found


def _load(url: str, start: int, end: int, last: int) -> Loaded:
    """Stores statements so that the last of them all would be stored now and the first 36 months ago."""
    import time

    from sqlalchemy import text

    from kernel.clock import system_clock
    from kernel.db import Database
    from xapi import partitions, store

    database = Database(url)
    now, span = system_clock(), timedelta(days=30 * N_MONTHS)
    author = store.Author({"objectType": "Agent", "account": {"homePage": "https://w3id.org/kaona/xapi/credentials", "name": "key"}})
    chance, ids, begun = random.Random(start), [], time.perf_counter()
    if start == 0 and not url.startswith("sqlite"):
        _make_months(database, partitions.Month.of(now - span), partitions.Month.of(now))
    for place in range(start, end, LOAD_BATCH):
        batch = []
        for _ in range(min(LOAD_BATCH, end - place)):
            statement = new_statement(chance)
            batch.append(
                store.prepare(json_module.dumps(statement, ensure_ascii=False, separators=(",", ":")), statement, author, version="2.0.0")
            )
        moment = now - span + span * (place / last)
        with database.transaction() as db:
            store.store(db.connection(), batch, tenant_id=1, now=moment)
        ids += [prepared.id for prepared in batch]
    seconds = time.perf_counter() - begun
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE" if url.startswith("sqlite") else "VACUUM ANALYZE"))
    database.dispose()
    return Loaded(ids[:: max(1, len(ids) // 2_000)], seconds)


def _make_months(database: Any, first: Any, last: Any) -> None:
    """Partitions of past months, which no installation makes because it was there in them."""
    from xapi.models import PARTITIONED
    from xapi.partitions import attach

    with database.transaction() as db:
        month = first
        while month < last:
            for table in PARTITIONED:
                attach(db.connection(), table.name, month)
            month = month.next


def _queries(chance: random.Random, ids: list[str]) -> dict[str, list[dict[str, str]]]:
    """What is asked, by the name of its kind: `id`, `single ...`, `pair ...`."""

    def agent() -> str:
        account = {"homePage": f"{HOME}/people", "name": person_name(chance.randrange(N_BUSY))}
        return json_module.dumps({"account": account})

    def item() -> str:
        return f"{HOME}/items/{chance.randrange(N_BUSY)}"

    def course() -> str:
        return f"{HOME}/courses/{chance.randrange(N_COURSES)}"

    def sitting() -> str:
        return registration(chance.randrange(N_BUSY), chance.randrange(N_COURSES))

    kinds: dict[str, Any] = {
        "single agent": lambda: {"agent": agent()},
        "single agent, related": lambda: {"agent": agent(), "related_agents": "true"},
        "single verb, common": lambda: {"verb": VERB + "answered"},
        "single verb, rare": lambda: {"verb": VERB + "terminated"},
        "single verb, unknown": lambda: {"verb": f"{VERB}x{chance.random()}"},
        "single activity": lambda: {"activity": item()},
        "single course, related": lambda: {"activity": course(), "related_activities": "true"},
        "single registration": lambda: {"registration": sitting()},
        "single none": dict,
        "pair agent + verb": lambda: {"agent": agent(), "verb": VERB + "answered"},
        "pair agent + activity": lambda: {"agent": agent(), "activity": item()},
        "pair agent + course": lambda: {"agent": agent(), "activity": course(), "related_activities": "true"},
        "pair activity + verb": lambda: {"activity": item(), "verb": VERB + "passed"},
        "pair course + verb": lambda: {"activity": course(), "related_activities": "true", "verb": VERB + "terminated"},
        "pair registration + verb": lambda: {"registration": sitting(), "verb": VERB + "answered"},
        "pair verb + since": lambda: {"verb": VERB + "passed", "since": f"2026-0{chance.randrange(1, 10)}-01T00:00:00Z"},
        "pair verb + until": lambda: {"verb": VERB + "failed", "until": f"2025-0{chance.randrange(1, 10)}-01T00:00:00Z"},
    }
    queries = {"id": [{"statementId": chance.choice(ids)} for _ in range(N_READS)]}
    return queries | {name: [make() | {"limit": "25"} for _ in range(N_READS)] for name, make in kinds.items()}


def _judged(result: Mapping[str, Any]) -> dict[str, bool]:
    """Every target that this run could judge, and whether it was met."""
    met: dict[str, bool] = {}
    for name, least in TARGETS[result["database"]].items():
        figures = result["intake"][name]
        met[f"POST {name} >= {least} statements/s"] = figures["per_second"] >= least and not figures["errors"]
        met[f"POST {name} >= {LEAST_OF_BARE:.0%} of the bare insert"] = figures["of_bare"] >= LEAST_OF_BARE
        if name in P99_MS:
            met[f"POST {name} p99 <= {P99_MS[name]} ms"] = figures["p99_ms"] <= P99_MS[name]
    met[f"memory <= {MOST_MEMORY_MB:.0f} MB a worker"] = result["memory_mb"] <= MOST_MEMORY_MB
    faults = [count for seen in result["order"]["consumers"].values() for count in seen.values()]
    met[f"no miss, double or inversion under {N_WRITERS} writers"] = not any(faults) and not result["order"]["errors"]
    sizes = result["reads"].get("sizes", {})
    for kind, most in P95_MS.items() if sizes else ():
        worst = {size: _worst(figures, kind) for size, figures in sizes.items()}
        first, last = next(iter(worst)), list(worst)[-1]
        met[f"GET by {kind}, p95 <= {most} ms at {int(last):,}"] = worst[last] <= most
        if first != last:
            growth = _growth(sizes[first], sizes[last], kind)
            met[f"GET by {kind}, growth from {int(first):,} <= {MOST_GROWTH} x"] = growth <= MOST_GROWTH
    if "deep_page" in result["reads"]:
        met[f"page {DEEP_PAGE:,} <= {MOST_DEEPER} x the first"] = result["reads"]["deep_page"]["ratio"] <= MOST_DEEPER
    return met


def _growth(first: Mapping[str, Any], last: Mapping[str, Any], kind: str) -> float:
    """The most that the median of a query grew which brings a page as full as before; a fuller page takes longer because it is fuller."""
    alike = [name for name in last if name.startswith(kind) and last[name]["statements"] <= 1.25 * first[name]["statements"]]
    return max((last[name]["p50_ms"] / first[name]["p50_ms"] for name in alike), default=0.0)


def _worst(figures: Mapping[str, Any], kind: str) -> float:
    return max(float(each["p95_ms"]) for name, each in figures.items() if name.startswith(kind))


def _print(result: Mapping[str, Any]) -> None:
    print(f"record store over HTTP, {result['database']}, {common.WORKERS} processes of {common.THREADS} threads, 2.4 kB a statement\n")
    print(f"{'POST, batch x clients':24}{'st/s':>8}{'bare st/s':>11}{'of bare':>9}{'p50 ms':>8}{'p99 ms':>8}{'CPU ms/st':>11}  errors")
    for name, row in result["intake"].items():
        times = f"{row['p50_ms']:8.1f}{row['p99_ms']:8.1f}{row['cpu_ms_per_statement']:11.3f}"
        print(f"{name:24}{row['per_second']:8}{row['bare_per_second']:11}{row['of_bare']:9.2f}{times}  {row['errors'] or 'none'}")
        if "ralph" in row:
            other = row["ralph"]
            times = f"{other['p50_ms']:8.1f}{other['p99_ms']:8.1f}"
            print(f"{'  Ralph, in a file':24}{other['per_second']:8}{'':20}{times}{'':11}  {other['errors'] or 'none'}")
    print(f"\nmemory of a web process: {result['memory_mb']:.0f} MB")
    print(f"{N_WRITERS} writers: {result['order']}")
    sizes = result["reads"].get("sizes", {})
    if sizes:
        print(f"\n{'GET, p50 / p95 ms at':28}" + "".join(f"{int(size):>20,}" for size in sizes))
        for name in [name for name in next(iter(sizes.values())) if name != "loaded_per_second"]:
            rows = [figures[name] for figures in sizes.values()]
            times = "".join(f"{row['p50_ms']:>12.1f} /{row['p95_ms']:6.1f}" for row in rows)
            print(f"{name:28}{times}   {' / '.join(str(row['statements']) for row in rows)} statements")
        print(f"{'loaded, statements/s':28}" + "".join(f"{figures['loaded_per_second']:>20,}" for figures in sizes.values()))
        print(f"deep page: {result['reads'].get('deep_page', 'not reached')}")
    print()
    for target, is_met in result["targets"].items():
        print(f"{'met   ' if is_met else 'MISSED'} {target}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.lrs")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--statements", type=int, default=STEPS[-1])
    parser.add_argument("--ralph", action="store_true", help="measure Ralph beside it, and make its environment if there is none")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    figures = run(json=chosen.json, database=chosen.database, statements=chosen.statements, beside_ralph=chosen.ralph or None)
    if chosen.json:
        print(json_module.dumps(figures, indent=1))
