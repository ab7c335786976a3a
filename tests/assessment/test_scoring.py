"""Scoring tables: seven kinds, right, wrong and not an answer."""

import pytest

from assessment.errors import AnswerInvalid, NumberExpected
from assessment.scoring import KINDS, ScoringRule, parse_number, points

ABCD = ("a", "b", "c", "d")
RULES = {
    "single_choice": ScoringRule("single_choice", "b", ABCD),
    "multiple_choice": ScoringRule("multiple_choice", ["a", "c"], ABCD),
    "true_false": ScoringRule("true_false", False),
    "ordering": ScoringRule("ordering", ["c", "a", "b"], ("a", "b", "c")),
    "matching": ScoringRule("matching", {"s1": "t2", "s2": "t1"}, ("s1", "s2"), ("t1", "t2", "t3")),
    "numeric": ScoringRule("numeric", {"value": "42", "tolerance": "0"}),
    "short_text": ScoringRule("short_text", {"accepted": {"th": ["น้ำ", "การหลอกลวงทางอีเมล"], "en": ["phishing"]}}),
}
TOLERANT = ScoringRule("numeric", {"value": "3.14", "tolerance": "0.01"})
NEGATIVE = ScoringRule("numeric", {"value": "-1250.5", "tolerance": "0"})


def test_every_kind_has_a_row():
    assert set(RULES) == set(KINDS)


@pytest.mark.parametrize(
    ("rule", "value", "right"),
    [
        (RULES["single_choice"], "b", True),
        (RULES["single_choice"], "a", False),
        (RULES["multiple_choice"], ["a", "c"], True),
        (RULES["multiple_choice"], ["c", "a"], True),
        (RULES["multiple_choice"], ["a"], False),
        (RULES["multiple_choice"], ["a", "b", "c"], False),
        (RULES["multiple_choice"], ["b", "d"], False),
        (RULES["true_false"], False, True),
        (RULES["true_false"], True, False),
        (RULES["ordering"], ["c", "a", "b"], True),
        (RULES["ordering"], ["a", "b", "c"], False),
        (RULES["matching"], {"s2": "t1", "s1": "t2"}, True),
        (RULES["matching"], {"s1": "t1", "s2": "t2"}, False),
        (RULES["matching"], {"s1": "t2", "s2": "t2"}, False),
        (RULES["numeric"], "42", True),
        (RULES["numeric"], "๔๒", True),
        (RULES["numeric"], " +42.0 ", True),
        (RULES["numeric"], "４２", True),
        (RULES["numeric"], 42, True),
        (RULES["numeric"], "42.0001", False),
        (RULES["numeric"], "-42", False),
        (TOLERANT, "3.15", True),
        (TOLERANT, "3.13", True),
        (TOLERANT, "3.151", False),
        (NEGATIVE, "−1,250.5", True),
        (NEGATIVE, "-๑,๒๕๐.๕๐", True),
        (NEGATIVE, "1250.5", False),
        (RULES["short_text"], "น\u0e4d\u0e49\u0e32", True),
        (RULES["short_text"], " Phishing ", True),
        (RULES["short_text"], "การหลอกลวงทางอีเมล\u200b", True),
        (RULES["short_text"], "fishing", False),
    ],
)
def test_the_stored_rule_decides(rule, value, right):
    assert points(rule, value) == int(right)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("single_choice", "z"),
        ("single_choice", ["b"]),
        ("single_choice", None),
        ("multiple_choice", []),
        ("multiple_choice", ["a", "a"]),
        ("multiple_choice", ["a", "z"]),
        ("multiple_choice", "a"),
        ("multiple_choice", [["a"]]),
        ("true_false", 0),
        ("true_false", "false"),
        ("ordering", ["c", "a"]),
        ("ordering", ["c", "a", "a"]),
        ("ordering", ["c", "a", "z"]),
        ("matching", {"s1": "t2"}),
        ("matching", {"s1": "t2", "s2": "t9"}),
        ("matching", {"s1": "t2", "s9": "t1"}),
        ("matching", {"s1": ["t2"], "s2": "t1"}),
        ("matching", []),
        ("numeric", True),
        ("numeric", None),
        ("numeric", ["42"]),
        ("short_text", ""),
        ("short_text", "\u200b "),
        ("short_text", "x" * 501),
        ("short_text", 42),
        ("short_text", "nul\x00"),
        ("short_text", "half \ud800 of a character"),
    ],
)
def test_what_is_not_an_answer_of_its_kind_is_refused(kind, value):
    with pytest.raises(AnswerInvalid):
        points(RULES[kind], value)


@pytest.mark.parametrize("value", ["", "สี่สิบสอง", "4 2", "1e3", "NaN", "Infinity", "4,2", "1,23,456", "0x2a", "--1", "9" * 40])
def test_what_is_not_a_number_is_told_as_such(value):
    with pytest.raises(NumberExpected):
        points(RULES["numeric"], value)


@pytest.mark.parametrize(("written", "number"), [("1,234,567.5", "1234567.5"), ("๐", "0"), ("-0", "-0"), (".5", None), ("5.", None)])
def test_numbers_are_read_as_people_write_them(written, number):
    found = parse_number(written)

    assert (None if found is None else str(found)) == number
