"""Credentials that are held to a slice of the store, and credentials that see pseudonyms in place of persons."""

import base64
import copy
import hashlib
import itertools
import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel import strictjson
from tests.xapi.conftest import PEPPER
from xapi import links
from xapi.api import Slice, validate_statement
from xapi.pseudonyms import PSEUDONYM_HOME_PAGE, agent_key_of, pseudonym, pseudonym_secret, pseudonymised

COURSE, ITEM, ELSEWHERE = (f"https://agency.example.go.th/{name}" for name in ("courses/1", "items/1", "courses/2"))
ANSWERED, PASSED = (f"http://adlnet.gov/expapi/verbs/{name}" for name in ("answered", "passed"))
HOME = "https://agency.example.go.th/people"
SECRET = b"s" * 32
V2 = {"X-Experience-API-Version": "2.0.0"}


def person(name, home=HOME):
    return {"objectType": "Agent", "account": {"homePage": home, "name": name}}


@pytest.fixture
def stock(lrs, new_statement):
    """Five statements: within the course by object, by context, twice outside it, and one that refers to the first."""
    within = {"contextActivities": {"parent": [{"id": COURSE}]}}
    statements = [
        new_statement(object={"id": COURSE}),
        new_statement(context=within),
        new_statement(verb={"id": PASSED}, context=within),
        new_statement(object={"id": ELSEWHERE}),
    ]
    ids = lrs.post(statements).json
    return ids + lrs.post(new_statement(object={"objectType": "StatementRef", "id": ids[0]})).json


def test_a_key_sees_an_activity_and_what_is_below_it(new_client, stock):
    client = new_client("statements/read", part=Slice(activities=(COURSE,)))

    assert client.ids() == [stock[4], stock[2], stock[1], stock[0]]
    assert client.ids(ascending="true", limit=1) == [stock[0]]


def test_members_of_a_slice_hold_together(new_client, stock):
    client = new_client("statements/read", part=Slice(activities=(COURSE,), verbs=(PASSED,)))

    assert client.ids() == [stock[2]]


def test_a_statement_outside_the_slice_is_not_found_by_id(new_client, stock):
    client = new_client("all", part=Slice(activities=(COURSE,)))

    assert [client.get(statementId=one).status_code for one in stock] == [200, 200, 200, 404, 200]


def test_a_voided_statement_outside_the_slice_is_not_found_either(lrs, new_client, stock, new_statement):
    void = {"verb": {"id": "http://adlnet.gov/expapi/verbs/voided"}}
    lrs.post([new_statement(**void, object={"objectType": "StatementRef", "id": one}) for one in (stock[0], stock[3])])
    client = new_client("statements/read", part=Slice(activities=(COURSE,)))

    assert [client.get(voidedStatementId=one).status_code for one in (stock[0], stock[3])] == [200, 404]


@pytest.mark.parametrize("filters", [{"activity": ELSEWHERE}, {"verb": ANSWERED, "activity": ELSEWHERE, "related_activities": "true"}])
def test_no_filter_leads_out_of_the_slice(new_client, stock, filters):
    assert new_client("statements/read", part=Slice(activities=(COURSE,))).ids(**filters) == []


def test_pages_stay_within_the_slice(new_client, stock):
    client = new_client("statements/read", part=Slice(activities=(COURSE,)))
    page, seen = client.get(limit=1), []
    while True:
        seen += [statement["id"] for statement in page.json["statements"]]
        if not page.json["more"]:
            break
        page = client.follow(page.json["more"])

    assert seen == [stock[4], stock[2], stock[1], stock[0]]


def test_a_slice_ends_and_begins_with_its_times(new_client, lrs, new_statement, clock):
    now = clock.now
    [early] = lrs.post(new_statement()).json
    clock.forward(hours=1)
    [late] = lrs.post(new_statement()).json
    before = new_client("all", part=Slice(until=now + timedelta(minutes=30)))
    after = new_client("all", part=Slice(since=now + timedelta(minutes=30)))

    assert (before.ids(), after.ids()) == ([early], [late])
    assert before.get(statementId=late).status_code == 404
    assert before.post(new_statement()).json["error"]["rule"] == "slice_times"
    assert after.post(new_statement()).status_code == 200


