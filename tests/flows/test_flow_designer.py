"""A course designer at a real Chromium: the picker in the LMS's dialog, a link without a choice, and the look through a learner's eyes."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import FrameLocator, Page, expect
from sqlalchemy import func, select

import learning.api as learning
from assessment.models import Attempt
from lti_tool.dev.respondent import right_answer
from lti_tool.models import Launch, Placement
from tests.flows.clicks import Visitor, choose, item_of, send, sit_to_the_end
from tests.flows.house import ASSESSMENT, TEACHER, House
from tests.flows.stored import count_statements, scores_of
from tests.flows.walker import Learner

pytestmark = pytest.mark.browser

PICKER = "#picker iframe"
MODAL = {"width": 1000, "height": 700}
PHONE = {"width": 320, "height": 480}
TABLES = {"attempts": Attempt, "launches": Launch, "placements": Placement}


@pytest.fixture
def house(sqlite_house: House) -> House:
    return sqlite_house


@pytest.fixture
def visit(chromium, house) -> Iterator:
    """Makes people at browsers of their own; closes them with the test."""
    visitors = []

    def make(person, size=None):
        visitor = Visitor(chromium, house, person)
        if size:
            visitor.page.set_viewport_size(size)
        visitors.append(visitor)
        visitor.sign_in()
        return visitor

    yield make
    for visitor in visitors:
        assert visitor.complaints == []
        visitor.close()


def add_activity(teacher: Visitor) -> Page:
    """The LMS's form of a new activity of our tool."""
    teacher.page.goto(f"{teacher.platform.url}/courses/1/activities/new?tool=1")
    return teacher.page


def open_picker(teacher: Visitor) -> FrameLocator:
    """The picker in the LMS's dialog."""
    add_activity(teacher).locator("#choose").click()
    frame = teacher.page.frame_locator(PICKER)
    frame.locator("h1").wait_for()
    return frame


def newest_activity(page: Page) -> str:
    """Id of the activity that stands last on the course page."""
    return page.locator('a[href^="/activities/"]:not([href$="/edit"])').last.get_attribute("href").rsplit("/", 1)[1]


@pytest.mark.parametrize("size", [MODAL, PHONE], ids=["modal", "phone"])
def test_u7_an_assessment_is_placed_in_three_clicks_and_a_learners_score_comes_to_its_column(visit, house, size):
    teacher = visit(TEACHER, size)
    frame = open_picker(teacher)

    frame.get_by_role("button", name=re.compile("^เลือก ?: แบบประเมิน")).click()
    frame.locator("input[name^='points']").fill("๕๐")
    frame.get_by_role("button", name="เพิ่มในรายวิชา").click()
    teacher.page.wait_for_url("**/activities/chosen*")
    expect(teacher.page.locator("#title")).to_have_value(house.form.title["th"])
    expect(teacher.page.locator("#points")).to_have_value("50")
    teacher.page.locator("button[name=save]").click()
    teacher.page.wait_for_url("**/courses/1")
    activity = newest_activity(teacher.page)
    official = next(house.far.newcomers)
    learner = visit(official, size)
    sitting = learner.open(activity)
    sitting.locator("form[action$='/start'] button").click()
    sitting.locator("form[data-answer]").wait_for()
    sit_to_the_end(learner, sitting)
    house.work()

    (score,) = scores_of(house, official.id)
    learner.page.goto(f"{house.far.url}/courses/1/grades")
    grades = learner.page.locator("[data-grade]").evaluate_all("cells => cells.map((cell) => cell.dataset.grade).filter(Boolean)")
    assert [float(grade) for grade in grades if grade] == [pytest.approx(score.given / score.maximum * 50)]


def test_u7_several_activities_are_found_ticked_and_placed_by_keyboard_alone(visit, house):
    teacher = visit(TEACHER, MODAL)
    frame = open_picker(teacher)
    keyboard = teacher.page.keyboard

    frame.locator("#q").focus()
    keyboard.type("สังเกตอีเมล")
    keyboard.press("Enter")
    found = frame.locator(".pick input[type=checkbox]")
    expect(found).to_have_count(1)
    found.focus()
    keyboard.press("Space")
    tab_to(frame, teacher, "#q")
    keyboard.press("Control+A")
    keyboard.type("เสนทาง")  # without its tone mark
    keyboard.press("Enter")
    expect(frame.locator("fieldset input[type=checkbox]")).to_be_checked()
    tab_to(frame, teacher, ".pick input[type=checkbox]")
    keyboard.press("Space")
    tab_to(frame, teacher, ".bottombar button")
    keyboard.press("Enter")
    frame.locator("form[action$='/place']").wait_for()
    assert frame.locator("form[action$='/place'] h2").count() == 2
    tab_to(frame, teacher, "form[action$='/place'] button[type=submit]")
    keyboard.press("Enter")
    teacher.page.wait_for_url("**/activities/chosen*")

    expect(teacher.page.locator("ol.several li")).to_have_count(2)
    expect(teacher.page.locator("ol.several")).to_contain_text("เส้นทางการเรียนรู้ของฉัน")


