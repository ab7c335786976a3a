"""Forms whose items stand fast: a linear form as its author listed it, and parallel forms of equal information from the bank. Pure.

Parallel forms are dealt like teams: area by area the most informative items go round, forwards and back; then items of the same area
change places, between forms or with the bank, so that the information at the cuts comes nearer to the same.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from assessment.draws import mixed
from assessment.errors import Fault, FormInvalid
from assessment.forms import FormDocument
from assessment.irt import ItemParams, information

MOVES: Final = 40_000
"""Changes of place that are tried."""

BORNE: Final = 0.02
"""The loss that is borne at first, in squared relative distances from the aim."""

ROOM: Final = (0.97, 0.90, 0.80, 0.70)
"""Aims, as a share of what the most informative items tell on average: the less is aimed at, the more items can be equal."""

ALIKE: Final = 0.03
"""A largest difference, as a share of the mean, at which no lower aim is tried."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One item of the bank, as assembly sees it. testlet: its key and the place in it, from 1."""

    key: str
    domain: str
    params: ItemParams
    enemies: frozenset[str] = frozenset()
    testlet: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class FormInformation:
    """What one form tells at one cut of one area. information: per squared logit, without the prior."""

    form: int
    domain: str
    level: int
    theta: float
    information: float


def assemble(form: FormDocument, bank: Sequence[Candidate]) -> list[list[str]]:
    """Keys of the items in order: of a linear form, or of each parallel form; none of an adaptive form.

    bank     items of the form's areas
    Raises   FormInvalid when enemies meet in a list, or the bank does not suffice
    """
    if form.type == "adaptive":
        return []
    by_key = {candidate.key: candidate for candidate in bank}
    if form.type == "linear":
        own = [by_key[key] for key in form.items]
        _refuse(
            Fault(f"items ({one.key})", f"its enemy {key!r} is in the form, too")
            for one in own
            for key in sorted(one.enemies & set(form.items))
        )
        return [list(form.items)]
    return _Assembly(form, bank).run()


def information_of(form: FormDocument, sequences: Sequence[Sequence[Candidate]]) -> list[FormInformation]:
    """What each form tells at each cut, by form, area and level."""
    return [
        FormInformation(
            number,
            domain.code,
            cut.level,
            cut.theta,
            sum(information(cut.theta, one.params) for one in sequence if one.domain == domain.code),
        )
        for number, sequence in enumerate(sequences, 1)
        for domain in form.domains
        for cut in form.cuts_of(domain.code)
    ]


def largest_difference(found: Sequence[FormInformation]) -> tuple[float, float]:
    """Of two forms at the same cut: per squared logit, and as a share of the mean of all forms there; 0, 0 of one form."""
    by_cut: dict[tuple[str, int], list[float]] = {}
    for one in found:
        by_cut.setdefault((one.domain, one.level), []).append(one.information)
    spreads = [(max(values) - min(values), sum(values) / len(values)) for values in by_cut.values()]
    return max((spread for spread, _ in spreads), default=0.0), max((spread / mean for spread, mean in spreads if mean > 0), default=0.0)


@dataclass(frozen=True, slots=True)
class _Unit:
    """Items that go into a form together: one, or a testlet. size: items per area; told: information at each cut of all areas."""

    items: tuple[Candidate, ...]
    size: tuple[int, ...]
    told: tuple[float, ...]

    @property
    def worth(self) -> float:
        """Information over all cuts for each of its items."""
        return sum(self.told) / len(self.items)

    def fights(self, others: Sequence["_Unit"]) -> bool:
        """Whether an enemy of its items is among others."""
        keys = {one.key for one in self.items}
        enemies = frozenset[str]().union(*(one.enemies for one in self.items))
        return any(one.key in enemies or one.enemies & keys for other in others for one in other.items)


