"""Commands that load banks and forms: idempotent, and nothing that an attempt was decided by is ever changed."""

from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assessment.bank import ItemDraft, read_bank
from assessment.documents import checksum
from assessment.forms import FormDocument, read_form
from assessment.models import Form, FormItem, FormVersion, Item, ItemParameter, ItemVersion
from assessment.pool import view_of
from assessment.views import BankReport, FormView
from kernel.ids import derived_uuid, new_uuid


def load_bank(db: Session, document: dict[str, Any], *, now: datetime) -> BankReport:
    """Loads the national bank of a framework; forms whose pool changed get a new version. Items that are not named stay."""
    draft = read_bank(document)
    stored = {item.key: (item, version, parameter) for item, version, parameter in _newest_items(db, draft.framework)}
    n_items = n_versions = n_parameters = 0
    for item_draft in draft.items:
        item, version, parameter = stored.get(item_draft.key, (None, None, None))
        if item is None:
            item = _new_item(db, draft.framework, item_draft.key, now)
            n_items += 1
        if version is None or version.checksum != item_draft.checksum:
            n_versions += version is not None
            version = _new_version(db, item, item_draft, n=version.n + 1 if version else 1, now=now)
            parameter = None
        if parameter is None or not _says_the_same(parameter, item_draft, draft.parameter_status):
            n_parameters += parameter is not None
            db.add(_new_parameter(version, item_draft, draft.parameter_status, now))
    db.flush()  # the forms below read what was added
    for form in db.scalars(select(Form).where(Form.framework == draft.framework)):
        newest = _newest_version(db, form)
        if newest is not None:
            _issue_version(db, form, newest.document, now=now)
    return BankReport(n_items, n_versions, len(draft.items) - n_items - n_versions - n_parameters, n_parameters)


def load_form(db: Session, document: dict[str, Any], *, now: datetime) -> FormView:
    """Loads a national form; unchanged document and unchanged pool make no new version. Raises FormInvalid."""
    draft = read_form(document)
    draft = read_form(document, _n_items_by_domain(db, draft.framework))
    form = db.scalar(select(Form).where(Form.key == draft.key))
    if form is None:
        form = Form(
            tenant_id=None, uuid=derived_uuid("assessment-form", draft.key), key=draft.key, framework=draft.framework, created_at=now
        )
        db.add(form)
        db.flush()  # its id is needed below
    form.framework = draft.framework
    version = _issue_version(db, form, draft.model_dump(mode="json"), now=now)
    return view_of(form, version, draft)


def _issue_version(db: Session, form: Form, document: dict[str, Any], *, now: datetime) -> FormVersion:
    """The newest version of a form if it says the same, else a new one over the bank as it is now."""
    codes = {domain.code for domain in FormDocument.model_validate(document).domains}
    pool = [(version.id, parameter.id) for _, version, parameter in _newest_items(db, form.framework) if version.domain in codes]
    mark = checksum({"document": document, "pool": pool})
    newest = _newest_version(db, form)
    if newest is not None and newest.checksum == mark:
        return newest
    version = FormVersion(
        uuid=new_uuid(), form_id=form.id, n=newest.n + 1 if newest else 1, document=document, checksum=mark, created_at=now
    )
    db.add(version)
    db.flush()  # its id is needed by its items
    db.add_all(
        FormItem(form_version_id=version.id, place=place, item_version_id=version_id, item_parameter_id=parameter_id)
        for place, (version_id, parameter_id) in enumerate(pool)
    )
    db.flush()  # a pool is read by plain selects
    return version


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


def _n_items_by_domain(db: Session, framework: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for _, version, _ in _newest_items(db, framework):
        counts[version.domain] = counts.get(version.domain, 0) + 1
    return counts


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


def _says_the_same(parameter: ItemParameter, draft: ItemDraft, status: str) -> bool:
    said = draft.params.model_dump()
    return parameter.status == status and all(getattr(parameter, name) == value for name, value in said.items())
