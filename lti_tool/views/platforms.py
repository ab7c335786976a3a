"""The administrator's pages of platforms: connect one, see its state, check it, change what it may, shut people out."""

from typing import Any
from uuid import UUID

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from kernel.errors import KaonaError, NotFound
from lti_tool.errors import status_of
from lti_tool.lti import blocks, by_hand, invites, registrations, tool_keys
from lti_tool.lti.products import product_of
from lti_tool.lti.registrations import PlatformCheck, PlatformView
from lti_tool.lti.tenants import tenant_key
from lti_tool.views.registration import outbound
from lti_tool.web import pages
from lti_tool.web.csrf import check_origin_and_token
from lti_tool.web.current import this_app
from lti_tool.web.edge import MAX_FORM_BYTES, without_transaction
from lti_tool.web.principal import Principal, Role, read_principal, require

LMSS = ("moodle", "canvas", "brightspace", "blackboard", "sakai", "openedx", "other")
"""What there are instructions for."""
FIELDS = ("issuer", "client_id", "deployment", "auth_url", "token_url", "jwks_url", "token_audience")
"""What is typed when a platform is connected by hand."""

blueprint = Blueprint("platforms", __name__, url_prefix="/admin/<uuid:launch>/platforms")


@blueprint.get("/")
@require(Role.ADMINISTRATOR)
def home() -> str:
    """The agency's platforms, and the ways to connect one more."""
    return _home()


@blueprint.post("/language")
@require(Role.ADMINISTRATOR)
def language(launch: UUID) -> Response:
    """Changes the language of this launch's pages."""
    return pages.change_language(g.db, g.principal, home=url_for("platforms.home", launch=launch))


@blueprint.post("/invite")
@require(Role.ADMINISTRATOR)
def invite() -> str:
    """A new invite; its address is shown on this page and never again."""
    made = invites.make_invite(g.db, tenant_id=g.principal.tenant_id, now=g.now, hosts=_words("hosts"), actor=_actor())
    url = invites.invite_url(this_app().settings.public_url, made.token)
    return _home(invite_url=url, invite_expires_at=made.expires_at)


@blueprint.post("/keys")
@require(Role.ADMINISTRATOR)
def rotate_keys(launch: UUID) -> Response:
    """A new key of the tool; platforms have a day to read it."""
    tool_keys.check_rotation(g.db, now=g.now)
    tool_keys.rotate_tool_key(g.db, secret=this_app().secret, now=g.now, actor=_actor(), tenant_id=g.principal.tenant_id)
    return redirect(url_for("platforms.home", launch=launch), code=303)


@blueprint.get("/new")
@require(Role.ADMINISTRATOR)
def by_hand_form() -> str:
    """Our values to copy, and the fields for the platform's."""
    return render_template("admin/by_hand.html", **by_hand_values(this_app().settings.public_url))


@blueprint.post("/new")
@require(Role.ADMINISTRATOR)
def add_by_hand(launch: UUID) -> Response | tuple[str, int]:
    """Registers a platform with the values that were typed; what is wrong is told beside them."""
    given = {name: request.form.get(name, "").strip() for name in FIELDS}
    try:
        with g.db.begin_nested():
            platform = _added(given)
    except KaonaError as fault:
        values = by_hand_values(this_app().settings.public_url) | {"given": given, "fault": fault}
        return render_template("admin/by_hand.html", **values), status_of(fault)
    return redirect(url_for("platforms.platform", launch=launch, platform=platform.uuid), code=303)


@blueprint.get("/instructions/<lms>")
@require(Role.ADMINISTRATOR)
def instructions(lms: str) -> str:
    """How to connect one kind of LMS, with our values filled in."""
    if lms not in LMSS:
        raise NotFound
    return render_template("admin/instructions.html", **instruction_values(lms, this_app().settings.public_url))


@blueprint.get("/<uuid:platform>")
@require(Role.ADMINISTRATOR)
def platform(platform: UUID) -> str:
    """One platform."""
    return render_template("admin/platform.html", **_values(_own(platform)))


@blueprint.post("/<uuid:platform>/check")
@without_transaction
def check(launch: UUID, platform: UUID) -> str:
    """Looks at a platform now: its key set, its clock, a token. It opens its own transactions, none while it calls the platform."""
    app = this_app()
    request.max_content_length = MAX_FORM_BYTES
    with app.database.reading() as db:
        g.db = db
        g.principal = _administrator(launch)
        found = _own(platform)
    result = registrations.check_platform(
        app.database, issuer=found.issuer, client_id=found.client_id, http=outbound(), secret=app.secret, clock=app.clock
    )
    with app.database.reading() as db:
        g.db = db
        values = _values(_own(platform), result)
    return render_template("admin/platform.html", **values)


