"""The answer to a deep linking request: content items, signed, for the browser to carry back to the platform.

Source   LTI Deep Linking 2.0, sections 3.1 (ltiResourceLink) and 4.4 (response); 1EdTech security framework 1.0, 5.2
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pylti1p3.lineitem import LineItem

from kernel.ids import new_token
from lti_tool.lti import vocabulary as v
from lti_tool.lti.message import DeepLinkingSettings, origin_of
from lti_tool.lti.pylti import ContentItem, response_claims
from lti_tool.lti.storage import Platform
from lti_tool.lti.tool_keys import SigningKey

MAX_TITLE_CHARACTERS = 255
BEHIND_SECONDS = 5
"""The response is dated so far back: a platform refuses one from its future."""
LIFE_SECONDS = 300
FRAME = {"iframe": {"width": 1024, "height": 768}}
WINDOW = {"window": {"targetName": "_blank"}}

SUBSTITUTED: Mapping[str, str] = {
    "context_history": "$Context.id.history",
    "link_history": "$ResourceLink.id.history",
    "due": "$ResourceLink.submission.endDateTime",
    "opens": "$ResourceLink.available.startDateTime",
    "closes": "$ResourceLink.available.endDateTime",
    "submit_from": "$ResourceLink.submission.startDateTime",
}
"""Custom parameters that every link of ours asks the platform to fill in. One that it leaves as it is counts as absent."""


@dataclass(frozen=True, slots=True)
class Column:
    """The column of the gradebook that a link wants. maximum > 0 points; resource_id and tag tell it from others."""

    label: str
    maximum: float
    resource_id: str
    tag: str


@dataclass(frozen=True, slots=True)
class Item:
    """One link to be made. url: on our side; custom: lower-case names; column: None for what is not graded."""

    title: str
    text: str
    url: str
    custom: Mapping[str, str]
    column: Column | None


@dataclass(frozen=True, slots=True)
class HandBack:
    """What the browser posts, and where: field `JWT` to `return_url`, whose origin the page's policy must allow."""

    return_url: str
    origin: str
    jwt: str


def make_response(
    settings: DeepLinkingSettings,
    items: Sequence[Item],
    *,
    platform: Platform,
    deployment_id: str,
    key: SigningKey,
    now: datetime,
    message: str | None = None,
    error: str | None = None,
) -> HandBack:
    """The signed response. A platform that takes one item gets the first; one that takes no columns gets none.

    message, error   plain sentences for the person, shown by the platforms that do so; none count on it
    """
    kept = items if settings.accept_multiple else items[:1]
    claims = response_claims(platform, deployment_id, [_content_item(item, settings) for item in kept])
    issued_at = int(now.timestamp()) - BEHIND_SECONDS
    claims |= {"sub": platform.client_id}  # Blackboard asks for it
    claims |= {"aud": platform.issuer, "iat": issued_at, "exp": issued_at + LIFE_SECONDS, "nonce": new_token()}
    claims.pop(v.DATA, None)
    if settings.has_data:
        claims[v.DATA] = settings.data
    claims |= {name: text for name, text in ((v.MSG, message), (v.ERRORMSG, error)) if text}
    origin = origin_of(settings.return_url)
    assert origin is not None  # it was judged at the launch
    return HandBack(settings.return_url, origin, key.sign(claims))


def settings_of(stored: Mapping[str, Any]) -> DeepLinkingSettings:
    """Settings as they were kept with the launch."""
    lists = ("accept_types", "accept_presentation_document_targets", "accept_media_types")
    return DeepLinkingSettings(**{**stored, **{name: tuple(stored[name]) for name in lists}})


def _content_item(item: Item, settings: DeepLinkingSettings) -> ContentItem:
    made = ContentItem()
    made.set_title(item.title[:MAX_TITLE_CHARACTERS]).set_url(item.url).set_custom_params(dict(item.custom))
    made.text = item.text
    made.presentation = _presentation(settings.accept_presentation_document_targets)
    if item.column is not None and settings.accept_lineitem is not False:
        made.set_lineitem(_line_item(item.column, item.url))
    return made


def _line_item(column: Column, url: str) -> LineItem:
    made = LineItem().set_label(column.label[:MAX_TITLE_CHARACTERS]).set_resource_id(column.resource_id).set_tag(column.tag)
    made.set_score_maximum(int(column.maximum) if column.maximum == int(column.maximum) else column.maximum)
    return made.set_submission_review(["InProgress", "Submitted", "Completed"], url=url)


def _presentation(targets: tuple[str, ...]) -> Mapping[str, Any]:
    """Within the course where the platform can, else in a window; nothing is said where it takes neither."""
    if "iframe" in targets or "frame" in targets:
        return FRAME
    return WINDOW if "window" in targets else {}
