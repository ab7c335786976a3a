"""What statements show, and that nothing surprises the rule."""

import copy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.strictjson import dumps, loads
from roadmap.evidence_rules import MAX_COMPETENCIES, authority_of, evidence_from, voided_by
from roadmap.framework import node_uuid
from tests.roadmap.factories import BASE, CLIENT, EXT, OWN, area_result, competency_iri, course_done, name, voiding

PERSON = name("person")
AT = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
DLIT = "th-ds-2567#DLIT"
DLIT_UUID = node_uuid("th-ds-2567", "DLIT")


def test_our_own_passed_statement_is_test_evidence_with_its_error() -> None:
    statement = area_result(PERSON, DLIT, 2, AT, borderline=True, indicative=True)

    (draft,) = evidence_from(statement)

    assert (draft.kind, draft.level, draft.theta, draft.se, draft.n_items) == ("test", 2, 0.5, 0.4, 6)
    assert (draft.borderline, draft.indicative, draft.cut_set) == (True, True, "core-2567/1")
    assert (draft.person_uuid, draft.node_uuid, draft.observed_at) == (PERSON, DLIT_UUID, AT)
    assert str(draft.statement_id) == statement["id"]
    assert draft.attempt_uuid == name("attempt", PERSON, 1)


def test_our_own_failed_statement_is_evidence_of_level_0() -> None:
    (draft,) = evidence_from(area_result(PERSON, DLIT, 0, AT))

    assert draft.level == 0


def test_a_statement_gives_the_same_evidence_before_and_after_it_is_stored() -> None:
    sent = area_result(PERSON, DLIT, 2, AT)
    stored = loads(dumps(sent)) | {"authority": OWN, "stored": "2026-11-20T04:00:00.000Z"}

    assert evidence_from(sent) == evidence_from(stored)


def test_a_client_cannot_claim_a_measured_level() -> None:
    forged = area_result(PERSON, DLIT, 3, AT) | {"authority": CLIENT}

    (draft,) = evidence_from(forged)

    assert (draft.kind, draft.level, draft.theta, draft.attempt_uuid) == ("course", 1, None, None)


def test_an_authority_of_two_is_not_ours() -> None:
    pair = {"objectType": "Group", "member": [OWN, CLIENT]}

    (draft,) = evidence_from(area_result(PERSON, DLIT, 3, AT) | {"authority": pair})

    assert draft.kind == "course"


@pytest.mark.parametrize("verb", ["completed", "passed"])
@pytest.mark.parametrize("place", ["grouping", "parent", "object"])
def test_a_course_elsewhere_that_names_a_competency_is_course_evidence_of_level_1(verb: str, place: str) -> None:
    (draft,) = evidence_from(course_done(PERSON, DLIT, AT, verb=verb, place=place))

    assert (draft.kind, draft.level, draft.node_uuid) == ("course", 1, DLIT_UUID)


@pytest.mark.parametrize(
    "iri",
    [
        f"https://x.example/ims/case/v1p1/CFItems/{DLIT_UUID}",
        f"http://127.0.0.1:8000/CFItems/{str(DLIT_UUID).upper()}",
        f"https://x.example/CFItems/{DLIT_UUID}",
        DLIT,
    ],
)
def test_a_competency_is_known_by_its_address_on_any_host_or_by_its_exact_key(iri: str) -> None:
    statement = course_done(PERSON, DLIT, AT)
    statement["context"]["contextActivities"]["grouping"] = {"id": iri}

    (draft,) = evidence_from(statement)

    assert draft.node_uuid == DLIT_UUID


@pytest.mark.parametrize(
    "iri",
    [
        f"https://x.example/ims/case/v1p1/CFDocuments/{DLIT_UUID}",
        f"https://x.example/CFItems/{DLIT_UUID}/x",
        f"ftp://x.example/CFItems/{DLIT_UUID}",
        f"https://x.example/?u=/CFItems/{DLIT_UUID}",
        "https://x.example/th-ds-2567#DLIT",
        "th-ds-2567#",
        "https://x.example/CFItems/not-a-uuid",
    ],
)
def test_another_address_names_no_competency(iri: str) -> None:
    statement = course_done(PERSON, DLIT, AT)
    statement["context"]["contextActivities"]["grouping"] = [{"id": iri}]

    assert evidence_from(statement) == []


def without(statement: dict[str, Any], *path: str) -> dict[str, Any]:
    changed = copy.deepcopy(statement)
    *above, last = path
    owner = changed
    for member in above:
        owner = owner[member]
    del owner[last]
    return changed


def put(statement: dict[str, Any], value: Any, *path: str) -> dict[str, Any]:
    changed = copy.deepcopy(statement)
    *above, last = path
    owner = changed
    for member in above:
        owner = owner.setdefault(member, {})
    owner[last] = value
    return changed


OWN_STATEMENT = area_result(PERSON, DLIT, 2, AT)
COURSE = course_done(PERSON, DLIT, AT)


