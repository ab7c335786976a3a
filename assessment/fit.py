"""Whether answers follow a response model: Rasch infit and outfit, and S-X2. Pure; needs numpy.

Only items scored 0 and 1 are judged.
Source   Wright & Masters (1982), ch. 5; Orlando & Thissen (2000)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from assessment.abilities import category_curves, curves
from assessment.irt import ItemParams
from assessment.tails import chi2_tail

Floats = NDArray[np.float64]

POINTS: Final = np.linspace(-6.0, 6.0, 61)
"""Abilities at which the integral over people is taken, logits."""

MIN_EXPECTED: Final = 1.0
"""Smallest expected count of a cell of S-X2; score groups below it are joined with their neighbours."""


@dataclass(frozen=True, slots=True)
class MeanSquares:
    """Residuals of one item against the model; 1 as expected, above it noisier, below it more regular than chance allows.

    infit    weighted by information: tells of people near the item
    outfit   not weighted: tells of surprises far from it
    """

    infit: float
    outfit: float


@dataclass(frozen=True, slots=True)
class ScoreFit:
    """S-X2 of one item: observed beside expected shares of right answers, by total score. df: score groups less item parameters."""

    s_x2: float
    df: int
    p: float


def mean_squares(scores: Floats, items: Sequence[ItemParams], thetas: Floats) -> list[MeanSquares | None]:
    """Infit and outfit of each item; None where nobody is left who tells anything.

    scores   (n_persons, n_items), 1 right, 0 wrong, NaN not seen
    thetas   (n_persons,), NaN for nobody's; people who were right in all that they saw, or in nothing, are left out
    Source   Wright & Masters (1982), ch. 5: sum of squared residuals by sum of variances; mean of squared standard residuals
    """
    seen = ~np.isnan(scores)
    n_right, n_seen = np.nansum(scores, axis=1), seen.sum(1)
    kept = (n_right > 0) & (n_right < n_seen) & ~np.isnan(thetas)
    p = curves(items, thetas[kept])
    variance = np.where(seen[kept], p * (1 - p), 0.0)
    squares = np.where(seen[kept], (np.nan_to_num(scores[kept]) - p) ** 2, 0.0)
    found: list[MeanSquares | None] = []
    for place in range(len(items)):
        spread, square, here = variance[:, place], squares[:, place], seen[kept, place]
        if not here.any() or spread.sum() <= 0:
            found.append(None)
            continue
        found.append(MeanSquares(float(square.sum() / spread.sum()), float((square[here] / spread[here]).mean())))
    return found


def score_distribution(items: Sequence[Floats]) -> Floats:
    """Chance of each sum of points at each ability.

    items     chances of the categories of each, wrong first, (n_categories, n_thetas)
    Returns   (most points + 1, n_thetas), columns sum to 1
    Source    Lord & Wingersky (1984), recursion over items; Hanson (1994) for partial credit
    """
    scores = np.ones((1, items[0].shape[1])) if items else np.ones((1, 1))
    for chances in items:
        longer = np.zeros((len(scores) + len(chances) - 1, scores.shape[1]))
        for points, chance in enumerate(chances):
            longer[points : points + len(scores)] += scores * chance
        scores = longer
    return scores


def s_x2(scores: Floats, items: Sequence[ItemParams], *, n_parameters: int) -> list[ScoreFit | None]:
    """S-X2 of each item; None where too few score groups are left to judge by.

    scores         (n_persons, n_items), 1 right, 0 wrong; everybody saw everything
    n_parameters   that were estimated for each item: 1, 2 or 3
    Source         Orlando & Thissen (2000): at each score k, the expected share is the integral of P S*(k - 1), S* the score distribution
                   without the item, by the integral of S(k); abilities from N(0, 1)
    """
    n_items = len(items)
    people = np.exp(-(POINTS**2) / 2)
    people /= people.sum()
    chances = [category_curves(item, POINTS) for item in items]
    whole = score_distribution(chances) @ people
    totals = scores.sum(1).astype(int)
    counts = np.bincount(totals, minlength=n_items + 1)[1:n_items].astype(float)
    right = np.array([np.bincount(totals, weights=scores[:, place], minlength=n_items + 1)[1:n_items] for place in range(n_items)])
    found: list[ScoreFit | None] = []
    for place in range(n_items):
        without = score_distribution(chances[:place] + chances[place + 1 :])
        share = ((without * chances[place][1]) @ people)[: n_items - 1] / whole[1:n_items]
        found.append(_judged(right[place], counts * share, counts, n_parameters))
    return found


def _judged(observed: Floats, expected: Floats, counts: Floats, n_parameters: int) -> ScoreFit | None:
    groups: list[list[float]] = []  # right observed, right expected, people
    for one in np.column_stack([observed, expected, counts]).tolist():
        if groups and not _is_filled(groups[-1]):
            groups[-1] = [before + new for before, new in zip(groups[-1], one, strict=True)]
        else:
            groups.append(one)
    if len(groups) > 1 and not _is_filled(groups[-1]):
        last = groups.pop()
        groups[-1] = [before + new for before, new in zip(groups[-1], last, strict=True)]
    df = len(groups) - n_parameters
    if df < 1 or not _is_filled(groups[-1]):
        return None
    value = sum((seen - due) ** 2 * (1 / due + 1 / (n - due)) for seen, due, n in groups)
    return ScoreFit(value, df, chi2_tail(value, df))


def _is_filled(group: list[float]) -> bool:
    _, expected, n = group
    return expected >= MIN_EXPECTED and n - expected >= MIN_EXPECTED
