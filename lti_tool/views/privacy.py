"""What we keep about you: where a data privacy launch leads, and a link on every learner's page; the data to take along."""

from flask import Blueprint, Response, g, make_response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from kernel.errors import NotFound
from kernel.strictjson import dumps
from lti_tool.lti import sessions
from lti_tool.web import cookies, pages
from lti_tool.web.current import this_app
from lti_tool.web.principal import Role, require
from lti_tool.workflows import privacy

blueprint = Blueprint("privacy", __name__, url_prefix="/privacy/<uuid:launch>")

FILE_NAME = "kaona-my-data.json"


@blueprint.get("/")
@require()
def home() -> str:
    """What is kept of the person who asks; for those who answer for the agency's data, of how many."""
    token = cookies.read_session(request) or ""
    answers_for_agency = bool(g.principal.roles & {Role.STEWARD, Role.ADMINISTRATOR})
    return render_template(
        "privacy/home.html",
        mine=privacy.kept_of_person(g.db, g.principal, now=g.now),
        agency=privacy.kept_of_agency(g.db, g.principal) if answers_for_agency else None,
        kinds=privacy.KINDS,
        visits=sessions.list_open_sessions(g.db, user_id=g.principal.user_id, token=token, now=g.now),
        contact=this_app().settings.privacy_contact,
    )


@blueprint.post("/data.json")
@require()
def data() -> Response:
    """Everything that is kept of the person who asks, as a file. Of the learner of a preview, who is nobody, there is none."""
    if g.principal.is_preview:
        raise NotFound
    response = make_response(dumps(privacy.hand_out(g.db, g.principal, now=g.now)))
    response.mimetype = "application/json"
    response.headers["Content-Disposition"] = f'attachment; filename="{FILE_NAME}"'
    return response


@blueprint.post("/language")
@require()
def language() -> AnyResponse:
    """Changes the language of this launch's pages."""
    return pages.change_language(g.db, g.principal, home=url_for("privacy.home", launch=g.principal.launch_uuid))
