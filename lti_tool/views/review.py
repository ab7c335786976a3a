"""A teacher's page of one learner's work: where a submission review leads, and a click on a learner in the list of the course."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import Blueprint, g, render_template, request, url_for
from werkzeug.wrappers import Response

import roadmap.api as roadmap
from kernel.clock import local_date
from kernel.errors import NotFound
from lti_tool.views.learner import level_names, result_values
from lti_tool.web import pages
from lti_tool.web.answer_lines import answer_lines
from lti_tool.web.edge import writes
from lti_tool.web.principal import Role, require
from lti_tool.workflows import review

blueprint = Blueprint("review", __name__, url_prefix="/teach/<uuid:launch>/review")


@blueprint.get("")
@writes
@require(Role.INSTRUCTOR)
def submission() -> str:
    """The learner's work that the platform asked about."""
    return _page(review.review_submission(g.db, g.principal, attempt=_asked(), now=g.now))


@blueprint.get("/<uuid:form>/<uuid:person>")
@writes
@require(Role.INSTRUCTOR)
def learner(form: UUID, person: UUID) -> str:
    """The work of a learner of the course."""
    return _page(review.review_learner(g.db, g.principal, form_uuid=form, person_uuid=person, attempt=_asked(), now=g.now))


@blueprint.post("/language")
@require(Role.INSTRUCTOR)
def language(launch: UUID) -> Response:
    """Changes the language of this launch's pages."""
    return pages.change_language(g.db, g.principal, home=url_for("review.submission", launch=launch))


def review_values(found: review.Review, framework: roadmap.FrameworkView | None, targets: Mapping[str, int | None]) -> dict[str, Any]:
    """What the page shows of a learner's work."""
    values: dict[str, Any] = {"review": found, "forms": [], "shown_form": found.form}
    if found.outcome is None or framework is None:
        return values
    labels = {node.key: node.label for node in (*framework.groups, *framework.nodes)}
    areas = {domain.code: labels[domain.competency] for domain in found.outcome.form.domains}
    answers = answer_lines(found.outcome.responses, areas, found.rationales or {})
    return {
        **values,
        **result_values(found.outcome, framework, targets),
        "levels": level_names(framework),
        "answers": answers,
        "n_right": sum(one.is_right for one in answers),
    }


def _page(found: review.Review) -> str:
    if found.outcome is None or found.person_uuid is None:
        return render_template("teacher/review.html", **review_values(found, None, {}))
    framework = roadmap.get_framework(g.db, found.outcome.form.framework)
    standings = roadmap.standing_of(
        g.db, tenant_id=g.principal.tenant_id, person_uuid=found.person_uuid, today=local_date(g.now), now=g.now
    )
    targets = {one.node.key: one.target for one in standings}
    return render_template("teacher/review.html", **review_values(found, framework, targets))


def _asked() -> UUID | None:
    """The sitting that the address names. Raises NotFound for what is no identifier."""
    named = request.args.get("attempt")
    try:
        return UUID(named) if named else None
    except ValueError:
        raise NotFound from None
