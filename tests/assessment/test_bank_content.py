"""The rules that the core bank's content keeps: whole in both languages, keys that meet, nothing that gives an answer away."""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from statistics import mean

import pytest

DOCUMENT = json.loads((Path(__file__).parents[2] / "assessment/data/bank-core-2567.json").read_text(encoding="utf-8"))
ITEMS = DOCUMENT["items"]
BY_KEY = {item["key"]: item for item in ITEMS}
AREAS = ("DLIT", "DGOV", "DLEAD")
LANGUAGES = ("th", "en")
CUTS = (-1.0, 0.0, 1.0)
SHARES = {
    "single_choice": (0.50, 0.60),
    "multiple_choice": (0.09, 0.15),
    "true_false": (0.06, 0.11),
    "ordering": (0.05, 0.10),
    "matching": (0.06, 0.10),
    "numeric": (0.04, 0.08),
    "short_text": (0.04, 0.08),
}
"""Least and greatest share of each kind in an area."""

FIELDS = {
    "single_choice": {"options", "correct"},
    "multiple_choice": {"options", "correct"},
    "true_false": {"correct"},
    "ordering": {"options", "correct"},
    "matching": {"options", "targets", "correct"},
    "numeric": {"unit", "correct"},
    "short_text": {"correct"},
}
COMMON_FIELDS = {"key", "domain", "topic", "kind", "params", "time_guide_seconds", "stem", "rationale"}
THAI = re.compile("[\u0e00-\u0e7f]")
INSTRUCTION = re.compile(
    r"\([^)]*\)|from (earliest|first|highest|input|smallest) to \w+|Match each|Put (the|these)|in order,?"
    r"|จาก(ขั้น|ชั้น|สิ่ง|เล็ก|ปัจจัย)\S*|จงเรียง(ลำดับ)?|จงจับคู่"
)
"""What stems of one kind have in common by rule."""

MOST_ALIKE = 0.55
"""Greatest share of three-letter pieces that two stems have in common (Dice), once their common instructions are taken out."""

every_item = pytest.mark.parametrize("item", ITEMS, ids=lambda item: item["key"])
every_area = pytest.mark.parametrize("area", AREAS)


def of_kind(*kinds: str) -> pytest.MarkDecorator:
    chosen = [item for item in ITEMS if item["kind"] in kinds]
    return pytest.mark.parametrize("item", chosen, ids=lambda item: item["key"])


def in_area(area: str, *kinds: str) -> list[dict]:
    return [item for item in ITEMS if item["domain"] == area and (not kinds or item["kind"] in kinds)]


def language_maps(value: object) -> Iterator[dict]:
    if isinstance(value, dict) and set(value) == set(LANGUAGES) and all(isinstance(text, str) for text in value.values()):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from language_maps(part)


def trigrams(text: str) -> set[str]:
    folded = " ".join(text.casefold().split())
    return {folded[place : place + 3] for place in range(max(1, len(folded) - 2))}


def ids(options: list[dict]) -> list[str]:
    return [option["id"] for option in options]


def test_the_bank_names_its_format_framework_and_licence():
    named = {name: DOCUMENT[name] for name in ("format", "format_version", "framework", "licence")}

    assert named == {"format": "kaona-bank", "format_version": 1, "framework": "th-ds-2567", "licence": "CC-BY-4.0"}


def test_the_note_says_in_both_languages_that_the_parameters_are_estimates_without_calibration():
    note = DOCUMENT["parameters"]["note"]

    assert DOCUMENT["parameters"]["status"] == "provisional"
    assert "ค่าประมาณ" in note["th"]
    assert "ยังไม่ได้ปรับเทียบ" in note["th"]
    assert "estimate" in note["en"]
    assert "calibrated" in note["en"]


def test_keys_are_unique_sorted_and_name_their_area():
    keys = [item["key"] for item in ITEMS]

    assert keys == sorted(set(keys))
    assert all(re.fullmatch(rf"{item['domain']}-\d{{3}}", item["key"]) for item in ITEMS)
    assert {item["domain"] for item in ITEMS} == set(AREAS)


