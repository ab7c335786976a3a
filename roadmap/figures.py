"""Figures to decide by: coverage and attainment by area, and by unit or agency, with small groups protected.

People are counted by the database into tallies (agency, unit, role, level); targets, sums and suppression work on those.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, NamedTuple, Self
from uuid import UUID

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from kernel.langmap import LangMap
from roadmap import queries
from roadmap.attainment import RULE
from roadmap.models import Attainment, PersonScope
from roadmap.suppression import ALL_OR_NONE_FACTOR, Count, Mask, Part, protect_levels, total
from roadmap.targets import TargetFact, resolve
from roadmap.views import AreaFigure, Figures, FrameworkView, GroupFigure, NodeView

UNKNOWN_UNIT: Final[LangMap] = {"th": "ไม่ทราบหน่วยงานย่อย", "en": "Unit not known"}

DEFINITIONS: Final[Mapping[str, LangMap]] = {
    "scope": {
        "th": "จำนวนบุคลากรทุกคนที่อยู่ในขอบเขตของหน่วยงาน ณ เวลาที่คำนวณ ไม่ว่าจะประเมินแล้วหรือยัง",
        "en": "Everyone in the agency's scope at the time of calculation, assessed or not.",
    },
    "assessed": {
        "th": "จำนวนคนในขอบเขตที่มีหลักฐานซึ่งยังใช้ได้ในด้านนี้",
        "en": "People in scope with evidence in this area that still counts.",
    },
    "coverage": {
        "th": "ความครอบคลุม คือ จำนวนคนที่มีหลักฐาน หารด้วยจำนวนคนทั้งหมดในขอบเขต",
        "en": "Coverage is the number of people with evidence divided by everyone in scope.",
    },
    "met": {
        "th": "จำนวนคนที่มีระดับถึงเป้าหมายของตนในด้านนี้ ผู้ที่ไม่มีเป้าหมายหรือยังไม่ทราบระดับจะไม่นับ",
        "en": "People whose level reaches their own target in this area. Those without a target or with an unknown level do not count.",
    },
    "attainment": {
        "th": "การบรรลุเป้าหมาย คือ จำนวนคนที่ถึงเป้าหมาย หารด้วยจำนวนคนทั้งหมดในขอบเขต ไม่ใช่เฉพาะผู้ที่ประเมินแล้ว",
        "en": "Attainment is the number of people who met their target divided by everyone in scope, not only those assessed.",
    },
    "mean_gap": {
        "th": "ช่องว่างเฉลี่ย คือ จำนวนระดับที่ยังขาดจากเป้าหมาย (ไม่ต่ำกว่าศูนย์) เฉลี่ยเฉพาะผู้ที่มีเป้าหมายและมีหลักฐาน",
        "en": "The mean gap is the number of levels still missing to the target, at least zero, over people with a target and evidence.",
    },
    "levels": {
        "th": "จำนวนคนในแต่ละระดับ ระดับที่ยกมาจากกรอบฉบับอื่นไม่นับรวม",
        "en": "People at each level. Levels carried over from another framework version are not counted.",
    },
    "unknown": {
        "th": "จำนวนคนในขอบเขตที่ยังไม่ทราบระดับ ซึ่งไม่ใช่ระดับศูนย์",
        "en": "People in scope whose level is not known; this is not level zero.",
    },
    "no_target": {
        "th": "ยังไม่มีการกำหนดเป้าหมาย จึงไม่มีค่าการบรรลุเป้าหมายและช่องว่าง",
        "en": "No target has been set, so there is no attainment and no gap.",
    },
    "hidden": {
        "th": "ไม่แสดงค่า เพื่อไม่ให้ทราบผลของคนในกลุ่มเล็ก ค่าของกลุ่มอื่นอาจไม่แสดงด้วยเพื่อไม่ให้คำนวณย้อนกลับได้",
        "en": "Withheld so that nobody in a small group can be recognised; others may be withheld so that it cannot be worked out.",
    },
    "as_of": {
        "th": "เวลาที่คำนวณตัวเลขชุดนี้จากหลักฐานที่มีอยู่",
        "en": "The time at which these figures were computed from the evidence at hand.",
    },
}


@dataclass(slots=True)
class _Tally:
    """People of one group in one area."""

    levels: Counter[int] = field(default_factory=Counter)
    judged: int = 0
    met: int = 0
    gap: int = 0
    """Sum over those judged, levels."""

    def add(self, level: int, people: int, target: TargetFact | None) -> None:
        """Counts people at one level, all under the same target."""
        self.levels[level] += people
        if target is not None:
            self.judged += people
            self.met += people if level >= target.min_level else 0
            self.gap += people * max(0, target.min_level - level)

    def __iadd__(self, other: "_Tally") -> Self:
        self.levels += other.levels
        self.judged, self.met, self.gap = self.judged + other.judged, self.met + other.met, self.gap + other.gap
        return self


_Unit = tuple[int, str]
"""Agency and unit key; an empty key where the unit is not known."""


class _Kind(NamedTuple):
    """What people are counted by: those of one kind share unit and targets."""

    tenant_id: int
    unit: str | None
    role: str | None
    personnel_group: str | None


@dataclass(slots=True)
class _People:
    """Everyone in scope, counted."""

    targets: Mapping[int, Mapping[UUID, list[TargetFact]]]
    scope: Counter[_Unit] = field(default_factory=Counter)
    tallies: dict[tuple[_Unit, UUID], _Tally] = field(default_factory=dict)
    with_target: set[UUID] = field(default_factory=set)
    """Areas in which somebody in scope has a target."""

    def add_scope(self, kind: _Kind, people: int, areas: Collection[UUID]) -> None:
        """Counts people of one kind, whatever is known of their levels."""
        self.scope[kind.tenant_id, kind.unit or ""] += people
        self.with_target.update(area for area in areas if self._target(kind, area) is not None)

    def add_level(self, kind: _Kind, area: UUID, level: int, people: int) -> None:
        """Counts people of one kind who stand at one level in one area."""
        tally = self.tallies.setdefault(((kind.tenant_id, kind.unit or ""), area), _Tally())
        tally.add(level, people, self._target(kind, area))

    def _target(self, kind: _Kind, area: UUID) -> TargetFact | None:
        codes = {code for code in (kind.role, kind.personnel_group) if code}
        return resolve(self.targets[kind.tenant_id].get(area, ()), roles=codes)


def figures(db: Session, *, tenant_ids: Sequence[int], today: date, now: datetime, k: int = 5, agency: int | None = None) -> Figures:
    """Coverage and attainment by area, with a table by unit for one agency or by agency for several.

    tenant_ids  the agencies whose figures are read together: all that the reader may see, always the same set, because
                tables over different sets could be subtracted from each other
    k           the smallest group that may be seen: 5 inside an agency, 10 for publication
    agency      one of them, to see its own figures and units under the mask of the whole table
    """
    frameworks: dict[str, list[int]] = {}
    for tenant_id, framework_id in queries.active_framework_ids(db, tenant_ids=sorted(set(tenant_ids)), on=today).items():
        frameworks.setdefault(framework_id, []).append(tenant_id)
    targets = queries.target_facts(db, tenant_ids=set(tenant_ids))
    one = agency if agency is not None else (tenant_ids[0] if len(set(tenant_ids)) == 1 else None)
    sizes: list[int | None] = []
    areas: list[AreaFigure] = []
    rows: list[GroupFigure] = []
    for framework_id, members in sorted(frameworks.items()):
        if one is not None and one not in members:
            continue
        framework = queries.get_framework(db, framework_id)
        nodes = _areas(framework, {node for tenant_id in members for node in targets[tenant_id]})
        people = _count(db, members, {node.uuid for node in nodes}, targets, now)
        size, found, table = _Table(people, nodes, len(framework.scale), k).read(members, one, _unit_labels(db, one))
        sizes.append(size)
        areas += found
        rows += table
    return Figures(
        n_scope=None if None in sizes else sum(size for size in sizes if size is not None),
        areas=tuple(areas),
        units=tuple(rows) if one is not None else (),
        agencies=tuple(rows) if one is None else (),
        as_of=now,
        k=k,
        rule_version=RULE.key,
        definitions=DEFINITIONS,
    )


def _areas(framework: FrameworkView, targeted: Collection[UUID]) -> list[NodeView]:
    """The areas to report on: the core ones (all, when the framework names none as core) and any other with a target."""
    has_core = any(node.core for node in framework.groups)
    return [node for node in framework.groups if node.core or not has_core or node.uuid in targeted]


def _count(
    db: Session, tenant_ids: Collection[int], areas: Collection[UUID], targets: Mapping[int, Mapping[UUID, list[TargetFact]]], now: datetime
) -> _People:
    people = _People(targets)
    still_there = or_(PersonScope.left_at.is_(None), PersonScope.left_at > now)
    in_scope = and_(PersonScope.tenant_id.in_(tenant_ids), PersonScope.placed_at <= now, still_there)
    kind: tuple[Any, ...] = (PersonScope.tenant_id, PersonScope.unit_key, PersonScope.role, PersonScope.personnel_group)
    for row in db.execute(select(*kind, func.count()).where(in_scope).group_by(*kind)):
        people.add_scope(_Kind._make(row[:4]), row[4], areas)
    in_areas = Attainment.node_uuid.in_(areas)
    holds = or_(Attainment.expires_at.is_(None), Attainment.expires_at > now)
    counted_by = (*kind, Attainment.node_uuid, Attainment.level)
    counted: Iterable[Any] = db.execute(_joined(*counted_by, func.count()).where(in_scope, in_areas, holds).group_by(*counted_by))
    for *who, area, level, n in counted:
        people.add_level(_Kind._make(who), area, level, n)
    expired = _joined(*kind, Attainment.node_uuid, Attainment.person_uuid).where(in_scope, in_areas, ~holds)
    lapsed: Iterable[Any] = db.execute(expired).all()
    for *who, area, person_uuid in lapsed:
        again = queries.attain_again(db, tenant_id=who[0], person_uuid=person_uuid, node_uuid=area, now=now)
        if again is not None:
            people.add_level(_Kind._make(who), area, again.level, 1)
    return people


def _joined(*columns: Any) -> Any:
    """People in scope beside what they attained."""
    same_person = and_(Attainment.tenant_id == PersonScope.tenant_id, Attainment.person_uuid == PersonScope.person_uuid)
    return select(*columns).select_from(PersonScope).join(Attainment, same_person)


def _unit_labels(db: Session, tenant_id: int | None) -> dict[str, LangMap]:
    if tenant_id is None:
        return {}
    rows = db.execute(
        select(PersonScope.unit_key, PersonScope.unit_label)
        .where(PersonScope.tenant_id == tenant_id, PersonScope.unit_key.is_not(None))
        .distinct()
    ).all()
    named = sorted((unit, sorted(label.items())) for unit, label in rows if unit is not None)
    return {"": UNKNOWN_UNIT} | {unit: dict(label) for unit, label in named}


@dataclass(frozen=True, slots=True)
class _Table:
    """The people of agencies with one framework, laid out for reading."""

    people: _People
    nodes: Sequence[NodeView]
    n_ranks: int
    k: int

    def read(
        self, members: Sequence[int], one: int | None, labels: Mapping[str, LangMap]
    ) -> tuple[int | None, list[AreaFigure], list[GroupFigure]]:
        """Size, areas and rows: of one agency with its units, or of all with the agencies; everything under its mask."""
        units = {tenant_id: sorted(unit for owner, unit in self.people.scope if owner == tenant_id) for tenant_id in members}
        parts = {str(tenant_id): [self._part((tenant_id, unit)) for unit in units[tenant_id]] for tenant_id in members if units[tenant_id]}
        upper, lower = protect_levels(parts, k=self.k)
        groups: dict[str, tuple[int, LangMap, list[_Unit]]]
        if one is None:
            whole, mask, masks = total("", [part for rows in parts.values() for part in rows]), upper.whole, upper.parts
            groups = {key: (int(key), {}, [(int(key), unit) for unit in units[int(key)]]) for key in parts}
        elif str(one) in parts:
            whole, mask, masks = total("", parts[str(one)]), lower[str(one)].whole, lower[str(one)].parts
            groups = {unit: (one, labels.get(unit, {}), [(one, unit)]) for unit in units[one]}
        else:
            whole, mask, masks, groups = total("", []), Mask(scope=True), {}, {}
        everyone = [unit for _, _, members_of in groups.values() for unit in members_of]
        rows = [
            GroupFigure(
                key=key,
                tenant_id=tenant_id,
                label=label,
                scope=None if masks[key].scope else sum(self.people.scope[unit] for unit in members_of),
                areas=tuple(self._figure(node, members_of, masks[key], with_levels=False) for node in self.nodes),
                hidden=masks[key].scope,
            )
            for key, (tenant_id, label, members_of) in groups.items()
        ]
        areas = [self._figure(node, everyone, mask, with_levels=True) for node in self.nodes]
        return None if mask.scope else whole.scope, areas, rows

    def _part(self, unit: _Unit) -> Part:
        counts = {}
        for node in self.nodes:
            tally = self.people.tallies.get((unit, node.uuid), _Tally())
            counts[node.key] = Count(tally.levels.total(), tally.judged, tally.met if node.uuid in self.people.with_target else None)
        return Part(unit[1], self.people.scope[unit], counts)

    def _figure(self, node: NodeView, units: Sequence[_Unit], mask: Mask, *, with_levels: bool) -> AreaFigure:
        tally = _Tally()
        for unit in units:
            tally += self.people.tallies.get((unit, node.uuid), _Tally())
        scope, assessed = sum(self.people.scope[unit] for unit in units), tally.levels.total()
        has_target = node.uuid in self.people.with_target
        shows_assessed = not mask.scope and node.key not in mask.assessed
        shows_met = shows_assessed and has_target and node.key not in mask.met
        n_short = tally.judged - tally.met
        shows_gap = shows_met and not 0 < n_short < self.k  # of a few who fall short, the mean would tell by how much each does
        shows_levels = with_levels and node.key not in mask.met and shows_assessed and assessed >= ALL_OR_NONE_FACTOR * self.k
        return AreaFigure(
            node=node,
            has_target=has_target,
            scope=None if mask.scope else scope,
            assessed=assessed if shows_assessed else None,
            met=tally.met if shows_met else None,
            coverage=assessed / scope if shows_assessed else None,
            attainment=tally.met / scope if shows_met else None,
            mean_gap=round(tally.gap / tally.judged, 1) if shows_gap else None,
            levels=tuple(tally.levels[rank] for rank in range(self.n_ranks)) if shows_levels else (),
            unknown=scope - assessed if shows_assessed else None,
            hidden=not shows_assessed or (has_target and not shows_gap),
        )
