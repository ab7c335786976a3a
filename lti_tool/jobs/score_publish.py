"""Scores on their way to platforms' gradebooks: put into the outbox with their cause, sent by the worker until they are there.

A score is sent with the value that stands when it is sent; rows of the outbox for older values end as superseded. Twice does
no harm: timestamps rise, and a platform that answers 409 is asked what it holds.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from kernel import outbox
from kernel.clock import Clock
from kernel.db import Database
from kernel.http import GuardedClient, HttpResponse, OutboundFailed, OutboundRefused
from kernel.outbox import Claimed
from kernel.strictjson import InvalidJson
from lti_tool.lti.ags import FinalScore, check_points, is_result_equal, results_url, scores_url
from lti_tool.lti.errors import HostForeign, TokenRefused
from lti_tool.lti.registrations import services_of
from lti_tool.lti.services import AccessTokens, PlatformServices, retry_after
from lti_tool.lti.vocabulary import MEDIA_RESULTS, MEDIA_SCORE, SCOPE_RESULT_READ, SCOPE_SCORE
from lti_tool.models import LineItem, Score, User
from lti_tool.settings import Settings

KIND = "score.publish"
STAMP_STEP = timedelta(seconds=1)
"""Timestamps of one score are compared in whole seconds."""
CONFLICT = 409
AGAIN = frozenset({401, 408, 425, 429})
MAX_CONFLICTS = 10
"""Tries after which a platform that keeps refusing our timestamps needs a person."""
SECONDS_BETWEEN_CONFLICTS = 2.0

TOKENS = AccessTokens()
"""The access tokens of this process."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Delivery:
    """One try, read and stamped in a transaction that is over."""

    score_id: int
    score: FinalScore
    line_item_url: str
    can_read_results: bool
    services: PlatformServices


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What came of a try: `done`, `again`, `parked` or `superseded`, and why."""

    state: str
    note: str | None = None
    after_seconds: float | None = None


def enqueue_score(
    db: Session,
    *,
    line_item: LineItem,
    user: User,
    score_given: float,
    score_maximum: float,
    comment: str | None,
    now: datetime,
) -> None:
    """Sets a person's score in a column and queues its delivery, in the caller's transaction.

    score_given, score_maximum   points, 0 <= given <= maximum, maximum > 0
    comment                      plain text, shown to the learner; repeated with each score that should keep one
    Raises                       ScoreInvalid
    """
    check_points(score_given, score_maximum)
    values = {"given": score_given, "maximum": score_maximum, "comment": comment, "state": "waiting", "last_error": None, "changed_at": now}
    score = db.scalars(select(Score).where(Score.line_item_id == line_item.id, Score.user_id == user.id).with_for_update()).first()
    if score is None:
        score = Score(tenant_id=line_item.tenant_id, line_item_id=line_item.id, user_id=user.id, version=1, **values)
        db.add(score)
    else:
        score.version += 1
        for name, value in values.items():
            setattr(score, name, value)
    db.flush()  # the payload names its id
    outbox.put(
        db,
        tenant_id=line_item.tenant_id,
        kind=KIND,
        key=f"score:{score.id}:{score.version}",
        payload={"score": score.id, "version": score.version},
        now=now,
    )


def publish_score(database: Database, item: Claimed, *, http: GuardedClient, settings: Settings, clock: Clock) -> str:
    """Carries out one claimed row; no transaction is open while the platform is called.

    Returns   what became of the row: `done`, `again`, `parked` or `superseded`
    """
    with database.transaction() as db:
        delivery = _prepared(db, item, http=http, secret=settings.secret_key, clock=clock)
        if isinstance(delivery, _Verdict):
            return _ended(db, item, delivery, clock())
    verdict = _sent(delivery, item)
    with database.transaction() as db:
        return _recorded(db, item, delivery, verdict, clock())


def _prepared(db: Session, item: Claimed, *, http: GuardedClient, secret: bytes, clock: Clock) -> _Delivery | _Verdict:
    """Reads what stands now and reserves its timestamp; or what becomes of the row without a call.

    A timestamp in the future would block every score after it, so a try whose second has not come waits for it.
    """
    row = db.execute(
        select(Score, User.sub, LineItem)
        .join(User, User.id == Score.user_id)
        .join(LineItem, LineItem.id == Score.line_item_id)
        .where(Score.id == item.payload["score"])
        .with_for_update(of=Score)
    ).first()
    if row is None or row[0].version != item.payload["version"]:
        return _Verdict("superseded")
    score, sub, line_item = row
    services = services_of(db, line_item.registration_id, http=http, tokens=TOKENS, secret=secret, clock=clock)
    if services is None:
        return _Verdict("parked", "no platform")
    now = clock()
    stamp = now.replace(microsecond=0)
    if score.stamped_at and stamp < score.stamped_at + STAMP_STEP:
        return _Verdict("again", "same second", (score.stamped_at + STAMP_STEP - now).total_seconds())
    score.stamped_at = stamp
    final = FinalScore(sub, score.given, score.maximum, stamp, score.comment)
    return _Delivery(score.id, final, line_item.url, SCOPE_RESULT_READ in line_item.scopes, services)


def _sent(delivery: _Delivery, item: Claimed) -> _Verdict:
    services, now = delivery.services, delivery.services.clock()
    try:
        response = services.call(
            "POST",
            scores_url(delivery.line_item_url),
            scopes=[SCOPE_SCORE],
            content=(MEDIA_SCORE, delivery.score.body()),
        )
        if response.status == CONFLICT:
            return _after_conflict(delivery, item)
        return _judged(response, now)
    except TokenRefused as error:
        permanent = error.status_code in {400, 403} and error.details["reason"] in {"invalid_scope", "unauthorized_client"}
        return _Verdict("parked" if permanent else "again", f"token: {error.details['reason']}", error.retry_after_seconds)
    except (HostForeign, OutboundRefused) as error:
        return _Verdict("parked", error.code)
    except OutboundFailed as error:
        return _Verdict("again", str(error.details["reason"]))


def _judged(response: HttpResponse, now: datetime) -> _Verdict:
    """What a status means: success is done; a client's fault needs a person; the rest is tried again."""
    if 200 <= response.status < 300:  # noqa: PLR2004  the class of success
        return _Verdict("done")
    if response.status in AGAIN or response.status >= 500:  # noqa: PLR2004  the platform's own faults
        return _Verdict("again", f"status {response.status}", retry_after(response.headers, now))
    return _Verdict("parked", f"status {response.status}")


