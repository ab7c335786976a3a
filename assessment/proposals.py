"""What a calibration from stored answers would change. Pure; needs numpy, so the worker and the command alone import it.

Each area of a form is one ability, so each is calibrated alone, of everybody the newest finished sitting.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import geometric_mean
from typing import Any, Final

from assessment.answer_tables import AnswerTable
from assessment.calibration import Calibrated, Calibration, calibrate
from assessment.calibration_runs import CALIBRATED, PROVISIONAL, RATING, InUse, Material
from assessment.irt import ItemParams
from assessment.linking import FEWEST_COMMON, MOVED_Z, Common, Link, linked, mean_sigma
from assessment.ratings import FEWEST_RATED, Rating
from assessment.score_tables import NOT_SEEN, Responses
from kernel.errors import KaonaError

FEWEST_FOR_B: Final = 200
"""Answers from which on an item gets a difficulty of its own (1PL): with the slope that it shares with others, or, among known items,
with the geometric mean of theirs."""

FEWEST_FOR_A: Final = 500
"""Answers from which on it gets a slope of its own (2PL), or steps (GPCM)."""

LARGEST_SE_B: Final = 0.5
"""An estimate that is less certain is not proposed, logits."""

MODELS: Final = ("1pl", "2pl", "3pl")

Progress = Callable[[str], None]


def proposed(material: Material, *, model: str = "2pl", pilots_only: bool = False, progress: Progress | None = None) -> dict[str, Any]:
    """What a run would change, as JSON: `{model, areas: [{domain, n_persons, passes, link, refused, items}]}`. Needs numpy, no database.

    model        for items with FEWEST_FOR_A answers: one of MODELS; items with partial credit get gpcm
    pilots_only  live items are held as they are, and pilots come out on their scale (A16); else all are calibrated anew, and a line through
                 the common items leads back to the bank's scale
    items        each with `was`, `becomes` (None: stays) and `why` it stays; `z` and `has_moved` where it is compared with a calibration
    """
    domains = list(dict.fromkeys(item.domain for item in material.items))
    return {
        "model": model,
        "areas": [_area(material, domain, model, pilots_only=pilots_only, progress=progress) for domain in domains],
    }


@dataclass(frozen=True, slots=True)
class _Found:
    """One item on the bank's scale."""

    method: str
    params: ItemParams
    se_a: float | None
    se_b: float


class _Passes:
    """Calibrations of one area, one after the other: items with many answers first, then those with fewer among them."""

    def __init__(self, own: Mapping[str, InUse], table: AnswerTable, progress: Progress | None) -> None:
        self.own, self._progress = own, progress
        names = {item.version_id: item for item in own.values()}
        self.rows = [
            {
                names[version_id].key: float(round(score * names[version_id].params.n_points))
                for version_id, score in person.items()
                if version_id in names
            }
            for person in table.scores
        ]
        """Of each person, the categories reached, by item."""
        self.counts = {key: sum(key in row for row in self.rows) for key in own}
        self.found: dict[str, _Found] = {}
        self.why: dict[str, str] = {}
        self.told: list[dict[str, Any]] = []
        self.refused: list[dict[str, str]] = []

    def enough(self, *, fewest: int, below: int | None = None, may_be_partial: bool) -> list[str]:
        """Items with so many answers."""
        return [
            key
            for key, n in self.counts.items()
            if n >= fewest and (below is None or n < below) and (may_be_partial or not self.own[key].params.steps)
        ]

    def run(self, names: Sequence[str], method: str, fixed: Mapping[str, ItemParams]) -> Calibration | None:
        """One pass; None where there is nothing to find, or where the estimation refuses, which is then told."""
        held = {key: item for key, item in fixed.items() if self.counts.get(key) and key not in names and _speaks(item, method)}
        columns = (*names, *held)
        if not names or len(columns) < 2:  # noqa: PLR2004  one item alone says nothing about ability
            return None
        rows = tuple(tuple(row.get(key, NOT_SEEN) for key in columns) for row in self.rows if not row.keys().isdisjoint(columns))
        tell = self._progress

        def step(n: int, change: float) -> None:
            if tell is not None:
                tell(f"{method}, iteration {n}: largest change {change:.2g}")

        try:
            slope = geometric_mean([item.a for item in held.values()]) if held and method == "1pl" else None
            found = calibrate(Responses(columns, rows), method, fixed=held, slope=slope, progress=step)
        except KaonaError as error:
            self.refused.append({"method": method, "code": error.code, "reason": str(error)})
            return None
        self.why |= found.set_aside
        names_told = ("n_persons", "log_likelihood", "iterations", "errors_by", "mean", "sd")
        self.told.append({"method": method, "n_items": len(names)} | {name: getattr(found, name) for name in names_told})
        return found

    def keep(self, found: Calibration, names: Sequence[str], link: Link = Link()) -> None:  # noqa: B008  it is frozen
        """Takes over what a pass found, on the bank's scale; what is too uncertain, or lacks a category, stays as it is."""
        for one in found.items:
            if one.item not in names:
                continue
            n_steps = len(self.own[one.item].params.steps)
            if one.se_b is None or link.slope * one.se_b > LARGEST_SE_B:
                self.why[one.item] = "uncertain"
            elif n_steps and n_steps != len(one.steps):
                self.why[one.item] = "category_missing"
            else:
                params = link.carried(_params(one, n_steps))
                self.found[one.item] = _Found(
                    found.model, params, None if one.se_a is None else one.se_a / link.slope, link.slope * one.se_b
                )

    def known(self) -> dict[str, ItemParams]:
        """What was found so far."""
        return {key: one.params for key, one in self.found.items()}


