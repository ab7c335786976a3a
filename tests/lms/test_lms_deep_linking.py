"""Deep linking at the demo LMS: the request, and what becomes of each kind of answer (facts section 6; Q29 to Q33)."""

import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
import requests

from lti_tool.dev.lms import gradebook, names
from lti_tool.dev.lms.claims import html_as_text
from lti_tool.dev.lms.client import WalkStopped, forms_of
from lti_tool.dev.lms.config import Activity
from lti_tool.dev.lms.keys import SigningKey
from tests.lms_harness import ASSISTANT, COURSE_ID, GRADED, LEARNER, TEACHER, Pair, running_pair, verified_claims


@pytest.fixture
def pair() -> Iterator[Pair]:
    with running_pair() as pair:
        yield pair


def link(**changes: Any) -> dict[str, Any]:
    item = {"type": "ltiResourceLink", "title": "แบบประเมิน", "url": "https://tool.example/open/x", "custom": {"activity": "roadmap"}}
    return {name: value for name, value in {**item, **changes}.items() if value is not None}


def graded(**changes: Any) -> dict[str, Any]:
    return link(lineItem={"scoreMaximum": 20, "resourceId": "r-1", "tag": "assessment", "label": "อื่น", **changes})


def activity(pair: Pair, activity_id: str) -> Activity:
    return pair.lms.catalogue.activities[activity_id][1]


def column(pair: Pair, activity_id: str) -> gradebook.LineItem | None:
    with pair.lms.store.transaction() as db:
        return gradebook.find_column(db, activity_id)


def answer_with(pair: Pair, token: str, *, field: str = "JWT", sesskey: str | None = None) -> requests.Response:
    """The LMS's answer to a deep linking response that the teacher's browser posts."""
    with pair.running.browser(TEACHER) as browser:
        page = browser.open_picker(COURSE_ID, "1")
        address = forms_of(page)[0].action
        if sesskey is not None:
            address = address.rpartition("=")[0] + "=" + sesskey
        return browser.request("POST", address, page=page, data={field: token})


def request_claims(pair: Pair) -> dict[str, Any]:
    with pair.running.browser(TEACHER) as browser:
        browser.open_picker(COURSE_ID, "1")
    return verified_claims(pair.running, pair.tool.launches[-1]["id_token"])


def test_the_request_is_moodles(pair: Pair) -> None:
    claims = request_claims(pair)

    settings = claims[names.DEEP_LINKING_SETTINGS]
    assert claims[names.MESSAGE_TYPE] == "LtiDeepLinkingRequest"
    assert names.RESOURCE_LINK not in claims
    assert names.BASIC_OUTCOME not in claims
    assert claims[names.LAUNCH_PRESENTATION] == {"locale": "th"}
    assert "lineitem" not in claims[names.AGS_ENDPOINT]
    assert names.NRPS_SERVICE in claims
    assert settings.pop("deep_link_return_url").startswith(f"{pair.url}/mod/lti/contentitem_return.php?course=2&id=1&sesskey=")
    assert settings == {
        "accept_types": ["ltiResourceLink"],
        "accept_presentation_document_targets": ["frame", "iframe", "window"],
        "accept_copy_advice": False,
        "accept_multiple": True,
        "accept_unsigned": False,
        "auto_create": False,
        "can_confirm": False,
        "title": "",
        "text": "",
    }


def test_q14_the_message_hint_of_a_deep_linking_request_names_no_activity(pair: Pair) -> None:
    request_claims(pair)

    hint = pair.tool.logins[-1]["lti_message_hint"]

    assert '"launchid"' in hint
    assert "cmid" not in hint


def test_one_link_fills_the_form_and_becomes_an_activity_when_the_teacher_saves_it(pair: Pair) -> None:
    before = set(pair.lms.catalogue.activities)

    form = pair.pick(graded())
    unsaved = set(pair.lms.catalogue.activities)
    (made,) = pair.place(graded())

    assert unsaved == before
    assert dict(forms_of(form)[-1].fields)["title"] == "แบบประเมิน"
    assert activity(pair, made).url == "https://tool.example/open/x"
    assert activity(pair, made).custom == {"activity": "roadmap"}
    found = column(pair, made)
    assert found is not None
    assert (found.label, found.score_maximum, found.resource_id, found.tag) == ("แบบประเมิน", 20, "r-1", "assessment")


def test_a_placed_link_is_launched_with_its_address_its_parameters_and_its_column(pair: Pair) -> None:
    (made,) = pair.place(graded())

    claims = pair.claims(LEARNER, made)

    assert claims[names.TARGET_LINK_URI] == "https://tool.example/open/x"
    assert claims[names.CUSTOM] == {"activity": "roadmap"}
    assert claims[names.RESOURCE_LINK]["id"] == made
    assert "lineitem" in claims[names.AGS_ENDPOINT]


def test_several_links_are_made_at_once_and_keep_their_text_as_it_is(pair: Pair) -> None:
    first, second = pair.place(link(text="<b>ตัวหนา</b>"), graded())

    assert pair.claims(LEARNER, first)[names.RESOURCE_LINK]["description"] == "<b>ตัวหนา</b>"
    assert column(pair, first) is None
    assert column(pair, second) is not None


