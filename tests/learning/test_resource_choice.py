"""Resources for one milestone: few, of different kinds, at least half of the hours in real work, at most 30 % formal."""

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from learning.choice import DOING, FORMAL, KINDS, Resource, choose_resources, is_within_mix, typical_hours

FIVE = [
    Resource("reading", "reading", 1.5),
    Resource("course", "course", 3.0),
    Resource("practice", "practice", 5.0),
    Resource("coaching", "coaching", 1.5),
    Resource("project", "project", 12.0),
]

candidates = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(1, 40)), min_size=1, max_size=7).map(
    lambda pairs: [Resource(f"r{n}", kind, halves / 2) for n, (kind, halves) in enumerate(pairs)]
)


def keys(chosen):
    return [one.key for one in chosen]


def test_a_fresh_choice_teaches_lets_do_and_lets_talk_in_the_fewest_hours():
    assert keys(choose_resources(FIVE)) == ["reading", "practice", "coaching"]


def test_kinds_already_frequent_on_the_path_give_way_to_rarer_ones():
    assert keys(choose_resources(FIVE, used={"reading": 1, "practice": 1, "coaching": 1})) == ["course", "coaching", "project"]


def test_what_was_begun_stays():
    assert "project" in keys(choose_resources(FIVE, kept={"project"}))
    assert set(keys(choose_resources(FIVE, kept=set(keys(FIVE))))) == set(keys(FIVE))


def test_a_course_begun_alone_is_balanced_with_work():
    chosen = choose_resources(FIVE, kept={"course", "reading", "coaching"})

    assert keys(chosen) == ["reading", "course", "coaching", "project"]
    assert is_within_mix(chosen)


def test_nothing_to_choose_from_gives_nothing():
    assert choose_resources([]) == ()
    assert typical_hours([]) == 0


def test_shares_exactly_on_the_bounds_are_within_the_mix():
    assert is_within_mix([Resource("a", "reading", 0.3), Resource("b", "practice", 0.5), Resource("c", "coaching", 0.2)])
    assert not is_within_mix([Resource("a", "reading", 0.31), Resource("b", "practice", 0.5), Resource("c", "coaching", 0.19)])
    assert not is_within_mix([Resource("a", "reading", 0.2), Resource("b", "practice", 0.49), Resource("c", "coaching", 0.31)])


@settings(max_examples=300, deadline=None)
@given(candidates)
def test_the_mix_is_kept_whenever_something_to_do_exists(candidates):
    assume(any(one.kind in DOING for one in candidates))

    chosen = choose_resources(candidates)

    total = sum(one.hours for one in chosen)
    assert sum(one.hours for one in chosen if one.kind in DOING) >= total / 2 - 1e-9
    assert sum(one.hours for one in chosen if one.kind in FORMAL) <= total * 0.3 + 1e-6
    assert 1 <= len(chosen) <= 3


@settings(max_examples=200, deadline=None)
@given(candidates, st.randoms(), st.sets(st.sampled_from(["r0", "r1", "r2", "r3"])))
def test_the_order_in_which_candidates_come_does_not_matter(candidates, random, kept):
    assert choose_resources(random.sample(candidates, len(candidates)), kept=kept) == choose_resources(candidates, kept=kept)
