"""The message of a launch: its form judged against the schema of its type, then read into one value."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv6Address
from typing import Any
from urllib.parse import unquote, urlsplit

import jsonschema_rs

from lti_tool.lti import vocabulary as v
from lti_tool.lti.errors import Anonymous, LinksNotAccepted, MessageInvalid, MessageUnknown, ReturnForeign, TargetForeign
from lti_tool.lti.pylti import VerifiedMessage
from lti_tool.lti.storage import Platform
from lti_tool.lti.vocabulary import Role

_TEXT = {"type": ["string", "null"]}
MAX_ID_CHARACTERS = 255
_ID = {"type": "string", "minLength": 1, "maxLength": MAX_ID_CHARACTERS}
_URL = {"type": ["string", "null"], "maxLength": 2000}
_WORDS = {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 50}
_SWITCH = {"enum": [True, False, "true", "false", None]}
_CONTEXT = {"type": "object", "required": ["id"], "properties": {"id": _ID, "title": _TEXT, "label": _TEXT}}
_LINK = {"type": "object", "required": ["id"], "properties": {"id": _ID, "title": _TEXT}}

_PROPERTIES: dict[str, Any] = {
    "sub": {**_ID, "pattern": "^[ -~]+$"},
    "name": _TEXT,
    "given_name": _TEXT,
    "family_name": _TEXT,
    "locale": _TEXT,
    v.VERSION: {"const": v.LTI_VERSION},
    v.DEPLOYMENT_ID: _ID,
    v.TARGET_LINK_URI: {"type": "string", "minLength": 1, "maxLength": 4000},
    v.ROLES: {"type": "array", "items": {"type": "string"}, "maxItems": 200},
    v.RESOURCE_LINK: {"anyOf": [_LINK, {"type": "null"}]},
    v.CONTEXT: {"anyOf": [_CONTEXT, {"type": "null"}]},
    v.CUSTOM: {"type": ["object", "null"]},
    v.TOOL_PLATFORM: {"type": ["object", "null"], "properties": {"product_family_code": _TEXT}},
    v.LAUNCH_PRESENTATION: {
        "type": ["object", "null"],
        "properties": {"locale": _TEXT, "return_url": _TEXT, "document_target": _TEXT},
    },
    v.AGS_ENDPOINT: {
        "type": "object",
        "properties": {
            "scope": {"type": "array", "items": {"type": "string"}, "maxItems": 50},
            "lineitem": _URL,
            "lineitems": _URL,
        },
    },
    v.NRPS_SERVICE: {"type": "object", "properties": {"context_memberships_url": _URL}},
}
"""The claims that we read, of any message. A platform may add others.

Source   LTI 1.3 core, section 5.3 (required claims) and 5.4 (optional claims); AGS 2.0, 3.1; NRPS 2.0, 3.6.1.1
"""

_EVERYWHERE = [v.MESSAGE_TYPE, v.VERSION, v.DEPLOYMENT_ID, v.ROLES]

_DEEP_LINKING = {
    "type": "object",
    "required": ["deep_link_return_url", "accept_types", "accept_presentation_document_targets"],
    "properties": {
        "deep_link_return_url": {"type": "string", "minLength": 1, "maxLength": 4000},
        "accept_types": _WORDS,
        "accept_presentation_document_targets": {"type": "array", "items": {"type": "string"}, "maxItems": 50},
        "accept_media_types": _TEXT,
        "accept_multiple": _SWITCH,
        "accept_lineitem": _SWITCH,
        "auto_create": _SWITCH,
        "title": _TEXT,
        "text": _TEXT,
    },
}
_REVIEWED = {"type": "object", "required": ["user_id"], "properties": {"user_id": _ID}}
_CONCERNED = {"type": ["object", "null"], "properties": {"user_id": _ID, "id": _ID}}

SCHEMAS: dict[str, dict[str, Any]] = {
    v.RESOURCE_LINK_REQUEST: {
        "required": [*_EVERYWHERE, v.TARGET_LINK_URI, v.RESOURCE_LINK],
        "properties": {**_PROPERTIES, v.RESOURCE_LINK: _LINK},
    },
    v.DEEP_LINKING_REQUEST: {
        "required": [*_EVERYWHERE, v.DEEP_LINKING_SETTINGS],
        "properties": {**_PROPERTIES, v.DEEP_LINKING_SETTINGS: _DEEP_LINKING},
    },
    v.SUBMISSION_REVIEW_REQUEST: {
        "required": [*_EVERYWHERE, v.CONTEXT, v.FOR_USER],
        "properties": {**_PROPERTIES, v.CONTEXT: _CONTEXT, v.FOR_USER: _REVIEWED},
    },
    v.DATA_PRIVACY_REQUEST: {
        "required": _EVERYWHERE,
        "properties": {**_PROPERTIES, v.FOR_USER: _CONCERNED},
    },
}
"""What each message must be. Where a platform in use sends less than its document asks, what we do without is not asked for.

