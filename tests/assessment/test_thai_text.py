"""Texts that read alike compare alike; texts that do not, do not."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assessment.thai_text import fold

NIKHAHIT, AA, AM, MAI_THO = "\u0e4d", "\u0e32", "\u0e33", "\u0e49"
THAI = st.text(st.characters(min_codepoint=0x0E01, max_codepoint=0x0E5B) | st.sampled_from(" \u200b\u200dAa1"), max_size=12)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("๒๕๖๗", "2567"),
        ("٢٥٦٧", "2567"),
        ("２５６７", "2567"),
        ("น" + MAI_THO + AM, "น" + MAI_THO + NIKHAHIT + AA),
        ("น" + MAI_THO + AM, "น" + NIKHAHIT + MAI_THO + AA),
        ("น" + MAI_THO + AM, "น" + AM + MAI_THO),
        ("ท" + AM, "ท" + NIKHAHIT + AA),
        ("ที\u0e48", "ท\u0e48\u0e35"),
        ("ท\u0e34\u0e34\u0e48", "ท\u0e48\u0e34\u0e34"),
        ("เเละ", "และ"),
        ("ข้อมูล\u200bส่วน\u200dบุคคล", "ข้อมูลส่วนบุคคล"),
        ("\ufeffรัฐบาล\u00ad", "รัฐบาล"),
        ("  ศูนย์   ข้อมูล\u00a0กลาง\n", "ศูนย์ ข้อมูล กลาง"),
        ("PHISHING", "phishing"),
        ("ＰＤＰＡ", "pdpa"),
        ("Straße", "STRASSE"),
        ("cafe\u0301", "CAFÉ"),
        ("พ.ร.บ. ๒๕๖๒", "พ.ร.บ. 2562"),
    ],
)
def test_texts_that_read_alike_are_equal(typed, stored):
    assert fold(typed) == fold(stored)


@pytest.mark.parametrize(
    ("one", "other"),
    [("ข้อมูล", "ขอมูล"), ("ข้อมูล", "ข่อมูล"), ("ศูนย์ข้อมูล", "ศูนย์ ข้อมูล"), ("2567", "2568"), ("นำ", "นา"), ("การ", "กาล")],
)
def test_texts_that_read_differently_stay_different(one, other):
    assert fold(one) != fold(other)


@pytest.mark.parametrize("text", ["", " ", "\u200b", "\u200b \ufeff"])
def test_a_text_with_nothing_to_see_folds_to_nothing(text):
    assert fold(text) == ""


@given(st.one_of(st.text(max_size=12), THAI))
def test_folding_twice_gives_the_same_as_folding_once(text):
    assert fold(fold(text)) == fold(text)


@given(st.one_of(st.text(max_size=12), THAI))
def test_composed_and_decomposed_forms_fold_alike(text):
    assert fold(unicodedata.normalize("NFC", text)) == fold(unicodedata.normalize("NFD", text)) == fold(text)
