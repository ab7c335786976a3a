"""The roster of a course, read page by page from the platform (Names and Role Provisioning Services 2.0)."""

from dataclasses import dataclass
from typing import Any

from pylti1p3.names_roles import NamesRolesProvisioningService

from lti_tool.lti.errors import ServiceRefused
from lti_tool.lti.services import Connector, PlatformServices
from lti_tool.lti.vocabulary import Role, context_roles

MAX_PAGES = 100
MAX_BYTES = 5_000_000
"""Bytes of one page: a platform may send a whole course at once."""
ACTIVE = "Active"


@dataclass(frozen=True, slots=True)
class Member:
    """One person of a course; the name is None when the platform keeps it back."""

    sub: str
    name: str | None
    roles: frozenset[Role]
    is_active: bool


@dataclass(frozen=True, slots=True)
class Roster:
    """What was read, and whether it is all there is."""

    members: tuple[Member, ...]
    is_complete: bool


def read_members(services: PlatformServices, memberships_url: str) -> Roster:
    """Every member of a course. Stops at a page that was read before and after 100 pages, and then says so.

    Raises   HostForeign, TokenRefused, ServiceRefused, OutboundRefused, OutboundFailed
    """
    service = NamesRolesProvisioningService(Connector(services, max_bytes=MAX_BYTES), {"context_memberships_url": memberships_url})
    members: dict[str, Member] = {}
    seen: set[str] = set()
    url: str | None = memberships_url
    while url is not None and url not in seen and len(seen) < MAX_PAGES:
        seen.add(url)
        try:
            page, url = service.get_members_page(url)
        except (AttributeError, TypeError):
            raise ServiceRefused(status_code=200) from None
        for found in page if isinstance(page, list) else ():
            member = _member(found)
            if member is not None:
                members[member.sub] = member
    return Roster(tuple(members.values()), is_complete=url is None)


def _member(found: Any) -> Member | None:
    if not isinstance(found, dict) or not isinstance(found.get("user_id"), str) or not found["user_id"]:
        return None
    roles = found.get("roles")
    name = found.get("name")
    spelled = [role for role in roles if isinstance(role, str)] if isinstance(roles, list) else []
    return Member(
        sub=found["user_id"],
        name=name.strip() if isinstance(name, str) and name.strip() else None,
        roles=context_roles(spelled),
        is_active=found.get("status", ACTIVE) == ACTIVE,
    )