@pytest.mark.parametrize(
    ("part", "told"),
    [
        (Slice(verbs=(PASSED,)), ("slice_verbs", "/1/verb/id")),
        (Slice(activities=(COURSE,)), ("slice_activities", "/1/object/id")),
        (Slice(agents=(person("p-2"),)), ("slice_agents", "/1/actor")),
        (Slice(registrations=("9e13cefd-53d3-4eac-b5ed-2cf6693903bb",)), ("slice_registrations", "/1/context/registration")),
        (Slice(verbs=(PASSED,), activities=(COURSE,)), ("slice_verbs", "/1/verb/id")),
    ],
)
def test_what_lies_outside_the_slice_is_not_taken(lrs, new_client, new_statement, part, told):
    rule, place = told
    client = new_client("all", part=part)
    fitting = new_statement(
        verb={"id": PASSED}, object={"id": COURSE}, actor=person("p-2"), context={"registration": "9E13CEFD-53D3-4EAC-B5ED-2CF6693903BB"}
    )

    refused = client.post([fitting, new_statement()])

    assert refused.status_code == 403
    assert {name: refused.json["error"][name] for name in ("code", "rule", "place")} == {
        "code": "slice_forbids",
        "rule": rule,
        "place": place,
    }
    assert lrs.ids() == []
    assert client.post(fitting).status_code == 200
    assert client.put(new_statement(), "9e13cefd-53d3-4eac-b5ed-2cf6693903bb").json["error"]["place"] == place.removeprefix("/1")


def test_documents_of_other_activities_and_agents_stay_closed(new_client, lrs):
    course = new_client("all", part=Slice(activities=(COURSE,)))
    one = new_client("all", part=Slice(agents=(person("p-1"),)))

    def put(client, resource, **params):
        query = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in params.items()}
        whose = {"query_string": query, "headers": {**V2, "If-None-Match": "*"}, "auth": (client.key.key, client.key.secret)}
        written = client.http.put(f"/xapi/{resource}", json={}, **whose)
        read = client.http.get(f"/xapi/{resource}", **whose)
        return written.status_code, read.status_code, (written.json or {"error": {"rule": None}})["error"]["rule"]

    state = {"stateId": "s", "agent": person("p-1")}
    assert put(course, "activities/state", activityId=COURSE, **state) == (204, 304, None)
    assert put(course, "activities/state", activityId=ELSEWHERE, **state) == (403, 403, "slice_activities")
    assert put(course, "activities/profile", activityId=ELSEWHERE, profileId="p") == (403, 403, "slice_activities")
    assert put(course, "agents/profile", agent=person("p-1"), profileId="p") == (403, 403, "slice_activities")
    assert put(one, "agents/profile", agent=person("p-1"), profileId="p") == (204, 304, None)
    assert put(one, "agents/profile", agent=person("p-2"), profileId="p") == (403, 403, "slice_agents")
    assert put(one, "activities/state", activityId=COURSE, stateId="s", agent=person("p-2")) == (403, 403, "slice_agents")
    assert put(one, "activities/profile", activityId=COURSE, profileId="p") == (403, 403, "slice_agents")


def full_statement():
    """A statement with a person in every place that has room for one, each with a name of its own."""
    count = itertools.count(1)

    def somebody(kind="account"):
        n = next(count)
        ifi = {
            "account": {"account": {"homePage": HOME, "name": f"SECRET-{n}"}},
            "mbox": {"mbox": f"mailto:SECRET-{n}@agency.example.go.th"},
            "mbox_sha1sum": {"mbox_sha1sum": f"{n:040x}"},
            "openid": {"openid": f"https://SECRET-{n}.example.go.th/"},
        }[kind]
        return {"objectType": "Agent", "name": f"SECRET นาง {n}", **ifi}

    def group(*, named):
        members = {"objectType": "Group", "name": f"SECRET กลุ่ม {next(count)}", "member": [somebody(), somebody("mbox")]}
        return {**members, **({"account": somebody()["account"]} if named else {})}

    def context():
        return {
            "registration": "9e13cefd-53d3-4eac-b5ed-2cf6693903bb",
            "instructor": somebody("openid"),
            "team": group(named=True),
            "contextAgents": [{"objectType": "contextAgent", "agent": somebody("mbox_sha1sum"), "relevantTypes": ["https://x.example/a"]}],
            "contextGroups": [{"objectType": "contextGroup", "group": group(named=False)}],
            "contextActivities": {"parent": [{"id": COURSE, "definition": {"name": {"th": "วิชา"}}}]},
            "extensions": {"https://x.example/mail": "SECRET", "https://x.example/n": 3, "https://x.example/id": 1103700123456},
        }

    def result():
        return {
            "score": {"scaled": 0.5},
            "response": "SECRET words",
            "extensions": {"https://x.example/se": [0.25, True], "https://x.example/o": {"SECRET": 1}},
        }

    return {
        "id": "9e13cefd-53d3-4eac-b5ed-2cf6693903bb",
        "actor": group(named=True),
        "verb": {"id": PASSED, "display": {"th": "ผ่าน"}},
        "object": {
            "objectType": "SubStatement",
            "actor": somebody("mbox"),
            "verb": {"id": ANSWERED},
            "object": group(named=False),
            "result": result(),
            "context": context(),
        },
        "result": result(),
        "context": context(),
        "timestamp": "2026-11-22T02:30:00.000Z",
        "attachments": [
            {
                "usageType": "https://x.example/essay",
                "display": {"en": "SECRET"},
                "contentType": "application/octet-stream",
                "length": 3,
                "sha2": "ab" * 32,
                "fileUrl": "https://agency.example.go.th/SECRET",
            }
        ],
    }