@pytest.mark.parametrize(
    "statement",
    [
        without(OWN_STATEMENT, "id"),
        without(OWN_STATEMENT, "timestamp"),
        put(OWN_STATEMENT, "2026-11-20T03:00:00", "timestamp"),
        put(OWN_STATEMENT, "9999-12-31T23:59:59-14:00", "timestamp"),
        put(OWN_STATEMENT, {"mbox": "mailto:a@example.com"}, "actor"),
        put(OWN_STATEMENT, "somchai", "actor", "account", "name"),
        put(OWN_STATEMENT, "Group", "actor", "objectType"),
        put(OWN_STATEMENT, 5, "result", "extensions", EXT + "level"),
        put(OWN_STATEMENT, -1, "result", "extensions", EXT + "level"),
        put(OWN_STATEMENT, 1.5, "result", "extensions", EXT + "level"),
        put(OWN_STATEMENT, True, "result", "extensions", EXT + "level"),
        put(OWN_STATEMENT, "2", "result", "extensions", EXT + "level"),
        put(OWN_STATEMENT, "hearsay", "result", "extensions", EXT + "evidence-kind"),
        put(OWN_STATEMENT, "th-ds-2567#DGOV", "result", "extensions", EXT + "competency"),
        put(OWN_STATEMENT, [], "context", "contextActivities", "grouping"),
        put(OWN_STATEMENT, "http://adlnet.gov/expapi/verbs/completed", "verb", "id"),
        put(OWN_STATEMENT, "http://adlnet.gov/expapi/verbs/answered", "verb", "id"),
        put(COURSE, "http://adlnet.gov/expapi/verbs/failed", "verb", "id"),
        put(COURSE, "http://adlnet.gov/expapi/verbs/attempted", "verb", "id"),
        put(COURSE, False, "result", "success"),
        put(COURSE, False, "result", "completion"),
        put(COURSE, {"objectType": "StatementRef", "id": competency_iri(DLIT)}, "object") | {"context": {}},
    ],
)
def test_a_statement_that_shows_nothing_gives_no_evidence(statement: dict[str, Any]) -> None:
    assert evidence_from(statement) == []


@pytest.mark.parametrize(
    ("timestamp", "counts"),
    [
        ("2026-11-21T04:00:00.000Z", True),
        ("2026-11-21T04:00:00.001Z", False),
        ("9999-12-31T23:59:59Z", False),
        ("2000-01-01T00:00:00Z", True),
        ("1999-12-31T23:59:59Z", False),
        ("0001-01-01T00:00:00Z", False),
        ("0001-01-01T00:00:00+14:00", False),
    ],
)
def test_a_moment_after_its_storing_or_before_any_such_learning_is_no_evidence(timestamp: str, *, counts: bool) -> None:
    stored = COURSE | {"timestamp": timestamp, "stored": "2026-11-20T04:00:00.000Z"}

    assert bool(evidence_from(stored)) is counts


def test_a_person_is_an_account_of_the_agency_alone() -> None:
    assert evidence_from(COURSE, home_page="https://agency.example")
    assert evidence_from(COURSE, home_page="https://other.example") == []
    assert evidence_from(COURSE)


def test_an_authority_is_the_same_before_and_after_storing_and_in_any_order_of_its_members() -> None:
    pair, turned = ({"objectType": "Group", "member": members} for members in ([OWN, CLIENT], [CLIENT, OWN]))

    assert authority_of(OWN_STATEMENT) == authority_of(OWN_STATEMENT | {"authority": OWN})
    assert authority_of({"authority": pair}) == authority_of({"authority": turned})
    assert len({authority_of({"authority": one}) for one in (OWN, CLIENT, pair, {"mbox": "mailto:a@x.example"}, {}, 7)}) == 5


def test_two_measured_competencies_without_a_name_are_too_unclear_to_count() -> None:
    statement = without(OWN_STATEMENT, "result", "extensions", EXT + "competency")
    grouping = statement["context"]["contextActivities"]["grouping"]

    assert len(evidence_from(statement)) == 1
    grouping.append({"id": competency_iri("th-ds-2567#DGOV")})
    assert evidence_from(statement) == []


def test_a_self_report_is_heard_as_what_it_is() -> None:
    (draft,) = evidence_from(area_result(PERSON, DLIT, 3, AT, evidence_kind="self-report"))

    assert draft.kind == "self_report"


def test_a_course_counts_once_for_each_competency_and_not_for_a_whole_catalogue() -> None:
    statement = course_done(PERSON, DLIT, AT)
    listed = [{"id": f"{BASE}/CFItems/{name('c', index // 2)}"} for index in range(200)]
    statement["context"]["contextActivities"]["grouping"] = listed

    drafts = evidence_from(statement)

    assert len(drafts) == len({draft.uuid for draft in drafts}) == MAX_COMPETENCIES


def test_only_a_voiding_statement_voids() -> None:
    voiding_statement = voiding(OWN_STATEMENT, AT)

    assert str(voided_by(voiding_statement)) == OWN_STATEMENT["id"]
    assert evidence_from(voiding_statement) == []
    assert voided_by(OWN_STATEMENT) is None
    assert voided_by(put(voiding_statement, "Activity", "object", "objectType")) is None
    assert voided_by(put(voiding_statement, "x", "object", "id")) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
EXTENSIONS = ("level", "theta", "standard-error", "items", "borderline", "cut-set", "competency")
places = st.sampled_from(
    [
        ("id",),
        ("actor",),
        ("actor", "account"),
        ("actor", "account", "name"),
        ("verb",),
        ("verb", "id"),
        ("object",),
        ("object", "id"),
        ("result",),
        ("result", "extensions"),
        *(("result", "extensions", EXT + member) for member in EXTENSIONS),
        ("context",),
        ("context", "registration"),
        ("context", "contextActivities"),
        ("context", "contextActivities", "grouping"),
        ("timestamp",),
        ("authority",),
        ("authority", "account"),
    ]
)


@settings(max_examples=300)
@given(st.sampled_from([OWN_STATEMENT, COURSE]), places, json_values)
def test_nothing_that_a_statement_holds_surprises_the_rule(statement: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    strange = put(statement, value, *path)

    drafts = evidence_from(strange)

    assert drafts == evidence_from(copy.deepcopy(strange))
    assert len(drafts) <= 1
    assert voided_by(strange) is None


@given(json_values)
def test_no_value_at_all_surprises_the_rule(value: Any) -> None:
    assert evidence_from(value) == []
    assert voided_by(value) is None