def test_the_text_of_one_link_is_html_that_launches_as_text(pair: Pair) -> None:
    (made,) = pair.place(link(text="<b>bold</b> &amp; plain\nnext"))

    assert pair.claims(LEARNER, made)[names.RESOURCE_LINK]["description"] == "BOLD & plain\r\nnext"


def test_html_becomes_capitals_and_lines() -> None:
    assert html_as_text("<p>one</p><p>two <strong>three</strong><br>four</p>") == "one\r\ntwo THREE\r\nfour"


@pytest.mark.parametrize("answer", [{}, {"https://purl.imsglobal.org/spec/lti-dl/claim/msg": "ข้อความ"}])
def test_q30_no_item_closes_silently_and_a_message_is_never_shown(pair: Pair, answer: dict[str, str]) -> None:
    form = pair.pick(**answer)

    assert form.status_code == 200
    assert "ข้อความ" not in form.text
    assert dict(forms_of(form)[-1].fields)["title"] == ""


@pytest.mark.parametrize(
    ("item", "url"),
    [
        ({"type": "link", "url": "https://elsewhere.example/"}, "https://elsewhere.example/"),
        ({"type": "html", "html": "<p>x</p>"}, ""),
        ({"type": "rich"}, ""),
    ],
)
def test_q29_items_of_other_types_are_wrongly_made_into_activities(pair: Pair, item: dict[str, Any], url: str) -> None:
    (made,) = pair.place(item)

    assert activity(pair, made).url == url
    assert pair.claims(LEARNER, made)[names.TARGET_LINK_URI] == (url or f"{pair.tool.url}/lti/launch")


def test_an_item_with_nothing_but_its_type_is_named_after_the_tool_and_not_graded(pair: Pair) -> None:
    (made,) = pair.place({"type": "ltiResourceLink"})

    claims = pair.claims(LEARNER, made)
    assert activity(pair, made).title["th"] == "ก้าวหน้า"
    assert "lineitem" not in claims[names.AGS_ENDPOINT]
    assert names.BASIC_OUTCOME not in claims


@pytest.mark.parametrize(("maximum", "kept"), [(None, 100), (0, 0), (0.5, 0.5)])
def test_the_maximum_is_100_when_none_is_given_and_otherwise_taken_as_it_is(pair: Pair, maximum: float | None, kept: float) -> None:
    item = link(lineItem={} if maximum is None else {"scoreMaximum": maximum})
    first, _ = pair.place(item, item)

    found = column(pair, first)
    assert found is not None
    assert found.score_maximum == kept


def test_q33_dates_window_and_label_of_an_item_are_dropped(pair: Pair) -> None:
    item = graded(label="ชื่อคอลัมน์", gradesReleased=False) | {"available": {"startDateTime": "2026-12-01T00:00:00Z"}, "window": {}}
    (made,) = pair.place(item)

    found = column(pair, made)
    assert found is not None
    assert found.label == "แบบประเมิน"
    assert not activity(pair, made).opens_in_window


def test_an_icon_is_kept_when_its_address_is_https(pair: Pair) -> None:
    secure, _ = pair.place(link(icon={"url": "https://tool.example/i.png"}), link(icon={"url": "http://tool.example/i.png"}))

    assert activity(pair, secure).icon == "https://tool.example/i.png"
    assert [each.icon for _, each in pair.lms.catalogue.activities.values()].count("https://tool.example/i.png") == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "somebody else"},
        {names.DEPLOYMENT_ID: "99"},
        {names.MESSAGE_TYPE: "Something"},
        {names.VERSION: None},
        {"nonce": None},
        {"exp": None},
    ],
)
def test_what_moodle_does_not_check_is_accepted(pair: Pair, changes: dict[str, Any]) -> None:
    form = pair.pick(link(), **changes)

    assert dict(forms_of(form)[-1].fields)["title"] == "แบบประเมิน"


@pytest.mark.parametrize("changes", [{"iss": "somebody else"}, {"exp": -10}, {"iat": 600}])
def test_q31_a_wrong_issuer_an_expired_answer_and_one_from_the_future_are_404_pages(pair: Pair, changes: dict[str, Any]) -> None:
    now = int(time.time())
    claims = {name: now + value if isinstance(value, int) else value for name, value in changes.items()}

    with pytest.raises(WalkStopped, match="404"):
        pair.pick(link(), **claims)


def test_q31_another_key_or_none_named_is_a_404_page(pair: Pair) -> None:
    claims = request_claims(pair)
    pair.tool.content = [link()]
    good = pair.tool.content_answer(claims)
    foreign = pair.tool.content_answer(claims, key=SigningKey.generate(), kid=pair.tool.key.kid)
    unknown = pair.tool.content_answer(claims, kid="unknown")
    nameless = jwt.encode(jwt.decode(good, options={"verify_signature": False}), pair.tool.key.private, "RS256")

    assert answer_with(pair, good).status_code == 200
    assert [answer_with(pair, token).status_code for token in (foreign, unknown, nameless)] == [404, 404, 404]
    assert answer_with(pair, good, field="jwt").status_code == 404
    assert answer_with(pair, good, sesskey="guess").status_code == 404


