"""Reading statements: a query becomes a range of the sequence and the keys that a statement must have; pages follow by place.

A `more` link holds the page that comes next, whole: range, keys, order, limit, format. It is enciphered, bound to its credential and good
for a day. Its upper end is the head of the sequence when the first page was read, so statements that arrive later neither appear in
it nor shift it.
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from operator import itemgetter
from secrets import token_bytes
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import (
    BigInteger,
    BindParameter,
    Boolean,
    ColumnElement,
    Connection,
    FromClause,
    and_,
    bindparam,
    exists,
    func,
    select,
    text,
    union,
)
from sqlalchemy.sql import Select

from kernel import strictjson
from kernel.db import LAGS
from kernel.prepared import OneOf, Prepared
from xapi.errors import MoreInvalid, StatementNotFound
from xapi.models import head, link, registry, statement, stored
from xapi.partitions import windows
from xapi.slices import Slice
from xapi.timestamps import moment_of, place_of
from xapi.vocabulary import MAX_PAGE, MORE_SECONDS

IN_FLIGHT_GRACE = timedelta(seconds=1)
"""Between reading the clock and taking the turn a writer may lose this long, clocks of several machines included."""

_NONCE_BYTES = 12
_PROBED = 100
"""So many statements of each key are passed to see which of several is the rarest."""
_NOWHERE = float("inf")


_TENANT: BindParameter[Any] = bindparam("tenant")
_REACH = Prepared(select(head.c.first, head.c.seq).where(head.c.tenant_id == _TENANT))
_PLACE = Prepared(select(registry.c.seq).where(registry.c.tenant_id == _TENANT, registry.c.id == bindparam("id")))
_AT_PLACE = Prepared(
    select(statement.c.document, statement.c.voided, statement.c.authority_key).where(
        statement.c.tenant_id == _TENANT, statement.c.seq == bindparam("seq")
    )
)
_AT_PLACES = Prepared(
    select(statement.c.seq, statement.c.document).where(
        statement.c.tenant_id == _TENANT, OneOf(statement.c.seq, "places"), statement.c.voided.is_(False)
    )
)
_STATE = Prepared(
    text(
        "SELECT seq, pg_snapshot_xmin(now) = pg_snapshot_xmax(now) AS is_quiet"
        " FROM pg_current_snapshot() AS now LEFT JOIN xapi_head ON tenant_id = :tenant"
    ).columns(seq=BigInteger, is_quiet=Boolean)
)
"""The last place of a tenant, and whether no transaction that writes is under way (PostgreSQL)."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What a query asks for. `keys`: digests of `links` in groups, of each of which a statement must have one; the most selective first."""

    keys: tuple[tuple[bytes, ...], ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 0
    ascending: bool = False
    format: str = "exact"
    attachments: bool = False


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
    attachments: bool
    """Whether the contents of attachments come with the statements."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a page holds, and the page after it, if any."""

    documents: list[str]
    next: Page | None
    seqs: list[int]
    """Their places."""


def first_page(db: Connection, wanted: Filter, *, tenant_id: int) -> Page:
    """The first page of a query as of now; `since` and `until` become places in the sequence."""
    first, high = _REACH.first(db, {"tenant": tenant_id}) or (1, 0)
    low = max(first - 1, place_of(wanted.since) if wanted.since is not None else 0)
    high = min(high, place_of(wanted.until)) if wanted.until is not None else high
    limit = min(wanted.limit or MAX_PAGE, MAX_PAGE)
    keys = tuple(tuple(key.hex() for key in group) for group in wanted.keys)
    return Page(keys, low, high, limit, wanted.ascending, wanted.format, wanted.attachments)


def within(wanted: Filter, part: Slice) -> Filter:
    """The same question, asked of a slice."""
    since = max((moment for moment in (wanted.since, part.since) if moment is not None), default=None)
    until = min((moment for moment in (wanted.until, part.until) if moment is not None), default=None)
    return replace(wanted, keys=wanted.keys + part.keys, since=since, until=until)


def is_in_slice(db: Connection, seq: int, part: Slice, *, tenant_id: int) -> bool:
    """Whether the statement at a place lies in a slice."""
    query = select(statement.c.seq).where(statement.c.tenant_id == tenant_id, statement.c.seq == seq)
    if part.since is not None:
        query = query.where(statement.c.seq > place_of(part.since))
    if part.until is not None:
        query = query.where(statement.c.seq <= place_of(part.until))
    for keys in part.keys:
        query = query.where(_has_one_of(keys, statement.c.seq, tenant_id))
    return db.execute(query).first() is not None


def read_page(db: Connection, page: Page, *, tenant_id: int, mine: bytes | None) -> Found:
    """The statements of one page, voided ones left out.

    mine   digest of the only authority whose statements may be seen; None for all
    """
    rows = _page_rows(db, page, tenant_id, mine)
    more = len(rows) > page.limit
    rows = rows[: page.limit]
    following = None
    if more:
        following = _after(page, rows[-1][0])
    return Found([document for _, document in rows], following, [seq for seq, _ in rows])


def cut(page: Page, found: Found, count: int) -> Found:
    """The first statements of what a page holds, at least one; the next page goes on behind them."""
    if count >= len(found.seqs):
        return found
    return Found(found.documents[:count], _after(page, found.seqs[count - 1]), found.seqs[:count])


def read_places(db: Connection, page: Page, *, tenant_id: int) -> list[tuple[int, str]]:
    """Place and document of the statements of one page, voided ones left out."""
    return _page_rows(db, page, tenant_id, None)[: page.limit]


def count_page(db: Connection, page: Page, *, tenant_id: int) -> int:
    """How many statements a page holds, voided ones left out."""
    counted = _places(_Shape(_sizes(page), ascending=page.ascending, is_counted=True))
    count = 0
    for low, high in windows(db, page.low, page.high, ascending=page.ascending):
        values = _values(db, replace(page, low=low, high=high), tenant_id)
        row = counted.first(db, {**values, "wanted": page.limit - count})
        count += row[0] if row else 0
        if count >= page.limit:
            break
    return count


def get_statement(db: Connection, statement_id: str, *, tenant_id: int, voided: bool, mine: bytes | None) -> tuple[str, datetime, int]:
    """The document of one statement, the moment it was stored and its place.

    voided   ask for a voided statement; without it a voided one is not found, and the other way round
    Raises   StatementNotFound
    """
    place = _PLACE.first(db, {"tenant": tenant_id, "id": statement_id.lower()})
    found = place and _AT_PLACE.first(db, {"tenant": tenant_id, "seq": place[0]})
    if not place or not found or found[1] != voided or (mine is not None and bytes(found[2]) != mine):
        raise StatementNotFound
    return found[0], moment_of(place[0]), place[0]


def consistent_through(db: Connection, *, tenant_id: int, now: datetime) -> datetime:
    """The moment up to which every statement that is or will be stored can be read now.

    On PostgreSQL: a second before now when no transaction that writes is under way, else the last `stored` that is committed, which no
    later statement can precede. On a replica, which cannot know what is under way: the last `stored` that has come there, for the same
    reason. On SQLite, where writers cannot be seen, a second before now.
    now      read before the query whose answer carries the header
    Source   xAPI 1.0.3, Communication 2.1.3
    """
    calm = now - IN_FLIGHT_GRACE
    if db.dialect.name != "postgresql":
        return calm
    last, is_quiet = _STATE.first(db, {"tenant": tenant_id}) or (None, False)
    if db.get_execution_options().get(LAGS, False):
        return moment_of(last or 0)
    return min(calm, moment_of(last)) if last and not is_quiet else calm


def sign_more(page: Page, *, owner: str, now: datetime, pepper: bytes) -> str:
    """The text that stands for a page in a `more` link: URL-safe, only good for its owner, for a day.

    It is enciphered: its keys are digests of agents, by which who holds a list of people could find out whom a query is about.
    """
    body = strictjson.dumps([*asdict(page).values(), int(now.timestamp()) + MORE_SECONDS])
    nonce = token_bytes(_NONCE_BYTES)
    return base64.urlsafe_b64encode(nonce + _more_cipher(pepper).encrypt(nonce, body, owner.encode())).decode().rstrip("=")


def open_more(token: str, *, owner: str, now: datetime, pepper: bytes) -> Page:
    """The page that a `more` link stands for. Raises MoreInvalid."""
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        body = _more_cipher(pepper).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], owner.encode())
    except (ValueError, InvalidTag):
        raise MoreInvalid from None
    keys, *rest, expires = strictjson.loads(body)
    if expires < now.timestamp():
        raise MoreInvalid
    return Page(tuple(map(tuple, keys)), *rest)


