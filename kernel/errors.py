"""The base of every refusal: a class, a stable code, a plain sentence in Thai and English.

Status and page are chosen once, at the edge (`lti_tool/errors.py`, `xapi/errors.py`), from the class.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class KaonaError(Exception):
    """Something was refused; nothing of it was kept.

    code      stable, snake_case; part of the contract with callers
    message   one full sentence for the person, Thai and English; `{name}` places are filled from `details`
    way_on    what the person can do now, Thai and English; may be empty
    details   values for the sentence and the log: never a token, a name of a person or an answer; a language map fills its place
              in the sentence's language
    """

    code: ClassVar[str] = "refused"
    message: ClassVar[Mapping[str, str]] = {
        "th": "ระบบไม่สามารถดำเนินการตามคำขอนี้ได้",
        "en": "The request could not be carried out.",
    }
    way_on: ClassVar[Mapping[str, str]] = {}

    def __init__(self, **details: Any) -> None:
        super().__init__(self.code)
        self.details = details

    def __str__(self) -> str:
        """English sentence with its details, for logs and the command line."""
        return self.sentence("en")

    def sentence(self, language: str) -> str:
        """The message in one language, its places filled."""
        return _filled(self.message, language, self.details)

    def advice(self, language: str) -> str:
        """The way on in one language, its places filled; empty when there is none."""
        return _filled(self.way_on, language, self.details) if self.way_on else ""


class NotFound(KaonaError):
    """No such thing, or none that the asker may see: the two look alike."""

    code = "not_found"
    message: ClassVar[Mapping[str, str]] = {"th": "ไม่พบรายการที่ขอ", "en": "The requested item was not found."}


class Conflict(KaonaError):
    """The request does not fit the present state."""

    code = "conflict"


class Invalid(KaonaError):
    """What was sent breaks a rule of form or content."""

    code = "invalid"


def _filled(texts: Mapping[str, str], language: str, details: Mapping[str, Any]) -> str:
    text = texts.get(language) or texts.get("th") or next(iter(texts.values()))
    try:
        return text.format(**{name: value.get(language, value) if isinstance(value, Mapping) else value for name, value in details.items()})
    except (KeyError, IndexError):
        return text
