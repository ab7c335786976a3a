"""Ways of other platforms, each off until a switch puts it on: platform storage, frame size, sound links, shapes, privacy launch."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests

from lti_tool.dev.lms import names
from lti_tool.dev.lms.config import Habits
from lti_tool.dev.lms.faults import ServiceFault
from lti_tool.dev.lms.shapes import SHAPES
from lti_tool.dev.lms.switches import read_script, script_text
from tests.lms_harness import (
    ADMINISTRATOR,
    COURSE_ID,
    GRADED,
    LEARNER,
    TEACHER,
    Pair,
    running_pair,
    verified_claims,
)

COURSE_TYPES = {"moodle": ["CourseSection"]}


@pytest.fixture
def pair() -> Iterator[Pair]:
    with running_pair() as pair:
        yield pair


def put_habits(pair: Pair, **habits: Any) -> requests.Response:
    return requests.put(f"{pair.url}/control/habits", json=habits, timeout=10)


# Moodle first: nothing of it


def test_moodle_names_no_storage_target_at_login_and_puts_no_listener_on_its_pages(pair: Pair) -> None:
    with pair.running.browser(LEARNER) as browser:
        page = browser.get(f"{pair.url}/activities/{GRADED}").text
    pair.launch(LEARNER, GRADED)

    assert "lti_storage_target" not in pair.tool.logins[-1]
    assert "storage.js" not in page
    assert "storage-frame" not in page


def test_moodle_has_no_data_privacy_launch(pair: Pair) -> None:
    with pair.running.browser(LEARNER) as browser:
        assert browser.get(f"{pair.url}/privacy").status_code == 404
        assert browser.get(f"{pair.url}/privacy/1/launch").status_code == 404


# Platform storage in a real browser

ASK = """
async ([subject, rest, frame, origin]) => {
  const target = frame === "_parent" ? window.parent : window.parent.frames[frame];
  return await new Promise((resolve) => {
    const timer = setTimeout(() => resolve("no answer"), 700);
    window.addEventListener("message", (event) => {
      if (event.data.subject === `${subject}.response`) { clearTimeout(timer); resolve({...event.data, origin: event.origin}); }
    });
    target.postMessage({subject, message_id: "m1", ...rest}, origin);
  });
}
"""


RESIZE = "{subject: 'lti.frameResize', height: 777}"


def tool_frame(pair: Pair, page: Any, person_id: str = LEARNER) -> Any:
    page.goto(f"{pair.url}/")
    page.click(f"button[value='{person_id}']")
    page.goto(f"{pair.url}/activities/{GRADED}")
    page.frame_locator("#contentframe").get_by_role("heading", name="หน้าของเครื่องมือ").wait_for()
    return next(frame for frame in page.frames if frame.url == f"{pair.tool.url}/page")


@pytest.mark.browser
@pytest.mark.parametrize("frame", ["_parent", "lms_storage"])
def test_in_a_real_browser_data_that_a_tool_puts_comes_back_to_its_origin(pair: Pair, chromium: Any, frame: str) -> None:
    put_habits(pair, storage_frame=frame)
    context = chromium.new_context()
    tool = tool_frame(pair, context.new_page())

    capabilities = tool.evaluate(ASK, ["lti.capabilities", {}, "_parent", "*"])
    put = tool.evaluate(ASK, ["lti.put_data", {"key": "state", "value": "abc"}, frame, pair.url])
    got = tool.evaluate(ASK, ["lti.get_data", {"key": "state"}, frame, pair.url])
    missing = tool.evaluate(ASK, ["lti.get_data", {"key": "other"}, frame, pair.url])
    wrong = tool.evaluate(ASK, ["lti.put_data", {"key": 5, "value": "x"}, frame, pair.url])
    context.close()

    assert pair.tool.logins[-1]["lti_storage_target"] == frame
    assert {"subject": "lti.put_data", "frame": frame} in capabilities["supported_messages"]
    assert (put["message_id"], put["key"], put["value"], put["origin"]) == ("m1", "state", "abc", pair.url)
    assert got["value"] == "abc"
    assert missing["value"] is None
    assert wrong["error"]["code"] == "bad_request"


@pytest.mark.browser
def test_in_a_real_browser_without_the_switch_nothing_answers(pair: Pair, chromium: Any) -> None:
    context = chromium.new_context()
    tool = tool_frame(pair, context.new_page())

    answers = [
        tool.evaluate(ASK, [subject, {"key": "k", "value": "v"}, "_parent", "*"]) for subject in ("lti.capabilities", "lti.put_data")
    ]
    context.close()

    assert answers == ["no answer", "no answer"]


@pytest.mark.browser
@pytest.mark.parametrize(
    "message", ["{subject: 'lti.frameResize', height: 777}", "JSON.stringify({subject: 'lti.frameResize', height: 777})"]
)
def test_in_a_real_browser_the_frame_takes_the_height_that_is_asked_in_either_shape(pair: Pair, chromium: Any, message: str) -> None:
    heights = []
    for resizes in (True, False):
        put_habits(pair, resizes_frame=resizes)
        context = chromium.new_context()
        page = context.new_page()
        tool = tool_frame(pair, page)
        tool.evaluate(f"window.parent.postMessage({message}, '*')")
        page.wait_for_timeout(200)
        heights.append(page.locator("#contentframe").bounding_box()["height"])
        context.close()

    assert heights[0] == 777
    assert heights[1] != 777


@pytest.mark.browser
def test_in_a_real_browser_a_tool_of_another_host_name_is_refused_its_plain_cookie(chromium: Any) -> None:
    """The LMS on `localhost` and the tool on `127.0.0.1` are two sites: what blocks third-party cookies blocks the tool's."""
    with running_pair() as pair:
        pair.lms.config = replace(pair.lms.config, base_url=pair.url.replace("127.0.0.1", "localhost"))
        far = pair.url.replace("127.0.0.1", "localhost")
        pair.tool.auth_url = pair.tool.auth_url.replace("127.0.0.1", "localhost")
        context = chromium.new_context()
        page = context.new_page()
        page.goto(f"{far}/")
        page.click(f"button[value='{LEARNER}']")
        page.goto(f"{far}/activities/{GRADED}")
        page.frame_locator("#contentframe").get_by_role("heading", name="หน้าของเครื่องมือ").wait_for()
        tool = next(frame for frame in page.frames if frame.url == f"{pair.tool.url}/page")
        stored = tool.evaluate("document.cookie = 'plain=1; SameSite=Lax', document.cookie")
        context.close()

    assert stored == ""


