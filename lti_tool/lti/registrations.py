"""Platforms: registered by hand or by themselves, listed, approved, changed, switched off, checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from kernel.clock import Clock
from kernel.db import Database
from kernel.errors import Conflict, Invalid, KaonaError, NotFound
from kernel.http import GuardedClient, OutboundFailed, OutboundRefused
from kernel.langmap import LangMap
from lti_tool.lti.deployments import LEARNING, add_deployment
from lti_tool.lti.dynamic_registration import SCOPE_WORDS, SCOPES
from lti_tool.lti.errors import ClientUnknown, KeySetUnreachable, TokenRefused, ToolKeyUnreadable
from lti_tool.lti.keysets import KeySets, clock_difference_seconds
from lti_tool.lti.message import host_of, origin_of
from lti_tool.lti.products import PRODUCTS, is_safe_audience
from lti_tool.lti.services import AccessTokens, PlatformServices
from lti_tool.lti.storage import Platform, find_platform
from lti_tool.lti.tenants import get_tenant
from lti_tool.lti.tool_keys import ensure_tool_key, signing_key
from lti_tool.lti.vocabulary import SCOPE_SCORE
from lti_tool.models import Deployment, Registration, Tenant, User
from lti_tool.models.audit import append_audit

CLOCK_TOLERANCE_SECONDS = 30
"""Half of the leeway that a launch has."""
MAX_PENDING = 20
"""Registrations of one agency that may wait for approval: whoever sends more is not an administrator."""
MAX_CHARACTERS = 255


class PlatformInvalid(Invalid):
    """Something of a platform's registration cannot be right; the sentence names every fault."""

    code = "platform_invalid"
    message: ClassVar = {"th": "ข้อมูลการลงทะเบียน LMS ไม่ถูกต้อง: {faults_th}", "en": "The registration is not valid: {faults}"}
    way_on: ClassVar = {"th": "โปรดแก้ไขแล้วส่งอีกครั้ง", "en": "Please correct it and send it again."}

    def __init__(self, faults: Sequence[LangMap]) -> None:
        super().__init__(faults="; ".join(fault["en"] for fault in faults), faults_th=", ".join(fault["th"] for fault in faults))


class PlatformExists(Conflict):
    """Issuer and client id are registered for another agency, or may not be changed in this way."""

    code = "platform_exists"
    message: ClassVar = {
        "th": "LMS {issuer} รหัส {client_id} ลงทะเบียนไว้แล้ว",
        "en": "The LMS {issuer} with client id {client_id} is registered already.",
    }
    way_on: ClassVar = {
        "th": "หากต้องการเปลี่ยนข้อมูล ให้ผู้ดูแลระบบของหน่วยงานที่ลงทะเบียนไว้เป็นผู้แก้ไข",
        "en": "To change it, ask the administrator of the agency that registered it.",
    }


class ClientTaken(Conflict):
    """Another platform of ours has this client id at the same token service: tokens of one would serve the other."""

    code = "client_taken"
    message: ClassVar = {
        "th": "มี LMS อื่นใช้ Client ID {client_id} กับบริการออกโทเคนเดียวกันนี้อยู่แล้ว",
        "en": "Another LMS uses the client id {client_id} at the same token service.",
    }


class PendingFull(Conflict):
    """So many registrations of the agency wait for approval that no further one is taken."""

    code = "pending_full"
    message: ClassVar = {
        "th": "หน่วยงานนี้มี LMS ที่รอการอนุมัติจำนวนมากแล้ว",
        "en": "Too many registrations of this agency wait for approval.",
    }
    way_on: ClassVar = {
        "th": "โปรดให้ผู้ดูแลระบบก้าวหน้าอนุมัติหรือปิดรายการที่รออยู่ก่อน",
        "en": "Ask the administrator of Kaona to approve or disable those that wait.",
    }


@dataclass(frozen=True, slots=True)
class PlatformView:
    """One registered platform, for people and commands."""

    id: int
    uuid: UUID
    tenant: str
    issuer: str
    client_id: str
    auth_url: str
    token_url: str
    jwks_url: str
    token_audience: str | None
    deployments: tuple[str, ...]
    frame_origins: tuple[str, ...]
    approved_hosts: tuple[str, ...]
    product: str | None
    keeps_names: bool
    learns_deployment_until: datetime | None
    is_pending: bool
    is_enabled: bool
    """Its launches are accepted."""


