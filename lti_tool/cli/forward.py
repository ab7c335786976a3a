"""`kaona forward`: statements on their way to other record stores and to webhooks."""

from contextlib import closing
from datetime import datetime
from typing import Any, TextIO

import click
from sqlalchemy import select

import xapi.api as xapi
from kernel.clock import rfc3339
from kernel.http import OutboundFailed
from lti_tool.cli.common import access_of, json_option, open_installation, print_json, print_rows, transaction
from lti_tool.keys import lrs_pepper
from lti_tool.lti.tenants import get_tenant
from lti_tool.models import Tenant
from lti_tool.workflows.record_access import part_of

DATES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]
COLUMNS = ["tenant", "name", "state", "kind", "url", "waiting", "sent", "known", "refused", "last_success_at", "last_error"]

name_argument = click.argument("name")
tenant_option = click.option("--tenant", "tenant_key", required=True, metavar="CODE", help="The agency's code.")
secret_option = click.option("--secret-file", type=click.File(), metavar="FILE|-", help="File with the secret; - reads standard input.")


@click.group()
def forward() -> None:
    """Statements on their way to other record stores and webhooks."""


@forward.command()
@name_argument
@tenant_option
@click.option("--endpoint", metavar="URL", help="Another LRS: the address below which its statements stand.")
@click.option("--key", help="The user that the other LRS gave.")
@secret_option
@click.option(
    "--version", type=click.Choice(["1.0.3", "2.0.0"]), help="Version of xAPI to speak [default: the newest that the other LRS names]."
)
@click.option("--webhook", metavar="URL", help="A webhook instead: the address that takes signed batches.")
@click.option("--verb", "verbs", multiple=True, metavar="IRI", help="Only statements with this verb; may be repeated.")
@click.option("--activity", "activities", multiple=True, metavar="IRI", help="Only statements that name this activity; may be repeated.")
@click.option("--pseudonymous", is_flag=True, help="Send pseudonyms in place of people, without names and free text.")
@click.option("--since", type=click.DateTime(DATES), help="Send what is stored since then, too; this machine's time zone.")
@json_option
def add(
    name: str,
    tenant_key: str,
    *,
    endpoint: str | None,
    key: str | None,
    secret_file: TextIO | None,
    version: str | None,
    webhook: str | None,
    verbs: tuple[str, ...],
    activities: tuple[str, ...],
    pseudonymous: bool,
    since: datetime | None,
    as_json: bool,
) -> None:
    """Forward an agency's statements to another LRS or a webhook, called NAME here, from now on or since a date."""
    secret = _secret(secret_file)
    if webhook is not None and endpoint is None and key is None and version is None:
        _check(webhook)
        target: xapi.LrsTarget | xapi.WebhookTarget = xapi.WebhookTarget(webhook, secret)
    elif endpoint is not None and webhook is None and key is not None and secret is not None:
        _check(endpoint)
        target = xapi.LrsTarget(endpoint, key, secret, version or _newest_version(endpoint))
    else:
        raise click.UsageError("name either --endpoint with --key and --secret-file, or --webhook")
    part = part_of(verbs=verbs, activities=activities)
    with transaction() as (db, settings):
        made = access_of(db, tenant_key).add_push(
            name,
            target,
            pepper=lrs_pepper(settings.secret_key),
            part=part,
            pseudonymous=pseudonymous,
            since=since.astimezone() if since else None,
        )
    if as_json:
        print_json({"name": made.name, "secret": made.secret if secret is None else None})
    elif made.secret is not None and secret is None:
        click.echo(f"secret  {made.secret}\nGive it to the receiver now; it is not shown again.")
    else:
        click.echo("added")


@forward.command("list")
@click.option("--tenant", "tenant_key", metavar="CODE", help="Only this agency.")
@json_option
def list_forwards(tenant_key: str | None, *, as_json: bool) -> None:
    """List forwards and webhooks with what waits, what went and what was refused; never a secret."""
    with transaction() as (db, _):
        tenant_id = None if tenant_key is None else get_tenant(db, tenant_key).id
        codes = {row.id: row.key for row in db.execute(select(Tenant.id, Tenant.key))}
        rows = [{"tenant": codes.get(view.tenant_id), **_row(view)} for view in xapi.list_pushes(db, tenant_id=tenant_id)]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, COLUMNS)


@forward.command()
@name_argument
@tenant_option
def pause(name: str, tenant_key: str) -> None:
    """Stop sending; what comes waits in its order."""
    with transaction() as (db, _):
        access_of(db, tenant_key).pause_push(name)
    click.echo("paused")


