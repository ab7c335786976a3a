"""Items and tests by classical theory, with fit, distractors and comparisons of groups beside it. Pure; needs numpy.

A score that is missing was not seen: every figure rests on those who saw what it needs; totals are over what a person saw. Where a
good part of the table was not seen, as after an adaptive test, totals of different people do not compare: figures that need them are
left out, by name, and people are matched by ability.
Source   Lord & Novick (1968); Moodle's quiz statistics for the names; `dif`, `fit` and `distractors` for theirs
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from assessment.abilities import curves, posterior_moments, warm_all
from assessment.calibration import NotConverged, NothingToCalibrate, calibrate
from assessment.dif import Dif, find_dif
from assessment.distractors import OptionFigures, fifths_of, options_of
from assessment.fit import MeanSquares, ScoreFit, mean_squares, s_x2
from assessment.irt import ItemParams
from assessment.score_tables import Responses

Floats = NDArray[np.float64]

SPARSE: Final = 0.25
"""Share of cells not seen above which totals of different people do not compare."""

MIN_PEOPLE_TO_FIT: Final = 30
MIN_WHOLE_SHARE: Final = 0.5
"""Share of people who saw everything, from which S-X2 rests on them."""

STEPS_OF_ABILITY: Final = 40
"""Into how many steps of the expected share right people are sorted where they are matched by ability."""

N_PARAMETERS: Final = {"1pl": 1, "2pl": 2, "3pl": 3}


@dataclass(frozen=True, slots=True)
class ItemFigures:
    """One item; None where the data do not say it.

    facility          mean score by the highest score, 0..1
    discrimination    correlation with the rest of the test (Moodle's discrimination index, there in per cent)
    point_biserial    correlation with the total, the item within; with ability, where people saw different items
    efficiency        covariance with the rest by the highest that the two distributions allow (Moodle's discriminative efficiency)
    effective_weight  share of the total's spread that comes from the item; 0 for an item that works against the rest
    n                 people who saw it
    fit               infit and outfit: against the Rasch model, or against the parameters that were given
    s_x2              observed beside expected shares right, by total score
    distractors       every option with who chose it, where the answers themselves are known
    """

    item: str
    facility: float | None
    discrimination: float | None
    point_biserial: float | None
    efficiency: float | None
    effective_weight: float | None
    n: int
    dif: Dif | None = None
    fit: MeanSquares | None = None
    s_x2: ScoreFit | None = None
    distractors: tuple[OptionFigures, ...] = ()


@dataclass(frozen=True, slots=True)
class TestFigures:
    """A whole test.

    alpha        Cronbach's; Moodle's coefficient of internal consistency
    kr20         the same, where every score is 0 or 1
    error_ratio  sqrt(1 - alpha)
    sem          standard error of measurement, points: standard deviation of the totals (over n - 1) times the error ratio
    reliability  of ability, by what its estimates vary and err (Green et al. 1984)
    matched_by   what groups were matched by: `total`, `ability`
    set_aside    items that tell nothing, and why: `all_right`, `all_wrong`, `all_same`, `not_seen`; they stay in facility and in the totals
    left_out     figures that the table cannot say, and why: `sparse`, `few_people`, `not_converged`
    """

    n_persons: int
    alpha: float | None
    error_ratio: float | None
    sem: float | None
    items: tuple[ItemFigures, ...]
    set_aside: dict[str, str]
    reference: str | None = None
    focal: str | None = None
    kr20: float | None = None
    reliability: float | None = None
    matched_by: str = "total"
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answers:
    """What people answered, beside their scores.

    rows   one a person, one text an item; empty where nothing was answered
    keys   item to the texts that are right
    """

    rows: tuple[tuple[str, ...], ...]
    keys: Mapping[str, frozenset[str]]


class Sheet:
    """A table of scores made ready: totals, or abilities where people saw different items. One sheet serves many comparisons."""

    def __init__(self, responses: Responses, known: Mapping[str, ItemParams] | None = None, *, on_trial: Collection[str] = ()) -> None:
        """Makes the table ready.

        known      parameters of items, by which abilities are found; without them those of the Rasch model are estimated
        on_trial   items that count in no total and no ability: pilots, judged by the others
        """
        self.items = responses.items
        self.scores: Floats = np.array(responses.rows, dtype=float).reshape(len(responses.rows), len(responses.items))
        self.seen = ~np.isnan(self.scores)
        self.counts = np.array([name not in on_trial for name in self.items])
        self.totals: Floats = np.where(self.seen & self.counts, self.scores, 0.0).sum(1)
        met = self.seen.any(0) & self.counts
        self.is_sparse = bool(met.any()) and 1 - float(self.seen[:, met].mean()) > SPARSE
        self.left_out: dict[str, str] = {}
        self.prior_sd = 1.0
        self._known = known

    @cached_property
    def params(self) -> dict[str, ItemParams]:
        """Parameters of the items that abilities are found by."""
        scored = self.scored_right_and_wrong()
        if self._known is not None:
            return {name: self._known[name] for name in scored if name in self._known and not self._known[name].steps}
        found = self.calibrated("1pl")
        # with one slope a for all and abilities from N(0, 1), abilities in Rasch's own unit are a theta, difficulties a b
        self.prior_sd = next((one.a for one in found.values()), 1.0)
        return {name: ItemParams(1.0, one.a * one.b) for name, one in found.items()}

    @cached_property
    def measured(self) -> list[int]:
        """Places of those items."""
        return [place for place, name in enumerate(self.items) if name in self.params]

    @cached_property
    def thetas(self) -> Floats:
        """Warm's estimate of each person, logits; NaN where there is none."""
        ordered = [self.params[self.items[place]] for place in self.measured]
        return warm_all(self.scores[:, self.measured], ordered) if ordered else np.full(len(self.scores), np.nan)

    @cached_property
    def matched(self) -> Floats:
        """What people are matched by: totals, or where people saw different items the share that they would get right of all, in steps."""
        if not self.is_sparse:
            return self.totals
        ordered = [self.params[self.items[place]] for place in self.measured]
        if not ordered:
            return np.full(len(self.scores), np.nan)
        steps: Floats = np.round(curves(ordered, self.thetas).mean(1) * STEPS_OF_ABILITY)
        return steps

    def fit(self) -> dict[str, MeanSquares | None]:
        """Infit and outfit by item, of those that abilities were found by."""
        ordered = [self.params[self.items[place]] for place in self.measured]
        found = mean_squares(self.scores[:, self.measured], ordered, self.thetas) if ordered else []
        return {self.items[place]: one for place, one in zip(self.measured, found, strict=True)}

    def reliability(self) -> float | None:
        """Of abilities: the variance of the posterior means by that and the mean posterior variance together; None without items."""
        if not self.measured:
            return None
        means, variances = posterior_moments(
            self.scores[:, self.measured], [self.params[self.items[place]] for place in self.measured], prior_sd=self.prior_sd
        )
        spread = float(means.var())
        return spread / (spread + float(variances.mean()))

    def compare(self, groups: Sequence[str], reference: str | None, focal: str, *, purify: bool = False) -> list[Dif | None]:
        """Per item. groups: one label a person; reference None: everybody else who has one."""
        labels = np.array(groups)
        is_focal = labels == focal
        compared = is_focal | ((labels == reference) if reference is not None else (labels != ""))
        return find_dif(self.scores, self.matched, is_focal, compared, purify=purify and not self.is_sparse)

    def scored_right_and_wrong(self) -> list[str]:
        """Items that count, whose every score is 0 or 1, seen by somebody."""
        return [
            name
            for place, name in enumerate(self.items)
            if self.counts[place] and self.seen[:, place].any() and set(np.unique(self.scores[self.seen[:, place], place])) <= {0.0, 1.0}
        ]

    def calibrated(self, model: str) -> dict[str, ItemParams]:
        """Parameters by item; nothing, and the reason in `left_out`, where none can be found."""
        names = self.scored_right_and_wrong()
        if len(self.scores) < MIN_PEOPLE_TO_FIT:
            self.left_out[f"fit_{model}"] = "few_people"
            return {}
        places = [self.items.index(name) for name in names]
        table = Responses(tuple(names), tuple(map(tuple, self.scores[:, places].tolist())))
        try:
            found = calibrate(table, model, has_errors=False).items
        except (NotConverged, NothingToCalibrate) as error:
            self.left_out[f"fit_{model}"] = error.code
            return {}
        return {one.item: ItemParams(one.a, one.b, one.c) for one in found}


def analyse(
    responses: Responses,
    *,
    groups: Sequence[str] = (),
    reference: str | None = None,
    focal: str | None = None,
    purify: bool = False,
    fit_model: str = "2pl",
    answers: Answers | None = None,
    highest: Mapping[str, float] | None = None,
    sheet: Sheet | None = None,
    told: Callable[[str], None] = lambda _what: None,
) -> TestFigures:
    """Every figure of a table of scores.

    groups      one label a person; of more than two the reference and the focal one are compared
    reference   label of the group that the other is compared with: the first in alphabetical order unless it is given
    focal       the first of the others unless it is given
    purify      leave items of class B and C out of the total that people are matched by, once, and judge again
    fit_model   that S-X2 is judged by: 1pl, 2pl or 3pl
    answers     for the distractors
    highest     points that an item can give, where that is known; else the highest score that somebody got, at least 1
    sheet       the same responses made ready
    told        what is under way
    """
    told("estimating abilities")
    sheet = sheet or Sheet(responses)
    scores, left_out = sheet.scores, sheet.left_out
    counted = np.flatnonzero(sheet.counts).tolist()
    covariances = _covariances(scores[:, counted], sheet.seen[:, counted])
    alpha = None if sheet.is_sparse else _alpha(covariances)
    weights = dict(zip(counted, _effective_weights(covariances), strict=True))
    difs: list[Dif | None] = [None] * len(sheet.items)
    if groups:
        told("comparing groups")
        labels = sorted(set(groups))
        reference = reference or next(label for label in labels if label != focal)
        focal = focal or next(label for label in labels if label != reference)
        difs = sheet.compare(groups, reference, focal, purify=purify)
    told("judging fit")
    fits, score_fits = sheet.fit(), _score_fits(sheet, fit_model)
    options = _options(sheet, answers) if answers else {}
    figures = tuple(
        replace(
            _classical(sheet, place, (highest or {}).get(name)),
            effective_weight=None if sheet.is_sparse else weights.get(place),
            dif=difs[place],
            fit=fits.get(name),
            s_x2=score_fits.get(name),
            distractors=options.get(name, ()),
        )
        for place, name in enumerate(sheet.items)
    )
    if sheet.is_sparse:
        left_out |= dict.fromkeys(("discrimination", "efficiency", "effective_weight", "alpha", "sem"), "sparse")
    error_ratio = None if alpha is None else math.sqrt(max(1 - alpha, 0.0))
    spread = float(covariances.sum()) * len(scores) / max(len(scores) - 1, 1)
    return TestFigures(
        n_persons=len(scores),
        alpha=alpha,
        error_ratio=error_ratio,
        sem=None if error_ratio is None else math.sqrt(max(spread, 0.0)) * error_ratio,
        items=figures,
        set_aside=_telling_nothing(responses.items, scores),
        reference=reference,
        focal=focal,
        kr20=alpha if set(np.unique(scores[sheet.seen])) <= {0.0, 1.0} else None,
        reliability=sheet.reliability(),
        matched_by="ability" if sheet.is_sparse else "total",
        left_out=left_out,
    )


def _score_fits(sheet: Sheet, model: str) -> dict[str, ScoreFit | None]:
    """S-X2 by item, over the people who saw all items that have parameters."""
    if sheet.is_sparse:
        sheet.left_out["s_x2"] = "sparse"
        return {}
    params = sheet.calibrated(model)
    if not params:
        sheet.left_out["s_x2"] = sheet.left_out[f"fit_{model}"]
        return {}
    places = [sheet.items.index(name) for name in params]
    whole = sheet.seen[:, places].all(1)
    if whole.mean() < MIN_WHOLE_SHARE:
        sheet.left_out["s_x2"] = "sparse"
        return {}
    found = s_x2(sheet.scores[whole][:, places], list(params.values()), n_parameters=N_PARAMETERS[model])
    return dict(zip(params, found, strict=True))


def _options(sheet: Sheet, answers: Answers) -> dict[str, tuple[OptionFigures, ...]]:
    standing = sheet.thetas if sheet.is_sparse else sheet.totals
    fifths = fifths_of(standing)
    return {
        name: options_of(
            [row[place] for row in answers.rows],
            answers.keys[name],
            fifths,
            standing if sheet.is_sparse or not sheet.counts[place] else sheet.totals - np.nan_to_num(sheet.scores[:, place]),
        )
        for place, name in enumerate(sheet.items)
        if name in answers.keys
    }


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


def _classical(sheet: Sheet, place: int, highest: float | None) -> ItemFigures:
    """What one item says by itself and beside the totals. highest: points that it can give."""
    seen, name = sheet.seen[:, place], sheet.items[place]
    score = sheet.scores[seen, place]
    full = highest or max(float(score.max(initial=0.0)), 1.0)
    facility = float(score.mean() / full) if len(score) else None
    if sheet.is_sparse:
        known = seen & ~np.isnan(sheet.thetas)
        return ItemFigures(name, facility, None, _correlation(sheet.scores[known, place], sheet.thetas[known]), None, None, len(score))
    total = sheet.totals[seen]
    rest = total - score if sheet.counts[place] else total
    best = _covariance(np.sort(score), np.sort(rest)) if len(score) else 0.0
    efficiency = _covariance(score, rest) / best if best > 0 else None
    return ItemFigures(name, facility, _correlation(score, rest), _correlation(score, total), efficiency, None, len(score))


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
            reasons[name] = {0.0: "all_wrong", 1.0: "all_right"}.get(float(item.max()), "all_same")
    return reasons
