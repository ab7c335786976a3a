"""Every page of the demo LMS in a real browser, Thai and English, 320 px and desktop: no barrier that axe-core knows, no overflow."""

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest

from lti_tool.dev.lms import names
from lti_tool.dev.lms.config import Habits
from tests.lms_harness import ADMINISTRATOR, COURSE_ID, GRADED, LEARNER, TEACHER, Pair, running_pair

pytestmark = pytest.mark.browser

RULES = """{ runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"], resultTypes: ["violations"], preload: false, iframes: false }"""
"""The frame holds a tool's page, which is that tool's to mend."""
JUDGE = f"""() => axe.run(document, {RULES})
  .then((found) => found.violations.map((one) => [one.id, one.nodes.map((node) => node.html.slice(0, 200))]))"""

PAGES = {
    LEARNER: [f"/courses/{COURSE_ID}", f"/courses/{COURSE_ID}/grades", "/privacy", "/storage-frame"],
    TEACHER: [
        f"/courses/{COURSE_ID}",
        f"/courses/{COURSE_ID}/grades",
        f"/courses/{COURSE_ID}/grades/1/{LEARNER}",
        f"/courses/{COURSE_ID}/participants",
        f"/courses/{COURSE_ID}/tools",
        f"/courses/{COURSE_ID}/activities/new?tool=1",
        f"/activities/{GRADED}/edit",
        f"/activities/{GRADED}",
        f"/activities/{GRADED}/review/{LEARNER}",
    ],
    ADMINISTRATOR: ["/administration", "/administration/tools/register?url={tool}/lti/register", "/administration/switches"],
}


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with running_pair() as pair:
        pair.register(pair.registration_token())
        pair.lms.habits = Habits(has_privacy_launch=True)
        score = {
            "userId": LEARNER,
            "timestamp": "2026-11-22T03:00:00Z",
            "activityProgress": "Completed",
            "gradingProgress": "FullyGraded",
            "scoreGiven": 71.5,
            "scoreMaximum": 100,
            "comment": "ระดับใช้งานได้",
        }
        url = f"{pair.url}/mod/lti/services.php/{COURSE_ID}/lineitems/1/lineitem/scores?type_id=1"
        pair.call("POST", url, json=score, headers={"Content-Type": names.MEDIA_SCORE})
        yield pair


@pytest.mark.parametrize(("language", "widths"), [("th", (320, 1280)), ("en", (320,))])
def test_no_page_has_a_barrier_an_overflow_or_a_complaint(pair: Pair, chromium: Any, language: str, widths: tuple[int, ...]) -> None:
    faults: list[object] = []

    def hear(message: Any) -> None:
        if message.type == "error":
            faults.append(message.text)

    for person_id, paths in PAGES.items():
        context = chromium.new_context()
        context.add_init_script((files("axe_playwright_python") / "axe.min.js").read_text())
        page = context.new_page()
        page.on("console", hear)
        page.goto(f"{pair.url}/")
        page.click(f"button[value='{person_id}']")
        page.request.post(f"{pair.url}/language", form={"language": language, "back": "/"})
        for path in paths:
            page.set_viewport_size({"width": widths[0], "height": 800})
            page.goto(pair.url + path.format(tool=pair.tool.url))
            assert page.evaluate("document.documentElement.lang") == language
            for width in widths:
                page.set_viewport_size({"width": width, "height": 800})
                faults += [(path, width, *found) for found in page.evaluate(JUDGE)]
                if page.evaluate("document.documentElement.scrollWidth - window.innerWidth") > 0:
                    faults.append((path, width, "wider than the screen"))
        context.close()

    assert faults == []
