"""`kaona lrs months`, `partitions`, `retain`: what the record store holds by month, and how old statements leave it."""

import click

import xapi.api as xapi
from kernel.clock import system_clock
from lti_tool.cli.common import json_option, open_installation, print_json, print_rows, transaction
from lti_tool.models.audit import append_audit


@click.command()
@json_option
def months(*, as_json: bool) -> None:
    """Count the statements of every month, of all agencies; it reads an index of all of them."""
    with transaction() as (db, _):
        found = xapi.list_leaving(db.connection(), xapi.Month.of(system_clock()).next)
    _print(found, as_json=as_json)


@click.command()
def partitions() -> None:
    """Make the partitions of this month and the next three now (PostgreSQL); the worker does so by itself."""
    with transaction() as (db, _):
        made = xapi.keep_ahead(db.connection(), now=system_clock())
    click.echo("\n".join(made) or "nothing to make")


@click.command()
@click.option("--months", "kept", type=click.IntRange(1, 1200), required=True, help="Whole months to keep beside the present one.")
@click.option("--dry-run", is_flag=True, help="Only show what would leave.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def retain(kept: int, *, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Remove the statements of all agencies that were stored before the months to keep, for good: make a backup or an export first."""
    _, database = open_installation()
    now = system_clock()
    since = xapi.Month.of(now).plus(-kept)
    try:
        with database.looking() as db:
            leaving = xapi.list_leaving(db, since)
        if leaving and not dry_run:
            n_statements = sum(month.statements for month in leaving)
            if not yes:
                click.confirm(f"Remove {n_statements} statements stored before {since}-01 (UTC)?", abort=True, err=True)
            leaving = xapi.retain(database, since=since)
            with database.transaction() as session:
                details = {"before": f"{since}-01", "statements": sum(month.statements for month in leaving)}
                append_audit(session, event="statements.retained", actor="command", now=now, details=details)
    finally:
        database.dispose()
    _print(leaving, as_json=as_json)


def _print(found: list[xapi.Leaving], *, as_json: bool) -> None:
    rows = [{"month": str(each.month), "statements": each.statements, "bytes": each.size} for each in found]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ["month", "statements", "bytes"])
