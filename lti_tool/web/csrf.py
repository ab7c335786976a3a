"""Writes come from our own pages: Origin is ours, and a token of the page's launch stands in a header or a field.

The session cookie travels with requests of other sites too (SameSite=None), so it alone proves nothing.
"""

import hmac
from typing import ClassVar
from uuid import UUID

from flask import Flask, g, request

from kernel.errors import KaonaError
from lti_tool.web.current import this_app

FIELD = "csrf"
HEADER = "X-Kaona-Csrf"


class ForeignRequest(KaonaError):
    """A write that does not come from a page of ours."""

    code = "foreign_request"
    status: ClassVar[int] = 403
    message: ClassVar = {
        "th": "คำขอนี้ไม่ได้ส่งมาจากหน้าของระบบ จึงไม่มีการบันทึกสิ่งใด",
        "en": "This request did not come from a page of this system. Nothing was stored.",
    }
    way_on: ClassVar = {
        "th": "โปรดโหลดหน้านี้ใหม่แล้วลองอีกครั้ง หรือเปิดกิจกรรมจากรายวิชาอีกครั้ง",
        "en": "Please load the page again and retry, or open the activity again from your course.",
    }


def register(app: Flask) -> None:
    """Gives the templates `csrf_token()`."""
    app.jinja_env.globals["csrf_token"] = csrf_token


def csrf_token() -> str:
    """The token of the present page's launch; empty where no launch is known."""
    principal = g.get("principal")
    return "" if principal is None else token_of(principal.launch_uuid, this_app().secret)


def check_origin_and_token(launch: UUID) -> None:
    """Refuses a write that is not from a page of this launch. Raises ForeignRequest."""
    check_origin()
    sent = request.headers.get(HEADER) or request.form.get(FIELD, "")
    if not hmac.compare_digest(sent.encode(), token_of(launch, this_app().secret).encode()):
        raise ForeignRequest


def check_origin() -> None:
    """Refuses a write that is not from a page of ours. Raises ForeignRequest."""
    if request.headers.get("Origin") != this_app().settings.public_url:
        raise ForeignRequest


def token_of(launch: UUID, secret: bytes) -> str:
    """The token that the pages of one launch carry; it lives as long as the launch."""
    return hmac.digest(secret, b"kaona csrf 1\n" + launch.bytes, "sha256").hex()
