"""The running installation of each kind of database, one for all walks of this process, and people who walk."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from sqlalchemy import create_engine, text

from tests.flows.house import House, running_house
from tests.flows.walker import Learner


@pytest.fixture(scope="session")
def empty_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Gives the address of a new database without any table."""
    numbers = iter(range(1000))

    def make(kind: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path_factory.mktemp('flows')}/kaona.sqlite"
        server = request.getfixturevalue("postgresql_server")
        name = f"flows_{next(numbers)}"
        engine = create_engine(server.format(name="postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f'CREATE DATABASE "{name}"'))
        engine.dispose()
        return server.format(name=name)

    return make


@pytest.fixture(scope="session")
def house_of(empty_database: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], House]]:
    """The installation on one kind of database; made when first asked for."""
    with ExitStack() as stack:
        houses: dict[str, House] = {}

        def get(kind: str) -> House:
            if kind not in houses:
                houses[kind] = stack.enter_context(running_house(empty_database(kind), tmp_path_factory.mktemp(f"house-{kind}")))
            return houses[kind]

        yield get


@pytest.fixture
def house(backend: str, house_of: Callable[[str], House]) -> House:
    """The installation, on SQLite and on PostgreSQL in turn."""
    return house_of(backend)


@pytest.fixture(scope="session")
def quiet_house(backend: str, empty_database: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """An installation into which nobody walks but who looks: its small agency stays small."""
    with running_house(empty_database(backend), tmp_path_factory.mktemp(f"quiet-{backend}")) as house:
        yield house


@pytest.fixture
def sqlite_house(house_of: Callable[[str], House]) -> House:
    """The installation on SQLite, for walks that need a browser or processes of their own."""
    return house_of("sqlite")


@pytest.fixture
def learner(house: House) -> Iterator[Learner]:
    """An official who opens the tool for the first time."""
    newcomer = Learner(house, next(house.far.newcomers))
    yield newcomer
    newcomer.browser.close()


@pytest.fixture
def another(house: House) -> Iterator[Learner]:
    """A second one."""
    newcomer = Learner(house, next(house.far.newcomers))
    yield newcomer
    newcomer.browser.close()
