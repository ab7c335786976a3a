"""Item parameters from answers: marginal maximum likelihood by expectation and maximisation, abilities from N(0, 1). Pure; needs numpy.

An item that a person has not seen is left out of that person's likelihood, which holds where what is shown hangs on earlier answers
alone, as in an adaptive test (Rubin 1976; Mislevy & Wu 1996). People with the same answers are one row with a count.
Source   Bock & Aitkin (1981); Muraki (1992) for partial credit; Louis (1982) for the standard errors; Varadhan & Roland (2008) for the pace
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from assessment.irt import ItemParams
from assessment.score_tables import Responses
from kernel.errors import Invalid

Floats = NDArray[np.float64]
Progress = Callable[[int, float], None]
"""Told after each iteration: its number, and the largest change of a parameter."""

MODELS: Final = ("1pl", "2pl", "3pl", "gpcm")
POINTS: Final = np.linspace(-6.0, 6.0, 61)
"""Abilities at which the integral over people is taken, logits."""

MAX_ITERATIONS: Final = 2000
TOLERANCE: Final = 1e-6
"""Largest change of a parameter in an iteration that counts as none."""

MOST_AWAY: Final = 20
"""Rounds in a row that the same slopes may be beyond their bounds; some come back early on the way."""

SETTLED: Final = 0.02
"""Largest change of a parameter from which on the estimates only creep: until then the scale is set anew after each iteration."""

FLATTEST: Final = 2e-3
STEEPEST: Final = 15.0
"""A slope beyond the one or below the other says that the data fix none."""

MOST_WITHOUT_SLOPE: Final = 0.1
"""Share of the items that may be set aside because the data fix no slope for them; where it is more, the model does not fit the data."""

GUESSING_PRIOR: Final = (5.0, 17.0)
"""Beta distribution of c in the 3PL, mean near a fifth: without it c and b can hardly be told apart."""

SLOPE_PRIOR_SD: Final = 0.5
"""Of log a in the 3PL, mean 0: where c is free, few answers fix a slope that is steep."""

EXACT_ERRORS: Final = 4e10
"""Multiplications up to which the observed information is computed whole; beyond it from the scores' cross products."""

_NEWTON_STEPS: Final = 8
_TINY: Final = 1e-12


class NotConverged(Invalid):
    """The likelihood has no maximum that these data fix, or it was not reached; there are no numbers."""

    code = "not_converged"
    message: ClassVar = {
        "th": "การประมาณค่าไม่ลู่เข้าหลังจาก {iterations} รอบ จึงไม่มีผลลัพธ์ ({reason})",
        "en": "The estimation did not converge after {iterations} iterations, so there are no numbers ({reason}).",
    }
    way_on: ClassVar = {
        "th": "ตรวจข้อที่ระบุ ใช้แบบจำลองที่ง่ายกว่า หรือเก็บคำตอบเพิ่ม",
        "en": "Look at the items that are named, take a simpler model, or collect more answers.",
    }

    def __init__(self, *, iterations: int, reason: str, runaways: Mapping[int, str] | None = None) -> None:
        super().__init__(iterations=iterations, reason=reason)
        self.runaways = runaways or {}
        """Places of the items without a slope, and which way it went: `flat` or `steep`."""


class NothingToCalibrate(Invalid):
    """No two items have answers that differ."""

    code = "nothing_to_calibrate"
    message: ClassVar = {
        "th": "มีข้อที่คำตอบแตกต่างกันเพียง {n} ข้อ จึงประมาณค่าไม่ได้",
        "en": "Only {n} of the items have answers that differ, so nothing can be estimated; two are needed.",
    }


@dataclass(frozen=True, slots=True)
class Calibrated:
    """One item. b of partial credit is the mean of its steps.

    a, b, c        as in `irt.ItemParams`
    se_a, se_b     standard errors; None where the information is not positive, or the value was given
    steps          of partial credit: where the next category becomes the likelier one, logits
    n              people who saw it
    """

    item: str
    a: float
    b: float
    c: float
    se_a: float | None
    se_b: float | None
    steps: tuple[float, ...]
    n: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """What came out.

    log_likelihood   marginal, without priors
    set_aside        items without parameters, and why: `all_right`, `all_wrong`, `all_same`, `not_seen`; `flat` where right answers do not
                     grow with ability, `steep` where the slope grows without end: the others were then estimated without it
    recoded          partial credit: items whose scores are not 0, 1, 2 ... without a gap, and the scores that became categories 0, 1, 2 ...
    errors_by        `observed` information, or `cross_products` of the scores where that would take too long
    mean, sd         of the people's abilities; 0 and 1 unless known items fix the scale
    """

    model: str
    n_persons: int
    log_likelihood: float
    iterations: int
    items: tuple[Calibrated, ...]
    set_aside: Mapping[str, str] = field(default_factory=dict)
    recoded: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    errors_by: str = "observed"
    mean: float = 0.0
    sd: float = 1.0


