"""What people may not see or do, tried over HTTP on the running tool: cases H26, H28 to H33 and rule S19."""

import html
import json
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files

import pytest
import requests

from lti_tool.dev.lms.client import forms_of
from lti_tool.dev.respondent import form_fields, right_answer
from tests.flows.house import ADMINISTRATION, ADMINISTRATOR, EXECUTIVE, MARKUP, OVERVIEW, PATH, ROADMAP, TEACHER
from tests.flows.stored import attempts_of, events_of, outbox_of, responses_of, scores_of, verbs_of
from tests.flows.walker import Learner, answer_fields, answer_form, error_code, visible

RATIONALES = {
    each["key"]: each["rationale"] for each in json.loads((files("assessment") / "data" / "bank-core-2567.json").read_bytes())["items"]
}
GRACE_SECONDS = 30


def post(learner: Learner, page: requests.Response, fields: dict, **headers: str | None) -> requests.Response:
    """The page's answer sent with the learner's cookies and other headers; None leaves one out."""
    sent = {"Origin": learner.house.url, "Accept": "text/html", **headers}
    cookies = learner.browser.session_of(learner.house.url).cookies.get_dict()
    return requests.post(
        answer_form(page).action,
        data=fields,
        headers={name: value for name, value in sent.items() if value is not None},
        cookies=cookies,
        allow_redirects=False,
        timeout=30,
    )


@pytest.mark.parametrize(
    ("headers", "changes"),
    [
        ({"Origin": "https://evil.example"}, {}),
        ({"Origin": None}, {}),
        ({"Origin": "null"}, {}),
        ({}, {"csrf": ""}),
        ({}, {"csrf": "0" * 64}),
    ],
    ids=["other-origin", "no-origin", "opaque-origin", "no-token", "wrong-token"],
)
def test_h26_an_answer_that_is_not_from_a_page_of_ours_is_refused_and_not_stored(headers, changes, learner, house):
    page = learner.begin()

    refused = post(learner, page, {**answer_fields(page), **changes}, **headers)

    assert (refused.status_code, error_code(refused)) == (403, "foreign_request")
    assert responses_of(house, learner.attempt_uuid) == []
    assert post(learner, page, answer_fields(page)).status_code == 303
    assert len(responses_of(house, learner.attempt_uuid)) == 1


def test_h26_the_token_of_one_launch_opens_no_other(learner, another, house):
    page, foreign = learner.begin(), another.begin()

    refused = post(learner, page, answer_fields(page, csrf=answer_fields(foreign)["csrf"]))

    assert refused.status_code == 403
    assert responses_of(house, learner.attempt_uuid) == []


def test_h28_a_learner_finds_no_page_of_staff(learner, house):
    learner.launch()
    launch = learner.launch_uuid

    for path in (f"/admin/{launch}/", f"/executive/{launch}/", f"/teach/{launch}/activities/{house.form.uuid}"):
        assert learner.browser.get(house.url + path).status_code == 404, path
    for activity in (OVERVIEW, ADMINISTRATION):
        assert "/learn/" in learner.page.url
        assert learner.browser.get(f"{house.far.url}/activities/{activity}").status_code == 404


def test_h28_a_learner_finds_no_attempt_or_result_of_another_learner(learner, another, house):
    learner.begin()
    another.sit()
    mine, theirs = f"{house.url}/learn/{learner.launch_uuid}/attempts", another.attempt_uuid

    assert learner.browser.get(f"{mine}/{theirs}").status_code == 404
    assert learner.browser.get(f"{mine}/{theirs}/result").status_code == 404
    fields = answer_fields(learner.page)
    sent = learner.browser.request("POST", f"{mine}/{theirs}/responses", page=learner.page, data=fields)
    assert sent.status_code == 404
    assert learner.browser.get(f"{mine}/{uuid.uuid4()}").status_code == 404
    assert learner.browser.get(f"{house.url}/learn/{uuid.uuid4()}/roadmap").status_code == 404
    assert learner.browser.get(f"{house.url}/learn/{another.launch_uuid}/roadmap").status_code in {404, 409}


