"""Choice of the next item: what may be given, in which make-up, at what cost."""

import subprocess
import sys
import tracemalloc
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assessment.blueprint import DomainRule, minimums_met, next_domains
from assessment.cat import COLD_START_ATTEMPTS, Chance, Choice, Pool, PoolItem, choose, nearest_point, resting_items
from assessment.draws import draw, shuffled
from assessment.estimation import GRID, Ability
from assessment.irt import ItemParams, information
from assessment.simulate import made_up_bank
from assessment.sitting import Rules, Sitting
from assessment.stopping import StoppingRule, finish_reason, is_settled

ENGINE = "irt", "estimation", "cat", "blueprint", "stopping", "scoring", "thai_text", "draws", "outcome", "sitting", "simulate"
NONE = frozenset()


def pool_of(*difficulties, **fields):
    return Pool([PoolItem(ItemParams(b=b), **fields) for b in difficulties])


def first(pool, theta, *, barred=NONE, seen=NONE, resting=NONE, **chance):
    return choose(pool, 0, theta, barred=barred, seen=seen, resting=resting, chance=Chance(**{"number": 0} | chance))


def test_the_most_informative_item_is_chosen_at_every_point_of_the_grid():
    pool = Pool(made_up_bank(300, seed=3))
    for theta in GRID:
        best = max(range(300), key=lambda place: information(theta, pool.items[place].params))

        assert first(pool, theta).place == best


def test_an_item_that_was_given_is_never_given_again():
    pool = Pool(made_up_bank(30, seed=1))
    sitting = Sitting(pool, Rules((DomainRule(),), StoppingRule(1, 30, 0.001), randomesque_first=10, randomesque_later=3), seed=4)
    places = []
    while (choice := sitting.next_item()) is not None:
        places.append(choice.place)
        sitting.answer(choice.place, True)

    assert sorted(places) == list(range(30))


def test_enemies_never_meet():
    items = [
        PoolItem(ItemParams(b=0.0), enemies=frozenset({1})),
        PoolItem(ItemParams(b=0.1), enemies=frozenset({0})),
        PoolItem(ItemParams(b=3.0)),
    ]
    sitting = Sitting(Pool(items), Rules((DomainRule(),), StoppingRule(1, 3, 0.001)), seed=1)

    sitting.answer(sitting.next_item().place, True)

    assert sitting.next_item().place == 2


def test_randomesque_chooses_among_the_best_alone_and_uses_all_of_them():
    pool = pool_of(*[k / 10 for k in range(20)])

    chosen = {first(pool, 0.0, n_candidates=5, number=draw(seed, "x")).place for seed in range(200)}

    assert chosen == {0, 1, 2, 3, 4}


def test_the_first_three_items_have_more_candidates_than_later_ones():
    rules = Rules((DomainRule(),), StoppingRule(1, 50, 0.001), randomesque_first=10, randomesque_later=3)
    pool = Pool(made_up_bank(500, seed=9))
    ranks = [Counter(), Counter()]
    for seed in range(300):
        sitting = Sitting(pool, rules, seed)
        for n in range(5):
            choice = sitting.next_item()
            order = [p for p in pool.order[0][nearest_point(sitting.ability(0).theta)] if p not in sitting.barred]
            ranks[n >= 3][order.index(choice.place)] += 1
            sitting.answer(choice.place, n % 2 == 0)

    assert set(ranks[0]) == set(range(10))
    assert set(ranks[1]) == {0, 1, 2}


def test_resting_items_are_passed_over_and_told():
    assert first(pool_of(0.0, 0.5, 1.0), 0.0, resting={0}) == Choice(place=1, domain=0, rested=(0,))


def test_resting_gives_way_before_seen_and_seen_before_no_item():
    pool = pool_of(0.0, 0.5, 1.0)

    assert first(pool, 0.0, resting={0, 1}, seen={2}) == Choice(place=0, domain=0, waived="exposure")
    assert first(pool, 0.0, barred={0, 1}, seen={2}) == Choice(place=2, domain=0, waived="seen")
    assert first(pool, 0.0, barred={0, 1, 2}) is None


