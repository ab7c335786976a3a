"""Writing: frameworks, adoptions, targets, scope, and the evidence and attainment that statements bring about."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from itertools import groupby, islice
from typing import Any, Final, TypeVar, cast
from uuid import UUID

from sqlalchemy import Table, bindparam, delete, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from kernel.clock import local_date
from kernel.db import Base, connection_of
from kernel.ids import derived_uuid
from kernel.langmap import LangMap
from kernel.prepared import OneOf, Prepared, either
from roadmap import queries
from roadmap.attainment import RULE, Attained, Shown, attain
from roadmap.comparison import compare_tables, copy_table
from roadmap.errors import (
    AdoptionConflict,
    AlignmentOnly,
    RuleVersionChanged,
    TargetRefused,
    UnknownFramework,
    UnknownLink,
    UnknownNode,
    UnknownRole,
    VersionImmutable,
)
from roadmap.evidence_rules import EvidenceDraft, authority_of, evidence_from, voided_by
from roadmap.framework import DEFAULT_SCALE, TOP_RANK, FrameworkDraft, LinkDraft, parse_document
from roadmap.models import (
    AgencyFramework,
    Attainment,
    Crosswalk,
    Evidence,
    Framework,
    FrameworkNode,
    FrameworkRole,
    PersonScope,
    RuleVersion,
    ScaleLevel,
    Target,
    Withdrawal,
)
from roadmap.targets import SETTERS
from roadmap.views import FrameworkView, LinkView, PersonView, RebuildReport, Recorded, TargetView

Thing = TypeVar("Thing")
Told = tuple[int, Mapping[str, Any]] | tuple[int, Mapping[str, Any], bool]
"""An agency, a statement, and whether the LRS holds it as voided."""

LOCKS_A_KIND = 256
"""Locks that the people, or the statements, of one agency share."""
BATCH = 1_000
"""Rows that are held at once while statements or evidence stream by."""
ANYONE = "*"
"""Authority of a withdrawal that holds whoever said the statement."""
SHOWN_DIFFERENCES = 100
"""Differences that a rebuild describes; it counts all of them."""


def load_frameworks(db: Session, document: Mapping[str, Any], *, now: datetime) -> list[FrameworkView]:
    """Loads the frameworks and links of a document; what stands there already stays.

    Returns  every framework that the document names
    Raises   FrameworkRefused for any fault in it, VersionImmutable when a loaded version or link came with other content;
             nothing of the document is kept then
    """
    known = dict(db.execute(select(FrameworkNode.key, FrameworkNode.uuid)).all())
    draft = parse_document(document, known_keys=known.keys())
    digests = dict(db.execute(select(Framework.id, Framework.digest)).all())
    for framework in draft.frameworks:
        if framework.id in digests and digests[framework.id] != framework.digest:
            raise VersionImmutable(name=framework.id)
    for framework in draft.frameworks:
        if framework.id not in digests:
            _add_framework(db, framework, now)
    db.flush()  # links point to nodes
    uuids = known | {node.key: node.uuid for framework in draft.frameworks for node in framework.nodes}
    links = {link.uuid: link for link in db.scalars(select(Crosswalk))}
    for link in draft.links:
        _add_link(db, link, uuids, links.get(link.uuid))
    db.flush()
    return [queries.get_framework(db, framework.id) for framework in draft.frameworks]


def _add_framework(db: Session, draft: FrameworkDraft, now: datetime) -> None:
    db.add(
        Framework(
            id=draft.id,
            version=draft.version,
            title=dict(draft.title),
            issuer=draft.issuer,
            status=draft.status,
            alignment_only=draft.alignment_only,
            digest=draft.digest,
            record=dict(draft.record),
            loaded_at=now,
        )
    )
    db.flush()  # the rest points to it
    uuids = {node.key: node.uuid for node in draft.nodes}
    for node in sorted(draft.nodes, key=lambda node: node.parent is not None):
        values = asdict(node)
        values.update(framework_id=draft.id, awaiting=list(node.awaiting), role_groups=list(node.role_groups))
        values["parent_uuid"] = uuids[parent] if (parent := values.pop("parent")) else None
        db.add(FrameworkNode(**values))
    db.add_all(FrameworkRole(framework_id=draft.id, **asdict(role)) for role in draft.roles)
    db.add_all(ScaleLevel(framework_id=draft.id, provisional=True, **asdict(level)) for level in DEFAULT_SCALE)


def _add_link(db: Session, draft: LinkDraft, uuids: Mapping[str, UUID], stored: Crosswalk | None) -> None:
    if stored is None:
        db.add(
            Crosswalk(
                uuid=draft.uuid,
                from_uuid=uuids[draft.from_key],
                to_uuid=uuids[draft.to_key] if draft.to_key else None,
                to_external=draft.to_external,
                relation=draft.relation,
                source=draft.source,
                confidence=draft.confidence,
                basis=draft.basis,
            )
        )
    elif (stored.source, stored.confidence, stored.basis) != (draft.source, draft.confidence, draft.basis):
        raise VersionImmutable(name=f"{draft.from_key} {draft.relation} {draft.to_key or draft.to_external}")


def review_link(db: Session, *, from_key: str, to: str, relation: str, reviewed_by: str, now: datetime) -> LinkView:
    """Records that a person has confirmed one link: from now on attainment is carried along it, if its relation carries.

    Raises   UnknownLink
    """
    link = db.get(Crosswalk, derived_uuid("crosswalk", from_key, to, relation))
    if link is None:
        raise UnknownLink(start=from_key, end=to)
    link.reviewed_by, link.reviewed_at = reviewed_by, now
    db.flush()
    return next(view for view in queries.list_links(db) if (view.from_key, view.to, view.relation) == (from_key, to, relation))


def adopt_framework(db: Session, *, tenant_id: int, framework_id: str, valid_from: date, now: datetime) -> None:
    """From a day on the agency holds this framework, until its next adoption. Doing it twice changes nothing.

    Raises   UnknownFramework, AlignmentOnly, AdoptionConflict when it adopted another one from the same day
    """
    framework = db.get(Framework, framework_id)
    if framework is None:
        raise UnknownFramework(framework=framework_id)
    if framework.alignment_only:
        raise AlignmentOnly(framework=framework_id)
    stored = db.get(AgencyFramework, (tenant_id, valid_from))
    if stored is not None and stored.framework_id != framework_id:
        raise AdoptionConflict(framework=stored.framework_id, day=valid_from.isoformat())
    if stored is None:
        db.add(AgencyFramework(tenant_id=tenant_id, valid_from=valid_from, framework_id=framework_id, adopted_at=now))
        db.flush()


def set_target(
    db: Session, *, tenant_id: int | None, node_key: str, min_level: int, role: str | None, due: date | None, set_by: str, now: datetime
) -> TargetView:
    """Asks a level of everyone or of one role; the same agency, node, role and setter have one target, the newest.

    tenant_id  the agency; None asks it of every agency, which only `national` may
    min_level  1 to the top of the scale
    role       a role or personnel group of the node's framework; None is everyone
    set_by     `agency`, `ministry` or `national`
    Raises     UnknownNode, AlignmentOnly, UnknownRole, TargetRefused
    """
    if set_by not in SETTERS or (tenant_id is None and set_by != "national"):
        raise TargetRefused(field="set_by", value=set_by)
    if isinstance(min_level, bool) or not 1 <= min_level <= TOP_RANK:
        raise TargetRefused(field="min_level", value=min_level)
    node = db.scalar(select(FrameworkNode).where(FrameworkNode.key == node_key))
    if node is None:
        raise UnknownNode(node=node_key)
    if db.get_one(Framework, node.framework_id).alignment_only:
        raise AlignmentOnly(framework=node.framework_id)
    if role is not None:
        _check_role(db, node.framework_id, role)
    if tenant_id is not None and node.framework_id not in queries.list_adopted(db, tenant_id=tenant_id, since=local_date(now)):
        raise TargetRefused(field="node", value=node_key)
    uuid = derived_uuid("target", "every-agency" if tenant_id is None else str(tenant_id), node_key, role or "*", set_by)
    target = db.get(Target, uuid) or Target(uuid=uuid, tenant_id=tenant_id, node_uuid=node.uuid, role=role, set_by=set_by)
    target.min_level, target.due, target.set_at = min_level, due, now
    db.add(target)
    db.flush()
    return queries.target_view(target, node_key)


def remove_target(db: Session, *, tenant_id: int | None, target_uuid: UUID) -> bool:
    """Takes a target back; False when there is none of this name in the agency."""
    owner = Target.tenant_id.is_(None) if tenant_id is None else Target.tenant_id == tenant_id
    return db.execute(delete(Target).where(Target.uuid == target_uuid, owner).returning(Target.uuid)).first() is not None


def place_person(
    db: Session,
    *,
    tenant_id: int,
    person_uuid: UUID,
    now: datetime,
    role: str | None = None,
    personnel_group: str | None = None,
    unit: str | None = None,
    unit_label: LangMap | None = None,
) -> PersonView:
    """Puts a person into the agency's scope. None leaves what is known of them; a person who had left is back.

    role, personnel_group   codes of the agency's framework, such as `OPS` and `NONIT`
    unit, unit_label        the unit's key, unique in the agency, and its name
    Raises   UnknownRole; UnknownFramework when a role is given and no framework is loaded
    """
    if role is not None or personnel_group is not None:
        framework = queries.active_framework_id(db, tenant_id=tenant_id, on=local_date(now))
        for code in filter(None, (role, personnel_group)):
            _check_role(db, framework, code)
    db.execute(
        _insert(db, PersonScope)
        .values(tenant_id=tenant_id, person_uuid=person_uuid, unit_label={}, placed_at=now)
        .on_conflict_do_nothing(index_elements=["tenant_id", "person_uuid"])
    )
    person = db.get_one(PersonScope, (tenant_id, person_uuid))
    person.role = role or person.role
    person.personnel_group = personnel_group or person.personnel_group
    if unit is not None and unit != person.unit_key:
        person.unit_key, person.unit_label = unit, {}
    person.unit_label = dict(unit_label) if unit_label else person.unit_label
    person.left_at = None
    db.flush()
    return queries.person_view(person)


def place_people(db: Session, *, tenant_id: int, person_uuids: Collection[UUID], now: datetime) -> None:
    """Puts many people into the agency's scope at once, as `place_person` does with one of whom nothing else is known."""
    if person_uuids:
        rows = [{"tenant_id": tenant_id, "person_uuid": person, "unit_label": {}, "placed_at": now} for person in person_uuids]
        insert = _insert(db, PersonScope)
        back = {"set_": {"left_at": None}, "where": PersonScope.left_at.is_not(None)}
        db.execute(insert.on_conflict_do_update(index_elements=["tenant_id", "person_uuid"], **back), rows)


