"""Item and test analysis of 15,000 people and 60 items, every figure of it, beside plain classical figures by numpy.

`python -m bench.analyse` prints the table; `python -m bench.analyse --json` the figures alone. Target: 60 s of processor time, two
groups, options by fifths, S-X2 and infit included; the same people with 30 of 500 items each, as an adaptive test leaves them, beside it.
"""

import json as json_module
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assessment.item_analysis import Answers, analyse
from assessment.score_tables import Responses

N_PERSONS = 15_000
N_ITEMS = 60
N_POOL, N_SEEN = 500, 30
TARGET_SECONDS = 60.0


def run(json: bool = False) -> dict[str, Any]:
    """Measures both tables; prints a table unless `json`. Returns seconds of processor time and of the clock."""
    whole = _answered(N_ITEMS)
    sparse = _answered(N_POOL, N_SEEN)
    groups = ["ab"[place % 2] for place in range(N_PERSONS)]
    table, few = _table(whole), _table(sparse)
    letters = tuple(tuple("b" if score else "acd"[place % 3] for place, score in enumerate(row)) for row in table.rows)
    answers = Answers(letters, {name: frozenset("b") for name in table.items})
    rows = {
        f"every figure, {N_PERSONS:,} x {N_ITEMS}": _timed(lambda: analyse(table, groups=groups, answers=answers)),
        f"classical figures alone by numpy, {N_PERSONS:,} x {N_ITEMS}": _timed(lambda: _plain(whole)),
        f"every figure that can be said, {N_PERSONS:,} x {N_SEEN} of {N_POOL}": _timed(lambda: analyse(few, groups=groups)),
    }
    first = next(iter(rows.values()))
    result = {
        "benchmark": "analyse",
        "unit": "seconds",
        "rows": rows,
        "targets": {f"{N_PERSONS:,} x {N_ITEMS} in {TARGET_SECONDS:.0f} s of processor time": first["cpu_seconds"] <= TARGET_SECONDS},
    }
    if not json:
        for name, found in rows.items():
            print(f"{name:<60} {found['cpu_seconds']:>8.2f} s of processor time, {found['clock_seconds']:>8.2f} s by the clock")
        for target, is_met in result["targets"].items():
            print(f"{'met   ' if is_met else 'MISSED'} {target}")
    return result


def _answered(n_items: int, n_seen: int | None = None) -> NDArray[np.float64]:
    """Answers of people from N(0, 1) to items of a made-up 2PL bank, (n_persons, n_items), NaN not seen."""
    chance = np.random.default_rng(42)
    theta, b, a = chance.normal(size=(N_PERSONS, 1)), chance.normal(size=n_items), np.exp(chance.normal(0.2, 0.3, n_items))
    scores = (chance.random((N_PERSONS, n_items)) < 1 / (1 + np.exp(-a * (theta - b)))).astype(float)
    if n_seen is not None:
        order = np.argsort(chance.random(scores.shape), axis=1)
        np.put_along_axis(scores, order[:, n_seen:], np.nan, axis=1)
    return scores


def _table(scores: NDArray[np.float64]) -> Responses:
    return Responses(tuple(f"q{place}" for place in range(scores.shape[1])), tuple(map(tuple, scores.tolist())))


def _plain(scores: NDArray[np.float64]) -> Any:
    """Facility, correlation with the rest, and alpha, as a few lines of numpy give them."""
    totals = scores.sum(1)
    rests = [np.corrcoef(item, totals - item)[0, 1] for item in scores.T]
    n = scores.shape[1]
    return scores.mean(0), rests, n / (n - 1) * (1 - scores.var(0).sum() / totals.var())


def _timed(act: Callable[[], Any]) -> dict[str, float]:
    clock, cpu = time.perf_counter(), time.process_time()
    act()
    return {"cpu_seconds": time.process_time() - cpu, "clock_seconds": time.perf_counter() - clock}


if __name__ == "__main__":
    as_json = "--json" in sys.argv[1:]
    found = run(json=as_json)
    if as_json:
        print(json_module.dumps(found, indent=1))
    sys.exit(0 if all(found["targets"].values()) else 1)
