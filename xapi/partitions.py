"""Partitions by month (PostgreSQL): made ahead, found by place, filled later from the default partition if they came late.

A place in the sequence is a moment, so a month is a range of places, in every tenant the same. What no partition takes in stands in the
default partition: nothing is ever lost or refused for want of a partition, and `keep_ahead` brings it home. SQLite keeps plain tables.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, text

from xapi.models import PARTITIONED
from xapi.timestamps import moment_of, place_of

MONTHS_AHEAD = 3
"""Partitions that stand ready for months to come."""

_LOCK = 0x78617069
"""Who makes or drops partitions holds this advisory lock of its transaction."""

_ATTACHED = text(
    "SELECT substr(c.relname, length(:parent) + 2) FROM pg_inherits JOIN pg_class AS c ON c.oid = inhrelid"
    " WHERE inhparent = to_regclass(:parent)"
)
"""What the names of a table's partitions end with."""


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A month of UTC, as a range of places."""

    year: int
    number: int

    @classmethod
    def of(cls, moment: datetime) -> "Month":
        """The month in which a moment lies."""
        there = moment.astimezone(UTC)
        return cls(there.year, there.month)

    @property
    def next(self) -> "Month":
        """The month after this one."""
        return self.plus(1)

    @property
    def start(self) -> int:
        """The first place of the month."""
        return place_of(datetime(self.year, self.number, 1, tzinfo=UTC))

    @property
    def suffix(self) -> str:
        """What the names of its partitions end with."""
        return f"{self.year:04}_{self.number:02}"

    def plus(self, months: int) -> "Month":
        """The month so many months later, or earlier; none before the year 1 or after 9999."""
        at = min(max(self.year * 12 + self.number - 1 + months, 12), 9999 * 12 + 11)
        return Month(at // 12, at % 12 + 1)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"


def windows(db: Connection, low: int, high: int, *, ascending: bool) -> Iterator[tuple[int, int]]:
    """A range of places cut at the edges of months, from the end where reading begins: one month, the next six, the next 36 ...

    So the first page of a common filter opens one or two partitions, and that of a rare one takes three or four queries.
    low, high   places above `low` up to `high`
    Returns     ranges of the same kind; on SQLite the whole range
    """
    if db.dialect.name != "postgresql":
        yield low, high
        return
    months = 1
    while low < high:
        if ascending:
            edge = min(high, Month.of(moment_of(low + 1)).plus(months).start - 1)
            yield low, edge
            low = edge
        else:
            edge = max(low, Month.of(moment_of(high)).plus(1 - months).start - 1)
            yield edge, high
            high = edge
        months *= 6


def keep_ahead(db: Connection, *, now: datetime) -> list[str]:
    """Makes the partitions of this month, of those ahead, and of months whose statements stand in the default partition.

    Cheap when there is nothing to make; any number of workers may call it. Returns the names of the partitions that it made.
    """
    if db.dialect.name != "postgresql":
        return []
    last = Month.of(now).plus(MONTHS_AHEAD)
    ahead = {Month.of(now).plus(months) for months in range(MONTHS_AHEAD + 1)}
    missing = {table.name: _missing(db, table.name, ahead, last) for table in PARTITIONED}
    if not any(missing.values()):
        return []
    db.execute(text("SET LOCAL lock_timeout = '5s'"))
    db.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    return [attach(db, parent, month) for parent in missing for month in _missing(db, parent, ahead, last)]


def list_months(db: Connection) -> list[Month]:
    """The months that have partitions of their own, oldest first."""
    found = [suffix for suffix in db.scalars(_ATTACHED, {"parent": PARTITIONED[0].name}) if suffix != "default"]
    return sorted(Month(*map(int, suffix.split("_"))) for suffix in found)


def size(db: Connection, month: Month) -> int:
    """Bytes of a month's partitions with their indexes."""
    names = [f"{table.name}_{month.suffix}" for table in PARTITIONED]
    return sum(db.scalar(text("SELECT pg_total_relation_size(to_regclass(:name))"), {"name": name}) or 0 for name in names)


def drop(db: Connection, month: Month) -> None:
    """Detaches the partitions of a month and drops them. Readers wait for a moment at most, or it fails and may be tried again."""
    db.execute(text("SET LOCAL lock_timeout = '5s'"))
    db.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    for table in PARTITIONED:
        db.execute(text(f"ALTER TABLE {table.name} DETACH PARTITION {table.name}_{month.suffix}"))
        db.execute(text(f"DROP TABLE {table.name}_{month.suffix}"))


def _missing(db: Connection, parent: str, ahead: set[Month], last: Month) -> list[Month]:
    """Months that need a partition and have none."""
    attached = set(db.scalars(_ATTACHED, {"parent": parent}))
    if not attached:  # not partitioned: a schema of before
        return []
    months = text(f"SELECT DISTINCT to_char(to_timestamp(seq / 1000000) AT TIME ZONE 'UTC', 'YYYY_MM') FROM {parent}_default")  # noqa: S608  our own table
    homeless = {Month(*map(int, month.split("_"))) for month in db.scalars(months)}
    wanted = ahead | {month for month in homeless if month <= last}
    return sorted(month for month in wanted if month.suffix not in attached)


def attach(db: Connection, parent: str, month: Month) -> str:
    """Makes the partition of a month, with the rows that wait for it in the default partition; gives its name."""
    name, low, high = f"{parent}_{month.suffix}", month.start, month.next.start
    db.execute(text(f"LOCK TABLE {parent}_default IN ACCESS EXCLUSIVE MODE"))
    db.execute(text(f"CREATE TABLE {name} (LIKE {parent} INCLUDING ALL)"))
    moved = f"DELETE FROM {parent}_default WHERE seq >= {low} AND seq < {high} RETURNING *"  # noqa: S608  numbers and our own names
    db.execute(text(f"WITH moved AS ({moved}) INSERT INTO {name} SELECT * FROM moved"))  # noqa: S608
    db.execute(text(f"ALTER TABLE {parent} ATTACH PARTITION {name} FOR VALUES FROM ({low}) TO ({high})"))
    return name