def leave_scope(db: Session, *, tenant_id: int, person_uuid: UUID, now: datetime) -> bool:
    """Takes a person out of the agency's scope; evidence and attainment stay. False when they were not in it."""
    left = (
        update(PersonScope)
        .where(PersonScope.tenant_id == tenant_id, PersonScope.person_uuid == person_uuid, PersonScope.left_at.is_(None))
        .values(left_at=now)
        .returning(PersonScope.person_uuid)
    )
    return db.execute(left).first() is not None


def rename_person(db: Session, *, tenant_id: int, person_uuid: UUID, new_uuid: UUID) -> int:
    """Makes scope, evidence and attainment of one person those of another, of whom nothing is known yet.

    It is what a rebuild makes of statements in which the person's name was changed in the same way.
    Returns  how many pieces of evidence there are
    """
    _wait_turn(db, "person", tenant_id, {person_uuid, new_uuid})
    n_evidence = 0
    for model in (PersonScope, Attainment, Evidence):
        table: Any = model.__table__
        mine = (table.c.tenant_id == tenant_id, table.c.person_uuid == person_uuid)
        n_evidence = len(db.execute(table.update().where(*mine).values(person_uuid=new_uuid).returning(table.c.tenant_id)).all())
    return n_evidence


def forget_person(db: Session, *, tenant_id: int, person_uuid: UUID, keep_as: UUID | None) -> int:
    """Takes a person out of the agency's scope, without a trace of role or unit, and removes evidence and attainment.

    keep_as   who has evidence and attainment from now on, because their statements stay under that name; None removes both
    Returns   how many pieces of evidence there were
    """
    mine = {model: (model.tenant_id == tenant_id, model.person_uuid == person_uuid) for model in (PersonScope, Attainment, Evidence)}
    db.execute(delete(PersonScope).where(*mine[PersonScope]))
    if keep_as is not None:
        return rename_person(db, tenant_id=tenant_id, person_uuid=person_uuid, new_uuid=keep_as)
    _wait_turn(db, "person", tenant_id, {person_uuid})
    db.execute(delete(Attainment).where(*mine[Attainment]))
    return len(db.scalars(delete(Evidence).where(*mine[Evidence]).returning(Evidence.uuid)).all())


