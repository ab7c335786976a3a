"""Feeds by name: a slice and a cursor; read on from anywhere, miss nothing, wait for more."""

import json
import re
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from urllib.parse import quote

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from kernel.clock import system_clock
from kernel.db import Database
from xapi import api, feeds
from xapi.slices import read_slice

PEPPER = b"pepper of the tests"
PASSED = "http://adlnet.gov/expapi/verbs/passed"
VOIDED = "http://adlnet.gov/expapi/verbs/voided"


class FeedClient:
    """One credential reading feeds."""

    def __init__(self, lrs):
        self.http, self.auth = lrs.http, (lrs.key.key, lrs.key.secret)

    def open(self, method, path, body=None, **options):
        return self.http.open(f"/xapi/feeds{path}", method=method, json=body, auth=self.auth, **options)

    def put(self, name="all", part=None):
        answer = self.open("PUT", f"/{name}", part or {})
        assert answer.status_code in (200, 201), answer.text
        return answer.json

    def read(self, name="all", headers=None, **params):
        answer = self.open("GET", f"/{name}", query_string=params, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json

    def ids(self, name="all", **params):
        return [statement["id"] for statement in self.read(name, **params)["statements"]]

    def refusal(self, method, path, body=None, **options):
        answer = self.open(method, path, body, **options)
        error = answer.json["error"]
        return answer.status_code, error["rule"] or error["code"], error["place"]


@pytest.fixture
def feed(lrs):
    client = FeedClient(lrs)
    client.put()
    return client


def stored(lrs, *statements):
    answer = lrs.post(list(statements))
    assert answer.status_code == 200, answer.text
    return answer.json


def test_a_feed_brings_statements_in_the_order_of_arrival_page_by_page(lrs, feed, new_statement):
    ids = stored(lrs, *(new_statement() for _ in range(7)))

    first = feed.read(limit=3)
    second = feed.read(after=first["cursor"], limit=3)
    third = feed.read(after=second["cursor"], limit=3)
    fourth = feed.read(after=third["cursor"], limit=3)

    assert [[one["id"] for one in page["statements"]] for page in (first, second, third, fourth)] == [ids[:3], ids[3:6], ids[6:], []]
    assert fourth["cursor"] == third["cursor"]


def test_statements_come_as_they_are_stored(lrs, feed, new_statement):
    text = json.dumps(new_statement(result={"score": {"raw": 1.10}}), ensure_ascii=False, indent=2).replace("1.1", "1.10")
    [statement_id] = lrs.post(text.encode()).json

    assert '"raw": 1.10' in feed.open("GET", "/all").text
    assert feed.read()["statements"] == [lrs.get(statementId=statement_id).json]


def test_a_feed_brings_its_slice_only_and_its_cursor_moves_over_the_rest(lrs, feed, new_statement):
    feed.put("passed", {"verbs": [PASSED]})
    [wanted] = stored(lrs, new_statement(verb={"id": PASSED}))
    stored(lrs, *(new_statement() for _ in range(3)))

    page = feed.read("passed")

    assert [one["id"] for one in page["statements"]] == [wanted]
    assert feed.ids("all", after=page["cursor"]) == []


def test_without_a_start_a_feed_goes_on_from_the_cursor_that_was_committed(lrs, feed, new_statement):
    ids = stored(lrs, *(new_statement() for _ in range(4)))
    page = feed.read(limit=2)
    assert feed.ids() == ids

    told = feed.open("POST", "/all/cursor", {"cursor": page["cursor"]}).json

    assert (told["cursor"], told["committed_at"]) == (page["cursor"], "2026-11-22T02:30:00.000000Z")
    assert feed.open("GET", "/all/cursor").json == told
    assert feed.ids() == ids[2:]
    assert feed.ids(after="0") == ids
    feed.open("POST", "/all/cursor", {"cursor": "0"})
    assert feed.ids() == ids


def test_a_feed_is_replayed_from_a_moment(lrs, feed, clock, new_statement):
    stored(lrs, new_statement())
    moment = lrs.get().json["statements"][0]["stored"]
    clock.forward(seconds=1)
    later = stored(lrs, new_statement())

    assert feed.ids(since=moment) == later
    feed.open("POST", "/all/cursor", {"since": moment})
    assert feed.ids() == later


def test_a_feed_given_another_slice_keeps_its_cursor(lrs, feed, new_statement):
    stored(lrs, new_statement(verb={"id": PASSED}))
    cursor = feed.read()["cursor"]
    feed.open("POST", "/all/cursor", {"cursor": cursor})

    changed = feed.open("PUT", "/all", {"verbs": [PASSED]})

    assert (changed.status_code, changed.json["slice"], changed.json["cursor"]) == (200, {"verbs": [PASSED]}, cursor)
    assert feed.ids() == []


def test_feeds_are_listed_and_deleted(feed):
    made = feed.open("PUT", "/second", {"verbs": [PASSED]})

    assert made.status_code == 201
    assert [one["name"] for one in feed.open("GET", "").json["feeds"]] == ["all", "second"]
    assert feed.open("DELETE", "/second").status_code == 204
    assert [one["name"] for one in feed.open("GET", "").json["feeds"]] == ["all"]
    assert feed.refusal("DELETE", "/second") == (404, "feed_not_found", None)
    assert feed.refusal("GET", "/second") == (404, "feed_not_found", None)


def test_a_voided_statement_is_left_out_and_the_voiding_one_reaches_the_feeds_that_had_it(lrs, feed, new_statement):
    feed.put("passed", {"verbs": [PASSED]})
    [target] = stored(lrs, new_statement(verb={"id": PASSED}))
    before = feed.read("passed")
    [voiding] = stored(lrs, new_statement(verb={"id": VOIDED}, object={"objectType": "StatementRef", "id": target}))

    assert [one["id"] for one in before["statements"]] == [target]
    assert feed.ids("passed", after=before["cursor"]) == [voiding]
    assert feed.ids("passed", after="0") == [voiding]


def test_a_slice_with_times_ends_and_its_cursor_still_moves_on(lrs, feed, clock, new_statement):
    ids = stored(lrs, new_statement(), new_statement(), new_statement())
    moments = [one["stored"] for one in lrs.get(ascending="true").json["statements"]]
    feed.put("middle", {"since": moments[0], "until": moments[1]})

    page = feed.read("middle")

    assert [one["id"] for one in page["statements"]] == ids[1:2]
    assert page["cursor"] == feed.read("all")["cursor"]


def test_a_cursor_is_opaque_holds_for_its_tenant_only_and_cannot_be_changed(lrs, feed, new_client, new_statement):
    stored(lrs, *(new_statement() for _ in range(2)))
    cursor = feed.read()["cursor"]
    other = FeedClient(new_client("all", tenant_id=2))
    other.put()

    assert feed.ids(after=cursor) == []
    assert other.refusal("GET", "/all", query_string={"after": cursor}) == (400, "cursor_invalid", None)
    for place in range(0, 27, 3):
        changed = cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
        assert feed.refusal("GET", "/all", query_string={"after": changed})[0] == 400
    for wrong in ("", "1", "x" * 27, "é", cursor + "AAAA"):
        assert feed.refusal("GET", "/all", query_string={"after": wrong}) == (400, "cursor_invalid", None)


def test_a_cursor_of_every_place_is_read_again():
    for position in (0, 1, 255, 2**31, 2**53, 2**63 - 1):
        assert feeds.open_cursor(feeds.sign_cursor(position, tenant_id=3, pepper=PEPPER), tenant_id=3, pepper=PEPPER) == position


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("PUT", "/.hidden", {}, (400, "feed_name", "name")),
        ("PUT", "/" + "a" * 65, {}, (400, "feed_name", "name")),
        ("PUT", "/ก", {}, (400, "feed_name", "name")),
        ("PUT", "/a", {"verbs": ["passed"]}, (400, "not_iri", "/verbs/0")),
        ("PUT", "/a", [], (400, "not_object", "/")),
        ("PUT", "/a?limit=1", {}, (400, "unknown_parameter", "limit")),
        ("GET", "/all?limit=0", None, (400, "out_of_range", "limit")),
        ("GET", "/all?limit=501", None, (400, "out_of_range", "limit")),
        ("GET", "/all?wait=61", None, (400, "out_of_range", "wait")),
        ("GET", "/all?wait=-1", None, (400, "out_of_range", "wait")),
        ("GET", "/all?since=yesterday", None, (400, "not_timestamp", "since")),
        ("GET", "/all?since=2026-11-22T00:00:00Z&after=0", None, (400, "one_start", "after")),
        ("GET", "/all?verb=x", None, (400, "unknown_parameter", "verb")),
        ("GET", "/all?after=0&after=0", None, (400, "repeated_parameter", "after")),
        ("GET", "?limit=1", None, (400, "unknown_parameter", "limit")),
        ("POST", "/all", {}, (405, "method_refused", None)),
        ("DELETE", "", None, (405, "method_refused", None)),
        ("PUT", "/all/cursor", {"cursor": "0"}, (405, "method_refused", None)),
        ("POST", "/all/cursor", {}, (400, "one_start", "/")),
        ("POST", "/all/cursor", {"cursor": "0", "since": "2026-11-22T00:00:00Z"}, (400, "one_start", "/")),
        ("POST", "/all/cursor", {"place": "0"}, (400, "unknown_parameter", "place")),
        ("POST", "/all/cursor", {"cursor": 0}, (400, "not_object", "/")),
        ("POST", "/all/cursor", [], (400, "not_object", "/")),
        ("POST", "/all/cursor", {"cursor": "x"}, (400, "cursor_invalid", None)),
        ("POST", "/none/cursor", {"cursor": "0"}, (404, "feed_not_found", None)),
        ("GET", "/all/days/2026-11-22.xlsx", None, (404, "resource_not_found", None)),
    ],
)
def test_what_cannot_be_done_is_refused_with_rule_and_place(feed, method, path, body, expected):
    assert feed.refusal(method, path, body) == expected