Source   LTI 1.3 core, 5.3; Deep Linking 2.0, 4.2 (request) and 4.3 (settings); Submission Review 1.0, 3.2; Data Privacy
         Launch (draft), whose message has had two names
"""

_OTHER_NAMES = {v.DATA_PRIVACY_REQUEST_OF_FIRST_DRAFT: v.DATA_PRIVACY_REQUEST}
_BY_LIBRARY = frozenset({v.RESOURCE_LINK_REQUEST})
"""Messages that PyLTI1p3 judges too. Of the others it asks what platforms in use leave out, or knows an older name alone."""

_VALIDATORS = {name: jsonschema_rs.validator_for({"type": "object", **schema}) for name, schema in SCHEMAS.items()}

_HOSTNAME = re.compile(r"[A-Za-z0-9.-]+")
_UNSEEN = re.compile(r"[\x00-\x20\x7f-\xa0\s\\]")
"""What no web address holds: control characters, white space; and the backslash, which browsers take for a slash."""
_MARKUP = re.compile(r"[\"<>`]")
"""What no web address holds unescaped, and markup does."""

_NAMED = re.compile(r"/open/([a-z]{1,32})(?:/([0-9a-zA-Z-]{1,64}))?/?")
"""Address of an activity, as our content items have it."""

MAX_CUSTOM = 100
MAX_CUSTOM_CHARACTERS = 2000
MAX_HISTORY = 50
MAX_YEAR = 9000
"""A moment beyond has no place on a calendar of people."""


@dataclass(frozen=True, slots=True)
class DeepLinkingSettings:
    """What the platform takes back from a choice of content.

    accept_lineitem  None where the platform does not say
    data             returned as it came; `has_data` tells an absent one from null
    Source           Deep Linking 2.0, section 4.3
    """

    return_url: str
    accept_types: tuple[str, ...]
    accept_presentation_document_targets: tuple[str, ...]
    accept_media_types: tuple[str, ...] = ()
    accept_multiple: bool = False
    accept_lineitem: bool | None = None
    auto_create: bool = False
    title: str | None = None
    text: str | None = None
    data: Any = None
    has_data: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """One launch, as values; what the platform left out is None or empty."""

    deployment_id: str
    sub: str
    name: str | None
    roles: frozenset[Role]
    target_link_uri: str
    context_id: str | None
    context_title: str | None
    link_id: str | None
    """None in messages that come from no link: deep linking, data privacy, some submission reviews."""
    link_title: str | None
    activity: str | None
    """What the link itself names, `kind` or `kind:id`, by its custom parameter of that name, else by its address."""
    locale: str | None
    return_url: str | None
    document_target: str | None
    line_item_url: str | None
    ags_scopes: tuple[str, ...]
    memberships_url: str | None
    message_type: str = v.RESOURCE_LINK_REQUEST
    custom: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case; values that still begin with `$` were not substituted and are left out."""
    placement: str | None = None
    """The custom parameter of that name: the UUID of what a designer placed, as text."""
    context_label: str | None = None
    context_history: tuple[str, ...] = ()
    link_history: tuple[str, ...] = ()
    due_at: datetime | None = None
    """When the platform wants the work at the latest; shown, never enforced."""
    opens_at: datetime | None = None
    """From when on the platform has the link open and takes work: no sitting begins before."""
    closes_at: datetime | None = None
    """Until when the platform has the link open: no sitting begins after."""
    line_items_url: str | None = None
    deep_linking: DeepLinkingSettings | None = None
    for_user_sub: str | None = None
    product: str | None = None

    @property
    def named(self) -> str | None:
        """What the link says of itself in one text, to tell whether somebody changed the link: its placement, else its activity."""
        return self.placement or self.activity


