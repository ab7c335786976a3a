"""What is kept of people: of one person, for themselves, whole; of an agency, in counts."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

import assessment.api as assessment
import learning.api as learning
import roadmap.api as roadmap
import xapi.api as xapi
from kernel.clock import local_date
from kernel.errors import NotFound
from kernel.langmap import LangMap
from lti_tool.models import (
    AuditEntry,
    Context,
    CountedSitting,
    Enrolment,
    Launch,
    LineItem,
    Registration,
    ResourceLink,
    Score,
    Tenant,
    User,
)
from lti_tool.models.audit import append_audit
from lti_tool.web.principal import Principal


class Subject(Protocol):
    """Whose data it is: one person as one platform names them; a `Principal` is one."""

    @property
    def tenant_id(self) -> int: ...  # noqa: D102  as Principal has it
    @property
    def tenant_home_page(self) -> str: ...  # noqa: D102  as Principal has it
    @property
    def registration_id(self) -> int: ...  # noqa: D102  as Principal has it
    @property
    def user_id(self) -> int: ...  # noqa: D102  as Principal has it
    @property
    def person_uuid(self) -> UUID: ...  # noqa: D102  as Principal has it


KINDS = ("identity", "courses", "visits", "attempts", "answers", "accommodations", "reviews", "scores", "statements", "levels", "path")
"""Kinds of data, in the order of the page."""


@dataclass(frozen=True, slots=True)
class Kept:
    """How much of each kind is kept of one person, or of all people of an agency.

    agency   whose data it is
    counts   by kind; a kind that does not apply is left out
    n_audit  lines of the audit log, which name people by our own row numbers only
    """

    agency: LangMap
    counts: Mapping[str, int]
    n_audit: int


def kept_of_person(db: Session, principal: Principal, *, now: datetime) -> Kept:
    """What is kept of the person of this launch."""
    data = data_of_person(db, principal, now=now)
    counts = {
        "identity": 1,
        "courses": len(data["courses"]),
        "visits": len(data["visits"]),
        "attempts": len(data["attempts"]),
        "answers": sum(len(attempt["answers"]) for attempt in data["attempts"]),
        "accommodations": len(data["accommodations"]),
        "reviews": len(data["reviews"]),
        "scores": len(data["scores"]),
        "statements": len(data["statements"]),
        "levels": len(data["levels"]),
        "path": len(data["path"]),
    }
    n_audit = db.scalar(select(func.count(AuditEntry.id)).where(AuditEntry.actor == f"user:{principal.user_id}")) or 0
    return Kept(_agency(db, principal), counts, n_audit)


def kept_of_agency(db: Session, principal: Principal) -> Kept:
    """What is kept of all people of the agency, in counts."""
    tenant = principal.tenant_id
    n_attempts, n_answers = assessment.count_kept(db, tenant_id=tenant)
    counts = {
        "identity": _count(db, select(func.count(User.id)).where(User.tenant_id == tenant)),
        "courses": _count(db, select(func.count(Enrolment.id)).where(Enrolment.tenant_id == tenant)),
        "visits": _count(db, select(func.count(Launch.id)).where(Launch.tenant_id == tenant, Launch.preview_of_id.is_(None))),
        "attempts": n_attempts,
        "answers": n_answers,
        "scores": _count(db, select(func.count(Score.id)).where(Score.tenant_id == tenant)),
        "statements": xapi.count_statements(db, tenant_id=tenant),
    }
    return Kept(_agency(db, principal), counts, _count(db, select(func.count(AuditEntry.id)).where(AuditEntry.tenant_id == tenant)))


def data_of_person(db: Session, who: Subject, *, now: datetime) -> dict[str, Any]:
    """Everything that is kept of a person, as values for JSON; keys and rationales of questions are not theirs."""
    account = {"objectType": "Agent", "account": {"homePage": who.tenant_home_page, "name": str(who.person_uuid)}}
    statements = list(xapi.iter_statements_of(db, tenant_id=who.tenant_id, agent=account))
    return {**data_beside_statements(db, who, now=now), "statements": statements}


def data_beside_statements(db: Session, who: Subject, *, now: datetime) -> dict[str, Any]:
    """What is kept of a person outside of the record store."""
    person: dict[str, Any] = {"tenant_id": who.tenant_id, "person_uuid": who.person_uuid}
    path = learning.find_path(db, **person)
    return {
        "made_at": now,
        "agency": _agency(db, who),
        "identity": _identity(db, who),
        "courses": _courses(db, who),
        "visits": _visits(db, who),
        "attempts": [asdict(attempt) for attempt in assessment.list_kept(db, **person)],
        "attempts_count_for": _counted(db, who),
        "accommodations": _allowed(db, who, now=now),
        "reviews": [_review(one) for one in assessment.list_reviews(db, **person)],
        "scores": _scores(db, who),
        "levels": _levels(db, who, now=now),
        "groups": assessment.groups_of(db, [who.person_uuid]).get(who.person_uuid, {}),
        "path": [asdict(step) for step in path.steps] if path else [],
    }


def hand_out(db: Session, principal: Principal, *, now: datetime) -> dict[str, Any]:
    """The person's own data, for them to take along; that they were handed out stands in the audit log."""
    data = data_of_person(db, principal, now=now)
    actor = f"user:{principal.user_id}"
    append_audit(db, event="person_data.exported", actor=actor, now=now, tenant_id=principal.tenant_id, details={"by": "person"})
    return data


