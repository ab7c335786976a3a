"""`kaona forward`, the worker's loop that sends, and what the doctor says of it."""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select, text

import xapi.api as xapi
from kernel.clock import system_clock
from kernel.db import Database
from kernel.http import GuardedClient, HttpPolicy, OutboundRefused
from lti_tool.cli.forward import forward
from lti_tool.cli.tenant import tenant as tenant_group
from lti_tool.jobs.statement_push import Pusher
from lti_tool.jobs.worker import Worker
from lti_tool.models import AuditEntry
from lti_tool.workflows import findings
from tests.conftest import DatabaseMaker
from tests.xapi.outside import Outside, outside, refusing, taker

PEPPER = b"a key of the tests"
AUTHORITY = {"objectType": "Agent", "account": {"homePage": "https://a.example", "name": "tool"}}


def store(database: Database, n: int = 1, tenant_id: int = 1, now: datetime | None = None) -> list[str]:
    statements = [
        {
            "id": str(uuid.uuid4()), "actor": {"mbox": "mailto:a@b.example"}, "verb": {"id": "http://a.example/verb"},
            "object": {"id": "http://a.example/thing"},
        }
        for _ in range(n)
    ]  # fmt: skip
    with database.transaction() as db:
        return xapi.store_statements(db, tenant_id=tenant_id, statements=statements, authority=AUTHORITY, now=now or system_clock())


def add(database: Database, url: str, name: str = "hook", now: datetime | None = None) -> None:
    with database.transaction() as db:
        xapi.add_push(db, tenant_id=1, name=name, target=xapi.WebhookTarget(url), now=now or system_clock(), pepper=PEPPER)


@pytest.fixture
def receiver() -> Iterator[Outside]:
    with outside(taker) as running:
        yield running


@pytest.fixture
def http() -> Iterator[GuardedClient]:
    client = GuardedClient(HttpPolicy(dev_mode=True))
    yield client
    client.close()


