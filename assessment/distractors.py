"""Which option was chosen by whom: shares over fifths of the people, from the weakest to the strongest. Pure; needs numpy.

Source   Gierl, Bulut, Guo & Zhang (2017), Developing, analyzing, and using distractors; Haladyna & Rodriguez (2013), ch. 17
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FIFTHS: Final = 5


@dataclass(frozen=True, slots=True)
class OptionFigures:
    """One option of one item.

    share         of those who answered, 0..1
    by_fifth      the same in each fifth, the weakest first; None for an empty fifth
    correlation   of choosing it with the rest of the test (with ability, where people saw different items); None without spread
    n             people who chose it
    """

    option: str
    is_key: bool
    share: float
    by_fifth: tuple[float | None, ...]
    correlation: float | None
    n: int


def fifths_of(standing: Floats) -> NDArray[np.int64]:
    """The fifth of each person, 0 the weakest; equals stand in the same fifth, by their middle rank.

    standing   (n_persons,) totals or abilities; NaN counts as the weakest
    """
    _, places, counts = np.unique(np.nan_to_num(standing, nan=-np.inf), return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    return np.minimum((middle * FIFTHS / len(standing)).astype(np.int64), FIFTHS - 1)[places]


def options_of(chosen: Sequence[str], keys: frozenset[str], fifths: NDArray[np.int64], rest: Floats) -> tuple[OptionFigures, ...]:
    """Every option that is a key or was chosen, by its name.

    chosen   (n_persons,) what each person answered; empty: nothing, or not seen
    rest     (n_persons,) what choosing is correlated with
    """
    labels = np.array(chosen, dtype=object)
    answered = np.array([bool(one) for one in chosen])
    in_fifth = np.bincount(fifths[answered], minlength=FIFTHS)
    usable = answered & ~np.isnan(rest)
    found = []
    for option in sorted({*keys, *(one for one in chosen if one)}):
        is_it = (labels == option) & answered
        here = np.bincount(fifths[is_it], minlength=FIFTHS)
        shares = tuple(float(n / of) if of else None for n, of in zip(here.tolist(), in_fifth.tolist(), strict=True))
        n, of = int(is_it.sum()), int(answered.sum())
        found.append(OptionFigures(option, option in keys, n / of if of else 0.0, shares, _correlation(is_it[usable], rest[usable]), n))
    return tuple(found)


def _correlation(one: NDArray[np.bool_], other: Floats) -> float | None:
    if len(other) < 2 or one.all() or not one.any() or np.ptp(other) == 0:  # noqa: PLR2004
        return None
    return float(np.corrcoef(one.astype(float), other)[0, 1])
