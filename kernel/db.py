"""The database: base class, column types, engine, and the one transaction that each request or job opens at its edge."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import JSON, DateTime, Engine, MetaData, create_engine, event
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection, Dialect, make_url
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

BUSY_TIMEOUT_SECONDS = 10
"""How long a SQLite writer waits for its turn."""

JsonDocument = JSON().with_variant(postgresql.JSONB(), "postgresql")
"""A JSON value that we wrote ourselves; received documents are kept as text, byte for byte."""


class Base(DeclarativeBase):
    """Base of every table of the application (the LRS has a base and a history of its own)."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: aware in Python, always UTC; microseconds kept. A naive value is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  the signature is SQLAlchemy's
        """The moment in UTC; a naive one is refused."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a zone cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  the signature is SQLAlchemy's
        """The moment, aware, UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Database:
    """One database and the two ways into it: `transaction` to write, `reading` to read.

    url   SQLAlchemy address; `sqlite:///FILE` or `postgresql+psycopg://...`
    """

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.url = url
        self.engine = new_engine(url, pool_size=pool_size)
        self._turn = threading.Lock() if self.engine.dialect.name == "sqlite" else None

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[Session]:
        """One writing transaction: commits when the block ends, rolls back when it raises.

        On SQLite it takes the write lock at once (BEGIN IMMEDIATE), so that it never fails half way.
        durable   False lets the commit return before the disk has it: for what may be lost in a power cut without harm,
                  such as a login that then has to be begun again. It is never torn, only lost.
        """
        with self._in_turn(), self.engine.connect() as connection, Session(connection, expire_on_commit=False) as session:
            connection.execution_options(kaona_write=True, kaona_durable=durable)
            with connection.begin():
                if not durable and connection.dialect.name == "postgresql":
                    connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
                yield session
                session.flush()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One consistent look at the data, as of its first statement; whatever the block adds is dropped."""
        with Session(self.engine, expire_on_commit=False, autoflush=False) as session:
            if self.engine.dialect.name == "postgresql":
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """The writers of one process go one by one: SQLite would let them sleep and try again, while the database stands idle."""
        has_turn = self._turn is not None and self._turn.acquire(timeout=BUSY_TIMEOUT_SECONDS)
        try:
            yield
        finally:
            if self._turn is not None and has_turn:
                self._turn.release()

    def dispose(self) -> None:
        """Closes every pooled connection."""
        self.engine.dispose()


def connection_of(db: Session) -> Connection:
    """The connection below a session of `transaction`, for the few statements that every request waits on.

    They pass by the session: what it has not flushed yet they do not see.
    """
    bind = db.get_bind()
    return bind if isinstance(bind, Connection) else db.connection()


def new_engine(url: str, *, pool_size: int = 10) -> Engine:
    """An engine with this project's habits for SQLite and PostgreSQL."""
    options: dict[str, Any] = {
        "json_serializer": lambda value: orjson.dumps(value).decode(),
        "json_deserializer": orjson.loads,
        "hide_parameters": True,  # an error's text must not carry names or answers into a log
    }
    if make_url(url).get_backend_name() == "sqlite":
        options["connect_args"] = {"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False}
        engine = create_engine(url, **options)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    return create_engine(url, pool_size=pool_size, max_overflow=pool_size, pool_pre_ping=True, pool_timeout=10, **options)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_SECONDS * 1000}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("kaona_write", False):
        level = "FULL" if options.get("kaona_durable", True) else "NORMAL"
        if connection.info.get("synchronous", "FULL") != level:
            connection.exec_driver_sql(f"PRAGMA synchronous={level}")
            connection.info["synchronous"] = level
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql("BEGIN")