def _speaks(item: ItemParams, method: str) -> bool:
    """Whether an item that is known can stand among those of a pass."""
    return not item.c if method == "gpcm" else not item.steps


def _params(one: Calibrated, n_steps: int) -> ItemParams:
    return ItemParams(one.a, one.b, one.c, one.steps if n_steps else ())


def _area(material: Material, domain: str, model: str, *, pilots_only: bool, progress: Progress | None) -> dict[str, Any]:
    """One area of `proposed`."""
    own = {item.key: item for item in material.items if item.domain == domain}
    passes = _Passes(own, material.table, progress)
    told: dict[str, Any] = {"link": None}
    moved: Mapping[str, float] = {}
    fixed = {key: item.params for key, item in own.items() if not item.is_pilot} if pilots_only else {}
    wanted = [key for key in own if key not in fixed]
    with_slopes = [key for key in passes.enough(fewest=FEWEST_FOR_A, may_be_partial=True) if key in wanted and model != "1pl"]
    others = [key for key in passes.enough(fewest=FEWEST_FOR_B, may_be_partial=False) if key in wanted and key not in with_slopes]
    if not fixed and len(with_slopes) < FEWEST_COMMON:  # too few to carry a scale: all share one slope
        with_slopes, others = [], [key for key in passes.enough(fewest=FEWEST_FOR_B, may_be_partial=False) if key in wanted]
    for names, method in ((with_slopes, _method(own, with_slopes, fixed, model)), (others, "1pl")):
        found = passes.run(names, method, fixed | passes.known())
        if found is None:
            continue
        if fixed or passes.found:
            passes.keep(found, names)
            continue
        link, told["link"], moved = _link(own, found)
        passes.keep(found, names, link)
    return {
        "domain": domain,
        "n_persons": sum(bool(row) for row in passes.rows),
        "passes": passes.told,
        "refused": passes.refused,
        **told,
        "items": [_proposal(item, passes, material.ratings.get(item.version_id), moved.get(key)) for key, item in own.items()],
    }


def _method(own: Mapping[str, InUse], names: Sequence[str], fixed: Mapping[str, ItemParams], model: str) -> str:
    """Partial credit anywhere makes the pass one of partial credit; an item of two categories is then a 2PL one."""
    has_parts = any(own[key].params.steps for key in (*names, *fixed))
    return "gpcm" if has_parts else model


def _link(own: Mapping[str, InUse], found: Calibration) -> tuple[Link, dict[str, Any] | None, Mapping[str, float]]:
    """The way back to the bank's scale: by items that were calibrated before, or where these are too few, by all that count.

    Returns   the line; what is told of it, None where there is none; robust z of the items that were calibrated before
    """
    live = [one for one in found.items if not own[one.item].is_pilot]
    common = [Common(one.item, _params(one, len(one.steps) if own[one.item].params.steps else 0), own[one.item].params) for one in live]
    common = [each for each in common if len(each.new.steps) == len(each.old.steps)]
    before = [each for each in common if own[each.item].status == CALIBRATED]
    by, chosen = (CALIBRATED, before) if len(before) >= FEWEST_COMMON else (PROVISIONAL, common)
    if len(chosen) < FEWEST_COMMON:
        return Link(), None, {}
    link, z = linked(chosen)
    return (
        link,
        {"by": by, "n_common": len(chosen), **asdict(link), "mean_sigma": asdict(mean_sigma(chosen))},
        z if by == CALIBRATED else {},
    )


def _proposal(item: InUse, passes: _Passes, rating: Rating | None, z: float | None) -> dict[str, Any]:
    """One item of an area: what it is scored by, and what it would be scored by."""
    found, n = passes.found.get(item.key), passes.counts[item.key]
    becomes: dict[str, Any] | None = None
    why = None
    if found is not None:
        method = found.method if found.params.steps or found.method == "3pl" else "2pl"
        becomes = _row(method, found.params, CALIBRATED, found.se_a, found.se_b)
    elif item.status != CALIBRATED and rating is not None and rating.n >= FEWEST_RATED and rating.value != item.params.b:
        becomes = _row(item.model, _moved_to(item.params, rating.value), RATING, None, None)
        why = passes.why.get(item.key)
    else:
        why = passes.why.get(item.key, "few_answers" if n < FEWEST_FOR_B else "held")
    is_compared = found is not None and z is not None
    return {
        "item": item.key,
        "version": item.n,
        "version_id": item.version_id,
        "is_pilot": item.is_pilot,
        "n": n,
        "n_rated": rating.n if rating else 0,
        "method": None if becomes is None else found.method if found else "elo",
        "was": {"parameter_id": item.parameter_id, "status": item.status, **_row(item.model, item.params, item.status, None, None)},
        "becomes": becomes,
        "why": why,
        "change_b": None if becomes is None else becomes["b"] - item.params.b,
        "z": z,
        "has_moved": is_compared and abs(z or 0.0) > MOVED_Z,
    }


def _moved_to(params: ItemParams, b: float) -> ItemParams:
    """The same item, as hard as b says."""
    return ItemParams(params.a, b, params.c, tuple(step + b - params.b for step in params.steps))


def _row(model: str, params: ItemParams, status: str, se_a: float | None, se_b: float | None) -> dict[str, Any]:
    """As a row of `item_parameter` says it."""
    own = {"model": model, "a": params.a, "b": params.b, "c": params.c, "steps": list(params.steps)}
    return own | {"se_a": se_a, "se_b": se_b, "status": status}
