"""Dynamic registration on the platform's side: the configuration document and the registration endpoint, as Moodle has them."""

import secrets
import string
import time
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, RSAKey
from werkzeug.wrappers import Response as AnyResponse

from kernel.strictjson import InvalidJson, dumps, loads
from lti_tool.dev.lms import names
from lti_tool.dev.lms.catalogue import tool_change
from lti_tool.dev.lms.client_metadata import RegistrationRefused, answer_document, read_tool
from lti_tool.dev.lms.config import Tool
from lti_tool.dev.lms.faults import configuration
from lti_tool.dev.lms.keys import compact
from lti_tool.dev.lms.lms import Lms, the_lms
from lti_tool.dev.lms.services import log_call, service_blueprint

TOKEN_LIFE_SECONDS = 3600
NEW, UPDATE = "reg", "reg-update"
CLIENT_ID_LENGTH = 15

VARIABLES = (
    "Context.id", "Context.title", "Context.label", "Context.longDescription", "Context.id.history", "CourseSection.sourcedId",
    "CourseSection.timeFrame.begin", "CourseSection.timeFrame.end", "ResourceLink.id", "ResourceLink.title", "User.id", "User.username",
    "Person.name.full", "Person.name.given", "Person.name.family", "Person.email.primary", "Person.sourcedId",
    "Person.address.timezone", "Membership.role", "Moodle.Person.userGroupIds", "LineItem.url", "LineItems.url",
    "ToolProxyBinding.memberships.url",
)  # fmt: skip

configuration_bp = Blueprint("lms_configuration", __name__)
bp = service_blueprint("lms_registration", "registration")


@configuration_bp.get("/mod/lti/openid-configuration.php")
def openid_configuration() -> AnyResponse:
    """The platform's configuration document, for everybody; in whatever state the faults put it."""
    lms = the_lms()
    if lms.faults.configuration_delay_seconds:
        time.sleep(lms.faults.configuration_delay_seconds)
    if lms.faults.configuration_kind == "redirect":
        response: AnyResponse = redirect(lms.faults.key_set_redirect)
    elif lms.faults.configuration_kind == "error":
        response = Response("Service unavailable", status=503, mimetype="text/plain")
    else:
        document = configuration(configuration_document(lms), lms.faults)
        body = document if isinstance(document, bytes) else dumps(document)
        response = Response(body, mimetype="text/html" if lms.faults.configuration_kind == "html" else "application/json")
    log_call(Response(status=response.status))
    return response


def configuration_document(lms: Lms) -> dict[str, Any]:
    """What this platform says of itself.

    Source   LTI dynamic registration 1.0, section 3.2; Moodle 4.5 as measured (facts section 2)
    """
    root = f"{lms.config.base_url}/mod/lti"
    return {
        "issuer": lms.config.base_url,
        "token_endpoint": f"{root}/token.php",
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS256"],
        "jwks_uri": f"{root}/certs.php",
        "authorization_endpoint": f"{root}/auth.php",
        "registration_endpoint": f"{root}/openid-registration.php",
        "scopes_supported": ["openid", names.SCOPE_BASIC_OUTCOME, *names.AGS_SCOPES, names.SCOPE_MEMBERS, names.SCOPE_TOOL_SETTING],
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public", "pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": ["sub", "iss", "name", "given_name", "family_name", "email"],
        names.PLATFORM_CONFIGURATION: {
            "product_family_code": lms.config.product_family_code,
            "version": "4.5.6+ (Build: 20250811)",
            "messages_supported": [
                {"type": names.RESOURCE_LINK_REQUEST},
                {"type": names.DEEP_LINKING_REQUEST, "placements": ["ContentArea"]},
            ],
            "variables": list(VARIABLES),
        },
    }


@bp.route("/mod/lti/openid-registration.php", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
def openid_registration() -> Response:
    """Registers a tool (POST), changes one, or tells what is registered (GET); refusals are one line under text/html."""
    lms = the_lms()
    try:
        tool = _registered(lms)
    except RegistrationRefused as refusal:
        return Response(refusal.reason, status=refusal.status, content_type="text/html; charset=utf-8")
    except JoseError:
        return Response(render_template("lms/invalid.html"), status=404, mimetype="text/html")
    return Response(dumps(answer_document(tool)), content_type="application/json; charset=utf-8")


def registration_token(lms: Lms, updated: Tool | None = None) -> str:
    """A token that lets a tool register itself once, or change the registration that it has; good for an hour.

    updated   the registered tool to be changed; None makes a client id for a new one
    """
    letters = string.ascii_letters + string.digits
    issued_at = int(lms.now().timestamp())
    claims = {
        "sub": updated.deployment_id if updated else "".join(secrets.choice(letters) for _ in range(CLIENT_ID_LENGTH)),
        "scope": UPDATE if updated else NEW,
        "iat": issued_at,
        "exp": issued_at + TOKEN_LIFE_SECONDS,
    }
    key = lms.ring.current
    return compact({"typ": "JWT", "alg": "RS256", "kid": key.kid}, claims, key.sign)


def _registered(lms: Lms) -> Tool:
    """The tool as it is registered when the request is done."""
    if request.method not in {"GET", "POST"}:
        raise RegistrationRefused(400, "Unsupported operation")
    client_id, before = _read_token(lms)
    if request.method == "POST":
        deployment_id = before.deployment_id if before else lms.new_deployment_id()
        tool = read_tool(_document(), client_id=client_id, deployment_id=deployment_id, before=before)
        lms.apply(tool_change(tool))
        return tool
    if before is None:
        raise RegistrationRefused(404, "No registration found.")
    return before


def _read_token(lms: Lms) -> tuple[str, Tool | None]:
    """Client id and registered tool that the bearer token names; the tool is None where a new one may be registered.

    Raises   RegistrationRefused 401 without a token or with a used one; JoseError for one that is none of ours
    """
    header = request.headers.get("Authorization", "")
    if not header.startswith("Bearer "):
        raise RegistrationRefused(401, "missing_registration_token")
    claims = _verified(lms, header.removeprefix("Bearer ").strip())
    if claims.get("scope") == UPDATE:
        tool = lms.find_tool(deployment_id=str(claims["sub"]))
        if tool is None:
            raise RegistrationRefused(400, "Unknown tool")
        return tool.client_id, tool
    client_id = str(claims["sub"])
    if lms.find_tool(client_id=client_id) is not None:
        raise RegistrationRefused(401, "token_already_used")
    return client_id, None


def _verified(lms: Lms, token: str) -> dict[str, Any]:
    try:
        claims = jwt.decode(token, KeySet([RSAKey.import_key(key.jwk()) for key in lms.ring.keys]), algorithms=["RS256"]).claims
    except (ValueError, TypeError, KeyError) as error:
        raise JoseError("not a token") from error
    if claims.get("exp", 0) <= lms.now().timestamp() or "sub" not in claims:
        raise JoseError("expired")
    return claims


def _document() -> Any:
    try:
        return loads(request.get_data())
    except InvalidJson:
        return None
