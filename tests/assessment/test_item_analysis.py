"""Classical figures and differential item functioning, beside published values and other programs."""

import json
import math
from pathlib import Path
from random import Random

import pytest

from assessment.dif import Dif
from assessment.distractors import options_of
from assessment.fit import mean_squares
from assessment.irt import ItemParams, probability
from assessment.item_analysis import Answers, Sheet, analyse
from assessment.score_tables import Responses, read_responses
from tests.assessment.lsat import lsat6, lsat7

VECTORS = Path(__file__).parents[1] / "vectors"

ADMISSIONS = [(512, 313, 89, 19), (353, 207, 17, 8), (120, 205, 202, 391), (138, 279, 131, 244), (53, 138, 94, 299), (22, 351, 24, 317)]
"""Bickel, Hammel & O'Connell (1975): men admitted and rejected, women admitted and rejected, in six departments."""


def test_a12_lsat6_has_the_reliability_that_is_published():
    found = analyse(lsat6())

    assert found.alpha == pytest.approx(0.294997, abs=1e-6)
    assert found.sem == pytest.approx(0.86907, abs=1e-5)
    assert [item.facility for item in found.items] == pytest.approx([0.924, 0.709, 0.553, 0.763, 0.870])
    assert [item.point_biserial for item in found.items] == pytest.approx(
        [0.3620, 0.5668, 0.6184, 0.5344, 0.4354], abs=5e-5
    )  # ltm's descript
    assert [item.discrimination for item in found.items] == pytest.approx([0.1128, 0.1532, 0.1728, 0.1444, 0.1216], abs=5e-5)


def test_figures_of_five_people_are_those_worked_out_by_hand():
    """a 1,1,1,0,0; b 1,1,0,1,0; c 1,0,1,0,0: totals 3,2,2,1,0 with variance 1.04, items .24 each; rest of a 2,1,1,1,0 with variance .4."""
    found = analyse(Responses(("a", "b", "c"), ((1, 1, 1), (1, 1, 0), (1, 0, 1), (0, 1, 0), (0, 0, 0))))

    assert found.alpha == pytest.approx(3 / 2 * (1 - 0.72 / 1.04))
    assert found.error_ratio == pytest.approx(math.sqrt(1 - 3 / 2 * (1 - 0.72 / 1.04)))
    assert found.sem == pytest.approx(math.sqrt(1.3) * math.sqrt(1 - 3 / 2 * (1 - 0.72 / 1.04)))
    first = found.items[0]
    assert first.discrimination == pytest.approx(0.2 / math.sqrt(0.24 * 0.4))
    assert first.point_biserial == pytest.approx(0.44 / math.sqrt(0.24 * 1.04))
    assert first.efficiency == pytest.approx(0.2 / 0.2)  # 0,0,1,1,1 beside 0,1,1,1,2: no order would do better
    weights = [math.sqrt(0.44), math.sqrt(0.24), math.sqrt(0.36)]
    assert [item.effective_weight for item in found.items] == pytest.approx([one / sum(weights) for one in weights])


def test_partial_credit_counts_by_the_highest_score():
    found = analyse(Responses(("a", "b"), ((4, 1), (2, 1), (0, 0))))

    assert [item.facility for item in found.items] == pytest.approx([0.5, 2 / 3])


def test_scores_that_are_missing_are_no_zeros():
    seen = analyse(Responses(("a", "b", "c"), ((1, 1, math.nan), (0, 1, math.nan), (1, 0, 1), (0, 0, 0))))

    assert [(item.facility, item.n) for item in seen.items] == [(0.5, 4), (0.5, 4), (0.5, 2)]


def test_items_that_tell_nobody_apart_are_named_and_have_no_correlation():
    found = analyse(Responses(("a", "b", "c"), ((1, 1, 0), (1, 0, 0), (1, 1, 0))))

    assert found.set_aside == {"a": "all_right", "c": "all_wrong"}
    assert (found.items[0].facility, found.items[0].discrimination) == (1.0, None)


