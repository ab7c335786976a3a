"""`kaona db`: the database's schema."""

import click

from kernel.db import Database
from lti_tool import migrate
from lti_tool.cli.common import json_option, print_json
from lti_tool.settings import read_settings


@click.group()
def db() -> None:
    """The database's schema."""


@db.command()
def upgrade() -> None:
    """Bring the schema up to date; does nothing when it is."""
    database = _database()
    migrate.upgrade(database)
    click.echo("the schema is up to date")


@db.command("check")
@json_option
def check_schema(*, as_json: bool) -> None:
    """Say which revisions the database has not seen; exit 1 when there are any."""
    missing = migrate.pending(_database())
    if as_json:
        print_json({"pending": missing})
    else:
        click.echo("\n".join(missing) or "the schema is up to date")
    if missing:
        raise SystemExit(1)


def _database() -> Database:
    settings = read_settings()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return Database(settings.resolved_database_url)
