"""The administrator's page: what works, what waits, what needs a person, in plain words."""

from uuid import UUID

from flask import Blueprint, g, render_template, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from lti_tool.web import pages
from lti_tool.web.principal import Role, require
from lti_tool.workflows import doctor

blueprint = Blueprint("admin", __name__, url_prefix="/admin/<uuid:launch>")


@blueprint.get("/")
@require(Role.ADMINISTRATOR)
def home() -> str:
    """State of the agency's connections."""
    return render_template("admin/home.html", **home_values(doctor.summary(g.db, g.principal)))


@blueprint.post("/language")
@require(Role.ADMINISTRATOR)
def language(launch: UUID) -> Response:
    """Changes the language of this launch's pages."""
    return pages.change_language(g.db, g.principal, home=url_for("admin.home", launch=launch))


def home_values(summary: doctor.DoctorSummary) -> dict[str, object]:
    """What the page shows of a summary."""
    return {
        "doctor": summary,
        "faults": [fault for platform in summary.platforms for fault in _faults(platform)],
        "kind_names": {"score.publish": _("Scores for a course"), "statement.forward": _("Statements for another record store")},
        "reasons": [_reason(one.reason) for one in summary.parked],
    }


def _faults(platform: doctor.PlatformHealth) -> list[str]:
    if platform.is_disabled:
        return []
    faults = []
    if platform.key_set_error:
        faults.append(
            _("%(issuer)s: its key set could not be fetched (%(code)s). Launches may fail. Check that its address answers.",
              issuer=platform.issuer, code=platform.key_set_error)
        )  # fmt: skip
    if platform.refused_keys:
        faults.append(
            _(
                "%(issuer)s: some of its keys are not safe and are not used: %(keys)s.",
                issuer=platform.issuer,
                keys=", ".join(platform.refused_keys),
            )
        )
    if platform.parked_scores:
        faults.append(
            _(
                "%(issuer)s: scores that could not be sent: %(n)s. The reasons stand below.",
                issuer=platform.issuer,
                n=platform.parked_scores,
            )
        )
    return faults


def _reason(note: str) -> str:
    """The note of a parked effect in plain words; its first word is a stable code, a number the platform's HTTP status."""
    code = note.split(":", 1)[0].split(" ", 1)[0]
    plain = {
        "400": _("The platform refused the score: it does not take a score for this person (often a teacher who tried the activity)."),
        "403": _("The platform does not allow us to write to this column. Check the permissions of the tool there."),
        "404": _("The column of the gradebook is gone. Open the activity once more from the course, or remove the link."),
        "401": _("The platform gave us no access. Check the client id and that it can reach our key set."),
        "host_foreign": _("The address of the gradebook is not on a host approved for this platform."),
        "token_refused": _("The platform gave us no access token. Check the client id and that it can reach our key set."),
    }  # fmt: skip
    known = next((plain[word] for word in note.replace(":", " ").replace("=", " ").split() if word in plain), None)
    return f"{known} ({note})" if known else (note or code or _("No reason was recorded."))
