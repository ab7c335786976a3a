"""Which counts of a published table must be hidden, so that no small group can be seen or worked out. Pure.

A table has parts (units of an agency, or agencies) and a whole that is their sum; a column is one area of the framework.
A part publishes its scope, and per area how many were assessed and how many met their target. "Judged" are those assessed
people who have a target. Rules, with threshold k:

1. A part with fewer than k people in scope shows nothing; when its size could be worked out from the whole, another part's
   size is hidden with it.
2. Participation in an area shows when at least k were assessed.
3. Results in an area show when participation shows and at least k were judged, unless all or none of fewer than 3 k judged
   people met the target. (All or none of the people in scope is all or none of those judged, so this covers both.)
4. What is hidden in a column must leave every hidden count a range of at least k, and must itself, taken together, be fit to
   publish: else the smallest part that still shows is hidden too, and in the end the whole.
5. A whole that is hidden takes its column with it, or the sum of the parts would tell it.

The ranges are those that follow from the sums, from met <= assessed <= scope, and from the sizes that are known; the forms
below are exact for such a table. In a pool of P people of whom X count, a hidden group of s has the range min(s, X, P - X, P - s),
so the units of a hidden agency, themselves of k or more, are as safe as the agency and need no check of their own.

Source: Hundepool et al., Statistical Disclosure Control (Wiley, 2012), chapters 4 and 5.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

ALL_OR_NONE_FACTOR: Final = 3
"""Below this many times k, all or none of a group is a statement about each of its people."""

Span = tuple[int, int]
"""The least and the most that a reader can take a count for."""


@dataclass(frozen=True, slots=True)
class Count:
    """One cell of the table."""

    assessed: int
    judged: int
    """People assessed who have a target; at most `assessed`."""
    met: int | None
    """People who met their target, at most `judged`; None in every cell of the column while nobody has a target."""


@dataclass(frozen=True, slots=True)
class Part:
    """One row of the table."""

    key: str
    scope: int
    counts: Mapping[str, Count]
    """By area; every part of a table has the same areas."""


@dataclass(frozen=True, slots=True)
class Mask:
    """What is hidden of one row."""

    scope: bool = False
    assessed: frozenset[str] = frozenset()
    """Areas whose participation is hidden."""
    met: frozenset[str] = frozenset()
    """Areas whose results are hidden; always holds `assessed`."""


@dataclass(frozen=True, slots=True)
class Masks:
    """What is hidden of a table and of its whole."""

    parts: Mapping[str, Mask]
    whole: Mask


def is_exposing(group: int, met: int | None, k: int) -> bool:
    """A group's result says something of each of its people: it is smaller than k, or smaller than 3 k and all or none met."""
    return group < k or (group < ALL_OR_NONE_FACTOR * k and met in (0, group))


def total(key: str, parts: Sequence[Part]) -> Part:
    """The whole of a table."""
    areas = parts[0].counts if parts else {}
    return Part(key, sum(part.scope for part in parts), {area: _sum(part.counts[area] for part in parts) for area in areas})


def protect(parts: Sequence[Part], *, k: int) -> Masks:
    """The mask of one table.

    parts   rows with the same areas and different keys
    k       the smallest group that may be seen, 1 or more
    Returns a mask for every row and for the whole; the same for the same table, always
    """
    return _Table(parts, k).masks()


def protect_levels(tables: Mapping[str, Sequence[Part]], *, k: int) -> tuple[Masks, dict[str, Masks]]:
    """The masks of two levels that are read together: units in each agency, and agencies in the total.

    tables  rows of each agency, by the agency's key; the same areas in all
    Returns the mask over agencies, and the mask of each agency's own table. An agency's total shows in both or in neither.
    """
    alone = {key: protect(parts, k=k).whole for key, parts in tables.items()}
    upper = _Table([total(key, parts) for key, parts in tables.items()], k, forced=alone).masks()
    return upper, {key: _Table(parts, k, whole=upper.parts[key]).masks() for key, parts in tables.items()}


