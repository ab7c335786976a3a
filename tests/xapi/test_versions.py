"""Versions side by side, and the alternate request syntax: xAPI 1.0.3, Communication 1.1, 1.3, 2.8 and 3.3; IEEE 9274.1.1, 4.1.5."""

import base64
import json

import pytest

ITEM = "https://agency.example.go.th/items/1"
AGENT = {"objectType": "Agent", "account": {"homePage": "https://agency.example.go.th/people", "name": "p-1"}}
STATE = {"activityId": ITEM, "agent": AGENT, "stateId": "one"}
READS = {
    "/statements": {},
    "/activities": {"activityId": ITEM},
    "/agents": {"agent": AGENT},
    "/activities/state": {"activityId": ITEM, "agent": AGENT},
    "/activities/profile": {"activityId": ITEM},
    "/agents/profile": {"agent": AGENT},
}
MOUNTS = {"/xapi": "2.0.0", "/xapi/1.0.3": "1.0.3"}
CONTEXT_AGENTS = {
    "contextAgents": [{"objectType": "contextAgent", "agent": AGENT, "relevantTypes": ["https://a.example/t"]}],
    "contextGroups": [{"objectType": "contextGroup", "group": {"objectType": "Group", "mbox": "mailto:g@b.example"}}],
}


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("header", "answered"),
    [
        ("1.0", "1.0.3"),
        ("1.0.0", "1.0.3"),
        ("1.0.3", "1.0.3"),
        ("1.0.17", "1.0.3"),
        ("2.0", "2.0.0"),
        ("2.0.0", "2.0.0"),
        ("2.0.1", "2.0.0"),
    ],
)
@pytest.mark.parametrize("mount", MOUNTS)
def test_every_patch_of_both_versions_is_answered_at_both_addresses_by_the_latest(lrs, mount, header, answered):
    for path, params in READS.items():
        answer = lrs.speaking(header, mount).call("GET", path, **params)
        assert (answer.status_code, answer.headers["X-Experience-API-Version"]) == (200, answered)


@pytest.mark.one_database
@pytest.mark.parametrize("header", ["", "0.9", "0.95", "1.1.0", "1.1", "2.1.0", "3.0.0", "1.0.x", "2.0.0, 2.0.0", "๒.0.0", "2"])
@pytest.mark.parametrize(("mount", "answered"), MOUNTS.items())
def test_any_other_version_and_none_is_400_in_the_terms_of_the_address(lrs, mount, answered, header):
    for path, params in READS.items():
        answer = lrs.speaking(header, mount).call("GET", path, **params)
        assert (answer.status_code, answer.json["error"]["code"]) == (400, "version_refused")
        assert answer.headers["X-Experience-API-Version"] == answered


@pytest.mark.one_database
@pytest.mark.parametrize("mount", MOUNTS)
@pytest.mark.parametrize("header", ["", "0.95", "1.0.3", "2.0.0", "9"])
def test_about_answers_whatever_the_version_and_without_a_credential(http, mount, header):
    answer = http.get(f"{mount}/about", headers={"X-Experience-API-Version": header} if header else {})

    assert (answer.status_code, answer.json["version"]) == (200, ["2.0.0", "1.0.3", "1.0.2", "1.0.1", "1.0.0"])
    assert set(answer.json) == {"version", "extensions"}


@pytest.mark.one_database
@pytest.mark.parametrize("path", READS)
def test_every_resource_answers_head_as_get_without_the_body(lrs, path):
    got, head = (lrs.call(method, path, **READS[path]) for method in ("GET", "HEAD"))

    compared = ("Content-Type", "Content-Length", "ETag", "X-Experience-API-Version")
    assert (head.status_code, head.data) == (200, b"")
    assert [head.headers[name] for name in compared] == [got.headers[name] for name in compared]
    assert head.headers["X-Experience-API-Consistent-Through"]


@pytest.mark.one_database
def test_consistent_through_is_told_on_every_answer_of_the_statement_resource(lrs, new_statement):
    answers = [lrs.post(new_statement()), lrs.get(), lrs.get(limit="x"), lrs.get(statementId="0" * 8 + "-0000-4000-8000-" + "0" * 12)]

    assert [answer.status_code for answer in answers] == [200, 200, 400, 404]
    assert all(answer.headers["X-Experience-API-Consistent-Through"].endswith("Z") for answer in answers)


def test_a_statement_of_version_2_is_given_to_a_reader_of_1_0_3_as_it_is(lrs, new_statement):
    sent = new_statement(context=CONTEXT_AGENTS)
    statement_id = lrs.post(sent).json[0]

    old = lrs.speaking("1.0.3").get(statementId=statement_id).json

    assert old == lrs.get(statementId=statement_id).json
    assert (old["version"], old["context"]) == ("2.0.0", CONTEXT_AGENTS)


def test_a_statement_of_1_0_3_is_given_to_a_reader_of_version_2_as_it_is(lrs, new_statement):
    old = lrs.speaking("1.0.3")
    statement_id = old.post(new_statement(timestamp="2026-01-01T00:00:00")).json[0]

    found = lrs.get(statementId=statement_id).json

    assert (found["version"], found["timestamp"]) == ("1.0.0", "2026-01-01T00:00:00")
    assert old.get(statementId=statement_id).json == found


