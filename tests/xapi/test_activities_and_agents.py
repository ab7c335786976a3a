"""What the LRS knows of activities and agents, and formats of statements: xAPI 1.0.3, Communication 2.1.3, 2.4, 2.5; Data 2.4.4.1."""

import time

import pytest
from flask import Flask
from sqlalchemy import event

from tests.xapi.conftest import PEPPER, LrsClient
from xapi import api
from xapi.activities import Memory

ITEM = "https://agency.example.go.th/items/1"
COURSE = "https://agency.example.go.th/courses/1"


AGENT = {"mbox": "mailto:a@b.example"}
KNOWN = [("/activities", {"activityId": ITEM}), ("/agents", {"agent": AGENT})]


def activity(lrs, iri=ITEM, **options):
    answer = lrs.call("GET", "/activities", activityId=iri, **options)
    assert answer.status_code == 200, answer.text
    return answer.json


def person(lrs, agent):
    answer = lrs.call("GET", "/agents", agent=agent)
    assert answer.status_code == 200, answer.text
    return answer.json


def item(**definition):
    return {"objectType": "Activity", "id": ITEM, "definition": definition}


def rule_of(answer):
    return answer.status_code, answer.json["error"]["rule"]


def test_an_activity_that_nobody_defined_is_given_back_by_its_id(lrs, new_statement):
    lrs.post(new_statement())

    assert activity(lrs) == {"objectType": "Activity", "id": ITEM}
    assert activity(lrs, COURSE) == {"objectType": "Activity", "id": COURSE}


def test_languages_and_extensions_of_all_statements_add_up_and_the_newest_word_counts(lrs, new_statement):
    first = item(name={"th": "ข้อหนึ่ง", "en": "One"}, type="https://a.example/quiz", extensions={"https://a.example/x": 1})
    second = item(name={"en": "Question one", "fr": "Un"}, moreInfo="https://a.example/more", extensions={"https://a.example/y": [2]})

    lrs.post([new_statement(object=first), new_statement(object=second)])

    assert activity(lrs)["definition"] == {
        "name": {"th": "ข้อหนึ่ง", "en": "Question one", "fr": "Un"},
        "type": "https://a.example/quiz",
        "moreInfo": "https://a.example/more",
        "extensions": {"https://a.example/x": 1, "https://a.example/y": [2]},
    }


def test_a_word_that_comes_back_counts_again(lrs, new_statement):
    for name in ("One", "Two", "One"):
        lrs.post(new_statement(object=item(name={"en": name})))

    assert activity(lrs)["definition"] == {"name": {"en": "One"}}


def test_the_properties_of_an_interaction_stay_together(lrs, new_statement):
    choice = item(interactionType="choice", choices=[{"id": "a"}], correctResponsesPattern=["a"])
    lrs.post(new_statement(object=choice))
    lrs.post(new_statement(object=item(interactionType="true-false")))

    assert activity(lrs)["definition"] == {"interactionType": "true-false"}


def test_definitions_are_learned_wherever_a_statement_names_an_activity(lrs, new_statement):
    named = {place: f"https://agency.example.go.th/{place}" for place in ("parent", "inner", "inner-parent")}
    defined = {place: {"id": iri, "definition": {"name": {"en": place}}} for place, iri in named.items()}
    inner = {
        "objectType": "SubStatement",
        **new_statement(object=defined["inner"], context={"contextActivities": {"grouping": [defined["inner-parent"]]}}),
    }

    lrs.post(new_statement(object=inner, context={"contextActivities": {"parent": defined["parent"]}}))

    assert {place: activity(lrs, iri)["definition"]["name"]["en"] for place, iri in named.items()} == {place: place for place in named}


def test_a_refused_batch_teaches_nothing(lrs, new_statement):
    lrs.post([new_statement(object=item(name={"en": "One"})), new_statement(verb={"id": "no iri"})])

    assert "definition" not in activity(lrs)


def test_a_credential_that_may_not_define_teaches_nothing(lrs, new_client, new_statement):
    new_client("statements/write").post(new_statement(object=item(name={"en": "Mischief"})))
    assert "definition" not in activity(lrs)

    new_client("statements/write", "define").post(new_statement(object=item(name={"en": "One"})))
    assert activity(lrs)["definition"] == {"name": {"en": "One"}}


def test_the_tools_own_statements_define_too(lrs, database, agent, now, new_statement):
    with database.transaction() as db:
        api.store_statements(db, tenant_id=1, statements=[new_statement(object=item(name={"en": "One"}))], authority=agent, now=now)

    assert activity(lrs)["definition"] == {"name": {"en": "One"}}


def test_a_definition_that_is_known_costs_no_query(lrs, database, new_statement):
    lrs.post(new_statement(object=item(name={"en": "One"})))
    queries = []
    event.listen(database.engine, "before_cursor_execute", lambda *given: queries.append(given[2]))

    lrs.post([new_statement(object=item(name={"en": "One"})) for _ in range(3)])
    assert not [query for query in queries if "xapi_activity" in query]

    lrs.post(new_statement(object=item(name={"en": "Two"})))
    assert [query for query in queries if "xapi_activity" in query]


