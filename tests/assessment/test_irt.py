"""Response models against their definitions, a derivative and limits."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from assessment.errors import InvalidItemParams
from assessment.irt import ItemParams, information, log_probabilities, params_of, probability, slopes

ITEMS = st.builds(ItemParams, a=st.floats(0.05, 5), b=st.floats(-6, 6), c=st.sampled_from([0.0, 0.1, 0.2, 0.35]))
THETAS = st.floats(-6, 6)
STEP = 1e-4


@pytest.mark.parametrize(
    ("theta", "item", "chance"),
    [
        (0.0, ItemParams(), 0.5),
        (1.0, ItemParams(), 0.7310585786300049),
        (0.5, ItemParams(2.0, -0.5), 0.8807970779778823),
        (0.0, ItemParams(1.0, 0.0, 0.2), 0.6),
        (-1.0, ItemParams(1.5, 0.5, 0.25), 0.25 + 0.75 / (1 + math.exp(2.25))),
    ],
)
def test_the_chance_of_a_right_answer_is_the_logistic_of_the_distance(theta, item, chance):
    assert probability(theta, item) == pytest.approx(chance, abs=1e-15)


@given(THETAS, ITEMS)
def test_information_equals_the_squared_slope_over_the_variance(theta, item):
    slope = (probability(theta + STEP, item) - probability(theta - STEP, item)) / (2 * STEP)
    p = probability(theta, item)
    assume(1e-6 < p < 1 - 1e-6)  # beyond, the numeric slope is rounding error

    assert information(theta, item) == pytest.approx(slope**2 / (p * (1 - p)), rel=1e-4, abs=1e-8)


@given(THETAS, ITEMS)
def test_slopes_are_the_derivatives_of_the_chance(theta, item):
    first, second = slopes(theta, item)
    low, middle, high = (probability(theta + shift, item) for shift in (-STEP, 0, STEP))

    assert first == pytest.approx((high - low) / (2 * STEP), abs=1e-6)
    assert second == pytest.approx((high - 2 * middle + low) / STEP**2, abs=1e-4)


@given(THETAS, ITEMS)
def test_logarithms_agree_with_the_chances(theta, item):
    log_wrong, log_right = log_probabilities(theta, item)

    assert math.exp(log_right) == pytest.approx(probability(theta, item), rel=1e-12)
    assert math.exp(log_right) + math.exp(log_wrong) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("theta", [-5.0, 5.0])
@pytest.mark.parametrize("b", [-900.0, 900.0])
def test_logarithms_stay_finite_where_chances_round_to_0(theta, b):
    assert all(map(math.isfinite, log_probabilities(theta, ItemParams(3.0, b))))
    assert math.isfinite(information(theta, ItemParams(3.0, b)))


def test_information_of_a_2pl_item_is_highest_at_its_difficulty():
    item = ItemParams(1.4, 0.6)

    assert information(0.6, item) == pytest.approx(1.4**2 / 4)
    assert information(0.6, item) > max(information(0.5, item), information(0.7, item))


def test_guessing_lowers_information_and_moves_its_top_upwards():
    plain, guessed = ItemParams(1.4, 0.0), ItemParams(1.4, 0.0, 0.2)
    points = [k / 100 for k in range(-200, 200)]
    top = max(points, key=lambda theta: information(theta, guessed))

    assert all(information(theta, guessed) < information(theta, plain) for theta in points)
    # Birnbaum (1968): the top lies at b + ln((1 + sqrt(1 + 8 c)) / 2) / a
    assert top == pytest.approx(math.log((1 + math.sqrt(2.6)) / 2) / 1.4, abs=0.01)


@pytest.mark.parametrize(
    "values", [{"a": 0.0}, {"a": -1.0}, {"a": math.inf}, {"a": math.nan}, {"b": math.nan}, {"b": math.inf}, {"c": -0.1}, {"c": 1.0}]
)
def test_parameters_out_of_range_are_refused(values):
    with pytest.raises(InvalidItemParams):
        ItemParams(**values)


@pytest.mark.parametrize(("model", "values"), [("rasch", {"a": 1.2}), ("rasch", {"c": 0.1}), ("2pl", {"c": 0.1}), ("4pl", {})])
def test_parameters_that_the_model_does_not_free_are_refused(model, values):
    with pytest.raises(InvalidItemParams):
        params_of(model, b=0.0, **values)
