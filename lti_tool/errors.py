"""Where a refusal gets its HTTP status and its page: once, here, from its class."""

import logging
from http import HTTPStatus
from typing import ClassVar

import structlog
from flask import Response, g, jsonify, make_response, render_template, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

import assessment.api as assessment
from kernel.errors import Conflict, Invalid, KaonaError, NotFound
from lti_tool.lti.errors import LaunchTooLarge
from lti_tool.lti.return_url import with_messages
from lti_tool.lti.storage import find_frame_origins
from lti_tool.web.current import this_app
from lti_tool.web.edge import KaonaApp, error_code, is_database_away, reference
from lti_tool.web.headers import allow_framing_by

log = structlog.get_logger()

RETRY_AFTER_SECONDS = {429: 60, 503: 5}
"""Answers that ask for the same request again, and after how long where the refusal does not say."""


class Unavailable(KaonaError):
    """The database is away or full: nothing was stored, the same request may be sent again."""

    code = "unavailable"
    status = 503
    message: ClassVar = {
        "th": "ขณะนี้ระบบไม่สามารถบันทึกข้อมูลได้ คำขอของท่านยังไม่ได้รับการบันทึก",
        "en": "The system cannot store data right now. Your request has not been saved.",
    }
    way_on: ClassVar = {"th": "โปรดรอสักครู่แล้วลองอีกครั้ง", "en": "Please wait a moment and try again."}


class Unexpected(KaonaError):
    """A fault of ours; the log has the details under the reference."""

    code = "unexpected"
    status = 500
    message: ClassVar = {
        "th": "เกิดข้อผิดพลาดในระบบ ทีมดูแลระบบได้รับบันทึกเหตุการณ์นี้แล้ว",
        "en": "Something went wrong on our side. The event has been recorded for the administrators.",
    }
    way_on: ClassVar = {
        "th": "โปรดลองอีกครั้ง หากยังพบปัญหา โปรดแจ้งรหัสอ้างอิงแก่ผู้ดูแลระบบ",
        "en": "Please try again. If the problem remains, give the reference code to your administrator.",
    }


class RequestRefused(KaonaError):
    """The request has not the form that this address takes."""

    code = "request_refused"
    message: ClassVar = {"th": "คำขอนี้ไม่อยู่ในรูปแบบที่ระบบรับได้", "en": "The request is not of a form that this address accepts."}
    way_on: ClassVar = {"th": "โปรดเปิดกิจกรรมจากรายวิชาอีกครั้ง", "en": "Please open the activity from your course again."}


def status_of(error: KaonaError) -> int:
    """The HTTP status of a refusal: its own, else by its kind."""
    own = getattr(error, "status", None)
    if isinstance(own, int):
        return own
    for kind, status in ((NotFound, 404), (Conflict, 409), (Invalid, 400)):
        if isinstance(error, kind):
            return status
    return 400


def register(app: KaonaApp) -> None:
    """Gives the application its error pages."""
    app.register_error_handler(KaonaError, answer)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _any_error)


def answer(error: KaonaError) -> Response:
    """The page (or the JSON, for scripts) of one refusal; an audit line where the refusal asks for one."""
    status = status_of(error)
    log.log(_level(status), "refused", code=error.code, http_status=status, reference=reference(), path=request.path)
    _write_afterwards(error)
    _let_the_platform_frame()
    language = page_language()
    if request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json":
        body = {"code": error.code, "message": {"th": error.sentence("th"), "en": error.sentence("en")}, "reference": reference()}
        response = jsonify(error=body)
    else:
        response = make_response(
            render_template(
                "errors/page.html",
                error=error,
                language=language,
                reference=reference(),
                status=status,
                now=g.get("now"),
                way_back=_way_back(error, language),
            )
        )
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    if status in RETRY_AFTER_SECONDS:
        response.headers["Retry-After"] = str(error.details.get("retry_after", RETRY_AFTER_SECONDS[status]))
    return response


def _way_back(error: KaonaError, language: str) -> str | None:
    """The launch's way back to the platform, which gets the sentence for its person and the code for its log."""
    principal = g.get("principal")
    if principal is None or principal.return_url is None:
        return None
    return with_messages(principal.return_url, error=error.sentence(language), error_log=f"{error.code} {reference()}")


def page_language() -> str:
    """Language of an error page: the launch's, else the browser's, else Thai."""
    principal = g.get("principal")
    if principal is not None:
        return str(principal.locale)
    return request.accept_languages.best_match(["th", "en"]) or "th"


def _http_error(error: HTTPException) -> Response | HTTPException:
    if error.code is not None and error.code < HTTPStatus.BAD_REQUEST:
        return error
    if error.code == HTTPStatus.NOT_FOUND:
        return answer(NotFound())
    if error.code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and request.blueprint == "lti":
        return answer(LaunchTooLarge())
    refusal = RequestRefused()
    refusal.status = error.code or 400  # type: ignore[attr-defined]
    response = answer(refusal)
    if error.code == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers.extend(header for header in error.get_headers() if header[0] == "Allow")
    return response


def _any_error(error: Exception) -> Response:
    if is_database_away(error):
        log.error("database_away", reference=reference(), kind=type(error).__name__, code=error_code(error))
        return answer(Unavailable())
    log.error("unexpected", reference=reference(), path=request.path, exc_info=error)
    return answer(Unexpected())


def _write_afterwards(error: KaonaError) -> None:
    """What a refusal leaves behind although its transaction was rolled back: an audit line, an answer that came too late."""
    audit, late = getattr(error, "audit", None), getattr(error, "late", None)
    if audit is None and late is None:
        return
    try:
        with this_app().database.transaction() as db:
            if callable(audit):
                audit(db, now=g.now, reference=reference())
            if late is not None:
                assessment.keep_late_answer(db, late)
    except Exception as fault:  # noqa: BLE001  a full disk must not turn a refusal into a crash
        log.error("afterwards_failed", reference=reference(), kind=type(fault).__name__)


def _let_the_platform_frame() -> None:
    """A refusal on a page of a launch is shown where the page was: in the frame of the launch's platform."""
    launch = (request.view_args or {}).get("launch")
    if launch is None or "frame_origins" in g:
        return
    try:
        with this_app().database.reading() as db:
            allow_framing_by(find_frame_origins(db, launch))
    except SQLAlchemyError as fault:
        log.error("frame_unknown", reference=reference(), kind=type(fault).__name__)


def _level(status: int) -> int:
    return logging.ERROR if status >= HTTPStatus.INTERNAL_SERVER_ERROR else logging.INFO
