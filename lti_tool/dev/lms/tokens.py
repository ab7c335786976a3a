"""The token endpoint: client credentials by a signed assertion, with the answers that Moodle was measured to give."""

import json
import threading
from typing import Any

import requests
from flask import Response, g, render_template, request
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from kernel.ids import digest, new_token
from kernel.strictjson import InvalidJson, dumps, loads
from lti_tool.dev.lms import names
from lti_tool.dev.lms.config import Tool
from lti_tool.dev.lms.lms import Lms, the_lms
from lti_tool.dev.lms.services import service_blueprint

TOKEN_LIFE_SECONDS = 3600
FETCH_TIMEOUT_SECONDS = 5

bp = service_blueprint("lms_token", "token")
_fetching = threading.Lock()


class TokenRefused(Exception):
    """No token; the text is the answer's `error`."""


class KeySetUnreachable(Exception):
    """The tool's key set could not be read."""


@bp.post("/mod/lti/token.php")
def token() -> Response:
    """An access token for the granted part of the asked scopes; JSON under a text/html header, as Moodle sends it."""
    lms = the_lms()
    try:
        tool, scopes = _grant(lms)
    except TokenRefused as refusal:
        g.call_note = str(refusal)
        # One of Moodle's texts holds raw quotes, which makes its answer broken JSON: kept.
        return Response(f'{{"error" : "{refusal}"}}', status=400, mimetype="text/html")
    except KeySetUnreachable:
        g.call_note = "The tool's key set could not be read"
        return Response(render_template("lms/invalid.html"), status=404, mimetype="text/html")
    secret = new_token()
    with lms.store.transaction() as db:
        expires_at = int(lms.now().timestamp()) + TOKEN_LIFE_SECONDS
        db.execute("DELETE FROM access_token WHERE expires_at < ?", (expires_at - 2 * TOKEN_LIFE_SECONDS,))
        db.execute("INSERT INTO access_token VALUES (?, ?, ?, ?)", (digest(secret), tool.client_id, " ".join(scopes), expires_at))
    answer = {"access_token": secret, "token_type": "Bearer", "expires_in": TOKEN_LIFE_SECONDS, "scope": " ".join(scopes)}
    return Response(dumps(answer), mimetype="text/html")


def _grant(lms: Lms) -> tuple[Tool, list[str]]:
    form = request.form
    assertion, asked = form.get("client_assertion", ""), form.get("scope", "")
    if not assertion or not asked or form.get("client_assertion_type") != names.ASSERTION_TYPE:
        raise TokenRefused("invalid_request")
    if form.get("grant_type") != "client_credentials":
        raise TokenRefused("unsupported_grant_type")
    header, claims = _unverified(assertion)
    tool = lms.find_tool(client_id=str(claims.get("sub", "")))
    if tool is None:
        raise TokenRefused("invalid_client")
    check_signature(lms, tool, assertion, header)
    _check_times(claims, lms.now().timestamp())
    granted = [scope for scope in asked.split() if scope in tool.scopes]
    if not granted:
        raise TokenRefused("invalid_scope")
    return tool, granted


def _unverified(assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        parts = jws.extract_compact(assertion.encode())
        header, claims = parts.headers(), loads(parts.payload)
    except (JoseError, InvalidJson, ValueError) as error:
        raise TokenRefused("invalid_request") from error
    if not isinstance(claims, dict):
        raise TokenRefused("invalid_request")
    return header, claims


def _check_times(claims: dict[str, Any], now: float) -> None:
    issued_at, expires_at = claims.get("iat"), claims.get("exp")
    if isinstance(issued_at, int | float) and issued_at > now:
        raise TokenRefused(f"Cannot handle token with iat prior to {int(issued_at)}")
    if not isinstance(expires_at, int | float) or expires_at <= now:
        raise TokenRefused("Expired token")


def check_signature(lms: Lms, tool: Tool, assertion: str, header: dict[str, Any]) -> None:
    """Against the kept key set; when that fails, once more against one fetched anew."""
    kid = header.get("kid")
    if not kid:
        raise TokenRefused('"kid" empty, unable to lookup correct key')
    was_kept = tool.client_id in lms.tool_key_sets
    for is_fresh in (False, True) if was_kept else (True,):
        keys = _key_set(lms, tool, is_fresh=is_fresh)
        try:
            jws.deserialize_compact(assertion, keys, algorithms=["RS256"])
        except (JoseError, ValueError):
            continue
        return
    if kid not in {key.kid for key in keys.keys}:
        raise TokenRefused('"kid" invalid, unable to lookup correct key')
    raise TokenRefused("Signature verification failed")


def _key_set(lms: Lms, tool: Tool, *, is_fresh: bool) -> KeySet:
    with _fetching:
        kept = lms.tool_key_sets.get(tool.client_id)
        if isinstance(kept, KeySet) and not is_fresh:
            return kept
        if lms.faults.tool_key_set_is_blocked:
            raise KeySetUnreachable
        try:
            answer = requests.get(tool.key_set_url, timeout=FETCH_TIMEOUT_SECONDS)
            answer.raise_for_status()
            keys = KeySet.import_key_set(json.loads(answer.content))
        except (requests.RequestException, JoseError, ValueError, KeyError, TypeError) as error:
            raise KeySetUnreachable from error
        lms.tool_key_sets[tool.client_id] = keys
        return keys
