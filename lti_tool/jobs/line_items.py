"""Columns of platforms' gradebooks: found or made, changed and deleted by the worker, each asked for by a row of ours first.

A column is looked for before it is made, so that a try whose answer was lost does not make a second one; our row, unique for
its link and area, is the lock under which that happens.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from kernel import outbox, strictjson
from kernel.clock import Clock, local_date, rfc3339
from kernel.db import Database
from kernel.http import GuardedClient
from kernel.outbox import Claimed
from kernel.strictjson import InvalidJson
from lti_tool.jobs.score_publish import TOKENS
from lti_tool.jobs.verdicts import NOT_FOUND, Verdict, end, judged, platform_lane, tried
from lti_tool.lti.ags import TAG_WHOLE, Column, check_points, column_in, cut_label, find_column, list_columns, new_column_body, read_scope
from lti_tool.lti.message import host_of
from lti_tool.lti.registrations import services_of
from lti_tool.lti.services import OK, PlatformServices
from lti_tool.lti.vocabulary import MEDIA_LINE_ITEM, SCOPE_LINE_ITEM, SCOPE_LINE_ITEM_READ
from lti_tool.models import Context, LineItem, Placement, ResourceLink
from lti_tool.models.audit import append_audit
from lti_tool.settings import Settings

ENSURE, UPDATE, DELETE = "line_item.ensure", "line_item.update", "line_item.delete"
KINDS = (ENSURE, UPDATE, DELETE)
DEFAULT_MAXIMUM = 100.0
COLUMN_MISSING = "column_missing"
"""The platform has no such column, and we were not asked or not allowed to make one."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Task:
    """One column and what is to be done, read in a transaction that is over."""

    line_item_id: int
    url: str | None
    line_items_url: str | None
    scopes: frozenset[str]
    may_make: bool
    label: str
    maximum: float
    tag: str
    resource_id: str | None
    resource_link_id: str | None
    area_tags: frozenset[str]
    services: PlatformServices


@dataclass(frozen=True, slots=True)
class _Outcome:
    """The verdict of a call and the column as the platform then tells of it."""

    verdict: Verdict
    column: Column | None = None
    is_made: bool = False


def ask_for_column(db: Session, line_item: LineItem, *, now: datetime) -> bool:
    """Queues the finding or making of a column, at most once a day. Returns whether it was queued now."""
    return _put(db, line_item, ENSURE, f"{ENSURE}:{line_item.id}:{local_date(now)}", now=now)


def change_column(
    db: Session,
    line_item: LineItem,
    *,
    now: datetime,
    label: str | None = None,
    maximum: float | None = None,
    opens_at: datetime | None = None,
    closes_at: datetime | None = None,
) -> None:
    """Queues a change of a column that we made; what is None stays as it is.

    maximum   points, above 0
    Raises    ScoreInvalid
    """
    changes: dict[str, Any] = {}
    if label is not None:
        line_item.label = changes["label"] = cut_label(label)
    if maximum is not None:
        check_points(0.0, maximum)
        line_item.score_maximum = changes["scoreMaximum"] = maximum
    dates = {"startDateTime": opens_at, "endDateTime": closes_at}
    changes |= {name: rfc3339(moment) for name, moment in dates.items() if moment is not None}
    if changes and line_item.url is not None:
        _put(db, line_item, UPDATE, f"{UPDATE}:{line_item.id}:{rfc3339(now)}", now=now, changes=changes)


def delete_column(db: Session, line_item: LineItem, *, actor: str, now: datetime) -> None:
    """Queues the deletion of a column that we made, with the grades in it."""
    _put(db, line_item, DELETE, f"{DELETE}:{line_item.id}:{rfc3339(now)}", now=now)
    details = {"line_item": line_item.id}
    append_audit(db, event="line_item.deleted", actor=actor, now=now, tenant_id=line_item.tenant_id, details=details)


