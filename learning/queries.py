"""Reading the catalogue and the paths; rows become views here and go no further."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import cast
from uuid import UUID

from sqlalchemy import Table, bindparam, func, or_, select
from sqlalchemy.orm import Session

from kernel.prepared import OneOf, Prepared
from learning.choice import Resource
from learning.errors import ResourceNotFound
from learning.graph import Milestone, collect_edges
from learning.models import PathRow, PathStepRow, PrerequisiteRow, ResourceRow
from learning.reasons import NOTES, REASONS, fill


@dataclass(frozen=True, slots=True)
class ResourceView:
    """Something to learn from or to do."""

    uuid: UUID
    key: str
    kind: str
    title: dict[str, str]
    summary: dict[str, str]
    provider: dict[str, str]
    hours: float
    language: str
    url: str | None
    node_key: str
    level: int


@dataclass(frozen=True, slots=True)
class StepView:
    """One thing to do on the path."""

    uuid: UUID
    position: int
    node_key: str
    node_label: dict[str, str]
    from_level: int | None
    to_level: int | None
    """None, like `from_level`, for an assessment."""
    resource: ResourceView | None
    """None for kinds `assessment` and `open`."""
    reason: dict[str, str]
    reason_code: str
    hours: float
    kind: str
    """`course`, `reading`, `practice`, `coaching`, `project`; `assessment` (level unknown) or `open` (nothing in the catalogue)."""
    due: date | None
    state: str
    """`planned`, `under_way` or `done`, as the person says."""

    @property
    def done(self) -> bool:
        """Whether the person says that the step is done; the level itself waits for evidence."""
        return self.state == "done"


@dataclass(frozen=True, slots=True)
class NoteView:
    """What the path as a whole has to say."""

    code: str
    text: dict[str, str]


@dataclass(frozen=True, slots=True)
class PathView:
    """One version of a person's path."""

    uuid: UUID
    version: int
    made_at: datetime
    steps: tuple[StepView, ...]
    hours_by_kind: dict[str, float]
    notes: tuple[NoteView, ...]
    rule_version: str


@dataclass(frozen=True, slots=True)
class Offer:
    """The resources that a path may hold."""

    resources: Mapping[Milestone, list[Resource]]
    ids: Mapping[str, int]
    """Key to row id."""


def list_resources(db: Session, *, node_key: str | None = None, level: int | None = None) -> list[ResourceView]:
    """The national catalogue as offered now, by competency, level and key."""
    wanted = select(ResourceRow).where(ResourceRow.tenant_id.is_(None), ResourceRow.retired_at.is_(None))
    if node_key is not None:
        wanted = wanted.where(ResourceRow.node_key == node_key)
    if level is not None:
        wanted = wanted.where(ResourceRow.level == level)
    return [resource_view(row) for row in db.scalars(wanted.order_by(ResourceRow.node_key, ResourceRow.level, ResourceRow.key))]


def get_resource(db: Session, resource_uuid: UUID, *, tenant_id: int) -> ResourceView:
    """One resource, national or the agency's own; also one that is no longer offered, for links that show it. Raises ResourceNotFound."""
    seen = or_(ResourceRow.tenant_id.is_(None), ResourceRow.tenant_id == tenant_id)
    row = db.scalars(select(ResourceRow).where(ResourceRow.uuid == resource_uuid, seen)).first()
    if row is None:
        raise ResourceNotFound
    return resource_view(row)


def find_path(db: Session, *, tenant_id: int, person_uuid: UUID) -> PathView | None:
    """The newest version of a person's path, or None when none was ever made."""
    row = find_newest(db, tenant_id=tenant_id, person_uuid=person_uuid)
    return path_view(row) if row else None


def find_newest(db: Session, *, tenant_id: int, person_uuid: UUID) -> PathRow | None:
    """The row of the newest version, with its steps."""
    wanted = select(PathRow).where(PathRow.tenant_id == tenant_id, PathRow.person_uuid == person_uuid)
    return db.scalars(wanted.order_by(PathRow.version.desc()).limit(1).execution_options(populate_existing=True)).first()


def hold_newest(db: Session, *, tenant_id: int, person_uuid: UUID) -> PathRow | None:
    """The newest version, held until the transaction ends: nobody else marks its steps or replaces it meanwhile."""
    wanted = select(PathRow.id).where(PathRow.tenant_id == tenant_id, PathRow.person_uuid == person_uuid)
    while True:
        held_id = db.scalar(wanted.order_by(PathRow.version.desc()).limit(1).with_for_update())
        newest = find_newest(db, tenant_id=tenant_id, person_uuid=person_uuid)
        if held_id == (newest.id if newest else None):  # else a newer version was committed while we waited for the lock
            return newest


