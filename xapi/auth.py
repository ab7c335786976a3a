"""Who asks, and what they may do: a credential by Basic, a token of ours, or a token of an agency's identity provider.

Two steps, so that no connection to the database is held while a key set is fetched: `Access.presented` reads the header and checks what
can be checked without the database; `Access.caller` then reads one row.
"""

import base64
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

import orjson
from sqlalchemy import ColumnElement, Connection, Text, bindparam, literal_column, null, or_, select, update

from kernel import strictjson
from kernel.errors import KaonaError
from kernel.prepared import Prepared
from xapi import links, pseudonyms, tokens
from xapi.bearer import Identity, IdentityProviders
from xapi.errors import CredentialsMissing, CredentialsRefused, RequestInvalid, ScopeMissing, SliceForbids, TokenRefused
from xapi.intake import Proof
from xapi.keys import secret_digest, stored_slice
from xapi.models import credential
from xapi.slices import EVERYTHING, Slice
from xapi.store import Author
from xapi.throttle import Throttle
from xapi.usage import Usage
from xapi.vocabulary import (
    CREDENTIAL_HOME_PAGE,
    SCOPE_ALL,
    SCOPE_ALL_READ,
    SCOPE_DEFINE,
    SCOPE_PROFILE,
    SCOPE_READ,
    SCOPE_READ_MINE,
    SCOPE_STATE,
    SCOPE_WRITE,
)

USED_EVERY = timedelta(hours=1)
"""How exact `last_used_at` is; finer would make a busy credential a hot row."""

TenantOf = Callable[[Connection, str], int | None]
"""The tenant of a code that an identity provider is set up for; None when there is none such."""

_BEARER = 'Bearer realm="xAPI"'


class _Kept(NamedTuple):
    """A credential as it stands in its table."""

    key: str
    tenant_id: int
    name: str
    secret_digest: str
    scopes: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    previous_digest: str | None
    previous_until: datetime | None
    slice: str | None
    pseudonymous: bool
    requests_per_minute: int | None
    as_of: str | None
    """What proves later that it still stands so (`intake.Proof`); none on SQLite, where it is read each time."""


def _by_key(as_of: ColumnElement[Any]) -> Prepared:
    return Prepared(select(*(credential.c[name] for name in _Kept._fields[:-1]), as_of).where(credential.c.key == bindparam("key")))


_BY_KEY = {"postgresql": _by_key(literal_column("xmin::text", Text)), "sqlite": _by_key(null())}
_MOST_REMEMBERED = 1_000
"""Credentials that a process remembers."""


@dataclass(frozen=True, slots=True)
class Basic:
    """A credential with its secret (RFC 7617), not yet compared."""

    key: str
    secret: str = field(repr=False)


Presented = Basic | tokens.Token | Identity
"""What a request shows, read from its header."""


@dataclass(frozen=True, slots=True)
class Sight:
    """Which statements a caller sees, and how.

    mine        digest of the only authority whose statements are seen; None for all
    part        the slice that the credential is held to
    """

    mine: bytes | None
    part: Slice
    _pseudonyms: bytes | None = field(default=None, repr=False)

    @property
    def sees_everything(self) -> bool:
        """Whether it sees all statements of its tenant, and every name in them."""
        return self.mine is None and self.part == EVERYTHING and self._pseudonyms is None

    def shown(self, document: str) -> str:
        """The text of a statement as this caller may have it: every text that leaves passes here, before its format is chosen."""
        if self._pseudonyms is None:
            return document
        return strictjson.dumps(pseudonyms.pseudonymised(orjson.loads(document), self._pseudonyms)).decode()

    def agent_key(self, agent: Mapping[str, Any], *, related: bool) -> bytes:
        """The key of the index for an agent that a query names.

        Raises   RequestInvalid for an agent without identifier, or one that a caller who sees pseudonyms names by another
        """
        if self._pseudonyms is not None:
            key = pseudonyms.agent_key_of(agent, self._pseudonyms, related=related)
            if key is None:
                raise RequestInvalid("not_pseudonym", "agent")
            return key
        identifier = links.identifier_of(agent)
        if identifier is None:
            raise RequestInvalid("not_agent", "agent")
        return links.agent_key(identifier, related=related)


