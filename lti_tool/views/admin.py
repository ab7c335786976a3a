"""The administrator's page: what works, what waits, what needs a person, in plain words."""

from uuid import UUID

from flask import Blueprint, g, render_template, url_for
from werkzeug.wrappers import Response

from lti_tool.web import pages
from lti_tool.web.principal import Role, require
from lti_tool.workflows import doctor
from lti_tool.workflows.findings import KIND_NAMES, Finding

blueprint = Blueprint("admin", __name__, url_prefix="/admin/<uuid:launch>")


@blueprint.get("/")
@require(Role.ADMINISTRATOR)
def home() -> str:
    """State of the agency's connections."""
    return render_template("admin/home.html", **home_values(doctor.summary(g.db, g.principal, g.now)))


@blueprint.post("/language")
@require(Role.ADMINISTRATOR)
def language(launch: UUID) -> Response:
    """Changes the language of this launch's pages."""
    return pages.change_language(g.db, g.principal, home=url_for("admin.home", launch=launch))


def home_values(summary: doctor.DoctorSummary) -> dict[str, object]:
    """What the page shows of a summary: what needs a person first, each finding with its platform, if it has one."""
    found: list[tuple[doctor.PlatformHealth | None, Finding]] = [(None, finding) for finding in summary.findings]
    found += [(platform, finding) for platform in summary.platforms for finding in platform.findings]
    return {
        "doctor": summary,
        "urgent": [(platform, finding) for platform, finding in found if finding.needs_person],
        "notices": [(platform, finding) for platform, finding in found if not finding.needs_person],
        "kind_names": KIND_NAMES,
    }
