"""Stored analyses, and reviews of what they flagged: opened by an analysis, closed by a person with a decision and a reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from assessment.answer_tables import AnswerTable, newest_finish, read_answer_table
from assessment.errors import FormNotFound
from assessment.models import Form, FormAnalysis, Item, ItemReview, ItemVersion
from kernel.errors import Conflict, Invalid, NotFound
from kernel.ids import new_uuid
from kernel.langmap import LangMap

DECISIONS: Final = ("keep", "revise", "retire")
MAX_REASON: Final = 2000


class ItemReviewNotFound(NotFound):
    """No such review, or one of another scope: the two look alike."""

    code = "item_review_not_found"
    message: ClassVar = {"th": "ไม่พบรายการทบทวนข้อสอบนี้", "en": "This item review was not found."}


class ItemReviewClosed(Conflict):
    """Somebody has decided already."""

    code = "item_review_closed"
    message: ClassVar = {"th": "รายการทบทวนนี้มีผู้ตัดสินแล้ว", "en": "This review has been decided already."}


class DecisionInvalid(Invalid):
    """A decision without one of the three words, or without a reason."""

    code = "item_decision_invalid"
    message: ClassVar = {
        "th": "โปรดเลือกคำตัดสินและเขียนเหตุผล",
        "en": "Choose a decision and write down the reason.",
    }


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose answers an analysis rests on.

    name        `all`, `tenant:3`, `course:12`
    tenant_id   one agency's alone
    among       UUIDs of the only sittings that count
    """

    name: str
    tenant_id: int | None = None
    among: Select[UUID] | None = None

    @property
    def is_reviewed(self) -> bool:
        """Whether flags of it open reviews: not those of one course."""
        return not self.name.startswith("course:")


EVERYBODY: Final = Scope("all")


def agency(tenant_id: int) -> Scope:
    """The scope of one agency."""
    return Scope(f"tenant:{tenant_id}", tenant_id)


@dataclass(frozen=True, slots=True)
class AnalysisView:
    """One stored analysis. document: see `form_analysis.analysis_document`; n_finished: people who have finished by now."""

    form_uuid: UUID
    scope: str
    as_of: datetime | None
    n_persons: int
    document: dict[str, Any]
    n_finished: int
    is_stale: bool


@dataclass(frozen=True, slots=True)
class ItemReviewView:
    """One review. item: its key and version; reasons: codes of `flags.REASONS`."""

    uuid: UUID
    form_uuid: UUID
    item_uuid: UUID
    item_key: str
    item_version: int
    reasons: tuple[str, ...]
    opened_at: datetime
    decision: str | None
    reason: str | None
    closed_by: str | None
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class ItemText:
    """What an item version says. options: id to text, in the order of the bank."""

    stem: LangMap
    options: dict[str, LangMap]


def get_analysis(db: Session, form_uuid: UUID, scope: Scope) -> AnalysisView:
    """The newest stored analysis, empty where there is none yet. Raises FormNotFound."""
    form_id = _form_id(db, form_uuid)
    stored = db.scalars(select(FormAnalysis).where(FormAnalysis.form_id == form_id, FormAnalysis.scope == scope.name)).one_or_none()
    n, last = newest_finish(db, form_id, tenant_id=scope.tenant_id, among=scope.among)
    is_stale = n > 0 and (stored is None or stored.n_persons != n or last > stored.as_of)
    if stored is None:
        return AnalysisView(form_uuid, scope.name, None, 0, {"groups": {}, "domains": []}, n, is_stale)
    return AnalysisView(form_uuid, scope.name, stored.as_of, stored.n_persons, stored.document, n, is_stale)


def read_answers(db: Session, form_uuid: UUID, scope: Scope) -> AnswerTable:
    """The answers that an analysis is computed from. Raises FormNotFound."""
    return read_answer_table(db, _form_id(db, form_uuid), tenant_id=scope.tenant_id, among=scope.among)


def store_analysis(db: Session, form_uuid: UUID, scope: Scope, *, n_persons: int, document: dict[str, Any], as_of: datetime) -> list[UUID]:
    """Puts an analysis in the place of the one before, and opens reviews of what it flags.

    An item version that a person has decided on is opened again only by a reason that was not there then.
    as_of     when its answers were read
    Returns   reviews that are new
    """
    form_id = _form_id(db, form_uuid)
    stored = db.scalars(select(FormAnalysis).where(FormAnalysis.form_id == form_id, FormAnalysis.scope == scope.name)).one_or_none()
    if stored is None:
        stored = FormAnalysis(form_id=form_id, scope=scope.name)
        db.add(stored)
    stored.as_of, stored.n_persons, stored.document = as_of, n_persons, document
    if not scope.is_reviewed:
        return []
    opened = []
    for domain in document["domains"]:
        for item in domain["items"]:
            opened += _open_review(db, form_id, scope.name, item["version_id"], item["flags"], now=as_of)
    return opened


