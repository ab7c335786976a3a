"""The time of a course's learners as their teacher sees and changes it: who is under way, who needs a look, extra time for one."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

import assessment.api as assessment
from kernel.errors import NotFound
from lti_tool.models import Launch, User
from lti_tool.web.principal import Principal
from lti_tool.workflows import allowances, roster
from lti_tool.workflows.allowances import Grant
from lti_tool.workflows.sittings import of_course

Watch = Literal["away", "ending", "quiet", "paused", "working"]
"""What a teacher makes of a sitting, what needs a look first."""

WATCHES: tuple[Watch, ...] = ("away", "ending", "quiet", "paused", "working")
AWAY_AFTER = timedelta(seconds=150)
"""No request of the page for so long: it asks for its time once a minute at the least, and a visit is noted once a minute."""
ENDING_SECONDS = 300
"""The time is nearly over: the second of the three warnings has been given."""
QUIET_AFTER = timedelta(minutes=5)
"""No answer for so long, with the page open."""
SHOWN = 50
"""Sittings under way that a page shows, those that need a look first."""


@dataclass(frozen=True, slots=True)
class UnderWay:
    """One sitting under way, as the teacher's page shows it."""

    person_uuid: UUID
    display_name: str | None
    watch: Watch
    n_items: int
    last_at: datetime
    seconds_left: int
    has_extra_time: bool


@dataclass(frozen=True, slots=True)
class Now:
    """The sittings of a course that are under way. counts: by `Watch`."""

    shown: tuple[UnderWay, ...]
    counts: dict[Watch, int]

    @property
    def n(self) -> int:
        """How many."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a learner is allowed in one assessment.

    scope               `sitting` | `form` | `all`
    can_be_taken_back   by a teacher: what holds for this assessment alone
    """

    uuid: UUID
    scope: str
    allowance: assessment.Allowance
    valid_until: datetime | None
    granted_at: datetime
    can_be_taken_back: bool


@dataclass(frozen=True, slots=True)
class LearnerTime:
    """The time of one learner in one assessment. attempt: the sitting that runs; None without one."""

    attempt: assessment.AttemptSummary | None
    allowed: tuple[Allowed, ...]


def look_at_now(db: Session, principal: Principal, form_uuid: UUID, now: datetime) -> Now:
    """Who of the course is under way, who needs a look first."""
    sittings = assessment.list_open(
        db,
        tenant_id=principal.tenant_id,
        form_uuid=form_uuid,
        persons=roster.learners_of(principal).with_only_columns(User.person_uuid),
        now=now,
        among=of_course(principal),
    )
    seen = _seen(db, {one.device for one in sittings})
    watched = sorted(((_watch(one, seen.get(one.device), now), one) for one in sittings), key=lambda each: WATCHES.index(each[0]))
    people = [one.person_uuid for _, one in watched[:SHOWN]]
    named = select(User.person_uuid, User.display_name).where(User.person_uuid.in_(people), User.tenant_id == principal.tenant_id)
    names = dict(db.execute(named).all())
    shown = [
        UnderWay(
            one.person_uuid,
            names.get(one.person_uuid),
            watch,
            one.n_items,
            one.last_at,
            one.seconds_left,
            one.extra_minutes > 0 or one.factor_percent > 100,  # noqa: PLR2004  the limit itself
        )
        for watch, one in watched[:SHOWN]
    ]
    counts = {watch: sum(found == watch for found, _ in watched) for watch in WATCHES}
    return Now(tuple(shown), counts)


