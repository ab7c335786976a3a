"""The picker's rules: what is found, what stays ticked, what counts as points."""

import pytest

from kernel.ids import derived_uuid
from kernel.langmap import LangMap
from lti_tool.workflows.picker import MAX_CHOSEN, ROWS_A_PAGE, chosen_of, first_terms, fold, pick, read_points, read_terms, read_wish
from lti_tool.workflows.placements import Choice, PlacementView


def choice(name: str, title: LangMap, *, kind: str = "course", area: str = "f#A", level: int = 1, is_gradable: bool = False) -> Choice:
    return Choice(name, kind, title, {"th": "คำอธิบาย", "en": "summary"}, 60, (area,), (level,), is_gradable)


HANDBOOK = choice("resource:1", {"th": "คู่มือคุ้มครองข้อมูลส่วนบุคคล ๒๕๖๗", "en": "Data protection handbook"}, kind="reading")
WATER = choice("resource:2", {"th": "การบริหารน้ำด้วยข้อมูล", "en": "Water by data"}, area="f#B", level=2)
MAIL = choice("resource:3", {"th": "อีเมลราชการ", "en": "Official E-mail"}, area="f#B")
TEST = Choice(
    "assessment:1", "assessment", {"th": "แบบประเมิน", "en": "Test"}, {"th": "", "en": ""}, 40, ("f#A", "f#B"), (1, 2, 3), is_gradable=True
)
ALL = [TEST, HANDBOOK, WATER, MAIL]


def found(**asked: str) -> list[Choice]:
    return list(pick(ALL, read_wish(asked, ())).shown)


@pytest.mark.parametrize(
    "query",
    ["คู่มือ", "คูมือ", "คุ้มครอง ข้อมูล", "คุมครองขอมูล", "2567", "๒๕๖๗", "HANDBOOK", "protection  data", "คู\u200bมือ"],
)
def test_a_word_is_found_whatever_its_tone_marks_case_digits_and_unseen_characters(query: str):
    assert HANDBOOK in found(q=query)


def test_every_word_must_be_there_and_vowels_and_consonants_must_be_right():
    assert found(q="คู่มือ น้ำ") == []
    assert found(q="ค่มอ") == []
    assert found(q="น้ำ") == [WATER]
    assert found(q="นำ") == [WATER]
    assert found(q="น\u0e4d้า") == [WATER]  # sara am typed in parts


def test_folding_twice_is_folding_once():
    for text in ("คู่มือ น้ำ ๑๒๓", "E-Mail ÄÖ", "น\u0e4d้า"):
        assert fold(fold(text)) == fold(text)


def test_area_level_and_kind_narrow_the_list_together():
    assert found(area="f#B") == [TEST, WATER, MAIL]
    assert found(area="f#B", level="2") == [TEST, WATER]
    assert found(area="f#B", level="2", kind="course") == [WATER]
    assert found(area="f#C") == []


@pytest.mark.parametrize(
    "asked", [{"level": "x"}, {"level": "-1"}, {"level": "99999999"}, {"page": "x"}, {"page": "-4"}, {"page": "999999"}]
)
def test_what_makes_no_sense_asks_for_nothing(asked: dict[str, str]):
    assert found(**asked) == ALL


def test_what_is_ticked_stays_ticked_on_other_pages_and_behind_other_searches():
    many = [choice(f"resource:{n}", {"th": str(n), "en": str(n)}) for n in range(ROWS_A_PAGE + 2)]
    ticked = (many[0].activity, many[-1].activity)

    second = pick(many, read_wish({"page": "2"}, ticked))
    searched = pick(many, read_wish({"q": "11"}, ticked))

    assert (second.shown, second.elsewhere, second.n_pages) == (tuple(many[ROWS_A_PAGE:]), (many[0],), 2)
    assert (searched.shown, searched.elsewhere) == ((many[11],), (many[0],))


def test_ticks_are_counted_once_bounded_and_only_what_is_offered_is_chosen():
    assert read_wish({}, ["b", "a", "b"]).chosen == ("b", "a")
    assert len(read_wish({}, [str(n) for n in range(100)]).chosen) == MAX_CHOSEN
    assert chosen_of(ALL, ["resource:2", "resource:99", "assessment:1"]) == [TEST, WATER]


@pytest.mark.parametrize(("text", "points"), [("100", 100), (" ๒๕.๕ ", 25.5), ("1,000", 1000), ("0.5", 0.5)])
def test_points_are_read_in_either_digits(text: str, points: float):
    assert read_points(text) == points


@pytest.mark.parametrize("text", ["", "0", "-5", "nan", "inf", "1e9", "ร้อย", "10 points"])
def test_what_is_no_sensible_number_above_0_is_no_points(text: str):
    assert read_points(text) is None
    terms = read_terms(TEST, {"graded assessment:1": "on", "points assessment:1": text})
    assert not terms.is_sound


def test_terms_start_from_those_of_now_where_the_activity_stays():
    now = PlacementView(derived_uuid("p"), "assessment:1", "แบบประเมิน", 12.5, "last", has_area_columns=True, is_shared=False)

    same, other = first_terms(TEST, now), first_terms(TEST, None)

    assert (same.is_graded, same.points, same.policy, same.has_area_columns) == (True, "12.5", "last", True)
    assert (other.is_graded, other.points, other.policy, other.has_area_columns) == (True, "100", "best", False)
    assert first_terms(WATER).is_graded is False


def test_what_cannot_be_graded_is_not_whatever_the_form_says():
    terms = read_terms(WATER, {"graded resource:2": "on", "points resource:2": "x"})

    assert (terms.is_graded, terms.score_maximum, terms.is_sound) == (False, None, True)
