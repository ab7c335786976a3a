"""Stored answers as tables for analysis: of each person the newest finished sitting of one form, previews apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from assessment.forms import FormDocument
from assessment.irt import ItemParams
from assessment.locked import keep_event
from assessment.models import (
    AbilityEstimate,
    Attempt,
    AttemptEvent,
    Form,
    FormVersion,
    Item,
    ItemParameter,
    ItemVersion,
    Presentation,
    Response,
)
from assessment.person_groups import groups_of
from assessment.pool import params_of_row

WITH_OPTIONS: Final = ("single_choice", "multiple_choice", "true_false")
"""Kinds whose answers can be counted by option."""

DEVICE_KIND: Final = "device_kind"
"""Kind of the event that tells with what a sitting was begun; its key is `phone`, `tablet` or `computer`."""

WITH_ALLOWANCE, WITHOUT_ALLOWANCE = "with", "without"
NO_ALLOWANCE: Final = (100, 0, 0)
"""Per cent of the time, minutes and pauses of a sitting without an accommodation."""


@dataclass(frozen=True, slots=True)
class AnsweredItem:
    """One item version that somebody met.

    keys       right answers as `answer_text` writes them; none where answers are no options
    is_pilot   on trial: it counts for nobody
    """

    version_id: int
    uuid: UUID
    key: str
    n: int
    kind: str
    domain: str
    params: ItemParams
    keys: frozenset[str]
    is_pilot: bool = False

    @property
    def name(self) -> str:
        """Unique in a table: an item in another version is another item."""
        return f"{self.key} v{self.n}"


@dataclass(frozen=True, slots=True)
class AnswerTable:
    """All answers of some people to one form.

    scores, answers   of each person by item version: a share of full credit, and the text of what was answered
    labels            attribute to one label a person, empty where it is not known
    estimates         domain to (theta, standard error) of each person who has one
    cuts              domain to its cuts, logits, rising
    """

    form_uuid: UUID
    persons: tuple[UUID, ...]
    items: tuple[AnsweredItem, ...]
    scores: tuple[Mapping[int, float], ...]
    answers: tuple[Mapping[int, str], ...]
    labels: Mapping[str, tuple[str, ...]]
    estimates: Mapping[str, tuple[tuple[float, float], ...]]
    cuts: Mapping[str, tuple[float, ...]]


def read_answer_table(db: Session, form_id: int, *, tenant_id: int | None = None, among: Select[UUID] | None = None) -> AnswerTable:
    """The table of one form.

    tenant_id   one agency's people; None: everybody's
    among       UUIDs of the only sittings that count
    """
    newest = _newest(form_id, tenant_id, among)
    columns = (Attempt.id, Attempt.person_uuid, Attempt.factor_percent, Attempt.extra_minutes, Attempt.pauses_allowed)
    attempts = db.execute(select(*columns).where(Attempt.id.in_(newest)).order_by(Attempt.id)).all()
    place_of = {row.id: place for place, row in enumerate(attempts)}
    items = _items(db, newest)
    has_options = {item.version_id for item in items if item.kind in WITH_OPTIONS}
    scores: list[dict[int, float]] = [{} for _ in attempts]
    answers: list[dict[int, str]] = [{} for _ in attempts]
    given = (
        select(Response.attempt_id, Presentation.item_version_id, Response.score, Response.value)
        .join(Presentation, Presentation.id == Response.presentation_id)
        .where(Response.attempt_id.in_(newest))
    )
    for attempt_id, version_id, score, value in db.execute(given.execution_options(yield_per=5000)):
        place = place_of.get(attempt_id)
        if place is None:  # finished since the first statement
            continue
        scores[place][version_id] = float(score)
        if version_id in has_options:
            answers[place][version_id] = answer_text(value)
    form_uuid, cuts = _form(db, form_id)
    return AnswerTable(
        form_uuid,
        tuple(row.person_uuid for row in attempts),
        items,
        tuple(scores),
        tuple(answers),
        _labels(db, attempts, newest),
        _estimates(db, newest),
        cuts,
    )


def newest_finish(db: Session, form_id: int, *, tenant_id: int | None = None, among: Select[UUID] | None = None) -> tuple[int, Any]:
    """How many people have finished, and when the last one did; 0 and None where nobody has."""
    found = select(func.count(), func.max(Attempt.finished_at)).where(Attempt.id.in_(_newest(form_id, tenant_id, among)))
    n, at = db.execute(found).one()
    return n, at


def note_device(db: Session, attempt_uuid: UUID, *, tenant_id: int, kind: str, now: datetime) -> None:
    """Notes with what a sitting was begun, once. kind: `phone`, `tablet`, `computer`."""
    attempt_id = db.scalar(select(Attempt.id).where(Attempt.uuid == attempt_uuid, Attempt.tenant_id == tenant_id))
    if attempt_id is not None:
        keep_event(db, tenant_id, attempt_id, kind=DEVICE_KIND, key=kind, now=now, detail={})


def answer_text(value: Any) -> str:
    """An answer as one text: the option, several in order, true or false; empty where there was none in time."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "+".join(sorted(map(str, value))) if isinstance(value, list) else str(value)


