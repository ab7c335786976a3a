"""The teacher's pages of one assessment: who stands where, one learner and the score, the roster, the table to take away."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast, get_args
from uuid import UUID

import structlog
from flask import Blueprint, Response, g, make_response, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wrappers import Response as AnyResponse

import assessment.api as assessment
import roadmap.api as roadmap
from kernel.clock import BANGKOK
from kernel.csv_file import csv_bytes
from kernel.errors import KaonaError
from kernel.langmap import text_in
from lti_tool.lti.ags import ScoreInvalid
from lti_tool.models.audit import append_audit
from lti_tool.views import item_analysis, teacher_time
from lti_tool.views.learner import level_names
from lti_tool.web import pages, pictures
from lti_tool.web.current import this_app
from lti_tool.web.principal import Role, require
from lti_tool.workflows import learner_time, roster, teacher_scores
from lti_tool.workflows.roster import Asked, ClassPage, Filter, LearnerRow, RosterState, Sort
from lti_tool.workflows.sittings import of_course
from lti_tool.workflows.standing import ColumnView, ScoreView, column_view, score_views
from lti_tool.workflows.teacher_scores import CommentInvalid

blueprint = Blueprint("teacher", __name__, url_prefix="/teach/<uuid:launch>")
blueprint.register_blueprint(item_analysis.course_blueprint)
blueprint.register_blueprint(teacher_time.blueprint)
log = structlog.get_logger()

MAX_PAGE_DIGITS = 6
MAX_SEARCH_CHARACTERS = 100
MAX_POINT_CHARACTERS = 20
FAULTS = {
    "link_repeats": "incomplete", "page_cap": "incomplete", "time_cap": "incomplete", "empty": "empty",
    "scope_missing": "not_allowed", "status 401": "not_allowed", "status 403": "not_allowed",
}  # fmt: skip
"""Why a roster could not be read, in the few kinds that a teacher can make something of; the rest is `away`."""
NOTICES = ("resent", "overridden", "cleared", "reading", "time", "time_back")


@dataclass(frozen=True, slots=True)
class Row:
    """One learner as the page shows them."""

    learner: LearnerRow
    n_items: int
    areas: tuple[assessment.AreaOutcome, ...]
    score: ScoreView | None
    is_known_elsewhere: bool = False
    """Not started here, with a result from another course: whatever it says belongs there."""


@blueprint.get("/activities/<uuid:form>")
@require(Role.INSTRUCTOR)
def activity(form: UUID) -> str:
    """Who has started, finished and reached what, in the course of this launch. The roster is read again behind it when it is old."""
    shown = assessment.get_form(g.db, form, tenant_id=g.principal.tenant_id)
    page = roster.class_page(g.db, g.principal, form, asked := read_asked(request.args))
    state = roster.roster_state(g.db, g.principal)
    if state.is_wanted(g.now):
        state = _asked_behind_the_page(state)
    return render_template(
        "teacher/activity.html",
        forms=assessment.list_forms(g.db, tenant_id=g.principal.tenant_id),
        notice=_notice(),
        **activity_values(
            shown,
            roadmap.get_framework(g.db, shown.framework),
            page=page,
            rows=_rows(form, page.rows),
            counts=roster.count_levels(g.db, g.principal, form),
            state=state,
            asked=asked,
        ),
        **teacher_time.now_values(form),
    )


@blueprint.get("/activities/<uuid:form>/learners.csv")
@require(Role.INSTRUCTOR)
def export(form: UUID) -> Response:
    """The learners that the page's filter shows, all of them, as a table for a spreadsheet."""
    shown = assessment.get_form(g.db, form, tenant_id=g.principal.tenant_id)
    learners = roster.list_class(g.db, g.principal, form, read_asked(request.args))
    framework = roadmap.get_framework(g.db, shown.framework)
    _note_export(form, len(learners))
    response = make_response(csv_bytes(export_rows(shown, framework, _rows(form, learners), language=pages.page_language())))
    response.headers["Content-Type"] = "text/csv; charset=utf-8"
    response.headers["Content-Disposition"] = f'attachment; filename="kaona-{shown.key}.csv"'
    return response


@blueprint.get("/activities/<uuid:form>/learners/<uuid:person>")
@require(Role.INSTRUCTOR)
def learner(form: UUID, person: UUID) -> str:
    """One learner: how far, which levels, and the score with all that can be done about it."""
    return _learner_page(form, person)


