"""Item parameters from answers: marginal maximum likelihood by expectation and maximisation, abilities from N(0, 1). Pure; needs numpy.

An item that a person has not seen is left out of that person's likelihood, which holds where what is shown hangs on earlier answers
alone, as in an adaptive test (Rubin 1976; Mislevy & Wu 1996). People with the same answers are one row with a count.
Source   Bock & Aitkin (1981); Muraki (1992) for partial credit; Louis (1982) for the standard errors; Varadhan & Roland (2008) for the pace
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
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

FLATTEST: Final = 2e-3
STEEPEST: Final = 15.0
"""A slope beyond the one or below the other says that the data fix none."""

GUESSING_PRIOR: Final = (5.0, 17.0)
"""Beta distribution of c in the 3PL, mean near a fifth: without it c and b can hardly be told apart."""

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
    set_aside        items without parameters, and why: `all_right`, `all_wrong`, `not_seen`
    errors_by        `observed` information, or `cross_products` of the scores where that would take too long
    """

    model: str
    n_persons: int
    log_likelihood: float
    iterations: int
    items: tuple[Calibrated, ...]
    set_aside: Mapping[str, str] = field(default_factory=dict)
    errors_by: str = "observed"


def calibrate(
    responses: Responses,
    model: str,
    *,
    fixed: Mapping[str, ItemParams] | None = None,
    max_iterations: int = MAX_ITERATIONS,
    progress: Progress | None = None,
) -> Calibration:
    """Parameters of every item.

    model    one of MODELS; 1pl has one discrimination for all
    fixed    parameters that are known and stay: the others come out on their scale (fixed-parameter calibration; Kim 2006), and
             people's mean and spread are then estimated too
    Raises   NotConverged, NothingToCalibrate
    """
    scores = np.array(responses.rows, dtype=float).reshape(len(responses.rows), len(responses.items))
    aside = _set_aside(responses.items, scores, fixed or {})
    kept = [place for place, name in enumerate(responses.items) if name not in aside]
    if len(kept) < 2:  # noqa: PLR2004  one item alone says nothing about ability
        raise NothingToCalibrate(n=len(kept))
    names = tuple(responses.items[place] for place in kept)
    data = _Data.of(scores[:, kept])
    items = _Categories(data) if model == "gpcm" else _Logistic(data, model, [(fixed or {}).get(name) for name in names])
    fit = _fit(items, data, names, has_free_people=bool(fixed), max_iterations=max_iterations, progress=progress)
    found = tuple(items.result(place, name, fit) for place, name in enumerate(names))
    return Calibration(model, len(responses.rows), fit.log_likelihood, fit.iterations, found, aside, fit.errors_by)


def _set_aside(names: Sequence[str], scores: Floats, fixed: Mapping[str, ItemParams]) -> dict[str, str]:
    """Items that no parameters can be found for."""
    aside = {}
    for place, name in enumerate(names):
        seen = scores[:, place][~np.isnan(scores[:, place])]
        if not len(seen):
            aside[name] = "not_seen"
        elif seen.min() == seen.max() and name not in fixed:
            aside[name] = "all_wrong" if seen.max() == 0 else "all_right"
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
    """Of all free parameters, in the order of the model's own vector."""
    errors_by: str


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
    def complete_information(self, vector: Floats, weights: Floats, points: Floats) -> Floats:
        """Minus the second derivative of the weighted log likelihood, priors included, (parameters, parameters)."""

    @abstractmethod
    def result(self, place: int, name: str, fit: _Fit) -> Calibrated:
        """One item, by the vector as it stands."""

    @abstractmethod
    def steep(self, vector: Floats) -> list[int]:
        """Items whose parameters ran away."""

    def spread(self) -> Floats:
        """How the free parameters stand in the vector, (vector, free parameters), 0 or 1."""
        return np.eye(len(self.vector))


class _Logistic(_Model):
    """1PL, 2PL and 3PL in slope and intercept: z = a theta + d, P = c + (1 - c) / (1 + exp(-z)), c = 1 / (1 + exp(-g)).

    The vector is (a of all items, d of all, g of all); the 1PL holds its one slope in every place, the 2PL no g.
    """

    def __init__(self, data: _Data, model: str, fixed: Sequence[ItemParams | None]) -> None:
        self.data, self.model, self.n = data, model, data.scores.shape[1]
        self.has_guessing = model == "3pl"
        seen, right = data.counts @ data.seen, data.counts @ data.scores
        share = (right + 0.5) / (seen + 1)
        start_d = np.log(share / (1 - share)) * 1.1
        parts = [np.ones(self.n), start_d] + ([np.full(self.n, np.log(0.2 / 0.8))] if self.has_guessing else [])
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
            c = self._split(vector)[2]
            alpha, beta = GUESSING_PRIOR
            gradient[2] += (alpha - 1) * (1 - c) - (beta - 1) * c
            information[2, 2] += (alpha + beta - 2) * c * (1 - c)
        return gradient, information

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
            step_a = (gradient[0][free] - ad / dd * gradient[1][free]).sum() / (aa - ad**2 / dd).sum()
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
        return np.column_stack([columns[:, :slopes].sum(1), columns[:, slopes:]])

    def result(self, place: int, name: str, fit: _Fit) -> Calibrated:
        a, d, c = (part[place] for part in self._split(self.vector))
        se_a = se_b = None
        if fit.covariance is not None and not self.known[place]:
            block = fit.covariance[np.ix_([place, self.n + place], [place, self.n + place])]
            by_b = np.array([d / a**2, -1 / a])  # b = -d / a
            se_a, se_b = _root(block[0, 0]), _root(by_b @ block @ by_b)
        n = int(self.data.counts @ self.data.seen[:, place])
        return Calibrated(name, float(a), float(-d / a), float(c), se_a, se_b, (), n)

    def steep(self, vector: Floats) -> list[int]:
        return [int(place) for place in np.flatnonzero(((vector[: self.n] >= STEEPEST) | (vector[: self.n] <= FLATTEST)) & ~self.known)]


