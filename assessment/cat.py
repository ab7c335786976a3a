"""Computerised adaptive testing: which item comes next. Pure, and as fast with 10,000 items as with 500.

All that depends on the bank alone is computed once, in a `Pool`: log chances of each item at each point of the grid,
and per domain and point the items in order of information. A choice walks one such list until enough may be given.
"""

from array import array
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from assessment.draws import mixed
from assessment.estimation import GRID, STEP
from assessment.irt import ItemParams, information, log_probabilities

COLD_START_ATTEMPTS: Final = 20
"""Exposure is judged as if at least so many attempts had begun, so that the first persons find a bank that is open."""


@dataclass(frozen=True, slots=True)
class PoolItem:
    """One item of a pool.

    domain     number of its domain, from 0
    enemies    places in the pool that must not meet it in one attempt
    is_pilot   only tried out: never chosen as an item that counts
    """

    params: ItemParams
    domain: int = 0
    enemies: frozenset[int] = frozenset()
    is_pilot: bool = False


class Pool:
    """A bank compiled for choosing: read-only, to be shared by all attempts on the same form version.

    items     in a fixed order; an item is known by its place
    n_domains domains are numbered 0 .. n_domains - 1
    testlets  places of items that come together, each in the order in which they are shown; no item is in two
    """

    __slots__ = ("info", "items", "log_rows", "n_domains", "order", "pilots", "testlets")

    def __init__(self, items: Sequence[PoolItem], n_domains: int = 1, testlets: Sequence[Sequence[int]] = ()) -> None:
        self.items = tuple(items)
        self.n_domains = n_domains
        self.pilots = tuple(place for place, item in enumerate(self.items) if item.is_pilot)
        """Places of the items that are only tried out."""
        self.testlets = {members[0]: tuple(members) for members in testlets}
        """First item of each testlet to all of its items."""
        rows = [[log_probabilities(point, item.params) for point in GRID] for item in self.items]
        self.log_rows = [tuple(array("d", logs) for logs in zip(*row, strict=True)) for row in rows]
        """Per item and category, the logarithm of its chance at the grid, (41,)."""
        del rows
        units = self._units()
        told = [[self._information(point, own) for point in GRID] for own in units]
        self.order = [
            [array("I", sorted(own, key=values.__getitem__)) for values in by_point] for own, by_point in zip(units, told, strict=True)
        ]
        """Per domain and point of the grid, places of its items, the most informative first; ties by place. A testlet stands
        there once, by its first item, in the domain that most of its items have, by the mean information of its items."""
        self.info = [
            [array("d", (-values[place] for place in places)) for places, values in zip(*both, strict=True)]
            for both in zip(self.order, told, strict=True)
        ]
        """Information of the items of `order`, in the same order, per squared logit."""

    def _units(self) -> list[list[int]]:
        """Per domain, the places that may be chosen."""
        later = {place for members in self.testlets.values() for place in members[1:]}.union(self.pilots)
        domains = [item.domain for item in self.items]
        for leader, members in self.testlets.items():
            own = [self.items[place].domain for place in members]
            domains[leader] = max(own, key=own.count)  # of several that are as frequent, the one that comes first
        return [[i for i, domain in enumerate(domains) if domain == d and i not in later] for d in range(self.n_domains)]

    def _information(self, point: float, places: list[int]) -> dict[int, float]:
        """Of each place, less than 0, so that the most informative comes first in a sort."""
        if not self.testlets:
            return {place: -information(point, self.items[place].params) for place in places}
        return {
            place: -sum(information(point, self.items[i].params) for i in members) / len(members)
            for place in places
            for members in [self.testlets.get(place, (place,))]
        }

    def log_row(self, place: int, category: int) -> "array[float]":
        """Logarithm of the likelihood of one answer at the grid, (41,). category: 1 is right and 0 wrong without partial credit."""
        return self.log_rows[place][category]

    def category(self, place: int, score: float) -> int:
        """The category of an item that a share of its full credit stands for. score: 0..1."""
        return round(score * (len(self.log_rows[place]) - 1))

    def members(self, place: int) -> tuple[int, ...]:
        """Places that come with one that was chosen: itself, or all of its testlet in order."""
        return self.testlets.get(place, (place,))


@dataclass(frozen=True, slots=True)
class Choice:
    """The item that comes next, and why.

    place     of the item in the pool
    domain    its domain
    rested    items that would have been preferred but for exposure; with them the choice can be repeated
    waived    "" | "exposure" | "seen": the rule that gave way because nothing else was left
    """

    place: int
    domain: int
    rested: tuple[int, ...] = ()
    waived: str = ""


