"""What the launches of other platforms add to and leave out of Moodle's, by their public documents: claims to claims, pure.

Who the launch is from and for (iss, aud, sub, nonce, deployment, addresses of services) stays as it is, so that a shape
may be laid over a real launch before it is signed. `moodle` changes nothing.
"""

import copy
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from lti_tool.dev.lms import names

Claims = dict[str, Any]

HOUR_SECONDS: Final = 3600
HALF_HOUR_SECONDS: Final = 1800

_COURSE: Final = "http://purl.imsglobal.org/vocab/lis/v2/course#"
_PERSON: Final = "http://purl.imsglobal.org/vocab/lis/v2/institution/person#"
_SYSTEM: Final = "http://purl.imsglobal.org/vocab/lis/v2/system/person#"
_DATA: Final = 'data that comes back unchanged: {"ก": "&="}'
"""Opaque to the tool, with all that careless echoing would spoil."""


def moodle(claims: Claims) -> Claims:
    """As Moodle sends them."""
    return copy.deepcopy(claims)


def canvas(claims: Claims) -> Claims:
    """Canvas: azp, its own placement claim, an LTI 1.1 id, error members inside claims, nulls where it knows nothing, one hour to live.

    Source   Canvas developer documentation (launch overview, placements) and id_tokens that its developers published
    """
    shaped = _living(_without(claims, names.EXT, names.BASIC_OUTCOME), HOUR_SECONDS)
    _course_type(shaped, "CourseOffering")
    shaped |= {
        "azp": shaped["aud"],
        "locale": _locale(shaped),
        "picture": f"{shaped['iss']}/images/messages/avatar-50.png",
        "errors": {"errors": {}},
        names.ROLES: sorted({*shaped[names.ROLES], _institution_role(shaped), f"{_SYSTEM}User"}),
        names.LEGACY_USER: _stable_id("user", shaped["sub"]),
        names.LTI_1P1: {"user_id": _stable_id("user", shaped["sub"]), "validation_context": None, "errors": {"errors": {}}},
        names.LIS: {"person_sourcedid": None, "course_offering_sourcedid": None, "validation_context": None, "errors": {"errors": {}}},
        names.TOOL_PLATFORM: {
            "guid": f"{_stable_id('site', shaped['iss'])}:canvas-lms",
            "name": shaped[names.TOOL_PLATFORM]["name"],
            "version": "cloud",
            "product_family_code": "canvas",
            "validation_context": None,
            "errors": {"errors": {}},
        },
        "https://www.instructure.com/placement": None if _is_link(shaped) else "assignment_selection",
    }
    if _is_link(shaped):
        shaped[names.RESOURCE_LINK] |= {"description": None, "validation_context": None, "errors": {"errors": {}}}
        shaped[names.LAUNCH_PRESENTATION] |= {"width": 800, "height": 400}
    _roster_version(shaped)
    return _with_data(shaped)


def brightspace(claims: Claims) -> Claims:
    """Brightspace: nbf, half an hour to live, an extension with the copying history, the platform's address and contact.

    Source   Brightspace Community, "Security settings for LTI Advantage": sample request
    """
    shaped = _living(_without(claims, names.EXT, names.BASIC_OUTCOME), HALF_HOUR_SECONDS)
    _course_type(shaped, "CourseOffering")
    shaped |= {
        "nbf": shaped["iat"],
        names.ROLES: sorted({*shaped[names.ROLES], _institution_role(shaped)}),
        names.LEGACY_USER: shaped["sub"],
        names.TOOL_PLATFORM: {
            "guid": str(uuid.uuid5(uuid.NAMESPACE_URL, shaped["iss"])),
            "url": f"{shaped['iss']}/",
            "contact_email": "noreply@lms.example",
            "name": shaped[names.TOOL_PLATFORM]["name"],
            "description": shaped[names.TOOL_PLATFORM]["description"],
            "product_family_code": "desire2learn",
            "version": "20.26.10",
        },
        "http://www.brightspace.com": {
            "tenant_id": str(uuid.uuid5(uuid.NAMESPACE_URL, shaped["iss"])),
            "org_defined_id": shaped[names.LIS]["person_sourcedid"],
            "user_id": shaped["sub"],
            "username": claims.get(names.EXT, {}).get("user_username", ""),
            "Context.id.history": "",
            "ResourceLink.id.history": "",
        },
    }
    _roster_version(shaped)
    return _with_data(shaped)


def blackboard(claims: Claims) -> Claims:
    """Blackboard Learn: locale with a region, the platform's address and contact, person_sourcedid is the user name.

    Source   Anthology developer documentation: "Sample JWT content", "Handling the Deep Link item launch"
    """
    username = claims.get(names.EXT, {}).get("user_username", "")
    shaped = _living(_without(claims, names.EXT, names.BASIC_OUTCOME), HOUR_SECONDS)
    _course_type(shaped, "CourseOffering")
    shaped |= {
        "locale": {"th": "th-TH", "en": "en-US"}.get(_locale(shaped), _locale(shaped)),
        names.ROLES: sorted({*shaped[names.ROLES], _institution_role(shaped)}),
        names.LIS: {"person_sourcedid": username, "course_section_sourcedid": shaped.get(names.CONTEXT, {}).get("label", "")},
        names.TOOL_PLATFORM: {
            "guid": _stable_id("site", shaped["iss"])[:32],
            "url": f"{shaped['iss']}/",
            "contact_email": "dev@localhost",
            "name": shaped[names.TOOL_PLATFORM]["name"],
            "description": shaped[names.TOOL_PLATFORM]["description"],
            "product_family_code": "BlackboardLearn",
            "version": "3900.93.0-rel.59+7d3ba1c",
        },
    }
    shaped[names.LAUNCH_PRESENTATION].pop("locale", None)
    shaped[names.LAUNCH_PRESENTATION].setdefault("document_target", "iframe")
    _roster_version(shaped)
    return _with_data(shaped)


