"""What finished sittings mean for the columns of a gradebook: which columns a link has, which sitting stands, what is sent.

A score is a function of the sittings through one link, of the placement's rules and of what a teacher set by hand: it can be
computed again at any time, and only what changes is sent. Which sittings count for a link is told by `sittings`; a copy of a link starts
with an empty column.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, or_, select, update
from sqlalchemy.orm import Session

import assessment.api as assessment
import roadmap.api as roadmap
from kernel.clock import Clock
from kernel.db import Database
from kernel.errors import NotFound
from kernel.langmap import text_in
from lti_tool.jobs.line_items import ask_for_column, change_column
from lti_tool.jobs.score_publish import enqueue_score
from lti_tool.lti.ags import cut_label, read_scope
from lti_tool.models import Context, Deployment, Launch, LineItem, Placement, ResourceLink, Score, User
from lti_tool.web.principal import Principal
from lti_tool.workflows.sittings import count_here, counted_for, counted_links

DEFAULT_MAXIMUM = 100.0
"""Points of a column that nobody has told the maximum of; the platform rescales."""
DEFAULT_POLICY = "last"
"""For a link that nobody placed: the column of a tool has always shown what the tool sent last."""
DECIMALS = 4
USERS_AT_ONCE = 200
"""People whose scores are computed in one transaction."""
LINKS_AT_ONCE = 50
LABEL_LANGUAGE = "th"


@dataclass(frozen=True, slots=True)
class Sitting:
    """A finished sitting as a gradebook sees it.

    share    of the maximum, 0..1
    areas    node key of each area to its share, 0..1
    """

    form_uuid: UUID
    started_at: datetime
    finished_at: datetime
    share: float
    areas: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Offer:
    """A result that a person may use for the link of a launch.

    is_of_course   it counts in this course already, for another link of it
    """

    attempt_uuid: UUID
    finished_at: datetime
    is_of_course: bool


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A column that a link should have; area: none for the whole."""

    area: str | None
    label: str
    maximum: float


@dataclass(frozen=True, slots=True)
class _Link:
    """One resource link with what stands behind and around it."""

    row: ResourceLink
    registration_id: int
    placement: Placement | None
    context: Context | None

    @property
    def form_uuid(self) -> UUID | None:
        """The assessment that was placed."""
        kind, _, name = self.placement.activity.partition(":") if self.placement else ("", "", "")
        return UUID(name) if kind == "assessment" and name else None


def standing_sitting(sittings: Sequence[Sitting], policy: str) -> Sitting | None:
    """The sitting that decides the score: the best (of equals the earliest), the last or the first. None without any."""
    by_time = sorted(sittings, key=lambda sitting: (sitting.finished_at, sitting.started_at))
    if not by_time:
        return None
    match policy:
        case "best":
            return max(by_time, key=lambda sitting: sitting.share)
        case "first":
            return by_time[0]
        case _:
            return by_time[-1]


def points(share: float, maximum: float) -> float:
    """Points for a share of a maximum, never below 0 or above it: a platform would clamp what is wrong without a word."""
    return min(max(round(share * maximum, DECIMALS), 0.0), maximum)


def score_sitting(db: Session, *, user: User, link_ids: Iterable[int], now: datetime) -> bool:
    """Brings the columns of some links up to date, for which a sitting of this person has just begun to count.

    link_ids   in rising order, so that two of them never wait for each other
    Returns    whether a score is on its way
    """
    n_queued = 0
    for link_id in link_ids:
        link = _get_link(db, link_id)
        _ensure(db, link, now, may_look=True)
        n_queued += _fill(db, link, [user], now=now)
    return n_queued > 0


def find_offer(db: Session, principal: Principal, form_uuid: UUID) -> Offer | None:
    """The person's newest result in a form, where the link of this launch is graded and the result does not count for it yet."""
    if principal.resource_link_id is None or not is_graded(db, principal, form_uuid):
        return None
    newest = _newest(db, principal, form_uuid)
    links = counted_links(db, newest.attempt_uuid) if newest else ()
    if newest is None or any(link_id == principal.resource_link_id for link_id, _ in links):
        return None
    is_of_course = any(context_id is not None and context_id == principal.context_id for _, context_id in links)
    return Offer(newest.attempt_uuid, newest.finished_at, is_of_course)


