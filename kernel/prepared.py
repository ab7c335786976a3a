"""Statements that every launch or answer waits on: made once for each kind of database, then run at the cost of the driver alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import BindParameter, ColumnElement, Table, Text, TypeDecorator, bindparam
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import Boolean, Float, TypeEngine

from kernel import strictjson
from kernel.db import connection_of

Convert = Callable[[Any], Any]


_FLOAT8 = 701
"""PostgreSQL's number of the type of all our floats."""


class Statement(Protocol):
    """A Core statement whose values are all bound by name."""

    def compile(self, *, dialect: Dialect) -> Any:
        """Its text for one kind of database."""

    @property
    def exported_columns(self) -> Any:
        """What it gives back."""


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


@dataclass(frozen=True, slots=True)
class _Made:
    text: str
    names: tuple[str, ...] | None
    """Order of the values where the driver takes them by place; None where it takes them by name."""
    fixed: Mapping[str, Any]
    """Values that stand in the statement itself, converted."""
    into: tuple[tuple[str, Convert], ...]
    out_of: tuple[tuple[int, Convert], ...]
    """Place of a column, and what turns the driver's value into ours."""


class Prepared:
    """One Core statement, ready to be run within a transaction.

    It gives plain tuples, passes by what the session has not flushed, and takes lists by `OneOf` alone. Faults of the database
    are those of SQLAlchemy, without the values.

    statement   the same for every kind of database, or one for each, see `either`
    """

    def __init__(self, statement: Statement | Mapping[str, Statement]) -> None:
        self._statement = statement
        self._made: dict[str, _Made] = {}

    def rows(self, db: Session | Connection, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """What the statement gives back, each column as its type says."""
        cursor, out_of = self._run(db, values)
        found: list[Any] = cursor.fetchall()
        cursor.close()
        if not out_of:
            return found
        return [_converted(row, out_of) for row in found]

    def flushed_rows(self, db: Session, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """As `rows`, with all that this session has added or changed, unless it only reads."""
        if db.autoflush:
            db.flush()  # the statement passes by the session
        return self.rows(db, values)

    def first(self, db: Session | Connection, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """The first row; None without one."""
        found = self.rows(db, values)
        return found[0] if found else None

    def count(self, db: Session | Connection, values: Mapping[str, Any]) -> int:
        """How many rows were written by a statement that gives none back; how many a SELECT found, on PostgreSQL alone."""
        cursor, _ = self._run(db, values)
        n_rows = int(cursor.rowcount)
        cursor.close()
        return n_rows

    def _run(self, db: Session | Connection, values: Mapping[str, Any]) -> tuple[Any, tuple[tuple[int, Convert], ...]]:
        connection = connection_of(db)
        made = self._made.get(connection.dialect.name) or self._make(connection.dialect)
        given = {**values, **made.fixed}
        for name, convert in made.into:
            given[name] = convert(given[name])
        parameters = given if made.names is None else tuple([given[name] for name in made.names])
        cursor = connection.connection.cursor()
        for told in connection.dispatch.before_cursor_execute:
            told(connection, cursor, made.text, parameters, None, False)
        errors = connection.dialect.loaded_dbapi.Error
        try:
            cursor.execute(made.text, parameters)
        except errors as error:
            is_gone = connection.dialect.is_disconnect(error, connection.connection, cursor)
            if is_gone:
                connection.invalidate(error)
            raise DBAPIError.instance(
                made.text, None, error, errors, hide_parameters=True, connection_invalidated=is_gone, dialect=connection.dialect
            ) from error
        return cursor, made.out_of

    def _make(self, dialect: Dialect) -> _Made:
        statement = self._statement[dialect.name] if isinstance(self._statement, Mapping) else self._statement
        compiled = statement.compile(dialect=dialect)
        binds = {name: bind for bind, name in compiled.bind_names.items()}
        types = {name: bind.type.dialect_impl(dialect) for name, bind in binds.items()}
        into = {name: convert for name, kind in types.items() if (convert := kind.bind_processor(dialect)) is not None}
        fixed = {name: bind.value for name, bind in binds.items() if not bind.required}
        columns: list[TypeEngine[Any]] = [column.type.dialect_impl(dialect) for column in statement.exported_columns]
        out_of = [(place, convert) for place, kind in enumerate(columns) if (convert := _out_of(kind, dialect)) is not None]
        names = compiled.positiontup
        made = _Made(str(compiled), None if names is None else tuple(names), fixed, tuple(into.items()), tuple(out_of))
        self._made[dialect.name] = made
        return made


def _out_of(kind: TypeEngine[Any], dialect: Dialect) -> Convert | None:
    """What turns the driver's value of a column into ours."""
    given = _FLOAT8 if isinstance(kind, Float) else None  # PostgreSQL's Float asks what the driver gave; other types do not
    return kind.result_processor(dialect, given)


def either(make: Callable[[Any], Any]) -> dict[str, Any]:
    """A statement that begins with the insert of the database in use, which knows what to do on conflict: `make` gets that insert."""
    return {"postgresql": make(postgresql.insert), "sqlite": make(sqlite.insert)}


def all_but_id(table: Table) -> dict[str, Any]:
    """A value for each column of a new row but its own key, bound by the column's name; an insert then takes all of them."""
    return {column.name: bindparam(column.name) for column in table.columns if not column.primary_key}


def _converted(row: tuple[Any, ...], out_of: tuple[tuple[int, Convert], ...]) -> tuple[Any, ...]:
    values = list(row)
    for place, convert in out_of:
        values[place] = convert(values[place])
    return tuple(values)
