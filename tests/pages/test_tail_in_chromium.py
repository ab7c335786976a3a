"""The live list of statements: it renews itself, it can be stopped by the keyboard, and it says when it cannot."""

import pytest
from playwright.sync_api import Browser, Page

from tests.pages import states

pytestmark = pytest.mark.browser

SIX_SECONDS = 6_000


@pytest.fixture
def page(chromium: Browser, pages_url: str):
    """The list as it opens, under a clock that the test moves."""
    context = chromium.new_context(viewport={"width": 320, "height": 480})
    page = context.new_page()
    page.clock.install()
    page.goto(pages_url + states.address(states.STATES["records"], "en"))
    yield page
    context.close()


def answer_with(page: Page, pages_url: str, state: str) -> list[str]:
    """From now on the list's address shows another state. Returns the calls."""
    calls: list[str] = []

    def fulfil(route):
        calls.append(route.request.url)
        route.fulfill(response=page.context.request.get(pages_url + states.address(states.STATES[state], "en")))

    page.route("**/records/?**", fulfil)
    return calls


def after(page: Page, milliseconds: int) -> None:
    page.clock.run_for(milliseconds)
    page.wait_for_timeout(100)


def test_new_statements_appear_by_themselves(page: Page, pages_url: str):
    assert page.locator("#tail tbody tr").count() == 3
    answer_with(page, pages_url, "records-none")

    after(page, SIX_SECONDS)

    page.get_by_text("No statement fits.").wait_for()
    assert "appear by themselves" in page.locator("#tail-state").inner_text()


def test_the_keyboard_stops_it_and_lets_it_go_on(page: Page, pages_url: str):
    calls = answer_with(page, pages_url, "records-none")
    page.get_by_role("button", name="Stop").focus()
    page.keyboard.press("Enter")

    after(page, 4 * SIX_SECONDS)
    assert calls == []
    assert "Stopped" in page.locator("#tail-state").inner_text()

    page.keyboard.press("Enter")
    after(page, SIX_SECONDS)
    page.get_by_text("No statement fits.").wait_for()
    assert len(calls) == 1


def test_who_reads_a_statement_in_the_list_is_not_interrupted(page: Page, pages_url: str):
    calls = answer_with(page, pages_url, "records-none")
    page.locator("#tail a").first.focus()

    after(page, SIX_SECONDS)
    page.wait_for_function("() => true")

    assert calls
    assert page.locator("#tail tbody tr").count() == 3
    assert page.evaluate("document.activeElement.matches('#tail a')")


def test_a_list_that_cannot_be_renewed_says_so_and_stops(page: Page):
    page.route("**/records/?**", lambda route: route.abort())

    for _ in range(6):
        after(page, SIX_SECONDS)

    page.get_by_text("Please load the page again.").wait_for()
