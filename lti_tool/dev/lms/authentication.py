"""Moodle's rules for an authentication request, in Moodle's order: what is refused outright and what is answered with an error.

Pure: the caller looks up the pending launch between the two checks and spends it there.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

REQUIRED = ("scope", "response_type", "client_id", "redirect_uri", "login_hint", "nonce")


class InvalidRequest(Exception):
    """Refused on the LMS's own page with 404; the tool hears nothing."""


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """An error that is posted to the redirect URI in place of a token."""

    error: str
    description: str = ""


def launch_id_of(parameters: Mapping[str, str]) -> str:
    """The one-time launch id inside lti_message_hint of a request that has all its parts.

    Raises   InvalidRequest when a part is missing, or scope or response_type is another
    """
    if any(not parameters.get(name) for name in REQUIRED):
        raise InvalidRequest("a required parameter is missing")
    if parameters["scope"] != "openid" or parameters["response_type"] != "id_token":
        raise InvalidRequest("scope must be openid and response_type id_token")
    launch_id = _parsed_hint(parameters.get("lti_message_hint", "")).get("launchid")
    if not isinstance(launch_id, str):
        raise InvalidRequest("lti_message_hint holds no launch id")
    return launch_id


def check_request(parameters: Mapping[str, str], *, client_id: str, redirect_uris: tuple[str, ...], person_id: str) -> ErrorReply | None:
    """What a complete request is answered with: None for a token, else the error to post.

    client_id, redirect_uris   of the tool whose launch is pending
    person_id                  who is signed in
    Raises                     InvalidRequest for a redirect URI that is not registered byte for byte
    """
    if parameters["redirect_uri"] not in redirect_uris:
        raise InvalidRequest("redirect_uri is not registered")
    if parameters["client_id"] != client_id:
        return ErrorReply("unauthorized_client")
    if parameters["login_hint"] != person_id:
        return ErrorReply("access_denied")
    if parameters.get("response_mode") != "form_post":
        return ErrorReply("invalid_request", "Invalid response_mode")
    if parameters.get("prompt") not in {None, "", "none"}:
        return ErrorReply("invalid_request", "Invalid prompt")
    return None


def message_hint(activity_id: str, launch_id: str) -> str:
    """The lti_message_hint of one message: JSON text with quotes and braces, without cmid where there is no activity, as Moodle 4.5."""
    cmid = {"cmid": int(activity_id)} if activity_id else {}
    return json.dumps({**cmid, "launchid": launch_id}, separators=(",", ":"))


def _parsed_hint(text: str) -> Mapping[str, Any]:
    try:
        hint = json.loads(text)
    except ValueError:
        return {}
    return hint if isinstance(hint, dict) else {}