def test_mantel_haenszel_is_that_of_r_and_statsmodels_on_berkeleys_admissions():
    """R 4 mantelhaen.test(UCBAdmissions): 1.4269 with correction, common odds ratio 0.9046968; statsmodels 0.14 the same."""
    table, groups = berkeley()

    found = analyse(table, groups=groups, reference="male")

    dif = found.items[0].dif
    assert dif is not None
    assert (dif.mh_chi2, dif.mh_alpha) == pytest.approx((1.4269462, 0.9046968), abs=1e-6)
    assert (dif.mh_delta, dif.ets) == (pytest.approx(-2.35 * math.log(0.9046968), abs=1e-6), "A")
    assert (found.reference, found.focal, found.items[1].dif) == ("male", "female", None)


def biased(*, away: float, n: int = 4000) -> tuple[Responses, list[str]]:
    """Twenty items alike, the first harder for group b by so many logits."""
    chance = Random(1)
    rows, groups = [], []
    for person in range(n):
        theta, label = chance.gauss(0, 1), "ab"[person % 2]
        shift = [away if label == "b" and place == 0 else 0.0 for place in range(20)]
        rows.append(tuple(float(chance.random() < 1 / (1 + math.exp(shift[place] - theta))) for place in range(20)))
        groups.append(label)
    return Responses(tuple(f"q{place}" for place in range(20)), tuple(rows)), groups


@pytest.mark.parametrize(("away", "ets"), [(0.0, "A"), (0.6, "B"), (1.2, "C")])
def test_an_item_that_is_harder_for_a_group_is_classed_by_its_size(away: float, ets: str):
    table, groups = biased(away=away)

    dif, *others = Sheet(table).compare(groups, "a", "b", purify=True)

    assert isinstance(dif, Dif)
    assert dif.ets == ets
    assert dif.mh_delta == pytest.approx(-2.35 * away, abs=0.45)
    assert {other.ets for other in others if other} == {"A"}


def test_the_groups_change_sign_when_they_change_places():
    table, groups = biased(away=1.0)

    first, second = Sheet(table).compare(groups, "a", "b")[0], Sheet(table).compare(groups, "b", "a")[0]

    assert first is not None
    assert second is not None
    assert (second.mh_delta, second.mh_chi2) == pytest.approx((-first.mh_delta, first.mh_chi2))


def test_a12_figures_are_those_of_moodles_own_calculator():
    """Partial credits, and an item that works against the rest: of that one Moodle gives no effective weight, we give 0."""
    moodle = json.loads((VECTORS / "moodle-statistics.json").read_text("utf-8"))

    found = analyse(read_responses((VECTORS / "moodle-marks.csv").read_bytes()))

    for ours, theirs in zip(found.items, moodle["items"], strict=True):
        assert ours.facility == pytest.approx(theirs["facility"], abs=1e-6)
        assert ours.discrimination == pytest.approx(theirs["discriminationindex"] / 100, abs=1e-6)
        assert ours.efficiency == pytest.approx(theirs["discriminativeefficiency"] / 100, abs=1e-6)
        assert ours.effective_weight == pytest.approx((theirs["effectiveweight"] or 0) / 100, abs=1e-6)
    assert (found.alpha, found.error_ratio) == pytest.approx((moodle["cic"] / 100, moodle["errorratio"] / 100), abs=1e-6)
    assert found.sem == pytest.approx(moodle["standarderror"], abs=1e-6)


def test_facility_goes_by_the_highest_score_that_an_item_can_give_where_that_is_said():
    found = analyse(Responses(("a", "b"), ((2, 1), (2, 0))), highest={"a": 4})

    assert [item.facility for item in found.items] == [0.5, 0.5]


def test_kr20_is_said_where_every_score_is_right_or_wrong():
    assert analyse(lsat6()).kr20 == pytest.approx(0.294997, abs=1e-6)
    assert analyse(read_responses((VECTORS / "moodle-marks.csv").read_bytes())).kr20 is None


def test_s_x2_on_lsat7_is_that_of_mirt():
    """mirt 1.x, itemfit of the 2PL: 4.7492, 14.4529, 1.2703, 5.2373, 0.9407 on two degrees of freedom; p of the second .001."""
    fits = [item.s_x2 for item in analyse(lsat7()).items]

    assert [fit.s_x2 for fit in fits if fit] == pytest.approx([4.7492, 14.4529, 1.2703, 5.2373, 0.9407], abs=0.005)
    assert [fit.df for fit in fits if fit] == [2] * 5
    assert [fit.p for fit in fits if fit] == pytest.approx([0.093, 0.001, 0.530, 0.073, 0.625], abs=0.001)


