"""Statements that every launch or answer waits on: made once for each kind of database, then run at the cost of the driver alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Table, bindparam
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

from kernel.db import connection_of

Convert = Callable[[Any], Any]


class Statement(Protocol):
    """A Core statement whose values are all bound by name."""

    def compile(self, *, dialect: Dialect) -> Any:
        """Its text for one kind of database."""

    @property
    def exported_columns(self) -> Any:
        """What it gives back."""


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

    It gives plain tuples, passes by what the session has not flushed, and takes no lists within `IN`. Faults of the database
    are those of SQLAlchemy, without the values.
    """

    def __init__(self, statement: Statement) -> None:
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
        compiled = self._statement.compile(dialect=dialect)
        binds = {name: bind for bind, name in compiled.bind_names.items()}
        types = {name: bind.type.dialect_impl(dialect) for name, bind in binds.items()}
        into = {name: convert for name, kind in types.items() if (convert := kind.bind_processor(dialect)) is not None}
        fixed = {name: bind.value for name, bind in binds.items() if not bind.required}
        columns: list[TypeEngine[Any]] = [column.type.dialect_impl(dialect) for column in self._statement.exported_columns]
        out_of = [(place, convert) for place, kind in enumerate(columns) if (convert := kind.result_processor(dialect, None)) is not None]
        names = compiled.positiontup
        made = _Made(str(compiled), None if names is None else tuple(names), fixed, tuple(into.items()), tuple(out_of))
        self._made[dialect.name] = made
        return made


def all_but_id(table: Table) -> dict[str, Any]:
    """A value for each column of a new row but its own key, bound by the column's name; an insert then takes all of them."""
    return {column.name: bindparam(column.name) for column in table.columns if not column.primary_key}


def _converted(row: tuple[Any, ...], out_of: tuple[tuple[int, Convert], ...]) -> tuple[Any, ...]:
    values = list(row)
    for place, convert in out_of:
        values[place] = convert(values[place])
    return tuple(values)
