"""Response models: how likely each score of an item is, and how much an answer would tell, at one ability. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from assessment.errors import InvalidItemParams

MODELS: Final = ("rasch", "2pl", "3pl", "gpcm")
"""The dichotomous models, each a special case of the next, and generalised partial credit."""


@dataclass(frozen=True, slots=True)
class ItemParams:
    """Parameters of one item on the logit scale, scaling D = 1.

    a       discrimination, per logit, finite, above 0; 1 in the Rasch model
    b       difficulty, logits, finite; of partial credit the mean of its steps
    c       chance of a right answer by guessing, 0 <= c < 1; 0 in all models but 3PL
    steps   of partial credit: where each next category becomes likelier than the one before, logits, one a point; else none
    """

    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    steps: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Raises InvalidItemParams when a value is out of its range."""
        if not (math.isfinite(self.a) and self.a > 0 and math.isfinite(self.b) and 0 <= self.c < 1):
            raise InvalidItemParams(a=self.a, b=self.b, c=self.c)
        if self.steps and (self.c or not all(map(math.isfinite, self.steps)) or abs(self.b - mean_step(self.steps)) > STEP_ROUNDING):
            raise InvalidItemParams(a=self.a, b=self.b, c=self.c, steps=self.steps)

    @property
    def n_points(self) -> int:
        """The highest category, from 1; 1 is right, 0 is wrong where there is no partial credit."""
        return len(self.steps) or 1


STEP_ROUNDING: Final = 0.005
"""How far b may stand from the mean of the steps, logits: tables are rounded."""


def mean_step(steps: Sequence[float]) -> float:
    """The difficulty of an item with partial credit. steps: one or more, logits."""
    return math.fsum(steps) / len(steps)


def params_of(model: str, *, b: float, a: float = 1.0, c: float = 0.0, steps: Sequence[float] = ()) -> ItemParams:
    """Parameters checked against the model that they are said to follow.

    model   one of MODELS
    Raises  InvalidItemParams when the model is unknown, or a parameter is not free in it
    """
    fits = {"rasch": a == 1 and c == 0, "2pl": c == 0, "3pl": True, "gpcm": True}
    if not fits.get(model, False) or (model == "gpcm") != bool(steps):
        raise InvalidItemParams(model=model, a=a, b=b, c=c, steps=tuple(steps))
    return ItemParams(a, b, c, tuple(steps))


def probability(theta: float, item: ItemParams) -> float:
    """Chance of a right answer to an item without partial credit at one ability, c <= P <= 1.

    Source   Birnbaum (1968), in Lord & Novick, ch. 17: P = c + (1 - c) / (1 + exp(-a (theta - b)))
    """
    return item.c + (1 - item.c) * _logistic(item.a * (theta - item.b))


def probabilities(theta: float, item: ItemParams) -> tuple[float, ...]:
    """Chances of the categories 0, 1, ... of any item at one ability; they sum to 1.

    Source   Muraki (1992): in proportion to exp(sum over v <= k of a (theta - b_v))
    """
    if not item.steps:
        p = probability(theta, item)
        return 1 - p, p
    return tuple(map(math.exp, log_probabilities(theta, item)))


def log_probabilities(theta: float, item: ItemParams) -> tuple[float, ...]:
    """Logarithms of the chances of the categories 0, 1, ...: of a wrong and of a right answer where there is no partial credit.

    Finite for any finite theta, also where one of the chances itself would round to 0.
    """
    if item.steps:
        heights = [0.0, *accumulate(item.a * (theta - step) for step in item.steps)]
        top = max(heights)
        total = top + math.log(math.fsum(math.exp(height - top) for height in heights))
        return tuple(height - total for height in heights)
    z = item.a * (theta - item.b)
    log_wrong = math.log1p(-item.c) - _softplus(z)
    if item.c == 0:
        return log_wrong, -_softplus(-z)
    return log_wrong, math.log(item.c + (1 - item.c) * _logistic(z))


def information(theta: float, item: ItemParams) -> float:
    """Fisher information of one item at one ability, per squared logit, >= 0.

    Source   Birnbaum (1968); Lord (1980), ch. 5: I = a^2 (Q / P) ((P - c) / (1 - c))^2;
             Muraki (1993) for partial credit: a^2 times the variance of the category
    """
    if item.steps:
        return item.a**2 * _moments(theta, item)[1]
    s = _logistic(item.a * (theta - item.b))
    known = 1.0 if item.c == 0 else (1 - item.c) * s / (item.c + (1 - item.c) * s)  # share of right answers that are known, not guessed
    return item.a**2 * s * (1 - s) * known


def slopes(theta: float, item: ItemParams) -> tuple[float, float]:
    """First and second derivative by ability of the chance of a right answer to an item without partial credit."""
    s = _logistic(item.a * (theta - item.b))
    first = item.a * (1 - item.c) * s * (1 - s)
    return first, item.a * first * (1 - 2 * s)


def score_terms(theta: float, item: ItemParams, category: int) -> tuple[float, float, float]:
    """What one answer adds to the sums of which estimates are roots.

    Returns  derivative of its log likelihood by ability; information; Warm's J, the sum over categories of P' P'' / P. All 0
             where the item is so far that it tells nothing
    Source   Warm (1989); Magis (2015) for partial credit, where J = a^3 times the third central moment of the category
    """
    if item.steps:
        mean, variance, third = _moments(theta, item)
        return item.a * (category - mean), item.a**2 * variance, item.a**3 * third
    p = probability(theta, item)
    first, second = slopes(theta, item)
    spread = p * (1 - p)
    if spread <= 0:
        return 0.0, 0.0, 0.0
    return first * (category - p) / spread, first * first / spread, first * second / spread


def _moments(theta: float, item: ItemParams) -> tuple[float, float, float]:
    """Mean, variance and third central moment of the category."""
    chances = probabilities(theta, item)
    mean = math.fsum(k * p for k, p in enumerate(chances))
    variance, third = (math.fsum(p * (k - mean) ** power for k, p in enumerate(chances)) for power in (2, 3))
    return mean, variance, third


def _logistic(z: float) -> float:
    if z >= 0:
        return 1 / (1 + math.exp(-z))
    e = math.exp(z)
    return e / (1 + e)


def _softplus(z: float) -> float:
    """Gives log(1 + exp(z)) without overflow."""
    return max(z, 0.0) + math.log1p(math.exp(-abs(z)))
