"""`kaona lrs months`, `partitions`, `retain`, and what the worker makes ahead."""

import json
from datetime import timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import select

import xapi.api as xapi
from kernel.clock import system_clock
from kernel.db import Database
from lti_tool.cli import cli
from lti_tool.models.audit import AuditEntry
from lti_tool.workflows.background import sweep

AUTHORITY = {"objectType": "Agent", "account": {"homePage": "https://e.go.th", "name": "k"}}


def statement():
    return {"actor": {"mbox": "mailto:a@e.go.th"}, "verb": {"id": "https://e.go.th/v"}, "object": {"id": "https://e.go.th/a"}}


@pytest.fixture
def kaona(database, tmp_path, monkeypatch):
    """Runs one command in this process, on an installation that stored one statement a hundred days ago and one today."""
    monkeypatch.setenv("KAONA_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("KAONA_DATABASE_URL", database.url)
    monkeypatch.setattr("lti_tool.migrate.ensure_current", lambda _database: None)
    for days in (100, 0):
        with database.transaction() as db:
            moment = system_clock() - timedelta(days=days)
            xapi.store_statements(db, tenant_id=1, statements=[statement()], authority=AUTHORITY, now=moment)
    return lambda *arguments, **options: CliRunner().invoke(cli, ["lrs", *arguments], **options)


def n_statements(database: Database) -> int:
    with database.reading() as db:
        return xapi.count_statements(db)


def test_months_are_counted(kaona):
    now = xapi.Month.of(system_clock())
    old = xapi.Month.of(system_clock() - timedelta(days=100))

    found = json.loads(kaona("months", "--json").output)

    assert [(row["month"], row["statements"]) for row in found if row["statements"]] == [(str(old), 1), (str(now), 1)]


def test_a_dry_run_only_tells(kaona, database):
    told = json.loads(kaona("retain", "--months", "2", "--dry-run", "--json").output)

    assert [row["statements"] for row in told] == [1]
    assert n_statements(database) == 2


def test_retention_asks_and_is_written_down(kaona, database):
    refused = kaona("retain", "--months", "2", input="n\n")
    assert (refused.exit_code, n_statements(database)) == (1, 2)

    done = kaona("retain", "--months", "2", "--yes", "--json")

    assert done.exit_code == 0, done.output
    assert [row["statements"] for row in json.loads(done.output)] == [1]
    assert n_statements(database) == 1
    with database.reading() as db:
        [entry] = db.scalars(select(AuditEntry).where(AuditEntry.event == "statements.retained"))
        assert entry.details == {"before": f"{xapi.Month.of(system_clock()).plus(-2)}-01", "statements": 1}
    assert json.loads(kaona("retain", "--months", "2", "--yes", "--json").output) == []


def test_what_is_young_enough_stays(kaona, database):
    kaona("retain", "--months", "6", "--yes")

    assert n_statements(database) == 2


def test_partitions_are_made_by_command_and_by_the_worker(kaona, database, backend):
    sweep(database, system_clock)
    assert kaona("partitions").output == "nothing to make\n"

    later = system_clock() + timedelta(days=31)
    sweep(database, lambda: later)

    with database.looking() as db:
        months = xapi.list_leaving(db, xapi.Month.of(later).plus(4))
    if backend == "postgresql":
        assert [month.month for month in months][-1] == xapi.Month.of(later).plus(3)
