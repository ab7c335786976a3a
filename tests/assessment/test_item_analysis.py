"""Classical figures and differential item functioning, beside published values and other programs."""

import math
from random import Random

import pytest

from assessment.item_analysis import Dif, analyse
from assessment.score_tables import Responses
from tests.assessment.lsat import lsat6

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
    rows, groups = [], []
    for department, (male_in, male_out, female_in, female_out) in enumerate(ADMISSIONS, 1):
        for label, admitted, n in (("male", 1, male_in), ("male", 0, male_out), ("female", 1, female_in), ("female", 0, female_out)):
            rows += [(float(admitted), float(2 * department - admitted))] * n  # the total is twice the number of the department
            groups += [label] * n

    found = analyse(Responses(("admitted", "department"), tuple(rows)), groups=groups, reference="male")

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

    found = analyse(table, groups=groups, purify=True)

    dif = found.items[0].dif
    assert isinstance(dif, Dif)
    assert dif.ets == ets
    assert dif.mh_delta == pytest.approx(-2.35 * away, abs=0.45)
    assert {item.dif.ets for item in found.items[1:] if item.dif} == {"A"}


def test_the_groups_change_sign_when_they_change_places():
    table, groups = biased(away=1.0)

    one, other = analyse(table, groups=groups), analyse(table, groups=groups, reference="b")

    first, second = one.items[0].dif, other.items[0].dif
    assert first is not None
    assert second is not None
    assert (second.mh_delta, second.mh_chi2) == pytest.approx((-first.mh_delta, first.mh_chi2))
    assert (other.reference, other.focal) == ("b", "a")
