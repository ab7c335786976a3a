"""A table against a copy of itself taken earlier, row by row and column by column, as a stream."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, MetaData, Table, insert, select
from sqlalchemy.orm import Session

STREAM_ROWS = 1_000


_Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a table came out beside its copy."""

    n_rows: int
    """Rows of the table now."""
    n_equal: int
    """Rows equal in every column."""
    n_different: int
    """Rows that changed, appeared or vanished."""
    differences: list[str]
    """A sentence for each of the first ones."""


def copy_table(db: Session, table: Table) -> Table:
    """A temporary copy of a table's rows, for this transaction; drop it by `Table.drop`."""
    copy = Table(
        f"before_{table.name}", MetaData(), *(Column(column.name, column.type) for column in table.columns), prefixes=["TEMPORARY"]
    )
    copy.create(db.connection())
    db.execute(insert(copy).from_select([column.name for column in table.columns], select(table)))
    return copy


def compare_tables(db: Session, before: Table, after: Table, *, shown: int) -> Comparison:
    """Every row of a table against its earlier copy.

    after   the table itself; its primary key names a row in both
    shown   the most differences to describe; all of them are counted
    """
    n_rows, n_equal, n_different = 0, 0, 0
    differences: list[str] = []
    for old, new in _pairs(db, before, after):
        n_rows += new is not None
        if old == new:
            n_equal += 1
            continue
        n_different += 1
        if len(differences) < shown:
            differences.append(_sentence(after, old, new))
    return Comparison(n_rows, n_equal, n_different, differences)


def _pairs(db: Session, before: Table, after: Table) -> Iterator[tuple[_Row | None, _Row | None]]:
    """Rows of both tables side by side, by key; None where one has no such row."""
    names = [column.name for column in after.primary_key]
    olds, news = _rows(db, before, names), _rows(db, after, names)
    old, new = next(olds, None), next(news, None)
    while old is not None or new is not None:
        if new is None or (old is not None and _key(old, names) < _key(new, names)):
            yield old, None
            old = next(olds, None)
        elif old is None or _key(new, names) < _key(old, names):
            yield None, new
            new = next(news, None)
        else:
            yield old, new
            old, new = next(olds, None), next(news, None)


def _sentence(table: Table, old: _Row | None, new: _Row | None) -> str:
    row = new or old or {}
    name = f"{table.name} " + " ".join(f"{column.name}={row[column.name]}" for column in table.primary_key)
    if old is None or new is None:
        return f"{name}: {'appeared' if old is None else 'vanished'}"
    return f"{name}: " + ", ".join(f"{column} {old[column]} -> {new[column]}" for column in new if old[column] != new[column])


def _rows(db: Session, table: Table, key: list[str]) -> Iterator[_Row]:
    ordered = select(table).order_by(*(table.columns[name] for name in key)).execution_options(yield_per=STREAM_ROWS)
    for row in db.execute(ordered).mappings():
        yield dict(row)


def _key(row: _Row, names: list[str]) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)