def calibrate(
    responses: Responses,
    model: str,
    *,
    fixed: Mapping[str, ItemParams] | None = None,
    slope: float | None = None,
    max_iterations: int = MAX_ITERATIONS,
    progress: Progress | None = None,
    has_errors: bool = True,
) -> Calibration:
    """Parameters of every item.

    model       one of MODELS; 1pl has one discrimination for all
    fixed       parameters that are known and stay: the others come out on their scale (fixed-parameter calibration; Kim 2006), and
                people's mean and spread are then estimated too
    slope       of the 1pl among known items: the one discrimination of the others, where it is not to be estimated
    has_errors  False: standard errors are not asked for; most of the time goes into them
    Raises      NotConverged, NothingToCalibrate
    """
    scores = np.array(responses.rows, dtype=float).reshape(len(responses.rows), len(responses.items))
    aside = _set_aside(responses.items, scores, fixed or {})
    without_slope: dict[str, str] = {}
    while True:
        kept = [place for place, name in enumerate(responses.items) if name not in aside and name not in without_slope]
        if len(kept) < 2:  # noqa: PLR2004  one item alone says nothing about ability
            raise NothingToCalibrate(n=len(kept))
        names = tuple(responses.items[place] for place in kept)
        data = _Data.of(scores[:, kept])
        given = [(fixed or {}).get(name) for name in names]
        items = _Categories(data, given) if model == "gpcm" else _Logistic(data, model, given, slope)
        people = _People(is_free=bool(fixed))
        try:
            fit = _fit(items, data, names, people, max_iterations=max_iterations, progress=progress, has_errors=has_errors)
            break
        except NotConverged as error:
            without_slope |= {names[place]: way for place, way in error.runaways.items()}
            if not error.runaways or len(without_slope) > MOST_WITHOUT_SLOPE * len(responses.items):
                raise
    aside |= without_slope
    found = tuple(items.result(place, name, fit) for place, name in enumerate(names))
    recoded = {names[place]: values for place, values in items.recoded().items()}
    return Calibration(
        model, len(responses.rows), fit.log_likelihood, fit.iterations, found, aside, recoded, fit.errors_by, fit.people.mean, fit.people.sd
    )


def _set_aside(names: Sequence[str], scores: Floats, fixed: Mapping[str, ItemParams]) -> dict[str, str]:
    """Items that no parameters can be found for."""
    aside = {}
    for place, name in enumerate(names):
        seen = scores[:, place][~np.isnan(scores[:, place])]
        if not len(seen):
            aside[name] = "not_seen"
        elif seen.min() == seen.max() and name not in fixed:
            aside[name] = {0.0: "all_wrong", 1.0: "all_right"}.get(float(seen.max()), "all_same")
    return aside


@dataclass(frozen=True, slots=True)
class _Data:
    """Different rows of scores, how many people have each, and what they saw."""

    scores: Floats
    """(rows, items), 0 where not seen."""
    seen: Floats
    """(rows, items), 1 or 0."""
    counts: Floats
    """(rows,)."""

    @classmethod
    def of(cls, scores: Floats) -> "_Data":
        whole = np.where(np.isnan(scores), -1.0, scores)
        rows, counts = np.unique(whole, axis=0, return_counts=True)
        seen = (rows >= 0).astype(float)
        return cls(np.where(rows >= 0, rows, 0.0), seen, counts.astype(float))


@dataclass(slots=True)
class _Fit:
    log_likelihood: float
    iterations: int
    covariance: Floats | None
    """Of all parameters, in the order of the model's own vector."""
    errors_by: str
    people: "_People"


