"""Hostile requests of every resource: H46 to H51, and whatever Hypothesis thinks of. None meets a fault of ours, none is half stored."""

import json
import time
from uuid import uuid4

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kernel.clock import system_clock
from kernel.db import Database
from tests.xapi.conftest import PEPPER, LrsClient
from tests.xapi.test_attachments import described, fault, message, part, send
from tests.xapi.test_signed_statements import SIGNATURE, segments
from xapi import api

pytestmark = pytest.mark.one_database

EXPECTED = {200, 204, 304, 400, 403, 404, 405, 409, 412, 413, 415}
AGENT = {"objectType": "Agent", "account": {"homePage": "https://agency.example.go.th/people", "name": "p-1"}}
ITEM = {"id": "https://agency.example.go.th/items/1", "definition": {"name": {"th": "ข้อ"}, "extensions": {"https://a.example/x": [1]}}}
WHOLE = {
    "actor": {"objectType": "Group", "name": "กลุ่ม", "member": [AGENT, {"mbox": "mailto:a@b.example"}]},
    "verb": {"id": "http://adlnet.gov/expapi/verbs/answered", "display": {"th": "ตอบ"}},
    "object": {
        "objectType": "SubStatement",
        "actor": AGENT,
        "verb": {"id": "http://adlnet.gov/expapi/verbs/passed"},
        "object": {**ITEM, "definition": {"interactionType": "choice", "choices": [{"id": "a", "description": {"th": "ก"}}]}},
    },
    "result": {"score": {"scaled": 0.5, "raw": 5, "min": 0, "max": 10}, "duration": "PT1.5S", "response": "ก", "success": True},
    "context": {
        "registration": "0f3a1c66-5a5e-4d7b-9a0e-6a2f0d2b4c11",
        "instructor": AGENT,
        "team": {"objectType": "Group", "mbox": "mailto:team@b.example"},
        "contextActivities": {"parent": ITEM, "grouping": [ITEM]},
        "contextAgents": [{"objectType": "contextAgent", "agent": AGENT, "relevantTypes": ["https://a.example/t"]}],
        "statement": {"objectType": "StatementRef", "id": "7b6a7b3e-8a52-4b2b-9d0b-111111111111"},
        "extensions": {"https://a.example/x": {"deep": [None, {"er": 1}]}},
    },
    "timestamp": "2026-01-01T00:00:00+07:00",
    "attachments": [described(b"x", fileUrl="https://a.example/file")],
}
PATHS = ["/statements", "/activities", "/agents", "/activities/state", "/activities/profile", "/agents/profile", "/about", "/other", ""]
NAMES = [
    "statementId", "voidedStatementId", "agent", "verb", "activity", "activityId", "registration", "stateId", "profileId", "since", "until",
    "limit", "format", "attachments", "ascending", "related_agents", "related_activities", "more", "method", "content", "Agent",
]  # fmt: skip
HEADERS = ["If-Match", "If-None-Match", "Content-Type", "Accept-Language", "X-Experience-API-Version"]
GOOD = [
    json.dumps(AGENT), ITEM["id"], "0f3a1c66-5a5e-4d7b-9a0e-6a2f0d2b4c11", "2026-01-01T00:00:00Z", "true", "canonical", "ids", "1", "GET",
    "*", '"0"', 'W/"0"', "th, en;q=0.5", "application/json", "multipart/mixed; boundary=b", "1.0.3", "2.0.0",
]  # fmt: skip
PROBES = [
    "",
    "\x00",
    "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    "9" * 40,
    "-1",
    "0001-01-01T00:00:00-23:59",
    "{}",
    "[]",
    "null",
]

