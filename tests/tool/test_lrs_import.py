"""Statements brought in from a file and from another record store: what lands, what is told, and going on after a stop."""

import gzip
import io
import json
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner
from flask import Flask
from werkzeug.wrappers import Response

import roadmap.api as roadmap
import xapi.api as xapi
from kernel.db import Database
from kernel.http import GuardedClient, HttpPolicy, OutboundRefused
from lti_tool import models
from lti_tool.cli import cli
from lti_tool.lti.tenants import add_tenant
from lti_tool.workflows import lrs_import
from tests.roadmap.factories import course_done, document, name
from tests.xapi.outside import Call, outside

PERSON = name("person")
VERBS = "http://adlnet.gov/expapi/verbs/"
HERS = {"objectType": "Agent", "account": {"homePage": "https://lms.example.go.th", "name": "logstore"}}


@pytest.fixture
def agency(database: Database, now: datetime) -> int:
    with database.transaction() as db:
        roadmap.load_frameworks(db, document(), now=now)
        return add_tenant(db, key="opdc", name={"th": "ก", "en": "A"}, home_page="https://opdc.example.go.th", now=now).id


@pytest.fixture
def bring(database: Database, agency: int, now: datetime) -> Callable[..., lrs_import.ImportView]:
    """Brings lines in, given as values, texts or packed bytes."""

    def carry_out(*lines: Any, packed: bytes | None = None, source: Any = None, **options: Any) -> lrs_import.ImportView:
        text = "\n".join(line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines)
        source = source or lrs_import.FileSource("all.ndjson", io.BytesIO(packed if packed is not None else text.encode()))
        return lrs_import.bring_in(database, source, tenant_id=agency, actor="command", clock=lambda: now, **options)

    return carry_out


def new(**fields: Any) -> dict[str, Any]:
    return {
        "id": str(uuid4()),
        "actor": {"account": {"homePage": "https://lms.example.go.th", "name": "p-1"}},
        "verb": {"id": f"{VERBS}answered"},
        "object": {"id": "https://lms.example.go.th/items/1"},
        "timestamp": "2024-05-01T08:00:00.123Z",
        **fields,
    }


def stored(database: Database) -> list[xapi.StoredStatement]:
    with database.reading() as db:
        return list(xapi.iter_statements(db))


def faults_of(database: Database, view: lrs_import.ImportView, tenant_id: int) -> list[tuple[Any, ...]]:
    with database.reading() as db:
        _, faults = lrs_import.get_import(db, view.uuid, tenant_id=tenant_id)
    return [(fault.line, fault.code, fault.rule, fault.place) for fault in faults]


def test_ids_timestamps_and_the_order_of_lines_stay_and_stored_is_ours(database: Database, bring: Any, now: datetime):
    lines = [new(stored="2024-05-01T08:00:01Z", authority=HERS) for _ in range(3)]

    done = bring(*lines)

    kept = stored(database)
    assert (done.state, done.n_new, done.n_read) == ("done", 3, 3)
    assert [one.id for one in kept] == [line["id"] for line in lines]
    assert {one.statement["timestamp"] for one in kept} == {"2024-05-01T08:00:00.123Z"}
    assert all(one.stored >= now for one in kept)
    assert {one.statement["authority"]["account"]["name"] for one in kept} == {"import"}


def test_the_authority_stays_where_an_administrator_says_so(database: Database, bring: Any):
    bring(new(authority=HERS), new(), keeps_authority=True)

    hers, ours = (one.statement["authority"]["account"]["name"] for one in stored(database))
    assert (hers, ours) == ("logstore", "import")


def test_bad_lines_are_told_with_number_and_rule_and_the_good_ones_land(database: Database, bring: Any, agency: int):
    twice, known = new(), new()
    bring(known)
    lines = [
        new(), "{", "", "[1]", new(actor={"name": "x"}), twice, {**twice, "result": {"success": True}}, known,
        {**known, "verb": {"id": f"{VERBS}passed"}}, new(attachments=[{
            "usageType": "http://x.example/a", "display": {"en": "a"}, "contentType": "text/plain", "length": 1, "sha2": "a" * 64,
        }]), new(timestamp="2024-02-30T00:00:00Z"), new(),
    ]  # fmt: skip

    done = bring(*lines)

    assert (done.n_read, done.n_new, done.n_known, done.n_refused) == (11, 3, 1, 7)
    told = faults_of(database, done, agency)
    assert [(line, code) for line, code, _, _ in told] == [
        (2, "invalid_json"), (4, "statement_invalid"), (5, "statement_invalid"), (7, "statement_conflict"), (9, "statement_conflict"),
        (10, "statement_invalid"), (11, "statement_invalid"),
    ]  # fmt: skip
    assert told[5][2:] == ("attachment_missing", "/attachments/0")
    assert len(stored(database)) == 4


def test_a_packed_file_and_one_with_a_byte_order_mark_are_read_alike(database: Database, bring: Any):
    text = b"\xef\xbb\xbf" + json.dumps(new()).encode() + b"\r\n" + json.dumps(new()).encode()

    assert bring(packed=text).n_new == 2
    assert bring(packed=gzip.compress(text)).n_known == 2