def carry_out(database: Database, item: Claimed, *, http: GuardedClient, settings: Settings, clock: Clock) -> str:
    """Carries out one claimed row of KINDS; no transaction is open while the platform is called. Returns what became of it."""
    with database.transaction() as db:
        task = _prepared(db, item, http=http, secret=settings.secret_key, clock=clock)
        if isinstance(task, Verdict):
            return end(db, item, task, clock())
    made: list[_Outcome] = []

    def call() -> Verdict:
        made.append(_done(task, item))
        return made[0].verdict

    verdict = tried(call)
    with database.transaction() as db:
        return _recorded(db, item, made[0] if made else _Outcome(verdict), clock())


def _put(db: Session, line_item: LineItem, kind: str, key: str, *, now: datetime, **more: Any) -> bool:
    payload = {"line_item": line_item.id, **more}
    lane = platform_lane(line_item.registration_id)
    return outbox.put(db, tenant_id=line_item.tenant_id, kind=kind, key=key, payload=payload, now=now, lane=lane)


def _prepared(db: Session, item: Claimed, *, http: GuardedClient, secret: bytes, clock: Clock) -> _Task | Verdict:
    row = db.execute(
        select(LineItem, Context, ResourceLink.lti_id, Placement)
        .outerjoin(Context, Context.id == LineItem.context_id)
        .outerjoin(ResourceLink, ResourceLink.id == LineItem.resource_link_id)
        .outerjoin(Placement, Placement.id == LineItem.placement_id)
        .where(LineItem.id == item.payload["line_item"])
    ).first()
    if row is None or row[0].gone_at is not None:
        return Verdict("superseded")
    line_item, context, link_id, placement = row
    if (line_item.url is None) != (item.kind == ENSURE):
        return Verdict("superseded")
    services = services_of(db, line_item.registration_id, http=http, tokens=TOKENS, secret=secret, clock=clock)
    if services is None:
        return Verdict("parked", "no platform")
    siblings = select(LineItem.area).where(LineItem.resource_link_id == line_item.resource_link_id, LineItem.area.is_not(None))
    return _Task(
        line_item_id=line_item.id,
        url=line_item.url,
        line_items_url=context.line_items_url if context else None,
        scopes=frozenset(context.ags_scopes if context else line_item.scopes),
        may_make=line_item.is_ours,
        label=line_item.label or "Kaona",
        maximum=line_item.score_maximum or DEFAULT_MAXIMUM,
        tag=line_item.area or TAG_WHOLE,
        resource_id=str(placement.uuid) if placement else None,
        resource_link_id=link_id,
        area_tags=frozenset(area for area in db.scalars(siblings) if area),
        services=services,
    )


def _done(task: _Task, item: Claimed) -> _Outcome:
    match item.kind:
        case "line_item.ensure":
            return _found_or_made(task)
        case "line_item.update":
            return _changed(task, item.payload["changes"])
        case _:
            return _deleted(task)


def _found_or_made(task: _Task) -> _Outcome:
    """The link's column of this tag: one that is there, else a new one."""
    if task.line_items_url is None or task.resource_link_id is None:
        return _Outcome(Verdict("done", COLUMN_MISSING))
    scope = read_scope(task.scopes)
    if scope is not None:
        columns = list_columns(task.services, task.line_items_url, scope=scope, resource_link_id=task.resource_link_id)
        found = find_column(columns, tag=task.tag, resource_id=task.resource_id, area_tags=task.area_tags)
        if found is not None:
            return _checked(found, task, is_made=False)
    if not task.may_make or SCOPE_LINE_ITEM not in task.scopes:
        return _Outcome(Verdict("done", COLUMN_MISSING, lane="works"))
    body = new_column_body(
        label=task.label, maximum=task.maximum, resource_link_id=task.resource_link_id, resource_id=task.resource_id, tag=task.tag
    )
    response = task.services.call(
        "POST", task.line_items_url, scopes=[SCOPE_LINE_ITEM], accept=MEDIA_LINE_ITEM, content=(MEDIA_LINE_ITEM, body)
    )
    verdict = judged(response, task.services.clock())
    if verdict.state != "done":
        return _Outcome(verdict)
    made = column_in(_json(response.body))
    if made is None:  # it is there, but the answer does not say where: the next try finds it in the list
        return _Outcome(Verdict("again", "no line item in the answer", lane="works"))
    return _checked(made, task, is_made=True)


