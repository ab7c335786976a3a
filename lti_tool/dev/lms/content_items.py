"""What Moodle makes of the content items that a tool returns: each becomes an activity, rightly or wrongly. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lti_tool.dev.lms.client_metadata import parse_custom
from lti_tool.dev.lms.config import Activity, Tool

DEFAULT_MAXIMUM = 100.0


@dataclass(frozen=True, slots=True)
class Draft:
    """An activity as the form holds it, before the teacher saves it."""

    title: str = ""
    description: str = ""
    has_html: bool = False
    url: str = ""
    custom: str = ""
    """Lines `name=value`."""
    icon: str = ""
    score_maximum: float | None = None
    resource_id: str = ""
    tag: str = ""
    review_url: str = ""
    review_custom: Mapping[str, str] = field(default_factory=dict)
    opens_in_window: bool = False


def read_items(items: Any, tool: Tool) -> list[Draft]:
    """The drafts that returned content items give: every item is taken for a link to the tool, whatever its type says.

    items    the claim as it came
    Source   Moodle 4.5 as measured (facts section 6)
    """
    given = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    return [_draft(item, tool, is_alone=len(given) == 1) for item in given]


def draft_of(activity: Activity) -> Draft:
    """What the form shows of an activity that is there."""
    return Draft(
        title=activity.title["th"],
        description=activity.description.get("th", ""),
        has_html=activity.has_html,
        url=activity.url,
        custom="\n".join(f"{name}={value}" for name, value in activity.custom.items()),
        icon=activity.icon,
        score_maximum=activity.score_maximum,
        resource_id=activity.resource_id,
        tag=activity.tag,
        review_url=activity.review_url,
        review_custom=activity.review_custom,
        opens_in_window=activity.opens_in_window,
    )


def activity_of(draft: Draft, *, activity_id: str, tool: Tool) -> Activity:
    """The activity that a saved draft gives."""
    return Activity(
        id=activity_id,
        title={"th": draft.title or tool.name["th"]},
        url=draft.url,
        description={"th": draft.description} if draft.description else {},
        deployment_id=tool.deployment_id,
        score_maximum=draft.score_maximum,
        resource_id=draft.resource_id,
        tag=draft.tag,
        custom=parse_custom(draft.custom),
        opens_in_window=draft.opens_in_window,
        icon=draft.icon,
        has_html=draft.has_html,
        review_url=draft.review_url,
        review_custom=draft.review_custom,
    )


def _draft(item: Mapping[str, Any], tool: Tool, *, is_alone: bool) -> Draft:
    line_item = item.get("lineItem") if isinstance(item.get("lineItem"), dict) else None
    review = (line_item or {}).get("submissionReview")
    review = review if isinstance(review, dict) else {}
    icon = item.get("icon")
    return Draft(
        title=_text(item.get("title")) or tool.name["th"],
        description=_text(item.get("text")),
        has_html=is_alone,  # the form's editor holds HTML; items that are made at once keep their text as it is
        url=_text(item.get("url")),
        custom="\n".join(f"{name}={value}" for name, value in _mapping(item.get("custom")).items()),
        icon=_secure(icon.get("url") if isinstance(icon, dict) else icon),
        score_maximum=_maximum(line_item),
        resource_id=_text((line_item or {}).get("resourceId")),
        tag=_text((line_item or {}).get("tag")),
        review_url=_text(review.get("url")),
        review_custom={name: _text(value) for name, value in _mapping(review.get("custom")).items()},
    )


def _maximum(line_item: Mapping[str, Any] | None) -> float | None:
    """Points of the column: none without a line item, 100 when it names none, else what it says, 0 and fractions too."""
    if line_item is None:
        return None
    maximum = line_item.get("scoreMaximum")
    is_number = isinstance(maximum, int | float) and not isinstance(maximum, bool)
    return float(maximum) if is_number and maximum is not None else DEFAULT_MAXIMUM


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _secure(address: Any) -> str:
    return _text(address) if _text(address).startswith("https:") else ""


def _text(value: Any) -> str:
    return "" if value is None or (isinstance(value, dict | Sequence) and not isinstance(value, str)) else str(value)
