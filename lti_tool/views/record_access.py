"""Who gets and gives statements: credentials, feeds, and the stores and webhooks that statements are sent on to."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

import xapi.api as xapi
from kernel.errors import KaonaError, NotFound
from lti_tool.errors import status_of
from lti_tool.keys import lrs_pepper
from lti_tool.web.current import this_app
from lti_tool.web.principal import Role, require
from lti_tool.workflows.record_access import RecordAccess, Use, part_of
from lti_tool.workflows.records import FilterInvalid

OVERLAP = timedelta(days=1)
"""How long the former secret works on after a rotation."""
MAX_DAYS = 3650

blueprint = Blueprint("access", __name__)


@blueprint.get("/keys")
@require(Role.ADMINISTRATOR)
def keys() -> str:
    """The credentials, and the form for a new one."""
    return _keys()


@blueprint.post("/keys")
@require(Role.ADMINISTRATOR)
def create_key() -> str | tuple[str, int]:
    """A new credential; its secret is shown on this page and never again."""
    try:
        with g.db.begin_nested():
            made = _created()
    except KaonaError as fault:
        return _keys(fault=fault, given=request.form), status_of(fault)
    return _keys(made=made)


@blueprint.post("/keys/rotate")
@require(Role.ADMINISTRATOR)
def rotate_key() -> str:
    """A new secret; the former one works on for a day."""
    return _keys(made=_access().rotate_key(request.form.get("key", ""), overlap=OVERLAP, pepper=_pepper()))


@blueprint.post("/keys/revoke")
@require(Role.ADMINISTRATOR)
def revoke_key(launch: UUID) -> Response:
    """Ends a credential at once."""
    _access().revoke_key(request.form.get("key", ""))
    return redirect(url_for("records.access.keys", launch=launch), code=303)


@blueprint.get("/feeds")
@require(Role.ADMINISTRATOR)
def feeds() -> str:
    """The feeds that consumers keep here, and how far behind they are."""
    tenant_id = g.principal.tenant_id
    found = xapi.list_feed_states(g.db, tenant_id=tenant_id)
    return render_template("records/feeds.html", **feed_values(found, xapi.list_keys(g.db, tenant_id=tenant_id)))


@blueprint.post("/feeds/remove")
@require(Role.ADMINISTRATOR)
def remove_feed(launch: UUID) -> Response:
    """Forgets a feed and its cursor."""
    _access().remove_feed(request.form.get("name", ""))
    return redirect(url_for("records.access.feeds", launch=launch), code=303)


@blueprint.get("/forwards")
@require(Role.ADMINISTRATOR)
def pushes() -> str:
    """Where statements are sent on to, and how it goes."""
    tenant_id = g.principal.tenant_id
    found = xapi.list_pushes(g.db, tenant_id=tenant_id)
    aside = {one.name: xapi.list_set_aside(g.db, tenant_id=tenant_id, name=one.name, limit=20) for one in found if one.set_aside}
    return render_template("records/pushes.html", **push_values(found, aside))


@blueprint.post("/forwards")
@require(Role.ADMINISTRATOR)
def change_push(launch: UUID) -> Response:
    """Pauses a forward, lets it go on, or has what was refused tried again."""
    access = _access()
    acts: Mapping[str, Callable[[str], object]] = {
        "pause": access.pause_push,
        "resume": access.resume_push,
        "retry": access.retry_set_aside,
    }
    act = acts.get(request.form.get("act", ""))
    if act is None:
        raise NotFound
    act(request.form.get("name", ""))
    return redirect(url_for("records.access.pushes", launch=launch), code=303)


def key_values(
    found: Sequence[xapi.KeyView],
    used: Mapping[str, Use],
    *,
    made: xapi.NewKey | None = None,
    fault: KaonaError | None = None,
    given: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What the page of credentials shows.

    used    what each did in the last 30 days, by key
    made    a secret that is shown this once
    given   what was typed, when it was refused
    """
    return {
        "keys": found,
        "used": used,
        "made": made,
        "fault": fault,
        "given": given or {},
        "chosen": set(given.getlist("scope")) if given is not None and hasattr(given, "getlist") else set(),
        "scopes": xapi.SCOPES,
    }


def feed_values(found: Sequence[xapi.FeedState], keys: Sequence[xapi.KeyView]) -> dict[str, Any]:
    """What the page of feeds shows."""
    return {"feeds": found, "owners": {key.key: key.name for key in keys}, "cap": xapi.WAITING_CAP}


def push_values(found: Sequence[xapi.PushView], aside: Mapping[str, Sequence[xapi.SetAside]]) -> dict[str, Any]:
    """What the page of forwards shows. aside: statements that a target refused, by the forward's name."""
    return {"pushes": found, "aside": aside, "cap": xapi.WAITING_CAP}


def _keys(**shown: Any) -> str:
    found = xapi.list_keys(g.db, tenant_id=g.principal.tenant_id)
    used = _access().use_by_key()
    back = url_for("records.access.keys", launch=g.principal.launch_uuid)
    return render_template("records/keys.html", **key_values(found[::-1], used, **shown), back_path=back)


def _created() -> xapi.NewKey:
    """The credential that the form describes."""
    form = request.form
    days = form.get("days", "").strip()
    if days and not (days.isdecimal() and 0 < int(days) <= MAX_DAYS):
        raise FilterInvalid(reason=days[:20])
    return _access().create_key(
        form.get("name", "").strip(),
        form.getlist("scope"),
        part=part_of(verbs=form.get("verbs", "").split(), activities=form.get("activities", "").split(), place="/slice"),
        pepper=_pepper(),
        expires_at=g.now + timedelta(days=int(days)) if days else None,
        pseudonymous=form.get("pseudonymous") == "yes",
    )


def _access() -> RecordAccess:
    return RecordAccess(g.db, g.principal.tenant_id, f"user:{g.principal.user_id}", g.now)


def _pepper() -> bytes:
    return lrs_pepper(this_app().secret)
