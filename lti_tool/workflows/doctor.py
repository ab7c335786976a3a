"""What works and what does not, platform by platform, in plain words with the cure: for the page and for `kaona doctor`."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Subquery, and_, case, func, or_, select, true
from sqlalchemy.orm import Session

import xapi.api as xapi
from kernel.langmap import LangMap
from kernel.outbox import OutboxItem, OutboxLane
from lti_tool.jobs import item_analysis, roster_sync, score_reconcile
from lti_tool.jobs.score_reconcile import UNREAD
from lti_tool.jobs.verdicts import platform_lane
from lti_tool.lti.ags import TOLERANCE
from lti_tool.lti.keysets import FETCHING
from lti_tool.lti.registrations import CLOCK_TOLERANCE_SECONDS
from lti_tool.models import Context, Deployment, KeySet, Launch, LineItem, Registration, Roster, Score, Tenant, ToolKey
from lti_tool.web.principal import Principal
from lti_tool.workflows.findings import Finding, failed_columns, finding, of_push, parked_scores
from lti_tool.workflows.standing import fault_of

OLD_QUEUE = timedelta(hours=1)
"""A platform that is away for so long needs a person."""
IDLE_WORKER = timedelta(minutes=15)
KEY_AGE = timedelta(days=365)
"""A key of ours signs for a year at the most."""
KEY_NOTICE = timedelta(days=14)
"""So long before its end a key of the record store is told."""
MAX_PARKED = 50

_ROSTER_FAULTS = {
    "scope_missing": "roster_not_allowed", "status 401": "roster_not_allowed", "status 403": "roster_not_allowed",
    "link_repeats": "roster_incomplete", "page_cap": "roster_incomplete", "time_cap": "roster_incomplete", "empty": "roster_incomplete",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PlatformHealth:
    """One registered platform as the tool last met it."""

    uuid: UUID
    issuer: str
    client_id: str
    agency: LangMap
    last_launch_at: datetime | None
    last_score_at: datetime | None
    last_roster_at: datetime | None
    oldest_waiting_at: datetime | None
    """Since when the oldest effect waits for it."""
    waiting_scores: int
    parked_scores: int
    columns_gone: int
    grades_missing: int
    grades_changed: int
    clock_difference_seconds: float | None
    """Their clock minus ours when its key set was last fetched."""
    is_pending: bool
    is_disabled: bool
    findings: tuple[Finding, ...]

    @property
    def needs_person(self) -> bool:
        """Whether something here will not mend by itself."""
        return any(one.needs_person for one in self.findings)


@dataclass(frozen=True, slots=True)
class ParkedItem:
    """One effect that was refused for good.

    what, cure   in words; None where nothing is known beyond the reason
    """

    kind: str
    key: str
    reason: str
    ended_at: datetime | None
    what: LangMap | None = None
    cure: LangMap | None = None


@dataclass(frozen=True, slots=True)
class DoctorSummary:
    """The state of an agency's connections, or of all of them.

    queue      waiting effects by kind
    findings   of the installation itself; those of a platform stand with it
    """

    platforms: tuple[PlatformHealth, ...]
    queue: dict[str, int]
    oldest_waiting_at: datetime | None
    parked: tuple[ParkedItem, ...]
    statements: int
    keys: tuple[xapi.KeyView, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def needs_person(self) -> bool:
        """Whether anything will not mend by itself."""
        return any(one.needs_person for one in self.findings) or any(platform.needs_person for platform in self.platforms)


@dataclass(slots=True)
class _Found:
    """What the database tells of one platform beside its registration."""

    parked: dict[str, int] = field(default_factory=dict)
    columns: dict[str, int] = field(default_factory=dict)
    rosters: dict[str, int] = field(default_factory=dict)
    waiting: int = 0
    oldest_waiting_at: datetime | None = None
    paused_for: str | None = None


def summary(db: Session, principal: Principal, now: datetime) -> DoctorSummary:
    """The state of the administrator's own agency."""
    return summary_of(db, tenant_id=principal.tenant_id, now=now)


