"""The worker's look at finished sittings: it measures each once, compares those of one form in one agency, and opens reviews."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from assessment.estimation import BOUND
from assessment.integrity import (
    KEPT,
    LONG_AWAY_SECONDS,
    MANY_AWAY,
    MANY_MOVES,
    MIN_EFFORT,
    MIN_TIMES,
    MISFIT,
    TimedAnswer,
    attraction,
    count_rapid,
    effort,
    person_fit,
)
from assessment.irt import probability
from assessment.locked import insert_of
from assessment.models import (
    AbilityEstimate,
    Attempt,
    AttemptEvent,
    FormVersion,
    IntegrityCheck,
    IntegrityFlag,
    IntegrityReview,
    Presentation,
    Response,
)
from assessment.pool import CompiledForm, compiled_form
from kernel import strictjson

AT_ONCE: Final = 500
"""Sittings measured in one transaction."""
TIMED_ATTEMPTS: Final = 2000
"""Newest sittings of a form that an item's mean time is taken from."""
COMPARED_AT_ONCE: Final = 15_000
"""Newest sittings of a form in an agency that are compared with each other."""
COMPARED_EVERY: Final = timedelta(minutes=10)
"""How long finished sittings gather before they are compared."""
EDGE: Final = BOUND - 0.01
"""An estimate out here is no estimate: all answers were right, or all wrong."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Sittings to be compared, as `similarity.similar_pairs` takes them, without numpy.

    attempts  their row ids
    """

    tenant_id: int
    attempts: tuple[int, ...]
    wrong: list[list[float]]
    choices: list[list[int]]
    attraction: list[float]
    is_new: list[bool]


@dataclass(frozen=True, slots=True)
class _Answer:
    item_id: int
    value: Any
    score: float
    active_ms: int | None
    away_count: int
    away_ms: int


def check_some(db: Session, *, now: datetime) -> int:
    """Measures finished sittings of one form that nobody has measured, the oldest first, and opens reviews. Returns how many."""
    unchecked = (
        Attempt.state == "finished",
        ~Attempt.is_preview,
        Attempt.finished_at > now - KEPT,
        ~select(IntegrityCheck.attempt_id).where(IntegrityCheck.attempt_id == Attempt.id).exists(),
    )
    oldest = db.execute(select(Attempt.form_version_id, Attempt.form_id).where(*unchecked).order_by(Attempt.id).limit(1)).first()
    if oldest is None:
        return 0
    version_id, form_id = oldest
    of_version = select(Attempt.id, Attempt.tenant_id).where(*unchecked, Attempt.form_version_id == version_id)
    tenants = dict(db.execute(of_version.order_by(Attempt.id).limit(AT_ONCE)).all())
    form = compiled_form(db, db.scalars(select(FormVersion.uuid).where(FormVersion.id == version_id)).one())
    answers, estimates, moves = _answers(db, tenants), _estimates(db, tenants), _moves(db, tenants)
    means = _mean_seconds(db, form_id)
    for attempt_id, tenant_id in tenants.items():
        row = _measure(form, answers.get(attempt_id, []), estimates.get(attempt_id, {}), means) | {"n_moves": moves.get(attempt_id, 0)}
        whose = {"tenant_id": tenant_id, "attempt_id": attempt_id, "at": now}
        n_timed = row.pop("n_timed")
        db.execute(insert_of(db, IntegrityCheck).values(whose | row).on_conflict_do_nothing())
        _flag(db, [(attempt_id, kind, "", detail) for kind, detail in _signs(row, n_timed)], tenant_id=tenant_id, now=now)
    return len(tenants)


def next_comparison(db: Session, *, now: datetime) -> Comparison | None:
    """Sittings of one form in one agency among which some were not compared yet; None when none have waited long enough."""
    waiting = (IntegrityCheck.compared_at.is_(None), IntegrityCheck.at <= now - COMPARED_EVERY)
    oldest = db.execute(
        select(Attempt.tenant_id, Attempt.form_id)
        .join(IntegrityCheck, IntegrityCheck.attempt_id == Attempt.id)
        .where(*waiting)
        .order_by(IntegrityCheck.at)
        .limit(1)
    ).first()
    if oldest is None:
        return None
    rows = db.execute(
        select(Attempt.id, FormVersion.uuid, IntegrityCheck.compared_at)
        .join(IntegrityCheck, IntegrityCheck.attempt_id == Attempt.id)
        .join(FormVersion, FormVersion.id == Attempt.form_version_id)
        .where(Attempt.tenant_id == oldest[0], Attempt.form_id == oldest[1])
        .order_by(IntegrityCheck.compared_at.is_not(None), Attempt.id.desc())
        .limit(COMPARED_AT_ONCE)
    ).all()
    forms = {uuid: compiled_form(db, uuid) for uuid in {row[1] for row in rows}}
    version_of = {attempt_id: uuid for attempt_id, uuid, _ in rows}
    answers, estimates = _answers(db, version_of), _estimates(db, version_of)
    attempts = tuple(version_of)
    wrong, choices, pulls = _compared(attempts, {one: forms[version_of[one]] for one in attempts}, answers, estimates)
    return Comparison(oldest[0], attempts, wrong, choices, pulls, [compared_at is None for _, _, compared_at in rows])


