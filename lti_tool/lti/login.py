"""The login initiation: a platform sends a browser to us, we send it to the platform's sign-in with a state of ours.

Source   LTI 1.3 core, section 5.1.1; 1EdTech security framework 1.0, section 5.1.1
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode, urlsplit, urlunsplit

from sqlalchemy.orm import Session

from kernel.ids import digest, new_token
from lti_tool.lti.errors import ClientUnknown, IssuerUnknown, LoginMalformed, TargetForeign
from lti_tool.lti.message import origin_of
from lti_tool.lti.storage import Platform, keep_state, list_platforms_of

LAUNCH_PATH = "/lti/launch"
REQUIRED = ("iss", "login_hint", "target_link_uri")
KNOWN = (*REQUIRED, "lti_message_hint", "client_id", "lti_deployment_id")
MAX_CHARACTERS = 4000


@dataclass(frozen=True, slots=True)
class LoginRequest:
    """Where the browser goes now, and the platform that it goes to."""

    url: str
    platform: Platform


def start_login(db: Session, parameters: Mapping[str, list[str]], *, browser_token: str, public_url: str, now: datetime) -> LoginRequest:
    """Keeps a state for this browser and gives the platform's sign-in address.

    parameters     as sent, each with all its values
    browser_token  the binding cookie, 256 bits
    Raises         LoginMalformed, IssuerUnknown, ClientUnknown, TargetForeign
    """
    hints = read_login(parameters)
    platform = registered_platform(db, hints["iss"], hints.get("client_id"))
    if origin_of(hints["target_link_uri"]) != public_url:
        raise TargetForeign(registration_id=platform.id, tenant_id=platform.tenant_id)
    state, nonce = new_token(), new_token()
    keep_state(db, state_hash=digest(state), platform=platform, nonce=nonce, browser_hash=digest(browser_token), hints=hints, now=now)
    query = {
        "scope": "openid",
        "response_type": "id_token",
        "response_mode": "form_post",
        "prompt": "none",
        "client_id": platform.client_id,
        "redirect_uri": public_url + LAUNCH_PATH,
        "login_hint": hints["login_hint"],
        "state": state,
        "nonce": nonce,
    }
    if "lti_message_hint" in hints:
        query["lti_message_hint"] = hints["lti_message_hint"]
    return LoginRequest(_joined(platform.auth_url, query), platform)


def read_login(parameters: Mapping[str, list[str]]) -> dict[str, str]:
    """The parameters of a login initiation that we know, each given once. Raises LoginMalformed."""
    hints: dict[str, str] = {}
    for name in KNOWN:
        values = parameters.get(name, [])
        if len(values) > 1:
            raise LoginMalformed(reason=f"{name} is given twice")
        if values and (len(values[0]) > MAX_CHARACTERS or "\x00" in values[0]):
            raise LoginMalformed(reason=f"{name} is not acceptable")
        if values and values[0]:
            hints[name] = values[0]
    for name in REQUIRED:
        if name not in hints:
            raise LoginMalformed(reason=f"{name} is missing")
    return hints


def registered_platform(db: Session, issuer: str, client_id: str | None) -> Platform:
    """The one registration that a login initiation means. Raises IssuerUnknown, ClientUnknown."""
    platforms = list_platforms_of(db, issuer, client_id)
    if len(platforms) == 1:
        return platforms[0]
    if client_id is not None and list_platforms_of(db, issuer, None):
        raise ClientUnknown(issuer=issuer, client_id=client_id)
    if platforms:
        raise LoginMalformed(reason="client_id is missing")
    raise IssuerUnknown(issuer=issuer)


def relaunch_path(hints: Mapping[str, str]) -> str:
    """The same login initiation once more, for a window of its own."""
    return "/lti/login?" + urlencode(hints)


def _joined(url: str, query: Mapping[str, str]) -> str:
    """An address with parameters added to those that it has."""
    parts = urlsplit(url)
    joined = "&".join(filter(None, (parts.query, urlencode(query))))
    return urlunsplit(parts._replace(query=joined, fragment=""))
