"""Difficulty before there are answers enough for a calibration: each answer moves the item's rating and the person's.

Source   Elo (1978); Pelanek (2016), Applications of the Elo rating system in adaptive educational systems: the uncertainty function
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from assessment.irt import ItemParams, probability
from assessment.locked import insert_of
from assessment.models import Attempt, ItemParameter, ItemRating, ItemVersion, Presentation, Response

FIRST_STEP: Final = 0.8
STEP_FALL: Final = 0.05
"""A rating moves by FIRST_STEP / (1 + STEP_FALL n) times what an answer was off, n: answers so far."""

BOUND: Final = 5.0
"""Ratings end there, logits."""

FEWEST_RATED: Final = 50
"""Answers from which on a rating is worth more than the authors' guess."""

AT_ONCE: Final = 200
"""Sittings whose answers are taken in by one transaction."""


@dataclass(slots=True)
class Rating:
    """A difficulty or an ability, logits, and the answers that it rests on."""

    value: float = 0.0
    n: int = 0

    def move(self, by: float) -> None:
        """One answer more. by: how much more came than was expected, -1..1, or the reverse for a difficulty."""
        self.value = min(max(self.value + FIRST_STEP / (1 + STEP_FALL * self.n) * by, -BOUND), BOUND)
        self.n += 1


def rate(person: Rating, item: Rating, score: float, *, c: float = 0.0) -> None:
    """Takes one answer in, on both sides.

    score   share of full credit, 0..1
    c       chance of a right answer by guessing
    """
    surprise = score - probability(person.value, ItemParams(1.0, item.value, c))
    person.move(surprise)
    item.move(-surprise)


def rate_finished(db: Session, *, now: datetime, limit: int = AT_ONCE) -> int:
    """Takes in the answers of finished sittings, previews apart, that no rating knows yet; each sitting once.

    A person begins each area of each sitting at 0, the mean of everybody; nothing of the person is kept. The authors' b is where an item
    begins. Never in the way of an answer: the worker calls it.
    Returns   how many sittings
    """
    due = select(Attempt.id).where(Attempt.state == "finished", ~Attempt.is_rated).order_by(Attempt.id).limit(limit)
    attempt_ids = list(db.scalars(due.with_for_update(skip_locked=True)))
    if not attempt_ids:
        return 0
    answers = db.execute(
        select(Response.attempt_id, Presentation.item_version_id, ItemVersion.domain, Response.score, ItemParameter.b, ItemParameter.c)
        .join(Presentation, Presentation.id == Response.presentation_id)
        .join(Attempt, Attempt.id == Response.attempt_id)
        .join(ItemVersion, ItemVersion.id == Presentation.item_version_id)
        .join(ItemParameter, ItemParameter.id == Presentation.item_parameter_id)
        .where(Response.attempt_id.in_(attempt_ids), ~Attempt.is_preview)
        .order_by(Response.attempt_id, Presentation.position)
    ).all()
    stored = _stored(db, {row.item_version_id: row.b for row in answers}, now=now)
    items = {version_id: Rating(row.b, row.n) for version_id, row in stored.items()}
    people: dict[tuple[int, str], Rating] = {}
    for attempt_id, version_id, domain, score, _, c in answers:
        rate(people.setdefault((attempt_id, domain), Rating()), items[version_id], score, c=c)
    for version_id, rating in items.items():
        row = stored[version_id]
        row.b, row.n, row.changed_at = rating.value, rating.n, now
    db.execute(update(Attempt).where(Attempt.id.in_(attempt_ids)).values(is_rated=True).execution_options(synchronize_session=False))
    db.flush()  # the next call reads what this one wrote
    return len(attempt_ids)


def ratings_of(db: Session, version_ids: Iterable[int]) -> dict[int, Rating]:
    """Ratings of item versions; who has none is not in the answer."""
    rows = db.scalars(select(ItemRating).where(ItemRating.item_version_id.in_(sorted(version_ids))))
    return {row.item_version_id: Rating(row.b, row.n) for row in rows}


def _stored(db: Session, starts: Mapping[int, float], *, now: datetime) -> dict[int, ItemRating]:
    """Rows of item versions, made where there are none, locked in one order: two workers wait for each other and never both at once.

    starts   item version to the b where it begins
    """
    if not starts:
        return {}
    new = [{"item_version_id": version_id, "b": starts[version_id], "n": 0, "changed_at": now} for version_id in sorted(starts)]
    db.execute(insert_of(db, ItemRating).values(new).on_conflict_do_nothing())
    own = select(ItemRating).where(ItemRating.item_version_id.in_(sorted(starts))).order_by(ItemRating.item_version_id)
    return {row.item_version_id: row for row in db.scalars(own.with_for_update())}