def compare(comparison: Comparison) -> list[tuple[int, int, dict[str, Any]]]:
    """The pairs that agree too well, by their places, with the figures. Takes up to half a minute; raises ImportError without numpy."""
    import numpy as np  # noqa: PLC0415  an extra, and no web process loads it

    from assessment.similarity import similar_pairs  # noqa: PLC0415

    if not comparison.attraction:
        return []
    wrong, choices = np.array(comparison.wrong, dtype=np.float32), np.array(comparison.choices, dtype=np.int32)
    pairs = similar_pairs(wrong, choices, np.array(comparison.attraction, dtype=np.float32), comparison.is_new)
    return [(pair.one, pair.other, {"n_same": pair.n_same, "expected": round(pair.expected, 1), "chance": pair.chance}) for pair in pairs]


def keep_pairs(db: Session, comparison: Comparison, pairs: Iterable[tuple[int, int, dict[str, Any]]], *, now: datetime) -> int:
    """Keeps what a comparison found: a flag on each of a pair, and that the sittings were compared. Returns how many pairs.

    pairs   places of the two in the comparison, and the figures
    """
    uuids = dict(db.execute(select(Attempt.id, Attempt.uuid).where(Attempt.id.in_(comparison.attempts))).all())
    n_pairs = 0
    for one, other, detail in pairs:
        two = comparison.attempts[one], comparison.attempts[other]
        if set(two) <= uuids.keys():  # nobody has been erased meanwhile
            flags = [(mine, "similar", str(uuids[theirs]), detail) for mine, theirs in (two, two[::-1])]
            _flag(db, flags, tenant_id=comparison.tenant_id, now=now)
            n_pairs += 1
    compared = update(IntegrityCheck).where(IntegrityCheck.attempt_id.in_(comparison.attempts)).values(compared_at=now)
    db.execute(compared.execution_options(synchronize_session=False))
    return n_pairs


def _measure(form: CompiledForm, answers: Sequence[_Answer], wle: Mapping[str, float | None], means: Mapping[int, float]) -> dict[str, Any]:
    timed = [
        TimedAnswer(one.active_ms / 1000, means.get(one.item_id, float(form.items[form.place_of[one.item_id]].time_guide_seconds)))
        for one in answers
        if one.active_ms is not None
    ]
    scales: dict[str, list[Any]] = {}
    for one in answers:
        place = form.place_of[one.item_id]
        params, domain = form.pool.items[place].params, form.items[place].domain
        theta = wle.get(domain)
        is_counted = one.value is not None and not form.pool.items[place].is_pilot
        if is_counted and theta is not None and abs(theta) < EDGE and params.n_points == 1:
            scales.setdefault(domain, []).append((params, one.score == 1))
    return {
        "n_answers": len(answers),
        "n_timed": len(timed),
        "n_rapid": count_rapid(timed),
        "person_fit": person_fit((wle[domain] or 0.0, given) for domain, given in scales.items()),
        "n_away": sum(one.away_count for one in answers),
        "away_seconds": round(sum(one.away_ms for one in answers) / 1000),
    }


def _signs(row: Mapping[str, Any], n_timed: int) -> list[tuple[str, dict[str, Any]]]:
    signs: list[tuple[str, dict[str, Any]]] = []
    share = effort(n_timed, row["n_rapid"])
    if share < MIN_EFFORT:
        signs.append(("rapid", {"n_rapid": row["n_rapid"], "n_answers": n_timed, "effort": round(share, 3)}))
    if row["person_fit"] is not None and row["person_fit"] < MISFIT:
        signs.append(("misfit", {"lz_star": round(row["person_fit"], 2)}))
    if row["n_away"] >= MANY_AWAY or row["away_seconds"] >= LONG_AWAY_SECONDS:
        signs.append(("away", {"n_away": row["n_away"], "away_seconds": row["away_seconds"]}))
    if row["n_moves"] >= MANY_MOVES:
        signs.append(("moved", {"n_moves": row["n_moves"]}))
    return signs


def _flag(db: Session, flags: Iterable[tuple[int, str, str, dict[str, Any]]], *, tenant_id: int, now: datetime) -> None:
    """Flags that are new open a review, also one that was closed; where another sitting was offered, it stays closed."""
    for attempt_id, kind, key, detail in flags:
        row = {"tenant_id": tenant_id, "attempt_id": attempt_id, "kind": kind, "key": key, "at": now, "detail": detail}
        made = insert_of(db, IntegrityFlag).values(row).on_conflict_do_nothing().returning(IntegrityFlag.id)
        if db.execute(made).first() is None:
            continue
        opened = {"tenant_id": tenant_id, "attempt_id": attempt_id, "opened_at": now}
        db.execute(insert_of(db, IntegrityReview).values(opened).on_conflict_do_nothing())
        closed = (IntegrityReview.attempt_id == attempt_id, IntegrityReview.decision.in_(("no_concern", "talk")))
        again = {"decision": None, "reason": None, "decided_by": None, "decided_at": None, "opened_at": now}
        db.execute(update(IntegrityReview).where(*closed).values(again).execution_options(synchronize_session=False))


