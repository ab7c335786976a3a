"""Assignment and Grade Services of the demo LMS, by the rules that Moodle was measured to keep."""

from typing import Any
from zoneinfo import ZoneInfo

from flask import Response, render_template, request

from kernel.clock import rfc3339
from kernel.strictjson import InvalidJson, dumps, loads
from lti_tool.dev.lms import gradebook, names
from lti_tool.dev.lms.config import Course, Tool
from lti_tool.dev.lms.gradebook import LineItem, ReceivedScore, ServiceRefusal
from lti_tool.dev.lms.lms import the_lms
from lti_tool.dev.lms.services import require_media, require_tool, service_blueprint

MAX_LABEL_CHARACTERS = 255

MAX_BODY_KEPT = 4000


def _keep_score(response: Response) -> None:
    """Every score that came, whatever it was answered and for whatever reason."""
    if request.endpoint != "lms_ags.post_score":
        return
    lms, body = the_lms(), _json_body()
    person_id = str(body.get("userId", "")) if isinstance(body, dict) else ""
    received = ReceivedScore(
        received_at=rfc3339(lms.now()),
        line_item_id=(request.view_args or {})["item_id"],
        person_id=person_id,
        body=request.get_data(as_text=True)[:MAX_BODY_KEPT],
        status=response.status_code,
        reason=response.status.partition(" ")[2],
    )
    with lms.store.transaction() as db:
        gradebook.record_score(db, received)


_SCRIPTS = {
    **dict.fromkeys(("line_items", "create_line_item", "line_item", "replace_line_item", "delete_line_item"), "line_items"),
    "post_score": "scores",
    "results": "results",
}
bp = service_blueprint("lms_ags", "ags", by_endpoint=_SCRIPTS, keep=_keep_score)
_ROOT = "/mod/lti/services.php/<course_id>/lineitems"
_MAY_READ = (names.SCOPE_LINE_ITEM, names.SCOPE_LINE_ITEM_READ)


@bp.get(_ROOT)
def line_items(course_id: str) -> Response:
    """The tool's columns, narrowed by resource_id, tag and resource_link_id; `limit` pages by a Link header nobody can read."""
    require_media(names.MEDIA_LINE_ITEMS, exactly=True)
    tool = require_tool(_MAY_READ, request.args.get("type_id"))
    course = _course(course_id)
    with the_lms().store.transaction() as db:
        items = gradebook.list_line_items(db, course.id, tool.deployment_id)
    for name in ("resource_id", "tag", "resource_link_id"):
        wanted = request.args.get(name)
        if wanted:
            items = [item for item in items if getattr(item, name) == wanted]
    start, limit = request.args.get("from", 0, type=int), request.args.get("limit", 0, type=int)
    page = items[start : start + limit] if limit else items[start:]
    response = Response(dumps([_line_item_document(item) for item in page]), content_type=names.MEDIA_LINE_ITEMS)
    if limit and start + limit < len(items):
        response.headers["Link"] = _next_page(_line_items_url(course, tool), limit, start + limit)
    return response


@bp.post(_ROOT)
def create_line_item(course_id: str) -> Response:
    """A new column; dates and gradesReleased are echoed and not kept."""
    require_media(names.MEDIA_LINE_ITEM)
    tool = require_tool([names.SCOPE_LINE_ITEM], request.args.get("type_id"))
    course = _course(course_id)
    values = _line_item_values()
    _check_resource_link(course, tool, values.get("resourceLinkId"))
    with the_lms().store.transaction() as db:
        item = gradebook.add_line_item(db, course.id, tool.deployment_id, values)
    echoed = {name: values[name] for name in ("startDateTime", "endDateTime", "gradesReleased") if name in values}
    return Response(dumps(_line_item_document(item) | echoed), status=201, content_type=names.MEDIA_LINE_ITEM)


@bp.get(f"{_ROOT}/<int:item_id>/lineitem")
def line_item(course_id: str, item_id: int) -> Response:
    """One column."""
    require_media(names.MEDIA_LINE_ITEM)
    tool = require_tool(_MAY_READ, request.args.get("type_id"))
    return Response(dumps(_line_item_document(_item(course_id, item_id, tool))), content_type=names.MEDIA_LINE_ITEM)


@bp.put(f"{_ROOT}/<int:item_id>/lineitem")
def replace_line_item(course_id: str, item_id: int) -> Response:
    """The column anew: members left out are erased."""
    require_media(names.MEDIA_LINE_ITEM)
    tool = require_tool([names.SCOPE_LINE_ITEM], request.args.get("type_id"))
    item = _item(course_id, item_id, tool)
    values = _line_item_values()
    _check_resource_link(_course(course_id), tool, values.get("resourceLinkId"))
    with the_lms().store.transaction() as db:
        gradebook.replace_line_item(db, item.id, values)
    return Response(dumps(_line_item_document(_item(course_id, item_id, tool))), content_type=names.MEDIA_LINE_ITEM)


@bp.delete(f"{_ROOT}/<int:item_id>/lineitem")
def delete_line_item(course_id: str, item_id: int) -> Response:
    """Takes away a column that the tool made; an activity's own column stays (403)."""
    tool = require_tool([names.SCOPE_LINE_ITEM], request.args.get("type_id"))
    item = _item(course_id, item_id, tool)
    if item.activity_id is not None:
        raise ServiceRefusal(403, "Forbidden")
    with the_lms().store.transaction() as db:
        gradebook.delete_line_item(db, item.id)
    return Response(status=204)


