"""How far scores have come on their way to the platform, in states for pages and in words for people."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import func, select, true
from sqlalchemy.orm import Session

import assessment.api as assessment
from kernel.langmap import LangMap
from lti_tool.jobs.line_items import COLUMN_MISSING
from lti_tool.jobs.score_publish import COLUMN_GONE
from lti_tool.jobs.score_reconcile import difference_of
from lti_tool.models import LineItem, Placement, ResourceLink, Score, User
from lti_tool.web.principal import Principal
from lti_tool.workflows.gradebook import column_maximum, find_whole, is_graded
from lti_tool.workflows.sittings import counted_links

ScoreState = Literal["none", "waiting", "sent", "parked"]
ResultState = Literal["none", "waiting", "sent", "parked", "elsewhere"]
"""elsewhere: the link is graded, and this sitting does not count for it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why something is not there, and what to do."""

    what: LangMap
    cure: LangMap


@dataclass(frozen=True, slots=True)
class ScoreView:
    """One person's score in the column of the whole activity.

    fault, cure    why it is not there, and what to do
    in_gradebook   what the gradebook held when it was last read, on our scale; None when it held nothing or was not read
    differs        the gradebook holds something else than what we sent
    """

    state: ScoreState
    given: float
    maximum: float
    comment: str | None
    is_override: bool
    sent_at: datetime | None
    fault: LangMap | None
    cure: LangMap | None
    in_gradebook: float | None
    read_at: datetime | None
    differs: bool


@dataclass(frozen=True, slots=True)
class ColumnView:
    """One column of a launch's link.

    area          node key; None for the whole
    is_there      the platform has made it, and has it still
    fault, cure   why it is not there, and what to do
    """

    label: str | None
    maximum: float
    is_gone: bool
    area: str | None = None
    is_there: bool = True
    fault: LangMap | None = None
    cure: LangMap | None = None


_OPEN_AGAIN: LangMap = {
    "th": "ระบบจะส่งใหม่ให้เองเมื่อ LMS พร้อม ไม่ต้องดำเนินการใด",
    "en": "It is sent again by itself when the LMS is ready; there is nothing to do.",
}
_ASK_ADMIN: LangMap = {
    "th": "โปรดให้ผู้ดูแล LMS เปิดบริการคะแนนให้เครื่องมือนี้ แล้วกดส่งคะแนนอีกครั้ง",
    "en": "Ask the administrator of the LMS to switch on the grade service for this tool, then send the scores again.",
}
_CHECK_COLUMN: LangMap = {
    "th": "โปรดตรวจว่ากิจกรรมในรายวิชายังเปิดให้คะแนนอยู่ เปิดกิจกรรมจากรายวิชาอีกครั้ง แล้วกดส่งคะแนนอีกครั้ง",
    "en": "Check in the course that the activity is still graded, open it from there again, then send the scores again.",
}

FAULTS: dict[str, Fault] = {
    "status 400": Fault(
        {"th": "LMS ไม่รับคะแนนของบุคคลนี้", "en": "The LMS does not take a score for this person."},
        {
            "th": "มักเป็นผู้สอนที่ลองทำ หรือผู้ที่ออกจากรายวิชาแล้ว ไม่ต้องดำเนินการใด",
            "en": "Often a teacher who tried it, or somebody who left the course; then there is nothing to do.",
        },
    ),
    "status 403": Fault({"th": "LMS ไม่ให้ระบบเขียนคอลัมน์คะแนนนี้", "en": "The LMS does not let us write to this column."}, _CHECK_COLUMN),
    "status 404": Fault({"th": "LMS ไม่มีคอลัมน์คะแนนนี้แล้ว", "en": "The LMS no longer has this column."}, _CHECK_COLUMN),
    COLUMN_GONE: Fault({"th": "LMS ไม่มีคอลัมน์คะแนนนี้แล้ว", "en": "The LMS no longer has this column."}, _CHECK_COLUMN),
    COLUMN_MISSING: Fault(
        {"th": "LMS ไม่มีคอลัมน์คะแนนนี้ และไม่ให้ระบบสร้าง", "en": "The LMS has no such column and does not let us make one."},
        {
            "th": "โปรดให้ผู้ดูแล LMS อนุญาตให้เครื่องมือนี้จัดการคอลัมน์คะแนน (ใน Moodle: grade sync and column management)",
            "en": "Ask the administrator of the LMS to let this tool manage columns (in Moodle: grade sync and column management).",
        },
    ),
    "status 409": Fault(
        {"th": "LMS มีคะแนนที่ใหม่กว่าอยู่แล้ว", "en": "The LMS holds a newer score already."},
        {
            "th": "โปรดดูคะแนนใน LMS หากต้องการใช้คะแนนของระบบ ให้กดส่งอีกครั้ง",
            "en": "Look at the grade in the LMS; to have ours there, send it again.",
        },
    ),
    "status 500": Fault(
        {"th": "LMS บันทึกคะแนนไม่ได้ คะแนนอาจถูกล็อกไว้", "en": "The LMS could not save the score; the grade may be locked."},
        {"th": "หากล็อกไว้ โปรดปลดล็อกใน LMS ระบบลองส่งใหม่ทุกสิบนาที", "en": "Unlock it in the LMS if so; it is tried again every ten minutes."},
    ),
    "host_foreign": Fault(
        {"th": "ที่อยู่ของสมุดคะแนนไม่ใช่เครื่องที่อนุญาตสำหรับ LMS นี้", "en": "The gradebook's address is not on a host approved for this LMS."},
        {"th": "โปรดแจ้งผู้ดูแลระบบของเรา", "en": "Please tell the administrator of this tool."},
    ),
    "scope_missing": Fault({"th": "LMS ไม่ได้ให้สิทธิ์แก่ระบบ", "en": "The LMS does not grant this tool the permission."}, _ASK_ADMIN),
    "token": Fault({"th": "LMS ไม่ให้ระบบเข้าถึงบริการคะแนน", "en": "The LMS gives us no access to its grade service."}, _ASK_ADMIN),
}
"""Notes of failed tries in words; a note that is not here means that the platform is away or busy."""
_AWAY = Fault({"th": "ติดต่อ LMS ไม่ได้ชั่วคราว", "en": "The LMS cannot be reached at the moment."}, _OPEN_AGAIN)


def fault_of(note: str | None) -> Fault | None:
    """The note of a failed try in words; None where nothing failed."""
    if not note:
        return None
    return FAULTS.get(note) or FAULTS.get(note.split(":", 1)[0]) or _AWAY


def result_state(db: Session, principal: Principal, outcome: assessment.Outcome) -> ResultState:
    """What becomes of a sitting's score at the link of this launch; `none` for an ungraded link and a sitting without an answer."""
    graded = is_graded(db, principal, outcome.form.uuid) and bool(outcome.n_items)
    if not any(link_id == principal.resource_link_id for link_id, _ in counted_links(db, outcome.attempt_uuid)):
        return "elsewhere" if graded else "none"
    score = _score_of(db, principal, principal.user_id)
    if score is not None:
        return _known(score.state)
    if not graded:
        return "none"
    columns = column_views(db, principal)  # the score waits for its column, or there is one for each area alone
    return "parked" if columns and all(column.fault for column in columns) else _of_areas(db, principal)


