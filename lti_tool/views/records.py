"""The administrator's pages of the record store: statements as they arrive, one by one, how many, what was refused, what was brought in."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from flask import Blueprint, g, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

import xapi.api as xapi
from kernel.errors import KaonaError
from kernel.langmap import LangMap, text_in
from lti_tool.errors import status_of
from lti_tool.statements import vocabulary as words
from lti_tool.statements.sentences import VOIDED, sentence_of
from lti_tool.views import record_access, record_people
from lti_tool.web import charts, pages
from lti_tool.web.edge import writes
from lti_tool.web.principal import Role, require
from lti_tool.web.thai_dates import date_text
from lti_tool.workflows import lrs_import, records

PAGE = 25
VERB_NAMES: Mapping[str, LangMap] = {term.iri: term.label for term in words.VERBS} | {VOIDED: {"th": "ยกเลิก", "en": "voided"}}

blueprint = Blueprint("records", __name__, url_prefix="/admin/<uuid:launch>/records")
blueprint.register_blueprint(record_access.blueprint)
blueprint.register_blueprint(record_people.blueprint)


@blueprint.get("/")
@writes
@require(Role.ADMINISTRATOR)
def home() -> str | tuple[str, int]:
    """The newest statements, as far as the filter lets them through."""
    try:
        part = records.read_filter(request.args, home_page=records.home_page_of(g.db, g.principal))
    except KaonaError as fault:
        return render_template("records/home.html", **home_values([], request.args, fault=fault)), status_of(fault)
    records.note_look(g.db, g.principal, now=g.now, asked=request.args)
    before = request.args.get("before", "")
    at = int(before) if before.isdecimal() and len(before) < 18 else None  # noqa: PLR2004  digits of a place
    seen, following = xapi.list_newest(g.db, tenant_id=g.principal.tenant_id, part=part, before=at, limit=PAGE)
    return render_template("records/home.html", **home_values(seen, request.args, before=at, following=following))


@blueprint.get("/statements/<uuid:statement>")
@writes
@require(Role.ADMINISTRATOR)
def statement(statement: UUID) -> str:
    """One statement: as a sentence in both languages, and as it is stored."""
    seen = xapi.get_seen(g.db, str(statement), tenant_id=g.principal.tenant_id)
    records.note_look(g.db, g.principal, now=g.now, asked={}, statement=statement)
    return render_template("records/statement.html", **statement_values(seen))


@blueprint.get("/volumes")
@require(Role.ADMINISTRATOR)
def volumes() -> str:
    """How many statements were stored, by day and by verb."""
    asked = request.args.get("days", "")
    n_days = int(asked) if asked in map(str, records.PERIODS) else records.PERIODS[1]
    return render_template("records/volumes.html", **volume_values(records.volumes(g.db, g.principal, now=g.now, n_days=n_days)))


@blueprint.get("/refusals")
@require(Role.ADMINISTRATOR)
def refusals() -> str:
    """The last requests that were refused, and why."""
    tenant_id = g.principal.tenant_id
    refused = xapi.list_refusals(g.db, tenant_id=tenant_id, limit=100)
    return render_template("records/refusals.html", **refusal_values(refused, xapi.list_keys(g.db, tenant_id=tenant_id)))


@blueprint.get("/imports")
@require(Role.ADMINISTRATOR)
def imports() -> str:
    """What was brought in from files and other stores, and how far it is."""
    return render_template("records/imports.html", imports=lrs_import.list_imports(g.db, tenant_id=g.principal.tenant_id))


@blueprint.get("/imports/<uuid:bringing>")
@require(Role.ADMINISTRATOR)
def one_import(bringing: UUID) -> str:
    """One bringing-in, with the lines that were not taken in."""
    view, faults = lrs_import.get_import(g.db, bringing, tenant_id=g.principal.tenant_id)
    return render_template("records/import.html", **import_values(view, faults))


@blueprint.post("/language")
@require(Role.ADMINISTRATOR)
def language(launch: UUID) -> Response:
    """Changes the language of this launch's pages."""
    return pages.change_language(g.db, g.principal, home=url_for("records.home", launch=launch))