def test_infit_and_outfit_are_the_mean_squares_of_wright_and_masters_and_leave_out_who_was_all_right():
    import numpy as np

    items = [ItemParams(b=-1.0), ItemParams(b=0.5), ItemParams(b=1.0)]
    scores, thetas = [[1, 0, math.nan], [0, 1, 1], [1, 1, 0], [1, 1, 1]], [0.2, -0.4, 1.1, 3.0]

    found = mean_squares(np.array(scores), items, np.array(thetas))

    for place, item in enumerate(items):
        chances = [(row[place], probability(theta, item)) for row, theta in zip(scores[:3], thetas, strict=False) if row[place] >= 0]
        squares, spreads = [(x - p) ** 2 for x, p in chances], [p * (1 - p) for _, p in chances]
        one = found[place]
        assert one is not None
        assert one.infit == pytest.approx(sum(squares) / sum(spreads))
        assert one.outfit == pytest.approx(sum(s / v for s, v in zip(squares, spreads, strict=True)) / len(chances))


def test_an_item_that_is_answered_by_chance_has_too_much_outfit():
    table, _ = biased(away=0, n=1000)
    chance = Random(2)
    noisy = Responses(table.items, tuple((float(chance.random() < 0.5), *row[1:]) for row in table.rows))

    fits = {item.item: item.fit for item in analyse(noisy).items}

    worst = fits.pop("q0")
    assert worst is not None
    assert worst.outfit > 1.3
    assert all(fit is not None and 0.7 < fit.outfit < 1.3 and 0.8 < fit.infit < 1.2 for fit in fits.values())


def berkeley() -> tuple[Responses, list[str]]:
    rows, groups = [], []
    for department, (male_in, male_out, female_in, female_out) in enumerate(ADMISSIONS, 1):
        for label, admitted, n in (("male", 1, male_in), ("male", 0, male_out), ("female", 1, female_in), ("female", 0, female_out)):
            rows += [(float(admitted), float(2 * department - admitted))] * n  # the total is twice the number of the department
            groups += [label] * n
    return Responses(("admitted", "department"), tuple(rows)), groups


def test_logistic_regression_is_that_of_statsmodels_on_berkeleys_admissions():
    """statsmodels 0.15: likelihood ratios of nested logits, Nagelkerke's R squared; the p-difference worked out by department."""
    table, groups = berkeley()

    dif = analyse(table, groups=groups, reference="male").items[0].dif

    assert dif is not None
    assert dif.logistic is not None
    assert (dif.logistic.chi2, dif.logistic.p) == pytest.approx((1.8197912, 0.4025663), abs=1e-5)
    assert (dif.logistic.uniform_chi2, dif.logistic.nonuniform_chi2) == pytest.approx((0.0130304, 1.8067608), abs=1e-5)
    assert dif.logistic.r2_change == pytest.approx(0.00045996, abs=1e-7)
    assert (dif.logistic.delta, dif.logistic.size) == (pytest.approx(0.0197163, abs=1e-5), "A")
    assert dif.p_difference == pytest.approx(0.0010878, abs=1e-6)
    assert (dif.n_reference, dif.n_focal) == (2691, 1835)


def crossing(n: int = 4000) -> tuple[Responses, list[str]]:
    """Twenty items alike; the first tells group b apart much more steeply, so that the groups' curves cross in the middle."""
    chance = Random(3)
    rows, groups = [], []
    for person in range(n):
        theta, label = chance.gauss(0, 1), "ab"[person % 2]
        slopes = [(3.5 if label == "b" else 0.3) if place == 0 else 1.0 for place in range(20)]
        rows.append(tuple(float(chance.random() < 1 / (1 + math.exp(-slope * theta))) for slope in slopes))
        groups.append(label)
    return Responses(tuple(f"q{place}" for place in range(20)), tuple(rows)), groups


def test_curves_that_cross_are_found_by_logistic_regression_alone():
    table, groups = crossing()

    dif = Sheet(table).compare(groups, "a", "b")[0]

    assert dif is not None
    assert dif.logistic is not None
    assert dif.ets == "A"
    assert (dif.logistic.size, dif.logistic.nonuniform_p < 0.001) == ("C", True)


