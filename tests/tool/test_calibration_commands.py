"""`kaona items calibrate`: hostile files, and runs from stored answers to parameters in use."""

import json
import os
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import select

import assessment.api as assessment
from kernel.clock import system_clock
from kernel.db import Database
from kernel.outbox import OutboxItem
from lti_tool.models import Tenant
from lti_tool.models.audit import AuditEntry, first_broken_audit
from lti_tool.settings import read_settings
from lti_tool.workflows.background import make_worker
from tests.assessment.stored_answers import answered, the_bank, the_form, truth
from tests.tool.test_item_commands import run

RULED = {
    "ragged": (
        "a,b,c\n1,0,1\n1,0\n0,x,1\n",
        "table_invalid",
        ("row 2: 2 cells where the heading has 3", "row 3, column b: 'x' is no score"),
    ),
    "empty": ("", "table_invalid", ("no line of names",)),
    "one": ("a\n1\n0\n", "nothing_to_calibrate", ("Only 1",)),
    "guttman": (
        "a,b,c,d\n" + "".join(",".join(str(int(k < n)) for k in range(4)) + "\n" for n in range(5) for _ in range(50)),
        "not_converged",
        ("the slope grows without end",),
    ),
    "partial": ("a,b\n1,2\n0,1\n", "table_invalid", ("row 1, column b: 2: this model takes 0 and 1 alone",)),
}


@pytest.mark.parametrize("name", RULED)
def test_a_file_that_gives_no_numbers_is_refused_with_its_places_and_a_code(tmp_path: Path, name: str):
    content, code, told = RULED[name]
    file = tmp_path / "answers.csv"
    file.write_text(content)

    done = run("calibrate", "--responses", file, "--model", "2pl", "--json")

    assert (done.exit_code, done.stdout) == (1, "")
    assert f"[{code}]" in done.stderr
    for part in told:
        assert part in done.stderr


def test_what_was_done_with_odd_columns_is_told(tmp_path: Path):
    chance = Random(1)
    lines = []
    for _ in range(400):
        theta = chance.gauss(0, 1)
        right = [int(chance.gauss(theta, 1) > bar) for bar in (-0.5, 0.0, 0.5, 0.2)]
        lines.append(f"{right[0]},{right[1]},{right[2]},{right[3] / 2},1")
    file = tmp_path / "answers.csv"
    file.write_text("a,b,c,half,easy\n" + "\n".join(lines))

    done = run("calibrate", "--responses", file, "--model", "gpcm", "--json")

    found = json.loads(done.stdout)
    assert [item["item"] for item in found["items"]] == ["a", "b", "c", "half"]
    assert (found["set_aside"], found["recoded"]) == ({"easy": "all_right"}, {"half": [0.0, 0.5]})
    assert "column easy: everybody was right; left out" in done.stderr
    assert "column half: scores 0, 0.5 were taken as 0 to 1" in done.stderr


@pytest.fixture
def installation(database_maker, tmp_path, monkeypatch):
    """An installation with a form that 500 people have finished."""
    for name in [name for name in os.environ if name.startswith("KAONA_")]:
        monkeypatch.delenv(name)
    url = database_maker.new_migrated()
    monkeypatch.setenv("KAONA_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("KAONA_DATABASE_URL", url)
    database = Database(url, pool_size=3)
    now = system_clock()
    with database.transaction() as db:
        db.add(Tenant(id=1, key="dmd", name={"th": "ก", "en": "A"}, home_page="https://kaona.example/tenants/dmd", created_at=now))
        assessment.load_bank(db, the_bank(truth()), now=now)
        assessment.load_form(db, the_form(), now=now)
    answered(database, truth(), 500, now=now)
    yield database
    database.dispose()
    database_maker.drop(url)


def of_run(*arguments: str) -> dict[str, object]:
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.stderr
    return dict(json.loads(done.stdout))


def events(database: Database) -> list[tuple[str, str]]:
    with database.reading() as db:
        assert first_broken_audit(db) is None
        return [(entry.event, entry.actor) for entry in db.scalars(select(AuditEntry).order_by(AuditEntry.id))]


def test_a_run_is_shown_applied_by_command_and_written_down(installation):
    view = of_run("calibrate", "--form", "lit")
    listed = json.loads(run("runs", "--form", "lit", "--json").stdout)
    shown = run("runs", "--run", str(view["uuid"]))

    assert (view["state"], view["n_persons"], [one["uuid"] for one in listed]) == ("ready", 500, [view["uuid"]])
    assert f"18 items would change; nothing is changed yet. To use it: kaona items apply {view['uuid']}" in shown.stdout
    assert events(installation) == [("calibration.computed", "command")]

    done = of_run("apply", str(view["uuid"]))
    again = run("apply", str(view["uuid"]))

    assert (done["n_calibrated"], done["forms"]) == (18, {"lit": 2})
    assert (again.exit_code, "[calibration_run_applied]" in again.stderr) == (1, True)
    assert events(installation)[-1] == ("calibration.applied", "command")
    assert json.loads(run("drift", "--form", "lit", "--json").stdout) == []


def test_the_worker_computes_a_run_that_was_asked_for_and_lets_answers_move_ratings(installation):
    asked = run("calibrate", "--form", "lit", "--pilots", "--later")
    assert (asked.exit_code, asked.stdout) == (0, "")
    worker = make_worker(read_settings(), installation)

    worker.run_once()
    worker.housekeeping()

    [view] = json.loads(run("runs", "--json").stdout)
    assert (view["pilots_only"], view["n_persons"], view["state"]) == (True, 500, "ready")
    with installation.reading() as db:
        assert db.scalars(select(OutboxItem.state).where(OutboxItem.kind == "items.calibrate")).all() == ["done"]
        assert assessment.rate_finished(db, now=system_clock()) == 0
    assert events(installation) == [("calibration.computed", "worker")]


def test_a_calibration_of_nothing_or_of_two_things_is_wrong_usage(installation, tmp_path, monkeypatch):
    (tmp_path / "answers.csv").write_text("a,b\n1,0\n0,1\n")
    monkeypatch.chdir(tmp_path)
    wrong = (
        (),
        ("--form", "lit", "--responses", "answers.csv"),
        ("--form", "nowhere"),
        ("--form", "lit", "--model", "gpcm"),
        ("--responses", "answers.csv"),
        ("--responses", "answers.csv", "--model", "2pl", "--pilots"),
    )

    assert {run("calibrate", *arguments).exit_code for arguments in wrong} == {2}
    assert run("drift", "--form", "nowhere").exit_code == 2
