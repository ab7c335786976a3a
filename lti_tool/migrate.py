"""The schema's history: the application's own and, beside it, the LRS's."""

from importlib.resources import files
from typing import ClassVar

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

import xapi.api as xapi
from kernel.db import Database
from kernel.errors import KaonaError


class SchemaBehind(KaonaError):
    """The database has data and an older schema: an operator decides when it is brought up to date."""

    code = "schema_behind"
    message: ClassVar = {
        "th": "โครงสร้างฐานข้อมูลยังไม่เป็นรุ่นปัจจุบัน โปรดสั่ง: kaona db upgrade",
        "en": "The database's schema is behind this version. Make a backup, then run: kaona db upgrade",
    }


def ensure_current(database: Database) -> None:
    """Makes the schema of an empty database, and refuses one that is behind.

    Raises  SchemaBehind
    """
    missing = pending(database)
    if not missing:
        return
    if inspect(database.engine).has_table("alembic_version"):
        raise SchemaBehind
    upgrade(database)


def upgrade(database: Database) -> None:
    """Brings the database to the newest schema; does nothing when it is there."""
    with database.engine.connect().execution_options(kaona_write=True) as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
    xapi.migrate(database)


def pending(database: Database) -> list[str]:
    """Revisions that the database has not yet seen, oldest first; empty when it is up to date."""
    script = ScriptDirectory.from_config(_config())
    with database.engine.connect() as connection:
        present = set(MigrationContext.configure(connection).get_current_heads())
    revisions = [step.revision for step in script.walk_revisions()]
    missing: list[str] = []
    for revision in revisions:
        if revision in present:
            break
        missing.append(revision)
    return list(reversed(missing))


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("lti_tool") / "migrations"))
    return config