def use_result(db: Session, principal: Principal, form_uuid: UUID, now: datetime) -> UUID:
    """The person's newest result in a form counts for the link of this launch from now on; twice changes nothing.

    Returns  the sitting
    Raises   FormNotFound, and NotFound where there is no result or no link
    """
    assessment.get_form(db, form_uuid, tenant_id=principal.tenant_id)
    newest = _newest(db, principal, form_uuid)
    if newest is None or principal.resource_link_id is None:
        raise NotFound
    count_here(db, principal, newest.attempt_uuid, now)
    score_sitting(db, user=db.get_one(User, principal.user_id), link_ids=[principal.resource_link_id], now=now)
    return newest.attempt_uuid


def is_graded(db: Session, principal: Principal, form_uuid: UUID) -> bool:
    """Whether sittings of a form give scores at the link of this launch: it has a column, or is about to get one."""
    if principal.resource_link_id is None or principal.is_preview:
        return False
    link = _get_link(db, principal.resource_link_id)
    if link.form_uuid not in {None, form_uuid}:
        return False
    column = find_whole(db, link.row.id)
    if column is not None:
        return column.gone_at is None
    context, placement = link.context, link.placement
    if context is None or context.line_items_url is None or read_scope(context.ags_scopes) is None:
        return False
    return placement is not None and (placement.score_maximum is not None or placement.has_area_columns)


def fill_person(db: Session, *, link_id: int, user_id: int, now: datetime) -> int:
    """Computes one person's scores in the columns of a link and queues what changed. Returns how many."""
    return _fill(db, _get_link(db, link_id), [db.get_one(User, user_id)], now=now)


def ensure_columns(db: Session, link_id: int, now: datetime) -> None:
    """Asks for the columns that the link's placement wants and that are not there; a column that somebody deleted stays away."""
    _ensure(db, _get_link(db, link_id), now, may_look=False)


def placement_changed(db: Session, placement_id: int, now: datetime) -> None:
    """A designer changed title, points, areas or policy: our columns follow, and the scores in all of them are computed again."""
    links = db.scalars(select(ResourceLink.id).where(ResourceLink.placement_id == placement_id).order_by(ResourceLink.id))
    for link_id in list(links):
        link = _get_link(db, link_id)
        _ensure(db, link, now, may_look=False)
        wanted = {one.area: one for one in _wanted(db, link)}
        for column in db.scalars(_columns(link).where(LineItem.gone_at.is_(None))):
            column.placement_id, column.filled_at = placement_id, None
            should = wanted.get(column.area)
            if column.is_ours and should is not None:
                label = should.label if column.label != should.label else None
                maximum = should.maximum if column.score_maximum != should.maximum else None
                change_column(db, column, now=now, label=label, maximum=maximum)


def ensure_some(database: Database, clock: Clock) -> int:
    """Asks for the columns of links that were placed and lack them. Returns how many links.

    Some of them may lack their column for good; the draw gives every other one its turn.
    """
    with database.reading() as db:
        links = [link_id for link_id, scopes in db.execute(_lacking()) if read_scope(scopes) is not None]
    for link_id in random.sample(links, min(len(links), LINKS_AT_ONCE)):
        with database.transaction() as db:
            ensure_columns(db, link_id, clock())
    return min(len(links), LINKS_AT_ONCE)


def fill_some(database: Database, clock: Clock) -> int:
    """Puts the scores of earlier sittings into columns that are new, or whose rules changed. Returns how many columns."""
    unfilled = (LineItem.filled_at.is_(None), LineItem.url.is_not(None), LineItem.gone_at.is_(None), LineItem.resource_link_id.is_not(None))
    with database.reading() as db:
        columns = db.execute(
            select(LineItem.id, LineItem.resource_link_id).where(*unfilled).order_by(LineItem.id).limit(LINKS_AT_ONCE)
        ).all()
    for column_id, link_id in columns:
        assert link_id is not None
        begun_at = clock()
        _fill_link(database, link_id, clock)
        newer = select(Placement.id).where(Placement.id == LineItem.placement_id, Placement.changed_at > begun_at).exists()
        with database.transaction() as db:
            db.execute(update(LineItem).where(LineItem.id == column_id, ~newer).values(filled_at=begun_at))
    return len(columns)


def find_whole(db: Session, link_id: int) -> LineItem | None:
    """The column of a link's whole activity, a present one before one that is gone; None for an ungraded link."""
    whole = select(LineItem).where(LineItem.resource_link_id == link_id, LineItem.area.is_(None), LineItem.url.is_not(None))
    return db.scalars(whole.order_by(LineItem.gone_at.is_not(None), LineItem.id.desc())).first()


def column_maximum(column: LineItem, placement: Placement | None) -> float:
    """Points of a column, as far as anybody told us."""
    return column.score_maximum or (placement.score_maximum if placement else None) or DEFAULT_MAXIMUM


