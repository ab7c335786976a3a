"""Reasons and notes are whole sentences in Thai and in English."""

import inspect
import re
import string

import pytest

from learning import commands, paths
from learning.choice import KINDS
from learning.reasons import NOTES, REASONS, fill


@pytest.mark.parametrize("code", [*REASONS, *NOTES])
def test_each_text_speaks_of_the_same_things_in_both_languages(code):
    texts = (REASONS | NOTES)[code]
    places = [{name for _, name, _, _ in string.Formatter().parse(texts[language]) if name} for language in ("th", "en")]

    assert places[0] == places[1]
    assert re.search(r"[\u0e00-\u0e7f]", texts["th"])
    assert texts["en"].endswith(".")


def test_every_code_that_a_rule_gives_has_its_text():
    source = inspect.getsource(paths)
    given = set(re.findall(r'"([a-z_]+)"', source)) & set(REASONS)

    assert given | {f"then_{kind}" for kind in KINDS} == set(REASONS)
    assert set(re.findall(r'"code": "([a-z_]+)"', inspect.getsource(commands))) == set(NOTES)


def test_a_place_is_filled_in_the_language_of_the_text():
    filled = fill(REASONS["target"], {"node": {"th": "ดิจิทัล", "en": "digital"}, "level": {"th": "รู้จัก", "en": "aware"}})

    assert filled == {
        "th": "ขั้นนี้พาท่านไปถึงระดับ “รู้จัก” ซึ่งเป็นเป้าหมายของท่านในด้านดิจิทัล",
        "en": "This step takes you to the level “aware”, which is your target in digital.",
    }


def test_a_place_without_a_value_is_a_fault():
    with pytest.raises(KeyError):
        fill(REASONS["target"], {})
