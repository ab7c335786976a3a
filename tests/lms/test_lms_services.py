"""Token endpoint, AGS and NRPS of the demo LMS, each rule as it was measured on Moodle (facts sections 7, 8, 9; Q34-Q47)."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
import requests

from lti_tool.dev.lms import gradebook, names
from lti_tool.dev.lms.keys import SigningKey
from tests.lms_harness import (
    COURSE_ID,
    EXECUTIVE,
    GRADED,
    LEARNER,
    OTHER_LEARNER,
    TEACHER,
    UNGRADED,
    Pair,
    make_tool,
    running_pair,
)


@pytest.fixture
def pair() -> Iterator[Pair]:
    with running_pair() as pair:
        yield pair


@pytest.fixture
def column(pair: Pair) -> str:
    """Address of the graded activity's line item."""
    return str(pair.claims(LEARNER, GRADED)[names.AGS_ENDPOINT]["lineitem"])


def below(line_item: str, name: str) -> str:
    """Q41: the path goes before the query."""
    return line_item.replace("?", f"/{name}?", 1)


MOMENT = datetime(2026, 11, 22, 3, 0, 0, tzinfo=UTC)


def a_score(**overrides: Any) -> dict[str, Any]:
    values = {
        "userId": LEARNER,
        "timestamp": MOMENT.isoformat(),
        "activityProgress": "Completed",
        "gradingProgress": "FullyGraded",
        "scoreGiven": 71.5,
        "scoreMaximum": 100,
        "comment": "ระดับใช้งานได้",
    }
    return {name: value for name, value in {**values, **overrides}.items() if value is not None}


def post_score(pair: Pair, column: str, score: Any, **options: Any) -> requests.Response:
    headers = {"Content-Type": names.MEDIA_SCORE, **options.pop("headers", {})}
    body = score if isinstance(score, bytes) else json.dumps(score).encode()
    return pair.call("POST", below(column, "scores"), data=body, headers=headers, **options)


def grade_of(pair: Pair, person_id: str = LEARNER) -> gradebook.Grade | None:
    with pair.lms.store.transaction() as db:
        return gradebook.find_grade(db, 1, person_id)


# Tokens


def test_q34_a_token_answer_is_json_under_a_text_html_header(pair: Pair) -> None:
    answer = pair.ask_token([names.SCOPE_SCORE])

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.json().items() >= {"token_type": "Bearer", "expires_in": 3600, "scope": names.SCOPE_SCORE}.items()


def test_q36_a_token_holds_the_granted_part_of_what_was_asked(pair: Pair) -> None:
    pair.lms.config = _with_scopes(pair, names.SCOPE_SCORE)

    answer = pair.ask_token([names.SCOPE_SCORE, names.SCOPE_LINE_ITEM])

    assert answer.json()["scope"] == names.SCOPE_SCORE


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"scope": "https://example.org/other"}, "invalid_scope"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"client_assertion": ""}, "invalid_request"),
        ({"client_assertion": "not-a-token"}, "invalid_request"),
        ({"client_assertion_type": "another"}, "invalid_request"),
        ({"scope": ""}, "invalid_request"),
    ],
)
def test_a_bad_token_request_is_answered_400_with_its_error(pair: Pair, changes: dict[str, str], error: str) -> None:
    answer = pair.ask_token(**changes)

    assert answer.status_code == 400
    assert answer.json() == {"error": error}


@pytest.mark.parametrize(
    ("claims", "error"),
    [
        ({"sub": "nobody"}, "invalid_client"),
        ({"exp": 1_000_000_000}, "Expired token"),
        ({"exp": None}, "Expired token"),
        ({"iat": 4_000_000_000, "exp": 4_000_000_060}, "Cannot handle token with iat prior to"),
    ],
)
def test_q35_an_assertion_of_another_client_or_time_is_refused(pair: Pair, claims: dict[str, Any], error: str) -> None:
    answer = pair.ask_token(client_assertion=pair.tool.assertion(**claims))

    assert answer.status_code == 400
    assert error in answer.json()["error"]


