"""The LMS's own pages for everybody: sign-in, courses, activity with the tool in its frame."""

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import fontpkg_sarabun
from flask import Blueprint, abort, g, redirect, render_template, request, send_file, session, url_for
from werkzeug.wrappers import Response

from kernel.langmap import LangMap, text_in
from kernel.strictjson import InvalidJson, loads
from lti_tool.dev.lms import gradebook, visitor
from lti_tool.dev.lms.claims import html_as_text
from lti_tool.dev.lms.config import Person
from lti_tool.dev.lms.gradebook import ReceivedScore
from lti_tool.dev.lms.lms import the_lms
from lti_tool.dev.lms.texts import PAGE_TEXTS, THAI_MONTHS

N_SHOWN_AS_BUTTONS = 6
"""People of one kind beyond these are picked from a list."""
BUDDHIST_ERA = 543
FONT_FACES = ("Regular", "Bold")
YEAR_SECONDS = 365 * 24 * 3600

bp = Blueprint("lms_pages", __name__)


@bp.get("/")
def front() -> Response | str:
    """Sign-in for a stranger, the course for whoever has one, else the list of courses."""
    person = visitor.find_visitor()
    if person is None:
        return render_template("lms/sign_in.html", groups=_people_by_kind(), n_buttons=N_SHOWN_AS_BUTTONS)
    courses = the_lms().courses_of(person)
    if len(courses) == 1:
        return redirect(url_for("lms_pages.course", course_id=courses[0].id))
    return render_template("lms/courses.html", courses=courses)


@bp.post("/sign-in")
def sign_in() -> Response:
    """Becomes the chosen person; there is no password, since nobody here is real."""
    person = the_lms().find_person(request.form.get("person", "")) or abort(404)
    visitor.sign_in(person)
    return redirect(url_for("lms_pages.front"), 303)


@bp.post("/sign-out")
def sign_out() -> Response:
    """Back to the choice of people."""
    visitor.sign_out()
    return redirect(url_for("lms_pages.front"), 303)


@bp.post("/language")
def choose_language() -> Response:
    """Switches the pages and later launches to another language, then back to the page it was asked on."""
    session["language"] = request.form["language"] if request.form.get("language") in visitor.LANGUAGES else "th"
    back = request.form.get("back", "/")
    is_ours = back.startswith("/") and not back.startswith(("//", "/\\"))
    return redirect(back if is_ours else "/", 303)


@bp.get("/courses/<course_id>")
def course(course_id: str) -> str:
    """The course with its activities."""
    person = _visitor()
    found = visitor.course_for(person, course_id)
    lms = the_lms()
    offered = [tool for tool in lms.tools if person.teaches(found.id) and tool.is_offered_in(found.id)]
    return render_template("lms/course.html", course=found, activities=lms.activities_of(person, found), offered=offered)


@bp.get("/activities/<activity_id>")
def activity(activity_id: str) -> str | Response:
    """One activity: the tool in its frame, or in the window of its own that the link asks for."""
    found, wanted = visitor.activity_for(_visitor(), activity_id)
    if wanted.opens_in_window:
        return redirect(url_for("lms_launch.begin", activity_id=activity_id, target="window"))
    tool = the_lms().find_tool(deployment_id=wanted.deployment_id) or abort(404)
    g.frames_tools = True
    source = url_for("lms_launch.begin", activity_id=wanted.id)
    return render_template("lms/activity.html", course=found, activity=wanted, tool_origin=tool.origin, source=source)


@bp.get("/privacy")
def privacy() -> str:
    """The tools that tell a person what they keep, where the habits have a data privacy launch."""
    _visitor()
    if not the_lms().habits.has_privacy_launch:
        abort(404)
    return render_template("lms/privacy.html", tools=[tool for tool in the_lms().tools if tool.is_active])


@bp.get("/storage-frame")
def storage_frame() -> str:
    """The platform's own frame beside a tool's, which answers platform storage for it; empty to look at."""
    return render_template("lms/storage.html", tool_origins=" ".join(sorted({tool.origin for tool in the_lms().tools})))


@bp.get("/courses/<course_id>/return")
def return_from_tool(course_id: str) -> str:
    """Where the tool sends its user back: a message inside the frame, or the way to the course for the whole window."""
    found = visitor.course_for(_visitor(), course_id)
    if request.args.get("sesskey") != session.get("sesskey"):
        abort(404)
    message = request.args.get("lti_errormsg") or request.args.get("lti_msg") or ""
    return render_template("lms/return.html", course=found, message=message)


@bp.get("/fonts/<face>.ttf")
def font(face: str) -> Response:
    """Sarabun from its wheel: many machines have no Thai letters of their own."""
    if face not in FONT_FACES:
        abort(404)
    path = Path(fontpkg_sarabun.ROOT) / "files" / f"Sarabun-{face}.ttf"
    return send_file(path, mimetype="font/ttf", max_age=YEAR_SECONDS)


@bp.app_context_processor
def page_words() -> dict[str, Any]:
    """What every template may ask for."""
    language, person = visitor.language(), visitor.find_visitor()
    return {
        "lms": the_lms().config,
        "habits": the_lms().habits,
        "teaches": lambda course: person is not None and person.teaches(course.id),
        "grades_all": lambda course: person is not None and visitor.may_grade(person, course),
        "visitor": person,
        "language": language,
        "t": lambda key, **values: text_in(language, PAGE_TEXTS[key]).format(**values),
        "say": lambda texts: text_in(language, texts) if texts else "",
        "moment": lambda text: moment_text(text, language, ZoneInfo(the_lms().config.time_zone)),
        "seconds": gradebook.seconds_text,
        "number": lambda value: f"{value:.2f}".rstrip("0").rstrip("."),
        "plain": html_as_text,
        "person_name": _person_name,
        "points_of": _points_of,
    }


def moment_text(rfc3339_text: str, language: str, zone: ZoneInfo) -> str:
    """A moment in words and local time; Thai with the Buddhist year."""
    moment = datetime.fromisoformat(rfc3339_text).astimezone(zone)
    if language == "th":
        return f"{moment.day} {THAI_MONTHS[moment.month - 1]} {moment.year + BUDDHIST_ERA} {moment:%H:%M:%S} น."
    return f"{moment.day} {moment:%b %Y %H:%M:%S}"


def _visitor() -> Person:
    """Who is signed in; 401 sends a stranger to the sign-in page."""
    return visitor.find_visitor() or abort(401)


def _people_by_kind() -> list[tuple[LangMap, list[Person]]]:
    kinds = ("learner", "teacher", "executive", "administrator")
    groups = [
        (PAGE_TEXTS[f"kind_{kind}"], [person for person in the_lms().catalogue.people.values() if person.kind == kind]) for kind in kinds
    ]
    return [group for group in groups if group[1]]


def _person_name(person_id: str) -> str:
    person = the_lms().find_person(person_id)
    return text_in(visitor.language(), person.name) if person else person_id


def _points_of(score: ReceivedScore) -> str:
    """`71.5 / 100` of a received score, or a dash when it brought no points."""
    try:
        body = loads(score.body)
    except InvalidJson:
        return "–"
    if not isinstance(body, dict) or body.get("scoreGiven") is None:
        return "–"
    return f"{body['scoreGiven']} / {body.get('scoreMaximum', '–')}"