def _open_review(db: Session, form_id: int, scope: str, version_id: int, flags: Sequence[str], *, now: datetime) -> list[UUID]:
    before = list(db.scalars(select(ItemReview).where(ItemReview.scope == scope, ItemReview.item_version_id == version_id)))
    open_ = next((one for one in before if one.closed_at is None), None)
    known = {reason for one in before for reason in one.reasons}
    new = [flag for flag in flags if flag not in known]
    if not new:
        return []
    if open_ is not None:
        open_.reasons = sorted({*open_.reasons, *new})
        return []
    review = ItemReview(
        uuid=new_uuid(), scope=scope, form_id=form_id, item_version_id=version_id, reasons=sorted(flags), opened_at=now
    )  # fmt: skip
    db.add(review)
    return [review.uuid]


def list_item_reviews(db: Session, scope: Scope, *, form_uuid: UUID | None = None, is_open: bool | None = None) -> list[ItemReviewView]:
    """Reviews of one scope, the open ones first, then the newest decision."""
    rows = _reviews().where(ItemReview.scope == scope.name)
    if form_uuid is not None:
        rows = rows.where(Form.uuid == form_uuid)
    if is_open is not None:
        rows = rows.where(ItemReview.closed_at.is_(None) if is_open else ItemReview.closed_at.is_not(None))
    found = [_view(*row) for row in db.execute(rows)]
    return sorted(found, key=lambda one: (one.closed_at is not None, -(one.closed_at or one.opened_at).timestamp(), one.item_key))


def close_item_review(
    db: Session, review_uuid: UUID, scope: Scope, *, decision: str, reason: str, by: str, now: datetime
) -> ItemReviewView:
    """Decides a review, once.

    reason   1 to 2,000 characters
    Raises   ItemReviewNotFound, ItemReviewClosed, DecisionInvalid
    """
    reason = reason.strip()
    if decision not in DECISIONS or not reason or len(reason) > MAX_REASON:
        raise DecisionInvalid
    review = db.scalars(
        select(ItemReview).where(ItemReview.uuid == review_uuid, ItemReview.scope == scope.name).with_for_update()
    ).one_or_none()
    if review is None:
        raise ItemReviewNotFound
    if review.closed_at is not None:
        raise ItemReviewClosed
    review.decision, review.reason, review.closed_by, review.closed_at = decision, reason, by, now
    db.flush()  # read again below
    return _view(*db.execute(_reviews().where(ItemReview.id == review.id)).one())


def retired_version_ids(db: Session) -> set[int]:
    """Item versions that the nation's newest review decided to retire: they are left out of form versions issued from then on."""
    decided = select(ItemReview.item_version_id, ItemReview.decision).where(
        ItemReview.scope == EVERYBODY.name, ItemReview.closed_at.is_not(None)
    )
    newest = dict(db.execute(decided.order_by(ItemReview.closed_at, ItemReview.id)).all())
    return {version_id for version_id, decision in newest.items() if decision == "retire"}


def forget_analyses(db: Session) -> int:
    """Drops every stored analysis, to be computed again; reviews stay. Returns how many."""
    rows = list(db.scalars(select(FormAnalysis)))
    for row in rows:
        db.delete(row)
    return len(rows)


def list_item_texts(db: Session, item_uuid: UUID) -> dict[int, ItemText]:
    """What each version of an item says, by its number; what is right is not in it."""
    rows = db.execute(select(ItemVersion.n, ItemVersion.body).join(Item, Item.id == ItemVersion.item_id).where(Item.uuid == item_uuid))
    return {n: ItemText(body["stem"], {one["id"]: one["text"] for one in body.get("options", ())}) for n, body in rows}


def list_form_keys(db: Session) -> dict[str, UUID]:
    """Key of each form to its UUID."""
    return dict(db.execute(select(Form.key, Form.uuid)).all())


def _form_id(db: Session, form_uuid: UUID) -> int:
    form_id = db.scalar(select(Form.id).where(Form.uuid == form_uuid))
    if form_id is None:
        raise FormNotFound
    return form_id


def _reviews() -> Select[ItemReview, UUID, UUID, str, int]:
    return (
        select(ItemReview, Form.uuid, Item.uuid, Item.key, ItemVersion.n)
        .join(Form, Form.id == ItemReview.form_id)
        .join(ItemVersion, ItemVersion.id == ItemReview.item_version_id)
        .join(Item, Item.id == ItemVersion.item_id)
    )


def _view(row: ItemReview, form_uuid: UUID, item_uuid: UUID, key: str, n: int) -> ItemReviewView:
    return ItemReviewView(
        row.uuid, form_uuid, item_uuid, key, n, tuple(row.reasons), row.opened_at, row.decision, row.reason, row.closed_by, row.closed_at
    )