def read_message(claims: Mapping[str, Any], *, platform: Platform, public_url: str) -> Message:
    """The message of a token that was checked. URLs are dropped unless they lie where this platform's may.

    public_url   our origin, where the target link must be
    Raises       MessageUnknown, MessageInvalid, Anonymous, TargetForeign, LinksNotAccepted, ReturnForeign
    """
    message_type = _type_in(claims)
    fault = next(_VALIDATORS[message_type].iter_errors(claims), None)
    if fault is not None:
        raise MessageInvalid(reason=_place_of(fault))
    if "sub" not in claims:
        raise Anonymous
    settings = claims.get(v.DEEP_LINKING_SETTINGS) if message_type == v.DEEP_LINKING_REQUEST else None
    deep_linking = None if settings is None else _deep_linking(settings, platform)
    if message_type in _BY_LIBRARY:
        VerifiedMessage(platform, claims).check_message()
    target = claims.get(v.TARGET_LINK_URI) or public_url
    if origin_of(target) != public_url:
        raise TargetForeign
    context, link = claims.get(v.CONTEXT) or {}, claims.get(v.RESOURCE_LINK) or {}
    presentation, endpoint = claims.get(v.LAUNCH_PRESENTATION) or {}, claims.get(v.AGS_ENDPOINT) or {}
    custom = _custom_in(claims.get(v.CUSTOM) or {})
    return Message(
        message_type=message_type,
        deployment_id=claims[v.DEPLOYMENT_ID],
        sub=claims["sub"],
        name=_name_in(claims) if platform.keeps_names else None,
        roles=v.message_roles(claims[v.ROLES], message_type),
        target_link_uri=target,
        context_id=context.get("id"),
        context_title=context.get("title") or context.get("label"),
        context_label=context.get("label"),
        context_history=_ids_in(custom.get("context_history") or _beside("Context.id.history", claims)),
        link_id=link.get("id"),
        link_title=link.get("title"),
        link_history=_ids_in(custom.get("link_history") or _beside("ResourceLink.id.history", claims)),
        custom=custom,
        activity=custom.get("activity") or _activity_at(target),
        placement=custom.get("placement"),
        locale=presentation.get("locale") or claims.get("locale"),
        return_url=_when(origin_of(presentation.get("return_url")) in platform.frame_origins, presentation.get("return_url")),
        document_target=presentation.get("document_target"),
        line_item_url=_approved(endpoint.get("lineitem"), platform),
        line_items_url=_approved(endpoint.get("lineitems"), platform),
        ags_scopes=tuple(sorted(v.AGS_SCOPES.intersection(endpoint.get("scope", ())))),
        memberships_url=_approved((claims.get(v.NRPS_SERVICE) or {}).get("context_memberships_url"), platform),
        deep_linking=deep_linking,
        due_at=_moment_in(custom.get("due")),
        opens_at=max(filter(None, map(_moment_in, (custom.get("opens"), custom.get("submit_from")))), default=None),
        closes_at=_moment_in(custom.get("closes")),
        for_user_sub=_concerned_in(claims, message_type),
        product=((claims.get(v.TOOL_PLATFORM) or {}).get("product_family_code") or "")[:64] or None,
    )


def origin_of(url: str | None) -> str | None:
    """scheme://host[:port] of a web address, default ports left out; None when it is none, or hides a user name.

    What comes back may stand in a header: it has no character but those of a host name or an IPv6 address.
    """
    try:
        parts = urlsplit(url or "")
        port = parts.port
        host = parts.hostname or ""
        if ":" in host:
            host = f"[{IPv6Address(host)}]"
        elif not _HOSTNAME.fullmatch(host):
            return None
    except ValueError:
        return None
    if parts.scheme not in {"https", "http"} or "@" in parts.netloc or _UNSEEN.search(url or "") or "%" in host:
        return None
    default = {"https": 443, "http": 80}[parts.scheme]
    return f"{parts.scheme}://{host}" if port in {None, default} else f"{parts.scheme}://{host}:{port}"


def host_of(url: str | None) -> str | None:
    """host:port of a web address, as approved hosts are listed; None when it is none."""
    origin = origin_of(url)
    if origin is None:
        return None
    parts = urlsplit(origin)
    return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def _type_in(claims: Mapping[str, Any]) -> str:
    """The message's type, by its present name. Raises MessageInvalid, MessageUnknown."""
    named = claims.get(v.MESSAGE_TYPE)
    if not isinstance(named, str):
        raise MessageInvalid(reason="message_type")
    message_type = _OTHER_NAMES.get(named, named)
    if message_type not in SCHEMAS:
        raise MessageUnknown(message_type=named)
    return message_type


