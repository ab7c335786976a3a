"""Signs that a sitting may not measure what it should: hurry, answers that do not fit together, pairs that agree too well, absence. Pure.

Each sign has innocent causes too. It asks a person to look, and never changes a score.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from assessment.irt import ItemParams, probability, slopes

KEPT: Final = timedelta(days=365)
"""How long after a sitting's end its signs, their reviews and the times away are kept."""

RAPID_SHARE: Final = 0.10
RAPID_SECONDS: Final = 10.0
MIN_EFFORT: Final = 0.90
"""Below this share of answers with effort a sitting is no valid measure."""
MIN_TIMES: Final = 30
"""Answers from which an item's mean time is taken; before that its time guide stands for the mean."""
MISFIT: Final = -3.0
"""lz* below this is flagged: in a normal distribution one sitting in 740."""
MIN_FIT_ANSWERS: Final = 15
FALSE_PAIRS: Final = 0.05
"""Pairs that chance alone may flag in one form of one agency, expected number, all comparisons together."""
MANY_AWAY: Final = 5
LONG_AWAY_SECONDS: Final = 120
MANY_MOVES: Final = 3


@dataclass(frozen=True, slots=True)
class TimedAnswer:
    """One answer with its time on the item and the item's mean time, seconds."""

    seconds: float
    mean_seconds: float


def rapid_threshold(mean_seconds: float) -> float:
    """Seconds under which an answer is a rapid guess.

    Source   Wise & Ma (2012): normative threshold NT10, 10 % of the item's mean time, at most 10 s
    """
    return min(RAPID_SECONDS, RAPID_SHARE * mean_seconds)


def count_rapid(answers: Iterable[TimedAnswer]) -> int:
    """Answers that are rapid guesses."""
    return sum(answer.seconds < rapid_threshold(answer.mean_seconds) for answer in answers)


def effort(n_answers: int, n_rapid: int) -> float:
    """Response time effort: the share of answers that are no rapid guesses, 0..1; 1 without answers.

    Source   Wise & Kong (2005)
    """
    return 1 - n_rapid / n_answers if n_answers else 1.0


@dataclass(frozen=True, slots=True)
class _Fit:
    """Sum of centred log chances, what the estimate adds to it, and its variance."""

    weighted: float
    variance: float


def person_fit(scales: Iterable[tuple[float, Sequence[tuple[ItemParams, bool]]]]) -> float | None:
    """lz* over one or more abilities: how well a person's right and wrong answers fit together; far below 0 is unlikely.

    scales   of each ability its weighted likelihood estimate (logits) and the dichotomous answers that measure it
    Returns  about N(0, 1) for a person who follows the model, more so the longer the test; None below MIN_FIT_ANSWERS answers
    Source   Snijders (2001), eq. 8 to 11, with w_i = ln(P_i / Q_i), r_i = P'_i / (P_i Q_i) and r_0 = J / (2 I) for Warm's estimate;
             abilities are measured by items of their own, so their sums and variances add up
    """
    kept = [(theta, answers) for theta, answers in scales if answers]
    if sum(len(answers) for _, answers in kept) < MIN_FIT_ANSWERS:
        return None
    parts = [_fit_of(theta, answers) for theta, answers in kept]
    variance = math.fsum(part.variance for part in parts)
    return math.fsum(part.weighted for part in parts) / math.sqrt(variance) if variance > 0 else None


def _fit_of(theta: float, answers: Sequence[tuple[ItemParams, bool]]) -> _Fit:
    terms = []
    info = bias = slope_of_weights = 0.0
    for item, is_right in answers:
        p = probability(theta, item)
        q = 1 - p
        if p * q <= 0:
            continue  # so far from the item that the answer tells nothing here
        first, second = slopes(theta, item)
        weight = math.log(p / q)
        info += first * first / (p * q)
        bias += first * second / (p * q)
        slope_of_weights += first * weight
        terms.append((is_right - p, p * q, weight, first / (p * q)))
    if info <= 0:
        return _Fit(0.0, 0.0)
    share = slope_of_weights / info  # c_n: sum of P' w over sum of P' r
    weighted = math.fsum(gap * weight for gap, _, weight, _ in terms) + share * bias / (2 * info)
    variance = math.fsum(spread * (weight - share * r) ** 2 for _, spread, weight, r in terms)
    return _Fit(weighted, variance)


def tail(chances: Iterable[float], n: int) -> float:
    """P(at least n of some independent events), each with a chance of its own.

    Source   the generalised (compound) binomial; recursion of Lord & Wingersky (1984)
    """
    if n <= 0:
        return 1.0
    below = [1.0] + [0.0] * (n - 1)
    reached = 0.0
    for chance in chances:
        reached += below[-1] * chance
        for count in range(n - 1, 0, -1):
            below[count] += chance * (below[count - 1] - below[count])
        below[0] *= 1 - chance
    return reached


def agreement_chance(wrong_of_one: float, wrong_of_other: float, attraction: float) -> float:
    """Chance that two people who work alone give the same wrong answer to an item.

    wrong_of_one, wrong_of_other   chance of a wrong answer, by the ability of each
    attraction                     sum of squares of the shares of the wrong answers: chance that two wrong ones are the same
    """
    return wrong_of_one * wrong_of_other * attraction


def attraction(counts: Mapping[str, int], n_wrong_options: int) -> float:
    """Chance that two wrong answers to an item are the same, from how often each was given.

    counts           by wrong answer
    n_wrong_options  wrong answers that there are, 1 or more; each counts half an answer more than were given
    """
    total = sum(counts.values()) + n_wrong_options / 2
    known = math.fsum(((count + 0.5) / total) ** 2 for count in counts.values())
    return min(1.0, known + max(0, n_wrong_options - len(counts)) * (0.5 / total) ** 2)
