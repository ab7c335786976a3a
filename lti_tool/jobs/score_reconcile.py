"""What gradebooks hold, read back and compared with what we sent: differences are kept and told, never overwritten.

A teacher may change a grade in the platform, and a platform may keep that against later scores: that is a difference to know of,
not a fault to mend.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import structlog
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from kernel import outbox
from kernel.clock import BANGKOK, Clock, local_date
from kernel.db import Database
from kernel.http import GuardedClient
from kernel.langmap import LangMap
from kernel.outbox import Claimed
from lti_tool.jobs.score_publish import COLUMN_GONE, TOKENS
from lti_tool.jobs.verdicts import FORBIDDEN, NOT_FOUND, Verdict, end, platform_lane, tried
from lti_tool.lti.ags import Result, is_same_share, read_results
from lti_tool.lti.registrations import services_of
from lti_tool.lti.services import PlatformServices
from lti_tool.lti.vocabulary import SCOPE_RESULT_READ
from lti_tool.models import LineItem, Registration, Score, Tenant, User
from lti_tool.settings import Settings

KIND = "score.reconcile"
NIGHT_HOUR = 1
"""Hour in Thailand from which the day's comparison is queued."""
COMPARED_FOR = timedelta(days=120)
"""Columns without a score for so long are no longer compared by night; a command still can."""

UNREAD = "results: "
"""Before the reason why a column's results could not be read."""

log = structlog.get_logger()

DifferenceKind = Literal["changed", "missing", "column_gone", "unread"]