def _newest(form_id: int, tenant_id: int | None, among: Select[UUID] | None) -> Select[int]:
    which: list[ColumnElement[bool]] = [Attempt.form_id == form_id, Attempt.state == "finished", ~Attempt.is_preview]
    if tenant_id is not None:
        which.append(Attempt.tenant_id == tenant_id)
    if among is not None:
        which.append(Attempt.uuid.in_(among))
    has_answer = select(Response.id).where(Response.attempt_id == Attempt.id).exists()
    return select(func.max(Attempt.id)).where(*which, has_answer).group_by(Attempt.tenant_id, Attempt.person_uuid)


def _items(db: Session, newest: Select[int]) -> tuple[AnsweredItem, ...]:
    met = (
        select(Presentation.item_version_id, func.max(Presentation.item_parameter_id).label("parameter_id"))
        .where(Presentation.attempt_id.in_(newest))
        .group_by(Presentation.item_version_id)
        .subquery()
    )
    rows = db.execute(
        select(Item, ItemVersion, ItemParameter)
        .select_from(met)
        .join(ItemVersion, ItemVersion.id == met.c.item_version_id)
        .join(Item, Item.id == ItemVersion.item_id)
        .join(ItemParameter, ItemParameter.id == met.c.parameter_id)
    )
    found = [
        AnsweredItem(
            version.id,
            item.uuid,
            item.key,
            version.n,
            version.kind,
            version.domain,
            params_of_row(parameter),
            frozenset({answer_text(version.correct)}) if version.kind in WITH_OPTIONS else frozenset(),
            item.is_pilot,
        )
        for item, version, parameter in rows
    ]
    return tuple(sorted(found, key=lambda item: (item.domain, item.key, item.n)))


def _labels(db: Session, attempts: Any, newest: Select[int]) -> dict[str, tuple[str, ...]]:
    told = select(AttemptEvent.attempt_id, AttemptEvent.key).where(AttemptEvent.kind == DEVICE_KIND, AttemptEvent.attempt_id.in_(newest))
    devices = dict(db.execute(told).all())
    groups = groups_of(db, [row.person_uuid for row in attempts])
    attributes = sorted({attribute for said in groups.values() for attribute in said})
    labels = {attribute: tuple(groups.get(row.person_uuid, {}).get(attribute, "") for row in attempts) for attribute in attributes}
    labels["device"] = tuple(devices.get(row.id, "") for row in attempts)
    labels["accommodation"] = tuple(
        WITH_ALLOWANCE if (row.factor_percent, row.extra_minutes, row.pauses_allowed) != NO_ALLOWANCE else WITHOUT_ALLOWANCE
        for row in attempts
    )
    return labels


def _estimates(db: Session, newest: Select[int]) -> dict[str, tuple[tuple[float, float], ...]]:
    found: dict[str, list[tuple[float, float]]] = {}
    rows = select(AbilityEstimate.domain, AbilityEstimate.theta, AbilityEstimate.se).where(
        AbilityEstimate.attempt_id.in_(newest), AbilityEstimate.n_items > 0
    )
    for domain, theta, se in db.execute(rows):
        found.setdefault(domain, []).append((theta, se))
    return {domain: tuple(pairs) for domain, pairs in found.items()}


def _form(db: Session, form_id: int) -> tuple[UUID, dict[str, tuple[float, ...]]]:
    uuid, document = db.execute(
        select(Form.uuid, FormVersion.document)
        .join(FormVersion, FormVersion.form_id == Form.id)
        .where(Form.id == form_id)
        .order_by(FormVersion.n.desc())
        .limit(1)
    ).one()
    said = FormDocument.model_validate(document)
    return uuid, {domain.code: tuple(cut.theta for cut in said.cuts_of(domain.code)) for domain in said.domains}
