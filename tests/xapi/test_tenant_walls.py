"""The wall between agencies: nobody reads, finds, changes or voids anything of another, by any address of the LRS."""

import hashlib
import json

import pytest

from xapi.vocabulary import MOUNTS

V = {"X-Experience-API-Version": "2.0.0"}
WALL = "secret-of-the-first"
STATEMENT, VOIDED = "9e13cefd-53d3-4eac-b5ed-2cf6693903b1", "9e13cefd-53d3-4eac-b5ed-2cf6693903b2"
ACTIVITY = "https://agency.example.go.th/items/1"
VOID = {"id": "http://adlnet.gov/expapi/verbs/voided"}
ESSAY = WALL.encode()

READ = {
    "statements": [
        {},
        {"statementId": STATEMENT},
        {"voidedStatementId": VOIDED},
        {"agent": "agent", "related_agents": "true"},
        {"activity": ACTIVITY, "related_activities": "true"},
        {"verb": "http://adlnet.gov/expapi/verbs/answered", "format": "canonical"},
        {"ascending": "true", "format": "ids"},
        {"attachments": "true"},
        {"more": "more"},
    ],
    "activities": [{"activityId": ACTIVITY}],
    "activities/state": [{"activityId": ACTIVITY, "agent": "agent"}, {"activityId": ACTIVITY, "agent": "agent", "stateId": "s"}],
    "activities/profile": [{"activityId": ACTIVITY}, {"activityId": ACTIVITY, "profileId": "p"}],
    "agents": [{"agent": "agent"}],
    "agents/profile": [{"agent": "agent"}, {"agent": "agent", "profileId": "p"}],
    "feeds": [{}],
    "feeds/<name>": [{}, {"after": "cursor"}],
    "feeds/<name>/cursor": [{}],
    "feeds/<name>/days/<file>": [{}],
}
"""How each resource is asked for what the other agency holds. A resource that is missing here fails the walk."""

OPEN = {"about", "", "<path:_resource>"}
"""Addresses that hold nothing of anyone."""

WRITES = [
    ("PUT", "statements", {"statementId": STATEMENT}, {"verb": {"id": "https://x.example/other"}}),
    ("POST", "statements", {}, {"verb": VOID, "object": {"objectType": "StatementRef", "id": STATEMENT}}),
    ("POST", "statements", {}, {"object": {"id": ACTIVITY, "definition": {"name": {"th": "อื่น"}}}}),
    ("PUT", "activities/state", {"activityId": ACTIVITY, "agent": "agent", "stateId": "s"}, None),
    ("POST", "activities/state", {"activityId": ACTIVITY, "agent": "agent", "stateId": "s"}, None),
    ("DELETE", "activities/state", {"activityId": ACTIVITY, "agent": "agent"}, None),
    ("DELETE", "activities/state", {"activityId": ACTIVITY, "agent": "agent", "stateId": "s"}, None),
    ("PUT", "activities/profile", {"activityId": ACTIVITY, "profileId": "p"}, None),
    ("DELETE", "activities/profile", {"activityId": ACTIVITY, "profileId": "p"}, None),
    ("POST", "agents/profile", {"agent": "agent", "profileId": "p"}, None),
    ("DELETE", "agents/profile", {"agent": "agent", "profileId": "p"}, None),
    ("PUT", "feeds/f", {}, None),
    ("POST", "feeds/f/cursor", {}, {"since": "2026-11-22T02:30:00Z"}),
    ("DELETE", "feeds/f", {}, None),
]


class Agency:
    """One agency's client, which asks by address."""

    def __init__(self, client, agent):
        self.client, self.agent = client, agent
        self.more = self.cursor = ""

    def call(self, method, resource, params, body=None, mount="/xapi", **headers):
        stand_ins = {"agent": json.dumps(self.agent), "more": self.more, "cursor": self.cursor}
        path = resource.replace("<name>", "f").replace("<file>", "2026-11-22.ndjson")
        return self.client.http.open(
            f"{mount}/{path}",
            method=method,
            query_string={name: stand_ins.get(value, value) for name, value in params.items()},
            headers={**V, **headers},
            auth=(self.client.key.key, self.client.key.secret),
            **({} if body is None else {"json": body}),
        )

    def sees(self):
        """All that it is shown, by every way of asking, without what differs from one answer to the next."""
        seen = []
        for resource, ways in READ.items():
            for params in ways:
                answer = self.call("GET", resource, params)
                text = answer.text.split("boundary")[0] if answer.mimetype == "multipart/mixed" else answer.text
                is_plain = "more" not in params and 'more":"/' not in text and answer.mimetype != "multipart/mixed"
                seen.append((resource, str(params), answer.status_code, text if is_plain else ""))
        return seen


