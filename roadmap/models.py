"""The tables of the roadmap.

Frameworks, nodes, roles, scales and the crosswalk are national and never change once loaded. Evidence and attainment are
derived: both can be dropped and made again from the statements, so they hold nothing that a statement does not say.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base, JsonDocument, UtcDateTime


class Framework(Base):
    """One version of one framework, immutable."""

    __tablename__ = "framework"

    id: Mapped[str] = mapped_column(String(63), primary_key=True)
    version: Mapped[str] = mapped_column(String(63))
    title: Mapped[dict[str, str]] = mapped_column(JsonDocument)
    issuer: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    """Its standing in the document's own words."""
    alignment_only: Mapped[bool] = mapped_column()
    """Kept to compare with: never adopted, never a target."""
    digest: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the record as loaded."""
    record: Mapped[dict[str, Any]] = mapped_column(JsonDocument)
    """The whole record with its sources, legal basis and notes."""
    loaded_at: Mapped[datetime] = mapped_column(UtcDateTime)


class FrameworkNode(Base):
    """One group (area) or competency of a framework version."""

    __tablename__ = "framework_node"
    __table_args__ = (
        UniqueConstraint("framework_id", "code"),
        CheckConstraint("kind IN ('group', 'competency')", name="kind"),
        CheckConstraint("confidence IN ('high', 'medium', 'low')", name="confidence"),
    )

    uuid: Mapped[UUID] = mapped_column(primary_key=True)
    """Derived from framework and code: stable in every export."""
    framework_id: Mapped[str] = mapped_column(ForeignKey("framework.id"))
    code: Mapped[str] = mapped_column(String(63))
    key: Mapped[str] = mapped_column(String(127), unique=True)
    kind: Mapped[str] = mapped_column(String(16))
    parent_uuid: Mapped[UUID | None] = mapped_column(ForeignKey("framework_node.uuid"))
    position: Mapped[int] = mapped_column()
    label: Mapped[dict[str, str]] = mapped_column(JsonDocument)
    core: Mapped[bool] = mapped_column()
    """The framework asks it of everyone."""
    confidence: Mapped[str] = mapped_column(String(8))
    awaiting: Mapped[list[str]] = mapped_column(JsonDocument)
    """Aspects that an expert has still to confirm."""
    role_groups: Mapped[list[str]] = mapped_column(JsonDocument)
    """Role groups that the source prints for it; says nothing of a level."""


class FrameworkRole(Base):
    """One code on one axis of a framework: role group, role level, personnel group, stage."""

    __tablename__ = "framework_role"
    __table_args__ = (CheckConstraint("axis IN ('role_group', 'role_level', 'personnel_group', 'stage')", name="axis"),)

    framework_id: Mapped[str] = mapped_column(ForeignKey("framework.id"), primary_key=True)
    axis: Mapped[str] = mapped_column(String(16), primary_key=True)
    code: Mapped[str] = mapped_column(String(63), primary_key=True)
    position: Mapped[int] = mapped_column()
    label: Mapped[dict[str, str]] = mapped_column(JsonDocument)


class ScaleLevel(Base):
    """One rank of a framework's scale."""

    __tablename__ = "scale_level"
    __table_args__ = (CheckConstraint("rank >= 0", name="rank"),)

    framework_id: Mapped[str] = mapped_column(ForeignKey("framework.id"), primary_key=True)
    rank: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """0 is not yet; higher is more."""
    code: Mapped[str] = mapped_column(String(32))
    label: Mapped[dict[str, str]] = mapped_column(JsonDocument)
    provisional: Mapped[bool] = mapped_column()
    """Proposed by this project; no authority has approved it."""


class Crosswalk(Base):
    """One typed link from a node to a node of another framework, or to a name outside."""

    __tablename__ = "crosswalk"
    __table_args__ = (
        CheckConstraint("relation IN ('exactMatch', 'replacedBy', 'closeMatch', 'relatedMatch', 'isPartOf')", name="relation"),
        CheckConstraint("confidence IN ('high', 'medium', 'low')", name="confidence"),
        CheckConstraint("(to_uuid IS NULL) <> (to_external IS NULL)", name="one_end"),
        CheckConstraint("(reviewed_by IS NULL) = (reviewed_at IS NULL)", name="review"),
    )

    uuid: Mapped[UUID] = mapped_column(primary_key=True)
    from_uuid: Mapped[UUID] = mapped_column(ForeignKey("framework_node.uuid"), index=True)
    to_uuid: Mapped[UUID | None] = mapped_column(ForeignKey("framework_node.uuid"), index=True)
    to_external: Mapped[str | None] = mapped_column(String(255))
    relation: Mapped[str] = mapped_column(String(16))
    source: Mapped[str] = mapped_column(String(63))
    confidence: Mapped[str] = mapped_column(String(8))
    basis: Mapped[str] = mapped_column(Text)
    reviewed_by: Mapped[str | None] = mapped_column(String(127))
    """Who confirmed it; without that nothing is carried along it."""
    reviewed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class AgencyFramework(Base):
    """The framework that an agency holds from one day until its next adoption; one row a day, so one active on any day."""

    __tablename__ = "agency_framework"

    tenant_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    valid_from: Mapped[date] = mapped_column(primary_key=True)
    framework_id: Mapped[str] = mapped_column(ForeignKey("framework.id"))
    adopted_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Target(Base):
    """The level asked of everyone, or of one role, in one node."""

    __tablename__ = "target"
    __table_args__ = (
        CheckConstraint("set_by IN ('agency', 'ministry', 'national')", name="set_by"),
        CheckConstraint("min_level >= 1", name="min_level"),
        CheckConstraint("tenant_id IS NOT NULL OR set_by = 'national'", name="shared"),
    )

    tenant_id: Mapped[int | None] = mapped_column(index=True)
    """The agency it is asked of; NULL asks it of every agency."""
    uuid: Mapped[UUID] = mapped_column(primary_key=True)
    """Derived from agency, node, role and setter: one target for each."""
    node_uuid: Mapped[UUID] = mapped_column(ForeignKey("framework_node.uuid"))
    role: Mapped[str | None] = mapped_column(String(63))
    """A role code of the framework; NULL is every role."""
    min_level: Mapped[int] = mapped_column()
    due: Mapped[date | None] = mapped_column()
    set_by: Mapped[str] = mapped_column(String(16))
    set_at: Mapped[datetime] = mapped_column(UtcDateTime)


