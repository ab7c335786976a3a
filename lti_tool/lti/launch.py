"""The launch: what a platform posts is checked step by step, in a fixed order, and becomes a session or a refusal.

size > form > state > browser > token's shape > key > signature > claims > platform > deployment > message > session. Until
the last step nothing is written; the platform is called, if at all, while no transaction is open.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from hmac import compare_digest
from typing import Any, Protocol
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from kernel.clock import rfc3339
from kernel.db import Database
from kernel.ids import new_uuid
from lti_tool.lti import vocabulary as v
from lti_tool.lti.deployments import learn_deployment
from lti_tool.lti.enrol import Enrolled, OnEnrolled, Placed, enrol, find_enrolled, find_placed
from lti_tool.lti.errors import (
    BindingMissing,
    ChoiceNeedsCookie,
    DeploymentUnknown,
    IssuerUnknown,
    LaunchMalformed,
    LtiRefused,
    MayNotPlace,
    MayNotReview,
    MemberRemoved,
    MessageInvalid,
    OtherBrowser,
    PersonBlocked,
    PlatformRefused,
    RoleUnknown,
    StateExpired,
    StateUsed,
)
from lti_tool.lti.keysets import KeySets
from lti_tool.lti.login import relaunch_path
from lti_tool.lti.message import Message, read_message
from lti_tool.lti.platforms import Platforms
from lti_tool.lti.sessions import TICKET_BYTES, begin_session
from lti_tool.lti.states import State, browser_digest, open_state, storage_token
from lti_tool.lti.storage import STATE_SECONDS, Known, Platform, find_known, find_long_login, is_open, is_spent
from lti_tool.lti.tokens import check_claims, parse_token, verify_signature

FIELDS = ("state", "id_token", "error", "error_description")
FRAMES = frozenset({"iframe", "frame"})
CHOOSE_PATH = "/open/choose"
"""Where registrations send the choice of content."""
COOKIE_BYTES, PATH_BYTES = 32, 48
"""Of a session's token: the kinds differ in length, a ticket's too, so that none is ever taken for another."""


@dataclass(frozen=True, slots=True)
class LaunchForm:
    """The fields that a platform posts back."""

    state: str
    id_token: str
    error: str


@dataclass(frozen=True, slots=True)
class Login:
    """A login that a launch answers, and the platform that it went to, as we knew it seconds ago."""

    state: State
    platform: Platform


@dataclass(frozen=True, slots=True)
class Arrival:
    """A launch that passed every check and is about to be stored."""

    uuid: UUID
    message: Message
    roles: frozenset[v.Role]
    """Context roles and grants."""
    platform: Platform
    hints: Mapping[str, str]
    placed: Placed | None = None
    """What stands behind the link."""


@dataclass(frozen=True, slots=True)
class Page:
    """Where a launch leads."""

    path: str
    is_framable: bool = True
    """False for a page that no frame of another site may hold."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A stored launch: where the browser goes, and the session's token that it takes along, in a cookie or in its addresses."""

    uuid: UUID
    page: str
    session_token: str
    enrolled: Enrolled
    platform: Platform
    locale: str
    needs_tab: bool
    """The launch came in a frame and its page may not: the token is no session's yet, but a ticket for a tab of its own."""


class ChoosePage(Protocol):
    """Gives the page for a launch, within its transaction; may refuse it."""

    def __call__(self, db: Session, arrival: Arrival) -> Page:
        """The page."""


def read_form(fields: Mapping[str, list[str]]) -> LaunchForm:
    """The posted fields, each at most once. Raises LaunchMalformed."""
    if any(len(fields.get(name, [])) > 1 for name in FIELDS):
        raise LaunchMalformed
    form = LaunchForm(*("".join(fields.get(name, [])) for name in FIELDS[:3]))
    if not form.error and not (form.state and form.id_token):
        raise LaunchMalformed
    return form


def open_login(platforms: Platforms, form: LaunchForm, *, key: bytes) -> Login:
    """The login of ours that the form answers. Raises StateUnknown."""
    state = open_state(key, form.state)
    return Login(state, platforms.of_state(state.registration_id))


@dataclass(frozen=True, slots=True)
class Browser:
    """What a launch brings to prove that its browser is the one of the login."""

    cookie: str | None
    """The binding cookie."""
    stored: str | None = None
    """Where there is no cookie: what the platform gave back to a page of ours; empty when it gave nothing."""
    place: str | None = None
    """Where it shows the answer, by its own word (Sec-Fetch-Dest): a launch meant for a frame may be begun again in a tab."""


