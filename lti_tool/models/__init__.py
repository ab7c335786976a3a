"""What the tool keeps of platforms, people, launches and scores. One module a noun; all are known once this package is imported."""

from lti_tool.models.audit import AuditEntry
from lti_tool.models.launches import Launch, LongLogin
from lti_tool.models.people import Context, Enrolment, Grant, ResourceLink, User
from lti_tool.models.placements import AccessCode, CodeTry, Placement
from lti_tool.models.platforms import Deployment, Invite, KeySet, Registration, Tenant, ToolKey
from lti_tool.models.records import Erasure, LrsImport, LrsImportFault
from lti_tool.models.rosters import Roster
from lti_tool.models.scores import LineItem, Score
from lti_tool.models.sittings import CountedSitting

__all__ = [
    "AccessCode", "AuditEntry", "CodeTry", "Context", "CountedSitting", "Deployment", "Enrolment", "Erasure", "Grant", "Invite", "KeySet",
    "Launch", "LineItem", "LongLogin", "LrsImport", "LrsImportFault", "Placement", "Registration", "ResourceLink", "Roster", "Score",
    "Tenant", "ToolKey", "User",
]  # fmt: skip
