"""Items that come together, items that must not meet, and a start by chance: what a bank's make-up asks of the choice."""

import uuid
from collections import Counter

import pytest

from assessment import api
from assessment.blueprint import DomainRule
from assessment.cat import Chance, Pool, PoolItem, choose, nearest_point
from assessment.draws import draw, mixed
from assessment.errors import BankInvalid
from assessment.irt import ItemParams, information
from assessment.simulate import made_up_bank, report, simulate
from assessment.sitting import Rules, Sitting
from assessment.stopping import StoppingRule

SHARES = (0.30, 0.25, 0.20, 0.15, 0.10)
NONE = frozenset()


def pool_with_testlets(size=3, n_items=500, seed=42):
    """A bank of five areas; half of the items of each come together with those of about the same difficulty."""
    items = made_up_bank(n_items, seed, shares=SHARES)
    testlets = []
    for d in range(5):
        own = sorted((place for place, item in enumerate(items) if item.domain == d), key=lambda place: items[place].params.b)
        groups = [own[k : k + size] for k in range(0, len(own) - size, size)]
        testlets += groups[::2]
    return Pool(items, 5, testlets)


def rules_of(max_items=30, min_items=20, se=0.25, **fields):
    stop = StoppingRule(min_items, max_items, se)
    return Rules(tuple(DomainRule(share, 1, 12) for share in SHARES), stop, scales=(0,) * 5, **fields)


def sat(pool, rules, seed, answer=lambda place: place % 2):
    sitting = Sitting(pool, rules, seed)
    while sitting.finish_reason() is None and (choice := sitting.next_item()) is not None:
        sitting.answer(choice.place, answer(choice.place))
    return sitting


def test_items_of_a_testlet_come_together_in_their_order_and_whole():
    pool, met = pool_with_testlets(), 0
    for seed in range(60):
        places = [place for place, _ in sat(pool, rules_of(randomesque_first=10, randomesque_later=3), seed).taken]
        for members in pool.testlets.values():
            if set(members) & set(places):
                first = places.index(members[0])
                assert tuple(places[first : first + len(members)]) == members
                met += 1
    assert met > 100


def test_a_testlet_is_chosen_by_what_its_items_tell_on_average():
    items = [PoolItem(ItemParams(1.0)), PoolItem(ItemParams(1.5)), PoolItem(ItemParams(1.2))]
    pool = Pool([*items, PoolItem(ItemParams(1.3))], 1, [[1, 0]])

    def mean():
        return (information(0.0, items[0].params) + information(0.0, items[1].params)) / 2

    order = list(pool.order[0][nearest_point(0.0)])
    assert mean() > information(0.0, items[2].params)
    assert order == [3, 1, 2]


@pytest.mark.parametrize("size", [2, 3, 5])
def test_everybody_is_within_one_item_of_the_blueprint_where_testlets_are(size):
    pool = pool_with_testlets(size)
    rules = rules_of(randomesque_first=5, randomesque_later=3, r_max=0.25)

    done = simulate(pool, rules, n=200, seed=5)

    assert report(pool, rules, done).blueprint_distance <= 1 + 1e-9
    assert all(len(person.places) <= 30 and all(1 <= count <= 12 for count in person.given) for person in done)
    assert sum(any(place in pool.testlets for place in person.places) for person in done) > 100


def test_a_testlet_that_has_no_room_is_passed_over():
    pool = Pool([PoolItem(ItemParams(2.0)) for _ in range(4)] + [PoolItem(ItemParams(0.5)) for _ in range(3)], 1, [[0, 1, 2, 3]])

    sitting = sat(pool, Rules((DomainRule(),), StoppingRule(3, 3, 0.01)), seed=1)

    assert sorted(place for place, _ in sitting.taken) == [4, 5, 6]


def test_an_enemy_or_a_resting_item_counts_for_the_whole_testlet():
    items = [
        PoolItem(ItemParams(2.0)),
        PoolItem(ItemParams(2.0), enemies=frozenset({3})),
        PoolItem(ItemParams(0.6)),
        PoolItem(ItemParams(3.0)),
    ]
    pool = Pool(items, 1, [[0, 1]])

    assert choose(pool, 0, 0.0, barred={1}, seen=NONE, resting={3}, chance=Chance(0)).place == 2
    rested = choose(pool, 0, 0.0, barred={3}, seen=NONE, resting={1}, chance=Chance(0))
    assert (rested.place, rested.rested) == (2, (0,))
    assert choose(pool, 0, 0.0, barred={2, 3}, seen={1}, resting=NONE, chance=Chance(0)).waived == "seen"


def test_a_testlet_that_was_begun_is_finished_before_the_test_ends():
    items = [PoolItem(ItemParams(3.0)), PoolItem(ItemParams(3.0)), PoolItem(ItemParams(3.0))]
    sitting = Sitting(Pool(items, 1, [[0, 1, 2]]), Rules((DomainRule(),), StoppingRule(1, 3, 5.0)), seed=1)

    sitting.answer(sitting.next_item().place, True)

    assert sitting.finish_reason() is None
    assert sitting.next_item().place == 1