@pytest.mark.one_database
def test_a_refused_method_tells_which_are_known(feed):
    assert feed.open("POST", "/all", {}).headers["Allow"] == "GET, HEAD, PUT, DELETE"


@pytest.mark.one_database
def test_the_slice_must_be_sent_as_json(feed):
    answer = feed.http.put("/xapi/feeds/a", data="{}", content_type="text/plain", auth=feed.auth)
    broken = feed.http.put("/xapi/feeds/a", data='{"verbs":[],"verbs":[]}', content_type="application/json", auth=feed.auth)

    assert (answer.status_code, answer.json["error"]["rule"]) == (400, "not_json")
    assert (broken.status_code, broken.json["error"]["code"]) == (400, "invalid_json")


def test_feeds_need_a_credential_that_may_read(http, feed, new_client):
    writer = FeedClient(new_client("statements/write"))

    assert http.get("/xapi/feeds").status_code == 401
    for method, path, body in (("GET", "", None), ("GET", "/all", None), ("PUT", "/x", {}), ("GET", "/all/days/2026-11-22.csv", None)):
        assert writer.refusal(method, path, body)[:2] == (403, "scope")


def test_a_feed_belongs_to_the_credential_that_made_it(feed, new_client):
    """Scope `all` reaches the feeds of the whole tenant, and of no other."""
    owner, other = FeedClient(new_client("statements/read")), FeedClient(new_client("statements/read"))
    owner.put("mine")

    assert other.refusal("GET", "/mine") == (404, "feed_not_found", None)
    assert other.refusal("DELETE", "/mine") == (404, "feed_not_found", None)
    assert other.refusal("POST", "/mine/cursor", {"cursor": "0"}) == (404, "feed_not_found", None)
    assert other.refusal("PUT", "/mine", {}) == (409, "feed_taken", None)
    assert [one["name"] for one in other.open("GET", "").json["feeds"]] == []
    assert [one["name"] for one in owner.open("GET", "").json["feeds"]] == ["mine"]
    assert [one["name"] for one in feed.open("GET", "").json["feeds"]] == ["all", "mine"]
    assert FeedClient(new_client("all", tenant_id=2)).open("GET", "").json["feeds"] == []


