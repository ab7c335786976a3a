"""Queries: forms, attempts and outcomes as values."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, Subquery, and_, bindparam, func, or_, select
from sqlalchemy.orm import Session

from assessment.errors import AttemptNotFound, AttemptOpen, FormNotFound
from assessment.estimation import Ability
from assessment.forms import FormDocument
from assessment.growth import has_grown
from assessment.locked import presentation_table, response_table
from assessment.models import AbilityEstimate, Attempt, ChangedResponse, Form, FormVersion, Item, ItemVersion, Presentation, Response
from assessment.outcome import composite, scaled_score
from assessment.pool import CompiledForm, compiled_form, view_of
from assessment.views import (
    AreaOutcome,
    AttemptSummary,
    FinishedAttempt,
    FormView,
    KeptAnswer,
    KeptAttempt,
    OpenAttempt,
    Outcome,
    PersonProgress,
    ResponseView,
)
from kernel.prepared import Prepared

PERSONS_AT_ONCE = 500
"""Persons asked for in one statement."""


@dataclass(frozen=True, slots=True)
class Among:
    """The attempts that count in one place, as queries.

    finished   UUIDs of finished ones
    launches   of open ones: what began them, or is at them now, in hexadecimal digits without hyphens
    """

    finished: Select[UUID]
    launches: Select[str]


def list_forms(db: Session, *, tenant_id: int) -> list[FormView]:
    """Forms that an agency may use, in their newest versions, by key."""
    rows = db.execute(_newest_forms(tenant_id).order_by(Form.key))
    return [view_of(form, version, FormDocument.model_validate(version.document)) for form, version in rows]


def get_form(db: Session, form_uuid: UUID, *, tenant_id: int) -> FormView:
    """One form in its newest version. Raises FormNotFound."""
    form, version = newest_form(db, form_uuid, tenant_id=tenant_id)
    return view_of(form, version, FormDocument.model_validate(version.document))


def newest_form(db: Session, form_uuid: UUID, *, tenant_id: int) -> tuple[Form, FormVersion]:
    """One form with its newest version, as rows, for this room alone. Raises FormNotFound."""
    row = db.execute(_newest_forms(tenant_id).where(Form.uuid == form_uuid)).first()
    if row is None:
        raise FormNotFound
    return row[0], row[1]


def find_attempt(db: Session, *, tenant_id: int, person_uuid: UUID, form_uuid: UUID) -> AttemptSummary | None:
    """The newest attempt of a person on a form, or None."""
    attempts = db.scalars(
        select(Attempt)
        .join(Form, Form.id == Attempt.form_id)
        .where(Attempt.tenant_id == tenant_id, Attempt.person_uuid == person_uuid, Form.uuid == form_uuid)
        .order_by(Attempt.id.desc())
    ).all()
    if not attempts:
        return None
    newest = attempts[0]
    n_answered = db.scalar(select(func.count()).where(Response.attempt_id == newest.id)) or 0
    return AttemptSummary(
        uuid=newest.uuid,
        state=newest.state,
        n=len(attempts),
        position=n_answered,
        started_at=newest.started_at,
        finished_at=newest.finished_at,
        deadline_at=newest.deadline_at,
        launch_ref=newest.launch_ref,
        is_in_exam_browser="seb" in (newest.admission or {}),
    )


def get_outcome(db: Session, attempt_uuid: UUID, *, tenant_id: int) -> Outcome:
    """The result of a finished attempt by what it was decided by. Raises AttemptNotFound, AttemptOpen."""
    row = db.execute(
        select(Attempt, FormVersion.uuid)
        .join(FormVersion, FormVersion.id == Attempt.form_version_id)
        .where(Attempt.uuid == attempt_uuid, Attempt.tenant_id == tenant_id)
    ).first()
    if row is None:
        raise AttemptNotFound
    attempt: Attempt = row[0]
    if attempt.finished_at is None or attempt.finish_reason is None:
        raise AttemptOpen
    form = compiled_form(db, row[1])
    areas = _areas(form.view, db.scalars(select(AbilityEstimate).where(AbilityEstimate.attempt_id == attempt.id)).all())
    whole = composite([Ability(area.theta, area.se) for area in areas], [rule.share for rule in form.rules.domains])
    answered = _responses(db, form, attempt)
    tried = {form.items[place].item_uuid for place in form.pool.pilots}
    responses = tuple(response for response in answered if response.item_uuid not in tried)
    return Outcome(
        attempt_uuid=attempt.uuid,
        form=form.view,
        person_uuid=attempt.person_uuid,
        launch_ref=attempt.launch_ref,
        started_at=attempt.started_at,
        finished_at=attempt.finished_at,
        finish_reason=attempt.finish_reason,
        theta=whole.theta,
        se=whole.sd,
        areas=areas,
        responses=responses,
        n_items=len(responses),
        scaled=scaled_score([area.level for area in areas], max((cut.level for cut in form.view.cuts), default=0)),
        device=attempt.device,
        rests_on=_least_known(form, {response.item_uuid for response in responses}),
        n_tried=len(answered) - len(responses),
    )


def _least_known(form: CompiledForm, item_uuids: Collection[UUID]) -> str:
    """Status of the parameters of those items of which least is known."""
    statuses = {item.parameter_status for item in form.items if item.item_uuid in item_uuids}
    return next((status for status in ("provisional", "rating", "calibrated") if status in statuses), "provisional")


def list_outcomes(
    db: Session, *, tenant_id: int, form_uuid: UUID, person_uuids: Collection[UUID], among: Among | None = None
) -> dict[UUID, PersonProgress]:
    """Where persons stand in a form by their newest attempts, previews apart; who never began is not in the answer. Raises FormNotFound.

    among   no other attempts are looked at
    """
    view = get_form(db, form_uuid, tenant_id=tenant_id)
    persons = sorted(set(person_uuids))
    progress: dict[UUID, PersonProgress] = {}
    for first in range(0, len(persons), PERSONS_AT_ONCE):
        progress.update(_progress(db, view, tenant_id, persons[first : first + PERSONS_AT_ONCE], among))
    return progress


def list_open(
    db: Session, *, tenant_id: int, form_uuid: UUID, persons: Select[UUID], now: datetime, among: Among | None = None
) -> list[OpenAttempt]:
    """The attempts of some people on a form that are under way, previews apart; whose time is over first comes first.

    persons   a query of their UUIDs
    among     no other attempts are looked at
    """
    answers = (
        select(func.count()).where(Response.attempt_id == Attempt.id).scalar_subquery(),
        select(func.max(Response.received_at)).where(Response.attempt_id == Attempt.id).scalar_subquery(),
    )
    rows = db.execute(
        select(Attempt, *answers)
        .where(Attempt.id.in_(_newest_ids(tenant_id, form_uuid, among)), Attempt.state == "open", Attempt.person_uuid.in_(persons))
        .order_by(Attempt.deadline_at, Attempt.id)
    )
    return [_open_attempt(attempt, n_items, last_at, now) for attempt, n_items, last_at in rows]


def _open_attempt(attempt: Attempt, n_items: int, last_at: datetime | None, now: datetime) -> OpenAttempt:
    held_until = attempt.hold_ends_at if attempt.hold_ends_at is not None and now < attempt.hold_ends_at else None
    return OpenAttempt(
        attempt_uuid=attempt.uuid,
        person_uuid=attempt.person_uuid,
        n_items=n_items,
        started_at=attempt.started_at,
        last_at=last_at or attempt.started_at,
        alive_at=attempt.alive_at,
        deadline_at=attempt.deadline_at,
        seconds_left=max(int((attempt.deadline_at - (held_until or now)).total_seconds()), 0),
        factor_percent=attempt.factor_percent,
        extra_minutes=attempt.extra_minutes,
        hold=attempt.hold if held_until else None,
        device=attempt.device,
    )


def newest_attempts(*, tenant_id: int, form_uuid: UUID, among: Among | None = None) -> Subquery:
    """Each person's newest attempt on a form, previews apart, for a caller that counts or pages over many people in one statement.

    among     no other attempts are looked at
    Returns   a relation with the columns person_uuid, state, started_at, finished_at
    """
    newest = _newest_ids(tenant_id, form_uuid, among)
    return (
        select(Attempt.person_uuid, Attempt.state, Attempt.started_at, Attempt.finished_at)
        .where(Attempt.id.in_(newest))
        .subquery("newest_attempt")
    )


def count_levels(
    db: Session, *, tenant_id: int, form_uuid: UUID, persons: Select[UUID], among: Among | None = None
) -> dict[str, dict[int, int]]:
    """How many of some people reached which level by their newest attempts on a form: by code of the domain, then by level.

    persons   a query of their UUIDs
    among     no other attempts are looked at
    """
    rows = db.execute(
        select(AbilityEstimate.domain, AbilityEstimate.level, func.count())
        .join(Attempt, Attempt.id == AbilityEstimate.attempt_id)
        .where(Attempt.id.in_(_newest_ids(tenant_id, form_uuid, among)), Attempt.person_uuid.in_(persons))
        .group_by(AbilityEstimate.domain, AbilityEstimate.level)
    )
    counts: dict[str, dict[int, int]] = {}
    for domain, level, n in rows:
        counts.setdefault(domain, {})[level] = n
    return counts


def list_finishers(db: Session, *, tenant_id: int, form_uuid: UUID, person_uuids: Collection[UUID]) -> set[UUID]:
    """Those of some persons who have a result in a form: a finished attempt with an answer, previews apart."""
    persons = sorted(set(person_uuids))
    has_answer = select(Response.id).where(Response.attempt_id == Attempt.id).exists()
    finished = (
        select(Attempt.person_uuid)
        .join(Form, Form.id == Attempt.form_id)
        .where(Attempt.tenant_id == tenant_id, Form.uuid == form_uuid, Attempt.state == "finished", ~Attempt.is_preview, has_answer)
    )
    found: set[UUID] = set()
    for first in range(0, len(persons), PERSONS_AT_ONCE):
        found.update(db.scalars(finished.where(Attempt.person_uuid.in_(persons[first : first + PERSONS_AT_ONCE]))))
    return found


def _newest_ids(tenant_id: int, form_uuid: UUID, among: Among | None) -> Select[int]:
    newest = (
        select(func.max(Attempt.id))
        .join(Form, Form.id == Attempt.form_id)
        .where(Attempt.tenant_id == tenant_id, Form.uuid == form_uuid, ~Attempt.is_preview)
        .group_by(Attempt.person_uuid)
    )
    if among is None:
        return newest
    is_held = or_(*(func.replace(launch, "-", "").in_(among.launches) for launch in (Attempt.launch_ref, Attempt.device)))
    return newest.where(or_(and_(Attempt.state == "open", is_held), and_(Attempt.state == "finished", Attempt.uuid.in_(among.finished))))


def list_changes(db: Session, attempt_uuid: UUID, *, tenant_id: int) -> dict[str, bool]:
    """Of a finished attempt: by the code of each area whether its person has grown there since the finished attempt before on this form.

    An area that one of the two did not measure is left out; without an attempt before the answer is empty. False is no measurable
    change yet, and no more than that.
    """
    finished = (Attempt.tenant_id == tenant_id, Attempt.state == "finished")
    this = db.scalars(select(Attempt).where(Attempt.uuid == attempt_uuid, *finished)).first()
    if this is None or this.is_preview:
        return {}
    mine = (Attempt.person_uuid == this.person_uuid, Attempt.form_id == this.form_id, Attempt.id < this.id, ~Attempt.is_preview)
    has_answer = select(Response.id).where(Response.attempt_id == Attempt.id).exists()
    earlier = select(Attempt.id).where(*finished, *mine, has_answer)
    before_id = db.scalar(earlier.order_by(Attempt.id.desc()).limit(1))
    if before_id is None:
        return {}
    rows = db.scalars(
        select(AbilityEstimate).where(AbilityEstimate.attempt_id.in_([before_id, this.id]), AbilityEstimate.n_items > 0)
    ).all()
    before, after = ({row.domain: row for row in rows if row.attempt_id == attempt_id} for attempt_id in (before_id, this.id))
    return {
        domain: has_grown(before[domain].theta, before[domain].se, row.theta, row.se) for domain, row in after.items() if domain in before
    }


def list_kept(db: Session, *, tenant_id: int, person_uuid: UUID) -> list[KeptAttempt]:
    """All that is kept of a person's attempts, previews apart, the oldest first."""
    rows = db.execute(
        select(Attempt, Form.key, FormVersion.uuid)
        .join(Form, Form.id == Attempt.form_id)
        .join(FormVersion, FormVersion.id == Attempt.form_version_id)
        .where(Attempt.tenant_id == tenant_id, Attempt.person_uuid == person_uuid, ~Attempt.is_preview)
        .order_by(Attempt.id)
    ).all()
    ids = [attempt.id for attempt, _, _ in rows]
    _, estimates = _answers_and_estimates(db, ids)
    answers: dict[int, list[KeptAnswer]] = {}
    for response, key in (*_given(db, Response, ids), *_given(db, ChangedResponse, ids)):
        answers.setdefault(response.attempt_id, []).append(_kept_answer(key, response))
    return [
        KeptAttempt(
            attempt_uuid=attempt.uuid,
            form_key=key,
            state=attempt.state,
            started_at=attempt.started_at,
            finished_at=attempt.finished_at,
            answers=tuple(answers.get(attempt.id, ())),
            levels={area.competency: area.level for area in _areas(compiled_form(db, version).view, estimates.get(attempt.id, []))},
        )
        for attempt, key, version in rows
    ]


