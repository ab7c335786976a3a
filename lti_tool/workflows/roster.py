"""A course as its teacher sees it: its learners page by page, how far each has come, and what is known of its roster.

Counts, filters and pages are the database's work: a course may have fifteen thousand learners. It cannot order Thai names, so
for that order, and for it alone, the names of all are read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, and_, case, func, literal, or_, select
from sqlalchemy import cast as sql_cast
from sqlalchemy.orm import Session

import assessment.api as assessment
from kernel.errors import NotFound
from kernel.outbox import OutboxItem
from lti_tool.jobs.roster_sync import ask_for_roster, reading_key
from lti_tool.lti.ags import TOLERANCE
from lti_tool.lti.vocabulary import Role
from lti_tool.models import Context, Enrolment, Launch, LineItem, Roster, Score, User
from lti_tool.web.principal import Principal
from lti_tool.web.thai_sorting import thai_order
from lti_tool.workflows.gradebook import find_whole
from lti_tool.workflows.sittings import of_course
from lti_tool.workflows.standing import ScoreState

Progress = Literal["none", "open", "finished"]
Sort = Literal["name", "state", "activity"]

ROWS_A_PAGE = 50
FRESH = timedelta(minutes=15)
"""How old the roster may be when a teacher opens the page before it is read again."""
AFTER_FAULT = timedelta(days=1)
"""How long a reading that failed is left alone, unless the teacher asks for it."""
NAMES_SHOWN = 20
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
SCORE_STATES: tuple[ScoreState, ...] = ("none", "sent", "waiting", "parked")
"""From the best to the worst: several columns of one learner show the worst."""
ORDER: tuple[Progress, ...] = ("none", "open", "finished")


@dataclass(frozen=True, slots=True)
class LearnerRow:
    """One learner of the teacher's course in one assessment."""

    person_uuid: UUID
    display_name: str | None
    """None when the platform sends no names."""
    state: Progress
    started_at: datetime | None
    finished_at: datetime | None
    last_at: datetime | None
    """The last launch, begin or end of a sitting; None for a member who never came."""
    score_state: ScoreState


@dataclass(frozen=True, slots=True)
class Counts:
    """How many learners there are, and in which state; `parked` and `differs` count scores among them."""

    all: int = 0
    none: int = 0
    open: int = 0
    finished: int = 0
    parked: int = 0
    differs: int = 0


Filter = Literal["all", "none", "open", "finished", "parked", "differs"]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which learners the teacher wants to see, in which order.

    search   part of a name; empty for everybody
    page     from 1; one beyond the last counts as the last
    """

    state: Filter = "all"
    sort: Sort = "name"
    search: str = ""
    page: int = 1


@dataclass(frozen=True, slots=True)
class ClassPage:
    """One page of the learners that were asked for.

    total    counts over the whole course
    found    counts over those whose name was searched for
    """

    rows: tuple[LearnerRow, ...]
    total: Counts
    found: Counts
    page: int
    n_pages: int
    n_shown: int


@dataclass(frozen=True, slots=True)
class RosterChange:
    """What the last reading that found a change found; names of the first few, None for people whose name we do not get."""

    at: datetime
    n_new: int
    n_changed: int
    n_left: int
    joined: tuple[str | None, ...]
    changed: tuple[str | None, ...]
    left: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class RosterState:
    """What is known of the roster of the teacher's course.

    is_offered    whether the platform lets us read it
    is_coming     whether a reading is on its way
    fault         why the last reading did not come to its end, as `Roster.last_error`
    """

    is_offered: bool
    read_at: datetime | None = None
    tried_at: datetime | None = None
    is_coming: bool = False
    fault: str | None = None
    change: RosterChange | None = None

    def is_wanted(self, now: datetime) -> bool:
        """Whether a teacher who opens the page should have it read."""
        last = self.tried_at or LONG_AGO
        return self.is_offered and not self.is_coming and now - last >= (AFTER_FAULT if self.fault else FRESH)


def class_page(db: Session, principal: Principal, form_uuid: UUID, asked: Asked) -> ClassPage:
    """One page of the learners of this launch's course. Raises FormNotFound for another agency's form."""
    assessment.get_form(db, form_uuid, tenant_id=principal.tenant_id)
    everyone = _Class(db, principal, form_uuid)
    found = _Class(db, principal, form_uuid, search=asked.search) if asked.search else everyone
    total = everyone.counts()
    counts = found.counts() if found is not everyone else total
    n_shown = getattr(counts, asked.state)
    n_pages = max(1, -(-n_shown // ROWS_A_PAGE))
    page = min(max(1, asked.page), n_pages)
    rows = found.rows(asked.state, asked.sort, first=(page - 1) * ROWS_A_PAGE)
    return ClassPage(tuple(rows), total, counts, page, n_pages, n_shown)


def count_class(db: Session, principal: Principal, form_uuid: UUID) -> Counts:
    """How many learners of this launch's course are in which state."""
    return _Class(db, principal, form_uuid).counts()


