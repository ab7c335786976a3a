"""Which statements the standard allows. Each case names the requirement that it breaks."""

import copy
from typing import Any

import pytest

from xapi.api import StatementInvalid, validate_statement

AGENT = {"mbox": "mailto:somsri@example.go.th"}
REF = {"objectType": "StatementRef", "id": "9e13cefd-53d3-4eac-b5ed-2cf6693903bb"}
CHOICE = {
    "interactionType": "choice",
    "choices": [{"id": "a"}, {"id": "b", "description": {"th": "ข้อ ข"}}],
    "correctResponsesPattern": ["a"],
}
ATTACHMENT = {
    "usageType": "http://example.com/usage",
    "display": {"th": "ใบรับรอง"},
    "contentType": "text/plain; charset=ascii",
    "length": 27,
    "sha2": "495395e777cd98da653df9615d09c0fd6bb2f8d4788394cd53c56a3bfdcd848a",
}


def statement(**fields: Any) -> dict[str, Any]:
    whole = {"actor": AGENT, "verb": {"id": "http://adlnet.gov/expapi/verbs/answered"}, "object": {"id": "https://example.go.th/items/1"}}
    return copy.deepcopy({**whole, **fields})


def substatement(**fields: Any) -> dict[str, Any]:
    return statement(object=statement(objectType="SubStatement", **fields))


def activity(**definition: Any) -> dict[str, Any]:
    return statement(object={"id": "https://example.go.th/items/1", "definition": definition})


VALID = {
    "the smallest statement": statement(),
    "agents by each identifier": statement(actor={"account": {"homePage": "https://example.go.th", "name": "1"}}),
    "mbox_sha1sum": statement(actor={"mbox_sha1sum": "ebd31e95054c018b10727ccffd2ef2ec3a016ee9"}),
    "openid": statement(actor={"openid": "https://id.example.go.th/1"}),
    "anonymous group (Data 2.4.2.2)": statement(actor={"objectType": "Group", "member": [AGENT]}),
    "identified group (Data 2.4.2.2)": statement(actor={"objectType": "Group", **AGENT}),
    "an agent as object (Data 2.4.4.2)": statement(object={"objectType": "Agent", **AGENT}),
    "a sub-statement (Data 2.4.4.3)": substatement(result={"success": True}, context={"platform": "Kaona"}),
    "a reference inside a sub-statement": substatement(object=REF),
    "voiding (Data 2.3.2)": statement(verb={"id": "http://adlnet.gov/expapi/verbs/voided"}, object=REF),
    "null inside extensions (Data 2.2)": statement(result={"extensions": {"https://example.go.th/x": {"a": [None]}}}),
    "an interaction (Data 2.4.4.1)": activity(**CHOICE),
    "Thai in an IRI (RFC 3987)": statement(object={"id": "https://example.go.th/แบบทดสอบ/๑"}),
    "language tags of RFC 5646": activity(name={"th": "ก", "zh-Hant-TW": "a", "de-CH-1996": "b", "x-kaona": "c", "sl-rozaj-biske": "d"}),
    "durations of ISO 8601": statement(result={"duration": "P3Y1M29DT4H35M59.14S"}),
    "weeks alone": statement(result={"duration": "P4W"}),
    "score at its ends": statement(result={"score": {"scaled": -1, "raw": 0, "min": 0, "max": 10}}),
    "an RFC 3339 timestamp with offset": statement(timestamp="2024-02-29T23:59:59.123456789+07:00"),
    "single context activity (Data 2.4.6.2)": statement(context={"contextActivities": {"parent": {"id": "https://example.go.th/c"}}}),
    "attachment with fileUrl": statement(attachments=[{**ATTACHMENT, "fileUrl": "https://example.go.th/f"}]),
    "authority of application and user (Data 2.4.9)": statement(
        authority={"objectType": "Group", "member": [{"account": {"homePage": "https://example.go.th", "name": "app"}}, AGENT]}
    ),
    "contextAgents (IEEE 9274.1.1, 4.2.2.5)": statement(
        context={"contextAgents": [{"objectType": "contextAgent", "agent": AGENT, "relevantTypes": ["https://example.go.th/t"]}]}
    ),
    "contextGroups (IEEE 9274.1.1, 4.2.2.5)": statement(
        context={"contextGroups": [{"objectType": "contextGroup", "group": {"objectType": "Group", "member": [AGENT]}}]}
    ),
    "version of either line": statement(version="1.0.9"),
}

