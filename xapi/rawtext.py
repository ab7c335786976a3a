"""The received text of a statement, kept letter for letter but for what the standard lets an LRS set. Pure.

Every text here was already read by `kernel.strictjson`, so it is well-formed JSON.
"""

import json
import re
from collections.abc import Sequence

STORED = None
"""Stands in an edit for the moment of storing, which is known only when the turn in the sequence is taken."""

Edit = tuple[int, int, str | None]
"""From, to (exclusive), new text or `STORED`."""

_decode = json.JSONDecoder().raw_decode
_space = re.compile(r"[ \t\n\r]*").match


def split_batch(text: str) -> list[str]:
    """The texts of an array's elements, in order, without the white space around them."""
    return [text[start:end] for start, end in elements(text, _skip(text, 0))]


def elements(text: str, at: int = 0) -> list[tuple[int, int]]:
    """Where each element of an array stands: (from, to). `at` is the place of its bracket."""
    places: list[tuple[int, int]] = []
    at = _skip(text, at + 1)
    while text[at] != "]":
        end = _decode(text, at)[1]
        places.append((at, end))
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return places


def members(text: str, at: int = 0) -> dict[str, tuple[int, int]]:
    """Where the value of each member of an object stands: name to (from, to). `at` is the place of its brace."""
    places: dict[str, tuple[int, int]] = {}
    at = _skip(text, at + 1)
    while text[at] != "}":
        name, end = _decode(text, at)
        start = _skip(text, _skip(text, end) + 1)
        end = _decode(text, start)[1]
        places[name] = (start, end)
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return places


def edited(text: str, edits: Sequence[Edit]) -> list[str]:
    """The text with its edits made, cut where the moment of storing belongs: join the pieces by that moment's text.

    edits   do not overlap; two at the same place come in the order given
    """
    pieces, piece, done = [], [], 0
    for start, end, new in sorted(edits, key=lambda edit: edit[0]):
        piece.append(text[done:start])
        done = end
        if new is STORED:
            pieces.append("".join(piece))
            piece = []
        else:
            piece.append(new)
    piece.append(text[done:])
    pieces.append("".join(piece))
    return pieces


def _skip(text: str, at: int) -> int:
    return _space(text, at).end()  # type: ignore[union-attr]  # the pattern matches the empty text too
