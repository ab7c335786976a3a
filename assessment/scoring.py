"""Response processing: is the answer well formed, and what does it earn. Seven kinds of item; three can give partial credit. Pure."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

from assessment.errors import AnswerInvalid, NumberExpected
from assessment.thai_text import fold, fold_digits

MAX_TEXT_CHARACTERS: Final = 500
"""Longest short-text answer that is taken."""

_NUMBER: Final = re.compile(r"[+-]?(\d{1,15}|\d{1,3}(,\d{3}){1,4})(\.\d{1,12})?")
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_MINUS_SIGNS: Final = str.maketrans("−–", "--")


@dataclass(frozen=True, slots=True)
class ScoringRule:
    """What a scorer knows of one item version.

    kind        one of KINDS
    correct     the correct response in the item's own form, see `bank.py`
    options     ids of the options, empty where the kind has none
    targets     ids of the targets of a matching item
    is_partial  whether a part of the answer earns a part of the credit
    """

    kind: str
    correct: Any
    options: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    is_partial: bool = False

    @property
    def most_points(self) -> int:
        """Points of a wholly right answer; 1 without partial credit."""
        return most_points(self.kind, self.correct) if self.is_partial else 1


def most_points(kind: str, correct: Any) -> int:
    """Points that an item with partial credit can earn: right options, neighbours in order, pairs."""
    return len(correct) - (kind == "ordering")


def points(rule: ScoringRule, value: Any) -> int:
    """What an answer earns, 0 to `most_points`: 1 or 0 without partial credit. Nothing but the stored rule decides.

    value    the answer as JSON: "b"; ["a", "c"]; true; ["c", "a", "b"]; {"s1": "t2"}; "๔๒"; "text"
    Raises   AnswerInvalid when the value has not the form of its kind (NumberExpected for a numeric item)
    """
    is_right = _SCORERS[rule.kind](rule, value)
    if not rule.is_partial:
        return int(is_right)
    return rule.most_points if is_right else PARTS[rule.kind](rule.correct, value)


def parse_number(text: str) -> Decimal | None:
    """A number as people write it, or None: digits of any script, commas between thousands, a point, any minus sign."""
    written = fold_digits(text.strip()).translate(_MINUS_SIGNS)
    return Decimal(written.replace(",", "")) if len(written) <= MAX_TEXT_CHARACTERS and _NUMBER.fullmatch(written) else None


def _single_choice(rule: ScoringRule, value: Any) -> bool:
    _require(isinstance(value, str), "value_type")
    _require_known([value], rule.options)
    return bool(value == rule.correct)


def _multiple_choice(rule: ScoringRule, value: Any) -> bool:
    chosen = _texts(value)
    _require_known(chosen, rule.options)
    _require(len(chosen) > 0, "incomplete")
    return set(chosen) == set(rule.correct)


def _true_false(rule: ScoringRule, value: Any) -> bool:
    _require(isinstance(value, bool), "value_type")
    return bool(value is rule.correct)


def _ordering(rule: ScoringRule, value: Any) -> bool:
    order = _texts(value)
    _require_known(order, rule.options)
    _require(len(order) == len(rule.options), "incomplete")
    return order == list(rule.correct)


def _matching(rule: ScoringRule, value: Any) -> bool:
    _require(isinstance(value, Mapping) and all(isinstance(target, str) for target in value.values()), "value_type")
    _require_known(value.keys(), rule.options)
    _require_known(value.values(), rule.targets)
    _require(len(value) == len(rule.options), "incomplete")
    return dict(value) == dict(rule.correct)


def _numeric(rule: ScoringRule, value: Any) -> bool:
    _require(isinstance(value, str | int | float) and not isinstance(value, bool), "value_type")
    number = parse_number(str(value))
    if number is None:
        raise NumberExpected(reason="not_a_number")
    return abs(number - Decimal(rule.correct["value"])) <= Decimal(rule.correct["tolerance"])


def _short_text(rule: ScoringRule, value: Any) -> bool:
    _require(isinstance(value, str), "value_type")
    _require(len(value) <= MAX_TEXT_CHARACTERS, "too_long")
    _require(not _UNSTORABLE.search(value), "value_type")
    written = fold(value)
    _require(written != "", "incomplete")
    return any(written == fold(accepted) for texts in rule.correct["accepted"].values() for accepted in texts)


_SCORERS: Final[Mapping[str, Callable[[ScoringRule, Any], bool]]] = {
    "single_choice": _single_choice,
    "multiple_choice": _multiple_choice,
    "true_false": _true_false,
    "ordering": _ordering,
    "matching": _matching,
    "numeric": _numeric,
    "short_text": _short_text,
}

PARTS: Final[Mapping[str, Callable[[Any, Any], int]]] = {
    "multiple_choice": lambda correct, chosen: max(len(set(chosen) & set(correct)) - len(set(chosen) - set(correct)), 0),
    "ordering": lambda correct, order: len(set(pairwise(order)) & set(pairwise(correct))),
    "matching": lambda correct, chosen: sum(target == correct[option] for option, target in chosen.items()),
}
"""The kinds that can give partial credit, and what an answer earns: right options less wrong ones; parts that stand right before the
one that follows them; right pairs."""

KINDS: Final = tuple(_SCORERS)
"""The kinds of item."""


def _texts(value: Any) -> list[str]:
    _require(isinstance(value, list) and all(isinstance(part, str) for part in value), "value_type")
    _require(len(set(value)) == len(value), "value_type")
    return list(value)


def _require_known(ids: Collection[str], known: tuple[str, ...]) -> None:
    _require(set(ids) <= set(known), "unknown_option")


def _require(holds: bool, reason: str) -> None:
    if not holds:
        raise AnswerInvalid(reason=reason)
