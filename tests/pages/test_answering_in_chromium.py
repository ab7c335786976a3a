"""Answering in a real browser: by keyboard, without script, without the line or the server for a while, and against the clock."""

import json
import re
import threading
from dataclasses import replace

import pytest
from flask import redirect, request
from playwright.sync_api import expect
from werkzeug.serving import make_server

from assessment.errors import AlreadyAnswered, AttemptClosed
from kernel.errors import KaonaError
from lti_tool.lti.errors import OtherPerson, SessionMissing
from lti_tool.web.csrf import ForeignRequest
from tests.pages import states

pytestmark = pytest.mark.browser

RESPONSES = f"{states.ITEM}/responses"
END = f"{states.ITEM}/end"
NEXT_ITEM = "/next-item"
WAYS_ON = {303: NEXT_ITEM, 302: states.address(states.STATES["result-firm-sent"], "th")}
"""Where a stored answer leads: on, or to the end."""


OUTLINE = """(() => {
  const shown = document.activeElement.closest('.choice') ?? document.activeElement;
  const style = getComputedStyle(shown);
  return [style.outlineStyle, parseFloat(style.outlineWidth)];
})()"""


class Server:
    """The pages, with a place for answers that answers as the test wants: a status, or the refusal that a page tells."""

    def __init__(self) -> None:
        self.be_as_new()

    def be_as_new(self) -> None:
        self.received: list[dict[str, list[str]]] = []
        self.replies: list[int | KaonaError] = []
        self.token = "token"
        self.present = "item-true_false"
        self.may_return = False

    @property
    def answered(self) -> list[str]:
        """The items that answers came for, in order."""
        return [one["presentation"][0] for one in self.received]

    def take(self):
        if request.path.endswith("/clock"):
            return "", 503
        if request.path == NEXT_ITEM or (request.path == states.ITEM and request.method == "GET" and "state" not in request.args):
            return states.show(replace(states.STATES[self.present], name="next"), "th")
        if request.method != "POST" or request.path not in {RESPONSES, END}:
            return None
        self.received.append(request.form.to_dict(flat=False))
        reply = self.replies.pop(0) if self.replies else 302 if request.path == END else 303
        if isinstance(reply, KaonaError):
            return states.show(states.State("told", states.ITEM, "errors/page.html", lambda: states.error(reply, 409), status=409), "th")
        if reply in WAYS_ON:
            place = self._place_after(request.form["presentation"]) if reply == 303 else None
            return redirect(WAYS_ON[reply], 303) if place is None else self._sheet(place)
        return states.show(states.STATES[{200: "front", 409: "error-moved", 422: "item-refused-number"}.get(reply, "error-away")], "th")

    def _place_after(self, presentation: str) -> int | None:
        """Position of the sheet that follows an item of the linear test."""
        go = request.form.get("go", "")
        sheets = {str(sheet.item.presentation_uuid): sheet.position for sheet in states.SHEETS}
        first = {str(states.item("single_choice").presentation_uuid): 7} if self.present.startswith(("item-linear", "item-review")) else {}
        place = {**sheets, **first}.get(presentation)
        return None if place is None else int(go) if go else place + 1

    def _sheet(self, place: int):
        if place == 0:
            return states.show(replace(states.STATES["item-summary"], name="next"), "th")
        number = place - states.SHEETS[0].position
        shown = {"position": place, "item": states.SHEETS[number].item} if number >= 0 else {}
        values = {**shown, "ahead": states.SHEETS[number + 1 : number + 6], "may_return": self.may_return}
        return states.show(states.State("next", states.ITEM, "learner/item.html", lambda: states.linear(**values)), "th")


@pytest.fixture(scope="module")
def kept_server(installation):
    """One for all tests of this module, so that the browser fetches scripts and fonts once."""
    app = states.create_pages_app(installation)
    made = Server()
    app.before_request_funcs[None].insert(0, made.take)
    app.jinja_env.globals["csrf_token"] = lambda: made.token
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


@pytest.fixture(scope="module")
def kept_context(chromium):
    """One for most tests, so that scripts and fonts are fetched once."""
    with chromium.new_context(viewport={"width": 360, "height": 640}) as context:
        yield context


@pytest.fixture
def page(kept_context):
    page = kept_context.new_page()
    yield page
    page.close()


