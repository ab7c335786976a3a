"""What an administrator copies from us into an LMS when the two are connected by hand."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from lti_tool.lti.dynamic_registration import CUSTOM, DESCRIPTION, NAME, SCOPES
from lti_tool.lti.products import CANVAS


@dataclass(frozen=True, slots=True)
class ToolValues:
    """Our addresses and settings, as the forms of LMSs ask for them."""

    launch_url: str
    login_url: str
    key_set_url: str
    deep_linking_url: str
    icon_url: str
    domain: str
    scopes: tuple[str, ...]
    custom: str
    """Custom parameters, a line each."""


def tool_values(public_url: str) -> ToolValues:
    """The values of an installation. public_url: our origin."""
    return ToolValues(
        launch_url=f"{public_url}/lti/launch",
        login_url=f"{public_url}/lti/login",
        key_set_url=f"{public_url}/lti/jwks.json",
        deep_linking_url=f"{public_url}/open/choose",
        icon_url=f"{public_url}/static/mark.svg",
        domain=urlsplit(public_url).netloc,
        scopes=SCOPES,
        custom="\n".join(f"{name}={value}" for name, value in CUSTOM.items()),
    )


def canvas_document(public_url: str) -> str:
    """The configuration that Canvas takes as pasted JSON. Source: Canvas, Manually Configuring LTI Advantage Tools."""
    values = tool_values(public_url)
    placements: list[dict[str, Any]] = [
        {"placement": name, "message_type": "LtiDeepLinkingRequest", "target_link_uri": values.deep_linking_url}
        for name in CANVAS.placements
    ]
    document = {
        "title": NAME["en"],
        "description": DESCRIPTION["en"],
        "oidc_initiation_url": values.login_url,
        "target_link_uri": values.launch_url,
        "redirect_uris": [values.launch_url],
        "public_jwk_url": values.key_set_url,
        "scopes": list(values.scopes),
        "custom_fields": CUSTOM,
        "extensions": [
            {
                "platform": "canvas.instructure.com",
                "domain": values.domain,
                "privacy_level": "name_only",
                "settings": {"icon_url": values.icon_url, "placements": placements},
            }
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


PLATFORM_ADDRESSES: dict[str, tuple[tuple[str, str], ...]] = {
    "moodle": (
        ("issuer", "https://MOODLE"),
        ("auth_url", "https://MOODLE/mod/lti/auth.php"),
        ("token_url", "https://MOODLE/mod/lti/token.php"),
        ("jwks_url", "https://MOODLE/mod/lti/certs.php"),
    ),
    "canvas": (
        ("issuer", "https://canvas.instructure.com"),
        ("auth_url", "https://sso.canvaslms.com/api/lti/authorize_redirect"),
        ("token_url", "https://sso.canvaslms.com/login/oauth2/token"),
        ("jwks_url", "https://sso.canvaslms.com/api/lti/security/jwks"),
    ),
    "brightspace": (
        ("issuer", "https://BRIGHTSPACE"),
        ("auth_url", "https://BRIGHTSPACE/d2l/lti/authenticate"),
        ("token_url", "https://auth.brightspace.com/core/connect/token"),
        ("jwks_url", "https://BRIGHTSPACE/d2l/.well-known/jwks"),
        ("token_audience", "https://api.brightspace.com/auth/token"),
    ),
    "blackboard": (
        ("issuer", "https://blackboard.com"),
        ("auth_url", "https://developer.blackboard.com/api/v1/gateway/oidcauth"),
        ("token_url", "https://developer.blackboard.com/api/v1/gateway/oauth2/jwttoken"),
        ("jwks_url", "https://developer.blackboard.com/api/v1/management/applications/APPLICATION-ID/jwks.json"),
    ),
    "sakai": (
        ("issuer", "https://SAKAI"),
        ("auth_url", "https://SAKAI/imsoidc/lti13/oidc_auth"),
        ("token_url", "https://SAKAI/imsblis/lti13/token/TOOL-NUMBER"),
        ("jwks_url", "https://SAKAI/imsblis/lti13/keyset"),
    ),
    "openedx": (
        ("issuer", "https://LMS"),
        ("auth_url", "https://LMS/api/lti_consumer/v1/launch/"),
        ("token_url", "https://LMS/api/lti_consumer/v1/token/CONFIGURATION-ID"),
        ("jwks_url", "https://LMS/api/lti_consumer/v1/public_keysets/CONFIGURATION-ID"),
    ),
}
"""The addresses of each LMS as its public documents have them; words in capitals stand for the site's own."""
