"""The way out: a person ends the visit of this browser, or the visits that are open elsewhere."""

from flask import Blueprint, Response, g, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from lti_tool.lti import sessions
from lti_tool.models.audit import append_audit
from lti_tool.web import cookies
from lti_tool.web.principal import require

blueprint = Blueprint("leave", __name__, url_prefix="/leave/<uuid:launch>")


@blueprint.post("/")
@require()
def here() -> Response:
    """Ends the session of this browser, and lets the browser forget what it keeps of ours. What was done stays."""
    sessions.end_session(g.db, _token())
    _note("session.ended")
    response = make_response(render_template("launch/left.html"))
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    cookies.drop_token(response, cookies.SESSION)
    return response


@blueprint.post("/elsewhere")
@require()
def elsewhere() -> AnyResponse:
    """Ends every other session of the person with this platform: other courses, other browsers, other machines."""
    n_ended = sessions.end_other_sessions(g.db, user_id=g.principal.user_id, token=_token())
    _note("session.ended_elsewhere", sessions=n_ended)
    return redirect(url_for("privacy.home", launch=g.principal.launch_uuid), code=303)


def _token() -> str:
    return cookies.read_session(request) or ""  # `require` has read it: there is one


def _note(event: str, **details: int) -> None:
    actor = f"user:{g.principal.user_id}"
    append_audit(g.db, event=event, actor=actor, now=g.now, tenant_id=g.principal.tenant_id, details=details)