@pytest.fixture
def scriptless_page(chromium):
    """Without script a page never says that it is closed, so its context is."""
    with chromium.new_context(java_script_enabled=False) as context:
        yield context.new_page()


@pytest.fixture
def lone_page(chromium):
    """A page in a browser of its own, whose clock or line a test changes."""
    with chromium.new_context(viewport={"width": 360, "height": 640}) as context:
        yield context.new_page()


def item_url(server, kind, language="th"):
    return server.url + states.address(states.STATES[kind], language)


def focused(page):
    return page.evaluate("document.activeElement.getAttribute('name') ?? document.activeElement.textContent.trim()")


def test_an_item_is_answered_by_keyboard_alone_and_the_focus_goes_to_the_next_stem(page, server):
    page.goto(item_url(server, "item-single_choice"))

    walked = []
    for _ in range(12):
        page.keyboard.press("Tab")
        walked.append(focused(page))
        if walked[-1] == "value":
            break
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    walked.append(focused(page))
    page.keyboard.press("Enter")

    expect(page.locator("[data-stem]")).to_contain_text("หน่วยงานของรัฐ")
    assert walked == ["ข้ามไปยังเนื้อหา", "กลับไปรายวิชา", "language", "ซ่อน", "value", "บันทึกและไปต่อ"]
    assert server.received[0]["value"] == ["b"]
    assert page.evaluate("document.activeElement.hasAttribute('data-stem')")
    assert int(server.received[0]["active_ms"][0]) > 0


def test_the_focus_is_visible_on_every_stop_of_the_walk(page, server):
    page.goto(item_url(server, "item-multiple_choice"))

    for _ in range(9):
        page.keyboard.press("Tab")
        outline = page.evaluate(OUTLINE)
        assert outline == ["solid", 3], focused(page)


def test_an_answer_that_cannot_be_saved_stays_and_is_sent_again_with_the_same_name(page, server):
    server.replies = [503, 503]
    page.goto(item_url(server, "item-short_text"))

    page.fill("input[name=value]", "สองปัจจัย")
    page.click("[data-send]")
    expect(page.locator("[data-savestate]")).to_contain_text("ยังไม่ได้บันทึก 1 คำตอบ ตั้งแต่เวลา 09.30 น. คำตอบยังอยู่บนหน้านี้")
    assert page.input_value("input[name=value]") == "สองปัจจัย"
    expect(page.locator("[data-stem]")).to_contain_text("หน่วยงานของรัฐ", timeout=20_000)

    assert len(server.received) == 3
    assert len({answer["client_id"][0] for answer in server.received}) == 1
    assert {answer["value"][0] for answer in server.received} == {"สองปัจจัย"}
    expect(page.locator("[data-savestate]")).to_contain_text("บันทึกคำตอบล่าสุดแล้วเมื่อ 09.29 น.")


def test_a_lost_connection_is_told_and_the_answer_goes_as_soon_as_it_is_back(lone_page, server):
    lone_page.goto(item_url(server, "item-true_false"))
    lone_page.context.set_offline(True)

    lone_page.check("input[value=true]")
    lone_page.click("[data-send]")
    expect(lone_page.locator("[data-send-again]")).to_be_visible()
    assert server.received == []
    lone_page.context.set_offline(False)

    expect(lone_page.locator("[data-stem]")).to_be_focused(timeout=10_000)
    assert server.received[0]["value"] == ["true"]


def test_an_answer_that_a_captive_portal_took_is_kept_and_stored_once_when_the_way_is_free(page, server):
    portal = []

    def first_the_portal(route):
        if portal:
            route.continue_()
        else:
            portal.append(route.request.post_data)
            route.fulfill(status=200, content_type="text/html", body="<html><title>Wi-Fi</title><main>Please sign in</main></html>")

    page.route(f"**{RESPONSES}", first_the_portal)
    page.goto(item_url(server, "item-short_text"))

    page.fill("input[name=value]", "สองปัจจัย")
    page.click("[data-send]")
    expect(page.locator("[data-savestate]")).to_contain_text("ยังไม่ได้บันทึก 1 คำตอบ ตั้งแต่เวลา 09.30 น. คำตอบยังอยู่บนหน้านี้")
    assert page.input_value("input[name=value]") == "สองปัจจัย"
    expect(page.locator("[data-stem]")).to_contain_text("หน่วยงานของรัฐ", timeout=10_000)

    assert len(portal) == 1
    assert [answer["value"] for answer in server.received] == [["สองปัจจัย"]]


