"""Rings in the prerequisites, against a search by every permutation."""

from itertools import pairwise, permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from learning.graph import Milestone, collect_edges, dependants, find_cycle, needs_of

SMALL = [Milestone(f"f#{node}", level) for node in "AB" for level in (1, 2, 3)]


def has_order(edges):
    """Whether some order of all milestones puts every one behind what it needs: the definition itself."""
    return any(
        all(order.index(needed) < order.index(one) for one in order for needed in needs_of(one, edges)) for order in permutations(SMALL)
    )


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(SMALL), st.sampled_from(SMALL)), max_size=5).map(collect_edges))
def test_a_ring_is_found_exactly_when_no_order_exists(edges):
    ring = find_cycle(edges)

    assert bool(ring) != has_order(edges)
    if ring:
        assert ring[0] == ring[-1]
        assert all(needed in needs_of(one, edges) for one, needed in pairwise(ring))


def test_a_level_that_asks_for_a_higher_one_of_the_same_competency_is_a_ring():
    edges = collect_edges([(Milestone("f#A", 1), Milestone("f#A", 3))])

    assert {one.level for one in find_cycle(edges)} == {1, 2, 3}


def test_a_graph_deeper_than_the_recursion_limit_is_searched():
    pairs = [(Milestone(f"f#{n:05}", 1), Milestone(f"f#{n + 1:05}", 1)) for n in range(5000)]

    assert find_cycle(collect_edges(pairs)) == ()
    assert len(find_cycle(collect_edges([*pairs, (pairs[-1][1], pairs[0][0])]))) == 5002


def test_dependants_count_those_behind_others_too():
    a, b, c = Milestone("f#A", 1), Milestone("f#B", 1), Milestone("f#C", 1)
    edges = collect_edges([(b, a), (c, b)])

    assert dependants([a, b, c], edges) == {a: {b, c}, b: {c}, c: set()}
