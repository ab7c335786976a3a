"""Reading statements: a query becomes a range of the sequence and the keys that a statement must have; pages follow by place.

A `more` link holds the page that comes next, whole: range, keys, order, limit, format. It is signed, bound to its credential and good
for a day. Its upper end is the head of the sequence when the first page was read, so statements that arrive later neither appear in
it nor shift it.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, select, text
from sqlalchemy.sql import Select

from kernel import strictjson
from kernel.errors import KaonaError
from xapi.errors import MoreInvalid, StatementNotFound
from xapi.models import head, link, statement
from xapi.vocabulary import MAX_PAGE, MORE_SECONDS

IN_FLIGHT_GRACE = timedelta(seconds=1)
"""Between reading the clock and taking the turn a writer may lose this long, clocks of several machines included."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What a query asks for. `keys`: digests of `links` that a statement must have, the most selective first."""

    keys: tuple[bytes, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 0
    ascending: bool = False
    format: str = "exact"


@dataclass(frozen=True, slots=True)
class Page:
    """One page to read: places above `low` up to `high`, in one order, at most `limit` statements."""

    keys: tuple[str, ...]
    """Hexadecimal digests."""
    low: int
    high: int
    limit: int
    ascending: bool
    format: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a page holds, and the page after it, if any."""

    documents: list[str]
    next: Page | None


def first_page(db: Connection, wanted: Filter, *, tenant_id: int) -> Page:
    """The first page of a query as of now; `since` and `until` become places in the sequence."""
    high = db.scalar(select(head.c.seq).where(head.c.tenant_id == tenant_id)) or 0
    if wanted.until is not None:
        high = min(high, _last_place(db, tenant_id, wanted.until))
    low = _last_place(db, tenant_id, wanted.since) if wanted.since is not None else 0
    limit = min(wanted.limit or MAX_PAGE, MAX_PAGE)
    return Page(tuple(key.hex() for key in wanted.keys), low, high, limit, wanted.ascending, wanted.format)


def read_page(db: Connection, page: Page, *, tenant_id: int, mine: bytes | None) -> Found:
    """The statements of one page, voided ones left out.

    mine   digest of the only authority whose statements may be seen; None for all
    """
    rows = db.execute(_page_query(page, tenant_id, mine)).all()
    more = len(rows) > page.limit
    rows = rows[: page.limit]
    following = None
    if more:
        last = rows[-1].seq
        following = replace(page, low=last) if page.ascending else replace(page, high=last - 1)
    return Found([row.document for row in rows], following)


def get_statement(db: Connection, statement_id: str, *, tenant_id: int, voided: bool, mine: bytes | None) -> tuple[str, datetime]:
    """The document of one statement and the moment it was stored.

    voided   ask for a voided statement; without it a voided one is not found, and the other way round
    Raises   StatementNotFound
    """
    query = select(statement.c.document, statement.c.stored).where(
        statement.c.tenant_id == tenant_id, statement.c.id == statement_id.lower(), statement.c.voided.is_(voided)
    )
    row = db.execute(query if mine is None else query.where(statement.c.authority_key == mine)).first()
    if row is None:
        raise StatementNotFound
    return row.document, row.stored


def consistent_through(db: Connection, *, tenant_id: int, now: datetime) -> datetime:
    """The moment up to which every statement that is or will be stored can be read now.

    On PostgreSQL: a second before now when no transaction that writes is under way, else the last `stored` that is committed, which no
    later statement can precede. On SQLite, where writers cannot be seen, a second before now.
    now      read before the query whose answer carries the header
    Source   xAPI 1.0.3, Communication 2.1.3
    """
    calm = now - IN_FLIGHT_GRACE
    if db.dialect.name != "postgresql":
        return calm
    quiet = text("SELECT pg_snapshot_xmin(s) = pg_snapshot_xmax(s) FROM pg_current_snapshot() AS s")
    if db.scalar(quiet):
        return calm
    last_us = db.scalar(select(head.c.stored_us).where(head.c.tenant_id == tenant_id))
    return min(calm, datetime.fromtimestamp(0, now.tzinfo) + timedelta(microseconds=last_us)) if last_us else calm


def sign_more(page: Page, *, owner: str, now: datetime, pepper: bytes) -> str:
    """The text that stands for a page in a `more` link: opaque, URL-safe, only good for its owner, for a day."""
    body = strictjson.dumps([*asdict(page).values(), owner, int(now.timestamp()) + MORE_SECONDS])
    return base64.urlsafe_b64encode(_seal(body, pepper) + body).decode().rstrip("=")


def open_more(token: str, *, owner: str, now: datetime, pepper: bytes) -> Page:
    """The page that a `more` link stands for. Raises MoreInvalid."""
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        seal, body = raw[:16], raw[16:]
        if not hmac.compare_digest(seal, _seal(body, pepper)):
            raise MoreInvalid
        keys, low, high, limit, ascending, form, signed_owner, expires = strictjson.loads(body)
    except (ValueError, KaonaError):
        raise MoreInvalid from None
    if signed_owner != owner or expires < now.timestamp():
        raise MoreInvalid
    return Page(tuple(keys), low, high, limit, ascending, form)


def iterate(db: Connection, *, tenant_id: int, after: int, batch: int) -> Iterator[Sequence[Any]]:
    """Rows (seq, id, stored, document, voided) of all statements of a tenant in order of place, in batches."""
    columns = (statement.c.seq, statement.c.id, statement.c.stored, statement.c.document, statement.c.voided)
    query = select(*columns).where(statement.c.tenant_id == tenant_id).order_by(statement.c.seq).limit(batch)
    while rows := db.execute(query.where(statement.c.seq > after)).all():
        yield rows
        after = rows[-1].seq


def _page_query(page: Page, tenant_id: int, mine: bytes | None) -> Select[Any]:
    keys = [link.alias() for _ in page.keys]
    lead = keys[0] if keys else statement
    source: Any = lead
    for table in keys[1:]:
        source = source.join(table, and_(table.c.tenant_id == tenant_id, table.c.seq == lead.c.seq))
    if keys:
        source = source.join(statement, and_(statement.c.tenant_id == tenant_id, statement.c.seq == lead.c.seq))
    conditions = [table.c.key == bytes.fromhex(key) for table, key in zip(keys, page.keys, strict=True)]
    if mine is not None:
        conditions.append(statement.c.authority_key == mine)
    order = lead.c.seq.asc() if page.ascending else lead.c.seq.desc()
    return (
        select(lead.c.seq, statement.c.document)
        .select_from(source)
        .where(lead.c.tenant_id == tenant_id, lead.c.seq > page.low, lead.c.seq <= page.high, statement.c.voided.is_(False), *conditions)
        .order_by(order)
        .limit(page.limit + 1)
    )


def _last_place(db: Connection, tenant_id: int, moment: datetime) -> int:
    """The place of the last statement stored at or before a moment; 0 when there is none."""
    newest = (
        select(statement.c.seq)
        .where(statement.c.tenant_id == tenant_id, statement.c.stored <= moment)
        .order_by(statement.c.stored.desc())
        .limit(1)
    )
    return db.scalar(newest) or 0


def _seal(body: bytes, pepper: bytes) -> bytes:
    return hmac.digest(hashlib.sha256(b"xapi more\n" + pepper).digest(), body, "sha256")[:16]
