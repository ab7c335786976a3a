"""Credentials of LRS clients: random secrets kept as keyed digests, scopes, expiry, revocation, and who the caller is.

A secret has 256 random bits, so a keyed digest compared in constant time is enough; a password hash would only slow each request.
"""

import base64
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, insert, or_, select, true, update

from kernel.ids import new_token
from xapi import links
from xapi.errors import CredentialsMissing, CredentialsRefused, KeyNotFound, RequestInvalid, ScopeMissing
from xapi.models import credential
from xapi.store import Author
from xapi.vocabulary import CREDENTIAL_HOME_PAGE, SCOPE_ALL, SCOPE_ALL_READ, SCOPE_READ, SCOPE_READ_MINE, SCOPE_WRITE, SCOPES

USED_EVERY = timedelta(hours=1)
"""How exact `last_used_at` is; finer would make a busy credential a hot row."""


_BY_KEY = select(credential).where(credential.c.key == bindparam("key"))


@dataclass(frozen=True, slots=True)
class NewKey:
    """A fresh credential. The secret is shown once and cannot be read again."""

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


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and for which tenant."""

    tenant_id: int
    key: str
    name: str
    scopes: frozenset[str]
    last_used_at: datetime | None

    @property
    def author(self) -> Author:
        """On whose word this caller's statements are stored."""
        account = {"homePage": CREDENTIAL_HOME_PAGE, "name": self.key}
        return Author({"objectType": "Agent", "name": self.name, "account": account}, voids_any=SCOPE_ALL in self.scopes)

    def may_write_statements(self) -> None:
        """Passes a caller that may store statements. Raises ScopeMissing."""
        if not self.scopes & {SCOPE_WRITE, SCOPE_ALL}:
            raise ScopeMissing

    def sees_only(self) -> bytes | None:
        """The digest of the only authority whose statements this caller may read; None for all. Raises ScopeMissing."""
        if self.scopes & {SCOPE_READ, SCOPE_ALL_READ, SCOPE_ALL}:
            return None
        if SCOPE_READ_MINE in self.scopes:
            return links.authority_key(self.author.authority)
        raise ScopeMissing


def create_key(
    db: Connection,
    *,
    tenant_id: int,
    name: str,
    scopes: Sequence[str],
    now: datetime,
    expires_at: datetime | None,
    pepper: bytes,
) -> NewKey:
    """A new credential of a tenant. Raises RequestInvalid for no scope, a scope that xAPI does not know, or a name of the wrong length."""
    if not scopes or not set(scopes) <= set(SCOPES):
        raise RequestInvalid("unknown_scope", "scopes")
    if not 0 < len(name) <= 200:  # noqa: PLR2004  the column's width
        raise RequestInvalid("name_length", "name")
    made = NewKey(key=new_token(16), secret=new_token(32))
    row = {
        "key": made.key,
        "tenant_id": tenant_id,
        "name": name,
        "secret_digest": secret_digest(made.secret, pepper),
        "scopes": " ".join(scope for scope in SCOPES if scope in scopes),
        "created_at": now,
        "expires_at": expires_at,
    }
    db.execute(insert(credential).values(row))
    return made


def list_keys(db: Connection, *, tenant_id: int | None) -> list[KeyView]:
    """The credentials of a tenant, or of all (None), oldest first, ended ones too."""
    whose = credential.c.tenant_id == tenant_id if tenant_id is not None else true()
    rows = db.execute(select(credential).where(whose).order_by(credential.c.created_at, credential.c.key))
    return [
        KeyView(row.key, row.name, tuple(row.scopes.split()), row.created_at, row.expires_at, row.revoked_at, row.last_used_at)
        for row in rows
    ]


def revoke_key(db: Connection, *, tenant_id: int, key: str, now: datetime) -> None:
    """Ends a credential from this moment on; ending it again changes nothing. Raises KeyNotFound."""
    mine = (credential.c.tenant_id == tenant_id, credential.c.key == key)
    if db.execute(select(credential.c.key).where(*mine)).first() is None:
        raise KeyNotFound
    db.execute(update(credential).where(*mine, credential.c.revoked_at.is_(None)).values(revoked_at=now))


def authenticate(db: Connection, authorization: str | None, *, now: datetime, pepper: bytes) -> Caller:
    """Who sent this `Authorization` header. Raises CredentialsMissing or CredentialsRefused.

    Source   RFC 7617 (Basic); xAPI 1.0.3, Communication 4.0
    """
    key, secret = _basic(authorization)
    row = db.execute(_BY_KEY, {"key": key}).first()
    given = secret_digest(secret, pepper)
    is_right = hmac.compare_digest(given, row.secret_digest if row else secret_digest("", pepper))
    if row is None or not is_right or row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
        raise CredentialsRefused
    return Caller(row.tenant_id, row.key, row.name, frozenset(row.scopes.split()), row.last_used_at)


def is_use_due(caller: Caller, now: datetime) -> bool:
    """Whether this use is to be written down."""
    return caller.last_used_at is None or caller.last_used_at <= now - USED_EVERY


def record_use(db: Connection, caller: Caller, *, now: datetime) -> None:
    """Writes down that a credential was used, unless another request did within the hour."""
    stale = or_(credential.c.last_used_at.is_(None), credential.c.last_used_at <= now - USED_EVERY)
    db.execute(update(credential).where(credential.c.key == caller.key, stale).values(last_used_at=now))


def secret_digest(secret: str, pepper: bytes) -> str:
    """What is kept in place of a secret: HMAC-SHA256 under the pepper, hexadecimal."""
    return hmac.digest(b"xapi key\n" + pepper, secret.encode(), "sha256").hex()


def _basic(authorization: str | None) -> tuple[str, str]:
    if not authorization:
        raise CredentialsMissing
    kind, _, value = authorization.strip().partition(" ")
    if kind.lower() != "basic":
        raise CredentialsMissing
    try:
        user, colon, secret = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except ValueError:  # no Base64, or no UTF-8 in it
        raise CredentialsRefused from None
    if not colon or "\x00" in user:
        raise CredentialsRefused
    return user, secret
