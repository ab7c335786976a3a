"""Pictures and words of item analysis: stored figures turned into charts and sentences in the page's language."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from flask_babel import gettext as _
from markupsafe import Markup

import assessment.api as assessment
from lti_tool.web import charts
from lti_tool.web.pages import decimal_filter, percent_filter

DELTA_ENDS: Final = (-3.0, 3.0)
"""Ends of the picture of group differences, on the delta scale of ETS."""

LARGE_DELTA: Final = 1.5
FACILITY_BANDS: Final = (0.2, 0.4, 0.6, 0.8)
POWER_BANDS: Final = (0.0, 0.15, 0.3, 0.45)

Bands = list[tuple[str, int]]
"""Words of each band, and how many items lie in it."""


def facility_bands(items: Sequence[Mapping[str, Any]]) -> Bands:
    """How many items are how hard."""
    return _banded([item["facility"] for item in items], FACILITY_BANDS, percent_filter)


def power_bands(items: Sequence[Mapping[str, Any]]) -> Bands:
    """How many items tell people apart how well: by discrimination, or by the correlation with ability where people saw different items."""
    return _banded([power_of(item) for item in items], POWER_BANDS, decimal_filter)


def power_of(item: Mapping[str, Any]) -> float | None:
    """How well an item tells people apart, -1..1."""
    found = item["discrimination"] if item["discrimination"] is not None else item["point_biserial"]
    return None if found is None else float(found)


def band_bars(bands: Bands, *, title: str, name: str) -> Markup:
    """One bar a band."""
    return charts.bars(
        [charts.Bar(label, float(n), str(n)) for label, n in bands],
        lowest=0,
        highest=max([1.0, *(float(n) for _label, n in bands)]),
        title=title,
        description=_("One bar for each range, as long as the number of items in it. The same numbers stand in the table beside it."),
        name=name,
    )


def option_heatmap(options: Sequence[Mapping[str, Any]], *, name: str) -> Markup:
    """Who chose which option: one row an option, one column a fifth of the people, the weakest first."""
    rows = [
        (
            _("%(option)s (right)", option=one["option"]) if one["is_key"] else one["option"],
            [charts.Cell(share, percent_filter(share)) for share in one["by_fifth"]],
        )
        for one in options
    ]
    return charts.heatmap(
        rows,
        [str(fifth) for fifth in range(1, len(options[0]["by_fifth"]) + 1)],
        title=_("Which option was chosen by whom"),
        description=_(
            "One row for each option, one column for each fifth of the people, from the weakest to the strongest; darker is more. "
            "The same numbers stand in the table beside it."
        ),
        name=name,
    )


def group_bars(groups: Sequence[Mapping[str, Any]], *, name: str) -> Markup:
    """How much easier or harder the item is for each group than for everybody else of the same ability."""
    low, high = DELTA_ENDS
    return charts.bars(
        [
            charts.Bar(
                label_name(one["attribute"], one["label"]),
                one["dif"]["mh_delta"],
                f"{decimal_filter(one['dif']['mh_delta'], signed=True)} {one['dif']['ets']}",
            )
            for one in groups
        ],
        lowest=low,
        highest=high,
        marks=[charts.Mark(-LARGE_DELTA, _("Harder")), charts.Mark(LARGE_DELTA, _("Easier"))],
        title=_("Differences between groups of the same ability"),
        description=_(
            "One bar for each group on the delta scale from -3 (harder) to 3 (easier); the lines at -1.5 and 1.5 are where a difference is "
            "large. The same numbers stand in the table beside it."
        ),
        name=name,
    )


def is_large(group: Mapping[str, Any]) -> bool:
    """Whether a difference between groups is a large one."""
    return assessment.is_large(dict(group["dif"]))


def reason_names() -> dict[str, str]:
    """Why an item was flagged, in the page's language."""
    return {
        "negative_discrimination": _("Strong people get it wrong more often than weak ones"),
        "low_discrimination": _("It hardly tells strong people from weak ones"),
        "too_easy": _("Nearly everybody is right"),
        "too_hard": _("Nearly nobody is right"),
        "underfit": _("Its answers are noisier than the model allows"),
        "misfit": _("Its answers do not follow the model"),
        "group_difference": _("It favours a group of people of the same ability"),
        "wrong_option_attracts": _("A wrong option attracts the strong more than the right one"),
        "drifted": _("It has become harder or easier since it was calibrated"),
    }


def decision_names() -> dict[str, str]:
    """What can be decided on an item."""
    return {
        "keep": _("Keep as it is"),
        "revise": _("Have it revised"),
        "retire": _("Leave it out from the next version of the form on"),
    }


def left_out_names() -> dict[str, str]:
    """Why a figure is not there."""
    return {
        "sparse": _("People saw different items, so totals do not compare; people are matched by ability instead."),
        "few_people": _("Too few people for a model."),
        "not_converged": _("No model could be fitted."),
        "nothing_to_calibrate": _("Too few items have answers that differ."),
    }


def attribute_name(attribute: str) -> str:
    """An attribute of people; one that an agency made up stands as it is."""
    known: dict[str, str] = {
        "ministry": _("Ministry"),
        "region": _("Region"),
        "age_band": _("Age band"),
        "gender": _("Gender"),
        "device": _("Device"),
        "accommodation": _("Accommodation"),
    }
    return known.get(attribute, attribute)


def label_name(attribute: str, label: str) -> str:
    """A label; those that the tool itself gives are translated."""
    known: dict[tuple[str, str], str] = {
        ("device", "phone"): _("Phone"),
        ("device", "tablet"): _("Tablet"),
        ("device", "computer"): _("Computer"),
        ("accommodation", "with"): _("With an accommodation"),
        ("accommodation", "without"): _("Without an accommodation"),
    }
    return known.get((attribute, label), label)


def _banded(values: Sequence[float | None], bounds: Sequence[float], word: Any) -> Bands:
    known = [value for value in values if value is not None]
    labels = [
        _("below %(value)s", value=word(bounds[0])),
        *(_("%(low)s to below %(high)s", low=word(low), high=word(high)) for low, high in pairwise(bounds)),
        _("%(value)s and above", value=word(bounds[-1])),
    ]
    counts = [0] * len(labels)
    for value in known:
        counts[sum(value >= bound for bound in bounds)] += 1
    return list(zip(labels, counts, strict=True))
