"""Scores, columns and results as the Assignment and Grade Services take them: our own values, checked before PyLTI1p3 spells them.

Source   AGS 2.0, sections 3.2 (line items), 3.3 (results) and 3.4 (scores)
"""

import math
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import urlencode, urlsplit, urlunsplit

from pylti1p3.grade import Grade
from pylti1p3.lineitem import LineItem

from kernel.errors import Invalid
from lti_tool.lti.services import Container, PlatformServices, read_container
from lti_tool.lti.vocabulary import MEDIA_LINE_ITEMS, MEDIA_RESULTS, SCOPE_LINE_ITEM, SCOPE_LINE_ITEM_READ, SCOPE_RESULT_READ

TAG_WHOLE = "whole"
"""Tag of the column of a whole activity; the column of an area has the area's node key."""
MAX_LABEL_CHARACTERS = 255
"""The longest label that gradebooks take: Moodle answers a longer one with an invalid status."""
MAX_COMMENT_CHARACTERS = 2000
TOLERANCE = 1e-4
"""Two grades nearer than this share of the maximum are the same: gradebooks keep five decimals."""


class ScoreInvalid(Invalid):
    """The points are no score: not finite, below 0 or above the maximum, or a maximum that is not above 0."""

    code = "score_invalid"
    message: ClassVar = {"th": "คะแนนไม่ถูกต้อง: {reason}", "en": "The score is not valid: {reason}"}


@dataclass(frozen=True, slots=True)
class FinalScore:
    """One final score of one person. Anything but a final score would erase the grade that stands in some gradebooks.

    given, maximum             points, 0 <= given <= maximum, maximum > 0
    stamped_at                 aware, whole seconds; later than that of the score before
    comment                    plain text
    started_at, submitted_at   of the sitting behind it (AGS 2.0, 3.4: `submission`)
    scored_by                  sub of the teacher who set the points by hand (`scoringUserId`)
    """

    sub: str
    given: float
    maximum: float
    stamped_at: datetime
    comment: str | None = None
    started_at: datetime | None = None
    submitted_at: datetime | None = None
    scored_by: str | None = None

    def __post_init__(self) -> None:
        check_points(self.given, self.maximum)
        if self.stamped_at.tzinfo is None or self.stamped_at.microsecond:
            raise ScoreInvalid(reason="the timestamp is not a whole second with a zone")

    def body(self) -> bytes:
        """The JSON that is posted."""
        grade = Grade().set_user_id(self.sub).set_score_given(self.given).set_score_maximum(self.maximum)
        grade.set_activity_progress("Completed").set_grading_progress("FullyGraded")
        grade.set_timestamp(seconds_text(self.stamped_at))
        if self.comment:
            grade.set_comment(self.comment)
        times = {"startedAt": self.started_at, "submittedAt": self.submitted_at}
        submission = {name: seconds_text(moment) for name, moment in times.items() if moment is not None}
        more: dict[str, Any] = {"submission": submission} if submission else {}
        if self.scored_by is not None:
            more["scoringUserId"] = self.scored_by
        return grade.set_extra_claims(more).get_value().encode()


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the platform tells of it; None for what it leaves out.

    maximum   points, above 0
    """

    url: str
    label: str | None
    maximum: float | None
    resource_id: str | None
    resource_link_id: str | None
    tag: str | None


@dataclass(frozen=True, slots=True)
class Result:
    """What a gradebook holds for one person.

    share   of the column's maximum; None for an empty cell. A platform may hold more than the maximum.
    """

    sub: str
    share: float | None


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


def filtered_url(line_items_url: str, **filters: str) -> str:
    """Where the columns of a course are listed, narrowed. `limit` is never asked for: pages of it cannot be followed everywhere."""
    parts = urlsplit(line_items_url)
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, urlencode(filters)))), fragment=""))


def read_scope(granted: Collection[str]) -> str | None:
    """The scope by which columns may be listed under the granted ones; None when they may not."""
    return next((scope for scope in (SCOPE_LINE_ITEM, SCOPE_LINE_ITEM_READ) if scope in granted), None)


def list_columns(services: PlatformServices, line_items_url: str, *, scope: str, resource_link_id: str) -> list[Column]:
    """The columns of one link. A platform that pays no heed to the filter is read all the same.

    Raises   as `read_container`
    """
    url = filtered_url(line_items_url, resource_link_id=resource_link_id)
    found = read_container(services, url, accept=MEDIA_LINE_ITEMS, scopes=[scope])
    columns = (column_in(member) for member in found.members)
    return [column for column in columns if column is not None and column.resource_link_id == resource_link_id]


def column_in(member: Any) -> Column | None:
    """A column in the platform's words; None when it is none that could be written to."""
    if not isinstance(member, Mapping) or not isinstance(member.get("id"), str):
        return None
    maximum: Any = member.get("scoreMaximum")

    def text(name: str) -> str | None:
        value = member.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)  # some platforms send ids as numbers
        return value if isinstance(value, str) and value else None

    return Column(
        url=member["id"],
        label=text("label"),
        maximum=float(maximum) if _is_points(maximum) and maximum > 0 else None,
        resource_id=text("resourceId"),
        resource_link_id=text("resourceLinkId"),
        tag=text("tag"),
    )


