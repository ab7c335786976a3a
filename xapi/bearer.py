"""Tokens of an agency's own identity provider: signed JSON Web Tokens, judged by the provider's published keys.

Which provider, for which tenant and with which scopes, is set by the installation; a token cannot name a tenant that its provider is not
set up for. Each process keeps the keys that it fetched.

Source   RFC 9068 (access tokens as JWT); RFC 8725 (best practice); RFC 7515; RFC 7517
"""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, NoReturn

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, RSAKey, import_key
from joserfc.util import to_bytes, urlsafe_b64decode

from kernel import strictjson
from kernel.errors import KaonaError
from kernel.http import GuardedClient, OutboundFailed, OutboundRefused
from xapi.errors import IssuerUnavailable, TokenRefused
from xapi.tokens import narrowed
from xapi.vocabulary import SCOPE_ALL, SCOPES

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384")
"""Signatures that a provider may be set up for: asymmetric ones only."""
LEEWAY_SECONDS: Final = 60
"""How far the provider's clock and ours may differ."""
MAX_TOKEN_CHARACTERS: Final = 16_384
MAX_ISSUER_CHARACTERS: Final = 100
MAX_CLIENT_CHARACTERS: Final = 150
MIN_RSA_BITS: Final = 2048
FRESH: Final = timedelta(minutes=15)
"""After this the keys are fetched again, so that one that was withdrawn stops working."""
USABLE: Final = timedelta(hours=24)
"""So long keys serve when the provider cannot be reached."""
PAUSE: Final = timedelta(seconds=60)
"""At most one fetch in this time, whatever key ids come."""
FETCH_SECONDS: Final = 5.0
WAIT_SECONDS: Final = 2.0
"""How long a request waits for the fetch of another."""
MAX_KEYS: Final = 100
_PARTS: Final = 3


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """An issuer of tokens, and what its tokens are worth here.

    issuer         `iss`, letter by letter
    audience       what `aud` must hold: the name of this LRS at the provider
    jwks_url       where its keys stand
    tenant         code of the tenant that all its tokens are for; or, with several tenants:
    tenant_claim   the claim that tells, and `tenants`: its values, each with the code of a tenant
    scope_claim    the claim with the scopes or roles: text with spaces, or a list; a path like `realm_access.roles`
    scopes         its values, each with the xAPI scopes that it stands for; empty when the values are xAPI scopes
    algorithms     of `ALGORITHMS`
    types          values of the header `typ` that are taken
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    """An installation reads providers from its settings: a name that is not one of these is a slip."""

    issuer: str
    audience: str
    jwks_url: str
    tenant: str = ""
    tenant_claim: str = ""
    tenants: Mapping[str, str] = field(default_factory=dict)
    scope_claim: str = "scope"
    scopes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    algorithms: tuple[str, ...] = ("RS256",)
    types: tuple[str, ...] = ("at+jwt",)

    def __post_init__(self) -> None:
        if not 0 < len(self.issuer) <= MAX_ISSUER_CHARACTERS or not self.audience or not self.jwks_url:
            raise ValueError(f"issuer (at most {MAX_ISSUER_CHARACTERS} characters), audience and jwks_url are needed")
        if not self.algorithms or not set(self.algorithms) <= set(ALGORITHMS):
            raise ValueError(f"algorithms are of {', '.join(ALGORITHMS)}")
        if bool(self.tenant) == bool(self.tenant_claim and self.tenants):
            raise ValueError("write either tenant, or tenant_claim with tenants")
        if not self.types:
            raise ValueError("types must name at least one")
        unknown = {scope for scopes in self.scopes.values() for scope in scopes} - set(SCOPES)
        if unknown:
            raise ValueError(f"xAPI has no scope {', '.join(sorted(unknown))}")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a valid token speaks for.

    tenant   code
    client   `client_id` (RFC 9068), else `azp`, else `sub`
    """

    issuer: str
    client: str
    tenant: str
    scopes: frozenset[str]


class IdentityProviders:
    """The providers of an installation, with the keys that this process has of them."""

    def __init__(self, providers: Iterable[IdentityProvider], http: GuardedClient) -> None:
        self._known = {provider.issuer: (provider, _Keys(provider.jwks_url, http)) for provider in providers}

    def identity_of(self, token: str, *, now: datetime) -> Identity:
        """Who a token speaks for. It may call the provider: hold no connection meanwhile.

        Raises   TokenRefused with the rule and the claim; IssuerUnavailable when its keys cannot be had
        """
        header, claims = _unverified(token)
        issuer = claims.get("iss")
        known = self._known.get(issuer) if isinstance(issuer, str) else None
        if known is None:
            raise TokenRefused("token_issuer", "iss")
        provider, keys = known
        _check_header(header, provider)
        _verify(token, keys.find(header["kid"], now), header)
        _check_claims(claims, provider, now.timestamp())
        return Identity(provider.issuer, _client_of(claims), _tenant_of(claims, provider), _scopes_of(claims, provider))


