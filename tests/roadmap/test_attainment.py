"""The attainment rule and carrying, as functions of values."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from roadmap.attainment import RULE, Attained, Carrier, KindPolicy, Rule, Shown, attain, carry, level_of
from tests.roadmap.factories import name

AT = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
EXPIRING = Rule("test-1", {"test": KindPolicy(3, valid_days=365), "course": KindPolicy(1)})


def piece(number: object = 1, **overrides: object) -> Shown:
    values = {"uuid": name("e", number), "statement_id": name("s", number), "kind": "test", "level": 2, "theta": 0.5, "se": 0.4}
    values |= {"borderline": False, "indicative": False, "observed_at": AT}
    return Shown(**(values | overrides))  # type: ignore[arg-type]


@st.composite
def pieces(draw: st.DrawFn) -> Shown:
    return piece(
        draw(st.integers(0, 1_000_000)),
        kind=draw(st.sampled_from(["test", "course", "self_report", "hearsay"])),
        level=draw(st.integers(0, 4)),
        se=draw(st.none() | st.floats(0.1, 2)),
        borderline=draw(st.booleans()),
        indicative=draw(st.booleans()),
        observed_at=AT + timedelta(days=draw(st.integers(0, 1000))),
    )


several = st.lists(pieces(), max_size=8, unique_by=lambda one: one.uuid)


def test_nothing_is_known_without_evidence() -> None:
    assert attain([], RULE) is None


def test_level_0_is_known() -> None:
    attained = attain([piece(level=0)], RULE)

    assert attained is not None
    assert attained.level == 0


def test_a_self_report_never_counts() -> None:
    assert attain([piece(kind="self_report", level=4)], RULE) is None


def test_a_course_shows_at_most_level_1_and_a_test_at_most_3() -> None:
    course, test = attain([piece(kind="course", level=4)], RULE), attain([piece(level=4)], RULE)

    assert (course and course.level, test and test.level) == (1, 3)


def test_a_test_of_too_few_items_shows_at_most_level_1() -> None:
    one_right_answer = piece(1, level=2, indicative=True)

    alone, after_a_firm_one = attain([one_right_answer], RULE), attain([one_right_answer, piece(2, level=2)], RULE)

    assert alone is not None
    assert after_a_firm_one is not None
    assert (alone.level, alone.indicative, alone.rule_version) == (1, True, "2026-2")
    assert (after_a_firm_one.level, after_a_firm_one.indicative) == (2, False)


def test_a_test_of_too_few_items_can_show_level_0() -> None:
    attained = attain([piece(level=0, indicative=True)], RULE)

    assert attained is not None
    assert attained.level == 0


def test_a_bad_day_does_not_undo_what_was_shown() -> None:
    attained = attain([piece(1, level=3), piece(2, level=0, observed_at=AT + timedelta(days=9))], RULE)

    assert attained is not None
    assert (attained.level, attained.evidence_uuid, attained.as_of) == (3, name("e", 1), AT)


def test_a_second_sitting_at_the_same_level_clears_the_guard_band() -> None:
    first = piece(1, borderline=True)
    second = piece(2, se=0.5, observed_at=AT + timedelta(days=30))

    before, after = attain([first], RULE), attain([first, second], RULE)

    assert before is not None
    assert after is not None
    assert (before.borderline, after.borderline, after.evidence_uuid) == (True, False, name("e", 2))


def test_expired_evidence_gives_way_to_what_still_counts() -> None:
    old, course = piece(1, level=3), piece(2, kind="course", level=1)

    early = attain([old, course], EXPIRING, at=AT + timedelta(days=364))
    late = attain([old, course], EXPIRING, at=AT + timedelta(days=365))

    assert early is not None
    assert late is not None
    assert (early.level, early.expires_at) == (3, AT + timedelta(days=365))
    assert (late.level, late.expires_at) == (1, None)
    assert attain([old], EXPIRING, at=AT + timedelta(days=365)) is None


@given(several, st.randoms())
def test_the_order_of_evidence_does_not_matter(evidence: list[Shown], chance: random.Random) -> None:
    mixed = list(evidence)
    chance.shuffle(mixed)

    assert attain(mixed, RULE) == attain(evidence, RULE)


@given(several, pieces())
def test_trying_again_never_lowers_a_level_nor_its_firmness(evidence: list[Shown], another: Shown) -> None:
    before, after = attain(evidence, RULE), attain([*evidence, another], RULE)

    if before is not None:
        assert after is not None
        assert (after.level, not after.indicative, not after.borderline) >= (before.level, not before.indicative, not before.borderline)


@given(several)
def test_the_level_is_that_of_the_evidence_named(evidence: list[Shown]) -> None:
    attained = attain(evidence, RULE)

    if attained is not None:
        (deciding,) = (one for one in evidence if one.uuid == attained.evidence_uuid)
        assert attained.level == level_of(deciding, RULE)
        assert (attained.se, attained.borderline, attained.as_of) == (deciding.se, deciding.borderline, deciding.observed_at)


OLD, OTHER, NEW = name("old"), name("other"), name("new")


def level(number: int, rank: int) -> Attained:
    attained = attain([piece(number, level=rank)], RULE)
    assert attained is not None
    return attained


def link(start: UUID = OLD, end: UUID = NEW, relation: str = "replacedBy", *, reviewed: bool = True) -> Carrier:
    return Carrier(start, end, relation, reviewed)


def test_a_reviewed_replacement_carries_a_level_forward() -> None:
    carried = carry({OLD: level(1, 2)}, [link()])

    assert carried == {NEW: (OLD, level(1, 2))}


def test_only_a_reviewed_link_of_the_right_relation_carries_a_level() -> None:
    attained = {OLD: level(1, 2)}

    assert carry(attained, [link(reviewed=False)]) == {}
    assert carry(attained, [link(relation="closeMatch"), link(relation="relatedMatch"), link(relation="isPartOf")]) == {}


def test_a_replacement_does_not_carry_backward_but_an_exact_match_does() -> None:
    attained = {NEW: level(1, 2)}

    assert carry(attained, [link()]) == {}
    assert carry(attained, [link(relation="exactMatch")]) == {OLD: (NEW, level(1, 2))}


def test_what_was_shown_in_the_new_version_is_not_overlaid() -> None:
    assert carry({OLD: level(1, 3), NEW: level(2, 0)}, [link()]) == {}


def test_of_several_nodes_that_became_one_the_lowest_level_is_carried_and_none_while_one_is_unknown() -> None:
    links = [link(), link(OTHER)]

    assert carry({OLD: level(1, 3), OTHER: level(2, 1)}, links) == {NEW: (OTHER, level(2, 1))}
    assert carry({OLD: level(1, 3)}, links) == {}


def test_a_level_is_carried_no_higher_than_the_new_scale_goes() -> None:
    assert carry({OLD: level(1, 3)}, [link()], top_rank=1) == {NEW: (OLD, replace(level(1, 3), level=1))}