@blueprint.post("/activities/<uuid:form>/learners/<uuid:person>/resend")
@require(Role.INSTRUCTOR)
def resend(launch: UUID, form: UUID, person: UUID) -> AnyResponse:
    """Sends one learner's score again."""
    teacher_scores.resend(g.db, g.principal, person, g.now)
    return redirect(url_for("teacher.learner", launch=launch, form=form, person=person, done="resent"), code=303)


@blueprint.post("/activities/<uuid:form>/resend")
@require(Role.INSTRUCTOR)
def resend_all(launch: UUID, form: UUID) -> AnyResponse:
    """Sends every score again that could not be sent."""
    teacher_scores.resend_parked(g.db, g.principal, g.now)
    return redirect(url_for("teacher.activity", launch=launch, form=form, done="resent"), code=303)


@blueprint.post("/activities/<uuid:form>/learners/<uuid:person>/override")
@require(Role.INSTRUCTOR)
def override(launch: UUID, form: UUID, person: UUID) -> Any:
    """Sets one learner's points by hand; points that are none, or a comment that is no text, are asked for again."""
    try:
        points = _points(request.form.get("points", ""))
        teacher_scores.override(g.db, g.principal, person, points, request.form.get("comment"), g.now)
    except (ScoreInvalid, CommentInvalid) as fault:
        return _learner_page(form, person, fault=fault), 422
    return redirect(url_for("teacher.learner", launch=launch, form=form, person=person, done="overridden"), code=303)


@blueprint.post("/activities/<uuid:form>/learners/<uuid:person>/clear")
@require(Role.INSTRUCTOR)
def clear_override(launch: UUID, form: UUID, person: UUID) -> AnyResponse:
    """Goes back to the points of the sitting."""
    teacher_scores.clear_override(g.db, g.principal, person, g.now)
    return redirect(url_for("teacher.learner", launch=launch, form=form, person=person, done="cleared"), code=303)


@blueprint.post("/activities/<uuid:form>/roster")
@require(Role.INSTRUCTOR)
def read_roster(launch: UUID, form: UUID) -> AnyResponse:
    """Has the course's roster read now."""
    roster.ask_for_class(g.db, g.principal, g.now)
    return redirect(url_for("teacher.activity", launch=launch, form=form, done="reading"), code=303)


@blueprint.post("/language")
@require(Role.INSTRUCTOR)
def language(launch: UUID) -> AnyResponse:
    """Changes the language of this launch's pages."""
    first = next(iter(assessment.list_forms(g.db, tenant_id=g.principal.tenant_id)), None)
    home = url_for("teacher.activity", launch=launch, form=first.uuid) if first else "/"
    return pages.change_language(g.db, g.principal, home=home)


def read_asked(query: Mapping[str, str]) -> Asked:
    """What the address asks for; what is not known counts as not said.

    query   `state`, `sort`, `q` (part of a name) and `page`
    """
    state, sort, page = query.get("state"), query.get("sort"), query.get("page", "")
    return Asked(
        state=cast("Filter", state) if state in get_args(Filter) else "all",
        sort=cast("Sort", sort) if sort in get_args(Sort) else "name",
        search=query.get("q", "").strip()[:MAX_SEARCH_CHARACTERS].replace("\0", ""),
        page=int(page) if page.isascii() and page.isdigit() and len(page) <= MAX_PAGE_DIGITS else 1,
    )


def activity_values(
    form: assessment.FormView,
    framework: roadmap.FrameworkView,
    *,
    page: ClassPage,
    rows: Sequence[Row],
    counts: Mapping[str, Mapping[int, int]],
    state: RosterState,
    asked: Asked,
) -> dict[str, Any]:
    """What the page shows: counts over everyone, and the rows that were asked for.

    counts   learners by the form's domain and by level
    """
    levels, labels = level_names(framework), _labels(framework)
    reached = [(labels[domain.competency], [counts.get(domain.code, {}).get(rank, 0) for rank in levels]) for domain in form.domains]
    table = [(label, by_level, page.total.all - sum(by_level)) for label, by_level in reached]
    return {
        "shown_form": form,
        "rows": rows,
        "page": page,
        "asked": asked,
        "near_pages": sorted({1, page.n_pages} | {n for n in range(page.page - 2, page.page + 3) if 1 <= n <= page.n_pages}),
        "labels": labels,
        "levels": levels,
        "spread": [
            (label, pictures.level_spread(by_level, unknown, levels, area=label, name=f"spread-{index}"))
            for index, (label, by_level, unknown) in enumerate(table)
        ],
        "spread_table": table,
        "level_legend": pictures.level_legend(levels),
        "roster": state,
        "roster_fault": FAULTS.get(state.fault, "away") if state.fault else None,
    }


