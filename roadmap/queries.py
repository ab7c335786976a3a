"""Reading: frameworks, targets, scope, and where people stand."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple, cast, overload
from uuid import UUID

from sqlalchemy import Table, bindparam, event, or_, select
from sqlalchemy.orm import Session, aliased

from kernel.langmap import LangMap
from kernel.prepared import OneOf, Prepared
from roadmap.attainment import RULE, Attained, Carrier, Shown, attain, carry, is_counted, level_of
from roadmap.errors import UnknownFramework, UnknownNode
from roadmap.framework import CARRYING_RELATIONS
from roadmap.models import (
    AgencyFramework,
    Attainment,
    Crosswalk,
    Evidence,
    Framework,
    FrameworkNode,
    FrameworkRole,
    PersonScope,
    ScaleLevel,
    Target,
)
from roadmap.targets import TargetFact, resolve
from roadmap.views import (
    AttainmentView,
    EvidenceView,
    FrameworkView,
    LevelView,
    LinkView,
    NodeView,
    PersonView,
    RoleView,
    Standing,
    TargetView,
)

_KEPT = "roadmap.frameworks"
"""Where a session keeps what was read of frameworks."""

MAX_VIEWS = 64
"""Framework versions kept in one process."""
_VIEWS: dict[tuple[str, str, str], FrameworkView] = {}
"""By id, digest and status."""

DEFAULT_FRAMEWORK = "th-ds-2567"
"""The framework of an agency that has adopted none."""


# Statements of every finish, built once: building them costs more than the database does.

_agency, _framework, _node = (cast("Table", model.__table__) for model in (AgencyFramework, Framework, FrameworkNode))
_scope, _target, _attainment = (cast("Table", model.__table__) for model in (PersonScope, Target, Attainment))
_evidence_table, _crosswalk = cast("Table", Evidence.__table__), cast("Table", Crosswalk.__table__)

_ADOPTED = Prepared(
    select(_agency.c.tenant_id, _agency.c.framework_id)
    .where(OneOf(_agency.c.tenant_id, "tenants"), _agency.c.valid_from <= bindparam("on"))
    .order_by(_agency.c.valid_from)
)
_VERSION = Prepared(select(_framework.c.id, _framework.c.digest, _framework.c.status).where(_framework.c.id == bindparam("framework")))
_ROLES = Prepared(
    select(_scope.c.person_uuid, _scope.c.role, _scope.c.personnel_group).where(
        _scope.c.tenant_id == bindparam("tenant"), OneOf(_scope.c.person_uuid, "people")
    )
)
_TARGETS = Prepared(
    select(
        _target.c.tenant_id, _target.c.uuid, _target.c.node_uuid, _target.c.role, _target.c.min_level, _target.c.due, _target.c.set_by
    ).where(or_(OneOf(_target.c.tenant_id, "tenants"), _target.c.tenant_id.is_(None)))
)
_ATTAINMENTS = Prepared(
    select(
        _attainment.c.person_uuid, _attainment.c.node_uuid, _attainment.c.level, _attainment.c.theta, _attainment.c.se,
        _attainment.c.borderline, _attainment.c.indicative, _attainment.c.as_of, _attainment.c.expires_at, _attainment.c.evidence_uuid,
        _evidence_table.c.statement_id, _attainment.c.rule_version,
    )
    .join(
        _evidence_table,
        (_evidence_table.c.tenant_id == _attainment.c.tenant_id) & (_evidence_table.c.uuid == _attainment.c.evidence_uuid),
    )
    .where(_attainment.c.tenant_id == bindparam("tenant"), OneOf(_attainment.c.person_uuid, "people"))
)  # fmt: skip
_NAMES = Prepared(select(_node.c.uuid, _node.c.key, _node.c.label).where(OneOf(_node.c.uuid, "nodes")))
_CARRIERS = Prepared(
    select(_crosswalk.c.from_uuid, _crosswalk.c.to_uuid, _crosswalk.c.relation).where(
        _crosswalk.c.reviewed_by.is_not(None), _crosswalk.c.to_uuid.is_not(None), OneOf(_crosswalk.c.relation, "relations")
    )
)


class _Name(NamedTuple):
    """What a node is called."""

    uuid: UUID
    key: str
    label: LangMap


def list_frameworks(db: Session) -> list[FrameworkView]:
    """Every framework version that is loaded, by id."""
    return [get_framework(db, framework_id) for framework_id in db.scalars(select(Framework.id).order_by(Framework.id))]


def get_framework(db: Session, framework_id: str) -> FrameworkView:
    """One framework version with its nodes, roles and scale; read once a process. Raises UnknownFramework."""
    kept = _kept(db)
    if framework_id not in kept:
        known = _VERSION.flushed_rows(db, {"framework": framework_id})
        if not known:
            raise UnknownFramework(framework=framework_id)
        kept[framework_id] = _shared_view(db, *known[0])
    return kept[framework_id]


def _shared_view(db: Session, framework_id: str, digest: str, status: str) -> FrameworkView:
    """The view of a version whose content this process has read before, or reads now: id and digest name the content."""
    name = (framework_id, digest, status)
    view = _VIEWS.get(name)
    if view is None:
        view = _read_framework(db, framework_id)
        if len(_VIEWS) >= MAX_VIEWS:
            _VIEWS.clear()
        _VIEWS[name] = view
    return view


def _read_framework(db: Session, framework_id: str) -> FrameworkView:
    framework = db.get_one(Framework, framework_id)
    nodes = _read_nodes(db, framework_id)
    role_rows = db.scalars(select(FrameworkRole).where(FrameworkRole.framework_id == framework_id).order_by(FrameworkRole.position))
    roles: dict[str, list[RoleView]] = {}
    for role in role_rows:
        roles.setdefault(role.axis, []).append(RoleView(role.code, role.label))
    levels = db.scalars(select(ScaleLevel).where(ScaleLevel.framework_id == framework_id).order_by(ScaleLevel.rank))
    return FrameworkView(
        id=framework.id,
        version=framework.version,
        title=framework.title,
        issuer=framework.issuer,
        status=framework.status,
        alignment_only=framework.alignment_only,
        groups=tuple(node for node in nodes if node.kind == "group"),
        nodes=nodes,
        role_groups=tuple(roles.get("role_group", ())),
        role_levels=tuple(roles.get("role_level", ())),
        personnel_groups=tuple(roles.get("personnel_group", ())),
        stages=tuple(roles.get("stage", ())),
        scale=tuple(LevelView(level.rank, level.code, level.label, level.provisional) for level in levels),
    )


def list_links(db: Session) -> list[LinkView]:
    """The crosswalk, by its ends."""
    start, end = aliased(FrameworkNode), aliased(FrameworkNode)
    rows = db.execute(
        select(Crosswalk, start.key, end.key).join(start, Crosswalk.from_uuid == start.uuid).outerjoin(end, Crosswalk.to_uuid == end.uuid)
    )
    links = [
        LinkView(
            from_key=from_key,
            to=to_key or link.to_external or "",
            relation=link.relation,
            confidence=link.confidence,
            basis=link.basis,
            reviewed_by=link.reviewed_by,
            carries=link.reviewed_by is not None and link.to_uuid is not None and link.relation in CARRYING_RELATIONS,
        )
        for link, from_key, to_key in rows
    ]
    return sorted(links, key=lambda link: (link.from_key, link.to, link.relation))


def active_framework(db: Session, *, tenant_id: int, on: date) -> FrameworkView:
    """The framework that an agency holds on a day. Raises UnknownFramework when none is loaded."""
    return get_framework(db, active_framework_id(db, tenant_id=tenant_id, on=on))


def active_framework_id(db: Session, *, tenant_id: int, on: date) -> str:
    """The id of the framework that an agency holds on a day."""
    return active_framework_ids(db, tenant_ids=[tenant_id], on=on)[tenant_id]


def active_framework_ids(db: Session, *, tenant_ids: Collection[int], on: date) -> dict[int, str]:
    """The ids of the frameworks that agencies hold on a day."""
    return dict.fromkeys(tenant_ids, DEFAULT_FRAMEWORK) | dict(_ADOPTED.flushed_rows(db, {"tenants": list(tenant_ids), "on": on}))


def list_adopted(db: Session, *, tenant_id: int, since: date) -> set[str]:
    """The ids of the frameworks that an agency holds on a day or has adopted for a later one."""
    later = select(AgencyFramework.framework_id).where(AgencyFramework.tenant_id == tenant_id, AgencyFramework.valid_from > since)
    return {active_framework_id(db, tenant_id=tenant_id, on=since), *db.scalars(later)}


def list_targets(db: Session, *, tenant_id: int | None) -> list[TargetView]:
    """The targets asked of an agency, those of every agency among them; None lists the latter alone."""
    rows = db.execute(
        select(Target, FrameworkNode.key)
        .join(FrameworkNode, Target.node_uuid == FrameworkNode.uuid)
        .where(or_(Target.tenant_id == tenant_id, Target.tenant_id.is_(None)))
    )
    return sorted((target_view(target, key) for target, key in rows), key=lambda view: (view.node_key, view.role or "", view.set_by))


def find_person(db: Session, *, tenant_id: int, person_uuid: UUID) -> PersonView | None:
    """A person's place in the scope of an agency; None when they never were in it."""
    person = db.get(PersonScope, (tenant_id, person_uuid))
    return None if person is None else person_view(person)


