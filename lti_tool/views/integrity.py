"""The teacher's pages of sittings that somebody should look at: what was seen, what it may mean innocently too, and the decision."""

from typing import Any
from uuid import UUID

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

import assessment.api as assessment
from lti_tool.web import pages
from lti_tool.web.edge import writes
from lti_tool.web.principal import Role, require
from lti_tool.workflows import integrity
from lti_tool.workflows.integrity import CourseReview

blueprint = Blueprint("integrity", __name__, url_prefix="/teach/<uuid:launch>/integrity")

DECISIONS = ("no_concern", "talk", "retake")


@blueprint.get("/<uuid:form>")
@require(Role.INSTRUCTOR)
def reviews(form: UUID) -> str:
    """Reviews of the sittings that count in this course."""
    shown = assessment.get_form(g.db, form, tenant_id=g.principal.tenant_id)
    found = integrity.list_course_reviews(g.db, g.principal, form)
    return render_template("teacher/integrity.html", **reviews_values(shown, found))


@blueprint.get("/<uuid:form>/<uuid:attempt>")
@writes
@require(Role.INSTRUCTOR)
def review(form: UUID, attempt: UUID) -> str:
    """One of them."""
    shown = assessment.get_form(g.db, form, tenant_id=g.principal.tenant_id)
    found = integrity.open_review(g.db, g.principal, form, attempt, g.now)
    return render_template("teacher/integrity_review.html", **review_values(shown, found))


@blueprint.post("/<uuid:form>/<uuid:attempt>")
@require(Role.INSTRUCTOR)
def decide(launch: UUID, form: UUID, attempt: UUID) -> Any:
    """Keeps the decision; one without a reason is asked for again."""
    decision, reason = request.form.get("decision", ""), request.form.get("reason", "")
    try:
        integrity.decide(g.db, g.principal, form, attempt, decision=decision, reason=reason, now=g.now)
    except assessment.ReviewInvalid as fault:
        shown = assessment.get_form(g.db, form, tenant_id=g.principal.tenant_id)
        found = integrity.open_review(g.db, g.principal, form, attempt, g.now)
        values = review_values(shown, found, given={"decision": decision, "reason": reason}, fault=fault)
        return render_template("teacher/integrity_review.html", **values), 422
    return redirect(url_for("integrity.reviews", launch=launch, form=form), code=303)


@blueprint.post("/language")
@require(Role.INSTRUCTOR)
def language(launch: UUID) -> Response:
    """Changes the language of this launch's pages."""
    first = next(iter(assessment.list_forms(g.db, tenant_id=g.principal.tenant_id)), None)
    return pages.change_language(g.db, g.principal, home=url_for("integrity.reviews", launch=launch, form=first.uuid) if first else "/")


def reviews_values(form: assessment.FormView, found: list[CourseReview]) -> dict[str, Any]:
    """What the list shows."""
    waiting = [one for one in found if one.review.decision is None]
    return {"forms": [], "shown_form": form, "waiting": waiting, "decided": [one for one in found if one.review.decision is not None]}


def review_values(
    form: assessment.FormView,
    found: CourseReview,
    *,
    given: dict[str, str] | None = None,
    fault: assessment.ReviewInvalid | None = None,
) -> dict[str, Any]:
    """What one review shows. given: the decision as it was posted, and fault why it is none."""
    return {"forms": [], "shown_form": form, "found": found, "decisions": DECISIONS, "given": given or {}, "fault": fault}