def test_a_page_of_ours_that_is_neither_an_item_nor_below_learn_is_no_receipt(page, server):
    server.replies = [200]
    page.goto(item_url(server, "item-numeric"))

    page.fill("input[name=value]", "42")
    page.click("[data-send]")

    expect(page.locator("[data-send-again]")).to_be_visible()
    assert page.input_value("input[name=value]") == "42"


def test_the_end_of_the_assessment_leads_to_the_result(page, server):
    server.replies = [302]
    page.goto(item_url(server, "item-numeric"))

    page.fill("input[name=value]", "42")
    page.click("[data-send]")

    page.wait_for_url("**/result?**")


def test_send_again_now_does_not_wait_for_the_pause_to_end(lone_page, server):
    lone_page.clock.install()
    server.replies = [503]
    lone_page.goto(item_url(server, "item-numeric"))

    lone_page.fill("input[name=value]", "42")
    lone_page.click("[data-send]")
    lone_page.get_by_role("button", name="ส่งใหม่ทันที").click()

    expect(lone_page.locator("[data-stem]")).to_contain_text("หน่วยงานของรัฐ")
    assert len(server.received) == 2


def test_a_refused_answer_is_still_on_the_page_with_the_reason_and_the_way_on(page, server):
    server.replies = [409]
    page.goto(item_url(server, "item-numeric"))

    page.fill("input[name=value]", "๔๒")
    page.click("[data-send]")

    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("คำตอบนี้ไม่ได้รับการบันทึก")
    expect(alert).to_contain_text("อุปกรณ์หรือแท็บอื่น")
    expect(alert.get_by_role("link", name="ทำต่อบนอุปกรณ์นี้")).to_be_visible()
    assert page.input_value("input[name=value]") == "๔๒"
    assert not page.locator("[data-send]").is_visible()


def test_checkboxes_need_one_choice_before_anything_is_sent(page, server):
    page.goto(item_url(server, "item-multiple_choice"))

    page.click("[data-send]")

    expect(page.locator("[data-savestate]")).to_have_text("โปรดตอบข้อนี้ก่อน")
    assert server.received == []


def test_lines_are_put_in_order_by_buttons_and_the_news_is_told(page, server):
    page.goto(item_url(server, "item-ordering"))

    page.get_by_role("button", name="เลื่อนขึ้น: สำรวจความต้องการของผู้ใช้").focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-ordering-news]")).to_have_text("สำรวจความต้องการของผู้ใช้ อยู่ลำดับที่ 1 จาก 4")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "เลื่อนขึ้น: สำรวจความต้องการของผู้ใช้"
    page.click("[data-send]")

    expect(page.locator("[data-stem]")).to_contain_text("หน่วยงานของรัฐ")
    sent = {name: value for name, (value,) in server.received[0].items() if name.startswith("order-")}
    assert sent == {"order-a": "1", "order-c": "2", "order-d": "3", "order-b": "4"}


@pytest.mark.parametrize("kind", ["single_choice", "multiple_choice", "true_false", "ordering", "matching", "numeric", "short_text"])
def test_every_kind_is_answered_without_script(kind, scriptless_page, server):
    page = scriptless_page
    page.goto(item_url(server, f"item-{kind}", "en"))

    match kind:
        case "single_choice":
            page.check("input[value=b]")
        case "multiple_choice":
            page.check("input[value=a]")
            page.check("input[value=d]")
        case "true_false":
            page.check("input[value=false]")
        case "ordering":
            for name, place in {"a": "1", "b": "2", "c": "3", "d": "4"}.items():
                page.select_option(f"select[name=order-{name}]", place)
        case "matching":
            for name, target in {"s1": "t2", "s2": "t3", "s3": "t1"}.items():
                page.select_option(f"select[name=match-{name}]", target)
        case "numeric":
            page.fill("input[name=value]", "๔๒")
        case _:
            page.fill("input[name=value]", "2FA")
    page.get_by_role("button", name="Save and continue").click()

    expected = {
        "single_choice": {"value": ["b"]},
        "multiple_choice": {"value": ["a", "d"]},
        "true_false": {"value": ["false"]},
        "ordering": {"order-a": ["1"], "order-b": ["2"], "order-c": ["3"], "order-d": ["4"]},
        "matching": {"match-s1": ["t2"], "match-s2": ["t3"], "match-s3": ["t1"]},
        "numeric": {"value": ["๔๒"]},
        "short_text": {"value": ["2FA"]},
    }
    assert server.received[0].items() >= expected[kind].items()
    assert page.url.endswith(NEXT_ITEM)