def attainment_of(db: Session, *, tenant_id: int, person_uuid: UUID, now: datetime) -> list[AttainmentView]:
    """Everything a person has shown, measured and carried, in every framework that is loaded; by node key.

    now   what has expired by now no longer counts
    """
    return _attainments_of(db, tenant_id=tenant_id, person_uuids=[person_uuid], now=now)[person_uuid]


def attain_again(db: Session, *, tenant_id: int, person_uuid: UUID, node_uuid: UUID, now: datetime) -> Attained | None:
    """The level after the evidence that answered for it has expired; None when nothing is left."""
    return attain((shown(row) for row in _evidence(db, tenant_id, person_uuid, [node_uuid])), RULE, at=now)


def standing_of(db: Session, *, tenant_id: int, person_uuid: UUID, today: date, now: datetime) -> list[Standing]:
    """Where a person stands, in the framework's order: every core area, and every node with a target or an attainment."""
    return standings_of(db, tenant_id=tenant_id, person_uuids=[person_uuid], today=today, now=now)[person_uuid]


def standings_of(db: Session, *, tenant_id: int, person_uuids: Collection[UUID], today: date, now: datetime) -> dict[UUID, list[Standing]]:
    """Where each of these people of one agency stands; everything is asked once for all of them, so give a few hundred at a time."""
    framework_id = active_framework_id(db, tenant_id=tenant_id, on=today)
    nodes = get_framework(db, framework_id).nodes
    attained = _attainments_of(db, tenant_id=tenant_id, person_uuids=person_uuids, now=now)
    held = _ROLES.flushed_rows(db, {"tenant": tenant_id, "people": list(person_uuids)})
    roles = {person_uuid: {code for code in (role, group) if code} for person_uuid, role, group in held}
    targets = target_facts(db, tenant_ids=[tenant_id])[tenant_id]
    return {person_uuid: _standings(nodes, targets, attained[person_uuid], roles.get(person_uuid, set())) for person_uuid in person_uuids}


