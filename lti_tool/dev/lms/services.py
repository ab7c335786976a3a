"""What the LMS's services share: media types by exact match, bearer tokens, refusals in Moodle's form, the call log."""

import time
from collections.abc import Callable, Collection, Mapping

from flask import Blueprint, Response, g, request

from kernel.clock import rfc3339
from kernel.ids import digest
from kernel.strictjson import dumps
from lti_tool.dev.lms.config import Tool
from lti_tool.dev.lms.faults import ServiceFault
from lti_tool.dev.lms.gradebook import ServiceRefusal
from lti_tool.dev.lms.lms import the_lms

MAX_CALLS_KEPT = 2000


def service_blueprint(
    name: str, *scripts_of: str, by_endpoint: Mapping[str, str] | None = None, keep: Callable[[Response], None] | None = None
) -> Blueprint:
    """A blueprint whose calls are logged, refused in Moodle's form and open to a script of faults.

    scripts_of    the scripts in `Faults` that its calls take from, the first that is not empty
    by_endpoint   a further script for some of its views, by their names
    keep          is shown every final answer
    """
    blueprint = Blueprint(name, __name__)

    @blueprint.before_request
    def _fail_when_asked() -> Response | None:
        of_this = (by_endpoint or {}).get((request.endpoint or "").rpartition(".")[2])
        scripts: list[list[ServiceFault]] = [getattr(the_lms().faults, each) for each in (*scripts_of, of_this) if each]
        g.service_fault = next((script.pop(0) for script in scripts if script), None)
        if g.service_fault is None or g.service_fault.is_stored:
            return None
        return _faulty_answer(g.service_fault)

    @blueprint.errorhandler(ServiceRefusal)
    def _refuse(refusal: ServiceRefusal) -> Response:
        return refused(refusal.status, refusal.reason)

    @blueprint.after_request
    def _log(response: Response) -> Response:
        fault: ServiceFault | None = g.get("service_fault")
        if fault is not None and fault.is_stored:
            response = _faulty_answer(fault)
        if keep is not None:
            keep(response)
        log_call(response)
        return response

    return blueprint


def refused(status: int, reason: str) -> Response:
    """A service error: JSON of status, reason and request; the reason stands in the status line too."""
    asked = {"method": request.method, "url": request.full_path.rstrip("?"), "accept": request.headers.get("Accept", "")}
    document = {"status": status, "reason": reason, "request": asked}
    line = reason.encode("ascii", "replace").decode().replace("\n", " ")
    return Response(dumps(document), status=f"{status} {line}", mimetype="application/json")


def log_call(response: Response) -> None:
    """Keeps method, path, status and reason of one call; never a token, a body or a name.

    The reason is `g.call_note` where a service set one, else that of the status line.
    """
    lms = the_lms()
    reason = g.get("call_note") or response.status.partition(" ")[2]
    with lms.store.transaction() as db:
        row = (rfc3339(lms.now()), request.method, request.path, response.status_code, reason)
        cursor = db.execute("INSERT INTO service_call (at, method, path, status, reason) VALUES (?, ?, ?, ?, ?)", row)
        db.execute("DELETE FROM service_call WHERE id <= ?", ((cursor.lastrowid or 0) - MAX_CALLS_KEPT,))


def require_media(media_type: str, *, exactly: bool = False) -> None:
    """Refuses what is not asked or sent in the one media type; lists of types do not count.

    exactly   True: the wildcard, which Moodle's dispatcher lets through, is refused too
    Raises    ServiceRefusal 400
    """
    if request.method in {"GET", "DELETE"}:
        asked = request.headers.get("Accept", "")
        if not asked or asked.split(";")[0].strip() == media_type or request.method == "DELETE":
            return
        if "*/*" in asked:
            if exactly:
                raise ServiceRefusal(400, "No context or unsupported content type")
            return
    elif request.headers.get("Content-Type", "").split(";")[0].strip() == media_type:
        return
    asked, sent = request.headers.get("Accept", ""), request.headers.get("Content-Type", "")
    raise ServiceRefusal(400, f"No handler found for {request.path} {asked} {sent}".rstrip())


def require_tool(scopes: Collection[str], deployment_id: str | None) -> Tool:
    """The tool whose access token this call carries.

    scopes          any one of them must have been granted
    deployment_id   that the address names; another tool's is refused
    Raises          ServiceRefusal 401
    """
    lms = the_lms()
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    with lms.store.transaction() as db:
        row = db.execute("SELECT client_id, scopes, expires_at FROM access_token WHERE digest = ?", (digest(token),)).fetchone()
    if kind.lower() != "bearer" or row is None or row["expires_at"] <= lms.now().timestamp():
        raise ServiceRefusal(401, "Unauthorized")
    tool = lms.find_tool(client_id=row["client_id"])
    if tool is None or tool.deployment_id != deployment_id or not set(row["scopes"].split()) & set(scopes):
        raise ServiceRefusal(401, "Unauthorized")
    return tool


def _faulty_answer(fault: ServiceFault) -> Response:
    if fault.hold_seconds:
        time.sleep(fault.hold_seconds)
    response = Response(fault.body, status=fault.status, mimetype="text/plain")
    if fault.retry_after:
        response.headers["Retry-After"] = fault.retry_after
    return response
