"""The launch: what a platform posts is checked step by step, in a fixed order, and becomes a session or a refusal.

size > form > state > token's shape > platform > key > signature > claims > deployment > message > session. Until the
last step nothing is written; the platform is called, if at all, while no transaction is open.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy.orm import Session

from kernel.db import Database
from kernel.ids import digest, new_uuid
from lti_tool.lti import vocabulary as v
from lti_tool.lti.enrol import Enrolled, OnEnrolled, enrol
from lti_tool.lti.errors import (
    BindingMissing,
    DeploymentUnknown,
    IssuerUnknown,
    LaunchMalformed,
    LtiRefused,
    MessageInvalid,
    OtherBrowser,
    PersonBlocked,
    PlatformRefused,
    RoleUnknown,
    StateExpired,
    StateUnknown,
    StateUsed,
)
from lti_tool.lti.keysets import KeySets
from lti_tool.lti.login import relaunch_path
from lti_tool.lti.message import Message, read_message
from lti_tool.lti.sessions import begin_session
from lti_tool.lti.storage import STATE_SECONDS, Known, KnownState, Platform, find_known, find_spender, find_state, spend_state
from lti_tool.lti.tokens import check_claims, parse_token, verify_signature

FIELDS = ("state", "id_token", "error", "error_description")
FRAMES = frozenset({"iframe", "frame"})


@dataclass(frozen=True, slots=True)
class LaunchForm:
    """The fields that a platform posts back."""

    state: str
    id_token: str
    error: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """A launch that passed every check and is about to be stored."""

    uuid: UUID
    message: Message
    roles: frozenset[v.Role]
    """Context roles and grants."""
    platform: Platform
    hints: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Accepted:
    """A stored launch: where the browser goes, and the cookie that it takes along."""

    uuid: UUID
    page: str
    session_token: str
    enrolled: Enrolled
    platform: Platform


class ChoosePage(Protocol):
    """Gives the path of the page for a launch, within its transaction; may refuse it."""

    def __call__(self, db: Session, arrival: Arrival) -> str:
        """The path."""


def read_form(fields: Mapping[str, list[str]]) -> LaunchForm:
    """The posted fields, each at most once. Raises LaunchMalformed."""
    if any(len(fields.get(name, [])) > 1 for name in FIELDS):
        raise LaunchMalformed
    form = LaunchForm(*("".join(fields.get(name, [])) for name in FIELDS[:3]))
    if not form.error and not (form.state and form.id_token):
        raise LaunchMalformed
    return form


def find_login(database: Database, form: LaunchForm) -> KnownState:
    """The login of ours that the form answers. Raises StateUnknown, or StateUsed with the platform that used it."""
    hashed = digest(form.state)
    with database.reading() as db:
        found = find_state(db, hashed)
        if found is not None:
            return found
        spender = find_spender(db, hashed)
    if spender is None:
        raise StateUnknown
    raise StateUsed(registration_id=spender.id, tenant_id=spender.tenant_id)


def check_login(login: KnownState, form: LaunchForm, *, browser_token: str | None, public_url: str, now: datetime) -> None:
    """Whether this browser may finish this login now.

    Raises   PlatformRefused, StateExpired, BindingMissing, OtherBrowser, IssuerUnknown (switched off since)
    """
    if form.error:
        raise PlatformRefused(error=form.error[:64])
    if now - login.created_at > timedelta(seconds=STATE_SECONDS):
        raise StateExpired
    if browser_token is None:
        raise BindingMissing(relaunch_url=public_url + relaunch_path(login.hints))
    if not compare_digest(digest(browser_token), login.browser_hash):
        raise OtherBrowser
    if not login.is_enabled:
        raise IssuerUnknown(issuer=login.platform.issuer)


def accept_launch(
    database: Database,
    key_sets: KeySets,
    login: KnownState,
    form: LaunchForm,
    *,
    browser_token: str | None,
    browser_locale: str,
    public_url: str,
    now: datetime,
    on_enrolled: OnEnrolled,
    choose_page: ChoosePage,
) -> Accepted:
    """Runs every check after the state and stores the launch in one transaction.

    Raises   a subclass of LtiRefused, which then knows whose launch it was; nothing is stored
    """
    try:
        check_login(login, form, browser_token=browser_token, public_url=public_url, now=now)
        token = parse_token(form.id_token)
        verify_signature(token, key_sets.find_key(login.platform, token.kid))
        check_claims(token.claims, issuer=login.platform.issuer, client_id=login.platform.client_id, nonce=login.nonce, now=now)
        with database.transaction() as db:
            arrival, known = _arrival(db, login, token.claims, public_url=public_url)
            page = choose_page(db, arrival)
            enrolled = enrol(db, arrival.message, known, platform=login.platform, now=now)
            if enrolled.is_new:
                on_enrolled(db, enrolled)
            session_token = begin_session(db, row=_row(arrival, enrolled, login, browser_locale), roles=enrolled.roles, now=now)
        return Accepted(arrival.uuid, page, session_token, enrolled, login.platform)
    except LtiRefused as refusal:
        refusal.registration_id, refusal.tenant_id = login.platform.id, login.platform.tenant_id
        raise


def _arrival(db: Session, login: KnownState, claims: Mapping[str, Any], *, public_url: str) -> tuple[Arrival, Known]:
    """Spends the state, then judges what the token says, with what we know of the things that it names."""
    if not spend_state(db, login.state_hash):
        raise StateUsed
    names = _names_in(claims)
    known = find_known(db, login.platform, **names)
    if known is None:
        raise DeploymentUnknown(deployment_id=names["deployment"])
    message = read_message(claims, platform=login.platform, public_url=public_url)
    if known.blocked_at is not None:
        raise PersonBlocked
    roles = message.roles | known.granted
    if not roles:
        raise RoleUnknown
    return Arrival(new_uuid(), message, roles, login.platform, login.hints), known


def _row(arrival: Arrival, enrolled: Enrolled, login: KnownState, browser_locale: str) -> dict[str, Any]:
    message = arrival.message
    return {
        "uuid": arrival.uuid,
        "tenant_id": enrolled.tenant_id,
        "registration_id": enrolled.registration_id,
        "deployment_id": enrolled.deployment_id,
        "user_id": enrolled.user_id,
        "context_id": enrolled.context_id,
        "resource_link_id": enrolled.resource_link_id,
        "line_item_id": enrolled.line_item_id,
        "state_hash": login.state_hash,
        "locale": _locale(message.locale, browser_locale),
        "target": {"uri": message.target_link_uri, "activity": message.activity},
        "return_url": message.return_url,
        "framed": message.document_target in FRAMES,
    }


def _names_in(claims: Mapping[str, Any]) -> dict[str, Any]:
    """What a token names, for one look into the database; judged by the schema afterwards, so only its types matter here."""

    def text(*path: str) -> str | None:
        value: Any = claims
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value if isinstance(value, str) and len(value) <= 2000 else None  # noqa: PLR2004  the longest that the schema takes

    deployment = text(v.DEPLOYMENT_ID)
    if deployment is None:
        raise MessageInvalid(reason="deployment_id")
    return {
        "deployment": deployment,
        "sub": text("sub"),
        "context": text(v.CONTEXT, "id"),
        "link": text(v.RESOURCE_LINK, "id"),
        "line_item": text(v.AGS_ENDPOINT, "lineitem"),
    }


def _locale(asked: str | None, browser: str) -> str:
    """`th` or `en`: the platform's word, else the browser's."""
    code = (asked or "").replace("_", "-").split("-", 1)[0].lower()
    return code if code in {"th", "en"} else browser
