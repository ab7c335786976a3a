"""What the browser adds to an answer: how the page was left meanwhile, and in Safe Exam Browser what its keys are worth there."""

import re

import pytest
from playwright.sync_api import Browser, Page

from tests.pages import states

pytestmark = pytest.mark.browser

SENT = """() => Object.fromEntries([...new FormData(document.querySelector('form[data-answer]'))]
  .filter(([name]) => /^(away|seb)_/.test(name)))"""


@pytest.fixture
def page(chromium: Browser, pages_url: str):
    context = chromium.new_context()
    context.clock.install()
    tab = context.new_page()
    tab.goto(pages_url + states.address(states.STATES["item-single_choice"], "th"))
    yield tab
    context.close()


def leave(page: Page, milliseconds: int) -> None:
    page.evaluate("dispatchEvent(new Event('blur'))")
    page.clock.fast_forward(milliseconds)
    page.evaluate("dispatchEvent(new Event('focus'))")


def test_absences_go_with_the_answer_and_a_moment_is_none(page: Page):
    assert page.evaluate(SENT) == {"away_count": "0", "away_ms": "0"}

    leave(page, 4000)
    leave(page, 600)
    leave(page, 2500)

    sent = page.evaluate(SENT)
    assert sent["away_count"] == "2"
    assert 6500 <= int(sent["away_ms"]) < 7500


def test_an_absence_that_goes_on_is_told_so_far_and_the_next_item_begins_anew(page: Page):
    page.evaluate("dispatchEvent(new Event('blur'))")
    page.clock.fast_forward(3000)
    during = page.evaluate(SENT)
    page.evaluate("dispatchEvent(new Event('focus')); document.dispatchEvent(new Event('kaona:page'))")

    assert during["away_count"] == "1"
    assert 3000 <= int(during["away_ms"]) < 4000
    assert page.evaluate(SENT) == {"away_count": "0", "away_ms": "0"}


def test_safe_exam_browser_tells_its_hashes_and_the_page_that_they_are_for(chromium: Browser, pages_url: str):
    context = chromium.new_context()
    context.add_init_script("""window.SafeExamBrowser = { security: { updateKeys(done) {
        this.configKey = 'c'.repeat(64); this.browserExamKey = 'b'.repeat(64); done(); } } }""")
    tab = context.new_page()
    tab.goto(pages_url + states.address(states.STATES["item-single_choice"], "th") + "#item")

    sent = tab.evaluate(SENT)

    assert (sent["seb_config"], sent["seb_exam"]) == ("c" * 64, "b" * 64)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/learn/[^#]+", sent["seb_page"])
    context.close()