@dataclass(frozen=True)
class Caller:
    """Who asks, and for which tenant.

    key         the credential; for a token from elsewhere, issuer and client
    scopes      what this request may do: those of the credential, or fewer by its token
    part        the only statements that it reads or writes
    """

    tenant_id: int
    key: str
    scopes: frozenset[str]
    authority: Mapping[str, Any]
    part: Slice = EVERYTHING
    pseudonym_secret: bytes | None = field(default=None, repr=False)
    last_used_at: datetime | None = None
    requests_per_minute: int | None = None
    """Its own bound; None for that of the installation."""
    proof: Proof | None = None
    """What it is to be proved by in the transaction of each write, for it was remembered, not read."""
    is_credential: bool = True
    """Whether the key is one of our rows."""
    usage: Usage | None = field(default=None, repr=False)

    @cached_property
    def author(self) -> Author:
        """On whose word this caller's statements are stored."""
        return Author(self.authority, voids_any=SCOPE_ALL in self.scopes)

    def count(self, *, written: int = 0, read: int = 0) -> None:
        """Notes statements that were accepted from it or given out to it."""
        if self.usage is not None:
            self.usage.count(self.tenant_id, self.key, written=written, read=read)

    @property
    def may_define(self) -> bool:
        """Whether its statements change what the LRS tells of activities and agents (xAPI 1.0.3, Communication 4.2, `define`)."""
        return not self.scopes.isdisjoint((SCOPE_DEFINE, SCOPE_ALL))

    def may_write_statements(self) -> None:
        """Passes a caller that may store statements. Raises ScopeMissing."""
        self._needs(SCOPE_WRITE, SCOPE_ALL)

    def may_store(self, keys: set[bytes], place: str, now: datetime) -> None:
        """Passes a statement of the slice.

        keys     what the statement is found by (`links.keys_of`)
        place    JSON pointer to it
        Raises   SliceForbids, naming the member of the slice that says no
        """
        part = self.part
        if (part.since is not None and now <= part.since) or (part.until is not None and now > part.until):
            raise SliceForbids("slice_times", f"{place}/stored")
        if all(not keys.isdisjoint(group) for group in part.keys):
            return
        places = {"verbs": "verb/id", "activities": "object/id", "agents": "actor", "registrations": "context/registration"}
        for name, member in places.items():
            if any(keys.isdisjoint(group) for group in Slice(**{name: getattr(part, name)}).keys):
                raise SliceForbids(f"slice_{name}", f"{place}/{member}")

    def sight(self) -> Sight:
        """What it may read of the statements. Raises ScopeMissing."""
        self._needs(SCOPE_READ, SCOPE_READ_MINE, SCOPE_ALL_READ, SCOPE_ALL)
        sees_all = not self.scopes.isdisjoint((SCOPE_READ, SCOPE_ALL_READ, SCOPE_ALL))
        return Sight(None if sees_all else self.author.key, self.part, self.pseudonym_secret)

    def may_use_state(self, activity_id: str, agent: Mapping[str, Any], *, write: bool) -> None:
        """Passes a caller that may use the states of an activity and agent. Raises ScopeMissing, SliceForbids."""
        self._needs(SCOPE_STATE, SCOPE_ALL, *(() if write else (SCOPE_ALL_READ,)))
        self._stays_within(activity_id=activity_id, agent=agent)

    def may_use_activity_profile(self, activity_id: str, *, write: bool) -> None:
        """Passes a caller that may use the profiles of an activity. Raises ScopeMissing, SliceForbids."""
        self._needs(SCOPE_PROFILE, SCOPE_ALL, *(() if write else (SCOPE_ALL_READ,)))
        self._stays_within(activity_id=activity_id)

    def may_use_agent_profile(self, agent: Mapping[str, Any], *, write: bool) -> None:
        """Passes a caller that may use the profiles of an agent. Raises ScopeMissing, SliceForbids."""
        self._needs(SCOPE_PROFILE, SCOPE_ALL, *(() if write else (SCOPE_ALL_READ,)))
        self._stays_within(agent=agent)

    def _needs(self, *scopes: str) -> None:
        if self.scopes.isdisjoint(scopes):
            raise ScopeMissing(scopes=scopes)

    def _stays_within(self, *, activity_id: str | None = None, agent: Mapping[str, Any] | None = None) -> None:
        """Passes a document within the slice; one that belongs to no activity lies outside a slice of activities, and so on."""
        part = self.part
        if part.activities and activity_id not in part.activities:
            raise SliceForbids("slice_activities", "activityId")
        if part.agents and (agent is None or links.identifier_of(agent) not in map(links.identifier_of, part.agents)):
            raise SliceForbids("slice_agents", "agent")
        if part.registrations:
            raise SliceForbids("slice_registrations", "registration")