def _given(
    db: Session, kind: type[Response] | type[ChangedResponse], attempt_ids: list[int]
) -> list[tuple[Response | ChangedResponse, str]]:
    """Answers of one kind with the keys of their items, by position and moment."""
    rows: Any = db.execute(
        select(kind, Item.key)
        .join(Presentation, Presentation.id == kind.presentation_id)
        .join(Item, Item.id == Presentation.item_id)
        .where(kind.attempt_id.in_(attempt_ids))
        .order_by(Presentation.position, kind.received_at)
    )
    return [(row[0], row[1]) for row in rows]


def _kept_answer(key: str, response: Response | ChangedResponse) -> KeptAnswer:
    return KeptAnswer(key, response.value, response.received_at, response.active_ms, response.away_count, response.away_ms)


def count_kept(db: Session, *, tenant_id: int) -> tuple[int, int]:
    """How many attempts and answers are kept of an agency's people, previews apart."""
    counted = (Attempt.tenant_id == tenant_id, ~Attempt.is_preview)
    n_attempts = db.scalar(select(func.count()).select_from(Attempt).where(*counted)) or 0
    return n_attempts, db.scalar(select(func.count(Response.id)).join(Attempt, Attempt.id == Response.attempt_id).where(*counted)) or 0


def list_rationales(db: Session, attempt_uuid: UUID, *, tenant_id: int) -> dict[UUID, dict[str, str]]:
    """Why the right response is right, by presentation, of an attempt that is over. Raises AttemptNotFound, AttemptOpen."""
    attempt = db.scalars(select(Attempt).where(Attempt.uuid == attempt_uuid, Attempt.tenant_id == tenant_id)).first()
    if attempt is None:
        raise AttemptNotFound
    if attempt.finished_at is None:
        raise AttemptOpen
    shown = select(Presentation.uuid, ItemVersion.rationale).join(ItemVersion, ItemVersion.id == Presentation.item_version_id)
    return {
        uuid: rationale for uuid, rationale in db.execute(shown.where(Presentation.attempt_id == attempt.id)) if any(rationale.values())
    }


