"""Adaptive testing: how fast the next item is chosen, and how long, exact and fair the tests are that come of it.

A step is one answer taken in, the ability estimated, the next item chosen, with blueprint, exposure cap and randomesque, and once
more with a progressive start. Beside it, in the same run, a plain chooser that computes the information of every item at the
estimate each time, and catsim where it is installed, which also sits the unconstrained test. `python -m bench.cat` prints the tables;
`python -m bench.cat --json` the figures alone. Times that targets speak of are the thread's own: what else the machine does shows
in the columns by the clock.
"""

import importlib
import importlib.util
import io
import json as json_module
import math
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass, field, replace
from random import Random
from typing import Any

from assessment.blueprint import DomainRule
from assessment.cat import Pool, resting_items
from assessment.irt import information, probability
from assessment.simulate import decisions, made_up_bank, report, simulate
from assessment.sitting import Rules, Sitting
from assessment.stopping import StoppingRule

SIZES = (500, 1_000, 5_000, 10_000)
SHARES = (0.30, 0.25, 0.20, 0.15, 0.10)
N_ITEMS = 20
"""Items of one sitting."""

N_ROUNDS = 10
"""How often the sizes take turns."""

RULES = Rules(
    domains=tuple(DomainRule(share) for share in SHARES),
    stopping=StoppingRule(N_ITEMS, N_ITEMS, 0.01),
    scales=(0,) * len(SHARES),
    randomesque_first=10,
    randomesque_later=3,
    r_max=0.25,
)


@dataclass
class Times:
    """Milliseconds of each step: by the clock, and of this thread's own work."""

    clock: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)

    @contextmanager
    def step(self) -> Iterator[None]:
        """Measures one step."""
        self.clock.append(0.0)
        self.own.append(0.0)
        with self.same_step():
            yield

    @contextmanager
    def same_step(self) -> Iterator[None]:
        """Measures a further part of the newest step."""
        clock, own = time.perf_counter(), time.thread_time()
        yield
        self.own[-1] += 1000 * (time.thread_time() - own)
        self.clock[-1] += 1000 * (time.perf_counter() - clock)


PROGRESSIVE = replace(RULES, randomesque_first=2, randomesque_later=2, progressive_items=5)

N_PEOPLE, N_PEOPLE_OF_CATSIM = 1_000, 200
"""Made-up people who sit each kind of test; catsim takes some milliseconds for each item."""

CUT, CONFIDENCE = 0.5, 0.95

MEMORY = """
import sys, time, tracemalloc
begun = time.process_time()
import assessment.sitting, assessment.simulate
seconds = time.process_time() - begun
items = assessment.simulate.made_up_bank(5000, 1, shares=(0.3, 0.25, 0.2, 0.15, 0.1))
tracemalloc.start()
pool = assessment.sitting.Pool(items, 5)
megabytes = tracemalloc.get_traced_memory()[0] / 2**20
print(seconds, megabytes, *sorted({"numpy", "scipy"} & set(sys.modules)))
"""
"""A process of its own: what the engine costs to import, what the tables of 5,000 items take, and what it must not have imported."""

Chooser = Callable[[Pool, Times, Sequence[int]], None]
"""Sits as many tests on a pool as there are seeds, and measures each step."""


