"""The door of the roadmap: frameworks, targets, scope, evidence, attainment, standing and figures.

Functions take the caller's session and never commit; they give frozen values and refuse with classes of `roadmap.errors`.
"""

from roadmap.commands import (
    adopt_framework,
    leave_scope,
    load_frameworks,
    place_person,
    rebuild,
    record_statements,
    remove_target,
    review_link,
    set_target,
)
from roadmap.evidence_rules import OWN_AUTHORITY, EvidenceDraft, evidence_from
from roadmap.figures import figures
from roadmap.framework import node_key, node_uuid
from roadmap.queries import (
    active_framework,
    attainment_of,
    evidence_of,
    find_person,
    get_framework,
    list_frameworks,
    list_links,
    list_targets,
    standing_of,
)
from roadmap.views import (
    AreaFigure,
    AttainmentView,
    EvidenceView,
    Figures,
    FrameworkView,
    GroupFigure,
    LevelView,
    LinkView,
    NodeView,
    PersonView,
    RebuildReport,
    Recorded,
    RoleView,
    Standing,
    TargetView,
)

__all__ = [
    "OWN_AUTHORITY",
    "AreaFigure",
    "AttainmentView",
    "EvidenceDraft",
    "EvidenceView",
    "Figures",
    "FrameworkView",
    "GroupFigure",
    "LevelView",
    "LinkView",
    "NodeView",
    "PersonView",
    "RebuildReport",
    "Recorded",
    "RoleView",
    "Standing",
    "TargetView",
    "active_framework",
    "adopt_framework",
    "attainment_of",
    "evidence_from",
    "evidence_of",
    "figures",
    "find_person",
    "get_framework",
    "leave_scope",
    "list_frameworks",
    "list_links",
    "list_targets",
    "load_frameworks",
    "node_key",
    "node_uuid",
    "place_person",
    "rebuild",
    "record_statements",
    "remove_target",
    "review_link",
    "set_target",
    "standing_of",
]