class _Model(ABC):
    """What the two families share: a vector of parameters, and how it answers."""

    vector: Floats

    @abstractmethod
    def log_likelihoods(self, vector: Floats, points: Floats) -> Floats:
        """Per row of the data and point, (rows, points)."""

    @abstractmethod
    def maximised(self, vector: Floats, weights: Floats, points: Floats) -> Floats:
        """The vector that is likeliest when the people of each row stand at the points with these weights, (rows, points)."""

    @abstractmethod
    def complete_scores(self, vector: Floats, point: float) -> Floats:
        """Derivative of each row's log likelihood at one point, (rows, parameters)."""

    @abstractmethod
    def summed_scores(self, vector: Floats, weights: Floats, points: Floats) -> Floats:
        """The same, summed over the points with the weights of each row, (rows, parameters)."""

    @abstractmethod
    def complete_information(self, vector: Floats, weights: Floats, points: Floats) -> Floats:
        """Minus the second derivative of the weighted log likelihood, priors included, (parameters, parameters)."""

    @abstractmethod
    def result(self, place: int, name: str, fit: _Fit) -> Calibrated:
        """One item, by the vector as it stands."""

    @abstractmethod
    def runaways(self, vector: Floats) -> dict[int, str]:
        """Items whose slope is no longer within bounds, and which way it went: `flat` or `steep`."""

    @abstractmethod
    def spread(self) -> Floats:
        """How the free parameters stand in the vector, (vector, free parameters), 0 or 1."""

    @abstractmethod
    def rescaled(self, vector: Floats, mean: float, sd: float) -> Floats:
        """The same curves on the scale on which people of this mean and spread have mean 0 and spread 1."""

    def log_prior(self, vector: Floats) -> float:  # noqa: ARG002  most have none
        """Logarithm of the parameters' prior, up to a constant."""
        return 0.0

    def recoded(self) -> dict[int, tuple[float, ...]]:
        """Items whose scores were taken for other categories than their own numbers."""
        return {}