def record_statements(db: Session, *, tenant_id: int, statements: Sequence[Mapping[str, Any]], home_page: str | None = None) -> Recorded:
    """Evidence and attainment from statements, in the caller's transaction. The same statement again changes nothing.

    A voiding statement withdraws the evidence of the statement that it names. It is heard as the LRS has it: about a statement that
    is known, it was let in and holds; ahead of its statement, it holds for the words of its own authority only.
    Two transactions on the same person or statement wait for each other, so that neither overlooks the other's evidence.

    statements  in their order of arrival
    home_page   where the accounts of the agency's people live; None takes an account of any
    """
    words = _words(((statement, False) for statement in statements), home_page)
    if not words:
        return Recorded(0, (), ())
    _wait_turn(db, "statement", tenant_id, {word.about for word in words})
    fresh, lost = _hear(db, tenant_id, words)
    of_lost = (Evidence.tenant_id == tenant_id, Evidence.statement_id.in_(lost))
    pairs = (
        {(person, node) for person, node in db.execute(select(Evidence.person_uuid, Evidence.node_uuid).where(*of_lost))} if lost else set()
    )
    _wait_turn(db, "person", tenant_id, {draft.person_uuid for draft in fresh} | {person for person, _ in pairs})
    added = _add_evidence(db, tenant_id, fresh)
    pairs |= {(draft.person_uuid, draft.node_uuid) for draft in fresh if draft.uuid in added}
    _settle(db, tenant_id, pairs, lost)
    if lost:
        db.execute(delete(Evidence).where(*of_lost))
    return Recorded(len(added), tuple(sorted({person for person, _ in pairs})), tuple(sorted({node for _, node in pairs})))


