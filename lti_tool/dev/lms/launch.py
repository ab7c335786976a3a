"""The walk of one message on the platform's side: login initiation, authentication request, id_token, key set."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Response, abort, g, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response as AnyResponse

from kernel.strictjson import dumps
from lti_tool.dev.lms import gradebook, names, visitor
from lti_tool.dev.lms.authentication import ErrorReply, InvalidRequest, check_request, launch_id_of, message_hint
from lti_tool.dev.lms.claims import (
    Launch,
    data_privacy_claims,
    deep_linking_claims,
    resource_link_claims,
    submission_review_claims,
)
from lti_tool.dev.lms.config import Activity, Course, Person, Tool
from lti_tool.dev.lms.faults import draft_token, key_set
from lti_tool.dev.lms.lms import Lms, PendingMessage, the_lms
from lti_tool.dev.lms.services import log_call
from lti_tool.dev.lms.shapes import SHAPES

_NOWHERE: Final = Course("0", "", {"th": ""}, ())
"""The course of a message that comes from none."""

bp = Blueprint("lms_launch", __name__)


@bp.get("/activities/<activity_id>/launch")
def begin(activity_id: str) -> AnyResponse:
    """Opens an activity. `target=window` says that the tool has a window of its own, `method=get` sends a redirect."""
    person = visitor.find_visitor()
    if person is None:
        return redirect(url_for("lms_pages.front"))
    course, activity = visitor.activity_for(person, activity_id)
    tool = _tool_of(activity.deployment_id)
    target = "window" if request.args.get("target") == "window" else "iframe"
    message = PendingMessage(names.RESOURCE_LINK_REQUEST, tool.client_id, course.id, activity.id, document_target=target)
    return initiate_login(person, tool, message, target_link_uri=activity.url)


@bp.get("/activities/<activity_id>/review/<person_id>/launch")
def begin_review(activity_id: str, person_id: str) -> AnyResponse:
    """Opens one learner's work in the tool, for the teacher."""
    person = visitor.find_visitor() or abort(401)
    course, activity = visitor.activity_for(person, activity_id)
    if not visitor.may_grade(person, course):
        abort(404)
    tool = _tool_of(activity.deployment_id)
    message = PendingMessage(names.SUBMISSION_REVIEW_REQUEST, tool.client_id, course.id, activity.id, for_user=person_id)
    return initiate_login(person, tool, message, target_link_uri=_review_of(activity)[0] or activity.url)


@bp.get("/privacy/<deployment_id>/launch")
def begin_privacy(deployment_id: str) -> AnyResponse:
    """Opens a tool's page on personal data, where the habits have one."""
    person, tool = visitor.find_visitor() or abort(401), _tool_of(deployment_id)
    if not the_lms().habits.has_privacy_launch:
        abort(404)
    return initiate_login(person, tool, PendingMessage(names.DATA_PRIVACY_REQUEST, tool.client_id))


def initiate_login(person: Person, tool: Tool, message: PendingMessage, *, target_link_uri: str = "") -> AnyResponse:
    """Login initiation: a form that posts itself to the tool, or with `method=get` in the address a redirect.

    target_link_uri   where the message wants to arrive; empty is the tool's own
    """
    lms = the_lms()
    launch_id = lms.begin_message(session["key"], message)
    parameters = {
        "iss": lms.config.base_url,
        "target_link_uri": lms.faults.target_link_uri or target_link_uri or tool.target_link_uri,
        "login_hint": person.id,
        "lti_message_hint": message_hint(message.activity_id, launch_id),
        "client_id": tool.client_id,
        "lti_deployment_id": tool.deployment_id,
    }
    if lms.habits.storage_frame:
        parameters["lti_storage_target"] = lms.habits.storage_frame
    if request.args.get("method") == "get":
        joiner = "&" if urlsplit(tool.login_url).query else "?"
        return redirect(f"{tool.login_url}{joiner}{urlencode(parameters)}")
    return self_posting_form(tool.login_url, parameters)


@bp.route("/mod/lti/auth.php", methods=["GET", "POST"])
def authenticate() -> AnyResponse:
    """Answers an authentication request: a token or an error posted to the tool, or Moodle's own `Invalid request` page."""
    lms, person = the_lms(), visitor.find_visitor()
    parameters = request.values.to_dict()
    try:
        if person is None:
            return ask_again(url_for("lms_launch.authenticate"), parameters)
        return _answer(lms, person, _spend(lms, parameters), parameters)
    except InvalidRequest as refusal:
        response = Response(render_template("lms/invalid.html"), status=404)
        log_call(Response(status=f"404 {refusal}"))
        return response


@bp.get("/mod/lti/certs.php")
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


