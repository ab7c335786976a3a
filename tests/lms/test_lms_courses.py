"""What a teacher changes in a course of the demo LMS, and what the services say of it afterwards (facts sections 5, 8, 9)."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from lti_tool.dev.lms import gradebook, names
from tests.lms_harness import ASSISTANT, COURSE_ID, GRADED, LEARNER, OTHER_LEARNER, TEACHER, Pair, running_pair


@pytest.fixture
def pair() -> Iterator[Pair]:
    with running_pair() as pair:
        yield pair


def act(pair: Pair, path: str, person_id: str = TEACHER, **fields: str) -> requests.Response:
    with pair.running.browser(person_id) as browser:
        return browser.request("POST", f"{pair.url}{path}", data=fields)


def people(pair: Pair, query: str = "") -> requests.Response:
    url = f"{pair.url}/mod/lti/services.php/CourseSection/{COURSE_ID}/bindings/1/memberships{query}"
    return pair.call("GET", url, headers={"Accept": names.MEDIA_MEMBERS})


def a_score(**changes: Any) -> dict[str, Any]:
    return {
        "userId": LEARNER,
        "timestamp": "2026-11-22T03:00:00Z",
        "activityProgress": "Completed",
        "gradingProgress": "FullyGraded",
        "scoreGiven": 70,
        "scoreMaximum": 100,
        **changes,
    }


def send(pair: Pair, **changes: Any) -> requests.Response:
    url = f"{pair.url}/mod/lti/services.php/{COURSE_ID}/lineitems/1/lineitem/scores?type_id=1"
    return pair.call("POST", url, json=a_score(**changes), headers={"Content-Type": names.MEDIA_SCORE})


def grade(pair: Pair) -> gradebook.Grade | None:
    with pair.lms.store.transaction() as db:
        return gradebook.find_grade(db, 1, LEARNER)


def test_a_copied_course_has_new_ids_the_same_resource_ids_and_names_its_history(pair: Pair) -> None:
    changed = pair.lms.catalogue.activities[GRADED]
    custom = {"context_history": "$Context.id.history", "link_history": "$ResourceLink.id.history"}
    pair.lms.save_activity(changed[0], _with_custom(changed[1], custom))
    act(pair, f"/courses/{COURSE_ID}/copy")
    copy = list(pair.lms.catalogue.courses.values())[-1]
    pair.lms.enrol(copy, pair.lms.catalogue.people[LEARNER], "learner")

    claims = pair.claims(LEARNER, copy.activities[0].id)

    assert copy.id != COURSE_ID
    assert copy.history == (COURSE_ID,)
    assert {each.id for each in copy.activities}.isdisjoint({each.id for each in changed[0].activities})
    assert copy.activities[0].resource_id == "core-2567"
    assert claims[names.CUSTOM] == {"context_history": COURSE_ID, "link_history": "$ResourceLink.id.history"}
    assert claims[names.CONTEXT]["id"] == copy.id
    assert f"/services.php/{copy.id}/lineitems/" in claims[names.AGS_ENDPOINT]["lineitem"]


def test_a_course_without_copies_has_an_empty_history(pair: Pair) -> None:
    changed = pair.lms.catalogue.activities[GRADED]
    pair.lms.save_activity(changed[0], _with_custom(changed[1], {"context_history": "$Context.id.history"}))

    assert pair.claims(LEARNER, GRADED)[names.CUSTOM]["context_history"] == ""


def test_a_copy_of_a_copy_names_both_and_has_no_learners(pair: Pair) -> None:
    act(pair, f"/courses/{COURSE_ID}/copy")
    first = list(pair.lms.catalogue.courses.values())[-1]
    act(pair, f"/courses/{first.id}/copy")
    second = list(pair.lms.catalogue.courses.values())[-1]

    assert second.history == (first.id, COURSE_ID)
    assert LEARNER not in {person.id for person in pair.lms.members_of(second)}
    assert TEACHER in {person.id for person in pair.lms.members_of(second)}


def test_a_reset_takes_away_grades_and_keeps_links_and_columns(pair: Pair) -> None:
    send(pair)
    act(pair, f"/courses/{COURSE_ID}/reset")

    assert grade(pair) is None
    assert "lineitem" in pair.claims(LEARNER, GRADED)[names.AGS_ENDPOINT]
    assert send(pair).status_code == 200


def test_a_deleted_activity_takes_its_column_with_it(pair: Pair) -> None:
    act(pair, f"/activities/{GRADED}/delete")

    assert send(pair).status_code == 404
    assert GRADED not in pair.lms.catalogue.activities


def test_a_suspended_learner_is_not_listed_cannot_enter_and_is_still_graded(pair: Pair) -> None:
    act(pair, f"/courses/{COURSE_ID}/participants", person=LEARNER, act="suspend")

    listed = {member["user_id"]: member["status"] for member in people(pair).json()["members"]}
    with pair.running.browser(LEARNER) as browser:
        entered = browser.get(f"{pair.url}/activities/{GRADED}/launch")

    assert LEARNER not in listed
    assert set(listed.values()) == {"Active"}
    assert entered.status_code == 404
    assert send(pair).status_code == 200


def test_who_was_taken_out_is_not_listed_and_not_graded(pair: Pair) -> None:
    act(pair, f"/courses/{COURSE_ID}/participants", person=LEARNER, act="remove")

    assert LEARNER not in {member["user_id"] for member in people(pair).json()["members"]}
    assert send(pair).status_code == 400


def test_somebody_enrolled_is_listed(pair: Pair) -> None:
    act(pair, f"/courses/{COURSE_ID}/participants", person=LEARNER, act="remove")
    act(pair, f"/courses/{COURSE_ID}/participants", person=LEARNER, act="enrol", role="learner")

    assert LEARNER in {member["user_id"] for member in people(pair).json()["members"]}


def test_moodle_gives_no_link_to_differences(pair: Pair) -> None:
    assert "differences" not in people(pair).links


def test_as_an_option_a_roster_links_to_the_changes_since_it(pair: Pair) -> None:
    requests.put(f"{pair.url}/control/habits", json={"has_differences": True}, timeout=10)
    since = people(pair).links["differences"]["url"]
    requests.put(f"{pair.url}/control/courses/{COURSE_ID}/people/{LEARNER}", json={"role": None}, timeout=10)
    body = {"role": "learner", "is_suspended": True}
    requests.put(f"{pair.url}/control/courses/{COURSE_ID}/people/{OTHER_LEARNER}", json=body, timeout=10)

    changes = pair.call("GET", since, headers={"Accept": names.MEDIA_MEMBERS})
    nothing = pair.call("GET", changes.links["differences"]["url"], headers={"Accept": names.MEDIA_MEMBERS})

    assert {member["user_id"]: member["status"] for member in changes.json()["members"]} == {LEARNER: "Deleted", OTHER_LEARNER: "Deleted"}
    assert nothing.json()["members"] == []


def test_differences_stand_on_the_last_page_alone(pair: Pair) -> None:
    requests.put(f"{pair.url}/control/habits", json={"has_differences": True}, timeout=10)

    first = people(pair, "?limit=3")
    last = pair.call("GET", first.links["next"]["url"], headers={"Accept": names.MEDIA_MEMBERS})

    assert "differences" not in first.links
    assert "differences" in last.links


def test_the_roster_misbehaves_when_asked(pair: Pair) -> None:
    faults = {"members_next": "https://other.example/more", "more_members": [{"roles": ["Learner"]}, "nobody", 5]}
    requests.put(f"{pair.url}/control/faults", json=faults, timeout=10)

    answer = people(pair)

    assert answer.links["next"]["url"] == "https://other.example/more"
    assert answer.json()["members"][-3:] == [{"roles": ["Learner"]}, "nobody", 5]


def test_only_who_teaches_the_course_changes_it(pair: Pair) -> None:
    for person_id in (LEARNER, ASSISTANT):
        for path in (f"/courses/{COURSE_ID}/copy", f"/courses/{COURSE_ID}/reset", f"/activities/{GRADED}/duplicate"):
            assert act(pair, path, person_id).status_code == 404
        assert act(pair, f"/courses/{COURSE_ID}/participants", person_id, person=TEACHER, act="remove").status_code == 404


def test_changes_outlive_a_restart(tmp_path: Any) -> None:
    with running_pair(state_path=tmp_path / "lms.sqlite") as pair:
        act(pair, f"/courses/{COURSE_ID}/copy")
        act(pair, f"/courses/{COURSE_ID}/participants", person=LEARNER, act="suspend")
        courses = set(pair.lms.catalogue.courses)
    with running_pair(state_path=tmp_path / "lms.sqlite") as pair:
        assert set(pair.lms.catalogue.courses) == courses
        assert COURSE_ID in pair.lms.catalogue.people[LEARNER].suspended_in


def test_an_id_is_never_given_twice(pair: Pair) -> None:
    act(pair, f"/activities/{GRADED}/duplicate")
    first = max(pair.lms.catalogue.activities, key=int)
    act(pair, f"/activities/{first}/delete")
    act(pair, f"/activities/{GRADED}/duplicate")

    assert first not in pair.lms.catalogue.activities
    assert int(max(pair.lms.catalogue.activities, key=int)) > int(first)


def _with_custom(activity: Any, custom: dict[str, str]) -> Any:
    from dataclasses import replace

    return replace(activity, custom=custom)
