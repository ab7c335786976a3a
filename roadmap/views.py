"""What the door gives: frozen values, never rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from kernel.langmap import LangMap


@dataclass(frozen=True, slots=True)
class LevelView:
    """One rank of a framework's scale."""

    rank: int
    code: str
    label: LangMap
    provisional: bool
    """Proposed by this project; no authority has approved it."""


@dataclass(frozen=True, slots=True)
class NodeView:
    """One group (area) or competency."""

    uuid: UUID
    key: str
    code: str
    kind: str
    """`group` or `competency`."""
    parent: str | None
    """Key of its group."""
    label: LangMap
    core: bool
    """The framework asks it of everyone."""
    confidence: str
    """How sure the source is: `high`, `medium`, `low`."""
    awaiting: tuple[str, ...]
    """Aspects that an expert has still to confirm: `record`, `group` (its place), `code`, `label` (its Thai wording)."""
    role_groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RoleView:
    """One code of one axis."""

    code: str
    label: LangMap


@dataclass(frozen=True, slots=True)
class FrameworkView:
    """One framework version."""

    id: str
    version: str
    title: LangMap
    issuer: str
    status: str
    alignment_only: bool
    """Kept to compare with: never adopted, never a target."""
    groups: tuple[NodeView, ...]
    nodes: tuple[NodeView, ...]
    """Every node, the groups among them, in the framework's order."""
    role_groups: tuple[RoleView, ...]
    role_levels: tuple[RoleView, ...]
    personnel_groups: tuple[RoleView, ...]
    stages: tuple[RoleView, ...]
    scale: tuple[LevelView, ...]


@dataclass(frozen=True, slots=True)
class LinkView:
    """One link of the crosswalk."""

    from_key: str
    to: str
    """Node key, or a name outside."""
    relation: str
    confidence: str
    basis: str
    reviewed_by: str | None
    carries: bool
    """Attainment is carried along it: reviewed, and of a relation that carries."""


@dataclass(frozen=True, slots=True)
class TargetView:
    """A level asked of everyone or of one role."""

    uuid: UUID
    node_key: str
    min_level: int
    role: str | None
    due: date | None
    set_by: str
    set_at: datetime
    national: bool
    """Asked of every agency."""


@dataclass(frozen=True, slots=True)
class PersonView:
    """A person's place in an agency's scope."""

    person_uuid: UUID
    role: str | None
    personnel_group: str | None
    unit: str | None
    unit_label: LangMap
    left_at: datetime | None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What came of a batch of statements."""

    n_evidence: int
    """New pieces of evidence."""
    persons: tuple[UUID, ...]
    """People whose evidence changed."""
    nodes: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """What came back after evidence and attainment were dropped and computed again."""

    n_statements: int
    n_evidence: int
    """Rows now."""
    n_attainment: int
    n_equal: int
    """Rows, of both kinds, that came back equal in every column."""
    n_different: int
    """Rows that changed, appeared or vanished."""
    differences: list[str]
    """The first hundred of them, each with its columns before and after."""


@dataclass(frozen=True, slots=True)
class AttainmentView:
    """A person's level in one competency, with what it rests on."""

    node_key: str
    node_uuid: UUID
    label: LangMap
    level: int
    theta: float | None
    se: float | None
    as_of: datetime
    expires_at: datetime | None
    borderline: bool
    indicative: bool
    evidence_ids: tuple[UUID, ...]
    """The evidence that answers for the level."""
    statement_ids: tuple[UUID, ...]
    rule_version: str
    carried_from: str | None = None
    """Key of the node of another framework version that it was carried from; None when it was shown here."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a person stands in one node, and where to."""

    node: NodeView
    level: int | None
    """None is unknown, which is not 0."""
    target: int | None
    """None while nobody has set one."""
    gap: int | None
    """Levels to go, 0 or more; None while level or target is unknown."""
    due: date | None
    source: str | None
    """Who set the target: `agency`, `ministry`, `national`; None without a target."""
    attainment: AttainmentView | None


@dataclass(frozen=True, slots=True)
class EvidenceView:
    """One piece of evidence."""

    uuid: UUID
    node_key: str
    kind: str
    """`test`, `course`, `self_report`."""
    level: int
    """The level it shows, within the bounds of its kind."""
    theta: float | None
    se: float | None
    n_items: int | None
    borderline: bool
    indicative: bool
    cut_set: str | None
    attempt_uuid: UUID | None
    observed_at: datetime
    statement_id: UUID
    counts: bool
    """The rule counts it today."""
    deciding: bool
    """It answers for the present level."""


@dataclass(frozen=True, slots=True)
class AreaFigure:
    """The figures of one group of people in one area. A hidden figure is None, and `hidden` says so."""

    node: NodeView
    has_target: bool
    """Somebody in the group read together has a target here; without one, met, attainment and gap do not exist."""
    scope: int | None
    assessed: int | None
    met: int | None
    coverage: float | None
    """assessed / scope, 0 to 1."""
    attainment: float | None
    """met / scope, 0 to 1."""
    mean_gap: float | None
    """Levels, one decimal; also withheld while some, but fewer than k people, fall short."""
    levels: tuple[int, ...]
    """People at each rank of the scale, from 0; empty when hidden or too few, and in the rows of a table."""
    unknown: int | None
    """People in scope whose level is unknown; beside `levels`, never among them."""
    hidden: bool
    """At least one of these figures is withheld."""


@dataclass(frozen=True, slots=True)
class GroupFigure:
    """One row: a unit of an agency, or an agency."""

    key: str
    """Unit key (empty: unit not known) or the agency's number."""
    tenant_id: int
    label: LangMap
    """Empty for an agency: its name is not known in this room."""
    scope: int | None
    areas: tuple[AreaFigure, ...]
    hidden: bool
    """Everything of it is withheld, its size too."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures to decide by, safe to show."""

    n_scope: int | None
    areas: tuple[AreaFigure, ...]
    units: tuple[GroupFigure, ...]
    """The table by unit when one agency is read."""
    agencies: tuple[GroupFigure, ...]
    """The table by agency when several are read."""
    as_of: datetime
    k: int
    rule_version: str
    definitions: Mapping[str, LangMap]
    """What each figure means."""
