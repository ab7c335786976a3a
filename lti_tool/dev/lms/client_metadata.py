"""A tool's own description of itself at registration, by Moodle's rules: what it must hold, what is kept of it, what is answered.

Pure. The checks stand in Moodle's order; each refusal is a status and one line of plain text.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

from lti_tool.dev.lms import names
from lti_tool.dev.lms.config import Tool

REQUIRED: Final = (
    "response_types",
    "initiate_login_uri",
    "redirect_uris",
    "client_name",
    "jwks_uri",
    "token_endpoint_auth_method",
    names.TOOL_CONFIGURATION,
)
BAD_REQUEST: Final = 400

_GRADE_SYNC: Final = frozenset({names.SCOPE_LINE_ITEM_READ, names.SCOPE_RESULT_READ, names.SCOPE_SCORE})
_COLUMNS: Final = frozenset(names.AGS_SCOPES)


class RegistrationRefused(Exception):
    """No registration: a status and a word of Moodle's."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def read_tool(document: Any, *, client_id: str, deployment_id: str, before: Tool | None = None) -> Tool:
    """The tool that a registration document describes: waiting when it is new, else the one before with new values.

    document        the JSON value as it came
    before          the registered tool that is updated; it keeps client id, deployment id and state
    Raises          RegistrationRefused 400
    Source          LTI dynamic registration 1.0, section 3.3; Moodle 4.5 as measured (Q5 to Q10)
    """
    given = document if isinstance(document, dict) else {}
    for name in REQUIRED:
        if not given.get(name):
            raise RegistrationRefused(BAD_REQUEST, f"missing required attribute {name}")
    configuration = given[names.TOOL_CONFIGURATION]
    _check_values(given)
    domain, target = _checked_target(configuration if isinstance(configuration, dict) else {})
    claims = configuration.get("claims") or []
    return replace(
        before or Tool(**_addresses(given, target), client_id=client_id, deployment_id=deployment_id, is_active=False, in_chooser=False),
        **_addresses(given, target),
        domain=domain,
        description=_texts(configuration.get("description")),
        logo_uri=_text(given.get("logo_uri")),
        scopes=tuple(sorted(granted_scopes(str(given.get("scope") or "").split()))),
        custom=parse_custom(custom_lines(configuration.get("custom_parameters") or {})),
        shares_name=bool({"name", "given_name", "family_name"} & set(claims)),
        shares_email="email" in claims,
        deep_linking_uri=_deep_linking_uri(configuration.get("messages") or []),
    )


def granted_scopes(asked: Iterable[str]) -> frozenset[str]:
    """Service scopes that launches and tokens will carry.

    `lineitem` asked gives all of AGS, any other of AGS reading columns and results and sending scores; members only when asked (Q7).
    """
    wanted = set(asked)
    grading = _COLUMNS if names.SCOPE_LINE_ITEM in wanted else _GRADE_SYNC if wanted & _COLUMNS else frozenset()
    return grading | ({names.SCOPE_MEMBERS} & wanted)


def answer_document(tool: Tool) -> dict[str, Any]:
    """What a registration is answered with. Its scope is not the truth (Q6) and its custom values end at a second `=` (Q9)."""
    scopes = [*(names.AGS_SCOPES if set(tool.scopes) & _COLUMNS else ()), *({names.SCOPE_MEMBERS} & set(tool.scopes))]
    configuration: dict[str, Any] = {
        "version": "1.3.0",
        "deployment_id": tool.deployment_id,
        "target_link_uri": tool.target_link_uri,
        "domain": tool.domain,
        "description": tool.description.get("th", ""),
        "claims": [
            "sub",
            "iss",
            *(("name", "family_name", "given_name") if tool.shares_name else ()),
            *(("email",) if tool.shares_email else ()),
        ],
    }
    if tool.deep_linking_uri:
        configuration["messages"] = [{"type": names.DEEP_LINKING_REQUEST, "target_link_uri": tool.deep_linking_uri}]
    if tool.custom:
        configuration["custom_parameters"] = {name: value.partition("=")[0] for name, value in tool.custom.items()}
    return {
        "client_id": tool.client_id,
        "response_types": ["id_token"],
        "jwks_uri": tool.key_set_url,
        "initiate_login_uri": tool.login_url,
        "grant_types": ["client_credentials", "implicit"],
        "redirect_uris": list(tool.redirect_uris),
        "application_type": ["web"],
        "token_endpoint_auth_method": "private_key_jwt",
        "client_name": tool.name["th"],
        "logo_uri": tool.logo_uri,
        "scope": " ".join(scopes),
        names.TOOL_CONFIGURATION: configuration,
    }