def _checked(column: Column, task: _Task, *, is_made: bool) -> _Outcome:
    """A column is taken only where our bearer tokens may go."""
    if host_of(column.url) not in task.services.platform.approved_hosts or len(column.url) > 2000:  # noqa: PLR2004  the column's width
        return _Outcome(Verdict("parked", "host_foreign"))
    return _Outcome(Verdict("done", lane="works", status=OK), column, is_made)


def _changed(task: _Task, changes: Mapping[str, Any]) -> _Outcome:
    """Reads the column and sends every member back with the changes: what a PUT leaves out is erased."""
    assert task.url is not None
    scope = SCOPE_LINE_ITEM if SCOPE_LINE_ITEM in task.scopes else SCOPE_LINE_ITEM_READ
    response = task.services.call("GET", task.url, scopes=[scope], accept=MEDIA_LINE_ITEM)
    verdict = judged(response, task.services.clock())
    if verdict.state != "done":
        return _Outcome(verdict)
    present = _json(response.body)
    if not isinstance(present, dict):
        return _Outcome(Verdict("again", "no line item in the answer", lane="works"))
    body = strictjson.dumps({**present, **changes})
    response = task.services.call("PUT", task.url, scopes=[SCOPE_LINE_ITEM], accept=MEDIA_LINE_ITEM, content=(MEDIA_LINE_ITEM, body))
    verdict = judged(response, task.services.clock())
    return _Outcome(verdict, column_in({**present, **changes, "id": task.url}) if verdict.state == "done" else None)


def _deleted(task: _Task) -> _Outcome:
    assert task.url is not None
    response = task.services.call("DELETE", task.url, scopes=[SCOPE_LINE_ITEM])
    verdict = judged(response, task.services.clock())
    return _Outcome(Verdict("done", "it was gone already", lane="works", status=NOT_FOUND) if response.status == NOT_FOUND else verdict)


def _recorded(db: Session, item: Claimed, outcome: _Outcome, now: datetime) -> str:
    line_item = db.get(LineItem, item.payload["line_item"], with_for_update=True)
    verdict = outcome.verdict
    if line_item is not None:
        line_item.last_error = verdict.note if verdict.status is None or verdict.state != "done" else None
        if outcome.column is not None:
            _take_over(db, line_item, outcome.column, is_made=outcome.is_made, kind=item.kind)
        is_gone = verdict.status == NOT_FOUND and item.kind != ENSURE
        if is_gone or (item.kind == DELETE and verdict.state == "done"):
            line_item.gone_at = now
    log.info("column_tried", outcome=verdict.state, kind=item.kind, note=verdict.note, line_item=item.payload["line_item"])
    return end(db, item, verdict, now)


def _take_over(db: Session, line_item: LineItem, column: Column, *, is_made: bool, kind: str) -> None:
    """Keeps what the platform says of a column. One that a launch has told us of meanwhile stands for itself."""
    line_item.label = column.label or line_item.label
    line_item.score_maximum = column.maximum or line_item.score_maximum
    line_item.resource_id, line_item.tag = column.resource_id, column.tag
    if kind != ENSURE:
        return
    same = (LineItem.registration_id == line_item.registration_id, LineItem.url == column.url, LineItem.id != line_item.id)
    known = db.scalars(select(LineItem).where(*same)).first()
    if known is not None:
        known.resource_link_id, known.area, known.placement_id = line_item.resource_link_id, line_item.area, line_item.placement_id
        known.context_id, known.label, known.score_maximum = line_item.context_id, line_item.label, line_item.score_maximum
        known.resource_id, known.tag, known.gone_at, known.filled_at = column.resource_id, column.tag, None, None
        is_ours = line_item.is_ours and line_item.area is not None
        db.delete(line_item)
        db.flush()  # two rows of ours for one column would break the promise of one
        known.is_ours = is_ours
        return
    line_item.url, line_item.filled_at = column.url, None
    line_item.is_ours = is_made or (line_item.is_ours and line_item.area is not None)


def _json(body: bytes) -> Any:
    try:
        return strictjson.loads(body)
    except InvalidJson:
        return None
