"""`kaona score`: scores on their way to the LMS, the columns that they go to, and what gradebooks hold."""

from datetime import datetime
from typing import Any
from uuid import UUID

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from kernel import outbox
from kernel.clock import rfc3339
from kernel.errors import NotFound
from kernel.outbox import OutboxItem
from lti_tool import logs
from lti_tool.cli.common import json_option, now, open_installation, print_json, print_rows, transaction

KINDS = ("score.publish", "line_item.ensure", "line_item.update", "line_item.delete", "score.reconcile")
"""What the outbox holds for gradebooks."""
tenant_option = click.option("--tenant", metavar="CODE", help="Only this agency.")
platform_option = click.option("--platform", metavar="ISSUER", help="Only this platform.")
column_argument = click.argument("column", type=int)


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
            select(OutboxItem).where(OutboxItem.kind.in_(KINDS), OutboxItem.state == state).order_by(OutboxItem.id.desc()).limit(500)
        )
        rows = [
            {"key": item.key, "attempts": item.attempts, "due_at": rfc3339(item.due_at), "last_error": item.last_error, "state": item.state}
            for item in items
        ]
    _print(rows, ["key", "state", "attempts", "due_at", "last_error"], as_json=as_json)


@score.command()
@click.argument("key")
def retry(key: str) -> None:
    """Try a parked delivery again, by its KEY from `kaona score list`."""
    with transaction() as (db, _):
        item = db.scalars(select(OutboxItem).where(OutboxItem.kind.in_(KINDS), OutboxItem.key == key, OutboxItem.state == "parked")).first()
        if item is None:
            raise NotFound
        if item.kind == "score.publish":
            _send_again(db, item.payload["score"], now())
        outbox.rearm(db, keys=[key], now=now())
    click.echo("waiting again")


@score.command()
@tenant_option
@platform_option
@json_option
def columns(tenant: str | None, platform: str | None, *, as_json: bool) -> None:
    """List the columns of gradebooks that we know, with what the last call about them said."""
    from lti_tool.models import LineItem, Registration, Tenant

    query = (
        select(LineItem, Tenant.key, Registration.issuer)
        .join(Tenant, Tenant.id == LineItem.tenant_id)
        .join(Registration, Registration.id == LineItem.registration_id)
        .order_by(LineItem.id)
    )
    query = query if tenant is None else query.where(Tenant.key == tenant)
    query = query if platform is None else query.where(Registration.issuer == platform)
    with transaction() as (db, _):
        rows = [
            {
                "column": item.id,
                "tenant": agency,
                "platform": issuer,
                "label": item.label,
                "area": item.area,
                "maximum": item.score_maximum,
                "state": "gone" if item.gone_at else "there" if item.url else "wanted",
                "made_by_us": item.is_ours,
                "results_read_at": rfc3339(item.results_read_at) if item.results_read_at else None,
                "last_error": item.last_error,
            }
            for item, agency, issuer in db.execute(query)
        ]
    _print(rows, ["column", "tenant", "platform", "state", "label", "area", "maximum", "last_error"], as_json=as_json)


@score.command("change-column")
@column_argument
@click.option("--label", help="New name.")
@click.option("--maximum", type=float, help="New points, above 0.")
@click.option("--opens", type=click.DateTime(), help="When it opens; this machine's time zone.")
@click.option("--closes", type=click.DateTime(), help="When it closes; this machine's time zone.")
def change_column(column: int, label: str | None, maximum: float | None, opens: datetime | None, closes: datetime | None) -> None:
    """Change a COLUMN that we made; what is not named stays as it is."""
    from lti_tool.jobs import line_items

    dates = {"opens_at": opens and opens.astimezone(), "closes_at": closes and closes.astimezone()}
    with transaction() as (db, _):
        line_items.change_column(db, _column_of_ours(db, column), now=now(), label=label, maximum=maximum, **dates)
    click.echo("the change is on its way")


@score.command("delete-column")
@column_argument
@click.confirmation_option(prompt="The grades in this column go with it. Delete it?")
def delete_column(column: int) -> None:
    """Delete a COLUMN that we made, with the grades in it."""
    from lti_tool.jobs import line_items

    with transaction() as (db, _):
        line_items.delete_column(db, _column_of_ours(db, column), actor="command", now=now())
    click.echo("the deletion is on its way")


@score.command()
@tenant_option
@platform_option
@json_option
def reconcile(tenant: str | None, platform: str | None, *, as_json: bool) -> None:
    """Compare what gradebooks hold with what we sent, now, and list the differences; nothing is overwritten."""
    from kernel.http import GuardedClient
    from lti_tool.jobs import score_reconcile

    settings, database = open_installation()
    logs.configure(settings.log_level)  # to standard error, so that the answer stands alone
    http = GuardedClient.from_settings(settings)
    try:
        with database.reading() as db:
            chosen = score_reconcile.list_columns(db, tenant=tenant, issuer=platform)
        for column in chosen:
            score_reconcile.reconcile_column(database, column, http=http, settings=settings, clock=now)
        with database.reading() as db:
            found = score_reconcile.list_differences(db, columns=chosen)
    finally:
        http.close()
        database.dispose()
    rows = [
        {
            "kind": one.kind, "tenant": one.agency, "platform": one.issuer, "column": one.column, "label": one.label,
            "person": None if one.person is None else str(one.person), "sent": one.given, "maximum": one.maximum, "held": one.held,
            "words": {language: one.words(language) for language in ("th", "en")},
        }
        for one in found
    ]  # fmt: skip
    if as_json:
        print_json({"columns": len(chosen), "differences": rows})
        return
    print_rows(({**row, "what": one.words("en")} for row, one in zip(rows, found, strict=True)), ["column", "person", "kind", "what"])
    click.echo(f"{len(chosen)} columns compared, {len(rows)} differences")


@score.command()
@column_argument
@click.argument("person", type=click.UUID)
def resend(column: int, person: UUID) -> None:
    """Send the score of one PERSON (a UUID) in a COLUMN again."""
    from lti_tool.models import Score, User
    from lti_tool.models.audit import append_audit

    with transaction() as (db, _):
        mine = (Score.line_item_id == column, User.person_uuid == person)
        found = db.scalars(select(Score).join(User, User.id == Score.user_id).where(*mine)).first()
        if found is None:
            raise NotFound
        _send_again(db, found.id, now())
        details = {"line_item": column, "person": str(person)}
        append_audit(db, event="score.resent", actor="command", now=now(), tenant_id=found.tenant_id, details=details)
    click.echo("on its way")


def _send_again(db: Session, score_id: int, moment: datetime) -> None:
    from lti_tool.jobs.score_publish import send_again
    from lti_tool.models import LineItem, Score

    found = db.get(Score, score_id, with_for_update=True)
    if found is None:
        raise NotFound
    column = db.get_one(LineItem, found.line_item_id)
    column.gone_at = None
    send_again(db, found, registration_id=column.registration_id, now=moment)


def _column_of_ours(db: Session, column: int) -> Any:
    from lti_tool.models import LineItem

    found = db.get(LineItem, column)
    if found is None or not found.is_ours or found.gone_at is not None:
        raise NotFound
    return found


def _print(rows: list[dict[str, Any]], shown: list[str], *, as_json: bool) -> None:
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, shown)
