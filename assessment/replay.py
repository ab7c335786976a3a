"""A stored attempt computed again from what it pins: the same picks, the same estimates, to the last bit; or where it differs."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assessment.errors import AttemptNotFound
from assessment.models import AbilityEstimate, Attempt, FormVersion, Presentation, Response
from assessment.pool import CompiledForm, compiled_form
from assessment.scoring import is_right
from assessment.sitting import Sitting
from assessment.verdicts import area_estimates


@dataclass(frozen=True, slots=True)
class ReplayedAnswer:
    """One item of an attempt, as computed now. theta, se: of its area after the answer."""

    position: int
    item: str
    version: int
    is_right: bool
    theta: float
    se: float


@dataclass(frozen=True, slots=True)
class Replay:
    """An attempt computed again.

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


def replay(db: Session, attempt_uuid: UUID) -> Replay:
    """Computes an attempt again from its seed, its form version and its answers. Raises AttemptNotFound."""
    attempt = db.scalars(select(Attempt).where(Attempt.uuid == attempt_uuid)).one_or_none()
    if attempt is None:
        raise AttemptNotFound
    form = compiled_form(db, db.scalars(select(FormVersion.uuid).where(FormVersion.id == attempt.form_version_id)).one())
    sitting = form.new_sitting(attempt.seed, attempt.seen_item_ids)
    rows = db.execute(
        select(Presentation, Response)
        .join(Response, Response.presentation_id == Presentation.id)
        .where(Presentation.attempt_id == attempt.id)
        .order_by(Presentation.position)
    ).all()
    answers, differences = [], []
    for shown, response in rows:
        where = f"position {shown.position}"
        choice = sitting.next_item(frozenset(shown.rested))
        place = form.place_of[shown.item_id]
        if choice is None or choice.place != place:
            differences.append(f"{where}: {form.items[place].item_key} was shown, {_name(form, choice)} would be")
        item = form.items[place]
        if (item.version_id, item.parameter_id) != (shown.item_version_id, shown.item_parameter_id):
            differences.append(f"{where}: {item.item_key} was shown in another version or with other parameters")
        if is_right(item.rule, response.value) != (response.score == 1):
            differences.append(f"{where}: the answer scores {1 - response.score}, {response.score} is stored")
        sitting.answer(place, response.score == 1)
        ability = sitting.ability_at(place)
        if (ability.theta, ability.sd) != (response.theta_after, response.se_after):
            differences.append(f"{where}: {ability.theta!r} ({ability.sd!r}), stored {response.theta_after!r} ({response.se_after!r})")
        answers.append(ReplayedAnswer(shown.position, item.item_key, item.version, response.score == 1, ability.theta, ability.sd))
    differences += _differences_at_the_end(db, attempt, form, sitting)
    areas = {row["domain"]: (row["theta"], row["se"]) for row in area_estimates(form, sitting)}
    return Replay(attempt_uuid, form.view.key, form.view.version, tuple(answers), areas, attempt.finish_reason, tuple(differences))


def _differences_at_the_end(db: Session, attempt: Attempt, form: CompiledForm, sitting: Sitting) -> list[str]:
    if attempt.state != "finished":
        return []
    found = []
    if attempt.finish_reason in {"precise", "max_items"} and sitting.finish_reason() != attempt.finish_reason:
        found.append(f"end: {sitting.finish_reason()}, {attempt.finish_reason} is stored")
    for computed in area_estimates(form, sitting):
        stored = db.get(AbilityEstimate, (attempt.id, computed["domain"]))
        found += [
            f"area {computed['domain']}: {name} {value!r}, stored {getattr(stored, name, None)!r}"
            for name, value in computed.items()
            if getattr(stored, name, None) != value
        ]
    return found


def _name(form: CompiledForm, choice: object) -> str:
    place = getattr(choice, "place", None)
    return "nothing" if place is None else form.items[place].item_key