texts = st.text(max_size=20) | st.sampled_from(GOOD + PROBES)
header_texts = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=20) | st.sampled_from(GOOD)
numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
often = settings(
    max_examples=120,
    phases=[Phase.generate],
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def lrs(database_maker):
    database = Database(database_maker.new(), pool_size=2)
    app = Flask("lrs")
    app.register_blueprint(api.create_lrs(database, key_pepper=PEPPER))
    with database.transaction() as db:
        key = api.create_key(db, tenant_id=1, name="fuzz", scopes=["all"], now=system_clock(), pepper=PEPPER)
    yield LrsClient(app.test_client(), key)
    database.dispose()


def check(answer):
    """An expected status; every refusal is JSON with code, message, rule and place."""
    assert answer.status_code in EXPECTED, answer.text
    if answer.status_code >= 400 and answer.data:
        error = answer.json["error"]
        assert set(error) == {"code", "message", "rule", "place"}
        assert set(error["message"]) == {"th", "en"}
        assert (error["rule"] is None) == (error["place"] is None)


def written(value):
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def places(value, place=()):
    """Every place in a JSON value."""
    yield place
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, child in children:
        yield from places(child, (*place, name))


def with_value(value, place, new):
    """The value with another at a place; None stands for taking it away."""
    if not place:
        return new
    copied = dict(value) if isinstance(value, dict) else list(value)
    if len(place) == 1 and new is None:
        del copied[place[0]]
    else:
        copied[place[0]] = with_value(value[place[0]], place[1:], new)
    return copied


@often
@given(
    method=st.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH"]),
    params=st.dictionaries(st.sampled_from(NAMES) | texts, texts, max_size=4),
    headers=st.dictionaries(st.sampled_from(HEADERS), header_texts, max_size=2),
    data=st.data(),
)
def test_any_request_is_answered_or_refused_by_a_rule(lrs, method, params, headers, data):
    path = data.draw(st.sampled_from(PATHS))
    body = data.draw(st.binary(max_size=40) | values.map(written) | st.just(written(WHOLE)))
    sent = {"X-Experience-API-Version": "2.0.0", "Content-Type": "application/json", **headers}

    answer = lrs.http.open(
        f"/xapi{path}", method=method, query_string=params, data=body, headers=sent, auth=(lrs.key.key, lrs.key.secret)
    )  # fmt: skip

    check(answer)


@often
@given(query=st.binary(max_size=30) | st.text("%&=+;0Af", max_size=30).map(str.encode), path=st.sampled_from(PATHS))
def test_any_query_string_is_read_or_refused(lrs, query, path):
    environ = {"QUERY_STRING": query.decode("latin-1")}

    check(
        lrs.http.get(
            f"/xapi{path}", headers={"X-Experience-API-Version": "2.0.0"}, auth=(lrs.key.key, lrs.key.secret), environ_overrides=environ
        )
    )


@often
@given(
    method=st.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE"]),
    path=st.sampled_from(PATHS),
    fields=st.dictionaries(st.sampled_from([*NAMES, *HEADERS]) | texts, texts | values.map(json.dumps), max_size=5),
)
def test_any_form_of_the_alternate_syntax_is_answered_or_refused(lrs, method, path, fields):
    headers = {"X-Experience-API-Version": "1.0.3"}

    answer = lrs.http.post(f"/xapi{path}?method={method}", data=fields, headers=headers, auth=(lrs.key.key, lrs.key.secret))

    check(answer)


@often
@given(place=st.sampled_from(list(places(WHOLE))), new=values, version=st.sampled_from(["2.0.0", "1.0.3"]))
def test_a_statement_with_any_value_anywhere_is_kept_whole_or_refused_with_its_place(lrs, place, new, version):
    changed = with_value(WHOLE, place, new)

    answer = lrs.speaking(version).post(written(changed))

    check(answer)
    if answer.status_code == 200:
        for ids in answer.json:
            for form in ("exact", "ids", "canonical"):
                assert lrs.get(statementId=ids, format=form).status_code == 200
    elif answer.json["error"]["place"] not in (None, "/") and isinstance(changed, dict):
        at = changed
        for name in answer.json["error"]["place"].split("/")[1:]:
            at = at[int(name) if isinstance(at, list) else name.replace("~1", "/").replace("~0", "~")]


@often
@given(new=values, n=st.integers(0, 9))
def test_one_bad_statement_of_ten_stores_none_of_them(lrs, new, n):
    batch = [{**WHOLE, "id": str(uuid4())} for _ in range(10)]
    batch[n] = {**batch[n], "verb": {"id": new}}

    answer = lrs.post(written(batch))

    check(answer)
    if answer.status_code == 400:
        assert lrs.get(statementId=batch[(n + 1) % 10]["id"]).status_code == 404


@often
@given(data=st.data())
def test_a_message_with_any_bytes_changed_is_read_or_refused(lrs, data):
    whole = message({**WHOLE, "attachments": [described(b"content")]}, part(b"content"))
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 40)))

    check(send(lrs, whole[:start] + data.draw(st.binary(max_size=20)) + whole[end:]))