@dataclass(frozen=True, slots=True)
class PlatformCheck:
    """What a look at a platform found; `faults` are sentences as language maps, empty when all is well."""

    n_keys: int | None
    refused_keys: dict[str, str]
    clock_difference_seconds: float | None
    """Their clock minus ours."""
    granted_scopes: tuple[str, ...] | None
    faults: tuple[dict[str, str], ...]


def add_platform(
    db: Session,
    *,
    issuer: str,
    client_id: str,
    auth_url: str,
    token_url: str,
    jwks_url: str,
    deployment: str | None,
    tenant: str,
    now: datetime,
    token_audience: str | None = None,
    lms_origin: str | None = None,
    frame_origins: Sequence[str] = (),
    service_hosts: Sequence[str] = (),
    product: str | None = None,
    scopes: Sequence[str] | None = None,
    keeps_names: bool | None = None,
    is_pending: bool = False,
    actor: str = "command",
) -> PlatformView:
    """Registers a platform, or brings its registration up to date: issuer and client id name it.

    issuer         exactly as the platform spells it
    deployment     None where the platform did not tell: the first launch brings it
    tenant         key of the agency
    lms_origin     where people meet the platform, if that is neither the issuer's nor the authentication's origin
    frame_origins  origins beside the platform's own that may frame our pages (portals); earlier ones stay
    service_hosts  host[:port] beside those of the URLs that may get our bearer tokens; earlier ones stay
    keeps_names    None leaves it as it is
    is_pending     it registered itself and waits for approval; such a one changes nothing that was approved
    Raises         TenantUnknown, PlatformInvalid, PlatformExists, ClientTaken, PendingFull
    """
    owner = get_tenant(db, tenant)
    _check_form(issuer, client_id, deployment, {"auth url": auth_url, "token url": token_url, "jwks url": jwks_url})
    origins, hosts = _origins(frame_origins), _hosts(service_hosts)
    registration = db.scalars(select(Registration).where(*_named(issuer, client_id)).with_for_update()).first()
    if registration is not None and (registration.tenant_id != owner.id or (is_pending and registration.pending_since is None)):
        raise PlatformExists(issuer=issuer, client_id=client_id)
    _check_client(db, issuer, client_id, token_url, token_audience)
    if registration is None:
        if is_pending:
            _check_room(db, owner.id)
        registration = Registration(
            tenant_id=owner.id, issuer=issuer, client_id=client_id, created_at=now, approved_hosts=[], frame_origins=[]
        )
        db.add(registration)
    origins = _extras(registration.frame_origins, [origin_of(registration.auth_url), origin_of(registration.issuer)], origins)
    hosts = _extras(registration.approved_hosts, [host_of(registration.auth_url), host_of(registration.token_url)], hosts)
    registration.auth_url, registration.token_url, registration.jwks_url = auth_url, token_url, jwks_url
    registration.token_audience, registration.disabled_at = token_audience, None
    registration.pending_since = now if is_pending else None
    registration.product, registration.scopes = product or registration.product, list(scopes) if scopes else registration.scopes
    if keeps_names is not None:
        registration.keeps_names = keeps_names
    registration.frame_origins = _distinct([lms_origin, origin_of(auth_url), origin_of(issuer), *origins])
    registration.approved_hosts = _distinct([host_of(auth_url), host_of(token_url), host_of(issuer), host_of(lms_origin), *hosts])
    db.flush()  # the deployment names its id
    if deployment:
        add_deployment(db, registration, deployment, now=now)
    elif not _deployments(db, registration):
        registration.learns_deployment_until = now + LEARNING
    details = {"issuer": issuer, "client_id": client_id, "deployment": deployment}
    _note(db, registration, "platform.pending" if is_pending else "platform.registered", now=now, actor=actor, **details)
    return _view(db, registration, owner.key)


def list_platforms(db: Session, *, tenant: str | None = None, tenant_id: int | None = None) -> list[PlatformView]:
    """Every registered platform, of one agency or of all."""
    query = select(Registration, Tenant.key).join(Tenant, Tenant.id == Registration.tenant_id).order_by(Registration.id)
    query = query if tenant is None else query.where(Tenant.key == tenant)
    query = query if tenant_id is None else query.where(Registration.tenant_id == tenant_id)
    return [_view(db, registration, key) for registration, key in db.execute(query)]


