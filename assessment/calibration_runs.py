"""Calibrations from the installation's own answers: read, kept as a proposal, and put to use when an administrator says so.

What is proposed is computed by `proposals`, which needs numpy. Parameters that are in use are never changed: a run that is applied adds
new ones, and new versions of the forms pin them; attempts that were begun keep theirs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assessment.answer_tables import AnswerTable, read_answer_table
from assessment.catalogue import reissue_forms
from assessment.errors import FormNotFound
from assessment.irt import ItemParams
from assessment.models import CalibrationRun, Form, FormItem, FormVersion, Item, ItemParameter, ItemVersion
from assessment.pool import params_of_row
from assessment.ratings import Rating, ratings_of
from kernel.errors import Conflict, NotFound
from kernel.ids import new_uuid

PROVISIONAL: Final = "provisional"
RATING: Final = "rating"
CALIBRATED: Final = "calibrated"


class RunNotFound(NotFound):
    """No such calibration run."""

    code = "calibration_run_not_found"
    message: ClassVar = {"th": "ไม่พบผลการประมาณค่าพารามิเตอร์ครั้งนี้", "en": "This calibration run was not found."}


class RunApplied(Conflict):
    """The run is in use already."""

    code = "calibration_run_applied"
    message: ClassVar = {"th": "ผลการประมาณค่าครั้งนี้นำไปใช้แล้ว", "en": "This calibration run has been applied already."}


class RunOutdated(Conflict):
    """An item has other parameters, or another version, than when the run was computed; nothing was changed."""

    code = "calibration_run_outdated"
    message: ClassVar = {
        "th": "ข้อ {item} เปลี่ยนไปหลังจากการประมาณค่าครั้งนี้ จึงยังไม่ได้เปลี่ยนแปลงสิ่งใด",
        "en": "The item {item} has changed since this run was computed, so nothing was changed.",
    }
    way_on: ClassVar = {"th": "ประมาณค่าใหม่อีกครั้ง", "en": "Calibrate again."}


@dataclass(frozen=True, slots=True)
class InUse:
    """One item of a form's newest version, by the parameters that it is scored with."""

    key: str
    version_id: int
    n: int
    domain: str
    is_pilot: bool
    parameter_id: int
    status: str
    model: str
    params: ItemParams


@dataclass(frozen=True, slots=True)
class Material:
    """All that a run is computed from."""

    form_uuid: UUID
    form_version_id: int
    items: tuple[InUse, ...]
    table: AnswerTable
    ratings: Mapping[int, Rating]


@dataclass(frozen=True, slots=True)
class CalibrationView:
    """One run. document: see `proposals.proposed`; state: `ready` | `applied`."""

    uuid: UUID
    form_key: str
    pilots_only: bool
    as_of: datetime
    n_persons: int
    state: str
    applied_at: datetime | None
    applied_by: str | None
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AppliedCalibration:
    """What came of a run. forms: key to the number of the version that pins the new parameters."""

    n_calibrated: int
    n_rated: int
    forms: dict[str, int]


@dataclass(frozen=True, slots=True)
class Drift:
    """A live item whose difficulty changed unlike the others' from one calibration to the next. z: robust; change_b: logits."""

    item: str
    version_id: int
    z: float
    change_b: float
    run: UUID


def read_material(db: Session, form_uuid: UUID) -> Material:
    """What a run on a form is computed from. Raises FormNotFound."""
    version = db.execute(
        select(FormVersion.id, FormVersion.form_id)
        .join(Form, Form.id == FormVersion.form_id)
        .where(Form.uuid == form_uuid)
        .order_by(FormVersion.n.desc())
        .limit(1)
    ).first()
    if version is None:
        raise FormNotFound
    rows = db.execute(
        select(Item.key, ItemVersion.id, ItemVersion.n, ItemVersion.domain, FormItem.is_pilot, ItemParameter)
        .select_from(FormItem)
        .join(ItemVersion, ItemVersion.id == FormItem.item_version_id)
        .join(Item, Item.id == ItemVersion.item_id)
        .join(ItemParameter, ItemParameter.id == FormItem.item_parameter_id)
        .where(FormItem.form_version_id == version.id)
        .order_by(FormItem.place)
    )
    items = tuple(
        InUse(row.key, row.id, row.n, row.domain, row.is_pilot, own.id, own.status, own.model, params_of_row(own))
        for row in rows
        for own in [row.ItemParameter]
    )
    table = read_answer_table(db, version.form_id)
    return Material(form_uuid, version.id, items, table, ratings_of(db, [item.version_id for item in items]))


