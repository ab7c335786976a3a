"""`kaona doctor`: what works, what does not, and the cure."""

import dataclasses

import click

from kernel.langmap import text_in
from lti_tool.cli.common import json_option, open_installation, print_json, print_rows
from lti_tool.workflows import doctor as workflow


@click.command()
@json_option
def doctor(*, as_json: bool) -> None:
    """Tell the state of each platform, the queue and the record store; exit 1 when something needs a person."""
    settings, database = open_installation()
    with database.reading() as db:
        summary = workflow.summary_of(db)
    if as_json:
        print_json({"settings": _shown(settings), **dataclasses.asdict(summary)})
    else:
        for name, value in _shown(settings).items():
            click.echo(f"{name:24} {value}")
        click.echo("")
        rows = [dataclasses.asdict(platform) | {"agency": text_in("en", platform.agency)} for platform in summary.platforms]
        print_rows(
            rows, ["agency", "issuer", "client_id", "last_launch_at", "last_score_at", "waiting_scores", "parked_scores", "key_set_error"]
        )
        click.echo(f"\nwaiting: {summary.queue or 'nothing'}   statements: {summary.statements}   LRS keys: {len(summary.keys)}")
        for item in summary.parked:
            click.echo(f"parked: {item.kind} {item.key}: {item.reason}; look at it, then: kaona score retry {item.key}")
    if summary.parked or any(platform.key_set_error for platform in summary.platforms):
        raise SystemExit(1)


def _shown(settings: object) -> dict[str, str]:
    from sqlalchemy.engine import make_url

    from lti_tool.settings import Settings

    assert isinstance(settings, Settings)
    values = {f"KAONA_{name.upper()}": str(value) for name, value in settings.model_dump().items()}
    values["KAONA_DATABASE_URL"] = make_url(settings.resolved_database_url).render_as_string(hide_password=True)
    return values