@overload
def evidence_of(db: Session, *, tenant_id: int, person_uuid: UUID, node_key: str) -> list[EvidenceView]: ...
@overload
def evidence_of(db: Session, *, tenant_id: int, person_uuid: UUID, node_keys: Collection[str]) -> dict[str, list[EvidenceView]]: ...
def evidence_of(
    db: Session, *, tenant_id: int, person_uuid: UUID, node_key: str | None = None, node_keys: Collection[str] = ()
) -> list[EvidenceView] | dict[str, list[EvidenceView]]:
    """Every piece of evidence of a person in one competency, the newest first; or by key in each of several, asked in one go.

    Raises   UnknownNode
    """
    wanted = node_keys if node_key is None else (node_key,)
    keys = dict(db.execute(select(FrameworkNode.uuid, FrameworkNode.key).where(FrameworkNode.key.in_(wanted))).all())
    for missing in sorted(set(wanted) - set(keys.values())):
        raise UnknownNode(node=missing)
    of_person = (Attainment.tenant_id == tenant_id, Attainment.person_uuid == person_uuid, Attainment.node_uuid.in_(keys))
    deciding = set(db.scalars(select(Attainment.evidence_uuid).where(*of_person)))
    views: dict[str, list[EvidenceView]] = {key: [] for key in wanted}
    for row in _evidence(db, tenant_id, person_uuid, keys):
        views[keys[row.node_uuid]].append(_evidence_view(row, keys[row.node_uuid], deciding=row.uuid in deciding))
    return views if node_key is None else views[node_key]


