"""Who is in front of the browser: sign-in, language and session key of the LMS's own pages."""

from flask import abort, session

from kernel.ids import new_token
from lti_tool.dev.lms.config import Activity, Course, Person
from lti_tool.dev.lms.lms import the_lms

LANGUAGES = ("th", "en")


def sign_in(person: Person) -> None:
    """Starts a new session for a person; the chosen language stays."""
    language = session.get("language")
    session.clear()
    session.update(person=person.id, key=new_token(16), sesskey=new_token(16))
    if language:
        session["language"] = language


def sign_out() -> None:
    """Ends the session; the chosen language stays."""
    language = session.get("language")
    session.clear()
    if language:
        session["language"] = language


def find_visitor() -> Person | None:
    """Who is signed in, or None."""
    return the_lms().find_person(session.get("person", ""))


def language() -> str:
    """Language of the pages and of launches: the one chosen, else the person's, else Thai."""
    person = find_visitor()
    chosen = session.get("language") or (person.locale if person else "th")
    return chosen if chosen in LANGUAGES else "th"


def launch_locale(person: Person) -> str:
    """Language code that a launch carries: the one chosen on the pages, else the person's own."""
    return str(session.get("language") or person.locale)


def course_for(person: Person, course_id: str) -> Course:
    """A course that the person may enter; 404 for any other."""
    course = next((course for course in the_lms().courses_of(person) if course.id == course_id), None)
    return course or abort(404)


def may_grade(person: Person, course: Course) -> bool:
    """Whether the person sees everybody's grades: who teaches the course, its assistant too."""
    return person.teaches(course.id) or person.roles.get(course.id) == "assistant"


def course_taught_by(person: Person, course_id: str) -> Course:
    """A course that the person may change; 404 for any other."""
    course = course_for(person, course_id)
    return course if person.teaches(course.id) else abort(404)


def activity_for(person: Person, activity_id: str) -> tuple[Course, Activity]:
    """An activity that the person sees; 404 for any other."""
    found = the_lms().find_activity(activity_id)
    if found is None or found[0] not in the_lms().courses_of(person):
        abort(404)
    course, activity = found
    return found if activity in the_lms().activities_of(person, course) else abort(404)
