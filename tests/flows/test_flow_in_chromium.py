"""The walks in a real Chromium with its default blocking: the LMS is one site, the tool in its frame another."""

import html
import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask import request as flask_request
from playwright.sync_api import expect

from lti_tool.dev.lms import serve
from lti_tool.dev.respondent import right_answer
from tests.flows.clicks import Visitor, choose, item_of, send, sit_to_the_end, stem
from tests.flows.house import ASSESSMENT, EXECUTIVE, OVERVIEW, PATH, ROADMAP, TEACHER
from tests.flows.stored import attempts_of, responses_of, scores_of
from tests.flows.walker import Learner

pytestmark = pytest.mark.browser

SEND_ANYWAY = "button => button.form.requestSubmit(button)"
"""Sends from a page that may have heard meanwhile that it is locked, and has hidden its button."""

KINDS = {"single_choice", "multiple_choice", "true_false", "ordering", "matching", "numeric", "short_text"}


@pytest.fixture
def house(sqlite_house):
    return sqlite_house


@pytest.fixture
def visit(chromium, house) -> Iterator:
    """Makes people at browsers of their own; closes them with the test."""
    visitors = []

    def make(person, platform=None):
        visitor = Visitor(chromium, house, person, platform)
        visitors.append(visitor)
        visitor.sign_in()
        return visitor

    yield make
    for visitor in visitors:
        visitor.close()


@pytest.fixture
def official(house):
    return next(house.far.newcomers)


def test_a_learner_sits_the_whole_assessment_in_the_frame_and_the_score_stands_in_the_gradebook(visit, official, house):
    visitor = visit(official)
    frame = visitor.open()
    expect(frame.locator("html")).to_have_attribute("lang", "th")
    frame.get_by_role("button", name="เริ่มทำแบบประเมิน").click()
    frame.locator("form[data-answer]").wait_for()

    kinds = sit_to_the_end(visitor, frame)
    (attempt,) = attempts_of(house, official.id)
    house.work()
    visitor.page.goto(f"{house.far.url}/courses/1/grades")

    assert house.form.min_items <= len(kinds) == len(responses_of(house, attempt.uuid)) <= house.form.max_items
    (score,) = scores_of(house, official.id)
    expect(visitor.page.locator("[data-grade]")).to_have_attribute("data-grade", str(score.given))
    assert visitor.complaints == []


def test_the_result_the_roadmap_and_the_path_are_read_in_the_frame_in_thai_and_in_english(visit, official, house):
    sit_over_http(house, official)
    visitor = visit(official)
    frame = visitor.open()
    frame.get_by_role("link", name="ดูผลของฉัน").click()

    expect(frame.locator("#levels")).to_be_visible()
    expect(frame.locator("#picture")).to_be_visible()
    assert frame.locator("main svg").count() >= 1
    assert frame.locator("main table tbody tr").count() >= 3
    expect(frame.locator("ol.steps > li").first).to_be_visible()
    frame.get_by_role("button", name="English").click()
    expect(frame.locator("html")).to_have_attribute("lang", "en")
    expect(frame.get_by_role("heading", name="Your level in each area")).to_be_visible()
    frame.get_by_role("link", name="My roadmap").first.click()
    expect(frame.get_by_role("heading", name="The evidence behind it")).to_be_visible()
    frame.get_by_role("link", name="My learning path").first.click()
    expect(frame.get_by_role("heading", name="The steps, in order")).to_be_visible()
    assert frame.locator("ol.steps > li").count() >= 1
    assert visitor.complaints == []


def test_every_kind_of_item_is_answered_by_clicking_and_stored_as_right(visit, official, house):
    walker = Learner(house, official)
    visitor = visit(official)
    met: set[str] = set()

    for _ in range(12):
        walker.begin()
        while not walker.page.url.endswith("/result"):
            if walker.item.kind in met:
                walker.answer()
                continue
            frame = visitor.begin()
            item = item_of(frame)
            choose(frame, item, right_answer(item))
            send(frame)
            attempt = attempts_of(house, official.id)[-1]
            assert responses_of(house, attempt.uuid)[-1].score == 1, item
            met.add(item.kind)
            walker.browser.close()
            walker = Learner(house, official)
            walker.begin()
        if met == KINDS:
            break

    assert met == KINDS
    assert visitor.complaints == []


