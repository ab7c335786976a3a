"""The designer's page of who may begin the assessment behind a link: how often, when, with which code, from where, in which browser."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, make_response, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response as AnyResponse

import assessment.api as assessment
from kernel.clock import BANGKOK
from kernel.csv_file import csv_bytes
from kernel.errors import NotFound
from lti_tool.keys import code_key
from lti_tool.models import Placement
from lti_tool.web import pages
from lti_tool.web.current import this_app
from lti_tool.web.principal import Role, require
from lti_tool.web.thai_dates import BUDDHIST_ERA
from lti_tool.workflows import admission

blueprint = Blueprint("admission", __name__, url_prefix="/design/<uuid:launch>/admission")

DESIGNERS = (Role.INSTRUCTOR, Role.DESIGNER)
FIRST_BUDDHIST_YEAR = 2400
"""A year from here on is one of the Buddhist Era: nobody plans an examination four centuries ahead."""
MAX_LINES = 200


@blueprint.get("")
@require(*DESIGNERS)
def page() -> Any:
    """The rules of now; where nobody has placed anything behind the link, that comes first."""
    if admission.find_placed(g.db, g.principal) is None:
        return redirect(url_for("designer.choose", launch=g.principal.launch_uuid))
    placed, form = _placed()
    rules = admission.rules_of(placed, form)
    return _page(placed, form, given=fields_of(rules), rules=rules)


@blueprint.post("")
@require(*DESIGNERS)
def keep(launch: UUID) -> Any:
    """Keeps the rules; sittings that have begun go on by their own. What is wrong is asked for again."""
    placed, form = _placed()
    actor, key = f"user:{g.principal.user_id}", code_key(this_app().secret)
    try:
        rules = assessment.read_rules(read_document(request.form))
        admission.read_shared_code(placed, rules, request.form.get("shared_code"))
        own = admission.own_placement(g.db, g.principal, placed, g.now)
        admission.set_rules(g.db, own, rules, shared_code=request.form.get("shared_code"), key=key, actor=actor, now=g.now)
    except assessment.AdmissionInvalid as fault:
        bad = {found.place.partition("[")[0].partition(".")[0] for found in fault.faults}
        return _page(placed, form, given=request.form, rules=admission.rules_of(placed, form), bad=bad), 422
    return redirect(url_for("admission.page", launch=launch, done="kept"), code=303)


@blueprint.post("/codes")
@require(*DESIGNERS)
def codes() -> Response | tuple[str, int]:
    """A new list of one-time codes, as a table to take away: it is shown this once."""
    placed, form = _placed()
    spare = request.form.get("spare", "").strip()
    try:
        made = admission.make_codes(
            g.db,
            admission.own_placement(g.db, g.principal, placed, g.now),
            context_id=g.principal.context_id if "learners" in request.form else None,
            n_spare=int(spare or 0) if (spare or "0").isdecimal() and len(spare) <= len(str(admission.MAX_CODES)) else -1,
            key=code_key(this_app().secret),
            actor=f"user:{g.principal.user_id}",
            now=g.now,
        )
    except assessment.AdmissionInvalid:
        rules = admission.rules_of(placed, form)
        return _page(placed, form, given=fields_of(rules), rules=rules, bad={"codes"}), 422
    rows = [(name or _("Spare"), code) for name, code in made]
    response = make_response(csv_bytes([(_("Name"), _("Access code")), *rows]))
    response.headers["Content-Type"] = "text/csv; charset=utf-8"
    response.headers["Content-Disposition"] = f'attachment; filename="kaona-codes-{g.now:%Y%m%d-%H%M}.csv"'
    return response


@blueprint.post("/language")
@require(*DESIGNERS)
def language(launch: UUID) -> AnyResponse:
    """Changes the language of this launch's pages."""
    return pages.change_language(g.db, g.principal, home=url_for("admission.page", launch=launch))