def _get_link(db: Session, link_id: int) -> _Link:
    row = db.execute(
        select(ResourceLink, Deployment.registration_id, Placement, Context)
        .join(Deployment, Deployment.id == ResourceLink.deployment_id)
        .outerjoin(Placement, Placement.id == ResourceLink.placement_id)
        .outerjoin(Context, Context.id == ResourceLink.context_id)
        .where(ResourceLink.id == link_id)
    ).one()
    return _Link(*row)


def _columns(link: _Link) -> Select[LineItem]:
    return select(LineItem).where(LineItem.resource_link_id == link.row.id).order_by(LineItem.id)


def _wanted(db: Session, link: _Link) -> list[_Wanted]:
    """The columns that the placement asks for: the whole when it gives points, and the areas when a designer wanted them."""
    placement = link.placement
    if placement is None:
        return []
    maximum = placement.score_maximum
    whole = [] if maximum is None else [_Wanted(None, cut_label(placement.title), maximum)]
    if not placement.has_area_columns or link.form_uuid is None:
        return whole
    try:
        form = assessment.get_form(db, link.form_uuid, tenant_id=placement.tenant_id)
    except NotFound:  # the agency no longer has the assessment
        return whole
    labels = {node.key: text_in(LABEL_LANGUAGE, node.label) for node in roadmap.get_framework(db, form.framework).nodes}
    keys = [domain.competency for domain in form.domains]
    return whole + [_Wanted(key, cut_label(f"{placement.title}: {labels.get(key, key)}"), maximum or DEFAULT_MAXIMUM) for key in keys]


def _ensure(db: Session, link: _Link, now: datetime, *, may_look: bool) -> None:
    """Rows of ours for the columns that are wanted, made under a lock of the link, each with its place in the outbox.

    may_look   a link without a column is asked for one that the platform has and did not tell of (it tells of none when there
               are several)
    """
    context = link.context
    if context is None or context.line_items_url is None or read_scope(context.ags_scopes) is None:
        return
    wanted = _wanted(db, link)
    if may_look and all(one.area is not None for one in wanted):
        wanted.append(_Wanted(None, link.row.title or "Kaona", DEFAULT_MAXIMUM))
    columns = {column.area: column for column in db.scalars(_columns(link))}
    if all(one.area in columns and columns[one.area].url is not None for one in wanted):
        return
    db.execute(select(ResourceLink.id).where(ResourceLink.id == link.row.id).with_for_update())
    columns = {column.area: column for column in db.scalars(_columns(link))}
    asked = {one.area for one in _wanted(db, link)}
    for one in wanted:
        column = columns.get(one.area)
        if column is None:
            column = LineItem(
                tenant_id=link.row.tenant_id,
                registration_id=link.registration_id,
                resource_link_id=link.row.id,
                context_id=context.id,
                placement_id=link.placement.id if link.placement else None,
                area=one.area,
                is_ours=one.area in asked,
                label=one.label,
                score_maximum=one.maximum,
                scopes=list(context.ags_scopes),
                created_at=now,
            )
            db.add(column)
            db.flush()  # the outbox names its id
        if column.url is None and column.gone_at is None:
            ask_for_column(db, column, now=now)


def _lacking() -> Select[int, list[str]]:
    """Links whose placement wants a column of the whole, or of areas, and that have no row for it; with the scopes of their course."""

    def lacks(is_wanted: ColumnElement[bool], area: ColumnElement[bool]) -> ColumnElement[bool]:
        return and_(is_wanted, ~select(LineItem.id).where(LineItem.resource_link_id == ResourceLink.id, area).exists())

    return (
        select(ResourceLink.id, Context.ags_scopes)
        .join(Placement, Placement.id == ResourceLink.placement_id)
        .join(Context, Context.id == ResourceLink.context_id)
        .where(
            Context.line_items_url.is_not(None),
            or_(
                lacks(Placement.score_maximum.is_not(None), LineItem.area.is_(None)),
                lacks(and_(Placement.has_area_columns, Placement.activity.like("assessment:%")), LineItem.area.is_not(None)),
            ),
        )
        .order_by(ResourceLink.id.desc())
    )


def _fill_link(database: Database, link_id: int, clock: Clock) -> None:
    """Computes the scores of everybody who came through a link, some people a transaction."""
    last = 0
    while True:
        with database.transaction() as db:
            came = select(Launch.user_id).where(Launch.resource_link_id == link_id, Launch.preview_of_id.is_(None), Launch.user_id > last)
            users = list(db.scalars(select(User).where(User.id.in_(came)).order_by(User.id).limit(USERS_AT_ONCE)))
            if not users:
                return
            _fill(db, _get_link(db, link_id), users, now=clock())
            last = users[-1].id