def list_finished(db: Session, *, tenant_id: int, person_uuids: Collection[UUID]) -> list[FinishedAttempt]:
    """Every finished attempt of some persons, previews apart, the oldest end first."""
    persons = sorted(set(person_uuids))
    found: list[FinishedAttempt] = []
    for first in range(0, len(persons), PERSONS_AT_ONCE):
        found += _finished(db, tenant_id, persons[first : first + PERSONS_AT_ONCE])
    return sorted(found, key=lambda one: (one.finished_at, one.started_at, str(one.attempt_uuid)))


def _finished(db: Session, tenant_id: int, persons: list[UUID]) -> list[FinishedAttempt]:
    rows: Any = db.execute(
        select(Attempt, FormVersion.uuid)
        .join(FormVersion, FormVersion.id == Attempt.form_version_id)
        .where(Attempt.tenant_id == tenant_id, Attempt.person_uuid.in_(persons), Attempt.state == "finished", ~Attempt.is_preview)
    ).all()
    counts, estimates = _answers_and_estimates(db, [attempt.id for attempt, _ in rows])
    found = []
    for attempt, version_uuid in rows:
        view = compiled_form(db, version_uuid).view
        areas = _areas(view, estimates.get(attempt.id, []))
        top_level = max((cut.level for cut in view.cuts), default=1)
        found.append(
            FinishedAttempt(
                attempt_uuid=attempt.uuid,
                form_uuid=view.uuid,
                person_uuid=attempt.person_uuid,
                launch_ref=attempt.launch_ref,
                started_at=attempt.started_at,
                finished_at=attempt.finished_at,
                n_items=counts.get(attempt.id, 0),
                top_level=top_level,
                areas=areas,
                scaled=scaled_score([area.level for area in areas], top_level),
            )
        )
    return found


