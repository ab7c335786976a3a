"""Extra time and pauses for one person, from a page, a command or a file; each act is one line of the audit log."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from io import StringIO
from typing import ClassVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

import assessment.api as assessment
from kernel.clock import BANGKOK
from kernel.errors import Invalid
from lti_tool.models import Registration, User
from lti_tool.models.audit import append_audit

COLUMNS = ("issuer", "user", "form", "factor", "minutes", "pauses", "pause_minutes", "from", "until", "reason")
"""Of a CSV file: the platform and the id there; the form's key, or empty for all; moments as RFC 3339 or days of Bangkok."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What one person is to be allowed: for a form, for one sitting, or for all."""

    person_uuid: UUID
    allowance: assessment.Allowance
    reason: str
    form_uuid: UUID | None = None
    attempt_uuid: UUID | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None


class FileInvalid(Invalid):
    """A CSV file of accommodations has faults; nothing of it was set.

    faults   `line 3: ...` each
    """

    code = "accommodations_invalid"
    message: ClassVar = {"th": "ไฟล์มีข้อผิดพลาด {n} จุด: {faults}", "en": "The file has {n} faults: {faults}"}

    def __init__(self, faults: list[str]) -> None:
        super().__init__(n=len(faults), faults="; ".join(faults))


def set_for_person(db: Session, grant: Grant, *, tenant_id: int, actor: str, now: datetime) -> UUID:
    """Allows a person something. Returns its UUID. Raises AccommodationInvalid, FormNotFound, AttemptNotFound."""
    made = assessment.set_accommodation(
        db,
        tenant_id=tenant_id,
        person_uuid=grant.person_uuid,
        allowance=grant.allowance,
        reason=grant.reason,
        granted_by=actor,
        now=now,
        form_uuid=grant.form_uuid,
        attempt_uuid=grant.attempt_uuid,
        valid_from=grant.valid_from,
        valid_until=grant.valid_until,
    )
    details = {"accommodation": str(made), "person": str(grant.person_uuid), **asdict(grant.allowance)}
    append_audit(db, event="accommodation.set", actor=actor, now=now, tenant_id=tenant_id, details=details)
    return made


def withdraw(db: Session, accommodation: UUID, *, tenant_id: int, actor: str, now: datetime) -> None:
    """Takes an accommodation back. Raises AccommodationNotFound."""
    assessment.withdraw_accommodation(db, accommodation, tenant_id=tenant_id, withdrawn_by=actor, now=now)
    details = {"accommodation": str(accommodation)}
    append_audit(db, event="accommodation.withdrawn", actor=actor, now=now, tenant_id=tenant_id, details=details)


def set_from_file(db: Session, text: str, *, tenant_id: int, actor: str, now: datetime) -> int:
    """Sets every line of a CSV file, or none of it.

    text      see COLUMNS; a heading first, in any order, columns that are not used may be missing
    Returns   how many lines
    Raises    FileInvalid with every fault and its line
    """
    grants, faults = [], []
    for line, row in _rows(text):
        try:
            grants.append((line, _grant(db, row, tenant_id)))
        except ValueError as error:
            faults.append(f"line {line}: {error}")
    for line, grant in grants if not faults else ():
        try:
            set_for_person(db, grant, tenant_id=tenant_id, actor=actor, now=now)
        except Invalid as error:
            faults.append(f"line {line}: {error}")
    if faults:
        raise FileInvalid(faults)
    return len(grants)


def form_of(db: Session, key: str, tenant_id: int) -> UUID | None:
    """The form of a key; None for an empty one. Raises ValueError in words."""
    if not key.strip():
        return None
    for form in assessment.list_forms(db, tenant_id=tenant_id):
        if form.key == key.strip():
            return form.uuid
    raise ValueError(f"no form has the key {key!r}")


def _rows(text: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    reader = csv.DictReader(StringIO(text.removeprefix("\ufeff"), newline=""), restkey="", restval="", strict=True)
    unknown = sorted(set(reader.fieldnames or ()) - set(COLUMNS))
    missing = {"issuer", "user"} - set(reader.fieldnames or ())
    if unknown or missing:
        raise FileInvalid([f"the heading knows {', '.join(COLUMNS)}; issuer and user must be there"])
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise FileInvalid([f"line {reader.line_num}: {error}"]) from None


def _grant(db: Session, row: Mapping[str, str], tenant_id: int) -> Grant:
    """One line. Raises ValueError in words."""
    if row.get(""):
        raise ValueError("more cells than the heading has")
    person = db.scalar(
        select(User.person_uuid)
        .join(Registration, Registration.id == User.registration_id)
        .where(User.tenant_id == tenant_id, Registration.issuer == row["issuer"].strip(), User.sub == row["user"].strip())
    )
    if person is None:
        raise ValueError(f"nobody is known as {row['user']!r} at {row['issuer']!r}")
    return Grant(
        person_uuid=person,
        allowance=assessment.Allowance(
            factor_percent=percent_of(row.get("factor", "")),
            extra_minutes=_whole(row, "minutes"),
            pauses=_whole(row, "pauses"),
            pause_minutes=_whole(row, "pause_minutes"),
        ),
        reason=row.get("reason", "").strip() or assessment.REASONS[0],
        form_uuid=form_of(db, row.get("form", ""), tenant_id),
        valid_from=moment_of(row.get("from", "")),
        valid_until=moment_of(row.get("until", ""), is_end=True),
    )


def percent_of(text: str) -> int:
    """A factor such as `1.5` as whole percent; empty is 100. Raises ValueError in words."""
    if not text.strip():
        return 100
    try:
        percent = float(text) * 100
    except ValueError:
        raise ValueError(f"a factor is a number such as 1.25, not {text!r}") from None
    if not 100 <= percent <= 1000 or abs(percent - round(percent)) > 1e-6:  # noqa: PLR2004  what the room takes
        raise ValueError("a factor is 1 to 10, with two places at the most")
    return round(percent)


def moment_of(text: str, *, is_end: bool = False) -> datetime | None:
    """A moment as RFC 3339, or a day of Bangkok (as an end: with that day); None for an empty text. Raises ValueError in words."""
    if not text.strip():
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"a moment is a day such as 2026-12-31, or RFC 3339, not {text!r}") from None
    is_day = len(text.strip()) == len("2026-12-31")
    if is_day:
        return moment.replace(tzinfo=BANGKOK) + timedelta(days=is_end)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} says no zone")
    return moment


def _whole(row: Mapping[str, str], name: str) -> int:
    text = row.get(name, "").strip() or "0"
    if not (text.isascii() and text.isdigit() and len(text) <= 6):  # noqa: PLR2004  far above what the room takes
        raise ValueError(f"{name} is a whole number, not {text!r}")
    return int(text)
