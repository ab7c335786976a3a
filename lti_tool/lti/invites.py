"""Invites: one address registers one platform for one agency, once. Made, looked up, claimed while it registers, spent.

Only the digest of an invite's 256 bits is kept. A registration calls the platform while no transaction is open, so the
invite is claimed before and spent after: of two confirmations one registers, and one that died leaves the invite usable.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from sqlalchemy import or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from kernel.errors import Conflict, Invalid, KaonaError
from kernel.ids import digest, new_token
from lti_tool.lti.dynamic_registration import RegistrationRefused
from lti_tool.lti.message import host_of
from lti_tool.models import Invite, Tenant
from lti_tool.models.audit import append_audit

LIFE = timedelta(days=7)
MAX_LIFE = timedelta(days=90)
CLAIM_LIFE = timedelta(seconds=60)
"""Longer than any registration takes, calls to the platform included."""
NEW_ONE: dict[str, str] = {
    "th": "โปรดขอลิงก์เชิญใหม่จากผู้ดูแลระบบก้าวหน้า",
    "en": "Please ask the administrator of Kaona for a new invite.",
}


class InviteMissing(KaonaError):
    """Somebody came without an invite, or with one that we never made: nobody is called, nothing is kept."""

    code = "invite_missing"
    status: ClassVar[int] = 403
    message: ClassVar = {
        "th": "การลงทะเบียน LMS ต้องใช้ลิงก์เชิญที่ผู้ดูแลระบบก้าวหน้าออกให้",
        "en": "To register an LMS you need an invite from the administrator of Kaona.",
    }
    way_on: ClassVar = {
        "th": "โปรดตรวจว่าได้วางลิงก์เชิญครบทั้งบรรทัด หากไม่มีลิงก์เชิญ ให้ขอจากผู้ดูแลระบบก้าวหน้า",
        "en": "Check that the whole line of the invite was pasted. If you have none, ask the administrator of Kaona for one.",
    }


class InviteExpired(RegistrationRefused):
    """The invite's life is over."""

    code = "invite_expired"
    status = 403
    message: ClassVar = {"th": "ลิงก์เชิญนี้หมดอายุแล้ว", "en": "This invite has expired."}
    way_on: ClassVar = NEW_ONE


class InviteUsed(RegistrationRefused):
    """The invite has registered a platform already."""

    code = "invite_used"
    status = 403
    message: ClassVar = {
        "th": "ลิงก์เชิญนี้ใช้ลงทะเบียน LMS ไปแล้ว แต่ละลิงก์ใช้ได้ครั้งเดียว",
        "en": "This invite has already registered an LMS. Each one works once.",
    }
    way_on: ClassVar = NEW_ONE


class RegistrationUnderWay(Conflict):
    """Another confirmation with the same invite is registering at this moment.

    is_ours   it is the same confirmation, sent twice
    """

    code = "registration_under_way"
    message: ClassVar = {
        "th": "กำลังลงทะเบียนด้วยลิงก์เชิญนี้อยู่",
        "en": "A registration with this invite is under way.",
    }
    way_on: ClassVar = {
        "th": "โปรดรอหนึ่งนาที แล้วดูใน LMS ว่ามีเครื่องมือนี้แล้วหรือไม่ หากยังไม่มี ให้เริ่มใหม่จาก LMS",
        "en": "Please wait a minute and look whether the tool is in your LMS. If it is not, start again from there.",
    }

    def __init__(self, *, is_ours: bool) -> None:
        super().__init__()
        self.is_ours = is_ours


class InviteInvalid(Invalid):
    """An invite of such a life or for such hosts cannot be made."""

    code = "invite_invalid"
    message: ClassVar = {
        "th": "ลิงก์เชิญมีอายุได้ 1 ถึง {most} วัน และเครื่องแม่ข่ายต้องอยู่ในรูป host หรือ host:port",
        "en": "An invite lives 1 to {most} days, and its hosts are written as host or host:port.",
    }


@dataclass(frozen=True, slots=True)
class MadeInvite:
    """A new invite; its token is known now and never again."""

    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class InviteView:
    """One invite that may be used."""

    id: int
    tenant_id: int
    agency: dict[str, str]
    """Name of the agency, a language map."""
    hosts: tuple[str, ...]


def invite_url(public_url: str, token: str) -> str:
    """The address that an administrator pastes into the LMS."""
    return f"{public_url}/lti/register?invite={token}"