@pytest.mark.parametrize(
    ("n_attempts", "count", "rests"), [(0, 4, False), (0, 5, True), (100, 24, False), (100, 25, True), (1000, 249, False)]
)
def test_an_item_rests_when_its_share_of_attempts_reaches_the_cap(n_attempts, count, rests):
    assert COLD_START_ATTEMPTS == 20
    assert (7 in resting_items({7: count}, n_attempts, 0.25)) == rests


def test_without_a_cap_nothing_rests():
    assert resting_items({1: 1000}, 10, 1.0) == NONE


@given(st.lists(st.floats(0.05, 1), min_size=1, max_size=9), st.integers(5, 60))
def test_after_every_item_every_domain_is_within_one_item_of_its_share(weights, n_items):
    rules = [DomainRule(weight / sum(weights)) for weight in weights]
    given_ = [0] * len(rules)
    for t in range(1, n_items + 1):
        given_[next_domains(rules, given_, max_items=n_items)[0]] += 1

        assert all(abs(count - rule.share * t) <= 1 + 1e-9 for count, rule in zip(given_, rules, strict=True))


@given(st.lists(st.floats(-3, 0), min_size=30, max_size=30))
def test_items_beyond_the_minimums_go_where_they_are_wanted_within_one_item_of_the_shares(wishes):
    rules = [DomainRule(1 / 3, 6, 8)] * 3
    given_ = [0] * 3
    for t in range(1, 21):
        urgency = [wishes[(t + d) % 30] for d in range(3)]
        order = next_domains(rules, given_, max_items=20, urgency=urgency)
        if t == 19:
            assert given_ == [6, 6, 6]
            assert order[0] == urgency.index(max(urgency))
        given_[order[0]] += 1

    assert sum(given_) == 20
    assert all(6 <= count <= 8 and abs(count - 20 / 3) <= 1 for count in given_)


def test_minimums_are_kept_free_to_the_end_of_the_test():
    rules = [DomainRule(0.9, 0, 10), DomainRule(0.1, 2, 10)]

    assert next_domains(rules, [7, 1], max_items=10) == [0, 1]
    assert next_domains(rules, [8, 1], max_items=10) == [1]


def test_a_domain_at_its_maximum_or_without_items_is_not_chosen():
    rules = [DomainRule(0.5, 0, 2), DomainRule(0.3), DomainRule(0.2)]

    assert next_domains(rules, [2, 1, 1], max_items=10) == [1, 2]
    assert next_domains(rules, [2, 1, 1], max_items=10, spent={1}) == [2]


def test_a_spent_domain_does_not_hold_the_test_up():
    rules = [DomainRule(0.5, 3), DomainRule(0.5, 3)]

    assert not minimums_met(rules, [3, 2])
    assert minimums_met(rules, [3, 2], spent={1})


@pytest.mark.parametrize(
    ("theta", "sd", "settled"),
    [(0.0, 0.45, True), (0.0, 0.46, False), (0.5, 0.49, True), (0.5, 0.51, False), (1.6, 0.59, True), (1.6, 0.61, False)],
)
def test_a_scale_is_settled_when_precise_or_clear_of_all_cuts(theta, sd, settled):
    rule = StoppingRule(18, 20, se=0.45, clear_of_cuts_z=1.0)

    assert is_settled(Ability(theta, sd), (-1.0, 0.0, 1.0), rule) == settled


def test_without_cuts_precision_alone_settles():
    assert not is_settled(Ability(5.0, 0.46), (), StoppingRule(1, 2, se=0.45, clear_of_cuts_z=1.0))