def test_q35_an_iat_thirty_seconds_ahead_is_refused(pair: Pair) -> None:
    pair.lms.faults.clock_offset_seconds = -36  # the assertion's iat is five seconds back

    assert pair.ask_token().status_code == 400


def test_q34_an_unknown_kid_is_refused_by_an_answer_that_is_not_valid_json(pair: Pair) -> None:
    answer = pair.ask_token(client_assertion=pair.tool.assertion(kid="nobody"))

    assert answer.status_code == 400
    assert '"kid" invalid' in answer.text
    with pytest.raises(ValueError, match="Expecting"):
        answer.json()


def test_an_assertion_signed_by_another_key_or_method_is_refused(pair: Pair) -> None:
    forged = pair.tool.assertion(key=SigningKey.generate(), kid=pair.tool.key.kid)
    symmetric = jwt.encode({"sub": "kaonaDemoTool01", "iat": 1, "exp": 4e9}, "x" * 32, "HS256", headers={"kid": pair.tool.key.kid})

    assert pair.ask_token(client_assertion=forged).status_code == 400
    assert pair.ask_token(client_assertion=symmetric).status_code == 400


def test_the_tools_key_set_is_kept_and_fetched_again_only_when_a_check_fails(pair: Pair) -> None:
    pair.ask_token()
    pair.ask_token()
    n_before = pair.tool.n_key_set_requests
    new = SigningKey.generate()
    pair.tool.published, pair.tool.key = [pair.tool.key, new], new
    answer = pair.ask_token()

    assert (n_before, pair.tool.n_key_set_requests, answer.status_code) == (1, 2, 200)


def test_a_tool_whose_key_set_is_down_gets_a_404_page_when_cold_and_a_token_when_warm(pair: Pair) -> None:
    pair.tool.is_key_set_up = False
    cold = pair.ask_token()
    pair.tool.is_key_set_up = True
    pair.ask_token()
    pair.tool.is_key_set_up = False
    warm = pair.ask_token()

    assert cold.status_code == 404
    assert cold.headers["Content-Type"].startswith("text/html")
    assert "<h1>" in cold.text
    assert warm.status_code == 200


def test_an_expired_unknown_or_missing_access_token_is_401(pair: Pair, column: str) -> None:
    token = pair.ask_token().json()["access_token"]
    assert post_score(pair, column, a_score(), token=token).status_code == 200
    assert post_score(pair, column, a_score(), token="guess").status_code == 401
    assert requests.post(below(column, "scores"), json={}, headers={"Content-Type": names.MEDIA_SCORE}, timeout=10).status_code == 401
    pair.lms.faults.clock_offset_seconds = 3601

    assert post_score(pair, column, a_score(), token=token).status_code == 401


# Scores


def test_a_score_is_answered_200_with_an_empty_body_and_rescaled_to_the_column(pair: Pair, column: str) -> None:
    answer = post_score(pair, column, a_score(scoreGiven=7, scoreMaximum=10))

    assert (answer.status_code, answer.content) == (200, b"")
    assert grade_of(pair).score == 70


@pytest.mark.parametrize(
    ("given", "maximum", "kept"), [(120, 100, 100), (-3, 100, 0), (40, 0, 40), (140, 0, 100), (7, 21, 100 / 3), ("50", "100", 50)]
)
def test_q40_points_are_clamped_to_the_column_and_a_maximum_of_zero_is_taken_unscaled(
    pair: Pair, column: str, given: float, maximum: float, kept: float
) -> None:
    assert post_score(pair, column, a_score(scoreGiven=given, scoreMaximum=maximum)).status_code == 200
    assert grade_of(pair).score == pytest.approx(kept)


