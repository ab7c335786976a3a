"""Abilities of many people at once, for analysis after the event. Pure; needs numpy.

The sitting itself estimates one person at a time, in `estimation`; here the same estimate of Warm's is found for a whole table.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from assessment.estimation import BOUND, GRID
from assessment.irt import ItemParams

Floats = NDArray[np.float64]

AT_ONCE: Final = 1000
"""People whose answers are in memory several times over."""

_BISECTIONS: Final = 36
_LEAST: Final = 1e-12


def curves(items: Sequence[ItemParams], thetas: Floats) -> Floats:
    """Chance of a right answer: (n_thetas, n_items)."""
    a, b, c = (np.array([getattr(item, name) for item in items]) for name in "abc")
    return np.asarray(c + (1 - c) / (1 + np.exp(-np.clip(a * (thetas[:, None] - b), -60, 60))), dtype=np.float64)


def category_curves(item: ItemParams, thetas: Floats) -> Floats:
    """Chance of each category of one item, wrong first: (n_categories, n_thetas), columns sum to 1.

    Source   Muraki (1992) for partial credit
    """
    if not item.steps:
        right = curves([item], thetas)[:, 0]
        return np.array([1 - right, right])
    z = np.vstack([np.zeros_like(thetas), np.cumsum([item.a * (thetas - step) for step in item.steps], axis=0)])
    weights = np.exp(z - z.max(0))
    return np.asarray(weights / weights.sum(0), dtype=np.float64)


def test_information(items: Sequence[ItemParams], thetas: Floats) -> Floats:
    """Fisher information of all items together, per squared logit, (n_thetas,). Source: as `irt.information`."""
    total = np.zeros_like(thetas)
    for item in items:
        chances = category_curves(item, thetas)
        if item.steps:
            points = np.arange(len(chances))[:, None]
            total += item.a**2 * ((points**2 * chances).sum(0) - (points * chances).sum(0) ** 2)
        else:
            p = np.clip(chances[1], _LEAST, 1 - _LEAST)
            total += (item.a * (p - item.c) / (1 - item.c)) ** 2 * (1 - p) / p
    return total


def warm_all(scores: Floats, items: Sequence[ItemParams]) -> Floats:
    """Warm's estimates, logits, on [-6, 6]; NaN for a person without answers.

    scores   (n_persons, n_items), 1 right, 0 wrong, NaN not seen
    Returns  (n_persons,); a root of the estimating equation, which has one alone where nobody guesses
    Source   Warm (1989), see `estimation.warm`
    """
    return np.concatenate([_warm(scores[first : first + AT_ONCE], items) for first in range(0, len(scores), AT_ONCE)] or [np.empty(0)])


def _warm(scores: Floats, items: Sequence[ItemParams]) -> Floats:
    a, c = (np.array([getattr(item, name) for item in items]) for name in "ac")
    seen = ~np.isnan(scores)
    right = np.where(seen, scores, 0.0)
    low, high = np.full(len(scores), -BOUND), np.full(len(scores), BOUND)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        p = np.clip(curves(items, middle), _LEAST, 1 - _LEAST)
        logistic = (p - c) / (1 - c)
        first = a * (1 - c) * logistic * (1 - logistic)
        second = a * first * (1 - 2 * logistic)
        weight = np.where(seen, first / (p * (1 - p)), 0.0)
        information = (weight * first).sum(1)
        slope = (weight * (right - p)).sum(1) + (weight * second).sum(1) / (2 * np.maximum(information, _LEAST))
        is_rising = slope > 0
        low, high = np.where(is_rising, middle, low), np.where(is_rising, high, middle)
    return np.where(seen.any(1), (low + high) / 2, np.nan)


def posterior_moments(scores: Floats, items: Sequence[ItemParams], *, prior_sd: float = 1.0) -> tuple[Floats, Floats]:
    """Mean and variance of each person's posterior with prior N(0, prior_sd squared), (n_persons,) each.

    scores   (n_persons, n_items), 1 right, 0 wrong, NaN not seen
    Source   Bock & Mislevy (1982), on 41 points from -5 to 5 spreads of the prior
    """
    points = np.array(GRID) * prior_sd
    p = np.clip(curves(items, points), _LEAST, 1 - _LEAST)
    seen = ~np.isnan(scores)
    logs = np.where(seen, scores, 0.0) @ (np.log(p) - np.log1p(-p)).T + seen @ np.log1p(-p).T - (points / prior_sd) ** 2 / 2
    weights = np.exp(logs - logs.max(1, keepdims=True))
    weights /= weights.sum(1, keepdims=True)
    means = weights @ points
    return means, weights @ points**2 - means**2