def _deep_linking(settings: Mapping[str, Any], platform: Platform) -> DeepLinkingSettings:
    """Settings that fit the schema, as values. Raises LinksNotAccepted, ReturnForeign."""
    if v.LTI_RESOURCE_LINK not in settings["accept_types"]:
        raise LinksNotAccepted(accepted=", ".join(settings["accept_types"]))
    return_url = settings["deep_link_return_url"]
    if origin_of(return_url) not in platform.frame_origins or _MARKUP.search(return_url):
        raise ReturnForeign
    media_types = (settings.get("accept_media_types") or "").split(",")
    return DeepLinkingSettings(
        return_url=return_url,
        accept_types=tuple(settings["accept_types"]),
        accept_presentation_document_targets=tuple(settings["accept_presentation_document_targets"]),
        accept_media_types=tuple(filter(None, map(str.strip, media_types))),
        accept_multiple=_switch(settings.get("accept_multiple")) or False,
        accept_lineitem=_switch(settings.get("accept_lineitem")),
        auto_create=_switch(settings.get("auto_create")) or False,
        title=settings.get("title") or None,
        text=settings.get("text") or None,
        data=settings.get("data"),
        has_data="data" in settings,
    )


def _switch(value: bool | str | None) -> bool | None:
    """A Boolean, which some platforms spell as a word."""
    return value == "true" if isinstance(value, str) else value


def _custom_in(custom: Mapping[str, Any]) -> dict[str, str]:
    """Custom parameters by their names in lower case; where two spellings meet, the lower-case one counts."""
    kept: dict[str, str] = {}
    for name, value in sorted(custom.items(), key=lambda pair: pair[0].islower())[:MAX_CUSTOM]:
        text = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
        if text and not text.startswith("$") and len(text) <= MAX_CUSTOM_CHARACTERS and "\x00" not in text:
            kept[name.lower()] = text
    return kept


def _activity_at(target: str) -> str | None:
    """`kind` or `kind:id` that an address of ours names."""
    found = _NAMED.fullmatch(urlsplit(target).path)
    return ":".join(filter(None, found.groups())) if found else None


def _ids_in(history: str | None) -> tuple[str, ...]:
    """Ids in a list by commas, each URL-encoded, the nearest first.

    Source   LTI 1.3 core, appendix on substitution variables: Context.id.history, ResourceLink.id.history
    """
    ids = (unquote(part.strip()) for part in (history or "").split(","))
    return tuple(one for one in ids if one.isprintable() and 0 < len(one) <= MAX_ID_CHARACTERS)[:MAX_HISTORY]


def _moment_in(text: str | None) -> datetime | None:
    """A moment with its zone, by ISO 8601; None for anything else."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo is not None and moment.year < MAX_YEAR else None


def _beside(variable: str, claims: Mapping[str, Any]) -> str | None:
    """A variable that Brightspace sends unasked, in a claim of its own."""
    beside = claims.get(v.BRIGHTSPACE)
    value = beside.get(variable) if isinstance(beside, Mapping) else None
    return value if isinstance(value, str) else None


def _concerned_in(claims: Mapping[str, Any], message_type: str) -> str | None:
    """`sub` of the person whom the message is about; the data privacy draft calls it `id`."""
    if message_type not in {v.SUBMISSION_REVIEW_REQUEST, v.DATA_PRIVACY_REQUEST}:
        return None
    person = claims.get(v.FOR_USER) or {}
    found = person.get("user_id") or person.get("id")
    return found if isinstance(found, str) else None


def _approved(url: str | None, platform: Platform) -> str | None:
    return _when(host_of(url) in platform.approved_hosts, url)


def _when(condition: bool, value: str | None) -> str | None:
    return value if condition else None


def _name_in(claims: Mapping[str, Any]) -> str | None:
    """The person's name as the platform shows it; none when it sends none."""
    name = claims.get("name") or " ".join(filter(None, (claims.get("given_name"), claims.get("family_name"))))
    return name.strip() or None


def _place_of(fault: jsonschema_rs.ValidationError) -> str:
    """Where a message breaks the schema, without repeating what stands there."""
    place = "/".join(str(part) for part in fault.instance_path) or "message"
    return f"{place.rsplit('claim/', 1)[-1]}: {fault.kind.name}"