def test_the_clock_counts_down_warns_and_can_be_hidden(lone_page, server):
    lone_page.clock.install()
    lone_page.goto(item_url(server, "item-single_choice"))
    clock = lone_page.locator("[data-clock]")

    expect(clock).to_have_text("เหลือ 24 นาที")
    for minutes, warning in [(14, "เหลือเวลา 10 นาที"), (5, "เหลือเวลา 5 นาที"), (4, "เหลือเวลา 1 นาที")]:
        lone_page.clock.run_for(minutes * 60_000)
        expect(lone_page.locator("[data-clock-warning]")).to_have_text(warning)
    lone_page.get_by_role("button", name="ซ่อน").click()
    expect(clock).to_be_hidden()
    lone_page.get_by_role("button", name="แสดงเวลา").click()
    expect(clock).to_be_visible()


def test_an_answer_chosen_but_not_sent_is_sent_when_the_time_is_over(lone_page, server):
    lone_page.clock.install()
    lone_page.goto(item_url(server, "item-last-minute"))

    lone_page.check("input[value=c]")
    lone_page.clock.run_for(56_000)

    expect(lone_page.locator("[data-stem]")).to_contain_text("หน่วยงานของรัฐ")
    assert server.received[0]["value"] == ["c"]


def test_leaving_asks_first_in_a_dialog_of_ours_and_gives_the_focus_back(page, server):
    page.goto(item_url(server, "item-single_choice"))
    link = page.get_by_role("link", name="กลับไปรายวิชา")

    link.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("เวลายังเดินต่อไป")
    page.keyboard.press("Escape")

    expect(dialog).to_be_hidden()
    expect(link).to_be_focused()


# --- answers that wait --------------------------------------------------------------------------------------------------------------

DENIED = "Object.defineProperty(window, 'sessionStorage', { get() { throw new DOMException('denied', 'SecurityError'); } });"
UNSAVED = "Object.keys(sessionStorage).filter((key) => key.startsWith('kaona:'))"


def savestate(page):
    return page.locator("[data-savestate]")


def open_linear(page, server, state="item-linear"):
    server.present = state
    server.may_return = state.startswith("item-review")
    page.on("dialog", lambda dialog: dialog.accept())  # the browser's own question before a reload
    page.goto(item_url(server, state))


def answer_here(page):
    """Puts something into the item shown, whatever its kind, and sends it."""
    if page.locator("form[data-answer] .choice").count():
        page.locator("form[data-answer] .choice").first.click()
    elif page.locator("form[data-answer] .pairs").count():
        for select in page.locator("form[data-answer] .pairs select").all():
            select.select_option(index=1)
    elif page.locator("form[data-answer] input.figure").count():
        page.fill("input.figure", "42")
    page.click("form[data-answer] [data-send]")


def presentations(n):
    return [
        str(one) for one in (states.item("single_choice").presentation_uuid, *(sheet.item.presentation_uuid for sheet in states.SHEETS))
    ][:n]


def test_r7_in_an_outage_a_linear_test_goes_on_with_what_came_with_it_and_all_is_sent_in_order_once(lone_page, server):
    page = lone_page
    open_linear(page, server)
    page.context.set_offline(True)

    for position in range(7, 11):
        expect(page.locator("form[data-answer]")).to_have_attribute("data-position", str(position))
        answer_here(page)
    expect(page.locator("form[data-answer]")).to_have_attribute("data-position", "11")
    expect(page.locator("[data-stem]")).to_be_focused()
    expect(page.locator("#progress-text")).to_have_text("ข้อที่ 11 จาก 20 ข้อ")
    expect(savestate(page)).to_contain_text("ยังไม่ได้บันทึก 4 คำตอบ ตั้งแต่เวลา 09.30 น.")
    assert server.received == []
    page.context.set_offline(False)

    expect(savestate(page)).to_contain_text("บันทึกคำตอบล่าสุดแล้ว", timeout=10_000)
    assert server.answered == presentations(4)
    assert len({one["client_id"][0] for one in server.received}) == 4
    assert page.locator("form[data-answer]").get_attribute("data-position") == "11"
    assert page.evaluate(UNSAVED) == []
    answer_here(page)
    expect(page.locator("form[data-answer]")).to_have_attribute("data-position", "12")


