"""The gradebook: columns, grades and every score received, under the rules that Moodle was measured to keep."""

import json
import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from kernel.clock import rfc3339
from lti_tool.dev.lms.config import Activity, Course

_INSERT_LINE_ITEM = (
    "INSERT INTO line_item (course_id, deployment_id, label, score_maximum, resource_link_id, resource_id, tag, review_url, review_custom, "
    "activity_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_SELECT_GRADES = "SELECT person_id, score, comment, posted_at, is_locked, is_overridden FROM grade WHERE line_item_id = ?"


class ServiceRefusal(Exception):
    """A service call is refused with this status and reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class LineItem:
    """One column of the gradebook."""

    id: int
    course_id: str
    deployment_id: str
    label: str
    score_maximum: float
    resource_link_id: str | None
    resource_id: str | None
    tag: str | None
    review_url: str | None
    review_custom: Mapping[str, str]
    activity_id: str | None
    """Set when the column came with an activity; None for one that the tool made."""
    is_locked: bool = False


@dataclass(frozen=True, slots=True)
class Grade:
    """One person's cell of one column."""

    person_id: str
    score: float | None
    comment: str | None
    posted_at: int
    """The score's own timestamp, whole seconds since 1970."""
    is_locked: bool
    is_overridden: bool = False
    """The teacher set the score by hand: what the tool sends is kept beside it and not shown."""


@dataclass(frozen=True, slots=True)
class ReceivedScore:
    """One score as it came, and what it was answered."""

    received_at: str
    line_item_id: int
    person_id: str
    body: str
    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class Score:
    """A posted score that passed the rules of form."""

    person_id: str
    posted_at: int
    given: float | None
    """None erases the grade: nothing was given, or it is not final."""
    maximum: float
    comment: str | None


def parse_score(body: Any, *, gradable: Collection[str], zone: ZoneInfo) -> Score:
    """A posted score by Moodle's rules of form.

    body       the JSON value as it came
    gradable   ids of the people whom the course may grade
    zone       the server's own, for a timestamp that names none
    Raises     ServiceRefusal 400
    Source     Moodle 4.5 as measured; LTI AGS 2.0, section 3.4
    """
    refusal = ServiceRefusal(400, "Incorrect score received")
    if not isinstance(body, dict) or any(body.get(name) is None for name in ("userId", "timestamp", "gradingProgress", "activityProgress")):
        raise refusal
    person_id, moment = str(body["userId"]), _moment(body["timestamp"], zone)
    given, maximum = body.get("scoreGiven"), body.get("scoreMaximum")
    is_malformed = any(value is not None and not _is_numeric(value) for value in (given, maximum))
    if is_malformed or moment is None or (given is not None and maximum is None) or person_id not in gradable:
        raise refusal
    is_final = body["gradingProgress"] == "FullyGraded"
    return Score(
        person_id=person_id,
        posted_at=int(moment.timestamp()),
        given=float(given) if given is not None and is_final else None,
        maximum=float(maximum) if maximum is not None else 1.0,
        comment=str(body["comment"]) if body.get("comment") is not None else None,
    )


def rescale(score: Score, score_maximum: float) -> float | None:
    """Points on the column's scale, clamped to it; a maximum of 0 is taken unscaled; None when the grade is erased."""
    if score.given is None:
        return None
    points = score.given if score.maximum == 0 else score.given * score_maximum / score.maximum
    return min(max(points, 0.0), score_maximum)


def enter_score(db: sqlite3.Connection, item: LineItem, score: Score) -> None:
    """Writes a score into its cell; an absent comment erases the one before.

    Raises   ServiceRefusal 409 when a score of the same or a later whole second is there, 500 when the cell is locked
    """
    grade = find_grade(db, item.id, score.person_id)
    if grade is not None and grade.posted_at >= score.posted_at:
        raise ServiceRefusal(409, f"Refusing score with an earlier timestamp for item {item.id} and user {score.person_id}")
    if item.is_locked or (grade is not None and grade.is_locked):
        raise ServiceRefusal(500, "Unable to save the grade")
    points = rescale(score, item.score_maximum)
    db.execute(
        "INSERT INTO grade (line_item_id, person_id, score, sent_score, comment, posted_at) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (line_item_id, person_id) DO UPDATE SET score = CASE WHEN is_overridden THEN score ELSE excluded.score END, "
        "sent_score = excluded.sent_score, comment = excluded.comment, posted_at = excluded.posted_at",
        (item.id, score.person_id, points, points, score.comment, score.posted_at),
    )


def record_score(db: sqlite3.Connection, received: ReceivedScore) -> None:
    """Keeps one call as it came, whatever its answer was."""
    row = (received.received_at, received.line_item_id, received.person_id, received.body, received.status, received.reason)
    db.execute("INSERT INTO received_score (received_at, line_item_id, person_id, body, status, reason) VALUES (?, ?, ?, ?, ?, ?)", row)


def ensure_column(db: sqlite3.Connection, course: Course, activity: Activity) -> None:
    """The column of a graded activity, made when it is not there."""
    db.execute(f"{_INSERT_LINE_ITEM} ON CONFLICT (activity_id) DO NOTHING", _column_values(course, activity))


def save_column(db: sqlite3.Connection, course: Course, activity: Activity) -> None:
    """The column of an activity as the saved form wants it: made, changed with its grades kept, or taken away."""
    if activity.score_maximum is None:
        db.execute("DELETE FROM line_item WHERE activity_id = ?", (activity.id,))
        return
    db.execute(
        f"{_INSERT_LINE_ITEM} ON CONFLICT (activity_id) DO UPDATE SET label = excluded.label, score_maximum = excluded.score_maximum, "
        "resource_id = excluded.resource_id, tag = excluded.tag, review_url = excluded.review_url, review_custom = excluded.review_custom",
        _column_values(course, activity),
    )


def add_line_item(db: sqlite3.Connection, course_id: str, deployment_id: str, values: Mapping[str, Any]) -> LineItem:
    """A column that the tool asks for; the same request twice makes two."""
    cursor = db.execute(_INSERT_LINE_ITEM, (course_id, deployment_id, *_writable(values), None))
    item = find_line_item(db, int(cursor.lastrowid or 0))
    assert item is not None
    return item


def replace_line_item(db: sqlite3.Connection, item_id: int, values: Mapping[str, Any]) -> None:
    """Takes all that a tool may write from `values`; what it leaves out is erased."""
    db.execute(
        "UPDATE line_item SET label = ?, score_maximum = ?, resource_link_id = ?, resource_id = ?, tag = ?, "
        "review_url = ?, review_custom = ? WHERE id = ?",
        (*_writable(values), item_id),
    )


def delete_line_item(db: sqlite3.Connection, item_id: int) -> None:
    """Removes a column with its grades."""
    db.execute("DELETE FROM line_item WHERE id = ?", (item_id,))


def reset_course(db: sqlite3.Connection, course_id: str) -> None:
    """Takes away every grade of a course; the columns stay."""
    db.execute("DELETE FROM grade WHERE line_item_id IN (SELECT id FROM line_item WHERE course_id = ?)", (course_id,))


def find_column(db: sqlite3.Connection, activity_id: str) -> LineItem | None:
    """The column that came with an activity."""
    row = db.execute("SELECT * FROM line_item WHERE activity_id = ?", (activity_id,)).fetchone()
    return None if row is None else _line_item(row)


def find_line_item(db: sqlite3.Connection, item_id: int) -> LineItem | None:
    """A column by id."""
    row = db.execute("SELECT * FROM line_item WHERE id = ?", (item_id,)).fetchone()
    return None if row is None else _line_item(row)


def list_line_items(db: sqlite3.Connection, course_id: str, deployment_id: str | None = None) -> list[LineItem]:
    """The columns of a course, in the order of their making; those of one deployment when it is named."""
    rows = db.execute(
        "SELECT * FROM line_item WHERE course_id = ? AND (? IS NULL OR deployment_id = ?) ORDER BY id",
        (course_id, deployment_id, deployment_id),
    )
    return [_line_item(row) for row in rows]


def find_grade(db: sqlite3.Connection, item_id: int, person_id: str) -> Grade | None:
    """One cell."""
    row = db.execute(f"{_SELECT_GRADES} AND person_id = ?", (item_id, person_id)).fetchone()
    return None if row is None else _grade(row)


def list_grades(db: sqlite3.Connection, item_id: int) -> list[Grade]:
    """The cells of a column, empty ones too, by person id."""
    return [_grade(row) for row in db.execute(f"{_SELECT_GRADES} ORDER BY person_id", (item_id,))]


def lock_grade(db: sqlite3.Connection, item_id: int, person_id: str, *, is_locked: bool = True) -> None:
    """Locks one cell, as a teacher can: a score for it is then answered 500."""
    db.execute(
        "INSERT INTO grade (line_item_id, person_id, posted_at, is_locked) VALUES (?, ?, 0, ?) "
        "ON CONFLICT (line_item_id, person_id) DO UPDATE SET is_locked = excluded.is_locked",
        (item_id, person_id, is_locked),
    )


def lock_line_item(db: sqlite3.Connection, item_id: int, *, is_locked: bool = True) -> None:
    """Locks a whole column, or opens it."""
    db.execute("UPDATE line_item SET is_locked = ? WHERE id = ?", (is_locked, item_id))


def override_grade(db: sqlite3.Connection, item_id: int, person_id: str, score: float | None) -> None:
    """The teacher's own score, which what the tool sends no longer changes; None goes back to what the tool sent last."""
    db.execute(
        "INSERT INTO grade (line_item_id, person_id, score, posted_at, is_overridden) VALUES (?, ?, ?, 0, 1) "
        "ON CONFLICT (line_item_id, person_id) DO UPDATE SET score = coalesce(excluded.score, sent_score), "
        "is_overridden = excluded.score IS NOT NULL",
        (item_id, person_id, score),
    )


def list_received(db: sqlite3.Connection, *, item_ids: Collection[int] | None = None, limit: int = 1000) -> list[ReceivedScore]:
    """Scores as they came, the newest first; of some columns when they are named."""
    rows = db.execute(
        "SELECT received_at, line_item_id, person_id, body, status, reason FROM received_score ORDER BY id DESC LIMIT ?", (limit,)
    )
    received = [ReceivedScore(**dict(row)) for row in rows]
    return received if item_ids is None else [score for score in received if score.line_item_id in item_ids]


def seconds_text(seconds: int) -> str:
    """Whole seconds since 1970 as RFC 3339 text."""
    return rfc3339(datetime.fromtimestamp(seconds, tz=ZoneInfo("UTC")))


def _line_item(row: sqlite3.Row) -> LineItem:
    return LineItem(**{**dict(row), "review_custom": json.loads(row["review_custom"] or "{}"), "is_locked": bool(row["is_locked"])})


def _grade(row: sqlite3.Row) -> Grade:
    return Grade(**{**dict(row), "is_locked": bool(row["is_locked"]), "is_overridden": bool(row["is_overridden"])})


def _column_values(course: Course, activity: Activity) -> tuple[Any, ...]:
    review = json.dumps(dict(activity.review_custom)) if activity.review_custom else None
    texts = (activity.id, activity.resource_id or None, activity.tag or None, activity.review_url or None)
    return (course.id, activity.deployment_id, activity.title["th"], activity.score_maximum, *texts, review, activity.id)


def _writable(values: Mapping[str, Any]) -> tuple[Any, ...]:
    texts = (str(values[name]) if values.get(name) is not None else None for name in ("resourceLinkId", "resourceId", "tag"))
    review = values.get("submissionReview")
    review = review if isinstance(review, dict) else {}
    custom = json.dumps(review["custom"]) if isinstance(review.get("custom"), dict) else None
    return (values["label"], float(values["scoreMaximum"]), *texts, review.get("url"), custom)


def _is_numeric(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _moment(text: Any, zone: ZoneInfo) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)