def get_platform(db: Session, uuid: UUID, *, tenant_id: int) -> PlatformView:
    """One platform of one agency. Raises NotFound, also for another agency's."""
    row = _found(db, Registration.uuid == uuid, Registration.tenant_id == tenant_id)
    if row is None:
        raise NotFound
    return row


def get_platform_named(db: Session, *, issuer: str, client_id: str) -> PlatformView:
    """One platform by the names that it goes by. Raises ClientUnknown."""
    row = _found(db, *_named(issuer, client_id))
    if row is None:
        raise ClientUnknown(issuer=issuer, client_id=client_id)
    return row


def disable_platform(db: Session, platform_id: int, *, now: datetime, actor: str = "command") -> None:
    """Refuses its launches and ends the use of its sessions from now on."""
    registration = db.get_one(Registration, platform_id)
    registration.disabled_at = registration.disabled_at or now
    _note(db, registration, "platform.disabled", now=now, actor=actor)


def enable_platform(db: Session, platform_id: int, *, now: datetime, actor: str = "command") -> None:
    """Takes its launches again. One that waits for approval goes on waiting."""
    registration = db.get_one(Registration, platform_id)
    registration.disabled_at = None
    _note(db, registration, "platform.enabled", now=now, actor=actor)


def approve_platform(db: Session, platform_id: int, *, now: datetime, actor: str = "command") -> None:
    """Takes in a platform that registered itself; its first launch may bring its deployment from now on."""
    registration = db.get_one(Registration, platform_id)
    if registration.pending_since is None:
        return
    registration.pending_since = None
    if registration.learns_deployment_until is not None:
        registration.learns_deployment_until = now + LEARNING
    _note(db, registration, "platform.approved", now=now, actor=actor)


def set_addresses(
    db: Session, platform_id: int, *, frame_origins: Sequence[str], service_hosts: Sequence[str], now: datetime, actor: str = "command"
) -> None:
    """Replaces the origins and hosts that are allowed beside the platform's own. Raises PlatformInvalid."""
    registration = db.get_one(Registration, platform_id)
    urls = (registration.auth_url, registration.token_url, registration.issuer)
    first = registration.frame_origins[:1]  # where people meet the platform
    registration.frame_origins = _distinct([*first, origin_of(urls[0]), origin_of(urls[2]), *_origins(frame_origins)])
    registration.approved_hosts = _distinct([*map(host_of, (*urls, *first)), *_hosts(service_hosts)])
    details = {"frame_origins": registration.frame_origins, "approved_hosts": registration.approved_hosts}
    _note(db, registration, "platform.addresses", now=now, actor=actor, **details)


def set_privacy(db: Session, platform_id: int, *, keeps_names: bool, now: datetime, actor: str = "command") -> None:
    """Whether names that the platform sends are kept; those that were kept go when it is switched off."""
    registration = db.get_one(Registration, platform_id)
    registration.keeps_names = keeps_names
    if not keeps_names:
        db.execute(update(User).where(User.registration_id == platform_id).values(display_name=None))
    _note(db, registration, "platform.privacy", now=now, actor=actor, keeps_names=keeps_names)


def check_audience(audience: str, token_url: str) -> None:
    """Refuses an audience that is neither on the token service's host nor its vendor's own. Raises PlatformInvalid."""
    if not is_safe_audience(audience, token_url, *PRODUCTS.values()):
        raise PlatformInvalid([_fault("audience ไม่ได้อยู่บนเครื่องแม่ข่ายที่ออกโทเคน", "the audience is not on the host of the token url")])


def add_platform_deployment(db: Session, platform_id: int, deployment_id: str, *, now: datetime, actor: str = "command") -> None:
    """Adds a deployment by hand. Raises PlatformInvalid."""
    if not _is_name(deployment_id):
        raise PlatformInvalid([_too_long("deployment")])
    registration = db.get_one(Registration, platform_id)
    if add_deployment(db, registration, deployment_id, now=now):
        _note(db, registration, "deployment.added", now=now, actor=actor, deployment=deployment_id)


