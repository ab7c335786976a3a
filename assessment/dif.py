"""Whether an item is harder for one group than for another of the same ability: differential item functioning. Pure; needs numpy.

People are matched by their total, the item within it; where people saw different items, by ability, as a point score that all
items together would give them.
Source   Holland & Thayer (1988), Zwick & Ercikan (1989), Dorans & Kulick (1986), Swaminathan & Rogers (1990), Jodoin & Gierl (2001);
         Zwick, Thayer & Wingersky (1994) for adaptive tests
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from assessment.tails import chi2_tail

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

DELTA: Final = -2.35
"""From the logarithm of the odds ratio to the delta scale of ETS; below 0 the item is harder for the focal group."""

NEGLIGIBLE: Final = 1.0
LARGE: Final = 1.5
SIGNIFICANT_CHI2: Final = 3.841458820694124
"""0.95 quantile of chi-squared with one degree of freedom."""

SIGNIFICANT_Z: Final = 1.6448536269514722
"""One-sided, 0.95."""

SIGNIFICANT_P: Final = 0.05
SMALL_R2: Final = 0.035
LARGE_R2: Final = 0.070
"""Bounds of the change of Nagelkerke's R squared (Jodoin & Gierl 2001)."""

_NEWTON_STEPS: Final = 50
_STEEPEST: Final = 30.0
_TOLERANCE: Final = 1e-10


@dataclass(frozen=True, slots=True)
class LogisticDif:
    """Logistic regression of the item on the matching score, the group, and both together.

    chi2, p                        of group and product together, two degrees of freedom
    uniform_chi2, uniform_p        of the group: the item is harder at every ability alike
    nonuniform_chi2, nonuniform_p  of the product: harder at some abilities, easier at others
    delta                          the group's coefficient on the delta scale of ETS, below 0 harder for the focal group
    r2_change                      of Nagelkerke's R squared, by group and product together
    size                           A negligible or not significant, B moderate, C large
    """

    chi2: float
    p: float
    uniform_chi2: float
    uniform_p: float
    nonuniform_chi2: float
    nonuniform_p: float
    delta: float
    r2_change: float
    size: str


@dataclass(frozen=True, slots=True)
class Dif:
    """One item, two groups.

    mh_chi2       Mantel-Haenszel, with continuity correction, one degree of freedom
    mh_alpha      common odds ratio; above 1 the item is easier for the reference group
    mh_delta      on the delta scale
    ets           A negligible, B moderate, C large
    p_difference  standardised: share right of the focal group less that of the reference group, at the focal group's abilities
    logistic      None where the regression has no finite answer
    n_reference, n_focal   people of each group who saw the item
    """

    mh_chi2: float
    mh_alpha: float
    mh_delta: float
    ets: str
    p_difference: float = 0.0
    logistic: LogisticDif | None = None
    n_reference: int = 0
    n_focal: int = 0


def find_dif(scores: Floats, matched: Floats, is_focal: Flags, compared: Flags, *, purify: bool = False) -> list[Dif | None]:
    """Per item; None for one that is not scored 0 and 1, or says nothing.

    scores     (n_persons, n_items), NaN not seen
    matched    (n_persons,) what people are matched by; NaN: matched with nobody
    is_focal   (n_persons,) of the focal group, else of the reference group
    compared   (n_persons,) of either group
    purify     leave items of class B and C out of the total that people are matched by, once, and judge again; for totals alone
    """
    usable = compared & ~np.isnan(matched)
    scores, matched, is_focal = scores[usable], matched[usable], is_focal[usable]
    difs = [_one(item, matched, is_focal) for item in scores.T]
    if not purify:
        return difs
    clean = np.array([dif is None or dif.ets == "A" for dif in difs])
    own = np.nan_to_num(scores)
    base = own[:, clean].sum(1)
    return [_one(item, base if clean[place] else base + own[:, place], is_focal) for place, item in enumerate(scores.T)]


def _one(item: Floats, matched: Floats, is_focal: Flags) -> Dif | None:
    known = ~np.isnan(item)
    right, focal = item[known], is_focal[known]
    if not set(np.unique(right)) <= {0.0, 1.0}:
        return None
    levels, stratum = np.unique(matched[known], return_inverse=True)
    parts = (~focal & (right == 1), ~focal & (right == 0), focal & (right == 1), focal & (right == 0))
    cells = np.array([np.bincount(stratum[part], minlength=len(levels)) for part in parts], dtype=float)
    return _mantel_haenszel(cells, levels)


