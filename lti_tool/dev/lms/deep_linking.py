"""Deep linking on the platform's side: the content items that a tool returns, with what Moodle checks of them and what not."""

from typing import Any, Final

from flask import Response, abort, request, session, url_for
from joserfc import jws
from joserfc.errors import JoseError
from pydantic import TypeAdapter

from kernel.strictjson import InvalidJson, loads
from lti_tool.dev.lms import names, visitor
from lti_tool.dev.lms.authentication import InvalidRequest
from lti_tool.dev.lms.config import Tool
from lti_tool.dev.lms.content_items import Draft, read_items
from lti_tool.dev.lms.launch import ask_again, self_posting_form
from lti_tool.dev.lms.lms import Lms, the_lms
from lti_tool.dev.lms.services import service_blueprint
from lti_tool.dev.lms.tokens import KeySetUnreachable, TokenRefused, check_signature

DRAFTS: Final = TypeAdapter(list[Draft])

bp = service_blueprint("lms_deep_linking", "deep_linking_return")


@bp.post("/mod/lti/contentitem_return.php")
def receive() -> Response:
    """Takes the answer out of the tool's frame into the activity form, for the whole window; 404 when it is not right.

    Checked are session, sesskey, issuer, key, signature, exp and iat. Not checked, as in Moodle: audience, deployment,
    message type, version, nonce, and whether there is an exp. Messages and errors for the teacher are not shown.
    """
    lms, person = the_lms(), visitor.find_visitor()
    if person is None:
        try:
            return ask_again(request.full_path, request.form)
        except InvalidRequest:
            abort(404)
    course = visitor.course_taught_by(person, request.args.get("course", ""))
    tool = lms.find_tool(deployment_id=request.args.get("id", "")) or abort(404)
    if request.args.get("sesskey") != session.get("sesskey"):
        abort(404)
    try:
        claims = _verified(lms, tool, request.form.get("JWT", ""))
    except (TokenRefused, KeySetUnreachable, JoseError, InvalidJson, ValueError):
        abort(404)
    drafts = read_items(claims.get(names.CONTENT_ITEMS), tool)
    address = url_for("lms_teaching.chosen", course_id=course.id, tool=tool.deployment_id)
    return self_posting_form(address, {"items": DRAFTS.dump_json(drafts).decode()}, target="_top")


def _verified(lms: Lms, tool: Tool, token: str) -> dict[str, Any]:
    parts = jws.extract_compact(token.encode())
    header, claims = parts.headers(), loads(parts.payload)
    if not isinstance(claims, dict) or claims.get("iss") != tool.client_id:
        raise TokenRefused("the issuer is not the tool's client id")
    check_signature(lms, tool, token, header)
    moment = lms.now().timestamp()
    if claims.get("iat", 0) > moment or claims.get("exp", moment + 1) <= moment:
        raise TokenRefused("expired, or from the future")
    return claims