def read_document(fields: Mapping[str, str]) -> dict[str, Any]:
    """The rules that a form asks for, as a document that is still to be judged."""
    return {
        "attempts": _whole(fields.get("attempts", "")),
        "days_between": _whole(fields.get("days_between", "")) or 0,
        "opens_at": read_moment(fields.get("opens_at", "")),
        "closes_at": read_moment(fields.get("closes_at", "")),
        "code": fields.get("code", "none"),
        "networks": _lines(fields.get("networks", "")),
        "seb": {name: _lines(fields.get(name, "")) for name in ("config_keys", "exam_keys")},
    }


def fields_of(rules: assessment.AdmissionRules) -> dict[str, str]:
    """The rules as the form's fields hold them."""
    return {
        "attempts": str(rules.attempts or ""),
        "days_between": str(rules.days_between or ""),
        "opens_at": _local(rules.opens_at),
        "closes_at": _local(rules.closes_at),
        "code": rules.code,
        "networks": "\n".join(rules.networks),
        "config_keys": "\n".join(rules.seb.config_keys),
        "exam_keys": "\n".join(rules.seb.exam_keys),
    }


def read_moment(text: str) -> datetime | str | None:
    """A moment on the clock of Bangkok as a browser's field writes it, `2026-11-22T09:30`; years of the Buddhist Era are understood.

    Returns   the text itself where it is no moment, so that it is told as a fault
    """
    if not text.strip():
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
        if moment.year >= FIRST_BUDDHIST_YEAR:
            moment = moment.replace(year=moment.year - BUDDHIST_ERA)
    except ValueError:
        return text
    return moment.replace(tzinfo=BANGKOK) if moment.tzinfo is None else moment


def page_values(
    placed: Placement, given: Mapping[str, str], rules: assessment.AdmissionRules, bad: Collection[str], codes: tuple[int, int]
) -> dict[str, Any]:
    """What the page shows.

    given   the fields as they stand in the form
    bad     fields that were not understood
    codes   one-time codes that are still good, and used
    """
    return {
        "placed": placed,
        "given": given,
        "rules": rules,
        "bad": bad,
        "has_code": placed.access_code_hash is not None,
        "codes": codes,
        "words": {
            "attempts": _("Attempts: a number from 1 to 100, or nothing for any number."),
            "days_between": _("Days between attempts: a number from 0 to 3,650."),
            "opens_at": _("Opens: a date and a time."),
            "closes_at": _("Closes: a date and a time, later than it opens."),
            "code": _("Access code: for one code for all, 6 to 64 letters or digits."),
            "networks": _("Networks: one a line, such as 10.4.0.0/16 or 2001:db8::/32."),
            "seb": _("Safe Exam Browser: each key has 64 digits from 0 to 9 and a to f, one a line."),
            "codes": _("Codes: between 1 and 20,000 at once."),
        },
    }


def _page(
    placed: Placement,
    form: assessment.FormView,
    *,
    given: Mapping[str, str],
    rules: assessment.AdmissionRules,
    bad: Collection[str] = (),
) -> str:
    return render_template(
        "designer/admission.html",
        shown_form=form,
        is_kept=request.args.get("done") == "kept",
        **page_values(placed, given, rules, bad, admission.count_codes(g.db, placed)),
    )


def _placed() -> tuple[Placement, assessment.FormView]:
    """The assessment behind the link of this launch. Raises NotFound where nobody placed one."""
    placed = admission.find_placed(g.db, g.principal)
    kind, _colon, name = (placed.activity if placed else "").partition(":")
    if placed is None or kind != "assessment":
        raise NotFound
    return placed, assessment.get_form(g.db, UUID(name), tenant_id=g.principal.tenant_id)


def _whole(text: str) -> int | str | None:
    text = text.strip()
    return int(text) if text.isdecimal() and len(text) <= len(str(admission.MAX_CODES)) else text or None


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.replace(",", "\n").splitlines() if line.strip()][:MAX_LINES]


def _local(moment: datetime | None) -> str:
    return moment.astimezone(BANGKOK).strftime("%Y-%m-%dT%H:%M") if moment else ""