class PersonScope(Base):
    """A person who counts in the agency's figures, assessed or not."""

    __tablename__ = "person_scope"
    __table_args__ = (Index("ix_person_scope_unit", "tenant_id", "unit_key"),)

    tenant_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    person_uuid: Mapped[UUID] = mapped_column(primary_key=True)
    role: Mapped[str | None] = mapped_column(String(63))
    personnel_group: Mapped[str | None] = mapped_column(String(63))
    unit_key: Mapped[str | None] = mapped_column(String(127))
    unit_label: Mapped[dict[str, str]] = mapped_column(JsonDocument)
    """Empty while nobody has named the unit."""
    placed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    left_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """From this moment on the person is out of scope."""


class Evidence(Base):
    """What one statement shows about one person and one competency. Derived from the statement alone."""

    __tablename__ = "evidence"
    __table_args__ = (
        CheckConstraint("kind IN ('test', 'course', 'self_report')", name="kind"),
        CheckConstraint("level >= 0", name="level"),
        Index("ix_evidence_person_node", "tenant_id", "person_uuid", "node_uuid"),
        Index("ix_evidence_statement", "tenant_id", "statement_id"),
    )

    tenant_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    uuid: Mapped[UUID] = mapped_column(primary_key=True)
    """Derived from statement and competency."""
    person_uuid: Mapped[UUID] = mapped_column()
    node_uuid: Mapped[UUID] = mapped_column()
    """The competency named; no foreign key, because a statement may name one that is loaded later or never."""
    kind: Mapped[str] = mapped_column(String(16))
    level: Mapped[int] = mapped_column()
    """The level it claims, before the rule's cap."""
    theta: Mapped[float | None] = mapped_column()
    """Ability, logits."""
    se: Mapped[float | None] = mapped_column()
    """Standard error of theta, logits."""
    n_items: Mapped[int | None] = mapped_column()
    borderline: Mapped[bool] = mapped_column()
    """A cut lies within one standard error."""
    indicative: Mapped[bool] = mapped_column()
    """Too few items for a firm claim."""
    cut_set: Mapped[str | None] = mapped_column(String(255))
    attempt_uuid: Mapped[UUID | None] = mapped_column()
    """Our own sitting it comes from, by the statement's registration."""
    observed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """When it happened, by the statement's timestamp."""
    statement_id: Mapped[UUID] = mapped_column()


class Withdrawal(Base):
    """A statement that was voided: it gives no evidence, whichever of the two came first.

    The LRS takes a voiding statement about a statement that it knows only from who may void it; about one that it does not know
    yet from anyone, and then lets it reach the words of its own authority alone.
    """

    __tablename__ = "evidence_withdrawal"

    tenant_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    statement_id: Mapped[UUID] = mapped_column(primary_key=True)
    authority: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Whose statement of this id is withdrawn, see `evidence_rules.authority_of`; `*` whoever's: the LRS has taken the voiding of it."""


class RuleVersion(Base):
    """One version of the attainment rule, immutable."""

    __tablename__ = "rule_version"

    key: Mapped[str] = mapped_column(String(32), primary_key=True)
    policy: Mapped[dict[str, Any]] = mapped_column(JsonDocument)


class Attainment(Base):
    """A person's level in one competency. Derived from evidence and the rule version alone."""

    __tablename__ = "attainment"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "evidence_uuid"], ["evidence.tenant_id", "evidence.uuid"]),
        CheckConstraint("level >= 0", name="level"),
        Index("ix_attainment_node", "tenant_id", "node_uuid", "level"),
        Index("ix_attainment_evidence", "tenant_id", "evidence_uuid"),
    )

    tenant_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    person_uuid: Mapped[UUID] = mapped_column(primary_key=True)
    node_uuid: Mapped[UUID] = mapped_column(primary_key=True)
    level: Mapped[int] = mapped_column()
    theta: Mapped[float | None] = mapped_column()
    """Ability by the deciding evidence, logits."""
    se: Mapped[float | None] = mapped_column()
    """Standard error of theta, logits."""
    borderline: Mapped[bool] = mapped_column()
    indicative: Mapped[bool] = mapped_column()
    as_of: Mapped[datetime] = mapped_column(UtcDateTime)
    """When the deciding evidence was shown."""
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the deciding evidence stops counting; NULL never."""
    evidence_uuid: Mapped[UUID] = mapped_column()
    """The deciding evidence."""
    rule_version: Mapped[str] = mapped_column(ForeignKey("rule_version.key"))
