"""A platform registers itself: its configuration is fetched, an administrator confirms, the platform and we note each other down.

GET   invite > configuration (a call) > offer, sealed into the page
POST  offer unsealed > invite claimed > registration posted (a call) > registration and spent invite in one transaction
No transaction is open during a call. The page works without cookie, storage and script: all that the second request needs is
the sealed offer, which only this installation can open. The platform's registration token stands nowhere else.
Source   LTI Dynamic Registration 1.0, section 3
"""

import base64
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import select
from sqlalchemy.orm import Session

from kernel.db import Database
from kernel.errors import KaonaError
from kernel.http import TOTAL_SECONDS, GuardedClient, OutboundFailed, OutboundRefused
from kernel.ids import new_token
from kernel.strictjson import InvalidJson, dumps, loads
from lti_tool.lti import invites
from lti_tool.lti.dynamic_registration import (
    SCOPES,
    ConfigurationUnreadable,
    PlatformConfiguration,
    RegistrationAnswer,
    RegistrationRefused,
    client_registration,
    read_answer,
    read_configuration,
)
from lti_tool.lti.errors import KeySetUnreachable
from lti_tool.lti.keysets import KeySets
from lti_tool.lti.message import origin_of
from lti_tool.lti.registrations import PlatformView, add_platform, get_platform
from lti_tool.lti.storage import find_platform
from lti_tool.lti.tenants import TenantUnknown, get_tenant, tenant_key
from lti_tool.models import Invite, Registration

OFFER_LIFE = timedelta(minutes=30)
MAX_CHARACTERS = 4000
"""Longest registration token or configuration address that we take; real ones have a few hundred."""
WAIT_SECONDS = TOTAL_SECONDS + 2
"""Longest wait for another confirmation of the same offer: as long as its call may take."""
PAUSE_SECONDS = 0.2
FIELDS = ("invite", "agency", "openid_configuration", "registration_token")
SUCCESS = range(200, 300)


class OfferExpired(KaonaError):
    """The page was open for too long, or the form is not one of ours."""

    code = "offer_expired"
    status: ClassVar[int] = 403
    message: ClassVar = {"th": "หน้านี้หมดอายุแล้ว", "en": "This page has expired."}
    way_on: ClassVar = {
        "th": "โปรดเริ่มการลงทะเบียนใหม่จาก LMS ลิงก์เชิญเดิมยังใช้ได้",
        "en": "Please start the registration again from your LMS. The invite still works.",
    }


class RegistrationMalformed(RegistrationRefused):
    """The platform opened the invite without the address of its configuration, or with one that is no address."""

    code = "registration_malformed"
    message: ClassVar = {
        "th": "LMS เปิดลิงก์เชิญโดยไม่ได้แจ้งที่อยู่ข้อมูลการเชื่อมต่อที่ถูกต้อง",
        "en": "The LMS opened the invite without a usable address of its configuration.",
    }


class PlatformUnreachable(RegistrationRefused):
    """A call to the platform was refused by our guard, or brought nothing."""

    code = "platform_unreachable"
    message: ClassVar = {
        "th": "ระบบติดต่อ LMS ไม่สำเร็จ ({reason})",
        "en": "The LMS could not be reached ({reason}).",
    }
    way_on: ClassVar = {
        "th": "โปรดตรวจว่าเครื่องแม่ข่ายของระบบเรียก LMS ผ่าน HTTPS ได้ หาก LMS อยู่บนเครือข่ายภายใน ให้ผู้ดูแลระบบเพิ่มเครือข่ายนั้นใน KAONA_ALLOWED_NETWORKS "
        "แล้วเริ่มใหม่จาก LMS",
        "en": "Check that this system can call the LMS by HTTPS. For an LMS on a private network, have the operator list the network in "
        "KAONA_ALLOWED_NETWORKS. Then start again from the LMS.",
    }


@dataclass(frozen=True, slots=True)
class RegistrationRequest:
    """What a platform appended to the address that its administrator pasted."""

    invite: str
    agency: str
    openid_configuration: str
    registration_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A registration that was made, or brought up to date."""

    platform: PlatformView
    is_update: bool
    """The platform gave the client id of a registration that we had."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A registration that waits for its confirmation."""

    ticket: str
    tenant_id: int
    agency: Mapping[str, str]
    """Name of the agency, a language map."""
    invite_id: int | None
    """None for an open registration, which waits for approval afterwards."""
    configuration: PlatformConfiguration
    lms_origin: str
    """Where people meet the platform, as far as that can be seen."""
    registration_token: str = field(repr=False)

    @property
    def frame_origins(self) -> tuple[str, ...]:
        """Who may frame the pages of this registration."""
        found = (self.lms_origin, origin_of(self.configuration.url), origin_of(self.configuration.issuer))
        return tuple(dict.fromkeys(origin for origin in found if origin))