def test_r7_what_came_with_the_page_ends_the_last_answer_waits_and_the_next_page_comes_with_the_line(lone_page, server):
    page = lone_page
    open_linear(page, server)
    page.context.set_offline(True)

    for _ in range(6):
        answer_here(page)
    expect(savestate(page)).to_contain_text("ยังไม่ได้บันทึก 6 คำตอบ")
    expect(savestate(page)).to_contain_text("หน้าถัดไปจะมาเมื่อเชื่อมต่อได้")
    page.context.set_offline(False)

    expect(page.locator("form[data-answer]")).to_have_attribute("data-position", "13", timeout=10_000)
    assert server.answered == presentations(6)


def test_r7_a_reload_in_the_outage_loses_nothing_and_doubles_nothing(page, server):
    server.replies = [503] * 3
    open_linear(page, server)
    answer_here(page)
    expect(page.locator("form[data-answer]")).to_have_attribute("data-position", "8")
    answer_here(page)
    expect(savestate(page)).to_contain_text("ยังไม่ได้บันทึก 2 คำตอบ")
    first = server.received[0]["client_id"]

    server.replies = []
    page.goto(item_url(server, "item-linear"))

    expect(page.locator("form[data-answer]")).to_have_attribute("data-position", "9", timeout=10_000)
    assert server.answered[-2:] == presentations(2)
    assert server.received[-2]["client_id"] == first
    assert page.evaluate(UNSAVED) == []


def test_r7_where_the_frame_may_keep_nothing_memory_does_and_the_page_says_not_to_close_it(chromium, server):
    with chromium.new_context(viewport={"width": 320, "height": 480}) as context:
        context.add_init_script(DENIED)
        page = context.new_page()
        server.replies = [503, 503]
        open_linear(page, server)

        answer_here(page)
        expect(savestate(page)).to_contain_text("ระหว่างนี้โปรดอย่าปิดหรือโหลดหน้านี้ใหม่")
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        answer_here(page)

        expect(savestate(page)).to_contain_text("บันทึกคำตอบล่าสุดแล้ว", timeout=15_000)
        assert server.answered[-2:] == presentations(2)


@pytest.mark.parametrize("kind", ["single_choice", "multiple_choice", "ordering", "matching", "short_text"])
def test_what_was_begun_and_not_sent_is_there_again_after_a_reload(kind, page, server):
    url = item_url(server, f"item-{kind}")
    page.goto(url)
    read = (
        "JSON.stringify([...new FormData(document.querySelector('form[data-answer]'))].filter(([name]) => /value|order|match/.test(name)))"
    )
    match kind:
        case "ordering":
            page.locator('[data-way="up"]').nth(2).click()
        case "matching":
            page.locator(".pairs select").first.select_option("t2")
        case "short_text":
            page.fill("input[name=value]", "สองปัจจัย")
        case _:
            page.locator(".choice").nth(1).click()
    begun = page.evaluate(read)

    page.reload()

    assert page.evaluate(read) == begun
    assert len(json.loads(begun)) >= 1
    if kind == "ordering":
        shown = page.locator("[data-line] select").evaluate_all("lines => lines.map((line) => line.value)")
        assert shown == ["1", "2", "3", "4"]


def test_s19_what_one_person_left_unsaved_is_gone_as_soon_as_another_one_is_here(page, server):
    page.goto(item_url(server, "item-short_text"))
    page.fill("input[name=value]", "ของฉัน")
    (own,) = page.evaluate(UNSAVED)
    page.evaluate("sessionStorage.setItem('kaona:someone-else:1', '{}')")

    page.goto(item_url(server, "roadmap-known"))
    assert page.evaluate(UNSAVED) == [own]
    page.route(
        "**/roadmap?*",
        lambda route: route.fulfill(response=(got := route.fetch()), body=got.text().replace('data-person="', 'data-person="x')),
    )
    page.goto(item_url(server, "roadmap-known"))

    expect(page.locator("body")).to_have_attribute("data-person", re.compile("^x"))
    assert page.evaluate(UNSAVED) == []


