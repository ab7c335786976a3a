"""`kaona framework`: what the tool measures against."""

from pathlib import Path

import click

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