def find_column(columns: list[Column], *, tag: str, resource_id: str | None, area_tags: frozenset[str]) -> Column | None:
    """The column that we look for among those of one link.

    tag         TAG_WHOLE, or an area's node key
    area_tags   tags of all areas: a column with one of these is never that of the whole
    """
    if tag != TAG_WHOLE:
        return next((column for column in columns if column.tag == tag), None)
    whole = [column for column in columns if column.tag not in area_tags]
    ours = [column for column in whole if resource_id is not None and column.resource_id == resource_id]
    return next(iter(ours or whole), None)


def new_column_body(*, label: str, maximum: float, resource_link_id: str, resource_id: str | None, tag: str) -> bytes:
    """The JSON by which a column is asked for."""
    column = LineItem().set_label(cut_label(label)).set_score_maximum(maximum).set_resource_link_id(resource_link_id).set_tag(tag)
    if resource_id is not None:
        column.set_resource_id(resource_id)
    return column.get_value().encode()


def cut_label(label: str, limit: int = MAX_LABEL_CHARACTERS) -> str:
    """A label that gradebooks take: one line, at most `limit` characters, cut between what readers see as letters.

    Source   UAX 29, grapheme clusters: a mark, a joiner and what follows it stay with their base
    """
    text = " ".join(label.split()) or "Kaona"
    if len(text) <= limit:
        return text
    end = limit - 1  # room for the dots
    while end > 1 and (_extends(text[end]) or text[end - 1] == "\u200d"):
        end -= 1
    return text[:end].rstrip() + "…"


def read_results(services: PlatformServices, line_item_url: str) -> tuple[list[Result], bool]:
    """What the gradebook holds in a column, and whether that is all there is.

    Raises   as `read_container`
    """
    found: Container = read_container(services, _below(line_item_url, "results", {}), accept=MEDIA_RESULTS, scopes=[SCOPE_RESULT_READ])
    return list(results_in(found.members)), found.is_complete


def results_in(members: Any) -> Iterator[Result]:
    """Results in the platform's words; what is no result is passed over."""
    for member in members if isinstance(members, list | tuple) else ():
        if not isinstance(member, Mapping) or not isinstance(member.get("userId"), str | int):
            continue
        points: Any = member.get("resultScore")
        maximum: Any = member.get("resultMaximum", 1)
        is_whole = _is_points(points) and _is_points(maximum) and maximum > 0 and points >= 0
        yield Result(str(member["userId"]), points / maximum if is_whole else None)


def is_result_equal(results: Any, score: FinalScore) -> bool:
    """Whether the platform's results already show this person with this share of the points."""
    shares = [result.share for result in results_in(results) if result.sub == score.sub]
    return bool(shares) and shares[0] is not None and is_same_share(shares[0], score.given / score.maximum)


def is_same_share(one: float, other: float) -> bool:
    """Whether two shares of a maximum are the same grade."""
    return abs(one - other) <= TOLERANCE


def seconds_text(moment: datetime) -> str:
    """One moment in whole seconds, UTC, with its zone: some platforms read a time without one as their own."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _is_points(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _extends(character: str) -> bool:
    """Whether a character belongs to the letter before it."""
    return (
        unicodedata.category(character).startswith("M")
        or character in "\u0e33\u0eb3\u200c\u200d"
        or "\U0001f3fb" <= character <= "\U0001f3ff"
    )


def _below(url: str, name: str, query: Mapping[str, str]) -> str:
    parts = urlsplit(url)
    joined = "&".join(filter(None, (parts.query, urlencode(query))))
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{name}", query=joined, fragment=""))
