"""`kaona people`: what is kept of one person, handed out, renamed or erased."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from sqlalchemy.orm import Session

from lti_tool.cli.common import json_option, now, open_installation, print_json, print_rows, transaction
from lti_tool.workflows.erasure import Act, Erased, Receipt
from lti_tool.workflows.people import KnownPerson

Command = TypeVar("Command", bound=Callable[..., Any])

ACTOR = "command"

tenant_option = click.option("--tenant", "tenant_key", required=True, help="The agency's code.")


def identifying_options(command: Command) -> Command:
    """All that identifies one person."""
    command = click.option("--user", "users", nargs=2, multiple=True, metavar="ISSUER ID", help="A platform, and the id there.")(command)
    return click.argument("identifiers", nargs=-1)(command)


def person_options(command: Command) -> Command:
    """The agency, and all that identifies one person in it."""
    return tenant_option(identifying_options(command))


@click.group()
def people() -> None:
    """What is kept of one person.

    An IDENTIFIER is a person's UUID, an e-mail address, its SHA-1, an OpenID, "HOME_PAGE NAME" for an account, or an agent as JSON.
    All given are one person. `-` reads one a line from standard input, so that none stands in the list of processes.
    """


@people.command()
@person_options
@json_option
def find(tenant_key: str, identifiers: tuple[str, ...], users: tuple[tuple[str, str], ...], *, as_json: bool) -> None:
    """Say where a person is known, and how much is stored."""
    import xapi.api as xapi

    with transaction() as (db, _):
        known = _known(db, tenant_key, identifiers, users)
        there = xapi.find_presence(db, known.person, tenant_id=known.tenant_id)
    platforms = [{"issuer": one.issuer, "id": one.sub, "name": one.display_name, "person": one.person_uuid} for one in known.users]
    found = {
        "agents": known.person.agents,
        "platforms": platforms,
        "statements": there.n_named,
        "statements_as_actor": there.n_as_actor,
        "documents": there.n_documents,
        "first_at": there.first_at,
        "last_at": there.last_at,
    }
    if as_json:
        print_json(found)
        return
    print_rows(platforms, ["issuer", "id", "name", "person"])
    click.echo(f"{there.n_named} statements ({there.n_as_actor} as actor), {there.n_documents} documents")


@people.command()
@person_options
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The zip file to write.")
def export(tenant_key: str, identifiers: tuple[str, ...], users: tuple[tuple[str, str], ...], out: Path) -> None:
    """Write all that is kept of a person into a zip file."""
    from lti_tool.workflows.people import write_export

    with transaction() as (db, _):
        known = _known(db, tenant_key, identifiers, users)
        with out.open("xb") as file:
            write_export(db, known, file, now=now(), actor=ACTOR)
    click.echo(f"written: {out}", err=True)


@people.command()
@person_options
@click.option("--requests", type=click.Path(file_okay=False, path_type=Path), help="Folder for the requests to other stores.")
@json_option
def pseudonymise(
    tenant_key: str, identifiers: tuple[str, ...], users: tuple[tuple[str, str], ...], requests: Path | None, *, as_json: bool
) -> None:
    """Give a person another name in all statements; work and levels go on under it."""
    _tell(_done(tenant_key, identifiers, users, act="rename"), requests, as_json=as_json)


@people.command()
@identifying_options
@click.option("--tenant", "tenant_key", help="The agency's code.")
@click.option("--statements", type=click.Choice(["unlink", "delete"]), default="unlink", show_default=True, help="What becomes of them.")
@click.option("--requests", type=click.Path(file_okay=False, path_type=Path), help="Folder for the requests to other stores.")
@click.option("--again", is_flag=True, help="After a restore: do every act of the list again to whoever came back with the backup.")
@click.option("--list", "lists", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A further list.")
@json_option
def erase(
    tenant_key: str | None,
    identifiers: tuple[str, ...],
    users: tuple[tuple[str, str], ...],
    *,
    statements: Act,
    requests: Path | None,
    lists: tuple[Path, ...],
    again: bool,
    as_json: bool,
) -> None:
    """Erase a person; the receipt says what was done, and nothing of whom."""
    if again:
        _erase_again(lists, as_json=as_json)
    elif tenant_key is None:
        raise click.UsageError("say where: --tenant CODE")
    else:
        _tell(_done(tenant_key, identifiers, users, act=statements), requests, as_json=as_json)


@people.command()
@click.option("--tenant", "tenant_key", help="Only this agency's.")
@json_option
def receipts(tenant_key: str | None, *, as_json: bool) -> None:
    """List the receipts; with --json in the form of the list, to be kept with the backups."""
    from lti_tool.lti.tenants import get_tenant
    from lti_tool.workflows import erasure

    with transaction() as (db, _):
        found = erasure.list_receipts(db, tenant_id=get_tenant(db, tenant_key).id if tenant_key else None)
    if as_json:
        print_json([receipt.line for receipt in found])
    else:
        print_rows(
            [{**receipt.line, "counts": _counts(receipt)} for receipt in found], ["at", "receipt", "tenant", "act", "actor", "counts"]
        )


def _known(db: Session, tenant_key: str, identifiers: tuple[str, ...], users: tuple[tuple[str, str], ...]) -> KnownPerson:
    from lti_tool.lti.tenants import get_tenant
    from lti_tool.workflows.people import find_person

    given = [line for one in identifiers for line in (sys.stdin.read().splitlines() if one == "-" else [one]) if line.strip()]
    if not given and not users:
        raise click.UsageError("say who: an IDENTIFIER, or --user ISSUER ID")
    return find_person(db, tenant_id=get_tenant(db, tenant_key).id, identifiers=given, platform_users=users)


def _done(tenant_key: str, identifiers: tuple[str, ...], users: tuple[tuple[str, str], ...], *, act: Act) -> Erased:
    """The act, and its line in the list once it is committed."""
    from lti_tool.workflows import erasure

    with transaction() as (db, settings):
        known = _known(db, tenant_key, identifiers, users)
        done = erasure.erase(db, known, act=act, now=now(), actor=ACTOR, secret=settings.secret_key)
    erasure.write_down(settings.data_dir, [done.receipt])
    return done


def _erase_again(lists: tuple[Path, ...], *, as_json: bool) -> None:
    from lti_tool.workflows import erasure

    settings, database = open_installation()
    try:
        with database.transaction() as db:
            known = [receipt for file in (settings.data_dir / erasure.LIST_NAME, *lists) for receipt in erasure.read_list(file)]
            done = erasure.again(db, [*known, *erasure.list_receipts(db)], now=now(), actor=ACTOR, secret=settings.secret_key)
    finally:
        database.dispose()
    if as_json:
        print_json([receipt.line for receipt in done])
    else:
        click.echo(f"{len(done)} of the list found again")


def _tell(done: Erased, folder: Path | None, *, as_json: bool) -> None:
    """Prints the receipt, and writes or prints the requests: their statements' ids are kept nowhere."""
    from kernel.strictjson import dumps

    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for place, request in enumerate(done.requests, start=1):
            (folder / f"{done.receipt.uuid}-{place}.json").write_bytes(dumps(request.document))
    if as_json:
        shown = [request.document for request in done.requests] if folder is None else []
        print_json({**done.receipt.line, "requests": shown})
        return
    click.echo(f"receipt  {done.receipt.uuid}\n{_counts(done.receipt)}")
    for request in done.requests:
        click.echo(f"ask too: {request.name} ({request.url})")


def _counts(receipt: Receipt) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in receipt.counts.items() if n) or "nothing"
