"""What a teacher does with scores: send them again, set one by hand, take that back. Each act is one line of the audit log."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from kernel.errors import Conflict, Invalid, NotFound
from lti_tool.jobs.score_publish import enqueue_score, send_again
from lti_tool.lti.ags import MAX_COMMENT_CHARACTERS, check_points
from lti_tool.lti.vocabulary import Role
from lti_tool.models import Enrolment, LineItem, Placement, ResourceLink, Score, User
from lti_tool.models.audit import append_audit
from lti_tool.web.principal import Principal
from lti_tool.workflows.gradebook import column_maximum, fill_person, find_whole


class NoColumn(Conflict):
    """The link has no column in the gradebook."""

    code = "no_column"
    message: ClassVar = {"th": "ลิงก์นี้ไม่มีคอลัมน์คะแนนใน LMS", "en": "This link has no column in the gradebook of the LMS."}
    way_on: ClassVar = {
        "th": "โปรดเปิดการให้คะแนนของกิจกรรมนี้ในรายวิชา แล้วเปิดกิจกรรมจากรายวิชาอีกครั้ง",
        "en": "Switch on grading for this activity in the course, then open it from there again.",
    }


class NoScore(Conflict):
    """There is no score of this person that could be sent."""

    code = "no_score"
    message: ClassVar = {"th": "ผู้เรียนคนนี้ยังไม่มีคะแนนจากการประเมิน", "en": "This learner has no score of an assessment yet."}
    way_on: ClassVar = {
        "th": "หากต้องการเปลี่ยนคะแนนที่อยู่ใน LMS แล้ว โปรดแก้ไขในสมุดคะแนนของ LMS",
        "en": "A grade that stands in the LMS already is changed in the gradebook there.",
    }


class CommentInvalid(Invalid):
    """A comment that is too long, or holds characters that are no text."""

    code = "comment_invalid"
    message: ClassVar = {
        "th": "ความเห็นต้องเป็นข้อความไม่เกิน {limit} ตัวอักษร",
        "en": "A comment is plain text of at most {limit} characters.",
    }


def resend(db: Session, principal: Principal, person_uuid: UUID, now: datetime) -> int:
    """Sends what we hold of one learner again, in every column of the launch's link; a column that seemed gone is tried anew.

    Returns  the number of scores on their way
    Raises   NotFound, NoColumn, NoScore
    """
    user, column = _learner(db, principal, person_uuid), _column(db, principal)
    n_computed = fill_person(db, link_id=_link_id(principal), user_id=user.id, now=now)
    scores = _scores(db, principal, Score.user_id == user.id)
    if not scores:
        raise NoScore
    for score, line_item in scores:
        line_item.gone_at = None
        if score.state != "waiting":
            send_again(db, score, registration_id=line_item.registration_id, now=now)
    _audit(db, principal, "score.resent", now, line_item=column.id, person=str(person_uuid), n_scores=len(scores), n_computed=n_computed)
    return len(scores)


def resend_parked(db: Session, principal: Principal, now: datetime) -> int:
    """Sends every score of the launch's link again that waits for a person to look. Returns how many. Raises NoColumn."""
    column = _column(db, principal)
    scores = _scores(db, principal, Score.state == "parked")
    for score, line_item in scores:
        line_item.gone_at = None
        send_again(db, score, registration_id=line_item.registration_id, now=now)
    if scores:
        _audit(db, principal, "score.resent", now, line_item=column.id, n_scores=len(scores))
    return len(scores)


