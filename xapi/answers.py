"""What goes back to the client: content with its entity tag, and moments as HTTP writes them."""

from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import sha1

from flask import Response

from xapi.vocabulary import JSON


def json_answer(body: bytes, *, status: int = 200) -> Response:
    """JSON, with a tag that follows from its bytes when it is a success."""
    return tagged(Response(body, status=status, content_type=JSON), body)


def tagged(answer: Response, body: bytes) -> Response:
    """The answer with the tag of these bytes when it is a success: their SHA-1, as xAPI 1.0.3, Communication 3.1 asks."""
    if answer.status_code == 200:  # noqa: PLR2004
        answer.set_etag(tag_of(body))
    return answer


def tag_of(contents: bytes) -> str:
    """The entity tag of contents, without its quotes: their SHA-1 in small hexadecimal digits."""
    return sha1(contents, usedforsecurity=False).hexdigest()


def http_date(moment: datetime) -> str:
    """A moment as HTTP headers carry it: GMT, whole seconds."""
    return format_datetime(moment.astimezone(UTC).replace(microsecond=0), usegmt=True)