@pytest.mark.parametrize(
    "changes",
    [
        {"userId": None},
        {"timestamp": None},
        {"activityProgress": None},
        {"gradingProgress": None},
        {"scoreMaximum": None},
        {"scoreGiven": "much"},
        {"timestamp": "yesterday"},
        {"userId": "999"},
        {"userId": TEACHER},
        {"userId": EXECUTIVE},
    ],
)
def test_s13_a_score_without_its_parts_or_for_someone_not_gradable_is_400(pair: Pair, column: str, changes: dict[str, Any]) -> None:
    answer = post_score(pair, column, a_score(**changes))

    assert answer.status_code == 400
    assert answer.json()["status"] == 400
    assert answer.json()["reason"] == answer.reason == "Incorrect score received"
    assert answer.json()["request"]["method"] == "POST"
    assert grade_of(pair) is None


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"userId": "11", "userId": "12"}'])
def test_a_body_that_is_no_score_is_400(pair: Pair, column: str, body: bytes) -> None:
    assert post_score(pair, column, body).status_code == 400


@pytest.mark.parametrize("changes", [{"gradingProgress": "Pending"}, {"gradingProgress": "NotReady"}, {"scoreGiven": None}])
def test_q37_a_score_that_is_not_final_or_gives_nothing_erases_the_grade(pair: Pair, column: str, changes: dict[str, Any]) -> None:
    post_score(pair, column, a_score())
    later = (MOMENT + timedelta(seconds=1)).isoformat()

    assert post_score(pair, column, a_score(timestamp=later, **changes)).status_code == 200
    assert grade_of(pair).score is None


@pytest.mark.parametrize("later_by", [timedelta(0), timedelta(milliseconds=900), timedelta(seconds=-1), timedelta(hours=-7)])
def test_q38_a_timestamp_not_later_by_a_whole_second_is_409_and_changes_nothing(pair: Pair, column: str, later_by: timedelta) -> None:
    post_score(pair, column, a_score())

    answer = post_score(pair, column, a_score(timestamp=(MOMENT + later_by).isoformat(), scoreGiven=99))

    assert answer.status_code == 409
    assert answer.reason == f"Refusing score with an earlier timestamp for item 1 and user {LEARNER}"
    assert grade_of(pair).score == 71.5


def test_q38_a_timestamp_one_second_later_is_taken(pair: Pair, column: str) -> None:
    post_score(pair, column, a_score())

    assert post_score(pair, column, a_score(timestamp=(MOMENT + timedelta(seconds=1)).isoformat(), scoreGiven=99)).status_code == 200
    assert grade_of(pair).score == 99


def test_q38_a_timestamp_without_a_zone_is_read_in_bangkok_time(pair: Pair, column: str) -> None:
    post_score(pair, column, a_score())

    assert post_score(pair, column, a_score(timestamp="2026-11-22T03:00:10")).status_code == 409
    assert post_score(pair, column, a_score(timestamp="2026-11-22T10:00:10")).status_code == 200


def test_q38_a_timestamp_in_the_future_is_taken_and_blocks_the_earlier_ones(pair: Pair, column: str) -> None:
    assert post_score(pair, column, a_score(timestamp="2099-01-01T00:00:00Z")).status_code == 200
    assert post_score(pair, column, a_score()).status_code == 409


def test_q39_a_score_without_comment_erases_the_comment_before(pair: Pair, column: str) -> None:
    post_score(pair, column, a_score())
    post_score(pair, column, a_score(timestamp=(MOMENT + timedelta(seconds=2)).isoformat(), comment=None))

    assert grade_of(pair).comment is None


def test_q42_a_locked_grade_is_500(pair: Pair, column: str) -> None:
    requests.post(f"{pair.url}/control/grades/1/{LEARNER}/lock", timeout=10)

    assert post_score(pair, column, a_score()).status_code == 500
    assert grade_of(pair).score is None


def test_unknown_progress_words_and_extensions_are_ignored(pair: Pair, column: str) -> None:
    extended = a_score(activityProgress="Dancing", submission={}, scoringUserId="x", **{"https://example.org/extra": {"a": 1}})

    assert post_score(pair, column, extended).status_code == 200