def _answers_and_estimates(db: Session, attempt_ids: list[int]) -> tuple[dict[int, int], dict[int, list[AbilityEstimate]]]:
    """Of each attempt: how many items were answered, and what was estimated of its areas."""
    answered = select(Response.attempt_id, func.count()).where(Response.attempt_id.in_(attempt_ids)).group_by(Response.attempt_id)
    estimates: dict[int, list[AbilityEstimate]] = {}
    for estimate in db.scalars(select(AbilityEstimate).where(AbilityEstimate.attempt_id.in_(attempt_ids))):
        estimates.setdefault(estimate.attempt_id, []).append(estimate)
    return dict(db.execute(answered).all()), estimates


def _newest_forms(tenant_id: int) -> Any:
    newest = select(FormVersion.form_id, func.max(FormVersion.n).label("n")).group_by(FormVersion.form_id).subquery()
    return (
        select(Form, FormVersion)
        .join(newest, newest.c.form_id == Form.id)
        .join(FormVersion, (FormVersion.form_id == Form.id) & (FormVersion.n == newest.c.n))
        .where(or_(Form.tenant_id.is_(None), Form.tenant_id == tenant_id))
    )


def _progress(db: Session, view: FormView, tenant_id: int, persons: list[UUID], among: Among | None) -> dict[UUID, PersonProgress]:
    newest = _newest_ids(tenant_id, view.uuid, among).where(Attempt.person_uuid.in_(persons))
    attempts = db.scalars(select(Attempt).where(Attempt.id.in_(newest))).all()
    counts, estimates = _answers_and_estimates(db, [attempt.id for attempt in attempts])
    return {
        attempt.person_uuid: PersonProgress(
            person_uuid=attempt.person_uuid,
            attempt_uuid=attempt.uuid,
            state=attempt.state,
            n_items=counts.get(attempt.id, 0),
            started_at=attempt.started_at,
            finished_at=attempt.finished_at,
            areas=_areas(view, estimates.get(attempt.id, [])),
        )
        for attempt in attempts
    }


