"""Generalised partial credit from the model to a stored sitting: by its definition, by derivatives, by a fine integral, by the door."""

import math
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assessment import api
from assessment.errors import BankInvalid, InvalidItemParams
from assessment.estimation import estimate, most_likely, warm
from assessment.irt import ItemParams, information, log_probabilities, params_of, probabilities, probability
from assessment.scoring import ScoringRule, points
from assessment.simulate import drawn_category

STEP = 1e-4
THETAS = st.floats(-6, 6)


def partial(a, *steps):
    return ItemParams(a, math.fsum(steps) / len(steps), 0.0, steps)


PARTIAL = st.builds(lambda a, steps: partial(a, *steps), st.floats(0.2, 3), st.lists(st.floats(-4, 4), min_size=1, max_size=5))


def by_definition(theta, a, steps):
    """Muraki (1992), equation 3, by plain exponentials."""
    weights = [math.exp(sum(a * (theta - step) for step in steps[:k])) for k in range(len(steps) + 1)]
    return [weight / sum(weights) for weight in weights]


@given(THETAS, PARTIAL)
def test_chances_of_the_categories_are_murakis(theta, item):
    assert probabilities(theta, item) == pytest.approx(by_definition(theta, item.a, item.steps), abs=1e-12)


@given(THETAS, st.floats(0.2, 3), st.floats(-4, 4))
def test_with_one_step_it_is_the_2pl(theta, a, b):
    one, plain = partial(a, b), ItemParams(a, b)

    assert probabilities(theta, one)[1] == pytest.approx(probability(theta, plain), abs=1e-12)
    assert information(theta, one) == pytest.approx(information(theta, plain), abs=1e-12)


def test_neighbouring_categories_are_as_likely_where_their_step_is():
    item = partial(1.3, -0.8, 0.1, 1.4)

    for k, step in enumerate(item.steps):
        chances = probabilities(step, item)
        assert chances[k] == pytest.approx(chances[k + 1], abs=1e-12)


@given(st.floats(-4, 4), PARTIAL)
def test_information_is_the_expected_squared_slope_of_the_log_likelihood(theta, item):
    low, high = log_probabilities(theta - STEP, item), log_probabilities(theta + STEP, item)
    squares = (chance * ((up - down) / (2 * STEP)) ** 2 for chance, up, down in zip(probabilities(theta, item), high, low, strict=True))

    assert information(theta, item) == pytest.approx(math.fsum(squares), rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("theta", [-5.0, 5.0])
def test_logarithms_stay_finite_where_chances_round_to_0(theta):
    assert all(map(math.isfinite, log_probabilities(theta, partial(3.0, -900.0, 900.0))))


def test_parameters_that_contradict_each_other_are_refused():
    for model, values in (("gpcm", {}), ("2pl", {"steps": (0.0,)}), ("gpcm", {"steps": (0.0, 1.0)}), ("gpcm", {"steps": (0.0,), "c": 0.1})):
        with pytest.raises(InvalidItemParams):
            params_of(model, b=0.0, **values)


def mixed_answers(seed, n=12):
    chance = Random(seed)
    items = [
        partial(math.exp(chance.gauss(0, 0.3)), *(chance.gauss(0, 1) for _ in range(chance.randint(2, 4))))
        if k % 2
        else ItemParams(math.exp(chance.gauss(0, 0.3)), chance.gauss(0, 1))
        for k in range(n)
    ]
    return [(item, drawn_category(0.4, item, chance.random())) for item in items]


@pytest.mark.parametrize("seed", range(4))
def test_abilities_of_mixed_tests_agree_with_a_fine_integral_and_a_search(seed):
    answers = mixed_answers(seed)
    points_ = [k / 1000 for k in range(-6000, 6001)]

    def likelihood(theta):
        return math.fsum(math.log(by_definition(theta, item.a, item.steps or (item.b,))[reached]) for item, reached in answers)

    def told(theta):  # the variance of the score, by its definition
        total = 0.0
        for item, _ in answers:
            chances = by_definition(theta, item.a, item.steps or (item.b,))
            mean = sum(k * p for k, p in enumerate(chances))
            total += item.a**2 * sum(p * (k - mean) ** 2 for k, p in enumerate(chances))
        return total

    logs = [likelihood(theta) for theta in points_]
    weights = [math.exp(log - theta**2 / 2) for theta, log in zip(points_, logs, strict=True)]
    mean = math.fsum(w * t for w, t in zip(weights, points_, strict=True)) / math.fsum(weights)
    sd = math.sqrt(math.fsum(w * (t - mean) ** 2 for w, t in zip(weights, points_, strict=True)) / math.fsum(weights))

    ability = estimate(answers)
    assert (ability.theta, ability.sd) == (pytest.approx(mean, abs=1e-3), pytest.approx(sd, abs=1e-3))
    assert most_likely(answers) == pytest.approx(max(zip(weights, points_, strict=True))[1], abs=1e-3)
    # in an exponential family Warm's estimate is the mode under Jeffreys' prior (Warm 1989)
    weighted = [log + 0.5 * math.log(told(theta)) for theta, log in zip(points_, logs, strict=True)]
    assert warm(answers) == pytest.approx(max(zip(weighted, points_, strict=True))[1], abs=1e-3)


@settings(max_examples=60, deadline=None)
@given(st.lists(PARTIAL, min_size=1, max_size=6), PARTIAL)
def test_a_higher_category_never_lowers_the_ability(before, item):
    answers = [(one, len(one.steps) // 2) for one in before]

    thetas = [estimate([*answers, (item, k)]).theta for k in range(item.n_points + 1)]

    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(thetas))


def test_drawn_categories_come_as_often_as_they_are_likely():
    item, chance, n = partial(1.1, -0.5, 0.2, 0.9), Random(3), 20_000

    drawn = [drawn_category(0.3, item, chance.random()) for _ in range(n)]

    for k, p in enumerate(probabilities(0.3, item)):
        assert drawn.count(k) / n == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / n))


