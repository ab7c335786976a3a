"""What is hidden stays hidden: an attacker with linear programming reads only the published table."""

import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadmap.suppression import Count, Mask, Masks, Part, is_exposing, protect, protect_levels, total

K = 5
AREA = "area"


def part(key: str, scope: int, assessed: int, met: int | None, judged: int | None = None) -> Part:
    return Part(key, scope, {AREA: Count(assessed, assessed if judged is None else judged, met)})


class Attacker:
    """Bounds of every hidden count from the published counts, the sums and met <= assessed <= scope, by the simplex method."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.equalities: list[tuple[dict[str, float], float]] = []
        self.upper: list[tuple[dict[str, float], float]] = []
        self.hidden: list[str] = []

    def read(self, row: Part, mask: Mask, *, place: str) -> None:
        cell = row.counts[AREA]
        values = [("n", row.scope, mask.scope), ("a", cell.assessed, AREA in mask.assessed)]
        if cell.met is not None:
            values.append(("m", cell.met, AREA in mask.met))
        for name, value, is_hidden in values:
            self.names.append(place + name)
            if is_hidden:
                self.hidden.append(place + name)
            else:
                self.equalities.append(({place + name: 1.0}, value))
        self.upper.append(({place + "a": 1.0, place + "n": -1.0}, 0))
        if cell.met is not None:
            self.upper.append(({place + "m": 1.0, place + "a": -1.0}, 0))

    def add_up(self, parts: Sequence[str], whole: str, *, with_met: bool) -> None:
        for name in ("n", "a", "m") if with_met else ("n", "a"):
            self.equalities.append(({**{place + name: 1.0 for place in parts}, whole + name: -1.0}, 0))

    def narrowest(self) -> float:
        """The width of the narrowest range of a hidden count; infinity when nothing is hidden or bounded."""
        widths = [self._best(name, 1) + self._best(name, -1) for name in self.hidden]
        return min(widths, default=float("inf"))

    def _best(self, name: str, sign: int) -> float:
        return maximise({name: float(sign)}, self.names, self.equalities, self.upper)


def maximise(objective: dict[str, float], names: list[str], equalities: list, upper: list) -> float:
    """The largest value of a linear form over non-negative variables; a two-phase dense simplex with Bland's rule."""
    column = {name: index for index, name in enumerate(names)}
    n_variables, n_slacks, n_rows = len(names), len(upper), len(equalities) + len(upper)
    width = n_variables + n_slacks + n_rows
    rows = []
    for index, (form, bound) in enumerate([*equalities, *upper]):
        row = [0.0] * (width + 1)
        for name, factor in form.items():
            row[column[name]] = factor
        if index >= len(equalities):
            row[n_variables + index - len(equalities)] = 1.0
        row[-1] = float(bound)
        row[n_variables + n_slacks + index] = 1.0
        rows.append(row)
    basis = [n_variables + n_slacks + index for index in range(n_rows)]
    phase_one = [0.0] * (n_variables + n_slacks) + [-1.0] * n_rows
    assert abs(_solve(rows, basis, phase_one)) < 1e-6, "the true table must be one of those that the attacker thinks possible"
    for row in rows:
        for index in range(n_variables + n_slacks, width):
            if index not in basis:
                row[index] = 0.0
    cost = [0.0] * width
    for name, factor in objective.items():
        cost[column[name]] = factor
    return _solve(rows, basis, cost, usable=n_variables + n_slacks)


def _solve(rows: list[list[float]], basis: list[int], cost: list[float], usable: int | None = None) -> float:
    usable = len(cost) if usable is None else usable
    while True:
        reduced = [cost[j] - sum(cost[basis[i]] * rows[i][j] for i in range(len(rows)) if cost[basis[i]]) for j in range(usable)]
        entering = next((j for j, gain in enumerate(reduced) if gain > 1e-9), None)
        if entering is None:
            return sum(cost[basis[i]] * rows[i][-1] for i in range(len(rows)))
        ratios = [(row[-1] / row[entering], basis[i], i) for i, row in enumerate(rows) if row[entering] > 1e-9]
        if not ratios:
            return float("inf")
        smallest = min(ratio for ratio, _, _ in ratios)
        _, leaving = min((name, i) for ratio, name, i in ratios if ratio <= smallest + 1e-9)
        pivot = rows[leaving][entering]
        rows[leaving] = [value / pivot for value in rows[leaving]]
        for i, row in enumerate(rows):
            if i != leaving and abs(row[entering]) > 1e-12:
                factor = row[entering]
                rows[i] = [value - factor * base for value, base in zip(row, rows[leaving], strict=True)]
        basis[leaving] = entering