def score_states(db: Session, principal: Principal) -> dict[UUID, ScoreState]:
    """State of each person's score in the column of this launch's link, by person."""
    return {person: view.state for person, view in score_views(db, principal).items()}


def score_views(db: Session, principal: Principal, people: Collection[UUID] | None = None) -> dict[UUID, ScoreView]:
    """Each person's score in the column of this launch's link, by person; of some people when they are named."""
    column = None if principal.resource_link_id is None else find_whole(db, principal.resource_link_id)
    if column is None:
        return {}
    rows = db.execute(
        select(User.person_uuid, Score)
        .join(Score, Score.user_id == User.id)
        .where(Score.line_item_id == column.id, true() if people is None else User.person_uuid.in_(sorted(people)))
    )
    return {person: _view(score) for person, score in rows}


def score_view(db: Session, principal: Principal, person_uuid: UUID) -> ScoreView | None:
    """One person's score in the column of this launch's link; None when there is none."""
    user_id = db.scalar(select(User.id).where(User.person_uuid == person_uuid, User.tenant_id == principal.tenant_id))
    score = None if user_id is None else _score_of(db, principal, user_id)
    return None if score is None else _view(score)


def column_view(db: Session, principal: Principal) -> ColumnView | None:
    """The column of the whole activity; None for an ungraded link."""
    return next((column for column in column_views(db, principal) if column.area is None), None)


