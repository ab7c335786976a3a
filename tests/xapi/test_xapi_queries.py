"""Finding statements: every filter of the Statement Resource, order, pages and formats."""

import json
import uuid

import pytest

OTHER = {"mbox": "mailto:other@example.go.th"}
ACTIVITY = "https://agency.example.go.th/items/1"
COURSE = "https://agency.example.go.th/courses/1"
PASSED = "http://adlnet.gov/expapi/verbs/passed"


def stored(lrs, *statements):
    answer = lrs.post(list(statements))
    assert answer.status_code == 200, answer.text
    return answer.json


@pytest.mark.parametrize(
    "who",
    [
        {"mbox": "mailto:somsri@example.go.th"},
        {"mbox_sha1sum": "ebd31e95054c018b10727ccffd2ef2ec3a016ee9"},
        {"openid": "https://id.example.go.th/1"},
        {"account": {"homePage": "https://e.go.th", "name": "1"}},
        {"objectType": "Group", "mbox": "mailto:team@example.go.th"},
    ],
    ids=["mbox", "mbox_sha1sum", "openid", "account", "group"],
)
def test_agent_finds_actor_object_and_members_of_groups(lrs, new_statement, who):
    member = {name: value for name, value in who.items() if name != "objectType"}
    found = stored(
        lrs,
        new_statement(actor=who),
        new_statement(object={"objectType": "Agent", **who}),
        new_statement(actor={"objectType": "Group", "member": [member, OTHER]}),
    )
    stored(lrs, new_statement(), new_statement(context={"instructor": who}))

    assert lrs.ids(agent=who) == found[::-1]


def test_related_agents_finds_them_wherever_the_standard_names(lrs, new_statement):
    team = {"objectType": "Group", "member": [OTHER]}
    inner = {**new_statement(), "objectType": "SubStatement"}
    found = stored(
        lrs,
        new_statement(actor=OTHER),
        new_statement(context={"instructor": OTHER}),
        new_statement(context={"team": team}),
        new_statement(context={"contextAgents": [{"objectType": "contextAgent", "agent": OTHER}]}),
        new_statement(context={"contextGroups": [{"objectType": "contextGroup", "group": team}]}),
        new_statement(object={**inner, "actor": OTHER}),
        new_statement(object={**inner, "object": {"objectType": "Agent", **OTHER}}),
        new_statement(object={**inner, "context": {"instructor": OTHER}}),
    )
    stored(lrs, new_statement())

    assert lrs.ids(agent=OTHER, related_agents="true") == found[::-1]
    assert lrs.ids(agent=OTHER, related_agents="false") == found[:1]


def test_related_agents_finds_the_authority(lrs, new_client, new_statement):
    second = new_client("all")
    [mine] = stored(second, new_statement())
    stored(lrs, new_statement())

    authority = lrs.get(statementId=mine).json["authority"]

    assert lrs.ids(agent=authority, related_agents="true") == [mine]


def test_activity_finds_objects_and_related_activities_finds_context_too(lrs, new_statement):
    inner = {**new_statement(), "objectType": "SubStatement"}
    found = stored(
        lrs,
        new_statement(object={"id": COURSE}),
        *(new_statement(context={"contextActivities": {kind: [{"id": COURSE}]}}) for kind in ("parent", "grouping", "category", "other")),
        new_statement(object={**inner, "object": {"id": COURSE}}),
        new_statement(object={**inner, "context": {"contextActivities": {"other": [{"id": COURSE}]}}}),
    )
    stored(lrs, new_statement())

    assert lrs.ids(activity=COURSE) == found[:1]
    assert lrs.ids(activity=COURSE, related_activities="true") == found[::-1]


def test_verb_and_registration_find_theirs(lrs, new_statement):
    registration = str(uuid.uuid4())
    found = stored(
        lrs,
        new_statement(verb={"id": PASSED}),
        new_statement(context={"registration": registration}),
        new_statement(verb={"id": PASSED}, context={"registration": registration.upper()}),
    )

    assert lrs.ids(verb=PASSED) == [found[2], found[0]]
    assert lrs.ids(registration=registration) == [found[2], found[1]]
    assert lrs.ids(registration=registration, verb=PASSED) == [found[2]]
    assert lrs.ids(registration=registration, verb=PASSED, agent=OTHER) == []


