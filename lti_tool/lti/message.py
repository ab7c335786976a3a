"""The message of a launch: its form judged against a schema and by PyLTI1p3, then read into one value."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Any
from urllib.parse import urlsplit

import jsonschema_rs

from lti_tool.lti import vocabulary as v
from lti_tool.lti.errors import Anonymous, MessageInvalid, TargetForeign
from lti_tool.lti.pylti import VerifiedMessage
from lti_tool.lti.storage import Platform
from lti_tool.lti.vocabulary import Role

_TEXT = {"type": ["string", "null"]}
_ID = {"type": "string", "minLength": 1, "maxLength": 255}

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": [v.MESSAGE_TYPE, v.VERSION, v.DEPLOYMENT_ID, v.TARGET_LINK_URI, v.ROLES, v.RESOURCE_LINK],
    "properties": {
        "sub": {**_ID, "pattern": "^[ -~]+$"},
        "name": _TEXT,
        "given_name": _TEXT,
        "family_name": _TEXT,
        v.MESSAGE_TYPE: {"const": v.RESOURCE_LINK_REQUEST},
        v.VERSION: {"const": v.LTI_VERSION},
        v.DEPLOYMENT_ID: _ID,
        v.TARGET_LINK_URI: {"type": "string", "minLength": 1, "maxLength": 4000},
        v.ROLES: {"type": "array", "items": {"type": "string"}, "maxItems": 200},
        v.RESOURCE_LINK: {"type": "object", "required": ["id"], "properties": {"id": _ID, "title": _TEXT}},
        v.CONTEXT: {"type": "object", "required": ["id"], "properties": {"id": _ID, "title": _TEXT, "label": _TEXT}},
        v.CUSTOM: {"type": ["object", "null"]},
        v.LAUNCH_PRESENTATION: {
            "type": ["object", "null"],
            "properties": {"locale": _TEXT, "return_url": _TEXT, "document_target": _TEXT},
        },
        v.AGS_ENDPOINT: {
            "type": "object",
            "properties": {
                "scope": {"type": "array", "items": {"type": "string"}, "maxItems": 50},
                "lineitem": {"type": ["string", "null"], "maxLength": 2000},
                "lineitems": {"type": ["string", "null"], "maxLength": 2000},
            },
        },
        v.NRPS_SERVICE: {
            "type": "object",
            "properties": {"context_memberships_url": {"type": ["string", "null"], "maxLength": 2000}},
        },
    },
}
"""What a resource link launch must be. A platform may add claims; those that we read have these forms.

Source   LTI 1.3 core, section 5.3 (required claims) and 5.4 (optional claims); AGS 2.0, 3.1; NRPS 2.0, 3.6.1.1
"""

_HOSTNAME = re.compile(r"[A-Za-z0-9.-]+")
_UNSEEN = re.compile(r"[\x00-\x20\x7f-\xa0\s\\]")
"""What no web address holds: control characters, white space; and the backslash, which browsers take for a slash."""

_VALIDATOR = jsonschema_rs.validator_for(SCHEMA)


@dataclass(frozen=True, slots=True)
class Message:
    """One launch, as values; what the platform left out is None."""

    deployment_id: str
    sub: str
    name: str | None
    roles: frozenset[Role]
    target_link_uri: str
    context_id: str | None
    context_title: str | None
    link_id: str
    link_title: str | None
    activity: str | None
    """The custom parameter of that name, where it was substituted."""
    locale: str | None
    return_url: str | None
    document_target: str | None
    line_item_url: str | None
    ags_scopes: tuple[str, ...]
    memberships_url: str | None


def read_message(claims: Mapping[str, Any], *, platform: Platform, public_url: str) -> Message:
    """The message of a token that was checked. URLs are dropped unless they lie where this platform's may.

    public_url   our origin, where the target link must be
    Raises       MessageInvalid, Anonymous, TargetForeign
    """
    fault = next(_VALIDATOR.iter_errors(claims), None)
    if fault is not None:
        raise MessageInvalid(reason=_place_of(fault))
    if "sub" not in claims:
        raise Anonymous
    VerifiedMessage(platform, claims).check_message()
    target = claims[v.TARGET_LINK_URI]
    if origin_of(target) != public_url:
        raise TargetForeign
    context, link = claims.get(v.CONTEXT) or {}, claims[v.RESOURCE_LINK]
    presentation, endpoint = claims.get(v.LAUNCH_PRESENTATION) or {}, claims.get(v.AGS_ENDPOINT) or {}
    return Message(
        deployment_id=claims[v.DEPLOYMENT_ID],
        sub=claims["sub"],
        name=_name_in(claims),
        roles=v.context_roles(claims[v.ROLES]),
        target_link_uri=target,
        context_id=context.get("id"),
        context_title=context.get("title") or context.get("label"),
        link_id=link["id"],
        link_title=link.get("title"),
        activity=_activity_in(claims.get(v.CUSTOM) or {}),
        locale=presentation.get("locale"),
        return_url=_when(origin_of(presentation.get("return_url")) in platform.frame_origins, presentation.get("return_url")),
        document_target=presentation.get("document_target"),
        line_item_url=_approved(endpoint.get("lineitem"), platform),
        ags_scopes=tuple(sorted(v.AGS_SCOPES.intersection(endpoint.get("scope", ())))),
        memberships_url=_approved((claims.get(v.NRPS_SERVICE) or {}).get("context_memberships_url"), platform),
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


def _approved(url: str | None, platform: Platform) -> str | None:
    return _when(host_of(url) in platform.approved_hosts, url)


def _when(condition: bool, value: str | None) -> str | None:
    return value if condition else None


def _activity_in(custom: Mapping[str, Any]) -> str | None:
    """The parameter `activity`; a value that still begins with `$` was not substituted and counts as absent."""
    values = {str(name).lower(): value for name, value in custom.items()}
    value = values.get("activity")
    return value if isinstance(value, str) and value and not value.startswith("$") else None


def _name_in(claims: Mapping[str, Any]) -> str | None:
    """The person's name as the platform shows it; none when it sends none."""
    name = claims.get("name") or " ".join(filter(None, (claims.get("given_name"), claims.get("family_name"))))
    return name.strip() or None


def _place_of(fault: jsonschema_rs.ValidationError) -> str:
    """Where a message breaks the schema, without repeating what stands there."""
    place = "/".join(str(part) for part in fault.instance_path) or "message"
    return f"{place.rsplit('claim/', 1)[-1]}: {fault.kind.name}"
