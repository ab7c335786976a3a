"""Item parameters from answers, beside published ones and those of other programs."""

import math
from collections.abc import Iterator
from itertools import pairwise
from random import Random

import numpy as np
import pytest

from assessment import calibration
from assessment.calibration import Calibration, NotConverged, NothingToCalibrate, calibrate
from assessment.irt import ItemParams, probability
from assessment.score_tables import Responses
from tests.assessment.lsat import lsat6, lsat7


def simulated(items: list[ItemParams], n: int, *, seed: int, seen: int | None = None, mean: float = 0.0) -> Responses:
    """Answers by the model; with `seen` each person meets so many of the items, drawn at random."""
    chance = Random(seed)
    rows = []
    for _ in range(n):
        theta = chance.gauss(mean, 1)
        shown = set(range(len(items))) if seen is None else set(chance.sample(range(len(items)), seen))
        rows.append(
            tuple(float(chance.random() < probability(theta, item)) if place in shown else math.nan for place, item in enumerate(items))
        )
    return Responses(tuple(f"q{place}" for place in range(len(items))), tuple(rows))


def made_up(n: int, *, seed: int, c: float = 0.0) -> list[ItemParams]:
    chance = Random(seed)
    return [ItemParams(math.exp(chance.gauss(0.1, 0.3)), chance.gauss(0, 1), c) for _ in range(n)]


def distance(found: Calibration, items: list[ItemParams], name: str) -> float:
    return math.sqrt(
        sum((getattr(one, name) - getattr(item, name)) ** 2 for one, item in zip(found.items, items, strict=True)) / len(items)
    )


def test_a11_the_2pl_of_lsat6_is_the_published_one():
    """Bock & Lieberman (1970); ltm 1.2 for R prints these values and standard errors."""
    found = calibrate(lsat6(), "2pl")

    assert found.log_likelihood == pytest.approx(-2466.6534, abs=5e-5)
    assert [item.a for item in found.items] == pytest.approx([0.8257, 0.7227, 0.8909, 0.6884, 0.6569], abs=6e-4)
    assert [item.b for item in found.items] == pytest.approx([-3.3588, -1.3701, -0.2797, -1.8664, -3.1259], abs=2e-3)
    assert [item.se_a for item in found.items] == pytest.approx([0.2581, 0.1867, 0.2326, 0.1852, 0.2100], abs=5e-4)
    assert [item.se_b for item in found.items] == pytest.approx([0.8669, 0.3073, 0.0998, 0.4341, 0.8700], abs=2e-3)
    assert (found.n_persons, {item.n for item in found.items}, found.set_aside) == (1000, {1000}, {})


def test_a11_the_1pl_of_lsat6_is_the_published_one():
    found = calibrate(lsat6(), "1pl")

    assert found.log_likelihood == pytest.approx(-2466.9376, abs=5e-5)
    assert {round(item.a, 4) for item in found.items} == {0.7551}
    assert [item.b for item in found.items] == pytest.approx([-3.6153, -1.3224, -0.3176, -1.7301, -2.7802], abs=2e-4)
    assert {round(item.se_a or 0, 4) for item in found.items} == {0.0694}


def test_a11_lsat7_is_what_other_programs_print():
    """mirt for R, on its help page of LSAT7: log likelihood, slopes and intercepts to three decimals; girth 0.8 for Python to four."""
    found = calibrate(lsat7(), "2pl")

    assert found.log_likelihood == pytest.approx(-2658.805, abs=5e-4)
    assert [item.a for item in found.items] == pytest.approx([0.9876, 1.0808, 1.7074, 0.7650, 0.7357], abs=3e-4)
    assert [item.b for item in found.items] == pytest.approx([-1.8794, -0.7476, -1.0575, -0.6354, -2.5209], abs=3e-4)
    assert [-item.a * item.b for item in found.items] == pytest.approx([1.856, 0.808, 1.805, 0.486, 1.854], abs=1e-3)


