"""Prerequisites between milestones: rings, what must still be reached, and what has to wait. Pure.

A milestone is one level of one competency. Each level needs the level below it; the catalogue adds edges between competencies.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

MAX_LEVEL = 4
"""Highest rank of the level scale."""


@dataclass(frozen=True, slots=True, order=True)
class Milestone:
    """One level of one competency; milestones sort by node key, then level."""

    node_key: str
    level: int
    """Rank to be reached, 1 to MAX_LEVEL."""

    def __str__(self) -> str:
        return f"{self.node_key} level {self.level}"


Edges = Mapping[Milestone, frozenset[Milestone]]
"""Milestone to those that the catalogue asks for before it; the levels below it go without saying."""

Levels = Mapping[str, int | None]
"""Node key to the person's level; None, or no entry, when it was never assessed."""


@dataclass(frozen=True, slots=True)
class Frontier:
    """What stands between a person and the targets."""

    open: frozenset[Milestone]
    """To be reached, and ready to be put in order."""
    unknown: frozenset[str]
    """Node keys to be assessed first: nothing is planned on a guess."""
    withheld: frozenset[Milestone]
    """To be reached, but resting on a competency whose level is unknown."""


def collect_edges(pairs: Iterable[tuple[Milestone, Milestone]]) -> dict[Milestone, frozenset[Milestone]]:
    """Edges from pairs (milestone, what it needs)."""
    edges: dict[Milestone, set[Milestone]] = {}
    for milestone, needed in pairs:
        edges.setdefault(milestone, set()).add(needed)
    return {milestone: frozenset(needed) for milestone, needed in edges.items()}


def needs_of(milestone: Milestone, edges: Edges) -> tuple[Milestone, ...]:
    """What one milestone needs directly, sorted: the edges of the catalogue and the level below."""
    needed = set(edges.get(milestone, ()))
    if milestone.level > 1:
        needed.add(Milestone(milestone.node_key, milestone.level - 1))
    return tuple(sorted(needed))


def find_cycle(edges: Edges) -> tuple[Milestone, ...]:
    """The first ring in the graph, its first milestone again at the end; empty when there is none."""
    finished: set[Milestone] = set()
    for start in sorted(edges):
        trail: dict[Milestone, Iterator[Milestone]] = {start: iter(needs_of(start, edges))}
        while trail:
            milestone = next(reversed(trail))
            needed = next((one for one in trail[milestone] if one not in finished), None)
            if needed is None:
                finished.add(milestone)
                del trail[milestone]
            elif needed in trail:
                ring = list(trail)
                return (*ring[ring.index(needed) :], needed)
            else:
                trail[needed] = iter(needs_of(needed, edges))
    return ()


def is_reached(milestone: Milestone, levels: Levels) -> bool:
    """Whether the person's known level covers the milestone."""
    level = levels.get(milestone.node_key)
    return level is not None and level >= milestone.level


def frontier(targets: Iterable[Milestone], levels: Levels, edges: Edges) -> Frontier:
    """The closure of the targets under prerequisites, less what is reached.

    targets   milestones wanted in the end
    edges     without rings
    Source    Doignon and Falmagne (1999), Knowledge Spaces, ch. 1: a state is closed under prerequisites
    """
    unreached: set[Milestone] = set()
    unknown: set[str] = set()
    waiting = list(targets)
    while waiting:
        milestone = waiting.pop()
        if milestone in unreached or is_reached(milestone, levels):
            continue
        if levels.get(milestone.node_key) is None:
            unknown.add(milestone.node_key)
            continue
        unreached.add(milestone)
        waiting.extend(needs_of(milestone, edges))
    withheld = _resting_on(unknown, unreached, edges)
    return Frontier(frozenset(unreached - withheld), frozenset(unknown), frozenset(withheld))


def dependants(milestones: Iterable[Milestone], edges: Edges) -> dict[Milestone, frozenset[Milestone]]:
    """For each milestone, those of the given ones that need it, directly or through others of them."""
    given = frozenset(milestones)
    found: dict[Milestone, set[Milestone]] = {milestone: set() for milestone in given}
    for milestone in given:
        seen: set[Milestone] = set()
        waiting = [milestone]
        while waiting:
            for needed in needs_of(waiting.pop(), edges):
                if needed in given and needed not in seen:
                    seen.add(needed)
                    found[needed].add(milestone)
                    waiting.append(needed)
    return {milestone: frozenset(others) for milestone, others in found.items()}


def _resting_on(unknown: set[str], unreached: set[Milestone], edges: Edges) -> set[Milestone]:
    resting: set[Milestone] = set()
    grew = bool(unknown)
    while grew:
        more = {
            milestone
            for milestone in unreached - resting
            if any(needed in resting or needed.node_key in unknown for needed in needs_of(milestone, edges))
        }
        resting |= more
        grew = bool(more)
    return resting
