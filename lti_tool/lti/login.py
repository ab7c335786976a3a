"""The login initiation: a platform sends a browser to us, we send it to the platform's sign-in with a state of ours.

Source   LTI 1.3 core, section 5.1.1; 1EdTech security framework 1.0, section 5.1.1
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from urllib.parse import urlencode, urlsplit, urlunsplit

from kernel.db import Database
from lti_tool.lti.errors import LoginMalformed, TargetForeign
from lti_tool.lti.message import origin_of
from lti_tool.lti.platforms import Platforms
from lti_tool.lti.states import State, browser_digest, seal_state
from lti_tool.lti.storage import Platform, keep_long_login

LAUNCH_PATH = "/lti/launch"
REQUIRED = ("iss", "login_hint", "target_link_uri")
KNOWN = (*REQUIRED, "lti_message_hint", "client_id", "lti_deployment_id", "lti_storage_target")
OF_PLATFORM = frozenset({"iss", "client_id"})
"""What a state need not carry: it names the registration."""
MAX_CHARACTERS = 4000


@dataclass(frozen=True, slots=True)
class LoginRequest:
    """Where the browser goes now, and what it takes along."""

    url: str
    platform: Platform
    state: State
    storage_target: str | None
    """The frame of the platform that keeps values for us; None where the platform offers none."""


def start_login(
    database: Database, platforms: Platforms, hints: Mapping[str, str], *, browser_token: str, public_url: str, key: bytes, now: datetime
) -> LoginRequest:
    """Seals a state for this browser and gives the platform's sign-in address.

    hints          as `read_login` gives them
    browser_token  the binding cookie, 256 bits
    key            seals states
    Raises         LoginMalformed, IssuerUnknown, ClientUnknown, TargetForeign
    """
    platform = platforms.of_login(hints["iss"], hints.get("client_id"))
    if origin_of(hints["target_link_uri"]) != public_url:
        raise TargetForeign(registration_id=platform.id, tenant_id=platform.tenant_id)
    carried = {name: value for name, value in hints.items() if name not in OF_PLATFORM}
    state = seal_state(key, registration_id=platform.id, browser_hash=browser_digest(browser_token), hints=carried, now=now)
    if state.hints is None:
        with database.transaction(durable=False) as db:
            keep_long_login(db, platform, state_hash=state.hash, hints=carried, now=now)
    asked = {"login_hint": hints["login_hint"], "state": state.text, "nonce": state.nonce}
    if "lti_message_hint" in hints:
        asked["lti_message_hint"] = hints["lti_message_hint"]
    url = _auth_request(platform.auth_url, platform.client_id, public_url + LAUNCH_PATH) + urlencode(asked)
    return LoginRequest(url, platform, state, hints.get("lti_storage_target"))


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


def relaunch_path(hints: Mapping[str, str]) -> str:
    """The same login initiation once more, for a window of its own, where no frame of the platform keeps anything for us."""
    return "/lti/login?" + urlencode({name: value for name, value in hints.items() if name != "lti_storage_target"})


@lru_cache(maxsize=1024)
def _auth_request(auth_url: str, client_id: str, redirect_uri: str) -> str:
    """The part of the authentication request that all logins of a platform share; its address may have a query of its own."""
    parts = urlsplit(auth_url)
    shared = {
        "scope": "openid",
        "response_type": "id_token",
        "response_mode": "form_post",
        "prompt": "none",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
    }
    query = "&".join(filter(None, (parts.query, urlencode(shared), " ")))
    return urlunsplit(parts._replace(query=query, fragment="")).rstrip(" ")