def test_nothing_of_a_person_is_left_in_any_place():
    statement = full_statement()
    before = copy.deepcopy(statement)

    shown = pseudonymised({**statement, "authority": person("SECRET")}, SECRET)

    text = json.dumps(shown, ensure_ascii=False)
    assert statement == before
    assert "SECRET" not in text
    assert HOME not in text
    assert "1103700123456" not in text
    assert not any(f"{n:040x}" in text for n in range(1, 50))
    validate_statement({name: value for name, value in shown.items() if name != "authority"})


def test_what_is_told_of_the_activity_and_its_measures_stays():
    shown = pseudonymised(full_statement(), SECRET)

    assert shown["verb"] == full_statement()["verb"]
    assert shown["result"] == {"score": {"scaled": 0.5}, "extensions": {"https://x.example/se": [0.25, True]}}
    assert shown["context"]["extensions"] == {"https://x.example/n": 3}
    assert shown["context"]["contextActivities"] == full_statement()["context"]["contextActivities"]
    assert shown["object"]["result"] == shown["result"]
    assert [len(part["member"]) for part in (shown["actor"], shown["context"]["team"], shown["object"]["object"])] == [2, 2, 2]
    assert "account" not in shown["object"]["object"]


def test_one_person_has_one_pseudonym_everywhere_and_another_for_each_key():
    identifiers = [
        links.identifier_of(one) for one in (person("a"), person("b"), {"mbox": "mailto:a@x.example"}, {"openid": "https://a.example/"})
    ]
    names = {pseudonym(identifier, secret) for identifier in identifiers for secret in (SECRET, b"t" * 32)}

    assert len(names) == 8
    assert pseudonym(links.identifier_of({"mbox": "mailto:a@X.EXAMPLE"}), SECRET) == pseudonym(identifiers[2], SECRET)
    assert pseudonym_secret("k", b"p") != pseudonym_secret("k", b"q") != pseudonym_secret("l", b"q")


@given(st.text(min_size=1, max_size=50))
def test_a_pseudonym_leads_back_to_the_key_of_the_index_and_to_nothing_else(name):
    identifier = links.identifier_of(person(name))
    stand_in = {"account": {"homePage": PSEUDONYM_HOME_PAGE, "name": pseudonym(identifier, SECRET)}}

    for related in (False, True):
        assert agent_key_of(stand_in, SECRET, related=related) == links.agent_key(identifier, related=related)
        assert agent_key_of(stand_in, b"t" * 32, related=related) != links.agent_key(identifier, related=related)
        assert agent_key_of(person(name), SECRET, related=related) is None


@pytest.fixture
def veiled(new_client):
    """A client that sees pseudonyms."""
    return new_client("statements/read", pseudonymous=True)


def stand_in(client, agent):
    secret = pseudonym_secret(client.key.key, PEPPER)
    return {"objectType": "Agent", "account": {"homePage": PSEUDONYM_HOME_PAGE, "name": pseudonym(links.identifier_of(agent), secret)}}


