"""A test whose items are handed out with it, through the whole house: the outage, the way back, the end, and what a reply must not tell."""

import html
import json
import re
import uuid
from collections.abc import Callable
from importlib.resources import files

import pytest
from playwright.sync_api import expect
from sqlalchemy import event, func, select

import assessment.api as assessment
from assessment.models import AttemptEvent, ChangedResponse
from kernel.clock import system_clock
from lti_tool.dev.respondent import read_bank, right_answer, wrong_answer
from tests.flows.clicks import RESULT, Visitor, choose, item_of, stem
from tests.flows.house import House
from tests.flows.stored import attempts_of, responses_of
from tests.flows.walker import BANK, Learner, answer_fields, answer_form, forms_of, place_of

DOMAINS = ("DLIT", "DGOV", "DLEAD")
RATIONALES = {
    each["key"]: each["rationale"] for each in json.loads((files("assessment") / "data" / "bank-core-2567.json").read_bytes())["items"]
}
SECRETS = re.compile(r"correct|rationale|difficulty|discrimination|theta|is_right|\bscore\b|seed|parameter", re.IGNORECASE)


def linear_form(house: House, key: str, keys: list[str], **fields: object) -> assessment.FormView:
    """A form of fixed items in the house, loaded once."""
    document = {
        "format": "kaona-form",
        "format_version": 1,
        "key": key,
        "framework": house.form.framework,
        "title": {"th": "แบบประเมินชุดคงที่", "en": "A fixed set"},
        "description": {"th": "สำหรับการทดสอบ", "en": "For tests"},
        "minutes": 40,
        "type": "linear",
        "items": keys,
        "domains": [{"code": code, "competency": f"{house.form.framework}#{code}", "share": 1 / 3} for code in DOMAINS],
        "min_items_for_level": 1,
        "cuts": [{"domain": code, "level": 1, "theta": 0, "method": "for tests"} for code in DOMAINS],
    }
    with house.database.transaction() as db:
        return assessment.load_form(db, {**document, **fields}, now=system_clock())


