"""Credentials of LRS clients as administrators handle them: make, list, rotate, revoke.

A secret has 256 random bits, so a keyed digest compared in constant time is enough; a password hash would only slow each request.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, insert, select, true, update

from kernel import strictjson
from kernel.ids import new_token
from xapi.errors import KeyNotFound, RequestInvalid
from xapi.models import credential
from xapi.slices import EVERYTHING, Slice, read_slice
from xapi.vocabulary import SCOPE_READ, SCOPE_READ_MINE, SCOPES

MAX_OVERLAP = timedelta(days=90)
"""The longest time that a former secret stays good."""
MAX_REQUESTS = 10_000_000
"""The highest bound of requests in a minute."""
PSEUDONYMOUS_SCOPES = frozenset({SCOPE_READ, SCOPE_READ_MINE})
"""What a credential that sees pseudonyms may have: who could also write would learn the pseudonym of anyone by writing about them,
and documents and persons have no pseudonymous form."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A fresh credential, or a fresh secret of one. The secret is shown once and cannot be read again."""

    key: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyView:
    """A credential as administrators see it."""

    key: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    """Exact to an hour."""
    previous_until: datetime | None
    """Until then the secret before the last rotation is good too."""
    slice: Slice
    pseudonymous: bool
    requests_per_minute: int | None
    """None for the bound of the installation."""

    def is_active(self, now: datetime) -> bool:
        """Whether requests with it are let in."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


def create_key(
    db: Connection,
    *,
    tenant_id: int,
    name: str,
    scopes: Sequence[str],
    now: datetime,
    pepper: bytes,
    expires_at: datetime | None = None,
    part: Slice = EVERYTHING,
    pseudonymous: bool = False,
    requests_per_minute: int | None = None,
) -> NewKey:
    """A new credential of a tenant.

    part                 the only statements that it reads or writes
    pseudonymous         it sees pseudonyms in place of actors, and no free text
    requests_per_minute  its own bound, 1 to `MAX_REQUESTS`
    Raises               RequestInvalid for no scope or one that xAPI does not know, a name of the wrong length, a past expiry, a bound
                         out of its range, and for a pseudonymous credential that could do more than read statements
    """
    if not scopes or not set(scopes) <= set(SCOPES):
        raise RequestInvalid("unknown_scope", "scopes")
    if pseudonymous and not set(scopes) <= PSEUDONYMOUS_SCOPES:
        raise RequestInvalid("pseudonymous_reads_only", "scopes")
    if not 0 < len(name) <= 200 or "\x00" in name:  # noqa: PLR2004  the column's width
        raise RequestInvalid("name_length", "name")
    if expires_at is not None and expires_at <= now:
        raise RequestInvalid("expired_at_birth", "expires_at")
    if requests_per_minute is not None and not 0 < requests_per_minute <= MAX_REQUESTS:
        raise RequestInvalid("requests_range", "requests_per_minute")
    key = new_token(16).replace("-", "x").replace("_", "y")  # no command shall take it for an option
    made = NewKey(key=key, secret=new_token(32))
    row = {
        "key": made.key,
        "tenant_id": tenant_id,
        "name": name,
        "secret_digest": secret_digest(made.secret, pepper),
        "scopes": " ".join(scope for scope in SCOPES if scope in scopes),
        "created_at": now,
        "expires_at": expires_at,
        "slice": None if part == EVERYTHING else strictjson.dumps(part.to_json()).decode(),
        "pseudonymous": pseudonymous,
        "requests_per_minute": requests_per_minute,
    }
    db.execute(insert(credential).values(row))
    return made


def list_keys(db: Connection, *, tenant_id: int | None) -> list[KeyView]:
    """The credentials of a tenant, or of all (None), oldest first, ended ones too."""
    whose = credential.c.tenant_id == tenant_id if tenant_id is not None else true()
    rows = db.execute(select(credential).where(whose).order_by(credential.c.created_at, credential.c.key))
    return [
        KeyView(
            key=row.key,
            name=row.name,
            scopes=tuple(row.scopes.split()),
            created_at=row.created_at,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            last_used_at=row.last_used_at,
            previous_until=row.previous_until,
            slice=stored_slice(row.slice),
            pseudonymous=row.pseudonymous,
            requests_per_minute=row.requests_per_minute,
        )
        for row in rows
    ]


def rotate_key(db: Connection, *, tenant_id: int, key: str, now: datetime, overlap: timedelta, pepper: bytes) -> NewKey:
    """A new secret for a credential; the present one stays good for `overlap` (0 ends it at once), one before it ends now.

    Raises   KeyNotFound for none such, or one that has ended; RequestInvalid for an overlap below 0 or over `MAX_OVERLAP`
    """
    if not timedelta(0) <= overlap <= MAX_OVERLAP:
        raise RequestInvalid("overlap_range", "overlap")
    row = _row(db, tenant_id, key)
    if row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
        raise KeyNotFound
    made = NewKey(key=key, secret=new_token(32))
    values = {"secret_digest": secret_digest(made.secret, pepper), "previous_digest": row.secret_digest, "previous_until": now + overlap}
    db.execute(update(credential).where(credential.c.key == key).values(values))
    return made


def revoke_key(db: Connection, *, tenant_id: int, key: str, now: datetime) -> None:
    """Ends a credential and its tokens from this moment on; ending it again changes nothing. Raises KeyNotFound."""
    row = _row(db, tenant_id, key)
    db.execute(update(credential).where(credential.c.key == row.key, credential.c.revoked_at.is_(None)).values(revoked_at=now))


def secret_digest(secret: str, pepper: bytes) -> str:
    """What is kept in place of a secret: HMAC-SHA256 under the pepper, hexadecimal."""
    return hmac.digest(b"xapi key\n" + pepper, secret.encode(), "sha256").hex()


@lru_cache(maxsize=1024)
def stored_slice(text: str | None) -> Slice:
    """The slice that a credential's row holds; none means everything."""
    return EVERYTHING if text is None else read_slice(strictjson.loads(text))


def _row(db: Connection, tenant_id: int, key: str) -> Any:
    columns = (credential.c.key, credential.c.secret_digest, credential.c.revoked_at, credential.c.expires_at)
    query = select(*columns).where(credential.c.tenant_id == tenant_id, credential.c.key == key).with_for_update()
    row = db.execute(query).first()
    if row is None:
        raise KeyNotFound
    return row