def learner_values(
    form: assessment.FormView, framework: roadmap.FrameworkView, row: Row, column: ColumnView | None, fault: KaonaError | None
) -> dict[str, Any]:
    """What the page of one learner shows.

    fault   why the points that were posted are none
    """
    return {
        "shown_form": form,
        "row": row,
        "column": column,
        "fault": fault,
        "given": request.form,
        "labels": _labels(framework),
        "levels": level_names(framework),
    }


def export_rows(form: assessment.FormView, framework: roadmap.FrameworkView, rows: Sequence[Row], *, language: str) -> list[list[object]]:
    """The table for a spreadsheet: a heading, then a line a learner; levels as numbers, moments on the clock of Bangkok."""
    labels = _labels(framework)
    states = {"none": _("Not started"), "open": _("Under way"), "finished": _("Finished")}
    scores = {"none": "", "sent": _("Sent to the course"), "waiting": _("Waiting to be sent"), "parked": _("Could not be sent")}
    areas = [text_in(language, labels[domain.competency]) for domain in form.domains]
    heading = [_("Name"), _("Code"), _("State"), *areas, _("Last activity"), _("Score"), _("Points"), _("Full points")]
    lines: list[list[object]] = [heading]
    for row in rows:
        reached = {area.domain: area.level for area in row.areas}
        one, score = row.learner, row.score
        lines.append([
            one.display_name, str(one.person_uuid)[:4], states[one.state], *(reached.get(domain.code) for domain in form.domains),
            _moment(one.last_at), scores[one.score_state], score.given if score else None, score.maximum if score else None,
        ])  # fmt: skip
    return lines


def _rows(form: UUID, learners: Sequence[LearnerRow]) -> list[Row]:
    """Learners with what they reached and with their scores."""
    people = [one.person_uuid for one in learners]
    not_here = [one.person_uuid for one in learners if one.state == "none"]
    asked: dict[str, Any] = {"tenant_id": g.principal.tenant_id, "form_uuid": form}
    progress = assessment.list_outcomes(g.db, person_uuids=people, among=of_course(g.principal), **asked)
    elsewhere = assessment.list_finishers(g.db, person_uuids=not_here, **asked)
    scores = score_views(g.db, g.principal, people)
    return [
        Row(one, found.n_items if found else 0, found.areas if found else (), scores.get(one.person_uuid), one.person_uuid in elsewhere)
        for one in learners
        for found in [progress.get(one.person_uuid)]
    ]


def _learner_page(form: UUID, person: UUID, *, fault: KaonaError | None = None) -> str:
    shown = assessment.get_form(g.db, form, tenant_id=g.principal.tenant_id)
    (row,) = _rows(form, [roster.get_learner(g.db, g.principal, form, person)])
    return render_template(
        "teacher/learner.html",
        forms=assessment.list_forms(g.db, tenant_id=g.principal.tenant_id),
        notice=_notice(),
        back_path=url_for("teacher.learner", launch=g.principal.launch_uuid, form=form, person=person),
        time=learner_time.time_of(g.db, g.principal, form, person, g.now),
        **learner_values(shown, roadmap.get_framework(g.db, shown.framework), row, column_view(g.db, g.principal), fault),
    )


def _asked_behind_the_page(state: RosterState) -> RosterState:
    """Has an old roster read, in a short transaction beside this one; a full disk must not stop the page."""
    try:
        with this_app().database.transaction() as db:
            roster.ask_for_class(db, g.principal, g.now)
            return roster.roster_state(db, g.principal)
    except SQLAlchemyError as error:
        log.warning("roster_not_asked_for", kind=type(error).__name__)
        return state


def _note_export(form: UUID, n: int) -> None:
    details = {"form": str(form), "learners": n}
    with this_app().database.transaction() as db:
        actor = f"user:{g.principal.user_id}"
        append_audit(db, event="class.exported", actor=actor, now=g.now, tenant_id=g.principal.tenant_id, details=details)


def _labels(framework: roadmap.FrameworkView) -> dict[str, Any]:
    return {node.key: node.label for node in (*framework.groups, *framework.nodes)}


def _notice() -> str | None:
    done = request.args.get("done")
    return done if done in NOTICES else None


def _points(text: str) -> float:
    """Points as a person writes them, with a point or a comma. Raises ScoreInvalid."""
    try:
        return float(text.strip()[:MAX_POINT_CHARACTERS].replace(",", "."))
    except ValueError:
        raise ScoreInvalid(reason="points are finite numbers") from None


def _moment(moment: datetime | None) -> str | None:
    return moment.astimezone(BANGKOK).strftime("%Y-%m-%d %H:%M") if moment else None