@every_area
def test_an_area_has_fifty_items_of_all_kinds_in_the_planned_shares(area):
    items = in_area(area)

    shares = {kind: n / len(items) for kind, n in Counter(item["kind"] for item in items).items()}

    assert len(items) >= 50
    assert set(shares) == set(SHARES)
    assert {kind: share for kind, share in shares.items() if not SHARES[kind][0] <= share <= SHARES[kind][1]} == {}


@every_area
def test_an_area_covers_more_than_a_dozen_topics_and_none_fills_a_third_of_it(area):
    topics = Counter(item["topic"]["en"] for item in in_area(area))

    assert len(topics) > 12
    assert max(topics.values()) < len(in_area(area)) / 3


@every_area
def test_difficulty_spreads_over_the_scale_and_crowds_the_cuts(area):
    difficulties = [item["params"]["b"] for item in in_area(area)]

    near = {cut: sum(abs(b - cut) <= 0.25 for b in difficulties) for cut in CUTS}

    assert -2.5 <= min(difficulties) <= -2.0
    assert 2.0 <= max(difficulties) <= 2.5
    assert sum(abs(b) <= 1.5 for b in difficulties) >= 0.7 * len(difficulties)
    assert abs(mean(difficulties)) <= 0.3
    assert {cut: n for cut, n in near.items() if n < 6} == {}


@every_item
def test_parameters_are_2pl_within_the_authors_bounds(item):
    assert set(item["params"]) == {"model", "a", "b"}
    assert item["params"]["model"] == "2pl"
    assert 0.8 <= item["params"]["a"] <= 1.8
    assert -2.5 <= item["params"]["b"] <= 2.5


@of_kind("true_false")
def test_an_item_that_half_guess_right_is_neither_called_hard_nor_sharp(item):
    assert item["params"]["b"] <= 0.75
    assert item["params"]["a"] <= 0.9


@every_item
def test_an_item_has_the_fields_of_its_kind_and_no_other(item):
    assert set(item) - {"enemies"} == COMMON_FIELDS | FIELDS[item["kind"]]
    assert 30 <= item["time_guide_seconds"] <= 180


@every_item
def test_texts_are_whole_in_both_languages(item):
    for text in language_maps(item):
        assert all(text[language].strip() == text[language] != "" for language in LANGUAGES)
        assert "  " not in text["th"] + text["en"]
        assert not THAI.search(text["en"])
    assert all(THAI.search(item[field]["th"]) for field in ("topic", "stem", "rationale"))


@every_item
def test_thai_is_written_in_one_form(item):
    for text in language_maps(item):
        assert unicodedata.normalize("NFC", text["th"]) == text["th"]
        assert "\u0e4d\u0e32" not in text["th"], "sara am in two parts"
        assert "\u0e40\u0e40" not in text["th"], "two sara e for sara ae"
        assert not any(unicodedata.category(character) == "Cf" for character in text["th"])


@of_kind("single_choice", "multiple_choice", "ordering", "matching")
def test_options_and_targets_have_their_own_ids_and_texts(item):
    for options in (item["options"], item.get("targets", [])):
        assert len(set(ids(options))) == len(options)
        for language in LANGUAGES:
            assert len({option["text"][language] for option in options}) == len(options)


@of_kind("single_choice")
def test_a_single_choice_has_four_options_one_of_them_right(item):
    assert ids(item["options"]) == ["a", "b", "c", "d"]
    assert item["correct"] in ids(item["options"])


@of_kind("multiple_choice")
def test_a_multiple_choice_has_several_right_options_and_a_wrong_one_and_says_so(item):
    assert set(item["correct"]) < set(ids(item["options"]))
    assert len(set(item["correct"])) == len(item["correct"]) >= 2
    assert "เลือกทุกข้อที่ถูก" in item["stem"]["th"]
    assert "Choose all that apply" in item["stem"]["en"]


@of_kind("ordering")
def test_an_ordering_names_its_criterion_and_is_not_shown_in_its_order(item):
    assert sorted(item["correct"]) == ids(item["options"])
    assert item["correct"] not in (ids(item["options"]), ids(item["options"])[::-1])
    assert re.search(r"จาก\S+.*ไป", item["stem"]["th"])
    assert re.search(r"from .+ to ", item["stem"]["en"])