def rebuild(db: Session, statements: Iterable[Told], *, home_pages: Mapping[int, str | None] | None = None) -> RebuildReport:
    """Drops evidence and attainment, computes both again from the statements, and compares every row with the one dropped.

    statements  (agency, statement) or (agency, statement, whether the LRS holds it as voided) of everything the LRS holds, voided
                and voiding ones too, each agency's in their order of arrival; read once
    home_pages  per agency, where the accounts of its people live; None, or no entry, takes an account of any
    Returns     the report; the rows computed again stay, whether equal or not
    """
    if _is_postgresql(db):  # nobody records meanwhile; readers go on
        db.execute(text("LOCK TABLE evidence_withdrawal, evidence, attainment IN EXCLUSIVE MODE"))
    tables = [Base.metadata.tables[model.__tablename__] for model in (Evidence, Attainment)]
    copies = [copy_table(db, table) for table in tables]
    for model in (Attainment, Evidence, Withdrawal):
        db.execute(delete(model))
    homes = home_pages or {}
    n_statements = 0
    for batch in _batches(statements):
        n_statements += len(batch)
        for tenant_id, told in groupby(batch, key=lambda one: one[0]):
            fresh, lost = _hear(db, tenant_id, _words(((statement, any(voided)) for _, statement, *voided in told), homes.get(tenant_id)))
            _add_evidence(db, tenant_id, fresh)
            if lost:
                db.execute(delete(Evidence).where(Evidence.tenant_id == tenant_id, Evidence.statement_id.in_(lost)))
    _ensure_rule(db)
    for rows in _batches(_all_attainments(db)):
        db.execute(_insert(db, Attainment), rows)
    evidence, attainment = (
        compare_tables(db, before, after, shown=SHOWN_DIFFERENCES) for before, after in zip(copies, tables, strict=True)
    )
    for copy in copies:
        copy.drop(db.connection())
    return RebuildReport(
        n_statements=n_statements,
        n_evidence=evidence.n_rows,
        n_attainment=attainment.n_rows,
        n_equal=evidence.n_equal + attainment.n_equal,
        n_different=evidence.n_different + attainment.n_different,
        differences=evidence.differences + attainment.differences,
    )


@dataclass(frozen=True, slots=True)
class _Word:
    """What one statement says to the roadmap: evidence, or that another one is void."""

    about: UUID
    """The statement that gives the evidence, or that is voided."""
    authority: str
    """Who says so; `ANYONE` where the LRS itself holds it as voided."""
    drafts: Sequence[EvidenceDraft]
    """Empty where it voids."""


