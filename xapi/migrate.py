"""Brings the LRS's own tables to the newest revision; their history is apart from any application's."""

from pathlib import Path

from sqlalchemy import Engine

from kernel.clock import system_clock
from kernel.db import Database
from xapi.partitions import keep_ahead

VERSION_TABLE = "xapi_alembic_version"
NEWEST = "head"


def migrate(database: Database | Engine, revision: str = NEWEST) -> None:
    """Moves the schema up to `revision`, and makes the partitions that the newest one needs; running it again changes nothing."""
    from alembic import command  # noqa: PLC0415  the web process never migrates, and need not load it
    from alembic.config import Config  # noqa: PLC0415

    engine = database.engine if isinstance(database, Database) else database
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        if revision == NEWEST:
            keep_ahead(connection, now=system_clock())
