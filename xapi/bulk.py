"""Many rows in one statement, on either database.

PostgreSQL takes one binary array a column and unnests them (more than twice the speed of executemany with long texts); a column whose
values are all alike goes as one value. SQLite takes the rows in statements of a hundred: a thread of Python lets others go on at each
statement, and whoever has the turn to write must not wait for them between two rows.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cache
from itertools import chain
from typing import Any

from sqlalchemy import Boolean, Connection, Dialect, LargeBinary, Table, bindparam, select

from kernel import strictjson
from kernel.prepared import OneOf, Prepared
from xapi.links import KEY_BYTES
from xapi.models import link

_Processor = Callable[[Any], Any]


_LINKS = (
    f"INSERT INTO {link.name} (tenant_id, key, seq) SELECT %s, substr(keys, at, {KEY_BYTES}), seq"  # noqa: S608  a name of our own
    f" FROM unnest(%b::bigint[], %b::bytea[]) AS given (seq, keys), generate_series(1, length(keys), {KEY_BYTES}) AS at"
)
"""All keys of a statement as one value: less than half of the client's work with one row a key."""
_LINKS_OF_SQLITE = (
    f"INSERT INTO {link.name} (tenant_id, key, seq) SELECT ?, substr(?, {KEY_BYTES} * at.key + 1, {KEY_BYTES}), at.value"  # noqa: S608
    " FROM json_each(?) AS at"
)
"""All keys as one value, and the place of each as a list."""
_ROWS_AT_ONCE = 100


def insert_rows(db: Connection, table: Table, rows: Sequence[tuple[Any, ...]], *, skip_known: bool = False) -> None:
    """Inserts rows that give every column of the table, in its order.

    skip_known   pass over a row whose key stands there already; else it is an IntegrityError
    """
    if not rows:
        return
    suffix = " ON CONFLICT DO NOTHING" if skip_known else ""
    if db.dialect.name == "postgresql":
        query, values = _from_arrays(table, rows, db.dialect)
        db.exec_driver_sql(query + suffix, values)
    else:
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            part = rows[start : start + _ROWS_AT_ONCE]
            query, processors = _by_rows(table, db.dialect, len(part))
            db.exec_driver_sql(query + suffix, tuple(chain.from_iterable(_processed(part, processors))))


def insert_new(db: Connection, table: Table, rows: Sequence[tuple[Any, ...]], *, column: str) -> AbstractSet[Any]:
    """Inserts the rows whose key does not stand there; gives their values of one column.

    The caller's lock keeps others from adding such rows meanwhile; the rows have one value of every other key column.
    """
    if db.dialect.name == "postgresql":
        query, values = _from_arrays(table, rows, db.dialect)
        return {str(row[0]) for row in db.exec_driver_sql(f"{query} ON CONFLICT DO NOTHING RETURNING {column}", values)}
    at = table.columns.keys().index(column)
    there, others = _known(table, column)
    key = {name: rows[0][place] for name, place in others}
    known = {row[0] for row in there.rows(db, {**key, "values": [row[at] for row in rows]})}
    insert_rows(db, table, [row for row in rows if row[at] not in known])
    return {row[at] for row in rows} - known


def insert_links(db: Connection, tenant_id: int, keys: Mapping[int, bytes]) -> None:
    """Inserts rows of the index: place to its keys, one after the other, none of which stands there."""
    if db.dialect.name == "postgresql":
        db.exec_driver_sql(_LINKS, (tenant_id, list(keys), list(keys.values())))
    else:
        places = [seq for seq, each in keys.items() for _ in range(len(each) // KEY_BYTES)]
        db.exec_driver_sql(_LINKS_OF_SQLITE, (tenant_id, b"".join(keys.values()), strictjson.dumps(places).decode()))


def _from_arrays(table: Table, rows: Sequence[tuple[Any, ...]], dialect: Dialect) -> tuple[str, tuple[Any, ...]]:
    columns = list(zip(*rows, strict=True))
    alike = tuple(column.count(column[0]) == len(rows) for column in columns)
    alike = alike if not all(alike) else (False, *alike[1:])
    values = [column[0] if same else list(column) for column, same in zip(columns, alike, strict=True)]
    order = [place for place, same in enumerate(alike) if same] + [place for place, same in enumerate(alike) if not same]
    return _insert_from_arrays(table, alike, dialect), tuple(values[place] for place in order)


@cache
def _insert_from_arrays(table: Table, alike: tuple[bool, ...], dialect: Dialect) -> str:
    """The statement for rows some of whose columns hold one value; those come first."""
    single = [column for column, same in zip(table.columns, alike, strict=True) if same]
    varied = [column for column, same in zip(table.columns, alike, strict=True) if not same]
    names = ", ".join(column.name for column in single + varied)
    values = "".join(f"%b::{column.type.compile(dialect)}, " for column in single)
    arrays = ", ".join(f"%b::{column.type.compile(dialect)}[]" for column in varied)
    return f"INSERT INTO {table.name} ({names}) SELECT {values}given.* FROM unnest({arrays}) AS given"  # noqa: S608  names of our own tables


@cache
def _known(table: Table, column: str) -> tuple[Prepared, list[tuple[str, int]]]:
    """The query for the values of a column that stand there, and the other columns of the key with their places."""
    others = [(key, place) for place, key in enumerate(table.columns) if key.primary_key and key.name != column]
    query = select(table.c[column]).where(*(key == bindparam(key.name) for key, _ in others), OneOf(table.c[column], "values"))
    return Prepared(query), [(key.name, place) for key, place in others]


@cache
def _by_rows(table: Table, dialect: Dialect, count: int) -> tuple[str, list[tuple[int, _Processor]]]:
    """The statement for so many rows, and which values of a row the driver needs in another form."""
    marks = ", ".join([f"({', '.join('?' for _ in table.columns)})"] * count)
    found: list[tuple[int, _Processor | None]] = [
        (place, column.type.dialect_impl(dialect).bind_processor(dialect))
        for place, column in enumerate(table.columns)
        if not isinstance(column.type, LargeBinary | Boolean)  # the driver takes them as they are
    ]
    processors = [(place, processor) for place, processor in found if processor is not None]
    return f"INSERT INTO {table.name} ({', '.join(table.columns.keys())}) VALUES {marks}", processors  # noqa: S608  names of our own tables


def _processed(rows: Iterable[tuple[Any, ...]], processors: Sequence[tuple[int, _Processor]]) -> Iterable[tuple[Any, ...]]:
    for row in rows:
        values = list(row)
        for place, processor in processors:
            values[place] = processor(values[place])
        yield tuple(values)