class _Categories(_Model):
    """Generalised partial credit: P(k) in proportion to exp(k a theta + d_k), d_0 = 0; each item has its own number of categories.

    The vector is (a, d_1 .. d_m) item after item.
    """

    def __init__(self, data: _Data) -> None:
        self.data, self.n = data, data.scores.shape[1]
        self.categories: list[Floats] = []
        self.places: list[slice] = []
        parts, at = [], 0
        for item in range(self.n):
            scores, seen = data.scores[:, item], data.seen[:, item] > 0
            values = np.unique(scores[seen])
            self.categories.append(((scores[:, None] == values) & seen[:, None]).astype(float))
            shares = data.counts @ self.categories[-1] + 0.5
            parts.append(np.concatenate([[1.0], np.log(shares[1:] / shares[0])]))
            self.places.append(slice(at, at + len(values)))
            at += len(values)
        self.vector = np.concatenate(parts)

    def _chances(self, part: Floats, points: Floats) -> Floats:
        """(categories, points)."""
        z = np.outer(np.arange(len(part)) * part[0], points) + np.concatenate([[0.0], part[1:]])[:, None]
        e = np.exp(z - z.max(0))
        return e / e.sum(0)  # type: ignore[no-any-return]

    def log_likelihoods(self, vector: Floats, points: Floats) -> Floats:
        logs = [np.log(np.maximum(self._chances(vector[place], points), _TINY)) for place in self.places]
        return np.hstack(self.categories) @ np.vstack(logs)  # type: ignore[no-any-return]

    def maximised(self, vector: Floats, weights: Floats, points: Floats) -> Floats:
        vector = vector.copy()
        for item, place in enumerate(self.places):
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
        if fit.covariance is not None:
            block = fit.covariance[at, at]
            by_b = np.zeros(m + 1)  # the mean of the steps is -d_m / (m a)
            by_b[0], by_b[m] = part[m] / (m * a**2), -1 / (m * a)
            se_a, se_b = _root(block[0, 0]), _root(by_b @ block @ by_b)
        n = int(self.data.counts @ self.data.seen[:, place])
        return Calibrated(name, float(a), float(steps.mean()), 0.0, se_a, se_b, tuple(map(float, steps)), n)

    def steep(self, vector: Floats) -> list[int]:
        return [item for item, place in enumerate(self.places) if not FLATTEST < vector[place.start] < STEEPEST]


def _fit(
    items: _Model, data: _Data, names: Sequence[str], *, has_free_people: bool, max_iterations: int, progress: Progress | None
) -> _Fit:
    """Iterates until nothing moves: two steps of expectation and maximisation, then a leap along them where that is no loss."""
    people = _People(is_free=has_free_people)
    vector, change, iteration = items.vector, np.inf, 0

    def em(at: Floats) -> tuple[Floats, float]:
        log_likelihood, weights = people.posterior(items.log_likelihoods(at, POINTS), data.counts)
        people.move(weights)
        return items.maximised(at, weights, POINTS), log_likelihood

    while change > TOLERANCE:
        if iteration >= max_iterations or items.steep(vector):
            runaway = ", ".join(names[place] for place in items.steep(vector)) or f"the last change was {change:.2g}"
            raise NotConverged(iterations=iteration, reason=runaway)
        once, before = em(vector)
        twice, _ = em(once)
        iteration += 2
        change = float(np.abs(twice - once).max())
        if change > TOLERANCE and not has_free_people:
            leap = _leap(vector, once, twice)
            if leap is not None and people.posterior(items.log_likelihoods(leap, POINTS), data.counts)[0] >= before:
                twice = leap
        vector = twice
        if progress:
            progress(iteration, change)
    items.vector = vector
    log_likelihood, weights = people.posterior(items.log_likelihoods(vector, POINTS), data.counts)
    covariance, errors_by = _covariance(items, data, weights)
    return _Fit(float(log_likelihood), iteration, covariance, errors_by)


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

    def move(self, weights: Floats) -> None:
        if self.is_free:
            at = weights.sum(0)
            self.mean = float(at @ POINTS / at.sum())
            self.sd = float(np.sqrt(at @ (POINTS - self.mean) ** 2 / at.sum()))


def _covariance(items: _Model, data: _Data, weights: Floats) -> tuple[Floats | None, str]:
    """Of the estimates, from the information that the answers hold, and how that was found; None where it is not positive."""
    vector, n = items.vector, len(items.vector)
    if len(POINTS) * len(data.counts) * n * n <= EXACT_ERRORS:
        information, errors_by = items.complete_information(vector, weights, POINTS), "observed"
        mean = np.zeros((len(data.counts), n))
        for q, point in enumerate(POINTS):
            scores = items.complete_scores(vector, point)
            information -= scores.T @ (scores * weights[:, q : q + 1])
            mean += scores * weights[:, q : q + 1]
        information += mean.T @ (mean / data.counts[:, None])
    else:
        errors_by = "cross_products"
        mean = np.zeros((len(data.counts), n))
        for q, point in enumerate(POINTS):
            mean += items.complete_scores(vector, point) * weights[:, q : q + 1]
        information = mean.T @ (mean / data.counts[:, None])
    spread = items.spread()
    try:
        return spread @ np.linalg.inv(spread.T @ information @ spread) @ spread.T, errors_by
    except np.linalg.LinAlgError:
        return None, errors_by


def _root(variance: Any) -> float | None:
    return float(np.sqrt(variance)) if variance > 0 else None