def check_login(
    database: Database, login: Login, form: LaunchForm, browser: Browser, *, key: bytes, public_url: str, now: datetime
) -> None:
    """Whether this browser may finish this login now.

    Raises   PlatformRefused, StateExpired, BindingMissing, ChoiceNeedsCookie, OtherBrowser
    """
    if form.error:
        raise PlatformRefused(error=form.error[:64])
    if now - login.state.created_at > timedelta(seconds=STATE_SECONDS):
        raise StateExpired
    if browser.cookie is not None:
        is_same = compare_digest(browser_digest(browser.cookie), login.state.browser_hash)
    elif browser.stored:
        is_same = compare_digest(browser.stored.encode(), storage_token(key, login.state).encode())
    else:
        with database.reading() as db:
            raise cookie_refused(hints_of(db, login), public_url=public_url)
    if not is_same:
        raise OtherBrowser


def cookie_refused(hints: Mapping[str, str], *, public_url: str) -> LtiRefused:
    """What to tell a person whose browser keeps no cookie for us in a frame.

    hints    the login initiation: its target tells a choice of content, whose window could not hand back, from all else
    """
    if urlsplit(hints.get("target_link_uri", "")).path == CHOOSE_PATH:
        return ChoiceNeedsCookie()
    return BindingMissing(relaunch_url=public_url + relaunch_path(hints))


def hints_of(db: Session, login: Login) -> Mapping[str, str]:
    """The login initiation as it came."""
    carried = login.state.hints if login.state.hints is not None else find_long_login(db, login.state.hash)
    return {"iss": login.platform.issuer, "client_id": login.platform.client_id, **carried}


def find_storage_target(database: Database, login: Login) -> str | None:
    """The frame of the platform that keeps values for us, as the login named it; None when it named none."""
    with database.reading() as db:
        return hints_of(db, login).get("lti_storage_target")


def accept_launch(
    database: Database,
    key_sets: KeySets,
    login: Login,
    form: LaunchForm,
    browser: Browser,
    *,
    key: bytes,
    browser_locale: Callable[[], str],
    public_url: str,
    now: datetime,
    on_enrolled: OnEnrolled,
    choose_page: ChoosePage,
) -> Accepted:
    """Runs every check after the state and stores the launch in one transaction.

    Raises   a subclass of LtiRefused, which then knows whose launch it was; nothing is stored
    """
    platform = login.platform
    try:
        check_login(database, login, form, browser, key=key, public_url=public_url, now=now)
        token = parse_token(form.id_token)
        verify_signature(token, key_sets.find_key(platform, token.kid))
        check_claims(token.claims, issuer=platform.issuer, client_id=platform.client_id, nonce=login.state.nonce, now=now)
        with database.looking() as connection, Session(connection) as look:
            judged = _judged(look, login, token.claims, choose_page=choose_page, public_url=public_url)
        store = partial(_store, login=login, browser=browser, browser_locale=browser_locale, now=now)
        enrolled = None if judged is None else judged.find_enrolled(now)
        if judged is not None and enrolled is not None:
            with database.writing() as short:
                return store(short, judged, enrolled)
        with database.transaction() as db:
            if judged is None:
                learn_deployment(db, platform.id, token.claims[v.DEPLOYMENT_ID], now=now)
                db.flush()  # the look passes by the session
                judged = _judged(db, login, token.claims, choose_page=choose_page, public_url=public_url)
            if judged is None:
                raise DeploymentUnknown(deployment_id=token.claims[v.DEPLOYMENT_ID])
            enrolled = judged.enrol(db, now)
            if enrolled.is_new:
                on_enrolled(db, enrolled)
            return store(db, judged, enrolled)
    except LtiRefused as refusal:
        if not isinstance(refusal, PlatformRefused) and _is_used(database, login):
            refusal = StateUsed()  # whatever else is wrong with it by now
        refusal.registration_id, refusal.tenant_id = platform.id, platform.tenant_id
        raise refusal from None


def _is_used(database: Database, login: Login) -> bool:
    with database.reading() as db:
        return is_spent(db, login.state.hash)