def test_every_score_that_comes_is_kept_with_its_answer(pair: Pair, column: str) -> None:
    post_score(pair, column, a_score())
    post_score(pair, column, a_score())
    post_score(pair, column, a_score(userId="999"))

    received = requests.get(f"{pair.url}/control/scores", timeout=10).json()

    assert [score["status"] for score in received] == [400, 409, 200]
    assert json.loads(received[2]["body"])["scoreGiven"] == 71.5


@pytest.mark.parametrize("media_type", ["application/json", names.MEDIA_LINE_ITEM, "", f"{names.MEDIA_SCORE}, application/json"])
def test_a_score_under_another_media_type_is_400_before_anything_is_read(pair: Pair, column: str, media_type: str) -> None:
    answer = post_score(pair, column, a_score(), headers={"Content-Type": media_type})

    assert answer.status_code == 400
    assert answer.json()["reason"].startswith("No handler found")
    assert grade_of(pair) is None


def test_a_charset_after_the_right_media_type_is_accepted(pair: Pair, column: str) -> None:
    assert post_score(pair, column, a_score(), headers={"Content-Type": f"{names.MEDIA_SCORE}; charset=utf-8"}).status_code == 200


def test_a_score_needs_its_scope_its_deployment_and_its_column(pair: Pair, column: str) -> None:
    assert post_score(pair, column, a_score(), scopes=[names.SCOPE_RESULT_READ]).status_code == 401
    assert post_score(pair, column.replace("type_id=1", "type_id=2"), a_score()).status_code == 401
    assert post_score(pair, column.replace("/lineitems/1/", "/lineitems/99/"), a_score()).status_code == 404
    assert post_score(pair, column.replace(f"/services.php/{COURSE_ID}/", "/services.php/77/"), a_score()).status_code == 404


def test_another_tools_column_is_403(pair: Pair) -> None:
    other = make_tool("https://other.example", client_id="anotherTool0001", deployment_id="2")
    pair.lms.config = replace(pair.lms.config, tools=(*pair.lms.config.tools, other))
    with pair.lms.store.transaction() as db:
        foreign = gradebook.add_line_item(db, COURSE_ID, "2", {"label": "ของผู้อื่น", "scoreMaximum": 10})
    address = f"{pair.url}/mod/lti/services.php/{COURSE_ID}/lineitems/{foreign.id}/lineitem?type_id=1"

    assert post_score(pair, address, a_score()).status_code == 403


# Results


def test_results_leave_out_empty_grades_and_one_user_can_be_asked_for(pair: Pair, column: str) -> None:
    post_score(pair, column, a_score())
    post_score(pair, column, a_score(userId=OTHER_LEARNER, scoreGiven=None))
    headers = {"Accept": names.MEDIA_RESULTS}

    everyone = pair.call("GET", below(column, "results"), headers=headers).json()
    nobody = pair.call("GET", below(column, "results") + f"&user_id={OTHER_LEARNER}", headers=headers).json()

    assert [(result["userId"], result["resultScore"], result["resultMaximum"]) for result in everyone] == [(LEARNER, 71.5, 100)]
    assert everyone[0]["comment"] == "ระดับใช้งานได้"
    assert everyone[0]["scoreOf"] == column
    assert nobody == []


def test_q43_results_with_a_limit_are_a_404_page(pair: Pair, column: str) -> None:
    answer = pair.call("GET", below(column, "results") + "&limit=10", headers={"Accept": names.MEDIA_RESULTS})

    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")


# Line items


def line_items_url(pair: Pair) -> str:
    return f"{pair.url}/mod/lti/services.php/{COURSE_ID}/lineitems?type_id=1"


def create(pair: Pair, **values: Any) -> requests.Response:
    document = {"label": "ด้านการรู้ดิจิทัล", "scoreMaximum": 50, **values}
    return pair.call("POST", line_items_url(pair), json=document, headers={"Content-Type": names.MEDIA_LINE_ITEM})


