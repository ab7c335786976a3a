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

from sqlalchemy import ColumnElement, Connection, FromClause, and_, exists, select, text, union
from sqlalchemy.sql import Select

from kernel import strictjson
from kernel.errors import KaonaError
from xapi.errors import MoreInvalid, StatementNotFound
from xapi.models import head, link, statement
from xapi.slices import Slice
from xapi.vocabulary import MAX_PAGE, MORE_SECONDS

IN_FLIGHT_GRACE = timedelta(seconds=1)
"""Between reading the clock and taking the turn a writer may lose this long, clocks of several machines included."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What a query asks for. `keys`: digests of `links` in groups, of each of which a statement must have one; the most selective first."""

    keys: tuple[tuple[bytes, ...], ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 0
    ascending: bool = False
    format: str = "exact"


@dataclass(frozen=True, slots=True)
class Page:
    """One page to read: places above `low` up to `high`, in one order, at most `limit` statements."""

    keys: tuple[tuple[str, ...], ...]
    """Hexadecimal digests, in groups."""
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
    keys = tuple(tuple(key.hex() for key in group) for group in wanted.keys)
    return Page(keys, low, high, limit, wanted.ascending, wanted.format)


def within(wanted: Filter, part: Slice) -> Filter:
    """The same question, asked of a slice."""
    since = max((moment for moment in (wanted.since, part.since) if moment is not None), default=None)
    until = min((moment for moment in (wanted.until, part.until) if moment is not None), default=None)
    return replace(wanted, keys=wanted.keys + part.keys, since=since, until=until)


def is_in_slice(db: Connection, seq: int, part: Slice, *, tenant_id: int) -> bool:
    """Whether the statement at a place lies in a slice."""
    query = select(statement.c.seq).where(statement.c.tenant_id == tenant_id, statement.c.seq == seq)
    if part.since is not None:
        query = query.where(statement.c.stored > part.since)
    if part.until is not None:
        query = query.where(statement.c.stored <= part.until)
    for keys in part.keys:
        query = query.where(_has_one_of(keys, statement.c.seq, tenant_id))
    return db.execute(query).first() is not None


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
    return Page(tuple(map(tuple, keys)), low, high, limit, ascending, form)


def iterate(db: Connection, *, tenant_id: int, after: int, batch: int) -> Iterator[Sequence[Any]]:
    """Rows (seq, id, stored, document, voided) of all statements of a tenant in order of place, in batches."""
    columns = (statement.c.seq, statement.c.id, statement.c.stored, statement.c.document, statement.c.voided)
    query = select(*columns).where(statement.c.tenant_id == tenant_id).order_by(statement.c.seq).limit(batch)
    while rows := db.execute(query.where(statement.c.seq > after)).all():
        yield rows
        after = rows[-1].seq


def _page_query(page: Page, tenant_id: int, mine: bytes | None) -> Select[Any]:
    groups = sorted((tuple(map(bytes.fromhex, group)) for group in page.keys), key=len)
    if not groups:
        return _rows(page, statement, tenant_id, mine)
    if len(groups[0]) == 1:
        return _rows_by_keys(page, groups[0][0], groups[1:], tenant_id, mine)
    # every group has several keys: the first places by each key of one group, together, and of those the first
    each = [_rows_by_keys(page, key, groups[1:], tenant_id, mine).subquery() for key in groups[0]]
    found = union(*(select(one.c.seq) for one in each)).subquery()
    order = found.c.seq.asc() if page.ascending else found.c.seq.desc()
    at = and_(statement.c.tenant_id == tenant_id, statement.c.seq == found.c.seq)
    return select(found.c.seq, statement.c.document).select_from(found.join(statement, at)).order_by(order).limit(page.limit + 1)


def _rows_by_keys(page: Page, key: bytes, groups: Sequence[tuple[bytes, ...]], tenant_id: int, mine: bytes | None) -> Select[Any]:
    """The rows of a page that have one key, and one of each of the groups."""
    lead = link.alias()
    source: Any = lead
    conditions: list[ColumnElement[bool]] = [lead.c.key == key]
    for group in groups:
        if len(group) == 1:
            other = link.alias()
            source = source.join(other, and_(other.c.tenant_id == tenant_id, other.c.seq == lead.c.seq))
            conditions.append(other.c.key == group[0])
        else:
            conditions.append(_has_one_of(group, lead.c.seq, tenant_id))
    source = source.join(statement, and_(statement.c.tenant_id == tenant_id, statement.c.seq == lead.c.seq))
    return _rows(page, lead, tenant_id, mine).select_from(source).where(*conditions)


def _rows(page: Page, lead: FromClause, tenant_id: int, mine: bytes | None) -> Select[Any]:
    """The rows of a page, `lead` being the table whose places are read in order."""
    order = lead.c.seq.asc() if page.ascending else lead.c.seq.desc()
    rows = (
        select(lead.c.seq, statement.c.document)
        .where(lead.c.tenant_id == tenant_id, lead.c.seq > page.low, lead.c.seq <= page.high, statement.c.voided.is_(False))
        .order_by(order)
        .limit(page.limit + 1)
    )
    return rows if mine is None else rows.where(statement.c.authority_key == mine)


def _has_one_of(keys: Sequence[bytes], seq: ColumnElement[int], tenant_id: int) -> ColumnElement[bool]:
    one = link.alias()
    return exists().where(one.c.tenant_id == tenant_id, one.c.key.in_(keys), one.c.seq == seq)


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