def iterate(db: Connection, *, tenant_id: int, after: int, batch: int) -> Iterator[Sequence[Any]]:
    """Rows (seq, id, stored, document, voided) of all statements of a tenant in order of place, in batches."""
    columns = (statement.c.seq, statement.c.id, stored, statement.c.document, statement.c.voided)
    query = select(*columns).where(statement.c.tenant_id == tenant_id).order_by(statement.c.seq).limit(batch)
    while rows := db.execute(query.where(statement.c.seq > after)).all():
        yield rows
        after = rows[-1].seq


def _after(page: Page, last: int) -> Page:
    """The page that goes on behind a place."""
    return replace(page, low=last) if page.ascending else replace(page, high=last - 1)


def _page_rows(db: Connection, page: Page, tenant_id: int, mine: bytes | None) -> list[tuple[int, str]]:
    """The rows of a page, and one more if there is one.

    The index gives the places, the statements follow by their places: so only the partitions that hold them are opened.
    """
    shape = _Shape(_sizes(page), ascending=page.ascending, is_mine=mine is not None)
    rows: list[tuple[int, str]] = []
    for low, high in windows(db, page.low, page.high, ascending=page.ascending):
        part = replace(page, low=low, high=high)
        values = _values(db, part, tenant_id) | ({"mine": mine} if mine is not None else {})
        while len(rows) <= page.limit:
            wanted = page.limit + 1 - len(rows)
            places = [row[0] for row in _places(shape).rows(db, {**values, "first": part.low + 1, "last": part.high, "wanted": wanted})]
            if places:
                found = _AT_PLACES.rows(db, {"tenant": tenant_id, "places": places})
                rows += sorted(found, key=itemgetter(0), reverse=not page.ascending)
            if len(places) < wanted:
                break
            part = _after(part, places[-1])  # some of them were void
        if len(rows) > page.limit:
            break
    return rows


