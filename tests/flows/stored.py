"""What the database holds, for tests that compare it with what people were told."""

from typing import Any
from uuid import UUID

from sqlalchemy import select

import xapi.api as xapi
from assessment.models import Attempt, AttemptEvent, Presentation, Response
from kernel.outbox import OutboxItem
from lti_tool.models import Score, User
from tests.flows.house import House

VERBS = "http://adlnet.gov/expapi/verbs/"


def _all(house: House, query: Any) -> list[Any]:
    with house.database.reading() as db:
        found = list(db.scalars(query))
        db.expunge_all()
        return found


def responses_of(house: House, attempt_uuid: UUID) -> list[Response]:
    """The stored answers of an attempt, in the order of its items."""
    query = (
        select(Response)
        .join(Attempt, Attempt.id == Response.attempt_id)
        .join(Presentation, Presentation.id == Response.presentation_id)
        .where(Attempt.uuid == attempt_uuid)
        .order_by(Presentation.position)
    )
    return _all(house, query)


def events_of(house: House, attempt_uuid: UUID) -> list[AttemptEvent]:
    """What was kept of an attempt beside its answers."""
    return _all(house, select(AttemptEvent).join(Attempt, Attempt.id == AttemptEvent.attempt_id).where(Attempt.uuid == attempt_uuid))


def attempts_of(house: House, person_id: str) -> list[Attempt]:
    """The attempts of a person of the first LMS."""
    return _all(house, select(Attempt).where(Attempt.person_uuid == person_uuid_of(house, person_id)))


def scores_of(house: House, person_id: str) -> list[Score]:
    """The scores of a person of the first LMS."""
    return _all(house, select(Score).join(User, User.id == Score.user_id).where(User.person_uuid == person_uuid_of(house, person_id)))


def outbox_of(house: House, score: Score) -> list[OutboxItem]:
    """The deliveries of a score."""
    return _all(house, select(OutboxItem).where(OutboxItem.key.like(f"score:{score.id}:%")))


def person_uuid_of(house: House, person_id: str) -> UUID:
    """The random UUID under which the statements know a person of the first LMS."""
    with house.database.reading() as db:
        found = db.scalar(select(User.person_uuid).where(User.sub == person_id, User.registration_id == 1))
        assert found is not None
        return found


def statements_of(house: House, attempt_uuid: UUID) -> list[dict[str, Any]]:
    """The statements of one attempt, in the order of their arrival."""
    with house.database.reading() as db:
        found = [one.statement for one in xapi.iter_statements(db)]
    return [one for one in found if one.get("context", {}).get("registration") == str(attempt_uuid)]


def verbs_of(house: House, attempt_uuid: UUID) -> list[str]:
    """The last word of each statement's verb."""
    return [one["verb"]["id"].removeprefix(VERBS) for one in statements_of(house, attempt_uuid)]


def statement_ids(house: House) -> list[str]:
    """Ids of the statements of all agencies, each agency's in the order of their arrival."""
    with house.database.reading() as db:
        return [one.id for one in xapi.iter_statements(db)]


def count_statements(house: House) -> int:
    """Statements of all agencies."""
    with house.database.reading() as db:
        return xapi.count_statements(db)
