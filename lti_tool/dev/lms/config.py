"""What a demo LMS is told at its start: its address, the tools it knows, its people and its courses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from kernel.clock import Clock, system_clock
from kernel.langmap import LangMap
from lti_tool.dev.lms import names

CourseRole = Literal["learner", "assistant", "instructor", "manager"]
"""`assistant` is Moodle's non-editing teacher: Instructor in launches, Learner in the members list."""

PersonKind = Literal["learner", "teacher", "executive", "administrator"]
"""How the sign-in page groups people and which activities they see; says nothing to the tool."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool as an administrator registered it; one deployment for each, as Moodle has."""

    name: LangMap
    login_url: str
    target_link_uri: str
    redirect_uris: tuple[str, ...]
    key_set_url: str
    client_id: str = "kaonaDemoTool01"
    deployment_id: str = "1"
    scopes: tuple[str, ...] = (*names.AGS_SCOPES, names.SCOPE_MEMBERS)
    """Service scopes the administrator allows."""
    custom: Mapping[str, str] = field(default_factory=dict)
    """Custom parameters of the registration; they win over those of a link."""
    shares_name: bool = True
    shares_email: bool = True


@dataclass(frozen=True, slots=True)
class Person:
    """One account of the LMS."""

    id: str
    """The `sub` of launches; never changes."""
    username: str
    name: LangMap
    roles: Mapping[str, CourseRole] = field(default_factory=dict)
    """Course id to role."""
    kind: PersonKind = "learner"
    locale: str = "th"
    post: LangMap = field(default_factory=dict)
    """Position and unit in words, for the sign-in page; may be empty."""
    email: str = ""
    sourcedid: str = ""
    """The ID number field; sent even when privacy is `never`, as Moodle does."""
    is_administrator: bool = False
    """Site administrator: enters every course without a role in it."""


@dataclass(frozen=True, slots=True)
class Activity:
    """One link to a tool on a course page."""

    id: str
    """Digits; the resource link id."""
    title: LangMap
    url: str
    """The link's target_link_uri; empty takes the tool's."""
    description: LangMap = field(default_factory=dict)
    deployment_id: str = "1"
    """Which tool."""
    score_maximum: float | None = None
    """Points of its gradebook column; None makes an ungraded link."""
    resource_id: str = ""
    tag: str = ""
    custom: Mapping[str, str] = field(default_factory=dict)
    audience: frozenset[PersonKind] = frozenset()
    """Who sees it; empty means everyone of the course."""
    opens_in_window: bool = False
    """Launch container "new window": the course page leads straight to the tool, without a frame."""


@dataclass(frozen=True, slots=True)
class Course:
    """One course and its activities, in page order."""

    id: str
    """Digits; the context id."""
    short_name: str
    title: LangMap
    activities: tuple[Activity, ...]
    summary: LangMap = field(default_factory=dict)
    sourcedid: str = ""


@dataclass(frozen=True, slots=True)
class LmsConfig:
    """A whole demo LMS as data."""

    base_url: str
    """The issuer, exactly; no trailing slash."""
    tools: tuple[Tool, ...]
    people: tuple[Person, ...]
    courses: tuple[Course, ...]
    state_path: Path | None = None
    """SQLite file of what changes (keys, grades, pending launches); None keeps it in memory."""
    name: LangMap = field(default_factory=lambda: {"th": "ห้องเรียนออนไลน์ภาครัฐ (ระบบสาธิต)", "en": "Government e-Learning (demonstration)"})
    time_zone: str = "Asia/Bangkok"
    """The server's own zone: score timestamps without a zone are read in it."""
    product_family_code: str = "moodle"
    """What launches say of the platform: Moodle, since its measured behaviour is what is played here."""
    product_version: str = "2024100706"
    signing_keys: tuple[str, ...] = ()
    """PEM of RSA keys to start with, oldest first, the last one signs; empty makes two new ones."""
    control: bool = False
    """Whether `/control` lets tests make the LMS misbehave."""
    clock: Clock = system_clock

    def __post_init__(self) -> None:
        if self.base_url.endswith("/") or "://" not in self.base_url:
            raise ValueError("base_url is the issuer: an address without a trailing slash")
        activities = [activity for course in self.courses for activity in course.activities]
        for what, ids in (
            ("person", [person.id for person in self.people]),
            ("course", [course.id for course in self.courses]),
            ("activity", [activity.id for activity in activities]),
            ("client", [tool.client_id for tool in self.tools]),
            ("deployment", [tool.deployment_id for tool in self.tools]),
        ):
            if len(set(ids)) != len(ids):
                raise ValueError(f"a {what} id is given twice")
        if not all(part_id.isdecimal() for part_id in [*(c.id for c in self.courses), *(a.id for a in activities)]):
            raise ValueError("course and activity ids are digits, as Moodle's are")
        deployments = {tool.deployment_id for tool in self.tools}
        if any(activity.deployment_id not in deployments for activity in activities):
            raise ValueError("an activity names a deployment that no tool has")
