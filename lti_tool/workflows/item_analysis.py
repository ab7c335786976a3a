"""Item analysis for the people who may see it: an administrator's agency, the nation's for a central one, a teacher's course."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

import assessment.api as assessment
from assessment.score_tables import TableInvalid
from lti_tool.jobs import item_analysis
from lti_tool.models import Registration, User
from lti_tool.models.audit import append_audit
from lti_tool.web.principal import Principal
from lti_tool.workflows.scope import executive_scope

SMALLEST: Final = 10
"""People below whom nothing is shown of an item, or of a course."""

INSIDE: Final = frozenset({"group_difference", "wrong_option_attracts"})
"""Flags that tell of an item's key or of groups of people."""

AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class GroupsRead:
    """What an import of groups did."""

    n_people: int
    n_labels: int


def scope_of(db: Session, principal: Principal, *, wants_all: bool = False) -> assessment.Scope:
    """Whose answers an administrator sees: the agency's, or everybody's for one who is a central executive too and asks for them."""
    if wants_all and executive_scope(db, principal).is_central:
        return assessment.EVERYBODY
    return assessment.agency(principal.tenant_id)


def course_scope(principal: Principal) -> assessment.Scope | None:
    """A teacher's own course; None where the launch has none."""
    return None if principal.context_id is None else item_analysis.course(principal.tenant_id, principal.context_id)


def ask(db: Session, principal: Principal, form_uuid: UUID, scope: assessment.Scope, now: datetime) -> None:
    """Has an analysis computed anew. Raises FormNotFound."""
    assessment.get_form(db, form_uuid, tenant_id=principal.tenant_id)
    item_analysis.ask(db, form_uuid, scope, tenant_id=principal.tenant_id, now=now)


def close(
    db: Session, principal: Principal, review: UUID, scope: assessment.Scope, *, decision: str, reason: str, now: datetime
) -> assessment.ItemReviewView:
    """Decides a review and writes that down. Raises what `assessment.close_item_review` does."""
    actor = f"user:{principal.user_id}"
    closed = assessment.close_item_review(db, review, scope, decision=decision, reason=reason, by=actor, now=now)
    details = {"review": str(review), "item": closed.item_key, "version": closed.item_version, "decision": decision, "scope": scope.name}
    append_audit(db, event="item_review.closed", actor=actor, now=now, tenant_id=principal.tenant_id, details=details)
    return closed


def without_small(item: dict[str, Any]) -> dict[str, Any]:
    """One item's figures, none of them where fewer than SMALLEST people saw it."""
    if item["n"] >= SMALLEST:
        return item
    nothing = dict.fromkeys(("facility", "discrimination", "point_biserial", "efficiency", "effective_weight", "fit", "s_x2"))
    return item | nothing | {"distractors": [], "groups": [], "flags": []}


def withheld(document: dict[str, Any], *, n_persons: int) -> dict[str, Any]:
    """An analysis as a teacher may see it: nothing of fewer than SMALLEST people, no options, no key, no comparison of groups."""
    if n_persons < SMALLEST:
        return {"groups": {}, "domains": []}
    domains = [
        domain | {"items": [_without_inside(item) for item in domain["items"] if item["n"] >= SMALLEST]}
        for domain in document["domains"]
        if domain["n_persons"] >= SMALLEST
    ]
    return {"groups": {}, "domains": domains}


def _without_inside(item: dict[str, Any]) -> dict[str, Any]:
    """One item's figures without what tells of its options, its key or groups of people."""
    return item | {"distractors": [], "groups": [], "flags": [flag for flag in item["flags"] if flag not in INSIDE]}


def import_groups(db: Session, content: bytes, *, tenant_id: int, now: datetime, actor: str) -> GroupsRead:
    """Takes in what an agency says of its people, whole or not at all.

    content   CSV with the columns person, attribute, label; a person by UUID, by the id on the platform, or by `ISSUER ID`
    Raises    TableInvalid with the rows whose person is not known here, or known twice
    """
    rows = assessment.read_group_file(content)
    persons = _persons(db, tenant_id, sorted({row.person for row in rows}))
    faults = [
        assessment.Fault(f"row {row.number}, column person", "nobody here" if not found else "several people; say `ISSUER ID`")
        for row in rows
        if len(found := persons.get(row.person, set())) != 1
    ]
    if faults:
        raise TableInvalid(faults)
    labels: dict[UUID, dict[str, str]] = {}
    for row in rows:
        labels.setdefault(next(iter(persons[row.person])), {})[row.attribute] = row.label
    n = assessment.set_groups(db, tenant_id=tenant_id, labels=labels)
    details = {"people": len(labels), "labels": n}
    append_audit(db, event="person_groups.imported", actor=actor, now=now, tenant_id=tenant_id, details=details)
    return GroupsRead(len(labels), n)


def _persons(db: Session, tenant_id: int, names: Sequence[str]) -> dict[str, set[UUID]]:
    """Who is meant by each name."""
    found: dict[str, set[UUID]] = {}
    for first in range(0, len(names), AT_ONCE):
        some = set(names[first : first + AT_ONCE])
        subs = some | {name.partition(" ")[2] for name in some if " " in name}
        uuids = [uuid for uuid in map(_uuid, some) if uuid is not None]
        rows = db.execute(
            select(User.person_uuid, User.sub, Registration.issuer)
            .join(Registration, Registration.id == User.registration_id)
            .where(User.tenant_id == tenant_id, or_(User.sub.in_(subs), User.person_uuid.in_(uuids)))
        )
        for person_uuid, sub, issuer in rows:
            for name in {sub, f"{issuer} {sub}", str(person_uuid)} & some:
                found.setdefault(name, set()).add(person_uuid)
    return found


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