def read_request(parameters: Mapping[str, list[str]]) -> RegistrationRequest:
    """The parameters of the first request, each at most once; what is missing is empty. Raises RegistrationMalformed."""
    if any(len(parameters.get(name, [])) > 1 or len("".join(parameters.get(name, []))) > MAX_CHARACTERS for name in FIELDS):
        raise RegistrationMalformed
    return RegistrationRequest(*("".join(parameters.get(name, [])) for name in FIELDS))


def find_agency(db: Session, request: RegistrationRequest, *, is_open: bool, now: datetime) -> invites.InviteView:
    """Whose registration it is: by the invite, else by the agency's code where open registration is switched on.

    Returns   with id 0 for an open registration
    Raises    InviteMissing, InviteUsed, InviteExpired
    """
    if request.invite:
        return invites.get_invite(db, request.invite, now=now)
    if not is_open or not request.agency:
        raise invites.InviteMissing
    try:
        tenant = get_tenant(db, request.agency)
    except TenantUnknown:
        raise invites.InviteMissing from None
    return invites.InviteView(0, tenant.id, tenant.name, ())


def make_offer(
    http: GuardedClient, request: RegistrationRequest, invite: invites.InviteView, *, framed_by: str | None, is_dev: bool
) -> Offer:
    """Reads the platform's configuration; hold no transaction.

    framed_by   origin of the page that shows ours, as the browser tells it
    Raises      RegistrationMalformed, PlatformUnreachable, and what `read_configuration` raises; each knows the agency
    """
    try:
        url = request.openid_configuration
        if origin_of(url) is None:
            raise RegistrationMalformed
        configuration = read_configuration(_fetched(http, request), url=url, extra_hosts=invite.hosts, is_dev=is_dev)
    except RegistrationRefused as refusal:
        refusal.tenant_id = invite.tenant_id
        raise
    is_vendors = configuration.has_shared_issuer and configuration.product.has_host(framed_by or "")
    return Offer(
        ticket=new_token(),
        tenant_id=invite.tenant_id,
        agency=invite.agency,
        invite_id=invite.id or None,
        configuration=configuration,
        lms_origin=(framed_by if is_vendors and framed_by else None) or origin_of(url) or "",
        registration_token=request.registration_token,
    )


def seal(offer: Offer, *, secret: bytes, now: datetime) -> str:
    """The offer as text that only this installation can read, for the form of the page."""
    return _vault(secret).encrypt_at_time(dumps(asdict(offer)), int(now.timestamp())).decode()


def unseal(text: str, *, secret: bytes, now: datetime) -> Offer:
    """The offer of a form. Raises OfferExpired."""
    try:
        plain = _vault(secret).decrypt_at_time(text.encode(), int(OFFER_LIFE.total_seconds()), int(now.timestamp()))
    except InvalidToken:
        raise OfferExpired from None
    values: dict[str, Any] = loads(plain)
    return Offer(**values | {"configuration": PlatformConfiguration(**values["configuration"])})


def confirm(
    database: Database, http: GuardedClient, offer: Offer, *, with_names: bool, lms_origin: str, public_url: str, now: datetime
) -> Confirmed:
    """Registers us at the platform and the platform with us. A second confirmation of the same offer gives what the first made.

    with_names   whether names of people are asked for and kept
    lms_origin   where people meet the platform, as the administrator says; empty for what we saw ourselves
    Raises       InviteUsed, InviteExpired, RegistrationUnderWay, PlatformUnreachable, RegistrationRejected, AnswerUnusable,
                 PlatformExists, ClientTaken, PendingFull, PlatformInvalid
    """
    invite_id, made = _claimed(database, offer, now=now)
    if made is not None:
        return made
    try:
        answer = _registered(http, offer, client_registration(offer.configuration, public_url=public_url, with_names=with_names))
        with database.transaction() as db:
            view = _keep(db, offer, answer, with_names=with_names, lms_origin=lms_origin, now=now)
            invites.spend_invite(db, invite_id, ticket=offer.ticket, registration_id=view.id, now=now, actor="platform")
            return _confirmed(db, view, invite_id)
    except KaonaError as refusal:
        with database.transaction() as db:
            invites.release_invite(db, invite_id, ticket=offer.ticket)
        if isinstance(refusal, RegistrationRefused):
            refusal.tenant_id = offer.tenant_id
        raise


