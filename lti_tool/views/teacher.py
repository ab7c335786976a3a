"""The teacher's page of one assessment: who stands where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask import Blueprint, g, render_template, request, url_for
from werkzeug.wrappers import Response

import assessment.api as assessment
import roadmap.api as roadmap
from lti_tool.views.learner import level_names
from lti_tool.web import pages, pictures
from lti_tool.web.principal import Role, require
from lti_tool.web.thai_sorting import thai_order
from lti_tool.workflows.roster import LearnerRow, list_learners
from lti_tool.workflows.standing import score_states

blueprint = Blueprint("teacher", __name__, url_prefix="/teach/<uuid:launch>")

ROWS_A_PAGE = 50
MAX_PAGE_DIGITS = 6
STATES = ("all", "none", "open", "finished", "parked")
SORTS = ("name", "state", "activity")
LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Row:
    """One learner as the page shows them. state: `none`, `open` or `finished`."""

    person_uuid: UUID
    name: str | None
    state: str
    n_items: int
    areas: tuple[assessment.AreaOutcome, ...]
    last_at: datetime | None
    score_state: str


@blueprint.get("/activities/<uuid:form>")
@require(Role.INSTRUCTOR)
def activity(form: UUID) -> str:
    """Who has started, finished and reached what, in the course of this launch."""
    tenant_id = g.principal.tenant_id
    shown = assessment.get_form(g.db, form, tenant_id=tenant_id)
    learners = list_learners(g.db, g.principal)
    progress = assessment.list_outcomes(g.db, tenant_id=tenant_id, form_uuid=form, person_uuids=[one.person_uuid for one in learners])
    rows = make_rows(learners, progress, score_states(g.db, g.principal))
    return render_template(
        "teacher/activity.html",
        forms=assessment.list_forms(g.db, tenant_id=tenant_id),
        **activity_values(shown, roadmap.get_framework(g.db, shown.framework), rows, request.args),
    )


@blueprint.post("/language")
@require(Role.INSTRUCTOR)
def language(launch: UUID) -> Response:
    """Changes the language of this launch's pages."""
    first = next(iter(assessment.list_forms(g.db, tenant_id=g.principal.tenant_id)), None)
    home = url_for("teacher.activity", launch=launch, form=first.uuid) if first else "/"
    return pages.change_language(g.db, g.principal, home=home)


def make_rows(learners: Sequence[LearnerRow], progress: Mapping[UUID, assessment.PersonProgress], scores: Mapping[UUID, str]) -> list[Row]:
    """One row for each learner of the course, those who have not started too."""
    return [_row(one, progress.get(one.person_uuid), scores.get(one.person_uuid, "none")) for one in learners]


def activity_values(
    form: assessment.FormView, framework: roadmap.FrameworkView, rows: Sequence[Row], asked: Mapping[str, str]
) -> dict[str, Any]:
    """What the page shows: counts over everyone, and the rows that the filter, order and page in the address ask for.

    asked   `state`, `sort` and `page` of the address; what is not known counts as not said
    """
    state = asked["state"] if asked.get("state") in STATES else "all"
    sort = asked["sort"] if asked.get("sort") in SORTS else "name"
    chosen = sorted((row for row in rows if state in ("all", row.score_state if state == "parked" else row.state)), key=_ORDERS[sort])
    n_pages = max(1, -(-len(chosen) // ROWS_A_PAGE))
    page = min(max(1, _whole(asked.get("page", ""))), n_pages)
    levels = level_names(framework)
    labels = {node.key: node.label for node in (*framework.groups, *framework.nodes)}
    table = [(labels[domain.competency], *_count_levels(rows, domain.competency, len(levels))) for domain in form.domains]
    return {
        "shown_form": form,
        "rows": chosen[(page - 1) * ROWS_A_PAGE : page * ROWS_A_PAGE],
        "counts": {"all": len(rows), "parked": sum(row.score_state == "parked" for row in rows)}
        | {key: sum(row.state == key for row in rows) for key in ("none", "open", "finished")},
        "shown_state": state,
        "shown_sort": sort,
        "n_shown": len(chosen),
        "n_pages": n_pages,
        "shown_page": page,
        "labels": labels,
        "levels": levels,
        "spread": [
            (label, pictures.level_spread(counts, unknown, levels, area=label, name=f"spread-{index}"))
            for index, (label, counts, unknown) in enumerate(table)
        ],
        "spread_table": table,
        "level_legend": pictures.level_legend(levels),
    }


def _whole(text: str) -> int:
    """A number of the address; 0 for what is none, or longer than any page is."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_PAGE_DIGITS else 0


def _row(learner: LearnerRow, progress: assessment.PersonProgress | None, score_state: str) -> Row:
    moments = [learner.last_launch_at, progress and progress.started_at, progress and progress.finished_at]
    return Row(
        person_uuid=learner.person_uuid,
        name=learner.display_name,
        state=progress.state if progress else "none",
        n_items=progress.n_items if progress else 0,
        areas=progress.areas if progress else (),
        last_at=max((moment for moment in moments if moment), default=None),
        score_state=score_state,
    )


def _count_levels(rows: Sequence[Row], competency: str, n_levels: int) -> tuple[list[int], int]:
    reached = [area.level for row in rows for area in row.areas if area.competency == competency]
    return [reached.count(rank) for rank in range(n_levels)], len(rows) - len(reached)


def _by_name(row: Row) -> Any:
    return (row.name is None, thai_order(row.name or ""), str(row.person_uuid))


_ORDERS = {
    "name": _by_name,
    "state": lambda row: (("none", "open", "finished").index(row.state), -row.n_items, _by_name(row)),
    "activity": lambda row: (LONG_AGO - (row.last_at or LONG_AGO), _by_name(row)),
}