def test_what_is_known_fades_for_another_process_may_have_learned_more(monkeypatch):
    memory = Memory()
    memory.remember(1, {b"activity": b"digest"})

    assert memory.holds(1, b"activity", b"digest")
    assert not memory.holds(1, b"activity", b"other")
    assert not memory.holds(2, b"activity", b"digest")

    later = time.monotonic() + Memory.SECONDS + 1
    monkeypatch.setattr("time.monotonic", lambda: later)
    assert not memory.holds(1, b"activity", b"digest")


def test_two_processes_learn_from_each_other(database, http, new_client, new_statement, clock):
    here = new_client("all")
    app = Flask("another process")
    app.register_blueprint(api.create_lrs(database, clock=clock, key_pepper=PEPPER))
    there = LrsClient(app.test_client(), here.key)
    here.post(new_statement(object=item(name={"en": "One"})))

    there.post(new_statement(object=item(description={"en": "More"})))

    assert activity(here)["definition"] == activity(there)["definition"] == {"name": {"en": "One"}, "description": {"en": "More"}}


@pytest.mark.one_database
def test_a_statement_may_define_more_activities_than_a_query_takes(lrs, new_statement, monkeypatch):
    monkeypatch.setattr("xapi.activities._KEYS_AT_ONCE", 2)
    named = [{"id": f"a:{n}", "definition": {"type": f"t:{n}"}} for n in range(5)]

    statement_id = lrs.post(new_statement(context={"contextActivities": {"other": named}})).json[0]

    assert [activity(lrs, one["id"])["definition"] for one in named] == [one["definition"] for one in named]
    assert lrs.get(statementId=statement_id, format="canonical").json["context"]["contextActivities"]["other"] == named


def test_definitions_of_another_tenant_are_not_told(lrs, new_client, new_statement):
    new_client("all", tenant_id=2).post(new_statement(object=item(name={"en": "Theirs"})))

    assert "definition" not in activity(lrs)
    lrs.post(new_statement(object=item(name={"th": "ของเรา"})))
    assert activity(lrs)["definition"] == {"name": {"th": "ของเรา"}}


def test_who_sees_its_own_statements_alone_is_told_what_they_say(lrs, new_client, new_statement):
    mine = new_client("statements/write", "statements/read/mine")
    lrs.post(new_statement(object=item(name={"en": "Secret"})))
    mine.post(new_statement(object=item(name={"th": "ของฉัน"})))
    mine.post(new_statement(object=item(description={"th": "ข้อ"})))

    assert activity(mine)["definition"] == {"name": {"th": "ของฉัน"}, "description": {"th": "ข้อ"}}


@pytest.mark.one_database
@pytest.mark.parametrize("scope", ["statements/write", "state"])
@pytest.mark.parametrize(
    ("path", "params"), [("/activities", {"activityId": ITEM}), ("/agents", {"agent": {"mbox": "mailto:a@b.example"}})]
)
def test_who_may_not_read_statements_is_not_told_of_activities_and_agents(new_client, scope, path, params):
    assert new_client(scope).call("GET", path, **params).status_code == 403


@pytest.mark.one_database
def test_an_activity_needs_its_id_and_nothing_else(lrs):
    assert rule_of(lrs.call("GET", "/activities")) == (400, "missing_parameter")
    assert rule_of(lrs.call("GET", "/activities", activityId="no iri")) == (400, "not_iri")
    assert rule_of(lrs.call("GET", "/activities", activityId=ITEM, since="2026-01-01T00:00:00Z")) == (400, "unknown_parameter")


@pytest.mark.one_database
@pytest.mark.parametrize("path", ["/activities", "/agents"])
def test_activities_and_agents_are_only_read(lrs, path):
    for method in ("PUT", "POST", "DELETE"):
        answer = lrs.call(method, path, {})
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("path", "params"), [("/activities", {"activityId": ITEM}), ("/agents", {"agent": {"mbox": "mailto:a@b.example"}})]
)
def test_head_is_get_without_the_body(lrs, path, params):
    got, head = lrs.call("GET", path, **params), lrs.call("HEAD", path, **params)

    assert (head.status_code, head.data, head.headers["ETag"]) == (200, b"", got.headers["ETag"])
    assert head.headers["Content-Length"] == got.headers["Content-Length"]


IDENTIFIERS = {
    "mbox": "mailto:somchai@example.go.th",
    "mbox_sha1sum": "0" * 40,
    "openid": "https://openid.example.go.th/somchai",
    "account": {"homePage": "https://agency.example.go.th/people", "name": "p-1"},
}


