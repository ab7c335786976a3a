"""The gradebook: columns, grades and every score received, under the rules that Moodle was measured to keep."""

import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from kernel.clock import rfc3339
from lti_tool.dev.lms.config import Activity, Course

_SELECT_GRADES = "SELECT person_id, score, comment, posted_at, is_locked FROM grade WHERE line_item_id = ?"


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
    activity_id: str | None
    """Set when the column came with an activity; None for one that the tool made."""


@dataclass(frozen=True, slots=True)
class Grade:
    """One person's cell of one column."""

    person_id: str
    score: float | None
    comment: str | None
    posted_at: int
    """The score's own timestamp, whole seconds since 1970."""
    is_locked: bool


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
    if grade is not None and grade.is_locked:
        raise ServiceRefusal(500, "Unable to save the grade")
    db.execute(
        "INSERT INTO grade (line_item_id, person_id, score, comment, posted_at) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (line_item_id, person_id) DO UPDATE "
        "SET score = excluded.score, comment = excluded.comment, posted_at = excluded.posted_at",
        (item.id, score.person_id, rescale(score, item.score_maximum), score.comment, score.posted_at),
    )


def record_score(db: sqlite3.Connection, received: ReceivedScore) -> None:
    """Keeps one call as it came, whatever its answer was."""
    row = (received.received_at, received.line_item_id, received.person_id, received.body, received.status, received.reason)
    db.execute("INSERT INTO received_score (received_at, line_item_id, person_id, body, status, reason) VALUES (?, ?, ?, ?, ?, ?)", row)


def ensure_column(db: sqlite3.Connection, course: Course, activity: Activity) -> None:
    """The column of a graded activity, made when it is not there."""
    db.execute(
        "INSERT INTO line_item (course_id, deployment_id, label, score_maximum, resource_link_id, resource_id, tag, activity_id) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (activity_id) DO NOTHING",
        (
            course.id,
            activity.deployment_id,
            activity.title["th"],
            activity.score_maximum,
            activity.id,
            activity.resource_id or None,
            activity.tag or None,
            activity.id,
        ),
    )


def add_line_item(db: sqlite3.Connection, course_id: str, deployment_id: str, values: Mapping[str, Any]) -> LineItem:
    """A column that the tool asks for; the same request twice makes two."""
    cursor = db.execute(
        "INSERT INTO line_item (course_id, deployment_id, label, score_maximum, resource_link_id, resource_id, tag) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (course_id, deployment_id, *_writable(values)),
    )
    item = find_line_item(db, int(cursor.lastrowid or 0))
    assert item is not None
    return item


def replace_line_item(db: sqlite3.Connection, item_id: int, values: Mapping[str, Any]) -> None:
    """Takes all that a tool may write from `values`; what it leaves out is erased."""
    db.execute(
        "UPDATE line_item SET label = ?, score_maximum = ?, resource_link_id = ?, resource_id = ?, tag = ? WHERE id = ?",
        (*_writable(values), item_id),
    )


def delete_line_item(db: sqlite3.Connection, item_id: int) -> None:
    """Removes a column with its grades."""
    db.execute("DELETE FROM line_item WHERE id = ?", (item_id,))


def find_line_item(db: sqlite3.Connection, item_id: int) -> LineItem | None:
    """A column by id."""
    row = db.execute("SELECT * FROM line_item WHERE id = ?", (item_id,)).fetchone()
    return None if row is None else LineItem(**dict(row))


def list_line_items(db: sqlite3.Connection, course_id: str, deployment_id: str | None = None) -> list[LineItem]:
    """The columns of a course, in the order of their making; those of one deployment when it is named."""
    rows = db.execute(
        "SELECT * FROM line_item WHERE course_id = ? AND (? IS NULL OR deployment_id = ?) ORDER BY id",
        (course_id, deployment_id, deployment_id),
    )
    return [LineItem(**dict(row)) for row in rows]


def find_grade(db: sqlite3.Connection, item_id: int, person_id: str) -> Grade | None:
    """One cell."""
    row = db.execute(f"{_SELECT_GRADES} AND person_id = ?", (item_id, person_id)).fetchone()
    return None if row is None else _grade(row)


def list_grades(db: sqlite3.Connection, item_id: int) -> list[Grade]:
    """The cells of a column, empty ones too, by person id."""
    return [_grade(row) for row in db.execute(f"{_SELECT_GRADES} ORDER BY person_id", (item_id,))]


def lock_grade(db: sqlite3.Connection, item_id: int, person_id: str) -> None:
    """Locks one cell, as a teacher can: a score for it is then answered 500."""
    db.execute(
        "INSERT INTO grade (line_item_id, person_id, posted_at, is_locked) VALUES (?, ?, 0, 1) "
        "ON CONFLICT (line_item_id, person_id) DO UPDATE SET is_locked = 1",
        (item_id, person_id),
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


def _grade(row: sqlite3.Row) -> Grade:
    return Grade(**{**dict(row), "is_locked": bool(row["is_locked"])})


def _writable(values: Mapping[str, Any]) -> tuple[Any, ...]:
    texts = (str(values[name]) if values.get(name) is not None else None for name in ("resourceLinkId", "resourceId", "tag"))
    return (values["label"], float(values["scoreMaximum"]), *texts)


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
