"""The personal path: milestones in the order of a transparent utility, each with resources and the reason for its place. Pure.

    U = w1 gap x role weight + w2 unlocks + w3 due + w4 choice - w5 hours - w6 monotony

Every term lies in 0..1 before its weight. At each place the best of the milestones whose prerequisites are reached or earlier is
taken; ties go to the smaller id, so the same input gives the same path.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from learning.choice import Resource, choose_resources, typical_hours
from learning.graph import MAX_LEVEL, Edges, Milestone, dependants, frontier, needs_of

RULE_VERSION = "utility-1"
"""Name of the rules of this file; stored with every path."""

DUE_HORIZON_DAYS = 180
"""A due date further away than this does not press."""

FULL_HOURS = 40.0
"""Hours at which a milestone counts as long."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What each term counts for; an organisation may choose its own."""

    gap: float = 3.0
    unlocks: float = 2.0
    due: float = 3.0
    choice: float = 4.0
    hours: float = 1.0
    monotony: float = 0.5


DEFAULT_WEIGHTS = Weights()


@dataclass(frozen=True, slots=True)
class Aim:
    """Where a person stands in one competency, and where the targets want them."""

    node_key: str
    level: int | None
    """None: never assessed, which is not the same as 0."""
    target: int | None
    due: date | None = None
    role_weight: float = 1.0
    """How much the target counts for this person's role, above 0."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one utility, weighted; hours and monotony are negative or 0."""

    gap: float
    unlocks: float
    due: float
    choice: float
    hours: float
    monotony: float

    @property
    def utility(self) -> float:
        """Their sum, rounded so that the order of adding cannot break a tie."""
        return round(self.gap + self.unlocks + self.due + self.choice + self.hours + self.monotony, 9)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do on the path."""

    node_key: str
    from_level: int | None
    to_level: int | None
    """None for an assessment: it finds the level, it does not raise it."""
    kind: str
    """A kind of resource, or `assessment` (level unknown), or `open` (the catalogue holds nothing for this milestone)."""
    resource_key: str | None
    hours: float
    due: date | None
    reason_code: str
    places: Mapping[str, Any]
    """What the reason speaks of: milestones and counts, by name."""


@dataclass(frozen=True, slots=True)
class Path:
    """Steps in order, and the milestones that wait for an assessment."""

    steps: tuple[Step, ...]
    milestones: tuple[Milestone, ...]
    withheld: tuple[Milestone, ...]


@dataclass(frozen=True, slots=True)
class _Scene:
    """What every utility of one path looks at."""

    aims: Mapping[str, Aim]
    wanted: Mapping[Milestone, frozenset[Milestone]]
    """Milestone to those still to be reached, withheld ones among them, that need it."""
    begun: frozenset[Milestone]
    hours: Mapping[Milestone, float]
    today: date
    weights: Weights

    def own_due(self, milestone: Milestone) -> date | None:
        """Due date of the target that the milestone itself lies on."""
        aim = self.aims.get(milestone.node_key)
        return aim.due if aim and milestone.level <= (aim.target or 0) else None

    def due(self, milestone: Milestone) -> date | None:
        """The earliest due date of the milestone and of all that need it."""
        dates = (self.own_due(one) for one in (milestone, *self.wanted[milestone]))
        return min((one for one in dates if one), default=None)

    def terms(self, milestone: Milestone, previous: Milestone | None) -> Terms:
        """The terms of a milestone when it follows another one."""
        aim, weights, due = self.aims.get(milestone.node_key), self.weights, self.due(milestone)
        gap = max(0, (aim.target or 0) - milestone.level + 1) / MAX_LEVEL * aim.role_weight if aim else 0.0
        pressing = 1 - min(max((due - self.today).days, 0), DUE_HORIZON_DAYS) / DUE_HORIZON_DAYS if due else 0.0
        return Terms(
            gap=weights.gap * gap,
            unlocks=weights.unlocks * len(self.wanted[milestone]) / len(self.wanted),
            due=weights.due * pressing,
            choice=weights.choice * (milestone in self.begun),
            hours=-weights.hours * min(self.hours.get(milestone, 0.0) / FULL_HOURS, 1.0),
            monotony=-weights.monotony * (previous is not None and previous.node_key == milestone.node_key),
        )


def make_path(
    aims: Iterable[Aim],
    edges: Edges,
    resources: Mapping[Milestone, Sequence[Resource]],
    *,
    kept: Collection[str] = (),
    today: date,
    weights: Weights = DEFAULT_WEIGHTS,
) -> Path:
    """The path from where a person stands to the targets.

    aims       one for each competency, with or without a target
    edges      without rings
    resources  what leads to each milestone
    kept       keys of resources that the person has begun or done: they stay while their milestone is open
    today      the person's date, for what is due
    """
    by_node = {aim.node_key: aim for aim in aims}
    targets = [Milestone(aim.node_key, aim.target) for aim in by_node.values() if aim.target]
    between = frontier(targets, {key: aim.level for key, aim in by_node.items()}, edges)
    scene = _Scene(
        aims=by_node,
        wanted=dependants(between.open | between.withheld, edges),
        begun=frozenset(one for one in between.open if any(resource.key in kept for resource in resources.get(one, ()))),
        hours={one: typical_hours(resources.get(one, ())) for one in between.open},
        today=today,
        weights=weights,
    )
    steps = [_assessment(node_key, by_node.get(node_key)) for node_key in sorted(between.unknown)]
    used: Counter[str] = Counter()
    milestones = []
    for milestone, terms in _ordered(between.open, edges, scene):
        milestones.append(milestone)
        chosen = choose_resources(resources.get(milestone, ()), kept=kept, used=used)
        used.update(one.kind for one in chosen)
        steps += _steps(milestone, chosen, terms, scene)
    return Path(tuple(steps), tuple(milestones), tuple(sorted(between.withheld)))


def _ordered(milestones: Iterable[Milestone], edges: Edges, scene: _Scene) -> list[tuple[Milestone, Terms]]:
    left = set(milestones)
    order: list[tuple[Milestone, Terms]] = []
    while left:
        previous = order[-1][0] if order else None
        ready = sorted(one for one in left if left.isdisjoint(needs_of(one, edges)))
        terms = {one: scene.terms(one, previous) for one in ready}
        best = max(ready, key=lambda one: terms[one].utility)  # the first of equals, and they are sorted
        order.append((best, terms[best]))
        left.remove(best)
    return order


def _assessment(node_key: str, aim: Aim | None) -> Step:
    due = aim.due if aim else None
    return Step(node_key, None, None, "assessment", None, 0.0, due, "assess_first", {"node": node_key})


def _steps(milestone: Milestone, chosen: Sequence[Resource], terms: Terms, scene: _Scene) -> list[Step]:
    common = (milestone.node_key, milestone.level - 1, milestone.level)
    due = scene.due(milestone)
    places: dict[str, Any] = {"node": milestone.node_key, "level": milestone.level}
    if not chosen:
        return [Step(*common, "open", None, 0.0, due, "nothing_in_catalogue", places)]
    code, more = _reason(milestone, terms, scene)
    first = Step(*common, chosen[0].kind, chosen[0].key, chosen[0].hours, due, code, places | more)
    return [first, *(Step(*common, one.kind, one.key, one.hours, due, f"then_{one.kind}", places) for one in chosen[1:])]


def _reason(milestone: Milestone, terms: Terms, scene: _Scene) -> tuple[str, dict[str, Any]]:
    """Reason code for a milestone's place, by the term that weighs most, and what it speaks of beyond the milestone."""
    aim, others = scene.aims.get(milestone.node_key), scene.wanted[milestone]
    if terms.choice:
        return "begun", {}
    if aim is None or milestone.level > (aim.target or 0):
        needing = min(one for one in others if (scene.aims[one.node_key].target or 0) >= one.level)
        return "foundation", {"for_node": needing.node_key, "for_level": needing.level}
    own_due = scene.own_due(milestone)
    if own_due and own_due == scene.due(milestone) and terms.due >= max(terms.gap, terms.unlocks):
        return ("overdue" if own_due < scene.today else "due"), {}
    if terms.unlocks > terms.gap:
        return "unlocks", {"count": len(others)}
    return ("target", {}) if milestone.level == aim.target else ("gap", {"target": aim.target})