def custom_lines(parameters: Mapping[str, Any]) -> str:
    """Custom parameters as the lines that Moodle keeps: PHP's words for values that are no text."""
    return "\n".join(f"{name}={_php_text(value)}" for name, value in parameters.items())


def parse_custom(lines: str) -> dict[str, str]:
    """Parameters of such lines: a line break inside a value has begun another parameter, a second `=` belongs to the value."""
    pairs = (line.partition("=") for line in re.split(r"[\r\n]+", lines))
    return {name.strip(): value.strip() for name, sign, value in pairs if sign and name.strip()}


def same_domain(one: str, other: str) -> bool:
    """Whether two addresses or host[:port] mean one domain: ports count, `www.` and a scheme do not."""
    return _bare_domain(one) == _bare_domain(other)


def _check_values(given: Mapping[str, Any]) -> None:
    if "id_token" not in given["response_types"]:
        raise RegistrationRefused(BAD_REQUEST, "invalid_response_types")
    if not isinstance(given["redirect_uris"], list):
        raise RegistrationRefused(BAD_REQUEST, "invalid_redirect_uris")
    if given["token_endpoint_auth_method"] != "private_key_jwt":  # noqa: S105  the name of a method
        raise RegistrationRefused(BAD_REQUEST, "invalid_token_endpoint_auth_method")
    if given.get("application_type") not in {None, "", "web"}:
        raise RegistrationRefused(BAD_REQUEST, "invalid_application_type")


def _checked_target(configuration: Mapping[str, Any]) -> tuple[str, str]:
    domain, target = str(configuration.get("domain") or ""), str(configuration.get("target_link_uri") or "")
    if not domain:
        raise RegistrationRefused(BAD_REQUEST, "missing_domain")
    if not same_domain(domain, target):
        raise RegistrationRefused(BAD_REQUEST, "domain_targetlinkuri_mismatch")
    return domain, target


def _addresses(given: Mapping[str, Any], target: str) -> dict[str, Any]:
    return {
        "name": _texts(given["client_name"]),
        "login_url": _text(given["initiate_login_uri"]),
        "target_link_uri": target,
        "redirect_uris": tuple(map(str, given["redirect_uris"])),
        "key_set_url": _text(given["jwks_uri"]),
    }


def _deep_linking_uri(messages: Any) -> str:
    """The target of the one message that Moodle keeps; labels, icons, placements and other messages are dropped."""
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, dict) and message.get("type") == names.DEEP_LINKING_REQUEST:
            return str(message.get("target_link_uri") or "")
    return ""


def _texts(value: Any) -> dict[str, str]:
    text = _text(value)
    return {"th": text} if text else {}


def _text(value: Any) -> str:
    """Text as Moodle cleans it: tags are gone (Q10)."""
    return re.sub(r"<[^>]*>", "", str(value or "")).strip()


def _php_text(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else ""
    if isinstance(value, dict | list):
        return "Array"
    return "" if value is None else str(value)


def _bare_domain(value: str) -> str:
    host = urlsplit(value).netloc if "://" in value else value.partition("/")[0]
    return host.lower().removeprefix("www.")