def summary_of(db: Session, *, now: datetime, tenant_id: int | None = None) -> DoctorSummary:
    """The state of one agency; None takes all of the installation. The number of queries does not depend on how many there are."""
    ours: ColumnElement[bool] = OutboxItem.tenant_id == tenant_id if tenant_id is not None else true()
    waiting = db.execute(
        select(OutboxItem.kind, func.count(), func.min(OutboxItem.created_at))
        .where(OutboxItem.state == "waiting", ours)
        .group_by(OutboxItem.kind)
    ).all()
    keys = tuple(xapi.list_keys(db, tenant_id=tenant_id))
    return DoctorSummary(
        platforms=tuple(_platforms(db, tenant_id, ours, now)),
        queue={kind: count for kind, count, _ in waiting},
        oldest_waiting_at=min((oldest for _, _, oldest in waiting), default=None),
        parked=tuple(_parked(db, ours)),
        statements=xapi.count_statements(db, tenant_id=tenant_id),
        keys=keys,
        findings=tuple(_of_installation(db, ours, keys, xapi.list_pushes(db, tenant_id=tenant_id), now)),
    )


def _of_installation(
    db: Session, ours: ColumnElement[bool], keys: tuple[xapi.KeyView, ...], pushes: Sequence[xapi.PushView], now: datetime
) -> list[Finding]:
    found: list[Finding] = []
    if _is_worker_absent(db, ours, now):
        found.append(finding("worker_absent", minutes=IDLE_WORKER // timedelta(minutes=1)))
    signs_from = db.scalar(select(func.max(ToolKey.signs_from)).where(ToolKey.retires_at.is_(None)))
    if signs_from is not None and now - signs_from > KEY_AGE:
        found.append(finding("tool_key_old", days=(now - signs_from).days))
    found += [
        finding("lrs_key_ends", name=key.name, days=(key.expires_at - now).days)
        for key in keys
        if key.revoked_at is None and key.expires_at is not None and now < key.expires_at <= now + KEY_NOTICE
    ]
    return found + [one for push in pushes for one in of_push(push, now)]


def _is_worker_absent(db: Session, ours: ColumnElement[bool], now: datetime) -> bool:
    """Whether effects are long due while no worker took or ended any: a long queue alone is no sign of that."""
    lately = now - IDLE_WORKER
    is_paused = select(OutboxLane.name).where(OutboxLane.name == OutboxItem.lane, OutboxLane.paused_until > lately).exists()
    overdue = select(OutboxItem.id).where(OutboxItem.state == "waiting", OutboxItem.due_at < lately, ~is_paused, ours).limit(1)
    at_work = select(OutboxItem.id).where(or_(OutboxItem.lease_until > lately, OutboxItem.ended_at > lately)).limit(1)
    return db.scalar(overdue) is not None and db.scalar(at_work) is None


def _parked(db: Session, ours: ColumnElement[bool]) -> list[ParkedItem]:
    """What was refused, the newest first; what was tried again since, and went well, is left out."""
    newest = select(OutboxItem).where(OutboxItem.state == "parked", ours).order_by(OutboxItem.id.desc()).limit(MAX_PARKED)
    items = list(db.scalars(newest))
    named = {name: {item.payload[name] for item in items if name in item.payload} for name in ("score", "line_item", "context")}
    scores = select(Score.id, Score.version).where(Score.id.in_(named["score"]), Score.state == "parked")
    columns = select(LineItem.id, LineItem.last_error).where(LineItem.id.in_(named["line_item"]))
    rosters = select(Roster.context_id, Roster.last_error).where(Roster.context_id.in_(named["context"]))
    asked: dict[str, Select[Any, Any]] = {"score": scores, "line_item": columns, "context": rosters}
    still = {(name, *row) for name, query in asked.items() for row in db.execute(query)}
    return [_parked_item(item) for item in items if item.kind == item_analysis.KIND or _sign(item) in still]


def _sign(item: OutboxItem) -> tuple[str, Any, Any]:
    """What a row must find to be still true: the version of its score, or the last fault of its column or roster."""
    payload, fault = item.payload, item.last_error
    if "score" in payload:
        return "score", payload["score"], payload["version"]
    if "line_item" in payload:
        return "line_item", payload["line_item"], f"{UNREAD}{fault}" if item.kind == score_reconcile.KIND else fault
    return "context", payload.get("context"), fault


def _parked_item(item: OutboxItem) -> ParkedItem:
    reason = item.last_error or ""
    fault = fault_of(reason) if item.kind != roster_sync.KIND else None
    return ParkedItem(item.kind, item.key, reason, item.ended_at, fault.what if fault else None, fault.cure if fault else None)


def _platforms(db: Session, tenant_id: int | None, ours: ColumnElement[bool], now: datetime) -> list[PlatformHealth]:
    launches, scores, columns, rosters = _launches(), _scores(), _columns(), _rosters()
    rows = db.execute(
        select(
            Registration,
            Tenant.name,
            KeySet,
            launches.c.last_launch_at,
            scores.c.last_score_at,
            rosters.c.last_roster_at,
            *(func.coalesce(scores.c[name], 0) for name in ("waiting_scores", "parked_scores", "grades_missing", "grades_changed")),
            *(func.coalesce(columns.c[name], 0) for name in ("columns_gone", "results_unread")),
            select(Deployment.id).where(Deployment.registration_id == Registration.id).exists(),
        )
        .join(Tenant, Tenant.id == Registration.tenant_id)
        .outerjoin(launches, launches.c.registration_id == Registration.id)
        .outerjoin(scores, scores.c.registration_id == Registration.id)
        .outerjoin(columns, columns.c.registration_id == Registration.id)
        .outerjoin(rosters, rosters.c.registration_id == Registration.id)
        .outerjoin(KeySet, KeySet.registration_id == Registration.id)
        .where(Registration.tenant_id == tenant_id if tenant_id is not None else true())
        .order_by(Registration.id)
    ).all()
    found = _found(db, ours, now)
    healths = []
    for registration, agency, key_set, launched_at, scored_at, read_at, *counts, is_deployed in rows:
        waiting, parked, missing, changed, gone, unread = counts
        more = found[registration.id]
        healths.append(
            PlatformHealth(
                uuid=registration.uuid,
                issuer=registration.issuer,
                client_id=registration.client_id,
                agency=agency,
                last_launch_at=launched_at,
                last_score_at=scored_at,
                last_roster_at=read_at,
                oldest_waiting_at=more.oldest_waiting_at,
                waiting_scores=waiting,
                parked_scores=parked,
                columns_gone=gone,
                grades_missing=missing,
                grades_changed=changed,
                clock_difference_seconds=key_set.clock_difference_seconds if key_set else None,
                is_pending=registration.pending_since is not None,
                is_disabled=registration.disabled_at is not None,
                findings=(
                    *_of_connection(registration, key_set, now, is_deployed=is_deployed, has_launched=launched_at is not None),
                    *_of_queue(more, now, takes_scores=scored_at is not None),
                    *_of_gradebook(gone, missing, changed, unread),
                    *(finding(code, n=n) for code, n in more.rosters.items()),
                )
                if registration.disabled_at is None
                else (),
            )
        )
    return healths


def _of_connection(
    registration: Registration, key_set: KeySet | None, now: datetime, *, is_deployed: bool, has_launched: bool
) -> list[Finding]:
    if registration.pending_since is not None:
        return [finding("pending")]
    found: list[Finding] = []
    if not is_deployed and (registration.learns_deployment_until is None or registration.learns_deployment_until <= now):
        found.append(finding("no_deployment"))
    elif not has_launched:
        found.append(finding("never_launched"))
    if key_set is None:
        return found
    if key_set.last_error not in {None, FETCHING}:
        found.append(finding("key_set_unreachable", reason=key_set.last_error))
    if key_set.refused:
        found.append(finding("keys_refused", keys=", ".join(f"{kid} ({why})" for kid, why in key_set.refused.items())))
    if key_set.clock_difference_seconds is not None and abs(key_set.clock_difference_seconds) > CLOCK_TOLERANCE_SECONDS:
        found.append(finding("clock_differs", seconds=key_set.clock_difference_seconds))
    return found


def _of_queue(more: _Found, now: datetime, *, takes_scores: bool) -> list[Finding]:
    found: list[Finding] = []
    if more.oldest_waiting_at is not None and now - more.oldest_waiting_at > OLD_QUEUE:
        minutes = (now - more.oldest_waiting_at) // timedelta(minutes=1)
        found.append(finding("queue_old", n=more.waiting, minutes=minutes))
    if more.paused_for is not None:
        found.append(finding("platform_away", reason=more.paused_for))
    found += [parked_scores(note, n, takes_scores=takes_scores) for note, n in more.parked.items()]
    found += [failed_columns(note, n) for note, n in more.columns.items()]
    return found


def _of_gradebook(gone: int, missing: int, changed: int, unread: int) -> list[Finding]:
    counted = {"columns_gone": gone, "grades_missing": missing, "grades_changed": changed, "results_unread": unread}
    return [finding(code, n=n) for code, n in counted.items() if n]


def _found(db: Session, ours: ColumnElement[bool], now: datetime) -> dict[int, _Found]:
    found: dict[int, _Found] = defaultdict(_Found)
    for registration_id, note, n in db.execute(
        select(LineItem.registration_id, Score.last_error, func.count())
        .join(LineItem, LineItem.id == Score.line_item_id)
        .where(Score.state == "parked")
        .group_by(LineItem.registration_id, Score.last_error)
        .order_by(Score.last_error)
    ):
        found[registration_id].parked[note or ""] = n
    for registration_id, note, n in db.execute(
        select(LineItem.registration_id, LineItem.last_error, func.count())
        .where(LineItem.last_error.is_not(None), ~LineItem.last_error.startswith(UNREAD), LineItem.gone_at.is_(None))
        .group_by(LineItem.registration_id, LineItem.last_error)
        .order_by(LineItem.last_error)
    ):
        found[registration_id].columns[note or ""] = n
    for registration_id, note, n in db.execute(
        _of_platform(select(Deployment.registration_id, Roster.last_error, func.count()))
        .where(Roster.last_error.is_not(None))
        .group_by(Deployment.registration_id, Roster.last_error)
        .order_by(Roster.last_error)
    ):
        code = _ROSTER_FAULTS.get(note, "roster_away")
        found[registration_id].rosters[code] = found[registration_id].rosters.get(code, 0) + n
    lanes = {
        lane: (n, oldest)
        for lane, n, oldest in db.execute(
            select(OutboxItem.lane, func.count(), func.min(OutboxItem.created_at))
            .where(OutboxItem.state == "waiting", OutboxItem.lane.is_not(None), ours)
            .group_by(OutboxItem.lane)
        )
    }
    away = select(OutboxLane.name, OutboxLane.last_error).where(OutboxLane.paused_until > now)
    paused = {lane: note for lane, note in db.execute(away)}  # noqa: C416  rows, not pairs
    for registration_id in db.scalars(select(Registration.id)) if lanes or paused else ():
        lane = platform_lane(registration_id)
        one = found[registration_id]
        one.waiting, one.oldest_waiting_at = lanes.get(lane, (0, None))
        one.paused_for = (paused[lane] or "away") if lane in paused else None
    return found


def _launches() -> Subquery:
    return (
        select(Launch.registration_id, func.max(Launch.created_at).label("last_launch_at"))
        .where(Launch.preview_of_id.is_(None))
        .group_by(Launch.registration_id)
        .subquery()
    )


def _scores() -> Subquery:
    """Scores by platform; what differs is counted as `score_reconcile.difference_of` finds it."""
    compared = and_(Score.state == "sent", Score.result_read_at >= Score.sent_at)
    differs = func.abs(Score.result_given - Score.given) > TOLERANCE * Score.maximum
    return (
        select(
            LineItem.registration_id,
            func.max(Score.sent_at).label("last_score_at"),
            func.count().filter(Score.state == "waiting").label("waiting_scores"),
            func.count().filter(Score.state == "parked").label("parked_scores"),
            func.count().filter(compared, Score.result_given.is_(None)).label("grades_missing"),
            func.count().filter(compared, differs).label("grades_changed"),
        )
        .join(LineItem, LineItem.id == Score.line_item_id)
        .group_by(LineItem.registration_id)
        .subquery()
    )


def _columns() -> Subquery:
    """Columns by platform; one that is gone counts when scores of ours were meant for it."""
    has_scores = select(Score.id).where(Score.line_item_id == LineItem.id).exists()
    gone = case((and_(LineItem.gone_at.is_not(None), has_scores), 1), else_=0)
    unread = case((and_(LineItem.gone_at.is_(None), LineItem.last_error.startswith(UNREAD)), 1), else_=0)
    return (
        select(LineItem.registration_id, func.sum(gone).label("columns_gone"), func.sum(unread).label("results_unread"))
        .group_by(LineItem.registration_id)
        .subquery()
    )


def _rosters() -> Subquery:
    read: Select[Any, Any] = _of_platform(select(Deployment.registration_id, func.max(Roster.read_at).label("last_roster_at")))
    return read.group_by(Deployment.registration_id).subquery()


def _of_platform(query: Any) -> Any:
    """Rosters with the platform of their course."""
    return query.select_from(Roster).join(Context, Context.id == Roster.context_id).join(Deployment, Deployment.id == Context.deployment_id)