def test_a_test_never_stops_before_its_minimums_nor_goes_beyond_its_maximum():
    rule = StoppingRule(18, 20, 0.45)

    assert finish_reason(rule, n_items=17, are_minimums_met=True, are_settled=True) is None
    assert finish_reason(rule, n_items=18, are_minimums_met=False, are_settled=True) is None
    assert finish_reason(rule, n_items=18, are_minimums_met=True, are_settled=False) is None
    assert finish_reason(rule, n_items=18, are_minimums_met=True, are_settled=True) == "precise"
    assert finish_reason(rule, n_items=20, are_minimums_met=False, are_settled=False) == "max_items"


class CountedSet(frozenset):
    """A set that counts how often it is asked."""

    asked = 0

    def __contains__(self, member):
        CountedSet.asked += 1
        return super().__contains__(member)


def test_a_choice_looks_at_as_many_items_in_a_large_bank_as_in_a_small_one():
    looks = []
    for n_items in (500, 10_000):
        pool = Pool([PoolItem(item.params) for item in made_up_bank(n_items, seed=1)])
        CountedSet.asked = 0
        first(pool, 0.3, barred=CountedSet(range(20)), n_candidates=10)
        looks.append(CountedSet.asked)

    assert looks[1] <= looks[0] <= 30


def test_the_engine_imports_no_numpy_no_web_no_database_and_starts_fast():
    modules = ", ".join(f"assessment.{name}" for name in ENGINE)
    program = (
        f"import sys, time; t = time.process_time(); import {modules}; spent = time.process_time() - t\n"
        "heavy = {'numpy', 'scipy', 'sqlalchemy', 'flask', 'werkzeug', 'pydantic'} & {name.split('.')[0] for name in sys.modules}\n"
        "print(spent, *heavy)"
    )

    spent, *heavy = min(
        (subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split() for _ in range(3)),
        key=lambda printed: float(printed[0]),
    )

    assert heavy == []
    assert float(spent) <= 0.1


def test_the_tables_of_a_5000_item_bank_take_at_most_30_megabytes():
    items = made_up_bank(5000, seed=1, shares=(0.3, 0.25, 0.2, 0.15, 0.1))
    tracemalloc.start()
    pool = Pool(items, 5)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(pool.items) == 5000
    assert size <= 30 * 1024 * 1024


@given(st.lists(st.integers(), unique=True, max_size=8), st.integers(0, 2**63 - 1))
def test_a_shuffle_keeps_every_value_and_belongs_to_its_seed(values, seed):
    assert sorted(shuffled(values, seed, "options", 1)) == sorted(values)
    assert shuffled(values, seed, "options", 1) == shuffled(values, seed, "options", 1)


def test_shuffles_use_every_order_about_equally():
    orders = Counter(tuple(shuffled("abc", seed, "options")) for seed in range(6000))

    assert len(orders) == 6
    assert all(850 < count < 1150 for count in orders.values())


def test_an_order_that_must_not_come_out_does_not():
    assert all(shuffled(["a", "b", "c"], seed, unlike=["a", "b", "c"]) != ["a", "b", "c"] for seed in range(200))


def test_draws_are_the_same_on_every_machine():
    assert draw(2567, "item", 1) == 2231303618942375324
    assert shuffled(["a", "b", "c", "d"], 2567, "options", 1) == ["c", "b", "a", "d"]


@given(st.lists(st.floats(0.05, 1), min_size=2, max_size=7))
def test_no_domain_strays_further_from_its_share_than_tijdemans_bound(weights):
    shares = [weight / sum(weights) for weight in weights]
    given_items = [0] * len(shares)

    for t in range(1, 61):
        given_items[next_domains([DomainRule(share) for share in shares], given_items, max_items=1000)[0]] += 1

        furthest = max(abs(count - share * t) for count, share in zip(given_items, shares, strict=True))
        assert furthest <= 1 - 1 / (2 * len(shares) - 2) + 1e-9  # Tijdeman (1980), theorem for n chairs
