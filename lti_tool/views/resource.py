"""The learner's page of one thing to learn from or to do, where a link of a course leads to it; and of a link that shows nothing yet."""

from typing import Any, cast
from uuid import UUID

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

import learning.api as learning
import roadmap.api as roadmap
from kernel.errors import NotFound
from lti_tool.views.learner import level_names
from lti_tool.web import pages
from lti_tool.web.principal import Role, require

blueprint = Blueprint("resource", __name__, url_prefix="/learn/<uuid:launch>/resources")


@blueprint.get("/<uuid:resource>")
@require(Role.LEARNER)
def page(resource: UUID) -> str:
    """What it is, what it helps to reach, why it stands on the person's path if it does, and the way to it."""
    shown = learning.get_resource(g.db, resource, tenant_id=g.principal.tenant_id)
    framework = roadmap.get_framework(g.db, shown.node_key.partition("#")[0])
    return render_template("learner/resource.html", **resource_values(shown, framework, learning.find_path(g.db, **_person())))


@blueprint.post("/<uuid:resource>/mark")
@require(Role.LEARNER)
def mark(launch: UUID, resource: UUID) -> Response:
    """Keeps what the person says of it, on the step of their path; the room refuses what is no state."""
    step = step_with(resource, learning.find_path(g.db, **_person()))
    if step is None:
        raise NotFound
    state = cast("learning.State", request.form.get("state", ""))
    learning.mark_step(g.db, step_uuid=step.uuid, state=state, now=g.now, **_person())
    return redirect(url_for("resource.page", launch=launch, resource=resource), code=303)


@blueprint.get("/none-yet")
@require(Role.LEARNER)
def nothing_yet() -> str:
    """The link is there, and nobody has chosen what it shows."""
    return render_template("learner/nothing_yet.html")


@blueprint.post("/language")
@require(Role.LEARNER)
def language(launch: UUID) -> Response:
    """Changes the language of this launch's pages."""
    return pages.change_language(g.db, g.principal, home=url_for("learner.path_page", launch=launch))


def resource_values(shown: learning.ResourceView, framework: roadmap.FrameworkView, path: learning.PathView | None) -> dict[str, Any]:
    """What the page shows of a resource, for a person with this path."""
    labels = {node.key: node.label for node in (*framework.groups, *framework.nodes)}
    return {
        "resource": shown,
        "competency": labels[shown.node_key],
        "level_name": level_names(framework)[shown.level],
        "step": step_with(shown.uuid, path),
    }


def step_with(resource: UUID, path: learning.PathView | None) -> learning.StepView | None:
    """The step of a path that holds a resource."""
    return next((step for step in path.steps if step.resource and step.resource.uuid == resource), None) if path else None


def _person() -> dict[str, Any]:
    return {"tenant_id": g.principal.tenant_id, "person_uuid": g.principal.person_uuid}