@pytest.mark.one_database
def test_a_damaged_pack_stops_the_import_with_what_came_before(database: Database, bring: Any, agency: int):
    packed = gzip.compress("\n".join(json.dumps(new()) for _ in range(2000)).encode())

    with pytest.raises(xapi.SourceUnusable):
        bring(packed=packed[: len(packed) // 2])

    with database.reading() as db:
        (view,) = lrs_import.list_imports(db, tenant_id=agency)
    assert (view.state, view.last_error) == ("stopped", "source_unusable")
    assert view.n_new == len(stored(database)) > 0


@pytest.mark.one_database
def test_a_line_longer_than_a_request_may_be_is_told_and_the_next_one_lands(database: Database, bring: Any, agency: int):
    done = bring('{"id": "' + "x" * 6_000_000 + '"}', new())

    assert faults_of(database, done, agency) == [(1, "too_large", None, None)]
    assert done.n_new == 1


def test_what_is_brought_in_is_evidence_as_what_arrives(database: Database, bring: Any, agency: int, now: datetime):
    home = {"homePage": "https://opdc.example.go.th", "name": str(PERSON)}
    bring({**course_done(PERSON, "th-ds-2567#DLIT", now), "actor": {"account": home}})

    with database.reading() as db:
        (level,) = roadmap.attainment_of(db, tenant_id=agency, person_uuid=PERSON, now=now)
    assert level.level == 1


def test_a_voiding_of_the_source_holds_where_its_authorities_are_kept(database: Database, bring: Any, agency: int):
    voided = new(authority=HERS)
    administrator = {"account": {"homePage": "https://lms.example.go.th", "name": "administrator"}}
    voiding = new(verb={"id": f"{VERBS}voided"}, object={"objectType": "StatementRef", "id": voided["id"]}, authority=administrator)

    bring(voided, voiding, keeps_authority=True)

    assert [one.voided for one in stored(database)] == [True, False]


def test_a_voiding_of_anothers_statement_is_told_and_nothing_else_is_lost(database: Database, bring: Any, agency: int, now: datetime):
    with database.transaction() as db:
        (theirs,) = xapi.store_statements(db, tenant_id=agency, statements=[new()], authority=HERS, now=now)

    done = bring(new(), new(verb={"id": f"{VERBS}voided"}, object={"objectType": "StatementRef", "id": theirs}), new())

    assert faults_of(database, done, agency) == [(2, "voiding_forbidden", None, None)]
    assert [one.voided for one in stored(database)] == [False, False, False]


class Cut(io.BytesIO):
    """A file whose reading breaks after so many lines."""

    def __init__(self, text: bytes, lines: int) -> None:
        super().__init__(text)
        self._left = lines

    def peek(self, size: int) -> bytes:
        return self.getvalue()[:size]

    def readline(self, size: int | None = -1, /) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise KeyboardInterrupt
        return super().readline(size)


def test_an_import_that_was_stopped_goes_on_after_the_last_batch_that_landed(database: Database, bring: Any, agency: int):
    lines = [new() for _ in range(1_100)]
    text = "\n".join(map(json.dumps, lines)).encode()
    with pytest.raises(KeyboardInterrupt):
        bring(source=lrs_import.FileSource("all.ndjson", Cut(text, 700)))
    assert len(stored(database)) == 500
    told: list[int] = []

    done = bring(packed=text, resume=True, on_batch=lambda view, _faults: told.append(view.n_read))

    assert [one.id for one in stored(database)] == [line["id"] for line in lines]
    assert (done.state, done.n_read, done.n_new, done.n_known) == ("done", 1_100, 1_100, 0)
    assert told == [1_000, 1_100]
    with pytest.raises(lrs_import.NothingToResume):
        bring(packed=text, resume=True)


# --- from another record store ------------------------------------------------------------------------------------------------------


class Elsewhere:
    """Another record store: ours, on another database, behind a door that can be shut."""

    def __init__(self, database: Database, now: datetime) -> None:
        self.database, self.now = database, now
        self.shut: list[int] = []
        self.app = Flask("elsewhere")
        self.app.register_blueprint(xapi.create_lrs(database, clock=lambda: self.now))
        with database.transaction() as db:
            self.key = xapi.create_key(db, tenant_id=7, name="reader", scopes=["statements/read"], now=now)
            xapi.store_statements(db, tenant_id=7, statements=[new() for _ in range(450)], authority=HERS, now=now)

    def answer(self, call: Call) -> Response | None:
        return Response(status=self.shut.pop(0)) if self.shut and "statements" in call.path else None


@pytest.fixture
def elsewhere(database_maker: Any, now: datetime) -> Iterator[Elsewhere]:
    other = Database(database_maker.new())
    store = Elsewhere(other, now)
    with outside(store.app) as door:
        door.misdeed = store.answer
        store.door, store.url = door, f"{door.url}/xapi"
        yield store
    other.dispose()
    database_maker.drop(other.url)


@pytest.fixture
def remote(elsewhere: Elsewhere) -> Iterator[Callable[..., lrs_import.RemoteSource]]:
    http = GuardedClient(HttpPolicy(dev_mode=True))
    yield lambda **changes: lrs_import.RemoteSource(
        **{
            "name": elsewhere.url,
            "http": http,
            "key": elsewhere.key.key,
            "secret": elsewhere.key.secret,
            "sleep": lambda _: None,
            **changes,
        }
    )
    http.close()


def test_another_store_is_read_by_its_more_links_in_its_order(database: Database, elsewhere: Elsewhere, bring: Any, remote: Any):
    done = bring(source=remote(), keeps_authority=True)

    theirs = [one.statement for one in stored(elsewhere.database)]
    ours = [one.statement for one in stored(database)]
    assert (done.state, done.n_new) == ("done", 450)
    assert [{**one, "stored": 0} for one in ours] == [{**one, "stored": 0} for one in theirs]
    assert [call.path for call in elsewhere.door.calls].count("/xapi/statements") == 3
    assert bring(source=remote()).n_known == 450


@pytest.mark.one_database
def test_a_store_that_is_away_for_a_moment_is_asked_again(elsewhere: Elsewhere, bring: Any, remote: Any):
    pauses: list[float] = []
    elsewhere.shut = [503, 429, 500]

    assert bring(source=remote(sleep=pauses.append)).n_new == 450
    assert pauses == [1.0, 2.0, 4.0]


@pytest.mark.one_database
def test_a_store_that_stays_away_stops_the_import_and_it_goes_on_later(database: Database, elsewhere: Elsewhere, bring: Any, remote: Any):
    def shut_after_one(view: lrs_import.ImportView, _faults: Any) -> None:
        elsewhere.shut = [503] * 5 if view.n_read == 200 else []

    with pytest.raises(xapi.SourceAway):
        bring(source=remote(), on_batch=shut_after_one)
    elsewhere.shut = []

    done = bring(source=remote(), resume=True)

    assert (done.n_new, done.n_known, done.state) == (450, 0, "done")


@pytest.mark.one_database
def test_a_more_link_that_no_longer_holds_is_followed_by_a_new_query(
    database: Database, elsewhere: Elsewhere, bring: Any, remote: Any, agency: int
):
    elsewhere.shut = []

    def stop(_view: Any, _faults: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bring(source=remote(), on_batch=stop)
    elsewhere.now = elsewhere.now.replace(year=2027)

    done = bring(source=remote(), resume=True)

    assert done.state == "done"
    assert len({one.id for one in stored(database)}) == len(stored(database)) == 450


@pytest.mark.one_database
@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_store_that_refuses_us_stops_the_import_with_its_status(elsewhere: Elsewhere, bring: Any, remote: Any, status: int):
    elsewhere.shut = [status]

    with pytest.raises(xapi.SourceUnusable, match=f"status {status}"):
        bring(source=remote())


@pytest.mark.one_database
def test_the_credentials_never_leave_for_another_origin(database: Database, bring: Any, remote: Any, now: datetime):
    app = Flask("liar")
    app.add_url_rule("/xapi/about", view_func=lambda: {"version": ["1.0.3"]})
    app.add_url_rule("/xapi/statements", "statements", lambda: {"statements": [new()], "more": "https://thief.example/xapi/statements"})
    with outside(app) as door, pytest.raises(OutboundRefused, match="not the LRS that was asked"):
        bring(source=remote(name=f"{door.url}/xapi"))

    assert len(stored(database)) == 1


# --- the command --------------------------------------------------------------------------------------------------------------------


@pytest.mark.one_database
def test_the_command_lands_a_file_and_writes_down_what_it_refused(
    database: Database, agency: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("KAONA_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("KAONA_DATABASE_URL", database.url)
    monkeypatch.setattr("lti_tool.migrate.ensure_current", lambda _database: None)
    (tmp_path / "all.ndjson").write_text(json.dumps(new()) + "\n{\n", encoding="utf-8")

    def run(*arguments: str, code: int, **options: Any) -> Any:
        done = CliRunner().invoke(cli, ["lrs", "import", *arguments, "--tenant", "opdc"], **options)
        assert done.exit_code == code, done.output
        return done

    done = run(str(tmp_path / "all.ndjson"), "--refused", str(tmp_path / "refused.ndjson"), "--json", code=1)
    told = json.loads(done.stdout)
    run("-", code=0, input=json.dumps(new()) + "\n")
    run(code=2)

    assert (told["new"], told["refused"]) == (1, 1)
    assert "line 2: invalid_json" in done.stderr
    (refused,) = map(json.loads, (tmp_path / "refused.ndjson").read_text().splitlines())
    assert (refused["line"], refused["text"]) == (2, "{")
    assert len(stored(database)) == 2
    with database.reading() as db:
        events = [entry.event for entry in db.query(models.AuditEntry)]
    assert events.count("statements.import_done") == 2
