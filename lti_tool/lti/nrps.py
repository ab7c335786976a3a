"""The roster of a course, read page by page from the platform (Names and Role Provisioning Services 2.0)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from pylti1p3.names_roles import NamesRolesProvisioningService

from kernel.errors import KaonaError
from lti_tool.lti.errors import ServiceRefused
from lti_tool.lti.services import Connector, PlatformServices, find_link
from lti_tool.lti.vocabulary import Role, context_roles

PAGE_SIZE = 500
"""Members that we ask for in one page; a platform may give fewer, or all at once."""
MAX_PAGES = 1000
MAX_BYTES = 5_000_000
"""Bytes of one page: a platform may send a whole course at once."""
ACTIVE = "Active"


class RosterIncomplete(KaonaError):
    """A reading that never comes to its end: what came is good, what did not come means nothing.

    reason   `link_repeats`, `page_cap`, `time_cap` or `empty`
    """

    code = "roster_incomplete"
    message: ClassVar = {
        "th": "LMS ส่งรายชื่อสมาชิกมาไม่ครบ ({reason})",
        "en": "The LMS did not send the whole list of members ({reason}).",
    }


@dataclass(frozen=True, slots=True)
class Member:
    """One person of a course; the name is None when the platform keeps it back."""

    sub: str
    name: str | None
    roles: frozenset[Role]
    is_active: bool
    """False for whom the platform calls inactive (suspended) or deleted."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a roster, or of its differences."""

    members: tuple[Member, ...]
    differences_url: str | None
    """Where the platform will tell what changed after this reading; None where it does not offer that."""


def first_page_url(memberships_url: str) -> str:
    """Where the whole roster begins, in pages of a size that we can hold; a size that stands there already is left."""
    if "limit=" in memberships_url:
        return memberships_url
    return f"{memberships_url}{'&' if '?' in memberships_url else '?'}limit={PAGE_SIZE}"


def read_pages(services: PlatformServices, url: str) -> Iterator[Page]:
    """The pages from an address on; each is fetched when it is asked for. Links to the next one are followed letter for letter.

    url      first page of a roster, or the link of relation `differences` of an earlier reading
    Raises   RosterIncomplete at a page that was read before and after 1000 pages; HostForeign, TokenRefused, ServiceRefused,
             OutboundRefused, OutboundFailed
    Source   NRPS 2.0, section 2 (membership container, its query parameters and links)
    """
    service = NamesRolesProvisioningService(Connector(services, max_bytes=MAX_BYTES), {"context_memberships_url": url})
    seen: set[str] = set()
    following: str | None = url
    while following is not None:
        if following in seen:
            raise RosterIncomplete(reason="link_repeats")
        if len(seen) == MAX_PAGES:
            raise RosterIncomplete(reason="page_cap")
        seen.add(following)
        answer: Any = service.get_nrps_data(following)
        page = Page(_members_in(answer["body"], keeps_names=services.platform.keeps_names), find_link(answer["headers"], "differences"))
        following = answer["next_page_url"]
        del answer  # the raw page need not lie beside its members while they are stored
        yield page


def _members_in(body: Any, *, keeps_names: bool) -> tuple[Member, ...]:
    found = body.get("members") if isinstance(body, dict) else None
    if not isinstance(found, list):
        raise ServiceRefused(status_code=200)
    members = (_member(one, keeps_names=keeps_names) for one in found)
    return tuple(member for member in members if member is not None)


def _member(found: Any, *, keeps_names: bool) -> Member | None:
    """One member by user id, name, roles and status; whatever else the platform sends is not looked at."""
    if not isinstance(found, dict) or not isinstance(found.get("user_id"), str) or not 0 < len(found["user_id"]) <= 255:  # noqa: PLR2004  as in a launch
        return None
    roles = found.get("roles")
    spelled = [role for role in roles if isinstance(role, str)] if isinstance(roles, list) else []
    name = found.get("name") or " ".join(part for part in (found.get("given_name"), found.get("family_name")) if isinstance(part, str))
    return Member(
        sub=found["user_id"],
        name=name.strip() or None if keeps_names and isinstance(name, str) else None,
        roles=context_roles(spelled),
        is_active=found.get("status", ACTIVE) == ACTIVE,
    )