class Access:
    """The way in: reads what a request shows, and tells who that is.

    pepper       keys the digests of secrets and seals our tokens
    providers    identity providers whose tokens are taken
    tenant_of    finds the tenant that a provider's tokens are for; needed with providers
    usage        told of each request that was let in
    """

    def __init__(
        self,
        *,
        pepper: bytes,
        throttle: Throttle | None = None,
        providers: IdentityProviders | None = None,
        tenant_of: TenantOf | None = None,
        usage: Usage | None = None,
    ) -> None:
        self._pepper, self._throttle, self._usage = pepper, throttle or Throttle(), usage
        self._providers, self._tenant_of = providers, tenant_of
        self._remembered: dict[str, _Kept] = {}

    def presented(self, authorization: str | None, *, now: datetime) -> Presented:
        """What an `Authorization` header shows. It may call an identity provider: hold no connection meanwhile.

        Raises   CredentialsMissing for none; CredentialsRefused for one that cannot be right
        Source   RFC 7617 (Basic); RFC 6750, 2.1 (Bearer); xAPI 1.0.3, Communication 4.0
        """
        kind, _, value = (authorization or "").strip().partition(" ")
        if kind.lower() == "basic":
            return _basic(value.strip())
        if kind.lower() != "bearer":
            raise CredentialsMissing
        token = value.strip()
        if "." not in token:
            return tokens.read_token(token)
        if self._providers is None:
            raise CredentialsRefused
        return self._providers.identity_of(token, now=now)

    def caller(self, db: Connection, presented: Presented, *, now: datetime) -> Caller:
        """Who that is, by one indexed read. Raises CredentialsRefused."""
        return self._foreigner(db, presented) if isinstance(presented, Identity) else self._credential(db, presented, now)

    def remembered(self, presented: Presented, *, now: datetime) -> Caller | None:
        """Who that is as this process read it last, to be proved by whatever is done for it (`Caller.proof`); None: it must be read."""
        row = None if isinstance(presented, Identity) else self._remembered.get(presented.key)
        if row is None or row.as_of is None or isinstance(presented, Identity):
            return None
        is_good = self._is_right(row, presented, now) and not _has_ended(row, now)
        return self._caller_of(row, presented, Proof(row.key, row.as_of)) if is_good else None

    def admit(self, caller: Caller, *, now: datetime) -> None:
        """Counts a request of a caller. Raises Throttled."""
        self._throttle.pass_one(caller.key, now, per_minute=caller.requests_per_minute)
        if self._usage is not None:
            self._usage.count(caller.tenant_id, caller.key, requests=1)

    def _credential(self, db: Connection, presented: Basic | tokens.Token, now: datetime) -> Caller:
        found = _BY_KEY[db.dialect.name].first(db, {"key": presented.key})
        row = _Kept(*found) if found else None
        if row is None or not self._is_right(row, presented, now):
            self._throttle.wrong_try(presented.key, now)
            raise CredentialsRefused if row is None else CredentialsRefused(tenant_id=row.tenant_id, key=row.key)
        if _has_ended(row, now):
            raise CredentialsRefused(tenant_id=row.tenant_id, key=row.key)
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[row.key] = row
        return self._caller_of(row, presented, None)

    def _caller_of(self, row: _Kept, presented: Basic | tokens.Token, proof: Proof | None) -> Caller:
        scopes = tuple(row.scopes.split())
        return Caller(
            tenant_id=row.tenant_id,
            key=row.key,
            scopes=frozenset(scopes if isinstance(presented, Basic) else tokens.narrowed(presented.scopes, scopes)),
            authority={"objectType": "Agent", "name": row.name, "account": {"homePage": CREDENTIAL_HOME_PAGE, "name": row.key}},
            part=stored_slice(row.slice),
            pseudonym_secret=pseudonyms.pseudonym_secret(row.key, self._pepper) if row.pseudonymous else None,
            last_used_at=row.last_used_at,
            requests_per_minute=row.requests_per_minute,
            proof=proof,
            usage=self._usage,
        )

    def _is_right(self, row: _Kept, presented: Basic | tokens.Token, now: datetime) -> bool:
        """Whether the secret is the present one, or the former one in its overlap; or the token was made by one of them and still lives."""
        digests = [row.secret_digest]
        if row.previous_digest is not None and row.previous_until is not None and row.previous_until > now:
            digests.append(row.previous_digest)
        if isinstance(presented, Basic):
            given = secret_digest(presented.secret, self._pepper)
            return any(hmac.compare_digest(given, digest) for digest in digests)
        return any(tokens.is_token_of(presented, now, digest=digest, pepper=self._pepper) for digest in digests)

    def _foreigner(self, db: Connection, identity: Identity) -> Caller:
        tenant_id = self._tenant_of(db, identity.tenant) if self._tenant_of is not None else None
        if tenant_id is None:
            raise CredentialsRefused
        key = f"{identity.issuer} {identity.client}"
        authority = {"objectType": "Agent", "account": {"homePage": identity.issuer, "name": identity.client}}
        return Caller(tenant_id=tenant_id, key=key, scopes=identity.scopes, authority=authority, is_credential=False, usage=self._usage)