def run(json: bool = False) -> dict[str, Any]:
    """Measures all choosers at all sizes; prints a table unless `json`. Returns milliseconds a step by size and chooser, and ratios."""
    choosers: dict[str, tuple[int, Chooser]] = {
        "kaona": (30, _chooser(RULES)),
        "progressive": (30, _chooser(PROGRESSIVE)),
        "full scan": (1, _full_scan),
    }
    if importlib.util.find_spec("catsim"):
        choosers["catsim"] = (1, _catsim)
    pools: dict[int, Pool] = {}
    build_seconds: dict[str, float] = {}
    for size in SIZES:
        items = made_up_bank(size, seed=42, shares=SHARES)
        begun = time.thread_time()
        pools[size] = Pool(items, len(SHARES))
        build_seconds[str(size)] = time.thread_time() - begun
    times = {(name, size): Times() for name in choosers for size in SIZES}
    for round_ in range(N_ROUNDS):  # sizes take turns, so that a slow moment of the machine meets all of them
        for (name, size), measured in times.items():
            n_sittings, chooser = choosers[name]
            with redirect_stdout(io.StringIO()):  # catsim prints
                chooser(pools[size], measured, [round_ * n_sittings + number for number in range(n_sittings)])
    rows = {name: {str(size): _figures(times[name, size]) for size in SIZES} for name in choosers}
    small, large = rows["kaona"][str(SIZES[0])], rows["kaona"][str(SIZES[-1])]
    tests, cost = _tests(), _cost()
    free, bound, progressive, cut = (tests[name] for name in ("unconstrained", "constrained", "constrained, progressive", "at a cut"))
    result: dict[str, Any] = {
        "benchmark": "cat",
        "unit": "ms of the thread's own time a step (answer taken in, ability estimated, next item chosen), and by the clock",
        "choosers": rows,
        "build_seconds": build_seconds,
        "ratios": {
            "kaona_median_10000_over_500": large["median"] / small["median"],
            **{
                f"{name}_over_kaona_median_at_10000": rows[name][str(SIZES[-1])]["median"] / large["median"]
                for name in rows
                if name != "kaona"
            },
        },
        "tests": tests,
        "cost": cost,
        "targets": {
            "A1  p99 at 10,000 items <= 1 ms": large["p99"] <= 1.0 and rows["progressive"][str(SIZES[-1])]["p99"] <= 1.0,
            "A2  median at 10,000 <= 1.5 x median at 500": large["median"] <= 1.5 * small["median"],
            "A4  no numpy, import <= 0.1 s, 5,000 items <= 30 MB": not cost["heavy"]
            and cost["import_seconds"] <= 0.1
            and cost["megabytes"] <= 30,
            "A5  <= 12.5 items, RMSE <= .30, bias <= .03": free["mean_items"] <= 12.5
            and free["rmse"] <= 0.30
            and abs(free["bias"]) <= 0.03,
            "A6  <= 16 items, RMSE <= .31, exposure <= .26, within 1 item, overlap <= .20": all(
                one["mean_items"] <= 16
                and one["rmse"] <= 0.31
                and one["max_exposure"] <= 0.26
                and one["blueprint_distance"] <= 1
                and one["overlap"] <= 0.20
                for one in (bound, progressive)
            ),
            "A7  <= 50 % of the items never used, as A6 (progressive start)": progressive["n_never_used"] <= 250,
            "A8  >= 96 % right at <= 13 items": cut["right"] >= 0.96 and cut["mean_items"] <= 13,
        },
    }
    if not json:
        _print_table(result)
    return result


def _tests() -> dict[str, dict[str, float]]:
    """What tests from 500 items come to, by kind of test; the bank and the people of the targets."""
    free, parts = Pool(made_up_bank(500, 42)), Pool(made_up_bank(500, 42, shares=SHARES), len(SHARES))
    one, stop = (DomainRule(),), StoppingRule(1, 50, 0.30)
    bound = replace(RULES, stopping=StoppingRule(5, 50, 0.30), randomesque_first=3)
    kinds = {
        "unconstrained": (free, Rules(one, stop)),
        "constrained": (parts, bound),
        "constrained, progressive": (parts, replace(PROGRESSIVE, stopping=bound.stopping)),
        "at a cut": (free, Rules(one, StoppingRule(5, 40, 0.0, confidence=CONFIDENCE), cuts=((CUT,),))),
    }
    found = {}
    for name, (pool, rules) in kinds.items():
        done = simulate(pool, rules, n=N_PEOPLE, seed=7)
        found[name] = asdict(report(pool, rules, done))
        if rules.has_cuts:
            found[name] |= asdict(decisions(done, CUT, CONFIDENCE))
    if importlib.util.find_spec("catsim"):
        with redirect_stdout(io.StringIO()):
            found["catsim, unconstrained"] = _catsim_tests(free)
    return found