def test_a_feed_of_read_mine_brings_own_statements_only(lrs, new_client, new_statement):
    writer = new_client("statements/write", "statements/read/mine")
    stored(lrs, new_statement())
    [own] = stored(writer, new_statement())
    reader = FeedClient(writer)
    reader.put("mine")

    assert reader.ids("mine") == [own]


def test_a_feed_stays_within_the_slice_of_its_credential_and_shows_pseudonyms(database, lrs, now, new_statement, agent):
    with database.transaction() as db:
        part = read_slice({"verbs": [PASSED]})
        key = api.create_key(db, tenant_id=1, name="part", scopes=["statements/read"], now=now, part=part, pseudonymous=True, pepper=PEPPER)
    reader = FeedClient(type(lrs)(lrs.http, key))
    stored(lrs, new_statement())
    [wanted] = stored(lrs, new_statement(verb={"id": PASSED}))
    reader.put("mine")

    [found] = reader.read("mine")["statements"]
    exported = reader.open("GET", "/mine/days/2026-11-22.ndjson")
    pseudonym = found["actor"]
    reader.put("one", {"agents": [pseudonym]})

    assert found["id"] == wanted
    assert agent["account"]["name"] not in json.dumps(found)
    assert [json.loads(line) for line in exported.text.splitlines()] == [found]
    assert reader.ids("one") == [wanted]
    assert reader.refusal("PUT", "/two", {"agents": [agent]})[:2] == (400, "not_pseudonym")


