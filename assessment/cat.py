"""Computerised adaptive testing: which item comes next. Pure, and as fast with 10,000 items as with 500.

All that depends on the bank alone is computed once, in a `Pool`: log chances of each item at each point of the grid,
and per domain and point the items in order of information. A choice walks one such list until enough may be given.
"""

from array import array
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from assessment.estimation import GRID, STEP
from assessment.irt import ItemParams, information, log_probabilities

COLD_START_ATTEMPTS: Final = 20
"""Exposure is judged as if at least so many attempts had begun, so that the first persons find a bank that is open."""


@dataclass(frozen=True, slots=True)
class PoolItem:
    """One item of a pool. domain: number of its domain, from 0; enemies: places in the pool that must not meet it in one attempt."""

    params: ItemParams
    domain: int = 0
    enemies: frozenset[int] = frozenset()


class Pool:
    """A bank compiled for choosing: read-only, to be shared by all attempts on the same form version.

    items     in a fixed order; an item is known by its place
    n_domains domains are numbered 0 .. n_domains - 1
    """

    __slots__ = ("items", "log_right", "log_wrong", "n_domains", "order")

    def __init__(self, items: Sequence[PoolItem], n_domains: int = 1) -> None:
        self.items = tuple(items)
        self.n_domains = n_domains
        rows = [[log_probabilities(point, item.params) for point in GRID] for item in self.items]
        self.log_right = [array("d", (right for right, _ in row)) for row in rows]
        """Per item, log P at the grid, (41,)."""
        self.log_wrong = [array("d", (wrong for _, wrong in row)) for row in rows]
        """Per item, log (1 - P) at the grid, (41,)."""
        del rows
        self.order = [
            [self._by_information(point, [i for i, item in enumerate(self.items) if item.domain == d]) for point in GRID]
            for d in range(n_domains)
        ]
        """Per domain and point of the grid, places of its items, the most informative first; ties by place."""

    def _by_information(self, point: float, places: list[int]) -> "array[int]":
        told = {place: -information(point, self.items[place].params) for place in places}
        return array("I", sorted(places, key=told.__getitem__))

    def log_row(self, place: int, is_right: bool) -> "array[float]":
        """Logarithm of the likelihood of one answer at the grid, (41,)."""
        return self.log_right[place] if is_right else self.log_wrong[place]


@dataclass(frozen=True, slots=True)
class Choice:
    """The item that comes next, and why.

    place     of the item in the pool
    domain    its domain
    rested    more informative items that were passed over because of exposure; with them the choice can be repeated
    waived    "" | "exposure" | "seen": the rule that gave way because nothing else was left
    """

    place: int
    domain: int
    rested: tuple[int, ...] = ()
    waived: str = ""


def choose(
    pool: Pool,
    domain: int,
    theta: float,
    *,
    barred: Collection[int],
    seen: Collection[int],
    resting: Collection[int],
    n_candidates: int,
    pick: Callable[[int], int],
) -> Choice | None:
    """One of the most informative items of a domain that may be given; None when every item is barred.

    barred        places never given: items of this attempt and their enemies
    seen          places given only when no unseen one is left: items that the person met lately
    resting       places passed over while another may be given: items above the exposure cap
    n_candidates  1 is plain maximum information; more is randomesque
    pick          gives a number 0 <= k < n for n candidates
    Source        Lord (1980) for maximum information; Kingsbury & Zara (1989) for randomesque
    """
    open_, rested, known = [], [], []
    for place in pool.order[domain][nearest_point(theta)]:
        if place in barred:
            continue
        if place in seen:
            known.append(place)
        elif place in resting:
            rested.append(place)
        else:
            open_.append(place)
            if len(open_) == n_candidates:
                break
    for candidates, waived in ((open_, ""), (rested, "exposure"), (known, "seen")):
        if candidates:
            best = candidates[:n_candidates]
            return Choice(best[pick(len(best))], domain, () if waived else tuple(rested), waived)
    return None


def nearest_point(theta: float) -> int:
    """Place on the grid of the point nearest to an ability; the ends hold for what lies beyond."""
    return min(max(round((theta - GRID[0]) / STEP), 0), len(GRID) - 1)


def resting_items(counts: Mapping[int, int], n_attempts: int, r_max: float) -> frozenset[int]:
    """Places of items whose share of attempts has reached the cap, so that they rest for now.

    counts      attempts of the window that met the item, per place
    n_attempts  attempts of the window
    r_max       highest share, 0 < r_max <= 1; at 1 nothing rests
    Source      van der Linden & Veldkamp (2004), item eligibility, in its deterministic form
    """
    if r_max >= 1:
        return frozenset()
    bound = r_max * max(n_attempts, COLD_START_ATTEMPTS)
    return frozenset(place for place, count in counts.items() if count >= bound)