def test_a_filter_takes_iris_longer_than_any_index_row(lrs, new_statement):
    iri = "https://e.go.th/" + "ก" * 3000
    [found] = stored(lrs, new_statement(object={"id": iri}))
    stored(lrs, new_statement(object={"id": iri + "ข"}))

    assert lrs.ids(activity=iri) == [found]


def test_since_is_exclusive_and_until_inclusive(lrs, clock, new_statement):
    ids = []
    for _ in range(3):
        ids += stored(lrs, new_statement())
        clock.forward(seconds=1)
    moment = lrs.get(statementId=ids[1]).json["stored"]

    assert lrs.ids(since=moment) == [ids[2]]
    assert lrs.ids(until=moment) == [ids[1], ids[0]]
    assert lrs.ids(since=moment, until=moment) == []
    assert lrs.ids(since="2026-11-22T09:30:00.5+07:00") == [ids[2], ids[1]]


def test_stored_grows_within_a_batch_and_when_the_clock_goes_back(lrs, clock, new_statement):
    first = stored(lrs, new_statement(), new_statement())
    clock.forward(hours=-1)
    second = stored(lrs, new_statement())

    moments = [statement["stored"] for statement in lrs.get(ascending="true").json["statements"]]

    assert lrs.ids(ascending="true") == first + second
    assert moments == sorted(set(moments))
    assert lrs.ids(since=moments[0]) == [second[0], first[1]]


def test_statements_come_newest_first_unless_ascending(lrs, new_statement):
    ids = stored(lrs, *(new_statement() for _ in range(3)))

    assert lrs.ids() == ids[::-1]
    assert lrs.ids(ascending="true") == ids


def walk(lrs, between=lambda: None, **params):
    answer = lrs.get(**params)
    pages = [[statement["id"] for statement in answer.json["statements"]]]
    while answer.json["more"]:
        between()
        answer = lrs.follow(answer.json["more"])
        assert answer.status_code == 200, answer.text
        pages.append([statement["id"] for statement in answer.json["statements"]])
    return pages


@pytest.mark.parametrize("ascending", ["false", "true"])
@pytest.mark.parametrize("params", [{}, {"verb": PASSED}, {"verb": PASSED, "activity": ACTIVITY}])
def test_more_walks_all_once_and_new_statements_do_not_shift_it(lrs, new_statement, ascending, params):
    ids = stored(lrs, *(new_statement(verb={"id": PASSED}) for _ in range(7)))

    pages = walk(lrs, between=lambda: stored(lrs, new_statement(verb={"id": PASSED})), limit=3, ascending=ascending, **params)

    assert [len(page) for page in pages] == [3, 3, 1]
    assert [each for page in pages for each in page] == (ids if ascending == "true" else ids[::-1])


def test_a_last_page_that_is_full_has_no_more(lrs, new_statement):
    stored(lrs, *(new_statement() for _ in range(4)))

    assert [len(page) for page in walk(lrs, limit=2)] == [2, 2]


def test_limit_zero_asks_for_the_most_that_one_answer_holds(lrs, new_statement):
    stored(lrs, *(new_statement() for _ in range(501)))

    assert [len(page) for page in walk(lrs, limit=0)] == [500, 1]
    assert [len(page) for page in walk(lrs, limit=100_000)] == [500, 1]


def test_more_keeps_the_format(lrs, new_statement):
    stored(lrs, new_statement(), new_statement())

    first = lrs.get(limit=1, format="ids").json
    second = lrs.follow(first["more"]).json

    assert "display" not in second["statements"][0]["verb"]