class _Keys:
    """The published keys of one provider. One thread fetches them, holding nothing; others wait a moment or use what there is."""

    def __init__(self, url: str, http: GuardedClient) -> None:
        self._url, self._http = url, http
        self._lock = threading.Lock()
        self._keys: Mapping[str, Key] = {}
        self._fetched_at: datetime | None = None
        self._tried_at: datetime | None = None
        self._is_done = threading.Event()

    def find(self, kid: str, now: datetime) -> Key:
        """The key of an id. Raises TokenRefused for one that the set does not hold, IssuerUnavailable when there is no set."""
        if not (kid in self._keys and self._is_younger_than(FRESH, now)):
            self._renew(now, must_wait=not (kid in self._keys and self._is_younger_than(USABLE, now)))
        if not self._is_younger_than(USABLE, now):
            raise IssuerUnavailable
        return self._keys.get(kid) or _refuse("token_key", "kid")

    def _is_younger_than(self, age: timedelta, now: datetime) -> bool:
        return self._fetched_at is not None and now - self._fetched_at < age

    def _renew(self, now: datetime, *, must_wait: bool) -> None:
        with self._lock:
            is_mine = self._tried_at is None or now - self._tried_at >= PAUSE
            if is_mine:
                self._tried_at, self._is_done = now, threading.Event()
            done = self._is_done
        if not is_mine:
            done.wait(WAIT_SECONDS if must_wait else 0)
            return
        try:
            answer = self._http.get(self._url, headers={"Accept": "application/json"}, total_seconds=FETCH_SECONDS)
            if answer.status == 200:  # noqa: PLR2004  OK
                self._keys, self._fetched_at = _safe_keys(answer.json()), now
        except (OutboundFailed, OutboundRefused, KaonaError):
            pass  # what there is serves on for `USABLE`
        finally:
            done.set()


def _unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims; nothing in them is to be believed yet."""
    parts = token.split(".")
    if len(token) > MAX_TOKEN_CHARACTERS or len(parts) != _PARTS:
        _refuse("token_form", "Authorization")
    try:
        header, claims = (strictjson.loads(urlsafe_b64decode(to_bytes(part))) for part in parts[:2])
    except (ValueError, KaonaError):
        _refuse("token_form", "Authorization")
    if not isinstance(header, dict) or not isinstance(claims, dict):
        _refuse("token_form", "Authorization")
    return header, claims


def _check_header(header: Mapping[str, Any], provider: IdentityProvider) -> None:
    """Algorithm and type are those that the provider is set up for (RFC 8725, 3.1 and 3.11), the key is named, nothing is critical."""
    if header.get("alg") not in provider.algorithms:
        _refuse("token_algorithm", "alg")
    kind = str(header.get("typ", "")).lower().removeprefix("application/")
    if kind not in {one.lower() for one in provider.types}:
        _refuse("token_type", "typ")
    if not isinstance(header.get("kid"), str):
        _refuse("token_key", "kid")
    if "crit" in header or "b64" in header:
        _refuse("token_form", "crit")


def _verify(token: str, key: Key, header: Mapping[str, Any]) -> None:
    """The signature, by the one algorithm of the header, with a key that is for it."""
    if key.get("alg") not in (None, header["alg"]):
        _refuse("token_key", "alg")
    try:
        jws.deserialize_compact(token.encode(), key, algorithms=[header["alg"]])
    except (JoseError, ValueError):
        _refuse("token_signature", "Authorization")


def _check_claims(claims: Mapping[str, Any], provider: IdentityProvider, now: float) -> None:
    """Meant for us, and now (RFC 9068, section 4)."""
    audience = claims.get("aud")
    if provider.audience not in (audience if isinstance(audience, list) else [audience]):
        _refuse("token_audience", "aud")
    if _moment(claims, "exp") <= now - LEEWAY_SECONDS:
        _refuse("token_expired", "exp")
    for name in ("iat", "nbf"):
        if name in claims and _moment(claims, name) > now + LEEWAY_SECONDS:
            _refuse("token_not_yet", name)


def _moment(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse("token_form", name)
    return value


def _client_of(claims: Mapping[str, Any]) -> str:
    client = next((claims[name] for name in ("client_id", "azp", "sub") if name in claims), None)
    if not isinstance(client, str) or not 0 < len(client) <= MAX_CLIENT_CHARACTERS or "\x00" in client:
        _refuse("token_client", "client_id")
    return client


def _tenant_of(claims: Mapping[str, Any], provider: IdentityProvider) -> str:
    if provider.tenant:
        return provider.tenant
    value = _at(claims, provider.tenant_claim)
    tenant = provider.tenants.get(value) if isinstance(value, str) else None
    return tenant or _refuse("token_tenant", provider.tenant_claim)


def _scopes_of(claims: Mapping[str, Any], provider: IdentityProvider) -> frozenset[str]:
    value = _at(claims, provider.scope_claim)
    values = value.split() if isinstance(value, str) else [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
    asked = values if not provider.scopes else [scope for one in values for scope in provider.scopes.get(one, ())]
    return frozenset(narrowed(tuple(asked), (SCOPE_ALL,))) or _refuse("token_scope", provider.scope_claim)


def _at(claims: Mapping[str, Any], path: str) -> Any:
    """The claim at a path; a name that holds dots itself is looked for first."""
    if path in claims:
        return claims[path]
    value: Any = claims
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _safe_keys(document: Any) -> dict[str, Key]:
    """The keys of a published set by id: public ones for signatures, RSA of 2048 bits or more and elliptic curves; none given twice."""
    keys = document.get("keys") if isinstance(document, dict) else None
    found: dict[str, Key] = {}
    twice: set[str] = set()
    for value in keys[:MAX_KEYS] if isinstance(keys, list) else ():
        kid = value.get("kid") if isinstance(value, dict) else None
        key = _safe_key(value) if isinstance(kid, str) else None
        if key is None or kid is None:
            continue
        if kid in found:
            twice.add(kid)
        found[kid] = key
    return {kid: key for kid, key in found.items() if kid not in twice}


def _safe_key(value: Mapping[str, Any]) -> Key | None:
    if value.get("kty") not in ("RSA", "EC") or value.get("use", "sig") != "sig" or "d" in value:
        return None
    try:
        key: Key = import_key(dict(value))
        is_safe = isinstance(key, ECKey) or (isinstance(key, RSAKey) and key.public_key.key_size >= MIN_RSA_BITS)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return key if is_safe else None


def _refuse(rule: str, place: str) -> NoReturn:
    raise TokenRefused(rule, place)