def test_h28_a_teacher_finds_no_page_of_a_learner_nor_of_an_executive(house, learner):
    learner.sit()
    with house.far.browser(TEACHER) as browser:
        page = browser.open_activity("11")
        launch = page.url.split("/")[4]

        assert browser.get(f"{house.url}/executive/{launch}/").status_code == 404
        assert browser.get(f"{house.url}/admin/{launch}/").status_code == 404
        assert browser.get(f"{house.url}/learn/{launch}/attempts/{learner.attempt_uuid}/result").status_code == 404


def test_h29_a_score_that_is_sent_along_is_ignored(learner, house):
    page = learner.begin()

    sent = post(learner, page, answer_fields(page, is_right=False, score="1", points="100", is_correct="true", theta="4"))

    assert sent.status_code == 303
    (stored,) = responses_of(house, learner.attempt_uuid)
    assert stored.score == 0
    assert stored.theta_after < 0


def test_h30_an_answer_after_time_and_grace_is_refused_with_a_page_and_kept_as_an_event(learner, house):
    learner.begin()
    late = learner.answer()

    with house.clock.put_ahead(seconds=house.form.minutes * 60 + GRACE_SECONDS + 5):
        fields = answer_fields(late)
        refused = post(learner, late, fields)
        result = learner.browser.get(learner.attempt_url)

    assert (refused.status_code, error_code(refused)) == (409, "attempt_closed")
    assert "สิ้นสุดแล้ว" in visible(refused)
    assert len(responses_of(house, learner.attempt_uuid)) == 1
    assert result.url.endswith("/result")
    assert "หมดเวลา" in visible(result)
    late_ones = [one for one in events_of(house, learner.attempt_uuid) if one.kind == "late_answer"]
    assert [one.detail["client_id"] for one in late_ones] == [fields["client_id"]]


def test_h30_an_answer_within_the_grace_still_counts_and_ends_the_attempt(learner, house):
    page = learner.begin()

    with house.clock.put_ahead(seconds=house.form.minutes * 60 + GRACE_SECONDS - 10):
        taken = post(learner, page, answer_fields(page))

    assert taken.status_code == 303
    assert taken.headers["Location"].endswith("/result")
    assert len(responses_of(house, learner.attempt_uuid)) == 1


def test_h30_an_answer_after_the_end_is_refused_and_kept_as_an_event(learner, house):
    learner.begin()
    first = learner.page
    learner.finish()
    n_answers = len(responses_of(house, learner.attempt_uuid))

    fields = answer_fields(first)
    refused = post(learner, first, fields)

    assert (refused.status_code, error_code(refused)) == (409, "attempt_closed")
    assert len(responses_of(house, learner.attempt_uuid)) == n_answers
    assert fields["client_id"] in [one.detail.get("client_id") for one in events_of(house, learner.attempt_uuid)]


def test_h31_every_answer_sent_twice_at_once_is_stored_once_and_so_is_all_that_follows_from_the_end(learner, house):
    learner.begin()
    with ThreadPoolExecutor(2) as pool:
        for _ in range(house.form.max_items):
            page = learner.page
            item = learner.item
            fields = answer_fields(page) | form_fields(item, learner.respondent.answer(item))
            replies = list(pool.map(lambda _: post(learner, page, fields), range(2)))  # noqa: B023  both run within this round
            assert [reply.status_code for reply in replies] == [303, 303]
            assert len({reply.headers["Location"] for reply in replies}) == 1
            if learner.go_on().url.endswith("/result"):
                break
    house.work()

    answers = responses_of(house, learner.attempt_uuid)
    assert len({one.presentation_id for one in answers}) == len(answers) >= house.form.min_items
    verbs = verbs_of(house, learner.attempt_uuid)
    assert (verbs.count("completed"), verbs.count("initialized"), verbs.count("answered")) == (1, 1, len(answers))
    (score,) = scores_of(house, learner.official.id)
    assert score.version == 1
    assert [one.state for one in outbox_of(house, score)] == ["done"]
    assert [one.status for one in house.far.received_of(learner.official.id)] == [200]


