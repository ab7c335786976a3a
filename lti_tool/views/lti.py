"""The addresses that platforms call: login, launch, key set; and the way from a launch to its page."""

from collections.abc import Mapping
from urllib.parse import urlsplit
from uuid import UUID

import structlog
from flask import Blueprint, Flask, Response, g, jsonify, redirect, request
from sqlalchemy.orm import Session
from werkzeug.exceptions import RequestEntityTooLarge

import assessment.api as assessment
from kernel.errors import NotFound
from kernel.http import GuardedClient
from kernel.ids import new_token
from lti_tool.lti.enrol import OnEnrolled
from lti_tool.lti.errors import LaunchTooLarge, NeedsWindow, PlatformRefused, RightMissing, StateUnknown, StateUsed
from lti_tool.lti.keysets import KeySets
from lti_tool.lti.launch import Arrival, LaunchForm, accept_launch, find_login, read_form
from lti_tool.lti.login import relaunch_path, start_login
from lti_tool.lti.storage import KnownState, find_platform
from lti_tool.lti.tool_keys import ensure_tool_key, public_key_set
from lti_tool.lti.vocabulary import Role
from lti_tool.web import cookies
from lti_tool.web.current import this_app
from lti_tool.web.edge import MAX_FORM_BYTES, KaonaApp, without_transaction, writes_what_may_be_lost
from lti_tool.web.headers import allow_framing_by

KEY_SET_SECONDS = 3600
FRAME_DESTINATIONS = frozenset({"iframe", "frame"})
OPEN = "/open/"
KINDS = frozenset({"assessment", "teach", "roadmap", "path", "executive", "admin"})
RIGHTS = {"executive": Role.EXECUTIVE, "admin": Role.ADMINISTRATOR}
"""What a person must have been given for the pages that no role in a course opens."""

blueprint = Blueprint("lti", __name__, url_prefix="/lti")
log = structlog.get_logger()


def register(app: Flask, *, on_enrolled: OnEnrolled, http: GuardedClient | None = None) -> None:
    """Adds the LTI addresses to the application.

    on_enrolled  takes new learners into the rooms that count people
    http         what calls platforms; the guarded client of the settings by default
    """
    assert isinstance(app, KaonaApp)
    http = http or GuardedClient.from_settings(app.settings)
    app.extensions["lti"] = (KeySets(app.database, http, app.clock), on_enrolled)
    app.register_blueprint(blueprint)


@blueprint.route("/login", methods=["GET", "POST"])
@writes_what_may_be_lost
def login() -> Response:
    """Login initiation: keeps a state and sends the browser to the platform's sign-in."""
    browser_token = cookies.read_token(request, cookies.BINDING) or new_token()
    started = start_login(g.db, _fields(), browser_token=browser_token, public_url=this_app().settings.public_url, now=g.now)
    response = _found(started.url, 302)
    cookies.set_token(response, cookies.BINDING, browser_token, max_age=cookies.BINDING_SECONDS)
    return response


@blueprint.post("/launch")
@without_transaction
def launch() -> Response:
    """The platform's answer: a session and its page, or a refusal. It opens its own transactions, none while it calls a platform."""
    request.max_content_length = MAX_FORM_BYTES
    app = this_app()
    key_sets, on_enrolled = app.extensions["lti"]
    form = read_form(_fields())
    state = _login_behind(app, form)
    allow_framing_by(state.platform.frame_origins)
    accepted = accept_launch(
        app.database,
        key_sets,
        state,
        form,
        browser_token=cookies.read_token(request, cookies.BINDING),
        browser_locale=request.accept_languages.best_match(["th", "en"]) or "th",
        public_url=app.settings.public_url,
        now=g.now,
        on_enrolled=on_enrolled,
        choose_page=page_of,
    )
    log.info("launched", launch=accepted.uuid, registration=accepted.platform.id, user=accepted.enrolled.user_id)
    response = _found(accepted.page, 303)
    cookies.set_token(response, cookies.SESSION, accepted.session_token)
    return response


