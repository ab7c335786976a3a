"""The path's promises (target P1) on random graphs, and its order and reasons on small ones worked out by hand."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.choice import DOING, FORMAL, KINDS, Resource
from learning.graph import Milestone, collect_edges, find_cycle, needs_of
from learning.paths import DEFAULT_WEIGHTS, Aim, Weights, make_path

TODAY = date(2026, 11, 22)
NODES = [f"f#{letter}" for letter in "ABCDEFG"]


def resources_for(*milestones, kinds=("reading", "practice", "coaching")):
    return {
        one: [Resource(f"{one.node_key[2:]}{one.level}-{kind}", kind, {"reading": 1.0, "practice": 4.0}.get(kind, 2.0)) for kind in kinds]
        for one in milestones
    }


EVERY_MILESTONE = [Milestone(node, level) for node in NODES for level in (1, 2, 3)]
EVERYTHING = resources_for(*EVERY_MILESTONE)


@st.composite
def graphs(draw):
    """A graph without rings: edges run against a random order of milestones that keeps levels in order."""
    ranks = {one: draw(st.integers(0, 9)) * 4 + one.level for one in EVERY_MILESTONE}
    pairs = draw(st.lists(st.tuples(st.sampled_from(EVERY_MILESTONE), st.sampled_from(EVERY_MILESTONE)), max_size=25))
    edges = collect_edges((one, other) for one, other in pairs if one.node_key != other.node_key and ranks[one] > ranks[other])
    return {} if find_cycle(edges) else edges


def ordered_graphs():
    """A graph without rings, whose edges only ask for lower levels or earlier nodes."""
    pair = st.tuples(st.sampled_from(EVERY_MILESTONE), st.sampled_from(EVERY_MILESTONE))
    return st.lists(pair, max_size=25).map(
        lambda pairs: collect_edges((one, other) for one, other in pairs if (other.level, other.node_key) < (one.level, one.node_key))
    )


dates = st.none() | st.integers(-30, 400).map(lambda days: TODAY + timedelta(days=days))
aims = st.builds(
    lambda levels, targets, dues, weights: [Aim(*parts) for parts in zip(NODES, levels, targets, dues, weights, strict=True)],
    st.lists(st.none() | st.integers(0, 4), min_size=7, max_size=7),
    st.lists(st.none() | st.integers(0, 3), min_size=7, max_size=7),
    st.lists(dates, min_size=7, max_size=7),
    st.lists(st.sampled_from([1.0, 1.1, 1.25]), min_size=7, max_size=7),
)
kept = st.sets(st.sampled_from([one.key for some in EVERYTHING.values() for one in some]), max_size=6)


@settings(max_examples=400, deadline=None)
@given(aims, graphs() | ordered_graphs(), kept)
def test_every_prerequisite_is_reached_or_earlier_and_nothing_reached_appears(aims, edges, kept):
    levels = {aim.node_key: aim.level for aim in aims}

    path = make_path(aims, edges, EVERYTHING, kept=kept, today=TODAY)

    earlier = set()
    for milestone in path.milestones:
        assert levels[milestone.node_key] is not None
        assert levels[milestone.node_key] < milestone.level
        for needed in needs_of(milestone, edges):
            level = levels[needed.node_key]
            assert needed in earlier or (level is not None and level >= needed.level)
        earlier.add(milestone)
    assert [(step.node_key, step.to_level) for step in path.steps if step.to_level] == sorted(
        ((step.node_key, step.to_level) for step in path.steps if step.to_level),
        key=lambda one: path.milestones.index(Milestone(*one)),
    )


@settings(max_examples=400, deadline=None)
@given(aims, graphs() | ordered_graphs(), kept)
def test_every_target_is_on_the_path_or_withheld_or_assessed_first(aims, edges, kept):
    path = make_path(aims, edges, EVERYTHING, kept=kept, today=TODAY)

    assessed = {step.node_key for step in path.steps if step.kind == "assessment"}
    for aim in aims:
        if aim.target and aim.level is None:
            assert aim.node_key in assessed
        elif aim.target and aim.level < aim.target:
            assert Milestone(aim.node_key, aim.target) in {*path.milestones, *path.withheld}
    assert all(levels is None for levels in (aim.level for aim in aims if aim.node_key in assessed))
    assert bool(path.withheld) <= bool(assessed)


@settings(max_examples=200, deadline=None)
@given(aims, graphs() | ordered_graphs(), kept, st.randoms())
def test_the_same_input_in_any_order_gives_the_same_path(aims, edges, kept, random):
    path = make_path(aims, edges, EVERYTHING, kept=kept, today=TODAY)

    shuffled = random.sample(aims, len(aims))
    backwards = {one: frozenset(sorted(needed, reverse=True)) for one, needed in reversed(edges.items())}
    mixed = {one: some[::-1] for one, some in reversed(EVERYTHING.items())}

    assert make_path(shuffled, backwards, mixed, kept=sorted(kept, reverse=True), today=TODAY) == path


@settings(max_examples=200, deadline=None)
@given(aims, graphs() | ordered_graphs())
def test_hours_keep_to_the_mix_of_the_national_guideline(aims, edges):
    path = make_path(aims, edges, EVERYTHING, today=TODAY)

    total = sum(step.hours for step in path.steps)
    assert sum(step.hours for step in path.steps if step.kind in DOING) >= total / 2
    assert sum(step.hours for step in path.steps if step.kind in FORMAL) <= total * 0.3


def order_of(aims, edges=None, **more):
    return [str(one)[2:] for one in make_path(aims, edges or {}, EVERYTHING, today=TODAY, **more).milestones]


def test_the_widest_gap_comes_first():
    assert order_of([Aim("f#A", 2, 3), Aim("f#B", 0, 3)])[0] == "B level 1"


def test_a_target_of_the_own_agency_comes_before_an_equal_one_of_the_nation():
    assert order_of([Aim("f#A", 0, 1), Aim("f#B", 0, 1, role_weight=1.25)]) == ["B level 1", "A level 1"]


def test_what_opens_more_comes_first():
    edges = collect_edges([(Milestone("f#C", 1), Milestone("f#B", 1)), (Milestone("f#D", 1), Milestone("f#B", 1))])

    assert order_of([Aim(node, 0, 1) for node in NODES[:4]], edges)[0] == "B level 1"


def test_what_is_due_comes_first_and_lends_its_date_to_what_it_needs():
    edges = collect_edges([(Milestone("f#C", 1), Milestone("f#B", 1))])
    aims = [Aim("f#A", 0, 2), Aim("f#B", 0, None), Aim("f#C", 0, 1, due=TODAY + timedelta(days=10))]

    path = make_path(aims, edges, EVERYTHING, today=TODAY)

    assert [str(one) for one in path.milestones][:2] == ["f#B level 1", "f#C level 1"]
    assert path.steps[0].due == TODAY + timedelta(days=10)
    assert (path.steps[0].reason_code, dict(path.steps[0].places)) == (
        "foundation",
        {"node": "f#B", "level": 1, "for_node": "f#C", "for_level": 1},
    )


def test_what_the_official_has_begun_comes_first():
    assert order_of([Aim("f#A", 0, 2), Aim("f#B", 1, 2)], kept={"B2-practice"})[0] == "B level 2"


def test_longer_work_of_equal_use_comes_later():
    resources = EVERYTHING | {Milestone("f#A", 1): [Resource("long", "project", 40.0), Resource("intro", "reading", 2.0)]}

    path = make_path([Aim("f#A", 0, 1), Aim("f#B", 0, 1)], {}, resources, today=TODAY)

    assert [one.node_key for one in path.milestones] == ["f#B", "f#A"]


def test_two_competencies_take_turns_when_monotony_weighs():
    aims = [Aim("f#A", 0, 2), Aim("f#B", 0, 2)]

    assert order_of(aims, weights=Weights(gap=0, unlocks=0, monotony=1)) == ["A level 1", "B level 1", "A level 2", "B level 2"]
    assert order_of(aims, weights=Weights(gap=0, unlocks=0, monotony=0)) == ["A level 1", "A level 2", "B level 1", "B level 2"]


def test_equals_are_ordered_by_id():
    assert order_of([Aim(node, 0, 1) for node in reversed(NODES)]) == [f"{node[2:]} level 1" for node in NODES]


def test_an_unknown_level_asks_for_the_assessment_and_is_not_taken_for_zero():
    path = make_path([Aim("f#A", None, 2), Aim("f#B", 0, 1)], {}, EVERYTHING, today=TODAY)

    first = path.steps[0]
    assert (first.node_key, first.kind, first.to_level, first.reason_code) == ("f#A", "assessment", None, "assess_first")
    assert {one.node_key for one in path.milestones} == {"f#B"}


def test_what_rests_on_an_unknown_level_is_withheld_and_what_does_not_is_planned():
    edges = collect_edges([(Milestone("f#A", 2), Milestone("f#C", 1)), (Milestone("f#A", 2), Milestone("f#B", 1))])

    path = make_path([Aim("f#A", 1, 3), Aim("f#B", 0, None), Aim("f#C", None, None)], edges, EVERYTHING, today=TODAY)

    assert path.milestones == (Milestone("f#B", 1),)
    assert path.withheld == (Milestone("f#A", 2), Milestone("f#A", 3))
    assert [step.node_key for step in path.steps if step.kind == "assessment"] == ["f#C"]


def test_a_milestone_without_resources_stays_on_the_path_as_an_open_step():
    path = make_path([Aim("f#A", 0, 2)], {}, resources_for(Milestone("f#A", 2)), today=TODAY)

    assert [(step.kind, step.resource_key, step.to_level) for step in path.steps][:2] == [("open", None, 1), ("reading", "A2-reading", 2)]
    assert path.steps[0].reason_code == "nothing_in_catalogue"


@pytest.mark.parametrize(
    ("aim", "expected"),
    [
        (Aim("f#A", 0, 2), "gap"),
        (Aim("f#A", 1, 2), "target"),
        (Aim("f#A", 1, 2, due=TODAY - timedelta(days=1)), "overdue"),
        (Aim("f#A", 1, 2, due=TODAY + timedelta(days=5)), "due"),
        (Aim("f#A", 1, 2, due=TODAY + timedelta(days=900)), "target"),
    ],
)
def test_the_first_step_of_a_level_gives_the_reason_that_weighs_most(aim, expected):
    assert make_path([aim], {}, EVERYTHING, today=TODAY).steps[0].reason_code == expected


def test_the_steps_after_the_first_say_what_their_kind_is_for():
    codes = [step.reason_code for step in make_path([Aim("f#A", 1, 2)], {}, EVERYTHING, today=TODAY).steps]

    assert codes == ["target", "then_practice", "then_coaching"]


def test_the_utility_is_the_sum_of_its_weighted_terms():
    """U of the formula, added up by hand: gap 3*(2/4) = 1.5, unlocks 2*(1/2) = 1, due 3*(1-90/180) = 1.5, hours -7/40."""
    from learning.paths import _Scene

    first, second = Milestone("f#A", 1), Milestone("f#A", 2)
    scene = _Scene(
        {"f#A": Aim("f#A", 0, 2, due=TODAY + timedelta(days=90))},
        {first: frozenset({second}), second: frozenset()},
        frozenset(),
        {first: 7.0, second: 7.0},
        TODAY,
        DEFAULT_WEIGHTS,
    )

    assert scene.terms(first, None).utility == pytest.approx(1.5 + 1 + 1.5 - 7 / 40)
    assert scene.terms(second, first).utility == pytest.approx(0.75 + 0 + 1.5 - 7 / 40 - 0.5)


def test_kinds_of_the_rules_are_the_five_kinds():
    assert set(KINDS) == {"course", "reading", "practice", "coaching", "project"}
    assert not FORMAL & DOING