WORDS: dict[DifferenceKind, LangMap] = {
    "changed": {
        "th": "คะแนนในสมุดคะแนนของ LMS คือ {held:g} จาก {maximum:g} แต่ระบบส่งไป {given:g} อาจมีผู้สอนแก้ไขใน LMS ระบบจะไม่เขียนทับ",
        "en": "The gradebook holds {held:g} of {maximum:g}, we sent {given:g}: somebody may have changed it there. It is not overwritten.",
    },
    "missing": {
        "th": "ระบบส่งคะแนน {given:g} จาก {maximum:g} แล้ว แต่ไม่มีในสมุดคะแนนของ LMS ส่งอีกครั้งได้หากต้องการ",
        "en": "We sent {given:g} of {maximum:g}, the gradebook holds none. It can be sent again.",
    },
    "column_gone": {
        "th": "LMS ไม่มีคอลัมน์คะแนนนี้แล้ว หรือไม่ให้ระบบเข้าถึง โปรดตรวจกิจกรรมในรายวิชา แล้วเปิดกิจกรรมจากรายวิชาอีกครั้ง",
        "en": "The LMS no longer has this column, or lets us in no more. Check the activity in the course, then open it from there again.",
    },
    "unread": {
        "th": "อ่านผลจากสมุดคะแนนของ LMS ไม่สำเร็จ ({reason}) ระบบจะลองอีกครั้งในคืนถัดไป",
        "en": "The results of this column could not be read ({reason}). The next night tries again.",
    },
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that a gradebook holds otherwise than we do; people are named by their UUID alone.

    held   on our scale; none where the gradebook holds nothing
    """

    kind: DifferenceKind
    agency: str
    issuer: str
    column: int
    label: str | None
    person: UUID | None = None
    given: float | None = None
    maximum: float | None = None
    held: float | None = None
    reason: str | None = None

    def words(self, language: str) -> str:
        """The difference in a sentence, with what to do."""
        return WORDS[self.kind][language].format(given=self.given, maximum=self.maximum, held=self.held, reason=self.reason)


@dataclass(frozen=True, slots=True)
class _Column:
    """One column, read in a transaction that is over."""

    url: str
    services: PlatformServices


def enqueue_night(db: Session, *, now: datetime) -> int:
    """Queues the comparison of every column in use, once a day, from one o'clock at night. Returns how many were queued."""
    if now.astimezone(BANGKOK).hour < NIGHT_HOUR:
        return 0
    in_use = select(Score.id).where(Score.line_item_id == LineItem.id, Score.sent_at > now - COMPARED_FOR).exists()
    today = local_date(now)
    since = datetime(today.year, today.month, today.day, tzinfo=BANGKOK)
    unread = or_(LineItem.results_read_at.is_(None), LineItem.results_read_at < since)
    columns = db.scalars(select(LineItem).where(LineItem.url.is_not(None), unread, in_use).order_by(LineItem.id))
    return sum(_enqueue(db, column, key=f"{KIND}:{column.id}:{today}", now=now) for column in columns)


def _enqueue(db: Session, column: LineItem, *, key: str, now: datetime) -> bool:
    lane = platform_lane(column.registration_id)
    payload = {"line_item": column.id}
    return outbox.put(db, tenant_id=column.tenant_id, kind=KIND, key=key, payload=payload, now=now, lane=lane)


def carry_out(database: Database, item: Claimed, *, http: GuardedClient, settings: Settings, clock: Clock) -> str:
    """Carries out one claimed row. Returns what became of it."""
    verdict = reconcile_column(database, item.payload["line_item"], http=http, settings=settings, clock=clock)
    with database.transaction() as db:
        return end(db, item, verdict, clock())


def reconcile_column(database: Database, line_item_id: int, *, http: GuardedClient, settings: Settings, clock: Clock) -> Verdict:
    """Reads one column's results and notes beside each score what the gradebook holds; no transaction is open meanwhile."""
    read_at = clock()
    with database.reading() as db:
        column = _column(db, line_item_id, http=http, secret=settings.secret_key, clock=clock)
    if isinstance(column, Verdict):
        return column
    found: list[tuple[list[Result], bool]] = []

    def call() -> Verdict:
        found.append(read_results(column.services, column.url))
        return Verdict("done", lane="works")

    verdict = tried(call)
    with database.transaction() as db:
        line_item = db.get(LineItem, line_item_id, with_for_update=True)
        if line_item is None:
            return Verdict("superseded")
        if found:
            line_item.gone_at, line_item.results_read_at, line_item.last_error = None, read_at, None
            _note(db, line_item_id, *found[0], read_at=read_at)
        else:
            line_item.results_read_at, line_item.last_error = read_at, f"{UNREAD}{verdict.note}"
            if verdict.status in {FORBIDDEN, NOT_FOUND}:
                line_item.gone_at = line_item.gone_at or read_at
    log.info("column_compared", outcome=verdict.state, note=verdict.note, line_item=line_item_id)
    return Verdict("done", verdict.note, lane=verdict.lane) if verdict.status in {FORBIDDEN, NOT_FOUND} else verdict


def list_columns(db: Session, *, tenant: str | None = None, issuer: str | None = None) -> list[int]:
    """Ids of the columns that can be compared, of one agency (by its key) or platform, or of all."""
    query = (
        select(LineItem.id)
        .join(Tenant, Tenant.id == LineItem.tenant_id)
        .join(Registration, Registration.id == LineItem.registration_id)
        .where(LineItem.url.is_not(None))
        .order_by(LineItem.id)
    )
    query = query if tenant is None else query.where(Tenant.key == tenant)
    return list(db.scalars(query if issuer is None else query.where(Registration.issuer == issuer)))


def list_differences(db: Session, *, columns: Sequence[int]) -> list[Difference]:
    """What was found in some columns when they were last compared, by column and person."""
    rows = db.execute(
        select(LineItem, Tenant.key, Registration.issuer)
        .join(Tenant, Tenant.id == LineItem.tenant_id)
        .join(Registration, Registration.id == LineItem.registration_id)
        .where(LineItem.id.in_(columns), LineItem.url.is_not(None))
        .order_by(LineItem.id)
    ).all()
    found: list[Difference] = []
    for column, agency, issuer in rows:
        place = (agency, issuer, column.id, column.label)
        if column.gone_at is not None and _has_scores(db, column.id):
            found.append(Difference("column_gone", *place, reason=COLUMN_GONE))
        elif column.last_error is not None and column.last_error.startswith(UNREAD):
            found.append(Difference("unread", *place, reason=column.last_error.removeprefix(UNREAD)))
        found += [
            Difference(kind, *place, person, score.given, score.maximum, score.result_given)
            for score, person, kind in _differing(db, column.id)
        ]
    return found


def difference_of(score: Score) -> DifferenceKind | None:
    """How a gradebook differs from a score that we sent, as last read; None when it does not, or was not read since."""
    if score.state != "sent" or score.result_read_at is None or score.sent_at is None or score.result_read_at < score.sent_at:
        return None
    if score.result_given is None:
        return "missing"
    return None if is_same_share(score.result_given / score.maximum, score.given / score.maximum) else "changed"


def _column(db: Session, line_item_id: int, *, http: GuardedClient, secret: bytes, clock: Clock) -> _Column | Verdict:
    line_item = db.get(LineItem, line_item_id)
    if line_item is None or line_item.url is None:
        return Verdict("superseded")
    if SCOPE_RESULT_READ not in line_item.scopes:
        return Verdict("done", "results may not be read")
    services = services_of(db, line_item.registration_id, http=http, tokens=TOKENS, secret=secret, clock=clock)
    return Verdict("done", "no platform") if services is None else _Column(line_item.url, services)


def _note(db: Session, line_item_id: int, results: Sequence[Result], is_complete: bool, *, read_at: datetime) -> None:
    """Notes what the gradebook holds. A list that was not read to its end says nothing of those who are not in it."""
    held = {result.sub: result.share for result in results}
    rows = db.execute(select(Score, User.sub).join(User, User.id == Score.user_id).where(Score.line_item_id == line_item_id))
    for score, sub in rows:
        share = held.get(sub)
        if share is not None or is_complete:
            score.result_given = None if share is None else round(share * score.maximum, 6)
            score.result_read_at = read_at


def _has_scores(db: Session, line_item_id: int) -> bool:
    return db.scalar(select(Score.id).where(Score.line_item_id == line_item_id).limit(1)) is not None


def _differing(db: Session, line_item_id: int) -> list[tuple[Score, UUID, DifferenceKind]]:
    rows = db.execute(
        select(Score, User.person_uuid)
        .join(User, User.id == Score.user_id)
        .where(Score.line_item_id == line_item_id, Score.state == "sent", Score.result_read_at >= Score.sent_at)
        .order_by(Score.id)
    )
    found = ((score, person, difference_of(score)) for score, person in rows)
    return [(score, person, kind) for score, person, kind in found if kind is not None]