def _sizes(page: Page) -> tuple[int, ...]:
    """How many keys each group has, the smaller groups first."""
    return tuple(sorted(map(len, page.keys)))


def _values(db: Connection, page: Page, tenant_id: int) -> dict[str, Any]:
    """The values of a query by name: of groups with one key the rarest first, for it leads and the others are looked up."""
    groups = sorted((tuple(map(bytes.fromhex, group)) for group in page.keys), key=len)
    values: dict[str, Any] = {"tenant": tenant_id, "first": page.low + 1, "last": page.high}
    single = [group for group in groups if len(group) == 1]
    if len(single) > 1:
        given = {f"key_{number}_0": group[0] for number, group in enumerate(single)}
        far = _how_far(len(single), ascending=page.ascending).first(db, values | given) or ()
        rarity = [_NOWHERE if place is None else place if page.ascending else -place for place in far]
        groups[: len(single)] = [single[number] for number in sorted(range(len(single)), key=lambda number: -rarity[number])]
    return values | {f"key_{number}_{place}": key for number, group in enumerate(groups) for place, key in enumerate(group)}


@lru_cache(maxsize=50)
def _how_far(n_keys: int, *, ascending: bool) -> Prepared:
    """How far from where reading begins the hundredth statement of each of some keys stands: the farther, the rarer; none past the end."""
    far = []
    for number in range(n_keys):
        one = link.alias()
        order = one.c.seq.asc() if ascending else one.c.seq.desc()
        of_key = select(one.c.seq).where(one.c.tenant_id == _TENANT, one.c.key == _key(number, 0), *_within(one.c.seq))
        far.append(of_key.order_by(order).offset(_PROBED).limit(1).scalar_subquery())
    return Prepared(select(*far))


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a query is but for its values: how many keys each of its groups has, the smaller groups first."""

    groups: tuple[int, ...]
    ascending: bool
    is_mine: bool = False
    is_counted: bool = False
    """Whether the voided are left out by the query itself, for only the number counts."""

    @property
    def conditions(self) -> tuple[ColumnElement[bool], ...]:
        """Those on the statement itself."""
        mine = (statement.c.authority_key == bindparam("mine"),) if self.is_mine else ()
        return (*mine, statement.c.voided.is_(False)) if self.is_counted else mine


@lru_cache(maxsize=500)
def _places(shape: _Shape) -> Prepared:
    """The first places of a range (`first` to `last`, `wanted` of them) that have one key of every group.

    By the index alone, as far as there are no conditions on the statement itself.
    """
    if not shape.groups:
        query = _in_order(shape, statement.c.seq).where(statement.c.tenant_id == _TENANT, *shape.conditions)
    elif shape.groups[0] == 1:
        query = _places_by_key(shape, 0)
    else:  # every group has several keys: the first places by each key of one group, together, and of those the first
        each = [_places_by_key(shape, place).subquery() for place in range(shape.groups[0])]
        query = _in_order(shape, union(*(select(one.c.seq) for one in each)).subquery().c.seq)
    return Prepared(select(func.count()).select_from(query.subquery()) if shape.is_counted else query)


def _places_by_key(shape: _Shape, place: int) -> Select[int]:
    """The first places of statements that have one key of the first group, and one of each of the others.

    The others are looked up for each place that the first group gives (`OFFSET 0` says so to PostgreSQL): joined, a common key would be
    read to its end.
    """
    lead = link.alias()
    query = _in_order(shape, lead.c.seq).where(lead.c.tenant_id == _TENANT, lead.c.key == _key(0, place))
    source: FromClause = lead
    for number, n_keys in enumerate(shape.groups[1:], start=1):
        other = link.alias()
        keys = [_key(number, each) for each in range(n_keys)]
        has_key = other.c.key == keys[0] if n_keys == 1 else other.c.key.in_(keys)
        here = select(other.c.seq).where(other.c.tenant_id == _TENANT, has_key, other.c.seq == lead.c.seq, *_within(other.c.seq))
        query = query.where(here.correlate(lead).offset(0).exists())
    if shape.conditions:
        source = source.join(statement, and_(statement.c.tenant_id == _TENANT, statement.c.seq == lead.c.seq))
        query = query.where(*shape.conditions, *_within(statement.c.seq))
    return query.select_from(source)


def _key(number: int, place: int) -> BindParameter[bytes]:
    return bindparam(f"key_{number}_{place}", type_=link.c.key.type)


def _in_order(shape: _Shape, seq: ColumnElement[int]) -> Select[int]:
    """The first places of a range."""
    order = seq.asc() if shape.ascending else seq.desc()
    return select(seq).where(*_within(seq)).order_by(order).limit(bindparam("wanted", type_=BigInteger))


def _within(seq: ColumnElement[int]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """The range of a query, said of each table of a join: the partitions to open are known before the first row.

    Not `seq > low`: between the last place of a month and the first of the next one PostgreSQL would still look into the former.
    """
    return seq >= bindparam("first", type_=BigInteger), seq <= bindparam("last", type_=BigInteger)


def _has_one_of(keys: Sequence[bytes], seq: ColumnElement[int], tenant_id: int) -> ColumnElement[bool]:
    one = link.alias()
    return exists().where(one.c.tenant_id == tenant_id, one.c.key.in_(keys), one.c.seq == seq)


def _more_cipher(pepper: bytes) -> AESGCM:
    return AESGCM(hashlib.sha256(b"xapi more\n" + pepper).digest())