def list_class(db: Session, principal: Principal, form_uuid: UUID, asked: Asked) -> list[LearnerRow]:
    """All the learners that were asked for, whatever their number. Raises FormNotFound for another agency's form."""
    assessment.get_form(db, form_uuid, tenant_id=principal.tenant_id)
    return _Class(db, principal, form_uuid, search=asked.search).rows(asked.state, asked.sort, n=None)


def get_learner(db: Session, principal: Principal, form_uuid: UUID, person_uuid: UUID) -> LearnerRow:
    """One learner of this launch's course. Raises NotFound for anybody else."""
    row = _Class(db, principal, form_uuid).row_of(person_uuid)
    if row is None:
        raise NotFound
    return row


def count_levels(db: Session, principal: Principal, form_uuid: UUID) -> Mapping[str, Mapping[int, int]]:
    """How many learners of the course reached which level: by code of the form's domain, then by level."""
    return assessment.count_levels(
        db,
        tenant_id=principal.tenant_id,
        form_uuid=form_uuid,
        persons=select(User.person_uuid).where(*_learners(principal)),
        among=of_course(principal),
    )


def roster_state(db: Session, principal: Principal) -> RosterState:
    """What is known of the roster of this launch's course."""
    row = db.execute(
        select(Context.memberships_url, Roster)
        .outerjoin(Roster, Roster.context_id == Context.id)
        .where(Context.id == principal.context_id, Context.tenant_id == principal.tenant_id)
    ).first()
    if row is None or (row[0] is None and row[1] is None):
        return RosterState(is_offered=False)
    roster: Roster | None = row[1]
    if roster is None:
        return RosterState(is_offered=True)
    key = reading_key(roster.context_id, roster.n_readings)
    is_coming = db.scalar(select(OutboxItem.id).where(OutboxItem.key == key, OutboxItem.state == "waiting")) is not None
    return RosterState(
        is_offered=row[0] is not None,
        read_at=roster.read_at,
        tried_at=roster.tried_at,
        is_coming=is_coming,
        fault=roster.last_error,
        change=_change(db, roster),
    )


def ask_for_class(db: Session, principal: Principal, now: datetime) -> None:
    """Has the roster of this launch's course read by the worker. Raises NotFound where there is none to read."""
    if principal.context_id is None or not roster_state(db, principal).is_offered:
        raise NotFound
    ask_for_roster(db, tenant_id=principal.tenant_id, context_id=principal.context_id, now=now)


def _change(db: Session, roster: Roster) -> RosterChange | None:
    if roster.change_at is None:
        return None

    def names(*which: ColumnElement[bool]) -> tuple[str | None, ...]:
        people = (
            select(User.display_name).join(Enrolment, Enrolment.user_id == User.id).where(Enrolment.context_id == roster.context_id, *which)
        )
        return tuple(db.scalars(people.order_by(User.display_name.is_(None), User.display_name, User.id).limit(NAMES_SHOWN)))

    at = roster.change_at
    return RosterChange(
        at=at,
        n_new=roster.n_new,
        n_changed=roster.n_changed,
        n_left=roster.n_left,
        joined=names(Enrolment.joined_at == at) if roster.n_new else (),
        changed=names(Enrolment.changed_at == at, Enrolment.joined_at != at) if roster.n_changed else (),
        left=names(Enrolment.removed_at == at) if roster.n_left else (),
    )


def learners_of(principal: Principal) -> Select[User]:
    """The present learners of this launch's course, as a query of people."""
    return select(User).where(*_learners(principal))


def _learners(principal: Principal) -> tuple[ColumnElement[bool], ...]:
    """Present learners of the course, as conditions on people."""
    roles = sql_cast(Enrolment.roles, Text)
    enrolled = select(Enrolment.user_id).where(
        Enrolment.context_id == principal.context_id,
        Enrolment.removed_at.is_(None),
        roles.contains(f'"{Role.LEARNER}"'),
        ~roles.contains(f'"{Role.INSTRUCTOR}"'),
    )
    return (User.id.in_(enrolled), User.tenant_id == principal.tenant_id, User.blocked_at.is_(None))


def _scores(db: Session, principal: Principal) -> Select[int, Any, Any]:
    """Per learner: the worst state of the scores in the columns of this launch's link, and how many the gradebook shows otherwise."""
    whole = None if principal.resource_link_id is None else find_whole(db, principal.resource_link_id)
    areas = and_(LineItem.resource_link_id == principal.resource_link_id, LineItem.area.is_not(None), LineItem.gone_at.is_(None))
    worst = case(*((Score.state == state, place) for place, state in enumerate(SCORE_STATES)), else_=0)
    is_compared = and_(Score.state == "sent", Score.result_read_at >= Score.sent_at)
    is_other = or_(Score.result_given.is_(None), func.abs(Score.result_given - Score.given) > TOLERANCE * Score.maximum)
    return (
        select(Score.user_id, func.max(worst).label("worst"), func.sum(case((and_(is_compared, is_other), 1), else_=0)).label("differs"))
        .join(LineItem, LineItem.id == Score.line_item_id)
        .where(or_(LineItem.id == (whole.id if whole else None), areas))
        .group_by(Score.user_id)
    )