def _words(statements: Iterable[tuple[Mapping[str, Any], bool]], home_page: str | None) -> list[_Word]:
    """What statements say, in order; those that say nothing are left out.

    statements  (statement, whether the LRS holds it as voided)
    """
    words = []
    for statement, is_voided in statements:
        target, drafts = voided_by(statement), evidence_from(statement, home_page=home_page)
        if target is not None:
            words.append(_Word(target, authority_of(statement), ()))
        elif drafts and is_voided:
            words.append(_Word(drafts[0].statement_id, ANYONE, ()))
        elif drafts:
            words.append(_Word(drafts[0].statement_id, authority_of(statement), drafts))
    return words


_withdrawal, _evidence, _rule = (cast("Table", model.__table__) for model in (Withdrawal, Evidence, RuleVersion))
_attainment = cast("Table", Attainment.__table__)
_PAIR: Final = ("tenant_id", "person_uuid", "node_uuid")

# Statements of every finish, built once: building them costs more than the database does.

_WITHDRAWN = Prepared(
    select(_withdrawal.c.statement_id, _withdrawal.c.authority).where(
        _withdrawal.c.tenant_id == bindparam("tenant"), OneOf(_withdrawal.c.statement_id, "statements")
    )
)
_SHOWN_OF = Prepared(
    select(
        _evidence.c.person_uuid, _evidence.c.node_uuid, _evidence.c.uuid, _evidence.c.statement_id, _evidence.c.kind, _evidence.c.level,
        _evidence.c.theta, _evidence.c.se, _evidence.c.borderline, _evidence.c.indicative, _evidence.c.observed_at,
    ).where(_evidence.c.tenant_id == bindparam("tenant"), OneOf(_evidence.c.person_uuid, "people"), OneOf(_evidence.c.node_uuid, "nodes"))
)  # fmt: skip
_POLICY = Prepared(select(_rule.c.policy).where(_rule.c.key == bindparam("rule")))
_ADD_EVIDENCE = either(lambda insert: insert(_evidence).on_conflict_do_nothing().returning(_evidence.c.uuid))


def _setting(insert: Any) -> Any:
    upsert = insert(_attainment)
    values = {column.name: upsert.excluded[column.name] for column in _attainment.columns if column.name not in _PAIR}
    return upsert.on_conflict_do_update(index_elements=_PAIR, set_=values)


_SET_ATTAINMENT = either(_setting)


def _hear(db: Session, tenant_id: int, words: Sequence[_Word]) -> tuple[list[EvidenceDraft], set[UUID]]:
    """Takes words in, one after the other, and keeps the withdrawals.

    Returns   the evidence that stands, new or not, and the statements whose evidence goes
    """
    about, voided = {word.about for word in words}, {word.about for word in words if not word.drafts}
    withdrawn = set(_WITHDRAWN.flushed_rows(db, {"tenant": tenant_id, "statements": list(about)}))
    with_evidence = select(Evidence.statement_id).where(Evidence.tenant_id == tenant_id, Evidence.statement_id.in_(voided))
    known = set(db.scalars(with_evidence)) if voided else set()
    fresh: dict[UUID, Sequence[EvidenceDraft]] = {}
    lost: set[UUID] = set()
    rows = []
    for word in words:
        if (word.about, word.authority) in withdrawn or (word.about, ANYONE) in withdrawn:
            continue  # evidence that is void, or a voiding that was heard before
        if word.drafts:
            fresh[word.about] = word.drafts
            known.add(word.about)
            continue
        authority = word.authority
        if word.about in known:
            authority = ANYONE
            lost.add(word.about)
            fresh.pop(word.about, None)
        withdrawn.add((word.about, authority))
        rows.append({"tenant_id": tenant_id, "statement_id": word.about, "authority": authority})
    if rows:
        db.execute(_insert(db, Withdrawal).on_conflict_do_nothing(), rows)
    return [draft for drafts in fresh.values() for draft in drafts], lost


def _add_evidence(db: Session, tenant_id: int, drafts: Sequence[EvidenceDraft]) -> set[UUID]:
    """Stores evidence that does not stand there yet; returns what was new."""
    if not drafts:
        return set()
    rows = [{"tenant_id": tenant_id, **asdict(draft)} for draft in drafts]
    connection = connection_of(db)
    return set(connection.scalars(_ADD_EVIDENCE[connection.dialect.name], rows))