class _Assembly:
    """Parallel forms in the making."""

    def __init__(self, form: FormDocument, bank: Sequence[Candidate]) -> None:
        assert form.parallel is not None
        self.form, self.n_forms = form, form.parallel.forms
        self.codes = [domain.code for domain in form.domains]
        self.cuts = [(cut.domain, cut.theta) for domain in form.domains for cut in form.cuts_of(domain.code)]
        units = sorted(self._units(bank), key=lambda unit: (-unit.worth, unit.items[0].key))
        wanted = set(form.parallel.anchors)
        self.anchors = [unit for unit in units if wanted & {one.key for one in unit.items}]
        self.free = [unit for unit in units if unit not in self.anchors]
        self.forms: list[list[_Unit]] = [list(self.anchors) for _ in range(self.n_forms)]

    def run(self) -> list[list[str]]:
        quotas = self._quotas()
        # what spans areas or is long goes first: single items fill what is left
        for size in sorted({unit.size for unit in self.free}, key=lambda size: (-sum(size), size)):
            self._deal([unit for unit in self.free if unit.size == size], quotas)
        _refuse(
            Fault("parallel", f"the bank does not suffice for {code}: form {number} lacks {missing} of {quota} items")
            for number, units in enumerate(self.forms, 1)
            for code, quota, missing in zip(self.codes, quotas, _missing(units, quotas), strict=True)
            if missing
        )
        self._level()
        return [self._in_order(units) for units in self.forms]

    def _units(self, bank: Sequence[Candidate]) -> Iterator[_Unit]:
        groups: dict[str, list[Candidate]] = {}
        for one in bank:
            groups.setdefault(f"testlet {one.testlet[0]}" if one.testlet else one.key, []).append(one)
        for members in groups.values():
            items = tuple(sorted(members, key=lambda one: one.testlet or ("", 0)))
            size = tuple(sum(one.domain == code for one in items) for code in self.codes)
            told = tuple(sum(information(theta, one.params) for one in items if one.domain == code) for code, theta in self.cuts)
            yield _Unit(items, size, told)

    def _quotas(self) -> list[int]:
        """Items of each area in each form: its share, within its minimum and maximum, by largest remainders."""
        n, total = self.form.max_items, sum(domain.share for domain in self.form.domains)
        exact = [domain.share / total * n for domain in self.form.domains]
        quotas = [min(max(int(value), domain.min), domain.max) for value, domain in zip(exact, self.form.domains, strict=True)]
        while sum(quotas) != n:
            step = 1 if sum(quotas) < n else -1
            open_ = [d for d, domain in enumerate(self.form.domains) if (quotas[d] < domain.max if step > 0 else quotas[d] > domain.min)]
            d = max(open_, key=lambda d: (step * (exact[d] - quotas[d]), -d))
            quotas[d] += step
        return quotas

    def _deal(self, units: Sequence[_Unit], quotas: Sequence[int]) -> None:
        """Gives each form its share of units of one size, the most informative first, forwards and back."""
        turn = 0
        for unit in units:
            order = [(turn + k) % (2 * self.n_forms) for k in range(2 * self.n_forms)]
            for place in order:
                number = place if place < self.n_forms else 2 * self.n_forms - 1 - place
                room = _missing(self.forms[number], quotas)
                if all(own <= left for own, left in zip(unit.size, room, strict=True)) and not unit.fights(self.forms[number]):
                    self.forms[number].append(unit)
                    turn = place + 1
                    break

    def _level(self) -> None:
        """Changes places so that every form comes near to the same: as high as equality allows."""
        dealt = [list(units) for units in self.forms]
        best: tuple[float, list[list[_Unit]]] | None = None
        for room in ROOM:
            self.forms = [list(units) for units in dealt]
            self._approach(room)
            difference = self._difference()
            if best is None or difference < best[0]:
                best = difference, self.forms
            if difference <= ALIKE:
                break
        if best is not None:
            self.forms = best[1]

    def _difference(self) -> float:
        """The largest difference of two forms at one cut, as a share of the mean there."""
        columns = zip(*(_sum_told(units, len(self.cuts)) for units in self.forms), strict=True)
        return max(((max(values) - min(values)) * self.n_forms / sum(values) for values in columns if sum(values) > 0), default=0.0)

    def _approach(self, room: float) -> None:
        """Changes places of two items of one size, of two forms or a form and the bank, by draws.

        room     the aim, as a share of what the forms tell on average now
        Source   Dueck & Scheuer (1990), threshold accepting: a loss is borne while it is small, and ever smaller ones
        """
        told = [_sum_told(units, len(self.cuts)) for units in self.forms]
        aims = [room * sum(column) / self.n_forms for column in zip(*told, strict=True)]
        used = {id(unit) for units in self.forms for unit in units}
        lists = [*self.forms, [unit for unit in self.free if id(unit) not in used]]
        told.append([])
        sizes = self._sizes(lists)

        def distance(number: int, values: Sequence[float]) -> float:
            if number == self.n_forms:  # the bank
                return 0.0
            return math.fsum((value / aim - 1) ** 2 for value, aim in zip(values, aims, strict=True) if aim > 0)

        far = [distance(number, values) for number, values in enumerate(told)]
        for move in range(MOVES if sizes else 0):
            size, one, other, i, j = (mixed(MOVES, 5 * move + k) for k in range(5))
            places = sizes[size % len(sizes)]
            one, other = one % self.n_forms, other % (self.n_forms + 1)
            if one == other or not places[one] or not places[other]:
                continue
            i, j = places[one][i % len(places[one])], places[other][j % len(places[other])]
            out, into = lists[one][i], lists[other][j]
            after = _changed(told[one], out, into), _changed(told[other], into, out)
            far_after = distance(one, after[0]), distance(other, after[1])
            if sum(far_after) - far[one] - far[other] > BORNE * (1 - move / MOVES) ** 3 or self._would_fight(lists[one], i, into):
                continue
            if other < self.n_forms and self._would_fight(lists[other], j, out):
                continue
            (told[one], told[other]), (far[one], far[other]) = after, far_after
            lists[one][i], lists[other][j] = into, out

    def _sizes(self, lists: Sequence[Sequence[_Unit]]) -> list[list[list[int]]]:
        """Places that may change with each other: for each size of unit, per list, without the anchors."""
        found: dict[tuple[int, ...], list[list[int]]] = {}
        for number, units in enumerate(lists):
            for place, unit in enumerate(units):
                if number == self.n_forms or place >= len(self.anchors):
                    found.setdefault(unit.size, [[] for _ in lists])[number].append(place)
        return [places for places in found.values() if any(places[:-1])]

    @staticmethod
    def _would_fight(units: Sequence[_Unit], leaving: int, coming: _Unit) -> bool:
        return coming.fights([unit for place, unit in enumerate(units) if place != leaving])

    def _in_order(self, units: Sequence[_Unit]) -> list[str]:
        """Area by area, from easy to hard; a testlet stands where its first item's area does."""
        easy = sorted(
            units,
            key=lambda unit: (
                self.codes.index(unit.items[0].domain),
                sum(one.params.b for one in unit.items) / len(unit.items),
                unit.items[0].key,
            ),
        )
        return [one.key for unit in easy for one in unit.items]


def _missing(units: Sequence[_Unit], quotas: Sequence[int]) -> list[int]:
    return [quota - sum(unit.size[d] for unit in units) for d, quota in enumerate(quotas)]


def _sum_told(units: Sequence[_Unit], n_cuts: int) -> list[float]:
    return [sum(unit.told[k] for unit in units) for k in range(n_cuts)]


def _changed(told: Sequence[float], out: _Unit, into: _Unit) -> list[float]:
    """What a form tells after a change; nothing of the bank, which is told by nothing."""
    return [value - less + more for value, less, more in zip(told, out.told, into.told, strict=False)]


def _refuse(faults: Iterator[Fault]) -> None:
    found = list(faults)
    if found:
        raise FormInvalid(found)
