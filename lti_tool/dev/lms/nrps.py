"""Names and Role Provisioning Services of the demo LMS: the members of a course, paged as Moodle pages them."""

import json
from typing import Any
from urllib.parse import urlencode

from flask import Response, request

from kernel.langmap import text_in
from kernel.strictjson import dumps
from lti_tool.dev.lms import names
from lti_tool.dev.lms.claims import name_parts, role_in_members
from lti_tool.dev.lms.config import Course, Person, Tool
from lti_tool.dev.lms.gradebook import ServiceRefusal
from lti_tool.dev.lms.lms import Lms, the_lms
from lti_tool.dev.lms.services import require_media, require_tool, service_blueprint

bp = service_blueprint("lms_nrps", "members")


@bp.get("/mod/lti/services.php/CourseSection/<course_id>/bindings/<deployment_id>/memberships")
def members(course_id: str, deployment_id: str) -> Response:
    """Members by name; `role` takes a word or a URI, `limit` pages by a Link header, `rlid` adds the link's message."""
    require_media(names.MEDIA_MEMBERS)
    tool = require_tool([names.SCOPE_MEMBERS], deployment_id)
    lms = the_lms()
    course, link_id = lms.find_course(course_id), request.args.get("rlid")
    if course is None or (link_id and link_id not in {activity.id for activity in course.activities}):
        raise ServiceRefusal(404, "Not Found")
    if tool.courses and course.id not in tool.courses:
        raise ServiceRefusal(401, "Unauthorized")
    listed = _changed_since(course) if lms.habits.has_differences and "since" in request.args else _active(course)
    wanted = request.args.get("role", "").rpartition("#")[2]
    people = [person for person in listed if wanted in {"", role_in_members(person.roles.get(course.id, "learner"))}]
    start, limit = request.args.get("from", 0, type=int), request.args.get("limit", 0, type=int)
    page = people[start : start + limit] if limit else people[start:]
    document = {
        "id": f"{lms.config.base_url}{request.path}",
        "context": {"id": course.id, "label": course.short_name, "title": text_in(lms.config.people[0].locale, course.title)},
        "members": [*(_member(person, course, tool, link_id) for person in page), *lms.faults.more_members],
    }
    response = Response(dumps(document), content_type=names.MEDIA_MEMBERS)
    links = _links(lms, course, following=start + limit if limit and start + limit < len(people) else None)
    if links:
        response.headers["Link"] = ", ".join(links)
    return response


def _active(course: Course) -> list[Person]:
    """Who has a role that does not rest."""
    return [person for person in the_lms().members_of(course) if course.id not in person.suspended_in]


def _changed_since(course: Course) -> list[Person]:
    """Whose part in the course changed after the roster that the link was given with, those who left too."""
    lms = the_lms()
    with lms.store.transaction() as db:
        rows = db.execute(
            "SELECT DISTINCT person_id FROM roster_change WHERE course_id = ? AND id > ? ORDER BY person_id",
            (course.id, request.args.get("since", 0, type=int)),
        ).fetchall()
    return [person for row in rows if (person := lms.find_person(row["person_id"])) is not None]


def _links(lms: Lms, course: Course, *, following: int | None) -> list[str]:
    """The parts of the Link header: the next page, and at the last one the changes from now on where the habits have them."""
    address = f"{lms.config.base_url}{request.path}"
    if lms.faults.members_next:
        return [f'<{lms.faults.members_next}>; rel="next"']
    if lms.faults.members_next_is_same_page:
        return [f'<{lms.config.base_url}{request.full_path.rstrip("?")}>; rel="next"']
    if following is not None:
        return [f'<{address}?{urlencode({**request.args.to_dict(), "from": following})}>; rel="next"']
    if not lms.habits.has_differences:
        return []
    with lms.store.transaction() as db:
        last = db.execute("SELECT coalesce(max(id), 0) AS id FROM roster_change WHERE course_id = ?", (course.id,)).fetchone()["id"]
    return [f'<{address}?since={last}>; rel="differences"']


def _member(person: Person, course: Course, tool: Tool, link_id: str | None) -> dict[str, Any]:
    is_gone = course.id not in person.roles or course.id in person.suspended_in
    member: dict[str, Any] = {
        "status": "Deleted" if is_gone else "Active",
        "roles": [role_in_members(person.roles.get(course.id, "learner"))],
        "user_id": person.id,
        "lis_person_sourcedid": person.sourcedid,
    }
    if tool.shares_name:
        given, family = name_parts(person, person.locale)
        full = text_in(person.locale, person.name)
        member |= {"name": full, "given_name": given, "family_name": family, "ext_user_username": person.username}
    if tool.shares_email and person.email:
        member["email"] = person.email
    if link_id:
        sourcedid = json.dumps({"data": {"instanceid": link_id, "userid": person.id}, "hash": ""})
        member["message"] = [
            {
                names.MESSAGE_TYPE: "LtiResourceLinkRequest",
                names.VERSION: "1.3.0",
                names.BASIC_OUTCOME: {
                    "lis_result_sourcedid": sourcedid,
                    "lis_outcome_service_url": f"{the_lms().config.base_url}/mod/lti/service.php",
                },
            }
        ]
    return member
