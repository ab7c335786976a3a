"""What simulated examinees show of the engine: length, error, exposure, make-up, overlap."""

import pytest

from assessment.blueprint import DomainRule
from assessment.cat import Pool
from assessment.simulate import made_up_bank, report, simulate
from assessment.sitting import Rules
from assessment.stopping import StoppingRule

SHARES = (0.30, 0.25, 0.20, 0.15, 0.10)
STOP = StoppingRule(min_items=1, max_items=50, se=0.30)


def unconstrained(bank_seed, n, seed):
    pool, rules = Pool(made_up_bank(500, bank_seed)), Rules((DomainRule(),), STOP)
    return report(pool, rules, simulate(pool, rules, n=n, seed=seed))


def constrained(bank_seed, n, seed):
    pool = Pool(made_up_bank(500, bank_seed, shares=SHARES), len(SHARES))
    rules = Rules(tuple(DomainRule(share) for share in SHARES), STOP, scales=(0,) * 5, randomesque_first=3, randomesque_later=3, r_max=0.25)
    return report(pool, rules, simulate(pool, rules, n=n, seed=seed))


def test_a_500_item_bank_measures_within_12_and_a_half_items():
    found = unconstrained(42, n=1000, seed=7)

    assert found.mean_items <= 12.5
    assert found.rmse <= 0.30
    assert abs(found.bias) <= 0.03


def test_blueprint_and_exposure_cap_cost_few_items_and_hold_for_everyone():
    found = constrained(42, n=1000, seed=7)

    assert found.mean_items <= 16
    assert found.rmse <= 0.31
    assert found.max_exposure <= 0.26
    assert found.blueprint_distance <= 1
    assert found.overlap <= 0.20


def test_guessing_costs_items_but_not_the_error():
    pool, rules = Pool(made_up_bank(500, 42, c=0.2)), Rules((DomainRule(),), STOP)

    found = report(pool, rules, simulate(pool, rules, n=300, seed=7))

    assert 15 <= found.mean_items <= 22
    assert found.rmse <= 0.33


def test_the_same_seed_gives_the_same_examinees():
    assert constrained(1, n=30, seed=3) == constrained(1, n=30, seed=3)
    assert constrained(1, n=30, seed=3) != constrained(1, n=30, seed=4)


def test_exposure_is_counted_within_the_window():
    pool = Pool(made_up_bank(60, 1))
    rules = Rules((DomainRule(),), StoppingRule(8, 8, 0.001), r_max=0.3)
    done = simulate(pool, rules, n=400, seed=1, n_window=100)

    last = report(pool, rules, done[-100:])
    assert last.max_exposure <= 0.33


@pytest.mark.long
@pytest.mark.parametrize("bank_seed", range(1, 9))
def test_the_targets_hold_on_other_banks_too(bank_seed):
    """Other banks of the same kind: as many items again as chance between banks makes."""
    free, bound = unconstrained(bank_seed, n=1000, seed=bank_seed), constrained(bank_seed, n=1000, seed=bank_seed)

    assert free.mean_items <= 13
    assert free.rmse <= 0.31
    assert bound.mean_items <= 17
    assert bound.rmse <= 0.31
    assert bound.max_exposure <= 0.26
    assert bound.blueprint_distance <= 1
    assert bound.overlap <= 0.21
