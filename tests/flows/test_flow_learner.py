"""A learner from the course page to the gradebook, the roadmap and the path, over HTTP, on both databases."""

import html
import re
from urllib.parse import urlsplit

import requests

from lti_tool.dev.lms.client import forms_of
from tests.flows.stored import responses_of, scores_of, statements_of, verbs_of
from tests.flows.walker import Learner, error_code, place_of, position, visible


def test_a_launch_leads_to_a_thai_page_that_the_lms_alone_may_frame(learner, house):
    page = learner.launch()

    assert page.status_code == 200
    assert urlsplit(page.url).path == f"/learn/{learner.launch_uuid}/assessment/{house.form.uuid}"
    assert '<html lang="th">' in page.text
    assert house.form.title["th"] in html.unescape(page.text)
    assert f"frame-ancestors 'self' {house.far.url}" in page.headers["Content-Security-Policy"]
    assert page.headers["Cache-Control"] == "no-store"


def test_a_sitting_becomes_answers_statements_a_result_and_a_score_in_the_gradebook(learner, house):
    result = learner.sit()
    answers = responses_of(house, learner.attempt_uuid)
    house.work()

    assert house.form.min_items <= len(answers) <= house.form.max_items
    verbs = verbs_of(house, learner.attempt_uuid)
    assert verbs[0] == "initialized"
    assert verbs.count("answered") == len(answers)
    assert verbs.count("completed") == 1
    assert sum(verbs.count(verb) for verb in ("passed", "failed", "scored")) == 3
    assert result.text.count("±") >= 4
    (score,) = scores_of(house, learner.official.id)
    assert (score.state, score.maximum) == ("sent", 100)
    assert house.far.grade_of(learner.official.id) == score.given
    assert [one.status for one in house.far.received_of(learner.official.id)] == [200]
    assert "ส่งคะแนนของท่านไปยังรายวิชาแล้ว" in visible(learner.browser.get(result.url))


def test_no_statement_of_ours_names_a_person(learner, house):
    learner.sit()

    told = repr(statements_of(house, learner.attempt_uuid))

    assert learner.official.name["th"] not in told
    assert learner.official.id not in told


def test_a_reload_and_a_second_tab_resume_at_the_same_item_and_the_older_tab_is_refused(learner, house):
    learner.begin()
    for _ in range(3):
        learner.answer()
    old_tab, stem = learner.page, learner.item.stem["th"]

    learner.go_on()
    assert learner.item.stem["th"] == stem
    new_tab = learner.begin()
    assert learner.item.stem["th"] == stem
    assert position(new_tab) == position(old_tab) == 4
    refused = learner.answer(page=old_tab)

    assert (refused.status_code, error_code(refused)) == (409, "attempt_moved")
    assert "อุปกรณ์หรือแท็บอื่น" in visible(refused)
    assert "ทำต่อบนอุปกรณ์นี้" in visible(refused)
    assert len(responses_of(house, learner.attempt_uuid)) == 3


def test_a_second_browser_resumes_and_the_first_one_is_told_so(learner, house):
    learner.begin()
    learner.answer()
    old, stem = learner.page, learner.item.stem["th"]
    phone = Learner(house, learner.official)

    there = phone.begin()
    assert phone.item.stem["th"] == stem
    assert "ทำแบบประเมินต่อ" in visible(there)
    refused = learner.answer(page=old)

    assert (refused.status_code, error_code(refused)) == (401, "session_missing")
    assert "อุปกรณ์อื่น" in visible(refused)
    assert len(responses_of(house, phone.attempt_uuid)) == 1
    assert phone.answer().status_code == 200
    phone.browser.close()


def test_the_result_gives_levels_in_words_errors_a_radar_with_its_table_and_next_steps(learner):
    page = learner.sit()
    text = visible(page)

    words = re.findall(r"ยังไม่ถึงเกณฑ์|รู้จัก|ใช้งานได้|ชำนาญ", text)
    assert len(words) >= 3
    assert len(re.findall(r"±\s?\d\.\d\d", text)) >= 4
    assert page.text.count("<svg") >= 2
    assert page.text.count("<table") >= 2
    assert 1 <= page.text.count('class="card step"') <= 3
    assert "ข้อเสนอชั่วคราว" in text


def test_the_language_switch_changes_every_later_page_to_english_and_back(learner):
    learner.sit()

    english = learner.submit("/language")
    assert '<html lang="en">' in english.text
    assert "Your level in each area" in english.text
    assert '<html lang="en">' in learner.open("roadmap").text
    thai = learner.browser.submit_form(english, form=place_of(english, "/language"))

    assert '<html lang="th">' in thai.text
    assert urlsplit(thai.url).path == urlsplit(english.url).path


def test_after_the_result_the_roadmap_shows_levels_with_evidence_and_the_path_gives_each_step_a_reason(learner):
    learner.launch()
    before = visible(learner.open("roadmap"))
    assert "หลักฐานประกอบ" not in before
    learner.sit()

    roadmap, path = learner.open("roadmap"), learner.open("path")

    assert "หลักฐานประกอบ" in visible(roadmap)
    assert roadmap.text.count(f"/attempts/{learner.attempt_uuid}/result") == 3
    n_steps = path.text.count('class="card step')
    assert n_steps >= 1
    assert len(re.findall(r"เหตุผลของขั้นนี้:</strong> \S", path.text)) == n_steps


def test_a_step_of_the_path_is_marked_by_its_button_and_stays_so(learner):
    learner.sit()
    path = learner.open("path")

    assert "กำลังทำ" not in visible(path)
    step = next(place for place, form in enumerate(forms_of(path)) if "/path/steps/" in form.action)
    learner.browser.submit_form(path, form=step)

    assert visible(learner.open("path")).count("กำลังทำ") == 1


def test_an_open_attempt_goes_on_from_the_first_page(learner):
    learner.begin()
    learner.answer()
    stem = learner.item.stem["th"]

    intro = learner.launch()

    assert intro.status_code == requests.codes.ok
    assert "/start" not in intro.text
    learner.begin()
    assert learner.item.stem["th"] == stem