def _compared(
    attempts: Sequence[int],
    forms: Mapping[int, CompiledForm],
    answers: Mapping[int, Sequence[_Answer]],
    estimates: Mapping[int, Mapping[str, float | None]],
) -> tuple[list[list[float]], list[list[int]], list[float]]:
    """Chances of wrong answers, wrong answers by number, and how they attract; a column for each item that anybody answered."""
    columns: dict[int, int] = {}  # by item version
    numbers: list[dict[str, int]] = []
    counts: list[dict[str, int]] = []
    n_wrong: list[int] = []
    for one in attempts:
        for answer in answers.get(one, ()):
            item = forms[one].items[forms[one].place_of[answer.item_id]]
            if item.version_id not in columns:
                columns[item.version_id] = len(columns)
                numbers.append({})
                counts.append({})
                n_wrong.append(max(1, len(item.options) - 1) if item.rule.kind == "single_choice" else 1)
            if answer.score != 1 and answer.value is not None:
                column, said = columns[item.version_id], strictjson.dumps(answer.value, sort_keys=True).decode()
                numbers[column].setdefault(said, len(numbers[column]))
                counts[column][said] = counts[column].get(said, 0) + 1
    wrong = [[0.0] * len(columns) for _ in attempts]
    choices = [[-1] * len(columns) for _ in attempts]
    for row, one in enumerate(attempts):
        form = forms[one]
        for answer in answers.get(one, ()):
            place = form.place_of[answer.item_id]
            column = columns[form.items[place].version_id]
            params, theta = form.pool.items[place].params, estimates.get(one, {}).get(form.items[place].domain)
            if params.n_points != 1 or theta is None or answer.value is None or form.pool.items[place].is_pilot:
                continue
            wrong[row][column] = 1 - probability(theta, params)
            if answer.score != 1:
                choices[row][column] = numbers[column][strictjson.dumps(answer.value, sort_keys=True).decode()]
    pulls = [attraction(counts[column], max(n_wrong[column], len(counts[column]) + 1)) for column in range(len(columns))]
    return wrong, choices, pulls


def _answers(db: Session, attempts: Iterable[int]) -> dict[int, list[_Answer]]:
    rows = db.execute(
        select(
            Response.attempt_id,
            Presentation.item_id,
            Response.value,
            Response.score,
            Response.active_ms,
            Response.away_count,
            Response.away_ms,
        )
        .join(Presentation, Presentation.id == Response.presentation_id)
        .where(Response.attempt_id.in_(list(attempts)))
        .order_by(Response.attempt_id, Presentation.position)
    )
    found: dict[int, list[_Answer]] = {}
    for attempt_id, item_id, value, score, active_ms, away_count, away_ms in rows:
        found.setdefault(attempt_id, []).append(_Answer(item_id, value, score, active_ms, away_count or 0, away_ms or 0))
    return found


def _estimates(db: Session, attempts: Iterable[int]) -> dict[int, dict[str, float | None]]:
    """Warm's estimate of each area."""
    found: dict[int, dict[str, float | None]] = {}
    estimated = select(AbilityEstimate.attempt_id, AbilityEstimate.domain, AbilityEstimate.wle)
    for attempt_id, domain, wle in db.execute(estimated.where(AbilityEstimate.attempt_id.in_(list(attempts)))):
        found.setdefault(attempt_id, {})[domain] = wle
    return found


def _moves(db: Session, attempts: Iterable[int]) -> dict[int, int]:
    moved = (AttemptEvent.attempt_id.in_(list(attempts)), AttemptEvent.kind == "device_moved")
    return dict(db.execute(select(AttemptEvent.attempt_id, func.count()).where(*moved).group_by(AttemptEvent.attempt_id)).all())


def _mean_seconds(db: Session, form_id: int) -> dict[int, float]:
    """Mean time on each item in the newest sittings of a form, where enough were timed."""
    newest = select(Attempt.id).where(Attempt.form_id == form_id, Attempt.state == "finished", ~Attempt.is_preview)
    rows = db.execute(
        select(Presentation.item_id, func.avg(Response.active_ms))
        .join(Response, Response.presentation_id == Presentation.id)
        .where(Presentation.attempt_id.in_(newest.order_by(Attempt.id.desc()).limit(TIMED_ATTEMPTS)), Response.active_ms.is_not(None))
        .group_by(Presentation.item_id)
        .having(func.count() >= MIN_TIMES)
    )
    return {item_id: float(mean) / 1000 for item_id, mean in rows}