def test_a_credential_has_a_bound_of_feeds(feed, new_client, monkeypatch):
    monkeypatch.setattr(feeds, "MAX_FEEDS", 2)
    feed.put("second")

    assert feed.refusal("PUT", "/third", {}) == (400, "too_many_feeds", "name")
    assert feed.open("PUT", "/second", {}).status_code == 200
    assert FeedClient(new_client("statements/read")).open("PUT", "/third", {}).status_code == 201


def test_head_agrees_with_get(lrs, feed, new_statement):
    stored(lrs, new_statement())
    stable = {"Content-Type", "ETag", "Vary", "Cache-Control", "Content-Length"}

    for path in ("", "/all", "/all/cursor", "/all/days/2026-11-22.csv"):
        get, head = feed.open("GET", path), feed.open("HEAD", path)
        assert (head.status_code, head.data) == (200, b"")
        assert {name: head.headers.get(name) for name in stable} == {name: get.headers.get(name) for name in stable}


@pytest.mark.one_database
def test_a_feed_needs_no_version_and_stands_at_one_address(feed):
    assert feed.open("GET", "/all", headers={"X-Experience-API-Version": "1.0.3"}).status_code == 200
    assert feed.http.get("/xapi/1.0.3/feeds", auth=feed.auth, headers={"X-Experience-API-Version": "1.0.3"}).status_code == 404


# --- a replica


@pytest.fixture
def replica(database, database_maker, clock, new_statement, monkeypatch):
    """A database that got the first 600 statements of tenant 1 and lags behind the last 100; where there is a choice it is read."""
    url = database_maker.new()
    lagging = Database(url)
    batches = [[new_statement(id=str(uuid.uuid4())) for _ in range(n)] for n in (300, 300, 100)]
    for batch, there in zip(batches, ([database, lagging], [database, lagging], [database]), strict=True):
        for one in there:
            with one.transaction() as db:
                api.store_statements(db, tenant_id=1, statements=batch, authority={"mbox": "mailto:lrs@e.go.th"}, now=clock())
        clock.forward(seconds=1)

    def look(_database, work):
        with lagging.looking() as db:
            return work(db)

    monkeypatch.setattr(Database, "look", look)
    yield [statement["id"] for batch in batches for statement in batch]
    lagging.dispose()
    database_maker.drop(url)


def test_lines_from_a_replica_that_lags_end_with_the_cursor_of_what_was_read(feed, replica):
    lines = [json.loads(line) for line in feed.open("GET", "/all", headers={"Accept": "application/x-ndjson"}).text.splitlines()]

    assert [line["id"] for line in lines[:-1]] == replica[:600]
    assert feed.ids(after=lines[-1]["cursor"]) == replica[600:]


def test_a_file_from_a_replica_that_lags_is_not_told_to_be_complete(feed, clock, replica):
    clock.forward(days=2)

    file = feed.open("GET", "/all/days/2026-11-22.ndjson")

    assert file.text.count("\n") == 600
    assert file.headers["X-Feed-Day-Complete"] == "false"


# --- waiting


@pytest.fixture
def live(database, lrs):
    """The same credential on an LRS whose clock runs and where few may wait."""
    app = Flask("live")
    app.register_blueprint(api.create_lrs(database, clock=system_clock, key_pepper=PEPPER, max_waiting=2))
    return lambda: type(lrs)(app.test_client(), lrs.key)


def test_who_waits_gets_the_next_statement_when_it_comes(feed, live, new_statement):
    waiting = FeedClient(live())

    with ThreadPoolExecutor(1) as pool:
        begun = time.monotonic()
        answer = pool.submit(waiting.ids, wait=30)
        time.sleep(0.4)
        assert not answer.done()
        ids = stored(live(), new_statement())
        assert answer.result(5) == ids

    assert time.monotonic() - begun < 5