@forward.command()
@name_argument
@tenant_option
def resume(name: str, tenant_key: str) -> None:
    """Go on where it stopped, at once."""
    with transaction() as (db, _):
        access_of(db, tenant_key).resume_push(name)
    click.echo("on its way")


@forward.command("back-fill")
@name_argument
@tenant_option
@click.option("--since", type=click.DateTime(DATES), required=True, help="This machine's time zone.")
def back_fill(name: str, tenant_key: str, since: datetime) -> None:
    """Send what is stored since a date once more, in order; the other side knows it by its ids."""
    with transaction() as (db, _):
        access_of(db, tenant_key).back_fill_push(name, since.astimezone())
    click.echo("on its way")


@forward.command()
@name_argument
@tenant_option
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@json_option
def refused(name: str, tenant_key: str, limit: int, *, as_json: bool) -> None:
    """List the statements that the other side refused, with its reasons, newest first."""
    with transaction() as (db, _):
        found = xapi.list_set_aside(db, tenant_id=get_tenant(db, tenant_key).id, name=name, limit=limit)
    rows = [
        {"statement": one.statement_id, "refused_at": rfc3339(one.refused_at), "again": one.is_waiting, "reason": one.reason}
        for one in found
    ]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ["statement", "refused_at", "again", "reason"])


@forward.command()
@name_argument
@click.argument("statements", nargs=-1, type=click.UUID)
@tenant_option
def retry(name: str, statements: tuple[Any, ...], tenant_key: str) -> None:
    """Try refused statements once more: those with the ids STATEMENTS, or all."""
    with transaction() as (db, _):
        n = access_of(db, tenant_key).retry_set_aside(name, [str(one) for one in statements] or None)
    click.echo(f"{n} on their way")


@forward.command("rotate-secret")
@name_argument
@tenant_option
@secret_option
@json_option
def rotate_secret(name: str, tenant_key: str, secret_file: TextIO | None, *, as_json: bool) -> None:
    """Replace the secret: that of another LRS from a file; a webhook's is made and shown once, the old one signs too for a day."""
    secret = _secret(secret_file)
    with transaction() as (db, settings):
        made = access_of(db, tenant_key).rotate_push_secret(name, pepper=lrs_pepper(settings.secret_key), secret=secret)
    shown = made if secret is None else None
    if as_json:
        print_json({"name": name, "secret": shown})
    else:
        click.echo("replaced" if shown is None else f"secret  {shown}\nGive it to the receiver now; it is not shown again.")


@forward.command()
@name_argument
@tenant_option
@click.confirmation_option(prompt="Nothing more will be sent there, and its secret is forgotten. Remove it?")
def remove(name: str, tenant_key: str) -> None:
    """End a forward or webhook and forget its secret."""
    with transaction() as (db, _):
        access_of(db, tenant_key).remove_push(name)
    click.echo("removed")


def _secret(file: TextIO | None) -> str | None:
    if file is None:
        return None
    secret = file.read().strip()
    if not secret:
        raise click.UsageError("the file of --secret-file is empty")
    return secret


def _newest_version(endpoint: str) -> str:
    """The newest version that both sides speak, as the other LRS tells it."""
    with _client() as http:
        try:
            versions = xapi.target_versions(http, endpoint)
        except (OutboundFailed, xapi.TargetUnusable) as error:
            raise click.UsageError(f"{error} Its versions are not known; name one by --version.") from None
    return "2.0.0" if any(version.startswith("2.0") for version in versions) else "1.0.3"


def _check(url: str) -> None:
    with _client() as http:
        http.check_url(url)


def _client() -> Any:
    from kernel.http import GuardedClient

    settings, database = open_installation()
    database.dispose()
    return closing(GuardedClient.from_settings(settings))


def _row(view: xapi.PushView) -> dict[str, Any]:
    moments = {
        name: getattr(view, name)
        for name in ("through", "oldest_waiting_at", "last_success_at", "last_error_at", "next_try_at", "created_at")
    }
    return {
        "name": view.name,
        "state": view.state if view.paused_for is None else f"{view.state} ({view.paused_for})",
        "kind": view.kind,
        "url": view.url,
        "version": view.version,
        "key": view.key,
        "slice": view.slice.to_json(),
        "pseudonymous": view.pseudonymous,
        "waiting": view.waiting,
        "sent": view.sent,
        "known": view.known,
        "refused": view.set_aside,
        "last_error": view.last_error,
        **{name: None if moment is None else rfc3339(moment) for name, moment in moments.items()},
    }