def _cost() -> dict[str, Any]:
    """What the engine takes to start and to hold 5,000 items: the least of three processes, the machine being shared."""
    runs = [subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True).stdout.split() for _ in range(3)]
    seconds, megabytes, *heavy = min(runs, key=lambda printed: float(printed[0]))
    return {"import_seconds": float(seconds), "megabytes": float(megabytes), "heavy": heavy}


def _chooser(rules: Rules) -> Chooser:
    """The engine as the web runs it, under the exposure that sittings before have left."""

    def choose(pool: Pool, times: Times, seeds: Sequence[int]) -> None:
        counts: Counter[int] = Counter()
        for number, seed in enumerate(seeds):
            chance, sitting = Random(seed), Sitting(pool, rules, seed)
            theta = chance.gauss(0, 1)
            resting = resting_items(counts, number, rules.r_max)
            choice = sitting.next_item(resting)
            while choice is not None and len(sitting.taken) < N_ITEMS:
                counts[choice.place] += 1
                is_right = chance.random() < probability(theta, pool.items[choice.place].params)
                with times.step():
                    sitting.answer(choice.place, is_right)
                    choice = sitting.next_item(resting)

    return choose


def _full_scan(pool: Pool, times: Times, seeds: Sequence[int]) -> None:
    """Maximum information by looking at every item, after the same update and estimate; no blueprint, cap or randomesque."""
    for seed in seeds:
        chance, sitting = Random(seed), Sitting(pool, RULES, seed)
        theta = chance.gauss(0, 1)
        place = _most_informative(pool, sitting)
        for _ in range(N_ITEMS):
            is_right = chance.random() < probability(theta, pool.items[place].params)
            with times.step():
                sitting.answer(place, is_right)
                place = _most_informative(pool, sitting)


def _most_informative(pool: Pool, sitting: Sitting) -> int:
    theta = sitting.ability(0).theta
    places = (place for place in range(len(pool.items)) if place not in sitting.barred)
    return max(places, key=lambda place: information(theta, pool.items[place].params))


def _catsim(pool: Pool, times: Times, seeds: Sequence[int]) -> None:
    """The best-kept open library: its maximum-information selector and numerical estimator on the same bank."""
    numpy = importlib.import_module("numpy")
    selector = importlib.import_module("catsim.selection").MaxInfoSelector()
    estimator = importlib.import_module("catsim.estimation").NumericalSearchEstimator()
    item_bank = importlib.import_module("catsim.item_bank").ItemBank
    bank = item_bank(numpy.array([[item.params.a, item.params.b, item.params.c, 1.0] for item in pool.items]))
    for seed in seeds:
        chance, ability = Random(seed), 0.0
        theta = chance.gauss(0, 1)
        given: list[int] = []
        answers: list[bool] = []
        for _ in range(N_ITEMS):
            with times.step():
                place = int(selector.select(item_bank=bank, administered_items=given, est_theta=ability))
            given.append(place)
            answers.append(chance.random() < probability(theta, pool.items[place].params))
            with times.same_step():
                ability = float(estimator.estimate(item_bank=bank, administered_items=given, response_vector=answers, est_theta=ability))


