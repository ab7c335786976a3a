"""The way back to the platform with messages, and the page that tells the platform its height."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser
from werkzeug.serving import make_server

from lti_tool.lti import vocabulary as v
from lti_tool.lti.return_url import with_messages
from lti_tool.web.headers import POLICY
from tests.lti.lti_world import TOOL, Answer, Platform, Tool
from tests.pages import states

RETURN = "https://lms.example.go.th/mod/lti/return.php?course=2&sesskey=AbC"


def test_messages_are_added_to_the_parameters_that_the_address_has():
    url = with_messages(RETURN, message="ส่งคะแนนแล้ว & เสร็จ", error="e=1", log="l", error_log="x#y")

    assert url.startswith(f"{RETURN}&")
    assert parse_qs(urlsplit(url).query) == {
        "course": ["2"],
        "sesskey": ["AbC"],
        "lti_msg": ["ส่งคะแนนแล้ว & เสร็จ"],
        "lti_errormsg": ["e=1"],
        "lti_log": ["l"],
        "lti_errorlog": ["x#y"],
    }


@pytest.mark.parametrize("told", [{}, {"message": None}, {"message": ""}])
def test_without_a_message_the_address_stays_as_it_is(told: dict[str, Any]):
    assert with_messages(RETURN, **told) == RETURN


def test_an_address_without_parameters_and_one_with_a_fragment_are_joined_correctly():
    assert with_messages("https://lms.example/back", message="a") == "https://lms.example/back?lti_msg=a"
    assert with_messages("https://lms.example/back?x=1#top", log="a") == "https://lms.example/back?x=1&lti_log=a#top"


def test_a_page_that_is_refused_offers_the_way_back_with_the_sentence_and_the_reference(tool: Tool):
    window = {v.LAUNCH_PRESENTATION: {"locale": "en", "document_target": "window", "return_url": f"{tool.platform.url}/return?sesskey=x"}}
    launch = tool.launched(**window)

    page = tool.browser.get(f"/teach/{launch}/review", base_url=TOOL, headers={"Accept": "text/html"})

    assert page.status_code == 404
    (link,) = [part for part in page.text.split('"') if part.startswith(f"{tool.platform.url}/return")]
    told = parse_qs(urlsplit(link.replace("&amp;", "&")).query)
    assert told["sesskey"] == ["x"]
    assert told["lti_errormsg"] == ["The requested item was not found."]
    code, reference = told["lti_errorlog"][0].split()
    assert code == "not_found"
    assert reference in page.text


def test_a_way_back_that_is_not_the_platforms_is_never_offered(tool: Tool):
    launch = tool.launched(**{v.LAUNCH_PRESENTATION: {"document_target": "window", "return_url": "https://evil.example/"}})

    page = tool.browser.get(f"/teach/{launch}/review", base_url=TOOL, headers={"Accept": "text/html"})

    assert "evil.example" not in page.text
    assert "lti_errormsg" not in page.text


LISTENER = """<!doctype html><title>course</title><script>
window.heard = [];
addEventListener("message", (event) => {
  const shape = typeof event.data, data = shape === "string" ? JSON.parse(event.data) : event.data;
  window.heard.push([shape, data.subject, data.height]);
});
</script><iframe width="600" height="200" src="{src}"></iframe>"""


@pytest.fixture
def hear(platform: Platform, tmp_path: Path, chromium: Browser, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """What the course page of a platform hears of a page of ours in its frame, when the launch was from that origin."""
    app = states.create_pages_app(tmp_path)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    src = f"http://127.0.0.1:{server.server_port}{states.address(states.STATES['intro-open'], 'th')}".replace("&", "&amp;")
    page = Answer(body=LISTENER.replace("{src}", src).encode(), headers={"Content-Type": "text/html"})
    platform.answers["/course"] = lambda _: page

    def listen(origin: str) -> Any:
        monkeypatch.setattr(states, "POLICY", POLICY.replace("{ancestors}", platform.url))
        monkeypatch.setattr(states, "PRINCIPAL", replace(states.PRINCIPAL, platform_origin=origin))
        tab = chromium.new_page()
        tab.goto(f"{platform.url}/course")
        tab.frames[1].wait_for_load_state("load")
        tab.wait_for_timeout(500)
        heard = tab.evaluate("window.heard")
        tab.close()
        return heard

    yield listen
    server.shutdown()


def test_the_page_tells_its_height_to_the_platform_as_an_object_and_as_json_text(hear: Callable[[str], Any], platform: Platform):
    heard = hear(platform.url)

    assert {(shape, subject) for shape, subject, _ in heard} == {("object", "lti.frameResize"), ("string", "lti.frameResize")}
    assert all(isinstance(height, int) and height > 200 for *_, height in heard)


def test_a_frame_of_another_origin_than_the_platforms_hears_nothing(hear: Callable[[str], Any]):
    assert hear("https://lms.example.go.th") == []
