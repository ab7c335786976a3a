"""What answers say of items: for administrators with a review of what is flagged, for teachers the figures of their own course."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog
from flask import Blueprint, Response, g, make_response, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wrappers import Response as AnyResponse

import assessment.api as assessment
import roadmap.api as roadmap
from kernel.csv_file import csv_bytes
from kernel.errors import NotFound
from kernel.langmap import LangMap
from lti_tool.models.audit import append_audit
from lti_tool.web import item_pictures, pages
from lti_tool.web.current import this_app
from lti_tool.web.principal import Role, require
from lti_tool.workflows import item_analysis
from lti_tool.workflows.scope import executive_scope

blueprint = Blueprint("analysis", __name__, url_prefix="/admin/<uuid:launch>/items")
course_blueprint = Blueprint("items", __name__, url_prefix="/activities/<uuid:form>/items")
"""Within the teacher's pages."""

log = structlog.get_logger()

ALL = "all"
"""Of the address: everybody's answers, not the agency's alone."""


@blueprint.get("/")
@require(Role.ADMINISTRATOR)
def home() -> str:
    """The forms, and what waits for a decision."""
    scope = _scope()
    forms = assessment.list_forms(g.db, tenant_id=g.principal.tenant_id)
    reviews = assessment.list_item_reviews(g.db, scope)
    return render_template("admin/items.html", **_shared(scope), **home_values(forms, reviews))


@blueprint.get("/forms/<uuid:form>")
@require(Role.ADMINISTRATOR)
def one_form(form: UUID) -> str:
    """A form's figures, area by area."""
    scope = _scope()
    shown = assessment.get_form(g.db, form, tenant_id=g.principal.tenant_id)
    found = _fresh(form, scope)
    values = form_values(shown, roadmap.get_framework(g.db, shown.framework), found)
    return render_template("admin/item_form.html", **_shared(scope), **values)


@blueprint.get("/forms/<uuid:form>/<uuid:item>")
@require(Role.ADMINISTRATOR)
def one_item(form: UUID, item: UUID) -> str:
    """One item: who chose what, how it compares between groups, and the reviews of it."""
    return _item_page(form, item)


@blueprint.post("/forms/<uuid:form>/<uuid:item>/reviews/<uuid:review>")
@require(Role.ADMINISTRATOR)
def decide(launch: UUID, form: UUID, item: UUID, review: UUID) -> Any:
    """Closes a review with a decision and its reason; without one of the two it is asked for again."""
    scope, given = _scope(), request.form
    try:
        decision, reason = given.get("decision", ""), given.get("reason", "")
        item_analysis.close(g.db, g.principal, review, scope, decision=decision, reason=reason, now=g.now)
    except assessment.DecisionInvalid as fault:
        return _item_page(form, item, fault=fault, given=given), 422
    return redirect(url_for("analysis.one_item", launch=launch, form=form, item=item, scope=_scope_word(scope), done="decided"), code=303)


@blueprint.get("/forms/<uuid:form>/items.csv")
@require(Role.ADMINISTRATOR)
def export(form: UUID) -> Response:
    """Every figure of every item, a line each."""
    shown = assessment.get_form(g.db, form, tenant_id=g.principal.tenant_id)
    found = assessment.get_analysis(g.db, form, _scope())
    return _file(item_rows(found.document), shown.key)


@blueprint.get("/forms/<uuid:form>/groups.csv")
@require(Role.ADMINISTRATOR)
def export_groups(form: UUID) -> Response:
    """Every comparison of groups, a line each."""
    shown = assessment.get_form(g.db, form, tenant_id=g.principal.tenant_id)
    found = assessment.get_analysis(g.db, form, _scope())
    return _file(group_rows(found.document), f"{shown.key}-groups")


@blueprint.post("/language")
@require(Role.ADMINISTRATOR)
def language(launch: UUID) -> AnyResponse:
    """Changes the language of this launch's pages."""
    return pages.change_language(g.db, g.principal, home=url_for("analysis.home", launch=launch))


@course_blueprint.get("/")
@require(Role.INSTRUCTOR)
def course(form: UUID) -> str:
    """The figures of the course's own answers: no options, no key, nothing of few people."""
    shown = assessment.get_form(g.db, form, tenant_id=g.principal.tenant_id)
    found = _of_course(form)
    return render_template(
        "teacher/items.html",
        forms=assessment.list_forms(g.db, tenant_id=g.principal.tenant_id),
        **course_values(shown, roadmap.get_framework(g.db, shown.framework), found),
    )


@course_blueprint.get("/items.csv")
@require(Role.INSTRUCTOR)
def course_export(form: UUID) -> Response:
    """The same as a table for a spreadsheet."""
    shown = assessment.get_form(g.db, form, tenant_id=g.principal.tenant_id)
    found = _of_course(form)
    return _file(item_rows(item_analysis.withheld(found.document, n_persons=found.n_persons)), shown.key)


