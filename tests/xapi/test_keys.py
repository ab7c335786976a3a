"""Credentials through their life: rotation with overlap, what they did, and what was refused to them."""

import subprocess
import sys
import threading
from datetime import date, timedelta

import pytest
from sqlalchemy import text

from kernel.db import Database
from kernel.errors import NotFound
from tests.xapi.conftest import PEPPER, LrsClient
from xapi import api, usage
from xapi.auth import Access, Basic
from xapi.errors import RequestInvalid
from xapi.keys import secret_digest

VERB = "http://adlnet.gov/expapi/verbs/answered"


@pytest.fixture
def rotated(database, http, clock):
    """Gives a client its next secret."""

    def rotate(client, overlap=timedelta(0), tenant_id=1):
        with database.transaction() as db:
            key = api.rotate_key(db, tenant_id=tenant_id, key=client.key.key, now=clock.now, overlap=overlap, pepper=PEPPER)
        return LrsClient(http, key)

    return rotate


@pytest.fixture
def told(database, monkeypatch):
    """Reads volumes and refusals once all that waits to be written down is written."""
    monkeypatch.setattr(usage, "FLUSH_SECONDS", 0.02)

    def read(door, **options):
        for thread in threading.enumerate():
            if isinstance(thread, threading.Timer) and thread.interval == usage.FLUSH_SECONDS:
                thread.join(10)
        with database.reading() as db:
            return door(db, **{"tenant_id": 1, **options})

    return read


def statuses(*clients):
    return [client.get().status_code for client in clients]


def test_the_former_secret_works_until_its_overlap_ends(lrs, rotated, clock):
    fresh = rotated(lrs, timedelta(hours=2))

    assert fresh.key.key == lrs.key.key
    assert fresh.key.secret != lrs.key.secret
    assert statuses(lrs, fresh) == [200, 200]
    clock.forward(hours=2, seconds=-1)
    assert statuses(lrs, fresh) == [200, 200]
    clock.forward(seconds=1)
    assert statuses(lrs, fresh) == [401, 200]


def test_without_overlap_the_former_secret_ends_at_once(lrs, rotated):
    assert statuses(lrs, rotated(lrs)) == [401, 200]


def test_a_second_rotation_ends_the_secret_before_the_former(lrs, rotated):
    second = rotated(lrs, timedelta(days=1))
    third = rotated(second, timedelta(days=1))

    assert statuses(lrs, second, third) == [401, 200, 200]


def test_statements_keep_their_authority_over_a_rotation(new_client, rotated, new_statement):
    client = new_client("statements/write", "statements/read/mine")
    [written] = client.post(new_statement()).json

    assert rotated(client).ids() == [written]


@pytest.mark.parametrize("overlap", [timedelta(seconds=-1), timedelta(days=91)])
def test_an_overlap_has_its_bounds(lrs, rotated, overlap):
    with pytest.raises(RequestInvalid):
        rotated(lrs, overlap)


def test_a_key_is_rotated_in_its_tenant_alone_and_never_after_its_end(database, lrs, new_client, rotated, clock):
    ended = new_client("all", expires_at=clock.now + timedelta(hours=1))
    with pytest.raises(NotFound):
        rotated(lrs, tenant_id=2)
    with database.transaction() as db:
        api.revoke_key(db, tenant_id=1, key=lrs.key.key, now=clock.now)
    clock.forward(hours=1)

    for client in (lrs, ended):
        with pytest.raises(NotFound):
            rotated(client)


def test_the_list_tells_what_a_key_may(database, new_client, clock, now):
    part = api.Slice(verbs=(VERB,))
    client = new_client("statements/read", part=part, pseudonymous=True, requests_per_minute=7, expires_at=now + timedelta(days=1))
    with database.transaction() as db:
        api.rotate_key(db, tenant_id=1, key=client.key.key, now=now, overlap=timedelta(hours=3), pepper=PEPPER)

    with database.reading() as db:
        [view] = api.list_keys(db, tenant_id=1)

    assert (view.slice, view.pseudonymous, view.requests_per_minute) == (part, True, 7)
    assert view.previous_until == now + timedelta(hours=3)
    assert [view.is_active(now + timedelta(hours=hours)) for hours in (0, 23, 24)] == [True, True, False]


def test_a_key_of_the_first_release_works_on_after_the_move(database_maker, now):
    """Its row as revision 0001 kept it."""
    database = Database(database_maker.new_empty())
    api.migrate(database, "0001")
    row = {"key": "old", "secret_digest": secret_digest("its secret", PEPPER), "scopes": "all", "created_at": now.isoformat(sep=" ")}
    with database.transaction() as db:
        names = ", ".join(row)
        values = ", ".join(f":{name}" for name in row)
        db.execute(text(f"INSERT INTO xapi_key (tenant_id, name, {names}) VALUES (1, 'warehouse', {values})"), row)

    api.migrate(database)

    with database.reading() as db:
        [view] = api.list_keys(db, tenant_id=1)
        caller = Access(pepper=PEPPER).caller(db.connection(), Basic("old", "its secret"), now=now)
    database.dispose()
    assert (view.slice, view.pseudonymous, view.requests_per_minute, view.created_at) == (api.EVERYTHING, False, None, now)
    assert (caller.tenant_id, caller.scopes, caller.sight().sees_everything) == (1, {"all"}, True)


