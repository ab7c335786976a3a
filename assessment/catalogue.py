"""Commands that load banks and forms: idempotent, and nothing that an attempt was decided by is ever changed."""

from collections.abc import Collection
from datetime import datetime
from itertools import chain
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assessment.assembly import Candidate, FormInformation, assemble, information_of
from assessment.bank import ItemDraft, read_bank
from assessment.documents import checksum
from assessment.errors import FormNotFound
from assessment.forms import FormDocument, read_form
from assessment.item_reviews import retired_version_ids
from assessment.models import Form, FormItem, FormVersion, Item, ItemParameter, ItemVersion
from assessment.pool import params_of_row, view_of
from assessment.views import BankReport, FormView
from kernel.ids import derived_uuid, new_uuid


def load_bank(db: Session, document: dict[str, Any], *, now: datetime) -> BankReport:
    """Loads the national bank of a framework; forms whose pool changed get a new version. Items that are not named stay."""
    draft = read_bank(document)
    stored = {item.key: (item, version, parameter) for item, version, parameter in _newest_items(db, draft.framework)}
    said = _said_before(db, [version.id for _, version, _ in stored.values()])
    n_items = n_versions = n_parameters = 0
    for item_draft in draft.items:
        item, version, parameter = stored.get(item_draft.key, (None, None, None))
        if item is None:
            item = _new_item(db, draft.framework, item_draft.key, now)
            n_items += 1
        item.is_pilot = item_draft.is_pilot
        if version is None or version.checksum != item_draft.checksum:
            n_versions += version is not None
            version = _new_version(db, item, item_draft, n=version.n + 1 if version else 1, now=now)
            parameter = None
        if parameter is None or not _says_the_same(said.get(version.id, parameter), item_draft, draft.parameter_status):
            n_parameters += parameter is not None
            db.add(_new_parameter(version, item_draft, draft.parameter_status, now))
    db.flush()  # the forms below read what was added
    reissue_forms(db, draft.framework, now=now)
    return BankReport(n_items, n_versions, len(draft.items) - n_items - n_versions - n_parameters, n_parameters)


def reissue_forms(db: Session, framework: str, *, now: datetime) -> dict[str, int]:
    """New versions of the forms whose pool is no longer what their newest version pins. Returns key to number of those."""
    issued = {}
    for form in db.scalars(select(Form).where(Form.framework == framework).order_by(Form.id)):
        newest = _newest_version(db, form)
        if newest is not None and (version := _issue_version(db, form, newest.document, now=now)) is not newest:
            issued[form.key] = version.n
    return issued


def load_form(db: Session, document: dict[str, Any], *, now: datetime) -> FormView:
    """Loads a national form; unchanged document and unchanged pool make no new version. Raises FormInvalid."""
    draft = read_form(document)
    counted = [(item, version) for item, version, _ in _newest_items(db, draft.framework) if not item.is_pilot]
    draft = read_form(document, {item.key: version.domain for item, version in counted})
    form = db.scalar(select(Form).where(Form.key == draft.key))
    if form is None:
        form = Form(
            tenant_id=None, uuid=derived_uuid("assessment-form", draft.key), key=draft.key, framework=draft.framework, created_at=now
        )
        db.add(form)
        db.flush()  # its id is needed below
    form.framework = draft.framework
    # what the document leaves out stays out: a later default must not make a new version of it
    version = _issue_version(db, form, draft.model_dump(mode="json", exclude_unset=True), now=now)
    return view_of(form, version, draft)


def _issue_version(db: Session, form: Form, document: dict[str, Any], *, now: datetime) -> FormVersion:
    """The newest version of a form if it says the same, else a new one over the bank as it is now. Raises FormInvalid."""
    said = FormDocument.model_validate(document)
    codes = {domain.code for domain in said.domains}
    retired = retired_version_ids(db)
    rows: dict[str, tuple[ItemVersion, ItemParameter]] = {}
    tried: dict[str, tuple[ItemVersion, ItemParameter]] = {}
    for item, item_version, parameter in _newest_items(db, form.framework):
        if item_version.domain in codes and item_version.id not in retired:
            (tried if item.is_pilot else rows)[item.key] = (item_version, parameter)
    lists = assemble(said, [_candidate(key, *row) for key, row in rows.items()])
    keys = list(dict.fromkeys(chain.from_iterable(lists))) if lists else list(rows)
    pool = [(item_version.id, parameter.id) for item_version, parameter in map(rows.__getitem__, keys)]
    pilots = [(item_version.id, parameter.id) for item_version, parameter in tried.values()] if said.pilots else []
    sequences = [[keys.index(key) for key in own] for own in lists]
    mark = checksum(
        {"document": document, "pool": pool} | ({"sequences": sequences} if sequences else {}) | ({"pilots": pilots} if pilots else {})
    )
    newest = _newest_version(db, form)
    if newest is not None and newest.checksum == mark:
        return newest
    version = FormVersion(
        uuid=new_uuid(),
        form_id=form.id,
        n=newest.n + 1 if newest else 1,
        document=document,
        sequences=sequences,
        checksum=mark,
        created_at=now,
    )
    db.add(version)
    db.flush()  # its id is needed by its items
    db.add_all(
        FormItem(
            form_version_id=version.id, place=place, item_version_id=version_id, item_parameter_id=parameter_id, is_pilot=place >= len(pool)
        )
        for place, (version_id, parameter_id) in enumerate([*pool, *pilots])
    )
    db.flush()  # a pool is read by plain selects
    return version