def _settle(db: Session, tenant_id: int, pairs: Collection[tuple[UUID, UUID]], voided: Collection[UUID]) -> None:
    """Brings the attainment of these (person, competency) pairs in line with their evidence, the voided left out."""
    if not pairs:
        return
    _ensure_rule(db)
    evidence: dict[tuple[UUID, UUID], list[Shown]] = {pair: [] for pair in pairs}
    wanted = {"tenant": tenant_id, "people": list({person for person, _ in pairs}), "nodes": list({node for _, node in pairs})}
    for person_uuid, node_uuid, *values in _SHOWN_OF.flushed_rows(db, wanted):
        piece = Shown(*values)
        if (person_uuid, node_uuid) in evidence and piece.statement_id not in voided:
            evidence[person_uuid, node_uuid].append(piece)
    rows = []
    for (person_uuid, node_uuid), pieces in evidence.items():
        attained = attain(pieces, RULE)
        if attained is not None:
            rows.append(_attainment_row(tenant_id, person_uuid, node_uuid, attained))
        else:
            of_pair = (Attainment.tenant_id == tenant_id, Attainment.person_uuid == person_uuid, Attainment.node_uuid == node_uuid)
            db.execute(delete(Attainment).where(*of_pair))
    if rows:
        connection = connection_of(db)
        connection.execute(_SET_ATTAINMENT[connection.dialect.name], rows)


def _all_attainments(db: Session) -> Iterator[dict[str, Any]]:
    """The attainment rows that the whole evidence gives, as a stream."""
    ordered = select(Evidence).order_by(Evidence.tenant_id, Evidence.person_uuid, Evidence.node_uuid)
    stream = db.scalars(ordered.execution_options(yield_per=BATCH))
    for (tenant_id, person_uuid, node_uuid), rows in groupby(stream, key=lambda row: (row.tenant_id, row.person_uuid, row.node_uuid)):
        attained = attain([queries.shown(row) for row in rows], RULE)
        if attained is not None:
            yield _attainment_row(tenant_id, person_uuid, node_uuid, attained)


def _attainment_row(tenant_id: int, person_uuid: UUID, node_uuid: UUID, attained: Attained) -> dict[str, Any]:
    values = asdict(attained)
    del values["statement_id"]  # the evidence holds it
    return {"tenant_id": tenant_id, "person_uuid": person_uuid, "node_uuid": node_uuid, **values}


def _ensure_rule(db: Session) -> None:
    """The rule in force stands in the database, word for word."""
    stored = _POLICY.flushed_rows(db, {"rule": RULE.key})
    if not stored:
        db.execute(_insert(db, RuleVersion).values(key=RULE.key, policy=RULE.as_policy()).on_conflict_do_nothing())
    elif stored[0][0] != RULE.as_policy():
        raise RuleVersionChanged(rule=RULE.key)


def _check_role(db: Session, framework_id: str, code: str) -> None:
    if (
        code
        not in db.scalars(select(FrameworkRole.code).where(FrameworkRole.framework_id == framework_id, FrameworkRole.axis != "stage")).all()
    ):
        raise UnknownRole(framework=framework_id, role=code)


def _wait_turn(db: Session, kind: str, tenant_id: int, names: Collection[UUID]) -> None:
    """Holds these names until the transaction ends, in one order for all; SQLite has one writer anyway.

    The names share a fixed number of locks: a server has room for some thousand in all, and one batch may name as many people.
    """
    if names and _is_postgresql(db):
        shares = {name.int % LOCKS_A_KIND for name in names}
        keys = sorted(derived_uuid("lock", kind, str(tenant_id), str(share)).int >> 65 for share in shares)
        db.execute(text("SELECT pg_advisory_xact_lock(key) FROM unnest(CAST(:keys AS bigint[])) AS key"), {"keys": keys})


def _is_postgresql(db: Session) -> bool:
    return db.get_bind().dialect.name == "postgresql"


def _insert(db: Session, model: type[Base]) -> Any:
    """The insert of the database in use, which knows what to do on conflict."""
    return (postgresql.insert if _is_postgresql(db) else sqlite.insert)(model)


def _batches(things: Iterable[Thing]) -> Iterator[list[Thing]]:
    rest = iter(things)
    while batch := list(islice(rest, BATCH)):
        yield batch