def test_r6_two_different_answers_to_one_item_at_once_leave_the_first(learner, house):
    page = learner.begin()
    answers = [answer_fields(page, is_right=True), answer_fields(page, is_right=False)]

    with ThreadPoolExecutor(2) as pool:
        replies = list(pool.map(lambda fields: post(learner, page, fields), answers))

    assert sorted(reply.status_code for reply in replies) == [303, 409]
    taken = next(fields for fields, reply in zip(answers, replies, strict=True) if reply.status_code == 303)
    assert [one.client_id for one in responses_of(house, learner.attempt_uuid)] == [taken["client_id"]]


def test_r6_fifty_starts_at_once_make_one_attempt(learner, house):
    learner.launch()
    form = next(one for one in forms_of(learner.page) if one.action.endswith("/start"))
    cookies = learner.browser.session_of(house.url).cookies.get_dict()

    def start(_: int) -> requests.Response:
        headers = {"Origin": house.url}
        return requests.post(form.action, data=dict(form.fields), cookies=cookies, headers=headers, allow_redirects=False, timeout=60)

    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(start, range(50)))

    assert {reply.status_code for reply in replies} == {303}
    assert len({reply.headers["Location"] for reply in replies}) == 1
    assert len(attempts_of(house, learner.official.id)) == 1


def test_h32_no_item_page_holds_a_key_a_parameter_or_a_rationale(learner, house):
    learner.begin()

    n_pages = 0
    while not learner.page.url.endswith("/result"):
        text, item = html.unescape(learner.page.text), learner.item
        n_pages += 1
        assert item.key not in text
        assert not any(rationale in text for rationale in RATIONALES[item.key].values())
        assert not re.search(r"correct|rationale|difficulty|discrimination|theta|is_right", text, re.IGNORECASE)
        if item.kind == "short_text":
            form = answer_form(learner.page)
            assert {name: value for name, value in form.fields if name == "value"} in ({}, {"value": ""})
            assert f'"{right_answer(item)}"' not in learner.page.text
        if item.kind == "ordering":
            shown = re.findall(r'name="order-([a-z0-9]+)"', text)
            assert sorted(shown) == sorted(item.correct)
            assert shown != item.correct
        learner.answer()
    assert n_pages >= house.form.min_items


def test_h33_names_and_titles_with_markup_are_text_on_every_page(house):
    hostile = Learner(house, next(house.near.newcomers), house.near)
    pages = [hostile.launch(), hostile.begin(), hostile.answer(), hostile.open("roadmap"), hostile.open("path")]
    pages += [hostile.launch(ROADMAP), hostile.launch(PATH), hostile.browser.get(f"{house.url}/learn/{uuid.uuid4()}/path")]
    with house.near.browser(TEACHER) as teacher:
        teachers = teacher.open_activity("11")
        pages.append(teachers)
    with house.far.browser(EXECUTIVE) as executive:
        overview = executive.open_activity(OVERVIEW)
        pages.append(overview)
    with house.near.browser(ADMINISTRATOR) as administrator:
        pages.append(administrator.open_activity(ADMINISTRATION, in_window=True))
    hostile.browser.close()

    for page in pages:
        assert "<img" not in page.text, page.url
        assert "<b>x</b>" not in page.text, page.url
        assert page.headers["Content-Security-Policy"].startswith("default-src 'self'; script-src 'self';")
    assert html.escape(MARKUP["th"]).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in teachers.text
    assert "&lt;img src=x onerror=" in overview.text


def test_s19_on_a_shared_computer_the_old_page_of_another_person_stores_nothing(learner, another, house):
    old_page = learner.begin()
    learner.browser.sign_in(another.official.id)
    learner.browser.open_activity("11")

    refused = post(learner, old_page, answer_fields(old_page))

    assert (refused.status_code, error_code(refused)) == (409, "other_person")
    assert "เป็นของผู้ใช้อีกคนหนึ่ง" in visible(refused)
    assert "ไม่มีการบันทึกสิ่งใด" in visible(refused)
    assert responses_of(house, attempts_of(house, learner.official.id)[0].uuid) == []
    assert attempts_of(house, another.official.id) == []
