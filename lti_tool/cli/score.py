"""`kaona score`: scores on their way to the LMS."""

import click
from sqlalchemy import select

from kernel.clock import rfc3339
from kernel.errors import NotFound
from kernel.outbox import OutboxItem
from lti_tool.cli.common import json_option, now, print_json, print_rows, transaction
from lti_tool.jobs.score_publish import KIND


@click.group()
def score() -> None:
    """Scores on their way to the LMS."""


@score.command("list")
@click.option(
    "--state", type=click.Choice(["waiting", "parked", "done", "superseded"]), default="parked", show_default=True, help="Which ones."
)
@json_option
def list_scores(state: str, *, as_json: bool) -> None:
    """List deliveries by state, newest first."""
    with transaction() as (db, _):
        items = db.scalars(
            select(OutboxItem).where(OutboxItem.kind == KIND, OutboxItem.state == state).order_by(OutboxItem.id.desc()).limit(500)
        )
        rows = [
            {"key": item.key, "attempts": item.attempts, "due_at": rfc3339(item.due_at), "last_error": item.last_error, "state": item.state}
            for item in items
        ]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ["key", "state", "attempts", "due_at", "last_error"])


@score.command()
@click.argument("key")
def retry(key: str) -> None:
    """Send a parked score again, by its KEY from `kaona score list`."""
    with transaction() as (db, _):
        item = db.scalars(select(OutboxItem).where(OutboxItem.kind == KIND, OutboxItem.key == key, OutboxItem.state == "parked")).first()
        if item is None:
            raise NotFound
        item.state, item.due_at, item.ended_at, item.attempts = "waiting", now(), None, 0
    click.echo("waiting again")