@of_kind("matching")
def test_a_matching_gives_each_option_its_own_target_and_is_not_shown_paired(item):
    assert list(item["correct"]) == ids(item["options"])
    assert set(item["correct"].values()) <= set(ids(item["targets"]))
    assert len(set(item["correct"].values())) == len(item["options"]) <= len(item["targets"])
    assert list(item["correct"].values()) != ids(item["targets"])[: len(item["options"])]
    assert ("เกินมา" in item["stem"]["th"]) == ("too many" in item["stem"]["en"]) == (len(item["targets"]) > len(item["options"]))


@of_kind("numeric")
def test_a_numeric_item_names_its_unit_and_rounding(item):
    assert re.fullmatch(r"-?\d+(\.\d+)?", item["correct"]["value"])
    assert re.fullmatch(r"\d+(\.\d+)?", item["correct"]["tolerance"])
    assert "จำนวนเต็ม" in item["stem"]["th"]
    assert "whole number" in item["stem"]["en"].lower()
    assert item["unit"]["th"] in item["stem"]["th"] or item["unit"]["th"] == "คะแนน"


@of_kind("short_text")
def test_a_short_text_accepts_several_spellings_in_each_language_and_shows_none_of_them(item):
    accepted = item["correct"]["accepted"]
    folded = [unicodedata.normalize("NFC", text).casefold() for text in accepted["th"] + accepted["en"]]

    assert min(len(accepted["th"]), len(accepted["en"])) >= 5
    assert len(set(folded)) == len(folded)
    assert all(text == " ".join(text.split()) for text in folded)
    assert any(THAI.search(text) for text in accepted["th"])
    assert not any(THAI.search(text) for text in accepted["en"])
    assert not any(
        accepted["th"][0] in item["stem"]["th"] or accepted["en"][0].casefold() in item["stem"]["en"].casefold().split() for _ in "x"
    )


def test_the_first_accepted_answer_of_a_short_text_stands_in_no_other_stem_or_option():
    leaks = [
        (item["key"], other["key"])
        for item in ITEMS
        if item["kind"] == "short_text"
        for other in ITEMS
        if other is not item
        for text in language_maps([other["stem"], other.get("options", []), other.get("targets", [])])
        if item["correct"]["accepted"]["th"][0] in text["th"]
    ]

    assert leaks == []


@every_area
def test_right_letters_are_spread_evenly(area):
    letters = Counter(item["correct"] for item in in_area(area, "single_choice"))

    assert set(letters) == set("abcd")
    assert max(letters.values()) - min(letters.values()) <= 2


@every_area
def test_true_and_false_are_both_about_half(area):
    truths = [item["correct"] for item in in_area(area, "true_false")]

    assert abs(truths.count(True) - truths.count(False)) <= 1


@every_area
def test_the_number_of_right_options_of_multiple_choice_items_varies(area):
    assert len({len(item["correct"]) for item in in_area(area, "multiple_choice")}) > 1


@pytest.mark.parametrize("language", LANGUAGES)
@every_area
def test_the_right_option_is_not_known_by_its_length(area, language):
    items = in_area(area, "single_choice")
    longest, ratios = 0, []
    for item in items:
        lengths = {option["id"]: len(option["text"][language]) for option in item["options"]}
        right = lengths.pop(item["correct"])
        longest += right > max(lengths.values())
        ratios.append(right / mean(lengths.values()))

    assert longest <= len(items) / 4, "no more often the longest than chance would have it"
    assert 0.9 <= mean(ratios) <= 1.15


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_stems_are_nearly_the_same(language):
    pieces = {item["key"]: trigrams(INSTRUCTION.sub("", item["stem"][language])) for item in ITEMS}

    alike = [
        (one, other)
        for one, other in combinations(pieces, 2)
        if 2 * len(pieces[one] & pieces[other]) / (len(pieces[one]) + len(pieces[other])) > MOST_ALIKE
    ]

    assert alike == []


@every_item
def test_enemies_exist_name_each_other_and_are_of_one_area(item):
    for key in item.get("enemies", []):
        assert key != item["key"]
        assert item["key"] in BY_KEY[key]["enemies"]
        assert BY_KEY[key]["domain"] == item["domain"]