def list_items(pair: Pair, query: str = "", accept: str = names.MEDIA_LINE_ITEMS) -> requests.Response:
    return pair.call("GET", line_items_url(pair) + query, headers={"Accept": accept})


def test_a_line_item_is_created_201_and_twice_makes_two(pair: Pair) -> None:
    first, second = create(pair, resourceId="r", tag="t"), create(pair, resourceId="r", tag="t")

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] != second.json()["id"]
    assert re.fullmatch(rf"{pair.url}/mod/lti/services.php/2/lineitems/\d+/lineitem\?type_id=1", first.json()["id"])
    assert len(list_items(pair, "&resource_id=r").json()) == 2


def test_dates_are_echoed_by_the_create_answer_and_not_kept(pair: Pair) -> None:
    made = create(pair, startDateTime="2026-11-22T00:00:00Z", gradesReleased=False).json()

    kept = pair.call("GET", made["id"], headers={"Accept": names.MEDIA_LINE_ITEM}).json()

    assert made["startDateTime"] == "2026-11-22T00:00:00Z"
    assert made["gradesReleased"] is False
    assert not {"startDateTime", "gradesReleased"} & set(kept)


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({"label": None}, 400),
        ({"scoreMaximum": None}, 400),
        ({"scoreMaximum": "many"}, 400),
        ({"label": "ก" * 300}, 502),
        ({"resourceLinkId": "abc"}, 502),
        ({"resourceLinkId": "77"}, 403),
        ({"scoreMaximum": 0}, 201),
        ({"scoreMaximum": -5}, 201),
        ({"label": ""}, 201),
        ({"resourceLinkId": UNGRADED}, 201),
    ],
)
def test_what_a_new_line_item_must_have(pair: Pair, values: dict[str, Any], status: int) -> None:
    assert create(pair, **values).status_code == status


@pytest.mark.parametrize("accept", ["application/json", "*/*", f"{names.MEDIA_LINE_ITEMS}, */*", names.MEDIA_LINE_ITEM])
def test_q41_a_list_of_line_items_wants_exactly_its_media_type(pair: Pair, accept: str) -> None:
    assert list_items(pair, accept=accept).status_code == 400


@pytest.mark.parametrize(
    ("query", "n"), [("&tag=assessment", 1), ("&resource_id=core-2567", 1), (f"&resource_link_id={GRADED}", 1), ("&tag=x", 0)]
)
def test_lists_are_narrowed_by_resource_link_and_tag(pair: Pair, query: str, n: int) -> None:
    assert len(list_items(pair, query).json()) == n


def test_q43_a_page_of_line_items_has_a_link_that_ordinary_parsers_cannot_read(pair: Pair) -> None:
    create(pair)
    answer = list_items(pair, "&limit=1")

    link = answer.headers["Link"].encode("latin-1").decode()

    assert len(answer.json()) == 1
    assert "\u201cnext\u201d" in link
    assert "&amp;limit=1" in link
    assert "next" not in answer.links


def test_q43_a_replacement_erases_what_it_leaves_out(pair: Pair) -> None:
    made = create(pair, resourceId="r", tag="t", resourceLinkId=UNGRADED).json()
    headers = {"Content-Type": names.MEDIA_LINE_ITEM}

    answer = pair.call("PUT", made["id"], json={"label": "ใหม่", "scoreMaximum": 20}, headers=headers)

    assert answer.status_code == 200
    assert answer.json() == {"id": made["id"], "label": "ใหม่", "scoreMaximum": 20}


def test_a_line_item_of_the_tools_own_can_be_deleted(pair: Pair) -> None:
    made = create(pair).json()

    assert pair.call("DELETE", made["id"]).status_code == 204
    assert pair.call("GET", made["id"], headers={"Accept": names.MEDIA_LINE_ITEM}).status_code == 404


