"""Many rows in one statement, on either database.

PostgreSQL takes one binary array a column and unnests them (more than twice the speed of executemany with long texts); a column whose
values are all alike goes as one value. SQLite runs its own fast loop over the rows.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, Dialect, Table, Text, TypeDecorator, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import Boolean, TypeEngine

from kernel import strictjson
from kernel.prepared import Prepared
from xapi.links import KEY_BYTES
from xapi.models import link

_Processor = Callable[[Any], Any]


class _ListOf(TypeDecorator[Sequence[Any]]):
    """Values of one type as one bound value: an array of PostgreSQL, a JSON text for SQLite."""

    impl = Text
    cache_ok = True

    def __init__(self, item: TypeEngine[Any]) -> None:
        super().__init__()
        self.item = item

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """An array where there are arrays."""
        return dialect.type_descriptor(ARRAY(self.item) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Sequence[Any] | None, dialect: Dialect) -> Any:
        """The list in the form that the database takes."""
        if dialect.name == "postgresql" or value is None:
            return value
        convert = self.item.dialect_impl(dialect).bind_processor(dialect)
        return strictjson.dumps([convert(each) for each in value] if convert else list(value)).decode()


class OneOf(ColumnElement[bool]):
    """Whether a column has one of the values that are bound as a list by a name: one statement, however many values there are."""

    inherit_cache = False
    type = Boolean()

    def __init__(self, column: ColumnElement[Any], name: str) -> None:
        self.column = column
        self.values: BindParameter[Any] = bindparam(name, type_=_ListOf(column.type))


@compiles(OneOf)
def _one_of(element: OneOf, compiler: SQLCompiler, **kw: Any) -> str:
    column, values = compiler.process(element.column, **kw), compiler.process(element.values, **kw)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608  the compiler's own words


@compiles(OneOf, "postgresql")
def _one_of_array(element: OneOf, compiler: SQLCompiler, **kw: Any) -> str:
    return f"{compiler.process(element.column, **kw)} = ANY ({compiler.process(element.values, **kw)})"


_LINKS = (
    f"INSERT INTO {link.name} (tenant_id, key, seq) SELECT %s, substr(keys, at, {KEY_BYTES}), seq"  # noqa: S608  a name of our own
    f" FROM unnest(%b::bigint[], %b::bytea[]) AS given (seq, keys), generate_series(1, length(keys), {KEY_BYTES}) AS at"
)
"""All keys of a statement as one value: less than half of the client's work with one row a key."""


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
        query, processors = _by_row(table, db.dialect)
        db.exec_driver_sql(query + suffix, list(_processed(rows, processors)))


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


def insert_links(db: Connection, tenant_id: int, keys: Mapping[int, AbstractSet[bytes]]) -> None:
    """Inserts rows of the index: place to keys, none of which stands there."""
    if db.dialect.name == "postgresql":
        db.exec_driver_sql(_LINKS, (tenant_id, list(keys), [b"".join(sorted(each)) for each in keys.values()]))
    else:
        insert_rows(db, link, sorted((tenant_id, key, seq) for seq, each in keys.items() for key in each))


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
def _by_row(table: Table, dialect: Dialect) -> tuple[str, list[tuple[int, _Processor]]]:
    """The statement for one row, and which of its values the driver needs in another form."""
    marks = ", ".join("?" for _ in table.columns)
    found: list[tuple[int, _Processor | None]] = [
        (place, column.type.dialect_impl(dialect).bind_processor(dialect)) for place, column in enumerate(table.columns)
    ]
    processors = [(place, processor) for place, processor in found if processor is not None]
    return f"INSERT INTO {table.name} ({', '.join(table.columns.keys())}) VALUES ({marks})", processors  # noqa: S608  names of our own tables


def _processed(rows: Iterable[tuple[Any, ...]], processors: Sequence[tuple[int, _Processor]]) -> Iterable[tuple[Any, ...]]:
    for row in rows:
        values = list(row)
        for place, processor in processors:
            values[place] = processor(values[place])
        yield tuple(values)
