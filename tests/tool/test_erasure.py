"""A person's rights in the whole tool (S34): found, handed out, renamed or erased with a receipt, and again after a restore."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from click.testing import CliRunner
from sqlalchemy import select

import assessment.api as assessment
import roadmap.api as roadmap
import xapi.api as xapi
from assessment.models import Attempt
from kernel.db import Database
from kernel.outbox import OutboxItem
from kernel.strictjson import InvalidJson, dumps
from lti_tool import models
from lti_tool.app import create_app
from lti_tool.cli import cli
from lti_tool.models.audit import first_broken_audit
from lti_tool.settings import Settings
from lti_tool.workflows import erasure, lrs_import, people, rebuilt
from tests.conftest import NOW
from tests.lti.lti_world import SECRET, TOOL, Moment, Platform, Tool, new_tool
from tests.lti.test_submission_review import Course
from tests.roadmap.factories import course_done

HOME = "https://one.example.go.th"
MAIL = {"mbox": "mailto:somchai@one.example.go.th"}
OTHER = {"account": {"homePage": HOME, "name": "a3b0c442-98fc-4c14-9afb-f4c8996fb924"}}


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    platform = Platform()
    yield platform
    platform.close()


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("erasure")  # one for all tests: what a start makes there is made once
    secret = folder / "secret.key"
    secret.write_bytes(SECRET)
    return Settings(public_url=TOOL, data_dir=folder, secret_key_file=secret)


@pytest.fixture(scope="module")
def sat(database_maker: Any, platform: Platform, settings: Settings) -> tuple[str, datetime]:
    """A database in which u-1 has finished an assessment and an LMS has told of them by their address; and the moment after it."""
    database = Database(database_maker.new(stocked=True))
    course = Course(new_tool(database, settings, Moment(NOW), platform))
    course.start()
    with database.transaction() as db:
        elsewhere = {"verb": {"id": "http://adlnet.gov/expapi/verbs/completed"}, "object": {"id": "https://lms.example/course/1"}}
        told = [{**elsewhere, "actor": MAIL}, {**elsewhere, "actor": OTHER, "context": {"instructor": MAIL}}]
        authority = {"account": {"homePage": "https://lms.example", "name": "logstore"}}
        xapi.store_statements(db, tenant_id=1, statements=told, authority=authority, now=course.tool.moment.now)
    database.dispose()
    return database.url, course.tool.moment.now


@pytest.fixture
def database(database_maker: Any, sat: tuple[str, datetime]) -> Iterator[Database]:
    database = Database(database_maker.like(sat[0]), pool_size=5)
    yield database
    database.dispose()
    database_maker.drop(database.url)


@pytest.fixture
def course(database: Database, settings: Settings, sat: tuple[str, datetime], platform: Platform) -> Course:
    moment = Moment(sat[1])
    return Course(Tool(create_app(settings, clock=moment, database=database), platform, moment))


def known(database: Database, **wanted: Any) -> people.KnownPerson:
    with database.reading() as db:
        return people.find_person(db, tenant_id=1, **wanted)


def u1(course: Course) -> people.KnownPerson:
    return known(course.tool.database, identifiers=["somchai@one.example.go.th"], platform_users=[(course.tool.platform.url, "u-1")])


def erased(course: Course, act: erasure.Act, who: people.KnownPerson | None = None) -> erasure.Erased:
    with course.tool.database.transaction() as db:
        return erasure.erase(db, who or u1(course), act=act, now=course.tool.moment.now, actor="command", secret=SECRET)


def everything(database: Database) -> str:
    """All that any table holds, but the audit log."""
    from kernel.db import Base
    from xapi.models import metadata

    tables = [table for of in (Base.metadata, metadata) for table in of.sorted_tables if table.name != "audit_entry"]
    with database.reading() as db:
        return repr([(table.name, db.execute(table.select()).all()) for table in tables])


def rebuilds_equal(database: Database) -> bool:
    with database.transaction() as db:
        report = rebuilt.rebuild(db)
        assert report.n_evidence > 0
        return report.n_different == 0


def test_a_person_is_found_by_whatever_is_known_of_them(course: Course):
    by_both = u1(course)
    person = by_both.users[0].person_uuid

    by_uuid = known(course.tool.database, identifiers=[str(person)])

    assert [user.sub for user in by_uuid.users] == ["u-1"]
    assert {"account": {"homePage": HOME, "name": str(person)}} in by_uuid.person.agents
    assert MAIL in by_both.person.agents
    assert any("mbox_sha1sum" in agent for agent in by_both.person.agents)


@pytest.mark.one_database
@pytest.mark.parametrize("words", ["somchai", "", "{", "[]", "4711"])
def test_what_identifies_nobody_is_refused_with_its_number(course: Course, words: str):
    with pytest.raises(people.IdentifierInvalid) as refused:
        known(course.tool.database, identifiers=[MAIL["mbox"], words])

    assert refused.value.details == {"place": 2}


@pytest.mark.one_database
def test_nobody_is_found_where_nothing_is_stored(course: Course):
    with pytest.raises(people.PersonUnknown):
        known(course.tool.database, identifiers=["nobody@one.example.go.th"])


@pytest.mark.one_database
def test_the_export_holds_statements_as_received_and_tables_to_read(course: Course):
    out = io.BytesIO()
    with course.tool.database.transaction() as db:
        people.write_export(db, u1(course), out, now=course.tool.moment.now, actor="command")

    with zipfile.ZipFile(out) as packed:
        assert {"person.json", "attempts.csv", "results.csv", "plan.csv", "statements.ndjson"} <= set(packed.namelist())
        statements = [json.loads(line) for line in packed.read("statements.ndjson").splitlines()]
        person = json.loads(packed.read("person.json"))
        attempts = list(csv.reader(io.StringIO(packed.read("attempts.csv").decode("utf-8-sig"))))
    actors = {json.dumps(statement["actor"].get("mbox")) for statement in statements}
    assert actors == {"null", json.dumps(MAIL["mbox"])}
    assert person["kept"][0]["identity"]["id_on_the_platform"] == "u-1"
    assert len(attempts) == 2
    assert [entry.event for entry in course.tool.rows(models.AuditEntry)].count("person_data.exported") == 1


def test_unlinking_leaves_no_trace_of_the_person_and_the_rest_as_it_was(course: Course):
    database = course.tool.database
    who = u1(course)
    before = everything(database)
    person = str(who.users[0].person_uuid)
    assert all(word in before for word in (person, "somchai", "สมชาย"))
    with database.reading() as db:
        ids = [one.id for one in xapi.iter_statements(db)]

    done = erased(course, "unlink")

    after = everything(database)
    assert not any(word in after for word in (person, who.users[0].person_uuid.hex, "somchai", "สมชาย", "'u-1'"))
    assert course.tool.rows(models.User) == []
    assert course.tool.rows(models.Launch) == []
    assert course.tool.rows(OutboxItem) == [] or not any("score" in item.key for item in course.tool.rows(OutboxItem))
    with database.reading() as db:
        assert [one.id for one in xapi.iter_statements(db)] == ids
        (attempt,) = db.scalars(select(Attempt))
        assert attempt.state == "finished"
        levels = roadmap.attainment_of(db, tenant_id=1, person_uuid=attempt.person_uuid, now=course.tool.moment.now)
    assert len(levels) == 3
    assert done.receipt.counts["statements_renamed"] == len(ids)
    assert done.receipt.counts["identities"] == 1
    assert rebuilds_equal(database)


def test_deleting_takes_the_persons_own_statements_attempts_and_evidence(course: Course):
    database = course.tool.database
    course.start("u-2", name="กมล")

    done = erased(course, "delete")

    with database.reading() as db:
        (kept,) = [one.statement for one in xapi.iter_statements(db) if one.statement["actor"] == OTHER]
        people_left = {attempt.person_uuid for attempt in db.scalars(select(Attempt))}
        actors = {json.dumps(one.statement["actor"]) for one in xapi.iter_statements(db)}
    (other,) = course.tool.rows(models.User)
    assert kept["context"]["instructor"]["account"]["homePage"].endswith("/pseudonyms")
    assert people_left == {other.person_uuid}
    assert len(actors) == 2
    assert done.receipt.counts["statements_deleted"] > 10
    assert done.receipt.counts["attempts"] == 1
    assert done.receipt.counts["evidence"] == 3
    assert rebuilds_equal(database)


def test_a_new_name_keeps_the_person_working_with_all_that_they_have(course: Course):
    database = course.tool.database
    old = u1(course).users[0].person_uuid

    done = erased(course, "rename")

    (user,) = course.tool.rows(models.User)
    assert user.person_uuid != old
    assert (user.sub, user.display_name) == ("u-1", "สมชาย ใจดี")
    with database.reading() as db:
        kept = assessment.list_kept(db, tenant_id=1, person_uuid=user.person_uuid)
        assert len(kept) == 1
        assert len(roadmap.attainment_of(db, tenant_id=1, person_uuid=user.person_uuid, now=course.tool.moment.now)) == 3
        assert roadmap.find_person(db, tenant_id=1, person_uuid=user.person_uuid) is not None
    assert done.receipt.act == "rename"
    assert old.hex not in everything(database)
    assert rebuilds_equal(database)


@pytest.mark.parametrize("act", ["rename", "unlink", "delete"])
def test_somebody_whom_only_other_systems_know_leaves_no_evidence_behind(course: Course, act: erasure.Act):
    """A statement of another system moves the roadmap of whoever has an account of the agency, seen by the tool or not."""
    database, stranger, now = course.tool.database, uuid4(), course.tool.moment.now
    done = course_done(stranger, "th-ds-2567#DLIT", now)
    told = [
        {**done, "id": str(uuid4()), "actor": {"account": {"homePage": HOME, "name": name}}}
        for name in (str(stranger), str(stranger).upper())
    ]
    source = lrs_import.FileSource("-", io.BytesIO(b"\n".join(map(dumps, told))))
    lrs_import.bring_in(database, source, tenant_id=1, actor="command", clock=lambda: now)
    with database.reading() as db:
        assert len(roadmap.attainment_of(db, tenant_id=1, person_uuid=stranger, now=now)) == 1

    erased(course, act, known(database, identifiers=[str(stranger)]))

    assert stranger.hex not in everything(database).replace("-", "").lower()
    assert rebuilds_equal(database)


def test_people_may_be_told_of_while_they_are_erased(course: Course):
    """Nobody waits for the other in turn; what came too late is found by the list."""
    database, who, now = course.tool.database, u1(course), course.tool.moment.now
    done = course_done(who.users[0].person_uuid, "th-ds-2567#DLIT", now)
    actor = {"account": {"homePage": HOME, "name": str(who.users[0].person_uuid)}}

    def tell(_number: int) -> int:
        lines = b"\n".join(dumps({**done, "id": str(uuid4()), "actor": actor}) for _ in range(20))
        source = lrs_import.FileSource("-", io.BytesIO(lines))
        return lrs_import.bring_in(database, source, tenant_id=1, actor="command", clock=lambda: now).n_new

    with ThreadPoolExecutor(4) as pool:
        telling = [pool.submit(tell, number) for number in range(4)]
        receipt = erased(course, "unlink", who).receipt
        assert [one.result() for one in telling] == [20] * 4
    with database.transaction() as db:
        erasure.again(db, [receipt], now=now, actor="command", secret=SECRET)

    assert who.users[0].person_uuid.hex not in everything(database).replace("-", "")
    assert rebuilds_equal(database)


def test_who_was_erased_may_come_again_as_somebody_new(course: Course):
    old = u1(course).users[0].person_uuid
    erased(course, "unlink")

    course.start(answers=1)

    (user,) = course.tool.rows(models.User)
    assert (user.sub, user.person_uuid == old) == ("u-1", False)


def test_a_teacher_who_set_points_leaves_the_points_and_nothing_of_themselves(course: Course):
    course.review(name="ครูกมลวรรณ")
    with course.tool.database.transaction() as db:
        teacher = db.scalars(select(models.User).where(models.User.sub == "teacher")).one()
        for score in db.scalars(select(models.Score)):
            score.override_by_id = teacher.id
    who = known(course.tool.database, platform_users=[(course.tool.platform.url, "teacher")])

    erased(course, "unlink", who)

    (shell,) = [user for user in course.tool.rows(models.User) if user.sub.startswith("erased ")]
    assert shell.display_name is None
    assert {score.override_by_id for score in course.tool.rows(models.Score)} <= {shell.id}
    assert "ครูกมลวรรณ" not in everything(course.tool.database)


def test_the_receipt_and_the_audit_line_say_what_and_nothing_of_whom(course: Course):
    who = u1(course)

    done = erased(course, "unlink")

    (line,) = [entry for entry in course.tool.rows(models.AuditEntry) if entry.event == "person.unlinked"]
    told = json.dumps([line.details, done.receipt.line], default=str)
    assert line.details["receipt"] == str(done.receipt.uuid)
    assert not any(word in told for word in ("u-1", "somchai", str(who.users[0].person_uuid), who.person.digests[0].hex()))
    with course.tool.database.reading() as db:
        assert first_broken_audit(db) is None
        assert erasure.get_receipt(db, done.receipt.uuid, tenant_id=1) == done.receipt


@pytest.mark.parametrize("act", ["rename", "unlink", "delete"])
def test_a_restored_backup_is_rid_of_the_person_again(course: Course, tmp_path: Path, act: erasure.Act):
    """The backup is made before, so it knows nothing of the receipt: the list in the installation's folder does."""
    database, who = course.tool.database, u1(course)
    receipt = erasure.Receipt(
        uuid=UUID(int=7), tenant="opdc", act=act, at=course.tool.moment.now, actor="command", counts={}, recipients=(),
        digests=tuple(erasure._digest(erasure.erasure_key(SECRET), one) for one in who.person.digests),
    )  # fmt: skip
    erasure.write_down(tmp_path, [receipt])
    person = who.users[0].person_uuid.hex

    with database.transaction() as db:
        done = erasure.again(
            db, erasure.read_list(tmp_path / erasure.LIST_NAME), now=course.tool.moment.now, actor="command", secret=SECRET
        )

    assert [one.uuid for one in done] == [receipt.uuid]
    assert person not in everything(database)
    assert "somchai" not in everything(database)
    assert rebuilds_equal(database) if act != "delete" else True
    with database.transaction() as db:
        assert erasure.list_receipts(db)[0].again_at == course.tool.moment.now
        assert erasure.again(db, erasure.list_receipts(db), now=course.tool.moment.now, actor="command", secret=SECRET) == []


