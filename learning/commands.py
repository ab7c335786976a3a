"""Changing the catalogue and the paths, within the caller's transaction."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Literal, cast
from uuid import UUID

from sqlalchemy import Table, delete, insert, select, update
from sqlalchemy.orm import Session

from kernel.db import connection_of
from kernel.ids import derived_uuid, new_uuid
from kernel.langmap import LangMap
from kernel.prepared import either
from learning.catalogue import ResourceRecord, read_catalogue
from learning.choice import Resource, is_within_mix
from learning.errors import StepHasNoActivity, StepNotFound, StepStateUnknown
from learning.graph import Edges
from learning.models import STATES, PathRow, PathStepRow, PrerequisiteRow, ResourceRow
from learning.paths import RULE_VERSION, Path, Step, make_path
from learning.queries import Offer, PathView, find_newest, hold_newest, hold_newest_of, path_view, read_edges, read_offer
from learning.standings import Standpoint, read_standpoint, read_standpoints

State = Literal["planned", "under_way", "done"]

PEOPLE_AT_ONCE = 250
"""People whose paths are planned together."""


@dataclass(frozen=True, slots=True)
class CatalogueReport:
    """What loading a catalogue changed."""

    n_new: int
    n_changed: int
    n_unchanged: int
    n_retired: int
    n_prerequisites: int


def load_catalogue(db: Session, document: Mapping[str, Any], *, now: datetime) -> CatalogueReport:
    """Makes the document the national catalogue: adds, changes, retires what it no longer holds, replaces the prerequisites.

    document  parsed JSON in the form `kaona-catalogue`, version 1
    Raises    CatalogueInvalid or PrerequisiteCycle; nothing is stored then
    """
    catalogue = read_catalogue(document)
    rows = {row.key: row for row in db.scalars(select(ResourceRow).where(ResourceRow.tenant_id.is_(None)))}
    n_new = n_changed = 0
    for record in catalogue.resources:
        row, values = rows.pop(record.key, None), _columns(record)
        if row is None:
            db.add(ResourceRow(tenant_id=None, uuid=derived_uuid("learning-resource", record.key), **values))
            n_new += 1
        elif any(getattr(row, name) != value for name, value in values.items()):
            for name, value in values.items():
                setattr(row, name, value)
            n_changed += 1
    gone = [row for row in rows.values() if row.retired_at is None]
    for row in gone:
        row.retired_at = now
    db.execute(delete(PrerequisiteRow).where(PrerequisiteRow.tenant_id.is_(None)))
    edges = sorted(set(catalogue.edges))
    db.add_all(
        PrerequisiteRow(tenant_id=None, node_key=one.node_key, level=one.level, needs_node_key=needed.node_key, needs_level=needed.level)
        for one, needed in edges
    )
    return CatalogueReport(n_new, n_changed, len(catalogue.resources) - n_new - n_changed, len(gone), len(edges))


def plan_path(db: Session, *, tenant_id: int, person_uuid: UUID, today: date, now: datetime) -> PathView:
    """The person's path from the present standing to the targets; a new version only when something in it differs.

    today     the date where the person works, for what is due
    Returns   the newest version: steps that are under way or done stay on it while their level is still to be reached
    """
    standpoint = read_standpoint(db, tenant_id=tenant_id, person_uuid=person_uuid, today=today, now=now)
    edges, offer = read_edges(db), read_offer(db, ())
    while True:
        newest = hold_newest(db, tenant_id=tenant_id, person_uuid=person_uuid)
        draft = _draft(db, standpoint, newest, edges, offer, today=today)
        if newest and draft.says_the_same_as(newest):
            return path_view(newest)
        added = _add_versions(db, [_version(tenant_id, person_uuid, standpoint, newest, draft, now=now)], {person_uuid: draft})
        if added:
            break
        # another transaction stored the first version meanwhile and has committed: look again, at what it stored
    stored = find_newest(db, tenant_id=tenant_id, person_uuid=person_uuid)
    assert stored is not None
    return path_view(stored)


def plan_paths(db: Session, *, tenant_id: int, person_uuids: Collection[UUID], today: date, now: datetime) -> int:
    """The paths of many people of one agency, each as `plan_path` makes it; what they have in common is read once.

    today     the date where the people work, for what is due
    Returns   how many of them got a new version
    """
    edges, offer = read_edges(db), read_offer(db, ())
    people = sorted(set(person_uuids))
    n_new = 0
    for first in range(0, len(people), PEOPLE_AT_ONCE):
        some = people[first : first + PEOPLE_AT_ONCE]
        standpoints = read_standpoints(db, tenant_id=tenant_id, person_uuids=some, today=today, now=now)
        newest = hold_newest_of(db, tenant_id=tenant_id, person_uuids=some)
        drafts = {person: _draft(db, standpoints[person], newest.get(person), edges, offer, today=today) for person in some}
        changed = [person for person in some if person not in newest or not drafts[person].says_the_same_as(newest[person])]
        versions = [_version(tenant_id, one, standpoints[one], newest.get(one), drafts[one], now=now) for one in changed]
        added = _add_versions(db, versions, drafts)
        n_new += len(added)
        for person_uuid in changed:
            if person_uuid not in added:  # another transaction stored the first version meanwhile
                plan_path(db, tenant_id=tenant_id, person_uuid=person_uuid, today=today, now=now)
    return n_new


def mark_step(db: Session, *, tenant_id: int, person_uuid: UUID, step_uuid: UUID, state: State, now: datetime) -> PathView:
    """Records what the person has made of one step of the newest path. It moves no level: only evidence does.

    state     `planned`, `under_way` or `done`; the same state again changes nothing
    Raises    StepStateUnknown for any other state; StepNotFound when the newest path holds no such step;
              StepHasNoActivity for an assessment or an open step
    """
    if state not in STATES:
        raise StepStateUnknown
    newest = hold_newest(db, tenant_id=tenant_id, person_uuid=person_uuid)
    step = next((one for one in newest.steps if one.uuid == step_uuid), None) if newest else None
    if newest is None or step is None:
        raise StepNotFound
    if step.resource_id is None:
        raise StepHasNoActivity
    if step.state != state:
        step.state, step.state_at = state, now
    return path_view(newest)


@dataclass(frozen=True, slots=True)
class _Draft:
    """What a version would say: columns of its steps, and its notes."""

    steps: list[dict[str, Any]]
    notes: list[dict[str, Any]]

    def says_the_same_as(self, stored: PathRow) -> bool:
        """Whether a stored version has these steps and notes."""
        return stored.notes == self.notes and [_values_of(step) for step in stored.steps] == self.steps


def rename_person(db: Session, *, tenant_id: int, person_uuid: UUID, new_uuid: UUID) -> int:
    """Makes the path of one person that of another, who has none yet. Returns how many versions it has."""
    mine = (PathRow.tenant_id == tenant_id, PathRow.person_uuid == person_uuid)
    return len(db.scalars(update(PathRow).where(*mine).values(person_uuid=new_uuid).returning(PathRow.id)).all())


def forget_person(db: Session, *, tenant_id: int, person_uuid: UUID) -> int:
    """Removes a person's path in all its versions, with what the person has marked on it. Returns how many versions."""
    versions = select(PathRow.id).where(PathRow.tenant_id == tenant_id, PathRow.person_uuid == person_uuid)
    ids = list(db.scalars(versions))
    db.execute(delete(PathStepRow).where(PathStepRow.path_id.in_(ids)))
    db.execute(delete(PathRow).where(PathRow.id.in_(ids)))
    return len(ids)


