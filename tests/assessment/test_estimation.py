"""Abilities against published scores, against integrals by a second method, and against what may never happen."""

import json
import math
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assessment.blueprint import DomainRule
from assessment.cat import Pool, PoolItem
from assessment.estimation import (
    GRID,
    chance_at_least,
    eap,
    estimate,
    log_likelihood,
    normal_prior,
    posterior_of,
    warm,
)
from assessment.irt import ItemParams, information, probability
from assessment.outcome import judge_area
from assessment.sitting import Rules, Sitting
from assessment.stopping import StoppingRule

LSAT6 = json.loads((Path(__file__).parents[1] / "vectors" / "irt-lsat6.json").read_text("utf-8"))
LSAT6_ITEMS = [ItemParams(item["a"], item["b"]) for item in LSAT6["items"]]

ANY_ITEM = st.builds(ItemParams, a=st.floats(0.01, 30), b=st.floats(-12, 12), c=st.sampled_from([0.0, 0.05, 0.25, 0.5]))
RASCH_ITEM = st.builds(ItemParams, b=st.floats(-6, 6))


def answers_of(pattern, items=LSAT6_ITEMS):
    return [(item, mark == "1") for item, mark in zip(items, pattern, strict=True)]


def fine_posterior(answers, n=16_001, low=-5.0, high=5.0):
    """Points and weights of the posterior by plain products on a fine grid, sharing no code with the engine but P itself."""
    points = [low + (high - low) * k / (n - 1) for k in range(n)]
    weights = [math.exp(-point * point / 2) for point in points]
    for item, is_right in answers:
        for k, point in enumerate(points):
            p = item.c + (1 - item.c) / (1 + math.exp(-item.a * (point - item.b)))
            weights[k] *= p if is_right else 1 - p
    total = math.fsum(weights)
    return points, [weight / total for weight in weights]


def fine_eap(answers):
    points, weights = fine_posterior(answers)
    mean = math.fsum(point * weight for point, weight in zip(points, weights, strict=True))
    return mean, math.sqrt(math.fsum(weight * (point - mean) ** 2 for point, weight in zip(points, weights, strict=True)))


@pytest.mark.parametrize("case", LSAT6["eap"], ids=lambda case: case["pattern"])
def test_lsat6_scores_are_the_published_ones(case):
    ability = estimate(answers_of(case["pattern"]))

    assert ability.theta == pytest.approx(case["theta"], abs=0.001)
    assert ability.sd == pytest.approx(case["sd"], abs=0.001)


def test_the_lsat6_table_has_the_published_reliability():
    """Checks the table of answers itself, so that what is tested with it rests on the right data. KR-20, population variances."""
    counts = LSAT6["counts"]
    n = sum(counts.values())
    shares = [sum(count for pattern, count in counts.items() if pattern[k] == "1") / n for k in range(5)]
    mean = sum(pattern.count("1") * count for pattern, count in counts.items()) / n
    variance = sum((pattern.count("1") - mean) ** 2 * count for pattern, count in counts.items()) / n

    assert n == 1000
    assert 5 / 4 * (1 - sum(p * (1 - p) for p in shares) / variance) == pytest.approx(LSAT6["kr20"], abs=1e-6)


def marginal_log_likelihood(items):
    prior = posterior_of(normal_prior())
    return sum(
        count
        * math.log(
            math.fsum(
                weight * math.exp(log - base)
                for weight, log, base in zip(prior, log_likelihood(answers_of(pattern, items)), normal_prior(), strict=True)
            )
        )
        for pattern, count in LSAT6["counts"].items()
    )


def test_lsat6_log_likelihood_of_the_2pl_is_the_published_one():
    assert marginal_log_likelihood(LSAT6_ITEMS) == pytest.approx(LSAT6["log_likelihood"], abs=0.001)


def test_the_grid_agrees_with_an_integral_over_16001_points_after_each_answer():
    chance = Random(11)
    items = [ItemParams(math.exp(chance.gauss(0.2, 0.3)), chance.gauss(0, 1.2), chance.choice([0, 0, 0.2])) for _ in range(20)]
    answers = []
    for item in items:
        answers.append((item, chance.random() < probability(0.7, item)))
        mean, sd = fine_eap(answers)

        ability = estimate(answers)

        assert ability.theta == pytest.approx(mean, abs=0.003)
        assert ability.sd == pytest.approx(sd, abs=0.003)


@pytest.mark.parametrize("cut", [-2.1, -1.0, -0.13, 0.0, 0.125, 0.5, 1.0, 2.37])
@pytest.mark.parametrize("n_items", [0, 1, 6, 20])
def test_the_chance_of_being_above_a_cut_agrees_with_a_fine_integral(cut, n_items):
    chance = Random(5)
    answers = [(ItemParams(1.2, chance.gauss(0, 1)), chance.random() < 0.55) for _ in range(n_items)]
    points, weights = fine_posterior(answers)
    above = math.fsum(weight * (0.5 if abs(point - cut) < 1e-9 else point > cut) for point, weight in zip(points, weights, strict=True))

    assert chance_at_least(posterior_of(log_likelihood(answers)), cut) == pytest.approx(above, abs=0.001)