def column_views(db: Session, principal: Principal) -> list[ColumnView]:
    """Every column of this launch's link, the whole first: those that are there, and those that were asked for."""
    if principal.resource_link_id is None:
        return []
    placement = db.scalars(
        select(Placement).join(ResourceLink, ResourceLink.placement_id == Placement.id).where(ResourceLink.id == principal.resource_link_id)
    ).first()
    whole = find_whole(db, principal.resource_link_id)
    mine = LineItem.resource_link_id == principal.resource_link_id
    areas = db.scalars(select(LineItem).where(mine, LineItem.area.is_not(None)).order_by(LineItem.id))
    asked = db.scalars(select(LineItem).where(mine, LineItem.area.is_(None), LineItem.url.is_(None), LineItem.is_ours))
    shown = [whole] if whole is not None else list(asked)
    return [_column_view(column, placement) for column in [*shown, *areas]]


def count_parked(db: Session, principal: Principal) -> int:
    """Scores of this launch's link that a person must look at."""
    parked = (LineItem.resource_link_id == principal.resource_link_id, Score.state == "parked")
    return db.scalar(select(func.count()).select_from(Score).join(LineItem, LineItem.id == Score.line_item_id).where(*parked)) or 0


def _score_of(db: Session, principal: Principal, user_id: int) -> Score | None:
    column = None if principal.resource_link_id is None else find_whole(db, principal.resource_link_id)
    if column is None:
        return None
    return db.scalars(select(Score).where(Score.line_item_id == column.id, Score.user_id == user_id)).first()


def _of_areas(db: Session, principal: Principal) -> ScoreState:
    """The worst state of the person's scores in the columns of areas; `waiting` without any."""
    mine = (LineItem.resource_link_id == principal.resource_link_id, LineItem.area.is_not(None), Score.user_id == principal.user_id)
    states = set(db.scalars(select(Score.state).join(LineItem, LineItem.id == Score.line_item_id).where(*mine)))
    return next((_known(state) for state in ("parked", "waiting", "sent") if state in states), "waiting")


def _column_view(column: LineItem, placement: Placement | None) -> ColumnView:
    fault = FAULTS[COLUMN_GONE] if column.gone_at is not None else fault_of(column.last_error)
    return ColumnView(
        label=column.label,
        maximum=column_maximum(column, placement),
        is_gone=column.gone_at is not None,
        area=column.area,
        is_there=column.url is not None and column.gone_at is None,
        fault=fault.what if fault else None,
        cure=fault.cure if fault else None,
    )


def _view(score: Score) -> ScoreView:
    fault = fault_of(score.last_error)
    return ScoreView(
        state=_known(score.state),
        given=score.given,
        maximum=score.maximum,
        comment=score.comment,
        is_override=score.override_by_id is not None,
        sent_at=score.sent_at,
        fault=fault.what if fault else None,
        cure=fault.cure if fault else None,
        in_gradebook=score.result_given,
        read_at=score.result_read_at,
        differs=difference_of(score) is not None,
    )


def _known(state: str) -> ScoreState:
    match state:
        case "waiting" | "sent" | "parked":
            return state
        case _:
            return "none"