def home_values(
    seen: Sequence[xapi.Seen],
    asked: Mapping[str, str],
    *,
    before: int | None = None,
    following: int | None = None,
    fault: KaonaError | None = None,
) -> dict[str, Any]:
    """What the list shows.

    before, following   place below which this page begins (none: the newest), and below which the next one does
    """
    language = pages.text_language()
    return {
        "rows": [(one, sentence_of(one.statement, language), _reporter(one.statement)) for one in seen],
        "asked": {name: asked.get(name, "") for name in records.FILTERS},
        "kept": {name: asked[name] for name in records.FILTERS if asked.get(name)},
        "verb_names": VERB_NAMES,
        "is_newest": before is None,
        "following": following,
        "fault": fault,
    }


def statement_values(seen: xapi.Seen) -> dict[str, Any]:
    """What the page of one statement shows."""
    value = seen.statement
    return {
        "seen": seen,
        "statement": value,
        "sentences": {language: sentence_of(value, language) for language in pages.LANGUAGES},
        "verb_name": VERB_NAMES.get(value["verb"]["id"]) or value["verb"].get("display"),
        "reporter": _reporter(value),
        "pretty": json.dumps(value, ensure_ascii=False, indent=2),
    }


def volume_values(found: records.Volumes) -> dict[str, Any]:
    """What the page of volumes shows: each chart stands beside its table."""
    language = pages.text_language()
    verbs = [(verb, _verb_name(verb, language), n) for verb, n in found.by_verb.items()]
    highest = max(found.by_day, default=0)
    return {
        "found": found,
        "periods": records.PERIODS,
        "verbs": verbs,
        "rows": list(zip(found.days, found.by_day, strict=True))[::-1],
        "day_chart": charts.sparkline(
            [float(n) for n in found.by_day],
            lowest=0.0,
            highest=max(1.0, float(highest)),
            title=_("Statements by day"),
            description=_(
                "From %(first)s to %(last)s; the most on one day: %(n)s.",
                first=date_text(found.days[0], language),
                last=date_text(found.days[-1], language),
                n=f"{highest:,}",
            ),
            name="by-day",
        ),
        "verb_chart": charts.bars(
            [charts.Bar(name, float(n), f"{n:,}") for _verb, name, n in verbs],
            lowest=0.0,
            highest=max([1.0, *(float(n) for _verb, _name, n in verbs)]),
            title=_("Statements by verb"),
            description=_("The same numbers stand in the table below."),
            name="by-verb",
        ),
    }


def refusal_values(refused: Sequence[xapi.Refusal], keys: Sequence[xapi.KeyView]) -> dict[str, Any]:
    """What the page of refused requests shows."""
    names = {key.key: key.name for key in keys}
    return {"refused": [(one, names.get(one.key, one.key), xapi.reason_of(one.code, one.rule)) for one in refused]}


def import_values(view: lrs_import.ImportView, faults: Sequence[lrs_import.FaultView]) -> dict[str, Any]:
    """What the page of one bringing-in shows."""
    return {"view": view, "faults": [(one, xapi.reason_of(one.code, one.rule)) for one in faults]}


def _verb_name(verb: str | None, language: str) -> str:
    if verb is None:
        return str(_("Other verbs"))
    return text_in(language, VERB_NAMES[verb]) if verb in VERB_NAMES else verb.rstrip("/").rsplit("/", 1)[-1]


def _reporter(statement: Mapping[str, Any]) -> str:
    """Who stands for a statement, in a word: the name of its authority, or what identifies it."""
    authority = statement["authority"]
    one = next(iter(authority.get("member", ())), authority)
    named = (one.get("name"), one.get("account", {}).get("name"), one.get("mbox", "").removeprefix("mailto:"), one.get("openid"))
    return str(next((name for name in named if name), one.get("mbox_sha1sum", "")))
