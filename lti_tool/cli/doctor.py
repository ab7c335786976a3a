"""`kaona doctor`: what works, what does not, and the cure."""

import dataclasses

import click

from kernel.langmap import text_in
from lti_tool.cli.common import json_option, now, open_installation, print_json, print_rows
from lti_tool.workflows import doctor as workflow
from lti_tool.workflows import erasure
from lti_tool.workflows.findings import Finding, finding

COLUMNS = (
    "agency", "issuer", "client_id", "last_launch_at", "last_score_at", "last_roster_at", "oldest_waiting_at", "waiting_scores",
    "parked_scores",
)  # fmt: skip


@click.command()
@json_option
def doctor(*, as_json: bool) -> None:
    """Tell the state of each platform, the queue and the record store; exit 1 when something needs a person."""
    settings, database = open_installation()
    with database.reading() as db:
        summary = workflow.summary_of(db, now=now())
        n_missing = erasure.missing_from(db, erasure.read_list(settings.data_dir / erasure.LIST_NAME))
    if n_missing:
        summary = dataclasses.replace(summary, findings=(*summary.findings, finding("erased_came_back", n=n_missing)))
    if as_json:
        print_json({"needs_person": summary.needs_person, "settings": _shown(settings), **dataclasses.asdict(summary)})
    else:
        _print(summary, _shown(settings))
    if summary.needs_person:
        raise SystemExit(1)


def _print(summary: workflow.DoctorSummary, settings: dict[str, str]) -> None:
    for name, value in settings.items():
        click.echo(f"{name:24} {value}")
    click.echo("")
    platforms = [dataclasses.asdict(platform) | {"agency": text_in("en", platform.agency)} for platform in summary.platforms]
    print_rows(platforms, list(COLUMNS))
    click.echo(f"\nwaiting: {summary.queue or 'nothing'}   statements: {summary.statements}   LRS keys: {len(summary.keys)}")
    for one in summary.findings:
        click.echo(_line("installation", one))
    for platform in summary.platforms:
        for one in platform.findings:
            click.echo(_line(f"{platform.issuer} {platform.client_id}", one))
    for item in summary.parked:
        click.echo(f"parked: {item.kind} {item.key}: {item.reason}")


def _line(where: str, one: Finding) -> str:
    mark = "!" if one.needs_person else "-"
    return f"{mark} {where}: {text_in('en', one.what)} {text_in('en', one.cure)}"


def _shown(settings: object) -> dict[str, str]:
    from sqlalchemy.engine import make_url

    from lti_tool.settings import Settings

    assert isinstance(settings, Settings)
    values = {f"KAONA_{name.upper()}": str(value) for name, value in settings.model_dump().items()}
    values["KAONA_DATABASE_URL"] = make_url(settings.resolved_database_url).render_as_string(hide_password=True)
    return values