class _Logistic(_Model):
    """1PL, 2PL and 3PL in slope and intercept: z = a theta + d, P = c + (1 - c) / (1 + exp(-z)), c = 1 / (1 + exp(-g)).

    The vector is (a of all items, d of all, g of all); the 1PL holds its one slope in every place, the 2PL no g.
    """

    def __init__(self, data: _Data, model: str, fixed: Sequence[ItemParams | None], slope: float | None = None) -> None:
        self.data, self.model, self.n = data, model, data.scores.shape[1]
        self.is_slope_given = slope is not None
        self.has_guessing = model == "3pl"
        start_a = slope or 1.0
        parts = [np.full(self.n, start_a), -start_a * _paired(data, data.scores)] + (
            [np.full(self.n, np.log(0.2 / 0.8))] if self.has_guessing else []
        )
        self.known = np.array([params is not None for params in fixed])
        self.floor = np.zeros(self.n)  # of items that are known in a model without guessing of its own
        for place, params in enumerate(fixed):
            if params is not None:
                parts[0][place], parts[1][place] = params.a, -params.a * params.b
                self.floor[place] = params.c
                if self.has_guessing:
                    parts[2][place] = np.log(max(params.c, _TINY) / (1 - params.c))
        self.vector = np.concatenate(parts)
        self.free = np.tile(~self.known, len(parts))

    def _split(self, vector: Floats) -> tuple[Floats, Floats, Floats]:
        a, d = vector[: self.n], vector[self.n : 2 * self.n]
        return a, d, 1 / (1 + np.exp(-vector[2 * self.n :])) if self.has_guessing else self.floor

    def _curves(self, vector: Floats, points: Floats) -> tuple[Floats, Floats]:
        """P and the logistic part alone, (items, points)."""
        a, d, c = self._split(vector)
        logistic = 1 / (1 + np.exp(-np.clip(np.outer(a, points) + d[:, None], -60, 60)))
        return np.clip(c[:, None] + (1 - c[:, None]) * logistic, _TINY, 1 - _TINY), logistic

    def log_likelihoods(self, vector: Floats, points: Floats) -> Floats:
        p, _ = self._curves(vector, points)
        log_wrong = np.log1p(-p)
        return self.data.scores @ (np.log(p) - log_wrong) + self.data.seen @ log_wrong  # type: ignore[no-any-return]

    def maximised(self, vector: Floats, weights: Floats, points: Floats) -> Floats:
        right, seen = self.data.scores.T @ weights, self.data.seen.T @ weights
        vector = vector.copy()
        for _ in range(_NEWTON_STEPS):
            gradient, information = self._expected(vector, right, seen, points)
            step = self._solved(gradient, information)
            step[~self.free] = 0
            step = np.clip(step, -1.0, 1.0)
            vector = vector + step
            vector[: self.n] = np.clip(vector[: self.n], 1e-3, STEEPEST * 2)
            if np.abs(step).max() < TOLERANCE / 10:
                break
        return vector

    def _expected(self, vector: Floats, right: Floats, seen: Floats, points: Floats) -> tuple[Floats, Floats]:
        """Gradient (parts, items) and Fisher information (parts, parts, items) of the weighted likelihood, priors included."""
        p, logistic = self._curves(vector, points)
        slopes = self._slopes(vector, logistic, points)
        spread = p * (1 - p)
        residual = (right - seen * p) / spread
        gradient = np.array([(residual * one).sum(1) for one in slopes])
        information = np.array([[(seen * one * other / spread).sum(1) for other in slopes] for one in slopes])
        if self.has_guessing:
            a, _, c = self._split(vector)
            alpha, beta = GUESSING_PRIOR
            gradient[0] -= np.log(a) / (a * SLOPE_PRIOR_SD**2)
            information[0, 0] += 1 / (a * SLOPE_PRIOR_SD) ** 2
            gradient[2] += (alpha - 1) * (1 - c) - (beta - 1) * c
            information[2, 2] += (alpha + beta - 2) * c * (1 - c)
        return gradient, information

    def log_prior(self, vector: Floats) -> float:
        if not self.has_guessing:
            return 0.0
        a, _, c = self._split(vector)
        alpha, beta = GUESSING_PRIOR
        by_item = -0.5 * (np.log(a) / SLOPE_PRIOR_SD) ** 2 + (alpha - 1) * np.log(c) + (beta - 1) * np.log1p(-c)
        return float(by_item[~self.known].sum())

    def _slopes(self, vector: Floats, logistic: Floats, points: Floats) -> list[Floats]:
        """Derivatives of P by a, d and g, each (items, points)."""
        c = self._split(vector)[2][:, None]
        by_d = (1 - c) * logistic * (1 - logistic)
        slopes = [by_d * points, by_d]
        return [*slopes, c * (1 - c) * (1 - logistic)] if self.has_guessing else slopes

    def _solved(self, gradient: Floats, information: Floats) -> Floats:
        """Newton's step; the 1PL's one slope takes the part of every item."""
        if self.model == "1pl":
            free = ~self.known
            aa, ad, dd = information[0, 0][free], information[0, 1][free], information[1, 1][free]
            step_a = 0.0 if self.is_slope_given else (gradient[0][free] - ad / dd * gradient[1][free]).sum() / (aa - ad**2 / dd).sum()
            step_d = (gradient[1] - information[0, 1] * step_a) / information[1, 1]
            return np.concatenate([np.full(self.n, step_a), step_d])
        ridge = np.eye(len(gradient))[:, :, None] * _TINY
        steps = np.linalg.solve(np.moveaxis(information + ridge, 2, 0), gradient.T[:, :, None])
        return np.concatenate(list(steps[:, :, 0].T), dtype=np.float64)

    def complete_scores(self, vector: Floats, point: float) -> Floats:
        at = np.array([point])
        p, logistic = self._curves(vector, at)
        spread = (p * (1 - p))[:, 0]
        residual = self.data.scores - self.data.seen * p[:, 0]
        return np.concatenate([residual * (one[:, 0] / spread) for one in self._slopes(vector, logistic, at)], axis=1)

    def summed_scores(self, vector: Floats, weights: Floats, points: Floats) -> Floats:
        p, logistic = self._curves(vector, points)
        parts = []
        for one in self._slopes(vector, logistic, points):
            by_p = one / (p * (1 - p))
            parts.append(self.data.scores * (weights @ by_p.T) - self.data.seen * (weights @ (by_p * p).T))
        return np.concatenate(parts, axis=1)

    def complete_information(self, vector: Floats, weights: Floats, points: Floats) -> Floats:
        """Exact: the second derivatives themselves, not their expectation."""
        right, seen = self.data.scores.T @ weights, self.data.seen.T @ weights
        p, logistic = self._curves(vector, points)
        c = self._split(vector)[2][:, None]
        first = self._slopes(vector, logistic, points)
        by_z2 = (1 - c) * logistic * (1 - logistic) * (1 - 2 * logistic)
        second = {(0, 0): by_z2 * points**2, (0, 1): by_z2 * points, (1, 1): by_z2}
        if self.has_guessing:
            cross = -c * (1 - c) * logistic * (1 - logistic)
            second |= {(0, 2): cross * points, (1, 2): cross, (2, 2): c * (1 - c) * (1 - 2 * c) * (1 - logistic)}
        slope, curve = right / p - (seen - right) / (1 - p), right / p**2 + (seen - right) / (1 - p) ** 2
        whole = np.zeros((len(self.vector), len(self.vector)))
        rows = np.arange(self.n)
        for (i, j), both in second.items():
            value = (curve * first[i] * first[j] - slope * both).sum(1)
            if (i, j) == (0, 0) and self.has_guessing:
                a = self._split(vector)[0]
                value = value + (1 - np.log(a)) / (a * SLOPE_PRIOR_SD) ** 2
            if (i, j) == (2, 2):
                alpha, beta = GUESSING_PRIOR
                value = value + (alpha + beta - 2) * (c * (1 - c))[:, 0]
            whole[i * self.n + rows, j * self.n + rows] = whole[j * self.n + rows, i * self.n + rows] = value
        return whole

    def spread(self) -> Floats:
        """Parameters that are known have no column; the 1PL's one slope has one for all of its places."""
        columns = np.eye(len(self.vector))[:, self.free]
        if self.model != "1pl":
            return columns
        slopes = (~self.known).sum()
        shared = [] if self.is_slope_given else [columns[:, :slopes].sum(1)]
        return np.column_stack([*shared, columns[:, slopes:]])

    def result(self, place: int, name: str, fit: _Fit) -> Calibrated:
        a, d, c = (part[place] for part in self._split(self.vector))
        se_a = se_b = None
        if fit.covariance is not None and not self.known[place]:
            block = fit.covariance[np.ix_([place, self.n + place], [place, self.n + place])]
            by_b = np.array([d / a**2, -1 / a])  # b = -d / a
            se_a, se_b = _root(block[0, 0]), _root(by_b @ block @ by_b)
        n = int(self.data.counts @ self.data.seen[:, place])
        return Calibrated(name, float(a), float(-d / a), float(c), se_a, se_b, (), n)

    def runaways(self, vector: Floats) -> dict[int, str]:
        return _out_of_bounds(enumerate(vector[: self.n]), self.known)

    def rescaled(self, vector: Floats, mean: float, sd: float) -> Floats:
        a, d = vector[: self.n], vector[self.n : 2 * self.n]
        return np.concatenate([a * sd, d + a * mean, vector[2 * self.n :]])