def check_platform(database: Database, *, issuer: str, client_id: str, http: GuardedClient, secret: bytes, clock: Clock) -> PlatformCheck:
    """Looks at a platform: key set, clock, access token. All faults are told together. Raises ClientUnknown."""
    with database.transaction() as db:
        found = get_platform_named(db, issuer=issuer, client_id=client_id)
        platform = find_platform(db, found.id)
        ensure_tool_key(db, secret=secret, now=clock())
    assert platform is not None
    n_keys, refused, faults = None, dict[str, str](), list[dict[str, str]]()
    try:
        n_keys, keys = KeySets(database, http, clock).refresh(platform)
        refused = dict(keys)
        faults += [_fault(f"ไม่ใช้กุญแจ {kid} เพราะ {reason}", f"The key {kid} is not used: {reason}.") for kid, reason in refused.items()]
        if not n_keys:
            faults.append(_fault("ชุดกุญแจไม่มีกุญแจที่ใช้ตรวจการเข้าใช้ได้", "The key set holds no key that can check a launch."))
    except KeySetUnreachable as error:
        why, url = error.details["reason"], platform.jwks_url
        faults.append(_fault(f"อ่านชุดกุญแจไม่ได้ ({why}): {url}", f"The key set cannot be read ({why}): {url}"))
    difference = _clock_difference(platform, http, clock)
    if difference is not None and abs(difference) > CLOCK_TOLERANCE_SECONDS:
        faults.append(
            _fault(
                f"เวลาของ LMS ต่างจากเวลาของระบบ {difference:+.0f} วินาที หากเกิน 60 วินาทีจะเปิดกิจกรรมไม่ได้",
                f"The clock of the platform differs from ours by {difference:+.0f} s; launches fail above 60 s.",
            )
        )
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
    database: Database, platform: Platform, *, http: GuardedClient, secret: bytes, clock: Clock, faults: list[dict[str, str]]
) -> tuple[str, ...] | None:
    url = platform.token_url
    try:
        with database.reading() as db:
            services = services_of(db, platform.id, http=http, tokens=AccessTokens(), secret=secret, clock=clock)
        assert services is not None
        granted = _widest_token(services)
    except TokenRefused as error:
        status, why = error.status_code, error.details["reason"]
        faults.append(
            _fault(
                f"LMS ไม่ออกโทเคนให้ (สถานะ {status}, {why}): {url}", f"The platform gives no access token (status {status}, {why}): {url}"
            )
        )
    except (OutboundFailed, OutboundRefused) as error:
        why = error.details["reason"]
        faults.append(_fault(f"เรียกที่อยู่ออกโทเคนไม่ได้ ({why}): {url}", f"The token URL cannot be called ({why}): {url}"))
    except ToolKeyUnreadable as error:
        faults.append(_fault(error.sentence("th"), error.sentence("en")))
    else:
        for scope in SCOPES:
            if scope not in granted:
                words = SCOPE_WORDS[scope]
                faults.append(
                    _fault(
                        f"LMS ไม่ให้สิทธิ์นี้แก่เครื่องมือ: {words['th']} โปรดเปิดบริการที่เกี่ยวข้องในการตั้งค่าเครื่องมือของ LMS",
                        f"The access token does not allow this: {words['en']}. Switch the service on for this tool in the platform.",
                    )
                )
        return tuple(sorted(granted))
    return None


def _widest_token(services: PlatformServices) -> frozenset[str]:
    """The scopes that a token may have: of all that we use, else of the grade alone where a platform refuses the lot."""
    try:
        return services.access_token(frozenset(SCOPES)).scopes
    except TokenRefused as error:
        if error.details["reason"] != "invalid_scope":
            raise
        return services.access_token(frozenset({SCOPE_SCORE})).scopes


def _clock_difference(platform: Platform, http: GuardedClient, clock: Clock) -> float | None:
    """Their clock minus ours by the answer of the key set's server, whatever it answers; None when it does not."""
    try:
        response = http.get(platform.jwks_url)
    except KaonaError:
        return None
    return clock_difference_seconds(response.headers, clock())


def _check_form(issuer: str, client_id: str, deployment: str | None, urls: dict[str, str]) -> None:
    faults = [_fault(f"{name} ไม่ใช่ที่อยู่เว็บ", f"the {name} is not a web address") for name, url in urls.items() if origin_of(url) is None]
    named = {"issuer": issuer, "client id": client_id} | ({"deployment": deployment} if deployment is not None else {})
    faults += [_too_long(name) for name, value in named.items() if not _is_name(value)]
    if faults:
        raise PlatformInvalid(faults)


