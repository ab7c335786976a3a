"""Who is asking: the session proves the person, the launch in the path names the course and the roles, our grants add rights."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from inspect import signature
from typing import Any, TypeVar
from uuid import UUID

import structlog
from flask import g, request
from sqlalchemy.exc import SQLAlchemyError

from kernel.errors import NotFound
from kernel.per_minute import seconds_to_next_minute
from lti_tool.lti.errors import SessionMissing, TooManyRequests
from lti_tool.lti.sessions import TOUCH_EVERY, LiveLaunch, find_live_launch, touch_session
from lti_tool.lti.vocabulary import Role
from lti_tool.web import cookies
from lti_tool.web.csrf import check_origin_and_token
from lti_tool.web.current import this_app
from lti_tool.web.edge import READING_METHODS
from lti_tool.web.headers import allow_framing_by

__all__ = ["Principal", "Role", "require", "roles_of"]

View = TypeVar("View", bound=Callable[..., Any])

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Principal:
    """One person in one launch."""

    launch_uuid: UUID
    session_id: int
    """Row of the launch."""
    tenant_id: int
    tenant_home_page: str
    registration_id: int
    deployment_id: int
    user_id: int
    person_uuid: UUID
    display_name: str | None
    locale: str
    """`th` or `en`."""
    roles: frozenset[Role]
    context_id: int | None
    context_title: str | None
    resource_link_id: int | None
    return_url: str | None
    platform_origin: str
    framed: bool
    is_preview: bool = False
    """A teacher looks through a learner's eyes: nothing that this person does is recorded."""


def require(*roles: Role) -> Callable[[View], View]:
    """Opens a view to people who have one of these roles in the launch that the path names; without roles to everybody of the launch.

    The view's path holds `<uuid:launch>`; the view takes it only if it wants it. On a write the request must come from a
    page of that launch.
    Raises   SessionMissing, OtherPerson, ForeignRequest, TooManyRequests, and NotFound for a wrong role or an unknown launch
    """
    allowed = frozenset(roles)

    def guard(view: View) -> View:
        wants_launch = "launch" in signature(view).parameters

        @wraps(view)
        def guarded(*arguments: Any, launch: UUID, **named: Any) -> Any:
            g.principal = read_principal(launch)
            _pass_one(launch)
            if allowed and not allowed & g.principal.roles:
                log.info("right_missing", launch=str(launch), user=g.principal.user_id, needs=sorted(allowed))
                raise NotFound
            if request.method not in READING_METHODS:
                check_origin_and_token(launch)
            return view(*arguments, **named, **({"launch": launch} if wants_launch else {}))

        guarded.kaona_roles = allowed  # type: ignore[attr-defined]
        return guarded  # type: ignore[return-value]

    return guard


def roles_of(view: Callable[..., Any]) -> frozenset[Role]:
    """Who may open a view that `require` guards; none in particular: everybody of the launch."""
    return frozenset(view.kaona_roles)  # type: ignore[attr-defined]


def read_principal(launch: UUID) -> Principal:
    """The person of this request in one launch. Raises SessionMissing, OtherPerson, PersonBlocked, NotFound."""
    token = cookies.read_session(request)
    if token is None:
        raise SessionMissing
    live = find_live_launch(g.db, launch, token=token, now=g.now)
    if live is None:
        raise NotFound
    allow_framing_by(live.frame_origins)
    if g.now - live.seen_at >= TOUCH_EVERY:
        _touch(token)
    return _principal(live)


def _pass_one(launch: UUID) -> None:
    """Counts a request to the pages of a launch; never by address: a whole agency stands behind one. Raises TooManyRequests."""
    app = this_app()
    bound = app.settings.requests_per_minute
    if bound and app.requests.count(launch.hex, g.now) > bound:
        raise TooManyRequests(retry_after=seconds_to_next_minute(g.now))


def _touch(token: str) -> None:
    """Notes the visit: in the request's own transaction when it writes, else in a short one; a full disk must not stop a reader."""
    app = this_app()
    if g.db.connection().get_execution_options().get("kaona_write", False):
        touch_session(g.db, token, now=g.now)
        return
    try:
        with app.database.transaction() as db:
            touch_session(db, token, now=g.now)
    except SQLAlchemyError as error:
        log.warning("session_not_touched", kind=type(error).__name__)


def _principal(live: LiveLaunch) -> Principal:
    return Principal(
        launch_uuid=live.uuid,
        session_id=live.id,
        tenant_id=live.tenant_id,
        tenant_home_page=live.tenant_home_page,
        registration_id=live.registration_id,
        deployment_id=live.deployment_id,
        user_id=live.user_id,
        person_uuid=live.person_uuid if live.preview_of_id is None else live.uuid,  # the learner of a preview is nobody
        display_name=live.display_name,
        locale=live.locale,
        roles=live.roles,
        context_id=live.context_id,
        context_title=live.context_title,
        resource_link_id=live.resource_link_id,
        return_url=live.return_url,
        platform_origin=live.frame_origins[0] if live.frame_origins else "",
        framed=live.framed,
        is_preview=live.preview_of_id is not None,
    )
