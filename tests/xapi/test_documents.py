"""State, agent profiles and activity profiles: xAPI 1.0.3, Communication 2.2, 2.3, 2.6, 2.7 and 3.1; IEEE 9274.1.1, 4.1.4 to 4.1.6."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime

import pytest

from xapi import documents

ACTIVITY = "https://agency.example.go.th/items/1"
REGISTRATION = "0f3a1c66-5a5e-4d7b-9a0e-6a2f0d2b4c11"
OTHER_REGISTRATION = "0f3a1c66-5a5e-4d7b-9a0e-6a2f0d2b4c12"
AGENT = {"objectType": "Agent", "account": {"homePage": "https://agency.example.go.th/people", "name": "p-1"}}
OTHER_AGENT = {"objectType": "Agent", "mbox": "mailto:somchai@example.go.th"}
GROUP = {"objectType": "Group", "mbox": "mailto:class@example.go.th"}

RESOURCES = {
    "state": ("/activities/state", "stateId", {"activityId": ACTIVITY, "agent": AGENT}),
    "agent profile": ("/agents/profile", "profileId", {"agent": AGENT}),
    "activity profile": ("/activities/profile", "profileId", {"activityId": ACTIVITY}),
}
PROFILES = [name for name in RESOURCES if name != "state"]
VERSIONS = ["2.0.0", "1.0.3"]


class Shelf:
    """The documents of one context in one resource."""

    def __init__(self, client, name, **changes):
        self.client = client
        self.path, self.id_name, params = RESOURCES[name]
        self.params = {**params, **changes}

    def call(self, method, document_id=None, body=None, **options):
        named = {} if document_id is None else {self.id_name: document_id}
        return self.client.call(method, self.path, body, **{**self.params, **named, **options})

    def get(self, document_id=None, **options):
        return self.call("GET", document_id, **options)

    def put(self, document_id, body, **options):
        return self.call("PUT", document_id, body, **{"headers": {"If-None-Match": "*"}, **options})

    def post(self, document_id, body, **options):
        return self.call("POST", document_id, body, **options)

    def delete(self, document_id=None, **options):
        return self.call("DELETE", document_id, **options)

    def ids(self, **options):
        answer = self.get(**options)
        assert answer.status_code == 200, answer.text
        return answer.json


@pytest.fixture(params=RESOURCES)
def name(request):
    return request.param


@pytest.fixture
def shelf(lrs, name):
    return Shelf(lrs, name)


@pytest.fixture(params=VERSIONS)
def version(request):
    return request.param


def rule_of(answer):
    return answer.json["error"]["rule"]


@pytest.mark.parametrize("content_type", ["application/json", "application/octet-stream", "text/plain; charset=utf-8", "image/png"])
def test_a_document_comes_back_byte_for_byte_with_its_type(shelf, content_type):
    body = '{ "b":1.50,"a" : "ก้าวหน้า" }\r\n'.encode() if "json" in content_type else bytes(range(256))

    stored = shelf.put("one", body, content_type=content_type)
    answer = shelf.get("one")

    assert stored.status_code == 204
    assert (answer.status_code, answer.data, answer.content_type) == (200, body, content_type)


@pytest.mark.one_database
def test_the_etag_is_the_quoted_sha_1_of_the_contents(shelf):
    shelf.put("one", b"contents", content_type="text/plain")

    assert shelf.get("one").headers["ETag"] == f'"{hashlib.sha1(b"contents").hexdigest()}"'


def test_last_modified_tells_when_the_document_was_changed(shelf, clock):
    shelf.put("one", {"a": 1})
    clock.forward(minutes=3)
    shelf.post("one", {"a": 2})

    assert parsedate_to_datetime(shelf.get("one").headers["Last-Modified"]) == clock.now.replace(microsecond=0)


@pytest.mark.one_database
def test_a_list_has_the_last_modified_of_its_newest_document(shelf, clock):
    shelf.put("one", {"a": 1})
    clock.forward(minutes=3)
    shelf.put("two", {"a": 2})

    assert parsedate_to_datetime(shelf.get().headers["Last-Modified"]) == clock.now.replace(microsecond=0)


@pytest.mark.one_database
def test_head_is_get_without_the_body(shelf):
    shelf.put("one", {"a": 1})

    for document_id in ("one", None):
        got, head = shelf.get(document_id), shelf.call("HEAD", document_id)
        same = ("ETag", "Content-Length", "Content-Type", "Last-Modified")
        assert head.data == b""
        assert [head.headers.get(header) for header in same] == [got.headers.get(header) for header in same]


@pytest.mark.one_database
def test_a_document_that_does_not_exist_is_404(shelf):
    assert shelf.get("none").status_code == 404
    assert shelf.call("HEAD", "none").status_code == 404


def test_deleting_removes_the_one_document_and_again_is_204(shelf):
    shelf.put("one", {"a": 1})
    shelf.put("two", {"a": 1})

    assert [shelf.delete("one").status_code for _ in range(2)] == [204, 204]
    assert shelf.ids() == ["two"]


def test_ids_since_are_those_stored_or_changed_after_the_moment(shelf, clock):
    for document_id in ("one", "two"):
        shelf.put(document_id, {"a": 1})
    moment = clock.now.isoformat()
    clock.forward(seconds=1)
    shelf.put("three", {"a": 1})
    shelf.post("one", {"b": 1})

    assert shelf.ids() == ["one", "three", "two"]
    assert shelf.ids(since=moment) == ["one", "three"]
    assert shelf.ids(since=clock.now.isoformat()) == []


@pytest.mark.parametrize("since", ["yesterday", "2024-02-30T00:00:00Z", ""])
@pytest.mark.one_database
def test_since_must_be_a_timestamp(shelf, since):
    assert (shelf.get(since=since).status_code, rule_of(shelf.get(since=since))) == (400, "not_timestamp")


@pytest.mark.one_database
def test_every_parameter_is_needed_for_every_method(shelf):
    for method in ("GET", "PUT", "POST", "DELETE"):
        for missing in shelf.params:
            params = {name: value for name, value in shelf.params.items() if name != missing}
            answer = shelf.client.call(
                method, shelf.path, {"a": 1} if method in ("PUT", "POST") else None, **params, **{shelf.id_name: "one"}
            )
            assert (answer.status_code, rule_of(answer), answer.json["error"]["place"]) == (400, "missing_parameter", missing)


@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.one_database
def test_storing_needs_an_id(shelf, method):
    for document_id in (None, ""):
        answer = shelf.call(method, document_id, {"a": 1})
        assert (answer.status_code, rule_of(answer)) == (400, "missing_parameter")


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.one_database
def test_profiles_are_not_deleted_all_at_once(lrs, name):
    assert Shelf(lrs, name).delete().status_code == 400


@pytest.mark.parametrize(
    ("params", "rule"),
    [
        ({"activityId": "no iri"}, "not_iri"),
        ({"agent": "no json"}, None),
        ({"agent": "{}"}, "one_ifi"),
        ({"agent": '{"name": "ก"}'}, "one_ifi"),
        ({"agent": '{"mbox": "a@b.example"}'}, "mailto"),
        ({"registration": "1"}, "not_uuid"),
        ({"profileId": "1"}, "unknown_parameter"),
        ({"StateId": "1"}, "unknown_parameter"),
    ],
)
@pytest.mark.one_database
def test_a_parameter_of_the_wrong_form_is_refused_by_its_rule(lrs, params, rule):
    answer = Shelf(lrs, "state", **params).get("one")

    assert (answer.status_code, rule_of(answer)) == (400, rule)


@pytest.mark.parametrize("name", ["agent profile"])
@pytest.mark.one_database
def test_a_profile_belongs_to_an_agent_not_to_a_group(lrs, name):
    assert rule_of(Shelf(lrs, name, agent=GROUP).get()) == "not_single_agent"


def test_documents_of_another_context_are_others(lrs):
    Shelf(lrs, "state").put("one", {"a": 1})
    Shelf(lrs, "activity profile").put("one", {"a": 2})
    Shelf(lrs, "agent profile").put("one", {"a": 3})

    assert Shelf(lrs, "state").get("one").json == {"a": 1}
    assert Shelf(lrs, "activity profile").get("one").json == {"a": 2}
    assert Shelf(lrs, "agent profile").get("one").json == {"a": 3}
    assert Shelf(lrs, "state", agent=OTHER_AGENT).ids() == []
    assert Shelf(lrs, "state", activityId=ACTIVITY + "0").ids() == []


def test_an_agent_is_its_identifier_whatever_its_name(lrs):
    Shelf(lrs, "agent profile", agent={"mbox": "mailto:A@Example.go.th", "name": "ก"}).put("one", {"a": 1})

    assert Shelf(lrs, "agent profile", agent={"objectType": "Agent", "mbox": "mailto:A@example.go.th"}).ids() == ["one"]


def test_a_state_of_a_registration_is_another_than_that_of_none(lrs):
    plain, registered = Shelf(lrs, "state"), Shelf(lrs, "state", registration=REGISTRATION)
    plain.put("one", {"a": 1})
    registered.put("one", {"a": 2})

    assert plain.get("one").json == {"a": 1}
    assert Shelf(lrs, "state", registration=REGISTRATION.upper()).get("one").json == {"a": 2}
    assert Shelf(lrs, "state", registration=OTHER_REGISTRATION).get("one").status_code == 404


def test_ids_without_a_registration_are_those_of_all_and_with_one_its_own(lrs):
    Shelf(lrs, "state").put("plain", {"a": 1})
    Shelf(lrs, "state", registration=REGISTRATION).put("registered", {"a": 1})

    assert Shelf(lrs, "state").ids() == ["plain", "registered"]
    assert Shelf(lrs, "state", registration=REGISTRATION).ids() == ["registered"]


def test_deleting_all_states_of_a_registration_leaves_the_others(lrs):
    for registration in (REGISTRATION, OTHER_REGISTRATION):
        for document_id in ("one", "two"):
            Shelf(lrs, "state", registration=registration).put(document_id, {"a": 1})

    assert Shelf(lrs, "state", registration=REGISTRATION).delete().status_code == 204

    assert Shelf(lrs, "state", registration=REGISTRATION).ids() == []
    assert Shelf(lrs, "state", registration=OTHER_REGISTRATION).ids() == ["one", "two"]


def test_deleting_all_states_takes_no_since(lrs):
    Shelf(lrs, "state").put("one", {"a": 1})

    answer = Shelf(lrs, "state").delete(since="2020-01-01T00:00:00Z")

    assert (answer.status_code, Shelf(lrs, "state").ids()) == (400, ["one"])


def test_a_post_merges_the_members_of_the_top_each_as_it_was_written(shelf):
    shelf.put("one", b'{"kept": 1.50, "big":123456789012345678901234567890, "deep": {"a": 1}}', content_type="application/json")

    merged = shelf.post("one", '{"deep" : {"b": 1e2}, "ใหม่": "ค่า"}'.encode(), content_type="application/json; charset=utf-8")

    assert merged.status_code == 204
    body = '{"kept":1.50,"big":123456789012345678901234567890,"deep":{"b": 1e2},"ใหม่":"ค่า"}'
    assert shelf.get("one").text == body


def test_a_post_to_nothing_stores_what_was_sent(shelf):
    assert shelf.post("one", b"\x00\x01", content_type="application/octet-stream").status_code == 204
    assert shelf.get("one").data == b"\x00\x01"


@pytest.mark.parametrize(
    ("before", "after", "rule"),
    [
        (("application/json", b'{"a": 1}'), ("text/plain", b'{"b": 1}'), "merge_of_json_only"),
        (("text/plain", b'{"a": 1}'), ("application/json", b'{"b": 1}'), "merge_into_json_only"),
        (("application/json", b"[1]"), ("application/json", b'{"b": 1}'), "merge_into_json_only"),
        (("application/json", b'{"a": 1}'), ("application/json", b"[1]"), "not_json_object"),
        (("application/json", b'{"a": 1}'), ("application/json", b'{"a": '), None),
        (("application/json", b'{"a": 1}'), ("application/json", b'{"a": 1, "a": 2}'), None),
    ],
)
@pytest.mark.one_database
def test_a_merge_of_anything_but_json_objects_is_400_and_changes_nothing(shelf, before, after, rule):
    shelf.put("one", before[1], content_type=before[0])

    answer = shelf.post("one", after[1], content_type=after[0])

    assert (answer.status_code, rule_of(answer)) == (400, rule)
    assert (shelf.get("one").data, shelf.get("one").content_type) == (before[1], before[0])


@pytest.mark.one_database
def test_what_calls_itself_json_and_is_none_is_not_stored(shelf):
    assert shelf.put("one", b"{", content_type="application/json").status_code == 400
    assert shelf.ids() == []


@pytest.mark.parametrize("content_type", ["json", "text/html\r\nX-Injected: 1", "text/plain;\x00"])
@pytest.mark.one_database
def test_a_content_type_that_is_none_is_refused(lrs, content_type):
    form = {
        "stateId": "one",
        "activityId": ACTIVITY,
        "agent": '{"mbox": "mailto:a@b.example"}',
        "content": "1",
        "Content-Type": content_type,
    }

    answer = lrs.speaking("1.0.3").http.post(
        "/xapi/activities/state?method=PUT",
        data=form,
        headers={"X-Experience-API-Version": "1.0.3"},
        auth=(lrs.key.key, lrs.key.secret),
    )

    assert answer.status_code == 400


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_a_wrong_if_match_is_412_and_the_right_one_passes(shelf, method):
    shelf.put("one", {"a": 1})
    body = None if method == "DELETE" else {"a": 2}

    wrong = shelf.call(method, "one", body, headers={"If-Match": '"0"'})
    assert (wrong.status_code, shelf.get("one").json) == (412, {"a": 1})

    right = shelf.call(method, "one", body, headers={"If-Match": shelf.get("one").headers["ETag"]})
    assert right.status_code == 204
    assert shelf.get("one").status_code == (404 if method == "DELETE" else 200)


@pytest.mark.one_database
def test_if_match_on_nothing_is_412(shelf):
    for header in ('"0"', "*"):
        assert shelf.call("PUT", "one", {"a": 1}, headers={"If-Match": header}).status_code == 412
    assert shelf.ids() == []


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_if_none_match_of_all_is_412_where_something_stands(shelf, method):
    first = shelf.call(method, "one", {"a": 1}, headers={"If-None-Match": "*"})
    second = shelf.call(method, "one", {"a": 2}, headers={"If-None-Match": "*"})

    assert (first.status_code, second.status_code, shelf.get("one").json) == (204, 412, {"a": 1})


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.one_database
def test_h52_a_put_over_a_profile_without_a_condition_is_409_and_says_what_to_do(lrs, name, version):
    shelf = Shelf(lrs.speaking(version), name)
    shelf.put("one", {"a": 1})

    answer = shelf.call("PUT", "one", {"a": 2})

    assert (answer.status_code, answer.json["error"]["code"]) == (409, "document_exists")
    assert "If-Match" in answer.json["error"]["message"]["en"]
    assert shelf.get("one").json == {"a": 1}


@pytest.mark.one_database
def test_version_2_protects_a_state_too_and_1_0_3_lets_it_be_overwritten(lrs):
    old, new = (Shelf(lrs.speaking(version), "state") for version in ("1.0.3", "2.0.0"))
    old.put("one", {"a": 1})

    assert old.call("PUT", "one", {"a": 2}).status_code == 204
    assert new.call("PUT", "one", {"a": 3}).status_code == 409
    assert new.get("one").json == {"a": 2}


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.one_database
def test_a_put_of_a_new_profile_without_a_condition_is_400_in_1_0_3_and_stored_in_2(lrs, name):
    old, new = (Shelf(lrs.speaking(version), name) for version in ("1.0.3", "2.0.0"))

    refused = old.call("PUT", "one", {"a": 1})
    assert (refused.status_code, rule_of(refused)) == (400, "precondition_missing")
    assert new.call("PUT", "one", {"a": 1}).status_code == 204


@pytest.mark.one_database
def test_a_reader_who_has_the_document_gets_304(shelf):
    shelf.put("one", {"a": 1})
    tag = shelf.get("one").headers["ETag"]

    answer = shelf.get("one", headers={"If-None-Match": tag})

    assert (answer.status_code, answer.data, answer.headers["ETag"]) == (304, b"", tag)
    assert "Content-Type" not in answer.headers


def test_of_eight_that_change_the_same_version_one_succeeds(shelf):
    shelf.put("one", {"n": 0})
    tag = shelf.get("one").headers["ETag"]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: shelf.call("PUT", "one", {"n": n}, headers={"If-Match": tag}).status_code, range(1, 9)))

    assert sorted(answers) == [204] + [412] * 7


def test_of_eight_that_create_one_succeeds_and_merges_of_eight_are_all_kept(shelf):
    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(lambda n: shelf.put("one", {"n": n}).status_code, range(8)))
        merged = list(pool.map(lambda n: shelf.post("two", {f"m{n}": n}).status_code, range(8)))

    assert sorted(created) == [204] + [412] * 7
    assert merged == [204] * 8
    assert shelf.get("two").json == {f"m{n}": n for n in range(8)}


def test_the_documents_of_an_agent_are_told_and_erased_whatever_their_resource(lrs, database):
    for name in ("state", "agent profile", "activity profile"):
        Shelf(lrs, name).put("one", {"a": 1})
    Shelf(lrs, "state", registration=REGISTRATION).put("two", {"a": 2})
    Shelf(lrs, "state", agent=OTHER_AGENT).put("one", {"a": 3})

    with database.transaction() as db:
        told = list(documents.of_agent(db.connection(), tenant_id=1, agent=AGENT))
        erased = [documents.erase(db.connection(), tenant_id=tenant_id, agent=AGENT) for tenant_id in (2, 1)]

    assert sorted((one.kind, one.activity, one.registration, one.id, one.contents) for one in told if one.registration is None) == [
        ("agent", None, None, "one", b'{"a": 1}'),
        ("state", ACTIVITY, None, "one", b'{"a": 1}'),
    ]
    assert [(one.registration, one.id, one.contents) for one in told if one.registration] == [(REGISTRATION, "two", b'{"a": 2}')]
    assert erased == [0, 3]
    assert [Shelf(lrs, name).ids() for name in RESOURCES] == [[], [], ["one"]]
    assert Shelf(lrs, "state", agent=OTHER_AGENT).ids() == ["one"]


def test_documents_of_another_tenant_are_not_seen_not_changed_and_not_in_the_way(new_client, name):
    ours, theirs = Shelf(new_client("all"), name), Shelf(new_client("all", tenant_id=2), name)
    ours.put("one", {"a": 1})

    assert (theirs.get("one").status_code, theirs.ids()) == (404, [])
    assert theirs.put("one", {"a": 2}).status_code == 204
    assert theirs.delete("one").status_code == 204
    assert ours.get("one").json == {"a": 1}


ALLOWED = {
    "state": ({"state", "all"}, {"state", "all", "all/read"}),
    "agent profile": ({"profile", "all"}, {"profile", "all", "all/read"}),
    "activity profile": ({"profile", "all"}, {"profile", "all", "all/read"}),
}


@pytest.mark.parametrize(
    "scope", ["state", "profile", "define", "statements/write", "statements/read", "statements/read/mine", "all/read", "all"]
)
@pytest.mark.one_database
def test_each_scope_opens_its_own_resource(new_client, lrs, name, scope):
    writers, readers = ALLOWED[name]
    Shelf(lrs, name).put("one", {"a": 1})
    shelf = Shelf(new_client(scope), name)

    assert shelf.get("one").status_code == (200 if scope in readers else 403)
    assert shelf.post("one", {"b": 1}).status_code == (204 if scope in writers else 403)
    assert shelf.delete("one").status_code == (204 if scope in writers else 403)


def test_ids_may_be_long_and_of_any_script(shelf):
    document_id = "เอกสาร/ก?&=%" + "ย" * 800

    shelf.put(document_id, {"a": 1})

    assert (shelf.ids(), shelf.get(document_id).json) == ([document_id], {"a": 1})


def test_a_document_over_5_mb_is_413_and_one_of_5_mb_is_kept(lrs):
    shelf = Shelf(lrs, "state")

    assert shelf.put("one", b"x" * (5 * 1024 * 1024 + 1), content_type="text/plain").status_code == 413
    assert shelf.put("one", b"x" * (5 * 1024 * 1024), content_type="text/plain").status_code == 204
    assert len(shelf.get("one").data) == 5 * 1024 * 1024


@pytest.mark.one_database
def test_no_browser_runs_a_stored_page_as_ours(shelf):
    shelf.put("one", b"<script>alert(1)</script>", content_type="text/html")

    headers = shelf.get("one").headers

    assert headers["Content-Security-Policy"].startswith("sandbox")
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.one_database
def test_a_method_that_a_document_does_not_know_is_405_with_those_that_it_knows(shelf):
    answer = shelf.call("PATCH", "one", {"a": 1})

    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, PUT, POST, DELETE")