# Other ways


def test_sound_links_can_be_read(pair: Pair) -> None:
    put_habits(pair, has_sound_links=True)
    address = f"{pair.url}/mod/lti/services.php/{COURSE_ID}/lineitems?type_id=1"
    for label in ("a", "b"):
        pair.call("POST", address, json={"label": label, "scoreMaximum": 1}, headers={"Content-Type": names.MEDIA_LINE_ITEM})

    seen, following = [], f"{address}&limit=1"
    while following:
        answer = pair.call("GET", following, headers={"Accept": names.MEDIA_LINE_ITEMS})
        seen += [item["label"] for item in answer.json()]
        following = answer.links.get("next", {}).get("url", "")

    assert seen == ["แบบประเมิน", "a", "b"]


def test_a_data_privacy_launch_has_no_course_and_is_about_the_one_who_opens_it(pair: Pair) -> None:
    put_habits(pair, has_privacy_launch=True)
    with pair.running.browser(LEARNER) as browser:
        listed = browser.get(f"{pair.url}/privacy").text
        browser.open_message("/privacy/1/launch")

    claims = verified_claims(pair.running, pair.tool.launches[-1]["id_token"])
    assert "/privacy/1/launch" in listed
    assert claims[names.MESSAGE_TYPE] == "LtiDataPrivacyLaunchRequest"
    assert claims[names.FOR_USER] == {"user_id": LEARNER}
    assert names.CONTEXT not in claims
    assert names.RESOURCE_LINK not in claims


def test_a_habit_that_does_not_exist_is_refused(pair: Pair) -> None:
    assert put_habits(pair, shape="no such").status_code == 400
    assert put_habits(pair, colour="red").status_code == 400
    assert pair.lms.habits == Habits()


# Shapes


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_every_shape_keeps_who_a_launch_is_from_and_for_and_where_its_services_are(pair: Pair, shape: str) -> None:
    before = pair.claims(LEARNER, GRADED)
    put_habits(pair, shape=shape)

    claims = pair.claims(LEARNER, GRADED)

    for name in ("iss", "aud", "sub", "nonce", names.DEPLOYMENT_ID, names.MESSAGE_TYPE, names.TARGET_LINK_URI, names.AGS_ENDPOINT):
        assert claims[name] == before[name]
    assert claims[names.RESOURCE_LINK]["id"] == GRADED
    assert claims[names.NRPS_SERVICE]["context_memberships_url"] == before[names.NRPS_SERVICE]["context_memberships_url"]
    assert names.LEARNER in claims[names.ROLES]
    assert names.INSTRUCTOR not in claims[names.ROLES]


@pytest.mark.parametrize(
    ("shape", "family", "own_claim", "life_seconds"),
    [
        ("moodle", "moodle", names.BASIC_OUTCOME, 60),
        ("canvas", "canvas", "https://www.instructure.com/placement", 3600),
        ("brightspace", "desire2learn", "http://www.brightspace.com", 1800),
        ("blackboard", "BlackboardLearn", "locale", 3600),
        ("sakai", "sakai", "https://www.sakailms.org/spec/lti/claim/extension", 3600),
    ],
)
def test_every_shape_says_its_product_and_has_its_own_claims(
    pair: Pair, shape: str, family: str, own_claim: str, life_seconds: int
) -> None:
    put_habits(pair, shape=shape)

    claims = pair.claims(TEACHER, GRADED)

    assert claims[names.TOOL_PLATFORM]["product_family_code"] == family
    assert own_claim in claims
    assert claims["exp"] - claims["iat"] == life_seconds
    course_type = claims[names.CONTEXT]["type"]
    assert course_type == COURSE_TYPES.get(shape, ["http://purl.imsglobal.org/vocab/lis/v2/course#CourseOffering"])
    assert names.INSTRUCTOR in claims[names.ROLES]


