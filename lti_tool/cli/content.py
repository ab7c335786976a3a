"""`kaona framework` and `kaona items`: what the tool measures against and with."""

from pathlib import Path

import click

import assessment.api as assessment
import roadmap.api as roadmap_api
from kernel.langmap import text_in
from kernel.strictjson import loads
from lti_tool.cli.common import json_option, now, print_json, print_rows, transaction
from lti_tool.workflows import content

file_argument = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group()
def framework() -> None:
    """Competency frameworks."""


@framework.command("load")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
def load_framework(file: Path | None) -> None:
    """Load frameworks from FILE, or those that come with Kaona; loading the same again changes nothing."""
    with transaction() as (db, _):
        document = loads(file.read_bytes()) if file else content.default_frameworks()
        for view in roadmap_api.load_frameworks(db, document, now=now()):
            click.echo(f"{view.id}: {len(view.groups)} groups, {len(view.nodes)} nodes, {view.status}")


@framework.command("list")
@json_option
def list_frameworks(*, as_json: bool) -> None:
    """List the loaded framework versions."""
    with transaction() as (db, _):
        rows = [
            {"id": view.id, "version": view.version, "status": view.status, "nodes": len(view.nodes), "title": text_in("th", view.title)}
            for view in roadmap_api.list_frameworks(db)
        ]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ["id", "version", "status", "nodes", "title"])


@click.group()
def items() -> None:
    """The item bank and its test forms."""


@items.command("load-defaults")
def load_defaults() -> None:
    """Load all that comes with Kaona: frameworks, item bank, test form, catalogue of learning resources."""
    with transaction() as (db, _):
        report = content.load_defaults(db, now=now())
    click.echo(f"frameworks: {', '.join(view.id for view in report.frameworks)}")
    click.echo(f"items: {report.bank.n_new_items} new, {report.bank.n_new_versions} new versions, {report.bank.n_unchanged} unchanged")
    click.echo(f"form {report.form.key}: {report.form.uuid}")


@items.command("load")
@file_argument
def load_items(file: Path) -> None:
    """Load a bank from FILE: a changed item becomes a new version, an unchanged one stays."""
    with transaction() as (db, _):
        report = assessment.load_bank(db, loads(file.read_bytes()), now=now())
    click.echo(f"{report.n_new_items} new items, {report.n_new_versions} new versions, {report.n_unchanged} unchanged")


@items.command("load-form")
@file_argument
def load_form(file: Path) -> None:
    """Load a test form from FILE; a changed form becomes a new version."""
    with transaction() as (db, _):
        view = assessment.load_form(db, loads(file.read_bytes()), now=now())
    click.echo(f"{view.key}: {view.min_items} to {view.max_items} items over {len(view.domains)} areas; {view.uuid}")


@items.command("forms")
@click.option("--tenant", "tenant_key", required=True, help="The agency's code.")
@json_option
def list_forms(tenant_key: str, *, as_json: bool) -> None:
    """List the test forms that an agency may use."""
    from lti_tool.lti.tenants import get_tenant

    with transaction() as (db, settings):
        tenant = get_tenant(db, tenant_key)
        rows = [
            {
                "uuid": str(view.uuid),
                "key": view.key,
                "minutes": view.minutes,
                "items": f"{view.min_items}-{view.max_items}",
                "url": f"{settings.public_url}/open/assessment/{view.uuid}",
                "title": text_in("th", view.title),
            }
            for view in assessment.list_forms(db, tenant_id=tenant.id)
        ]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ["key", "minutes", "items", "title", "url"])
