"""What the move to partial credit makes of sittings that are stored already."""

from datetime import UTC, datetime

import pytest
from alembic import command
from sqlalchemy import MetaData, Table, insert, select, text
from sqlalchemy.exc import IntegrityError

from kernel.db import Database
from lti_tool import migrate

NOW = datetime(2025, 3, 1, 2, tzinfo=UTC)


def moved_to(database, revision):
    with database.engine.connect().execution_options(kaona_write=True) as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        getattr(command, "upgrade" if revision > "0003" else "downgrade")(config, revision)
        connection.commit()


@pytest.fixture
def released(database_maker):
    """A database of the schema before, with one sitting of two answers."""
    database = Database(database_maker.new_empty())
    migrate.upgrade(database)
    moved_to(database, "0003")
    with database.engine.connect().execution_options(kaona_write=True) as connection:
        tables = MetaData()
        say = {name: Table(name, tables, autoload_with=connection) for name in ("item", "item_version", "item_parameter", "form")}
        say |= {name: Table(name, tables, autoload_with=connection) for name in ("form_version", "attempt", "presentation", "response")}
        say["ability_estimate"] = Table("ability_estimate", tables, autoload_with=connection)

        def add(name, **values):
            for column in say[name].columns:
                if column.name not in values and not column.nullable:
                    values[column.name] = filler(column, len(values))
            connection.execute(insert(say[name]).values(values))

        for item in (1, 2):
            add("item", id=item, key=f"q{item}", uuid=f"{item:032x}")
            add("item_version", id=item, item_id=item, n=1, time_guide_seconds=60)
            add("item_parameter", id=item, item_version_id=item, model="2pl", a=1.0, b=0.0, c=0.0)
        add("form", id=1, key="f", uuid=f"{1:032x}")
        add("form_version", id=1, form_id=1, n=1, uuid=f"{1:032x}")
        add("attempt", id=1, form_id=1, form_version_id=1, state="finished", finished_at=NOW, finish_reason="max_items", uuid=f"{1:032x}")
        for item in (1, 2):
            keys = {"attempt_id": 1, "item_id": item, "item_version_id": item, "item_parameter_id": item}
            add("presentation", id=item, position=item, uuid=f"{item:032x}", **keys)
            add(
                "response", id=item, attempt_id=1, presentation_id=item, client_id=f"c{item}", score=item - 1, theta_after=0.1, se_after=0.5
            )
        add("ability_estimate", attempt_id=1, domain="DLIT", theta=0.1, se=0.5, level=2, p_levels=[0.97, 0.52, 0.04])
        connection.commit()
    yield database
    database.dispose()


def filler(column, n):
    kind = column.type.python_type
    return {str: f"x{n}", bool: False, datetime: NOW, dict: []}.get(kind, 1 if kind in (int, float) else f"{n:032x}")


def test_scores_keep_their_value_and_verdicts_follow_from_the_stored_chances(released):
    moved_to(released, "0004")

    with released.engine.connect() as connection:
        assert list(connection.execute(text("SELECT id, score FROM response ORDER BY id")).all()) == [(1, 0.0), (2, 1.0)]
        estimate = Table("ability_estimate", MetaData(), autoload_with=connection)
        assert connection.scalars(select(estimate.c.verdicts)).one() == ["met", "undecided", "not_met"]
        assert connection.scalar(text("SELECT steps FROM item_parameter WHERE id = 1")) in ("[]", [])


def test_the_new_checks_hold_and_the_old_ones_are_gone(released):
    moved_to(released, "0004")

    for statement in (
        "UPDATE response SET score = 0.5 WHERE id = 1",
        "UPDATE item_parameter SET model = 'gpcm' WHERE id = 1",
        "UPDATE attempt SET finish_reason = 'submitted' WHERE id = 1",
    ):
        with released.engine.connect().execution_options(kaona_write=True) as connection:
            connection.execute(text(statement))
            connection.rollback()
    for statement in (
        "UPDATE response SET score = 1.5 WHERE id = 1",
        "UPDATE item_parameter SET model = '4pl' WHERE id = 1",
        "UPDATE attempt SET finish_reason = 'tired' WHERE id = 1",
    ):
        with released.engine.connect().execution_options(kaona_write=True) as connection, pytest.raises(IntegrityError):
            connection.execute(text(statement))


def test_a_database_without_partial_credit_can_go_back(released):
    moved_to(released, "0004")

    moved_to(released, "0003")

    with released.engine.connect().execution_options(kaona_write=True) as connection:
        assert list(connection.execute(text("SELECT id, score FROM response ORDER BY id")).all()) == [(1, 0), (2, 1)]
        with pytest.raises(IntegrityError):
            connection.execute(text("UPDATE response SET score = 2 WHERE id = 1"))


def test_a_database_with_partial_credit_does_not_go_back(released):
    moved_to(released, "0004")
    with released.engine.connect().execution_options(kaona_write=True) as connection:
        connection.execute(text("UPDATE response SET score = 0.5 WHERE id = 1"))
        connection.commit()

    with pytest.raises(RuntimeError, match="partial credit is stored"):
        moved_to(released, "0003")
