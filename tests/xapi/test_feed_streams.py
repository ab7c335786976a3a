"""Feeds as streams, over a real socket: server-sent events and lines, compressed or not."""

import gzip
import http.client
import json
import threading
import time
from base64 import b64encode
from contextlib import contextmanager
from itertools import islice

import pytest
import zstandard
from flask import Flask
from sqlalchemy.exc import OperationalError
from werkzeug.serving import make_server

from kernel.clock import system_clock
from xapi import api, feed_http, feeds

PEPPER = b"pepper of the tests"
PASSED = "http://adlnet.gov/expapi/verbs/passed"


@pytest.fixture
def server(database, lrs):
    """The LRS on a port, with the credential of `lrs` and three seats; a feed `all` is there."""
    app = Flask("streams")
    app.register_blueprint(api.create_lrs(database, clock=system_clock, key_pepper=PEPPER, max_waiting=3))
    made = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    authorization = "Basic " + b64encode(f"{lrs.key.key}:{lrs.key.secret}".encode()).decode()
    lrs.http.put("/xapi/feeds/all", json={}, auth=(lrs.key.key, lrs.key.secret))

    @contextmanager
    def asked(path="/all", accept="text/event-stream", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", made.server_port, timeout=10)
        sent = {"Authorization": authorization, "Accept": accept} | {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", f"/xapi/feeds{path}", headers=sent)
        answer = connection.getresponse()
        try:
            yield answer
        finally:
            answer.close()
            connection.close()

    yield asked
    feeds.ENDING.set()  # lets go who still waits
    made.shutdown()
    thread.join()
    made.server_close()
    feeds.ENDING.clear()


def stored(lrs, *statements):
    answer = lrs.post(list(statements))
    assert answer.status_code == 200, answer.text
    return answer.json


def events(answer):
    """The events of a stream, each as its lines."""
    block = []
    while line := answer.readline():
        if line != b"\n":
            block.append(line.decode().rstrip("\n"))
        else:
            yield block
            block = []


def fields(block):
    return dict(line.split(": ", 1) for line in block)


def test_a_stream_of_events_brings_what_is_there_and_then_what_comes(lrs, server, new_statement):
    ids = stored(lrs, *(new_statement() for _ in range(3)))

    with server() as answer:
        stream = events(answer)
        first = fields(next(stream))
        there = [fields(one) for one in islice(stream, 3)]
        later = stored(lrs, new_statement())
        came = fields(next(stream))

    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert int(first["retry"]) > 0
    assert [json.loads(one["data"])["id"] for one in [*there, came]] == ids + later


def test_a_stream_goes_on_after_the_last_event_id(lrs, server, new_statement):
    ids = stored(lrs, *(new_statement() for _ in range(4)))
    with server() as answer:
        seen = [fields(one) for one in islice(events(answer), 1, 3)]

    with server(Last_Event_ID=seen[-1]["id"]) as answer:
        rest = [fields(one) for one in islice(events(answer), 1, 3)]
    with server(f"/all?after={seen[0]['id']}") as answer:
        other = fields(next(islice(events(answer), 1, None)))

    assert [json.loads(one["data"])["id"] for one in seen + rest] == ids
    assert json.loads(other["data"])["id"] == ids[1]


@pytest.mark.one_database
def test_each_event_is_one_line_of_data_however_the_statement_was_written(lrs, server, new_statement):
    text = json.dumps(new_statement(result={"response": "บรรทัด\r\nใหม่"}), ensure_ascii=False, indent=2).replace("\n", "\r\n")
    lrs.post(text.encode())

    with server() as answer:
        block = next(islice(events(answer), 1, None))

    assert [line.split(":")[0] for line in block] == ["id", "data"]
    assert json.loads(fields(block)["data"])["result"]["response"] == "บรรทัด\r\nใหม่"


@pytest.mark.one_database
def test_a_silent_stream_gives_signs_of_life_that_carry_the_cursor_on(lrs, server, new_statement, monkeypatch):
    monkeypatch.setattr(feed_http, "HEARTBEAT_SECONDS", 0.3)
    lrs.http.put("/xapi/feeds/passed", json={"verbs": [PASSED]}, auth=(lrs.key.key, lrs.key.secret))
    stored(lrs, new_statement())

    with server("/passed") as answer:
        [comment, cursor] = next(islice(events(answer), 1, None))

    assert comment.startswith(":")
    with server(Last_Event_ID=fields([cursor])["id"]) as answer:
        [later] = stored(lrs, new_statement())
        assert json.loads(fields(next(islice(events(answer), 1, None)))["data"])["id"] == later


@pytest.mark.one_database
def test_a_stream_ends_after_its_time_so_that_the_credential_is_asked_for_again(server, monkeypatch):
    monkeypatch.setattr(feed_http, "STREAM_SECONDS", 0.5)
    begun = time.monotonic()

    with server() as answer:
        answer.read()

    assert 0.5 <= time.monotonic() - begun < 5


@pytest.mark.one_database
def test_a_reader_that_goes_away_gives_its_seat_back(server, monkeypatch):
    monkeypatch.setattr(feed_http, "HEARTBEAT_SECONDS", 0.1)

    with server() as first, server() as second, server() as third:
        assert (first.status, second.status, third.status) == (200, 200, 200)
        with server() as fourth:
            assert fourth.status == 503
            assert json.loads(fourth.read())["error"]["code"] == "waiters_too_many"

    def is_free():
        with server() as answer:
            return answer.status == 200

    end = time.monotonic() + 10
    while not is_free():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_stream_ends_when_the_database_fails_and_the_next_one_goes_on(lrs, server, new_statement, monkeypatch):
    ids = stored(lrs, *(new_statement() for _ in range(3)))
    monkeypatch.setattr(feed_http, "EVENTS_AT_ONCE", 2)
    read, calls = feeds.read, []

    def failing(*arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            raise OperationalError("SELECT", {}, Exception("gone"))
        return read(*arguments, **options)

    monkeypatch.setattr(feeds, "read", failing)
    with server() as answer:
        blocks = list(events(answer))
    seen = [fields(block) for block in blocks[1:]]
    with server(Last_Event_ID=seen[-1]["id"]) as answer:
        seen.append(fields(next(islice(events(answer), 1, None))))

    assert [json.loads(one["data"])["id"] for one in seen] == ids


@pytest.mark.one_database
def test_events_need_a_credential_and_a_good_cursor(server):
    with server(Authorization="Basic eDp5") as answer:
        assert answer.status == 401
    with server(Last_Event_ID="x") as answer:
        assert answer.status == 400


def lines_of(body):
    assert body.endswith(b"\n")
    return [json.loads(line) for line in body.splitlines()]


@pytest.mark.parametrize("coding", ["identity", "gzip", "zstd"])
def test_lines_bring_all_that_is_there_and_end_with_the_cursor(lrs, server, new_statement, coding):
    ids = [one for _ in range(3) for one in stored(lrs, *(new_statement(result={"response": "ก" * 50}) for _ in range(400)))]

    with server(accept="application/x-ndjson", Accept_Encoding=coding) as answer:
        body = answer.read()
    if coding == "gzip":
        body = gzip.decompress(body)
    elif coding == "zstd":
        body = zstandard.ZstdDecompressor().decompressobj().decompress(body)
    *statements, end = lines_of(body)

    assert answer.headers.get("Content-Encoding", "identity") == coding
    assert answer.headers["Vary"] == "Accept, Accept-Encoding"
    assert [one["id"] for one in statements] == ids
    with server(f"/all?after={end['cursor']}", accept="application/x-ndjson") as answer:
        assert lines_of(answer.read()) == [end]


@pytest.mark.one_database
def test_lines_stop_at_a_limit_and_wait_for_the_first(lrs, server, new_statement):
    ids = stored(lrs, *(new_statement() for _ in range(3)))

    with server("/all?limit=2", accept="application/x-ndjson") as answer:
        *first, end = lines_of(answer.read())
    threading.Timer(0.3, stored, (lrs, new_statement())).start()
    with server(f"/all?after={end['cursor']}&wait=5", accept="application/x-ndjson") as answer:
        *second, end = lines_of(answer.read())
    with server(f"/all?after={end['cursor']}&wait=5", accept="application/x-ndjson") as answer:
        third = lines_of(answer.read())

    assert [one["id"] for one in first + second] == ids
    assert len(third) == 2


def test_lines_that_were_cut_lack_the_cursor(lrs, server, new_statement, monkeypatch):
    stored(lrs, *(new_statement() for _ in range(600)))
    read, calls = feeds.read, []

    def failing(*arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            raise OperationalError("SELECT", {}, Exception("gone"))
        return read(*arguments, **options)

    monkeypatch.setattr(feeds, "read", failing)
    with server(accept="application/x-ndjson") as answer:
        lines = lines_of(answer.read())

    assert len(lines) == 500
    assert all("cursor" not in line for line in lines)


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "application/json"),
        ("text/html", "application/json"),
        ("application/*", "application/json"),
        ("application/json;q=0.5, application/x-ndjson", "application/x-ndjson"),
        ("text/event-stream;q=0, application/x-ndjson;q=0.1", "application/x-ndjson"),
    ],
)
def test_the_form_follows_accept(server, accept, media_type):
    with server(accept=accept) as answer:
        assert answer.headers["Content-Type"] == media_type


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("accepted", "coding"), [("gzip;q=0", None), ("br", None), ("gzip, identity;q=0.5", "gzip"), ("identity, gzip;q=0.2", None)]
)
def test_the_coding_follows_accept_encoding(server, accepted, coding):
    with server(accept="application/x-ndjson", Accept_Encoding=accepted) as answer:
        assert answer.headers.get("Content-Encoding") == coding
