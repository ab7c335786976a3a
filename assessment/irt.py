"""Response models: how likely a right answer is, and how much it would tell, at one ability. Pure."""

import math
from dataclasses import dataclass
from typing import Final

from assessment.errors import InvalidItemParams

MODELS: Final = ("rasch", "2pl", "3pl")
"""The dichotomous models, each a special case of the next."""


@dataclass(frozen=True, slots=True)
class ItemParams:
    """Parameters of one item on the logit scale, scaling D = 1.

    a   discrimination, per logit, finite, above 0; 1 in the Rasch model
    b   difficulty, logits, finite
    c   chance of a right answer by guessing, 0 <= c < 1; 0 in Rasch and 2PL
    """

    a: float = 1.0
    b: float = 0.0
    c: float = 0.0

    def __post_init__(self) -> None:
        """Raises InvalidItemParams when a value is out of its range."""
        if not (math.isfinite(self.a) and self.a > 0 and math.isfinite(self.b) and 0 <= self.c < 1):
            raise InvalidItemParams(a=self.a, b=self.b, c=self.c)


def params_of(model: str, *, b: float, a: float = 1.0, c: float = 0.0) -> ItemParams:
    """Parameters checked against the model that they are said to follow.

    model   one of MODELS
    Raises  InvalidItemParams when the model is unknown, or a or c is not free in it
    """
    fits = {"rasch": a == 1 and c == 0, "2pl": c == 0, "3pl": True}
    if not fits.get(model, False):
        raise InvalidItemParams(model=model, a=a, b=b, c=c)
    return ItemParams(a, b, c)


def probability(theta: float, item: ItemParams) -> float:
    """Chance of a right answer at one ability, c <= P <= 1.

    Source   Birnbaum (1968), in Lord & Novick, ch. 17: P = c + (1 - c) / (1 + exp(-a (theta - b)))
    """
    return item.c + (1 - item.c) * _logistic(item.a * (theta - item.b))


def log_probabilities(theta: float, item: ItemParams) -> tuple[float, float]:
    """Logarithms of the chances of a right and of a wrong answer.

    Finite for any finite theta, also where one of the chances itself would round to 0.
    """
    z = item.a * (theta - item.b)
    log_wrong = math.log1p(-item.c) - _softplus(z)
    if item.c == 0:
        return -_softplus(-z), log_wrong
    return math.log(item.c + (1 - item.c) * _logistic(z)), log_wrong


def information(theta: float, item: ItemParams) -> float:
    """Fisher information of one item at one ability, per squared logit, >= 0.

    Source   Birnbaum (1968); Lord (1980), ch. 5: I = a^2 (Q / P) ((P - c) / (1 - c))^2
    """
    s = _logistic(item.a * (theta - item.b))
    known = 1.0 if item.c == 0 else (1 - item.c) * s / (item.c + (1 - item.c) * s)  # share of right answers that are known, not guessed
    return item.a**2 * s * (1 - s) * known


def slopes(theta: float, item: ItemParams) -> tuple[float, float]:
    """First and second derivative of the chance of a right answer by ability."""
    s = _logistic(item.a * (theta - item.b))
    first = item.a * (1 - item.c) * s * (1 - s)
    return first, item.a * first * (1 - 2 * s)


def _logistic(z: float) -> float:
    if z >= 0:
        return 1 / (1 + math.exp(-z))
    e = math.exp(z)
    return e / (1 + e)


def _softplus(z: float) -> float:
    """Gives log(1 + exp(z)) without overflow."""
    return max(z, 0.0) + math.log1p(math.exp(-abs(z)))
