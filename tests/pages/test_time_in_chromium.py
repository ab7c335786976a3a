"""The clock of a sitting in a real browser: extra time reaches an open page, a pause works by keyboard, the class refreshes itself."""

import threading
from dataclasses import replace

import pytest
from flask import jsonify, redirect, request
from playwright.sync_api import expect
from werkzeug.serving import make_server

from lti_tool.workflows.roster import Counts
from tests.pages import states

pytestmark = pytest.mark.browser

ATTEMPT = f"/learn/{states.LAUNCH}/attempts/{states.ATTEMPT}"
NOW = f"/teach/{states.LAUNCH}/activities/{states.FORM}/now"


class Server:
    """The pages, with a clock that shows what the test wants."""

    def __init__(self) -> None:
        self.be_as_new()

    def be_as_new(self) -> None:
        self.told = {"state": "running", "seconds_left": 1384, "item_seconds_left": None, "pause_seconds_left": None, "is_elsewhere": False}
        self.is_away = False
        self.asked = 0
        self.posted: list[str] = []
        self.under_way = states.under_way(6)

    def take(self):
        if request.path == f"{ATTEMPT}/clock":
            self.asked += 1
            return ("", 503) if self.is_away else jsonify(self.told | {"ask_again_seconds": 4})
        if request.method == "POST" and request.path.startswith(ATTEMPT):
            self.posted.append(request.path.rsplit("/", 1)[1])
            return redirect(states.address(states.STATES["paused" if self.posted[-1] == "pause" else "item-timed"], "th"), 303)
        if request.path == NOW:
            values = states.class_values(6) | {"under_way": self.under_way, "total": Counts(7, 1, 2, 4)}
            return states.show(replace(states.STATES["class-mixed"], template="teacher/live.html", values=lambda: values), "th")
        return None


@pytest.fixture(scope="module")
def kept_server(installation):
    app = states.create_pages_app(installation)
    made = Server()
    app.before_request_funcs[None].insert(0, made.take)
    app.after_request(lambda response: response.headers.update({"X-Kaona": "1"}) or response)
    http = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{http.server_port}"
    yield made
    http.shutdown()
    thread.join()


@pytest.fixture
def server(kept_server):
    kept_server.be_as_new()
    return kept_server


@pytest.fixture
def page(chromium):
    """With a clock that the test moves."""
    with chromium.new_context(viewport={"width": 360, "height": 640}) as context:
        page = context.new_page()
        page.clock.install()
        yield page


def go(page, server, state):
    page.goto(server.url + states.address(states.STATES[state], "th"))


def test_extra_time_reaches_an_open_page_within_five_seconds_and_is_told_once(page, server):
    go(page, server, "item-single_choice")
    expect(page.locator("[data-clock]")).to_have_text("เหลือ 24 นาที")
    server.told["seconds_left"] = 1384 + 900

    with page.expect_response("**/clock"):
        page.clock.run_for(5000)

    expect(page.locator("[data-clock]")).to_have_text("เหลือ 39 นาที")
    expect(page.locator("[data-clock-warning]")).to_have_text("ท่านได้รับเวลาเพิ่ม ขณะนี้เหลือ 39 นาที")
    expect(page.locator("[data-clock-news]")).to_be_visible()
    page.evaluate("document.querySelector('[data-clock-warning]').textContent = ''")
    server.told["seconds_left"] -= 4
    with page.expect_response("**/clock"):
        page.clock.run_for(4000)
    expect(page.locator("[data-clock-warning]")).to_have_text("")


def test_time_taken_away_is_told_too(page, server):
    go(page, server, "item-single_choice")
    server.told["seconds_left"] = 300

    with page.expect_response("**/clock"):
        page.clock.run_for(5000)

    expect(page.locator("[data-clock-news]")).to_have_text("เวลาของท่านมีการเปลี่ยนแปลง ขณะนี้เหลือ 5 นาที")


def test_the_warnings_come_again_after_extra_time(page, server):
    server.is_away = True
    go(page, server, "item-single_choice")
    page.clock.run_for(14 * 60_000)
    expect(page.locator("[data-clock-warning]")).to_have_text("เหลือเวลา 10 นาที")
    server.is_away, server.told["seconds_left"] = False, 660
    heard = []
    page.on("response", lambda response: heard.append(response) if response.ok and response.url.endswith("/clock") else None)
    for _ in range(60):  # an asking that was under way when the server came back is over first
        if heard:
            break
        page.clock.run_for(2_000)
        page.wait_for_timeout(50)
    assert heard
    expect(page.locator("[data-clock]")).to_have_text("เหลือ 11 นาที")
    server.is_away = True

    page.clock.run_for(62_000)
    expect(page.locator("[data-clock-warning]")).to_have_text("เหลือเวลา 10 นาที")
    page.clock.run_for(300_000)
    expect(page.locator("[data-clock-warning]")).to_have_text("เหลือเวลา 5 นาที")