def test_a_cancelled_choice_closes_the_dialog_with_nothing(visit, house):
    teacher = visit(TEACHER, MODAL)
    frame = open_picker(teacher)

    frame.get_by_role("button", name="ยกเลิก").click()
    teacher.page.wait_for_url("**/activities/chosen*")

    expect(teacher.page.locator("#url")).to_have_value("")


def test_a_link_without_a_choice_asks_the_teacher_in_the_frame_and_then_shows_what_was_chosen(visit, house):
    teacher = visit(TEACHER)
    page = add_activity(teacher)
    page.locator("#title").fill("กิจกรรมที่ยังไม่ได้เลือก")
    page.locator("#url").fill(f"{house.url}/lti/launch")
    page.locator("button[name=save]").click()
    page.wait_for_url("**/courses/1")
    activity = newest_activity(page)
    learner = visit(next(house.far.newcomers))
    expect(learner.open(activity).get_by_role("heading", name="ผู้สอนยังไม่ได้เลือกกิจกรรม")).to_be_visible()

    frame = teacher.open(activity)
    frame.locator("#kind").select_option("practice")
    frame.get_by_role("button", name="แสดง", exact=True).click()
    expect(frame.locator("#kind")).to_have_value("practice")
    title = frame.locator(".pick h2").first.inner_text()
    frame.locator(".pick button[formaction]").first.click()
    frame.get_by_role("button", name="แสดงให้ผู้เรียน").click()
    expect(frame.get_by_role("status")).to_contain_text(title)
    shown = learner.open(activity)

    expect(shown.locator("h1")).to_contain_text(title)
    expect(shown.get_by_role("link", name="เส้นทางการเรียนรู้ของฉัน").first).to_be_visible()


def test_u8_a_teacher_sits_as_a_learner_with_a_banner_on_each_page_and_nothing_is_kept(visit, house):
    teacher = visit(TEACHER)
    frame = teacher.open(ASSESSMENT)
    before = counts(house)
    received = len(house.far.received_of(TEACHER))

    frame.get_by_role("button", name="เปิดดูแบบผู้เรียน").click()
    banner = frame.get_by_role("complementary", name="ดูตัวอย่าง")
    expect(banner).to_be_visible()
    frame.get_by_role("button", name="เริ่มทำแบบประเมิน").click()
    frame.locator("form[data-answer]").wait_for()
    for _ in range(2):
        item = item_of(frame)
        choose(frame, item, right_answer(item))
        send(frame)
        expect(banner).to_be_visible()
    during = counts(house)
    frame.get_by_role("button", name="สิ้นสุดการดูตัวอย่าง").click()
    frame.locator("section[aria-labelledby=people]").wait_for()
    house.work()

    assert during == before | {"attempts": before["attempts"] + 1, "launches": before["launches"] + 1}
    assert counts(house) == before
    assert len(house.far.received_of(TEACHER)) == received
    expect(frame.locator("aside.preview")).to_have_count(0)


def test_a_resource_on_the_path_is_marked_on_its_own_page(visit, house):
    official = next(house.far.newcomers)
    walker = Learner(house, official)
    walker.sit()
    learner = visit(official)
    frame = learner.open("13")
    step = frame.locator("form[action*='/path/steps/']").first
    title = frame.locator("li.step").filter(has=step).first.locator("h3").inner_text().split("\n")[0]
    resource = resource_called(house, title)
    launch = re.search(r"/learn/([0-9a-f-]{36})/", step.get_attribute("action")).group(1)

    page = next(one for one in learner.page.frames if "/path" in one.url)
    page.goto(f"{house.url}/learn/{launch}/resources/{resource}")
    page.get_by_role("button", name="เริ่มทำแล้ว").click()
    page.get_by_role("button", name="ทำเสร็จแล้ว").click()

    expect(page.locator("h1 .tag")).to_have_text("ทำแล้ว")
    expect(page.get_by_text("เหตุผลของขั้นนี้:")).to_be_visible()
    walker.browser.close()


def tab_to(frame: FrameLocator, teacher: Visitor, selector: str) -> None:
    """Presses Tab until a part of the page has the focus, which is then to be seen."""
    wanted = frame.locator(selector).first
    for _ in range(80):
        if wanted.evaluate("part => part === document.activeElement"):
            break
        teacher.page.keyboard.press("Tab")
    expect(wanted).to_be_focused()
    expect(wanted).to_be_in_viewport()


def counts(house: House) -> dict[str, int]:
    """What a look through a learner's eyes might leave behind."""
    with house.database.reading() as db:
        rows = {name: db.scalar(select(func.count()).select_from(table)) or 0 for name, table in TABLES.items()}
    return rows | {"statements": count_statements(house)}


def resource_called(house: House, title: str) -> str:
    """Id of the resource with this Thai title."""
    with house.database.reading() as db:
        return next(str(one.uuid) for one in learning.list_resources(db) if one.title["th"] == title.strip())
