"""What the commands share: the installation that they act on, and how they print."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click
from sqlalchemy.orm import Session

from kernel.clock import system_clock
from kernel.db import Database
from kernel.strictjson import dumps
from lti_tool.settings import Settings, read_settings

if TYPE_CHECKING:
    from lti_tool.workflows.record_access import RecordAccess

Command = TypeVar("Command", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
"""`--json`, on every read."""


def start_installation() -> tuple[Settings, Database]:
    """`open_installation`, with the secret and the tool's first key made before processes part, so that they share them."""
    from lti_tool.lti.tool_keys import ensure_tool_key

    settings, database = open_installation()
    with database.transaction() as db:
        ensure_tool_key(db, secret=settings.secret_key, now=system_clock())
    return settings, database


def open_installation() -> tuple[Settings, Database]:
    """The settings of this process and their database, with its schema up to date."""
    from lti_tool import migrate

    settings = read_settings()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    database = Database(settings.resolved_database_url, pool_size=settings.pool_size)
    migrate.ensure_current(database)
    return settings, database


@contextmanager
def transaction() -> Iterator[tuple[Session, Settings]]:
    """One writing transaction on the installation's database."""
    settings, database = open_installation()
    try:
        with database.transaction() as db:
            yield db, settings
    finally:
        database.dispose()


def access_of(db: Session, tenant_key: str) -> "RecordAccess":
    """An agency's part of the record store in the hands of a command. Raises TenantNotFound."""
    from lti_tool.lti.tenants import get_tenant
    from lti_tool.workflows.record_access import RecordAccess

    return RecordAccess(db, get_tenant(db, tenant_key).id, "command", now())


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    click.echo(dumps(value).decode())


def print_rows(rows: Iterable[Mapping[str, Any]], columns: list[str]) -> None:
    """A plain table, a heading and a line a row; columns as wide as their widest cell."""
    lines = [columns, *([_cell(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def rounded(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row for the eye: four decimals."""
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()}


def now() -> Any:
    """The present moment."""
    return system_clock()


def _cell(value: Any) -> str:
    return "-" if value is None else str(value)
