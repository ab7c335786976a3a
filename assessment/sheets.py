"""A test whose items stand fast beforehand, handed out whole: which item is shown, and what a browser has ahead. Pure."""

from collections.abc import Sequence
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

AHEAD: Final = 5
"""Items that a browser has beyond the one shown, for the time in which it cannot ask for them."""


class Handed(Protocol):
    """An item handed out, and its answer where there is one."""

    @property
    def uuid(self) -> UUID:
        """Of the presentation."""

    @property
    def position(self) -> int:
        """From 1."""

    @property
    def score(self) -> float | None:
        """None before an answer."""


One = TypeVar("One", bound=Handed)


def wanted(handed: Sequence[One], at: int | UUID | None, *, may_return: bool) -> One | None:
    """The item to be shown; None for what comes after the last one.

    handed      all items of the test by position
    at          a position or a presentation that is asked for, heard where the person may return to items; `SUMMARY` for none
    may_return  else the first item without an answer is shown
    """
    if may_return and at is not None:
        return next((one for one in handed if at in (one.position, one.uuid)), None)
    return next((one for one in handed if one.score is None), None)


def after(handed: Sequence[One], answered: Handed, at: int | UUID | None, *, may_return: bool) -> One | None:
    """The item that follows an answer: the one that is asked for, else the next by position."""
    goal = at if may_return and at is not None else answered.position + 1
    return next((one for one in handed if goal in (one.position, one.uuid)), None)


def ahead(handed: Sequence[One], shown: Handed | None, *, may_return: bool) -> list[One]:
    """What a browser has beyond the item shown."""
    beyond = [one for one in handed if shown is not None and one.position > shown.position and (may_return or one.score is None)]
    return beyond[:AHEAD]


def is_untouched(kind: str, value: Any, order: Sequence[str]) -> bool:
    """Whether a person who leaves an item has left it as it was shown: lines still in the order in which they came, never the right one."""
    return value is None or (kind == "ordering" and value == list(order))