@dataclass(frozen=True, slots=True)
class _Judged:
    """A launch that may come in: what it brings, what of that we know, and the page that it leads to."""

    arrival: Arrival
    known: Known
    page: Page

    def find_enrolled(self, now: datetime) -> Enrolled | None:
        """Where it stands in our rows; None where they do not have all of it yet."""
        arrival = self.arrival
        return find_enrolled(arrival.message, self.known, platform=arrival.platform, now=now, placed=arrival.placed)

    def enrol(self, db: Session, now: datetime) -> Enrolled:
        """Where it stands in our rows, with what it brings."""
        arrival = self.arrival
        return enrol(db, arrival.message, self.known, platform=arrival.platform, now=now, placed=arrival.placed)


def _judged(db: Session, login: Login, claims: Mapping[str, Any], *, choose_page: ChoosePage, public_url: str) -> _Judged | None:
    """Judges what the token says, with what we know of the things that it names; the platform itself is looked at again.

    Returns  None when its deployment is not registered
    """
    known = find_known(db, login.platform, **_names_in(claims))
    if known is None and not is_open(db, login.platform):
        raise IssuerUnknown(issuer=login.platform.issuer)
    if known is None:
        return None
    message = read_message(claims, platform=login.platform, public_url=public_url)
    if known.blocked_at is not None:
        raise PersonBlocked
    if known.removed_at is not None and claims["iat"] < int(known.removed_at.timestamp()):
        raise MemberRemoved  # the roster was read after the platform signed this: its word is the newer one
    roles = message.roles | known.granted
    _check_part(message, roles)
    placed = find_placed(db, message, known, platform=login.platform)
    arrival = Arrival(new_uuid(), message, roles, login.platform, hints_of(db, login), placed)
    return _Judged(arrival, known, choose_page(db, arrival))


def _store(
    db: Session | Connection,
    judged: _Judged,
    enrolled: Enrolled,
    *,
    login: Login,
    browser: Browser,
    browser_locale: Callable[[], str],
    now: datetime,
) -> Accepted:
    """Spends the login and begins the session, in one row. Raises StateUsed."""
    arrival, page = judged.arrival, judged.page
    row = _row(arrival, enrolled, login, browser, browser_locale)
    needs_tab = row["framed"] and not page.is_framable
    token_bytes = TICKET_BYTES if needs_tab else COOKIE_BYTES if browser.cookie else PATH_BYTES
    session_token = begin_session(db, row=row, roles=enrolled.roles, now=now, token_bytes=token_bytes)
    return Accepted(arrival.uuid, page.path, session_token, enrolled, arrival.platform, row["locale"], needs_tab)


def _check_part(message: Message, roles: frozenset[v.Role]) -> None:
    """Whether the person's part in the course fits the message. Of their own data everybody may ask.

    Raises   RoleUnknown, MayNotPlace, MayNotReview
    """
    if message.message_type == v.DEEP_LINKING_REQUEST and not roles & {v.Role.INSTRUCTOR, v.Role.DESIGNER}:
        raise MayNotPlace
    if message.message_type == v.SUBMISSION_REVIEW_REQUEST and v.Role.INSTRUCTOR not in message.roles:
        raise MayNotReview
    if not roles and message.message_type != v.DATA_PRIVACY_REQUEST:
        raise RoleUnknown


def _row(arrival: Arrival, enrolled: Enrolled, login: Login, browser: Browser, browser_locale: Callable[[], str]) -> dict[str, Any]:
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
        "state_hash": login.state.hash,
        "locale": _locale(message.locale, browser_locale),
        "target": {
            "uri": message.target_link_uri,
            "activity": message.activity,
            **{name: rfc3339(moment) for name, moment in _times_of(message) if moment is not None},
        },
        "return_url": message.return_url,
        "framed": (browser.place or message.document_target) in FRAMES,
        "message_type": message.message_type,
        "deep_linking": None if message.deep_linking is None else asdict(message.deep_linking),
        "for_user_id": enrolled.for_user_id,
    }


def _times_of(message: Message) -> tuple[tuple[str, datetime | None], ...]:
    return ("due", message.due_at), ("opens", message.opens_at), ("closes", message.closes_at)


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


def _locale(asked: str | None, browser: Callable[[], str]) -> str:
    """`th` or `en`: the platform's word, else the browser's."""
    code = (asked or "").replace("_", "-").split("-", 1)[0].lower()
    return code if code in {"th", "en"} else browser()