def test_s19_a_page_of_another_person_than_the_one_signed_in_hides_the_answer_and_keeps_nothing_of_it(page, server):
    server.replies = [OtherPerson()]
    page.goto(item_url(server, "item-short_text"))

    page.fill("input[name=value]", "ความลับของฉัน")
    page.click("[data-send]")

    expect(page.get_by_role("alert")).to_contain_text("เป็นของผู้ใช้อีกคนหนึ่ง")
    expect(page.locator("form[data-answer]")).to_be_hidden()
    assert page.evaluate(UNSAVED) == []
    page.click("[data-send-again]")  # the person is back
    expect(page.locator("[data-stem]")).to_contain_text("หน่วยงานของรัฐ")
    assert [one["value"] for one in server.received] == [["ความลับของฉัน"]] * 2


def test_r8_a_session_that_ended_keeps_the_answer_says_what_to_do_and_sends_it_when_the_person_comes_back(page, server):
    server.replies = [SessionMissing()]
    page.goto(item_url(server, "item-numeric"))
    page.fill("input[name=value]", "42")
    page.click("[data-send]")

    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("การเข้าใช้ของท่านสิ้นสุดแล้ว")
    expect(alert.get_by_role("link", name="เปิดรายวิชาในแท็บอื่น")).to_have_attribute("target", "_blank")
    expect(savestate(page)).to_contain_text("ยังไม่ได้บันทึก 1 คำตอบ")
    assert page.input_value("input[name=value]") == "42"
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    expect(page.locator("[data-stem]")).to_contain_text("หน่วยงานของรัฐ")
    assert len({one["client_id"][0] for one in server.received}) == 1


def test_a_token_that_is_no_longer_good_is_renewed_without_a_word(page, server):
    server.replies = [ForeignRequest()]
    page.goto(item_url(server, "item-numeric"))
    server.token = "fresh"

    page.fill("input[name=value]", "42")
    page.click("[data-send]")

    expect(page.locator("[data-stem]")).to_contain_text("หน่วยงานของรัฐ")
    assert [one["csrf"] for one in server.received] == [["token"], ["fresh"]]
    assert page.get_by_role("alert").count() == 0


def test_a_request_that_is_refused_as_foreign_twice_is_told_and_kept(page, server):
    server.replies = [ForeignRequest(), ForeignRequest()]
    page.goto(item_url(server, "item-numeric"))

    page.fill("input[name=value]", "42")
    page.click("[data-send]")

    expect(page.get_by_role("alert")).to_contain_text("ไม่ได้ส่งมาจากหน้าของระบบ")
    assert page.input_value("input[name=value]") == "42"
    page.click("[data-send-again]")
    expect(page.locator("[data-stem]")).to_contain_text("หน่วยงานของรัฐ")


def test_r6_a_double_click_and_enter_twice_send_one_answer(page, server):
    page.goto(item_url(server, "item-short_text"))
    page.fill("input[name=value]", "2FA")
    page.dblclick("[data-send]")
    expect(page.locator("[data-stem]")).to_contain_text("หน่วยงานของรัฐ")
    assert len(server.received) == 1

    page.goto(item_url(server, "item-numeric"))
    page.fill("input[name=value]", "42")
    page.locator("input[name=value]").press("Enter")
    page.keyboard.press("Enter")
    expect(page.locator("[data-stem]")).to_contain_text("หน่วยงานของรัฐ")
    assert len(server.received) == 2


def test_r6_an_item_answered_in_another_tab_is_told_and_leads_to_the_present_one_without_leaving_the_page(page, server):
    server.replies = [AlreadyAnswered()]
    page.goto(item_url(server, "item-numeric"))
    page.evaluate("window.stillHere = true")

    page.fill("input[name=value]", "42")
    page.click("[data-send]")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("คำตอบแรกยังคงอยู่")
    alert.get_by_role("link").click()

    expect(page.locator("[data-stem]")).to_contain_text("หน่วยงานของรัฐ")
    assert page.evaluate("window.stillHere")
    assert len(server.received) == 1