@pytest.mark.parametrize("shape", sorted(set(SHAPES) - {"moodle", "openedx"}))
def test_every_shape_but_two_sends_data_with_a_deep_linking_request(pair: Pair, shape: str) -> None:
    put_habits(pair, shape=shape)
    with pair.running.browser(TEACHER) as browser:
        browser.open_picker(COURSE_ID, "1")

    settings = verified_claims(pair.running, pair.tool.launches[-1]["id_token"])[names.DEEP_LINKING_SETTINGS]

    assert settings["data"]
    assert settings["accept_lineitem"] is True


@pytest.mark.parametrize("shape", sorted(SHAPES))
@pytest.mark.parametrize("path", [f"/activities/{GRADED}/review/{LEARNER}/launch", "/privacy/1/launch"])
def test_every_shape_fits_every_message(pair: Pair, shape: str, path: str) -> None:
    put_habits(pair, shape=shape, has_privacy_launch=True)
    with pair.running.browser(TEACHER) as browser:
        browser.open_message(path)

    assert verified_claims(pair.running, pair.tool.launches[-1]["id_token"])[names.FOR_USER]["user_id"] in {LEARNER, TEACHER}


def test_a_shape_changes_nothing_of_what_it_is_given(pair: Pair) -> None:
    claims = pair.claims(LEARNER, GRADED)
    kept = repr(claims)

    for shape in SHAPES.values():
        shape(claims)

    assert repr(claims) == kept


# The page of switches


def test_the_administrator_sets_switches_on_a_page_and_puts_them_back(pair: Pair) -> None:
    address = f"{pair.url}/administration/switches"
    with pair.running.browser(ADMINISTRATOR) as browser:
        values = {
            "shape": "canvas",
            "storage_frame": "_parent",
            "scores": "500 429:7 200+",
            "key_set": "empty",
            "more": '{"claims": {"x": 1}}',
        }
        page = browser.submit_form(browser.get(address), values, form="switches")
        habits, faults = pair.lms.habits, pair.lms.faults
        browser.request("POST", f"{address}/reset", page=page)

    assert (habits.shape, habits.storage_frame) == ("canvas", "_parent")
    assert faults.scores == [ServiceFault(500), ServiceFault(429, "7"), ServiceFault(200, is_stored=True)]
    assert (faults.key_set, faults.claims) == ("empty", {"x": 1})
    assert '"claims":{"x":1}' in page.text.replace("&#34;", '"')
    assert (pair.lms.habits, pair.lms.faults.key_set) == (Habits(), "")


@pytest.mark.parametrize("changes", [{"scores": "many"}, {"more": '{"nothing": 1}'}, {"more": "[1]"}, {"more": "{"}])
def test_a_switch_that_cannot_be_is_refused_with_its_reason(pair: Pair, changes: dict[str, str]) -> None:
    with pair.running.browser(ADMINISTRATOR) as browser:
        page = browser.submit_form(browser.get(f"{pair.url}/administration/switches"), changes, form="switches")

    assert page.status_code == 400
    assert 'role="alert"' in page.text
    assert pair.lms.faults.scores == []


def test_only_the_administrator_finds_the_switches(pair: Pair) -> None:
    with pair.running.browser(TEACHER) as browser:
        assert browser.get(f"{pair.url}/administration/switches").status_code == 404


def test_a_script_is_written_as_it_is_read() -> None:
    text = "500 503 429:2 200+"

    assert script_text([ServiceFault(**entry) for entry in read_script(text)]) == text


def test_a_key_set_of_the_tool_behind_moodles_own_filter_is_a_404_page_at_the_token_endpoint(pair: Pair) -> None:
    requests.put(f"{pair.url}/control/faults", json={"tool_key_set_is_blocked": True}, timeout=10)

    answer = pair.ask_token()

    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    ("script", "method", "path"), [("line_items", "GET", "lineitems"), ("results", "GET", "lineitems/1/lineitem/results")]
)
def test_a_script_of_its_own_hits_its_service_alone(pair: Pair, script: str, method: str, path: str) -> None:
    requests.put(f"{pair.url}/control/faults", json={script: [503]}, timeout=10)
    media = {"line_items": names.MEDIA_LINE_ITEMS, "results": names.MEDIA_RESULTS}
    other = {"line_items": "lineitems/1/lineitem/results", "results": "lineitems"}[script]
    other_media = media["results" if script == "line_items" else "line_items"]
    root = f"{pair.url}/mod/lti/services.php/{COURSE_ID}"

    untouched = pair.call("GET", f"{root}/{other}?type_id=1", headers={"Accept": other_media}).status_code
    first, second = (pair.call(method, f"{root}/{path}?type_id=1", headers={"Accept": media[script]}).status_code for _ in range(2))

    assert (untouched, first, second) == (200, 503, 200)