@blueprint.get("/launch")
@without_transaction
def launch_again() -> Response:
    """Somebody opened the launch address by hand, or came back to it: a launch begins in the course."""
    raise StateUnknown


@blueprint.get("/jwks.json")
def key_set() -> Response:
    """The tool's public keys; the first one is made when there is none."""
    keys = public_key_set(g.db, now=g.now)
    if not keys["keys"]:
        with this_app().database.transaction() as db:
            ensure_tool_key(db, secret=this_app().secret, now=g.now)
            keys = public_key_set(db, now=g.now)
    response = jsonify(keys)
    response.headers["Cache-Control"] = f"public, max-age={KEY_SET_SECONDS}"
    return response


def page_of(db: Session, arrival: Arrival) -> str:
    """Path of the page that a launch leads to: what its link names, else what its person most likely wants.

    Raises   NotFound when the link names an activity that this agency does not have; RightMissing; NeedsWindow
    """
    kind, form = _wanted(arrival)
    if kind in RIGHTS and RIGHTS[kind] not in arrival.roles:
        raise RightMissing
    if kind == "admin" and request.headers.get("Sec-Fetch-Dest") in FRAME_DESTINATIONS:
        raise NeedsWindow(relaunch_url=this_app().settings.public_url + relaunch_path(arrival.hints))
    if kind in {"roadmap", "path"}:
        return f"/learn/{arrival.uuid}/{kind}"
    if kind in {"executive", "admin"}:
        return f"/{kind}/{arrival.uuid}/"
    form = _present_form(db, form, tenant_id=arrival.platform.tenant_id)
    if kind == "teach" or Role.INSTRUCTOR in arrival.roles:
        return f"/teach/{arrival.uuid}/activities/{form}"
    return f"/learn/{arrival.uuid}/assessment/{form}"


def _wanted(arrival: Arrival) -> tuple[str, UUID | None]:
    """Kind of page and form that the link names, by its parameter `activity` or its address; else by the person's roles."""
    activity, path = arrival.message.activity, urlsplit(arrival.message.target_link_uri).path
    named = activity.partition(":") if activity else path.removeprefix(OPEN).partition("/") if path.startswith(OPEN) else ("", "", "")
    if named[0] in KINDS:
        return named[0], _uuid(named[2]) if named[2] else None
    if arrival.roles & {Role.LEARNER, Role.INSTRUCTOR}:
        return "assessment", None
    return ("executive" if Role.EXECUTIVE in arrival.roles else "admin"), None


def _present_form(db: Session, form: UUID | None, *, tenant_id: int) -> UUID:
    """The form that a link names, if the agency has it; else the agency's first. Raises NotFound."""
    if form is not None:
        return assessment.get_form(db, form, tenant_id=tenant_id).uuid
    forms = assessment.list_forms(db, tenant_id=tenant_id)
    if not forms:
        raise NotFound
    return forms[0].uuid


def _uuid(text: str) -> UUID:
    try:
        return UUID(text.strip("/"))
    except ValueError:
        raise NotFound from None


def _login_behind(app: KaonaApp, form: LaunchForm) -> KnownState:
    """The login that a launch answers; where it is unknown, at least the platform that may show the refusal in its frame."""
    try:
        return find_login(app.database, form)
    except StateUsed as refusal:
        with app.database.reading() as db:
            platform = find_platform(db, refusal.registration_id or 0)
        if platform:
            allow_framing_by(platform.frame_origins)
        raise
    except StateUnknown:
        if form.error:
            raise PlatformRefused(error=form.error) from None
        raise


def _fields() -> Mapping[str, list[str]]:
    """The parameters of this request, every value of each. Raises LaunchTooLarge."""
    try:
        values = request.args if request.method == "GET" else request.form
        return values.to_dict(flat=False)
    except RequestEntityTooLarge:
        raise LaunchTooLarge from None


def _found(url: str, code: int) -> Response:
    response = redirect(url, code, Response)
    assert isinstance(response, Response)
    return response
