"""Two calibrations on one scale: which line takes the new one to the old, and which items have moved. Pure.

A calibration without known items has its own people's scale, mean 0 and spread 1. Items that are in both show where the bank's scale
lies: theta on the bank's scale = slope x theta + intercept, so a becomes a / slope, and b becomes slope x b + intercept.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from assessment.estimation import GRID
from assessment.irt import ItemParams, log_probabilities

MOVED_Z: Final = 2.7
"""A change of b beyond so many robust standard deviations is drift."""

FEWEST_COMMON: Final = 3
"""Common items without which there is no line."""

FEWEST_FOR_DRIFT: Final = 6
"""Common items without which no item can be told from the others."""

IQR_TO_SD: Final = 0.74
"""Of the normal distribution: what its interquartile range has to be multiplied by."""

_ITERATIONS: Final = 60
_STEP: Final = 1e-5
_ENOUGH: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Link:
    """A line from one scale to another. slope > 0."""

    slope: float = 1.0
    intercept: float = 0.0

    def carried(self, item: ItemParams) -> ItemParams:
        """The same item on the other scale."""
        steps = tuple(self.slope * step + self.intercept for step in item.steps)
        return ItemParams(item.a / self.slope, self.slope * item.b + self.intercept, item.c, steps)


@dataclass(frozen=True, slots=True)
class Common:
    """An item that both calibrations have: by the new one, on its own scale, and as the bank has it."""

    item: str
    new: ItemParams
    old: ItemParams


def stocking_lord(common: Sequence[Common]) -> Link:
    """The line on which the test of the common items is as hard for everybody by both calibrations.

    common   FEWEST_COMMON or more
    Source   Stocking & Lord (1983): the mean squared difference of the two test characteristic curves is least, here over N(0, 1)
             on the bank's scale; minimised by Gauss and Newton from the line of `mean_sigma`
    """
    weights = [math.exp(-0.5 * point * point) for point in GRID]
    wanted = [math.fsum(_expected(point, each.old) for each in common) for point in GRID]

    def residuals(slope: float, intercept: float) -> list[float]:
        link = Link(slope, intercept)
        carried = [link.carried(each.new) for each in common]
        return [math.fsum(_expected(point, item) for item in carried) - score for point, score in zip(GRID, wanted, strict=True)]

    def loss(values: Sequence[float]) -> float:
        return math.fsum(weight * value * value for weight, value in zip(weights, values, strict=True))

    start = mean_sigma(common)
    slope, intercept = start.slope, start.intercept
    now, damping = residuals(slope, intercept), 1e-3
    for _ in range(_ITERATIONS):
        by_slope = [(r - e) / _STEP for r, e in zip(residuals(slope + _STEP, intercept), now, strict=True)]
        by_intercept = [(r - e) / _STEP for r, e in zip(residuals(slope, intercept + _STEP), now, strict=True)]
        step = _solved(by_slope, by_intercept, now, weights, damping)
        there = residuals(max(slope + step[0], _STEP), intercept + step[1])
        if loss(there) > loss(now):
            damping *= 10
            if damping > 1 / _ENOUGH:
                break
            continue
        slope, intercept, now, damping = max(slope + step[0], _STEP), intercept + step[1], there, damping / 10
        if max(map(abs, step)) < _ENOUGH:
            break
    return Link(slope, intercept)


def mean_sigma(common: Sequence[Common]) -> Link:
    """The line that gives the common items' b the mean and the spread that they have in the bank. Source: Marco (1977)."""
    new, old = [each.new.b for each in common], [each.old.b for each in common]
    spread = statistics.pstdev(new)
    slope = statistics.pstdev(old) / spread if spread > 0 and statistics.pstdev(old) > 0 else 1.0
    return Link(slope, statistics.fmean(old) - slope * statistics.fmean(new))


def drift(common: Sequence[Common], link: Link) -> Mapping[str, float]:
    """Robust z of each common item's change of b on the bank's scale; empty with fewer than FEWEST_FOR_DRIFT.

    Source   Huynh & Meyer (2010): the change less the median of changes, by 0.74 times their interquartile range
    """
    if len(common) < FEWEST_FOR_DRIFT:
        return {}
    changes = [link.carried(each.new).b - each.old.b for each in common]
    low, middle, high = statistics.quantiles(changes, n=4, method="inclusive")
    spread = IQR_TO_SD * (high - low)
    if spread <= 0:
        return dict.fromkeys((each.item for each in common), 0.0)
    return {each.item: (change - middle) / spread for each, change in zip(common, changes, strict=True)}


def linked(common: Sequence[Common]) -> tuple[Link, Mapping[str, float]]:
    """The line by Stocking and Lord through the common items that have not moved, and each common item's robust z.

    common   FEWEST_COMMON or more
    """
    told = drift(common, stocking_lord(common))
    steady = [each for each in common if abs(told.get(each.item, 0.0)) <= MOVED_Z]
    link = stocking_lord(steady if len(steady) >= FEWEST_COMMON else common)
    return link, drift(common, link)


def _expected(theta: float, item: ItemParams) -> float:
    """Mean score of people of one ability."""
    return math.fsum(category * math.exp(log) for category, log in enumerate(log_probabilities(theta, item)))


def _solved(
    first: Sequence[float], second: Sequence[float], rest: Sequence[float], weights: Sequence[float], damping: float
) -> list[float]:
    """A damped step of weighted least squares in two unknowns (Levenberg & Marquardt)."""

    def product(one: Sequence[float], other: Sequence[float]) -> float:
        return math.fsum(weight * x * y for weight, x, y in zip(weights, one, other, strict=True))

    ff, fs, ss = product(first, first) * (1 + damping), product(first, second), product(second, second) * (1 + damping)
    f, s = -product(first, rest), -product(second, rest)
    size = ff * ss - fs * fs
    return [(f * ss - s * fs) / size, (s * ff - f * fs) / size] if size > 0 else [0.0, 0.0]
