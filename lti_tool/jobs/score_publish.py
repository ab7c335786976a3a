"""Scores on their way to platforms' gradebooks: put into the outbox with their cause, sent by the worker until they are there.

A score is sent with the value that stands when it is sent; rows of the outbox for older values end as superseded. Twice does
no harm: timestamps rise, and a platform that answers 409 is asked what it holds.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import ColumnElement, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, aliased

from kernel import outbox
from kernel.clock import Clock
from kernel.db import Database
from kernel.http import GuardedClient, HttpResponse
from kernel.outbox import Claimed, OutboxItem
from kernel.strictjson import InvalidJson
from lti_tool.jobs.verdicts import CONFLICT, FORBIDDEN, NOT_FOUND, Verdict, end, judged, platform_lane, tried
from lti_tool.lti.ags import FinalScore, check_points, is_result_equal, results_url, scores_url
from lti_tool.lti.registrations import services_of
from lti_tool.lti.services import AccessTokens, PlatformServices
from lti_tool.lti.vocabulary import MEDIA_RESULTS, MEDIA_SCORE, SCOPE_RESULT_READ, SCOPE_SCORE
from lti_tool.models import LineItem, Score, User
from lti_tool.settings import Settings

KIND = "score.publish"
STAMP_STEP = timedelta(seconds=1)
"""Timestamps of one score are compared in whole seconds."""
SENDING = timedelta(seconds=outbox.LEASE_SECONDS)
"""How long a try may be under way before the next value no longer waits for it."""
SECONDS_BETWEEN_LOOKS = 1.0
MAX_CONFLICTS = 10
"""Tries after which a platform that keeps refusing our timestamps needs a person."""
SECONDS_BETWEEN_CONFLICTS = 2.0
COLUMN_GONE = "column_gone"

TOKENS = AccessTokens()
"""The access tokens of this process."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Delivery:
    """One try, read and stamped in a transaction that is over."""

    score_id: int
    score: FinalScore
    line_item_id: int
    line_item_url: str
    can_read_results: bool
    services: PlatformServices


def enqueue_score(
    db: Session,
    *,
    line_item: LineItem,
    user: User,
    score_given: float,
    score_maximum: float,
    comment: str | None,
    now: datetime,
    started_at: datetime | None = None,
    submitted_at: datetime | None = None,
    override_by_id: int | None = None,
    is_new: bool = False,
) -> bool:
    """Sets a person's score in a column and queues its delivery, in the caller's transaction.

    Whoever else begins or changes the same score is waited for.

    score_given, score_maximum   points, 0 <= given <= maximum, maximum > 0
    comment                      plain text, shown to the learner; repeated with each score that should keep one
    started_at, submitted_at     of the sitting behind it
    override_by_id               the teacher who set the points by hand
    is_new                       the caller has just looked and found no such score
    Returns                      False for a score that somebody else began between our look and our write: this value took its place
    Raises                       ScoreInvalid
    """
    check_points(score_given, score_maximum)
    values = {
        "given": score_given, "maximum": score_maximum, "comment": comment, "started_at": started_at, "submitted_at": submitted_at,
        "override_by_id": override_by_id, "changed_at": now,
    }  # fmt: skip
    whose = {"line_item_id": line_item.id, "user_id": user.id}
    mine = select(Score).filter_by(**whose).with_for_update()
    score = None if is_new else db.scalars(mine).first()
    was_missing = score is None
    if score is None:
        insert = postgresql.insert if db.get_bind().dialect.name == "postgresql" else sqlite.insert
        row = {"tenant_id": line_item.tenant_id, **whose, "version": 1, "state": "waiting", **values}
        begun = insert(Score).values(row).on_conflict_do_nothing(index_elements=list(whose)).returning(Score.id)
        score_id = db.execute(begun).scalar()
        if score_id is not None:
            _queue(db, line_item.tenant_id, score_id, 1, registration_id=line_item.registration_id, now=now)
            return True
        score = db.scalars(mine).one()
    for name, value in values.items():
        setattr(score, name, value)
    send_again(db, score, registration_id=line_item.registration_id, now=now)
    return not was_missing


def send_again(db: Session, score: Score, *, registration_id: int, now: datetime) -> None:
    """Queues the delivery of a score as it stands, whatever became of earlier ones. The caller holds its row."""
    score.version += 1
    score.state, score.last_error = "waiting", None
    db.flush()  # the row is found by this version
    _queue(db, score.tenant_id, score.id, score.version, registration_id=registration_id, now=now)


def _queue(db: Session, tenant_id: int, score_id: int, version: int, *, registration_id: int, now: datetime) -> None:
    outbox.put(
        db,
        tenant_id=tenant_id,
        kind=KIND,
        key=_key(score_id, version),
        payload={"score": score_id, "version": version},
        now=now,
        lane=platform_lane(registration_id),
    )


def publish_score(database: Database, item: Claimed, *, http: GuardedClient, settings: Settings, clock: Clock) -> str:
    """Carries out one claimed row; no transaction is open while the platform is called.

    Returns   what became of the row: `done`, `again`, `parked` or `superseded`
    """
    with database.transaction() as db:
        delivery = _prepared(db, item, http=http, secret=settings.secret_key, clock=clock)
        if isinstance(delivery, Verdict):
            return _left(db, item, delivery, clock())
    verdict = tried(lambda: _sent(delivery, item))
    with database.transaction() as db:
        return _recorded(db, item, delivery, verdict, clock())


def outbox_keys_of(score_id: int) -> ColumnElement[bool]:
    """Which rows of the outbox deliver one score, in any of its versions."""
    return OutboxItem.key.like(f"score:{score_id}:%")


