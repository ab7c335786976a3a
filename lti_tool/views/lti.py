"""The addresses that platforms call: login, launch, key set."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from flask import Blueprint, Flask, Response, g, jsonify, render_template, request
from werkzeug.exceptions import RequestEntityTooLarge

from kernel.http import GuardedClient
from kernel.ids import new_token
from lti_tool.keys import state_key
from lti_tool.lti.enrol import OnEnrolled
from lti_tool.lti.errors import LaunchTooLarge, PlatformRefused, StateUnknown
from lti_tool.lti.keysets import KeySets
from lti_tool.lti.launch import Browser, LaunchForm, Login, accept_launch, cookie_refused, find_storage_target, open_login, read_form
from lti_tool.lti.login import LoginRequest, read_login, relaunch_path, start_login
from lti_tool.lti.message import origin_of
from lti_tool.lti.platforms import Platforms
from lti_tool.lti.sessions import TICKET_SECONDS
from lti_tool.lti.states import State, storage_key, storage_token
from lti_tool.lti.storage import Platform
from lti_tool.lti.tool_keys import ensure_tool_key, public_key_set
from lti_tool.views.arrivals import page_of
from lti_tool.web import cookies
from lti_tool.web.current import this_app
from lti_tool.web.edge import MAX_FORM_BYTES, KaonaApp, without_transaction
from lti_tool.web.headers import allow_framing_by
from lti_tool.web.pages import in_language
from lti_tool.web.path_sessions import head_of

KEY_SET_SECONDS = 3600
FRAMES = frozenset({"iframe", "frame"})
ASKED = "cookie_asked"
"""Stands in a login that was sent round to see whether the browser keeps our cookie."""
MAX_ADDRESS_CHARACTERS = 6000
"""Longer logins are not sent round: not every server before us takes such an address."""

blueprint = Blueprint("lti", __name__, url_prefix="/lti")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the addresses below share, made once a process."""

    platforms: Platforms
    key_sets: KeySets
    state_key: bytes
    on_enrolled: OnEnrolled


def register(app: Flask, *, on_enrolled: OnEnrolled, http: GuardedClient | None = None) -> None:
    """Adds the LTI addresses to the application.

    on_enrolled  takes new learners into the rooms that count people
    http         what calls platforms; the guarded client of the settings by default
    """
    assert isinstance(app, KaonaApp)
    http = http or GuardedClient.from_settings(app.settings)
    key_sets = KeySets(app.database, http, app.clock)
    app.extensions["lti"] = _Parts(Platforms(app.database, app.clock), key_sets, state_key(app.secret), on_enrolled)
    app.register_blueprint(blueprint)


@blueprint.route("/login", methods=["GET", "POST"])
@without_transaction
def login() -> Response:
    """Login initiation: seals a state and sends the browser to the platform's sign-in.

    A browser that comes in a frame and brings no cookie is first asked whether it keeps one there: what a platform gives along
    with a login is often good for one use, which must not be wasted on a launch that cannot be finished.
    """
    request.max_content_length = MAX_FORM_BYTES
    app, parts, fields = this_app(), _parts(), _fields()
    hints, known = read_login(fields), cookies.read_token(request, cookies.BINDING)
    browser_token = known or new_token()
    started = start_login(
        app.database,
        parts.platforms,
        hints,
        browser_token=browser_token,
        public_url=app.settings.public_url,
        key=parts.state_key,
        now=g.now,
    )
    response = _found(started.url, 302) if known else _answer_without_cookie(started, hints, was_asked=ASKED in fields)
    cookies.set_token(response, cookies.BINDING, browser_token, max_age=cookies.BINDING_SECONDS)
    return response


@blueprint.post("/launch")
@without_transaction
def launch() -> Response:
    """The platform's answer: a session and its page, or a refusal. It opens its own transactions, none while it calls a platform."""
    request.max_content_length = MAX_FORM_BYTES
    app, parts = this_app(), _parts()
    fields = _fields()
    form = read_form(fields)
    begun = _login_behind(parts, form)
    allow_framing_by(begun.platform.frame_origins)
    browser = Browser(cookies.read_token(request, cookies.BINDING), _stored_in(fields), request.headers.get("Sec-Fetch-Dest"))
    if browser.cookie is None and browser.stored is None and not form.error:
        target = find_storage_target(app.database, begun)
        if target:
            return _storage_page(begun.platform, begun.state, target, form=form)
    accepted = accept_launch(
        app.database,
        parts.key_sets,
        begun,
        form,
        browser,
        key=parts.state_key,
        browser_locale=lambda: request.accept_languages.best_match(["th", "en"]) or "th",
        public_url=app.settings.public_url,
        now=g.now,
        on_enrolled=parts.on_enrolled,
        choose_page=page_of,
    )
    log.info("launched", launch=accepted.uuid, registration=accepted.platform.id, user=accepted.enrolled.user_id)
    if accepted.needs_tab:
        return Response(in_language(accepted.locale, "launch/tab.html", ticket=accepted.session_token, seconds=TICKET_SECONDS))
    if browser.cookie is None:
        return _found(head_of(accepted.session_token) + accepted.page, 303)
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


def _login_behind(parts: _Parts, form: LaunchForm) -> Login:
    """The login that a launch answers. Raises StateUnknown, PlatformRefused."""
    try:
        return open_login(parts.platforms, form, key=parts.state_key)
    except StateUnknown:
        if form.error:
            raise PlatformRefused(error=form.error) from None
        raise


def _answer_without_cookie(started: LoginRequest, hints: Mapping[str, str], *, was_asked: bool) -> Response:
    """Where a browser goes that brought no cookie of ours. Raises `cookie_refused` when it was given one a moment ago."""
    place = request.headers.get("Sec-Fetch-Dest")
    allow_framing_by(started.platform.frame_origins)
    if was_asked and place in FRAMES:
        refusal = cookie_refused(hints, public_url=this_app().settings.public_url)
        refusal.registration_id, refusal.tenant_id = started.platform.id, started.platform.tenant_id
        raise refusal
    once_more = f"{relaunch_path(hints)}&{ASKED}=1"
    if started.storage_target and place != "document":
        return _storage_page(started.platform, started.state, started.storage_target, next_url=started.url, other_url=once_more)
    if place in FRAMES and not was_asked and len(once_more) <= MAX_ADDRESS_CHARACTERS:
        return _found(once_more, 302)
    return _found(started.url, 302)


def _storage_page(platform: Platform, state: State, target: str, **values: Any) -> Response:
    """A page that speaks with the frame of the platform that keeps values for us: it puts one there at login, and asks for it at launch."""
    origin = origin_of(platform.auth_url)
    value = storage_token(_parts().state_key, state) if "form" not in values else None
    text = render_template("launch/storage.html", origin=origin, target=target, key=storage_key(state), value=value, **values)
    return Response(text)


def _stored_in(fields: Mapping[str, list[str]]) -> str | None:
    """What the platform gave back to a page of ours; None when none of our pages asked it."""
    is_ours = request.headers.get("Origin") == this_app().settings.public_url
    return "".join(fields["stored"]) if is_ours and "stored" in fields else None


def _parts() -> _Parts:
    parts = this_app().extensions["lti"]
    assert isinstance(parts, _Parts)
    return parts


def _fields() -> Mapping[str, list[str]]:
    """The parameters of this request, every value of each. Raises LaunchTooLarge."""
    try:
        values = request.args if request.method == "GET" else request.form
        return values.to_dict(flat=False)
    except RequestEntityTooLarge:
        raise LaunchTooLarge from None


def _found(url: str, code: int) -> Response:
    return Response(status=code, headers={"Location": url})
