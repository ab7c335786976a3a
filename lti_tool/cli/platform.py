"""`kaona platform`: registered LMSs."""

import dataclasses

import click

from kernel.clock import system_clock
from kernel.http import GuardedClient
from lti_tool.cli.common import json_option, now, open_installation, print_json, print_rows, transaction
from lti_tool.lti import registrations, tool_keys


@click.group()
def platform() -> None:
    """Registered LMSs."""


@platform.command()
@click.option("--issuer", required=True, help="Issuer (platform id), exactly as the platform spells it.")
@click.option("--client-id", required=True, help="Client id that the platform gave the tool.")
@click.option("--auth-url", required=True, help="Authentication request URL.")
@click.option("--token-url", required=True, help="Access token URL.")
@click.option("--jwks-url", required=True, help="Public key set URL.")
@click.option("--deployment", required=True, help="Deployment id.")
@click.option("--tenant", required=True, help="The agency's code.")
@click.option("--token-audience", help="`aud` of token requests where it is not the token URL.")
@click.option("--frame-origin", "frame_origins", multiple=True, help="Another origin (a portal) that may frame the tool; may be repeated.")
@click.option("--service-host", "service_hosts", multiple=True, help="Another host[:port] that may get our access tokens; may be repeated.")
@json_option
def add(  # noqa: PLR0917  click passes them by name
    issuer: str,
    client_id: str,
    auth_url: str,
    token_url: str,
    jwks_url: str,
    deployment: str,
    tenant: str,
    token_audience: str | None,
    frame_origins: tuple[str, ...],
    service_hosts: tuple[str, ...],
    *,
    as_json: bool,
) -> None:
    """Register a platform, or bring its registration up to date; another --deployment is added to it."""
    with transaction() as (db, _):
        view = registrations.add_platform(
            db,
            issuer=issuer,
            client_id=client_id,
            auth_url=auth_url,
            token_url=token_url,
            jwks_url=jwks_url,
            deployment=deployment,
            tenant=tenant,
            token_audience=token_audience,
            frame_origins=frame_origins,
            service_hosts=service_hosts,
            now=now(),
        )
    if as_json:
        print_json(dataclasses.asdict(view))
    else:
        click.echo(f"registered {view.issuer} ({view.client_id}) for {view.tenant}; deployments: {', '.join(view.deployments)}")


@platform.command("list")
@click.option("--tenant", help="Only this agency's.")
@json_option
def list_platforms(tenant: str | None, *, as_json: bool) -> None:
    """List the registered platforms."""
    with transaction() as (db, _):
        rows = [dataclasses.asdict(view) for view in registrations.list_platforms(db, tenant=tenant)]
    if as_json:
        print_json(rows)
    else:
        shown = [row | {"deployments": " ".join(row["deployments"])} for row in rows]
        print_rows(shown, ["tenant", "issuer", "client_id", "deployments", "is_enabled"])


@platform.command()
@click.option("--tenant", help="Only this agency's platforms.")
@json_option
def check(tenant: str | None, *, as_json: bool) -> None:
    """Read each platform's key set, compare the clocks, ask for a token; name every fault; exit 1 when there is one."""
    settings, database = open_installation()
    http = GuardedClient.from_settings(settings)
    with database.transaction() as db:
        tool_keys.ensure_tool_key(db, secret=settings.secret_key, now=now())
        views = registrations.list_platforms(db, tenant=tenant)
    results = []
    for view in views:
        found = registrations.check_platform(
            database, issuer=view.issuer, client_id=view.client_id, http=http, secret=settings.secret_key, clock=system_clock
        )
        results.append({"issuer": view.issuer, "client_id": view.client_id, **dataclasses.asdict(found)})
    if as_json:
        print_json(results)
    else:
        for result in results:
            click.echo(f"{'FAULT' if result['faults'] else 'ok   '} {result['issuer']} ({result['client_id']})")
            for fault in result["faults"]:
                click.echo(f"      {fault}")
    if any(result["faults"] for result in results):
        raise SystemExit(1)


@platform.command()
@click.option("--issuer", required=True, help="Issuer of the platform.")
@click.option("--client-id", required=True, help="Client id of the platform.")
def disable(issuer: str, client_id: str) -> None:
    """Refuse a platform's launches and end its sessions from now on; `add` brings it back."""
    with transaction() as (db, _):
        registrations.disable_platform(db, issuer=issuer, client_id=client_id, now=now())
    click.echo("disabled")


@platform.command("rotate-keys")
def rotate_keys() -> None:
    """Make a new key pair of the tool; the present one stays published until every platform has read the new one."""
    with transaction() as (db, settings):
        made = tool_keys.rotate_tool_key(db, secret=settings.secret_key, now=now())
    click.echo(made)
