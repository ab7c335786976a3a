"""What names one person on the command line."""

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click
from sqlalchemy.orm import Session

from lti_tool.workflows.people import KnownPerson

Command = TypeVar("Command", bound=Callable[..., Any])

ACTOR = "command"
"""As the audit log names whoever runs a command."""

tenant_option = click.option("--tenant", "tenant_key", required=True, help="The agency's code.")


def identifying_options(command: Command) -> Command:
    """All that identifies one person."""
    command = click.option("--user", "users", nargs=2, multiple=True, metavar="ISSUER ID", help="A platform, and the id there.")(command)
    return click.argument("identifiers", nargs=-1)(command)


def person_options(command: Command) -> Command:
    """The agency, and all that identifies one person in it."""
    return tenant_option(identifying_options(command))


def known_person(db: Session, tenant_key: str, identifiers: tuple[str, ...], users: tuple[tuple[str, str], ...]) -> KnownPerson:
    """Whom the arguments of a command name. Raises click.UsageError, PersonUnknown."""
    from lti_tool.lti.tenants import get_tenant
    from lti_tool.workflows.people import find_person

    given = [line for one in identifiers for line in (sys.stdin.read().splitlines() if one == "-" else [one]) if line.strip()]
    if not given and not users:
        raise click.UsageError("say who: an IDENTIFIER, or --user ISSUER ID")
    return find_person(db, tenant_id=get_tenant(db, tenant_key).id, identifiers=given, platform_users=users)
