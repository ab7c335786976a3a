"""The tool with a database of its own, registered at a platform on loopback; time stands still."""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from kernel.db import Database
from lti_tool.models import Tenant
from lti_tool.settings import Settings
from tests.lti.lti_world import SECRET, TOOL, Moment, Platform, Tool, new_tool


@pytest.fixture(scope="session")
def kept_platforms() -> Iterator[Callable[[int], Platform]]:
    """Platforms by number, as good as new: each serves this test process to its end, or until a test closes it."""
    kept: dict[int, Platform] = {}

    def give(number: int) -> Platform:
        if number not in kept or kept[number].is_closed:
            kept[number] = Platform()
        kept[number].be_as_new()
        return kept[number]

    yield give
    for platform in kept.values():
        platform.close()


@pytest.fixture
def platform(kept_platforms: Callable[[int], Platform]) -> Platform:
    return kept_platforms(0)


@pytest.fixture
def other_platform(kept_platforms: Callable[[int], Platform]) -> Platform:
    return kept_platforms(1)


@pytest.fixture
def moment(now: datetime) -> Moment:
    return Moment(now)


@pytest.fixture(scope="session")
def settings(installation: Path) -> Settings:
    secret = installation / "secret-of-the-tests.key"
    secret.write_bytes(SECRET)
    return Settings(public_url=TOOL, data_dir=installation, secret_key_file=secret)


@pytest.fixture
def tool(database: Database, settings: Settings, moment: Moment, platform: Platform) -> Tool:
    return new_tool(database, settings, moment, platform)


@pytest.fixture
def tenant_id(tool: Tool) -> int:
    with tool.database.reading() as db:
        return db.scalars(select(Tenant.id)).one()