def test_r6_continuing_here_after_another_device_sends_the_answer_that_waits_without_leaving_the_page(page, server):
    server.replies = [409]
    page.goto(item_url(server, "item-numeric"))
    page.evaluate("window.stillHere = true")

    page.fill("input[name=value]", "42")
    page.click("[data-send]")
    page.get_by_role("link", name="ทำต่อบนอุปกรณ์นี้").click()

    expect(page.locator("[data-stem]")).to_contain_text("หน่วยงานของรัฐ")
    assert page.evaluate("window.stillHere")
    assert [one["value"] for one in server.received] == [["42"]] * 2


def test_a_page_that_hears_of_another_device_is_locked_with_a_way_on(page, server):
    page.goto(item_url(server, "item-numeric"))

    page.evaluate("document.dispatchEvent(new Event('kaona:moved'))")

    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("หน้านี้จึงถูกล็อก")
    expect(alert).to_be_focused()
    expect(page.locator("[data-send]")).to_be_hidden()
    alert.get_by_role("link").click()
    expect(page.locator("[data-stem]")).to_contain_text("หน่วยงานของรัฐ")


def test_back_and_forward_find_what_was_begun_and_a_page_out_of_the_browsers_memory_asks_anew(page, server):
    page.goto(item_url(server, "intro-open"))
    page.goto(item_url(server, "item-short_text"))
    page.fill("input[name=value]", "2FA")

    page.go_back()
    page.go_forward()
    expect(page.locator("input[name=value]")).to_have_value("2FA")
    page.evaluate("window.stillHere = true")
    with page.expect_navigation():
        page.evaluate("window.dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")

    assert page.evaluate("window.stillHere") is None
    expect(page.locator("input[name=value]")).to_have_value("2FA")


def test_answers_that_come_after_the_end_are_all_handed_over_and_the_page_says_that_they_do_not_count(page, server):
    server.replies = [503, AttemptClosed(), AttemptClosed()]
    open_linear(page, server)

    answer_here(page)
    answer_here(page)

    expect(savestate(page)).to_contain_text("คำตอบที่มาถึงหลังหมดเวลา: 2 คำตอบ", timeout=10_000)
    expect(page.get_by_role("alert").get_by_role("link", name="ดูผลของฉัน")).to_be_visible()
    assert server.answered[-2:] == presentations(2)
    assert page.evaluate(UNSAVED) == []


def test_what_still_waits_when_the_result_is_opened_is_handed_over_told_and_gone_from_the_browser(page, server):
    server.replies = [503, AttemptClosed()]
    open_linear(page, server, "item-numeric")
    page.fill("input[name=value]", "42")
    page.click("[data-send]")
    expect(savestate(page)).to_contain_text("ยังไม่ได้บันทึก 1 คำตอบ")

    page.goto(item_url(server, "result-firm-sent"))

    expect(savestate(page)).to_contain_text("คำตอบที่มาถึงหลังหมดเวลา: 1 คำตอบ")
    assert [one["value"] for one in server.received] == [["42"]] * 2
    assert page.evaluate(UNSAVED) == []


def test_s19_what_was_begun_is_gone_with_the_end_of_the_sitting(page, server):
    page.goto(item_url(server, "item-short_text"))
    page.fill("input[name=value]", "2FA")
    assert len(page.evaluate(UNSAVED)) == 1

    page.goto(item_url(server, "result-firm-sent"))

    expect(page.locator("h1")).to_have_text("ผลการประเมินของฉัน")
    assert page.evaluate(UNSAVED) == []


def test_an_answer_of_the_backlog_that_cannot_be_taken_comes_back_to_be_mended_and_the_others_wait_for_it(page, server):
    server.replies = [503, 422]
    open_linear(page, server)
    answer_here(page)
    answer_here(page)

    expect(page.locator("#fault")).to_be_visible(timeout=10_000)
    expect(savestate(page)).to_contain_text("ยังไม่ได้บันทึก 1 คำตอบ")
    assert len(server.received) == 2
    page.fill("input[name=value]", "42")
    page.click("[data-send]")

    expect(page.locator("form[data-answer]")).to_have_attribute("data-position", "9", timeout=10_000)
    assert len(server.received) == 4


# --- a test in which the person may go back -----------------------------------------------------------------------------------------


