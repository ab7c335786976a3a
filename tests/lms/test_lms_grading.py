"""The teacher's hand in the gradebook, and the review of one learner's work (facts sections 4 and 8; Q25, Q40, Q42, Q43)."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from lti_tool.dev.lms import gradebook, names
from tests.lms_harness import ASSISTANT, COURSE_ID, GRADED, LEARNER, OTHER_LEARNER, TEACHER, UNGRADED, Pair, running_pair, verified_claims

CELL = f"/courses/{COURSE_ID}/grades/1/{LEARNER}"
COLUMN = f"/mod/lti/services.php/{COURSE_ID}/lineitems/1/lineitem"


@pytest.fixture
def pair() -> Iterator[Pair]:
    with running_pair() as pair:
        yield pair


def send(pair: Pair, second: int, given: float) -> requests.Response:
    score = {
        "userId": LEARNER,
        "timestamp": f"2026-11-22T03:00:{second:02}Z",
        "activityProgress": "Completed",
        "gradingProgress": "FullyGraded",
        "scoreGiven": given,
        "scoreMaximum": 100,
    }
    return pair.call("POST", f"{pair.url}{COLUMN}/scores?type_id=1", json=score, headers={"Content-Type": names.MEDIA_SCORE})


def change_cell(pair: Pair, act: str, person_id: str = TEACHER, **fields: str) -> requests.Response:
    with pair.running.browser(person_id) as browser:
        return browser.request("POST", f"{pair.url}{CELL}", data={"act": act, **fields})


def grade(pair: Pair) -> gradebook.Grade:
    with pair.lms.store.transaction() as db:
        found = gradebook.find_grade(db, 1, LEARNER)
    assert found is not None
    return found


def results(pair: Pair) -> list[dict[str, Any]]:
    return pair.call("GET", f"{pair.url}{COLUMN}/results?type_id=1", headers={"Accept": names.MEDIA_RESULTS}).json()


def test_q40_a_score_over_the_teachers_own_is_200_and_the_gradebook_keeps_the_teachers(pair: Pair) -> None:
    send(pair, 1, 70)
    change_cell(pair, "override", score="55")

    answer = send(pair, 2, 90)

    assert answer.status_code == 200
    assert grade(pair).score == 55
    assert results(pair)[0]["resultScore"] == 55


def test_back_from_the_teachers_own_stands_what_the_tool_sent_last(pair: Pair) -> None:
    send(pair, 1, 70)
    change_cell(pair, "override", score="55")
    send(pair, 2, 90)
    change_cell(pair, "restore")

    assert (grade(pair).score, grade(pair).is_overridden) == (90, False)


def test_q42_a_locked_cell_or_column_is_500_and_opened_again_takes_the_score(pair: Pair) -> None:
    change_cell(pair, "lock")
    locked_cell = send(pair, 1, 70)
    change_cell(pair, "unlock")
    with pair.running.browser(TEACHER) as browser:
        browser.request("POST", f"{pair.url}/courses/{COURSE_ID}/grades/1/lock")
    locked_column = send(pair, 2, 70)
    with pair.running.browser(TEACHER) as browser:
        browser.request("POST", f"{pair.url}/courses/{COURSE_ID}/grades/1/lock")

    assert (locked_cell.status_code, locked_column.status_code) == (500, 500)
    assert send(pair, 3, 70).status_code == 200


def test_a_learner_changes_no_grade_and_sees_no_cell(pair: Pair) -> None:
    with pair.running.browser(LEARNER) as browser:
        assert browser.get(f"{pair.url}{CELL}").status_code == 404
    assert change_cell(pair, "override", LEARNER, score="100").status_code == 404


def test_the_cell_shows_what_came_for_it_with_its_answers(pair: Pair) -> None:
    send(pair, 1, 70)
    send(pair, 1, 70)
    with pair.running.browser(TEACHER) as browser:
        page = browser.get(f"{pair.url}{CELL}").text

    assert "200 OK" in page
    assert "409 Refusing score" in page


def review(pair: Pair, activity_id: str = GRADED, person_id: str = TEACHER) -> dict[str, Any]:
    with pair.running.browser(person_id) as browser:
        browser.open_review(activity_id, LEARNER)
    return verified_claims(pair.running, pair.tool.launches[-1]["id_token"])


def test_q25_a_review_names_of_the_learner_nothing_but_the_id(pair: Pair) -> None:
    claims = review(pair)

    assert claims[names.MESSAGE_TYPE] == "LtiSubmissionReviewRequest"
    assert claims[names.FOR_USER] == {"user_id": LEARNER}
    assert claims["sub"] == TEACHER
    assert claims[names.ROLES] == [names.INSTRUCTOR]
    assert claims[names.RESOURCE_LINK]["id"] == GRADED
    assert claims[names.TARGET_LINK_URI] == pair.lms.catalogue.activities[GRADED][1].url
    assert "lineitem" in claims[names.AGS_ENDPOINT]


def test_q25_a_review_goes_to_the_columns_review_address_with_its_parameters(pair: Pair) -> None:
    document = {
        "label": "แบบประเมิน",
        "scoreMaximum": 100,
        "resourceLinkId": GRADED,
        "submissionReview": {"reviewableStatus": ["Completed"], "url": f"{pair.tool.url}/review", "custom": {"mode": "review"}},
    }
    address = f"{pair.url}{COLUMN}?type_id=1"
    kept = pair.call("PUT", address, json=document, headers={"Content-Type": names.MEDIA_LINE_ITEM}).json()

    claims = review(pair)

    assert kept["submissionReview"] == {"url": f"{pair.tool.url}/review", "custom": {"mode": "review"}}
    assert claims[names.TARGET_LINK_URI] == f"{pair.tool.url}/review"
    assert claims[names.CUSTOM] == {"mode": "review"}


def test_q43_a_replacement_without_the_review_erases_it(pair: Pair) -> None:
    address, headers = f"{pair.url}{COLUMN}?type_id=1", {"Content-Type": names.MEDIA_LINE_ITEM}
    document = {"label": "x", "scoreMaximum": 100, "submissionReview": {"url": f"{pair.tool.url}/review"}}
    pair.call("PUT", address, json=document, headers=headers)

    after = pair.call("PUT", address, json={"label": "x", "scoreMaximum": 100}, headers=headers).json()

    assert set(after) == {"id", "label", "scoreMaximum"}
    assert "lineitem" not in pair.claims(LEARNER, GRADED)[names.AGS_ENDPOINT]


def test_a_line_item_of_a_deep_link_brings_its_review_address(pair: Pair) -> None:
    line_item = {"scoreMaximum": 10, "submissionReview": {"url": f"{pair.tool.url}/review", "custom": {"a": "1"}}}
    (made,) = pair.place({"type": "ltiResourceLink", "title": "x", "url": f"{pair.tool.url}/open/x", "lineItem": line_item})

    claims = review(pair, made)

    assert claims[names.TARGET_LINK_URI] == f"{pair.tool.url}/review"
    assert claims[names.CUSTOM] == {"a": "1"}


def test_every_activity_can_be_reviewed_even_one_without_a_grade(pair: Pair) -> None:
    assert review(pair, UNGRADED)[names.MESSAGE_TYPE] == "LtiSubmissionReviewRequest"


def test_the_assistant_reviews_and_a_learner_does_not(pair: Pair) -> None:
    assert review(pair, person_id=ASSISTANT)[names.ROLES] == [names.INSTRUCTOR]
    with pair.running.browser(OTHER_LEARNER) as browser:
        assert browser.get(f"{pair.url}/activities/{GRADED}/review/{LEARNER}").status_code == 404
        assert browser.get(f"{pair.url}/activities/{GRADED}/review/{LEARNER}/launch").status_code == 404


def test_an_activitys_own_column_cannot_be_deleted_by_the_tool_and_can_be_renamed(pair: Pair) -> None:
    address = f"{pair.url}{COLUMN}?type_id=1"
    document = {"label": "ชื่อใหม่", "scoreMaximum": 100, "resourceLinkId": GRADED}

    assert pair.call("DELETE", address).status_code == 403
    assert pair.call("PUT", address, json=document, headers={"Content-Type": names.MEDIA_LINE_ITEM}).json()["label"] == "ชื่อใหม่"


def test_q44_a_column_of_the_tools_own_stands_in_the_gradebook_beside_the_others(pair: Pair) -> None:
    address, document = f"{pair.url}/mod/lti/services.php/{COURSE_ID}/lineitems?type_id=1", {"label": "ฝึกฝน", "scoreMaximum": 5}
    pair.call("POST", address, json=document, headers={"Content-Type": names.MEDIA_LINE_ITEM})
    with pair.running.browser(TEACHER) as browser:
        page = browser.get(f"{pair.url}/courses/{COURSE_ID}/grades").text

    assert "ฝึกฝน" in page
