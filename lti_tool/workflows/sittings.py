"""Which sittings count where: at the link where one was begun, at the link where it was finished, and where its person used the result.

A sitting belongs to a person and a form, and is gone on with wherever its person comes in; a grade belongs to a link. So each pair
is written down when it comes about, and nothing leaves for a course in which the person did not act.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import Select, Table, Text, bindparam, func, select
from sqlalchemy import cast as sql_cast
from sqlalchemy.orm import Session

import assessment.api as assessment
from kernel.db import connection_of
from kernel.prepared import OneOf, Prepared, either
from lti_tool.models import CountedSitting, Launch, Placement, ResourceLink, User
from lti_tool.web.principal import Principal

_sitting = cast("Table", CountedSitting.__table__)
_COUNT = either(lambda insert: insert(_sitting).on_conflict_do_nothing(index_elements=["resource_link_id", "attempt_uuid"]))
_COUNTED = Prepared(
    select(_sitting.c.attempt_uuid).where(_sitting.c.resource_link_id == bindparam("link"), OneOf(_sitting.c.user_id, "users"))
)


def count_finished(db: Session, outcome: assessment.Outcome, *, tenant_id: int, now: datetime) -> tuple[User | None, list[int]]:
    """A sitting is over: it counts for the link where it was begun and for the one where it was gone on with last.

    Where a designer says who may begin, and how often, a sitting that was begun elsewhere does not count by itself.
    Returns  its person, and the links; nobody and none for a sitting that came through no link, and for a preview
    """
    launches = {uuid for uuid in map(_uuid, (outcome.launch_ref, outcome.device)) if uuid is not None}
    rows = db.execute(
        select(Launch.resource_link_id, Launch.id, User, Launch.uuid, Placement.admission)
        .join(User, User.id == Launch.user_id)
        .outerjoin(ResourceLink, ResourceLink.id == Launch.resource_link_id)
        .outerjoin(Placement, Placement.id == ResourceLink.placement_id)
        .where(
            Launch.uuid.in_(sorted(launches)),
            Launch.preview_of_id.is_(None),
            Launch.resource_link_id.is_not(None),
            User.person_uuid == outcome.person_uuid,
            User.tenant_id == tenant_id,
        )
        .order_by(Launch.resource_link_id, Launch.id)
    ).all()
    links = {
        link_id: launch_id
        for link_id, launch_id, _, launch, admission in reversed(rows)
        if link_id is not None and (launch == _uuid(outcome.launch_ref) or not admission)
    }
    if not links:
        return None, []
    user: User = rows[0][2]
    _count(db, outcome.attempt_uuid, user.id, links, tenant_id=tenant_id, now=now)
    return user, sorted(links)


def count_here(db: Session, principal: Principal, attempt_uuid: UUID, now: datetime) -> None:
    """The person uses the result of an own finished sitting for the link of this launch; twice changes nothing."""
    assert principal.resource_link_id is not None
    links = {principal.resource_link_id: principal.session_id}
    _count(db, attempt_uuid, principal.user_id, links, tenant_id=principal.tenant_id, now=now)


def counted_for(db: Session, link_id: int, users: Sequence[User]) -> set[UUID]:
    """Sittings of some people that count for a link."""
    found = _COUNTED.flushed_rows(db, {"link": link_id, "users": [user.id for user in users]})
    return {attempt_uuid for (attempt_uuid,) in found}


def counted_links(db: Session, attempt_uuid: UUID) -> Collection[tuple[int, int | None]]:
    """The links that a sitting counts for, each with its context."""
    rows = db.execute(
        select(ResourceLink.id, ResourceLink.context_id)
        .join(CountedSitting, CountedSitting.resource_link_id == ResourceLink.id)
        .where(CountedSitting.attempt_uuid == attempt_uuid)
    )
    return {(link_id, context_id) for link_id, context_id in rows}


def counted_in_course(principal: Principal) -> Select[UUID]:
    """Finished sittings that count in this launch's course."""
    return (
        select(CountedSitting.attempt_uuid)
        .join(ResourceLink, ResourceLink.id == CountedSitting.resource_link_id)
        .where(ResourceLink.context_id == principal.context_id, CountedSitting.tenant_id == principal.tenant_id)
    )


def of_course(principal: Principal) -> assessment.Among:
    """The sittings of this launch's course: the finished ones that count there, and open ones that were begun or are gone on with there."""
    launches = select(func.replace(sql_cast(Launch.uuid, Text), "-", "")).where(
        Launch.context_id == principal.context_id, Launch.preview_of_id.is_(None)
    )
    return assessment.Among(finished=counted_in_course(principal), launches=launches)


def _count(db: Session, attempt_uuid: UUID, user_id: int, links: dict[int, int], *, tenant_id: int, now: datetime) -> None:
    """Writes down what is not yet: one statement.

    links   id of each link to that of the launch
    """
    rows = [
        {
            "tenant_id": tenant_id,
            "resource_link_id": link_id,
            "attempt_uuid": attempt_uuid,
            "user_id": user_id,
            "launch_id": launch_id,
            "created_at": now,
        }
        for link_id, launch_id in sorted(links.items())
    ]
    connection = connection_of(db)
    connection.execute(_COUNT[connection.dialect.name], rows)


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text or "")
    except ValueError:
        return None
