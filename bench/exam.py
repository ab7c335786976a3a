"""An examination over HTTP with commit: 100 takers at once, then 170 saves a second for as long as asked.

Three situations, each on the tool as `kaona serve` runs it and on the bare save of `bench.answer`, one after the other in the same
run, the takers on the same machine:
- one sitting: 100 people are in it, each gives an answer every `PACE_SECONDS` on average, as they come. This is what the target of
  50 ms means: the time from a press of the button to the next item, with commit, while 99 others are at work.
- one moment: the same 100 press the button at once, `PRESSES` times. All answers are to be had from the same two cores, so the last
  one waits for the 99 before it; no target is set, the figures are printed.
- the rate: saves come `RATE` a second by a clock of their own, `SEATS` people at once, and a new person takes the place of each who
  has finished, with a start of their own. A save counts from the moment it was due. Last answers, with all that a finish stores, count.
Every acknowledged answer is then compared with the rows: none lost, none doubled.
`python -m bench.exam [--database sqlite|postgresql] [--seconds N] [--json]`; the target asks for 120 seconds, the design for 600.
"""

import argparse
import json as json_module
import multiprocessing
import os
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import common
from bench.answer import N_TAKERS, WARM_UP_ITEMS, Server, bare, compare_with_rows, tool
from bench.takers import Told, hold, press, take

PACE_SECONDS = 10.0
"""From one answer of a person to the next; a bank gives its items 45 to 120 seconds, so this is a hall in a hurry."""
PACED_SECONDS = 60.0
PRESSES = 10
RATE = 170.0
SEATS = 200
ITEMS_AT_LEAST = 12
"""Answers of the shortest sitting: so many people are needed for the rate."""
SECONDS = 120.0
SHARE_HELD = 0.98
"""Of the saves that fall due, as chance has it, within the window."""
TARGET_P95_MS, HELD_P95_MS = 50.0, 300.0
SITTING, MOMENT, HELD = "one sitting", "one moment", "the rate"


def run(json: bool = False, *, database: str = "postgresql", seconds: float = SECONDS) -> dict[str, Any]:
    """Measures, prints the table unless `json`, and returns the figures.

    seconds   how long the rate is held; a run shorter than `PACED_SECONDS` shortens the one sitting too
    """
    n_people = SEATS + int(RATE * seconds / ITEMS_AT_LEAST)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kaona-bench-")))
        pattern = stack.enter_context(common.database_server(database, folder))
        pool = stack.enter_context(ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")))
        servers = [
            stack.enter_context(tool(common.new_database(pattern, "tool"), folder, n_takers=N_TAKERS + n_people)),
            stack.enter_context(bare(common.new_database(pattern, "bare"), n_takers=N_TAKERS + n_people)),
        ]
        rows = {server.name: _measure(pool, server, seconds) for server in servers}
    ours = rows["tool"]
    result = {
        "benchmark": "exam",
        "database": database,
        "cores": os.cpu_count(),
        "seconds": seconds,
        "servers": rows,
        "targets": {
            "p95 <= 50 ms from answer to next item, 100 takers in one sitting": ours[SITTING]["p95_ms"] <= TARGET_P95_MS,
            f"{RATE:.0f} saves/s held, p95 <= 300 ms, no error": _is_held(ours[HELD]),
            "every acknowledged answer stored, each once": ours["kept"]["lost"] == ours["kept"]["doubled"] == 0,
        },
    }
    if not json:
        _print(result)
    return result


def _measure(pool: ProcessPoolExecutor, server: Server, seconds: float) -> dict[str, Any]:
    hall, others = server.takers[:N_TAKERS], server.takers[N_TAKERS:]
    told: dict[str, Told] = {}
    cpu = 0.0
    for seed, (situation, work, takers, how) in enumerate(
        (
            (SITTING, take, hall, {"seconds": min(seconds, PACED_SECONDS), "pause": PACE_SECONDS}),
            (MOMENT, press, hall, {"times": PRESSES}),
            (HELD, hold, others, {"rate": RATE, "seconds": seconds, "seats": SEATS}),
        )
    ):
        before = common.cpu_seconds(server.pid)
        told[situation] = pool.submit(work, server.port, takers, warm_up=WARM_UP_ITEMS, seed=seed, **how).result()
        cpu = common.cpu_seconds(server.pid) - before
    rows: dict[str, Any] = {situation: _figures(one, situation) for situation, one in told.items()}
    rows[HELD]["cpu_ms_per_answer"] = round(1000 * cpu / max(1, len(told[HELD].acknowledged)), 1)
    return rows | {"kept": compare_with_rows(server, told.values())}


def _figures(told: Told, situation: str) -> dict[str, Any]:
    """Of a sitting the times from answer to next item; of the moment and of the rate those of all saves, the last ones too."""
    saves = told.answers if situation == SITTING else [*told.answers, *told.finishes]
    return {
        "saves_per_second": round((len(told.answers) + len(told.finishes)) / told.seconds, 1),
        **common.percentiles(saves),
        "longest_ms": round(1000 * max(saves, default=0.0), 1),
        "finishes": {"n": len(told.finishes), **common.percentiles(told.finishes)},
        "starts": {"n": len(told.starts), **common.percentiles(told.starts)},
        "errors": dict(Counter(told.errors)),
    }


def _is_held(ours: dict[str, Any]) -> bool:
    return bool(ours["saves_per_second"] >= SHARE_HELD * RATE and ours["p95_ms"] <= HELD_P95_MS and not ours["errors"])


def _print(result: dict[str, Any]) -> None:
    print(f"an examination over HTTP with commit, {result['database']}, {common.WORKERS} processes of {common.THREADS} threads, ", end="")
    print(f"{result['cores']} cores shared with the takers; ms\n")
    words = {
        SITTING: f"{N_TAKERS} takers in one sitting, an answer every {PACE_SECONDS:.0f} s each",
        MOMENT: f"{N_TAKERS} takers at the same moment, {PRESSES} times",
        HELD: f"{RATE:.0f} saves/s for {result['seconds']:.0f} s, {SEATS} takers at once",
    }
    print(f"{'':62}{'saves/s':>9}{'p50':>8}{'p95':>8}{'p99':>8}{'longest':>9}{'finish p95':>12}{'start p95':>11}  errors")
    for situation, what in words.items():
        for name, rows in result["servers"].items():
            row = rows[situation]
            times = "".join(f"{row.get(part, float('nan')):8.1f}" for part in ("p50_ms", "p95_ms", "p99_ms"))
            rest = "".join(f"{row[part].get('p95_ms', float('nan')):{width}.1f}" for part, width in (("finishes", 12), ("starts", 11)))
            print(f"{f'{name}: {what}':62}{row['saves_per_second']:9.1f}{times}{row['longest_ms']:9.1f}{rest}  {row['errors'] or 'none'}")
    for name, rows in result["servers"].items():
        kept = rows["kept"]
        print(
            f"\n{name}: {kept['acknowledged']} acknowledged, {kept['stored']} stored, {kept['lost']} lost, {kept['doubled']} doubled; ",
            end="",
        )
        print(f"{rows[HELD]['cpu_ms_per_answer']} ms of processor a save at the rate, starts and warm-up included", end="")
    print("\n")
    for target, is_met in result["targets"].items():
        print(f"{'met   ' if is_met else 'MISSED'} {target}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.exam")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="postgresql")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    figures = run(json=chosen.json, database=chosen.database, seconds=chosen.seconds)
    if chosen.json:
        print(json_module.dumps(figures, indent=1))