def _areas(view: FormView, estimates: Collection[AbilityEstimate]) -> tuple[AreaOutcome, ...]:
    """Areas in the order of the form."""
    by_domain = {estimate.domain: estimate for estimate in estimates}
    return tuple(
        AreaOutcome(
            domain=domain.code,
            competency=domain.competency,
            theta=found.theta,
            se=found.se,
            wle=found.wle,
            n_items=found.n_items,
            n_right=found.n_right,
            level=found.level,
            p_levels=tuple(found.p_levels),
            verdicts=tuple(found.verdicts),
            borderline=found.is_borderline,
            indicative=found.is_indicative,
        )
        for domain in view.domains
        if (found := by_domain.get(domain.code)) is not None
    )


class _Answered(NamedTuple):
    """One item as it was shown and answered."""

    position: int
    uuid: UUID
    item_id: int
    option_order: dict[str, list[str]]
    shown_at: datetime
    value: Any
    score: float
    received_at: datetime
    active_ms: int | None
    theta_after: float
    se_after: float


_ANSWERED = Prepared(  # every finish waits on it
    select(*(presentation_table.c[name] for name in _Answered._fields[:5]), *(response_table.c[name] for name in _Answered._fields[5:]))
    .join_from(presentation_table, response_table, response_table.c.presentation_id == presentation_table.c.id)
    .where(presentation_table.c.attempt_id == bindparam("attempt"))
    .order_by(presentation_table.c.position)
)


def _responses(db: Session, form: CompiledForm, attempt: Attempt) -> tuple[ResponseView, ...]:
    rows = _ANSWERED.flushed_rows(db, {"attempt": attempt.id})
    return tuple(_response_view(form, attempt, _Answered(*row)) for row in rows)


def _response_view(form: CompiledForm, attempt: Attempt, answered: _Answered) -> ResponseView:
    item = form.items[form.place_of[answered.item_id]]
    return ResponseView(
        position=answered.position,
        presentation_uuid=answered.uuid,
        item_uuid=item.item_uuid,
        item_key=item.item_key,
        item_version=item.version,
        kind=item.rule.kind,
        stem=item.stem,
        options=tuple(item.options[option] for option in answered.option_order["options"]),
        targets=tuple(item.targets[target] for target in answered.option_order["targets"]),
        domain=item.domain,
        value=answered.value,
        correct_pattern=item.rule.correct,
        score=answered.score,
        shown_at=answered.shown_at,
        answered_at=answered.received_at,
        active_ms=answered.active_ms,
        theta_after=answered.theta_after,
        se_after=answered.se_after,
        is_flagged=answered.position in attempt.flagged,
    )
