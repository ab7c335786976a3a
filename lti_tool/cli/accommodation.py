"""`kaona people accommodation`: extra time and pauses of people, also while they sit an assessment."""

from pathlib import Path
from uuid import UUID

import click

import assessment.api as assessment
from lti_tool.cli.common import json_option, now, print_json, print_rows, transaction
from lti_tool.cli.persons import ACTOR, known_person, person_options, tenant_option
from lti_tool.lti.tenants import get_tenant
from lti_tool.workflows import allowances

SHOWN = [
    "uuid",
    "person_uuid",
    "form_key",
    "attempt_uuid",
    "factor_percent",
    "extra_minutes",
    "pauses",
    "pause_minutes",
    "valid_until",
    "reason",
]


@click.group()
def accommodation() -> None:
    """Extra time and pauses, for all sittings of a person or for one form; a change holds in sittings that are under way, too."""


@accommodation.command("list")
@tenant_option
@click.option("--all", "with_ended", is_flag=True, help="Also what has ended.")
@json_option
def list_all(tenant_key: str, *, with_ended: bool, as_json: bool) -> None:
    """List what people are allowed."""
    with transaction() as (db, _):
        tenant_id = get_tenant(db, tenant_key).id
        found = assessment.list_accommodations(db, tenant_id=tenant_id, now=now(), in_force=not with_ended)
    rows = [{name: getattr(one, name) for name in one.__dataclass_fields__} for one in found]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, SHOWN)


@accommodation.command("set")
@person_options
@click.option("--form", help="Key of the one form that it is for; without it all sittings.")
@click.option("--factor", default="1", show_default=True, help="Of every limit: 1.5 is half as much again.")
@click.option("--minutes", type=click.IntRange(0, 1440), default=0, show_default=True, help="On top of it.")
@click.option("--pauses", type=click.IntRange(0, 20), default=0, show_default=True, help="Pauses that the person may take.")
@click.option("--pause-minutes", type=click.IntRange(0, 240), default=0, show_default=True, help="Each, at the most.")
@click.option("--from", "valid_from", default="", help="A day, or a moment as RFC 3339.  [default: now]")
@click.option("--until", "valid_until", default="", help="The same; a day counts with.  [default: no end]")
@click.option("--reason", type=click.Choice(assessment.REASONS), default=assessment.REASONS[0], show_default=True, help="Never an illness.")
@json_option
def set_one(
    tenant_key: str,
    identifiers: tuple[str, ...],
    users: tuple[tuple[str, str], ...],
    *,
    form: str | None,
    factor: str,
    minutes: int,
    pauses: int,
    pause_minutes: int,
    valid_from: str,
    valid_until: str,
    reason: str,
    as_json: bool,
) -> None:
    """Allow a person something, in the place of what was set for the same sittings before."""
    try:
        allowance = assessment.Allowance(allowances.percent_of(factor), minutes, pauses, pause_minutes)
        valid = allowances.moment_of(valid_from), allowances.moment_of(valid_until, is_end=True)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    with transaction() as (db, _):
        known = known_person(db, tenant_key, identifiers, users)
        try:
            form_uuid = allowances.form_of(db, form or "", known.tenant_id)
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        made = [
            allowances.set_for_person(
                db,
                allowances.Grant(uuid, allowance, reason, form_uuid, None, *valid),
                tenant_id=known.tenant_id,
                actor=ACTOR,
                now=now(),
            )
            for uuid in known.uuids
        ]
    if as_json:
        print_json({"set": made})
    else:
        click.echo("\n".join(map(str, made)))


@accommodation.command()
@tenant_option
@click.argument("accommodation", type=click.UUID, metavar="UUID")
def withdraw(tenant_key: str, accommodation: UUID) -> None:
    """Take an accommodation back; a sitting that runs keeps five minutes at the least."""
    with transaction() as (db, _):
        allowances.withdraw(db, accommodation, tenant_id=get_tenant(db, tenant_key).id, actor=ACTOR, now=now())


@accommodation.command("import")
@tenant_option
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@json_option
def import_file(tenant_key: str, file: Path, *, as_json: bool) -> None:
    """Set every line of a CSV file, or none of it.

    Columns: issuer, user (the id there), form (a key; empty for all sittings), factor, minutes, pauses, pause_minutes, from, until,
    reason. `-` reads standard input.
    """
    with click.open_file(str(file), encoding="utf-8-sig") as opened:
        text = opened.read()
    with transaction() as (db, _):
        n = allowances.set_from_file(db, text, tenant_id=get_tenant(db, tenant_key).id, actor=ACTOR, now=now())
    if as_json:
        print_json({"set": n})
    else:
        click.echo(f"{n} set")