@pytest.mark.one_database
def test_a_list_is_read_as_it_was_written_or_printed_and_a_damaged_one_is_refused(course: Course, tmp_path: Path):
    done = [erased(course, "rename").receipt, erased(course, "unlink").receipt]
    erasure.write_down(tmp_path, done)
    (tmp_path / "printed.json").write_bytes(dumps([receipt.line for receipt in done]))
    (tmp_path / "damaged").write_text('{"receipt": "x"}\n', encoding="utf-8")

    assert [one.uuid for one in erasure.read_list(tmp_path / erasure.LIST_NAME)] == [one.uuid for one in done]
    assert [one.digests for one in erasure.read_list(tmp_path / "printed.json")] == [one.digests for one in done]
    assert erasure.read_list(tmp_path / "none") == []
    with pytest.raises(InvalidJson):
        erasure.read_list(tmp_path / "damaged")


@pytest.mark.one_database
def test_a_list_says_nothing_to_who_has_another_secret(course: Course, tmp_path: Path):
    done = erased(course, "unlink")
    course.start()

    with course.tool.database.transaction() as db:
        again = erasure.again(db, [done.receipt], now=course.tool.moment.now, actor="command", secret=b"another secret" * 3)

    assert again == []


@pytest.mark.one_database
def test_other_stores_that_got_statements_are_named_with_a_request_for_each(course: Course):
    database = course.tool.database
    with database.transaction() as db:
        target = xapi.LrsTarget("https://other.example/xapi", "k", "s")
        early = course.tool.moment.now.replace(year=2020)
        xapi.add_push(db, tenant_id=1, name="Ministry", target=target, since=early, now=course.tool.moment.now, pepper=b"p")
        xapi.add_push(db, tenant_id=1, name="Late", target=target, now=course.tool.moment.now, pepper=b"p")
        from xapi.models import push, statement

        last = db.scalar(select(statement.c.seq).order_by(statement.c.seq.desc()).limit(1))
        db.execute(push.update().where(push.c.name == "Ministry").values(cursor=last, reached=last))

    done = erased(course, "unlink")

    (request,) = done.requests
    assert (request.name, request.url) == ("Ministry", "https://other.example/xapi")
    assert request.document["request"] == "erase"
    assert len(request.document["statements"]) == done.receipt.counts["statements_renamed"]
    assert "somchai" not in json.dumps(request.document, default=str)
    assert done.receipt.recipients == ("Ministry",)


