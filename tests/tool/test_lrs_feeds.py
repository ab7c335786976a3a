"""`kaona lrs tail` and `kaona lrs export`; and feeds of the whole installation behind its real server."""

import csv
import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from base64 import b64encode
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy.exc import OperationalError

import xapi.api as xapi
from kernel.db import Database
from lti_tool.cli import cli, lrs_feeds

ROOT = Path(__file__).parents[2]
PASSED = "http://adlnet.gov/expapi/verbs/passed"
ANSWERED = "http://adlnet.gov/expapi/verbs/answered"
AUTHORITY = {"account": {"homePage": "https://kaona.example.go.th", "name": "kaona"}}


@pytest.fixture
def environment(database_maker, tmp_path):
    return {"KAONA_DATA_DIR": str(tmp_path / "data"), "KAONA_DATABASE_URL": database_maker.new()}


@pytest.fixture
def store(environment, now):
    """Stores statements in one of two agencies; `store.feed` names a slice."""
    database = Database(environment["KAONA_DATABASE_URL"])
    from lti_tool.lti.tenants import add_tenant

    with database.transaction() as db:
        tenants = {
            key: add_tenant(db, key=key, name={"th": key, "en": key}, home_page=f"https://{key}.example", now=now).id for key in "ab"
        }

    def add(key, name="p-1", verb=ANSWERED, at=now, **more):
        statement = {
            "actor": {"account": {"homePage": "https://a.example", "name": name}},
            "verb": {"id": verb},
            "object": {"id": "https://a.example/items/1"},
            **more,
        }
        with database.transaction() as db:
            [made] = xapi.store_statements(db, tenant_id=tenants[key], statements=[statement], authority=AUTHORITY, now=at)
        return made

    def feed(key, name, part):
        from xapi import feeds

        with database.transaction() as db:
            feeds.put_feed(db.connection(), tenant_id=tenants[key], name=name, owner="k", part=xapi.read_slice(part), now=now)

    add.feed, add.database, add.tenants = feed, database, tenants
    yield add
    database.dispose()


