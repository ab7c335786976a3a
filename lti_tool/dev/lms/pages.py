"""The LMS's own pages: sign-in, courses, activity with the tool in its frame, gradebook, site administration."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import fontpkg_sarabun
from flask import Blueprint, abort, g, redirect, render_template, request, send_file, session, url_for
from werkzeug.wrappers import Response

from kernel.langmap import LangMap, text_in
from kernel.strictjson import InvalidJson, loads
from lti_tool.dev.lms import gradebook, visitor
from lti_tool.dev.lms.config import Course, Person
from lti_tool.dev.lms.gradebook import Grade, LineItem, ReceivedScore
from lti_tool.dev.lms.lms import the_lms
from lti_tool.dev.lms.texts import PAGE_TEXTS, THAI_MONTHS

N_SHOWN_AS_BUTTONS = 6
"""People of one kind beyond these are picked from a list."""
N_CALLS_SHOWN = 50
BUDDHIST_ERA = 543
FONT_FACES = ("Regular", "Bold")
YEAR_SECONDS = 365 * 24 * 3600

bp = Blueprint("lms_pages", __name__)


@dataclass(frozen=True, slots=True)
class GradeRow:
    """One person's line of the gradebook, cells in column order."""

    person: Person
    cells: tuple[Grade | None, ...]


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
    return render_template("lms/course.html", course=found, activities=the_lms().activities_of(person, found))


@bp.get("/activities/<activity_id>")
def activity(activity_id: str) -> str | Response:
    """One activity: the tool in its frame, or in the window of its own that the link asks for."""
    found, wanted = visitor.activity_for(_visitor(), activity_id)
    if wanted.opens_in_window:
        return redirect(url_for("lms_launch.begin", activity_id=activity_id, target="window"))
    tool = the_lms().find_tool(deployment_id=wanted.deployment_id) or abort(404)
    g.frames_tools = True
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(tool.login_url))
    return render_template("lms/activity.html", course=found, activity=wanted, tool_origin=origin)


@bp.get("/courses/<course_id>/grades")
def grades(course_id: str) -> str:
    """Current grades and received scores: everyone's for staff, one's own for a learner."""
    person = _visitor()
    found = visitor.course_for(person, course_id)
    is_staff = person.is_administrator or (found.id in person.roles and person.roles[found.id] != "learner")
    with the_lms().store.transaction() as db:
        columns = gradebook.list_line_items(db, found.id)
        cells = {column.id: {grade.person_id: grade for grade in gradebook.list_grades(db, column.id)} for column in columns}
        received = gradebook.list_received(db, item_ids={column.id for column in columns})
    rows = _grade_rows(found, person, columns, cells, is_staff=is_staff)
    shown = [score for score in received if is_staff or score.person_id == person.id]
    return render_template("lms/grades.html", course=found, columns=columns, rows=rows, received=shown, is_staff=is_staff)


@bp.get("/administration")
def administration() -> str:
    """What an administrator copies into the tool, and the last calls that the services answered."""
    if not _visitor().is_administrator:
        abort(404)
    with the_lms().store.transaction() as db:
        calls = db.execute("SELECT * FROM service_call ORDER BY id DESC LIMIT ?", (N_CALLS_SHOWN,)).fetchall()
    return render_template("lms/administration.html", tools=the_lms().config.tools, calls=calls)


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
    language = visitor.language()
    return {
        "lms": the_lms().config,
        "visitor": visitor.find_visitor(),
        "language": language,
        "t": lambda key, **values: text_in(language, PAGE_TEXTS[key]).format(**values),
        "say": lambda texts: text_in(language, texts) if texts else "",
        "moment": lambda text: moment_text(text, language, ZoneInfo(the_lms().config.time_zone)),
        "seconds": gradebook.seconds_text,
        "number": lambda value: f"{value:.2f}".rstrip("0").rstrip("."),
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
    groups = [(PAGE_TEXTS[f"kind_{kind}"], [person for person in the_lms().config.people if person.kind == kind]) for kind in kinds]
    return [group for group in groups if group[1]]


def _grade_rows(
    course: Course, viewer: Person, columns: list[LineItem], cells: Mapping[int, Mapping[str, Grade]], *, is_staff: bool
) -> list[GradeRow]:
    learners = [person for person in the_lms().members_of(course) if person.roles[course.id] == "learner"]
    shown = learners if is_staff else [person for person in learners if person.id == viewer.id]
    return [GradeRow(person, tuple(cells[column.id].get(person.id) for column in columns)) for person in shown]


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