INVALID = {
    "no identifier (Data 2.4.2.1)": (statement(actor={"name": "ก"}), "one_ifi", "/actor"),
    "two identifiers (Data 2.4.2.1)": (statement(actor={**AGENT, "openid": "https://e.go.th"}), "one_ifi", "/actor"),
    "identified group with two identifiers": (
        statement(actor={"objectType": "Group", **AGENT, "openid": "https://e.go.th"}),
        "one_ifi",
        "/actor",
    ),
    "anonymous group without members": (statement(actor={"objectType": "Group", "name": "ก"}), "anonymous_group", "/actor"),
    "group in a group": (
        statement(actor={"objectType": "Group", "member": [{"objectType": "Group", **AGENT}]}),
        "unknown_value",
        "/actor/member/0/objectType",
    ),
    "members without objectType Group": (statement(actor={**AGENT, "member": []}), "unknown_property", "/actor"),
    "mbox without mailto": (statement(actor={"mbox": "somsri@example.go.th"}), "mailto", "/actor/mbox"),
    "mbox without an at-sign": (statement(actor={"mbox": "mailto:example.go.th"}), "mailto", "/actor/mbox"),
    "sha1 of 39 digits": (statement(actor={"mbox_sha1sum": "e" * 39}), "sha1", "/actor/mbox_sha1sum"),
    "openid without scheme": (statement(actor={"openid": "id.example.go.th"}), "iri", "/actor/openid"),
    "account without name": (statement(actor={"account": {"homePage": "https://e.go.th"}}), "missing_property", "/actor/account"),
    "null (Data 2.2)": (statement(result=None), "null_value", "/result"),
    "null deep inside": (activity(name={"th": None}), "null_value", "/object/definition/name/th"),
    "unknown property": (statement(colour="red"), "unknown_property", ""),
    "wrong-case key": (statement(Verb={"id": "http://e.go.th"}), "unknown_property", ""),
    "missing verb": ({"actor": AGENT, "object": {"id": "https://e.go.th"}}, "missing_property", ""),
    "wrong-case value": (statement(object={"objectType": "activity", "id": "https://e.go.th"}), "unknown_value", "/object/objectType"),
    "a number in quotes": (statement(result={"score": {"raw": "1"}}), "wrong_type", "/result/score/raw"),
    "a boolean in quotes": (statement(result={"success": "true"}), "wrong_type", "/result/success"),
    "verb id without scheme": (statement(verb={"id": "answered"}), "iri", "/verb/id"),
    "IRI with a space": (statement(object={"id": "https://e.go.th/a b"}), "iri", "/object/id"),
    "language tag with digits (RFC 5646)": (activity(name={"a12345678": "x"}), "language", "/object/definition/name"),
    "context language": (statement(context={"language": "a12345"}), "language", "/context/language"),
    "extension key without scheme (Data 4.1)": (statement(result={"extensions": {"x": 1}}), "iri", "/result/extensions"),
    "statement id": (statement(id="1"), "uuid", "/id"),
    "registration": (statement(context={"registration": "9e13cefd53d34eacb5ed2cf6693903bb"}), "uuid", "/context/registration"),
    "30 February": (statement(timestamp="2024-02-30T00:00:00Z"), "timestamp", "/timestamp"),
    "offset -00:00": (statement(timestamp="2008-09-15T15:53:00.601-00:00"), "timestamp", "/timestamp"),
    "year 10000": (statement(timestamp="10000-01-01T00:00:00Z"), "timestamp", "/timestamp"),
    "hour 24": (statement(timestamp="2024-01-01T24:00:00Z"), "timestamp", "/timestamp"),
    "offset of 25 hours": (statement(timestamp="2024-01-01T00:00:00+25:00"), "timestamp", "/timestamp"),
    "before the first year when said in UTC": (statement(timestamp="0001-01-01T00:00:00+07:00"), "timestamp", "/timestamp"),
    "timestamp of a sub-statement": (substatement(timestamp="01/011/2015"), "timestamp", "/object/timestamp"),
    "stored is checked though overwritten (Data 2.4.8)": (statement(stored="yesterday"), "timestamp", "/stored"),
    "weeks with days": (statement(result={"duration": "P4W1D"}), "duration", "/result/duration"),
    "duration without parts": (statement(result={"duration": "PT"}), "duration", "/result/duration"),
    "scaled over 1": (statement(result={"score": {"scaled": 1.0001}}), "score_range", "/result/score/scaled"),
    "raw over max": (statement(result={"score": {"raw": 11, "max": 10}}), "score_order", "/result/score"),
    "raw under min": (statement(result={"score": {"raw": -1, "min": 0}}), "score_order", "/result/score"),
    "min not below max": (statement(result={"score": {"min": 10, "max": 10}}), "score_order", "/result/score"),
    "revision without activity (Data 2.4.6)": (
        statement(object={"objectType": "Agent", **AGENT}, context={"revision": "1"}),
        "revision_needs_activity",
        "/context/revision",
    ),
    "platform in a sub-statement about an agent": (
        substatement(object={"objectType": "Agent", **AGENT}, context={"platform": "x"}),
        "revision_needs_activity",
        "/object/context/platform",
    ),
    "team that is an agent": (statement(context={"team": AGENT}), "team_is_group", "/context/team"),
    "unknown kind of context activity": (
        statement(context={"contextActivities": {"course": []}}),
        "unknown_property",
        "/context/contextActivities",
    ),
    "sub-statement with id (Data 2.4.4.3)": (substatement(id="9e13cefd-53d3-4eac-b5ed-2cf6693903bb"), "unknown_property", "/object"),
    "sub-statement with authority": (substatement(authority=AGENT), "unknown_property", "/object"),
    "sub-statement with stored": (substatement(stored="2024-01-01T00:00:00Z"), "unknown_property", "/object"),
    "sub-statement with version": (substatement(version="1.0.0"), "unknown_property", "/object"),
    "sub-statement in a sub-statement": (
        substatement(object=statement(objectType="SubStatement")),
        "unknown_value",
        "/object/object/objectType",
    ),
    "voiding without reference (Data 2.3.2)": (
        statement(verb={"id": "http://adlnet.gov/expapi/verbs/voided"}),
        "voiding_needs_statement_ref",
        "/object",
    ),
    "unknown interaction type": (activity(interactionType="essay"), "unknown_value", "/object/definition/interactionType"),
    "choices without interaction type": (activity(choices=[{"id": "a"}]), "interaction_type_missing", "/object/definition"),
    "scale in a choice": (activity(interactionType="choice", scale=[{"id": "a"}]), "interaction_component", "/object/definition/scale"),
    "a choice twice": (activity(interactionType="choice", choices=[{"id": "a"}] * 2), "component_repeated", "/object/definition/choices"),
    "an invalid context activity": (
        statement(context={"contextActivities": {"other": [{"id": "https://e.go.th", "definition": {"choices": []}}]}}),
        "interaction_type_missing",
        "/context/contextActivities/other/0/definition",
    ),
    "attachment without sha2": (
        statement(attachments=[{k: v for k, v in ATTACHMENT.items() if k != "sha2"}]),
        "missing_property",
        "/attachments/0",
    ),
    "authority group of one": (statement(authority={"objectType": "Group", "member": [AGENT]}), "authority_pair", "/authority/member"),
    "authority group without application": (
        statement(authority={"objectType": "Group", "member": [AGENT] * 2}),
        "authority_pair",
        "/authority/member",
    ),
    "authority that is an identified group": (
        statement(authority={"objectType": "Group", **AGENT, "member": [{"account": {"homePage": "https://e.go.th", "name": "1"}}, AGENT]}),
        "authority_pair",
        "/authority",
    ),
    "relevantTypes empty": (
        statement(context={"contextAgents": [{"objectType": "contextAgent", "agent": AGENT, "relevantTypes": []}]}),
        "relevant_types_empty",
        "/context/contextAgents/0/relevantTypes",
    ),
    "version 1.1": (statement(version="1.1.0"), "version", "/version"),
    "version that only begins alike": (statement(version="1.00"), "version", "/version"),
}


