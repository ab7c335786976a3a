"""`kaona people`: what is kept of one person, handed out, renamed or erased."""

from pathlib import Path

import click

from lti_tool.cli.accommodation import accommodation
from lti_tool.cli.common import json_option, now, open_installation, print_json, print_rows, transaction
from lti_tool.cli.persons import ACTOR, identifying_options, known_person, person_options, tenant_option
from lti_tool.workflows.erasure import Act, Erased, Receipt


@click.group()
def people() -> None:
    """What is kept of one person.

    An IDENTIFIER is a person's UUID, an e-mail address, its SHA-1, an OpenID, "HOME_PAGE NAME" for an account, or an agent as JSON.
    All given are one person. `-` reads one a line from standard input, so that none stands in the list of processes.
    """


people.add_command(accommodation)


@people.command()
@person_options
@json_option
def find(tenant_key: str, identifiers: tuple[str, ...], users: tuple[tuple[str, str], ...], *, as_json: bool) -> None:
    """Say where a person is known, and how much is stored."""
    import xapi.api as xapi

    with transaction() as (db, _):
        known = known_person(db, tenant_key, identifiers, users)
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
        known = known_person(db, tenant_key, identifiers, users)
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


@people.group()
def groups() -> None:
    """What an agency says of its people, for comparing groups: ministry, region, age band, and what else it names."""


@groups.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@tenant_option
@json_option
def import_groups(file: Path, tenant_key: str, *, as_json: bool) -> None:
    """Take in FILE, a CSV with the columns person, attribute, label; an empty label takes the person out of that attribute.

    A person by UUID, by the id on the platform, or by "ISSUER ID". The file is taken whole or not at all.
    """
    from lti_tool.lti.tenants import get_tenant
    from lti_tool.workflows import item_analysis

    with transaction() as (db, _):
        tenant_id = get_tenant(db, tenant_key).id
        done = item_analysis.import_groups(db, file.read_bytes(), tenant_id=tenant_id, now=now(), actor=ACTOR)
    if as_json:
        print_json({"people": done.n_people, "labels": done.n_labels})
    else:
        click.echo(f"{done.n_labels} labels of {done.n_people} people")


@groups.command("list")
@tenant_option
@json_option
def list_groups(tenant_key: str, *, as_json: bool) -> None:
    """List the labels that an agency's people have, and how many have each."""
    import assessment.api as assessment
    from lti_tool.lti.tenants import get_tenant

    with transaction() as (db, _):
        found = assessment.count_groups(db, tenant_id=get_tenant(db, tenant_key).id)
    rows = [{"attribute": attribute, "label": label, "people": n} for attribute, label, n in found]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ["attribute", "label", "people"])


def _done(tenant_key: str, identifiers: tuple[str, ...], users: tuple[tuple[str, str], ...], *, act: Act) -> Erased:
    """The act, and its line in the list once it is committed."""
    from lti_tool.workflows import erasure

    with transaction() as (db, settings):
        known = known_person(db, tenant_key, identifiers, users)
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
