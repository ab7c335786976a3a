"""Thai names in the order of a Thai dictionary, without a table of collation."""

import re

LEADING_VOWEL = re.compile(r"([เแโใไ])([ก-ฮ])")
MARKS = str.maketrans("", "", "็่้๊๋์ํ๎")


def thai_order(text: str) -> tuple[str, str]:
    """A key to sort by: a vowel written before its consonant counts after it; tone marks count last; case not at all.

    Source  Royal Institute Dictionary (2542), order of headwords
    """
    folded = text.strip().casefold()
    return LEADING_VOWEL.sub(_swapped, folded.translate(MARKS)), folded


def _swapped(pair: re.Match[str]) -> str:
    return pair[2] + pair[1]
