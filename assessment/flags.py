"""Which items a person should look at, and why: thresholds on an item's figures. Pure.

A flag opens a review and changes nothing by itself.
Source   Ebel & Frisbie (1991), ch. 13, for discrimination and facility; Wright & Linacre (1994) for mean squares; Zwick & Ercikan (1989),
         Jodoin & Gierl (2001) for group differences
"""

from typing import Any, Final

REASONS: Final = (
    "negative_discrimination",
    "low_discrimination",
    "too_easy",
    "too_hard",
    "underfit",
    "misfit",
    "group_difference",
    "wrong_option_attracts",
    "drifted",
)
"""Stable codes, the gravest first within their kind."""

MIN_PEOPLE: Final = 100
"""Fewer say too little of an item."""

LOW_DISCRIMINATION: Final = 0.15
TOO_EASY: Final = 0.97
TOO_HARD: Final = 0.10
UNDERFIT: Final = 1.3
"""Infit or outfit above it. Below 0.7 an item is more regular than chance allows, which harms no measurement."""

MISFIT_P: Final = 0.001
ATTRACTS_SHARE: Final = 0.05
LARGE: Final = "C"


def flags_of(item: dict[str, Any]) -> list[str]:
    """Reasons for a review, in the order of REASONS.

    item   figures of one item as `form_analysis` stores them
    """
    if item["n"] < MIN_PEOPLE:
        return []
    power = item["discrimination"] if item["discrimination"] is not None else item["point_biserial"]
    facility, fit, score_fit = item["facility"], item["fit"], item["s_x2"]
    key = max((one["correlation"] or 0.0 for one in item["distractors"] if one["is_key"]), default=None)
    others = [one for one in item["distractors"] if not one["is_key"] and one["share"] >= ATTRACTS_SHARE]
    holds = {
        "negative_discrimination": power is not None and power < 0,
        "low_discrimination": power is not None and 0 <= power < LOW_DISCRIMINATION,
        "too_easy": item["discrimination"] is not None and facility > TOO_EASY,
        "too_hard": item["discrimination"] is not None and facility < TOO_HARD,
        "underfit": fit is not None and max(fit["infit"], fit["outfit"]) > UNDERFIT,
        "misfit": score_fit is not None and score_fit["p"] < MISFIT_P,
        "group_difference": any(is_large(one["dif"]) for one in item["groups"]),
        "wrong_option_attracts": key is not None and any((one["correlation"] or 0.0) > max(key, 0.0) for one in others),
        "drifted": item["drift"] is not None,
    }
    return [reason for reason in REASONS if holds[reason]]


def is_large(dif: dict[str, Any]) -> bool:
    """Class C by either way of comparing."""
    return dif["ets"] == LARGE or (dif["logistic"] or {}).get("size") == LARGE