def _draft(db: Session, standpoint: Standpoint, newest: PathRow | None, edges: Edges, offer: Offer, *, today: date) -> _Draft:
    begun = {step.resource_id: step for step in newest.steps if step.resource_id and step.state != "planned"} if newest else {}
    if not begun.keys() <= set(offer.ids.values()):  # something begun is no longer offered
        offer = read_offer(db, list(begun))
    kept = {key for key, row_id in offer.ids.items() if row_id in begun}
    path = make_path(standpoint.aims, edges, offer.resources, kept=kept, today=today)
    return _Draft(_step_values(path, standpoint, offer.ids, begun), _notes(path, standpoint))


def _version(
    tenant_id: int, person_uuid: UUID, standpoint: Standpoint, newest: PathRow | None, draft: _Draft, *, now: datetime
) -> dict[str, Any]:
    """Columns of the version that follows the newest one."""
    return {
        "tenant_id": tenant_id,
        "person_uuid": person_uuid,
        "uuid": new_uuid(),
        "version": newest.version + 1 if newest else 1,
        "made_at": now,
        "rule_version": RULE_VERSION,
        "basis": [asdict(aim) for aim in standpoint.aims],
        "notes": draft.notes,
    }


def _columns(record: ResourceRecord) -> dict[str, Any]:
    return {
        "key": record.key,
        "node_key": record.competency,
        "level": record.level,
        "kind": record.kind,
        "title": record.title.model_dump(),
        "summary": record.summary.model_dump(),
        "provider": record.provider.model_dump(),
        "hours": record.hours,
        "language": record.language,
        "url": record.url,
        "retired_at": None,
    }