class _Categories(_Model):
    """Generalised partial credit: P(k) in proportion to exp(k a theta + d_k), d_0 = 0; each item has its own number of categories.

    The vector is (a, d_1 .. d_m) item after item.
    """

    def __init__(self, data: _Data, fixed: Sequence[ItemParams | None]) -> None:
        self.data, self.n = data, data.scores.shape[1]
        self.known = np.array([params is not None for params in fixed])
        self.values: list[Floats] = []
        self.categories: list[Floats] = []
        self.places: list[slice] = []
        parts, at = [], 0
        half = (data.scores > np.array([_middle(data.scores[:, item], data.seen[:, item]) for item in range(self.n)])).astype(float)
        upper, paired = _share(data, half), _paired(data, half)
        for item, params in enumerate(fixed):
            scores, seen = data.scores[:, item], data.seen[:, item] > 0
            values = np.unique(scores[seen]) if params is None else np.arange(len(params.steps or (params.b,)) + 1.0)
            self.values.append(values)
            self.categories.append(((scores[:, None] == values) & seen[:, None]).astype(float))
            shares = data.counts @ self.categories[-1] + 0.5
            shift = (
                np.log(upper[item] / (1 - upper[item])) + paired[item]
            )  # from where the item stands alone to where it stands among the others
            start = np.concatenate([[1.0], np.log(shares[1:] / shares[0]) - shift * np.arange(1, len(values))])
            parts.append(start if params is None else np.array([params.a, *(-params.a * np.cumsum(params.steps or (params.b,)))]))
            self.places.append(slice(at, at + len(values)))
            at += len(values)
        self.vector = np.concatenate(parts)
        self._all_categories = np.hstack(self.categories)

    def _chances(self, part: Floats, points: Floats) -> Floats:
        """(categories, points)."""
        z = np.outer(np.arange(len(part)) * part[0], points) + np.concatenate([[0.0], part[1:]])[:, None]
        e = np.exp(z - z.max(0))
        return e / e.sum(0)  # type: ignore[no-any-return]

    def log_likelihoods(self, vector: Floats, points: Floats) -> Floats:
        logs = [np.log(np.maximum(self._chances(vector[place], points), _TINY)) for place in self.places]
        return self._all_categories @ np.vstack(logs)  # type: ignore[no-any-return]

    def maximised(self, vector: Floats, weights: Floats, points: Floats) -> Floats:
        vector = vector.copy()
        for item, place in enumerate(self.places):
            if self.known[item]:
                continue
            expected = self.categories[item].T @ weights
            for _ in range(_NEWTON_STEPS):
                gradient, information = self._moments(vector[place], expected, points)
                step = np.clip(np.linalg.solve(information + np.eye(len(gradient)) * _TINY, gradient), -1.0, 1.0)
                vector[place] += step
                vector[place.start] = np.clip(vector[place.start], 1e-3, STEEPEST * 2)
                if np.abs(step).max() < TOLERANCE / 10:
                    break
        return vector

    def _moments(self, part: Floats, expected: Floats, points: Floats) -> tuple[Floats, Floats]:
        """Gradient and information of one item; in this model the observed information is the expected one."""
        chances, seen = self._chances(part, points), expected.sum(0)
        basis = self._basis(len(part), points)
        gradient = np.einsum("kpq,kq->p", basis, expected - seen * chances)
        mean = np.einsum("kpq,kq->pq", basis, chances)
        information = np.einsum("kpq,krq,kq->pr", basis, basis, chances * seen) - np.einsum("pq,rq,q->pr", mean, mean, seen)
        return gradient, information

    def _basis(self, n_categories: int, points: Floats) -> Floats:
        """Derivative of each category's z by each parameter, (categories, parameters, points)."""
        basis = np.zeros((n_categories, n_categories, len(points)))
        for k in range(n_categories):
            basis[k, 0] = k * points
            if k:
                basis[k, k] = 1.0
        return basis

    def complete_scores(self, vector: Floats, point: float) -> Floats:
        at = np.array([point])
        columns = []
        for item, place in enumerate(self.places):
            chances = self._chances(vector[place], at)[:, 0]
            basis = self._basis(len(chances), at)[:, :, 0]
            columns.append(self.categories[item] @ basis - np.outer(self.data.seen[:, item], chances @ basis))
        return np.hstack(columns)

    def summed_scores(self, vector: Floats, weights: Floats, points: Floats) -> Floats:
        columns = []
        at_points, whole = weights @ points, weights.sum(1, keepdims=True)
        for item, place in enumerate(self.places):
            chances, own = self._chances(vector[place], points), self.categories[item]
            expected = np.einsum("kpq,kq->pq", self._basis(len(chances), points), chances)
            given = np.column_stack([own @ np.arange(len(chances)) * at_points, own[:, 1:] * whole])
            columns.append(given - self.data.seen[:, item : item + 1] * (weights @ expected.T))
        return np.hstack(columns)

    def complete_information(self, vector: Floats, weights: Floats, points: Floats) -> Floats:
        whole = np.zeros((len(vector), len(vector)))
        for item, place in enumerate(self.places):
            whole[place, place] = self._moments(vector[place], self.categories[item].T @ weights, points)[1]
        return whole

    def result(self, place: int, name: str, fit: _Fit) -> Calibrated:
        at = self.places[place]
        part = self.vector[at]
        a, m = part[0], len(part) - 1
        steps = -np.diff(np.concatenate([[0.0], part[1:]])) / a
        se_a = se_b = None
        if fit.covariance is not None and not self.known[place]:
            block = fit.covariance[at, at]
            by_b = np.zeros(m + 1)  # the mean of the steps is -d_m / (m a)
            by_b[0], by_b[m] = part[m] / (m * a**2), -1 / (m * a)
            se_a, se_b = _root(block[0, 0]), _root(by_b @ block @ by_b)
        n = int(self.data.counts @ self.data.seen[:, place])
        return Calibrated(name, float(a), float(steps.mean()), 0.0, se_a, se_b, tuple(map(float, steps)), n)

    def spread(self) -> Floats:
        is_free = np.concatenate(
            [np.full(place.stop - place.start, not known) for place, known in zip(self.places, self.known, strict=True)]
        )
        return np.eye(len(self.vector))[:, is_free]

    def runaways(self, vector: Floats) -> dict[int, str]:
        return _out_of_bounds(((item, vector[place.start]) for item, place in enumerate(self.places)), self.known)

    def rescaled(self, vector: Floats, mean: float, sd: float) -> Floats:
        parts = [vector[place] for place in self.places]
        return np.concatenate([np.array([part[0] * sd, *(part[1:] + part[0] * mean * np.arange(1, len(part)))]) for part in parts])

    def recoded(self) -> dict[int, tuple[float, ...]]:
        return {
            item: tuple(map(float, values))
            for item, values in enumerate(self.values)
            if not self.known[item] and not np.array_equal(values, np.arange(len(values)))
        }