class TestCommands:
    """One installation, before a receiver on loopback."""

    pytestmark = pytest.mark.one_database

    @pytest.fixture
    def kaona(self, database_maker: DatabaseMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Result]]:
        url = database_maker.new()
        monkeypatch.setenv("KAONA_DATA_DIR", str(tmp_path))
        monkeypatch.setenv("KAONA_DATABASE_URL", url)
        monkeypatch.setattr("lti_tool.migrate.ensure_current", lambda _database: None)  # the tables are those of the models already

        def run(*arguments: str, code: int = 0, secret: str | None = None) -> Result:
            group = tenant_group if arguments[0] == "tenant" else forward
            done = CliRunner().invoke(group, arguments[1:] if arguments[0] == "tenant" else arguments, input=secret)
            assert done.exit_code == code, (done.output, done.exception)
            return done

        run("tenant", "add", "dmd", "--name-th", "กรม", "--name-en", "Department")
        run.database = Database(url, pool_size=2)  # type: ignore[attr-defined]
        yield run
        run.database.dispose()  # type: ignore[attr-defined]
        database_maker.drop(url)

    def listed(self, kaona: Any) -> dict[str, Any]:
        (row,) = json.loads(kaona("list", "--json").stdout)
        return row

    def test_a_webhook_is_added_listed_rotated_paused_resumed_and_removed(self, kaona: Any, receiver: Outside):
        made = json.loads(
            kaona("add", "centre", "--tenant", "dmd", "--webhook", receiver.url, "--verb", "http://a.example/verb", "--json").stdout
        )
        row = self.listed(kaona)
        assert made["secret"].startswith("whsec_")
        assert (row["tenant"], row["name"], row["kind"], row["state"]) == ("dmd", "centre", "webhook", "on")
        assert row["slice"] == {"verbs": ["http://a.example/verb"]}
        assert made["secret"] not in kaona("list").output + json.dumps(row)

        kaona("pause", "centre", "--tenant", "dmd")
        assert self.listed(kaona)["state"] == "paused (asked)"
        kaona("resume", "centre", "--tenant", "dmd")
        fresh = json.loads(kaona("rotate-secret", "centre", "--tenant", "dmd", "--json").stdout)["secret"]
        assert fresh != made["secret"]
        kaona("remove", "centre", "--tenant", "dmd", "--yes")
        assert json.loads(kaona("list", "--tenant", "dmd", "--json").stdout) == []

        with kaona.database.reading() as db:
            events = list(db.scalars(select(AuditEntry.event).where(AuditEntry.event.startswith("forward.")).order_by(AuditEntry.id)))
            whole = str(db.execute(text("SELECT * FROM audit_entry")).all())
        assert events == ["forward.added", "forward.paused", "forward.resumed", "forward.secret_rotated", "forward.removed"]
        assert made["secret"] not in whole

    def test_another_lrs_is_asked_for_its_versions_and_its_secret_comes_from_a_file(self, kaona: Any, tmp_path: Path):
        def about(environ: Any, start_response: Any) -> Any:
            start_response("200 OK", [("Content-Type", "application/json")])
            return [b'{"version": ["1.0.3", "1.0.2"]}']

        (tmp_path / "secret").write_text("s3cret\n")
        with outside(about) as lrs:
            secret = ("--secret-file", str(tmp_path / "secret"))
            kaona("add", "other", "--tenant", "dmd", "--endpoint", f"{lrs.url}/xapi", "--key", "us", *secret, "--pseudonymous")
            assert [call.path for call in lrs.calls] == ["/xapi/about"]

        row = self.listed(kaona)
        assert (row["kind"], row["version"], row["key"], row["url"]) == ("lrs", "1.0.3", "us", f"{lrs.url}/xapi")
        assert row["pseudonymous"]

    def test_where_the_versions_are_not_told_one_must_be_named(self, kaona: Any, receiver: Outside):
        options = ("--tenant", "dmd", "--endpoint", receiver.url, "--key", "us", "--secret-file", "-")

        refused = kaona("add", "other", *options, code=2, secret="s3cret")
        assert "--version" in refused.output
        kaona("add", "other", *options, "--version", "1.0.3", secret="s3cret")

        assert self.listed(kaona)["version"] == "1.0.3"

    @pytest.mark.parametrize(
        "options",
        [
            (),
            ("--endpoint", "https://a.example"),
            ("--endpoint", "https://a.example", "--webhook", "https://b.example"),
            ("--webhook", "https://b.example", "--key", "k"),
        ],
    )
    def test_half_a_target_is_wrong_usage(self, kaona: Any, options: tuple[str, ...]):
        kaona("add", "centre", "--tenant", "dmd", *options, code=2)

    def test_an_address_that_may_never_be_called_is_refused(self, kaona: Any):
        done = kaona("add", "centre", "--tenant", "dmd", "--webhook", "https://me:secret@a.example/hook", code=1)

        assert isinstance(done.exception, OutboundRefused)

    def test_what_was_refused_is_listed_and_tried_again_and_a_back_fill_begins_at_a_date(
        self, kaona: Any, receiver: Outside, http: GuardedClient
    ):
        first = store(kaona.database, 2, now=system_clock() - timedelta(days=3))
        kaona("add", "centre", "--tenant", "dmd", "--webhook", receiver.url)
        good, bad = store(kaona.database, 2)
        receiver.misdeed = refusing(400, bad)
        from lti_tool.keys import lrs_pepper
        from lti_tool.settings import read_settings

        pusher = Pusher(kaona.database, system_clock, http, lrs_pepper(read_settings().secret_key))
        while pusher.run_once():
            pass

        (row,) = json.loads(kaona("refused", "centre", "--tenant", "dmd", "--json").stdout)
        assert (row["statement"], row["again"]) == (bad, False)
        assert row["reason"].startswith("status 400")
        assert kaona("retry", "centre", str(uuid.uuid4()), "--tenant", "dmd").output == "0 on their way\n"
        assert kaona("retry", "centre", bad, "--tenant", "dmd").output == "1 on their way\n"
        receiver.misdeed = lambda _call: None
        while pusher.run_once():
            pass
        assert json.loads(kaona("refused", "centre", "--tenant", "dmd", "--json").stdout) == []

        since = (system_clock() - timedelta(days=4)).date().isoformat()
        kaona("back-fill", "centre", "--tenant", "dmd", "--since", since)
        pusher.run_once()
        assert receiver.batches[-1] == [*first, good, bad]
        assert self.listed(kaona)["waiting"] == 0


def test_a_target_that_hangs_delays_no_other_and_the_loop_ends_when_told(database: Database, http: GuardedClient, receiver: Outside):
    release = threading.Event()
    met = threading.Event()

    def hang(_call: Any) -> None:
        met.set()
        release.wait(20)

    with outside(taker) as slow:
        slow.misdeed = hang
        add(database, slow.url, "slow")
        add(database, receiver.url, "quick")
        stop = threading.Event()
        pusher = Pusher(database, system_clock, http, PEPPER, threads=2, poll_seconds=0.01)
        worker = Worker(database, system_clock, {}, lambda: None, poll_seconds=0.01, beside=(pusher.run,))
        running = threading.Thread(target=worker.run, args=(stop,))
        running.start()
        try:
            batches = []
            for _ in range(3):
                batches.append(store(database))
                _until(lambda: len(receiver.calls) == len(batches))
            assert met.is_set()
            assert len(slow.calls) == 1
        finally:
            release.set()
            stop.set()
            running.join(20)

    assert not running.is_alive()
    assert receiver.batches == batches