# Statements of every finish, built once: building them costs more than the database does.

_path, _resource, _prerequisite = (cast("Table", model.__table__) for model in (PathRow, ResourceRow, PrerequisiteRow))

_NEWEST_IDS = (
    select(func.max(_path.c.id))  # a later version is stored later, while the one before it is held
    .where(_path.c.tenant_id == bindparam("tenant"), OneOf(_path.c.person_uuid, "people"))
    .group_by(_path.c.person_uuid)
)
_HOLD_NEWEST = Prepared(select(_path.c.id).where(_path.c.id.in_(_NEWEST_IDS)).order_by(_path.c.person_uuid).with_for_update())
_NEWEST = (
    select(PathRow)
    .where(
        PathRow.id.in_(
            select(func.max(PathRow.id))
            .where(PathRow.tenant_id == bindparam("tenant"), PathRow.person_uuid.in_(bindparam("people", expanding=True)))
            .group_by(PathRow.person_uuid)
        )
    )
    .execution_options(populate_existing=True)
)
_OFFERED = Prepared(
    select(_resource.c.id, _resource.c.key, _resource.c.kind, _resource.c.hours, _resource.c.node_key, _resource.c.level).where(
        or_(_resource.c.tenant_id.is_(None) & _resource.c.retired_at.is_(None), OneOf(_resource.c.id, "begun"))
    )
)
_EDGES = Prepared(
    select(_prerequisite.c.node_key, _prerequisite.c.level, _prerequisite.c.needs_node_key, _prerequisite.c.needs_level).where(
        _prerequisite.c.tenant_id.is_(None)
    )
)


def hold_newest_of(db: Session, *, tenant_id: int, person_uuids: Collection[UUID]) -> dict[UUID, PathRow]:
    """As `hold_newest`, for each of these people who has a path; held in the order of the people, the same for all."""
    whose = {"tenant": tenant_id, "people": list(person_uuids)}
    while True:
        held_ids = {held_id for (held_id,) in _HOLD_NEWEST.flushed_rows(db, whose)}
        rows = db.scalars(_NEWEST, whose).all() if held_ids else []
        if held_ids == {row.id for row in rows}:
            return {row.person_uuid: row for row in rows}


def read_offer(db: Session, begun_ids: Collection[int]) -> Offer:
    """What a path may hold: the resources offered now, and those that the person has begun."""
    ids: dict[str, int] = {}
    resources: dict[Milestone, list[Resource]] = defaultdict(list)
    for row_id, key, kind, hours, node_key, level in _OFFERED.flushed_rows(db, {"begun": list(begun_ids)}):
        ids[key] = row_id
        resources[Milestone(node_key, level)].append(Resource(key, kind, hours))
    return Offer(resources, ids)


def read_edges(db: Session) -> Mapping[Milestone, frozenset[Milestone]]:
    """The prerequisite graph of the national catalogue."""
    rows = _EDGES.flushed_rows(db, {})
    return collect_edges((Milestone(node, level), Milestone(needed, needed_level)) for node, level, needed, needed_level in rows)


def path_view(row: PathRow) -> PathView:
    """One version as a value, its reasons and notes in words."""
    hours: Counter[str] = Counter()
    for step in row.steps:
        if step.resource_id is not None:
            hours[step.kind] += step.hours  # type: ignore[assignment]
    notes = tuple(NoteView(note["code"], fill(NOTES[note["code"]], note["places"])) for note in row.notes)
    return PathView(row.uuid, row.version, row.made_at, tuple(map(_step_view, row.steps)), dict(hours), notes, row.rule_version)


def resource_view(row: ResourceRow) -> ResourceView:
    """One resource as a value."""
    return ResourceView(
        uuid=row.uuid,
        key=row.key,
        kind=row.kind,
        title=row.title,
        summary=row.summary,
        provider=row.provider,
        hours=row.hours,
        language=row.language,
        url=row.url,
        node_key=row.node_key,
        level=row.level,
    )


def _step_view(row: PathStepRow) -> StepView:
    return StepView(
        uuid=row.uuid,
        position=row.position,
        node_key=row.node_key,
        node_label=row.node_label,
        from_level=row.from_level,
        to_level=row.to_level,
        resource=resource_view(row.resource) if row.resource else None,
        reason=fill(REASONS[row.reason_code], row.places),
        reason_code=row.reason_code,
        hours=row.hours,
        kind=row.kind,
        due=row.due,
        state=row.state,
    )
