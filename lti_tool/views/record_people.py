"""A person's rights: found by whatever identifies them, handed out, given another name, erased; and the receipts.

What identifies a person is posted, never part of an address: addresses stand in histories and logs.
"""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any
from uuid import UUID

from flask import Blueprint, g, make_response, render_template, request, url_for
from werkzeug.wrappers import Response

import xapi.api as xapi
from kernel.errors import KaonaError
from lti_tool.errors import status_of
from lti_tool.lti.registrations import PlatformView, list_platforms
from lti_tool.web.current import this_app
from lti_tool.web.edge import AfterCommit
from lti_tool.web.principal import Role, require
from lti_tool.workflows import erasure, people

FILE_NAME = "kaona-person.zip"

blueprint = Blueprint("people", __name__, url_prefix="/people")


@blueprint.get("/")
@require(Role.ADMINISTRATOR)
def home() -> str:
    """The form that finds a person, and the receipts."""
    return _home()


@blueprint.post("/find")
@require(Role.ADMINISTRATOR)
def find() -> str | tuple[str, int]:
    """What is stored of a person, and what can be done with it."""
    try:
        known = _known()
    except KaonaError as fault:
        return _home(fault=fault, given=request.form), status_of(fault)
    return _person(known)


@blueprint.post("/export")
@require(Role.ADMINISTRATOR)
def export() -> Response:
    """All that is kept of a person, as a zip file."""
    packed = BytesIO()
    people.write_export(g.db, _known(), packed, now=g.now, actor=_actor())
    response = make_response(packed.getvalue())
    response.mimetype = "application/zip"
    response.headers["Content-Disposition"] = f'attachment; filename="{FILE_NAME}"'
    return response


@blueprint.post("/erase")
@require(Role.ADMINISTRATOR)
def erase(launch: UUID) -> Any:
    """Renames or erases a person; the receipt, and the requests to other stores, which are shown this once."""
    act, known = request.form.get("act", ""), _known()
    if act not in erasure.ACTS or request.form.get("sure") != "yes":
        return _person(known, is_unsure=True), 400
    done = erasure.erase(g.db, known, act=act, now=g.now, actor=_actor(), secret=this_app().secret)

    def told() -> str:
        erasure.write_down(this_app().settings.data_dir, [done.receipt])
        back = url_for("records.people.receipt", launch=launch, receipt=done.receipt.uuid)
        return render_template("records/receipt.html", **receipt_values(done.receipt, done.requests), back_path=back)

    return AfterCommit(told)


@blueprint.get("/receipts/<uuid:receipt>")
@require(Role.ADMINISTRATOR)
def receipt(receipt: UUID) -> str:
    """One receipt."""
    return render_template("records/receipt.html", **receipt_values(erasure.get_receipt(g.db, receipt, tenant_id=g.principal.tenant_id)))


def home_values(
    platforms: Sequence[PlatformView],
    receipts: Sequence[erasure.Receipt],
    *,
    fault: KaonaError | None = None,
    given: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What the first page shows. given: what was typed, when nobody was found by it."""
    return {"platforms": platforms, "receipts": receipts, "fault": fault, "given": given or {}}


def person_values(
    known: people.KnownPerson, presence: xapi.Presence, given: Mapping[str, str], *, is_unsure: bool = False
) -> dict[str, Any]:
    """What the page of a person shows; what was typed goes along with each form on it."""
    sent = {name: given.get(name, "") for name in ("identifiers", "issuer", "sub")}
    return {"known": known, "presence": presence, "sent": sent, "acts": erasure.ACTS, "is_unsure": is_unsure}


def receipt_values(receipt: erasure.Receipt, requests: Sequence[erasure.Request] = ()) -> dict[str, Any]:
    """What a receipt shows; the requests only right after the act."""
    return {"receipt": receipt, "requests": [(one, one.text) for one in requests]}


def _home(**shown: Any) -> str:
    tenant_id = g.principal.tenant_id
    platforms = list_platforms(g.db, tenant_id=tenant_id)
    values = home_values(platforms, erasure.list_receipts(g.db, tenant_id=tenant_id), **shown)
    return render_template("records/people.html", **values, back_path=_back())


def _person(known: people.KnownPerson, *, is_unsure: bool = False) -> str:
    presence = xapi.find_presence(g.db, known.person, tenant_id=known.tenant_id)
    return render_template("records/person.html", **person_values(known, presence, request.form, is_unsure=is_unsure), back_path=_back())


def _back() -> str:
    """Where a change of language leads: what was posted is not posted again."""
    return url_for("records.people.home", launch=g.principal.launch_uuid)


def _known() -> people.KnownPerson:
    """The person whom the form names. Raises IdentifierInvalid, PersonUnknown."""
    identifiers = [line for line in request.form.get("identifiers", "").splitlines() if line.strip()]
    sub, issuer = request.form.get("sub", "").strip(), request.form.get("issuer", "")
    users = [(issuer, sub)] if sub else []
    return people.find_person(g.db, tenant_id=g.principal.tenant_id, identifiers=identifiers, platform_users=users)


def _actor() -> str:
    return f"user:{g.principal.user_id}"