def test_reload_second_tab_and_second_browser_resume_and_the_older_device_is_told(visit, official, house):
    first = visit(official)
    frame = first.begin()
    for _ in range(2):
        item = item_of(frame)
        choose(frame, item, first.respondent.answer(item))
        send(frame)
    here = stem(frame)

    first.page.reload()
    frame.locator("form[action$='/start'] button, a.button[href*='/attempts/']").first.click()
    assert stem(frame) == here
    tab = first.context.new_page()
    in_tab = first.begin(page=tab)
    assert stem(in_tab) == here
    item = item_of(frame)
    choose(frame, item, first.respondent.answer(item))
    frame.locator("[data-send]").evaluate(SEND_ANYWAY)
    expect(frame.get_by_role("alert")).to_contain_text("อุปกรณ์หรือแท็บอื่น")
    phone = visit(official)
    on_phone = phone.begin()
    assert stem(on_phone) == here

    item = item_of(in_tab)
    choose(in_tab, item, first.respondent.answer(item))
    in_tab.locator("[data-send]").evaluate(SEND_ANYWAY)

    expect(in_tab.get_by_role("alert")).to_contain_text("อุปกรณ์อื่น")
    (attempt,) = attempts_of(house, official.id)
    assert len(responses_of(house, attempt.uuid)) == 2
    choose(on_phone, item_of(on_phone), phone.respondent.answer(item_of(on_phone)))
    send(on_phone)
    assert len(responses_of(house, attempt.uuid)) == 3


def test_r7_an_answer_given_offline_stays_on_the_page_with_words_and_is_stored_once_when_the_line_is_back(visit, official, house):
    visitor = visit(official)
    frame = visitor.begin()
    item = item_of(frame)
    choose(frame, item, right_answer(item))
    visitor.context.set_offline(True)

    frame.locator("[data-send]").click()
    expect(frame.locator("[data-savestate]")).to_contain_text("ยังไม่ได้บันทึก")
    expect(frame.locator("[data-send-again]")).to_be_visible()
    frame.locator("[data-send-again]").click()
    expect(frame.locator("[data-savestate]")).to_contain_text("ยังไม่ได้บันทึก")
    (attempt,) = attempts_of(house, official.id)
    assert responses_of(house, attempt.uuid) == []
    assert item_of(frame) == item
    visitor.context.set_offline(False)

    expect(frame.locator("[data-savestate]")).to_contain_text("บันทึกคำตอบล่าสุดแล้ว")
    assert [one.score for one in responses_of(house, attempt.uuid)] == [1]


def test_s19_after_somebody_else_signed_in_on_the_same_computer_the_old_page_stores_nothing(visit, official, house):
    other = next(house.far.newcomers)
    visitor = visit(official)
    old = visitor.begin()
    item = item_of(old)
    choose(old, item, right_answer(item))
    tab = visitor.context.new_page()
    tab.goto(house.far.url)
    tab.locator("header form[action='/sign-out'] button").click()
    form = tab.locator("form.pick").filter(has=tab.locator(f'option[value="{other.id}"]'))
    form.locator("select").select_option(other.id)
    form.get_by_role("button").click()
    tab.wait_for_url("**/courses/1")
    visitor.open(page=tab)

    old.locator("[data-send]").click()

    expect(old.get_by_role("alert")).to_contain_text("เป็นของผู้ใช้อีกคนหนึ่ง")
    (attempt,) = attempts_of(house, official.id)
    assert responses_of(house, attempt.uuid) == []
    assert attempts_of(house, other.id) == []


def test_r8_with_the_cookie_gone_the_answer_stays_and_a_new_launch_goes_on_at_the_same_item(visit, official, house):
    visitor = visit(official)
    frame = visitor.begin()
    item = item_of(frame)
    choose(frame, item, right_answer(item))
    visitor.context.clear_cookies(name=re.compile("kaona"))

    frame.locator("[data-send]").click()

    expect(frame.get_by_role("alert")).to_contain_text("การเข้าใช้ของท่านสิ้นสุดแล้ว")
    assert item_of(frame) == item
    again = visitor.begin()
    assert item_of(again) == item
    choose(again, item, right_answer(item))
    send(again)
    (attempt,) = attempts_of(house, official.id)
    assert [one.score for one in responses_of(house, attempt.uuid)] == [1]


