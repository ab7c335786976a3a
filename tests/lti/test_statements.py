"""The statements of a finished attempt: what they say, what they keep to themselves, and that any LRS takes them."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import tincan

from assessment.api import AreaOutcome, Cut, DomainView, FormView, OptionView, Outcome, ResponseView
from kernel.ids import derived_uuid
from lti_tool.statements import vocabulary as words
from lti_tool.statements.build import iso_duration, response_pattern, statements_of
from lti_tool.statements.sentences import SENTENCES, sentence_of
from roadmap.api import evidence_from
from xapi.api import count_statements, store_statements, validate_statement

PUBLIC_URL = "https://kaona.example.go.th"
HOME_PAGE = "https://lms.agency.example.go.th"
STARTED = datetime(2026, 11, 22, 2, 30, tzinfo=UTC)
AREAS = ("DLIT", "DGOV", "DLEAD")
EXT = "https://w3id.org/kaona/xapi/ext/"
OPTIONS = tuple(OptionView(key, {"th": f"ตัวเลือก {key}", "en": f"Option {key}"}) for key in ("c", "a", "b"))
TARGETS = tuple(OptionView(key, {"th": f"คู่ {key}", "en": f"Match {key}"}) for key in ("t2", "t1"))
VALUES = {
    "single_choice": "b",
    "multiple_choice": ["c", "a"],
    "true_false": True,
    "ordering": ["c", "a", "b"],
    "matching": {"b": "t1", "a": "t2"},
    "numeric": "๔๒",
    "short_text": "สมชาย ใจดี",
}


def form(**fields):
    values = {
        "uuid": derived_uuid("form", "core"),
        "key": "core-2567",
        "title": {"th": "แบบประเมินสมรรถนะดิจิทัลแกนหลัก", "en": "Core digital assessment"},
        "description": {"th": "ลับ", "en": "secret"},
        "minutes": 40,
        "min_items": 18,
        "max_items": 20,
        "framework": "th-ds-2567",
        "domains": tuple(DomainView(code, f"th-ds-2567#{code}") for code in AREAS),
        "cuts": tuple(Cut(code, level, level - 2.0, "provisional") for code in AREAS for level in (1, 2, 3)),
        "min_items_for_level": 6,
        "version": 2,
    }
    return FormView(**(values | fields))


def response(kind, position=1, **fields):
    values = {
        "position": position,
        "presentation_uuid": derived_uuid("presentation", str(position)),
        "item_uuid": derived_uuid("item", kind),
        "item_key": f"DLIT-{position:03}",
        "item_version": 3,
        "kind": kind,
        "stem": {"th": "คำถามลับ", "en": "A secret stem"},
        "options": OPTIONS if kind in ("single_choice", "multiple_choice", "ordering", "matching") else (),
        "targets": TARGETS if kind == "matching" else (),
        "domain": "DLIT",
        "value": VALUES[kind],
        "correct_pattern": VALUES[kind],
        "score": position % 2,
        "shown_at": STARTED + timedelta(minutes=position),
        "answered_at": STARTED + timedelta(minutes=position, seconds=50),
        "active_ms": 42_000,
        "theta_after": 0.1,
        "se_after": 0.9,
    }
    return ResponseView(**(values | fields))


def area(code="DLIT", **fields):
    values = {
        "domain": code,
        "competency": f"th-ds-2567#{code}",
        "theta": 0.123456,
        "se": 0.41239,
        "wle": 0.1,
        "n_items": 7,
        "n_right": 4,
        "level": 2,
        "p_levels": (0.99, 0.6, 0.02),
        "borderline": True,
        "indicative": False,
    }
    return AreaOutcome(**(values | fields))


def outcome(**fields):
    values = {
        "attempt_uuid": UUID("9b3f1b5a-8a4e-4d0e-9a55-0e2f3c1d4b6a"),
        "form": form(),
        "person_uuid": UUID("2f9d7c1e-3b4a-4c5d-8e6f-7a8b9c0d1e2f"),
        "launch_ref": "launch",
        "started_at": STARTED,
        "finished_at": STARTED + timedelta(minutes=21, seconds=4.5),
        "finish_reason": "precise",
        "theta": 0.1,
        "se": 0.4,
        "areas": (area("DLIT"), area("DGOV", level=0, theta=-1.5), area("DLEAD", level=1)),
        "responses": tuple(response(kind, position) for position, kind in enumerate(VALUES, start=1)),
        "n_items": 7,
        "scaled": 1 / 3,
    }
    return Outcome(**(values | fields))


UNANSWERED = {
    "areas": tuple(area(code, n_items=0, level=0) for code in AREAS),
    "responses": (),
    "n_items": 0,
    "scaled": 0.0,
    "finish_reason": "time",
}


def build(one=None, **more):
    options = {"public_url": PUBLIC_URL, "home_page": HOME_PAGE, "pass_levels": {}} | more
    return statements_of(one or outcome(), **options)


def by_verb(statements, verb):
    return [one for one in statements if one["verb"]["id"] == f"http://adlnet.gov/expapi/verbs/{verb}"]


def test_an_attempt_tells_its_story_in_order():
    verbs = [one["verb"]["id"].rsplit("/", 1)[1] for one in build()]

    assert verbs == ["initialized", *["answered"] * 7, "completed", "passed", "failed", "passed"]
    times = [one["timestamp"] for one in build()]
    assert times == sorted(times)


@pytest.mark.parametrize("version", ["1.0.3", "2.0.0"])
@pytest.mark.parametrize("texts", [True, False])
def test_every_statement_is_valid_in_both_versions_of_the_standard(version, texts):
    for statement in build(with_item_texts=texts, with_free_text=texts):
        validate_statement(statement, version)


def test_tincan_reads_every_statement_back_and_says_the_same():
    def meaning(statement):
        result = {name: value for name, value in statement.get("result", {}).items() if name != "duration"}
        return {name: value for name, value in statement.items() if name != "timestamp"} | {"result": result}

    for statement in build(with_item_texts=True, with_free_text=True) + build(outcome(**UNANSWERED)):
        read = tincan.Statement.from_json(json.dumps(statement))

        assert meaning(read.as_version("1.0.3")) == meaning(statement)
        assert read.timestamp == datetime.fromisoformat(statement["timestamp"])
        if "result" in statement and "duration" in statement["result"]:
            assert iso_duration(read.result.duration) == statement["result"]["duration"]


def test_the_same_outcome_gives_the_same_statements_and_no_id_twice():
    assert build() == build()
    ids = [one["id"] for one in build()]
    assert len(set(ids)) == len(ids)
    other = build(outcome(attempt_uuid=UUID(int=5, version=4)))
    assert not {one["id"] for one in other} & set(ids)


def test_the_actor_is_an_account_of_the_agency_and_nothing_else():
    assert {json.dumps(one["actor"], sort_keys=True) for one in build()} == {
        json.dumps(
            {"objectType": "Agent", "account": {"homePage": HOME_PAGE, "name": "2f9d7c1e-3b4a-4c5d-8e6f-7a8b9c0d1e2f"}}, sort_keys=True
        )
    }


def test_neither_stems_nor_options_nor_what_is_right_nor_free_text_leave_the_bank():
    text = json.dumps(build(), ensure_ascii=False)

    for secret in ("คำถามลับ", "A secret stem", "ตัวเลือก", "Option", "คู่ t1", "correctResponsesPattern", "สมชาย", "launch"):
        assert secret not in text


def test_texts_are_told_when_the_caller_says_so():
    text = json.dumps(build(with_item_texts=True, with_free_text=True), ensure_ascii=False)

    for told in ("คำถามลับ", "Option a", "คู่ t1", "สมชาย"):
        assert told in text
    assert "correctResponsesPattern" not in text


def test_each_statement_belongs_to_the_attempt_and_to_the_profile():
    for one in build():
        assert one["context"]["registration"] == "9b3f1b5a-8a4e-4d0e-9a55-0e2f3c1d4b6a"
        assert one["context"]["platform"] == "Kaona"
        assert [activity["id"] for activity in one["context"]["contextActivities"]["category"]] == [words.PROFILE.iri]
        assert set(one["verb"]["display"]) == {"th", "en"}


def test_an_answer_names_its_item_its_assessment_and_its_competency():
    one = by_verb(build(), "answered")[0]

    assert one["object"]["id"] == f"{PUBLIC_URL}/xapi-profile/activities/item/{derived_uuid('item', 'single_choice')}"
    assert one["object"]["definition"] == {
        "name": {"th": "DLIT-001", "en": "DLIT-001"},
        "type": "http://adlnet.gov/expapi/activities/cmi.interaction",
        "interactionType": "choice",
        "choices": [{"id": "a"}, {"id": "b"}, {"id": "c"}],
    }
    assert one["result"] == {
        "success": True,
        "score": {"scaled": 1, "raw": 1, "min": 0, "max": 1},
        "response": "b",
        "duration": "PT42S",
    }
    activities = one["context"]["contextActivities"]
    assert activities["parent"][0]["id"] == f"{PUBLIC_URL}/xapi-profile/activities/assessment/{form().uuid}"
    node_uuid = derived_uuid("framework-node", "th-ds-2567", "DLIT")
    assert activities["grouping"][0]["id"] == f"{PUBLIC_URL}/ims/case/v1p1/CFItems/{node_uuid}"
    assert activities["grouping"][0]["definition"]["type"] == "https://w3id.org/xapi/tla/activity-types/competency"
    assert one["context"]["revision"] == "3"
    assert one["timestamp"] == "2026-11-22T02:31:50.000Z"


def test_the_definition_of_an_item_does_not_tell_in_which_order_a_learner_saw_it():
    shuffled = replace(response("single_choice"), options=OPTIONS[::-1])

    assert by_verb(build(outcome(responses=(shuffled,))), "answered")[0]["object"] == by_verb(build(), "answered")[0]["object"]


def test_each_kind_of_item_has_its_interaction_type_and_parts():
    found = {}
    for one, kind in zip(by_verb(build(), "answered"), VALUES, strict=True):
        definition = one["object"]["definition"]
        found[kind] = (definition["interactionType"], [name for name in ("choices", "source", "target") if name in definition])

    assert found == {
        "single_choice": ("choice", ["choices"]),
        "multiple_choice": ("choice", ["choices"]),
        "true_false": ("true-false", []),
        "ordering": ("sequencing", ["choices"]),
        "matching": ("matching", ["source", "target"]),
        "numeric": ("numeric", []),
        "short_text": ("fill-in", []),
    }


@pytest.mark.parametrize(
    ("kind", "value", "pattern"),
    [
        ("single_choice", "b", "b"),
        ("multiple_choice", ["a", "c"], "a[,]c"),
        ("true_false", True, "true"),
        ("true_false", False, "false"),
        ("ordering", ["c", "a", "b"], "c[,]a[,]b"),
        ("matching", {"s2": "t1", "s1": "t2"}, "s1[.]t2[,]s2[.]t1"),
        ("numeric", "๑,๒๓๔.๕๐", "1234.50"),
        ("numeric", 42, "42"),
        ("numeric", "−3", "-3"),
        ("short_text", "ไฟล์", "ไฟล์"),
        ("numeric", "สี่สิบสอง", None),
        ("numeric", "1e9", None),
        ("numeric", True, None),
        ("true_false", "true", None),
        ("single_choice", None, None),
    ],
)
def test_responses_are_written_as_the_standard_writes_them(kind, value, pattern):
    assert response_pattern(kind, value) == pattern


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "PT0S"),
        (42, "PT42S"),
        (42.5, "PT42.5S"),
        (0.004, "PT0S"),
        (0.25, "PT0.25S"),
        (60, "PT1M"),
        (65, "PT1M5S"),
        (3600, "PT1H"),
        (3605, "PT1H5S"),
        (90061, "PT25H1M1S"),
        (59.999, "PT1M"),
        (-3, "PT0S"),
    ],
)
def test_durations_are_iso_8601_without_padding(seconds, text):
    import aniso8601

    assert iso_duration(timedelta(seconds=seconds)) == text
    assert abs(aniso8601.parse_duration(text).total_seconds() - max(0, seconds)) <= 0.005


@pytest.mark.parametrize(("active_ms", "duration"), [(49_000, "PT49S"), (50_000, "PT50S"), (86_400_000, "PT50S")])
def test_an_answer_took_no_longer_than_its_item_was_shown(active_ms, duration):
    answered = by_verb(build(outcome(responses=(response("true_false", active_ms=active_ms),))), "answered")[0]

    assert answered["result"]["duration"] == duration


def test_an_answer_without_a_time_from_the_browser_has_the_time_of_the_server():
    answered = by_verb(build(outcome(responses=(response("true_false", active_ms=None),))), "answered")[0]

    assert answered["result"]["duration"] == "PT50S"


def test_the_end_of_the_attempt_has_its_score_duration_and_reason():
    (one,) = by_verb(build(), "completed")

    assert one["result"] == {
        "completion": True,
        "score": {"scaled": 0.3333},
        "duration": "PT21M4.5S",
        "extensions": {f"{EXT}items": 7, f"{EXT}finish-reason": "precise"},
    }


def test_an_area_says_its_level_with_its_error_and_where_it_comes_from():
    one = by_verb(build(), "passed")[0]

    assert one["object"]["id"] == f"{PUBLIC_URL}/xapi-profile/activities/assessment/{form().uuid}/area/DLIT"
    assert one["result"] == {
        "success": True,
        "score": {"scaled": 0.6667},
        "extensions": {
            f"{EXT}level": 2,
            f"{EXT}theta": 0.1235,
            f"{EXT}standard-error": 0.4124,
            f"{EXT}items": 7,
            f"{EXT}borderline": True,
            f"{EXT}indicative": False,
            f"{EXT}cut-set": "core-2567/2",
            f"{EXT}framework": "th-ds-2567",
            f"{EXT}competency": "th-ds-2567#DLIT",
            f"{EXT}evidence-kind": "test",
        },
    }
    assert set(one["result"]["extensions"]) | {f"{EXT}finish-reason", f"{EXT}verdict"} == {term.iri for term in words.RESULT_EXTENSIONS}


@pytest.mark.parametrize(("top_level", "scaled"), [(2, 1), (3, 0.6667), (4, 0.5)])
def test_the_score_of_an_area_is_its_share_of_the_highest_level_that_the_form_can_show(top_level, scaled):
    cuts = tuple(Cut("DLIT", level, float(level), "provisional") for level in range(1, top_level + 1))

    assert by_verb(build(outcome(form=form(cuts=cuts))), "passed")[0]["result"]["score"] == {"scaled": scaled}


def test_an_area_passes_from_the_level_that_is_asked_for():
    def verdicts(pass_levels):
        judged = build(pass_levels=pass_levels)[-3:]
        return [one["result"]["success"] for one in judged], [one["verb"]["id"].rsplit("/", 1)[1] for one in judged]

    assert verdicts({}) == ([True, False, True], ["passed", "failed", "passed"])
    assert verdicts({"th-ds-2567#DLIT": 3, "th-ds-2567#DGOV": 0}) == ([False, True, True], ["failed", "passed", "passed"])


def test_where_it_cannot_be_told_yet_nobody_has_failed():
    """The third verdict: the record says so, and stays evidence of the level that was found."""
    areas = (
        area("DLIT", level=0, verdicts=("undecided", "not_met", "not_met")),
        area("DGOV", level=0, verdicts=("not_met", "not_met", "not_met")),
        area("DLEAD", level=1, verdicts=("undecided", "undecided", "not_met")),
    )

    judged = build(outcome(areas=areas))[-3:]

    assert [one["verb"]["id"].rsplit("/", 1)[1] for one in judged] == ["scored", "failed", "passed"]
    assert [one["result"]["extensions"][f"{EXT}verdict"] for one in judged] == ["undecided", "not_met", "undecided"]
    assert ["success" in one["result"] for one in judged] == [False, True, True]
    assert all(len(evidence_from(one)) == 1 for one in judged)


def test_partial_credit_is_told_as_a_share():
    (told,) = by_verb(build(outcome(responses=(response("multiple_choice", 1, score=0.5),))), "answered")

    assert told["result"]["score"] == {"scaled": 0.5, "raw": 0.5, "min": 0, "max": 1}
    assert told["result"]["success"] is False


def test_an_area_without_an_answer_is_neither_passed_nor_failed():
    statements = build(outcome(areas=(area("DLIT", n_items=0, level=0), area("DGOV"))))

    assert [one["object"]["id"].rsplit("/", 1)[1] for one in statements[-1:]] == ["DGOV"]
    assert len(by_verb(statements, "passed") + by_verb(statements, "failed")) == 1


def test_a_sitting_without_any_answer_is_terminated_without_score_or_verdict():
    first, last = build(outcome(**UNANSWERED))

    assert first["verb"]["id"] == "http://adlnet.gov/expapi/verbs/initialized"
    assert last["verb"] == {"id": "http://adlnet.gov/expapi/verbs/terminated", "display": {"th": "ยุติ", "en": "terminated"}}
    assert last["result"] == {
        "completion": False,
        "duration": "PT21M4.5S",
        "extensions": {f"{EXT}items": 0, f"{EXT}finish-reason": "time"},
    }
    for version in ("1.0.3", "2.0.0"):
        validate_statement(last, version)
    assert [draft for one in (first, last) for draft in evidence_from(one)] == []
    assert sentence_of(last, "en") == "Person 2f9d7c1e ended “Core digital assessment” without an answer."
    assert sentence_of(last, "th") == "บุคคล 2f9d7c1e ยุติการทำ “แบบประเมินสมรรถนะดิจิทัลแกนหลัก” โดยไม่มีคำตอบ"


def test_the_roadmap_reads_from_the_statements_what_the_attempt_found():
    drafts = [draft for one in build() for draft in evidence_from(one)]

    assert [(draft.node_uuid, draft.level, draft.theta, draft.n_items, draft.kind) for draft in drafts] == [
        (derived_uuid("framework-node", "th-ds-2567", code), level, theta, 7, "test")
        for code, level, theta in (("DLIT", 2, 0.1235), ("DGOV", 0, -1.5), ("DLEAD", 1, 0.1235))
    ]
    assert {draft.person_uuid for draft in drafts} == {outcome().person_uuid}


def test_areas_and_competencies_carry_the_names_they_are_given():
    names = {"th-ds-2567#DLIT": {"th": "การเข้าใจและใช้เทคโนโลยีดิจิทัล", "en": "Digital literacy"}}

    one = by_verb(build(competency_names=names), "passed")[0]

    assert one["object"]["definition"]["name"] == {
        "th": "แบบประเมินสมรรถนะดิจิทัลแกนหลัก ด้าน การเข้าใจและใช้เทคโนโลยีดิจิทัล",
        "en": "Digital literacy in Core digital assessment",
    }
    assert one["context"]["contextActivities"]["grouping"][0]["definition"]["name"] == names["th-ds-2567#DLIT"]


def test_every_word_of_the_vocabulary_is_explained_in_both_languages():
    terms = [words.PROFILE, *words.VERBS, *words.ACTIVITY_TYPES, *words.RESULT_EXTENSIONS]

    assert len({term.iri for term in terms}) == len(terms)
    for term in terms:
        assert all(text.strip() for texts in (term.label, term.definition) for text in (texts["th"], texts["en"]))
    assert all(term.schema for term in words.RESULT_EXTENSIONS)


def test_every_extension_that_is_sent_fits_its_published_schema():
    import jsonschema

    schemas = {term.iri: term.schema for term in words.RESULT_EXTENSIONS}
    sent = [pair for one in build() for pair in one.get("result", {}).get("extensions", {}).items()]

    assert sent
    for iri, value in sent:
        jsonschema.validate(value, schemas[iri])


def test_a_statement_reads_aloud_in_thai_and_in_english():
    statements = build()
    started, right, wrong, *_, ended, passed, failed, _ = statements

    assert sentence_of(started, "th") == "บุคคล 2f9d7c1e เริ่มทำ “แบบประเมินสมรรถนะดิจิทัลแกนหลัก”"
    assert sentence_of(right, "en") == "Person 2f9d7c1e answered “DLIT-001” correctly."
    assert sentence_of(wrong, "th") == "บุคคล 2f9d7c1e ตอบข้อ “DLIT-002” ไม่ถูก"
    assert sentence_of(ended, "en") == "Person 2f9d7c1e completed “Core digital assessment” with a score of 33 per cent."
    assert sentence_of(passed, "en") == "Person 2f9d7c1e passed “DLIT in Core digital assessment” at level 2."
    assert sentence_of(failed, "th") == "บุคคล 2f9d7c1e ยังไม่ผ่าน “แบบประเมินสมรรถนะดิจิทัลแกนหลัก ด้าน DGOV” ผลอยู่ที่ระดับ 0"


@pytest.mark.parametrize(
    ("statement", "english"),
    [
        (
            {
                "actor": {"mbox": "mailto:a@example.org"},
                "verb": {"id": "http://activitystrea.ms/schema/1.0/open"},
                "object": {"id": "http://example.org/page"},
            },
            "a@example.org open “http://example.org/page”.",
        ),
        (
            {
                "actor": {"objectType": "Group", "member": [{"mbox": "mailto:a@example.org"}]},
                "verb": {"id": "http://adlnet.gov/expapi/verbs/voided"},
                "object": {"objectType": "StatementRef", "id": "9b3f1b5a-8a4e-4d0e-9a55-0e2f3c1d4b6a"},
            },
            "A group voided the statement 9b3f1b5a-8a4e-4d0e-9a55-0e2f3c1d4b6a.",
        ),
        (
            {
                "actor": {"name": "Somchai", "openid": "https://a.example/b"},
                "verb": {"id": "http://adlnet.gov/expapi/verbs/asked", "display": {"en-US": "asked"}},
                "object": {"objectType": "Agent", "mbox": "mailto:b@example.org"},
            },
            "Somchai asked “b@example.org”.",
        ),
        (
            {
                "actor": {"name": "Somchai"},
                "verb": {"id": "http://example.org/verbs/planned"},
                "object": {
                    "objectType": "SubStatement",
                    "actor": {"name": "Somchai"},
                    "verb": {"id": "http://adlnet.gov/expapi/verbs/completed"},
                    "object": {"id": "http://example.org/c", "definition": {"name": {"en": "A course"}}},
                },
            },
            "Somchai planned “Somchai completed “A course”.”.",
        ),
    ],
)
def test_statements_of_others_read_aloud_too(statement, english):
    assert sentence_of(statement, "en") == english
    assert sentence_of(statement, "en-GB") == english
    assert sentence_of(statement, "th-TH") == sentence_of(statement, "fr") != english


def test_every_sentence_is_whole_in_both_languages():
    for texts in SENTENCES.values():
        assert {"{who}" in text for text in texts.values()} == {True}
        assert set(texts) == {"th", "en"}


def test_a_finish_that_is_stored_twice_leaves_its_statements_once(database, now):
    authority = {"objectType": "Agent", "account": {"homePage": HOME_PAGE, "name": "kaona"}}
    for _ in range(2):
        with database.transaction() as db:
            ids = store_statements(db, tenant_id=1, statements=build(), authority=authority, now=now)

    with database.reading() as db:
        assert (ids, count_statements(db, tenant_id=1)) == ([one["id"] for one in build()], 12)
