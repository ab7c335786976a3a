"""What a teacher changes in a course: its activities and their content, the tools it offers, its people, the course itself."""

from dataclasses import replace
from typing import Final

from flask import Blueprint, abort, g, redirect, render_template, request, session, url_for
from pydantic import TypeAdapter, ValidationError
from werkzeug.wrappers import Response

from lti_tool.dev.lms import gradebook, names, visitor
from lti_tool.dev.lms.catalogue import ACTIVITY, removal, tool_change
from lti_tool.dev.lms.config import Activity, Course, CourseRole, Person, Tool
from lti_tool.dev.lms.content_items import DEFAULT_MAXIMUM, Draft, activity_of, draft_of
from lti_tool.dev.lms.deep_linking import DRAFTS
from lti_tool.dev.lms.launch import initiate_login
from lti_tool.dev.lms.lms import PendingMessage, the_lms

PARAMETERS: Final = TypeAdapter(dict[str, str])
ROLES: tuple[CourseRole, ...] = ("learner", "assistant", "instructor", "manager")

bp = Blueprint("lms_teaching", __name__)


@bp.get("/courses/<course_id>/activities/new")
def new_activity(course_id: str) -> str:
    """The empty form of an activity of one tool."""
    _, course = _taught(course_id)
    return _form(course, _offered(course, request.args.get("tool", "")), [])


@bp.get("/courses/<course_id>/content-item")
def choose_content(course_id: str) -> Response:
    """Opens the tool's picker: a deep linking request. `activity` says whose content is chosen anew."""
    person, course = _taught(course_id)
    tool = _offered(course, request.args.get("tool", ""), activity_id=request.args.get("activity", ""))
    session["choosing"] = request.args.get("activity", "")
    message = PendingMessage(
        names.DEEP_LINKING_REQUEST, tool.client_id, course.id, title=request.args.get("title", ""), text=request.args.get("text", "")
    )
    return initiate_login(person, tool, message, target_link_uri=tool.deep_linking_uri)


@bp.post("/courses/<course_id>/activities/chosen")
def chosen(course_id: str) -> str:
    """The form with what the tool returned; nothing is stored before the teacher saves it."""
    _, course = _taught(course_id)
    changed = the_lms().find_activity(session.pop("choosing", ""))
    activity = changed[1] if changed is not None and changed[0].id == course.id else None
    tool = _offered(course, request.args.get("tool", ""), activity_id=activity.id if activity else "")
    drafts = _drafts(request.form.get("items", ""))
    if not drafts and activity is not None:
        drafts = [draft_of(activity)]
    return _form(course, tool, drafts, activity=activity)


@bp.post("/courses/<course_id>/activities")
def create(course_id: str) -> Response:
    """Saves the form: one activity, or all that the tool returned at once."""
    _, course = _taught(course_id)
    tool = _offered(course, request.form.get("tool", ""))
    drafts = _drafts(request.form["items"]) if request.form.get("items") else [_filled(Draft())]
    for draft in drafts:
        the_lms().save_activity(course, activity_of(draft, activity_id=the_lms().new_id(), tool=tool))
    return _to_course(course)


@bp.route("/activities/<activity_id>/edit", methods=["GET", "POST"])
def edit(activity_id: str) -> Response | str:
    """The form of an activity that is there, and its saving: same link, same column, new content."""
    course, activity = _taught_activity(activity_id)
    tool = _offered(course, activity.deployment_id, activity_id=activity.id)
    if request.method == "GET":
        return _form(course, tool, [draft_of(activity)], activity=activity)
    changed = activity_of(_filled(draft_of(activity)), activity_id=activity.id, tool=tool)
    the_lms().save_activity(course, replace(changed, audience=activity.audience))
    return _to_course(course)


@bp.post("/activities/<activity_id>/duplicate")
def duplicate(activity_id: str) -> Response:
    """A copy of an activity: the same address, parameters, resource id and tag under a new link and a new column (Q32)."""
    course, activity = _taught_activity(activity_id)
    copy = _copied(activity)
    the_lms().save_activity(course, replace(copy, title={lang: f"{text} ({_COPY[lang]})" for lang, text in activity.title.items()}))
    return _to_course(course)


@bp.post("/activities/<activity_id>/delete")
def delete(activity_id: str) -> Response:
    """Takes an activity away with its column and grades."""
    course, activity = _taught_activity(activity_id)
    lms = the_lms()
    lms.apply(removal(ACTIVITY, activity.id))
    with lms.store.transaction() as db:
        gradebook.save_column(db, course, replace(activity, score_maximum=None))
    return _to_course(course)


@bp.post("/courses/<course_id>/copy")
def copy_course(course_id: str) -> Response:
    """A new course with the same activities under new ids and the same staff; `$Context.id.history` names this one."""
    _, course = _taught(course_id)
    lms = the_lms()
    made = replace(
        course,
        id=lms.new_id(),
        short_name=f"{course.short_name}-2",
        title={lang: f"{text} ({_COPY[lang]})" for lang, text in course.title.items()},
        activities=(),
        history=(course.id, *course.history),
    )
    lms.save_course(made, [_copied(activity) for activity in course.activities])
    for person in lms.members_of(course):
        if person.roles[course.id] != "learner":
            lms.enrol(made, person, person.roles[course.id])
    return _to_course(made)