def home_values(forms: Sequence[assessment.FormView], reviews: Sequence[assessment.ItemReviewView]) -> dict[str, Any]:
    """What the first page shows."""
    return {
        "item_forms": forms,
        "open_reviews": [one for one in reviews if one.closed_at is None],
        "closed_reviews": [one for one in reviews if one.closed_at is not None],
        "reason_names": item_pictures.reason_names(),
        "decision_names": item_pictures.decision_names(),
    }


def form_values(form: assessment.FormView, framework: roadmap.FrameworkView, found: assessment.AnalysisView) -> dict[str, Any]:
    """What the page of a form shows."""
    labels = _area_labels(form, framework)
    return {
        "shown_form": form,
        "found": found,
        "areas": [_area(domain, labels, number) for number, domain in enumerate(found.document["domains"])],
        "groups": [
            (item_pictures.attribute_name(attribute), [(item_pictures.label_name(attribute, label), n) for label, n in counts.items()])
            for attribute, counts in found.document["groups"].items()
        ],
        "left_out_names": item_pictures.left_out_names(),
        "reason_names": item_pictures.reason_names(),
    }


def course_values(form: assessment.FormView, framework: roadmap.FrameworkView, found: assessment.AnalysisView) -> dict[str, Any]:
    """What the teacher's page shows."""
    kept = item_analysis.withheld(found.document, n_persons=found.n_persons)
    labels = _area_labels(form, framework)
    return {
        "shown_form": form,
        "found": found,
        "smallest": item_analysis.SMALLEST,
        "areas": [_area(domain, labels, number) for number, domain in enumerate(kept["domains"])],
        "left_out_names": item_pictures.left_out_names(),
        "reason_names": item_pictures.reason_names(),
    }


def item_values(
    form: assessment.FormView,
    framework: roadmap.FrameworkView,
    found: assessment.AnalysisView,
    item: UUID,
    reviews: Sequence[assessment.ItemReviewView],
    *,
    texts: Mapping[int, assessment.ItemText],
    given: Mapping[str, str] | None = None,
    fault: Exception | None = None,
    was_decided: bool = False,
) -> dict[str, Any]:
    """What the page of one item shows; each version that somebody met, the newest first. Raises NotFound where nobody met it.

    texts          of each version
    given, fault   what was posted, and why it was not taken
    was_decided    a decision has just been written down
    """
    labels = _area_labels(form, framework)
    versions = [
        {
            **one,
            "area": labels.get(domain["code"], {"th": domain["code"], "en": domain["code"]}),
            "text": texts.get(one["version"]),
            "options_chart": item_pictures.option_heatmap(one["distractors"], name=f"options-{one['version']}")
            if one["distractors"]
            else None,
            "groups_chart": item_pictures.group_bars(one["groups"], name=f"groups-{one['version']}") if one["groups"] else None,
            "groups": [
                {
                    **group,
                    "attribute_name": item_pictures.attribute_name(group["attribute"]),
                    "label_name": item_pictures.label_name(group["attribute"], group["label"]),
                    "is_large": item_pictures.is_large(group),
                }
                for group in one["groups"]
            ],
        }
        for domain in found.document["domains"]
        for one in map(item_analysis.without_small, domain["items"])
        if one["uuid"] == str(item)
    ]
    if not versions and not reviews:
        raise NotFound
    return {
        "shown_form": form,
        "found": found,
        "item_uuid": item,
        "item_key": versions[0]["key"] if versions else reviews[0].item_key,
        "versions": sorted(versions, key=lambda one: -one["version"]),
        "open_reviews": [one for one in reviews if one.closed_at is None],
        "closed_reviews": [one for one in reviews if one.closed_at is not None],
        "reason_names": item_pictures.reason_names(),
        "decision_names": item_pictures.decision_names(),
        "given": given or {},
        "fault": fault,
        "was_decided": was_decided,
    }


def item_rows(document: Mapping[str, Any]) -> list[list[object]]:
    """The table of items: a heading, then a line an item version; names of figures as `kaona items analyse` prints them."""
    plain = ["n", "facility", "discrimination", "point_biserial", "efficiency", "effective_weight"]
    lines: list[list[object]] = [["area", "item", "version", *plain, "infit", "outfit", "s_x2", "df", "p", "flags"]]
    for domain in document["domains"]:
        for item in map(item_analysis.without_small, domain["items"]):
            fit, score_fit = item["fit"] or {}, item["s_x2"] or {}
            lines.append([
                domain["code"], item["key"], item["version"], *(item[name] for name in plain), fit.get("infit"), fit.get("outfit"),
                score_fit.get("s_x2"), score_fit.get("df"), score_fit.get("p"), " ".join(item["flags"]),
            ])  # fmt: skip
    return lines