@often
@given(
    header=values.map(written) | st.dictionaries(st.sampled_from(["alg", "x5c", "crit", "b64"]), values).map(written),
    payload=values.map(written),
)
def test_any_signature_is_verified_or_refused(lrs, header, payload):
    content = segments(header, payload)
    statement = {**WHOLE, "attachments": [described(content, usageType=SIGNATURE)]}

    assert fault(send(lrs, message(statement, part(content))))[0].startswith("signature_")


DOCUMENTS = {
    "/activities/state": ("stateId", {"activityId": ITEM["id"], "agent": AGENT}),
    "/activities/profile": ("profileId", {"activityId": ITEM["id"]}),
    "/agents/profile": ("profileId", {"agent": AGENT}),
}


@often
@given(path=st.sampled_from(list(DOCUMENTS)), document_id=texts, bodies=st.tuples(values, values), content_type=header_texts)
def test_any_document_is_kept_or_refused(lrs, path, document_id, bodies, content_type):
    id_name, params = DOCUMENTS[path]

    for method, body in (("PUT", written(bodies[0])), ("POST", written(bodies[1])), ("GET", None), ("DELETE", None)):
        check(lrs.call(method, path, body, content_type=content_type or None, **params, **{id_name: document_id}))


STRICT = [
    b'{"a": NaN}', b'{"a": Infinity}', b'{"a": 1,}', b'{"a": 1, "a": 1}', b"[" * 100_000, b'{"a":' * 100_000, b"\xff", b"\xef\xbb\xbf{}",
    b'{"a": "\\u0000"}', b'{"a": "\\ud800"}', b'{"a": "\x00"}', b'{"a": "\xed\xa0\x80"}', b"", b" ", b"nul", b'"', b"1e999",
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(STRICT)))
@pytest.mark.parametrize("path", ["/statements", "/activities/state"])
def test_h46_h47_h48_what_is_no_strict_json_is_400(lrs, number, path):
    params = {"activityId": ITEM["id"], "agent": AGENT, "stateId": "one"} if "state" in path else {}

    answer = lrs.call("POST", path, STRICT[number], content_type="application/json", **params)

    check(answer)
    assert answer.status_code == 400


def test_h49_ten_thousand_statements_are_413_and_50_mb_are_refused_before_they_are_read(lrs):
    statement = {"actor": AGENT, "verb": WHOLE["verb"], "object": ITEM}
    many = b"[" + b",".join([written({"actor": AGENT, "verb": {"id": "a:b"}, "object": {"id": "a:b"}})] * 10_000) + b"]"
    started = time.process_time()

    assert lrs.post(many).status_code == 413
    assert lrs.post([statement] * 1_001).status_code == 413
    assert lrs.post(b" " * (50 * 1024 * 1024)).status_code == 413
    assert time.process_time() - started < 3


@pytest.mark.parametrize("moment", ["2024-02-30T00:00:00Z", "2024-01-01T00:00:00-00:00", "10000-01-01T00:00:00Z", "2024-01-01T25:00:00Z"])
def test_h51_a_moment_that_is_none_is_400(lrs, moment):
    assert fault(lrs.post({**WHOLE, "timestamp": moment})) == ("timestamp", "/timestamp")


def test_a_message_of_empty_lines_costs_little(lrs):
    body = message(WHOLE, part(b"\r\n" * 9_000_000, digest="0" * 64))
    started = time.process_time()

    assert fault(send(lrs, body))[0] == "hash_differs"
    assert time.process_time() - started < 3
