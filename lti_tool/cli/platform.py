"""`kaona platform`: registered LMSs."""

import dataclasses
from datetime import timedelta
from typing import Any

import click

from kernel.clock import rfc3339, system_clock
from kernel.http import GuardedClient
from lti_tool import logs
from lti_tool.cli.common import Command, json_option, now, open_installation, print_json, print_rows, transaction
from lti_tool.lti import blocks, invites, registrations, tool_keys
from lti_tool.lti.tenants import get_tenant

STATES = {(True, False): "enabled", (False, True): "pending", (False, False): "disabled"}
"""By what a view says of being enabled and pending."""


def named(command: Command) -> Command:
    """`--issuer` and `--client-id`, which name one platform."""
    command = click.option("--client-id", required=True, help="Client id of the platform.")(command)
    return click.option("--issuer", required=True, help="Issuer of the platform.")(command)


@click.group()
def platform() -> None:
    """Registered LMSs."""


@platform.command()
@click.option("--tenant", required=True, help="The agency's code.")
@click.option("--days", type=click.IntRange(1, invites.MAX_LIFE.days), default=invites.LIFE.days, show_default=True, help="Days it works.")
@click.option(
    "--host", "hosts", multiple=True, help="Another host[:port] that the platform's addresses may lie on beside its own; may be repeated."
)
@json_option
def invite(tenant: str, days: int, hosts: tuple[str, ...], *, as_json: bool) -> None:
    """Make an address that connects one LMS, once: its administrator pastes it where the LMS registers tools."""
    with transaction() as (db, settings):
        made = invites.make_invite(db, tenant_id=get_tenant(db, tenant).id, now=now(), life=timedelta(days=days), hosts=hosts)
        url = invites.invite_url(settings.public_url, made.token)
    if as_json:
        print_json({"url": url, "expires_at": rfc3339(made.expires_at)})
    else:
        click.echo(url)


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
@click.option("--no-check", is_flag=True, help="Do not look whether the platform answers.")
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
    no_check: bool,
    as_json: bool,
) -> None:
    """Register a platform, or bring it up to date (a further --deployment is added); then look at it as `check` does, and tell faults."""
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
    faults = [] if no_check else _checked([view])[0]["faults"]
    if as_json:
        print_json(dataclasses.asdict(view) | {"faults": faults})
    else:
        click.echo(f"registered {view.issuer} ({view.client_id}) for {view.tenant}; deployments: {', '.join(view.deployments)}")
    for fault in faults:
        click.echo(f"      {fault}", err=True)


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
        shown = [row | {"deployments": " ".join(row["deployments"]), "state": STATES[row["is_enabled"], row["is_pending"]]} for row in rows]
        print_rows(shown, ["tenant", "issuer", "client_id", "deployments", "product", "state"])


@platform.command()
@click.option("--tenant", help="Only this agency's platforms.")
@json_option
def check(tenant: str | None, *, as_json: bool) -> None:
    """Read each enabled platform's key set, compare the clocks, ask for a token; name every fault; exit 1 when there is one."""
    with transaction() as (db, _):
        views = [view for view in registrations.list_platforms(db, tenant=tenant) if view.is_enabled]
    results = _checked(views)
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
@named
def disable(issuer: str, client_id: str) -> None:
    """Refuse a platform's launches and end its sessions from now on; `enable` brings it back."""
    _act(registrations.disable_platform, issuer, client_id)
    click.echo("disabled")


@platform.command()
@named
def enable(issuer: str, client_id: str) -> None:
    """Take a disabled platform's launches again."""
    _act(registrations.enable_platform, issuer, client_id)
    click.echo("enabled")


@platform.command()
@named
def approve(issuer: str, client_id: str) -> None:
    """Take in a platform that registered itself without an invite."""
    _act(registrations.approve_platform, issuer, client_id)
    click.echo("approved")


@platform.command()
@named
@click.option("--sub", required=True, help="The person's id at the platform, as launches bear it.")
def block(issuer: str, client_id: str, sub: str) -> None:
    """Shut a person out, at the next launch and at the next request of any open page."""
    click.echo("blocked" if _act(blocks.block_person, issuer, client_id, sub) else "was blocked already")


@platform.command()
@named
@click.option("--sub", required=True, help="The person's id at the platform.")
def unblock(issuer: str, client_id: str, sub: str) -> None:
    """Let a person in again."""
    click.echo("unblocked" if _act(blocks.unblock_person, issuer, client_id, sub) else "was not blocked")


@platform.command("rotate-keys")
def rotate_keys() -> None:
    """Make a new key pair of the tool; the present one stays published until every platform has read the new one."""
    with transaction() as (db, settings):
        made = tool_keys.rotate_tool_key(db, secret=settings.secret_key, now=now())
    click.echo(made)


def _act(function: Any, issuer: str, client_id: str, *arguments: str) -> Any:
    """Does one thing to the platform of these names."""
    with transaction() as (db, _):
        view = registrations.get_platform_named(db, issuer=issuer, client_id=client_id)
        return function(db, view.id, *arguments, now=now())


def _checked(views: list[registrations.PlatformView]) -> list[dict[str, Any]]:
    """What a look at each platform found, its faults in English."""
    settings, database = open_installation()
    logs.configure(settings.log_level)
    http = GuardedClient.from_settings(settings)
    results = []
    for view in views:
        found = registrations.check_platform(
            database, issuer=view.issuer, client_id=view.client_id, http=http, secret=settings.secret_key, clock=system_clock
        )
        result = {"issuer": view.issuer, "client_id": view.client_id, **dataclasses.asdict(found)}
        results.append(result | {"faults": [fault["en"] for fault in found.faults]})
    return results
