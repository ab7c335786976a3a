"""The tools, courses, activities and people of a demo LMS: those it was told at its start, and what was changed since.

The configuration never changes; each change is kept beside it as one document, laid over it here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter

from lti_tool.dev.lms.config import Activity, Course, LmsConfig, Person, Tool

TOOL: Final = "tool"
COURSE: Final = "course"
ACTIVITY: Final = "activity"
ENROLMENT: Final = "enrolment"

T = TypeVar("T")

Changes = Mapping[tuple[str, str], Any]
"""Kind and id of what was changed to its document; None where it was taken away."""

_TOOLS: Final = TypeAdapter(Tool)
_COURSES: Final = TypeAdapter(Course)
_ACTIVITIES: Final = TypeAdapter(Activity)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What there is now."""

    tools: tuple[Tool, ...]
    courses: Mapping[str, Course]
    activities: Mapping[str, tuple[Course, Activity]]
    people: Mapping[str, Person]


def compose(config: LmsConfig, changes: Changes) -> Catalogue:
    """The configuration with the changes laid over it, what was added at the end."""
    courses = _composed_courses(config, changes)
    return Catalogue(
        tools=tuple(_merged({tool.client_id: tool for tool in config.tools}, changes, TOOL, _TOOLS).values()),
        courses=courses,
        activities={activity.id: (course, activity) for course in courses.values() for activity in course.activities},
        people=_composed_people(config, changes),
    )


def tool_change(tool: Tool) -> tuple[str, str, Any]:
    """A tool as a change: kind, id and document."""
    return TOOL, tool.client_id, _TOOLS.dump_python(tool, mode="json")


def course_change(course: Course) -> tuple[str, str, Any]:
    """A course as a change; its activities are changes of their own."""
    return COURSE, course.id, _COURSES.dump_python(replace(course, activities=()), mode="json")


def activity_change(course_id: str, activity: Activity) -> tuple[str, str, Any]:
    """An activity of a course as a change."""
    return ACTIVITY, activity.id, {"course_id": course_id, "activity": _ACTIVITIES.dump_python(activity, mode="json")}


def removal(kind: str, key: str) -> tuple[str, str, Any]:
    """That something is gone, as a change."""
    return kind, key, None


def enrolment_change(course_id: str, person_id: str, role: str | None, *, is_suspended: bool = False) -> tuple[str, str, Any]:
    """A person's part in a course as a change. role: None takes the person out."""
    document = {"course_id": course_id, "person_id": person_id, "role": role, "is_suspended": is_suspended}
    return ENROLMENT, f"{course_id}/{person_id}", document


def _merged(given: Mapping[str, T], changes: Changes, kind: str, reader: TypeAdapter[T]) -> dict[str, T]:
    merged = dict(given)
    for key, document in _of_kind(changes, kind):
        if document is None:
            merged.pop(key, None)
        else:
            merged[key] = reader.validate_python(document, strict=False)
    return merged


def _composed_courses(config: LmsConfig, changes: Changes) -> dict[str, Course]:
    courses = _merged({course.id: course for course in config.courses}, changes, COURSE, _COURSES)
    given = {course.id: {activity.id: activity for activity in course.activities} for course in config.courses}
    for key, document in _of_kind(changes, ACTIVITY):
        if document is None:
            for activities in given.values():
                activities.pop(key, None)
        else:
            given.setdefault(document["course_id"], {})[key] = _ACTIVITIES.validate_python(document["activity"], strict=False)
    return {course.id: replace(course, activities=tuple(given.get(course.id, {}).values())) for course in courses.values()}


def _composed_people(config: LmsConfig, changes: Changes) -> dict[str, Person]:
    people = {person.id: person for person in config.people}
    for _, document in _of_kind(changes, ENROLMENT):
        person, course_id = people.get(document["person_id"]), document["course_id"]
        if person is None:
            continue
        roles = {course: role for course, role in person.roles.items() if course != course_id}
        if document["role"] is not None:
            roles[course_id] = document["role"]
        suspended = person.suspended_in - {course_id} | ({course_id} if document["is_suspended"] else frozenset())
        people[person.id] = replace(person, roles=roles, suspended_in=suspended)
    return people


def _of_kind(changes: Changes, kind: str) -> Iterable[tuple[str, Any]]:
    return ((key, document) for (its_kind, key), document in changes.items() if its_kind == kind)