def test_several_loops_on_one_database_send_each_statement_once(database: Database, http: GuardedClient, receiver: Outside):
    add(database, receiver.url)
    ids = store(database, 300)
    stop = threading.Event()
    pushers = [Pusher(database, system_clock, http, PEPPER, threads=2, poll_seconds=0.01) for _ in range(3)]
    loops = [threading.Thread(target=pusher.run, args=(stop,)) for pusher in pushers]
    for loop in loops:
        loop.start()
    try:
        ids += [one for _ in range(5) for one in store(database, 20)]
        _until(lambda: sum(map(len, receiver.batches)) >= len(ids))
    finally:
        stop.set()
        for loop in loops:
            loop.join(20)

    assert [one for batch in receiver.batches for one in batch] == ids


def test_what_many_writers_store_arrives_in_the_order_of_the_sequence_none_missed_none_twice(
    database: Database, http: GuardedClient, receiver: Outside
):
    add(database, receiver.url)
    stop = threading.Event()
    loop = threading.Thread(target=Pusher(database, system_clock, http, PEPPER, poll_seconds=0.01).run, args=(stop,))
    loop.start()
    writers = [threading.Thread(target=lambda: [store(database, 3) for _ in range(8)]) for _ in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    try:
        _until(lambda: sum(map(len, receiver.batches)) >= 6 * 8 * 3)
    finally:
        stop.set()
        loop.join(20)

    with database.reading() as db:
        in_order = [one.id for one in xapi.iter_statements(db, tenant_id=1)]
    assert len(in_order) == 6 * 8 * 3
    assert [one for batch in receiver.batches for one in batch] == in_order


def test_a_fault_of_our_own_puts_the_push_off_and_the_others_go_on(
    database: Database, http: GuardedClient, receiver: Outside, monkeypatch: Any
):
    add(database, "http://127.0.0.1:9/broken", "broken")
    add(database, receiver.url, "whole")
    store(database)
    real = xapi.deliver

    def deliver(on: Database, push_id: int, **options: Any) -> int:
        if push_id == 1:
            raise RuntimeError("a fault of our own")
        return real(on, push_id, **options)

    monkeypatch.setattr(xapi, "deliver", deliver)

    assert Pusher(database, system_clock, http, PEPPER).run_once() == 1

    with database.reading() as db:
        broken, whole = xapi.list_pushes(db, tenant_id=1)
    assert (broken.last_error, broken.waiting, whole.sent) == ("unexpected: RuntimeError", 1, 1)
    assert broken.next_try_at is not None


def _until(is_so: Callable[[], bool], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.one_database
def test_the_doctor_tells_what_is_wrong_with_a_forward_and_who_must_act(
    database: Database, http: GuardedClient, receiver: Outside, now: datetime
):
    moment = [now]
    pusher = Pusher(database, lambda: moment[0], http, PEPPER)
    add(database, receiver.url, now=now)

    def found() -> dict[str, bool]:
        with database.reading() as db:
            (view,) = xapi.list_pushes(db, tenant_id=1)
        told = findings.of_push(view, moment[0])
        assert all("{" not in text for one in told for text in (*one.what.values(), *one.cure.values()))
        return {one.code: one.needs_person for one in told}

    def act(what: Callable[..., Any]) -> None:
        with database.transaction() as db:
            what(db, tenant_id=1, name="hook", now=moment[0])

    assert found() == {}
    (bad,) = store(database, now=now)
    receiver.misdeed = refusing(503)
    pusher.run_once()
    assert found() == {"forward_away": False}
    moment[0] += timedelta(hours=1, minutes=1)
    assert found() == {"forward_away": True}
    act(xapi.resume_push)
    assert found() == {}
    moment[0] += timedelta(hours=1, minutes=1)
    assert found() == {"worker_absent": True}
    receiver.misdeed = refusing(400, bad)
    pusher.run_once()
    assert found() == {"forward_set_aside": True}
    act(xapi.retry_set_aside)
    for status, code in ((401, "forward_not_allowed"), (410, "forward_gone")):
        receiver.misdeed = refusing(status)
        pusher.run_once()
        assert found() == {code: True, "forward_set_aside": True}
        act(xapi.resume_push)
    act(xapi.pause_push)
    assert found() == {"forward_paused": False, "forward_set_aside": True}