@pytest.fixture
def kaona(environment, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def run(*arguments, code=0):
        done = CliRunner().invoke(cli, ["lrs", *arguments])
        assert done.exit_code == code, done.output
        return done.output

    return run


def test_tail_shows_the_last_statements_of_all_agencies_on_a_line_each(kaona, store, now):
    store("a", name="p-1", at=now)
    store("a", name="p-2", verb=PASSED, at=now + timedelta(seconds=1), result={"score": {"scaled": 0.75}})
    store("b", name="p-3", at=now + timedelta(seconds=2))

    lines = kaona("tail", "--no-follow", "--lines", "1").splitlines()

    assert lines == [
        "2026-11-22T02:30:01Z  a  p-2  passed  https://a.example/items/1  0.75",
        "2026-11-22T02:30:02Z  b  p-3  answered  https://a.example/items/1",
    ]


def test_tail_keeps_to_an_agency_a_feed_verbs_and_a_moment(kaona, store, now):
    first = store("a")
    second = store("a", verb=PASSED, at=now + timedelta(minutes=1))
    third = store("a", at=now + timedelta(minutes=2))
    store("b", verb=PASSED)
    store.feed("a", "passed", {"verbs": [PASSED]})

    def ids(*arguments):
        return [json.loads(line)["id"] for line in kaona("tail", "--no-follow", "--json", "--tenant", "a", *arguments).splitlines()]

    assert ids() == [first, second, third]
    assert ids("--feed", "passed") == [second]
    assert ids("--verb", ANSWERED) == [first, third]
    assert ids("--since", "2026-11-22T02:30:30Z") == [second, third]
    assert ids("--since", "2026-11-22T09:31:30+0700") == [third]
    assert ids("--lines", "0") == []
    assert "other verbs" in kaona("tail", "--tenant", "a", "--feed", "passed", "--verb", ANSWERED, code=2)
    assert "--tenant" in kaona("tail", "--feed", "passed", code=2)


@pytest.mark.one_database
def test_tail_lets_no_name_write_to_the_terminal(kaona, store):
    store("a", name="\x1b[31mred\r\n\u009b2J")

    [line] = kaona("tail", "--no-follow").splitlines()

    assert all(sign.isprintable() for sign in line)
    assert "red" in line


@pytest.mark.one_database
def test_tail_follows_and_waits_out_a_database_that_does_not_answer(kaona, store, monkeypatch):
    """What a command does that goes on while the server, or the database, is started anew."""
    monkeypatch.setattr(lrs_feeds, "AWAY_SECONDS", 0.05)
    monkeypatch.setattr(lrs_feeds, "LOOK_SECONDS", 0.01)
    go_on, shown, turns = lrs_feeds._Tail.go_on, [], []

    def failing(self, db, *, codes):
        turns.append(1)
        if 2 <= len(turns) <= 4:
            raise OperationalError("SELECT", {}, Exception("gone"))
        if len(turns) == 6:
            shown.append(store("b", name="later"))
        if len(turns) == 9:
            raise KeyboardInterrupt
        return go_on(self, db, codes=codes)

    monkeypatch.setattr(lrs_feeds._Tail, "go_on", failing)
    first = store("a")
    output = kaona("tail", "--json", code=1)

    assert [json.loads(line)["id"] for line in output.splitlines() if line.startswith("{")] == [first, *shown]
    assert output.count("waiting for it") == 1


def test_tail_changes_nothing(kaona, store, environment):
    store("a")
    store.feed("a", "all", {})

    kaona("tail", "--no-follow", "--tenant", "a", "--feed", "all")

    with store.database.reading() as db:
        assert xapi.get_feed(db, tenant_id=store.tenants["a"], name="all").committed_at is None
    assert not Path(environment["KAONA_DATA_DIR"]).exists()


@pytest.mark.one_database
@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
def test_export_writes_a_file_a_day(kaona, store, now, tmp_path, form):
    ids = [store("a", at=now + timedelta(days=day)) for day in range(3)]
    store("b")

    written = json.loads(
        kaona(
            "export",
            "--tenant",
            "a",
            "--from",
            "2026-11-22",
            "--to",
            "2026-11-24",
            "--format",
            form,
            "--out",
            str(tmp_path / "out"),
            "--json",
        )
    )

    def found(path):
        if form == "csv":
            return [row["id"] for row in csv.DictReader(path.read_text("utf-8-sig").splitlines())]
        if form == "ndjson":
            return [json.loads(line)["id"] for line in path.read_text().splitlines()]
        from pyarrow import parquet

        return parquet.read_table(path)["id"].to_pylist()

    assert [Path(one["file"]).name for one in written] == [f"a-all-2026-11-{day}.{form}" for day in (22, 23, 24)]
    assert [found(Path(one["file"])) for one in written] == [[one] for one in ids]
    assert [Path(one["file"]).stat().st_size for one in written] == [one["bytes"] for one in written]
    assert sorted(path.suffix for path in (tmp_path / "out").iterdir()) == [f".{form}"] * 3


@pytest.mark.one_database
def test_export_knows_feeds_verbs_and_zones(kaona, store, now, tmp_path):
    store("a")
    wanted = store("a", verb=PASSED, at=now + timedelta(hours=15))
    store.feed("a", "passed", {"verbs": [PASSED]})

    def lines(*arguments):
        path = kaona("export", "--tenant", "a", "--format", "ndjson", "--out", str(tmp_path), *arguments).strip()
        return [json.loads(line)["id"] for line in Path(path).read_text().splitlines()]

    assert lines("--feed", "passed", "--from", "2026-11-22") == [wanted]
    assert lines("--verb", PASSED, "--from", "2026-11-22") == [wanted]
    assert lines("--from", "2026-11-23", "--zone", "Asia/Bangkok") == [wanted]
    assert "time zone" in kaona("export", "--tenant", "a", "--zone", "Bangkok", code=2)
    assert "before" in kaona("export", "--tenant", "a", "--from", "2026-11-22", "--to", "2026-11-21", code=2)


# --- the real server


@pytest.fixture
def served(tmp_path, monkeypatch, now):
    """`kaona serve` with one process on an installation of its own: asks for addresses below `/xapi/feeds`, where a feed `all` is."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for name, value in {"DATA_DIR": str(tmp_path), "WEB_WORKERS": "1", "WEB_THREADS": "4", "LRS_MAX_WAITING": "2"}.items():
        monkeypatch.setenv(f"KAONA_{name}", value)
    commands = CliRunner()
    for command in ("tenant add a --name-th a --name-en a", "lrs key create x --tenant a --scope all --json"):
        done = commands.invoke(cli, command.split(), catch_exceptions=False)
    key = json.loads(done.output)
    process = subprocess.Popen([sys.executable, "-m", "lti_tool", "serve", "--port", str(port)], cwd=ROOT, stderr=subprocess.DEVNULL)
    authorization = "Basic " + b64encode(f"{key['key']}:{key['secret']}".encode()).decode()

    def asked(path, method="GET", body=None, **headers):
        sent = {"Authorization": authorization, "Content-Type": "application/json", "X-Experience-API-Version": "2.0.0"} | headers
        request = urllib.request.Request(f"http://127.0.0.1:{port}/xapi{path}", data=body, method=method, headers=sent)
        return urllib.request.urlopen(request, timeout=20)

    deadline = time.monotonic() + 60
    while True:
        try:
            asked("/feeds/all", "PUT", b"{}").close()
            break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    asked.process = process
    yield asked
    process.kill()
    process.wait()


@pytest.mark.long
def test_the_server_streams_at_once_notices_who_goes_and_ends_when_asked_to(served):
    def events():
        return served("/feeds/all?after=0", Accept="text/event-stream")

    stream = events()
    assert stream.readline().startswith(b"retry")
    begun = time.monotonic()
    statement = {"actor": {"mbox": "mailto:a@e.go.th"}, "verb": {"id": PASSED}, "object": {"id": "https://a.example/items/1"}}
    [known] = json.load(served("/statements", "POST", json.dumps([statement]).encode()))
    line = next(line for line in stream if line.startswith(b"data"))
    assert json.loads(line.removeprefix(b"data: "))["id"] == known
    assert time.monotonic() - begun < 3

    second = events()
    with pytest.raises(urllib.error.HTTPError) as refusal:
        events()
    assert (refusal.value.code, refusal.value.headers["Retry-After"]) == (503, "5")
    second.close()
    deadline = time.monotonic() + 20
    while True:
        try:
            second = events()
            break
        except urllib.error.HTTPError:
            assert time.monotonic() < deadline
            time.sleep(0.2)

    ended = threading.Thread(target=stream.read)
    ended.start()
    served.process.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    assert served.process.wait(30) is not None
    assert time.monotonic() - begun < 8  # the server alone would wait ten seconds, and then kill
    ended.join(5)
    assert not ended.is_alive()