@pytest.fixture
def ours(lrs, new_statement, agent):
    """An agency with something in every resource."""
    ours = Agency(lrs, agent)
    named = {"actor": {**agent, "name": WALL}, "object": {"id": ACTIVITY, "definition": {"name": {"th": WALL}}}}
    attachment = {
        "usageType": "https://x.example/essay", "display": {"th": WALL}, "contentType": "text/plain", "length": len(ESSAY),
        "sha2": hashlib.sha256(ESSAY).hexdigest(),
    }  # fmt: skip
    text = json.dumps(new_statement(id=STATEMENT, attachments=[attachment], **named))
    parts = [
        f"Content-Type: application/json\r\n\r\n{text}".encode(),
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\nX-Experience-API-Hash: "
        + attachment["sha2"].encode() + b"\r\n\r\n" + ESSAY,
    ]  # fmt: skip
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"
    assert lrs.post(body, content_type="multipart/mixed; boundary=b").status_code == 200
    void = new_statement(verb=VOID, object={"objectType": "StatementRef", "id": VOIDED})
    assert lrs.post([new_statement(id=VOIDED, **named), void, new_statement(**named)]).status_code == 200
    for resource, params in (
        ("activities/state", {"stateId": "s"}),
        ("activities/profile", {"profileId": "p"}),
        ("agents/profile", {"profileId": "p"}),
    ):
        whose = {"activityId": ACTIVITY, "agent": "agent"}
        wanted = {name: value for name, value in whose.items() if name in READ[resource][0]}
        assert ours.call("PUT", resource, wanted | params, {"said": WALL}, **{"If-None-Match": "*"}).status_code == 204
    assert ours.call("PUT", "feeds/f", {}, {}).status_code == 201
    ours.more = ours.call("GET", "statements", {"limit": "1"}).json["more"].partition("more=")[2]
    ours.cursor = ours.call("GET", "feeds/f", {"limit": "1"}).json["cursor"]
    return ours


@pytest.fixture
def theirs(new_client, ours):
    """Another agency, which knows every name and link of the first."""
    theirs = Agency(new_client("all", tenant_id=2), ours.agent)
    theirs.more, theirs.cursor = ours.more, ours.cursor
    return theirs


def test_the_walk_knows_every_resource_of_the_lrs(http):
    paths = {rule.rule for rule in http.application.url_map.iter_rules() if rule.endpoint.startswith("xapi.")}
    found = set()
    for path in paths - {"/oauth/token"}:
        mount = max((mount for mount in (*MOUNTS, "/xapi") if path.startswith(mount)), key=len)
        found.add(path.removeprefix(mount).strip("/"))

    assert found - OPEN == set(READ)


@pytest.mark.parametrize("mount", MOUNTS)
def test_an_agency_sees_nothing_of_another_by_any_resource(ours, theirs, mount):
    version = {"X-Experience-API-Version": MOUNTS[mount]}
    shown = set()
    for resource, params in ((resource, params) for resource, ways in READ.items() for params in ways):
        if resource.startswith("feeds") and mount != "/xapi":
            continue
        mine, answer = (agency.call("GET", resource, params, mount=mount, **version) for agency in (ours, theirs))

        assert mine.status_code == 200, (resource, params, mine.text)
        assert answer.status_code in (200, 400, 404), (resource, params)
        assert WALL not in answer.text, (resource, params)
        shown |= {resource} if WALL in mine.text else set()

    assert shown >= {"statements", "activities", "activities/state", "activities/profile", "agents", "agents/profile"}


@pytest.mark.parametrize("write", WRITES, ids=lambda write: f"{write[0]} {write[1]}")
def test_an_agency_changes_nothing_of_another(ours, theirs, new_statement, write):
    method, resource, params, body = write
    before = ours.sees()
    statement = new_statement(**(body or {})) if resource == "statements" else (body or ({} if method != "DELETE" else None))
    headers = {"If-None-Match": "*"} if method == "PUT" and "profile" in resource else {}

    answer = theirs.call(method, resource, params, statement, **headers)

    assert answer.status_code in (200, 201, 204, 404), answer.text
    assert ours.sees() == before
