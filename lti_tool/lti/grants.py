"""Rights beyond the course: given by our own administrators to one person of one platform, never by a token."""

import re
from datetime import datetime
from typing import ClassVar

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from kernel.errors import Invalid
from lti_tool.lti.errors import ClientUnknown
from lti_tool.lti.vocabulary import GRANTS
from lti_tool.models import Grant, Registration
from lti_tool.models.audit import append_audit

MAX_SUB_LENGTH = 255
"""Source: LTI 1.3 core, 5.3.6 (`sub`)."""

SUB = re.compile(rf"[ -~]{{1,{MAX_SUB_LENGTH}}}")


class GrantUnknown(Invalid):
    """No such right."""

    code = "grant_unknown"
    message: ClassVar = {"th": "ไม่มีสิทธิ์ชื่อ {role} (มี {known})", "en": "There is no right {role}; there are {known}."}


class SubInvalid(Invalid):
    """No platform sends such a `sub`: the right could never take effect."""

    code = "sub_invalid"
    message: ClassVar = {
        "th": "รหัสบุคคล (sub) ต้องเป็นอักขระ ASCII ยาว 1 ถึง {most} ตัวอักษร",
        "en": "A person's `sub` is 1 to {most} ASCII characters.",
    }


def grant_role(db: Session, *, issuer: str, client_id: str, sub: str, role: str, now: datetime) -> bool:
    """Gives a right to a person, who may not have launched yet. Returns False when they had it.

    sub     as a launch may bear it: 1 to 255 printable ASCII characters
    Raises  ClientUnknown, GrantUnknown, SubInvalid
    """
    registration = _registration(db, issuer, client_id)
    if not SUB.fullmatch(sub):
        raise SubInvalid(most=MAX_SUB_LENGTH)
    if role not in GRANTS:
        raise GrantUnknown(role=role, known=", ".join(GRANTS))
    ours = (Grant.registration_id == registration.id, Grant.sub == sub, Grant.role == role)
    if db.scalar(select(Grant.id).where(*ours)) is not None:
        return False
    db.add(Grant(tenant_id=registration.tenant_id, registration_id=registration.id, sub=sub, role=role, granted_at=now))
    _note(db, "grant.given", registration, {"sub": sub, "role": role}, now)
    return True


def revoke_role(db: Session, *, issuer: str, client_id: str, sub: str, role: str, now: datetime) -> bool:
    """Takes a right back, at once in every open session. Returns False when they did not have it. Raises ClientUnknown."""
    registration = _registration(db, issuer, client_id)
    ours = (Grant.registration_id == registration.id, Grant.sub == sub, Grant.role == role)
    if not db.execute(delete(Grant).where(*ours)).rowcount:  # type: ignore[attr-defined]
        return False
    _note(db, "grant.taken", registration, {"sub": sub, "role": role}, now)
    return True


def list_grants(db: Session, *, tenant_id: int | None = None) -> list[Grant]:
    """Every right given, of one agency or of all."""
    query = select(Grant).order_by(Grant.id)
    return list(db.scalars(query if tenant_id is None else query.where(Grant.tenant_id == tenant_id)))


def _registration(db: Session, issuer: str, client_id: str) -> Registration:
    found = db.scalars(select(Registration).where(Registration.issuer == issuer, Registration.client_id == client_id)).first()
    if found is None:
        raise ClientUnknown(issuer=issuer, client_id=client_id)
    return found


def _note(db: Session, event: str, registration: Registration, details: dict[str, str], now: datetime) -> None:
    details = {"issuer": registration.issuer, "client_id": registration.client_id, **details}
    append_audit(db, event=event, actor="command", now=now, tenant_id=registration.tenant_id, details=details)