@dataclass(frozen=True, slots=True)
class Chance:
    """What of a choice is drawn.

    number        64 bits that belong to the attempt and the position
    n_candidates  the best so many are drawn from: 1 is plain maximum information, more is randomesque (Kingsbury & Zara 1989)
    told          weight of information against chance, 0..1; below 1 all items are drawn from, by chance and information together,
                  and `n_candidates` says nothing (progressive method; Revuelta & Ponsoda 1998)
    """

    number: int
    n_candidates: int = 1
    told: float = 1.0


def choose(
    pool: Pool,
    domain: int,
    theta: float,
    *,
    barred: Collection[int],
    seen: Collection[int],
    resting: Collection[int],
    chance: Chance,
    fits: Callable[[tuple[int, ...]], bool] | None = None,
) -> Choice | None:
    """An item of a domain that may be given, informative at an ability; None when every item is barred.

    barred    places never given: items of this attempt and their enemies
    seen      places given only when no unseen one is left: items that the person met lately
    resting   places passed over while another may be given: items above the exposure cap
    fits      whether a whole testlet may be given now; asked for testlets alone
    Returns   of a testlet, its first item
    Source    Lord (1980) for maximum information
    """
    point = nearest_point(theta)
    places = pool.order[domain][point]
    state = _State(pool.testlets, barred, seen, resting, fits)
    if chance.told >= 1:
        found = _randomesque(places, state, chance)
    elif chance.told > 0:
        found = _progressive(places, pool.info[domain][point], state, chance)
    else:  # chance alone: the first that is open from a place that is drawn
        begun = chance.number % len(places) if places else 0
        found = _randomesque(places[begun:] + places[:begun], state, Chance(chance.number))
    return None if found is None else Choice(found[0], domain, *found[1:])


_OPEN, _RESTING, _SEEN, _BARRED = range(4)
_Found = tuple[int, tuple[int, ...], str]
"""Place, rested and waived of a choice."""


@dataclass(frozen=True, slots=True)
class _State:
    """What stands against places in one choice."""

    testlets: Mapping[int, tuple[int, ...]]
    barred: Collection[int]
    seen: Collection[int]
    resting: Collection[int]
    fits: Callable[[tuple[int, ...]], bool] | None

    def finder(self) -> Callable[[int], int]:
        """What tells which of the four states a place has; a testlet has the worst of its items'."""
        return self._of_unit if self.testlets else self._of_item

    def _of_unit(self, place: int) -> int:
        members = self.testlets.get(place)
        if members is None:
            return self._of_item(place)
        if self.fits is not None and not self.fits(members):
            return _BARRED
        return max(map(self._of_item, members))

    def _of_item(self, place: int) -> int:
        if place in self.barred:
            return _BARRED
        if place in self.seen:
            return _SEEN
        return _RESTING if place in self.resting else _OPEN


def _randomesque(places: "array[int]", state: _State, chance: Chance) -> _Found | None:
    """One of the best few."""
    kept: tuple[list[int], list[int], list[int]] = ([], [], [])
    open_, find = kept[_OPEN], state.finder()
    for place in places:
        stands = find(place)
        if stands != _BARRED:
            kept[stands].append(place)
            if len(open_) == chance.n_candidates:
                break
    for candidates, waived in zip(kept, _WAIVED, strict=True):
        if candidates:
            best = candidates[: chance.n_candidates]
            return best[chance.number % len(best)], () if waived else tuple(kept[_RESTING]), waived
    return None


def _progressive(places: "array[int]", info: "array[float]", state: _State, chance: Chance) -> _Found | None:
    """The highest sum of (1 - told) times a random number up to the highest information, and told times the information.

    The walk ends where no item that comes after could be higher.
    """
    told, top = chance.told, info[0] if info else 0.0
    luck = (1 - told) * top / 2**64
    best: list[tuple[float, int] | None] = [None, None, None]
    rested: list[tuple[float, int]] = []
    find = state.finder()
    for place, value in zip(places, info, strict=True):
        leader = best[_OPEN]
        if leader is not None and told * value + (1 - told) * top <= leader[0]:
            break
        stands = find(place)
        if stands == _BARRED:
            continue
        weight = luck * mixed(chance.number, place) + told * value
        held = best[stands]
        if held is None or weight > held[0]:
            best[stands] = weight, place
        if stands == _RESTING:
            rested.append((weight, place))
    for found, waived in zip(best, _WAIVED, strict=True):
        if found is not None:
            return found[1], () if waived else tuple(place for weight, place in rested if weight >= found[0]), waived
    return None


_WAIVED = ("", "exposure", "seen")


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