class _Class:
    """The learners of a course in one assessment, as one relation that can be counted, ordered and cut."""

    def __init__(self, db: Session, principal: Principal, form_uuid: UUID, *, search: str = "") -> None:
        self._db = db
        launches = (
            select(Launch.user_id, func.max(Launch.created_at).label("at"))
            .where(Launch.context_id == principal.context_id, Launch.preview_of_id.is_(None))
            .group_by(Launch.user_id)
            .subquery()
        )
        attempt = assessment.newest_attempts(tenant_id=principal.tenant_id, form_uuid=form_uuid, among=of_course(principal)).c
        scores = _scores(db, principal).subquery()
        self._state = case((attempt.state == "finished", "finished"), (attempt.state.is_not(None), "open"), else_="none")
        self._worst = func.coalesce(scores.c.worst, 0)
        self._differs = func.coalesce(scores.c.differs, 0)
        moments = [func.coalesce(moment, LONG_AGO) for moment in (launches.c.at, attempt.started_at, attempt.finished_at)]
        latest = func.greatest if db.get_bind().dialect.name == "postgresql" else func.max
        self._last_at = latest(*moments, type_=launches.c.at.type)
        who = list(_learners(principal))
        if search:
            code = and_(User.display_name.is_(None), sql_cast(User.person_uuid, Text).startswith(search.lower(), autoescape=True))
            who.append(or_(User.display_name.icontains(search, autoescape=True), code))
        self._people = select(User).where(*who)
        self._all: Select[Any] = (
            select(User.person_uuid, User.display_name, self._state, attempt.started_at, attempt.finished_at, self._last_at, self._worst)
            .select_from(User)
            .outerjoin(launches, launches.c.user_id == User.id)
            .outerjoin(attempt.person_uuid.table, attempt.person_uuid == User.person_uuid)
            .outerjoin(scores, scores.c.user_id == User.id)
            .where(*who)
        )

    def counts(self) -> Counts:
        """How many there are in each state."""
        parked, differs = self._worst == SCORE_STATES.index("parked"), self._differs > 0
        grouped = self._all.with_only_columns(self._state, parked, differs, func.count()).group_by(self._state, parked, differs)
        counts = dict.fromkeys(Counts.__dataclass_fields__, 0)
        for state, is_parked, is_different, n in self._db.execute(grouped):
            for name in ("all", state, *(["parked"] if is_parked else []), *(["differs"] if is_different else [])):
                counts[name] += n
        return Counts(**counts)

    def rows(self, state: Filter, sort: Sort, *, first: int = 0, n: int | None = ROWS_A_PAGE) -> list[LearnerRow]:
        """Those in one state, in one order; `n` of them from the one after the first `first`."""
        chosen = self._all.where(*self._only(state))
        if sort == "name":
            named = self._db.execute((self._people if state == "all" else chosen).with_only_columns(User.id, User.display_name)).all()
            ordered = sorted(named, key=lambda one: (one[1] is None, thai_order(one[1] or ""), one[0]))
            return self._rows_of([user for user, _ in ordered[first : None if n is None else first + n]])
        rank = case(*((self._state == each, place) for place, each in enumerate(ORDER)))
        keys = (rank, self._last_at.desc(), User.id) if sort == "state" else (self._last_at.desc(), User.id)
        return [_row(found) for found in self._db.execute(chosen.order_by(*keys).offset(first).limit(n))]

    def row_of(self, person: UUID) -> LearnerRow | None:
        """One person's row; None for whoever is no present learner."""
        found = self._db.execute(self._all.where(User.person_uuid == person)).first()
        return None if found is None else _row(found)

    def _rows_of(self, users: Sequence[int]) -> list[LearnerRow]:
        """Some people's rows, in their order."""
        found: dict[int, LearnerRow] = {}
        for start in range(0, len(users), 500):
            some = self._all.add_columns(User.id).where(User.id.in_(users[start : start + 500]))
            found |= {row[-1]: _row(row[:-1]) for row in self._db.execute(some)}
        return [found[user] for user in users]

    def _only(self, state: Filter) -> list[ColumnElement[bool]]:
        match state:
            case "all":
                return []
            case "parked":
                return [self._worst == SCORE_STATES.index("parked")]
            case "differs":
                return [self._differs > 0]
            case _:
                return [self._state == literal(state)]


def _row(found: Any) -> LearnerRow:
    person, name, state, started_at, finished_at, last_at, worst = found
    return LearnerRow(
        person, name, cast("Progress", state), started_at, finished_at, last_at if last_at > LONG_AGO else None, SCORE_STATES[worst]
    )
