"""A stored attempt computed again from what it pins: the same picks, the same estimates, to the last bit; or where it differs."""

from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assessment.errors import AttemptNotFound
from assessment.models import AbilityEstimate, Attempt, ChangedResponse, FormVersion, Presentation, Response
from assessment.pool import CompiledForm, compiled_form
from assessment.scoring import ScoringRule, points
from assessment.sitting import Sitting
from assessment.verdicts import area_estimates


@dataclass(frozen=True, slots=True)
class ReplayedAnswer:
    """One answer of an attempt, as computed now. score: share of the full credit; theta, se: of its area after the answer."""

    position: int
    item: str
    version: int
    score: float
    theta: float
    se: float


@dataclass(frozen=True, slots=True)
class Replay:
    """An attempt computed again.

    answers       in the order in which they were stored, those that were changed later among them
    areas         code of the area to its estimate at the end
    differences   what is stored otherwise, in words; none when all is as it was
    """

    attempt: UUID
    form: str
    form_version: int
    answers: tuple[ReplayedAnswer, ...]
    areas: dict[str, tuple[float, float]]
    finish_reason: str | None
    differences: tuple[str, ...]


class _Stored(NamedTuple):
    """An answer as it was stored, and the item as it was shown."""

    shown: Presentation
    answer: Response | ChangedResponse


def replay(db: Session, attempt_uuid: UUID) -> Replay:
    """Computes an attempt again from its seed, its form version and its answers. Raises AttemptNotFound."""
    attempt = db.scalars(select(Attempt).where(Attempt.uuid == attempt_uuid)).one_or_none()
    if attempt is None:
        raise AttemptNotFound
    form = compiled_form(db, db.scalars(select(FormVersion.uuid).where(FormVersion.id == attempt.form_version_id)).one())
    stored = _stored(db, attempt, Response)
    differences = _differences_of_items(attempt, form, stored)
    standing: dict[int, tuple[int, float]] = {}
    answers = []
    for shown, answer in sorted(
        [*stored, *_stored(db, attempt, ChangedResponse)], key=lambda one: (one.answer.received_at, one.shown.position)
    ):
        where, place = f"position {shown.position}", form.place_of[shown.item_id]
        item = form.items[place]
        earned = _earned(item.rule, answer)
        if earned != answer.score:
            differences.append(f"{where}: the answer scores {earned:g}, {answer.score:g} is stored")
        standing[shown.position] = shown.item_id, answer.score
        sitting = form.sitting_of(attempt.seed, attempt.seen_item_ids, [score for _, score in sorted(standing.items())])
        ability = sitting.ability_at(place)
        if (ability.theta, ability.sd) != (answer.theta_after, answer.se_after):
            differences.append(f"{where}: {ability.theta!r} ({ability.sd!r}), stored {answer.theta_after!r} ({answer.se_after!r})")
        answers.append(ReplayedAnswer(shown.position, item.item_key, item.version, answer.score, ability.theta, ability.sd))
    scores = [(shown.item_id, answer.score) for shown, answer in stored]
    at_end = form.sitting_of(attempt.seed, attempt.seen_item_ids, scores, is_over=attempt.state == "finished")
    differences += _differences_at_the_end(db, attempt, form, at_end)
    areas = {row["domain"]: (row["theta"], row["se"]) for row in area_estimates(form, at_end)}
    return Replay(attempt_uuid, form.view.key, form.view.version, tuple(answers), areas, attempt.finish_reason, tuple(differences))


def _stored(db: Session, attempt: Attempt, kind: type[Response] | type[ChangedResponse]) -> list[_Stored]:
    """Answers of one kind, by position."""
    rows: Any = db.execute(
        select(Presentation, kind)
        .join(kind, kind.presentation_id == Presentation.id)
        .where(Presentation.attempt_id == attempt.id)
        .order_by(Presentation.position)
    )
    return [_Stored(*row) for row in rows]


def _differences_of_items(attempt: Attempt, form: CompiledForm, stored: list[_Stored]) -> list[str]:
    """Whether each item is the one that comes there, as it is pinned."""
    sitting, found = form.new_sitting(attempt.seed, attempt.seen_item_ids), []
    for shown, answer in stored:
        where, place = f"position {shown.position}", form.place_of[shown.item_id]
        if (places := sitting.linear_places()) is not None:
            due = places[shown.position - 1] if shown.position <= len(places) else None
        else:
            choice = sitting.next_item(frozenset(shown.rested))
            due = None if choice is None else choice.place
        item = form.items[place]
        if due != place:
            found.append(f"{where}: {item.item_key} was shown, {'nothing' if due is None else form.items[due].item_key} would be")
        if (item.version_id, item.parameter_id) != (shown.item_version_id, shown.item_parameter_id):
            found.append(f"{where}: {item.item_key} was shown in another version or with other parameters")
        sitting.answer(place, form.pool.category(place, answer.score))
    return found


def _earned(rule: ScoringRule, answer: Response | ChangedResponse) -> float:
    """What an answer scores now; one that is kept without its words keeps what it was given."""
    if answer.value is None:  # not answered in the item's own time
        return 0.0
    if answer.value == "" and rule.kind == "short_text":
        return answer.score
    return points(rule, answer.value) / rule.most_points


def _differences_at_the_end(db: Session, attempt: Attempt, form: CompiledForm, sitting: Sitting) -> list[str]:
    if attempt.state != "finished":
        return []
    found = []
    if attempt.finish_reason in {"precise", "max_items", "all_items"} and sitting.finish_reason() != attempt.finish_reason:
        found.append(f"end: {sitting.finish_reason()}, {attempt.finish_reason} is stored")
    for computed in area_estimates(form, sitting):
        stored = db.get(AbilityEstimate, (attempt.id, computed["domain"]))
        found += [
            f"area {computed['domain']}: {name} {value!r}, stored {getattr(stored, name, None)!r}"
            for name, value in computed.items()
            if getattr(stored, name, None) != value
        ]
    return found