def target_facts(db: Session, *, tenant_ids: Collection[int]) -> dict[int, dict[UUID, list[TargetFact]]]:
    """The targets asked of each agency, by node."""
    facts: dict[int, dict[UUID, list[TargetFact]]] = {tenant_id: {} for tenant_id in tenant_ids}
    for asked_of, *target in _TARGETS.flushed_rows(db, {"tenants": list(tenant_ids)}):
        fact = TargetFact(*target)
        for tenant_id in tenant_ids if asked_of is None else (asked_of,):
            facts[tenant_id].setdefault(fact.node_uuid, []).append(fact)
    return facts


def shown(row: Evidence) -> Shown:
    """What the attainment rule reads of a row."""
    return Shown(row.uuid, row.statement_id, row.kind, row.level, row.theta, row.se, row.borderline, row.indicative, row.observed_at)


def target_view(target: Target, node_key: str) -> TargetView:
    """A target as the door gives it."""
    return TargetView(
        uuid=target.uuid,
        node_key=node_key,
        min_level=target.min_level,
        role=target.role,
        due=target.due,
        set_by=target.set_by,
        set_at=target.set_at,
        national=target.tenant_id is None,
    )


def person_view(person: PersonScope) -> PersonView:
    """A person's scope as the door gives it."""
    return PersonView(person.person_uuid, person.role, person.personnel_group, person.unit_key, person.unit_label, person.left_at)


def _attainments_of(db: Session, *, tenant_id: int, person_uuids: Collection[UUID], now: datetime) -> dict[UUID, list[AttainmentView]]:
    """Everything that each of these people has shown, measured and carried; by node key."""
    attained: dict[UUID, dict[UUID, Attained]] = {person_uuid: {} for person_uuid in person_uuids}
    for person_uuid, node_uuid, *values in _ATTAINMENTS.flushed_rows(db, {"tenant": tenant_id, "people": list(person_uuids)}):
        one: Attained | None = Attained(*values)
        if one is not None and one.expires_at is not None and one.expires_at <= now:
            one = attain_again(db, tenant_id=tenant_id, person_uuid=person_uuid, node_uuid=node_uuid, now=now)
        if one is not None:
            attained[person_uuid][node_uuid] = one
    if not any(attained.values()):
        return {person_uuid: [] for person_uuid in attained}
    carriers = _carriers(db)
    carried = {person_uuid: carry(levels, carriers) for person_uuid, levels in attained.items()}
    wanted = {uuid for levels in attained.values() for uuid in levels} | {uuid for levels in carried.values() for uuid in levels}
    nodes = {name[0]: _Name(*name) for name in _NAMES.flushed_rows(db, {"nodes": list(wanted)})}
    return {person_uuid: _attainment_views(nodes, attained[person_uuid], carried[person_uuid]) for person_uuid in attained}


def _attainment_views(
    nodes: Mapping[UUID, _Name], attained: Mapping[UUID, Attained], carried: Mapping[UUID, tuple[UUID, Attained]]
) -> list[AttainmentView]:
    views = [_attainment_view(nodes[uuid], one) for uuid, one in attained.items() if uuid in nodes]
    views += [
        dataclasses.replace(_attainment_view(nodes[uuid], one), carried_from=nodes[origin].key)
        for uuid, (origin, one) in carried.items()
        if uuid in nodes and origin in nodes
    ]
    return sorted(views, key=lambda view: view.node_key)