def test_q7_without_the_line_item_scope_none_is_made(pair: Pair) -> None:
    document, headers = {"label": "x", "scoreMaximum": 1}, {"Content-Type": names.MEDIA_LINE_ITEM}

    answer = pair.call("POST", line_items_url(pair), json=document, headers=headers, scopes=[names.SCOPE_LINE_ITEM_READ])

    assert answer.status_code == 401


# Members


def members(
    pair: Pair, query: str = "", accept: str = names.MEDIA_MEMBERS, deployment: str = "1", course: str = COURSE_ID
) -> requests.Response:
    url = f"{pair.url}/mod/lti/services.php/CourseSection/{course}/bindings/{deployment}/memberships{query}"
    return pair.call("GET", url, headers={"Accept": accept})


def test_q45_members_have_bare_role_words_and_the_assistant_is_a_learner_here(pair: Pair) -> None:
    found = {member["user_id"]: member for member in members(pair).json()["members"]}

    assert found[LEARNER]["roles"] == ["Learner"]
    assert found[TEACHER]["roles"] == ["Instructor"]
    assert found["22"]["roles"] == ["Learner"]
    assert "41" not in found
    assert found[LEARNER]["name"] == "สมชาย ใจดี"
    assert all(member["status"] == "Active" for member in found.values())


def test_members_are_paged_by_a_link_that_requests_can_read_and_each_comes_once(pair: Pair) -> None:
    answer, seen = members(pair, "?limit=2"), []
    token = pair.ask_token().json()["access_token"]
    for _ in range(5):
        seen += [member["user_id"] for member in answer.json()["members"]]
        following = answer.links.get("next")
        if following is None:
            break
        answer = pair.call("GET", following["url"], token=token, headers={"Accept": names.MEDIA_MEMBERS})

    assert len(seen) == len(set(seen)) == 5
    assert "next" not in members(pair).links


@pytest.mark.parametrize("role", ["Instructor", "http%3A%2F%2Fpurl.imsglobal.org%2Fvocab%2Flis%2Fv2%2Fmembership%23Instructor"])
def test_members_are_filtered_by_role_word_or_uri(pair: Pair, role: str) -> None:
    assert {member["user_id"] for member in members(pair, f"?role={role}").json()["members"]} == {TEACHER, EXECUTIVE}


def test_q47_members_without_shared_names_are_listed_unnamed(pair: Pair) -> None:
    secret = make_tool(pair.tool.url, shares_name=False, shares_email=False)
    pair.lms.config = replace(pair.lms.config, tools=(secret,))

    assert members(pair).json()["members"][0].keys() == {"status", "roles", "user_id", "lis_person_sourcedid"}


def test_q46_a_deployment_reads_every_course_where_it_is_allowed_without_a_launch_there(pair: Pair) -> None:
    second = replace(pair.lms.config.courses[0], id="9", activities=())
    pair.lms.config = replace(pair.lms.config, courses=(*pair.lms.config.courses, second))
    allowed = members(pair, course="9").status_code
    kept_out = make_tool(pair.tool.url, courses=frozenset({COURSE_ID}))
    pair.lms.config = replace(pair.lms.config, tools=(kept_out,))

    assert allowed == 200
    assert members(pair, course="9").status_code == 401
    assert members(pair).status_code == 200


def test_members_of_an_unknown_course_or_link_are_404_and_of_a_foreign_deployment_401(pair: Pair) -> None:
    assert members(pair, course="77").status_code == 404
    assert members(pair, "?rlid=77").status_code == 404
    assert members(pair, deployment="2").status_code == 401
    assert members(pair, accept="application/json").status_code == 400
    assert "message" in members(pair, f"?rlid={GRADED}").json()["members"][0]


def _with_scopes(pair: Pair, *scopes: str) -> Any:
    return replace(pair.lms.config, tools=(make_tool(pair.tool.url, scopes=scopes),))