def test_a_more_link_belongs_to_its_credential_lives_a_day_and_cannot_be_changed(lrs, clock, new_client, new_statement):
    stored(lrs, new_statement(), new_statement())
    more = lrs.get(limit=1).json["more"]
    place = len(more) - 10
    changed = more[:place] + ("A" if more[place] != "A" else "B") + more[place + 1 :]

    assert lrs.follow(more).status_code == 200
    assert new_client("all").follow(more).json["error"]["code"] == "more_invalid"
    assert lrs.follow(changed).status_code == 400
    assert lrs.follow(more + "&limit=1").status_code == 400
    assert lrs.follow("/xapi/statements?more=" + "é" * 9).status_code == 400
    clock.forward(hours=24, seconds=1)
    assert lrs.follow(more).status_code == 400


def test_more_stays_on_its_mount_point(lrs, new_statement):
    stored(lrs, new_statement(), new_statement())

    assert lrs.speaking("1.0.3", "/xapi/1.0.3").get(limit=1).json["more"].startswith("/xapi/1.0.3/statements?more=")


@pytest.mark.parametrize("order", ["targets first", "references first", "one batch"])
def test_a_statement_is_found_by_what_it_refers_to_however_far(lrs, new_statement, order):
    """Communication 2.1.3, filter conditions for StatementRefs."""
    c = new_statement(id=str(uuid.uuid4()), actor=OTHER, verb={"id": PASSED}, object={"id": COURSE})
    b = new_statement(id=str(uuid.uuid4()), object={"objectType": "StatementRef", "id": c["id"]})
    a = new_statement(id=str(uuid.uuid4()), object={"objectType": "StatementRef", "id": b["id"].upper()})
    batches = {"targets first": [[c], [b], [a]], "references first": [[a], [b], [c]], "one batch": [[b, c, a]]}[order]

    for batch in batches:
        stored(lrs, *batch)

    every = {a["id"], b["id"], c["id"]}
    for params in ({"agent": OTHER}, {"verb": PASSED}, {"activity": COURSE}, {"agent": OTHER, "verb": PASSED, "related_agents": "true"}):
        assert set(lrs.ids(**params)) == every


def test_since_holds_for_the_referring_statement_itself(lrs, clock, new_statement):
    """Communication 2.1.3: time based parameters apply to the statement that makes the reference."""
    [target] = stored(lrs, new_statement(actor=OTHER))
    moment = lrs.get(statementId=target).json["stored"]
    clock.forward(seconds=1)
    [referring] = stored(lrs, new_statement(object={"objectType": "StatementRef", "id": target}))

    assert lrs.ids(agent=OTHER, since=moment) == [referring]
    assert lrs.ids(agent=OTHER, until=moment) == [target]


def test_statements_that_refer_to_each_other_in_a_ring_are_stored(lrs, new_statement):
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    ring = [
        new_statement(id=first, actor=OTHER, object={"objectType": "StatementRef", "id": second}),
        new_statement(id=second, object={"objectType": "StatementRef", "id": first}),
        new_statement(id=str(uuid.uuid4()), object={"objectType": "StatementRef", "id": second}),
    ]

    ids = stored(lrs, *ring)

    assert set(lrs.ids(agent=OTHER)) == set(ids)


def test_the_voiding_statement_is_found_by_what_it_voids(lrs, new_statement):
    [target] = stored(lrs, new_statement(verb={"id": PASSED}))
    reference = {"objectType": "StatementRef", "id": target}
    [voider] = stored(lrs, new_statement(verb={"id": "http://adlnet.gov/expapi/verbs/voided"}, object=reference))

    assert lrs.ids(verb=PASSED) == [voider]


def test_format_ids_keeps_what_identifies_and_no_more(lrs, new_statement, agent):
    team = {"objectType": "Group", "name": "ทีม", "member": [{**OTHER, "name": "ข"}]}
    definition = {"name": {"th": "ข้อ ๑"}}
    [statement_id] = stored(
        lrs,
        new_statement(
            actor={**agent, "name": "สมศรี"},
            object={"objectType": "Activity", "id": ACTIVITY, "definition": definition},
            context={"team": team, "contextActivities": {"parent": [{"id": COURSE, "definition": definition}]}},
        ),
    )

    found = lrs.get(statementId=statement_id, format="ids").json

    assert found["actor"] == agent
    assert found["verb"] == {"id": "http://adlnet.gov/expapi/verbs/answered"}
    assert found["object"] == {"id": ACTIVITY}
    assert found["context"] == {"team": {"objectType": "Group", "member": [OTHER]}, "contextActivities": {"parent": [{"id": COURSE}]}}
    assert "name" not in found["authority"]


