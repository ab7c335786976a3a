"""The walk of one launch on the platform's side: login initiation, authentication request, id_token, key set."""

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Response, g, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response as AnyResponse

from kernel.strictjson import dumps
from lti_tool.dev.lms import gradebook, visitor
from lti_tool.dev.lms.authentication import ErrorReply, InvalidRequest, check_request, launch_id_of, message_hint
from lti_tool.dev.lms.claims import Launch, resource_link_claims
from lti_tool.dev.lms.config import Activity, Person, Tool
from lti_tool.dev.lms.faults import draft_token, key_set
from lti_tool.dev.lms.lms import Lms, PendingLaunch, the_lms
from lti_tool.dev.lms.services import log_call

bp = Blueprint("lms_launch", __name__)


@bp.get("/activities/<activity_id>/launch")
def begin(activity_id: str) -> AnyResponse:
    """Login initiation: a form that posts itself to the tool, or with `method=get` a redirect.

    `target=window` says that the tool opens in a window of its own.
    """
    lms, person = the_lms(), visitor.find_visitor()
    if person is None:
        return redirect(url_for("lms_pages.front"))
    _, activity = visitor.activity_for(person, activity_id)
    tool = _tool_of(lms, activity)
    target = "window" if request.args.get("target") == "window" else "iframe"
    launch_id = lms.begin_launch(session["key"], activity, target)
    parameters = {
        "iss": lms.config.base_url,
        "target_link_uri": lms.faults.target_link_uri or activity.url or tool.target_link_uri,
        "login_hint": person.id,
        "lti_message_hint": message_hint(activity.id, launch_id),
        "client_id": tool.client_id,
        "lti_deployment_id": tool.deployment_id,
    }
    if request.args.get("method") == "get":
        joiner = "&" if urlsplit(tool.login_url).query else "?"
        return redirect(f"{tool.login_url}{joiner}{urlencode(parameters)}")
    return _self_posting_form(tool.login_url, parameters)


@bp.route("/lti/auth", methods=["GET", "POST"])
def authenticate() -> AnyResponse:
    """Answers an authentication request: a token or an error posted to the tool, or Moodle's own `Invalid request` page."""
    lms, person = the_lms(), visitor.find_visitor()
    parameters = request.values.to_dict()
    try:
        if person is None:
            return _ask_again(parameters)
        return _answer(lms, _launch(lms, person, _spend(lms, parameters)), parameters)
    except InvalidRequest as refusal:
        response = Response(render_template("lms/invalid.html"), status=404)
        log_call(Response(status=f"404 {refusal}"))
        return response


@bp.get("/lti/certs")
def certificates() -> AnyResponse:
    """The key set, in whatever state the faults put it."""
    lms = the_lms()
    if lms.faults.key_set_delay_seconds:
        time.sleep(lms.faults.key_set_delay_seconds)
    if lms.faults.key_set == "redirect":
        response: AnyResponse = redirect(lms.faults.key_set_redirect)
    elif lms.faults.key_set == "error":
        response = Response("Service unavailable", status=503, mimetype="text/plain")
    else:
        document = key_set(lms.ring, lms.faults)
        is_html = lms.faults.key_set == "html"
        body = document if isinstance(document, bytes) else dumps(document)
        response = Response(body, mimetype="text/html" if is_html else "application/json")
    log_call(Response(status=response.status))
    return response


def _spend(lms: Lms, parameters: Mapping[str, str]) -> PendingLaunch:
    pending = lms.spend_launch(session["key"], launch_id_of(parameters))
    if pending is None:
        raise InvalidRequest("the launch id is unknown, spent or another session's")
    return pending


def _answer(lms: Lms, launch: Launch, parameters: Mapping[str, str]) -> Response:
    tool = launch.tool
    error = check_request(parameters, client_id=tool.client_id, redirect_uris=tool.redirect_uris, person_id=launch.person.id)
    if lms.faults.auth_error:
        error = ErrorReply(lms.faults.auth_error, "The demo LMS was asked to refuse")
    state = parameters.get("state", "")
    if error is not None:
        described = {"error_description": error.description} if error.description else {}
        log_call(Response(status=f"200 {error.error}"))
        return _self_posting_form(parameters["redirect_uri"], {"error": error.error, **described, "state": state})
    log_call(Response(status="200 id_token"))
    return _self_posting_form(parameters["redirect_uri"], {"id_token": _id_token(lms, launch, parameters["nonce"]), "state": state})


def _launch(lms: Lms, person: Person, pending: PendingLaunch) -> Launch:
    course, activity = visitor.activity_for(person, pending.activity_id)
    tool = _tool_of(lms, activity)
    with lms.store.transaction() as db:
        items = gradebook.list_line_items(db, course.id, tool.deployment_id)
    back = url_for("lms_pages.return_from_tool", course_id=course.id, sesskey=session["sesskey"])
    return Launch(
        config=lms.config,
        tool=tool,
        person=person,
        course=course,
        activity=activity,
        locale=visitor.launch_locale(person),
        document_target=pending.document_target,
        return_url=lms.config.base_url + back,
        line_item_ids=[item.id for item in items if item.resource_link_id == activity.id],
    )


def _id_token(lms: Lms, launch: Launch, nonce: str) -> str:
    claims = resource_link_claims(launch, nonce=nonce, issued_at=int(lms.now().timestamp()))
    return draft_token(lms.ring, claims, lms.faults).text()


def _tool_of(lms: Lms, activity: Activity) -> Tool:
    tool = lms.find_tool(deployment_id=activity.deployment_id)
    assert tool is not None
    return tool


def _ask_again(parameters: Mapping[str, str]) -> Response:
    """Posts the request to itself once, for a browser that held back its cookie; then it is invalid."""
    if "repost" in parameters:
        raise InvalidRequest("nobody is signed in")
    return _self_posting_form(url_for("lms_launch.authenticate"), {**parameters, "repost": "1"})


def _self_posting_form(action: str, parameters: dict[str, Any]) -> Response:
    """A page whose form a script submits; a button does where no script runs."""
    parts = urlsplit(action)
    g.form_target = f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
    return Response(render_template("lms/post.html", action=action, parameters=parameters))
