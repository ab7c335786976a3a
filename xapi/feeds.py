"""Feeds: what a consumer reads of a slice, in the order of arrival, from where it stopped. No HTTP here.

A place in the sequence is given inside the serialised commit (`store`), so whoever sees a place sees every place below it, and a cursor
is nothing but the last place that was read. It is written as an opaque text that holds for its tenant alone and for ever.

Who has read everything may wait. Waiting holds no connection: one look at the heads of the sequences, a few times a second and for all
who wait in this process together, tells each when to read again.
"""

import base64
import hashlib
import hmac
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, delete, func, select, update
from sqlalchemy.exc import SQLAlchemyError

from kernel import strictjson
from xapi import query
from xapi.auth import Sight
from xapi.bulk import insert_rows
from xapi.errors import CursorInvalid, FeedNotFound, FeedTaken, RequestInvalid
from xapi.models import feed, head
from xapi.slices import EVERYTHING, Slice, read_slice
from xapi.vocabulary import FEED_NAME, MAX_PAGE

MAX_FEEDS: Final = 100
"""Feeds of one credential."""
LOOK_SECONDS: Final = 0.25
"""Between two looks at the heads while somebody waits."""

ENDING: Final = threading.Event()
"""Set when this process is about to end: nobody is to wait any more."""

EVERYTHING_SEEN: Final = Sight(None, EVERYTHING)
"""The sight of who may see all."""
Reading = Callable[[], AbstractContextManager[Connection]]
"""Opens a connection to read with, for as long as the block lasts."""
Look = Callable[[Callable[[Connection], "Batch"]], "Batch"]
"""Does some reading, on a replica if there is one."""

_SEAL_BYTES = 12
_HEADS = select(head.c.tenant_id, head.c.seq).where(head.c.tenant_id.in_(bindparam("tenants", expanding=True)))


@dataclass(frozen=True, slots=True)
class Feed:
    """A slice with a name and the cursor that is kept for its consumer.

    owner          key of the credential that made it
    position       the last place that the consumer is done with; 0 before the first
    committed_at   when the consumer said so; None: never
    """

    tenant_id: int
    name: str
    owner: str
    slice: Slice
    position: int
    committed_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Batch:
    """What was read: statements with their places, oldest first, and the place to go on from."""

    rows: Sequence[tuple[int, str]]
    position: int
    is_last: bool
    """Whether nothing more was there."""


def put_feed(db: Connection, *, tenant_id: int, name: str, owner: str, part: Slice, now: datetime) -> tuple[Feed, bool]:
    """Makes a feed, or gives one of the same owner another slice; its cursor stays where it is. Tells whether it is new.

    name     1 to 64 letters, digits, dots, hyphens and low lines of ASCII, a letter or digit first
    Raises   RequestInvalid for a name of another form or a feed too many, FeedTaken
    """
    if not re.fullmatch(FEED_NAME.rstrip("$"), name):
        raise RequestInvalid("feed_name", "name")
    text = strictjson.dumps(part.to_json()).decode()
    mine = (feed.c.tenant_id == tenant_id, feed.c.name == name, feed.c.owner == owner)
    is_known = db.execute(update(feed).where(*mine).values(slice=text)).rowcount > 0
    if not is_known:
        owned = select(func.count()).select_from(feed).where(feed.c.tenant_id == tenant_id, feed.c.owner == owner)
        if (db.scalar(owned) or 0) >= MAX_FEEDS:
            raise RequestInvalid("too_many_feeds", "name")
        insert_rows(db, feed, [(tenant_id, name, owner, text, 0, None, now)], skip_known=True)
    try:
        return get_feed(db, tenant_id=tenant_id, name=name, owner=owner), not is_known
    except FeedNotFound:
        raise FeedTaken(name=name) from None


def get_feed(db: Connection, *, tenant_id: int, name: str, owner: str | None) -> Feed:
    """One feed; with an owner only if it is theirs. Raises FeedNotFound."""
    row = db.execute(select(feed).where(*_named(tenant_id, name, owner))).first()
    if row is None:
        raise FeedNotFound
    return _feed(row)


def list_feeds(db: Connection, *, tenant_id: int, owner: str | None = None) -> list[Feed]:
    """The feeds of a tenant by name, those of one owner or all."""
    wanted = select(feed).where(feed.c.tenant_id == tenant_id).order_by(feed.c.name)
    return [_feed(row) for row in db.execute(wanted if owner is None else wanted.where(feed.c.owner == owner))]


def commit(db: Connection, *, tenant_id: int, name: str, owner: str | None, position: int, now: datetime) -> Feed:
    """Keeps a place as the one up to which the consumer is done, be it before or after the last one. Raises FeedNotFound."""
    db.execute(update(feed).where(*_named(tenant_id, name, owner)).values(position=position, committed_at=now))
    return get_feed(db, tenant_id=tenant_id, name=name, owner=owner)


def delete_feed(db: Connection, *, tenant_id: int, name: str, owner: str | None) -> None:
    """Forgets a feed and its cursor; no statement goes with it. Raises FeedNotFound."""
    if db.execute(delete(feed).where(*_named(tenant_id, name, owner))).rowcount == 0:
        raise FeedNotFound