@pytest.mark.parametrize("version", ["1.0.0", "1.0.9", "2.0.0", "2.0.5"])
def test_a_statement_keeps_the_version_that_it_came_with(lrs, new_statement, version):
    statement_id = lrs.post(new_statement(version=version)).json[0]

    assert lrs.get(statementId=statement_id).json["version"] == version


@pytest.mark.one_database
@pytest.mark.parametrize("name", CONTEXT_AGENTS)
def test_1_0_3_knows_no_context_agents_and_no_context_groups(lrs, new_statement, name):
    answer = lrs.speaking("1.0.3").post(new_statement(context={name: CONTEXT_AGENTS[name]}))

    assert (answer.status_code, answer.json["error"]["rule"], answer.json["error"]["place"]) == (400, "unknown_property", "/context")


def test_context_agents_and_groups_count_as_related_agents(lrs, new_statement):
    statement_id = lrs.post(new_statement(actor={"mbox": "mailto:other@b.example"}, context=CONTEXT_AGENTS)).json[0]

    for found in (AGENT, {"objectType": "Group", "mbox": "mailto:g@b.example"}):
        assert lrs.ids(agent=found) == []
        assert lrs.ids(agent=found, related_agents="true") == [statement_id]


def test_the_same_statement_by_both_versions_is_one(lrs, new_statement):
    sent = new_statement(id="7b6a7b3e-8a52-4b2b-9d0b-111111111111", timestamp="2026-01-01T00:00:00Z")

    assert lrs.post(sent).status_code == lrs.speaking("1.0.3").post(sent).status_code == 200
    assert lrs.ids() == [sent["id"]]


class Form:
    """The alternate request syntax: everything but the method stands in a form."""

    def __init__(self, lrs, version="1.0.3", mount="/xapi/1.0.3"):
        self.lrs, self.version, self.mount = lrs, version, mount

    def call(self, method, path, *, query=None, **fields):
        secret = base64.b64encode(f"{self.lrs.key.key}:{self.lrs.key.secret}".encode()).decode()
        form = {"Authorization": f"Basic {secret}", "X-Experience-API-Version": self.version, **fields}
        text = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in form.items()}
        return self.lrs.http.post(f"{self.mount}{path}", query_string={"method": method, **(query or {})}, data=text)


@pytest.fixture
def form(lrs):
    return Form(lrs)


@pytest.mark.one_database
@pytest.mark.parametrize("path", READS)
def test_every_resource_is_read_by_a_form_and_head_has_no_body(form, path):
    got, head = (form.call(method, path, **READS[path]) for method in ("GET", "HEAD"))

    assert (got.status_code, got.headers["X-Experience-API-Version"]) == (200, "1.0.3")
    assert (head.status_code, head.data, head.headers["ETag"]) == (200, b"", got.headers["ETag"])
    assert head.headers["Content-Length"] == "0"  # it answers a POST: what the length promises must follow


def test_statements_are_stored_by_a_form(form, lrs, new_statement):
    statement_id = "7b6a7b3e-8a52-4b2b-9d0b-111111111111"

    assert form.call("PUT", "/statements", statementId=statement_id, content=new_statement()).status_code == 204
    assert form.call("POST", "/statements", content=new_statement()).status_code == 200
    assert form.call("GET", "/statements", statementId=statement_id).json["id"] == statement_id
    assert len(lrs.ids()) == 2


@pytest.mark.parametrize("path", ["/activities/state", "/activities/profile", "/agents/profile"])
def test_documents_are_kept_by_a_form_with_their_conditions(form, path):
    named = {"stateId" if "state" in path else "profileId": "one", **READS[path]}

    stored = form.call("PUT", path, content='{"ก": 1}', **{**named, "Content-Type": "application/json", "If-None-Match": "*"})
    merged = form.call("POST", path, content='{"ข": 2}', **{**named, "Content-Type": "application/json"})
    got = form.call("GET", path, **named)
    refused = form.call("DELETE", path, **{**named, "If-Match": '"0"'})
    deleted = form.call("DELETE", path, **{**named, "If-Match": got.headers["ETag"]})

    assert [answer.status_code for answer in (stored, merged, got, refused, deleted)] == [204, 204, 200, 412, 204]
    assert got.json == {"ก": 1, "ข": 2}


@pytest.mark.one_database
@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize("mount", MOUNTS)
def test_version_2_has_no_alternate_syntax(lrs, path, mount):
    answer = Form(lrs, "2.0.0", mount).call("GET", path, **READS[path])

    assert answer.status_code == 400


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("method", "options", "status"),
    [
        ("GET", {"query": {"limit": "1"}}, 400),
        ("PUT", {"statementId": "7b6a7b3e-8a52-4b2b-9d0b-111111111111"}, 400),
        ("TRACE", {}, 405),
        ("get", {}, 405),
        ("GET", {"content": "x", "X-Experience-API-Version": "0.9"}, 400),
        ("GET", {"Authorization": "Basic AAAA"}, 401),
        ("GET", {"limit": "\x00"}, 400),
    ],
)
def test_a_form_that_breaks_the_rules_is_refused(form, method, options, status):
    assert form.call(method, "/statements", **options).status_code == status
