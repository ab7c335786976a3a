"""The database: base class, column types, engine, and the one transaction that each request or job opens at its edge."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from typing import Any, TypeVar

import orjson
from sqlalchemy import JSON, DateTime, Engine, MetaData, create_engine, event
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection, Dialect, make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.pool import QueuePool
from sqlalchemy.types import TypeDecorator

from kernel.turns import Turn

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

Result = TypeVar("Result")

BUSY_TIMEOUT_SECONDS = 10
"""How long a SQLite writer waits for its turn."""
PING_AFTER_SECONDS = 1.0
"""A pooled connection that was idle for longer is asked whether it still lives before it is used."""
REPLICA_PAUSE_SECONDS = 10.0
"""How long a replica that failed is left alone."""
N_ATTEMPTS = 4
"""How often a transaction is begun that PostgreSQL ended for a deadlock or a failed serialization."""
_TRIED_AGAIN = frozenset({"40P01", "40001"})
LAGS = "kaona_lags"
"""Execution option of a replica's connections: what they see may be older than what is committed."""

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
    """One database and the ways into it: `transaction` to write, `reading` to read, `look` to read what may be a moment old.

    url           SQLAlchemy address; `sqlite:///FILE` or `postgresql+psycopg://...`
    replica_url   that of a replica of it, if there is one
    """

    def __init__(self, url: str, *, pool_size: int = 10, replica_url: str = "") -> None:
        self.url = url
        self.engine = new_engine(url, pool_size=pool_size)
        self._replica = new_engine(replica_url, pool_size=pool_size).execution_options(**{LAGS: True}) if replica_url else None
        self._replica_away_until = 0.0
        file = self.engine.url.database if self.engine.dialect.name == "sqlite" else None
        self._turn = Turn(file, wait_seconds=BUSY_TIMEOUT_SECONDS) if file and file != ":memory:" else None

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[Session]:
        """One writing transaction: commits when the block ends, rolls back when it raises.

        On SQLite it takes the write lock at once (BEGIN IMMEDIATE), so that it never fails half way.
        durable   False lets the commit return before the disk has it: for what may be lost in a power cut without harm,
                  such as a login that then has to be begun again. It is never torn, only lost.
        """
        with self.engine.connect() as connection, Session(connection, expire_on_commit=False) as session:
            connection.execution_options(kaona_write=True, kaona_durable=durable)
            with self._in_turn(), connection.begin():
                if not durable and connection.dialect.name == "postgresql":
                    connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
                yield session
                session.flush()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """The shortest way to write: a connection without a session, for what one prepared statement does.

        On SQLite a transaction as that of `transaction`; on PostgreSQL each statement is one by itself, in one round trip.
        """
        if self.engine.dialect.name == "postgresql":
            with self.looking() as connection:
                yield connection
            return
        with self.engine.connect() as connection:
            connection.execution_options(kaona_write=True)
            with self._in_turn(), connection.begin():
                yield connection

    def write(self, work: Callable[[Session], Result]) -> Result:
        """Does some work in a writing transaction of its own and gives its result.

        When PostgreSQL ends it for a deadlock (40P01) or a failed serialization (40001) it is done again: it must do nothing but write.
        """
        for attempt in range(1, N_ATTEMPTS + 1):
            try:
                with self.transaction() as db:
                    return work(db)
            except OperationalError as error:
                if attempt == N_ATTEMPTS or getattr(error.orig, "sqlstate", None) not in _TRIED_AGAIN:
                    raise
            time.sleep(0.02 * attempt)
        raise AssertionError("unreachable")

    @property
    def has_replica(self) -> bool:
        """Whether there is a replica to `look` at."""
        return self._replica is not None

    def look(self, work: Callable[[Connection], Result]) -> Result:
        """Does some work that only reads, each statement for itself, and may see what was true a moment ago; gives its result.

        On the replica, if there is one; on the primary when the replica is away, or fails under the work, which is then done again.
        """
        if self._replica is not None and time.monotonic() >= self._replica_away_until:
            try:
                with _each_for_itself(self._replica) as db:
                    return work(db)
            except (DBAPIError, PoolTimeout):
                self._replica_away_until = time.monotonic() + REPLICA_PAUSE_SECONDS
        with self.looking() as db:
            return work(db)

    @contextmanager
    def looking(self) -> Iterator[Connection]:
        """A connection to the primary to read with, each statement for itself: none of them waits for a transaction to begin or end."""
        with _each_for_itself(self.engine) as db:
            yield db

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One consistent look at the data, as of its first statement; whatever the block adds is dropped."""
        with Session(self.engine, expire_on_commit=False, autoflush=False) as session:
            if self.engine.dialect.name == "postgresql":
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session

    def _in_turn(self) -> AbstractContextManager[None]:
        """The writers of a SQLite file go one by one."""
        return nullcontext() if self._turn is None else self._turn.taken()

    def dispose(self) -> None:
        """Closes every pooled connection."""
        self.engine.dispose()
        if self._turn is not None:
            self._turn.close()
        if self._replica is not None:
            self._replica.dispose()


def _each_for_itself(engine: Engine) -> Connection:
    on_postgresql = engine.dialect.name == "postgresql"
    return engine.connect().execution_options(**({"isolation_level": "AUTOCOMMIT"} if on_postgresql else {"kaona_alone": True}))


def connection_of(db: Session | Connection) -> Connection:
    """The connection below a session of `transaction`, for the few statements that every request waits on.

    They pass by the session: what it has not flushed yet they do not see.
    """
    if isinstance(db, Connection):
        return db
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
        if isinstance(engine.pool, QueuePool):  # a file: those who wait to write have connections, which readers must not lack
            engine = create_engine(url, max_overflow=-1, **options)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    engine = create_engine(url, pool_size=pool_size, max_overflow=pool_size, pool_use_lifo=True, pool_timeout=10, **options)
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "checkout", _ping_idle)
    return engine


def _note_use(_connection: Any, record: Any) -> None:
    record.info["used_at"] = time.monotonic()


def _ping_idle(connection: Any, record: Any, _proxy: Any) -> None:
    """Passes a connection that was used a moment ago or still answers; another one is opened in place of one that does not."""
    if time.monotonic() - record.info.get("used_at", time.monotonic()) <= PING_AFTER_SECONDS:
        return
    try:
        connection.autocommit = True
        connection.execute("")
        connection.autocommit = False
    except Exception as error:
        raise DisconnectionError from error


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
    elif not options.get("kaona_alone", False):
        connection.exec_driver_sql("BEGIN")
