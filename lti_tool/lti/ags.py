"""Scores as the Assignment and Grade Services take them: our own value, checked before PyLTI1p3 spells it.

Source   AGS 2.0, sections 3.3 (score publish) and 3.4 (results)
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import urlencode, urlsplit, urlunsplit

from pylti1p3.grade import Grade

from kernel.errors import Invalid

TOLERANCE = 1e-4
"""Two grades nearer than this share of the maximum are the same: gradebooks keep five decimals."""


class ScoreInvalid(Invalid):
    """The points are no score: not finite, below 0 or above the maximum, or a maximum that is not above 0."""

    code = "score_invalid"
    message: ClassVar = {"th": "คะแนนไม่ถูกต้อง: {reason}", "en": "The score is not valid: {reason}"}


@dataclass(frozen=True, slots=True)
class FinalScore:
    """One final score of one person. Anything but a final score would erase the grade that stands in some gradebooks.

    given, maximum   points, 0 <= given <= maximum, maximum > 0
    stamped_at       aware, whole seconds; later than that of the score before
    comment          plain text
    """

    sub: str
    given: float
    maximum: float
    stamped_at: datetime
    comment: str | None = None

    def __post_init__(self) -> None:
        check_points(self.given, self.maximum)
        if self.stamped_at.tzinfo is None or self.stamped_at.microsecond:
            raise ScoreInvalid(reason="the timestamp is not a whole second with a zone")

    def body(self) -> bytes:
        """The JSON that is posted."""
        grade = Grade().set_user_id(self.sub).set_score_given(self.given).set_score_maximum(self.maximum)
        grade.set_activity_progress("Completed").set_grading_progress("FullyGraded")
        grade.set_timestamp(self.stamped_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        if self.comment:
            grade.set_comment(self.comment)
        return grade.get_value().encode()


def check_points(given: float, maximum: float) -> None:
    """Raises ScoreInvalid unless 0 <= given <= maximum, both finite numbers, maximum above 0."""
    for value in (given, maximum):
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ScoreInvalid(reason="points are finite numbers")
    if not maximum > 0 or not 0 <= given <= maximum:
        raise ScoreInvalid(reason="points lie between 0 and the maximum, which is above 0")


def scores_url(line_item_url: str) -> str:
    """Where scores of a line item are posted: `/scores` goes before the query."""
    return _below(line_item_url, "scores", {})


def results_url(line_item_url: str, sub: str) -> str:
    """Where one person's result is read."""
    return _below(line_item_url, "results", {"user_id": sub})


def is_result_equal(results: Any, score: FinalScore) -> bool:
    """Whether the platform's results already show this person with this share of the points."""
    for result in results if isinstance(results, list) else ():
        if isinstance(result, Mapping) and result.get("userId") == score.sub:
            points: Any = result.get("resultScore")
            maximum: Any = result.get("resultMaximum", 1)
            try:
                check_points(points, maximum)
            except ScoreInvalid:
                return False
            return bool(abs(points / maximum - score.given / score.maximum) <= TOLERANCE)
    return False


def _below(url: str, name: str, query: Mapping[str, str]) -> str:
    parts = urlsplit(url)
    joined = "&".join(filter(None, (parts.query, urlencode(query))))
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{name}", query=joined, fragment=""))