def _key(score_id: int, version: int) -> str:
    return f"score:{score_id}:{version}"


def _prepared(db: Session, item: Claimed, *, http: GuardedClient, secret: bytes, clock: Clock) -> _Delivery | Verdict:
    """Reads what stands now and reserves its timestamp; or what becomes of the row without a call.

    A timestamp in the future would block every score after it, so a try whose second has not come waits for it; and a value
    waits until the try of the one before it has ended, so that they arrive in order.
    """
    teacher = aliased(User)
    row = db.execute(
        select(Score, User.sub, LineItem, teacher.sub)
        .join(User, User.id == Score.user_id)
        .join(LineItem, LineItem.id == Score.line_item_id)
        .outerjoin(teacher, teacher.id == Score.override_by_id)
        .where(Score.id == item.payload["score"])
        .with_for_update(of=Score)
    ).first()
    if row is None or row[0].version != item.payload["version"]:
        return Verdict("superseded")
    score, sub, line_item, scored_by = row
    if line_item.gone_at is not None or line_item.url is None:
        return Verdict("parked", COLUMN_GONE)
    services = services_of(db, line_item.registration_id, http=http, tokens=TOKENS, secret=secret, clock=clock)
    if services is None:
        return Verdict("parked", "no platform")
    now = clock()
    stamp = now.replace(microsecond=0)
    if score.stamped_at and stamp < score.stamped_at + STAMP_STEP:
        return Verdict("again", "same second", (score.stamped_at + STAMP_STEP - now).total_seconds())
    if score.sending_until is not None and score.sending_until > now:
        return Verdict("again", "the one before it is under way", SECONDS_BETWEEN_LOOKS)
    score.stamped_at, score.sending_until = stamp, now + SENDING
    final = FinalScore(sub, score.given, score.maximum, stamp, score.comment, score.started_at, score.submitted_at, scored_by)
    return _Delivery(score.id, final, line_item.id, line_item.url, SCOPE_RESULT_READ in line_item.scopes, services)


def _sent(delivery: _Delivery, item: Claimed) -> Verdict:
    services, now = delivery.services, delivery.services.clock()
    response = services.call(
        "POST",
        scores_url(delivery.line_item_url),
        scopes=[SCOPE_SCORE],
        content=(MEDIA_SCORE, delivery.score.body()),
    )
    return _after_conflict(delivery, item) if response.status == CONFLICT else judged(response, now)


def _after_conflict(delivery: _Delivery, item: Claimed) -> Verdict:
    """409: the platform holds a score of this second or a later one. Equal is done, else ours goes again with a later time."""
    if delivery.can_read_results:
        url = results_url(delivery.line_item_url, delivery.score.sub)
        response = delivery.services.call("GET", url, scopes=[SCOPE_RESULT_READ], accept=MEDIA_RESULTS)
        if response.status == 200 and is_result_equal(_json_of(response), delivery.score):  # noqa: PLR2004  OK
            return Verdict("done", "the platform had it", lane="works")
    if item.attempts >= MAX_CONFLICTS:
        return Verdict("parked", "status 409", lane="works")
    return Verdict("again", "status 409", SECONDS_BETWEEN_CONFLICTS, lane="works")


def _left(db: Session, item: Claimed, verdict: Verdict, now: datetime) -> str:
    """Ends a row for which nobody was called."""
    if verdict.state == "parked":
        mine = (Score.id == item.payload["score"], Score.version == item.payload["version"])
        db.execute(update(Score).where(*mine).values(state="parked", last_error=verdict.note))
    return end(db, item, verdict, now)


def _recorded(db: Session, item: Claimed, delivery: _Delivery, verdict: Verdict, now: datetime) -> str:
    """Notes the outcome on the row of the outbox and, while its value still stands, on the score."""
    changes: dict[str, Any] = {"last_error": verdict.note if verdict.state != "done" else None, "sending_until": None}
    if verdict.state == "done":
        changes |= {"state": "sent", "sent_at": now}
    elif verdict.state == "parked":
        changes["state"] = "parked"
    mine = (Score.id == delivery.score_id, Score.version == item.payload["version"])
    changed = db.execute(update(Score).where(*mine).values(**changes).execution_options(synchronize_session=False))
    still_stands = bool(changed.rowcount)  # type: ignore[attr-defined]
    if not still_stands:
        db.execute(update(Score).where(Score.id == delivery.score_id).values(sending_until=None))
    if verdict.status in {FORBIDDEN, NOT_FOUND}:
        _lose_column(db, delivery.line_item_id, now)
    state = verdict.state if still_stands or verdict.state == "done" else "superseded"
    log.info("score_tried", outcome=state, note=verdict.note, score=delivery.score_id, attempts=item.attempts)
    return end(db, item, replace(verdict, state=state), now)


def _lose_column(db: Session, line_item_id: int, now: datetime) -> None:
    """The platform no longer has the column, or lets us write there no more: what waits for it waits for a person."""
    db.execute(update(LineItem).where(LineItem.id == line_item_id, LineItem.gone_at.is_(None)).values(gone_at=now))
    waiting = db.execute(select(Score.id, Score.version).where(Score.line_item_id == line_item_id, Score.state == "waiting")).all()
    for first in range(0, len(waiting), 500):
        some = waiting[first : first + 500]
        outbox.park(db, keys=[_key(*one) for one in some], now=now, note=COLUMN_GONE)
        ids = [score_id for score_id, _ in some]
        db.execute(update(Score).where(Score.id.in_(ids)).values(state="parked", last_error=COLUMN_GONE))


def _json_of(response: HttpResponse) -> Any:
    try:
        return response.json()
    except InvalidJson:
        return None