def group_rows(document: Mapping[str, Any]) -> list[list[object]]:
    """The table of comparisons: a heading, then a line for each item version and group."""
    plain = ["n_focal", "n_reference", "mh_chi2", "mh_alpha", "mh_delta", "ets", "p_difference"]
    logistic = ["uniform_chi2", "uniform_p", "nonuniform_chi2", "nonuniform_p", "r2_change", "size"]
    lines: list[list[object]] = [["area", "item", "version", "attribute", "label", *plain, *(f"logistic_{name}" for name in logistic)]]
    for domain in document["domains"]:
        for item in domain["items"]:
            for group in item["groups"]:
                dif, regression = group["dif"], group["dif"]["logistic"] or {}
                lines.append([
                    domain["code"], item["key"], item["version"], group["attribute"], group["label"],
                    *(dif[name] for name in plain), *(regression.get(name) for name in logistic),
                ])  # fmt: skip
    return lines


def _area(domain: Mapping[str, Any], labels: Mapping[str, LangMap], number: int) -> dict[str, Any]:
    """One area as the pages show it: its own figures, its items the flagged ones first, and two pictures with their tables."""
    items, code = [item_analysis.without_small(item) for item in domain["items"]], domain["code"]
    facility, power = item_pictures.facility_bands(items), item_pictures.power_bands(items)
    return {
        **domain,
        "label": labels.get(code, {"th": code, "en": code}),
        "items": [
            {**item, "power": item_pictures.power_of(item), "n_large": sum(item_pictures.is_large(one) for one in item["groups"])}
            for item in sorted(items, key=lambda item: (not item["flags"], item["key"], item["version"]))
        ],
        "facility_bands": facility,
        "power_bands": power,
        "facility_chart": item_pictures.band_bars(facility, title=_("Items by share of right answers"), name=f"facility-{number}"),
        "power_chart": item_pictures.band_bars(power, title=_("Items by how well they tell people apart"), name=f"power-{number}"),
        "why_left_out": sorted(set(domain["left_out"].values())),
    }


def _area_labels(form: assessment.FormView, framework: roadmap.FrameworkView) -> dict[str, LangMap]:
    nodes = {node.key: node.label for node in (*framework.groups, *framework.nodes)}
    return {domain.code: nodes[domain.competency] for domain in form.domains if domain.competency in nodes}


def _item_page(form: UUID, item: UUID, **posted: Any) -> str:
    scope = _scope()
    shown = assessment.get_form(g.db, form, tenant_id=g.principal.tenant_id)
    reviews = [one for one in assessment.list_item_reviews(g.db, scope, form_uuid=form) if one.item_uuid == item]
    found = assessment.get_analysis(g.db, form, scope)
    was_decided = request.args.get("done") == "decided"
    framework = roadmap.get_framework(g.db, shown.framework)
    values = item_values(
        shown, framework, found, item, reviews, texts=assessment.list_item_texts(g.db, item), was_decided=was_decided, **posted
    )
    back = url_for("analysis.one_item", launch=g.principal.launch_uuid, form=form, item=item, scope=_scope_word(scope))
    return render_template("admin/item.html", back_path=back, **_shared(scope), **values)


def _scope() -> assessment.Scope:
    return item_analysis.scope_of(g.db, g.principal, wants_all=request.args.get("scope") == ALL)


def _scope_word(scope: assessment.Scope) -> str | None:
    """As the address says it."""
    return ALL if scope == assessment.EVERYBODY else None


def _shared(scope: assessment.Scope) -> dict[str, Any]:
    return {"scope_word": _scope_word(scope), "may_see_all": executive_scope(g.db, g.principal).is_central}


def _of_course(form: UUID) -> assessment.AnalysisView:
    scope = item_analysis.course_scope(g.principal)
    if scope is None:
        raise NotFound
    return _fresh(form, scope)


def _fresh(form: UUID, scope: assessment.Scope) -> assessment.AnalysisView:
    """What is stored; where it is old, a new analysis is asked for in a short transaction beside this one."""
    found = assessment.get_analysis(g.db, form, scope)
    if found.is_stale:
        try:
            with this_app().database.transaction() as db:
                item_analysis.ask(db, g.principal, form, scope, g.now)
        except SQLAlchemyError as error:  # a full disk must not stop the page
            log.warning("analysis_not_asked_for", kind=type(error).__name__)
    return found


def _file(rows: Sequence[Sequence[object]], key: str) -> Response:
    details = {"form": key, "lines": len(rows) - 1}
    with this_app().database.transaction() as db:
        append_audit(
            db,
            event="item_analysis.exported",
            actor=f"user:{g.principal.user_id}",
            now=g.now,
            tenant_id=g.principal.tenant_id,
            details=details,
        )
    response = make_response(csv_bytes(rows))
    response.headers["Content-Type"] = "text/csv; charset=utf-8"
    response.headers["Content-Disposition"] = f'attachment; filename="kaona-items-{key}.csv"'
    return response
