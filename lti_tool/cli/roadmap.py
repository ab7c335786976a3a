"""`kaona roadmap`: evidence and attainment."""

import click

from lti_tool.cli.common import json_option, open_installation, print_json
from lti_tool.workflows import rebuilt


@click.group()
def roadmap() -> None:
    """Evidence and attainment."""


@roadmap.command()
@json_option
def rebuild(*, as_json: bool) -> None:
    """Drop evidence and attainment, compute both again from the statements, and compare every row."""
    _, database = open_installation()
    with database.transaction() as db:
        report = rebuilt.rebuild(db)
    if as_json:
        print_json(
            {
                "statements": report.n_statements,
                "evidence": report.n_evidence,
                "attainment": report.n_attainment,
                "equal": report.n_equal,
                "different": report.n_different,
                "differences": report.differences,
            }
        )
    else:
        click.echo(f"read {report.n_statements} statements; made {report.n_evidence} evidence and {report.n_attainment} attainment rows")
        click.echo(f"{report.n_equal} rows equal, {report.n_different} different")
        for difference in report.differences[:50]:
            click.echo(f"  {difference}")
    if report.n_different:
        raise SystemExit(1)