@dataclass(slots=True)
class _Table:
    """One table while its mask is made: sizes first, then each column, participation before results."""

    rows: Sequence[Part]
    k: int
    forced: Mapping[str, Mask] = field(default_factory=dict)
    """What the tables of the parts ask to be hidden of them."""
    whole: Mask = field(default_factory=Mask)
    """What the table above hides of the whole."""
    unsized: set[str] = field(default_factory=set)
    """Parts whose size is hidden."""
    unsized_people: int = 0
    """People in those parts together."""

    def masks(self) -> Masks:
        whole_shows = self._hide_sizes()
        columns = {area: self._hide_column(area, whole_shows=whole_shows) for area in self._areas()}
        return Masks(
            parts={
                row.key: Mask(
                    row.key in self.unsized,
                    frozenset(area for area, column in columns.items() if row.key in column.assessed),
                    frozenset(area for area, column in columns.items() if row.key in column.met),
                )
                for row in self.rows
            },
            whole=Mask(
                not whole_shows,
                frozenset(area for area, column in columns.items() if not column.assessed_shows),
                frozenset(area for area, column in columns.items() if not column.met_shows),
            ),
        )

    def _areas(self) -> list[str]:
        return list(self.rows[0].counts) if self.rows else []

    def _hide_sizes(self) -> bool:
        """Fills `unsized`; False when the whole's size is hidden too."""
        self.unsized = {row.key for row in self.rows if row.scope < self.k or self._forced(row).scope}

        def is_wide(hidden: set[str]) -> bool:
            return len(hidden) > 1 and self._people(hidden) >= self.k

        everyone = {row.key for row in self.rows}
        shows = not self.whole.scope and self._people(everyone) >= self.k
        shows = shows and self._widen(self.unsized, lambda row: row.scope, is_wide)
        if not shows:
            self.unsized = everyone
        self.unsized_people = self._people(self.unsized)
        return shows

    def _hide_column(self, area: str, *, whole_shows: bool) -> "_Column":
        everyone = {row.key for row in self.rows}
        cells = {row.key: row.counts[area] for row in self.rows}
        whole = _sum(cells.values())

        def assessed_in(row: Part) -> int:
            return row.counts[area].assessed

        assessed = self.unsized | {row.key for row in self.rows if assessed_in(row) < self.k or area in self._forced(row).assessed}
        assessed_shows = (
            whole_shows
            and area not in self.whole.assessed
            and whole.assessed >= self.k
            and self._widen(assessed, assessed_in, lambda hidden: self._assessed_is_wide(hidden, area))
        )
        if not assessed_shows:
            assessed = everyone
        if whole.met is None:
            return _Column(assessed, assessed, assessed_shows, assessed_shows)

        met = assessed | {
            row.key for row in self.rows if is_exposing(cells[row.key].judged, cells[row.key].met, self.k) or area in self._forced(row).met
        }
        met_shows = (
            assessed_shows
            and area not in self.whole.met
            and not is_exposing(whole.judged, whole.met, self.k)
            and self._widen(met, assessed_in, lambda hidden: self._met_is_wide(hidden, assessed, area))
        )
        return _Column(assessed, met if met_shows else everyone, assessed_shows, met_shows)

    def _widen(self, hidden: set[str], size: Callable[[Part], int], is_wide: Callable[[set[str]], bool]) -> bool:
        """Hides the smallest showing part again and again until the ranges are wide; False when even all are not enough."""
        showing = sorted((row for row in self.rows if row.key not in hidden), key=lambda row: (size(row), row.key), reverse=True)
        while hidden and not is_wide(hidden):
            if not showing:
                return False
            hidden.add(showing.pop().key)
        return True

    def _assessed_is_wide(self, hidden: set[str], area: str) -> bool:
        pool = self._pool(hidden, area)
        spans = (self._assessed_span(row, pool, area) for row in self.rows if row.key in hidden)
        return all(most - least >= self.k for least, most in spans)

    def _met_is_wide(self, hidden: set[str], hidden_assessed: set[str], area: str) -> bool:
        together = _sum(row.counts[area] for row in self.rows if row.key in hidden)
        if together.met is None or is_exposing(together.judged, together.met, self.k):
            return False
        pool = self._pool(hidden_assessed, area)
        spans = (self._assessed_span(row, pool, area) for row in self.rows if row.key in hidden)
        return all(min(most, together.met) - max(0, together.met - (together.assessed - least)) >= self.k for least, most in spans)

    def _assessed_span(self, row: Part, pool: "_Pool", area: str) -> Span:
        """What a reader can take the participation of a part for."""
        if row.key not in pool.keys:
            return row.counts[area].assessed, row.counts[area].assessed
        least, most = (0, self.unsized_people) if row.key in self.unsized else (row.scope, row.scope)
        return max(0, pool.assessed - (pool.people - least)), min(most, pool.assessed)

    def _pool(self, hidden: set[str], area: str) -> "_Pool":
        assessed = sum(row.counts[area].assessed for row in self.rows if row.key in hidden)
        return _Pool(hidden, self._people(hidden), assessed)

    def _people(self, keys: Collection[str]) -> int:
        return sum(row.scope for row in self.rows if row.key in keys)

    def _forced(self, row: Part) -> Mask:
        return self.forced.get(row.key, Mask())


@dataclass(frozen=True, slots=True)
class _Pool:
    """Parts whose participation is hidden, and what the whole tells of them together."""

    keys: set[str]
    people: int
    assessed: int


@dataclass(frozen=True, slots=True)
class _Column:
    assessed: set[str]
    met: set[str]
    assessed_shows: bool
    """The whole's participation shows."""
    met_shows: bool
    """The whole's results show."""


def _sum(cells: Iterable[Count]) -> Count:
    counted = list(cells)
    met = [cell.met for cell in counted if cell.met is not None]
    return Count(sum(cell.assessed for cell in counted), sum(cell.judged for cell in counted), sum(met) if met else None)