def _fetched(http: GuardedClient, request: RegistrationRequest) -> object:
    """The configuration as it came. Canvas asks for the registration token here too."""
    try:
        response = http.get(request.openid_configuration, headers={"Accept": "application/json"} | _bearer(request.registration_token))
        body = response.json()
    except (OutboundFailed, OutboundRefused) as error:
        raise PlatformUnreachable(reason=error.details["reason"]) from None
    except InvalidJson:
        raise ConfigurationUnreadable from None
    if response.status not in SUCCESS:
        raise ConfigurationUnreadable
    return body


def _claimed(database: Database, offer: Offer, *, now: datetime) -> tuple[int, Confirmed | None]:
    """The claimed invite, and the registration when this very offer made one already.

    A second confirmation of an offer (a double click) waits for the first, so that its person sees how it ended.
    """
    last = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            with database.transaction() as db:
                invite_id = offer.invite_id or invites.open_invite(db, tenant_id=offer.tenant_id, ticket=offer.ticket, now=now)
                made = invites.claim_invite(db, invite_id, ticket=offer.ticket, now=now)
                view = None if made is None else get_platform(db, _uuid_of(db, made), tenant_id=offer.tenant_id)
                confirmed = None if view is None else _confirmed(db, view, invite_id)
        except invites.RegistrationUnderWay as refusal:
            if not refusal.is_ours or time.monotonic() > last:
                raise
        else:
            return invite_id, confirmed
        time.sleep(PAUSE_SECONDS)


def _registered(http: GuardedClient, offer: Offer, registration: dict[str, Any]) -> RegistrationAnswer:
    headers = {"Content-Type": "application/json", "Accept": "application/json"} | _bearer(offer.registration_token)
    try:
        response = http.request("POST", offer.configuration.registration_endpoint, headers=headers, body=dumps(registration))
    except (OutboundFailed, OutboundRefused) as error:
        raise PlatformUnreachable(reason=error.details["reason"]) from None
    return read_answer(response)


def _keep(db: Session, offer: Offer, answer: RegistrationAnswer, *, with_names: bool, lms_origin: str, now: datetime) -> PlatformView:
    configuration = offer.configuration
    return add_platform(
        db,
        issuer=configuration.issuer,
        client_id=answer.client_id,
        auth_url=configuration.authorization_endpoint,
        token_url=configuration.token_endpoint,
        jwks_url=configuration.jwks_uri,
        deployment=answer.deployment_id,
        tenant=tenant_key(db, offer.tenant_id),
        token_audience=configuration.token_audience,
        lms_origin=origin_of(lms_origin) or offer.lms_origin,
        frame_origins=offer.frame_origins,
        product=configuration.family or None,
        scopes=SCOPES,
        keeps_names=with_names,
        is_pending=offer.invite_id is None,
        now=now,
        actor="platform",
    )


def _confirmed(db: Session, view: PlatformView, invite_id: int) -> Confirmed:
    """What the spent invite brought: a registration that is older than its use was there before."""
    used_at = db.execute(select(Invite.used_at).where(Invite.id == invite_id)).scalar_one()
    return Confirmed(view, is_update=used_at is not None and db.get_one(Registration, view.id).created_at < used_at)


def _uuid_of(db: Session, registration_id: int) -> UUID:
    return db.get_one(Registration, registration_id).uuid


def _bearer(token: str) -> dict[str, str]:
    """The header that shows the registration token; none where the platform gave none (Brightspace hides it in its addresses)."""
    return {"Authorization": f"Bearer {token}"} if token and token.isascii() and token.isprintable() and " " not in token else {}


def _vault(secret: bytes) -> Fernet:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"kaona registration 1").derive(secret)
    return Fernet(base64.urlsafe_b64encode(derived))


def read_keys(database: Database, key_sets: KeySets, platform_id: int) -> str | None:
    """Reads a new platform's key set, so that its first launch need not wait. Returns the reason when that fails: it stays registered."""
    with database.reading() as db:
        platform = find_platform(db, platform_id)
    if platform is None:
        return None
    try:
        key_sets.refresh(platform)
    except KeySetUnreachable as error:
        return str(error.details["reason"])
    return None
