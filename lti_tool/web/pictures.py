"""The pictures of each page: what the doors gave, turned into charts with titles and descriptions in the page's language."""

from collections.abc import Mapping, Sequence

from flask_babel import gettext as _
from markupsafe import Markup

import assessment.api as assessment
import learning.api as learning
import roadmap.api as roadmap
from kernel.langmap import LangMap, text_in
from lti_tool.web import charts
from lti_tool.web.pages import decimal_filter, percent_filter, text_language

SCALE_ENDS = (-3.0, 3.0)
"""Logits between which the bars of a test are drawn; nearly everyone lies within."""


MAX_NAMED_COLUMNS = 3
"""Columns of a heatmap that have room for their names on the narrowest screen; more are numbered."""


def level_radar(lines: Sequence[tuple[LangMap, int, int | None]], levels: Mapping[int, LangMap]) -> Markup | None:
    """Level and target of each area; None when there are too few or too many areas for a shape.

    lines  label, level, target rank or None
    """
    if not charts.MIN_AXES <= len(lines) <= charts.MAX_AXES:
        return None
    axes = [charts.Axis(_in(label), level, target, f"{level} {_in(levels[level])}") for label, level, target in lines]
    return charts.radar(
        axes,
        maximum=max(levels),
        title=_("Level in each area"),
        description=_("A shape with one corner for each area; further out is higher. The same numbers stand in the table beside it."),
        name="radar",
    )


def estimate_bars(areas: Sequence[assessment.AreaOutcome], labels: Mapping[str, LangMap], cuts: Sequence[assessment.Cut]) -> Markup:
    """The estimate of each area with its error; cut scores as lines where all areas share them."""
    cuts_of = [{cut.level: cut.theta for cut in cuts if cut.domain == area.domain} for area in areas]
    shared = cuts_of[0] if cuts_of and all(one == cuts_of[0] for one in cuts_of) else {}
    return charts.bars(
        [
            charts.Bar(
                label=_in(labels[area.competency]),
                value=area.theta,
                text=f"{decimal_filter(area.theta)} ±{decimal_filter(area.se)}",
                low=area.theta - area.se,
                high=area.theta + area.se,
            )
            for area in areas
        ],
        lowest=SCALE_ENDS[0],
        highest=SCALE_ENDS[1],
        marks=[charts.Mark(theta, _("Level %(level)s", level=level)) for level, theta in sorted(shared.items())],
        title=_("Estimate and error in each area"),
        description=_(
            "One bar for each area in logits from -3 to 3; the line across its end is the error. "
            "The same numbers stand in the table beside it."
        ),
        name="estimates",
    )


def estimate_course(area: assessment.AreaOutcome, responses: Sequence[assessment.ResponseView], label: LangMap) -> Markup | None:
    """How the estimate of one area moved from question to question, with its error as a band; None with fewer than two answers."""
    course = [(one.theta_after, one.se_after) for one in responses if one.domain == area.domain]
    if len(course) < 2:  # noqa: PLR2004  one point is no course
        return None
    return charts.sparkline(
        [theta for theta, _se in course],
        lowest=SCALE_ENDS[0],
        highest=SCALE_ENDS[1],
        band=[(theta - se, theta + se) for theta, se in course],
        title=_("How the estimate settled: %(area)s", area=_in(label)),
        description=_(
            "A line from the first to the last question of this area. It ends at %(theta)s with an error of %(se)s.",
            theta=decimal_filter(course[-1][0]),
            se=decimal_filter(course[-1][1]),
        ),
        name=f"course-{area.domain}",
    )


def standing_tracks(standings: Sequence[roadmap.Standing], levels: Mapping[int, LangMap]) -> Markup:
    """Where the person stands in each area, and what the role asks."""
    return charts.tracks(
        [
            charts.Track(
                _in(one.node.label),
                one.level,
                one.target,
                _("Not known yet") if one.level is None else f"{one.level} {_in(levels[one.level])}",
            )
            for one in standings
        ],
        levels=[_in(levels[rank]) for rank in sorted(levels)],
        title=_("My level and what my role asks, by area"),
        description=_("A ladder of levels for each area; the flag is what the role asks. The same numbers stand in the table beside it."),
        name="tracks",
    )


def hours_bars(path: learning.PathView, kind_names: Mapping[str, str]) -> Markup:
    """Hours of the path by kind of learning."""
    longest = max([*path.hours_by_kind.values(), 1.0])
    return charts.bars(
        [charts.Bar(kind_names.get(kind, kind), n, f"{n:g}") for kind, n in path.hours_by_kind.items()],
        lowest=0,
        highest=longest,
        title=_("Hours by kind of learning"),
        description=_("One bar for each kind of learning. The same numbers stand in the table beside it."),
        name="hours",
    )


def level_spread(counts: Sequence[int], unknown: int, levels: Mapping[int, LangMap], *, area: LangMap, name: str) -> Markup:
    """How many people stand at each level of one area, the unknown as a part of its own."""
    shares = [charts.Share(_in(levels[rank]), n, f"level-{rank}") for rank, n in enumerate(counts)]
    return charts.stacked(
        [*shares, charts.Share(_("Unknown"), unknown, "unknown")],
        title=_("Spread of levels: %(area)s", area=_in(area)),
        description=_("One bar cut by level from lowest to highest, then the unknown. The same numbers stand in the table beside it."),
        name=name,
    )


def group_heatmap(groups: Sequence[roadmap.GroupFigure], areas: Sequence[roadmap.AreaFigure], measure: str) -> Markup:
    """Units or agencies by area; measure is `attainment` or `coverage`."""

    def cell(figure: roadmap.AreaFigure) -> charts.Cell:
        if measure == "attainment" and not figure.has_target:
            return charts.Cell(None, "–")
        value = figure.attainment if measure == "attainment" else figure.coverage
        return charts.Cell(value, _("hidden") if value is None else percent_filter(value))

    return charts.heatmap(
        [(_in(group.label), [cell(figure) for figure in group.areas]) for group in groups],
        [_in(figure.node.label) if len(areas) <= MAX_NAMED_COLUMNS else str(number) for number, figure in enumerate(areas, 1)],
        title=_("Attainment by group and area") if measure == "attainment" else _("Coverage by group and area"),
        description=_("One row for each group, one column for each area; darker is more. The same numbers stand in the table beside it."),
        name="heatmap",
    )


def level_legend(levels: Mapping[int, LangMap]) -> list[tuple[str, str]]:
    """Tones and names of the levels, the unknown last."""
    return [*((f"level-{rank}", f"{rank} {_in(label)}") for rank, label in sorted(levels.items())), ("unknown", _("Unknown"))]


def _in(texts: LangMap) -> str:
    return text_in(text_language(), texts)
