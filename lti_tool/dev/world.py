"""The demonstration's world as data: three agencies, their people and units, and the LMS course from which they come."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal
from uuid import UUID

from kernel.langmap import LangMap
from kernel.strictjson import loads
from lti_tool.dev.lms.config import Activity, Course, LmsConfig, Person, Tool

History = Literal["finished", "in_progress", "not_started"]

GRADED_POINTS = 100.0


@dataclass(frozen=True, slots=True)
class Official:
    """One made-up official."""

    id: str
    """`sub` at the demo LMS."""
    name: LangMap
    agency: str
    unit: str
    unit_name: LangMap
    role: str
    """OPS, SUP or EXE."""
    group: str
    """IT or NONIT."""
    abilities: dict[str, float]
    """Area code to true ability, logits; known to nobody but this file."""
    history: History
    days_ago: int


@dataclass(frozen=True, slots=True)
class Agency:
    """One agency with its own registration of the tool at the demo LMS and its own course."""

    key: str
    name: LangMap
    client_id: str
    deployment_id: str
    course_id: str


@dataclass(frozen=True, slots=True)
class World:
    """Everything made up."""

    agencies: tuple[Agency, ...]
    officials: tuple[Official, ...]

    def agency(self, key: str) -> Agency:
        """One agency by its key."""
        return next(agency for agency in self.agencies if agency.key == key)


STAFF = (
    Person("staff-teacher", "teacher", {"th": "อาจารย์สุภาวดี ตั้งใจสอน", "en": "Suphawadi Tangchaison"}, {"1": "instructor"}, "teacher"),
    Person("staff-admin", "admin", {"th": "ผู้ดูแลระบบ", "en": "Administrator"}, {}, "administrator", is_administrator=True),
    Person("staff-executive", "executive", {"th": "ท่านรองอธิบดี วิสัยทัศน์ ก้าวไกล", "en": "Wisaithat Kaoklai"}, {"1": "manager"}, "executive"),
)
"""People of the demo LMS who are not learners."""


def read_world() -> World:
    """The made-up agencies and officials, from `people.json`."""
    document = loads((files("lti_tool.dev") / "people.json").read_bytes())
    agencies = tuple(
        Agency(each["key"], each["name"], f"kaona-{each['key']}", str(number), str(number))
        for number, each in enumerate(document["agencies"], start=1)
    )
    units = {unit["key"]: unit["name"] for unit in document["units"]}
    officials = tuple(
        Official(
            id=each["key"],
            name=each["name"],
            agency=each["agency"],
            unit=each["unit"],
            unit_name=units[each["unit"]],
            role=each["role"],
            group=each["group"],
            abilities=each["abilities"],
            history=each["history"],
            days_ago=each["days_ago"],
        )
        for each in document["people"]
    )
    return World(agencies, officials)


def lms_config(world: World, *, lms_url: str, tool_url: str, form_uuid: UUID, form_title: LangMap, state_path: Path | None) -> LmsConfig:
    """The demo LMS that these people use: a registration and a course for each agency."""
    learners = tuple(
        Person(
            official.id,
            official.id,
            official.name,
            {world.agency(official.agency).course_id: "learner"},
            post=official.unit_name,
        )
        for official in world.officials
    )
    return LmsConfig(
        base_url=lms_url,
        tools=tuple(_tool(agency, tool_url) for agency in world.agencies),
        people=(*STAFF, *learners),
        courses=tuple(_course(agency, tool_url, form_uuid, form_title) for agency in world.agencies),
        state_path=state_path,
    )


def _tool(agency: Agency, tool_url: str) -> Tool:
    return Tool(
        name={"th": "ก้าวหน้า", "en": "Kaona"},
        login_url=f"{tool_url}/lti/login",
        target_link_uri=f"{tool_url}/lti/launch",
        redirect_uris=(f"{tool_url}/lti/launch",),
        key_set_url=f"{tool_url}/lti/jwks.json",
        client_id=agency.client_id,
        deployment_id=agency.deployment_id,
        deep_linking_uri=f"{tool_url}/lti/launch",
        courses=frozenset({agency.course_id}),
    )


def _course(agency: Agency, tool_url: str, form_uuid: UUID, form_title: LangMap) -> Course:
    def link(number: int, title: LangMap, path: str, *kinds: str, points: float | None = None) -> Activity:
        return Activity(
            id=f"{agency.course_id}{number}",
            title=title,
            url=f"{tool_url}/open/{path}",
            deployment_id=agency.deployment_id,
            score_maximum=points,
            resource_id=path if points else "",
            tag="assessment" if points else "",
            audience=frozenset(kinds),  # type: ignore[arg-type]
            opens_in_window=path == "admin",  # administration may not be framed
        )

    return Course(
        id=agency.course_id,
        short_name=f"DS2567-{agency.key.upper()}",
        title={"th": "การพัฒนาทักษะดิจิทัลสำหรับข้าราชการ", "en": "Digital skills for civil servants"},
        summary=agency.name,
        activities=(
            link(1, form_title, f"assessment/{form_uuid}", points=GRADED_POINTS),
            link(2, {"th": "แผนที่พัฒนาทักษะของฉัน", "en": "My roadmap"}, "roadmap", "learner"),
            link(3, {"th": "เส้นทางการเรียนรู้ของฉัน", "en": "My learning path"}, "path", "learner"),
            link(4, {"th": "ภาพรวมสำหรับผู้บริหาร", "en": "Overview for executives"}, "executive", "executive"),
            link(5, {"th": "การดูแลระบบก้าวหน้า", "en": "Kaona administration"}, "admin", "administrator"),
        ),
    )