def test_q18_an_answer_that_comes_without_the_session_is_posted_again_once(pair: Pair) -> None:
    claims = request_claims(pair)
    address = claims[names.DEEP_LINKING_SETTINGS]["deep_link_return_url"]
    with pair.running.browser() as stranger:
        first = stranger.request("POST", address, data={"JWT": pair.tool.content_answer(claims)})
        second = stranger.submit_form(first, form="handover")

    assert dict(forms_of(first)[0].fields)["repost"] == "1"
    assert second.status_code == 404


def test_content_is_chosen_anew_for_the_same_link_and_the_same_column(pair: Pair) -> None:
    (made,) = pair.place(graded())
    before = column(pair, made)

    form = pair.pick(graded(scoreMaximum=50, resourceId="r-2") | {"url": "https://tool.example/open/y"}, activity_id=made)
    with pair.running.browser(TEACHER) as browser:
        browser.submit_form(form, form="activity")

    after = column(pair, made)
    assert before is not None
    assert after is not None
    assert (after.id, after.score_maximum, after.resource_id) == (before.id, 50, "r-2")
    assert activity(pair, made).url == "https://tool.example/open/y"


def test_q32_a_duplicate_has_the_same_resource_id_and_tag_under_a_new_link_and_column(pair: Pair) -> None:
    (made,) = pair.place(graded())
    with pair.running.browser(TEACHER) as browser:
        browser.request("POST", f"{pair.url}/activities/{made}/duplicate")
    copy = max(pair.lms.catalogue.activities, key=int)

    one, other = column(pair, made), column(pair, copy)
    assert copy != made
    assert one is not None
    assert other is not None
    assert (other.resource_id, other.tag) == (one.resource_id, one.tag) == ("r-1", "assessment")
    assert other.id != one.id
    assert other.resource_link_id == copy
    assert activity(pair, copy).custom == activity(pair, made).custom


def test_a_teacher_edits_the_parameters_and_the_address_of_a_link(pair: Pair) -> None:
    (made,) = pair.place(graded())
    with pair.running.browser(TEACHER) as browser:
        form = browser.get(f"{pair.url}/activities/{made}/edit")
        browser.submit_form(form, {"custom": "activity=path\nItem-ID=a=b;c", "url": "", "is_graded": None}, form="activity")

    claims = pair.claims(LEARNER, made)
    assert claims[names.CUSTOM] == {"activity": "path", "Item-ID": "a=b;c", "item_id": "a=b;c"}
    assert claims[names.TARGET_LINK_URI] == f"{pair.tool.url}/lti/launch"
    assert column(pair, made) is None


def test_only_who_teaches_the_course_chooses_content(pair: Pair) -> None:
    for person_id in (LEARNER, ASSISTANT):
        with pair.running.browser(person_id) as browser, pytest.raises(WalkStopped, match="404"):
            browser.open_picker(COURSE_ID, "1")


def test_the_return_of_content_follows_a_script_of_faults(pair: Pair) -> None:
    requests.put(f"{pair.url}/control/faults", json={"deep_linking_return": [503]}, timeout=10)

    with pytest.raises(WalkStopped, match="503"):
        pair.pick(link())
    assert pair.pick(link()).status_code == 200


def test_the_settings_of_a_request_can_be_laid_over(pair: Pair) -> None:
    overlay = {"deep_linking_settings": {"data": "é&=", "accept_multiple": False, "title": None}}
    requests.put(f"{pair.url}/control/faults", json=overlay, timeout=10)

    settings = request_claims(pair)[names.DEEP_LINKING_SETTINGS]

    assert (settings["data"], settings["accept_multiple"]) == ("é&=", False)
    assert "title" not in settings


@pytest.mark.browser
@pytest.mark.parametrize("width", [320, 1280])
def test_in_a_real_browser_the_picker_opens_in_a_dialog_and_fills_the_form(pair: Pair, chromium: Any, width: int) -> None:
    pair.tool.content = [graded()]
    context = chromium.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    page.goto(f"{pair.url}/")
    page.click(f"button[value='{TEACHER}']")
    page.goto(f"{pair.url}/courses/{COURSE_ID}/activities/new?tool=1")
    page.fill("#title", "ชื่อที่พิมพ์ไว้")
    page.click("#choose")
    frame = page.frame_locator("#picker iframe")
    frame.get_by_role("heading", name="เลือกเนื้อหา").wait_for()
    overflowing = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    frame.locator("button").click()
    page.wait_for_url("**/activities/chosen?tool=1")
    title = page.input_value("#title")
    page.click("button[name=save]")
    page.wait_for_url(f"{pair.url}/courses/{COURSE_ID}")
    context.close()

    settings = verified_claims(pair.running, pair.tool.launches[-1]["id_token"])[names.DEEP_LINKING_SETTINGS]
    assert settings["title"] == "ชื่อที่พิมพ์ไว้"
    assert title == "แบบประเมิน"
    assert overflowing <= 0
    assert GRADED in pair.lms.catalogue.activities