@pytest.mark.one_database
def test_the_commands_find_export_rename_and_erase(course: Course, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KAONA_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("KAONA_DATABASE_URL", course.tool.database.url)
    monkeypatch.setenv("KAONA_SECRET_KEY_FILE", str(settings.secret_key_file))
    monkeypatch.setattr("lti_tool.migrate.ensure_current", lambda _database: None)
    who = ["--tenant", "opdc", "--user", course.tool.platform.url, "u-1", "-"]

    def run(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(cli, ["people", *arguments], input=MAIL["mbox"] + "\n")
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.output
        return done.stdout

    found = json.loads(run("find", *who, "--json"))
    run("export", *who, "--out", str(tmp_path / "person.zip"))
    renamed = json.loads(run("pseudonymise", *who, "--json"))
    gone = json.loads(run("erase", "--tenant", "opdc", "--user", course.tool.platform.url, "u-1", "--statements", "delete", "--json"))
    again = json.loads(run("erase", "--again", "--json"))
    listed = json.loads(run("receipts", "--json"))

    assert found["platforms"][0]["id"] == "u-1"
    assert zipfile.is_zipfile(tmp_path / "person.zip")
    assert (renamed["act"], gone["act"]) == ("rename", "delete")
    assert [one["receipt"] for one in listed] == [gone["receipt"], renamed["receipt"]]
    assert [one.uuid for one in erasure.read_list(tmp_path / erasure.LIST_NAME)] == [UUID(renamed["receipt"]), UUID(gone["receipt"])]
    assert again == []
    doctor = CliRunner().invoke(cli, ["doctor"])
    assert "list of erasures" not in doctor.output
    with course.tool.database.transaction() as db:
        db.execute(models.Erasure.__table__.delete())
    doctor = CliRunner().invoke(cli, ["doctor"])
    assert "The list of erasures has 2 that this database does not know" in doctor.output
    assert doctor.exit_code == 1
    assert json.loads(run("erase", "--again", "--json")) == []
    assert "list of erasures" not in CliRunner().invoke(cli, ["doctor"]).output
    run("erase", code=2)
    run("find", "--tenant", "opdc", code=2)
