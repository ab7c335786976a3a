"""Which pairs of sittings agree on wrong answers more than chance can explain. Pure; needs numpy."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from assessment.integrity import FALSE_PAIRS, agreement_chance, tail

Floats = NDArray[np.float32]

ROWS_AT_ONCE: Final = 100
MIN_SAME: Final = 3
"""Equal wrong answers below which no pair is looked at."""
SLACK: Final = 1e5
"""Pairs whose bound is within this factor of the level are computed exactly: the bound is never so far above the chance itself."""


@dataclass(frozen=True, slots=True)
class SimilarPair:
    """Two sittings, by their places, that gave so many equal wrong answers, where so many were expected.

    chance   of as many or more between two people who worked alone, before all comparisons are counted
    """

    one: int
    other: int
    n_same: int
    expected: float
    chance: float


def similar_pairs(
    wrong: Floats, choices: NDArray[np.int32], attraction: Floats, is_new: Sequence[bool], *, false_pairs: float = FALSE_PAIRS
) -> list[SimilarPair]:
    """The pairs, at least one of them new, that agree more than chance lets so few pairs do.

    wrong       (n_sittings, n_items) chance of a wrong answer by the person's ability; 0 where the item was not answered
    choices     (n_sittings, n_items) number of the wrong answer given, from 0; -1 for a right one or none
    attraction  (n_items,) chance that two wrong answers are the same
    false_pairs pairs that chance alone may bring among all pairs, expected number
    Source      van der Linden & Sotaridona (2006), generalised binomial test, with equal wrong answers as the matches; the level is
                divided by the number of pairs (Bonferroni), and bounded beforehand by Hoeffding (1963), theorem 1
    """
    n, n_items = wrong.shape
    level = false_pairs / max(1, n * (n - 1) // 2)
    pulled = wrong * np.sqrt(attraction)
    seen = (wrong > 0).astype(np.float32)
    given = _indicators(choices)
    new = np.asarray(is_new, dtype=bool)
    found = []
    for first in range(0, n, ROWS_AT_ONCE):
        rows = slice(first, min(first + ROWS_AT_ONCE, n))
        n_same = given[rows] @ given[first:].T
        expected = pulled[rows] @ pulled[first:].T
        n_common = seen[rows] @ seen[first:].T
        later = np.arange(first, n)[None, :] > np.arange(rows.start, rows.stop)[:, None]
        possible = later & (new[rows][:, None] | new[None, first:]) & (n_same >= MIN_SAME) & (n_same > expected)
        ones, others = np.nonzero(possible)
        bound = _log_bound(n_same[ones, others], expected[ones, others], n_common[ones, others])
        for place in np.nonzero(bound <= math.log(level * SLACK))[0]:
            one, other = int(ones[place]) + first, int(others[place]) + first
            chances = [
                agreement_chance(float(wrong[one, item]), float(wrong[other, item]), float(attraction[item])) for item in range(n_items)
            ]
            same = round(float(n_same[ones[place], others[place]]))
            chance = tail([value for value in chances if value > 0], same)
            if chance <= level:
                found.append(SimilarPair(one, other, same, math.fsum(chances), chance))
    return found


def _indicators(choices: NDArray[np.int32]) -> Floats:
    """(n_sittings, n_wrong_answers): 1 where that wrong answer to that item was given."""
    n_options = choices.max(axis=0, initial=-1) + 1
    columns = np.concatenate([[0], np.cumsum(n_options)[:-1]]) + choices
    made: Floats = np.zeros((len(choices), max(1, int(n_options.sum()))), dtype=np.float32)
    people, items = np.nonzero(choices >= 0)
    made[people, columns[people, items]] = 1
    return made


def _log_bound(n_same: Floats, expected: Floats, n_common: Floats) -> NDArray[np.float64]:
    """Logarithm of a bound above the chance of so many matches or more: -n KL(share seen, share expected)."""
    share = np.clip(n_same / n_common, 1e-12, 1.0).astype(np.float64)
    usual = np.clip(expected / n_common, 1e-12, 1 - 1e-12).astype(np.float64)
    rest = np.where(share < 1, (1 - share) * np.log(np.clip(1 - share, 1e-300, 1) / (1 - usual)), 0.0)
    bound: NDArray[np.float64] = -n_common * (share * np.log(share / usual) + rest)
    return bound