def _middle(scores: Floats, seen: Floats) -> float:
    """Half way between an item's lowest and highest score."""
    return float(scores[seen > 0].min() + scores[seen > 0].max()) / 2


def _share(data: _Data, right: Floats) -> Floats:
    """Of those who saw each item, who were right, above 0 and below 1."""
    return (data.counts @ right + 0.5) / (data.counts @ data.seen + 1)


def _paired(data: _Data, right: Floats) -> Floats:
    """Difficulties to begin with, of a slope of 1: from those who were right on one item and wrong on another, so that it does not matter
    who was given which.

    right    (rows, items), 1 or 0
    Source   Choppin (1968), paired comparisons; least squares by the inverse variances of the log odds
    """
    harder = (right * data.counts[:, None]).T @ (data.seen - right)  # [i, j]: right on i, wrong on j
    odds = np.log((harder.T + 0.5) / (harder + 0.5))  # of i being the harder one
    weights = harder * harder.T / np.maximum(harder + harder.T, 1)
    share = _share(data, right)
    alone = -np.log(share / (1 - share))
    slack = 1e-3 * weights.sum() / len(alone) + 1e-3  # items that nobody met together stand where they stand alone
    whole = np.diag(weights.sum(1) + slack) - weights
    return np.linalg.solve(whole, (weights * odds).sum(1) + slack * alone)


