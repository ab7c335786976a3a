"""Signs of integrity: each figure beside a second method, and how often chance alone raises a flag."""

import itertools
import math

import numpy as np
import pytest

from assessment.estimation import warm
from assessment.integrity import (
    FALSE_PAIRS,
    MISFIT,
    TimedAnswer,
    agreement_chance,
    attraction,
    count_rapid,
    effort,
    person_fit,
    rapid_threshold,
    tail,
)
from assessment.irt import ItemParams, probability
from assessment.similarity import similar_pairs


def test_a_rapid_guess_is_a_tenth_of_the_mean_time_and_ten_seconds_at_most():
    # Wise & Ma (2012): NT10, 10 % of the mean, capped at 10 s
    assert rapid_threshold(40) == pytest.approx(4)
    assert rapid_threshold(300) == 10
    assert count_rapid([TimedAnswer(3.9, 40), TimedAnswer(4.0, 40), TimedAnswer(9.9, 300), TimedAnswer(10, 300)]) == 2


def test_effort_is_the_share_of_answers_that_are_no_rapid_guesses():
    # by Wise and Kong (2005)
    assert effort(20, 2) == pytest.approx(0.90)
    assert effort(20, 3) < 0.90
    assert effort(0, 0) == 1


def test_the_tail_of_the_compound_binomial_is_that_of_all_outcomes():
    chances = [0.1, 0.45, 0.02, 0.8, 0.3, 0.3]
    outcomes = list(itertools.product((0, 1), repeat=len(chances)))
    weights = [math.prod(p if hit else 1 - p for p, hit in zip(chances, outcome, strict=True)) for outcome in outcomes]

    for n in range(len(chances) + 2):
        exact = sum(weight for outcome, weight in zip(outcomes, weights, strict=True) if sum(outcome) >= n)
        assert tail(chances, n) == pytest.approx(exact, abs=1e-15)


def test_the_tail_is_exact_where_chances_are_equal_and_tiny():
    # binomial(60, .02): P(X >= 12) by the closed formula
    exact = sum(math.comb(60, k) * 0.02**k * 0.98 ** (60 - k) for k in range(12, 61))

    assert exact < 1e-8
    assert tail([0.02] * 60, 12) == pytest.approx(exact, rel=1e-9)


def bank(n: int, seed: int, *, c: float = 0.0) -> list[ItemParams]:
    rng = np.random.default_rng(seed)
    return [ItemParams(a, b, c) for a, b in zip(np.exp(rng.normal(0.2, 0.3, n)), rng.normal(0, 1.2, n), strict=True)]


def second_method(theta: float, items: list[ItemParams], right: list[bool]) -> float:
    """lz* as Snijders writes it, with derivatives by differences and the estimating equation's own remainder for r_0."""
    step = 1e-5
    p = np.array([probability(theta, item) for item in items])
    slope = np.array([(probability(theta + step, item) - probability(theta - step, item)) / (2 * step) for item in items])
    x, w, r = np.array(right, float), np.log(p / (1 - p)), slope / (p * (1 - p))
    r_0 = -float(np.sum(r * (x - p)))  # at the estimate, r_0 + sum r (x - p) = 0
    c_n = float(np.sum(slope * w) / np.sum(slope * r))
    centred = w - c_n * r
    return float((np.sum((x - p) * w) + c_n * r_0) / np.sqrt(np.sum(centred**2 * p * (1 - p))))


@pytest.mark.parametrize("c", [0.0, 0.2])
def test_person_fit_is_lz_star_of_snijders(c: float):
    rng = np.random.default_rng(5)
    items = bank(30, 4, c=c)
    for theta in (-1.5, 0.0, 1.2):
        right = [bool(rng.random() < probability(theta, item)) for item in items]
        answers = list(zip(items, right, strict=True))
        estimate = warm(answers)
        assert estimate is not None

        assert person_fit([(estimate, answers)]) == pytest.approx(second_method(estimate, items, right), abs=1e-6)


