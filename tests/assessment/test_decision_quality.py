"""How often decisions by cuts are right and the same twice, beside an enumeration of all answers integrated by scipy; and growth."""

import math
from random import Random

import numpy as np
import pytest

from assessment.decision_quality import lee, rudner, rudner_of_error, rudner_of_test
from assessment.estimation import Ability, estimate
from assessment.fit import score_distribution
from assessment.growth import RELIABLE, has_grown, reliable_change
from assessment.irt import ItemParams, probability
from assessment.tails import chi2_tail, normal_tail

RASCH = [ItemParams(1.7, -2.0), ItemParams(1.7, 1.0), ItemParams(1.7, 0.0), ItemParams(1.7, 1.0)]
"""The four items of the example of R's cacIRT, its scaling of 1.7 within a; there the cuts are 2 and 3 points."""

GUESSED = [
    ItemParams(1.2, -1.0, 0.2), ItemParams(0.9, 0.0, 0.2), ItemParams(1.5, 0.4, 0.15),
    ItemParams(0.8, 1.0, 0.25), ItemParams(1.1, -0.3, 0.2), ItemParams(1.3, 0.8, 0.2),
]  # fmt: skip


@pytest.mark.parametrize(
    ("items", "cuts", "raw", "figures"),
    [
        (RASCH, (0.23023923180426842, 1.1518451610236429), (2, 3), (0.6053875, 0.5654362, 0.3379482)),
        (GUESSED, (-0.3, 0.9), (4, 5), (0.5756591, 0.5321712, 0.2506958)),
    ],
)
def test_lee_is_the_enumeration_of_all_patterns_integrated_over_ability(items, cuts, raw, figures):
    found = lee(items, cuts)

    assert found.raw_cuts == raw
    assert (found.accuracy, found.consistency, found.kappa) == pytest.approx(figures, abs=5e-4)


@pytest.mark.parametrize(
    ("items", "cuts", "figures"),
    [
        (RASCH, (0.23023923180426842, 1.1518451610236429), (0.6701332, 0.5714791, 0.2736610)),
        (GUESSED, (-0.3, 0.9), (0.5764610, 0.4692841, 0.1947246)),
    ],
)
def test_rudner_of_a_form_is_the_integral_over_ability(items, cuts, figures):
    found = rudner_of_test(items, cuts)

    assert (found.accuracy, found.consistency, found.kappa) == pytest.approx(figures, abs=5e-4)


def test_rudner_of_an_end_rule_is_the_integral_over_ability():
    found = rudner_of_error(0.3, (-0.3, 0.9))

    assert (found.accuracy, found.consistency, found.kappa) == pytest.approx((0.8477954, 0.7859385, 0.6640476), abs=5e-4)


def test_rudner_over_people_is_the_mean_of_their_chances():
    found = rudner([-1.2, -0.4, 0.1, 0.35, 0.9, 2.0], [0.4, 0.35, 0.3, 0.31, 0.33, 0.5], [0.0, 0.8])

    assert (found.accuracy, found.consistency, found.kappa) == pytest.approx((0.8168278, 0.7442476, 0.6125261), abs=1e-6)


def test_partial_credit_counts_in_the_sum_of_points():
    steps = ItemParams(1.0, 0.5, 0.0, (0.0, 1.0))
    thetas = np.array([0.3])
    by_hand = [1.0, math.exp(0.3), math.exp(0.3 + 0.3 - 1.0)]

    found = lee([steps, ItemParams()], [0.0])

    assert 0.5 < found.accuracy < 1
    total = sum(by_hand)
    right = probability(0.3, ItemParams())
    from assessment.abilities import category_curves

    scores = score_distribution([category_curves(steps, thetas), category_curves(ItemParams(), thetas)])[:, 0]
    expected = [by_hand[0] * (1 - right), by_hand[0] * right + by_hand[1] * (1 - right)]
    assert list(scores[:2]) == pytest.approx([one / total for one in expected])
    assert scores.sum() == pytest.approx(1)


def test_tails_are_those_of_the_tables():
    """Abramowitz & Stegun (1964), table 26.8: 0.05 quantiles; and the normal distribution's."""
    quantiles = {1: 3.84146, 2: 5.99146, 3: 7.81473, 10: 18.3070, 43: 59.3035}

    assert [chi2_tail(value, df) for df, value in quantiles.items()] == pytest.approx([0.05] * 5, abs=2e-6)
    assert chi2_tail(0, 3) == 1
    assert normal_tail(1.959964) == pytest.approx(0.025, abs=1e-7)


def test_a_change_is_growth_from_1_96_of_its_errors_on():
    """Jacobson & Truax (1991): the difference by the root of both squared errors."""
    assert reliable_change(0.0, 0.3, 1.0, 0.4) == pytest.approx(2.0)
    assert has_grown(0.0, 0.3, RELIABLE / 2, 0.4)
    assert not has_grown(0.0, 0.3, RELIABLE / 2 - 1e-9, 0.4)
    assert not has_grown(1.0, 0.3, 0.0, 0.4)


def test_p7_without_a_true_change_at_most_three_in_a_hundred_have_grown():
    """1,500 people sit two tests of twelve items nearest to their ability, and nothing changes in between."""
    chance = Random(7)
    bank = [ItemParams(math.exp(chance.gauss(0.2, 0.3)), chance.gauss(0, 1.2)) for _ in range(60)]

    def sit(theta: float) -> Ability:
        near = sorted(chance.sample(bank, 30), key=lambda item: abs(item.b - theta))[:12]
        return estimate([(item, int(chance.random() < probability(theta, item))) for item in near])

    n_grown = 0
    for _ in range(1500):
        theta = chance.gauss(0, 1)
        first, second = sit(theta), sit(theta)
        n_grown += has_grown(first.theta, first.sd, second.theta, second.sd)

    assert n_grown <= 0.03 * 1500
