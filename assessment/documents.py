"""What bank and form documents have in common: texts in two languages, strict shapes, faults with their places."""

import hashlib
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from assessment.errors import Fault
from kernel import strictjson

Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
"""A human code."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=4000, strip_whitespace=True)]


class Shape(BaseModel):
    """Base of every part of a document: nothing beyond what is named, no silent conversion."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Texts(Shape):
    """A text in Thai and English, both complete."""

    th: Text
    en: Text


def faults_of(error: ValidationError, place: str = "", *, n_skipped: int = 0) -> list[Fault]:
    """The faults that pydantic found, each with its place below a given one.

    n_skipped   leading parts of pydantic's places that name a branch of a union, not a place
    """
    return [
        Fault(join_place(place, *found["loc"][n_skipped:]), found["msg"]) for found in error.errors(include_url=False, include_input=False)
    ]


def join_place(place: str, *parts: str | int) -> str:
    """A path from the root of a document: `items[3].options[1].text`."""
    for part in parts:
        place += f"[{part}]" if isinstance(part, int) else f".{part}" if place else part
    return place or "document"


def repeated(values: Iterable[str]) -> list[str]:
    """Values that come more than once, each told once, in order."""
    seen: set[str] = set()
    again: dict[str, None] = {}
    for value in values:
        if value in seen:
            again[value] = None
        seen.add(value)
    return list(again)


def checksum(content: Any) -> str:
    """SHA-256 of a JSON value in its sorted, compact form, hexadecimal."""
    return hashlib.sha256(strictjson.dumps(content, sort_keys=True)).hexdigest()
