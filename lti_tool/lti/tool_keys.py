"""The tool's own keys: made, rotated, published, and used to sign. Private parts are encrypted under the installation's secret."""

import base64
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, ClassVar

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc import jwt
from joserfc.jwk import RSAKey
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from kernel.errors import Conflict
from lti_tool.lti.errors import ToolKeyUnreadable
from lti_tool.models import ToolKey
from lti_tool.models.audit import append_audit

KEY_BITS = 2048
NOTICE = timedelta(hours=24)
"""A new key is published so long before it signs, so that every platform's cache has seen it."""
OVERLAP = timedelta(days=7)
"""The old key is published so long after the new one began to sign."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A loaded private key and the id that platforms know it by."""

    kid: str
    key: RSAKey = field(repr=False)

    def sign(self, claims: dict[str, Any]) -> str:
        """The claims as a compact JSON Web Signature by RS256."""
        return jwt.encode({"alg": "RS256", "typ": "JWT", "kid": self.kid}, claims, self.key)


@dataclass(frozen=True, slots=True)
class ToolKeyView:
    """One published key of ours."""

    kid: str
    signs_from: datetime
    retires_at: datetime | None


class RotationUnderWay(Conflict):
    """The last new key has not begun to sign: another one now would only pile up."""

    code = "rotation_under_way"
    message: ClassVar = {
        "th": "มีกุญแจใหม่ที่รอเริ่มใช้อยู่แล้ว",
        "en": "A new key is waiting to begin already.",
    }
    way_on: ClassVar = {"th": "โปรดรอให้ครบหนึ่งวัน", "en": "Please wait until a day has passed."}


def rotate_tool_key(db: Session, *, secret: bytes, now: datetime, actor: str = "command", tenant_id: int | None = None) -> str:
    """Makes the next key; the first one signs at once, a later one after its notice. Returns its key id."""
    present = list(db.scalars(select(ToolKey).where(ToolKey.retires_at.is_(None))))
    signs_from = now + NOTICE if present else now
    for key in present:
        key.retires_at = signs_from + OVERLAP
    made = RSAKey.generate_key(KEY_BITS, private=True)
    kid = made.thumbprint()
    public = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, **{name: made.as_dict(private=False)[name] for name in ("n", "e")}}
    private = _vault(secret).encrypt(made.as_pem(private=True)).decode()
    db.add(ToolKey(kid=kid, public_key=public, private_key=private, created_at=now, signs_from=signs_from))
    append_audit(db, event="tool_key.made", actor=actor, now=now, tenant_id=tenant_id, details={"kid": kid})
    return kid


def check_rotation(db: Session, *, now: datetime) -> None:
    """Refuses a further key while the last one waits. Raises RotationUnderWay."""
    if db.scalar(select(ToolKey.id).where(ToolKey.signs_from > now).limit(1)) is not None:
        raise RotationUnderWay


def list_tool_keys(db: Session, *, now: datetime) -> list[ToolKeyView]:
    """The keys that are published, the newest first."""
    published = or_(ToolKey.retires_at.is_(None), ToolKey.retires_at > now)
    rows = db.scalars(select(ToolKey).where(published).order_by(ToolKey.signs_from.desc(), ToolKey.id.desc()))
    return [ToolKeyView(row.kid, row.signs_from, row.retires_at) for row in rows]


def ensure_tool_key(db: Session, *, secret: bytes, now: datetime) -> None:
    """Makes the first key of an installation that has none."""
    if db.scalar(select(ToolKey.id).limit(1)) is None:
        rotate_tool_key(db, secret=secret, now=now)


def signing_key(db: Session, *, secret: bytes, now: datetime) -> SigningKey:
    """The key that signs now: the newest that has begun. Raises ToolKeyUnreadable."""
    newest = (ToolKey.signs_from.desc(), ToolKey.id.desc())
    row = db.execute(select(ToolKey.kid, ToolKey.private_key).where(ToolKey.signs_from <= now).order_by(*newest).limit(1)).first()
    if row is None:
        raise ToolKeyUnreadable
    return SigningKey(row.kid, _opened(row.private_key, secret))


def public_key_set(db: Session, *, now: datetime) -> dict[str, Any]:
    """The tool's key set as it is to be published: what signs, what will, and what did lately."""
    published = or_(ToolKey.retires_at.is_(None), ToolKey.retires_at > now)
    return {"keys": list(db.scalars(select(ToolKey.public_key).where(published).order_by(ToolKey.id)))}


@lru_cache(maxsize=8)
def _opened(private_key: str, secret: bytes) -> RSAKey:
    """Decrypting and parsing a key takes longer than a hundred signatures: once a process is enough."""
    try:
        return RSAKey.import_key(_vault(secret).decrypt(private_key.encode()))
    except InvalidToken:
        raise ToolKeyUnreadable from None


def _vault(secret: bytes) -> Fernet:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"kaona tool key 1").derive(secret)
    return Fernet(base64.urlsafe_b64encode(derived))