def test_u2_the_navigator_is_used_by_keyboard_saves_what_is_there_and_says_its_states_in_words(page, server):
    open_linear(page, server, "item-review")
    summary = page.locator("[data-navigator] summary")
    summary.focus()
    page.keyboard.press("Enter")
    names = page.locator("[data-navigator] ol button").evaluate_all("all => all.map((one) => one.getAttribute('aria-label'))")
    present = page.locator('[data-navigator] [aria-current="true"]')
    expect(present).to_have_text("7")
    page.locator("[data-navigator] button[value='10']").focus()
    page.keyboard.press("Enter")

    expect(page.locator("form[data-answer]")).to_have_attribute("data-position", "10")
    expect(page.locator("[data-stem]")).to_be_focused()
    assert names[:3] == ["ข้อ 1: ตอบแล้ว", "ข้อ 2: ตอบแล้ว", "ข้อ 3: ตอบแล้ว ทำเครื่องหมายไว้"]
    assert names[6:8] == ["ข้อ 7: ยังไม่ได้ตอบ ทำเครื่องหมายไว้", "ข้อ 8: ยังไม่ได้ตอบ"]
    assert (server.received[0]["go"], server.received[0]["value"], server.received[0]["flag"]) == (["10"], ["b"], ["0", "1"])
    assert page.url.endswith("?at=10")


def test_u2_in_an_outage_a_person_goes_back_and_changes_an_answer_that_still_waits(lone_page, server):
    page = lone_page
    open_linear(page, server, "item-review")
    page.context.set_offline(True)

    answer_here(page)
    expect(page.locator("form[data-answer]")).to_have_attribute("data-position", "8")
    page.get_by_role("button", name="ย้อนกลับ").click()
    expect(page.locator("form[data-answer]")).to_have_attribute("data-position", "7")
    page.locator(".choice").nth(2).click()
    page.click("[data-send]")
    expect(page.locator("form[data-answer]")).to_have_attribute("data-position", "8")
    page.context.set_offline(False)

    expect(savestate(page)).to_contain_text("บันทึกคำตอบล่าสุดแล้ว", timeout=10_000)
    first, eighth = presentations(2)
    assert server.answered == [first, eighth, first]
    assert [one.get("value") for one in server.received] == [["a"], None, ["c"]]
    assert len({one["client_id"][0] for one in server.received}) == 3


def test_u2_the_summary_counts_asks_in_a_dialog_of_ours_and_hands_in_once(page, server):
    open_linear(page, server, "item-review")
    page.locator("[data-navigator] > p button").click()
    expect(page.locator("h1")).to_have_text("ภาพรวมก่อนส่ง")
    expect(page.locator("h1")).to_be_focused()
    expect(page.locator(".lead")).to_contain_text("ยังไม่ได้ตอบ 12 ข้อ")
    expect(page.locator(".lead")).to_contain_text("ทำเครื่องหมายไว้เพื่อดูอีกครั้ง 3 ข้อ")
    hand_in = page.get_by_role("button", name="จบและส่งคำตอบ")
    hand_in.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("หลังจากนั้นจะแก้ไขคำตอบไม่ได้")
    page.keyboard.press("Escape")
    expect(hand_in).to_be_focused()
    assert len(server.received) == 1
    server.replies = [503]
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="ส่งเลย").dblclick()

    page.wait_for_url("**/result?**", timeout=10_000)
    assert len(server.received) == 3
    assert server.received[1] == server.received[2]
    assert page.evaluate(UNSAVED) == []


def test_everything_of_the_page_is_there_in_forced_colours_and_at_four_hundred_percent(chromium, server):
    with chromium.new_context(viewport={"width": 320, "height": 256}, forced_colors="active") as context:
        page = context.new_page()
        page.goto(item_url(server, "item-review"))
        page.locator("[data-navigator] summary").click()

        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        marks = page.locator("[data-navigator] ol button[value='3'] svg.mark")
        assert marks.count() == 2
        strokes = marks.evaluate_all("all => all.map((one) => getComputedStyle(one.querySelector('path')).stroke)")
        ground = page.locator("[data-navigator] ol button[value='3']").evaluate("one => getComputedStyle(one).backgroundColor")
        assert all(stroke != ground for stroke in strokes)
        width = "parseFloat(getComputedStyle(document.querySelector(`[data-navigator] button[value='%s']`)).borderTopWidth)"
        assert page.evaluate(width % 7) > page.evaluate(width % 8)