def test_the_chance_of_being_above_a_cut_falls_from_1_to_0():
    posterior = posterior_of(normal_prior())
    chances = [chance_at_least(posterior, cut / 50) for cut in range(-260, 261)]

    assert chances[0] == 1
    assert chances[-1] == 0
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(chances))
    assert chance_at_least(posterior, 0) == pytest.approx(0.5, abs=1e-9)
    assert chance_at_least(posterior, 1.0) == pytest.approx(0.15866, abs=2e-4)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.one_of(ANY_ITEM, RASCH_ITEM), st.booleans()), max_size=25), st.one_of(ANY_ITEM, RASCH_ITEM))
def test_theta_never_rises_after_a_wrong_answer_nor_falls_after_a_right_one(before, item):
    theta = estimate(before).theta

    assert estimate([*before, (item, True)]).theta >= theta - 1e-9
    assert estimate([*before, (item, False)]).theta <= theta + 1e-9


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.one_of(ANY_ITEM, RASCH_ITEM), min_size=5, max_size=25),
    st.lists(st.booleans(), min_size=25, max_size=25),
    st.integers(0, 99),
)
def test_in_a_sitting_theta_follows_each_answer(items, marks, seed):
    sitting = Sitting(
        Pool([PoolItem(item) for item in items]), Rules((DomainRule(),), StoppingRule(1, 25, 0.01), randomesque_first=3), seed
    )
    theta = sitting.ability(0).theta
    for is_right in marks[: len(items)]:
        choice = sitting.next_item()
        sitting.answer(choice.place, is_right)
        after = sitting.ability(0).theta

        assert after >= theta - 1e-9 if is_right else after <= theta + 1e-9
        theta = after
    assert sitting.next_item() is None


def test_with_hard_items_only_and_every_answer_wrong_the_estimate_falls():
    items = [ItemParams(1.0, 2 + k / 5) for k in range(6)]
    thetas = [estimate([(item, False) for item in items[:n]]).theta for n in range(7)]

    assert all(later < earlier for earlier, later in pairwise(thetas))


def test_the_order_of_answers_does_not_matter():
    chance = Random(2)
    answers = [(ItemParams(1.3, chance.gauss(0, 1)), chance.random() < 0.5) for _ in range(12)]
    shuffled = answers[:]
    chance.shuffle(shuffled)

    assert estimate(shuffled).theta == pytest.approx(estimate(answers).theta, abs=1e-12)


def test_before_any_answer_the_ability_is_the_prior():
    assert eap(posterior_of(normal_prior())).theta == pytest.approx(0, abs=1e-12)
    assert eap(posterior_of(normal_prior())).sd == pytest.approx(1, abs=1e-4)


def test_a_posterior_sums_to_1_where_plain_products_would_vanish():
    answers = [(ItemParams(30.0, 12.0), True), (ItemParams(30.0, -12.0), False)] * 10
    posterior = posterior_of(log_likelihood(answers))

    assert math.fsum(posterior) == pytest.approx(1)
    assert len(posterior) == len(GRID)


@pytest.mark.parametrize("seed", range(6))
def test_warms_estimate_has_the_highest_weighted_likelihood(seed):
    """For the 2PL Warm's equation is the derivative of log L + log(I) / 2: found here by trying every point."""
    chance = Random(seed)
    answers = [(ItemParams(math.exp(chance.gauss(0, 0.3)), chance.gauss(0, 1)), chance.random() < 0.5) for _ in range(15)]

    def weighted(theta):
        likelihood = sum(math.log(probability(theta, item) if right else 1 - probability(theta, item)) for item, right in answers)
        return likelihood + 0.5 * math.log(sum(information(theta, item) for item, _ in answers))

    best = max((k / 1000 for k in range(-6000, 6001)), key=weighted)

    assert warm(answers) == pytest.approx(best, abs=0.001)


def test_warms_estimate_of_one_rasch_item_answered_rightly_is_known():
    """One Rasch item: u - P + (1 - 2P)/2 = 0, so P = 3/4 and theta = b + ln 3."""
    assert warm([(ItemParams(b=0.4), True)]) == pytest.approx(0.4 + math.log(3), abs=1e-9)
    assert warm([(ItemParams(b=0.4), False)]) == pytest.approx(0.4 - math.log(3), abs=1e-9)


def test_warms_estimate_stays_within_its_bounds():
    hard, easy = [(ItemParams(1.0, 8.0), True)] * 3, [(ItemParams(1.0, -8.0), False)] * 3

    assert warm(hard) == 6
    assert warm(easy) == -6
    assert warm([]) is None


@pytest.mark.parametrize(("distance", "is_borderline"), [(0.99, True), (1.01, False)])
def test_a_level_is_borderline_within_one_standard_deviation_of_a_cut(distance, is_borderline):
    posterior = posterior_of(log_likelihood([(ItemParams(1.4, 0.3), True), (ItemParams(1.1, -0.4), False)]))
    ability = eap(posterior)

    for cut in (ability.theta - distance * ability.sd, ability.theta + distance * ability.sd):
        assert judge_area(posterior, [cut], n_items=6, min_items_for_level=6, confidence=0.9).is_borderline is is_borderline