@bp.post("/courses/<course_id>/reset")
def reset_course(course_id: str) -> Response:
    """Takes away all grades of a course and, when asked, its learners; links and columns stay."""
    _, course = _taught(course_id)
    lms = the_lms()
    with lms.store.transaction() as db:
        gradebook.reset_course(db, course.id)
    if request.form.get("learners") == "remove":
        for person in lms.members_of(course):
            if person.roles[course.id] == "learner":
                lms.enrol(course, person, None)
    return _to_course(course)


@bp.route("/courses/<course_id>/tools", methods=["GET", "POST"])
def tools(course_id: str) -> Response | str:
    """The course's external tools: which of them teachers find when they add an activity."""
    _, course = _taught(course_id)
    lms = the_lms()
    usable = [tool for tool in lms.tools if tool.may_be_used_in(course.id)]
    if request.method == "GET":
        return render_template("lms/course_tools.html", course=course, tools=usable)
    tool = next((tool for tool in usable if tool.deployment_id == request.form.get("tool")), None) or abort(404)
    shown = tool.shown_in ^ {course.id}
    lms.apply(tool_change(replace(tool, shown_in=shown)))
    return redirect(url_for("lms_teaching.tools", course_id=course.id), 303)


@bp.route("/courses/<course_id>/participants", methods=["GET", "POST"])
def participants(course_id: str) -> Response | str:
    """The course's people: given a role, suspended, let in again, taken out."""
    _, course = _taught(course_id)
    lms = the_lms()
    if request.method == "GET":
        members = lms.members_of(course)
        others = [person for person in lms.catalogue.people.values() if person not in members and not person.is_administrator]
        return render_template("lms/participants.html", course=course, members=members, others=others, roles=ROLES)
    person = lms.find_person(request.form.get("person", "")) or abort(404)
    role = person.roles.get(course.id)
    act = request.form.get("act", "")
    if act == "enrol" and request.form.get("role") in ROLES:
        lms.enrol(course, person, next(each for each in ROLES if each == request.form["role"]))
    elif role is not None and act in {"suspend", "activate"}:
        lms.enrol(course, person, role, is_suspended=act == "suspend")
    elif role is not None and act == "remove":
        lms.enrol(course, person, None)
    else:
        abort(404)
    return redirect(url_for("lms_teaching.participants", course_id=course.id), 303)


_COPY = {"th": "สำเนา", "en": "copy"}


def _taught(course_id: str) -> tuple[Person, Course]:
    person = visitor.find_visitor() or abort(401)
    return person, visitor.course_taught_by(person, course_id)


def _taught_activity(activity_id: str) -> tuple[Course, Activity]:
    person = visitor.find_visitor() or abort(401)
    course, activity = visitor.activity_for(person, activity_id)
    return visitor.course_taught_by(person, course.id), activity


def _offered(course: Course, deployment_id: str, *, activity_id: str = "") -> Tool:
    """A tool that the course offers, or that an activity there uses already; 404 for any other."""
    tool = the_lms().find_tool(deployment_id=deployment_id) or abort(404)
    uses = {activity.id for activity in course.activities if activity.deployment_id == deployment_id}
    return tool if tool.is_offered_in(course.id) or activity_id in uses else abort(404)


def _form(course: Course, tool: Tool, drafts: list[Draft], *, activity: Activity | None = None) -> str:
    g.frames_tools = True
    return render_template(
        "lms/activity_form.html",
        course=course,
        tool=tool,
        draft=drafts[0] if len(drafts) == 1 else Draft(),
        several=drafts if len(drafts) > 1 else [],
        items=DRAFTS.dump_json(drafts).decode() if len(drafts) > 1 else "",
        activity=activity,
    )


def _filled(draft: Draft) -> Draft:
    """The draft with what the form's fields say."""
    form = request.form
    return replace(
        draft,
        title=form.get("title", "").strip(),
        description=form.get("description", "").strip(),
        has_html=True,
        url=form.get("url", "").strip(),
        custom=form.get("custom", "").strip(),
        icon=form.get("icon", ""),
        score_maximum=_points(form.get("points", "")) if form.get("is_graded") else None,
        resource_id=form.get("resource_id", ""),
        tag=form.get("tag", ""),
        review_url=form.get("review_url", ""),
        review_custom=_parameters(form.get("review_custom", "")),
        opens_in_window=bool(form.get("opens_in_window")),
    )


def _points(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return DEFAULT_MAXIMUM


def _parameters(text: str) -> dict[str, str]:
    try:
        return PARAMETERS.validate_json(text or "{}")
    except ValidationError:
        abort(400)


def _drafts(text: str) -> list[Draft]:
    try:
        return DRAFTS.validate_json(text)
    except ValidationError:
        abort(400)


def _copied(activity: Activity) -> Activity:
    """The same activity under a new link id, with the resource id, tag and review that its column has now."""
    lms = the_lms()
    with lms.store.transaction() as db:
        column = gradebook.find_column(db, activity.id)
    now = activity
    if column is not None:
        now = replace(
            activity,
            score_maximum=column.score_maximum,
            resource_id=column.resource_id or "",
            tag=column.tag or "",
            review_url=column.review_url or "",
            review_custom=column.review_custom,
        )
    return replace(now, id=lms.new_id())


def _to_course(course: Course) -> Response:
    return redirect(url_for("lms_pages.course", course_id=course.id), 303)
