"""`kaona roster`: members of courses, as their platforms tell."""

from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from kernel.clock import rfc3339
from kernel.errors import NotFound
from lti_tool.cli.common import json_option, now, print_json, print_rows, transaction
from lti_tool.jobs.roster_sync import ask_for_roster
from lti_tool.models import Context, Deployment, Enrolment, Registration, Roster, Tenant, User

issuer_option = click.option("--issuer", required=True, help="Issuer of the platform.")
client_option = click.option("--client-id", required=True, help="Client id of the platform.")
context_option = click.option("--context", required=True, help="The course, by the platform's own id of it.")


@click.group()
def roster() -> None:
    """Members of courses, as their platforms tell."""


@roster.command()
@click.option("--tenant", help="Only this agency's.")
@json_option
def courses(tenant: str | None, *, as_json: bool) -> None:
    """List the courses that were opened, and how far their rosters are known."""
    query = (
        select(Context, Registration.issuer, Registration.client_id, Roster)
        .join(Deployment, Deployment.id == Context.deployment_id)
        .join(Registration, Registration.id == Deployment.registration_id)
        .join(Tenant, Tenant.id == Context.tenant_id)
        .outerjoin(Roster, Roster.context_id == Context.id)
        .order_by(Context.id)
    )
    with transaction() as (db, _):
        found = db.execute(query if tenant is None else query.where(Tenant.key == tenant)).all()
        rows = [
            {
                "issuer": issuer,
                "client_id": client_id,
                "context": context.lti_id,
                "title": context.title,
                "is_offered": context.memberships_url is not None,
                "read_at": _moment(known.read_at if known else None),
                "last_error": known.last_error if known else None,
            }
            for context, issuer, client_id, known in found
        ]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ["issuer", "client_id", "context", "title", "is_offered", "read_at", "last_error"])


@roster.command("list")
@issuer_option
@client_option
@context_option
@json_option
def list_members(issuer: str, client_id: str, context: str, *, as_json: bool) -> None:
    """List the members of a course, present and removed."""
    with transaction() as (db, _):
        courses_found = [found.id for found in _courses(db, issuer, client_id, context)]
        members = (
            select(User, Enrolment)
            .join(Enrolment, Enrolment.user_id == User.id)
            .where(Enrolment.context_id.in_(courses_found))
            .order_by(User.id)
        )
        rows: list[dict[str, Any]] = [
            {
                "sub": user.sub,
                "name": user.display_name,
                "person": str(user.person_uuid),
                "roles": enrolment.roles,
                "in_roster_since": _moment(enrolment.joined_at),
                "removed_at": _moment(enrolment.removed_at),
            }
            for user, enrolment in db.execute(members)
        ]
    if as_json:
        print_json(rows)
    else:
        shown = [row | {"roles": " ".join(row["roles"])} for row in rows]
        print_rows(shown, ["sub", "name", "roles", "in_roster_since", "removed_at"])


@roster.command()
@issuer_option
@client_option
@context_option
def sync(issuer: str, client_id: str, context: str) -> None:
    """Have the roster of a course read by the worker, now."""
    with transaction() as (db, _):
        offered = [found for found in _courses(db, issuer, client_id, context) if found.memberships_url is not None]
        if not offered:
            raise click.ClickException("the platform does not offer the members of this course (NRPS)")
        for found in offered:
            ask_for_roster(db, tenant_id=found.tenant_id, context_id=found.id, now=now())
    click.echo("asked for; the worker reads it")


def _courses(db: Session, issuer: str, client_id: str, context: str) -> list[Context]:
    """The course in each deployment that has it. Raises NotFound."""
    query = (
        select(Context)
        .join(Deployment, Deployment.id == Context.deployment_id)
        .join(Registration, Registration.id == Deployment.registration_id)
        .where(Registration.issuer == issuer, Registration.client_id == client_id, Context.lti_id == context)
    )
    found = list(db.scalars(query))
    if not found:
        raise NotFound
    return found


def _moment(moment: Any) -> str | None:
    return None if moment is None else rfc3339(moment)
