"""What a demo LMS is told at its start: its address, the tools it knows, its people and its courses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from kernel.clock import Clock, system_clock
from kernel.langmap import LangMap
from lti_tool.dev.lms import names
from lti_tool.dev.lms.shapes import SHAPES

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
    description: LangMap = field(default_factory=dict)
    logo_uri: str = ""
    domain: str = ""
    """host[:port] as registered; empty is that of the login address."""
    deep_linking_uri: str = ""
    """Target of deep linking requests; empty is the tool's own."""
    is_active: bool = True
    """False from a dynamic registration until the administrator activates it."""
    in_chooser: bool = True
    """Whether every course offers it among the activities."""
    shown_in: frozenset[str] = frozenset()
    """Courses whose teacher switched it on, where `in_chooser` is off."""
    courses: frozenset[str] = frozenset()
    """Courses that may use it at all; empty means every one."""

    @property
    def host(self) -> str:
        """host[:port] by which the tool is known."""
        return self.domain or urlsplit(self.login_url).netloc

    @property
    def origin(self) -> str:
        """Scheme, host and port of the tool's pages."""
        return "{0.scheme}://{0.netloc}".format(urlsplit(self.login_url))

    def is_offered_in(self, course_id: str) -> bool:
        """Whether a teacher of the course finds it when adding an activity."""
        return self.may_be_used_in(course_id) and (self.in_chooser or course_id in self.shown_in)

    def may_be_used_in(self, course_id: str) -> bool:
        """Whether it is active and not kept to other courses."""
        return self.is_active and (not self.courses or course_id in self.courses)


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
    suspended_in: frozenset[str] = frozenset()
    """Courses where the role rests: no entry, not in the members list, but still gradable."""

    def teaches(self, course_id: str) -> bool:
        """Whether the person may change the course: its teacher, its manager, or the site administrator."""
        return self.is_administrator or self.roles.get(course_id) in {"instructor", "manager"}


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
    icon: str = ""
    has_html: bool = False
    """Whether the description is HTML, as the teacher's editor writes it; else plain text, tags and all."""
    review_url: str = ""
    """Where submission reviews go; empty is the link's own address."""
    review_custom: Mapping[str, str] = field(default_factory=dict)


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
    history: tuple[str, ...] = ()
    """Courses that this one was copied from, the latest first."""


@dataclass(frozen=True, slots=True)
class Habits:
    """What a platform does in its own way. The default is Moodle; each switch is what other platforms do."""

    shape: str = "moodle"
    """Whose launches are sent: a name in `shapes.SHAPES`."""
    storage_frame: str = ""
    """Frame that answers `lti.put_data` and `lti.get_data`: empty for none, `_parent`, or a frame's name."""
    resizes_frame: bool = False
    """Whether `lti.frameResize` changes the height of the tool's frame."""
    has_sound_links: bool = False
    """Whether the Link header of a list of line items can be read."""
    has_differences: bool = False
    """Whether a members list links to the changes since it."""
    has_privacy_launch: bool = False
    """Whether people find a data privacy launch for each tool."""

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise ValueError(f"no such shape: {self.shape}")


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
    habits: Habits = field(default_factory=Habits)
    """How it begins; switches change it while it runs."""
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
