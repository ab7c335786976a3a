"""How often a test puts people on the right side of its cuts, and on the same side twice. Pure; needs numpy.

Accuracy: the chance that the level found is the true one. Consistency: the chance that two tests alike find the same level. Kappa:
consistency beyond what chance gives.
Source   Rudner (2005) and Guo (2006) for estimates with an error; Lee (2010) on Lord & Wingersky (1984) for a fixed form
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from assessment.abilities import category_curves, test_information
from assessment.fit import score_distribution
from assessment.irt import ItemParams
from assessment.tails import normal_tail

Floats = NDArray[np.float64]

POINTS: Final = np.linspace(-6.0, 6.0, 2401)
"""Abilities at which the integral over N(0, 1) is taken, logits: fine enough for a cut that falls between two of them."""

_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class DecisionQuality:
    """Of one way of deciding.

    accuracy, consistency   0..1
    kappa                   at most 1; 0 where decisions agree no more often than by chance; None where all people get one level
    raw_cuts                of a fixed form: points from which each level is given
    """

    accuracy: float
    consistency: float
    kappa: float | None
    raw_cuts: tuple[int, ...] = ()


def rudner(thetas: Sequence[float], errors: Sequence[float], cuts: Sequence[float]) -> DecisionQuality:
    """Decisions by estimates that stray normally about the truth, over the people who were estimated.

    thetas, errors   estimates and their standard errors, logits, above 0; of each person, or of the end rule of an adaptive test
    cuts             logits, rising
    Source           Rudner (2005): mean chance of the category that the estimate lies in; Guo (2006) for consistency
    """
    return _judged(_chances(thetas, errors, cuts), _levels(np.array(thetas), cuts), np.full(len(thetas), 1 / len(thetas)))


def rudner_of_test(items: Sequence[ItemParams], cuts: Sequence[float]) -> DecisionQuality:
    """The same for a form whose items are known, over people from N(0, 1): the error at each ability is 1 / sqrt(information)."""
    errors = 1 / np.sqrt(test_information(items, POINTS))
    return _judged(_chances(POINTS, errors, cuts), _levels(POINTS, cuts), _people())


def rudner_of_error(error: float, cuts: Sequence[float]) -> DecisionQuality:
    """The same for an adaptive test that stops at one standard error, over people from N(0, 1). error: logits, above 0."""
    return _judged(_chances(POINTS, np.full(len(POINTS), error), cuts), _levels(POINTS, cuts), _people())


def lee(items: Sequence[ItemParams], cuts: Sequence[float]) -> DecisionQuality:
    """Decisions by the sum of points on a fixed form, over people from N(0, 1).

    cuts     logits, rising; the raw cut of each is the expected score there, the next whole number up
    Source   Lee (2010), by the distribution of ability: at each one, the scores' distribution by Lord & Wingersky (1984); the true level is
             that of the expected score
    """
    at_cuts = [category_curves(item, np.array(cuts, dtype=float)) for item in items]
    expected = np.sum([np.arange(len(chances)) @ chances for chances in at_cuts], axis=0)
    raw = np.ceil(expected - _ROUNDING).astype(int)
    scores = score_distribution([category_curves(item, POINTS) for item in items])
    chances = np.array([scores[low:high].sum(0) for low, high in pairwise([0, *raw.tolist(), len(scores)])]).T
    found = _judged(chances, _levels(POINTS, cuts), _people())
    return DecisionQuality(found.accuracy, found.consistency, found.kappa, tuple(raw.tolist()))


def _people() -> Floats:
    weights = np.exp(-(POINTS**2) / 2)
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def _levels(thetas: Floats, cuts: Sequence[float]) -> NDArray[np.int64]:
    return np.searchsorted(np.array(cuts, dtype=float), thetas, side="right").astype(np.int64)


def _chances(thetas: Sequence[float] | Floats, errors: Sequence[float] | Floats, cuts: Sequence[float]) -> Floats:
    """Of each level for each person, (n_persons, n_levels)."""
    above = np.array(
        [[1.0, *(normal_tail((cut - theta) / error) for cut in cuts), 0.0] for theta, error in zip(thetas, errors, strict=True)]
    )
    return np.asarray(above[:, :-1] - above[:, 1:], dtype=np.float64)


def _judged(chances: Floats, levels: NDArray[np.int64], weights: Floats) -> DecisionQuality:
    accuracy = float(weights @ chances[np.arange(len(levels)), levels])
    consistency = float(weights @ (chances**2).sum(1))
    by_chance = float(((weights @ chances) ** 2).sum())
    kappa = (consistency - by_chance) / (1 - by_chance) if 1 - by_chance > _ROUNDING else None
    return DecisionQuality(accuracy, consistency, kappa)
