"""`kaona lrs tail` and `kaona lrs export`: what arrives in the record store, as it comes or by day. Both only read."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

import xapi.api as xapi
from kernel.db import Database
from lti_tool.cli.common import json_option, now, print_json
from lti_tool.lti.tenants import get_tenant, list_tenants
from lti_tool.settings import read_settings

LOOK_SECONDS = 0.5
AWAY_SECONDS = 2.0
"""Pause after the database did not answer."""

tenant_code = click.option("--tenant", "tenant_key", help="The agency's code [default: every agency].")
feed_name = click.option("--feed", "feed_name", help="Only what this feed of the agency brings.")
verbs_option = click.option("--verb", "verbs", multiple=True, metavar="IRI", help="Only statements with this verb; may be repeated.")


@click.command()
@tenant_code
@feed_name
@verbs_option
@click.option("--since", type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z"]), help="Begin with what was stored after this moment.")
@click.option("--lines", type=click.IntRange(0, 500), default=10, show_default=True, help="Without --since: begin with the last ones.")
@click.option("--no-follow", is_flag=True, help="End when all that is there has been shown.")
@json_option
def tail(  # noqa: PLR0917  click passes them by name
    tenant_key: str | None,
    feed_name: str | None,
    verbs: tuple[str, ...],
    since: datetime | None,
    lines: int,
    no_follow: bool,
    *,
    as_json: bool,
) -> None:
    """Show statements as they arrive, of one agency or of all.

    It reads the database alone, so it goes on while the server is started anew, and waits while the database is away. With --json
    each line is a statement as it is stored.
    """
    if feed_name and not tenant_key:
        raise click.UsageError("--feed needs --tenant: a feed is one of an agency.")
    with _database() as database:
        with database.reading() as db:
            tail_of = _Tail(_codes(db, tenant_key), _part(db, tenant_key, feed_name, verbs), as_json=as_json)
            tail_of.begin(db, since=since, lines=lines)
        is_away = False
        while True:
            try:
                with database.reading() as db:
                    is_more = tail_of.go_on(db, codes=None if tenant_key else _codes(db, None))
            except (DBAPIError, PoolTimeout):
                if not is_away:
                    click.echo("kaona: the database does not answer; waiting for it", err=True)
                is_away, is_more = True, False
                time.sleep(AWAY_SECONDS)
            else:
                is_away = False
                if no_follow and not is_more:
                    return
            if not is_more:
                time.sleep(LOOK_SECONDS)


@click.command()
@click.option("--tenant", "tenant_key", required=True, help="The agency's code.")
@feed_name
@verbs_option
@click.option("--from", "first", type=click.DateTime(["%Y-%m-%d"]), help="First day [default: yesterday].")
@click.option("--to", "last", type=click.DateTime(["%Y-%m-%d"]), help="Last day [default: the first].")
@click.option("--zone", default="UTC", show_default=True, help="Time zone in which a day begins and ends, such as Asia/Bangkok.")
@click.option("--format", "form", type=click.Choice(["csv", "ndjson", "parquet"]), default="csv", show_default=True)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="Folder for the files [default: this one].")
@json_option
def export(  # noqa: PLR0917  click passes them by name
    tenant_key: str,
    feed_name: str | None,
    verbs: tuple[str, ...],
    first: datetime | None,
    last: datetime | None,
    zone: str,
    form: str,
    out: Path,
    *,
    as_json: bool,
) -> None:
    """Write the statements that arrived, one file a day; a file is there whole or not at all."""
    try:
        where = ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise click.UsageError(f"{zone} is not the name of a time zone; write one such as Asia/Bangkok.") from None
    begin = first.date() if first else now().astimezone(where).date() - timedelta(days=1)
    end = last.date() if last else begin
    if end < begin:
        raise click.UsageError("--to lies before --from.")
    out.mkdir(parents=True, exist_ok=True)
    written = []
    with _database() as database:
        with database.reading() as db:
            tenant_id, part = get_tenant(db, tenant_key).id, _part(db, tenant_key, feed_name, verbs)
        for day in _days(begin, end):
            path = out / f"{tenant_key}-{feed_name or 'all'}-{day}.{form}"
            pieces = xapi.export_day(database, part, tenant_id=tenant_id, day=day, zone=where, form=form)
            written.append({"day": day.isoformat(), "file": str(path), "bytes": _write(path, pieces)})
            if not as_json:
                click.echo(path)
    if as_json:
        print_json(written)


class _Tail:
    """How far the statements of each agency have been shown.

    codes   of the agencies, by row key
    """

    def __init__(self, codes: dict[int, str], part: xapi.Slice, *, as_json: bool) -> None:
        self._codes, self._part, self._as_json = codes, part, as_json
        self._after: dict[int, int] = {}

    def begin(self, db: Session, *, since: datetime | None, lines: int) -> None:
        """Shows the last ones, or goes back to a moment."""
        heads = xapi.heads(db)
        for tenant_id in self._codes.keys() & heads.keys():
            if since is not None:
                self._after[tenant_id] = xapi.place_after(db, since, tenant_id=tenant_id)
                continue
            self._after[tenant_id] = heads[tenant_id]
            if lines:
                newest, _ = xapi.list_newest(db, tenant_id=tenant_id, part=self._part, limit=lines)
                for seen in reversed(newest):
                    self._show(tenant_id, seen.text)
                    self._after[tenant_id] = max(self._after[tenant_id], seen.seq)

    def go_on(self, db: Session, *, codes: dict[int, str] | None) -> bool:
        """Shows what has come; tells whether there is more. `codes`: the agencies of now, when new ones are to be shown too."""
        self._codes = codes or self._codes
        is_more = False
        for tenant_id, head in xapi.heads(db).items():
            after = self._after.get(tenant_id, 0)
            if tenant_id in self._codes and head > after:
                batch = xapi.read_on(db, self._part, tenant_id=tenant_id, after=after)
                for _seq, document in batch.rows:
                    self._show(tenant_id, document)
                self._after[tenant_id] = batch.position
                is_more = is_more or not batch.is_last
        return is_more

    def _show(self, tenant_id: int, document: str) -> None:
        click.echo(
            xapi.ndjson_line(document) if self._as_json else _line(self._codes[tenant_id], json.loads(document)), nl=not self._as_json
        )


def _line(code: str, statement: dict[str, Any]) -> str:
    """A statement on one line: when, where, who, did what, to what, with what result."""
    target = statement["object"]
    scaled = statement.get("result", {}).get("score", {}).get("scaled")
    parts = (
        statement["stored"][:19] + "Z",
        code,
        _who(statement["actor"]),
        statement["verb"]["id"].rstrip("/").rpartition("/")[2],
        target.get("id") or (_who(target) if target.get("objectType") in ("Agent", "Group") else target["objectType"]),
        "" if scaled is None else f"{scaled:.2f}",
    )
    shown = "  ".join(part for part in parts if part)
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in shown)


def _who(actor: dict[str, Any]) -> str:
    name = actor.get("account", {}).get("name") or actor.get("mbox") or actor.get("openid") or actor.get("mbox_sha1sum")
    return str(name or "a group without a name")


def _part(db: Session, tenant_key: str | None, feed_name: str | None, verbs: tuple[str, ...]) -> xapi.Slice:
    """The slice that the options describe: the feed's, with these verbs alone if some are named."""
    part = xapi.EVERYTHING
    if feed_name and tenant_key:
        part = xapi.get_feed(db, tenant_id=get_tenant(db, tenant_key).id, name=feed_name).slice
    if not verbs:
        return part
    both = [verb for verb in verbs if not part.verbs or verb in part.verbs]
    if not both:
        raise click.UsageError("the feed brings statements of other verbs only.")
    return xapi.read_slice({**part.to_json(), "verbs": both})


def _codes(db: Session, tenant_key: str | None) -> dict[int, str]:
    tenants = [get_tenant(db, tenant_key)] if tenant_key else list_tenants(db)
    return {tenant.id: tenant.key for tenant in tenants}


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=number) for number in range((last - first).days + 1))


def _write(path: Path, pieces: Iterator[bytes]) -> int:
    """Writes a file under another name and then gives it its own; tells its length."""
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("wb") as file:
        for piece in pieces:
            file.write(piece)
        length = file.tell()
    unfinished.replace(path)
    return length


@contextmanager
def _database() -> Iterator[Database]:
    """The installation's database as it is: nothing is migrated, nothing written."""
    settings = read_settings()
    database = Database(settings.resolved_database_url, pool_size=2)
    try:
        yield database
    finally:
        database.dispose()