def _spend(lms: Lms, parameters: Mapping[str, str]) -> PendingMessage:
    pending = lms.spend_message(session["key"], launch_id_of(parameters))
    if pending is None:
        raise InvalidRequest("the launch id is unknown, spent or another session's")
    return pending


def _answer(lms: Lms, person: Person, pending: PendingMessage, parameters: Mapping[str, str]) -> Response:
    tool = lms.find_tool(client_id=pending.client_id)
    if tool is None:
        raise InvalidRequest("the tool is gone")
    error = check_request(parameters, client_id=tool.client_id, redirect_uris=tool.redirect_uris, person_id=person.id)
    if lms.faults.auth_error:
        error = ErrorReply(lms.faults.auth_error, "The demo LMS was asked to refuse")
    state = parameters.get("state", "")
    if error is not None:
        described = {"error_description": error.description} if error.description else {}
        log_call(Response(status=f"200 {error.error}"))
        return self_posting_form(parameters["redirect_uri"], {"error": error.error, **described, "state": state})
    claims = _claims(lms, person, tool, pending, parameters["nonce"])
    log_call(Response(status="200 id_token"))
    id_token = draft_token(lms.ring, SHAPES[lms.habits.shape](claims), lms.faults).text()
    return self_posting_form(parameters["redirect_uri"], {"id_token": id_token, "state": state})


def _claims(lms: Lms, person: Person, tool: Tool, pending: PendingMessage, nonce: str) -> dict[str, Any]:
    """The claims of the pending message, as Moodle would send them."""
    signed: dict[str, Any] = {"nonce": nonce, "issued_at": int(lms.now().timestamp())}
    if pending.type == names.DATA_PRIVACY_REQUEST:
        return data_privacy_claims(_launch(person, tool, _NOWHERE, url_for("lms_pages.front")), **signed)
    course = visitor.course_for(person, pending.course_id)
    if pending.type == names.DEEP_LINKING_REQUEST:
        back = url_for("lms_deep_linking.receive", course=course.id, id=tool.deployment_id, sesskey=session["sesskey"])
        launch = _launch(person, tool, course, back, target_link_uri=tool.deep_linking_uri)
        return deep_linking_claims(launch, title=pending.title, text=pending.text, **signed)
    _, activity = visitor.activity_for(person, pending.activity_id)
    back = url_for("lms_pages.return_from_tool", course_id=course.id, sesskey=session["sesskey"])
    launch = _launch(person, tool, course, back, activity=activity, document_target=pending.document_target, target_link_uri=activity.url)
    if pending.type == names.SUBMISSION_REVIEW_REQUEST:
        address, custom = _review_of(activity)
        launch = replace(launch, target_link_uri=address or launch.target_link_uri, more_custom=custom)
        return submission_review_claims(launch, for_user=pending.for_user, **signed)
    return resource_link_claims(launch, **signed)


def _launch(
    person: Person,
    tool: Tool,
    course: Course,
    back: str,
    *,
    activity: Activity | None = None,
    document_target: str = "iframe",
    target_link_uri: str = "",
) -> Launch:
    lms = the_lms()
    with lms.store.transaction() as db:
        items = gradebook.list_line_items(db, course.id, tool.deployment_id) if activity else []
    return Launch(
        config=lms.config,
        tool=tool,
        person=person,
        course=course,
        activity=activity,
        locale=visitor.launch_locale(person),
        document_target=document_target,
        return_url=lms.config.base_url + back,
        target_link_uri=target_link_uri or tool.target_link_uri,
        line_item_ids=[item.id for item in items if activity is not None and item.resource_link_id == activity.id],
    )


def _review_of(activity: Activity) -> tuple[str, Mapping[str, str]]:
    """Address and parameters of a review: those of the activity's column, which the tool may have changed."""
    with the_lms().store.transaction() as db:
        column = gradebook.find_column(db, activity.id)
    if column is None:
        return activity.review_url, activity.review_custom
    return column.review_url or "", column.review_custom


def _tool_of(deployment_id: str) -> Tool:
    return the_lms().find_tool(deployment_id=deployment_id) or abort(404)


def ask_again(action: str, parameters: Mapping[str, str]) -> Response:
    """Posts a request to itself once, for a browser that held back its cookie; then it is invalid."""
    if "repost" in parameters:
        raise InvalidRequest("nobody is signed in")
    return self_posting_form(action, {**parameters, "repost": "1"})


def self_posting_form(action: str, parameters: Mapping[str, Any], *, target: str = "_self") -> Response:
    """A page whose form a script submits; a button does where no script runs. target: `_top` takes the whole window."""
    parts = urlsplit(action)
    g.form_target = f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
    return Response(render_template("lms/post.html", action=action, parameters=parameters, target=target))
