"""`kaona tenant`: agencies."""

import click

from kernel.langmap import text_in
from lti_tool.cli.common import json_option, now, print_json, print_rows, transaction
from lti_tool.lti import tenants


@click.group()
def tenant() -> None:
    """Agencies."""


@tenant.command()
@click.argument("key")
@click.option("--name-th", required=True, help="Name in Thai.")
@click.option("--name-en", required=True, help="Name in English.")
@click.option("--home-page", help="Address that names its people in statements, for ever [default: KAONA_PUBLIC_URL/people/KEY].")
def add(key: str, name_th: str, name_en: str, home_page: str | None) -> None:
    """Add an agency called KEY (lower case letters, digits, hyphens)."""
    with transaction() as (db, settings):
        page = home_page or f"{settings.public_url}/people/{key}"
        tenants.add_tenant(db, key=key, name={"th": name_th, "en": name_en}, home_page=page, now=now())
    click.echo(f"added {key}")


@tenant.command("list")
@json_option
def list_tenants(*, as_json: bool) -> None:
    """List the agencies."""
    with transaction() as (db, _):
        rows = [{"key": each.key, "name": text_in("th", each.name), "home_page": each.home_page} for each in tenants.list_tenants(db)]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ["key", "name", "home_page"])
