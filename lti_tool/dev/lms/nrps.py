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
from lti_tool.dev.lms.lms import the_lms
from lti_tool.dev.lms.services import require_media, require_tool, service_blueprint

bp = service_blueprint("lms_nrps", "members")


@bp.get("/lti/services/CourseSection/<course_id>/bindings/<deployment_id>/memberships")
def members(course_id: str, deployment_id: str) -> Response:
    """Members by name; `role` takes a word or a URI, `limit` pages by a Link header, `rlid` adds the link's message."""
    require_media(names.MEDIA_MEMBERS)
    tool = require_tool([names.SCOPE_MEMBERS], deployment_id)
    lms = the_lms()
    course, link_id = lms.find_course(course_id), request.args.get("rlid")
    if course is None or (link_id and link_id not in {activity.id for activity in course.activities}):
        raise ServiceRefusal(404, "Not Found")
    wanted = request.args.get("role", "").rpartition("#")[2]
    people = [person for person in lms.members_of(course) if wanted in {"", role_in_members(person.roles[course.id])}]
    start, limit = request.args.get("from", 0, type=int), request.args.get("limit", 0, type=int)
    page = people[start : start + limit] if limit else people[start:]
    address = f"{lms.config.base_url}{request.path}"
    document = {
        "id": address,
        "context": {"id": course.id, "label": course.short_name, "title": text_in(lms.config.people[0].locale, course.title)},
        "members": [_member(person, course, tool, link_id) for person in page],
    }
    response = Response(dumps(document), content_type=names.MEDIA_MEMBERS)
    if lms.faults.members_next_is_same_page:
        response.headers["Link"] = f'<{lms.config.base_url}{request.full_path.rstrip("?")}>; rel="next"'
    elif limit and start + limit < len(people):
        following = urlencode({**request.args.to_dict(), "limit": limit, "from": start + limit})
        response.headers["Link"] = f'<{address}?{following}>; rel="next"'
    return response


def _member(person: Person, course: Course, tool: Tool, link_id: str | None) -> dict[str, Any]:
    member: dict[str, Any] = {
        "status": "Active",
        "roles": [role_in_members(person.roles[course.id])],
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
                    "lis_outcome_service_url": f"{the_lms().config.base_url}/lti/outcomes",
                },
            }
        ]
    return member