def _out_of_bounds(slopes: Iterable[tuple[int, float]], known: NDArray[np.bool_]) -> dict[int, str]:
    return {place: "flat" if a <= FLATTEST else "steep" for place, a in slopes if not (FLATTEST < a < STEEPEST or known[place])}


def _fit(
    items: _Model, data: _Data, names: Sequence[str], people: "_People", *, max_iterations: int, progress: Progress | None, has_errors: bool
) -> _Fit:
    """Iterates until nothing moves: two steps of expectation and maximisation, then a leap along them where that is no loss.

    Far from the end each step also carries the people's mean and spread over to the items (Liu, Rubin & Wu 1998): answers chosen by answers
    before fix the scale only slowly. Slopes are held within bounds on the way; one that ends there has no maximum.
    """
    vector, change, iteration = items.vector, np.inf, 0

    def em(at: Floats) -> tuple[Floats, float]:
        log_likelihood, weights = people.posterior(items.log_likelihoods(at, POINTS), data.counts)
        people.move(weights)
        moved = items.maximised(at, weights, POINTS)
        if change > SETTLED and not people.is_free:
            moved = items.rescaled(moved, *_moments_of(weights))
        return moved, log_likelihood + items.log_prior(at)

    runaways: dict[int, str] = {}
    n_away = 0
    while change > TOLERANCE and n_away < MOST_AWAY:
        if iteration >= max_iterations:
            raise NotConverged(iterations=iteration, reason=_reason(names, runaways, change), runaways=runaways)
        once, before = em(vector)
        twice, _ = em(once)
        iteration += 2
        change = float(np.abs(twice - once).max())
        if TOLERANCE < change <= SETTLED and not people.is_free:
            leap = _leap(vector, once, twice)
            if leap is not None and not items.runaways(leap):
                reached = people.posterior(items.log_likelihoods(leap, POINTS), data.counts)[0] + items.log_prior(leap)
                twice = leap if reached >= before else twice
        vector = twice
        away = items.runaways(vector)
        n_away, runaways = n_away + 1 if away and away == runaways else 0, away
        if progress:
            progress(iteration, change)
    if runaways:
        raise NotConverged(iterations=iteration, reason=_reason(names, runaways, change), runaways=runaways)
    items.vector = vector
    log_likelihood, weights = people.posterior(items.log_likelihoods(vector, POINTS), data.counts)
    covariance, errors_by = _covariance(items, data, people, weights) if has_errors else (None, "none")
    return _Fit(float(log_likelihood), iteration, covariance, errors_by, people)


def _reason(names: Sequence[str], runaways: Mapping[int, str], change: float) -> str:
    """Why there is no maximum, in words that send the reader to the items."""
    told = {
        "flat": "right answers do not grow with ability (a wrong key?)",
        "steep": "the slope grows without end (too few answers, or they follow from others)",
    }
    parts = [f"{', '.join(names[place] for place, way in runaways.items() if way == each)}: {why}" for each, why in told.items()]
    return "; ".join(part for part in parts if not part.startswith(":")) or f"the last change was {change:.2g}"


