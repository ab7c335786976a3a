"""How far a sitting's score has come on its way to the platform."""

from typing import Literal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from lti_tool.models import Launch, Score, User
from lti_tool.web.principal import Principal

ScoreState = Literal["none", "waiting", "sent", "parked"]


def score_state(db: Session, principal: Principal, attempt_uuid: UUID) -> ScoreState:  # noqa: ARG001  one score stands for the link, not for the attempt
    """State of the person's score in the gradebook column of this launch; `none` for an ungraded link."""
    state = db.scalar(
        select(Score.state)
        .join(Launch, Launch.line_item_id == Score.line_item_id)
        .where(Launch.uuid == principal.launch_uuid, Score.user_id == principal.user_id)
    )
    return _known(state)


def score_states(db: Session, principal: Principal) -> dict[UUID, ScoreState]:
    """State of each person's score in the column of this launch, by person."""
    rows = db.execute(
        select(User.person_uuid, Score.state)
        .join(Score, Score.user_id == User.id)
        .join(Launch, Launch.line_item_id == Score.line_item_id)
        .where(Launch.uuid == principal.launch_uuid)
    )
    return {person: _known(state) for person, state in rows}


def _known(state: str | None) -> ScoreState:
    match state:
        case "waiting" | "sent" | "parked":
            return state
        case _:
            return "none"