def _step_values(path: Path, standpoint: Standpoint, ids: Mapping[str, int], begun: Mapping[int, PathStepRow]) -> list[dict[str, Any]]:
    """Columns of each step; what was begun keeps its state and the moment of it."""
    values = []
    for step in path.steps:
        resource_id = ids[step.resource_key] if step.resource_key else None
        before = begun.get(resource_id) if resource_id else None
        values.append(
            {
                "node_key": step.node_key,
                "node_label": dict(_label(standpoint, step.node_key)),
                "from_level": step.from_level,
                "to_level": step.to_level,
                "kind": step.kind,
                "resource_id": resource_id,
                "hours": step.hours,
                "due": step.due,
                "reason_code": step.reason_code,
                "places": _in_words(step, standpoint),
                "state": before.state if before else "planned",
                "state_at": before.state_at if before else None,
            }
        )
    return values


def _values_of(row: PathStepRow) -> dict[str, Any]:
    names = ("node_key", "node_label", "from_level", "to_level", "kind", "resource_id", "hours", "due")
    return {name: getattr(row, name) for name in (*names, "reason_code", "places", "state", "state_at")}


def _in_words(step: Step, standpoint: Standpoint) -> dict[str, Any]:
    words: dict[str, Any] = {}
    for name, value in step.places.items():
        if name in ("node", "for_node"):
            words[name] = dict(_label(standpoint, value))
        elif name in ("level", "target", "for_level"):
            words[name] = dict(standpoint.level_names.get(value, {"th": str(value), "en": str(value)}))
        else:
            words[name] = value
    return words


def _label(standpoint: Standpoint, node_key: str) -> LangMap:
    return standpoint.labels.get(node_key) or {"th": node_key, "en": node_key}


def _notes(path: Path, standpoint: Standpoint) -> list[dict[str, Any]]:
    notes: list[dict[str, Any]] = []
    if not any(aim.target for aim in standpoint.aims):
        notes.append({"code": "no_targets", "places": {}})
    elif not path.steps:
        notes.append({"code": "all_reached", "places": {}})
    if path.withheld:
        notes.append({"code": "withheld", "places": {"count": len(path.withheld)}})
    if not is_within_mix(Resource(step.resource_key, step.kind, step.hours) for step in path.steps if step.resource_key):
        notes.append({"code": "mix", "places": {}})
    return notes


_NEW_VERSIONS = either(
    lambda insert: (
        insert(PathRow.__table__)
        .on_conflict_do_nothing(index_elements=["tenant_id", "person_uuid", "version"])
        .returning(PathRow.person_uuid, PathRow.id)
    )
)
_NEW_STEPS = insert(cast("Table", PathStepRow.__table__))


def _add_versions(db: Session, versions: list[dict[str, Any]], drafts: Mapping[UUID, _Draft]) -> set[UUID]:
    """Stores versions with their steps; returns whose: not those of whom another transaction has stored the same number."""
    if not versions:
        return set()
    connection = connection_of(db)
    ids = dict(connection.execute(_NEW_VERSIONS[connection.dialect.name], versions).all())
    tenant_ids = {version["person_uuid"]: version["tenant_id"] for version in versions}
    steps = [
        {"tenant_id": tenant_ids[person_uuid], "path_id": path_id, "uuid": new_uuid(), "position": position, **values}
        for person_uuid, path_id in ids.items()
        for position, values in enumerate(drafts[person_uuid].steps, start=1)
    ]
    if steps:
        connection.execute(_NEW_STEPS, steps)
    return set(ids)