def test_sparse_answers_give_what_a_direct_maximisation_gives():
    """scipy's BFGS on the marginal likelihood of these data by other points of integration, errors by its second differences."""
    two, one = calibrate(gapped(), "2pl"), calibrate(gapped(), "1pl")

    assert (two.log_likelihood, one.log_likelihood) == pytest.approx((-4741.20869, -4763.79641), abs=1e-4)
    expected = {
        "a": [0.5892, 0.6490, 0.7504, 1.1286, 0.8992, 1.0722, 1.4376, 1.1037, 1.4509, 1.8859],
        "b": [-1.7084, -1.3912, -1.0188, -0.6227, -0.2782, 0.3116, 0.5535, 1.1060, 1.3440, 1.7491],
        "se_a": [0.1249, 0.1249, 0.1325, 0.1671, 0.1357, 0.1481, 0.1988, 0.1569, 0.2164, 0.3393],
        "se_b": [0.3415, 0.2585, 0.1846, 0.1014, 0.0957, 0.0841, 0.0798, 0.1368, 0.1385, 0.1678],
    }
    for name, values in expected.items():
        assert [getattr(item, name) for item in two.items] == pytest.approx(values, abs=3e-4), name
    assert {round(item.a, 4) for item in one.items} == {1.0151}
    assert [one.items[0].b, one.items[9].b] == pytest.approx([-1.1089, 2.5439], abs=3e-4)
    assert [one.items[0].se_b, one.items[9].se_b] == pytest.approx([0.0954, 0.1524], abs=3e-4)


def test_partial_credit_is_what_a_direct_maximisation_finds():
    """scipy's L-BFGS-B on the marginal likelihood of these data, and girth 0.8's pcm_mml: log likelihood and parameters."""
    found = calibrate(partial_credit(), "gpcm")

    assert found.log_likelihood == pytest.approx(-8846.9547, abs=5e-4)
    assert [item.a for item in found.items] == pytest.approx([0.8553, 1.1310, 0.9044, 1.7316, 0.5343, 1.1214], abs=1e-3)
    steps = [(-0.8744, 0.4416), (-0.5547, 0.9152), (0.1267, 1.0566), (-1.2154, -0.0853), (-0.3436, 0.1307), (0.1792, 1.5254)]
    for item, expected in zip(found.items, steps, strict=True):
        assert item.steps == pytest.approx(expected, abs=1e-3)
        assert item.b == pytest.approx(sum(expected) / 2, abs=1e-3)


def test_partial_credit_with_two_categories_is_the_2pl():
    two, many = calibrate(lsat6(), "2pl"), calibrate(lsat6(), "gpcm")

    assert many.log_likelihood == pytest.approx(two.log_likelihood, abs=1e-6)
    for one, other in zip(two.items, many.items, strict=True):
        assert (other.a, other.b, other.se_a, other.se_b) == pytest.approx((one.a, one.b, one.se_a, one.se_b), abs=2e-4)


def test_the_standard_errors_say_how_far_estimates_are_from_the_truth():
    items = made_up(20, seed=3)
    found = calibrate(simulated(items, 2000, seed=4), "2pl")

    away = [(one.b - item.b) / (one.se_b or math.nan) for one, item in zip(found.items, items, strict=True)]
    assert 0.6 < math.sqrt(sum(value**2 for value in away) / len(away)) < 1.5


def test_errors_by_cross_products_are_those_of_the_observed_information(monkeypatch: pytest.MonkeyPatch):
    responses = simulated(made_up(10, seed=5), 3000, seed=6)
    exact = calibrate(responses, "2pl")
    monkeypatch.setattr(calibration, "EXACT_ERRORS", 0)

    quick = calibrate(responses, "2pl")

    assert (exact.errors_by, quick.errors_by) == ("observed", "cross_products")
    for one, other in zip(exact.items, quick.items, strict=True):
        assert other.se_b == pytest.approx(one.se_b, rel=0.15)


def test_sparse_answers_as_an_adaptive_test_leaves_them_are_enough():
    items = made_up(60, seed=7)

    found = calibrate(simulated(items, 3000, seed=8, seen=20), "2pl")

    assert distance(found, items, "b") < 0.15
    assert distance(found, items, "a") < 0.15
    assert {900 < item.n < 1100 for item in found.items} == {True}


def test_answers_of_an_adaptive_test_that_began_with_rough_guesses_find_the_truth():
    """The items were chosen by the answers before, through guessed difficulties half a logit off; what was not seen may be left out."""
    items = made_up(60, seed=21)
    truth = {f"q{place}": item for place, item in enumerate(items)}

    found = calibrate(adaptive(items, 4000, n_given=20, seed=22), "2pl")

    away = [(one.b - truth[one.item].b) / (one.se_b or math.nan) for one in found.items]
    assert 0.7 < math.sqrt(sum(value**2 for value in away) / len(away)) < 1.4
    assert np.median([abs(one.b - truth[one.item].b) for one in found.items]) < 0.1
    assert found.set_aside == {"q44": "flat"}  # met by a hundred people who stand close together: no slope can be seen


