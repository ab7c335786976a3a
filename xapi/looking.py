"""Looking at the store without a credential, for those who administer it: the newest statements, one with its text, and how many."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cache
from typing import Any, Final

import orjson
from sqlalchemy import func, select, true
from sqlalchemy import text as sql
from sqlalchemy.orm import Session

from kernel.clock import BANGKOK
from kernel.errors import KaonaError
from kernel.langmap import LangMap
from xapi import feeds, links, query
from xapi.errors import StatementNotFound
from xapi.models import link, reference, registry, statement
from xapi.pushes import WAITING_CAP
from xapi.query import Filter
from xapi.sentences import REQUEST_RULES, STATEMENT_RULES
from xapi.slices import Slice
from xapi.timestamps import moment_of, place_of

DAY_US: Final = 24 * 60 * 60 * 1_000_000
_SAMPLE: Final = 500
"""Newest statements whose verbs are counted even if nobody named them."""


COUNTED: Final = 20_000
"""On PostgreSQL statements are counted up to this number, and estimated beyond it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One statement as it is stored. `text`: letter for letter; `statement`: the same, parsed."""

    seq: int
    id: str
    stored: datetime
    text: str
    voided: bool

    @property
    def statement(self) -> dict[str, Any]:
        """The text, parsed."""
        value: dict[str, Any] = orjson.loads(self.text)
        return value


@dataclass(frozen=True, slots=True)
class FeedState:
    """A feed as administrators see it. waiting: statements its consumer is not done with, up to `WAITING_CAP`."""

    name: str
    owner: str
    slice: Slice
    created_at: datetime
    committed_at: datetime | None
    through: datetime | None
    """What was stored up to this moment is done with."""
    waiting: int


def list_newest(db: Session, *, tenant_id: int, part: Slice, before: int | None = None, limit: int = 25) -> tuple[list[Seen], int | None]:
    """Statements of a slice, the newest first, voided ones left out; and the `before` of the next page, if there is one.

    before   only places below this one
    """
    page = query.first_page(db.connection(), query.within(Filter(limit=limit), part), tenant_id=tenant_id)
    if before is not None:
        page = replace(page, high=min(page.high, before - 1))
    found = query.read_page(db.connection(), page, tenant_id=tenant_id, mine=None)
    seen = [_seen(seq, text, voided=False) for seq, text in zip(found.seqs, found.documents, strict=True)]
    return seen, found.seqs[-1] if found.next is not None else None


def get_seen(db: Session, statement_id: str, *, tenant_id: int) -> Seen:
    """One statement, voided or not. Raises StatementNotFound."""
    of_id = select(registry.c.seq).where(registry.c.tenant_id == tenant_id, registry.c.id == statement_id.lower())
    wanted = select(statement.c.document, statement.c.voided).where(statement.c.tenant_id == tenant_id)
    seq = db.scalar(of_id)
    row = None if seq is None else db.execute(wanted.where(statement.c.seq == seq)).first()
    if row is None or seq is None:
        raise StatementNotFound
    return _seen(seq, row.document, voided=row.voided)


def count_statements(db: Session, *, tenant_id: int | None) -> int:
    """How many statements are stored, voided ones too; of one tenant or of all.

    Above `COUNTED` on PostgreSQL the planner's estimate by its last statistics, in two digits and zeros.
    """
    wanted = select(statement.c.seq).where(statement.c.tenant_id == tenant_id if tenant_id is not None else true())
    if db.get_bind().dialect.name != "postgresql":
        return db.scalar(select(func.count()).select_from(wanted.subquery())) or 0
    count = db.scalar(select(func.count()).select_from(wanted.limit(COUNTED + 1).subquery())) or 0
    if count <= COUNTED:
        return count
    plan = str(wanted.compile(dialect=db.get_bind().dialect, compile_kwargs={"literal_binds": True}))
    [estimate] = db.scalar(sql(f"EXPLAIN (FORMAT JSON) {plan}"))
    rows = max(count, int(estimate["Plan"]["Plan Rows"]))
    return round(rows, 2 - len(str(rows)))


def count_by_day(db: Session, *, tenant_id: int, days: Sequence[date]) -> list[int]:
    """How many statements were stored on each of these days in Thailand, voided ones too.

    days   one after the other, the earliest first
    """
    low = place_of(_midnight(days[0]))
    day = (statement.c.seq - low) // DAY_US
    within = (statement.c.tenant_id == tenant_id, statement.c.seq >= low, statement.c.seq < low + len(days) * DAY_US)
    counted = {int(at): n for at, n in db.execute(select(day, func.count()).where(*within).group_by(day))}
    return [counted.get(place, 0) for place in range(len(days))]


def count_by_verb(db: Session, *, tenant_id: int, days: Sequence[date], known: Iterable[str]) -> dict[str | None, int]:
    """How many statements with each verb were stored on these days, the most frequent verb first; under None all other verbs.

    A statement that refers to another is found by that one's verb too, and counts here with its own alone.
    known   verbs that are counted; those of the newest statements are counted in any case
    """
    low, high = place_of(_midnight(days[0])), place_of(_midnight(days[-1])) + DAY_US
    of_range = (statement.c.tenant_id == tenant_id, statement.c.seq >= low, statement.c.seq < high)
    newest = db.scalars(select(statement.c.document).where(*of_range).order_by(statement.c.seq.desc()).limit(_SAMPLE))
    verbs = dict.fromkeys([*known, *(_verb(text) for text in newest)])
    refers = select(reference.c.seq).where(reference.c.tenant_id == tenant_id, reference.c.seq >= low, reference.c.seq < high)
    by_key = {links.verb_key(verb): verb for verb in verbs}
    of_keys = (link.c.tenant_id == tenant_id, link.c.key.in_(by_key), link.c.seq >= low, link.c.seq < high, link.c.seq.not_in(refers))
    counts: dict[str | None, int] = {
        by_key[bytes(key)]: n for key, n in db.execute(select(link.c.key, func.count()).where(*of_keys).group_by(link.c.key))
    }
    for text in db.scalars(select(statement.c.document).where(*of_range, statement.c.seq.in_(refers)).execution_options(yield_per=500)):
        verb = _verb(text)
        counts[verb] = counts.get(verb, 0) + 1
    rest = (db.scalar(select(func.count()).select_from(statement).where(*of_range)) or 0) - sum(counts.values())
    ordered = dict(sorted(counts.items(), key=lambda one: -one[1]))
    return {**ordered, None: rest} if rest else ordered


def list_feed_states(db: Session, *, tenant_id: int) -> list[FeedState]:
    """The feeds of a tenant with their lag."""
    return [_feed_state(db, one) for one in feeds.list_feeds(db.connection(), tenant_id=tenant_id)]


def remove_feed(db: Session, *, tenant_id: int, name: str) -> None:
    """Forgets a feed, whoever made it, and its cursor. Raises FeedNotFound."""
    feeds.delete_feed(db.connection(), tenant_id=tenant_id, name=name, owner=None)


@cache
def reason_of(code: str, rule: str | None) -> LangMap:
    """What a refusal says: the sentence of its rule, else of its code; a value that the sentence would name is an ellipsis."""
    texts: LangMap | None = STATEMENT_RULES.get(rule or "") or REQUEST_RULES.get(rule or "")
    if texts is None:
        ours = (kind for kind in _kinds(KaonaError) if kind.__module__.startswith(("xapi.", "kernel.")))
        texts = next((kind.message for kind in ours if kind.code == code), {"th": code, "en": code})
    return {language: re.sub(r"\{\w+\}", "…", text) for language, text in texts.items()}


def _kinds(kind: type[KaonaError]) -> Iterable[type[KaonaError]]:
    for one in kind.__subclasses__():
        yield one
        yield from _kinds(one)


def _feed_state(db: Session, one: feeds.Feed) -> FeedState:
    page = query.first_page(db.connection(), query.within(Filter(ascending=True), one.slice), tenant_id=one.tenant_id)
    page = replace(page, low=max(page.low, one.position), limit=WAITING_CAP)
    waiting = query.count_page(db.connection(), page, tenant_id=one.tenant_id)
    through = moment_of(one.position) if one.position else None
    return FeedState(one.name, one.owner, one.slice, one.created_at, one.committed_at, through, waiting)


def _seen(seq: int, text: str, *, voided: bool) -> Seen:
    return Seen(seq, str(orjson.loads(text)["id"]), moment_of(seq), text, voided)


def _verb(text: str) -> str:
    return str(orjson.loads(text)["verb"]["id"])


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=BANGKOK)
