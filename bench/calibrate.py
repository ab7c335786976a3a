"""Item calibration: two-parameter model by marginal maximum likelihood, standard errors included, from simulated answers.

Beside it, in the same run, girth where it is installed, on the set that it fits in seconds. `python -m bench.calibrate` prints the
table; `python -m bench.calibrate --json` the figures alone.
Targets: 15,000 people on 200 items in 30 s or less; 15,000 on 500 items of which each saw 30 in 20 s or less, with a root mean square
error of b of .15 or less; all of the process's own time, on however many cores.
"""

import importlib
import importlib.util
import json as json_module
import math
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assessment.calibration import calibrate
from assessment.score_tables import Responses

Floats = NDArray[np.float64]

SETS = {"1,000 x 40": (1_000, 40, None), "15,000 x 200": (15_000, 200, None), "15,000 x 500, each sees 30": (15_000, 500, 30)}
"""Name to people, items, and items that each person sees (None: all)."""

BESIDE = "1,000 x 40"
"""The set that girth takes part in: larger ones take it minutes."""

SECONDS = {"15,000 x 200": 30.0, "15,000 x 500, each sees 30": 20.0}
RMSE_B = 0.15


def run(json: bool = False) -> dict[str, Any]:
    """Calibrates every set; prints a table unless `json`. Returns the seconds and how far the parameters are from the truth."""
    rows: dict[str, dict[str, dict[str, float]]] = {}
    for name, shape in SETS.items():
        a, b, scores = _made_up(*shape, seed=7)
        rows[name] = {"kaona": _measured(_kaona, a, b, scores)}
        if name == BESIDE and importlib.util.find_spec("girth"):
            rows[name]["girth"] = _measured(_girth, a, b, scores)
    sparse = rows["15,000 x 500, each sees 30"]["kaona"]
    result: dict[str, Any] = {
        "benchmark": "calibrate",
        "unit": "seconds of the process's own time; root mean square errors of a and b",
        "sets": rows,
        "targets": {
            **{f"{name} <= {limit:g} s": rows[name]["kaona"]["cpu_seconds"] <= limit for name, limit in SECONDS.items()},
            f"b of the sparse set within {RMSE_B:g}": sparse["rmse_b"] <= RMSE_B,
        },
    }
    if not json:
        _print_table(result)
    return result


def _made_up(n_people: int, n_items: int, n_seen: int | None, *, seed: int) -> tuple[Floats, Floats, Floats]:
    """Slopes, difficulties and answers by the model, (people, items), NaN where not seen."""
    chance = np.random.default_rng(seed)
    a, b = np.exp(chance.normal(0.1, 0.3, n_items)), chance.normal(0, 1, n_items)
    theta = chance.normal(0, 1, n_people)
    scores = (chance.random((n_people, n_items)) < 1 / (1 + np.exp(-a * (theta[:, None] - b)))).astype(float)
    if n_seen is not None:
        unseen = np.argsort(chance.random((n_people, n_items)), 1)[:, n_seen:]
        np.put_along_axis(scores, unseen, math.nan, 1)
    return a, b, scores


def _kaona(scores: Floats) -> tuple[Floats, Floats]:
    found = calibrate(Responses(tuple(f"q{place}" for place in range(scores.shape[1])), tuple(map(tuple, scores.tolist()))), "2pl")
    return np.array([item.a for item in found.items]), np.array([item.b for item in found.items])


def _girth(scores: Floats) -> tuple[Floats, Floats]:
    """The best-known Python package, with as many points of integration on as wide a range."""
    fit: Any = importlib.import_module("girth").twopl_mml
    found = fit(scores.T.astype(int), {"quadrature_n": 61, "quadrature_bounds": (-6, 6)})
    return np.asarray(found["Discrimination"]), np.asarray(found["Difficulty"])


def _measured(fit: Callable[[Floats], tuple[Floats, Floats]], a: Floats, b: Floats, scores: Floats) -> dict[str, float]:
    cpu, clock = time.process_time(), time.perf_counter()
    found_a, found_b = fit(scores)
    return {
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "clock_seconds": round(time.perf_counter() - clock, 2),
        "rmse_a": round(float(np.sqrt(np.mean((found_a - a) ** 2))), 4),
        "rmse_b": round(float(np.sqrt(np.mean((found_b - b) ** 2))), 4),
    }


def _print_table(result: dict[str, Any]) -> None:
    print(result["unit"])
    print(f"{'set':<30}{'program':<10}{'own time':>10}{'by clock':>10}{'rmse a':>10}{'rmse b':>10}")
    for name, programs in result["sets"].items():
        for program, figures in programs.items():
            print(
                f"{name:<30}{program:<10}{figures['cpu_seconds']:>10.2f}{figures['clock_seconds']:>10.2f}"
                f"{figures['rmse_a']:>10.3f}{figures['rmse_b']:>10.3f}"
            )
    if "girth" not in result["sets"][BESIDE]:
        print("girth is not installed, so it was not measured")
    for target, is_met in result["targets"].items():
        print(f"{'met   ' if is_met else 'MISSED'} {target}")


if __name__ == "__main__":
    as_json = "--json" in sys.argv[1:]
    measured = run(json=as_json)
    if as_json:
        print(json_module.dumps(measured, indent=1))
    sys.exit(0 if all(measured["targets"].values()) else 1)
