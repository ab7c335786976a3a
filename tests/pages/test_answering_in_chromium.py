"""Answering an item in a real browser: by keyboard, without script, with a server that fails, and against the clock."""

import threading
from dataclasses import replace

import pytest
from flask import redirect, request
from playwright.sync_api import expect
from werkzeug.serving import make_server

from tests.pages import states

pytestmark = pytest.mark.browser

RESPONSES = f"/learn/{states.LAUNCH}/attempts/{states.ATTEMPT}/responses"
NEXT_ITEM = "/next-item"
WAYS_ON = {303: NEXT_ITEM, 302: states.address(states.STATES["result-firm-sent"], "th")}
"""Where a stored answer leads: on, or to the end."""


OUTLINE = """(() => {
  const shown = document.activeElement.closest('.choice') ?? document.activeElement;
  const style = getComputedStyle(shown);
  return [style.outlineStyle, parseFloat(style.outlineWidth)];
})()"""


class Server:
    """The pages, with a place for answers that answers as the test wants."""

    def __init__(self) -> None:
        self.be_as_new()

    def be_as_new(self) -> None:
        self.received: list[dict[str, list[str]]] = []
        self.replies: list[int] = []

    def take(self):
        if request.path == NEXT_ITEM:
            return states.show(replace(states.STATES["item-true_false"], name="next"), "th")
        if request.path != RESPONSES or request.method != "POST":
            return None
        self.received.append(request.form.to_dict(flat=False))
        status = self.replies.pop(0) if self.replies else 303
        if status in WAYS_ON:
            return redirect(WAYS_ON[status], 303)
        return states.show(states.STATES[{200: "front", 409: "error-moved"}.get(status, "error-away")], "th")


@pytest.fixture(scope="module")
def kept_server(installation):
    """One for all tests of this module, so that the browser fetches scripts and fonts once."""
    app = states.create_pages_app(installation)
    made = Server()
    app.before_request_funcs[None].insert(0, made.take)
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
    expect(page.locator("[data-savestate]")).to_contain_text("ยังไม่ได้บันทึก คำตอบยังอยู่บนหน้านี้")
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
    expect(page.locator("[data-savestate]")).to_contain_text("ยังไม่ได้บันทึก คำตอบยังอยู่บนหน้านี้")
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