def some_keys(n: int, kind: str = "single_choice") -> list[str]:
    """Keys of items of one kind, the areas in turn."""
    by_area = {code: sorted(item.key for item in read_bank().values() if item.domain == code and item.kind == kind) for code in DOMAINS}
    return [by_area[DOMAINS[number % 3]][number // 3] for number in range(n)]


def begin(learner: Learner, form: assessment.FormView) -> None:
    """Launches and begins a form that no activity of the course names."""
    learner.launch()
    learner.page = learner.browser.get(f"{learner.house.url}/learn/{learner.launch_uuid}/assessment/{form.uuid}")
    learner.page = learner.submit("/start")


def send_by_script(learner: Learner, *, is_right: bool):
    """One answer as answer.js sends it."""
    return post(learner, answer_fields(learner.page, is_right=is_right))


def post(learner: Learner, fields: dict):
    headers = {"Origin": learner.house.url, "X-Kaona-Script": "1", "Accept": "text/html"}
    session = learner.browser.session_of(learner.house.url)
    return session.post(answer_form(learner.page).action, data=fields, headers=headers, timeout=30)


def uniform_form(house: House) -> assessment.FormView:
    """An adaptive form over items whose words are all of one length."""
    items = [
        {
            "key": f"U-{number:03}",
            "domain": DOMAINS[number % 3],
            "topic": {"th": "เรื่อง", "en": "Topic"},
            "kind": "single_choice",
            "params": {"model": "2pl", "a": 1.2, "b": -2 + number / 8},
            "time_guide_seconds": 60,
            "stem": {"th": f"คำถามที่ {number:03}", "en": f"Question {number:03}"},
            "options": [{"id": name, "text": {"th": f"ตัวเลือก {name}", "en": f"Option {name}"}} for name in "abcd"],
            "correct": "b",
            "rationale": {"th": "เหตุผล", "en": "Reason"},
        }
        for number in range(30)
    ]
    parameters = {"status": "provisional", "note": {"th": "หมายเหตุ", "en": "Note"}}
    bank = {
        "format": "kaona-bank",
        "format_version": 1,
        "framework": "uniform",
        "licence": "CC0-1.0",
        "parameters": parameters,
        "items": items,
    }
    rules = {
        "type": "adaptive",
        "framework": "uniform",
        "items": [],
        "domains": [{"code": code, "competency": code, "share": 1 / 3, "min": 1, "max": 9} for code in DOMAINS],
        "min_items": 9,
        "max_items": 12,
        "stop": {"se": 0.1},
        "exposure": {"r_max": 1, "randomesque_first": 5, "randomesque_later": 3},
    }
    with house.database.transaction() as db:
        assessment.load_bank(db, bank, now=system_clock())
    return linear_form(house, "uniform", [], **rules)


@pytest.fixture
def statements(house: House) -> Callable[[], list[str]]:
    """What the tool has asked the database since the last look."""
    heard: list[str] = []

    def hear(_connection, _cursor, statement, *_rest):
        heard.append(statement)

    def look() -> list[str]:
        said, heard[:] = list(heard), []
        return said

    event.listen(house.database.engine, "before_cursor_execute", hear)
    yield look
    event.remove(house.database.engine, "before_cursor_execute", hear)


@pytest.mark.parametrize("review", [False, True])
def test_rule_5_a_reply_to_a_right_answer_is_as_long_and_costs_as_many_statements_as_one_to_a_wrong_answer(
    review, learner, another, house, statements
):
    form = linear_form(house, f"sizes-{review}", some_keys(6), review=review)
    told = []
    for person, is_right in ((learner, True), (another, False)):
        begin(person, form)
        send_by_script(person, is_right=is_right)  # sessions, forms and templates are warm from here
        person.page = person.browser.get(person.attempt_url)
        statements()
        reply = send_by_script(person, is_right=is_right)
        asked = [one for one in statements() if "response" in one or "presentation" in one]
        told.append((reply.status_code, len(reply.content), sorted(reply.headers), len(asked)))
    scores = [responses_of(house, person.attempt_uuid)[-1].score for person in (learner, another)]

    assert scores == [1, 0]
    assert told[0] == told[1]


def test_rule_5_in_an_adaptive_test_of_items_of_one_length_too(learner, another, house, statements):
    form = uniform_form(house)
    told = []
    for person, value in ((learner, "b"), (another, "c")):
        page = person.launch()
        csrf = dict(forms_of(page)[place_of(page, "/start")].fields)["csrf"]
        address = f"{house.url}/learn/{person.launch_uuid}/assessment/{form.uuid}/start"
        person.page = person.browser.request("POST", address, page=page, data=[("csrf", csrf)])
        for _ in range(2):
            fields = {**dict(answer_form(person.page).fields), "value": value, "client_id": str(uuid.uuid4())}
            statements()
            reply = post(person, fields)
            asked = [one for one in statements() if "response" in one or "presentation" in one]
            told.append((value, len(told) % 2, reply.status_code, len(reply.content), len(asked)))
            person.page = person.browser.get(person.attempt_url)
    scores = [one.score for person in (learner, another) for one in responses_of(house, person.attempt_uuid)]

    assert scores == [1, 1, 0, 0]
    assert [one[1:] for one in told[:2]] == [one[1:] for one in told[2:]]


def test_h32_neither_what_lies_ahead_nor_the_summary_nor_the_clock_holds_a_key_or_a_parameter(learner, house):
    keys = [*some_keys(3), *some_keys(3, "ordering")]
    form = linear_form(house, "secrets", keys, review=True)
    begin(learner, form)
    pages = [learner.page, learner.browser.get(f"{learner.attempt_url}?at=0"), learner.browser.get(f"{learner.attempt_url}/clock")]
    ahead = learner.page.text

    for page in pages:
        assert page.status_code == 200
        assert not SECRETS.search(re.sub(r"<script[^>]*>|<link[^>]*>", "", page.text)), page.url
    assert ahead.count("<template data-ahead") == 5
    for key in keys[3:]:
        item = next(one for one in BANK.values() if one.key == key)
        part = next(part for part in ahead.split("<template data-ahead")[1:] if item.stem["th"][:40] in part)
        assert re.findall(r'name="order-([^"]+)"', part) != item.correct
    assert not any(name in ahead for name in keys)


def test_without_script_a_person_goes_back_changes_an_answer_and_hands_in(learner, house):
    form = linear_form(house, "by-hand", some_keys(3), review=True)
    begin(learner, form)
    learner.answer(wrong_answer(learner.item))
    assert "ข้อที่ 2 จาก 3 ข้อ" in learner.page.text
    learner.page = learner.browser.submit_form(learner.page, form=place_of(learner.page, "/responses"), button="go=1")
    assert learner.page.url.endswith("?at=1")
    learner.answer(right_answer(learner.item))
    learner.page = learner.browser.submit_form(learner.page, form=place_of(learner.page, "/responses"), button="go=0")
    assert "ยังไม่ได้ตอบ 2 ข้อ" in learner.page.text

    learner.page = learner.submit("/end")

    assert learner.page.url.endswith("/result")
    (stored,) = responses_of(house, learner.attempt_uuid)
    assert stored.score == 1


@pytest.mark.parametrize("secure", [True, False])
def test_which_answers_were_right_and_why_is_told_after_the_end_only_where_the_form_lets_it_be_told(secure, learner, house):
    form = linear_form(house, f"told-{secure}", some_keys(3), secure=secure)
    begin(learner, form)
    reasons = []
    for _ in range(3):
        reasons.append(RATIONALES[learner.item.key]["th"])
        learner.answer(wrong_answer(learner.item))

    shown = html.unescape(learner.page.text)

    assert learner.page.url.endswith("/result")
    assert [reason in shown for reason in reasons] == [not secure] * 3
    assert ("คำตอบของท่าน</h2>" in shown) is not secure
    assert ("ระบบไม่แสดงว่าข้อใดตอบถูก" in shown) is secure


@pytest.mark.browser
def test_r7_an_hour_without_a_line_in_the_frame_loses_nothing_of_a_test_with_a_way_back(chromium, sqlite_house):
    house, official = sqlite_house, next(sqlite_house.far.newcomers)
    form = linear_form(house, "outage", some_keys(6), review=True, minutes=120)
    visitor = Visitor(chromium, house, official)
    visitor.sign_in()
    frame = begin_in_frame(visitor, form)
    visitor.context.set_offline(True)
    for _ in range(3):
        choose(frame, item_of(frame), right_answer(item_of(frame)))
        before = stem(frame)
        frame.locator("form[data-answer] [data-send]").click()
        expect(frame.locator("[data-stem]")).not_to_have_text(before)
    expect(frame.locator("[data-savestate]")).to_contain_text("ยังไม่ได้บันทึก 3 คำตอบ")
    attempt = attempts_of(house, official.id)[-1]
    assert responses_of(house, attempt.uuid) == []

    with house.clock.put_ahead(minutes=60):
        visitor.context.set_offline(False)
        expect(frame.locator("[data-savestate]")).to_contain_text("บันทึกคำตอบล่าสุดแล้ว")
        frame.locator("[data-navigator] summary").click()
        frame.locator("[data-navigator] button[value='1']").click()
        expect(frame.locator("form[data-answer]")).to_have_attribute("data-position", "1")
        choose(frame, item_of(frame), wrong_answer(item_of(frame)))
        frame.locator("[data-navigator] > p button").click()
        expect(frame.locator(".lead")).to_contain_text("ยังไม่ได้ตอบ 3 ข้อ")
        frame.get_by_role("button", name="จบและส่งคำตอบ").click()
        frame.get_by_role("button", name="ส่งเลย").click()
        frame.locator(RESULT).wait_for()

    assert [one.score for one in responses_of(house, attempt.uuid)] == [0, 1, 1]
    with house.database.reading() as db:
        assert db.scalar(select(func.count()).select_from(ChangedResponse).where(ChangedResponse.attempt_id == attempt.id)) == 1
        assert assessment.replay(db, attempt.uuid).differences == ()
    assert visitor.complaints == []
    visitor.close()


@pytest.mark.browser
def test_r7_answers_of_an_outage_that_outlasts_the_time_are_kept_do_not_count_and_the_page_says_so(chromium, sqlite_house):
    house, official = sqlite_house, next(sqlite_house.far.newcomers)
    form = linear_form(house, "too-late", some_keys(6))
    visitor = Visitor(chromium, house, official)
    visitor.sign_in()
    frame = begin_in_frame(visitor, form)
    visitor.context.set_offline(True)
    for _ in range(2):
        choose(frame, item_of(frame), right_answer(item_of(frame)))
        frame.locator("form[data-answer] [data-send]").click()
    expect(frame.locator("[data-savestate]")).to_contain_text("ยังไม่ได้บันทึก 2 คำตอบ")
    attempt = attempts_of(house, official.id)[-1]

    with house.clock.put_ahead(minutes=45):
        visitor.context.set_offline(False)
        expect(frame.locator("[data-savestate]")).to_contain_text("คำตอบที่มาถึงหลังหมดเวลา: 2 คำตอบ")
        frame.get_by_role("link", name="ดูผลของฉัน").click()
        frame.locator(RESULT).wait_for()

    assert responses_of(house, attempt.uuid) == []
    with house.database.reading() as db:
        late = (AttemptEvent.attempt_id == attempt.id, AttemptEvent.kind == "late_answer")
        assert db.scalar(select(func.count()).select_from(AttemptEvent).where(*late)) == 2
    assert visitor.complaints == []
    visitor.close()


def begin_in_frame(visitor: Visitor, form: assessment.FormView):
    """Opens the course's assessment and goes from there to another form."""
    frame = visitor.open()
    frame.locator("main").evaluate(
        "(main, form) => location.assign(location.pathname.replace(/assessment\\/.*/, `assessment/${form}`))", str(form.uuid)
    )
    frame.get_by_role("heading", name="แบบประเมินชุดคงที่").wait_for()
    frame.locator("form[action$='/start'] button").click()
    frame.locator("form[data-answer]").wait_for()
    return frame