def _catsim_tests(pool: Pool) -> dict[str, float]:
    """The unconstrained test by that library: maximum information, its numerical estimator, stop at its own error of 0.30."""
    numpy = importlib.import_module("numpy")
    irt = importlib.import_module("catsim.irt")
    selector = importlib.import_module("catsim.selection").MaxInfoSelector()
    estimator = importlib.import_module("catsim.estimation").NumericalSearchEstimator()
    matrix = numpy.array([[item.params.a, item.params.b, item.params.c, 1.0] for item in pool.items])
    bank = importlib.import_module("catsim.item_bank").ItemBank(matrix)
    chance, errors, lengths = Random(7), [], []
    for _ in range(N_PEOPLE_OF_CATSIM):
        theta, ability = chance.gauss(0, 1), 0.0
        given: list[int] = []
        answers: list[bool] = []
        while len(given) < 50 and (not given or irt.see(ability, matrix[given]) > 0.30):
            place = int(selector.select(item_bank=bank, administered_items=given, est_theta=ability))
            given.append(place)
            answers.append(chance.random() < probability(theta, pool.items[place].params))
            ability = float(estimator.estimate(item_bank=bank, administered_items=given, response_vector=answers, est_theta=ability))
        errors.append(ability - theta)
        lengths.append(len(given))
    n = len(errors)
    return {
        "n": n,
        "mean_items": sum(lengths) / n,
        "p95_items": sorted(lengths)[math.ceil(0.95 * n) - 1],
        "rmse": math.sqrt(sum(error * error for error in errors) / n),
        "bias": sum(errors) / n,
    }


def _figures(times: Times) -> dict[str, float]:
    cuts = statistics.quantiles(times.own, n=100, method="inclusive")
    return {
        "median": statistics.median(times.own),
        "p95": cuts[94],
        "p99": cuts[98],
        "clock_median": statistics.median(times.clock),
        "clock_p99": statistics.quantiles(times.clock, n=100, method="inclusive")[98],
        "n": len(times.own),
    }


def _print_table(result: dict[str, Any]) -> None:
    print(result["unit"])
    print(f"{'chooser':<12}{'items':>8}{'median':>10}{'p95':>10}{'p99':>10}{'by clock':>10}{'clock p99':>10}{'x kaona':>10}")
    for name, sizes in result["choosers"].items():
        for size, figures in sizes.items():
            ratio = figures["median"] / result["choosers"]["kaona"][size]["median"]
            print(
                f"{name:<12}{int(size):>8,}{figures['median']:>10.3f}{figures['p95']:>10.3f}{figures['p99']:>10.3f}{figures['clock_median']:>10.3f}{figures['clock_p99']:>10.3f}{ratio:>10.1f}"
            )
    if "catsim" not in result["choosers"]:
        print("catsim is not installed, so it was not measured")
    print(f"tables of 10,000 items built in {result['build_seconds']['10000']:.2f} s of the thread's own time")
    print(f"median at 10,000 items = {result['ratios']['kaona_median_10000_over_500']:.2f} x median at 500")
    cost = result["cost"]
    print(f"the engine is imported in {cost['import_seconds']:.3f} s; tables of 5,000 items take {cost['megabytes']:.1f} MB")
    names = (
        "mean_items",
        "p95_items",
        "rmse",
        "bias",
        "max_exposure",
        "n_never_used",
        "overlap",
        "blueprint_distance",
        "right",
        "undecided",
    )
    heads = ("items", "p95", "RMSE", "bias", "exposure", "unused", "overlap", "off", "right", "undecided")
    print(f"\n{'tests from 500 items':<26}{'people':>7}" + "".join(f"{head:>10}" for head in heads))
    for name, figures in result["tests"].items():
        cells = (figures.get(each) for each in names)
        print(f"{name:<26}{figures['n']:>7}" + "".join(f"{'':>10}" if cell is None else f"{cell:>10.3f}" for cell in cells))
    for target, is_met in result["targets"].items():
        print(f"{'met   ' if is_met else 'MISSED'} {target}")


if __name__ == "__main__":
    as_json = "--json" in sys.argv[1:]
    found = run(json=as_json)
    if as_json:
        print(json_module.dumps(found, indent=1))
    sys.exit(0 if all(found["targets"].values()) else 1)
