"""What came of a call to a platform: done, to be tried again, or for a person to look at; and what that does to its lane."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy.orm import Session

from kernel import outbox
from kernel.http import HttpResponse, OutboundFailed, OutboundRefused, retry_after
from kernel.outbox import Claimed
from lti_tool.lti.errors import HostForeign, ScopeMissing, ServiceRefused, TokenRefused

UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT = 401, 403, 404, 409
BUSY = frozenset({429, 503})
"""The platform asks everybody to come later."""
AGAIN = frozenset({UNAUTHORIZED, 408, 425, *BUSY})
REFUSED_CLIENT = frozenset({"invalid_scope", "unauthorized_client"})
"""Words of a token endpoint that no waiting will change."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one try.

    note    stable code and short reason
    lane    whether the platform `works`, is `away` for everything that is meant for it, or was not asked (None)
    """

    state: Literal["done", "again", "parked", "superseded"]
    note: str | None = None
    after_seconds: float | None = None
    lane: Literal["works", "away"] | None = None
    status: int | None = None
    """The platform's HTTP status, where it gave one."""


def platform_lane(registration_id: int) -> str:
    """The outbox's lane of everything that is meant for one platform."""
    return f"platform:{registration_id}"


def tried(call: Callable[[], Verdict]) -> Verdict:
    """The verdict of a call, or of the refusal that it raised."""
    try:
        return call()
    except TokenRefused as error:
        note = f"token: {error.details['reason']}"
        if error.status_code in {400, FORBIDDEN} and error.details["reason"] in REFUSED_CLIENT:
            return Verdict("parked", note, lane="works")
        return Verdict("again", note, error.retry_after_seconds, lane="away")
    except ServiceRefused as error:
        return judged_status(error.status_code, error.retry_after_seconds)
    except (HostForeign, OutboundRefused, ScopeMissing) as error:
        return Verdict("parked", error.code)
    except OutboundFailed as error:
        return Verdict("again", str(error.details["reason"]), lane="away")


def judged(response: HttpResponse, now: datetime) -> Verdict:
    """What an answer means."""
    return judged_status(response.status, retry_after(response.headers, now))


def judged_status(status: int, after_seconds: float | None = None) -> Verdict:
    """What a status means: success is done; a client's fault needs a person; the rest is tried again.

    A 500 may concern this one effect alone (a locked grade), so it does not hold up the others.
    """
    if 200 <= status < 300:  # noqa: PLR2004  the class of success
        return Verdict("done", lane="works", status=status)
    if status in AGAIN or status >= 500:  # noqa: PLR2004  the platform's own faults
        return Verdict("again", f"status {status}", after_seconds, "away" if status in BUSY else "works", status)
    return Verdict("parked", f"status {status}", lane="works", status=status)


def end(db: Session, item: Claimed, verdict: Verdict, now: datetime) -> str:
    """Puts the row back for a later try, or ends it; pauses the lane of a platform that is away. Returns the state."""
    if item.lane is not None and verdict.lane == "away":
        outbox.pause_lane(db, item.lane, now=now, note=verdict.note or "away", after_seconds=verdict.after_seconds)
    elif item.lane is not None and verdict.lane == "works":
        outbox.resume_lane(db, item.lane)
    if verdict.state == "again":
        outbox.retry(db, item, now=now, note=verdict.note or "again", after_seconds=verdict.after_seconds)
    else:
        outbox.finish(db, item, now=now, state=verdict.state, note=verdict.note)
    return verdict.state
