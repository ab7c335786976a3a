"""Every page in every state, in both languages, from 320 px to desktop: no barrier that axe-core knows, nothing wider than the screen."""

import pytest
from playwright.sync_api import Browser, Page

from tests.pages import states

pytestmark = pytest.mark.browser

SIZES = {"phone": {"width": 320, "height": 480}, "desktop": {"width": 1100, "height": 700}}
JUDGED_AT = {"th": "phone", "en": "desktop"}
"""Size at which the short suite asks axe-core about a language: it never sees one language or one size alone. With `--long`, at both."""

TAGS = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]
MIN_TARGET = 44

JUDGE = """(tags) => axe.run(document, { runOnly: tags, resultTypes: ['violations'], preload: false })
  .then((found) => found.violations.map((one) => [one.id, one.nodes.map((node) => node.html.slice(0, 200))]))"""

SPACING = """html { font-size: 200%; } body { font-size: 32px; } p { margin-bottom: 2em !important; }
* { line-height: 1.8 !important; word-spacing: .16em !important; }"""

STUCK = """[...document.querySelectorAll('*')]
  .filter((part) => ['sticky', 'fixed'].includes(getComputedStyle(part).position)).map((part) => part.getBoundingClientRect().height)"""

TARGETS = """() => [...document.querySelectorAll('a, button, select, input:not([type=hidden]), summary')]
  .filter((part) => part.checkVisibility({ visibilityProperty: true }) && !part.closest('.skip, dialog:not([open])'))
  .map((part) => part.closest('label.choice, label.tick, label.tick-line') ?? part)
  .map((part) => [part.outerHTML.slice(0, 120), part.getBoundingClientRect()])
  .filter(([, box]) => box.height < %d - 0.5 || box.width < 40).map(([html, box]) => `${box.width}x${box.height} ${html}`)"""


@pytest.fixture(scope="module")
def tab(chromium: Browser, axe_source: str):
    """A tab of the browser, with the judge in each page."""
    context = chromium.new_context()
    context.add_init_script(axe_source)
    yield context.new_page()
    context.close()


@pytest.fixture(params=JUDGED_AT)
def language(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def sizes(request: pytest.FixtureRequest, language: str) -> dict[str, bool]:
    """The sizes of a screen, first the one at which the page is opened; and whether axe-core is asked there."""
    first = JUDGED_AT[language]
    is_long = request.config.getoption("--long")
    return {size: is_long or size == first for size in sorted(SIZES, key=lambda size: size != first)}


def open_state(page: Page, url: str, state: states.State, language: str) -> list[str]:
    """Opens one state with all its details shown. Returns what the console complained about."""
    complaints: list[str] = []

    def hear(message):
        if (
            message.type == "error"
            and "server responded with a status of 4" not in message.text
            and "server responded with a status of 5" not in message.text
        ):
            complaints.append(message.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(url + states.address(state, language))
    page.evaluate("document.fonts.ready")
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    page.remove_listener("console", hear)
    return complaints


@pytest.mark.parametrize("name", states.STATES)
def test_a_page_has_no_barrier_no_overflow_no_small_target_and_no_complaint(name, language, sizes, tab, pages_url):
    tab.set_viewport_size(SIZES[next(iter(sizes))])

    complaints = open_state(tab, pages_url, states.STATES[name], language)

    for size, is_judged in sizes.items():
        tab.set_viewport_size(SIZES[size])
        if is_judged:
            assert tab.evaluate(JUDGE, TAGS) == [], size
        assert tab.evaluate("document.documentElement.scrollWidth") <= SIZES[size]["width"]
        assert tab.evaluate(TARGETS % MIN_TARGET) == [], size
    assert complaints == []
    assert tab.evaluate("document.documentElement.lang") == (language if states.STATES[name].role or states.STATES[name].in_both else "th")
    assert tab.locator("h1").count() == 1
    assert tab.locator("main").count() == 1


def test_the_judge_finds_a_barrier_that_is_there(tab):
    tab.goto("about:blank")
    tab.set_content("<html><body><main><h1>T</h1><img src='data:,'><button></button></main></body></html>")

    found = tab.evaluate(JUDGE, TAGS)

    assert {"image-alt", "button-name", "html-has-lang"} <= {name for name, _nodes in found}


@pytest.mark.parametrize("name", ["item-ordering", "result-firm-sent", "executive-nation", "error-issuer"])
def test_wide_text_spacing_and_double_text_size_lose_nothing(name, chromium, pages_url):
    context = chromium.new_context(viewport={"width": 640, "height": 700}, bypass_csp=True)
    page = context.new_page()
    page.goto(pages_url + states.address(states.STATES[name], "th"))
    page.add_style_tag(content=SPACING)

    assert page.evaluate("document.documentElement.scrollWidth") <= 640
    context.close()


def test_nothing_that_sticks_is_taller_than_48_px(chromium, pages_url):
    page = chromium.new_page(viewport={"width": 320, "height": 480})
    page.goto(pages_url + states.address(states.STATES["item-single_choice"], "th"))

    stuck = page.evaluate(STUCK)

    page.close()
    assert len(stuck) == 1
    assert stuck[0] <= 48


def test_thai_and_digits_are_drawn_with_sarabun(chromium, pages_url):
    page = chromium.new_page()
    page.goto(pages_url + states.address(states.STATES["intro-new"], "th"))
    page.evaluate("document.fonts.ready")
    session = page.context.new_cdp_session(page)
    session.send("DOM.enable")
    session.send("CSS.enable")
    root = session.send("DOM.getDocument", {"depth": -1})["root"]["nodeId"]
    main = session.send("DOM.querySelector", {"nodeId": root, "selector": "dd"})["nodeId"]

    fonts = session.send("CSS.getPlatformFontsForNode", {"nodeId": main})["fonts"]

    page.close()
    assert {font["familyName"] for font in fonts} == {"Sarabun"}
    assert all(font["isCustomFont"] for font in fonts)


def test_the_executive_page_prints_on_a4_without_its_links_and_buttons(chromium, pages_url):
    page = chromium.new_page(viewport={"width": 794, "height": 1123})
    page.goto(pages_url + states.address(states.STATES["executive-nation"], "th"))
    page.emulate_media(media="print")

    hidden = page.evaluate("[...document.querySelectorAll('nav, form, .filters')].every((part) => !part.checkVisibility())")
    figures = page.locator("main").inner_text()
    pdf = page.pdf(prefer_css_page_size=True)

    page.close()
    assert hidden
    assert "1,204" in figures
    assert "ปกปิด" in figures
    assert pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") <= 4