def _standings(
    nodes: Sequence[NodeView], targets: Mapping[UUID, list[TargetFact]], attained: Sequence[AttainmentView], roles: Collection[str]
) -> list[Standing]:
    shown_in = {view.node_uuid: view for view in attained}
    standings = []
    for node in nodes:
        target = resolve(targets.get(node.uuid, ()), roles=roles)
        attainment = shown_in.get(node.uuid)
        if (node.kind == "group" and node.core) or target is not None or attainment is not None:
            standings.append(_standing(node, target, attainment))
    return standings


def _kept(db: Session) -> dict[str, FrameworkView]:
    """What a session has read of frameworks, by id: a version never changes once it is loaded."""
    kept: dict[str, FrameworkView] = db.info.setdefault(_KEPT, {})
    return kept


@event.listens_for(Session, "after_soft_rollback")
def _forget(db: Session, _transaction: object) -> None:
    """A version that was loaded in this transaction may be gone."""
    db.info.pop(_KEPT, None)


def _read_nodes(db: Session, framework_id: str) -> tuple[NodeView, ...]:
    rows = db.scalars(select(FrameworkNode).where(FrameworkNode.framework_id == framework_id).order_by(FrameworkNode.position)).all()
    keys = {row.uuid: row.key for row in rows}
    return tuple(
        NodeView(
            uuid=row.uuid,
            key=row.key,
            code=row.code,
            kind=row.kind,
            parent=keys[row.parent_uuid] if row.parent_uuid else None,
            label=row.label,
            core=row.core,
            confidence=row.confidence,
            awaiting=tuple(row.awaiting),
            role_groups=tuple(row.role_groups),
        )
        for row in rows
    )


def _carriers(db: Session) -> list[Carrier]:
    found = _CARRIERS.flushed_rows(db, {"relations": sorted(CARRYING_RELATIONS)})
    return [Carrier(start, end, relation, reviewed=True) for start, end, relation in found]


def _evidence(db: Session, tenant_id: int, person_uuid: UUID, node_uuids: Collection[UUID]) -> Sequence[Evidence]:
    return db.scalars(
        select(Evidence)
        .where(Evidence.tenant_id == tenant_id, Evidence.person_uuid == person_uuid, Evidence.node_uuid.in_(node_uuids))
        .order_by(Evidence.observed_at.desc(), Evidence.uuid)
    ).all()


def _evidence_view(row: Evidence, node_key: str, *, deciding: bool) -> EvidenceView:
    return EvidenceView(
        uuid=row.uuid,
        node_key=node_key,
        kind=row.kind,
        level=level_of(shown(row), RULE),
        theta=row.theta,
        se=row.se,
        n_items=row.n_items,
        borderline=row.borderline,
        indicative=row.indicative,
        cut_set=row.cut_set,
        attempt_uuid=row.attempt_uuid,
        observed_at=row.observed_at,
        statement_id=row.statement_id,
        counts=is_counted(shown(row), RULE),
        deciding=deciding,
    )


def _attainment_view(node: _Name, one: Attained) -> AttainmentView:
    return AttainmentView(
        node_key=node.key,
        node_uuid=node.uuid,
        label=node.label,
        level=one.level,
        theta=one.theta,
        se=one.se,
        as_of=one.as_of,
        expires_at=one.expires_at,
        borderline=one.borderline,
        indicative=one.indicative,
        evidence_ids=(one.evidence_uuid,),
        statement_ids=(one.statement_id,),
        rule_version=one.rule_version,
    )


def _standing(node: NodeView, target: TargetFact | None, attainment: AttainmentView | None) -> Standing:
    level = attainment.level if attainment is not None else None
    return Standing(
        node=node,
        level=level,
        target=target.min_level if target is not None else None,
        gap=max(0, target.min_level - level) if target is not None and level is not None else None,
        due=target.due if target is not None else None,
        source=target.set_by if target is not None else None,
        attainment=attainment,
    )