def attack_one_table(parts: Sequence[Part], masks: Masks) -> float:
    attacker = Attacker()
    with_met = parts[0].counts[AREA].met is not None
    for row in parts:
        attacker.read(row, masks.parts[row.key], place=f"{row.key}.")
    attacker.read(total("whole", parts), masks.whole, place="whole.")
    attacker.add_up([f"{row.key}." for row in parts], "whole.", with_met=with_met)
    return attacker.narrowest()


@st.composite
def tables(draw: st.DrawFn, prefix: str = "u", most_parts: int = 5) -> list[Part]:
    with_target = draw(st.booleans()) or draw(st.booleans())
    parts = []
    for index in range(draw(st.integers(1, most_parts))):
        scope = draw(st.one_of(st.integers(0, 8), st.integers(5, 40)))
        assessed = draw(st.one_of(st.integers(0, scope), st.just(scope), st.just(0)))
        judged = draw(st.one_of(st.just(assessed), st.integers(0, assessed)))
        met = draw(st.one_of(st.integers(0, judged), st.just(judged), st.just(0))) if with_target else None
        parts.append(part(f"{prefix}{index}", scope, assessed, met, judged if with_target else 0))
    return parts


def shows_exposing(row: Part, mask: Mask) -> bool:
    cell = row.counts[AREA]
    shows_people = not mask.scope and row.scope < K
    shows_few = AREA not in mask.assessed and cell.assessed < K
    shows_results = cell.met is not None and AREA not in mask.met and is_exposing(cell.judged, cell.met, K)
    return shows_people or shows_few or shows_results


@settings(max_examples=80, deadline=None)
@given(tables())
def test_no_hidden_count_of_a_table_can_be_bounded_narrower_than_k(parts: list[Part]) -> None:
    masks = protect(parts, k=K)

    shown = [*((row, masks.parts[row.key]) for row in parts), (total("whole", parts), masks.whole)]
    if masks.whole.scope:
        assert all(mask.scope for mask in masks.parts.values())
        return
    assert not any(shows_exposing(row, mask) for row, mask in shown)
    assert attack_one_table(parts, masks) >= K - 1e-6


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_no_hidden_count_of_two_levels_read_together_can_be_bounded_narrower_than_k(data: st.DataObject) -> None:
    n_agencies = data.draw(st.integers(1, 3))
    by_agency = {f"g{i}": data.draw(tables(prefix=f"g{i}u", most_parts=3)) for i in range(n_agencies)}
    if len({parts[0].counts[AREA].met is None for parts in by_agency.values()}) > 1:
        by_agency = {key: [_with_target(row) for row in parts] for key, parts in by_agency.items()}

    upper, lower = protect_levels(by_agency, k=K)

    wholes = {key: total(key, parts) for key, parts in by_agency.items()}
    nation = total("nation", list(wholes.values()))
    if upper.whole.scope:
        assert all(mask.scope for masks in (upper, *lower.values()) for mask in masks.parts.values())
        return
    attacker = Attacker()
    with_met = nation.counts[AREA].met is not None
    for key, parts in by_agency.items():
        assert lower[key].whole == upper.parts[key], "an agency's total shows in both tables or in neither"
        for row in parts:
            assert not shows_exposing(row, lower[key].parts[row.key])
            attacker.read(row, lower[key].parts[row.key], place=f"{row.key}.")
        attacker.read(wholes[key], upper.parts[key], place=f"{key}.")
        attacker.add_up([f"{row.key}." for row in parts], f"{key}.", with_met=with_met)
    attacker.read(nation, upper.whole, place="nation.")
    attacker.add_up([f"{key}." for key in by_agency], "nation.", with_met=with_met)
    assert attacker.narrowest() >= K - 1e-6


def _with_target(row: Part) -> Part:
    cell = row.counts[AREA]
    return Part(row.key, row.scope, {AREA: Count(cell.assessed, cell.judged, cell.met or 0)})