def _after_conflict(delivery: _Delivery, item: Claimed) -> _Verdict:
    """409: the platform holds a score of this second or a later one. Equal is done, else ours goes again with a later time."""
    if delivery.can_read_results:
        url = results_url(delivery.line_item_url, delivery.score.sub)
        response = delivery.services.call("GET", url, scopes=[SCOPE_RESULT_READ], accept=MEDIA_RESULTS)
        if response.status == 200 and is_result_equal(_json_of(response), delivery.score):  # noqa: PLR2004  OK
            return _Verdict("done", "the platform had it")
    if item.attempts >= MAX_CONFLICTS:
        return _Verdict("parked", "status 409")
    return _Verdict("again", "status 409", SECONDS_BETWEEN_CONFLICTS)


def _recorded(db: Session, item: Claimed, delivery: _Delivery, verdict: _Verdict, now: datetime) -> str:
    """Notes the outcome on the row of the outbox and, while its value still stands, on the score."""
    changes: dict[str, Any] = {"last_error": verdict.note if verdict.state != "done" else None}
    if verdict.state == "done":
        changes |= {"state": "sent", "sent_at": now}
    elif verdict.state == "parked":
        changes["state"] = "parked"
    mine = (Score.id == delivery.score_id, Score.version == item.payload["version"])
    changed = db.execute(update(Score).where(*mine).values(**changes).execution_options(synchronize_session=False))
    still_stands = bool(changed.rowcount)  # type: ignore[attr-defined]
    state = verdict.state if still_stands or verdict.state == "done" else "superseded"
    log.info("score_tried", outcome=state, note=verdict.note, score=delivery.score_id, attempts=item.attempts)
    return _ended(db, item, replace(verdict, state=state), now)


def _ended(db: Session, item: Claimed, verdict: _Verdict, now: datetime) -> str:
    """Puts the row back for a later try, or ends it."""
    if verdict.state == "again":
        outbox.retry(db, item, now=now, note=verdict.note or "again", after_seconds=verdict.after_seconds)
    else:
        outbox.finish(db, item, now=now, state=verdict.state, note=verdict.note)
    return verdict.state


def _json_of(response: HttpResponse) -> Any:
    try:
        return response.json()
    except InvalidJson:
        return None