def sakai(claims: Claims) -> Claims:
    """Sakai: an extension with server, role and style sheets, an LTI 1.1 claim for migration, an hour to live.

    Source   Sakai's public source: LTI 1.3 launch objects (SakaiLaunchJWT, SakaiExtension)
    """
    username = claims.get(names.EXT, {}).get("user_username", "")
    shaped = _living(_without(claims, names.EXT, names.BASIC_OUTCOME), HOUR_SECONDS)
    _course_type(shaped, "CourseOffering")
    server = shaped["iss"]
    shaped |= {
        "locale": _locale(shaped),
        names.ROLES: sorted({*shaped[names.ROLES], _institution_role(shaped)}),
        names.LTI_1P1: {"user_id": shaped["sub"], "oauth_consumer_key": "demo", "oauth_consumer_key_sign": _stable_id("sign", server)},
        names.TOOL_PLATFORM: {
            "guid": server.partition("://")[2],
            "name": shaped[names.TOOL_PLATFORM]["name"],
            "description": shaped[names.TOOL_PLATFORM]["description"],
            "url": server,
            "product_family_code": "sakai",
            "version": "23.0",
        },
        "https://www.sakailms.org/spec/lti/claim/extension": {
            "sakai_role": "access" if _institution_role(shaped).endswith("Student") else "maintain",
            "sakai_server": server,
            "sakai_serverid": "demo-lms",
            "sakai_eid": username,
            "sakai_academic_session": "OTHER",
            "sakai_launch_presentation_css_url_list": f"{server}/static/lms.css",
        },
        "https://purl.sakailms.org/spec/lti/claim/origin": server,
    }
    shaped[names.LAUNCH_PRESENTATION]["css_url"] = f"{server}/static/lms.css"
    _roster_version(shaped)
    return _with_data(shaped)


def openedx(claims: Claims) -> Claims:
    """Open edX: azp, no language, no product family, roles of nobody beside the real one, deep linking with nothing around it.

    Source   the published package lti-consumer-xblock 11.4: messages, roles and deep linking settings as it builds them
    """
    shaped = _living(_without(claims, names.EXT, names.BASIC_OUTCOME, names.LIS, names.LEGACY_USER), HOUR_SECONDS)
    _course_type(shaped, "CourseOffering")
    shaped |= {
        "azp": shaped["aud"],
        names.ROLES: [f"{_SYSTEM}None", f"{_PERSON}None", *shaped[names.ROLES]],
        names.TOOL_PLATFORM: {
            "guid": str(uuid.uuid5(uuid.NAMESPACE_DNS, shaped[names.TOOL_PLATFORM]["name"])),
            "name": shaped[names.TOOL_PLATFORM]["name"],
        },
    }
    shaped.get(names.LAUNCH_PRESENTATION, {}).pop("locale", None)
    _roster_version(shaped)
    if names.DEEP_LINKING_SETTINGS in shaped:
        shaped = _without(shaped, names.LAUNCH_PRESENTATION, names.TOOL_PLATFORM, names.CUSTOM, names.AGS_ENDPOINT, names.NRPS_SERVICE)
        shaped[names.DEEP_LINKING_SETTINGS] = {
            "accept_types": ["ltiResourceLink", "link", "html", "image"],
            "accept_presentation_document_targets": ["iframe", "window", "embed"],
            "accept_multiple": True,
            "auto_create": True,
            "title": "",
            "text": "",
            "deep_link_return_url": shaped[names.DEEP_LINKING_SETTINGS]["deep_link_return_url"],
        }
    return shaped


SHAPES: Final[Mapping[str, Callable[[Claims], Claims]]] = {
    "moodle": moodle,
    "canvas": canvas,
    "brightspace": brightspace,
    "blackboard": blackboard,
    "sakai": sakai,
    "openedx": openedx,
}
"""Every shape by its name."""


def _without(claims: Claims, *left_out: str) -> Claims:
    return {name: copy.deepcopy(value) for name, value in claims.items() if name not in left_out}


def _living(claims: Claims, seconds: int) -> Claims:
    return claims | {"exp": claims["iat"] + seconds}


def _is_link(claims: Claims) -> bool:
    return names.RESOURCE_LINK in claims


def _course_type(claims: Claims, word: str) -> None:
    if names.CONTEXT in claims:
        claims[names.CONTEXT]["type"] = [_COURSE + word]


def _locale(claims: Claims) -> str:
    return str(claims[names.LAUNCH_PRESENTATION].get("locale", "th"))


def _institution_role(claims: Claims) -> str:
    return _PERSON + ("Student" if claims[names.ROLES] == [names.LEARNER] else "Instructor")


def _roster_version(claims: Claims) -> None:
    if names.NRPS_SERVICE in claims:
        claims[names.NRPS_SERVICE]["service_versions"] = ["2.0"]


def _with_data(claims: Claims) -> Claims:
    """All of them but Moodle and Open edX send `data` with a deep linking request, and say whether they take line items."""
    if names.DEEP_LINKING_SETTINGS in claims:
        claims[names.DEEP_LINKING_SETTINGS] |= {"data": _DATA, "accept_lineitem": True}
    return claims


def _stable_id(kind: str, value: str) -> str:
    """40 hexadecimal characters that are always the same for the same thing."""
    first, second = (uuid.uuid5(uuid.NAMESPACE_URL, f"{kind}:{value}:{part}").hex for part in "ab")
    return (first + second)[:40]
