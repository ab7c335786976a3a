"""The site administrator's pages: registering tools by their URL, what is registered, the calls, and the switches."""

from dataclasses import replace
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from kernel.strictjson import InvalidJson, dumps, loads
from lti_tool.dev.lms import switches, visitor
from lti_tool.dev.lms.catalogue import TOOL, removal, tool_change
from lti_tool.dev.lms.client_metadata import same_domain
from lti_tool.dev.lms.config import Habits, Tool
from lti_tool.dev.lms.faults import CONFIGURATION_FAULTS, ID_TOKEN_FAULTS, KEY_SET_FAULTS, SCRIPTS, Faults
from lti_tool.dev.lms.lms import the_lms
from lti_tool.dev.lms.registration import registration_token
from lti_tool.dev.lms.shapes import SHAPES

N_CALLS_SHOWN = 50

bp = Blueprint("lms_administration", __name__, url_prefix="/administration")


@bp.before_request
def _refuse_others() -> None:
    """404 for everybody but the site administrator."""
    person = visitor.find_visitor() or abort(401)
    if not person.is_administrator:
        abort(404)


@bp.get("")
def administration() -> str:
    """What an administrator copies into the tool, and the last calls that the services answered."""
    with the_lms().store.transaction() as db:
        calls = db.execute("SELECT * FROM service_call ORDER BY id DESC LIMIT ?", (N_CALLS_SHOWN,)).fetchall()
    return render_template("lms/administration.html", tools=the_lms().tools, calls=calls)


@bp.get("/tools/register")
def register() -> Response | str:
    """Opens a tool's registration page in a frame; asks first where a tool of the same domain is there (Q11).

    `url` is the tool's registration URL; `tool` the deployment id of the one to update, or `new`.
    """
    address, choice = request.args.get("url", "").strip(), request.args.get("tool", "")
    if urlsplit(address).scheme not in {"http", "https"} or not urlsplit(address).netloc:
        return redirect(url_for("lms_administration.administration"))
    known = [tool for tool in the_lms().tools if same_domain(tool.host, address)]
    if known and not choice:
        return render_template("lms/register_choice.html", address=address, tools=known)
    updated = next((tool for tool in known if tool.deployment_id == choice), None)
    g.frames_tools = True
    g.frame_origin = "{0.scheme}://{0.netloc}".format(urlsplit(address))
    return render_template("lms/register.html", source=_registration_address(address, updated), updated=updated)


@bp.post("/tools/<client_id>/activate")
def activate(client_id: str) -> Response:
    """Lets a waiting tool work."""
    the_lms().apply(tool_change(replace(_tool(client_id), is_active=True)))
    return redirect(url_for("lms_administration.administration"), 303)


@bp.post("/tools/<client_id>/show")
def show(client_id: str) -> Response:
    """Offers a tool among the activities of every course, or no longer."""
    tool = _tool(client_id)
    the_lms().apply(tool_change(replace(tool, in_chooser=not tool.in_chooser)))
    return redirect(url_for("lms_administration.administration"), 303)


@bp.post("/tools/<client_id>/privacy")
def set_privacy(client_id: str) -> Response:
    """Sets what is sent of people, whatever the tool asked (Q8)."""
    changed = replace(_tool(client_id), shares_name="name" in request.form, shares_email="email" in request.form)
    the_lms().apply(tool_change(changed))
    return redirect(url_for("lms_administration.administration"), 303)


@bp.post("/tools/<client_id>/delete")
def delete(client_id: str) -> Response:
    """Takes a tool away; its activities stay and lead nowhere."""
    the_lms().apply(removal(TOOL, _tool(client_id).client_id))
    return redirect(url_for("lms_administration.administration"), 303)


@bp.get("/switches")
def show_switches() -> str:
    """How the LMS behaves: habits of other platforms, and misbehaviour on purpose."""
    lms = the_lms()
    return render_template("lms/switches.html", **_switches(lms.habits, lms.faults), error="")


@bp.post("/switches")
def set_switches() -> Response | tuple[str, int]:
    """Sets the switches of the form; 400 with the reason when one cannot be."""
    lms = the_lms()
    try:
        habits, faults = switches.read(request.form, loads(request.form.get("more") or "{}"))
    except (InvalidJson, ValueError, TypeError) as error:
        return render_template("lms/switches.html", **_switches(lms.habits, lms.faults), error=str(error)), 400
    lms.habits, lms.faults = habits, faults
    return redirect(url_for("lms_administration.show_switches"), 303)


@bp.post("/switches/reset")
def reset_switches() -> Response:
    """Moodle's good manners again."""
    lms = the_lms()
    lms.habits, lms.faults = lms.config.habits, Faults()
    return redirect(url_for("lms_administration.show_switches"), 303)


def _switches(habits: Habits, faults: Faults) -> dict[str, object]:
    return {
        "habits": habits,
        "faults": faults,
        "more": dumps(switches.beyond_the_form(faults)).decode(),
        "shapes": list(SHAPES),
        "id_token_faults": sorted(ID_TOKEN_FAULTS),
        "key_set_faults": sorted(KEY_SET_FAULTS),
        "configuration_faults": sorted(CONFIGURATION_FAULTS),
        "scripts": {name: switches.script_text(getattr(faults, name)) for name in SCRIPTS},
    }


def _registration_address(address: str, updated: Tool | None) -> str:
    """The tool's address with what a platform adds; a query that is there stays."""
    lms = the_lms()
    added = urlencode(
        {
            "openid_configuration": f"{lms.config.base_url}/mod/lti/openid-configuration.php",
            "registration_token": registration_token(lms, updated),
        }
    )
    return f"{address}{'&' if urlsplit(address).query else '?'}{added}"


def _tool(client_id: str) -> Tool:
    return the_lms().find_tool(client_id=client_id) or abort(404)
