"""Registrations as logins and launches look them up: each process remembers them for a few seconds.

What is remembered begins a login and opens a launch; before anything is stored, the launch asks the database again.
"""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from kernel.clock import Clock
from kernel.db import Database
from lti_tool.lti.errors import ClientUnknown, IssuerUnknown, LoginMalformed, RegistrationPending, StateUnknown
from lti_tool.lti.storage import Platform, find_platform, is_pending, list_platforms_of

REMEMBERED = timedelta(seconds=5)


class Platforms:
    """The registrations that one process has met; never more of them than there are."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._by_name: dict[tuple[str, str | None], tuple[Platform, datetime]] = {}
        self._by_id: dict[int, tuple[Platform, datetime]] = {}

    def of_login(self, issuer: str, client_id: str | None) -> Platform:
        """The one registration that a login initiation means. Raises IssuerUnknown, ClientUnknown, RegistrationPending, LoginMalformed."""
        now, met = self._clock(), self._by_name.get((issuer, client_id))
        if met is not None and now < met[1]:
            return met[0]
        with self._database.reading() as db:
            platform = _registered(db, issuer, client_id)
        self._by_name[issuer, client_id] = self._by_id[platform.id] = platform, now + REMEMBERED
        return platform

    def of_state(self, registration_id: int) -> Platform:
        """The registration that a state of ours names, switched off or not. Raises StateUnknown when it is gone."""
        now, met = self._clock(), self._by_id.get(registration_id)
        if met is not None and now < met[1]:
            return met[0]
        with self._database.reading() as db:
            platform = find_platform(db, registration_id)
        if platform is None:
            raise StateUnknown
        self._by_id[registration_id] = platform, now + REMEMBERED
        return platform


def _registered(db: Session, issuer: str, client_id: str | None) -> Platform:
    platforms = list_platforms_of(db, issuer, client_id)
    if len(platforms) == 1:
        return platforms[0]
    if is_pending(db, issuer, client_id):
        raise RegistrationPending(issuer=issuer)
    if client_id is not None and list_platforms_of(db, issuer, None):
        raise ClientUnknown(issuer=issuer, client_id=client_id)
    if platforms:
        raise LoginMalformed(reason="client_id is missing")
    raise IssuerUnknown(issuer=issuer)