def _fill(db: Session, link: _Link, users: Sequence[User], *, now: datetime) -> int:
    """Computes the scores of some people in the columns of a link; what is new or changed is queued. Returns how many."""
    columns = _fed(db, link)
    if not columns:
        return 0
    kept = _scores(db, [column.id for column in columns], [user.id for user in users])
    sittings = _sittings(db, link, users)
    policy = link.placement.attempts_policy if link.placement else DEFAULT_POLICY
    n_queued = 0
    for user in users:
        sitting = standing_sitting(_of_one_form(link, sittings.get(user.person_uuid, [])), policy)
        for column in columns if sitting else []:
            assert sitting is not None
            maximum = column_maximum(column, link.placement)
            match _score(db, column, user, sitting, kept=kept.get((column.id, user.id)), maximum=maximum, now=now):
                case "queued":
                    n_queued += 1
                case "met":  # a sitting that we did not see may stand behind the other's value
                    return n_queued + 1 + _fill(db, link, users[users.index(user) :], now=now)
    return n_queued


def _fed(db: Session, link: _Link) -> list[LineItem]:
    """The columns that get scores: that of the whole, and those of areas as long as they are wanted."""
    whole = find_whole(db, link.row.id)
    columns = [] if whole is None else [whole]
    if link.placement is not None and link.placement.has_area_columns:
        columns += db.scalars(_columns(link).where(LineItem.area.is_not(None), LineItem.url.is_not(None), LineItem.gone_at.is_(None)))
    return columns


def _sittings(db: Session, link: _Link, users: Sequence[User]) -> dict[UUID, list[Sitting]]:
    """Finished sittings with an answer that count for this link, by person."""
    finished = assessment.list_finished(db, tenant_id=link.row.tenant_id, person_uuids=[user.person_uuid for user in users])
    counted = counted_for(db, link.row.id, users)
    found: dict[UUID, list[Sitting]] = {}
    for one in finished:
        if one.n_items and one.attempt_uuid in counted:
            areas = {area.competency: area.level / one.top_level for area in one.areas}
            found.setdefault(one.person_uuid, []).append(Sitting(one.form_uuid, one.started_at, one.finished_at, one.scaled, areas))
    return found


def _newest(db: Session, principal: Principal, form_uuid: UUID) -> assessment.FinishedAttempt | None:
    """The person's newest finished sitting of a form with an answer; None in a preview, whose sittings are none."""
    finished = assessment.list_finished(db, tenant_id=principal.tenant_id, person_uuids=[principal.person_uuid])
    return next((one for one in reversed(finished) if one.form_uuid == form_uuid and one.n_items), None)


def _of_one_form(link: _Link, sittings: Sequence[Sitting]) -> list[Sitting]:
    """Sittings of the assessment that was placed; where none was, of the one that the person finished last."""
    form_uuid = link.form_uuid or (sittings[-1].form_uuid if sittings else None)
    return [sitting for sitting in sittings if sitting.form_uuid == form_uuid]


def _scores(db: Session, column_ids: Iterable[int], user_ids: Iterable[int]) -> dict[tuple[int, int], Score]:
    """Scores that are there, held until the transaction ends: whoever changes one is waited for, and what they stored is seen next."""
    ours = (Score.line_item_id.in_(list(column_ids)), Score.user_id.in_(list(user_ids)))
    rows = db.scalars(select(Score).where(*ours).order_by(Score.id).with_for_update().execution_options(populate_existing=True))
    return {(score.line_item_id, score.user_id): score for score in rows}


def _score(
    db: Session, column: LineItem, user: User, sitting: Sitting, *, kept: Score | None, maximum: float, now: datetime
) -> Literal["queued", "met", "stands"]:
    """Queues one score unless the same one stands already, or a teacher set another by hand.

    Returns  `met` when somebody else began the same score at the same moment
    """
    share = sitting.share if column.area is None else sitting.areas.get(column.area)
    if share is None or (kept is not None and kept.override_by_id is not None):
        return "stands"
    given = points(share, maximum)
    if kept is not None and (kept.given, kept.maximum, kept.submitted_at) == (given, maximum, sitting.finished_at):
        return "stands"
    is_first = enqueue_score(
        db,
        line_item=column,
        user=user,
        score_given=given,
        score_maximum=maximum,
        comment=None,
        now=now,
        started_at=sitting.started_at,
        submitted_at=sitting.finished_at,
        is_new=kept is None,
    )
    return "queued" if is_first else "met"