def test_the_name_of_a_key_is_never_taken_for_an_option_of_a_command(database, now):
    with database.transaction() as db:
        made = [api.create_key(db, tenant_id=1, name="x", scopes=["all"], now=now).key for _ in range(100)]

    assert all(key.isalnum() and len(key) == 22 for key in made)
    assert len(set(made)) == 100


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"name": ""}, "name_length"),
        ({"name": "x" * 201}, "name_length"),
        ({"scopes": ["statements/write"], "pseudonymous": True}, "pseudonymous_reads_only"),
        ({"scopes": ["all/read"], "pseudonymous": True}, "pseudonymous_reads_only"),
        ({"expires_at": "now"}, "expired_at_birth"),
        ({"requests_per_minute": 0}, "requests_range"),
        ({"requests_per_minute": 2**31}, "requests_range"),
        ({"name": "a\x00"}, "name_length"),
    ],
)
def test_a_key_that_makes_no_sense_is_not_made(database, now, options, rule):
    options = {"name": "x", "scopes": ["all"]} | {name: now if value == "now" else value for name, value in options.items()}

    with database.transaction() as db, pytest.raises(RequestInvalid) as refused:
        api.create_key(db, tenant_id=1, now=now, **options)

    assert refused.value.rule == rule


def test_volumes_are_told_by_key_and_day(lrs, new_client, new_statement, told, clock):
    first = clock.now.date()
    reader, other = new_client("statements/read"), new_client("all", tenant_id=2)
    lrs.post([new_statement() for _ in range(3)])
    lrs.post({})
    reader.get(limit=2)
    other.post(new_statement())
    clock.forward(days=1)
    reader.get()
    days = {"since": first, "until": clock.now.date()}

    volumes = {(volume.key, volume.day): (volume.requests, volume.written, volume.read) for volume in told(api.volumes_of, **days)}

    assert volumes == {
        (lrs.key.key, first): (2, 3, 0),
        (reader.key.key, first): (1, 0, 2),
        (reader.key.key, clock.now.date()): (1, 0, 3),
    }
    assert len(told(api.volumes_of, **{**days, "until": first}, key=reader.key.key)) == 1


def test_what_two_processes_count_is_added(database, clock, now):
    for requests in (1, 2):
        counted = usage.Usage(database, clock)
        for _ in range(requests):
            counted.count(1, "key", requests=1, written=10)
        counted.flush()

    with database.reading() as db:
        [volume] = api.volumes_of(db, tenant_id=1, since=now.date(), until=now.date())
    assert (volume.requests, volume.written, volume.read) == (3, 30, 0)


@pytest.mark.one_database
def test_a_worker_process_that_ends_writes_down_what_it_counted(database):
    code = """if True:
        import sys
        from multiprocessing import get_context
        from kernel.clock import system_clock
        from kernel.db import Database
        from xapi.usage import Usage

        def work():
            Usage(Database(sys.argv[1]), system_clock).count(1, "key", requests=1)

        worker = get_context("fork").Process(target=work)
        worker.start()
        worker.join()
    """
    subprocess.run([sys.executable, "-c", code, database.url], check=True)

    with database.reading() as db:
        assert [volume.requests for volume in api.volumes_of(db, tenant_id=1, since=date.min, until=date.max)] == [1]


def test_a_file_that_was_removed_is_not_made_anew(tmp_path, clock):
    counted = usage.Usage(Database(f"sqlite:///{tmp_path / 'gone.sqlite'}"), clock)
    counted.count(1, "key", requests=1)
    counted.flush()

    assert list(tmp_path.iterdir()) == []


def test_counts_outlive_a_database_that_is_away(database, clock, now, monkeypatch):
    counted = usage.Usage(database, clock)
    counted.count(1, "key", requests=1)
    with monkeypatch.context() as broken:
        broken.setattr(usage, "_add_counts", lambda *_: (_ for _ in ()).throw(usage.SQLAlchemyError()))
        counted.flush()
    counted.count(1, "key", requests=1)
    counted.flush()

    with database.reading() as db:
        [volume] = api.volumes_of(db, tenant_id=1, since=now.date(), until=now.date())
    assert volume.requests == 2


def test_refused_requests_are_told_without_what_they_held(lrs, new_client, new_statement, told, clock):
    writer = new_client("statements/write")
    lrs.post([new_statement(), new_statement(result={"response": "secret words", "completion": "yes"})])
    lrs.get(statementId="9e13cefd-53d3-4eac-b5ed-2cf6693903bb")
    writer.get()
    LrsClient(lrs.http, api.NewKey(writer.key.key, "wrong")).get()
    lrs.http.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=(writer.key.key, "wrong"))

    refusals = told(api.list_refusals)

    assert [(one.key, one.method, one.resource, one.status, one.code, one.rule, one.place) for one in refusals] == [
        (writer.key.key, "POST", "oauth/token", 401, "credentials_refused", None, None),
        (writer.key.key, "GET", "statements", 401, "credentials_refused", None, None),
        (writer.key.key, "GET", "statements", 403, "scope_missing", "scope", "Authorization"),
        (lrs.key.key, "POST", "statements", 400, "statement_invalid", "wrong_type", "/1/result/completion"),
    ]
    assert "secret words" not in str(refusals)
    assert [one.at for one in refusals] == [clock.now] * 4
    assert told(api.list_refusals, key=lrs.key.key) == refusals[3:]
    assert told(api.list_refusals, tenant_id=2) == []


def test_the_last_refusals_of_each_tenant_are_kept(database, clock, now, monkeypatch):
    monkeypatch.setattr(usage, "KEPT_REFUSALS", 3)
    counted = usage.Usage(database, clock)
    for number in range(5):
        counted.note(1, usage.Refusal(now, f"key {number}", "GET", "statements", 400, "x", None, None))
        counted.flush()
    counted.note(2, usage.Refusal(now, "other", "GET", "statements", 400, "x", None, None))
    counted.flush()

    with database.reading() as db:
        assert [one.key for one in api.list_refusals(db, tenant_id=1)] == ["key 4", "key 3", "key 2"]
        assert [one.key for one in api.list_refusals(db, tenant_id=2)] == ["other"]
