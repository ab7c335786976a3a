"""The switches by HTTP, for tests that run beside the LMS: only there when the configuration says so."""

from dataclasses import asdict

from flask import Blueprint, Response, request

from kernel.strictjson import InvalidJson, dumps, loads
from lti_tool.dev.lms import gradebook
from lti_tool.dev.lms.config import Habits
from lti_tool.dev.lms.faults import Faults
from lti_tool.dev.lms.lms import the_lms

bp = Blueprint("lms_control", __name__, url_prefix="/control")


def _answer(document: object, status: int = 200) -> Response:
    return Response(dumps(document), status=status, mimetype="application/json")


@bp.errorhandler(InvalidJson)
@bp.errorhandler(KeyError)
def _refuse(error: Exception) -> Response:
    """A document that cannot be read, or lacks what it must name."""
    return _answer({"error": str(error)}, 400)


@bp.get("/faults")
def read_faults() -> Response:
    """The switches as they stand; scripts show what is left of them."""
    return _answer(the_lms().faults.to_json())


@bp.put("/faults")
def set_faults() -> Response:
    """All switches at once: what the document leaves out is off. 400 for a name that does not exist."""
    try:
        document = loads(request.get_data())
        the_lms().faults = Faults.from_json(document)
    except (InvalidJson, ValueError, TypeError) as error:
        return _answer({"error": str(error)}, 400)
    return read_faults()


@bp.delete("/faults")
def reset_faults() -> Response:
    """Good manners again."""
    the_lms().faults = Faults()
    return read_faults()


@bp.get("/habits")
def read_habits() -> Response:
    """The habits as they stand."""
    return _answer(asdict(the_lms().habits))


@bp.put("/habits")
def set_habits() -> Response:
    """All habits at once: what the document leaves out is Moodle's way. 400 for one that does not exist."""
    try:
        the_lms().habits = Habits(**loads(request.get_data()))
    except (InvalidJson, ValueError, TypeError) as error:
        return _answer({"error": str(error)}, 400)
    return read_habits()


@bp.post("/keys")
def rotate_keys() -> Response:
    """A new signing key."""
    return _answer({"kid": the_lms().rotate_keys()})


@bp.get("/scores")
def received_scores() -> Response:
    """Every score received, the newest first, with its answer."""
    with the_lms().store.transaction() as db:
        return _answer([asdict(score) for score in gradebook.list_received(db)])


@bp.get("/grades/<int:item_id>")
def grades(item_id: int) -> Response:
    """The cells of one column."""
    with the_lms().store.transaction() as db:
        return _answer([asdict(grade) for grade in gradebook.list_grades(db, item_id)])


@bp.post("/grades/<int:item_id>/<person_id>/lock")
def lock_grade(item_id: int, person_id: str) -> Response:
    """Locks one cell as a teacher can."""
    with the_lms().store.transaction() as db:
        gradebook.lock_grade(db, item_id, person_id)
    return Response(status=204)


@bp.post("/grades/<int:item_id>/<person_id>/override")
def override_grade(item_id: int, person_id: str) -> Response:
    """Sets one cell by hand as a teacher can: `{"score": 55}`, or null to go back to what the tool sent."""
    with the_lms().store.transaction() as db:
        gradebook.override_grade(db, item_id, person_id, loads(request.get_data())["score"])
    return Response(status=204)


@bp.put("/courses/<course_id>/people/<person_id>")
def set_enrolment(course_id: str, person_id: str) -> Response:
    """Gives a person a role in a course (`{"role": "learner", "is_suspended": false}`), or by a null role none."""
    lms, document = the_lms(), loads(request.get_data())
    course, person = lms.find_course(course_id), lms.find_person(person_id)
    if course is None or person is None:
        return _answer({"error": "no such course or person"}, 404)
    lms.enrol(course, person, document["role"], is_suspended=document.get("is_suspended", False))
    return Response(status=204)


@bp.get("/calls")
def calls() -> Response:
    """The last calls that reached the services, the newest first."""
    with the_lms().store.transaction() as db:
        rows = db.execute("SELECT at, method, path, status, reason FROM service_call ORDER BY id DESC LIMIT 200").fetchall()
    return _answer([dict(row) for row in rows])