def make_invite(
    db: Session, *, tenant_id: int, now: datetime, life: timedelta = LIFE, hosts: Sequence[str] = (), actor: str = "command"
) -> MadeInvite:
    """An invite for one agency.

    hosts    host[:port] beside the issuer's own that the platform's addresses may lie on
    Raises   InviteInvalid
    """
    listed = [host_of(f"https://{host}") for host in hosts]
    if not timedelta(days=1) <= life <= MAX_LIFE or None in listed:
        raise InviteInvalid(most=MAX_LIFE.days)
    token = new_token()
    invite = Invite(tenant_id=tenant_id, token_hash=digest(token), created_at=now, expires_at=now + life, hosts=listed)
    db.add(invite)
    db.flush()  # the audit line names its id
    details = {"invite": invite.id, "expires_at": invite.expires_at.isoformat()}
    append_audit(db, event="invite.made", actor=actor, now=now, tenant_id=tenant_id, details=details)
    return MadeInvite(token, invite.expires_at)


def get_invite(db: Session, token: str, *, now: datetime) -> InviteView:
    """An invite that may still be used. Raises InviteMissing, InviteUsed, InviteExpired."""
    row = db.execute(
        select(Invite, Tenant.name).join(Tenant, Tenant.id == Invite.tenant_id).where(Invite.token_hash == digest(token))
    ).first()
    if row is None or row.Invite.is_open:
        raise InviteMissing
    invite = row.Invite
    if invite.used_at is not None:
        raise InviteUsed(tenant_id=invite.tenant_id)
    if invite.expires_at <= now:
        raise InviteExpired(tenant_id=invite.tenant_id)
    return InviteView(invite.id, invite.tenant_id, row.name, tuple(invite.hosts))


def open_invite(db: Session, *, tenant_id: int, ticket: str, now: datetime) -> int:
    """The invite that stands for a confirmation without one, where open registration is switched on. Returns its id."""
    insert: Any = postgresql.insert if db.get_bind().dialect.name == "postgresql" else sqlite.insert
    row = {
        "tenant_id": tenant_id, "token_hash": digest(f"open {ticket}"), "created_at": now, "expires_at": now + CLAIM_LIFE * 10,
        "hosts": [], "is_open": True,
    }  # fmt: skip
    db.execute(insert(Invite).values(row).on_conflict_do_nothing(index_elements=["token_hash"]))
    return int(db.execute(select(Invite.id).where(Invite.token_hash == row["token_hash"])).scalar_one())


def claim_invite(db: Session, invite_id: int, *, ticket: str, now: datetime) -> int | None:
    """Claims an invite for one confirmation.

    ticket   names the confirmation; the same one may come twice (a double click)
    Returns  None when the claim is ours now; else id of the registration that this very confirmation made already
    Raises   InviteUsed, InviteExpired, RegistrationUnderWay
    """
    claim = digest(ticket)
    is_free = or_(Invite.claimed_at.is_(None), Invite.claimed_at <= now - CLAIM_LIFE)
    usable = (Invite.id == invite_id, Invite.used_at.is_(None), Invite.expires_at > now, is_free)
    if db.execute(update(Invite).where(*usable).values(claim=claim, claimed_at=now)).rowcount == 1:  # type: ignore[attr-defined]
        return None
    invite = db.get_one(Invite, invite_id, populate_existing=True)
    if invite.used_at is None:
        if invite.expires_at <= now:
            raise InviteExpired(tenant_id=invite.tenant_id)
        raise RegistrationUnderWay(is_ours=invite.claim == claim)
    if invite.claim == claim and invite.registration_id is not None:
        return invite.registration_id
    raise InviteUsed(tenant_id=invite.tenant_id)


def release_invite(db: Session, invite_id: int, *, ticket: str) -> None:
    """Gives a claim back after a registration that came to nothing."""
    ours = (Invite.id == invite_id, Invite.claim == digest(ticket), Invite.used_at.is_(None))
    db.execute(update(Invite).where(*ours).values(claimed_at=None))


def spend_invite(db: Session, invite_id: int, *, ticket: str, registration_id: int, now: datetime, actor: str) -> None:
    """Notes that an invite has done its work. Raises InviteUsed when the claim was lost meanwhile."""
    ours = (Invite.id == invite_id, Invite.claim == digest(ticket), Invite.used_at.is_(None))
    spent = db.execute(update(Invite).where(*ours).values(used_at=now, registration_id=registration_id).returning(Invite.tenant_id)).first()
    if spent is None:
        raise InviteUsed
    details = {"invite": invite_id, "registration": registration_id}
    append_audit(db, event="invite.used", actor=actor, now=now, tenant_id=spent.tenant_id, details=details)