def test_the_3pl_finds_guessing_with_its_prior():
    items = made_up(25, seed=9, c=0.2)

    found = calibrate(simulated(items, 4000, seed=10), "3pl")

    assert sum(item.c for item in found.items) / 25 == pytest.approx(0.2, abs=0.03)
    assert distance(found, items, "b") < 0.3


def test_a16_pilot_items_among_known_ones_are_exact_after_300_answers():
    """One slope for all pilots until they have the answers that slopes of their own take."""
    live, pilots = made_up(30, seed=11), [ItemParams(1.1, b) for b in (-1.4, -0.7, 0.0, 0.7, 1.4)]
    fixed = {f"q{place}": item for place, item in enumerate(live)}

    found = calibrate(simulated([*live, *pilots], 300, seed=12), "1pl", fixed=fixed)

    for one, item in zip(found.items[:30], live, strict=True):
        assert (one.a, one.b, one.se_b) == (pytest.approx(item.a), pytest.approx(item.b), None)
    for one, item in zip(found.items[30:], pilots, strict=True):
        assert one.se_b is not None
        assert one.se_b <= 0.20
        assert abs(one.b - item.b) < 3 * one.se_b


def test_known_items_carry_their_scale_to_people_who_are_abler():
    live, pilots = made_up(30, seed=11), [ItemParams(1.0, 1.0)]
    fixed = {f"q{place}": item for place, item in enumerate(live)}

    found = calibrate(simulated([*live, *pilots], 4000, seed=13, mean=1.0), "2pl", fixed=fixed)

    assert (found.items[30].a, found.items[30].b) == (pytest.approx(1.0, abs=0.12), pytest.approx(1.0, abs=0.12))


def test_what_is_not_known_of_the_people_widens_the_errors_of_pilots():
    """Sixty samples say how far b really strays."""
    live, pilots = made_up(6, seed=11), [ItemParams(1.0, 1.0)]
    fixed = {f"q{place}": item for place, item in enumerate(live)}

    found = [calibrate(simulated([*live, *pilots], 200, seed=seed), "1pl", fixed=fixed).items[6] for seed in range(60)]

    strays = np.std([item.b for item in found])
    assert np.mean([item.se_b for item in found]) == pytest.approx(strays, rel=0.2)


def test_partial_credit_among_known_items_comes_out_on_their_scale():
    whole = calibrate(partial_credit(), "gpcm")
    fixed = {item.item: ItemParams(item.a, item.b, 0.0, item.steps) for item in whole.items[:4]}

    found = calibrate(partial_credit(), "gpcm", fixed=fixed)

    assert [(item.a, item.steps, item.se_a) for item in found.items[:4]] == [
        (item.a, pytest.approx(item.steps), None) for item in whole.items[:4]
    ]
    for one, other in zip(found.items[4:], whole.items[4:], strict=True):
        assert (one.a, one.b) == pytest.approx((other.a, other.b), abs=1e-3)
        assert one.se_b == pytest.approx(other.se_b, rel=0.25)


def test_scores_with_gaps_are_taken_as_categories_and_told():
    table = partial_credit()
    doubled = Responses(table.items, tuple((row[0] / 2, *row[1:]) for row in table.rows))

    found = calibrate(doubled, "gpcm")

    assert found.recoded == {"q0": (0.0, 0.5, 1.0)}
    assert found.items == calibrate(table, "gpcm").items


def test_items_that_tell_nothing_are_set_aside_and_named():
    table = lsat6()
    rows = tuple((*row, 1.0, 0.0, math.nan) for row in table.rows)

    found = calibrate(Responses((*table.items, "easy", "hard", "new"), rows), "2pl")

    assert found.set_aside == {"easy": "all_right", "hard": "all_wrong", "new": "not_seen"}
    assert found.items == calibrate(table, "2pl").items


@pytest.mark.parametrize("model", ["2pl", "gpcm"])
def test_answers_that_fix_no_slope_are_refused_with_the_item(model: str):
    perfect = tuple(tuple(float(k < right) for k in range(4)) for right in range(5) for _ in range(50))  # a Guttman scale

    with pytest.raises(NotConverged) as refused:
        calibrate(Responses(("q1", "q2", "q3", "q4"), perfect), model)

    assert "q" in refused.value.details["reason"]