def _has_ended(row: _Kept, now: datetime) -> bool:
    return row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now)


def is_use_due(caller: Caller, now: datetime) -> bool:
    """Whether this use is to be written down."""
    return caller.is_credential and (caller.last_used_at is None or caller.last_used_at <= now - USED_EVERY)


def record_use(db: Connection, caller: Caller, *, now: datetime) -> None:
    """Writes down that a credential was used, unless another request did within the hour."""
    stale = or_(credential.c.last_used_at.is_(None), credential.c.last_used_at <= now - USED_EVERY)
    db.execute(update(credential).where(credential.c.key == caller.key, stale).values(last_used_at=now))


def challenges(error: KaonaError, authorization: str | None) -> list[str]:
    """The values of `WWW-Authenticate` that a refusal needs, one a scheme; none for another kind of refusal.

    authorization   the header that was sent: who came with a token is told what is wrong with it
    Source          RFC 7617, section 2; RFC 6750, section 3
    """
    came_with_token = (authorization or "").lower().startswith("bearer ")
    if isinstance(error, ScopeMissing):
        return [f'{_BEARER}, error="insufficient_scope", scope="{" ".join(error.details["scopes"])}"'] if came_with_token else []
    if not isinstance(error, CredentialsMissing | CredentialsRefused):
        return []
    bearer = f'{_BEARER}, error="invalid_token"' if came_with_token else _BEARER
    if isinstance(error, TokenRefused):
        bearer += f', error_description="{error.rule} {error.place}"'
    return ['Basic realm="xAPI", charset="UTF-8"', bearer]


def _basic(value: str) -> Basic:
    try:
        user, colon, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except ValueError:  # no Base64, or no UTF-8 in it
        raise CredentialsRefused from None
    if not colon or "\x00" in user:
        raise CredentialsRefused
    return Basic(user, secret)
