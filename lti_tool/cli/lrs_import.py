"""`kaona lrs import`: statements from a file or another record store."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import click

import xapi.api as xapi
from kernel.clock import rfc3339, system_clock
from kernel.strictjson import dumps
from lti_tool.cli.common import json_option, open_installation, print_json
from lti_tool.workflows import lrs_import


@click.command("import")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--from", "endpoint", metavar="URL", help="Another record store: the address below which `statements` stands.")
@click.option("--key", help="Key of a credential there that may read statements.")
@click.option("--secret-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="File with the credential's secret.")
@click.option("--tenant", "tenant_key", required=True, help="The agency's code.")
@click.option("--keep-authority", is_flag=True, help="Statements keep the authority they came with: the source's word is taken for ours.")
@click.option("--resume", is_flag=True, help="Go on with the import of this source that was stopped.")
@click.option("--refused", type=click.Path(dir_okay=False, path_type=Path), help="Write lines that were not taken in, with why, as NDJSON.")
@json_option
def import_statements(
    file: str | None,
    endpoint: str | None,
    key: str | None,
    secret_file: Path | None,
    tenant_key: str,
    *,
    keep_authority: bool,
    resume: bool,
    refused: Path | None,
    as_json: bool,
) -> None:
    """Bring statements in from FILE (NDJSON, packed by gzip or not; `-` reads standard input) or from another record store.

    Ids and timestamps stay; `stored` is ours, in the order of the source. What is known with the same meaning is passed over, what
    breaks a rule is listed with its line, and the rest lands, batch by batch. Attachments come by their fileUrl only.
    """
    from kernel.http import GuardedClient
    from lti_tool.lti.tenants import get_tenant

    if (file is None) == (endpoint is None):
        raise click.UsageError("say from where: FILE, or --from URL")
    settings, database = open_installation()
    with ExitStack() as stack:
        stack.callback(database.dispose)
        out = stack.enter_context(refused.open("ab")) if refused is not None else None
        if endpoint is not None:
            http = GuardedClient.from_settings(settings)
            stack.callback(http.close)
            secret = secret_file.read_text(encoding="utf-8").strip() if secret_file is not None else ""
            source: lrs_import.Source = lrs_import.RemoteSource(endpoint, http, key, secret)
        else:
            opened: IO[bytes] = sys.stdin.buffer if file == "-" else stack.enter_context(Path(str(file)).open("rb"))
            source = lrs_import.FileSource("-" if file == "-" else str(Path(str(file)).absolute()), opened)
        with database.reading() as db:
            tenant_id = get_tenant(db, tenant_key).id

        def tell(view: lrs_import.ImportView, faults: Sequence[xapi.Fault]) -> None:
            _show(view, faults, out)

        done = lrs_import.bring_in(
            database, source, tenant_id=tenant_id, keeps_authority=keep_authority, resume=resume, actor="command", clock=system_clock,
            on_batch=tell,
        )  # fmt: skip
    if as_json:
        print_json(_values(done))
    else:
        click.echo(f"{done.n_new} new, {done.n_known} known before, {done.n_refused} not taken in, of {done.n_read}")
    if done.n_refused:
        raise SystemExit(1)


def _show(view: lrs_import.ImportView, faults: Sequence[xapi.Fault], out: IO[bytes] | None) -> None:
    """Progress and faults on standard error; whole lines into the file of the refused."""
    for fault in faults:
        told = " ".join(part for part in (fault.code, fault.rule, fault.place, fault.statement_id) if part)
        click.echo(f"line {fault.line.number}: {told}", err=True)
        if out is not None:
            text = fault.line.text.decode("utf-8", "replace")
            out.write(
                dumps({"line": fault.line.number, "code": fault.code, "rule": fault.rule, "place": fault.place, "text": text}) + b"\n"
            )
    click.echo(f"{view.n_read} read: {view.n_new} new, {view.n_known} known, {view.n_refused} not taken in", err=True)


def _values(view: lrs_import.ImportView) -> dict[str, Any]:
    return {
        "import": view.uuid,
        "source": view.source,
        "state": view.state,
        "read": view.n_read,
        "new": view.n_new,
        "known": view.n_known,
        "refused": view.n_refused,
        "started_at": rfc3339(view.started_at),
        "changed_at": rfc3339(view.changed_at),
    }