def progressive(pool, seed, told, **fields):
    chance = Chance(draw(seed, "x"), told=told)
    return choose(pool, 0, 0.0, **{"barred": NONE, "seen": NONE, "resting": NONE} | fields, chance=chance)


def test_the_progressive_start_is_the_highest_of_all_weights():
    """Against the method as it is written (Revuelta & Ponsoda 1998): a weight for every item, and the highest."""
    items = made_up_bank(300, seed=4)
    pool = Pool(items)
    told = [information(0.0, item.params) for item in items]
    for seed in range(200):
        s = seed % 20 / 20
        if s == 0:
            continue
        luck = [mixed(draw(seed, "x"), place) / 2**64 * max(told) for place in range(300)]
        weights = [(1 - s) * u + s * value for u, value in zip(luck, told, strict=True)]

        assert progressive(pool, seed, s).place == max(range(300), key=weights.__getitem__)


def test_at_the_start_every_item_is_as_likely_as_any_other():
    pool, n = Pool(made_up_bank(20, seed=1)), 8000

    met = Counter(progressive(pool, seed, 0.0).place for seed in range(n))

    assert len(met) == 20
    assert all(n / 20 * 0.8 < count < n / 20 * 1.2 for count in met.values())  # four standard errors


def test_items_that_would_have_come_but_for_the_cap_are_kept_and_repeat_the_choice():
    pool = Pool(made_up_bank(300, seed=4))
    for seed in range(150):
        told = seed % 10 / 10
        resting = frozenset(draw(seed, "rest", k) % 300 for k in range(120))
        choice = progressive(pool, seed, told, resting=resting)

        assert choice.place not in resting
        assert progressive(pool, seed, told, resting=frozenset(choice.rested)) == choice
        if choice.rested:
            assert progressive(pool, seed, told).place in choice.rested


def test_a7_with_a_progressive_start_fewer_than_half_of_the_items_are_never_used():
    """The 500 items, five areas and cap of 0.25 of the constrained test, and all that is asked of it."""
    pool = Pool(made_up_bank(500, 42, shares=SHARES), 5)
    rules = Rules(
        tuple(map(DomainRule, SHARES)),
        StoppingRule(5, 50, 0.30),
        scales=(0,) * 5,
        randomesque_first=2,
        randomesque_later=2,
        r_max=0.25,
        progressive_items=5,
    )

    found = report(pool, rules, simulate(pool, rules, n=1000, seed=7))

    assert found.n_never_used <= 250
    assert found.mean_items <= 16
    assert found.rmse <= 0.31
    assert found.max_exposure <= 0.26
    assert found.blueprint_distance <= 1
    assert found.overlap <= 0.20


def in_testlet(make, number, key="T1", place=1, **fields):
    return make.item(number, testlet={"key": key, "place": place}, **fields)


@pytest.mark.parametrize(
    ("places", "told"),
    [
        ((1,), "two or more items"),
        ((1, 3), "places 1, 2"),
        ((1, 1), "places 1, 2"),
    ],
)
def test_a_testlet_that_is_not_whole_is_refused(sitter, make, places, told):
    with pytest.raises(BankInvalid) as refusal:
        sitter(bank=make.bank(items=[in_testlet(make, n, place=place) for n, place in enumerate(places, 1)]))

    assert "testlet T1" in str(refusal.value)
    assert told in str(refusal.value)


def test_enemies_in_one_testlet_are_refused(sitter, make):
    items = [in_testlet(make, 1, place=1, enemies=["DLIT-002"]), in_testlet(make, 2, place=2)]

    with pytest.raises(BankInvalid, match="comes in the same testlet"):
        sitter(bank=make.bank(items=items))


def test_a_stored_sitting_with_a_testlet_and_a_progressive_start_replays_to_the_bit(sitter, make):
    bank = make.bank()
    bank["items"] = [
        item | {"testlet": {"key": f"T-{item['domain']}", "place": n % 15 - 11}} if n % 15 in (12, 13, 14) else item
        for n, item in enumerate(bank["items"])
    ]
    form = make.form(exposure={"r_max": 0.25, "randomesque_first": 5, "randomesque_later": 2, "progressive_items": 6})
    n_testlets = 0
    for seed in range(1, 6):
        person = sitter(bank=bank, form=form, seed=seed, person=uuid.UUID(int=seed))
        person.start()
        person.sit(lambda step, seed=seed: "b" if draw(seed, step.position) % 3 else "c")

        keys = [response.item_key for response in person.outcome().responses]
        for domain in ("DLIT", "DGOV", "DLEAD"):
            own = [f"{domain}-{n:03}" for n in (13, 14, 15)]
            if own[0] in keys:
                n_testlets += 1
                assert keys[keys.index(own[0]) :][:3] == own
        with person.database.reading() as db:
            assert api.replay(db, person.attempt).differences == ()
    assert n_testlets > 0