def test_every_way_to_a_statement_shows_pseudonyms(lrs, veiled, agent):
    two = [{**full_statement(), "actor": {**agent, "name": "SECRET"}}, {**full_statement(), "id": "9e13cefd-53d3-4eac-b5ed-2cf6693903bc"}]
    assert lrs.post(two).status_code == 200
    first = veiled.get(limit=1)
    answers = [
        first,
        veiled.follow(first.json["more"]),
        veiled.get(attachments="true"),
        veiled.get(statementId="9e13cefd-53d3-4eac-b5ed-2cf6693903bb"),
        veiled.get(statementId="9e13cefd-53d3-4eac-b5ed-2cf6693903bb", format="ids"),
        veiled.get(format="canonical"),
        veiled.get(statementId="9e13cefd-53d3-4eac-b5ed-2cf6693903bb", attachments="true"),
    ]

    assert {answer.status_code for answer in answers} == {200}
    for answer in answers:
        assert "SECRET" not in answer.text
        assert HOME not in answer.text
        assert lrs.key.key not in answer.text
    assert answers[3].json["actor"] == stand_in(veiled, agent)


def test_contents_of_attachments_stay_behind_a_pseudonym(lrs, veiled, new_statement):
    content = b"SECRET essay"
    attachment = {
        "usageType": "https://x.example/essay", "display": {"en": "essay"}, "contentType": "text/plain", "length": len(content),
        "sha2": hashlib.sha256(content).hexdigest(),
    }  # fmt: skip
    text = strictjson.dumps(new_statement(attachments=[attachment])).decode()
    body = (
        f"--b\r\nContent-Type: application/json\r\n\r\n{text}\r\n--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\n"
        f"X-Experience-API-Hash: {attachment['sha2']}\r\n\r\n{content.decode()}\r\n--b--\r\n"
    )
    assert lrs.post(body.encode(), content_type="multipart/mixed; boundary=b").status_code == 200

    assert content in lrs.get(attachments="true").data
    assert b"essay" not in veiled.get(attachments="true").data


def test_a_pseudonymous_key_asks_by_pseudonyms_only(lrs, veiled, new_client, new_statement, agent):
    [written] = lrs.post(new_statement()).json
    lrs.post(new_statement(actor=person("p-2"), context={"instructor": agent}))
    another = new_client("statements/read", pseudonymous=True)

    assert veiled.ids(agent=stand_in(veiled, agent)) == [written]
    assert len(veiled.ids(agent=stand_in(veiled, agent), related_agents="true")) == 2
    made_up = {"account": {"homePage": PSEUDONYM_HOME_PAGE, "name": "x" * 64}}
    for known in (agent, {"mbox": "mailto:a@x.example"}, made_up, stand_in(another, agent)):
        refused = veiled.get(agent=known)
        assert (refused.status_code, refused.json["error"]["rule"], refused.json["error"]["place"]) == (400, "not_pseudonym", "agent")


def test_a_more_link_tells_nothing_of_the_person_that_was_asked_for(lrs, veiled, new_statement, agent):
    """The digest of a person by which the index finds them could be tried against a list of names."""
    lrs.post([new_statement(), new_statement()])

    more = veiled.get(agent=stand_in(veiled, agent), limit=1).json["more"]

    raw = base64.urlsafe_b64decode(more.partition("more=")[2] + "==")
    digest = links.agent_key(links.identifier_of(agent))
    assert digest not in raw
    assert digest.hex().encode() not in raw
    assert len(veiled.follow(more).json["statements"]) == 1


@pytest.mark.parametrize("resource", ["agents", "agents/profile", "activities/state", "activities/profile"])
def test_a_pseudonymous_key_learns_nothing_of_persons_elsewhere(lrs, veiled, new_statement, agent, resource):
    lrs.post(new_statement(actor={**agent, "name": "SECRET"}))
    params = {"agent": json.dumps(agent), "activityId": COURSE}
    wanted = {
        "agents": ("agent",),
        "agents/profile": ("agent",),
        "activities/state": ("agent", "activityId"),
        "activities/profile": ("activityId",),
    }

    answer = veiled.http.get(
        f"/xapi/{resource}",
        query_string={name: params[name] for name in wanted[resource]},
        headers=V2,
        auth=(veiled.key.key, veiled.key.secret),
    )

    assert answer.status_code in (400, 403)
    assert "SECRET" not in answer.text


def test_a_slice_and_pseudonyms_hold_together(lrs, new_client, stock, agent):
    client = new_client("statements/read", part=Slice(activities=(COURSE,), agents=(agent,)), pseudonymous=True)

    page = client.get().json["statements"]

    assert [statement["id"] for statement in page] == [stock[4], stock[2], stock[1], stock[0]]
    assert {json.dumps(statement["actor"]) for statement in page} == {json.dumps(stand_in(client, agent))}
