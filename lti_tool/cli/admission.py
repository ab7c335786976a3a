"""`kaona admission`: who may begin the assessments that designers placed in courses, and one-time codes for them."""

import sys
from typing import IO, Any
from uuid import UUID

import click

from kernel import strictjson
from kernel.csv_file import csv_bytes
from lti_tool.cli.common import json_option, now, print_json, print_rows, transaction

placement_argument = click.argument("placement", type=click.UUID)


@click.group()
def admission() -> None:
    """Who may begin the assessments that designers placed."""


@admission.command("list")
@json_option
def list_placements(*, as_json: bool) -> None:
    """List what was placed, with its rules; nothing there means those of the form."""
    from sqlalchemy import select

    from lti_tool.models import Context, Placement, Tenant

    query = (
        select(Placement, Tenant.key, Context.title)
        .join(Tenant, Tenant.id == Placement.tenant_id)
        .outerjoin(Context, Context.id == Placement.context_id)
        .where(Placement.activity.startswith("assessment:"))
        .order_by(Placement.id)
    )
    with transaction() as (db, _):
        rows = [
            {"placement": str(placed.uuid), "tenant": tenant, "course": course, "title": placed.title, "rules": placed.admission}
            for placed, tenant, course in db.execute(query)
        ]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ["placement", "tenant", "course", "title", "rules"])


@admission.command()
@placement_argument
@click.argument("rules", type=click.File("rb"))
@click.option("--code-file", type=click.File("r"), help="File with the code that is one for all; `-` reads standard input.")
def keep(placement: UUID, rules: IO[bytes], code_file: IO[str] | None) -> None:
    """Keep the RULES (a JSON file, `-` for standard input) of a PLACEMENT, at all links that show it.

    Members, all optional: attempts, days_between, opens_at and closes_at (ISO 8601 with a zone), code (none, shared, one_time),
    networks (list), seb {config_keys, exam_keys}.
    """
    import assessment.api as assessment
    from lti_tool.keys import code_key
    from lti_tool.workflows.admission import get_placement, set_rules

    document = strictjson.loads(rules.read())
    code = code_file.read().strip() if code_file else None
    with transaction() as (db, settings):
        asked: Any = assessment.read_rules(document)
        key = code_key(settings.secret_key)
        set_rules(db, get_placement(db, placement), asked, shared_code=code, key=key, actor="command", now=now())
    click.echo("kept")


@admission.command()
@placement_argument
@click.option("--spare", type=click.IntRange(0), default=0, show_default=True, help="Codes for whoever has them.")
@click.option("--learners/--no-learners", default=True, show_default=True, help="One for each learner of the course where it was placed.")
def codes(placement: UUID, spare: int, *, learners: bool) -> None:
    """Make a new list of one-time codes of a PLACEMENT and print it as CSV, this once; unused older codes open nothing any more."""
    from lti_tool.keys import code_key
    from lti_tool.workflows.admission import get_placement, make_codes

    with transaction() as (db, settings):
        placed = get_placement(db, placement)
        context_id = placed.context_id if learners else None
        key = code_key(settings.secret_key)
        made = make_codes(db, placed, context_id=context_id, n_spare=spare, key=key, actor="command", now=now())
    sys.stdout.buffer.write(csv_bytes([("name", "code"), *((name or "", code) for name, code in made)]))
