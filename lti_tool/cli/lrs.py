"""`kaona lrs`: credentials of those who write to and read from the record store."""

from datetime import timedelta

import click

import xapi.api as xapi
from kernel.clock import rfc3339
from lti_tool.cli.common import json_option, now, print_json, print_rows, transaction
from lti_tool.keys import lrs_pepper
from lti_tool.lti.tenants import get_tenant

tenant_option = click.option("--tenant", "tenant_key", required=True, help="The agency's code.")


@click.group()
def lrs() -> None:
    """The learning record store."""


@lrs.group()
def key() -> None:
    """Credentials of LRS clients."""


@key.command()
@click.argument("name")
@tenant_option
@click.option("--scope", "scopes", multiple=True, required=True, help="statements/read, statements/write ...; may be repeated.")
@click.option("--days", type=click.IntRange(1, 3650), help="Days until it expires [default: never].")
@json_option
def create(name: str, tenant_key: str, scopes: tuple[str, ...], days: int | None, *, as_json: bool) -> None:
    """Make a credential called NAME; its secret is printed once and never again."""
    with transaction() as (db, settings):
        tenant = get_tenant(db, tenant_key)
        moment = now()
        expires_at = moment + timedelta(days=days) if days else None
        made = xapi.create_key(
            db, tenant_id=tenant.id, name=name, scopes=scopes, now=moment, expires_at=expires_at, pepper=lrs_pepper(settings.secret_key)
        )
    if as_json:
        print_json({"key": made.key, "secret": made.secret})
    else:
        click.echo(f"key     {made.key}\nsecret  {made.secret}\nKeep the secret now; it is not stored.")


@key.command("list")
@tenant_option
@json_option
def list_keys(tenant_key: str, *, as_json: bool) -> None:
    """List an agency's credentials, without secrets."""
    with transaction() as (db, _):
        rows = [
            {
                "key": view.key,
                "name": view.name,
                "scopes": " ".join(view.scopes),
                "last_used_at": rfc3339(view.last_used_at) if view.last_used_at else None,
                "expires_at": rfc3339(view.expires_at) if view.expires_at else None,
                "revoked_at": rfc3339(view.revoked_at) if view.revoked_at else None,
            }
            for view in xapi.list_keys(db, tenant_id=get_tenant(db, tenant_key).id)
        ]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ["key", "name", "scopes", "last_used_at", "expires_at", "revoked_at"])


@key.command()
@click.argument("key")
@tenant_option
def revoke(key: str, tenant_key: str) -> None:
    """Revoke a credential at once."""
    with transaction() as (db, _):
        xapi.revoke_key(db, tenant_id=get_tenant(db, tenant_key).id, key=key, now=now())
    click.echo("revoked")
