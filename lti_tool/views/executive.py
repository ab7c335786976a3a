"""The executive's one page: coverage and attainment by area, each figure with its definition and its moment.

The figures are computed once over everything in the person's scope, small groups hidden; filters choose what of them is shown and
never compute anew, so no filter can undo what is hidden.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from flask import Blueprint, g, render_template, request, url_for
from flask_babel import gettext as _
from markupsafe import Markup
from werkzeug.wrappers import Response

import roadmap.api as roadmap
from kernel.clock import local_date
from kernel.langmap import LangMap
from lti_tool.views.learner import level_names
from lti_tool.web import pages, pictures
from lti_tool.web.principal import Role, require
from lti_tool.workflows.scope import ExecutiveScope, executive_scope

blueprint = Blueprint("executive", __name__, url_prefix="/executive/<uuid:launch>")

MEASURES = ("attainment", "coverage")
UNIT_UNKNOWN: LangMap = {"th": "ไม่ทราบหน่วยงานย่อย", "en": "Unit not known"}


@blueprint.get("/")
@require(Role.EXECUTIVE)
def home() -> str:
    """Coverage and attainment by area, their spread, and the table by agency or unit."""
    today = local_date(g.now)
    scope = executive_scope(g.db, g.principal)
    figures = roadmap.figures(g.db, tenant_ids=scope.tenant_ids, agency=scope.agency, today=today, now=g.now)
    framework = roadmap.active_framework(g.db, tenant_id=g.principal.tenant_id, on=today)
    return render_template("executive/home.html", **home_values(figures, scope, framework, request.args))


@blueprint.post("/language")
@require(Role.EXECUTIVE)
def language(launch: UUID) -> Response:
    """Changes the language of this launch's pages."""
    return pages.change_language(g.db, g.principal, home=url_for("executive.home", launch=launch))


def home_values(
    figures: roadmap.Figures, scope: ExecutiveScope, framework: roadmap.FrameworkView, asked: Mapping[str, str]
) -> dict[str, Any]:
    """What the page shows of the figures.

    asked   `area` (code), `measure` and `group` (key of a row) of the address; what is not known counts as not said
    """
    codes = [figure.node.code for figure in figures.areas]
    area = asked["area"] if asked.get("area") in codes else ""
    measure = asked["measure"] if asked.get("measure") in MEASURES else MEASURES[0]
    areas = _chosen(figures.areas, area)
    groups = [_named(group, scope, area) for group in (figures.agencies or figures.units)]
    group = asked["group"] if asked.get("group") in [one.key for one in groups] else ""
    groups = [one for one in groups if not group or one.key == group]
    levels = level_names(framework)
    return {
        "figures": figures,
        "definitions": figures.definitions,
        "definition_names": [
            ("coverage", _("Coverage")),
            ("attainment", _("Attainment")),
            ("mean_gap", _("Mean gap")),
            ("unknown", _("Unknown")),
        ],
        "agency_name": None if scope.is_central else next(iter(scope.agency_names.values()), None),
        "is_central": bool(figures.agencies),
        "nodes": [figure.node for figure in figures.areas],
        "shown_nodes": [figure.node for figure in areas],
        "shown_area": area,
        "shown_measure": measure,
        "shown_group": group,
        "areas": areas,
        "groups": groups,
        "levels": levels,
        "level_legend": pictures.level_legend(levels),
        "spread": [(figure, _spread(figure, levels)) for figure in areas],
        "columns_are_numbered": len(areas) > pictures.MAX_NAMED_COLUMNS,
        "heatmap": pictures.group_heatmap(groups, areas, measure) if groups else None,
    }


def _spread(figure: roadmap.AreaFigure, levels: Mapping[int, LangMap]) -> Markup | None:
    if not figure.levels or figure.unknown is None:
        return None
    return pictures.level_spread(figure.levels, figure.unknown, levels, area=figure.node.label, name=f"levels-{figure.node.code}")


def _named(group: roadmap.GroupFigure, scope: ExecutiveScope, area: str) -> roadmap.GroupFigure:
    label = scope.agency_names[group.tenant_id] if not group.label and group.tenant_id in scope.agency_names and group.key else group.label
    return replace(group, label=label or UNIT_UNKNOWN, areas=_chosen(group.areas, area))


def _chosen(areas: Sequence[roadmap.AreaFigure], code: str) -> tuple[roadmap.AreaFigure, ...]:
    return tuple(figure for figure in areas if not code or figure.node.code == code)