def test_options_are_counted_by_fifths_from_the_weakest_to_the_strongest():
    import numpy as np

    fifths = np.arange(10) // 2
    chosen = ["b", "b", "b", "a", "a", "b", "a", "a", "a", ""]

    right, wrong = options_of(chosen, frozenset("a"), fifths, np.arange(10.0))

    assert (right.option, right.is_key, right.n, right.share) == ("a", True, 5, pytest.approx(5 / 9))
    assert right.by_fifth == (0.0, 0.5, 0.5, 1.0, 1.0)
    assert wrong.by_fifth == (1.0, 0.5, 0.5, 0.0, 0.0)
    assert right.correlation == pytest.approx(np.corrcoef([0, 0, 0, 1, 1, 0, 1, 1, 1], range(9))[0, 1])
    assert wrong.correlation == pytest.approx(-right.correlation)


def test_an_option_that_draws_the_strong_away_is_seen_beside_the_key():
    table, _ = biased(away=0, n=600)
    letters = tuple(tuple("b" if score else "a" for score in row) for row in table.rows)
    wrong_key = Answers(letters, {"q0": frozenset("a"), "q1": frozenset("b")})

    found = {item.item: {option.option: option for option in item.distractors} for item in analyse(table, answers=wrong_key).items}

    assert found["q0"]["b"].correlation == pytest.approx(-found["q0"]["a"].correlation)
    assert found["q0"]["b"].correlation > 0.2
    assert found["q0"]["a"].is_key
    assert found["q1"]["b"].is_key
    assert found["q2"] == {}


def adaptive(n: int = 2000, *, away: float = 0.0) -> tuple[Responses, list[str]]:
    """Forty items from -2 to 2; each person sees fifteen, each the nearest to where the answers before point. One is harder for group b."""
    chance = Random(4)
    places = [place / 10 - 1.95 for place in range(40)]
    rows, groups = [], []
    for person in range(n):
        label = "ab"[person % 2]
        theta, at = chance.gauss(0.5 if label == "a" else -0.5, 1), 0.0
        row = [math.nan] * 40
        for step in range(1, 16):
            place = min((place for place in range(40) if math.isnan(row[place])), key=lambda place: abs(places[place] - at))
            shift = away if label == "b" and place == 20 else 0.0
            row[place] = float(chance.random() < 1 / (1 + math.exp(places[place] + shift - theta)))
            at += (1.5 if row[place] else -1.5) / (step + 1)
        rows.append(tuple(row))
        groups.append(label)
    return Responses(tuple(f"q{place}" for place in range(40)), tuple(rows)), groups


def test_after_an_adaptive_test_people_are_matched_by_ability_and_totals_say_nothing():
    table, groups = adaptive(away=1.2)

    found = analyse(table, groups=groups)

    assert (found.matched_by, found.alpha, found.sem) == ("ability", None, None)
    assert {name for name, why in found.left_out.items() if why == "sparse"} >= {"alpha", "sem", "discrimination", "s_x2"}
    assert {item.discrimination for item in found.items} == {None}
    classes = {item.item: item.dif.ets for item in found.items if item.dif}
    assert classes.pop("q20") == "C"
    assert "C" not in classes.values()
    assert found.reliability == pytest.approx(0.8, abs=0.05)


def test_known_parameters_are_the_scale_where_they_are_given():
    table, _ = adaptive(n=500)
    known = {f"q{place}": ItemParams(b=place / 10 - 1.95) for place in range(40)}

    sheet = Sheet(table, known)

    assert sheet.params == known
    fits = [fit for fit in sheet.fit().values() if fit]
    mean = sum(fit.infit for fit in fits) / len(fits)
    assert mean == pytest.approx(14 / 15, abs=0.05)  # of fifteen residuals one goes into the ability


def test_a_model_that_does_not_come_about_leaves_its_figures_out_by_name():
    found = analyse(Responses(("a", "b"), ((1, 1), (0, 1), (1, 0))))

    assert found.left_out == {"fit_1pl": "few_people", "fit_2pl": "few_people", "s_x2": "few_people"}
    assert {item.fit for item in found.items} == {None}
