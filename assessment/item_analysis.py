"""Items and tests by classical theory, and whether an item is harder for one group than for another of the same ability. Pure; needs numpy.

A score that is missing was not seen: every figure rests on those who saw what it needs; totals are over what a person saw.
Source   Lord & Novick (1968); Moodle's quiz statistics for the names; Holland & Thayer (1988), Zwick & Ercikan (1989) for the groups
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from assessment.score_tables import Responses

Floats = NDArray[np.float64]

DELTA: Final = -2.35
"""From the logarithm of the odds ratio to the delta scale of ETS; below 0 the item is harder for the focal group."""

NEGLIGIBLE: Final = 1.0
LARGE: Final = 1.5
SIGNIFICANT_CHI2: Final = 3.841458820694124
"""0.95 quantile of chi-squared with one degree of freedom."""

SIGNIFICANT_Z: Final = 1.6448536269514722
"""One-sided, 0.95."""


@dataclass(frozen=True, slots=True)
class Dif:
    """Mantel-Haenszel for one item.

    mh_chi2    with continuity correction, one degree of freedom
    mh_alpha   common odds ratio; above 1 the item is easier for the reference group
    mh_delta   on the delta scale
    ets        A negligible, B moderate, C large
    """

    mh_chi2: float
    mh_alpha: float
    mh_delta: float
    ets: str


@dataclass(frozen=True, slots=True)
class ItemFigures:
    """One item; None where the data do not say it.

    facility          mean score by the highest score, 0..1
    discrimination    correlation with the rest of the test (Moodle's discrimination index, there in per cent)
    point_biserial    correlation with the total, the item within
    efficiency        covariance with the rest by the highest that the two distributions allow (Moodle's discriminative efficiency)
    effective_weight  share of the total's spread that comes from the item; 0 for an item that works against the rest
    n                 people who saw it
    """

    item: str
    facility: float | None
    discrimination: float | None
    point_biserial: float | None
    efficiency: float | None
    effective_weight: float | None
    n: int
    dif: Dif | None = None


@dataclass(frozen=True, slots=True)
class TestFigures:
    """A whole test.

    alpha        Cronbach's; of items scored 0 and 1 it is KR-20, and Moodle's coefficient of internal consistency
    error_ratio  sqrt(1 - alpha)
    sem          standard error of measurement, points: standard deviation of the totals (over n - 1) times the error ratio
    set_aside    items that tell nothing, and why: `all_right`, `all_wrong`, `not_seen`; they stay in facility and in the totals
    """

    n_persons: int
    alpha: float | None
    error_ratio: float | None
    sem: float | None
    items: tuple[ItemFigures, ...]
    set_aside: dict[str, str]
    reference: str | None = None
    focal: str | None = None


def analyse(responses: Responses, *, groups: Sequence[str] = (), reference: str | None = None, focal: str | None = None,
            purify: bool = False) -> TestFigures:  # fmt: skip
    """Every figure of a table of scores.

    groups      one label a person; of more than two the reference and the focal one are compared
    reference   label of the group that the other is compared with: the first in alphabetical order unless it is given
    focal       the first of the others unless it is given
    purify      leave items of class B and C out of the total that people are matched by, once, and judge again
    """
    scores = np.array(responses.rows, dtype=float).reshape(len(responses.rows), len(responses.items))
    seen = ~np.isnan(scores)
    totals = np.where(seen, scores, 0.0).sum(1)
    covariances = _covariances(scores, seen)
    alpha = _alpha(covariances)
    weights = _effective_weights(covariances)
    difs: list[Dif | None] = [None] * len(weights)
    if groups:
        labels = sorted(set(groups))
        reference = reference or next(label for label in labels if label != focal)
        focal = focal or next(label for label in labels if label != reference)
        difs = _difs(scores, totals, np.array(groups), reference, focal, purify=purify)
    figures = [_figures(name, scores[:, place], totals, weights[place], difs[place]) for place, name in enumerate(responses.items)]
    error_ratio = None if alpha is None else math.sqrt(max(1 - alpha, 0.0))
    spread = float(covariances.sum()) * len(scores) / max(len(scores) - 1, 1)
    sem = None if error_ratio is None else math.sqrt(max(spread, 0.0)) * error_ratio
    return TestFigures(len(scores), alpha, error_ratio, sem, tuple(figures), _telling_nothing(responses.items, scores), reference, focal)


def _covariances(scores: Floats, seen: NDArray[np.bool_]) -> Floats:
    """Of items, over those who saw both and by their number, (items, items); 0 where nobody did."""
    counts = seen.T.astype(float) @ seen.astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(seen.any(0), np.nansum(scores, axis=0) / np.maximum(seen.sum(0), 1), 0.0)
        centred = np.where(seen, scores - means, 0.0)
        sums = centred.T @ seen  # of one item's deviations over those who saw the other too
        found = centred.T @ centred / counts - (sums / counts) * (sums.T / counts)
    return np.where(counts > 0, found, 0.0)


def _alpha(covariances: Floats) -> float | None:
    n, total = len(covariances), float(covariances.sum())
    if n < 2 or total <= 0:  # noqa: PLR2004  one item has no inner consistency
        return None
    return n / (n - 1) * (1 - float(np.trace(covariances)) / total)


def _effective_weights(covariances: Floats) -> list[float | None]:
    """Source: Moodle's quiz statistics, effective weight: sqrt(cov(item, total)) by the sum of all, below 0 counted as 0."""
    roots = np.sqrt(np.maximum(covariances.sum(1), 0.0))
    return [float(root / roots.sum()) if roots.sum() > 0 else None for root in roots]


def _figures(name: str, item: Floats, totals: Floats, weight: float | None, dif: Dif | None) -> ItemFigures:
    seen = ~np.isnan(item)
    score, total = item[seen], totals[seen]
    rest = total - score
    highest = float(score.max(initial=0.0))
    facility = float(score.mean() / max(highest, 1.0)) if len(score) else None
    best = _covariance(np.sort(score), np.sort(rest)) if len(score) else 0.0
    return ItemFigures(
        name,
        facility,
        _correlation(score, rest),
        _correlation(score, total),
        _covariance(score, rest) / best if best > 0 else None,
        weight,
        len(score),
        dif,
    )


def _covariance(one: Floats, other: Floats) -> float:
    return float(((one - one.mean()) * (other - other.mean())).mean())


def _correlation(one: Floats, other: Floats) -> float | None:
    """Pearson's; None without spread."""
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:  # noqa: PLR2004
        return None
    return _covariance(one, other) / float(one.std() * other.std())


def _telling_nothing(names: Sequence[str], scores: Floats) -> dict[str, str]:
    reasons = {}
    for place, name in enumerate(names):
        item = scores[:, place][~np.isnan(scores[:, place])]
        if not len(item):
            reasons[name] = "not_seen"
        elif item.min() == item.max():
            reasons[name] = "all_wrong" if item.max() == 0 else "all_right"
    return reasons


def _difs(scores: Floats, totals: Floats, groups: NDArray[np.str_], reference: str, focal: str, *, purify: bool) -> list[Dif | None]:
    """Per item; None for one that is not scored 0 and 1, or says nothing."""
    n_items = scores.shape[1]
    difs = [_mantel_haenszel(scores[:, place], totals, groups, reference, focal) for place in range(n_items)]
    if not purify:
        return difs
    clean = [place for place, dif in enumerate(difs) if dif is None or dif.ets == "A"]
    base = np.nansum(scores[:, clean], axis=1)
    own = np.nan_to_num(scores)
    return [
        _mantel_haenszel(scores[:, place], base if place in clean else base + own[:, place], groups, reference, focal)
        for place in range(n_items)
    ]


def _mantel_haenszel(item: Floats, matched: Floats, groups: NDArray[np.str_], reference: str, focal: str) -> Dif | None:
    """The common odds ratio over strata of people with the same matching score, the item within it.

    Source   Holland & Thayer (1988), corrected for continuity where the difference is half a person or more, as R's mantelhaen.test
             does; variance of ln alpha by Robins, Breslow & Greenland (1986)
    """
    known = ~np.isnan(item) & ((groups == reference) | (groups == focal))
    right, score, is_focal = item[known], matched[known], groups[known] == focal
    if not set(np.unique(right)) <= {0.0, 1.0}:
        return None
    _, stratum = np.unique(score, return_inverse=True)
    n_strata = int(stratum.max(initial=-1)) + 1

    def counted(which: NDArray[np.bool_]) -> Floats:
        return np.bincount(stratum[which], minlength=n_strata).astype(float)

    a, b = counted(~is_focal & (right == 1)), counted(~is_focal & (right == 0))
    c, d = counted(is_focal & (right == 1)), counted(is_focal & (right == 0))
    n = a + b + c + d
    mixed = n > 1
    a, b, c, d, n = a[mixed], b[mixed], c[mixed], d[mixed], n[mixed]
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
    return Dif(chi2, alpha, delta, _ets_class(delta, chi2, abs(DELTA) * math.sqrt(spread)))


def _ets_class(delta: float, chi2: float, standard_error: float) -> str:
    """Source: Zwick & Ercikan (1989), table 1."""
    size = abs(delta)
    if size < NEGLIGIBLE or chi2 < SIGNIFICANT_CHI2:
        return "A"
    return "C" if size >= LARGE and (size - NEGLIGIBLE) > SIGNIFICANT_Z * standard_error else "B"