def _check_client(db: Session, issuer: str, client_id: str, token_url: str, token_audience: str | None) -> None:
    """A client id may stand at one token service for one issuer only: a second issuer would be served with tokens of the first."""
    audiences = {url for url in (token_url, token_audience) if url}
    same = or_(Registration.token_url.in_(audiences), Registration.token_audience.in_(audiences))
    if db.scalar(select(Registration.id).where(Registration.client_id == client_id, Registration.issuer != issuer, same)) is not None:
        raise ClientTaken(client_id=client_id)


def _check_room(db: Session, tenant_id: int) -> None:
    waiting = select(func.count()).where(Registration.tenant_id == tenant_id, Registration.pending_since.is_not(None))
    if (db.scalar(waiting) or 0) >= MAX_PENDING:
        raise PendingFull


def _too_long(name: str) -> dict[str, str]:
    return _fault(f"{name} ต้องยาว 1 ถึง {MAX_CHARACTERS} ตัวอักษร", f"the {name} has 1 to {MAX_CHARACTERS} characters")


def _is_name(value: str) -> bool:
    return 0 < len(value) <= MAX_CHARACTERS and value.isprintable()


def _origins(addresses: Sequence[str]) -> list[str]:
    faults = [address for address in addresses if origin_of(address) is None]
    if faults:
        raise PlatformInvalid([_fault(f"{address} ไม่ใช่ที่อยู่ของเว็บไซต์", f"{address} is not an origin") for address in faults])
    return [str(origin_of(address)) for address in addresses]


def _hosts(names: Sequence[str]) -> list[str]:
    faults = [name for name in names if host_of(f"https://{name}") is None]
    if faults:
        raise PlatformInvalid([_fault(f"{name} ไม่ใช่ชื่อเครื่องแม่ข่าย", f"{name} is not a host") for name in faults])
    return [str(host_of(f"https://{name}")) for name in names]


def _extras(present: Sequence[str], own: Sequence[str | None], more: Sequence[str]) -> list[str]:
    """What was allowed beside the platform's own addresses, and what is now."""
    return [*(one for one in present if one not in own), *more]


def _distinct(values: Sequence[str | None]) -> list[str]:
    return list(dict.fromkeys(value for value in values if value))


def _fault(th: str, en: str) -> dict[str, str]:
    return {"th": th, "en": en}


def _named(issuer: str, client_id: str) -> tuple[Any, ...]:
    return Registration.issuer == issuer, Registration.client_id == client_id


def _found(db: Session, *conditions: Any) -> PlatformView | None:
    row = db.execute(select(Registration, Tenant.key).join(Tenant, Tenant.id == Registration.tenant_id).where(*conditions)).first()
    return None if row is None else _view(db, row.Registration, row.key)


def _deployments(db: Session, registration: Registration) -> tuple[str, ...]:
    ours = Deployment.registration_id == registration.id
    return tuple(db.scalars(select(Deployment.deployment_id).where(ours).order_by(Deployment.id)))


def _note(db: Session, registration: Registration, event: str, *, now: datetime, actor: str, **details: Any) -> None:
    details = {"issuer": registration.issuer, "client_id": registration.client_id, **details}
    append_audit(db, event=event, actor=actor, now=now, tenant_id=registration.tenant_id, details=details)


def _view(db: Session, registration: Registration, tenant: str) -> PlatformView:
    return PlatformView(
        id=registration.id,
        uuid=registration.uuid,
        tenant=tenant,
        issuer=registration.issuer,
        client_id=registration.client_id,
        auth_url=registration.auth_url,
        token_url=registration.token_url,
        jwks_url=registration.jwks_url,
        token_audience=registration.token_audience,
        deployments=_deployments(db, registration),
        frame_origins=tuple(registration.frame_origins),
        approved_hosts=tuple(registration.approved_hosts),
        product=registration.product,
        keeps_names=registration.keeps_names,
        learns_deployment_until=registration.learns_deployment_until,
        is_pending=registration.pending_since is not None,
        is_enabled=registration.disabled_at is None and registration.pending_since is None,
    )
