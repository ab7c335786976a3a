"""Chances beyond a value: chi-squared and normal. Pure, without numpy."""

import math


def chi2_tail(value: float, df: int) -> float:
    """P(X >= value) for chi-squared with df degrees of freedom.

    value    >= 0
    df       1 or more
    Source   Abramowitz & Stegun (1964), 26.4.4 and 26.4.5: finite sums for whole degrees of freedom
    """
    half = value / 2
    if half <= 0:
        return 1.0
    tail, power, at = (math.erfc(math.sqrt(half)), 0.5, 1) if df % 2 else (math.exp(-half), 1.0, 2)
    while at < df:
        tail += math.exp(power * math.log(half) - half - math.lgamma(power + 1))
        power, at = power + 1, at + 2
    return min(tail, 1.0)


def normal_tail(value: float) -> float:
    """P(Z >= value) for the standard normal distribution."""
    return math.erfc(value / math.sqrt(2)) / 2