@pytest.mark.one_database
def test_who_waits_for_a_slice_is_not_woken_by_other_statements(feed, live, new_statement):
    feed.put("passed", {"verbs": [PASSED]})
    waiting = FeedClient(live())

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(waiting.ids, "passed", wait=30)
        stored(live(), new_statement())
        time.sleep(0.6)
        assert not answer.done()
        ids = stored(live(), new_statement(verb={"id": PASSED}))
        assert answer.result(5) == ids


@pytest.mark.one_database
def test_a_wait_ends_with_an_empty_page_and_a_cursor_to_go_on_from(feed, live, new_statement):
    stored(live(), new_statement())
    cursor = feed.read()["cursor"]
    begun = time.monotonic()

    page = FeedClient(live()).read(after=cursor, wait=1)

    assert time.monotonic() - begun >= 1
    assert page == {"statements": [], "cursor": cursor}


def test_who_waits_holds_no_connection(feed, live, database):
    begun = database.engine.pool.checkedout()

    with ThreadPoolExecutor(2) as pool:
        waits = [pool.submit(FeedClient(live()).read, wait=1) for _ in range(2)]
        seen = []
        while not all(wait.done() for wait in waits):
            seen.append(database.engine.pool.checkedout() - begun)
            time.sleep(0.01)

    assert sum(n == 0 for n in seen) > len(seen) / 2  # but for the looks at the head
    assert max(seen) <= 3
    assert database.engine.pool.checkedout() == begun


@pytest.mark.one_database
def test_all_who_wait_share_one_look_at_the_heads(feed, live, database):
    looks = []

    @event.listens_for(database.engine, "before_cursor_execute")
    def count(connection, cursor, statement, *_rest):
        looks.append(re.search(r"FROM xapi_head\s+WHERE xapi_head.tenant_id IN", statement) is not None)

    client = live()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: FeedClient(client).read(wait=1), range(2)))

    assert 1 <= sum(looks) <= 1 / feeds.LOOK_SECONDS + 2


@pytest.mark.one_database
def test_one_waiter_too_many_is_told_to_come_again(feed, live):
    client = live()

    with ThreadPoolExecutor(2) as pool:
        waits = [pool.submit(FeedClient(client).read, wait=1) for _ in range(2)]
        time.sleep(0.3)
        answer = FeedClient(client).open("GET", "/all", query_string={"wait": 1})
        at_once = FeedClient(client).open("GET", "/all")
        for wait in waits:
            wait.result(10)

    assert (answer.status_code, answer.json["error"]["code"]) == (503, "waiters_too_many")
    assert int(answer.headers["Retry-After"]) > 0
    assert at_once.status_code == 200
    assert FeedClient(client).read(wait=1)["statements"] == []


@pytest.mark.one_database
def test_when_nobody_waits_nobody_looks(feed, live):
    FeedClient(live()).read(wait=1)

    end = time.monotonic() + 5
    while any(thread.name == "xapi-feeds" for thread in threading.enumerate()) and time.monotonic() < end:
        time.sleep(0.05)

    assert not any(thread.name == "xapi-feeds" for thread in threading.enumerate())


@pytest.mark.one_database
def test_a_process_that_ends_lets_nobody_wait(feed, live, monkeypatch):
    ending = threading.Event()
    monkeypatch.setattr(feeds, "ENDING", ending)

    with ThreadPoolExecutor(1) as pool:
        wait = pool.submit(FeedClient(live()).read, wait=30)
        time.sleep(0.3)
        ending.set()
        assert wait.result(5)["statements"] == []


@pytest.mark.one_database
def test_who_waits_is_woken_though_the_database_was_away_meanwhile(feed, live, database, new_statement):
    failed = []

    @event.listens_for(database.engine, "before_cursor_execute")
    def fail(*_arguments):
        if threading.current_thread().name == "xapi-feeds" and len(failed) < 3:
            failed.append(1)
            raise OperationalError("SELECT", {}, Exception("gone"))

    with ThreadPoolExecutor(1) as pool:
        wait = pool.submit(FeedClient(live()).ids, wait=20)
        time.sleep(0.3)
        ids = stored(live(), new_statement())
        assert wait.result(25) == ids

    assert len(failed) == 3