@pytest.mark.one_database
@pytest.mark.parametrize("kind", IDENTIFIERS)
def test_a_person_has_lists_of_identifiers_and_names(lrs, new_statement, kind):
    agent = {kind: IDENTIFIERS[kind]}
    for name in ("สมชาย", "Somchai", "สมชาย"):
        lrs.post(new_statement(actor={**agent, "name": name}))

    assert person(lrs, agent) == {"objectType": "Person", kind: [IDENTIFIERS[kind]], "name": ["สมชาย", "Somchai"]}


def test_names_come_from_actors_members_and_objects_and_only_from_the_same_identifier(lrs, new_statement):
    agent, other = {"mbox": "mailto:a@b.example"}, {"mbox": "mailto:c@d.example", "name": "Other"}
    group = {"objectType": "Group", "member": [{**agent, "name": "Member"}, other]}
    lrs.post(new_statement(actor=group))
    lrs.post(new_statement(actor=other, object={"objectType": "Agent", **agent, "name": "Object"}))

    assert sorted(person(lrs, agent)["name"]) == ["Member", "Object"]


@pytest.mark.one_database
def test_an_agent_that_nobody_knows_is_a_person_of_what_was_asked(lrs):
    assert person(lrs, {"mbox": "mailto:a@b.example", "name": "ก"}) == {
        "objectType": "Person",
        "mbox": ["mailto:a@b.example"],
        "name": ["ก"],
    }


def test_names_in_statements_of_others_are_not_told_to_who_sees_its_own_alone(lrs, new_client, new_statement):
    agent = {"mbox": "mailto:a@b.example"}
    lrs.post(new_statement(actor={**agent, "name": "Secret"}))
    new_client("all", tenant_id=2).post(new_statement(actor={**agent, "name": "Foreign"}))
    mine = new_client("statements/write", "statements/read/mine")
    mine.post(new_statement(actor={**agent, "name": "Mine"}))

    assert person(mine, agent)["name"] == ["Mine"]
    assert person(lrs, agent)["name"] == ["Mine", "Secret"]


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("agent", "rule"),
    [({}, "one_ifi"), ({"name": "ก"}, "one_ifi"), ({"objectType": "Group", "mbox": "mailto:a@b.example"}, "not_single_agent"), ("x", None)],
)
def test_a_person_is_asked_for_by_an_agent(lrs, agent, rule):
    assert rule_of(lrs.call("GET", "/agents", agent=agent)) == (400, rule)


@pytest.mark.one_database
def test_a_person_needs_an_agent(lrs):
    assert rule_of(lrs.call("GET", "/agents")) == (400, "missing_parameter")


TEXTS = {"en-GB": "British", "en": "English", "th": "ไทย", "de-AT": "Austrian"}


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("wishes", "chosen"),
    [
        ("th", "th"),
        ("en-US", "en"),
        ("en-GB", "en-GB"),
        ("en", "en"),
        ("de", "de-AT"),
        ("de-CH", "de-AT"),
        ("fr, th;q=0.5", "th"),
        ("th;q=0.2, en-GB;q=0.8", "en-GB"),
        ("fr", "en-GB"),
        ("*", "en-GB"),
        ("", "en-GB"),
        ("th;q=0, de", "de-AT"),
        ("TH", "th"),
    ],
)
def test_canonical_chooses_one_language_of_each_map_by_the_readers_wishes(lrs, new_statement, wishes, chosen):
    choices = [{"id": "a", "description": {"en": "A", "th": "ก"}}]
    defined = item(name=TEXTS, description={"th": "มีแต่ไทย"}, interactionType="choice", choices=choices)
    lrs.post(new_statement(object=defined, verb={"id": "http://adlnet.gov/expapi/verbs/answered", "display": TEXTS}))

    found = lrs.get(format="canonical", headers={"Accept-Language": wishes}).json["statements"][0]

    assert found["verb"]["display"] == found["object"]["definition"]["name"] == {chosen: TEXTS[chosen]}
    assert found["object"]["definition"]["description"] == {"th": "มีแต่ไทย"}
    assert len(found["object"]["definition"]["choices"][0]["description"]) == 1


def test_canonical_takes_the_definition_from_all_statements_and_exact_from_its_own(lrs, new_statement):
    bare = lrs.post(new_statement()).json[0]
    lrs.post(new_statement(object=item(name={"th": "ข้อหนึ่ง"}, type="https://a.example/quiz")))

    canonical = lrs.get(statementId=bare, format="canonical").json["object"]

    assert canonical == {"id": ITEM, "definition": {"name": {"th": "ข้อหนึ่ง"}, "type": "https://a.example/quiz"}}
    assert lrs.get(statementId=bare).json["object"] == {"id": ITEM}
    assert lrs.get(statementId=bare, format="ids").json["object"] == {"id": ITEM}


def test_canonical_tells_who_sees_its_own_statements_alone_nothing_of_others(lrs, new_client, new_statement):
    mine = new_client("statements/write", "statements/read/mine")
    mine.post(new_statement())
    lrs.post(new_statement(object=item(name={"en": "Secret"})))

    assert mine.get(format="canonical").json["statements"][0]["object"] == {"id": ITEM}