def _agency(db: Session, who: Subject) -> LangMap:
    return db.get_one(Tenant, who.tenant_id).name


def _identity(db: Session, who: Subject) -> dict[str, Any]:
    user = db.get_one(User, who.user_id)
    registration = db.get_one(Registration, who.registration_id)
    return {
        "platform": registration.issuer,
        "id_on_the_platform": user.sub,
        "name": user.display_name,
        "id_in_statements": user.person_uuid,
        "known_since": user.created_at,
    }


def _courses(db: Session, who: Subject) -> list[dict[str, Any]]:
    rows = db.execute(
        select(Context.title, Context.lti_id, Enrolment.roles, Enrolment.created_at, Enrolment.removed_at)
        .join(Enrolment, Enrolment.context_id == Context.id)
        .where(Enrolment.user_id == who.user_id)
        .order_by(Enrolment.id)
    )
    return [
        {"title": title, "id_on_the_platform": lti_id, "roles": roles, "since": since, "removed_at": removed_at}
        for title, lti_id, roles, since, removed_at in rows
    ]


def _visits(db: Session, who: Subject) -> list[dict[str, Any]]:
    mine = (Launch.user_id == who.user_id, Launch.preview_of_id.is_(None))
    rows = db.execute(select(Launch.created_at, Launch.seen_at, Launch.locale, Launch.message_type).where(*mine).order_by(Launch.id))
    return [{"from": begun, "last_act": seen, "language": locale, "message": message} for begun, seen, locale, message in rows]


def _scores(db: Session, who: Subject) -> list[dict[str, Any]]:
    rows = db.execute(
        select(LineItem.label, Score.given, Score.maximum, Score.comment, Score.state, Score.sent_at)
        .join(LineItem, LineItem.id == Score.line_item_id)
        .where(Score.user_id == who.user_id)
        .order_by(Score.id)
    )
    return [
        {"column": label, "given": given, "maximum": maximum, "comment": comment, "state": state, "sent_at": sent_at}
        for label, given, maximum, comment, state, sent_at in rows
    ]


def _counted(db: Session, who: Subject) -> list[dict[str, Any]]:
    rows = db.execute(
        select(CountedSitting.attempt_uuid, Context.title, ResourceLink.title, CountedSitting.created_at)
        .join(ResourceLink, ResourceLink.id == CountedSitting.resource_link_id)
        .outerjoin(Context, Context.id == ResourceLink.context_id)
        .where(CountedSitting.user_id == who.user_id)
        .order_by(CountedSitting.id)
    )
    return [{"attempt": attempt, "course": course, "activity": activity, "since": since} for attempt, course, activity, since in rows]


def _allowed(db: Session, who: Subject, *, now: datetime) -> list[dict[str, Any]]:
    """Extra time and pauses as their person sees them: who gave them is another person."""
    found = assessment.list_accommodations(db, tenant_id=who.tenant_id, person_uuids=[who.person_uuid], now=now, in_force=False)
    hidden = {"uuid", "person_uuid", "granted_by", "form_uuid", "is_in_force"}
    return [{name: value for name, value in asdict(one).items() if name not in hidden} for one in found]


def _review(one: assessment.ReviewView) -> dict[str, Any]:
    """A review as its own person sees it: whoever else a sign is about is not named."""
    return {
        "attempt": one.attempt_uuid,
        "opened_at": one.opened_at,
        "signs": [{"kind": flag.kind, "seen_at": flag.at, "figures": flag.detail} for flag in one.flags],
        "decision": one.decision,
        "reason": one.reason,
        "decided_at": one.decided_at,
    }


def _levels(db: Session, who: Subject, *, now: datetime) -> list[dict[str, Any]]:
    person: dict[str, Any] = {"tenant_id": who.tenant_id, "person_uuid": who.person_uuid}
    try:
        standings = roadmap.standing_of(db, today=local_date(now), now=now, **person)
    except NotFound:  # an installation without a framework
        return []
    known = [one for one in standings if one.attainment is not None]
    evidence = roadmap.evidence_of(db, node_keys=[one.node.key for one in known], **person) if known else {}
    return [
        {
            "competency": one.node.key,
            "name": one.node.label,
            "level": one.level,
            "target": one.target,
            "evidence": [asdict(piece) for piece in evidence[one.node.key]],
        }
        for one in known
    ]


def _count(db: Session, query: Select[int]) -> int:
    return db.scalar(query) or 0