@blueprint.post("/<uuid:platform>/state")
@require(Role.ADMINISTRATOR)
def change_state(launch: UUID, platform: UUID) -> Response:
    """Approves, disables or enables a platform."""
    acts = {
        "approve": registrations.approve_platform, "disable": registrations.disable_platform, "enable": registrations.enable_platform,
    }  # fmt: skip
    act = acts.get(request.form.get("act", ""))
    if act is None:
        raise NotFound
    act(g.db, _own(platform).id, now=g.now, actor=_actor())
    return _back(launch, platform)


@blueprint.post("/<uuid:platform>/addresses")
@require(Role.ADMINISTRATOR)
def change_addresses(launch: UUID, platform: UUID) -> Response:
    """Sets the origins and hosts that are allowed beside the platform's own."""
    origins, hosts = _words("frame_origins"), _words("service_hosts")
    registrations.set_addresses(g.db, _own(platform).id, frame_origins=origins, service_hosts=hosts, now=g.now, actor=_actor())
    return _back(launch, platform)


@blueprint.post("/<uuid:platform>/privacy")
@require(Role.ADMINISTRATOR)
def change_privacy(launch: UUID, platform: UUID) -> Response:
    """Keeps names that the platform sends, or forgets them."""
    keeps_names = request.form.get("names") == "yes"
    registrations.set_privacy(g.db, _own(platform).id, keeps_names=keeps_names, now=g.now, actor=_actor())
    return _back(launch, platform)


@blueprint.post("/<uuid:platform>/deployments")
@require(Role.ADMINISTRATOR)
def add_deployment(launch: UUID, platform: UUID) -> Response:
    """Lets a further deployment of the platform in."""
    deployment = request.form.get("deployment", "").strip()
    registrations.add_platform_deployment(g.db, _own(platform).id, deployment, now=g.now, actor=_actor())
    return _back(launch, platform)


@blueprint.post("/<uuid:platform>/people")
@require(Role.ADMINISTRATOR)
def change_access(launch: UUID, platform: UUID) -> Response:
    """Shuts a person out, or lets them in again."""
    act = blocks.unblock_person if request.form.get("act") == "unblock" else blocks.block_person
    act(g.db, _own(platform).id, request.form.get("sub", "").strip(), now=g.now, actor=_actor())
    return _back(launch, platform)


def home_values(platforms: list[PlatformView], keys: list[tool_keys.ToolKeyView], **invited: Any) -> dict[str, Any]:
    """What the page of platforms shows."""
    return {"platforms": platforms, "keys": keys, "product_of": product_of, "invite_url": None, "invite_expires_at": None, **invited}


def by_hand_values(public_url: str) -> dict[str, Any]:
    """What the page of connecting by hand shows before anything was typed."""
    return {"tool": by_hand.tool_values(public_url), "given": dict.fromkeys(FIELDS, ""), "fault": None}


def instruction_values(lms: str, public_url: str) -> dict[str, Any]:
    """What the instructions for one LMS show."""
    return {
        "lms": lms,
        "lmss": LMSS,
        "tool": by_hand.tool_values(public_url),
        "addresses": dict(by_hand.PLATFORM_ADDRESSES.get(lms, ())),
        "canvas_document": by_hand.canvas_document(public_url),
    }


def platform_values(platform: PlatformView, blocked: list[blocks.BlockedPerson], result: PlatformCheck | None = None) -> dict[str, Any]:
    """What the page of one platform shows."""
    return {"platform": platform, "product": product_of(platform.product), "blocked": blocked, "result": result}


def _home(**invited: Any) -> str:
    platforms = registrations.list_platforms(g.db, tenant_id=g.principal.tenant_id)
    return render_template("admin/platforms.html", **home_values(platforms, tool_keys.list_tool_keys(g.db, now=g.now), **invited))


def _values(found: PlatformView, result: PlatformCheck | None = None) -> dict[str, Any]:
    return platform_values(found, blocks.list_blocked(g.db, found.id), result)


def _added(given: dict[str, str]) -> PlatformView:
    if given["token_audience"]:
        registrations.check_audience(given["token_audience"], given["token_url"])
    values: dict[str, Any] = given | {"deployment": given["deployment"] or None, "token_audience": given["token_audience"] or None}
    return registrations.add_platform(g.db, **values, tenant=tenant_key(g.db, g.principal.tenant_id), now=g.now, actor=_actor())


def _own(platform: UUID) -> PlatformView:
    """A platform of the asker's agency. Raises NotFound."""
    return registrations.get_platform(g.db, platform, tenant_id=g.principal.tenant_id)


def _administrator(launch: UUID) -> Principal:
    """The asker of a write outside the request's transaction. Raises as `require` does."""
    principal = read_principal(launch)
    if Role.ADMINISTRATOR not in principal.roles:
        raise NotFound
    check_origin_and_token(launch)
    return principal


def _actor() -> str:
    return f"user:{g.principal.user_id}"


def _words(name: str) -> list[str]:
    return request.form.get(name, "").split()


def _back(launch: UUID, platform: UUID) -> Response:
    return redirect(url_for("platforms.platform", launch=launch, platform=platform), code=303)