@pytest.mark.parametrize(
    "parts",
    [
        [part("u0", 10, 10, 10), part("u1", 20, 20, 18), part("u2", 60, 60, 30)],
        [part("u0", 10, 10, 0), part("u1", 20, 20, 2), part("u2", 60, 60, 30)],
        [part("u0", 6, 3, 1), part("u1", 60, 60, 30)],
        [part("u0", 6, 3, 1), part("u1", 20, 19, 9), part("u2", 60, 30, 10)],
        [part("u0", 2, 2, 1), part("u1", 2, 2, 1), part("u2", 60, 30, 10)],
    ],
)
def test_a_table_in_which_one_more_hidden_part_is_not_enough(parts: list[Part]) -> None:
    masks = protect(parts, k=K)

    assert attack_one_table(parts, masks) >= K - 1e-6


def test_hidden_parts_that_all_met_together_take_another_with_them() -> None:
    parts = [part("u0", 3, 3, 3), part("u1", 6, 6, 6), part("u2", 60, 60, 30), part("u3", 70, 70, 30)]

    masks = protect(parts, k=K)

    assert AREA in masks.parts["u2"].met, "or all nine of the first two would be known to have met the target"
    assert AREA not in masks.parts["u2"].assessed
    assert masks.parts["u3"] == masks.whole == Mask()


def test_an_agency_whose_units_cannot_be_protected_is_hidden_in_the_table_above() -> None:
    units = [part("a0", 6, 3, 1), part("a1", 60, 60, 30)]
    others = {key: [part(f"{key}0", 80, 50, 20)] for key in "bc"}

    upper, lower = protect_levels({"a": units, **others}, k=K)

    assert AREA in protect(units, k=K).whole.assessed
    assert AREA in upper.parts["a"].assessed
    assert lower["a"].whole == upper.parts["a"]


def test_the_attacker_finds_a_cell_that_is_hidden_alone() -> None:
    parts = [part("u0", 20, 15, 8), part("u1", 30, 20, 9), part("u2", 4, 3, 1)]
    naive = Masks(
        {"u0": Mask(), "u1": Mask(), "u2": Mask(True, frozenset({AREA}), frozenset({AREA}))},
        Mask(),
    )

    assert attack_one_table(parts, naive) == pytest.approx(0)


def test_a_small_unit_takes_the_next_smallest_with_it_and_the_total_stays() -> None:
    parts = [part("u0", 20, 15, 8), part("u1", 30, 20, 9), part("u2", 4, 3, 1)]

    masks = protect(parts, k=K)

    assert masks.whole == Mask()
    assert masks.parts["u1"] == Mask()
    assert masks.parts["u0"].scope
    assert masks.parts["u2"].scope


def test_a_table_without_small_groups_shows_everything() -> None:
    parts = [part("u0", 20, 15, 8), part("u1", 30, 20, 9)]

    masks = protect(parts, k=K)

    assert masks == Masks({"u0": Mask(), "u1": Mask()}, Mask())


@pytest.mark.parametrize("met", [0, 14])
def test_all_or_none_of_fewer_than_three_k_is_hidden_but_its_size_and_participation_show(met: int) -> None:
    parts = [part("u0", 14, 14, met), part("u1", 40, 40, 20), part("u2", 50, 50, 20)]

    masks = protect(parts, k=K)

    assert masks.parts["u0"] == Mask(False, frozenset(), frozenset({AREA}))
    assert masks.parts["u1"] == Mask(False, frozenset(), frozenset({AREA}))
    assert masks.parts["u2"] == Mask()


def test_all_or_none_of_three_k_and_more_shows() -> None:
    parts = [part("u0", 15, 15, 15), part("u1", 40, 40, 20)]

    masks = protect(parts, k=K)

    assert masks.parts["u0"] == Mask()


def test_one_agency_in_the_table_above_hides_its_units_with_its_total() -> None:
    small = [part("a0", 3, 3, 1)]
    large = [part("b0", 30, 30, 10), part("b1", 30, 30, 12)]
    other = [part("c0", 90, 80, 40)]

    upper, lower = protect_levels({"a": small, "b": large, "c": other}, k=K)

    assert upper.parts["b"].scope, "b is hidden so that a cannot be worked out"
    assert all(mask.scope for mask in lower["b"].parts.values()), "or b's units would add up to b"
    assert upper.parts["c"] == Mask()
    assert upper.whole == Mask()


def test_a_thousand_units_are_masked_in_a_moment() -> None:
    parts = [part(f"u{index:04}", 1 + index % 60, index % 50 if index % 60 >= index % 50 else 0, 0) for index in range(1000)]

    started = time.process_time()
    masks = protect(parts, k=K)

    assert len(masks.parts) == 1000
    assert time.process_time() - started < 2
