"""The gradebook's pages: everybody's grades, one person's cell with what came for it, the teacher's own changes, review."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from lti_tool.dev.lms import gradebook, visitor
from lti_tool.dev.lms.config import Course, Person
from lti_tool.dev.lms.gradebook import Grade, LineItem
from lti_tool.dev.lms.lms import the_lms

bp = Blueprint("lms_grading", __name__)


@dataclass(frozen=True, slots=True)
class GradeRow:
    """One person's line of the gradebook, cells in column order."""

    person: Person
    cells: tuple[Grade | None, ...]


@bp.get("/courses/<course_id>/grades")
def grades(course_id: str) -> str:
    """Current grades and received scores: everyone's for staff, one's own for a learner."""
    person = visitor.find_visitor() or abort(401)
    course = visitor.course_for(person, course_id)
    is_staff = visitor.may_grade(person, course)
    with the_lms().store.transaction() as db:
        columns = gradebook.list_line_items(db, course.id)
        cells = {column.id: {grade.person_id: grade for grade in gradebook.list_grades(db, column.id)} for column in columns}
        received = gradebook.list_received(db, item_ids={column.id for column in columns})
    rows = _grade_rows(course, person, columns, cells, is_staff=is_staff)
    shown = [score for score in received if is_staff or score.person_id == person.id]
    return render_template("lms/grades.html", course=course, columns=columns, rows=rows, received=shown, is_staff=is_staff)


@bp.get("/courses/<course_id>/grades/<int:item_id>/<person_id>")
def cell(course_id: str, item_id: int, person_id: str) -> str:
    """One cell: the grade, every score that came for it, and the way to the learner's work in the tool."""
    course, column, person = _cell(course_id, item_id, person_id)
    with the_lms().store.transaction() as db:
        grade = gradebook.find_grade(db, column.id, person.id)
        received = [score for score in gradebook.list_received(db, item_ids={column.id}) if score.person_id == person.id]
    return render_template("lms/cell.html", course=course, column=column, person=person, grade=grade, received=received)


@bp.post("/courses/<course_id>/grades/<int:item_id>/<person_id>")
def change_cell(course_id: str, item_id: int, person_id: str) -> Response:
    """The teacher's own score, or back to the tool's; the cell locked, or opened."""
    course, column, person = _cell(course_id, item_id, person_id)
    act = request.form.get("act", "")
    with the_lms().store.transaction() as db:
        if act == "override":
            gradebook.override_grade(db, column.id, person.id, request.form.get("score", type=float) or 0.0)
        elif act == "restore":
            gradebook.override_grade(db, column.id, person.id, None)
        elif act in {"lock", "unlock"}:
            gradebook.lock_grade(db, column.id, person.id, is_locked=act == "lock")
        else:
            abort(404)
    return redirect(url_for("lms_grading.cell", course_id=course.id, item_id=column.id, person_id=person.id), 303)


@bp.post("/courses/<course_id>/grades/<int:item_id>/lock")
def lock_column(course_id: str, item_id: int) -> Response:
    """Locks a whole column, or opens it."""
    course, column = _column(course_id, item_id)
    with the_lms().store.transaction() as db:
        gradebook.lock_line_item(db, column.id, is_locked=not column.is_locked)
    return redirect(url_for("lms_grading.grades", course_id=course.id), 303)


@bp.get("/activities/<activity_id>/review/<person_id>")
def review(activity_id: str, person_id: str) -> str:
    """One learner's work in the tool's frame: a submission review."""
    viewer = visitor.find_visitor() or abort(401)
    course, activity = visitor.activity_for(viewer, activity_id)
    tool = the_lms().find_tool(deployment_id=activity.deployment_id) or abort(404)
    person = the_lms().find_person(person_id)
    if person is None or not visitor.may_grade(viewer, course):
        abort(404)
    g.frames_tools = True
    source = url_for("lms_launch.begin_review", activity_id=activity.id, person_id=person.id)
    return render_template("lms/activity.html", course=course, activity=activity, tool_origin=tool.origin, source=source, reviewed=person)


def _column(course_id: str, item_id: int) -> tuple[Course, LineItem]:
    viewer = visitor.find_visitor() or abort(401)
    course = visitor.course_for(viewer, course_id)
    with the_lms().store.transaction() as db:
        column = gradebook.find_line_item(db, item_id)
    if column is None or column.course_id != course.id or not visitor.may_grade(viewer, course):
        abort(404)
    return course, column


def _cell(course_id: str, item_id: int, person_id: str) -> tuple[Course, LineItem, Person]:
    course, column = _column(course_id, item_id)
    return course, column, the_lms().find_person(person_id) or abort(404)


def _grade_rows(
    course: Course, viewer: Person, columns: list[LineItem], cells: Mapping[int, Mapping[str, Grade]], *, is_staff: bool
) -> list[GradeRow]:
    learners = [person for person in the_lms().members_of(course) if person.roles[course.id] == "learner"]
    shown = learners if is_staff else [person for person in learners if person.id == viewer.id]
    return [GradeRow(person, tuple(cells[column.id].get(person.id) for column in columns)) for person in shown]
