import importlib
import subprocess
import sys
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text

from kernel.db import Base, Database
from lti_tool import migrate

for module in ("assessment.models", "learning.models", "lti_tool.models", "roadmap.models"):
    importlib.import_module(module)


def _is_ours(_object, name, kind, _reflected, _other):
    return not (kind == "table" and name.startswith("xapi_"))


def test_the_migrations_make_the_tables_that_the_code_knows(database_maker):
    url = database_maker.new_empty()
    database = Database(url)

    migrate.upgrade(database)

    with create_engine(url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": _is_ours})
        assert compare_metadata(context, Base.metadata) == []
    database.dispose()


def test_an_empty_database_gets_its_schema_and_an_old_one_stops_the_start(database_maker):
    import pytest
    from alembic import command

    database = Database(database_maker.new_empty())

    migrate.ensure_current(database)

    assert migrate.pending(database) == []
    with database.engine.connect().execution_options(kaona_write=True) as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.stamp(config, "base")
        connection.commit()
    with pytest.raises(migrate.SchemaBehind, match="kaona db upgrade"):
        migrate.ensure_current(database)
    database.dispose()


def test_every_migration_can_be_taken_back(database_maker):
    from alembic import command

    database = Database(database_maker.new_empty())
    migrate.upgrade(database)

    with database.engine.connect().execution_options(kaona_write=True) as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        connection.commit()

    tables = set(inspect(database.engine).get_table_names())
    assert not tables & set(Base.metadata.tables)
    database.dispose()


def test_the_revisions_read_from_the_files_are_those_of_alembic():
    from alembic.script import ScriptDirectory

    history = [step.revision for step in ScriptDirectory.from_config(migrate._config()).walk_revisions()]

    assert list(migrate.revisions()) == list(reversed(history))


def test_a_database_of_an_unknown_version_lacks_every_revision(database_maker):
    database = Database(database_maker.new_empty())
    migrate.upgrade(database)
    with database.transaction() as db:
        db.execute(text("UPDATE alembic_version SET version_num = 'unknown'"))

    assert migrate.pending(database) == list(migrate.revisions())
    database.dispose()


def test_a_start_that_finds_all_made_needs_neither_alembic_nor_the_font_tools():
    code = (
        "import sys, lti_tool.migrate, lti_tool.web.fonts;"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'alembic', 'mako', 'fontTools', 'fontpkg_sarabun'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