# --- hostile requests

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.sampled_from([PASSED, "2026-11-22T00:00:00Z"])
)
JSON_VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8)
SLICES = st.dictionaries(
    st.sampled_from(["verbs", "activities", "agents", "registrations", "since", "until", "x"]),
    JSON_VALUES | st.lists(JSON_VALUES, max_size=2),
)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from(
    ["0", "1", "-1", "2026-11-22T00:00:00Z", "9" * 40, "0001-01-01T00:00:00Z"]
)
PARAMS = st.dictionaries(st.sampled_from(["after", "since", "limit", "zone", "x"]), TEXTS, max_size=3)


@pytest.mark.one_database
def test_nothing_that_is_sent_to_feeds_makes_them_fail(feed):
    @settings(max_examples=150, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(body=SLICES | JSON_VALUES, params=PARAMS, name=TEXTS, day=TEXTS)
    def send(body, params, name, day):
        for method, path, sent in (
            ("PUT", "/fuzzed", body),
            ("POST", "/all/cursor", body),
            ("GET", "/all", None),
            ("GET", f"/{quote(name, safe='')}", None),
            ("GET", f"/all/days/{quote(day, safe='')}.csv", None),
            ("GET", "/all/days/2026-11-22.csv", None),
        ):
            answer = feed.open(method, path, sent, query_string=params)
            assert answer.status_code in (200, 201, 400, 404), (method, path, sent, params)
            if answer.status_code >= 400:
                assert {"code", "message", "rule", "place"} == set(answer.json["error"])

    send()


# --- many at once


def follow(client, name, ids, is_over):
    """A consumer that waits, reads, commits, and now and then begins again from what it has committed."""
    cursor, turn = None, 0
    while True:
        over = is_over.is_set()
        page = client.read(name, limit=7, wait=0 if over else 1, **({"after": cursor} if cursor else {}))
        ids += [one["id"] for one in page["statements"]]
        client.open("POST", f"/{name}/cursor", {"cursor": page["cursor"]})
        turn += 1
        cursor = None if turn % 5 == 0 else page["cursor"]
        if over and not page["statements"]:
            return


def run_writers_and_followers(database, lrs, new_statement, *, n_writers, n_batches, n_followers=2):
    app = Flask("busy")
    app.register_blueprint(api.create_lrs(database, clock=system_clock, key_pepper=PEPPER, max_waiting=n_followers + 1))

    def client():
        return type(lrs)(app.test_client(), lrs.key)

    def write(number):
        ids = []
        for _ in range(n_batches):
            statements = [new_statement(id=str(uuid.uuid4()), verb={"id": PASSED}), new_statement(), new_statement()]
            ids += stored(client(), *statements)
        return ids

    for number in range(n_followers):
        FeedClient(client()).put(f"all-{number}")
    FeedClient(client()).put("passed", {"verbs": [PASSED]})
    is_over = threading.Event()
    seen = {f"all-{number}": [] for number in range(n_followers)} | {"passed": []}
    with ThreadPoolExecutor(n_writers + len(seen)) as pool:
        followers = [pool.submit(follow, FeedClient(client()), name, ids, is_over) for name, ids in seen.items()]
        writers = [pool.submit(write, number) for number in range(n_writers)]
        written = [ids for writer in writers for ids in [writer.result(120)]]
        is_over.set()
        for follower in followers:
            follower.result(60)
    return written, seen


def assert_nothing_missed(database, written, seen):
    every = {statement_id for ids in written for statement_id in ids}
    with database.reading() as db:
        rows = list(api.iter_statements(db, tenant_id=1))
    in_order = [row.id for row in rows]
    assert set(in_order) == every
    assert all(before.stored < after.stored for before, after in pairwise(rows))
    for name, ids in seen.items():
        wanted = [row.id for row in rows if row.statement["verb"]["id"] == PASSED] if name == "passed" else in_order
        assert ids == wanted, name


def test_followers_miss_and_double_nothing_while_writers_run(database, lrs, new_statement):
    written, seen = run_writers_and_followers(database, lrs, new_statement, n_writers=6, n_batches=6)

    assert_nothing_missed(database, written, seen)


@pytest.mark.long
def test_followers_miss_and_double_nothing_while_32_writers_run(database, lrs, new_statement):
    written, seen = run_writers_and_followers(database, lrs, new_statement, n_writers=32, n_batches=12, n_followers=4)

    assert len(written) == 32
    assert_nothing_missed(database, written, seen)