RULES = {
    "multiple_choice": ScoringRule("multiple_choice", ["a", "c", "d"], tuple("abcde"), is_partial=True),
    "ordering": ScoringRule("ordering", ["a", "b", "c", "d"], tuple("abcd"), is_partial=True),
    "matching": ScoringRule("matching", {"a": "x", "b": "y", "c": "x"}, tuple("abc"), tuple("xy"), is_partial=True),
}


@pytest.mark.parametrize(
    ("kind", "value", "earned"),
    [
        ("multiple_choice", ["a", "c", "d"], 3),
        ("multiple_choice", ["a", "c"], 2),
        ("multiple_choice", ["a", "c", "b"], 1),
        ("multiple_choice", ["a", "b", "c", "d", "e"], 1),
        ("multiple_choice", ["b", "e"], 0),
        ("ordering", ["a", "b", "c", "d"], 3),
        ("ordering", ["b", "c", "d", "a"], 2),
        ("ordering", ["c", "d", "a", "b"], 2),
        ("ordering", ["a", "c", "b", "d"], 0),
        ("matching", {"a": "x", "b": "y", "c": "x"}, 3),
        ("matching", {"a": "x", "b": "x", "c": "x"}, 2),
        ("matching", {"a": "y", "b": "x", "c": "y"}, 0),
    ],
)
def test_a_part_of_the_answer_earns_a_part_of_the_points(kind, value, earned):
    assert RULES[kind].most_points == 3
    assert points(RULES[kind], value) == earned


def partial_item(make, number, domain="DLIT", **fields):
    return make.item(
        number,
        domain,
        kind="multiple_choice",
        correct=["b", "c"],
        partial=True,
        params={"model": "gpcm", "a": 1.2, "steps": [-0.6 + number / 10, 0.5 + number / 10]},
        **fields,
    )


def partial_bank(make):
    items = [partial_item(make, n, domain) if n % 2 else make.item(n, domain) for domain in ("DLIT", "DGOV", "DLEAD") for n in range(1, 16)]
    return make.bank(items=items)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"params": {"model": "2pl", "b": 0.0}}, "params.steps: the item has 2 points"),
        ({"params": {"model": "gpcm", "steps": [0.1]}}, "params.steps: the item has 2 points"),
        ({"params": {"model": "gpcm", "b": 1.0, "steps": [0.0, 0.4]}}, "params: "),
        ({"partial": False}, "params.model: only an item with `partial: true`"),
    ],
)
def test_an_item_whose_credit_and_model_differ_is_refused_with_its_place(sitter, make, fields, told):
    with pytest.raises(BankInvalid) as refusal:
        sitter(bank=make.bank(items=[partial_item(make, 1) | fields]))

    assert told in str(refusal.value)


def test_a_sitting_keeps_shares_of_credit_and_replays_to_the_bit(sitter, make):
    person = sitter(bank=partial_bank(make), seed=3)
    person.start()

    def answer(step):
        if step.item.kind != "multiple_choice":
            return "b"
        return [["b", "c"], ["b"], ["a"]][step.position % 3]

    person.sit(answer)

    outcome = person.outcome()
    scores = {response.score for response in outcome.responses if response.kind == "multiple_choice"}
    assert scores == {0.0, 0.5, 1.0}
    for area in outcome.areas:
        assert area.n_right == sum(response.score == 1 for response in outcome.responses if response.domain == area.domain)
    with person.database.reading() as db:
        found = api.replay(db, person.attempt)
    assert found.differences == ()
    assert {answer.score for answer in found.answers} == {0.0, 0.5, 1.0}


def test_items_loaded_before_there_was_partial_credit_stay_as_they_are(sitter, make, now):
    bank = make.bank()
    person = sitter(bank=bank)

    with person.database.transaction() as db:
        report = api.load_bank(db, bank, now=now)

    assert (report.n_new_versions, report.n_new_parameters, report.n_unchanged) == (0, 0, 45)
