"""The LRS's own history of tables."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text

from xapi.api import migrate
from xapi.migrate import VERSION_TABLE
from xapi.models import metadata


def test_the_migrated_schema_equals_the_models(database):
    _drop_everything(database)

    migrate(database)
    migrate(database)

    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "version_table": VERSION_TABLE,
                "include_name": lambda name, kind, _parents: kind != "table" or name in metadata.tables,
            },
        )
        assert compare_metadata(context, metadata) == []


def test_constraints_and_indexes_are_named_as_the_models_name_them(database):
    modelled = _names(database.engine)
    _drop_everything(database)

    migrate(create_engine(database.url))

    assert _names(database.engine) == modelled


def _names(engine):
    inspector = inspect(engine)
    return {
        table: (
            inspector.get_pk_constraint(table)["name"],
            sorted(index["name"] for index in inspector.get_indexes(table)),
            sorted(check["name"] for check in inspector.get_check_constraints(table)),
            sorted(key["name"] for key in inspector.get_foreign_keys(table)),
        )
        for table in metadata.tables
    }


def _drop_everything(database):
    with database.transaction() as db:
        for table in reversed(metadata.sorted_tables):
            db.execute(text(f"DROP TABLE {table.name}"))