def _leap(start: Floats, once: Floats, twice: Floats) -> Floats | None:
    """Where two steps point to. Source: Varadhan & Roland (2008), scheme S3."""
    r = once - start
    v = twice - once - r
    length = float(np.sqrt(v @ v))
    if length < _TINY:
        return None
    alpha = -max(1.0, float(np.sqrt(r @ r)) / length)
    leap = start - 2 * alpha * r + alpha**2 * v
    return leap if np.isfinite(leap).all() and np.abs(leap).max() < STEEPEST else None


class _People:
    """The distribution of ability: N(0, 1), or with a mean and spread of its own where items that are known fix the scale."""

    def __init__(self, *, is_free: bool) -> None:
        self.is_free, self.mean, self.sd = is_free, 0.0, 1.0

    def posterior(self, log_likelihoods: Floats, counts: Floats) -> tuple[float, Floats]:
        """The marginal log likelihood, and how many people of each row stand at each point, (rows, points)."""
        log_prior = -0.5 * ((POINTS - self.mean) / self.sd) ** 2
        log_prior -= np.log(np.exp(log_prior).sum())
        joint = log_likelihoods + log_prior
        top = joint.max(1, keepdims=True)
        e = np.exp(joint - top)
        total = e.sum(1, keepdims=True)
        return float(counts @ (np.log(total) + top)[:, 0]), e / total * counts[:, None]

    def slopes(self) -> Floats:
        """Derivatives of the log density at the points by mean and spread, (points, 2); (points, 0) where these are given."""
        if not self.is_free:
            return np.zeros((len(POINTS), 0))
        z = (POINTS - self.mean) / self.sd
        return np.column_stack([z, z**2 - 1]) / self.sd

    def complete_information(self, weights: Floats) -> Floats:
        """Minus the second derivative of the people's weighted log density by mean and spread, (2, 2); (0, 0) where these are given."""
        if not self.is_free:
            return np.zeros((0, 0))
        at, z = weights.sum(0), (POINTS - self.mean) / self.sd
        cross = 2 * (at @ z)
        return np.array([[at.sum(), cross], [cross, at @ (3 * z**2 - 1)]]) / self.sd**2

    def move(self, weights: Floats) -> None:
        if self.is_free:
            self.mean, self.sd = _moments_of(weights)


def _moments_of(weights: Floats) -> tuple[float, float]:
    """Mean and standard deviation of people who stand at the points with these weights, (rows, points)."""
    at = weights.sum(0)
    mean = float(at @ POINTS / at.sum())
    return mean, float(np.sqrt(at @ (POINTS - mean) ** 2 / at.sum()))


def _covariance(items: _Model, data: _Data, people: _People, weights: Floats) -> tuple[Floats | None, str]:
    """Of the estimates, from the information that the answers hold, and how that was found; None where it is not positive.

    Where the people's mean and spread are estimated too, what is not known of them widens the errors of the items.
    """
    vector, n = items.vector, len(items.vector)
    by_people = people.slopes()  # (points, 0 or 2)
    mean = np.column_stack([items.summed_scores(vector, weights, POINTS), weights @ by_people])
    information = mean.T @ (mean / data.counts[:, None])
    errors_by = "cross_products"
    if len(POINTS) * len(data.counts) * n * n <= EXACT_ERRORS:
        errors_by = "observed"
        information[:n, :n] += items.complete_information(vector, weights, POINTS)
        information[n:, n:] += people.complete_information(weights)
        for q, point in enumerate(POINTS):
            scores = np.column_stack([items.complete_scores(vector, point), np.tile(by_people[q], (len(data.counts), 1))])
            information -= scores.T @ (scores * weights[:, q : q + 1])
    spread = np.zeros((n + by_people.shape[1], items.spread().shape[1] + by_people.shape[1]))
    spread[:n, : items.spread().shape[1]] = items.spread()
    spread[n:, items.spread().shape[1] :] = np.eye(by_people.shape[1])
    try:
        return (spread @ np.linalg.inv(spread.T @ information @ spread) @ spread.T)[:n, :n], errors_by
    except np.linalg.LinAlgError:
        return None, errors_by


def _root(variance: Any) -> float | None:
    return float(np.sqrt(variance)) if variance > 0 else None
