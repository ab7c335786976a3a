"""The time of a course's learners: who is under way now, and extra time for one of them, in two steps."""

from typing import Any
from uuid import UUID

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

import assessment.api as assessment
from kernel.errors import KaonaError, NotFound
from lti_tool.web.principal import Role, require
from lti_tool.workflows import learner_time, roster
from lti_tool.workflows.allowances import Grant, moment_of

blueprint = Blueprint("time", __name__, url_prefix="/activities/<uuid:form>")

FACTORS = (100, 125, 150, 200)
"""Percent of the limit that a teacher may choose."""
MAX_DIGITS = 4


@blueprint.get("/now")
@require(Role.INSTRUCTOR)
def now(form: UUID) -> str:
    """Who is under way at this moment: the parts of the class's page that refresh themselves."""
    shown = assessment.get_form(g.db, form, tenant_id=g.principal.tenant_id)
    total = roster.count_class(g.db, g.principal, form)
    return render_template("teacher/live.html", shown_form=shown, total=total, **now_values(form))


@blueprint.get("/learners/<uuid:person>/time")
@require(Role.INSTRUCTOR)
def confirm(form: UUID, person: UUID) -> Any:
    """The second step: what would be given, and until when the sitting would run."""
    try:
        return _confirm_page(form, person, _grant(form, person, request.args))
    except KaonaError as fault:
        if isinstance(fault, NotFound):
            raise
        return _confirm_page(form, person, None, fault=fault), 422


@blueprint.post("/learners/<uuid:person>/time")
@require(Role.INSTRUCTOR)
def give(launch: UUID, form: UUID, person: UUID) -> Response:
    """Gives what was confirmed."""
    roster.get_learner(g.db, g.principal, form, person)  # a stranger's page is not there, whatever it sends
    learner_time.allow(g.db, g.principal, form, _grant(form, person, request.form), g.now)
    return redirect(url_for("teacher.learner", launch=launch, form=form, person=person, done="time"), code=303)


@blueprint.post("/learners/<uuid:person>/time/<uuid:accommodation>/end")
@require(Role.INSTRUCTOR)
def take_back(launch: UUID, form: UUID, person: UUID, accommodation: UUID) -> Response:
    """Takes back what was given for this assessment."""
    learner_time.take_back(g.db, g.principal, form, person, accommodation=accommodation, now=g.now)
    return redirect(url_for("teacher.learner", launch=launch, form=form, person=person, done="time_back"), code=303)


def now_values(form: UUID) -> dict[str, Any]:
    """What is shown of those under way in the course of this launch."""
    return {"under_way": learner_time.look_at_now(g.db, g.principal, form, g.now), "read_at": g.now}


def _confirm_page(form: UUID, person: UUID, grant: Grant | None, *, fault: KaonaError | None = None) -> str:
    ends = None if grant is None else learner_time.preview(g.db, g.principal, form, grant, g.now)
    return render_template(
        "teacher/time.html",
        forms=assessment.list_forms(g.db, tenant_id=g.principal.tenant_id),
        given=request.args,
        back_path=url_for("teacher.learner", launch=g.principal.launch_uuid, form=form, person=person),
        shown_form=assessment.get_form(g.db, form, tenant_id=g.principal.tenant_id),
        one=roster.get_learner(g.db, g.principal, form, person),
        time=learner_time.time_of(g.db, g.principal, form, person, g.now),
        grant=grant,
        ends=ends,
        fault=fault,
    )


def _grant(form: UUID, person: UUID, given: MultiDict[str, str]) -> Grant:
    """What the fields `factor`, `minutes`, `pauses`, `pause_minutes`, `until`, `reason` and `scope` say.

    scope    `form`, or the UUID of a sitting
    Raises   AccommodationInvalid, NotFound
    """
    factor = _whole(given, "factor") or FACTORS[0]
    allowance = assessment.Allowance(factor, _whole(given, "minutes"), _whole(given, "pauses"), _whole(given, "pause_minutes"))
    scope, is_for_form = given.get("scope", ""), given.get("scope") == "form"
    try:
        until = moment_of(given.get("until", ""), is_end=True) if is_for_form else None
        attempt = None if is_for_form else UUID(scope)
    except ValueError:
        raise assessment.AccommodationInvalid(reason="until is a day; scope is form or a sitting") from None
    return Grant(person, allowance, given.get("reason", ""), form if is_for_form else None, attempt, None, until)


def _whole(given: MultiDict[str, str], name: str) -> int:
    """A whole number as the page sends it; what is none is no allowance that the room takes."""
    text = given.get(name, "").strip() or "0"
    return int(text) if text.isdigit() and len(text) <= MAX_DIGITS else -1