def test_an_item_whose_key_is_wrong_is_named_with_what_it_looks_like():
    rows = tuple((*row[:4], 1 - row[4]) for row in lsat7().rows)

    with pytest.raises(NotConverged) as refused:
        calibrate(Responses(lsat7().items, rows), "2pl")

    assert refused.value.code == "not_converged"
    assert "item5: right answers do not grow with ability" in refused.value.details["reason"]


def test_one_item_without_a_slope_among_many_is_set_aside_and_the_others_keep_their_numbers():
    table = simulated(made_up(20, seed=15), 800, seed=16)
    turned = Responses(table.items, tuple((1 - row[0], *row[1:]) for row in table.rows))

    found = calibrate(turned, "2pl")

    assert found.set_aside == {"q0": "flat"}
    without = calibrate(Responses(table.items[1:], tuple(row[1:] for row in table.rows)), "2pl")
    assert found.items == without.items


def test_too_few_iterations_give_no_numbers():
    with pytest.raises(NotConverged) as refused:
        calibrate(lsat6(), "2pl", max_iterations=4)

    assert refused.value.details["iterations"] == 4


def test_one_item_alone_is_refused():
    with pytest.raises(NothingToCalibrate):
        calibrate(Responses(("q1", "q2"), ((1.0, 1.0), (0.0, 1.0))), "2pl")


def test_progress_is_told_and_changes_shrink():
    told: list[tuple[int, float]] = []

    found = calibrate(lsat6(), "2pl", progress=lambda number, change: told.append((number, change)))

    assert (told[-1][0], told[-1][1] <= calibration.TOLERANCE) == (found.iterations, True)
    assert all(after > before for (before, _), (after, _) in pairwise(told))


def adaptive(items: list[ItemParams], n: int, *, n_given: int, seed: int) -> Responses:
    """Everybody gets one of the five items whose guessed b is nearest to the estimate so far, and so on."""
    chance = np.random.default_rng(seed)
    a, b = np.array([[item.a, item.b] for item in items]).T
    guessed, theta, points = b + chance.normal(0, 0.5, len(items)), chance.normal(0, 1, n), np.linspace(-4, 4, 33)
    logs, scores, people = np.tile(-0.5 * points**2, (n, 1)), np.full((n, len(items)), np.nan), np.arange(n)
    for _ in range(n_given):
        weights = np.exp(logs - logs.max(1, keepdims=True))
        away = np.abs(weights @ points / weights.sum(1) - guessed[:, None]).T + np.where(np.isnan(scores), 0, np.inf)
        item = np.argsort(away, 1)[people, chance.integers(0, 5, n)]
        right = chance.random(n) < 1 / (1 + np.exp(-a[item] * (theta - b[item])))
        scores[people, item] = right
        logs -= np.logaddexp(0, np.where(right, -1, 1)[:, None] * (points - guessed[item][:, None]))
    return Responses(tuple(f"q{place}" for place in range(len(items))), tuple(map(tuple, scores.tolist())))


def numbers(seed: int) -> Iterator[float]:
    """Numbers from 0 to 1 that any program can repeat."""
    while True:
        seed = (1103515245 * seed + 12345) % 2**31
        yield seed / 2**31


def gapped() -> Responses:
    """Ten items, 1,200 people, each without three items in a row."""
    u = numbers(11)
    rows = []
    for _ in range(1200):
        theta = sum(next(u) for _ in range(12)) - 6
        row = [float(next(u) < 1 / (1 + math.exp(-(0.6 + 0.1 * k) * (theta - (-1.8 + 0.4 * k))))) for k in range(10)]
        first = int(next(u) * 10)
        for k in range(first, first + 3):
            row[k % 10] = math.nan
        rows.append(tuple(row))
    return Responses(tuple(f"q{place}" for place in range(10)), tuple(rows))


def partial_credit() -> Responses:
    """Six items of three categories, 1,500 people."""
    u = numbers(7)
    slopes = [0.8, 1.2, 1.0, 1.5, 0.7, 1.1]
    steps = [(-1, 0.5), (-0.5, 0.8), (0, 1.0), (-1.2, -0.2), (-0.3, 0.3), (0.2, 1.4)]
    rows = []
    for _ in range(1500):
        theta = sum(next(u) for _ in range(12)) - 6
        row = []
        for a, (first, second) in zip(slopes, steps, strict=True):
            z = np.cumsum([0.0, a * (theta - first), a * (theta - second)])
            shares = np.cumsum(np.exp(z) / np.exp(z).sum())
            drawn = next(u)
            row.append(float((drawn > shares).sum()))
        rows.append(tuple(row))
    return Responses(tuple(f"q{place}" for place in range(6)), tuple(rows))