def store_calibration(db: Session, material: Material, document: dict[str, Any], *, pilots_only: bool, as_of: datetime) -> UUID:
    """Keeps a proposal. Returns the run's UUID."""
    form_id = db.scalars(select(FormVersion.form_id).where(FormVersion.id == material.form_version_id)).one()
    run = CalibrationRun(
        uuid=new_uuid(),
        form_id=form_id,
        form_version_id=material.form_version_id,
        pilots_only=pilots_only,
        as_of=as_of,
        n_persons=len(material.table.persons),
        document=document,
        state="ready",
    )
    db.add(run)
    db.flush()  # it may be listed in the same transaction
    return run.uuid


def list_calibrations(db: Session, form_uuid: UUID | None = None) -> list[CalibrationView]:
    """Runs, the newest first. form_uuid: of one form alone."""
    found = select(CalibrationRun, Form.key).join(Form, Form.id == CalibrationRun.form_id).order_by(CalibrationRun.id.desc())
    return [_view(*row) for row in db.execute(found if form_uuid is None else found.where(Form.uuid == form_uuid))]


def get_calibration(db: Session, run_uuid: UUID) -> CalibrationView:
    """One run. Raises RunNotFound."""
    row = db.execute(select(CalibrationRun, Form.key).join(Form).where(CalibrationRun.uuid == run_uuid)).first()
    if row is None:
        raise RunNotFound
    return _view(*row)


def list_drift(db: Session, form_uuid: UUID) -> list[Drift]:
    """Items of a form that the newest run of all items found moved, the furthest first."""
    runs = [run for run in list_calibrations(db, form_uuid) if not run.pilots_only]
    found = [
        Drift(item["item"], item["version_id"], item["z"], item["change_b"], run.uuid)
        for run in runs[:1]
        for area in run.document["areas"]
        for item in area["items"]
        if item["has_moved"]
    ]
    return sorted(found, key=lambda one: (-abs(one.z), one.item))


def apply_calibration(db: Session, run_uuid: UUID, *, by: str, now: datetime) -> AppliedCalibration:
    """Puts a run to use: new parameters beside the old ones, and new versions of the forms of its framework. Once.

    by       as the audit log names who did it; the entry is the caller's, in this transaction
    Raises   RunNotFound, RunApplied, RunOutdated
    """
    run = db.scalars(select(CalibrationRun).where(CalibrationRun.uuid == run_uuid).with_for_update()).one_or_none()
    if run is None:
        raise RunNotFound
    if run.state == "applied":
        raise RunApplied
    changed = [item for area in run.document["areas"] for item in area["items"] if item["becomes"] is not None]
    newest = _newest_parameters(db, [item["version_id"] for item in changed])
    for item in changed:
        if newest.get(item["version_id"]) != item["was"]["parameter_id"]:
            raise RunOutdated(item=item["item"])
    for item in changed:
        db.add(ItemParameter(item_version_id=item["version_id"], calibration_run=str(run.uuid), valid_from=now, **item["becomes"]))
    run.state, run.applied_at, run.applied_by = "applied", now, by
    db.flush()  # the forms below read what was added
    framework = db.scalars(select(Form.framework).where(Form.id == run.form_id)).one()
    calibrated = sum(item["becomes"]["status"] == CALIBRATED for item in changed)
    return AppliedCalibration(calibrated, len(changed) - calibrated, reissue_forms(db, framework, now=now))


def _newest_parameters(db: Session, version_ids: Sequence[int]) -> dict[int, int]:
    """The newest parameters of item versions that are their item's newest."""
    later = select(ItemVersion.item_id, func.max(ItemVersion.n).label("n")).group_by(ItemVersion.item_id).subquery()
    rows = db.execute(
        select(ItemVersion.id, func.max(ItemParameter.id))
        .join(later, (later.c.item_id == ItemVersion.item_id) & (later.c.n == ItemVersion.n))
        .join(ItemParameter, ItemParameter.item_version_id == ItemVersion.id)
        .where(ItemVersion.id.in_(version_ids))
        .group_by(ItemVersion.id)
    )
    return dict(rows.all())


def _view(run: CalibrationRun, form_key: str) -> CalibrationView:
    return CalibrationView(
        run.uuid, form_key, run.pilots_only, run.as_of, run.n_persons, run.state, run.applied_at, run.applied_by, run.document
    )
