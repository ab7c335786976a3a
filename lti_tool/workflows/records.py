"""What administrators see of the record store: each look at statements stands in the audit log."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

import xapi.api as xapi
from kernel.clock import BANGKOK, local_date
from kernel.errors import Invalid, KaonaError
from lti_tool.models import AuditEntry, Tenant
from lti_tool.models.audit import append_audit
from lti_tool.statements import vocabulary as words
from lti_tool.statements.sentences import VOIDED
from lti_tool.web.principal import Principal
from lti_tool.workflows.people import IdentifierInvalid, read_identifier

FILTERS = ("verb", "activity", "person", "since", "until")
"""Parameters of the list of statements."""
PERIODS = (7, 30, 90)
"""Days that the volumes may be asked for."""
ONE_LOOK = timedelta(minutes=10)
"""A page that is open and refreshes itself is one look."""


class FilterInvalid(Invalid):
    """A field of the filter holds something else than it asks for."""

    code = "filter_invalid"
    message: ClassVar = {"th": "ตัวกรองไม่ถูกต้อง: {reason}", "en": "The filter is not valid: {reason}"}


@dataclass(frozen=True, slots=True)
class Volumes:
    """How many statements were stored: by day in Thailand, and by verb over all these days.

    by_verb   verb to number, the most frequent first; None stands for all other verbs
    """

    days: tuple[date, ...]
    by_day: tuple[int, ...]
    by_verb: Mapping[str | None, int]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.by_day)


def read_filter(asked: Mapping[str, str], *, home_page: str) -> xapi.Slice:
    """The part of the statements that the form asks for; an empty field asks for nothing.

    asked   `FILTERS`; dates as YYYY-MM-DD, days in Thailand, both included
    Raises  FilterInvalid, IdentifierInvalid, RequestInvalid
    """
    given = {name: asked[name].strip() for name in FILTERS if asked.get(name, "").strip()}
    value: dict[str, Any] = {plural: [given[name]] for name, plural in (("verb", "verbs"), ("activity", "activities")) if name in given}
    if "person" in given:
        try:
            value["agents"] = [dict(one) for one in xapi.person_of([read_identifier(given["person"], home_page=home_page)]).agents]
        except (ValueError, KaonaError):
            raise IdentifierInvalid(place=1) from None
    if "since" in given:
        value["since"] = _midnight(given["since"]).isoformat()
    if "until" in given:
        value["until"] = (_midnight(given["until"]) + timedelta(days=1)).isoformat()
    return xapi.read_slice(value)


def home_page_of(db: Session, principal: Principal) -> str:
    """Where the accounts of the agency's people live."""
    return db.get_one(Tenant, principal.tenant_id).home_page


def note_look(db: Session, principal: Principal, *, now: datetime, asked: Mapping[str, str], statement: UUID | None = None) -> None:
    """Writes down that somebody looked at statements: which filter or statement, and never whom it names."""
    told = {name: "given" if name == "person" else asked[name][:200] for name in FILTERS if asked.get(name, "").strip()}
    details = {"statement": str(statement)} if statement is not None else told
    mine = (AuditEntry.tenant_id == principal.tenant_id, AuditEntry.actor == f"user:{principal.user_id}")
    last = db.execute(
        select(AuditEntry.at, AuditEntry.details)
        .where(*mine, AuditEntry.event == "statements.viewed", AuditEntry.at > now - ONE_LOOK)
        .order_by(AuditEntry.id.desc())
        .limit(1)
    ).first()
    if last is None or last.details != details:
        actor = f"user:{principal.user_id}"
        append_audit(db, event="statements.viewed", actor=actor, now=now, tenant_id=principal.tenant_id, details=details)


def volumes(db: Session, principal: Principal, *, now: datetime, n_days: int) -> Volumes:
    """The volumes of the last days, today included."""
    today = local_date(now)
    days = tuple(today - timedelta(days=back) for back in reversed(range(n_days)))
    known = [*(term.iri for term in words.VERBS), VOIDED]
    by_verb = xapi.count_by_verb(db, tenant_id=principal.tenant_id, days=days, known=known)
    return Volumes(days, tuple(xapi.count_by_day(db, tenant_id=principal.tenant_id, days=days)), by_verb)


def _midnight(day: str) -> datetime:
    try:
        found = date.fromisoformat(day)
    except ValueError:
        raise FilterInvalid(reason=day) from None
    return datetime(found.year, found.month, found.day, tzinfo=BANGKOK)