def test_a_clock_that_cannot_be_asked_counts_on_and_is_asked_less_often(page, server):
    server.is_away = True
    go(page, server, "item-single_choice")

    page.clock.run_for(124_000)

    expect(page.locator("[data-clock]")).to_have_text("เหลือ 21 นาที")
    assert 1 <= server.asked <= 6


def test_a_page_that_another_device_locked_says_so(page, server):
    go(page, server, "item-single_choice")
    page.evaluate("document.addEventListener('kaona:moved', () => { window.hasMoved = true; })")
    server.told["is_elsewhere"] = True

    with page.expect_response("**/clock"):
        page.clock.run_for(5000)

    page.wait_for_function("window.hasMoved === true")


def test_the_time_of_an_item_is_counted_and_its_end_is_told_to_the_page(page, server):
    server.is_away = True
    go(page, server, "item-timed")
    page.evaluate("document.addEventListener('kaona:time-over', (event) => { window.over = event.detail.of; })")
    expect(page.locator("[data-item-clock]")).to_have_text("ข้อนี้เหลือ 45 วินาที")

    page.clock.run_for(35_000)
    expect(page.locator("[data-clock-warning]")).to_have_text("ข้อนี้เหลือเวลา 10 วินาที")
    page.clock.run_for(10_000)

    expect(page.locator("[data-item-clock]")).to_have_text("หมดเวลาสำหรับข้อนี้แล้ว")
    page.wait_for_function("window.over === 'item'")


def test_minutes_that_were_added_let_the_time_of_the_item_fall_away(page, server):
    go(page, server, "item-timed")

    with page.expect_response("**/clock"):
        page.clock.run_for(5000)

    expect(page.locator("[data-item-clock]")).to_have_count(0)


def test_a_pause_is_asked_for_in_a_dialog_of_ours_begun_and_ended_by_keyboard(page, server):
    server.told["item_seconds_left"] = 45
    go(page, server, "item-timed")
    button = page.get_by_role("button", name="พัก", exact=True)

    button.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("เวลาจะหยุดเดินไม่เกิน 10 นาที")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="หยุดพักเดี๋ยวนี้").focus()
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="ท่านหยุดพักการทำแบบประเมินอยู่")).to_be_visible()
    expect(page.locator("[data-stem]")).to_have_count(0)
    page.get_by_role("button", name="ทำต่อเดี๋ยวนี้").focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-stem]")).to_be_visible()
    assert server.posted == ["pause", "resume"]


def test_a_pause_is_begun_and_ended_without_script(chromium, server):
    with chromium.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        go(page, server, "item-timed")

        page.get_by_role("button", name="พัก", exact=True).click()
        page.get_by_role("button", name="ทำต่อเดี๋ยวนี้").click()

        expect(page.locator("[data-stem]")).to_be_visible()
    assert server.posted == ["pause", "resume"]


def test_a_pause_that_ended_by_itself_shows_the_item_again(page, server):
    server.told |= {"state": "paused", "pause_seconds_left": 480}
    go(page, server, "paused")
    expect(page.locator("[data-clock]")).to_have_text("การหยุดพักจะสิ้นสุดในอีก 8 นาที")
    server.told |= {"state": "running", "pause_seconds_left": None}

    with page.expect_navigation():
        page.clock.run_for(5000)


def test_the_class_refreshes_itself_and_the_focus_stays_where_it_is(page, server):
    go(page, server, "class-mixed")
    row = page.locator("[data-live] tbody tr").nth(3)
    person = row.get_attribute("id")
    row.get_by_role("link").focus()
    shown = server.under_way.shown
    moved = (replace(shown[3], n_items=99), *shown[:3], *shown[4:5])
    server.under_way = replace(server.under_way, shown=moved)

    with page.expect_response("**/now"):
        page.clock.run_for(11_000)

    first = page.locator("[data-live] tbody tr").first
    expect(first).to_have_attribute("id", person)
    expect(first).to_contain_text("99")
    expect(first.get_by_role("link")).to_be_focused()
    expect(page.locator("[data-live] tbody tr")).to_have_count(5)
    expect(page.locator(".counts .figure-number")).to_have_text(["7", "1", "2", "4"])


def test_a_class_that_cannot_be_read_again_stays_as_it_is(page, server):
    go(page, server, "class-mixed")
    page.route("**/now", lambda route: route.fulfill(status=200, content_type="text/html", body="<title>Wi-Fi</title>"))

    with page.expect_response("**/now"):
        page.clock.run_for(11_000)

    expect(page.locator("[data-live] tbody tr")).to_have_count(6)