def override(db: Session, principal: Principal, person_uuid: UUID, given: float, comment: str | None, now: datetime) -> None:  # noqa: PLR0917  in the order of the others
    """Sets one learner's points by hand; they stand until they are taken back, whatever sittings follow.

    given     points, 0 to the column's maximum
    comment   plain text for the learner; None or blank for none
    Raises    NotFound, NoColumn, ScoreInvalid, CommentInvalid
    """
    user, column = _learner(db, principal, person_uuid), _column(db, principal)
    maximum, said = _maximum(db, column), _comment(comment)
    check_points(given, maximum)
    before = db.scalars(select(Score).where(Score.line_item_id == column.id, Score.user_id == user.id)).first()
    details = {"line_item": column.id, "person": str(person_uuid), "given": given, "maximum": maximum}
    _audit(db, principal, "score.overridden", now, **details, before=before.given if before else None)
    enqueue_score(
        db,
        line_item=column,
        user=user,
        score_given=given,
        score_maximum=maximum,
        comment=said,
        now=now,
        started_at=before.started_at if before else None,
        submitted_at=before.submitted_at if before else None,
        override_by_id=principal.user_id,
    )


def clear_override(db: Session, principal: Principal, person_uuid: UUID, now: datetime) -> None:
    """Takes back points that were set by hand: the sitting's own stand again and are sent.

    Raises   NotFound, NoColumn; NoScore when none were set, or no sitting stands behind them
    """
    user, column = _learner(db, principal, person_uuid), _column(db, principal)
    mine = (Score.line_item_id == column.id, Score.user_id == user.id, Score.override_by_id.is_not(None))
    score = db.scalars(select(Score).where(*mine).with_for_update()).first()
    if score is None:
        raise NoScore
    taken_back = score.given
    score.override_by_id = score.submitted_at = None  # whatever the sitting gave, it differs from this and is sent
    db.flush()  # the scores are computed from the rows
    fill_person(db, link_id=_link_id(principal), user_id=user.id, now=now)
    if score.submitted_at is None:
        raise NoScore
    _audit(db, principal, "score.override_cleared", now, line_item=column.id, person=str(person_uuid), before=taken_back, given=score.given)


def _learner(db: Session, principal: Principal, person_uuid: UUID) -> User:
    """One learner of the launch's course, present there. Raises NotFound for anybody else."""
    row = db.execute(
        select(User, Enrolment.roles)
        .join(Enrolment, Enrolment.user_id == User.id)
        .where(
            User.person_uuid == person_uuid,
            User.tenant_id == principal.tenant_id,
            User.registration_id == principal.registration_id,
            Enrolment.context_id == principal.context_id,
            Enrolment.removed_at.is_(None),
        )
    ).first()
    if row is None or Role.LEARNER not in row[1] or Role.INSTRUCTOR in row[1]:
        raise NotFound
    return row[0]


def _link_id(principal: Principal) -> int:
    if principal.resource_link_id is None:
        raise NoColumn
    return principal.resource_link_id


def _column(db: Session, principal: Principal) -> LineItem:
    column = find_whole(db, _link_id(principal))
    if column is None:
        raise NoColumn
    return column


def _maximum(db: Session, column: LineItem) -> float:
    placement = (
        select(Placement).join(ResourceLink, ResourceLink.placement_id == Placement.id).where(ResourceLink.id == column.resource_link_id)
    )
    return column_maximum(column, db.scalars(placement).first())


def _scores(db: Session, principal: Principal, which: Any) -> list[tuple[Score, LineItem]]:
    """Scores in the columns of the launch's link, their rows held."""
    rows = db.execute(
        select(Score, LineItem)
        .join(LineItem, LineItem.id == Score.line_item_id)
        .where(LineItem.resource_link_id == _link_id(principal), LineItem.url.is_not(None), which)
        .order_by(Score.id)
        .with_for_update(of=Score)
    )
    return [(score, line_item) for score, line_item in rows]


def _comment(text: str | None) -> str | None:
    said = (text or "").replace("\r\n", "\n").strip()
    if len(said) > MAX_COMMENT_CHARACTERS or any(character < " " and character not in "\n\t" for character in said):
        raise CommentInvalid(limit=MAX_COMMENT_CHARACTERS)
    return said or None


def _audit(db: Session, principal: Principal, event: str, now: datetime, **details: Any) -> None:
    append_audit(db, event=event, actor=f"user:{principal.user_id}", now=now, tenant_id=principal.tenant_id, details=details)
