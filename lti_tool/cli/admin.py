"""`kaona admin`: rights of executives and administrators, and the audit log."""

import click

from kernel.clock import rfc3339
from lti_tool.cli.common import json_option, now, print_json, print_rows, transaction
from lti_tool.lti import grants
from lti_tool.lti.vocabulary import GRANTS
from lti_tool.models.audit import first_broken_audit

person_options = [
    click.option("--issuer", required=True, help="Issuer of the person's platform."),
    click.option("--client-id", required=True, help="Client id of the person's platform."),
    click.option("--sub", required=True, help="The person's `sub` in launches."),
    click.option("--role", required=True, type=click.Choice(sorted(GRANTS)), help="The right."),
]


@click.group()
def admin() -> None:
    """Rights of executives and administrators."""


@admin.command()
def grant(issuer: str, client_id: str, sub: str, role: str) -> None:
    """Give a person a right; it holds from the next launch on."""
    with transaction() as (db, _):
        is_new = grants.grant_role(db, issuer=issuer, client_id=client_id, sub=sub, role=role, now=now())
    click.echo("given" if is_new else "the person has it already")


@admin.command()
def revoke(issuer: str, client_id: str, sub: str, role: str) -> None:
    """Take a right back at once, in open sessions too."""
    with transaction() as (db, _):
        had = grants.revoke_role(db, issuer=issuer, client_id=client_id, sub=sub, role=role, now=now())
    click.echo("taken back" if had else "the person did not have it")


for option in reversed(person_options):
    grant = option(grant)
    revoke = option(revoke)


@admin.command("list")
@json_option
def list_grants(*, as_json: bool) -> None:
    """List the rights given."""
    with transaction() as (db, _):
        rows = [
            {
                "tenant": each.tenant_id,
                "registration": each.registration_id,
                "sub": each.sub,
                "role": each.role,
                "at": rfc3339(each.granted_at),
            }
            for each in grants.list_grants(db)
        ]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ["tenant", "registration", "sub", "role", "at"])


@admin.command("audit-check")
def audit_check() -> None:
    """Say whether the audit log is unbroken; exit 1 at the first entry that was changed."""
    with transaction() as (db, _):
        broken = first_broken_audit(db)
    if broken is not None:
        raise click.ClickException(f"the audit log is broken at entry {broken}")
    click.echo("the audit log is unbroken")