def _mantel_haenszel(cells: Floats, levels: Floats) -> Dif | None:
    """The common odds ratio over strata of people with the same matching score, with what else the same tables say.

    cells    (4, n_strata): reference right and wrong, focal right and wrong
    Source   Holland & Thayer (1988), corrected for continuity where the difference is half a person or more, as R's mantelhaen.test
             does; variance of ln alpha by Robins, Breslow & Greenland (1986)
    """
    a, b, c, d = cells[:, cells.sum(0) > 1]
    n = a + b + c + d
    variance = float(((a + b) * (c + d) * (a + c) * (b + d) / (n**2 * (n - 1))).sum())
    good, bad = a * d / n, b * c / n
    if variance <= 0 or good.sum() <= 0 or bad.sum() <= 0:
        return None
    away = abs(float((a - (a + b) * (a + c) / n).sum()))
    chi2 = (away - (0.5 if away >= 0.5 else 0.0)) ** 2 / variance  # noqa: PLR2004
    alpha = float(good.sum() / bad.sum())
    delta = DELTA * math.log(alpha)
    p, q = (a + d) / n, (b + c) / n
    spread = float(
        (p * good).sum() / (2 * good.sum() ** 2)
        + (p * bad + q * good).sum() / (2 * good.sum() * bad.sum())
        + (q * bad).sum() / (2 * bad.sum() ** 2)
    )
    sizes = cells.sum(1)
    return Dif(
        chi2,
        alpha,
        delta,
        _ets_class(delta, chi2, abs(DELTA) * math.sqrt(spread)),
        _p_difference(a, b, c, d),
        _logistic(cells, levels),
        int(sizes[0] + sizes[1]),
        int(sizes[2] + sizes[3]),
    )


def _ets_class(delta: float, chi2: float, standard_error: float) -> str:
    """Source: Zwick & Ercikan (1989), table 1."""
    size = abs(delta)
    if size < NEGLIGIBLE or chi2 < SIGNIFICANT_CHI2:
        return "A"
    return "C" if size >= LARGE and (size - NEGLIGIBLE) > SIGNIFICANT_Z * standard_error else "B"


def _p_difference(a: Floats, b: Floats, c: Floats, d: Floats) -> float:
    """Source: Dorans & Kulick (1986), weights of the focal group, over strata that hold both groups."""
    both = (a + b > 0) & (c + d > 0)
    a, b, c, d = a[both], b[both], c[both], d[both]
    return float(((c + d) * (c / (c + d) - a / (a + b))).sum() / (c + d).sum())


def _logistic(cells: Floats, levels: Floats) -> LogisticDif | None:
    """Source: Swaminathan & Rogers (1990); effect size by Zumbo & Thomas (1997), classed by Jodoin & Gierl (2001)."""
    right = np.concatenate([cells[0], cells[2]])
    trials = np.concatenate([cells[0] + cells[1], cells[2] + cells[3]])
    score = np.tile((levels - levels.mean()) / (levels.std() or 1.0), 2)  # the tests do not hang on the scale
    group = np.repeat([0.0, 1.0], len(levels))
    columns = np.column_stack([np.ones_like(score), score, group, score * group])
    used = trials > 0
    right, trials, columns = right[used], trials[used], columns[used]
    fits = [_regression(columns[:, :k], right, trials) for k in (1, 2, 3, 4)]
    empty, matched, uniform, both = fits
    if empty is None or matched is None or uniform is None or both is None:
        return None
    n = float(trials.sum())
    total, first, second = (2 * max(more[1] - less[1], 0.0) for more, less in ((both, matched), (uniform, matched), (both, uniform)))
    r2 = [(1 - math.exp(2 * (empty[1] - one[1]) / n)) / (1 - math.exp(2 * empty[1] / n)) for one in (matched, both)]
    change, p = r2[1] - r2[0], chi2_tail(total, 2)
    size = "A" if p >= SIGNIFICANT_P or change < SMALL_R2 else ("C" if change >= LARGE_R2 else "B")
    return LogisticDif(
        total, p, first, chi2_tail(first, 1), second, chi2_tail(second, 1), -DELTA * float(uniform[0][2]), change, size
    )  # fmt: skip


def _regression(columns: Floats, right: Floats, trials: Floats) -> tuple[Floats, float] | None:
    """Coefficients and log likelihood by Newton's method; None where they run away or the columns say the same."""
    at = np.zeros(columns.shape[1])
    for _ in range(_NEWTON_STEPS):
        p = 1 / (1 + np.exp(-np.clip(columns @ at, -60, 60)))
        information = (columns * (trials * p * (1 - p))[:, None]).T @ columns
        try:
            step = np.linalg.solve(information, columns.T @ (right - trials * p))
        except np.linalg.LinAlgError:
            return None
        at = at + np.clip(step, -2.0, 2.0)
        if np.abs(at).max() > _STEEPEST:
            return None
        if np.abs(step).max() < _TOLERANCE:
            z = columns @ at
            return at, float((right * z - trials * np.logaddexp(0, z)).sum())
    return None
