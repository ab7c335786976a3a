"""Platforms: registered by command, listed, checked. The functions behind `kaona platform`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import ClassVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from kernel.clock import Clock
from kernel.db import Database
from kernel.errors import Conflict, Invalid, KaonaError
from kernel.http import GuardedClient, OutboundFailed, OutboundRefused
from lti_tool.lti.errors import ClientUnknown, KeySetUnreachable, TokenRefused, ToolKeyUnreadable
from lti_tool.lti.keysets import KeySets
from lti_tool.lti.message import host_of, origin_of
from lti_tool.lti.services import AccessTokens, PlatformServices
from lti_tool.lti.storage import Platform, find_platform, list_platforms_of
from lti_tool.lti.tenants import get_tenant
from lti_tool.lti.tool_keys import signing_key
from lti_tool.lti.vocabulary import SCOPE_SCORE
from lti_tool.models import Deployment, Registration, Tenant
from lti_tool.models.audit import append_audit

CLOCK_TOLERANCE_SECONDS = 30
"""Half of the leeway that a launch has."""


class PlatformInvalid(Invalid):
    """Something of a platform's registration cannot be right; the sentence names every fault."""

    code = "platform_invalid"
    message: ClassVar = {"th": "ข้อมูลการลงทะเบียน LMS ไม่ถูกต้อง: {faults}", "en": "The registration is not valid: {faults}"}


class PlatformExists(Conflict):
    """Issuer and client id are registered for another agency."""

    code = "platform_exists"
    message: ClassVar = {
        "th": "LMS {issuer} รหัส {client_id} ลงทะเบียนไว้กับหน่วยงานอื่นแล้ว",
        "en": "The LMS {issuer} with client id {client_id} is registered for another agency.",
    }


@dataclass(frozen=True, slots=True)
class PlatformView:
    """One registered platform, for people and commands."""

    id: int
    tenant: str
    issuer: str
    client_id: str
    auth_url: str
    token_url: str
    jwks_url: str
    deployments: tuple[str, ...]
    frame_origins: tuple[str, ...]
    approved_hosts: tuple[str, ...]
    is_enabled: bool


@dataclass(frozen=True, slots=True)
class PlatformCheck:
    """What a look at a platform found; `faults` are plain sentences, empty when all is well."""

    n_keys: int | None
    refused_keys: dict[str, str]
    clock_difference_seconds: float | None
    """Their clock minus ours."""
    granted_scopes: tuple[str, ...] | None
    faults: tuple[str, ...]


def add_platform(
    db: Session,
    *,
    issuer: str,
    client_id: str,
    auth_url: str,
    token_url: str,
    jwks_url: str,
    deployment: str,
    tenant: str,
    now: datetime,
    token_audience: str | None = None,
    frame_origins: Sequence[str] = (),
    service_hosts: Sequence[str] = (),
) -> PlatformView:
    """Registers a platform, or brings its registration up to date: issuer and client id name it.

    issuer         exactly as the platform spells it
    tenant         key of the agency
    frame_origins  origins beside the platform's own that may frame our pages (portals)
    service_hosts  hosts beside those of the URLs that may get our bearer tokens
    Raises         TenantUnknown, PlatformInvalid, PlatformExists
    """
    owner = get_tenant(db, tenant)
    urls = {"auth url": auth_url, "token url": token_url, "jwks url": jwks_url}
    _check(issuer, client_id, deployment, urls, frame_origins)
    registration = db.scalars(select(Registration).where(Registration.issuer == issuer, Registration.client_id == client_id)).first()
    if registration is not None and registration.tenant_id != owner.id:
        raise PlatformExists(issuer=issuer, client_id=client_id)
    if registration is None:
        registration = Registration(tenant_id=owner.id, issuer=issuer, client_id=client_id, created_at=now)
        db.add(registration)
    registration.auth_url, registration.token_url, registration.jwks_url = auth_url, token_url, jwks_url
    registration.token_audience, registration.disabled_at = token_audience, None
    own = [origin for origin in (origin_of(auth_url), origin_of(issuer)) if origin]
    registration.frame_origins = list(dict.fromkeys([*own, *(str(origin_of(origin)) for origin in frame_origins)]))
    hosts = [host_of(url) for url in (auth_url, token_url, issuer)] + [host_of(f"https://{host}") for host in service_hosts]
    registration.approved_hosts = list(dict.fromkeys(host for host in hosts if host))
    db.flush()  # the deployment names its id
    _add_deployment(db, registration, deployment, now)
    details = {"issuer": issuer, "client_id": client_id, "deployment": deployment}
    append_audit(db, event="platform.registered", actor="command", now=now, tenant_id=owner.id, details=details)
    return _view(db, registration, owner.key)


def list_platforms(db: Session, *, tenant: str | None = None) -> list[PlatformView]:
    """Every registered platform, of one agency or of all."""
    query = select(Registration, Tenant.key).join(Tenant, Tenant.id == Registration.tenant_id).order_by(Registration.id)
    rows = db.execute(query if tenant is None else query.where(Tenant.key == tenant))
    return [_view(db, registration, key) for registration, key in rows]