def warm_of_many(a: np.ndarray, b: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Warm's estimates of many persons in the 2PL at once, by bisection."""
    low, high = np.full(len(right), -6.0), np.full(len(right), 6.0)
    for _ in range(40):
        middle = (low + high) / 2
        p = 1 / (1 + np.exp(-a * (middle[:, None] - b)))
        info, j = (a**2 * p * (1 - p)).sum(1), (a**3 * p * (1 - p) * (1 - 2 * p)).sum(1)
        is_below = (a * (right - p)).sum(1) + j / (2 * info) > 0
        low, high = np.where(is_below, middle, low), np.where(is_below, high, middle)
    return (low + high) / 2


@pytest.mark.parametrize(("n_items", "allowed"), [(20, 0.012), (60, 0.008)])
def test_people_who_follow_the_model_are_seldom_flagged_by_person_fit(n_items: int, allowed: float):
    items = bank(n_items, 42)
    a, b = np.array([item.a for item in items]), np.array([item.b for item in items])
    rng = np.random.default_rng(7)
    theta = rng.normal(0, 1, 2000)
    right = rng.random((2000, n_items)) < 1 / (1 + np.exp(-a * (theta[:, None] - b)))
    estimates = warm_of_many(a, b, right)

    fits = np.array([person_fit([(t, list(zip(items, row, strict=True)))]) for t, row in zip(estimates, right.tolist(), strict=True)])

    assert abs(fits.mean()) < 0.12
    assert fits.std() == pytest.approx(1, abs=0.12)
    assert (fits < -1.645).mean() == pytest.approx(0.05, abs=0.025)
    assert (fits < MISFIT).mean() <= allowed


def test_somebody_who_knows_the_hard_half_and_not_the_easy_one_is_flagged():
    items = sorted(bank(40, 42), key=lambda item: item.b)
    answers = [(item, place >= 20) for place, item in enumerate(items)]

    fit = person_fit([(warm(answers) or 0.0, answers)])

    assert fit is not None
    assert fit < MISFIT


def test_several_abilities_add_up_and_too_few_answers_say_nothing():
    items = bank(30, 4)
    one, other = [(item, True) for item in items[:10]], [(item, False) for item in items[10:20]]

    assert person_fit([(0.3, one)]) is None
    both = person_fit([(0.3, one), (-0.2, other), (0.0, [])])
    assert both is not None
    assert both == person_fit([(-0.2, other), (0.3, one)])


def test_attraction_is_the_chance_that_two_wrong_answers_are_the_same():
    assert attraction({"a": 10**9}, 1) == pytest.approx(1)
    assert attraction({}, 3) == pytest.approx(1 / 3)
    assert attraction({"a": 2 * 10**6, "c": 10**6, "d": 10**6}, 3) == pytest.approx(0.5**2 + 2 * 0.25**2, rel=1e-5)
    assert agreement_chance(0.5, 0.4, 0.3) == pytest.approx(0.06)


class Hall:
    """Simulated sittings of one linear form: four options, wrong ones with shares .6, .3 and .1."""

    def __init__(self, n: int, n_items: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        items = bank(n_items, seed)
        a, b = np.array([item.a for item in items]), np.array([item.b for item in items])
        theta = rng.normal(0, 1, n)
        is_wrong = rng.random((n, n_items)) >= 1 / (1 + np.exp(-a * (theta[:, None] - b)))
        self.choices = np.where(is_wrong, rng.choice(3, (n, n_items), p=[0.6, 0.3, 0.1]), -1).astype(np.int32)
        self.a, self.b = a, b
        self.attraction = np.full(n_items, 0.6**2 + 0.3**2 + 0.1**2, dtype=np.float32)

    def copy(self, source: int, copier: int, share: float) -> None:
        n_copied = int(share * self.choices.shape[1])
        self.choices[copier, :n_copied] = self.choices[source, :n_copied]

    @property
    def wrong(self) -> np.ndarray:
        estimates = warm_of_many(self.a, self.b, self.choices < 0)
        return (1 - 1 / (1 + np.exp(-self.a * (estimates[:, None] - self.b)))).astype(np.float32)

    def pairs(self, **options: float) -> list:
        return similar_pairs(self.wrong, self.choices, self.attraction, [True] * len(self.choices), **options)


def test_the_quick_way_finds_the_pairs_that_a_look_at_each_pair_finds():
    hall = Hall(120, 40, seed=3)
    hall.copy(5, 90, 0.7)
    wrong, false_pairs = hall.wrong, 30.0
    level = false_pairs / (120 * 119 / 2)
    slow = {}
    for one, other in itertools.combinations(range(120), 2):
        same = int(((hall.choices[one] == hall.choices[other]) & (hall.choices[one] >= 0)).sum())
        chances = [
            agreement_chance(float(u), float(w), float(s)) for u, w, s in zip(wrong[one], wrong[other], hall.attraction, strict=True)
        ]
        chance = tail(chances, same)
        if chance <= level and same >= 3:
            slow[one, other] = (same, chance)

    found = {(pair.one, pair.other): (pair.n_same, pair.chance) for pair in hall.pairs(false_pairs=false_pairs)}

    assert found.keys() == slow.keys()
    assert len(slow) > 3
    assert all(found[pair] == (slow[pair][0], pytest.approx(slow[pair][1], rel=1e-9)) for pair in slow)


def test_chance_alone_flags_fewer_pairs_than_it_is_allowed_to():
    flagged = [len(Hall(80, 40, seed=seed).pairs(false_pairs=20.0)) for seed in range(5)]

    assert sum(flagged) / len(flagged) <= 20.0
    assert sum(flagged) > 0  # and the level is no mere formality


def test_a_pair_that_shares_most_of_its_answers_is_found_and_no_other():
    hall = Hall(400, 60, seed=11)
    hall.copy(3, 277, 0.8)

    found = hall.pairs()

    assert [(pair.one, pair.other) for pair in found] == [(3, 277)]
    assert found[0].chance < FALSE_PAIRS / (400 * 399 / 2)
    assert found[0].n_same > 2 * found[0].expected


def test_pairs_that_were_compared_before_are_not_compared_again():
    hall = Hall(60, 60, seed=2)
    hall.copy(3, 40, 0.9)

    def found(new: set[int]) -> list:
        return similar_pairs(hall.wrong, hall.choices, hall.attraction, [place in new for place in range(60)])

    assert [(pair.one, pair.other) for pair in found({40})] == [(3, 40)]
    assert found({7}) == []