@pytest.mark.parametrize(
    ("accepts", "name"),
    [("en", {"en-GB": "item"}), ("en-US, th;q=0.9", {"en-GB": "item"}), ("th-TH", {"th": "ข้อ"}), ("fr", {"th": "ข้อ"}), ("", {"th": "ข้อ"})],
)
def test_format_canonical_gives_one_language(lrs, new_statement, accepts, name):
    definition = {
        "name": {"th": "ข้อ", "en-GB": "item"},
        "interactionType": "choice",
        "choices": [{"id": "a", "description": {"th": "ก", "en": "a"}}],
    }
    [statement_id] = stored(lrs, new_statement(object={"id": ACTIVITY, "definition": definition}))

    found = lrs.get(statementId=statement_id, format="canonical", headers={"Accept-Language": accepts}).json

    assert found["object"]["definition"]["name"] == name
    assert len(found["object"]["definition"]["choices"][0]["description"]) == 1


@pytest.mark.parametrize(
    ("params", "place"),
    [
        ({"statementId": "1"}, "statementId"),
        ({"statementId": str(uuid.uuid4()), "voidedStatementId": str(uuid.uuid4())}, "statementId"),
        ({"statementId": str(uuid.uuid4()), "limit": "1"}, "limit"),
        ({"voidedStatementId": str(uuid.uuid4()), "agent": OTHER}, "agent"),
        ({"unknown": "1"}, "unknown"),
        ({"Limit": "1"}, "Limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "1.5"}, "limit"),
        ({"limit": "๑"}, "limit"),
        ({"ascending": "True"}, "ascending"),
        ({"related_agents": "1"}, "related_agents"),
        ({"attachments": ""}, "attachments"),
        ({"format": "full"}, "format"),
        ({"verb": "passed"}, "verb"),
        ({"activity": "passed"}, "activity"),
        ({"registration": "x"}, "registration"),
        ({"since": "2024-02-30T00:00:00Z"}, "since"),
        ({"until": "2024-01-01T00:00:00-00:00"}, "until"),
        ({"agent": {"mbox": "x"}}, "/agent/mbox"),
        ({"agent": {"objectType": "Group", "member": [OTHER]}}, "/agent"),
    ],
)
def test_parameters_keep_the_rules_of_statements(lrs, params, place):
    """Communication 2.1.3; Data 2.2 (parameter values to the same standards)."""
    answer = lrs.get(**params)

    assert answer.status_code == 400
    assert answer.json["error"]["place"] == place


def test_a_parameter_given_twice_is_refused(lrs):
    answer = lrs.follow("/xapi/statements?limit=1&limit=2")

    assert (answer.status_code, answer.json["error"]["rule"]) == (400, "repeated_parameter")


@pytest.mark.parametrize("query", ["verb=%FF%FE", "agent=%7B", "agent={}{}", "agent=%22%00%22", "&".join(f"x{n}=1" for n in range(200))])
def test_broken_query_strings_are_refused_not_failed(lrs, query):
    assert lrs.follow("/xapi/statements?" + query).status_code == 400


def test_bytes_of_a_query_string_that_are_no_utf8_are_refused(lrs):
    answer = lrs.http.get("/xapi/statements", environ_overrides={"QUERY_STRING": "verb=\xff"}, headers=lrs._headers())

    assert (answer.status_code, answer.json["error"]["rule"]) == (400, "not_utf8")


def test_nothing_found_is_an_empty_list(lrs):
    answer = lrs.get(verb=PASSED)

    assert (answer.status_code, answer.json) == (200, {"statements": [], "more": ""})
    assert json.loads(answer.text)["more"] == ""