def read(
    db: Connection, part: Slice, *, tenant_id: int, sight: Sight = EVERYTHING_SEEN, after: int, through: int | None = None, limit: int
) -> Batch:
    """The statements of a slice that come after a place, voided ones left out, as their reader may see them.

    after     the last place that was read, 0 for none
    through   the last place to read; None for the end
    limit     1 to 500
    """
    seen = head_of(db, tenant_id)
    wanted = query.within(query.Filter(limit=limit, ascending=True), part)
    wanted = replace(wanted, keys=part.keys_by(lambda agent: sight.agent_key(agent, related=True)))
    page = query.first_page(db, query.within(wanted, sight.part), tenant_id=tenant_id)
    high = page.high if through is None else min(page.high, through)
    found = query.read_page(db, replace(page, low=max(page.low, after), high=high), tenant_id=tenant_id, mine=sight.mine)
    rows = [(seq, sight.shown(document)) for seq, document in zip(found.seqs, found.documents, strict=True)]
    if found.next is not None:
        return Batch(rows, found.next.low, is_last=False)
    end = max(seen, page.high)
    return Batch(rows, max(after, end if through is None else min(end, through)), is_last=True)


def batches(look: Look, part: Slice, *, tenant_id: int, sight: Sight = EVERYTHING_SEEN, after: int, through: int) -> Iterator[Batch]:
    """All of a slice after one place up to another, in batches; no connection is held between two.

    A replica that lags ends before `through`, and its last batch says where.
    """
    while True:
        batch = look(partial(read, part=part, tenant_id=tenant_id, sight=sight, after=after, through=through, limit=MAX_PAGE))
        yield batch
        if batch.is_last:
            return
        after = batch.position


def head_of(db: Connection, tenant_id: int) -> int:
    """The last place that was given out in a tenant; 0 when there is none."""
    return db.scalar(select(head.c.seq).where(head.c.tenant_id == tenant_id)) or 0


def heads(db: Connection) -> dict[int, int]:
    """The last place that was given out in each tenant that has statements."""
    return {row.tenant_id: row.seq for row in db.execute(select(head.c.tenant_id, head.c.seq))}


def place_after(db: Connection, moment: datetime, *, tenant_id: int) -> int:
    """The place after which all that was stored after a moment stands."""
    return query.first_page(db, query.Filter(since=moment), tenant_id=tenant_id).low


def sign_cursor(position: int, *, tenant_id: int, pepper: bytes) -> str:
    """A place as a consumer gets it: 27 URL-safe characters, the same for the same place, that say nothing of how much is stored."""
    seal = _digest(pepper, b"seal", tenant_id, position.to_bytes(8, "big"))[:_SEAL_BYTES]
    mask = int.from_bytes(_digest(pepper, b"mask", tenant_id, seal)[:8], "big")
    return base64.urlsafe_b64encode(seal + (position ^ mask).to_bytes(8, "big")).decode().rstrip("=")


def open_cursor(cursor: str, *, tenant_id: int, pepper: bytes) -> int:
    """The place that a cursor stands for; `0` is the beginning. Raises CursorInvalid."""
    if cursor == "0":
        return 0
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise CursorInvalid from None
    seal, masked = raw[:_SEAL_BYTES], raw[_SEAL_BYTES:]
    position = int.from_bytes(masked, "big") ^ int.from_bytes(_digest(pepper, b"mask", tenant_id, seal)[:8], "big")
    if len(masked) != 8 or not hmac.compare_digest(seal, _digest(pepper, b"seal", tenant_id, position.to_bytes(8, "big"))[:_SEAL_BYTES]):  # noqa: PLR2004  bytes of a place
        raise CursorInvalid
    return position


class Watch:
    """Wakes those who wait when the sequence of their tenant has grown."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._looked = threading.Condition()
        self._waiting: Counter[int] = Counter()
        self._heads: dict[int, int] = {}
        self._is_looking = False

    def wait(self, tenant_id: int, *, beyond: int, seconds: float) -> bool:
        """Waits until the tenant's sequence has gone beyond a place, at most so many seconds; tells whether it has.

        It is over at once when the process is `ENDING`.
        """

        def is_over() -> bool:
            return ENDING.is_set() or self._heads.get(tenant_id, 0) > beyond

        with self._looked:
            self._waiting[tenant_id] += 1
            if not self._is_looking:
                self._is_looking = True
                threading.Thread(target=self._look, name="xapi-feeds", daemon=True).start()
            try:
                self._looked.wait_for(is_over, seconds)
            finally:
                self._waiting[tenant_id] -= 1
            return self._heads.get(tenant_id, 0) > beyond

    def _look(self) -> None:
        """Reads the heads again and again, until nobody waits; a database that does not answer is asked again."""
        while True:
            with self._looked:
                tenants = [tenant_id for tenant_id, n in self._waiting.items() if n]
                if not tenants:
                    self._is_looking = False
                    return
            heads: dict[int, int] = {}
            with suppress(SQLAlchemyError), self._reading() as db:
                heads = {row.tenant_id: row.seq for row in db.execute(_HEADS, {"tenants": tenants})}
            with self._looked:
                self._heads |= heads
                self._looked.notify_all()
            time.sleep(LOOK_SECONDS)


def _feed(row: Row[Any]) -> Feed:
    part = read_slice(strictjson.loads(row.slice))
    return Feed(row.tenant_id, row.name, row.owner, part, row.position, row.committed_at, row.created_at)


def _named(tenant_id: int, name: str, owner: str | None) -> list[Any]:
    whose = [feed.c.tenant_id == tenant_id, feed.c.name == name]
    return whose if owner is None else [*whose, feed.c.owner == owner]


def _digest(pepper: bytes, purpose: bytes, tenant_id: int, value: bytes) -> bytes:
    key = hashlib.sha256(b"xapi cursor\n" + pepper).digest()
    return hmac.digest(key, b"\n".join((purpose, str(tenant_id).encode(), value)), "sha256")