def form_information(db: Session, form_uuid: UUID) -> list[FormInformation]:
    """What each list of a form's newest version tells at each cut; none of an adaptive form. Raises FormNotFound."""
    form = db.scalar(select(Form).where(Form.uuid == form_uuid))
    version = _newest_version(db, form) if form is not None else None
    if version is None:
        raise FormNotFound
    rows = db.execute(
        select(Item.key, ItemVersion, ItemParameter)
        .select_from(FormItem)
        .join(ItemVersion, ItemVersion.id == FormItem.item_version_id)
        .join(Item, Item.id == ItemVersion.item_id)
        .join(ItemParameter, ItemParameter.id == FormItem.item_parameter_id)
        .where(FormItem.form_version_id == version.id)
        .order_by(FormItem.place)
    ).all()
    items = [_candidate(*row) for row in rows]
    return information_of(FormDocument.model_validate(version.document), [[items[place] for place in own] for own in version.sequences])


def _candidate(key: str, version: ItemVersion, parameter: ItemParameter) -> Candidate:
    testlet = None if version.testlet is None else (version.testlet, version.testlet_place or 0)
    return Candidate(key, version.domain, params_of_row(parameter), frozenset(version.enemies), testlet)


def _newest_version(db: Session, form: Form) -> FormVersion | None:
    return db.scalar(select(FormVersion).where(FormVersion.form_id == form.id).order_by(FormVersion.n.desc()).limit(1))


def _newest_items(db: Session, framework: str) -> list[tuple[Item, ItemVersion, ItemParameter]]:
    """National items with their newest version and its newest parameters, by key."""
    versions = select(ItemVersion.item_id, func.max(ItemVersion.n).label("n")).group_by(ItemVersion.item_id).subquery()
    parameters = select(func.max(ItemParameter.id).label("id")).group_by(ItemParameter.item_version_id).subquery()
    rows = db.execute(
        select(Item, ItemVersion, ItemParameter)
        .join(versions, versions.c.item_id == Item.id)
        .join(ItemVersion, (ItemVersion.item_id == Item.id) & (ItemVersion.n == versions.c.n))
        .join(ItemParameter, ItemParameter.item_version_id == ItemVersion.id)
        .join(parameters, parameters.c.id == ItemParameter.id)
        .where(Item.framework == framework, Item.tenant_id.is_(None))
        .order_by(Item.key)
    )
    return sorted(
        ((item, version, parameter) for item, version, parameter in rows), key=lambda row: row[0].key
    )  # databases sort texts each in their own way


def _new_item(db: Session, framework: str, key: str, now: datetime) -> Item:
    item = Item(tenant_id=None, uuid=derived_uuid("assessment-item", framework, key), framework=framework, key=key, created_at=now)
    db.add(item)
    db.flush()  # its id is needed by its version
    return item


def _new_version(db: Session, item: Item, draft: ItemDraft, *, n: int, now: datetime) -> ItemVersion:
    version = ItemVersion(item_id=item.id, n=n, checksum=draft.checksum, created_at=now, **draft.content)
    db.add(version)
    db.flush()  # its id is needed by its parameters
    return version


def _new_parameter(version: ItemVersion, draft: ItemDraft, status: str, now: datetime) -> ItemParameter:
    return ItemParameter(item_version_id=version.id, status=status, valid_from=now, **draft.params.model_dump())


def _said_before(db: Session, version_ids: Collection[int]) -> dict[int, ItemParameter]:
    """What a bank document said last of item versions: what a calibration found since is no reason to go back to it."""
    newest = (
        select(func.max(ItemParameter.id))
        .where(ItemParameter.item_version_id.in_(version_ids), ItemParameter.calibration_run.is_(None))
        .group_by(ItemParameter.item_version_id)
    )
    return {parameter.item_version_id: parameter for parameter in db.scalars(select(ItemParameter).where(ItemParameter.id.in_(newest)))}


def _says_the_same(parameter: ItemParameter, draft: ItemDraft, status: str) -> bool:
    said = draft.params.model_dump()
    return parameter.status == status and all(getattr(parameter, name) == value for name, value in said.items())