@pytest.fixture
def stranger(request):
    """A page of an origin that nobody registered, on one of the hosts of loopback; it frames what its address names."""
    app = Flask("stranger")
    app.add_url_rule("/", view_func=lambda: f"<iframe id=tool src='{html.escape(flask_request.args['frame'])}'></iframe>")
    server = serve(app)
    yield f"http://{request.param}:{server.port}"
    server.close()


@pytest.mark.parametrize("stranger", ["localhost", "127.0.0.1"], ids=["site-of-the-lms", "site-of-the-tool"], indirect=True)
def test_h27_a_page_of_an_unregistered_origin_that_frames_the_tool_shows_nothing(stranger, visit, official, house):
    visitor = visit(official)
    visitor.open(ROADMAP)
    inside = next(frame.url for frame in visitor.page.frames if frame.url.endswith("/roadmap"))
    page = visitor.context.new_page()

    with page.expect_event("requestfailed") as failed:
        page.goto(f"{stranger}/?frame={inside}")

    assert (failed.value.url, failed.value.failure) == (inside, "net::ERR_BLOCKED_BY_RESPONSE")
    framed = page.locator("#tool").element_handle().content_frame()
    assert framed.url.startswith("chrome-error://")
    assert framed.locator("header.masthead").count() == 0


def test_the_cookies_that_the_frame_uses_are_partitioned_and_out_of_reach_of_scripts(visit, official, house):
    visitor = visit(official)
    frame = visitor.begin()

    cookies = [one for one in visitor.context.cookies() if one["name"].startswith("__Host-kaona")]

    assert {one["name"] for one in cookies} == {"__Host-kaona-login", "__Host-kaona-session"}
    for one in cookies:
        assert (one["secure"], one["httpOnly"], one["sameSite"], one["path"]) == (True, True, "None", "/")
        assert one.get("partitionKey", "").startswith("http://localhost")
    assert frame.locator("body").evaluate("() => document.cookie") == ""


def test_a_tool_of_the_same_site_as_its_lms_works_too_and_names_with_markup_run_nothing(visit, house):
    learner = visit(next(house.near.newcomers), house.near)
    frame = learner.begin()
    item = item_of(frame)
    choose(frame, item, right_answer(item))
    send(frame)
    teacher = visit(TEACHER, house.near)
    page = teacher.open()

    expect(page.locator("section[aria-labelledby=people] tbody th").first).to_contain_text("<img src=x onerror=")
    for visitor in (learner, teacher):
        assert [frame.evaluate("() => typeof hacked") for frame in visitor.page.frames] == ["undefined"] * len(visitor.page.frames)
        assert visitor.complaints == []


def test_a_learner_opens_roadmap_and_path_from_the_course(visit, official, house):
    sit_over_http(house, official)
    visitor = visit(official)

    roadmap = visitor.open(ROADMAP)
    expect(roadmap.get_by_role("heading", name="แผนที่พัฒนาทักษะของฉัน").first).to_be_visible()
    path = visitor.open(PATH)
    expect(path.locator("ol.steps > li").first).to_be_visible()
    begin = path.locator("form[action*='/path/steps/'] button").first
    begin.click()

    expect(path.locator(".tag").first).to_have_text("กำลังทำ")


def test_a_teacher_and_an_executive_see_their_pages_in_the_frame(visit, house):
    teacher = visit(TEACHER).open(ASSESSMENT)
    assert teacher.locator("tbody tr").count() >= 6
    executive = visit(EXECUTIVE).open(OVERVIEW)

    expect(executive.locator(".masked").first).to_have_text(re.compile("ปกปิด"))
    assert executive.locator("svg").count() >= 3


def sit_over_http(house, official):
    """The sitting that comes before the pages that a test looks at."""
    learner = Learner(house, official)
    learner.sit()
    learner.browser.close()
