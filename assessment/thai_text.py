"""Folding of typed text so that answers which read alike compare alike, Thai first. Pure.

Source   Unicode Standard, D145 (canonical caseless matching) and ch. 16.1 (Thai: sara am, order of tone marks)
"""

import re
import unicodedata
from typing import Final

_NIKHAHIT_AA: Final = re.compile("\u0e4d([\u0e48-\u0e4b]?)\u0e32")  # sara am typed in parts, a tone mark in between or before
_TONE_AFTER_AM: Final = re.compile("\u0e33([\u0e48-\u0e4b])")
_TONES_BEFORE_VOWELS: Final = re.compile("([\u0e48-\u0e4c]+)([\u0e31\u0e34-\u0e39\u0e47]+)")  # typed in the wrong order, seen alike
_DOUBLE_SARA_E: Final = "\u0e40\u0e40"
_SARA_AE: Final = "\u0e41"
_FULL_WIDTH: Final = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_SPACES: Final = re.compile(r"\s+")


def fold(text: str) -> str:
    """The text as it is compared: composed, in one case, digits 0-9, one space between words, nothing unseen.

    Thai, Arabic and full-width digits become 0-9; zero-width and other format characters fall away; sara am is one
    character after its tone mark, however it was typed. Folding twice gives the same as folding once.
    """
    visible = "".join(character for character in text if unicodedata.category(character) != "Cf")
    caseless = unicodedata.normalize("NFC", unicodedata.normalize("NFD", visible).casefold()).translate(_FULL_WIDTH).lower()
    thai = _order_marks(_order_sara_am(caseless)).replace(_DOUBLE_SARA_E, _SARA_AE)
    return _SPACES.sub(" ", fold_digits(unicodedata.normalize("NFC", thai))).strip()


def fold_digits(text: str) -> str:
    """The text with every decimal digit of any script written 0-9."""
    return "".join(str(unicodedata.decimal(character)) if character.isdecimal() else character for character in text)


def _order_marks(text: str) -> str:
    """Vowels above and below before the tone marks over them, in however many turns they were typed."""
    ordered = _TONES_BEFORE_VOWELS.sub(r"\2\1", text)
    return text if ordered == text else _order_marks(ordered)


def _order_sara_am(text: str) -> str:
    return _TONE_AFTER_AM.sub("\\1\u0e33", _NIKHAHIT_AA.sub("\\1\u0e33", text))
