"""`kaona lrs`: credentials of those who write to and read from the record store."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import click

import xapi.api as xapi
from kernel.clock import BANGKOK, rfc3339
from lti_tool.cli.common import access_of, json_option, print_json, print_rows, transaction
from lti_tool.cli.lrs_feeds import export, tail
from lti_tool.cli.lrs_import import import_statements
from lti_tool.cli.lrs_storage import months, partitions, retain
from lti_tool.keys import lrs_pepper
from lti_tool.lti.tenants import get_tenant
from lti_tool.workflows.record_access import Use, part_of

tenant_option = click.option("--tenant", "tenant_key", required=True, help="The agency's code.")


@click.group()
def lrs() -> None:
    """The learning record store."""


for command in (export, import_statements, months, partitions, retain, tail):
    lrs.add_command(command)


@lrs.group()
def key() -> None:
    """Credentials of LRS clients."""


@key.command()
@click.argument("name")
@tenant_option
@click.option("--scope", "scopes", multiple=True, required=True, help="statements/read, statements/write ...; may be repeated.")
@click.option("--activity", "activities", multiple=True, help="Only what names this activity; may be repeated.")
@click.option("--verb", "verbs", multiple=True, help="Only statements with this verb; may be repeated.")
@click.option("--pseudonymous", is_flag=True, help="It sees pseudonyms in place of people, and no free text.")
@click.option("--per-minute", type=click.IntRange(1, 10_000_000), help="Requests in a minute [default: KAONA_LRS_REQUESTS_PER_MINUTE].")
@click.option("--expires", type=click.DateTime(["%Y-%m-%d"]), help="Last day on which it works, in Thailand [default: never].")
@click.option("--days", type=click.IntRange(1, 3650), help="Days until it expires, in place of --expires.")
@json_option
def create(  # noqa: PLR0917  click passes them by name
    name: str,
    tenant_key: str,
    scopes: tuple[str, ...],
    activities: tuple[str, ...],
    verbs: tuple[str, ...],
    pseudonymous: bool,
    per_minute: int | None,
    expires: datetime | None,
    days: int | None,
    *,
    as_json: bool,
) -> None:
    """Make a credential called NAME; its secret is printed once and never again."""
    if expires and days:
        raise click.UsageError("--expires and --days say the same thing: give one.")
    with transaction() as (db, settings):
        access = access_of(db, tenant_key)
        made = access.create_key(
            name,
            scopes,
            part=part_of(verbs=verbs, activities=activities),
            pepper=lrs_pepper(settings.secret_key),
            expires_at=_end_of(expires) if expires else access.now + timedelta(days=days) if days else None,
            pseudonymous=pseudonymous,
            requests_per_minute=per_minute,
        )
    _print_new(made, as_json=as_json)


@key.command("list")
@tenant_option
@json_option
def list_keys(tenant_key: str, *, as_json: bool) -> None:
    """List an agency's credentials, without secrets, with what they did in the last 30 days."""
    with transaction() as (db, _):
        access = access_of(db, tenant_key)
        used = access.use_by_key()
        rows = [_row(view, used.get(view.key, Use())) for view in xapi.list_keys(db, tenant_id=access.tenant_id)]
    if as_json:
        print_json(rows)
    else:
        columns = ["key", "name", "scopes", "requests", "written", "read", "last_used_at", "expires_at", "old_secret_until", "revoked_at"]
        print_rows(rows, columns)


@key.command()
@click.argument("key")
@tenant_option
@click.option(
    "--overlap-hours",
    type=click.IntRange(0, 90 * 24),
    default=24,
    show_default=True,
    help="Hours for which the present secret still works.",
)
@json_option
def rotate(key: str, tenant_key: str, overlap_hours: int, *, as_json: bool) -> None:
    """Give a credential a new secret, printed once; the present one works on for a while."""
    with transaction() as (db, settings):
        pepper = lrs_pepper(settings.secret_key)
        made = access_of(db, tenant_key).rotate_key(key, overlap=timedelta(hours=overlap_hours), pepper=pepper)
    _print_new(made, as_json=as_json)


@key.command()
@click.argument("key")
@tenant_option
def revoke(key: str, tenant_key: str) -> None:
    """Revoke a credential at once."""
    with transaction() as (db, _):
        access_of(db, tenant_key).revoke_key(key)
    click.echo("revoked")


@lrs.command()
@tenant_option
@click.option("--key", "only", help="Of this credential only.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="How many.")
@json_option
def refused(tenant_key: str, only: str | None, limit: int, *, as_json: bool) -> None:
    """Show the last requests of an agency's credentials that were refused, newest first: why and where, never what they held."""
    with transaction() as (db, _):
        found = xapi.list_refusals(db, tenant_id=get_tenant(db, tenant_key).id, limit=limit, key=only)
    rows = [{**asdict(one), "at": rfc3339(one.at)} for one in found]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ["at", "key", "method", "resource", "status", "code", "rule", "place"])


def _print_new(made: xapi.NewKey, *, as_json: bool) -> None:
    if as_json:
        print_json({"key": made.key, "secret": made.secret})
    else:
        click.echo(f"key     {made.key}\nsecret  {made.secret}\nKeep the secret now; it is not stored.")


def _row(view: xapi.KeyView, use: Use) -> dict[str, Any]:
    """One credential as a line of the list."""
    moments = {
        "last_used_at": view.last_used_at,
        "expires_at": view.expires_at,
        "old_secret_until": view.previous_until,
        "revoked_at": view.revoked_at,
    }
    return {
        "key": view.key,
        "name": view.name,
        "scopes": " ".join(view.scopes),
        "slice": view.slice.to_json(),
        "pseudonymous": view.pseudonymous,
        "requests_per_minute": view.requests_per_minute,
        "requests": use.requests,
        "written": use.written,
        "read": use.read,
        **{name: rfc3339(moment) if moment else None for name, moment in moments.items()},
    }


def _end_of(day: datetime) -> datetime:
    """The end of a day in Thailand."""
    return day.replace(tzinfo=BANGKOK) + timedelta(days=1)