def time_of(db: Session, principal: Principal, form_uuid: UUID, person_uuid: UUID, now: datetime) -> LearnerTime:
    """The time of one learner of the course. Raises NotFound."""
    learner = roster.get_learner(db, principal, form_uuid, person_uuid)
    whose: dict[str, Any] = {"tenant_id": principal.tenant_id, "person_uuid": person_uuid}
    newest = assessment.find_attempt(db, form_uuid=form_uuid, **whose)
    attempt = newest if newest and newest.state == "open" and learner.state == "open" else None
    found = []
    for one in assessment.list_accommodations(db, tenant_id=principal.tenant_id, person_uuids=[person_uuid], now=now):
        if one.attempt_uuid is not None:
            scope = "sitting" if attempt and one.attempt_uuid == attempt.uuid else None
        else:
            scope = {None: "all", form_uuid: "form"}.get(one.form_uuid)
        if scope is not None:
            allowance = assessment.Allowance(one.factor_percent, one.extra_minutes, one.pauses, one.pause_minutes)
            found.append(Allowed(one.uuid, scope, allowance, one.valid_until, one.granted_at, scope != "all"))
    return LearnerTime(attempt, tuple(found))


def allow(db: Session, principal: Principal, form_uuid: UUID, grant: Grant, now: datetime) -> None:
    """Allows one learner of the course something, for the assessment or for the sitting that runs.

    grant    names its form or its sitting
    Raises   NotFound, AccommodationInvalid
    """
    _check_place(time_of(db, principal, form_uuid, grant.person_uuid, now), form_uuid, grant)
    allowances.set_for_person(db, grant, tenant_id=principal.tenant_id, actor=f"user:{principal.user_id}", now=now)


def preview(db: Session, principal: Principal, form_uuid: UUID, grant: Grant, now: datetime) -> datetime | None:
    """When the sitting that runs would end under a grant; None where none runs. Raises NotFound, AccommodationInvalid."""
    known = time_of(db, principal, form_uuid, grant.person_uuid, now)
    _check_place(known, form_uuid, grant)
    assessment.check_accommodation(grant.allowance, grant.reason, valid_from=grant.valid_from or now, valid_until=grant.valid_until)
    if known.attempt is None:
        return None
    return assessment.preview_deadline(
        db,
        known.attempt.uuid,
        grant.allowance,
        tenant_id=principal.tenant_id,
        person_uuid=grant.person_uuid,
        now=now,
        form_uuid=grant.form_uuid,
    )


def take_back(db: Session, principal: Principal, form_uuid: UUID, person_uuid: UUID, *, accommodation: UUID, now: datetime) -> None:
    """Takes back what a learner of the course was allowed for this assessment, or for a sitting of it.

    Raises   NotFound for anybody else, and for what holds for other assessments too
    """
    known = time_of(db, principal, form_uuid, person_uuid, now).allowed
    if accommodation not in {one.uuid for one in known if one.can_be_taken_back}:
        raise NotFound
    allowances.withdraw(db, accommodation, tenant_id=principal.tenant_id, actor=f"user:{principal.user_id}", now=now)


def _check_place(known: LearnerTime, form_uuid: UUID, grant: Grant) -> None:
    """A grant is for this assessment, or for the sitting of it that runs. Raises NotFound."""
    running = known.attempt.uuid if known.attempt else None
    if (grant.form_uuid, grant.attempt_uuid) not in {(form_uuid, None), (None, running)} or (grant.form_uuid or grant.attempt_uuid) is None:
        raise NotFound


def _seen(db: Session, devices: set[str | None]) -> dict[str | None, datetime]:
    """When the launches that answer were last seen."""
    uuids = []
    for device in devices:
        try:
            uuids.append(UUID((device or "")[:36]))
        except ValueError:
            continue
    rows = db.execute(select(Launch.uuid, Launch.seen_at).where(Launch.uuid.in_(sorted(uuids))))
    by_launch = {str(uuid): seen_at for uuid, seen_at in rows}
    return {device: by_launch[(device or "")[:36]] for device in devices if (device or "")[:36] in by_launch}


def _watch(one: assessment.OpenAttempt, seen_at: datetime | None, now: datetime) -> Watch:
    if one.hold == "pause":
        return "paused"
    alive_at = max(moment for moment in (one.last_at, one.alive_at, seen_at) if moment is not None)
    if now - alive_at > AWAY_AFTER:
        return "away"
    if one.seconds_left <= ENDING_SECONDS:
        return "ending"
    return "quiet" if now - one.last_at > QUIET_AFTER else "working"