def disable_platform(db: Session, *, issuer: str, client_id: str, now: datetime) -> None:
    """Refuses its launches and ends its sessions from now on. Raises ClientUnknown."""
    registration = db.scalars(select(Registration).where(Registration.issuer == issuer, Registration.client_id == client_id)).first()
    if registration is None:
        raise ClientUnknown(issuer=issuer, client_id=client_id)
    registration.disabled_at = now
    details = {"issuer": issuer, "client_id": client_id}
    append_audit(db, event="platform.disabled", actor="command", now=now, tenant_id=registration.tenant_id, details=details)


def check_platform(database: Database, *, issuer: str, client_id: str, http: GuardedClient, secret: bytes, clock: Clock) -> PlatformCheck:
    """Looks at a platform: key set, clock, access token. All faults are told together. Raises ClientUnknown."""
    with database.reading() as db:
        platforms = list_platforms_of(db, issuer, client_id)
    if not platforms:
        raise ClientUnknown(issuer=issuer, client_id=client_id)
    platform, faults = platforms[0], list[str]()
    n_keys, refused = None, dict[str, str]()
    try:
        n_keys, found = KeySets(database, http, clock).refresh(platform)
        refused = dict(found)
        faults += [f"The key {kid} is not used: {reason}." for kid, reason in refused.items()]
        if not n_keys:
            faults.append("The key set holds no key that can check a launch.")
    except KeySetUnreachable as error:
        faults.append(f"The key set cannot be read ({error.details['reason']}): {platform.jwks_url}")
    difference = _clock_difference(platform, http, clock)
    if difference is not None and abs(difference) > CLOCK_TOLERANCE_SECONDS:
        faults.append(f"The clock of the platform differs from ours by {difference:+.0f} s; launches fail above 60 s.")
    scopes = _granted(database, platform, http=http, secret=secret, clock=clock, faults=faults)
    return PlatformCheck(n_keys, refused, difference, scopes, tuple(faults))


def services_of(
    db: Session, registration_id: int, *, http: GuardedClient, tokens: AccessTokens, secret: bytes, clock: Clock
) -> PlatformServices | None:
    """The services of a registered platform, ready to be called once the transaction is over; None when it is gone."""
    platform = find_platform(db, registration_id)
    if platform is None:
        return None
    return PlatformServices(platform, http, signing_key(db, secret=secret, now=clock()), tokens, clock)


def _granted(
    database: Database, platform: Platform, *, http: GuardedClient, secret: bytes, clock: Clock, faults: list[str]
) -> tuple[str, ...] | None:
    try:
        with database.reading() as db:
            services = services_of(db, platform.id, http=http, tokens=AccessTokens(), secret=secret, clock=clock)
        assert services is not None
        token = services.access_token(frozenset({SCOPE_SCORE}))
    except TokenRefused as error:
        faults.append(f"The platform gives no access token (status {error.status_code}, {error.details['reason']}): {platform.token_url}")
    except (OutboundFailed, OutboundRefused) as error:
        faults.append(f"The token URL cannot be called ({error.details['reason']}): {platform.token_url}")
    except ToolKeyUnreadable as error:
        faults.append(str(error))
    else:
        if SCOPE_SCORE not in token.scopes:
            faults.append("The access token does not allow scores: switch the grade service on for this tool in the platform.")
        return tuple(sorted(token.scopes))
    return None


def _clock_difference(platform: Platform, http: GuardedClient, clock: Clock) -> float | None:
    """Their clock minus ours by the Date header of the key set, seconds; None when there is none."""
    try:
        response = http.get(platform.jwks_url)
        theirs = parsedate_to_datetime(response.headers.get("date", ""))
    except (KaonaError, ValueError, TypeError):
        return None
    return (theirs.replace(tzinfo=theirs.tzinfo or UTC) - clock()).total_seconds()


def _check(issuer: str, client_id: str, deployment: str, urls: dict[str, str], frame_origins: Sequence[str]) -> None:
    faults = [f"the {name} is not a web address" for name, url in urls.items() if origin_of(url) is None]
    faults += [f"{origin} is not an origin" for origin in frame_origins if origin_of(origin) is None]
    named = {"issuer": issuer, "client id": client_id, "deployment": deployment}
    faults += [f"the {name} has 1 to 255 characters" for name, value in named.items() if not 0 < len(value) <= 255]  # noqa: PLR2004
    if faults:
        raise PlatformInvalid(faults="; ".join(faults))


def _add_deployment(db: Session, registration: Registration, deployment: str, now: datetime) -> None:
    known = select(Deployment.id).where(Deployment.registration_id == registration.id, Deployment.deployment_id == deployment)
    if db.scalar(known) is None:
        db.add(Deployment(tenant_id=registration.tenant_id, registration_id=registration.id, deployment_id=deployment, created_at=now))
        db.flush()  # the view below reads it


def _view(db: Session, registration: Registration, tenant: str) -> PlatformView:
    deployments = select(Deployment.deployment_id).where(Deployment.registration_id == registration.id).order_by(Deployment.id)
    return PlatformView(
        id=registration.id,
        tenant=tenant,
        issuer=registration.issuer,
        client_id=registration.client_id,
        auth_url=registration.auth_url,
        token_url=registration.token_url,
        jwks_url=registration.jwks_url,
        deployments=tuple(db.scalars(deployments)),
        frame_origins=tuple(registration.frame_origins),
        approved_hosts=tuple(registration.approved_hosts),
        is_enabled=registration.disabled_at is None,
    )
