"""The demo LMS's own pages: who sees what, in which language, and that a person without a mouse or a wide screen can use them."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from lti_tool.dev.lms import Person, names
from tests.lms_harness import (
    ADMINISTRATOR,
    COURSE_ID,
    GRADED,
    LEARNER,
    OTHER_LEARNER,
    PEOPLE,
    TEACHER,
    Pair,
    make_course,
    running_lms,
    running_pair,
)

CROWD = tuple(Person(str(100 + n), f"person{n}", {"th": f"ผู้เรียนคนที่ {n}", "en": f"Learner {n}"}, {COURSE_ID: "learner"}) for n in range(30))


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with running_pair(people=PEOPLE + CROWD) as pair:
        token = pair.ask_token().json()["access_token"]
        for person_id, points in ((LEARNER, 71.5), (OTHER_LEARNER, 40)):
            score = {
                "userId": person_id,
                "timestamp": "2026-11-22T03:00:00Z",
                "activityProgress": "Completed",
                "gradingProgress": "FullyGraded",
                "scoreGiven": points,
                "scoreMaximum": 100,
                "comment": "<b>ดี</b>",
            }
            url = f"{pair.url}/mod/lti/services.php/{COURSE_ID}/lineitems/1/lineitem/scores?type_id=1"
            pair.call("POST", url, token=token, json=score, headers={"Content-Type": names.MEDIA_SCORE})
        yield pair


def test_the_sign_in_page_is_thai_and_offers_everybody(pair: Pair) -> None:
    page = pair.running.browser().get(f"{pair.url}/")

    assert '<html lang="th">' in page.text
    assert "เข้าใช้เป็น…" in page.text
    assert all(person.name["th"] in page.text for person in PEOPLE + CROWD)


def test_the_pages_switch_to_english_and_stay_on_the_page(pair: Pair) -> None:
    with pair.running.browser(LEARNER) as browser:
        thai = browser.get(f"{pair.url}/courses/{COURSE_ID}")
        english = browser.submit_form(thai, form=1)

    assert english.url == thai.url
    assert '<html lang="en">' in english.text
    assert "Digital skills for government officials" in english.text


@pytest.mark.parametrize("back", ["//evil.example/", "https://evil.example/", "/\\evil.example"])
def test_the_language_switch_leads_to_no_foreign_page(pair: Pair, back: str) -> None:
    with pair.running.browser(LEARNER) as browser:
        page = browser.request("POST", f"{pair.url}/language", data={"language": "th", "back": back})

    assert page.url.startswith(pair.url)


def test_q52_the_activity_page_holds_the_tool_as_moodle_does(pair: Pair) -> None:
    with pair.running.browser(LEARNER) as browser:
        page = browser.get(f"{pair.url}/activities/{GRADED}")

    frame = re.search(r"<iframe[^>]*>", page.text).group()
    assert "sandbox" not in frame
    assert f'src="/activities/{GRADED}/launch"' in frame
    assert f"camera {pair.tool.url}" in frame
    assert "clipboard" not in frame
    assert pair.tool.url in page.headers["Content-Security-Policy"].split("frame-src", 1)[1].split(";")[0]
    assert f'href="/activities/{GRADED}/launch?target=window" target="_blank"' in page.text


def test_a_learner_sees_own_grades_only_and_a_teacher_everyones(pair: Pair) -> None:
    with pair.running.browser(LEARNER) as learner, pair.running.browser(TEACHER) as teacher:
        own = learner.get(f"{pair.url}/courses/{COURSE_ID}/grades").text
        everyones = teacher.get(f"{pair.url}/courses/{COURSE_ID}/grades").text

    assert "71.5" in own
    assert "มาลี" not in own
    assert "มาลี ศรีสุข" in everyones
    assert "ผู้เรียนคนที่ 29" in everyones


def test_the_gradebook_shows_received_scores_with_thai_time_and_answer_and_comments_as_text(pair: Pair) -> None:
    with pair.running.browser(TEACHER) as teacher:
        page = teacher.get(f"{pair.url}/courses/{COURSE_ID}/grades").text

    assert "22 พ.ย. 2569 10:00:00 น." in page
    assert "71.5 / 100" in page
    assert "200 OK" in page
    assert "&lt;b&gt;ดี&lt;/b&gt;" in page


def test_site_administration_shows_the_values_to_copy_to_the_administrator_alone(pair: Pair) -> None:
    with pair.running.browser(ADMINISTRATOR) as administrator, pair.running.browser(TEACHER) as teacher:
        page = administrator.get(f"{pair.url}/administration").text
        refused = teacher.get(f"{pair.url}/administration")

    for value in (pair.url, "kaonaDemoTool01", *(f"{pair.url}/mod/lti/{name}.php" for name in ("auth", "token", "certs"))):
        assert f"<code>{value}</code>" in page
    assert "POST /mod/lti/token.php" in page
    assert refused.status_code == 404


def test_a_refused_token_is_explained_in_the_call_log(pair: Pair) -> None:
    pair.ask_token(client_assertion=pair.tool.assertion(sub="nobody"))
    with pair.running.browser(ADMINISTRATOR) as administrator:
        assert "400 invalid_client" in administrator.get(f"{pair.url}/administration").text


def test_a_person_of_two_courses_chooses_and_a_person_of_one_goes_straight_in() -> None:
    second = replace(make_course("https://tool.example"), id="9", short_name="OTHER", activities=())
    both = replace(PEOPLE[0], roles={COURSE_ID: "learner", "9": "learner"})
    courses = (make_course("https://tool.example"), second)
    with running_lms(courses=courses, people=(both, *PEOPLE[1:])) as running:
        with running.browser() as browser:
            assert browser.sign_in(LEARNER).url == f"{running.url}/"
        with running.browser() as browser:
            assert browser.sign_in(OTHER_LEARNER).url == f"{running.url}/courses/{COURSE_ID}"


def test_a_stranger_is_led_to_the_sign_in_page(pair: Pair) -> None:
    with pair.running.browser() as stranger:
        assert stranger.get(f"{pair.url}/courses/{COURSE_ID}").url == f"{pair.url}/"


def test_no_page_asks_another_host_for_anything(pair: Pair) -> None:
    with pair.running.browser(ADMINISTRATOR) as browser:
        pages = [browser.get(f"{pair.url}{path}").text for path in ("/administration", f"/courses/{COURSE_ID}", "/static/lms.css")]

    for text in pages:
        assert not re.findall(r'(?:src|href)="(?:https?:)?//|url\("?(?:https?:)?//|@import', text)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base_url": "http://127.0.0.1:1/"}, "trailing slash"),
        ({"people": (PEOPLE[0], PEOPLE[0])}, "person id"),
        ({"tools": ()}, "no tool has"),
        ({"courses": (replace(make_course("https://tool.example"), id="abc"),)}, "digits"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_at_the_start(changes: dict[str, Any], message: str) -> None:
    from tests.lms_harness import make_config

    with pytest.raises(ValueError, match=message):
        make_config(changes.pop("base_url", "http://127.0.0.1:1"), **changes)


@pytest.mark.browser
@pytest.mark.parametrize("width", [320, 1280])
def test_in_a_real_browser_the_tool_stands_in_the_frame_and_fills_the_window(pair: Pair, chromium: Any, width: int) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 900})
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(f"{pair.url}/")
    page.click(f"button[value='{LEARNER}']")
    page.click("main a")
    page.frame_locator("#contentframe").get_by_role("heading", name="หน้าของเครื่องมือ").wait_for()
    box = page.locator("#contentframe").bounding_box()
    n_overflowing = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    context.close()

    assert errors == []
    assert n_overflowing <= 0
    assert box["y"] + box["height"] == pytest.approx(900 - 15, abs=2)


@pytest.mark.browser
def test_in_a_real_browser_without_script_the_buttons_lead_to_the_tool(pair: Pair, chromium: Any) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{pair.url}/")
    page.click(f"button[value='{LEARNER}']")
    page.goto(f"{pair.url}/activities/{GRADED}/launch?target=window")
    page.click("form#handover button")
    page.click("form#handover button")
    address = page.url
    context.close()

    assert address == f"{pair.tool.url}/page"


@pytest.mark.browser
def test_in_a_real_browser_the_return_page_takes_the_whole_window_to_the_course(pair: Pair, chromium: Any) -> None:
    from tests.lms_harness import verified_claims

    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{pair.url}/")
    page.click(f"button[value='{LEARNER}']")
    page.goto(f"{pair.url}/activities/{GRADED}")
    frame = page.frame_locator("#contentframe")
    frame.get_by_role("heading", name="หน้าของเครื่องมือ").wait_for()
    address = verified_claims(pair.running, pair.tool.launches[-1]["id_token"])[names.LAUNCH_PRESENTATION]["return_url"]
    page.evaluate("address => { document.getElementById('contentframe').src = address }", address)
    page.wait_for_url(f"{pair.url}/courses/{COURSE_ID}")
    context.close()
