"""The line from one calibration's scale to another's, beside scipy and by hand."""

import math
from random import Random

import pytest

from assessment.irt import ItemParams
from assessment.linking import Common, Link, drift, linked, mean_sigma, stocking_lord

NEW = [(1.10, -1.20, 0.0), (0.85, -0.40, 0.0), (1.40, 0.10, 0.2), (0.95, 0.65, 0.0), (1.25, 1.30, 0.15), (0.70, 0.30, 0.0)]
OLD = [(0.92, -0.98, 0.0), (0.71, -0.10, 0.0), (1.15, 0.52, 0.2), (0.83, 1.15, 0.0), (1.02, 1.95, 0.15), (0.60, 0.80, 0.0)]


def common() -> list[Common]:
    pairs = enumerate(zip(NEW, OLD, strict=True))
    return [Common(f"q{place}", ItemParams(*new), ItemParams(*old)) for place, (new, old) in pairs]


def known(link: Link, n: int = 12, *, seed: int = 1) -> list[Common]:
    """Items whose new parameters are the old ones on another scale, without error, one of them with partial credit."""
    chance = Random(seed)
    back = Link(1 / link.slope, -link.intercept / link.slope)
    old = [ItemParams(math.exp(chance.gauss(0, 0.2)), chance.gauss(0, 1), 0.2 * (place % 2)) for place in range(n - 1)]
    old.append(ItemParams(1.2, 0.5, 0.0, (-0.5, 0.4, 1.6)))
    return [Common(f"q{place}", back.carried(item), item) for place, item in enumerate(old)]


def test_stocking_and_lord_is_what_scipy_finds():
    """scipy's Nelder-Mead on the same loss: slope 1.18171284, intercept 0.40823424."""
    link = stocking_lord(common())

    assert (link.slope, link.intercept) == pytest.approx((1.18171284, 0.40823424), abs=1e-6)


def test_mean_and_sigma_is_what_numpy_finds():
    link = mean_sigma(common())

    assert (link.slope, link.intercept) == pytest.approx((1.17641053, 0.40961535), abs=1e-8)


def test_the_robust_z_is_what_numpys_percentiles_give():
    told = drift(common(), Link(1.18171284, 0.40823424))

    assert list(told.values()) == pytest.approx([-0.90627, 1.05190, 0.17890, 0.77626, -0.17890, -1.12886], abs=1e-4)


@pytest.mark.parametrize("link", [Link(1.0, 0.0), Link(0.7, -1.1), Link(1.6, 0.9)])
def test_a_line_without_error_is_found_again(link: Link):
    for way in (stocking_lord, mean_sigma):
        found = way(known(link))
        assert (found.slope, found.intercept) == pytest.approx((link.slope, link.intercept), abs=1e-6)


def test_an_item_that_moved_does_not_carry_the_line():
    pairs = known(Link(1.1, 0.3))
    chance = Random(5)
    noisy = [Common(one.item, one.new, Link(1.0, chance.gauss(0, 0.03)).carried(one.old)) for one in pairs]
    noisy[4] = Common("q4", noisy[4].new, Link(1.0, 1.5).carried(noisy[4].old))

    link, z = linked(noisy)

    assert {item for item, value in z.items() if abs(value) > 2.7} == {"q4"}
    assert z["q4"] < -2.7
    assert (link.slope, link.intercept) == pytest.approx((1.1, 0.3), abs=0.05)
    assert abs(stocking_lord(noisy).intercept - 0.3) > abs(link.intercept - 0.3)


def test_too_few_common_items_tell_no_drift():
    assert drift(common()[:5], Link()) == {}


def test_carried_parameters_give_the_same_chances():
    item = ItemParams(1.3, 0.4, 0.2)

    there = Link(1.5, -0.7).carried(item)

    assert (there.a, there.b, there.c) == pytest.approx((1.3 / 1.5, 0.4 * 1.5 - 0.7, 0.2))
