"""The schema's history: the application's own and, beside it, the LRS's.

Alembic is imported when the schema is moved; to know whether it must be, the revisions' names are enough.
"""

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import inspect, text

from kernel.db import Database
from kernel.errors import KaonaError

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).with_name("migrations")
VERSION_TABLE = "alembic_version"
LINK = re.compile(r'^(revision|down_revision)(?::[^=\n]+)? = (?:"([^"]+)"|None)$', re.MULTILINE)
"""The two lines by which a migration names itself and the one before it."""


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
    if inspect(database.engine).has_table(VERSION_TABLE):
        raise SchemaBehind
    upgrade(database)


def upgrade(database: Database) -> None:
    """Brings the database to the newest schema; does nothing when it is there."""
    from alembic import command  # noqa: PLC0415  a process that only serves does without

    import xapi.api as xapi  # noqa: PLC0415

    with database.engine.connect().execution_options(kaona_write=True) as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
    xapi.migrate(database)


def pending(database: Database) -> list[str]:
    """Revisions that the database has not yet seen, oldest first; empty when it is up to date."""
    with database.engine.connect() as connection:
        known = inspect(connection).has_table(VERSION_TABLE)
        present = set(connection.scalars(text(f"SELECT version_num FROM {VERSION_TABLE}"))) if known else set()  # noqa: S608  a fixed name
    missing: list[str] = []
    for revision in reversed(revisions()):
        if revision in present:
            break
        missing.append(revision)
    return list(reversed(missing))


@cache
def revisions() -> tuple[str, ...]:
    """Every revision of this version of the code, oldest first, as its files name them; each follows one other."""
    after: dict[str | None, str] = {}
    for file in (MIGRATIONS / "versions").glob("*.py"):
        named = {name: revision or None for name, revision in LINK.findall(file.read_text(encoding="utf-8"))}
        after[named["down_revision"]] = str(named["revision"])
    chain: list[str] = []
    step = after.get(None)
    while step is not None:
        chain.append(step)
        step = after.get(step)
    return tuple(chain)


def _config() -> "Config":
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