@pytest.mark.parametrize("name", VALID)
def test_what_the_standard_allows_passes(name):
    validate_statement(VALID[name])


@pytest.mark.parametrize("name", INVALID)
def test_a_broken_requirement_is_told_with_its_rule_and_place(name):
    broken, rule, place = INVALID[name]

    with pytest.raises(StatementInvalid) as refusal:
        validate_statement(broken)

    assert (refusal.value.rule, refusal.value.place) == (rule, place)
    assert refusal.value.sentence("th") != refusal.value.sentence("en")


@pytest.mark.parametrize("extra", ["contextAgents", "contextGroups"])
def test_version_1_0_3_knows_no_context_agents_or_groups(extra):
    with pytest.raises(StatementInvalid) as refusal:
        validate_statement(statement(context={extra: []}), "1.0.3")

    assert refusal.value.rule == "unknown_property"


@pytest.mark.parametrize("version", ["2.0.0", "1.1.0", "0.95"])
def test_version_1_0_3_takes_statements_of_its_own_line_only(version):
    with pytest.raises(StatementInvalid) as refusal:
        validate_statement(statement(version=version), "1.0.3")

    assert refusal.value.rule == "version"


def test_a_timestamp_without_zone_passes_in_1_0_3_only():
    validate_statement(statement(timestamp="2024-01-01T00:00:00"), "1.0.3")

    with pytest.raises(StatementInvalid):
        validate_statement(statement(timestamp="2024-01-01T00:00:00"), "2.0.0")