@bp.post(f"{_ROOT}/<int:item_id>/lineitem/scores")
def post_score(course_id: str, item_id: int) -> Response:
    """Takes a score; 200 with an empty body."""
    require_media(names.MEDIA_SCORE)
    tool = require_tool([names.SCOPE_SCORE], request.args.get("type_id"))
    item = _item(course_id, item_id, tool)
    _enter(_course(course_id), item, _json_body())
    return Response(b"", content_type=names.MEDIA_SCORE)


@bp.get(f"{_ROOT}/<int:item_id>/lineitem/results")
def results(course_id: str, item_id: int) -> Response:
    """The column's grades, empty ones left out; of one user by `user_id`. With `limit` Moodle answers 404."""
    require_media(names.MEDIA_RESULTS)
    tool = require_tool([names.SCOPE_RESULT_READ], request.args.get("type_id"))
    item = _item(course_id, item_id, tool)
    if "limit" in request.args:
        return Response(render_template("lms/invalid.html"), status=404, mimetype="text/html")
    with the_lms().store.transaction() as db:
        grades = gradebook.list_grades(db, item.id)
    wanted = request.args.get("user_id")
    documents = [
        {
            "id": f"{_line_item_path(item)}/results?type_id={item.deployment_id}&user_id={grade.person_id}",
            "userId": grade.person_id,
            "resultScore": grade.score,
            "resultMaximum": item.score_maximum,
            "scoreOf": _line_item_document(item)["id"],
            "timestamp": gradebook.seconds_text(grade.posted_at),
            **({"comment": grade.comment} if grade.comment else {}),
        }
        for grade in grades
        if grade.score is not None and wanted in {None, grade.person_id}
    ]
    return Response(dumps(documents), content_type=names.MEDIA_RESULTS)


@bp.post("/mod/lti/service.php")
def basic_outcomes() -> Response:
    """The LTI 1.1 service that launches name, as Moodle's do; this LMS does not speak it."""
    raise ServiceRefusal(501, "Basic Outcomes is not spoken here")


def _enter(course: Course, item: LineItem, body: Any) -> None:
    lms = the_lms()
    gradable = {person.id for person in lms.catalogue.people.values() if person.roles.get(course.id) == "learner"}
    score = gradebook.parse_score(body, gradable=gradable, zone=ZoneInfo(lms.config.time_zone))
    with lms.store.transaction() as db:
        gradebook.enter_score(db, item, score)


def _course(course_id: str) -> Course:
    course = the_lms().find_course(course_id)
    if course is None:
        raise ServiceRefusal(404, f"Not Found: Course {course_id} doesn't exist")
    return course


def _item(course_id: str, item_id: int, tool: Tool) -> LineItem:
    course = _course(course_id)
    with the_lms().store.transaction() as db:
        item = gradebook.find_line_item(db, item_id)
    if item is None or item.course_id != course.id:
        raise ServiceRefusal(404, f"Not Found: Grade item {item_id} doesn't exist")
    if item.deployment_id != tool.deployment_id:
        raise ServiceRefusal(403, "Forbidden")
    return item


def _json_body() -> Any:
    try:
        return loads(request.get_data())
    except InvalidJson:
        return None


def _line_item_values() -> dict[str, Any]:
    values = _json_body()
    if not isinstance(values, dict) or not isinstance(values.get("label"), str):
        raise ServiceRefusal(400, "No label specified in line item")
    maximum = values.get("scoreMaximum")
    if isinstance(maximum, bool) or not isinstance(maximum, int | float):
        raise ServiceRefusal(400, "No numeric scoreMaximum specified in line item")
    if len(values["label"]) > MAX_LABEL_CHARACTERS:
        raise ServiceRefusal(502, "Bad Gateway")  # an invalid status of Moodle's, as a proxy shows it
    return values


def _check_resource_link(course: Course, tool: Tool, link_id: Any) -> None:
    if link_id is None:
        return
    if not str(link_id).isdecimal():
        raise ServiceRefusal(502, "Bad Gateway")  # an invalid status of Moodle's, as a proxy shows it
    if not any(activity.id == str(link_id) and activity.deployment_id == tool.deployment_id for activity in course.activities):
        raise ServiceRefusal(403, "Forbidden")


def _line_items_url(course: Course, tool: Tool) -> str:
    return f"{the_lms().config.base_url}/mod/lti/services.php/{course.id}/lineitems?type_id={tool.deployment_id}"


def _next_page(address: str, limit: int, start: int) -> str:
    """The Link header as Moodle writes it: curly quotes and an escaped ampersand; with sound links one that can be read."""
    if the_lms().habits.has_sound_links:
        return f'<{address}&limit={limit}&from={start}>; rel="next"'
    # Sent as UTF-8, which WSGI carries as Latin-1.
    return f"<{address}&amp;limit={limit}&amp;from={start}>; rel=\u201cnext\u201d".encode().decode("latin-1")


def _line_item_path(item: LineItem) -> str:
    return f"{the_lms().config.base_url}/mod/lti/services.php/{item.course_id}/lineitems/{item.id}/lineitem"


def _review_document(item: LineItem) -> dict[str, Any] | None:
    if not item.review_url and not item.review_custom:
        return None
    review = {"url": item.review_url, "custom": dict(item.review_custom) or None}
    return {name: value for name, value in review.items() if value}


def _line_item_document(item: LineItem) -> dict[str, Any]:
    document = {
        "id": f"{_line_item_path(item)}?type_id={item.deployment_id}",
        "label": item.label,
        "scoreMaximum": item.score_maximum,
        "resourceLinkId": item.resource_link_id,
        "resourceId": item.resource_id,
        "tag": item.tag,
        "submissionReview": _review_document(item),
    }
    return {name: value for name, value in document.items() if value is not None}
