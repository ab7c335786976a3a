"""`kaona items calibrate --form`, `runs`, `apply`, `drift`: parameters from the installation's own answers, shown before they are used."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any
from uuid import UUID

import click

import assessment.api as assessment
from kernel.clock import rfc3339, system_clock
from lti_tool.cli.common import json_option, open_installation, print_json, print_rows, rounded, transaction

form_option = click.option("--form", "form_key", help="Code of the test form.")

CHANGES = ("item", "n", "method", "status", "a", "b", "c", "se_b", "change_b", "z", "why")


def calibrate_form(form_key: str, model: str, *, pilots_only: bool, later: bool, as_json: bool, tell: Callable[[str], None]) -> None:
    """Computes a run from stored answers, or leaves it to the worker, and shows what it would change."""
    from lti_tool.jobs import calibration

    database = open_installation()[1]
    try:
        with database.transaction() as db:
            form_uuid = _form_uuid(db, form_key)
            if later:
                if not calibration.ask(db, form_uuid, model=model, pilots_only=pilots_only, clock=system_clock):
                    raise click.ClickException("there is no agency yet, so nobody has answered")
                click.echo(f"the worker will calibrate {form_key}; see: kaona items runs --form {form_key}", err=True)
                return
        run = calibration.compute(
            database, form_uuid, model=model, pilots_only=pilots_only, actor="command", clock=system_clock, progress=tell
        )
        with database.reading() as db:
            view = assessment.get_calibration(db, run)
    finally:
        database.dispose()
    if as_json:
        print_json(_as_json(view))
    else:
        _print_run(view)


@click.command("runs")
@form_option
@click.option("--run", type=click.UUID, help="Show one run whole.")
@json_option
def list_runs(form_key: str | None, run: UUID | None, *, as_json: bool) -> None:
    """List calibrations from stored answers, the newest first, or show one."""
    with transaction() as (db, _):
        if run is not None:
            views = [assessment.get_calibration(db, run)]
        else:
            views = assessment.list_calibrations(db, _form_uuid(db, form_key) if form_key else None)
    if as_json:
        print_json([_as_json(view) for view in views])
    elif run is not None:
        _print_run(views[0])
    else:
        rows = [
            {"run": str(view.uuid), "form": view.form_key, "as of": rfc3339(view.as_of), "people": view.n_persons, "state": view.state}
            | {"changes": len(_changed(view)), "pilots only": "yes" if view.pilots_only else "no"}
            for view in views
        ]
        print_rows(rows, ["run", "form", "as of", "people", "pilots only", "changes", "state"])


@click.command("apply")
@click.argument("run", type=click.UUID)
@json_option
def apply_run(run: UUID, *, as_json: bool) -> None:
    """Put a calibration RUN to use: new parameters, and new versions of the forms. Attempts that were begun keep theirs."""
    from lti_tool.jobs import calibration

    with transaction() as (db, _):
        applied = calibration.apply(db, run, actor="command", clock=system_clock)
    if as_json:
        print_json(asdict(applied))
        return
    click.echo(f"{applied.n_calibrated} items calibrated, {applied.n_rated} by rating")
    for key, n in applied.forms.items():
        click.echo(f"form {key}: version {n}")


@click.command("drift")
@click.option("--form", "form_key", required=True, help="Code of the test form.")
@json_option
def list_drift(form_key: str, *, as_json: bool) -> None:
    """List items whose difficulty has moved since their last calibration, by the newest run."""
    with transaction() as (db, _):
        found = assessment.list_drift(db, _form_uuid(db, form_key))
    rows = [asdict(one) | {"run": str(one.run)} for one in found]
    if as_json:
        print_json(rows)
    else:
        print_rows([rounded(row) for row in rows], ["item", "z", "change_b", "run"])


def _form_uuid(db: Any, form_key: str) -> UUID:
    forms = assessment.list_form_keys(db)
    if form_key not in forms:
        raise click.BadParameter(f"there is no form {form_key!r}; known: {', '.join(sorted(forms)) or 'none'}", param_hint="--form")
    return forms[form_key]


def _changed(view: assessment.CalibrationView) -> list[dict[str, Any]]:
    return [item for area in view.document["areas"] for item in area["items"] if item["becomes"] is not None]


def _as_json(view: assessment.CalibrationView) -> dict[str, Any]:
    moments = {"as_of": rfc3339(view.as_of), "applied_at": rfc3339(view.applied_at) if view.applied_at else None}
    return asdict(view) | moments | {"uuid": str(view.uuid)}


def _print_run(view: assessment.CalibrationView) -> None:
    for area in view.document["areas"]:
        link = area["link"]
        scale = f"; scale by {link['n_common']} {link['by']} items: {link['slope']:.3f}, {link['intercept']:+.3f}" if link else ""
        click.echo(f"{area['domain']}: {area['n_persons']} people{scale}")
        for refused in area["refused"]:
            click.echo(f"  {refused['reason']} [{refused['code']}]")
        print_rows([rounded(_line(item)) for item in area["items"]], list(CHANGES))
    n = len(_changed(view))
    if view.applied_at:
        click.echo(f"run {view.uuid}: {n} items changed, in use since {rfc3339(view.applied_at)}")
    else:
        click.echo(f"run {view.uuid}: {n} items would change; nothing is changed yet. To use it: kaona items apply {view.uuid}")


def _line(item: dict[str, Any]) -> dict[str, Any]:
    """One item as a line: what it would be, or what it is."""
    values = item["becomes"] or item["was"]
    return {name: item.get(name, values.get(name)) for name in CHANGES} | {"item": item["item"] + (" (pilot)" if item["is_pilot"] else "")}
