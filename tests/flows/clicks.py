"""A person at a real Chromium: signs in at the LMS, opens the activity in its frame, and clicks."""

from playwright.sync_api import Browser, FrameLocator, Page, expect

from lti_tool.dev.respondent import ItemText, Respondent
from lti_tool.dev.world import Official
from tests.flows.house import ASSESSMENT, House, Platform
from tests.flows.walker import BANK

FRAME = "#contentframe"
RESULT = "main h2#levels"
WAIT_MS = 20_000


class Visitor:
    """One browser profile of one person."""

    def __init__(self, chromium: Browser, house: House, person: Official | str, platform: Platform | None = None) -> None:
        self.house = house
        self.platform = platform or house.far
        self.person_id = person if isinstance(person, str) else person.id
        self.respondent = Respondent(person.abilities if isinstance(person, Official) else {}, seed=2567, bank=BANK)
        self.context = chromium.new_context(locale="th-TH", viewport={"width": 1100, "height": 800})
        self.context.set_default_timeout(WAIT_MS)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        """Faults of scripts, of any page."""
        self.context.on("weberror", lambda error: self.complaints.append(str(error.error)))

    def sign_in(self) -> None:
        """Chooses the person on the LMS's front page, by their button or from the list."""
        self.page.goto(f"{self.platform.url}/")
        button = self.page.locator(f'button[name=person][value="{self.person_id}"]')
        if button.count():
            button.click()
        else:
            form = self.page.locator("form.pick").filter(has=self.page.locator(f'option[value="{self.person_id}"]'))
            form.locator("select").select_option(self.person_id)
            form.get_by_role("button").click()
        self.page.wait_for_url("**/courses/1")

    def open(self, activity: str = ASSESSMENT, *, page: Page | None = None) -> FrameLocator:
        """Opens an activity from the course page; the tool is in the frame."""
        page = page or self.page
        page.goto(f"{self.platform.url}/courses/1")
        page.locator(f'a[href="/activities/{activity}"]').click()
        frame = page.frame_locator(FRAME)
        frame.locator("header.masthead").wait_for()
        return frame

    def begin(self, *, page: Page | None = None) -> FrameLocator:
        """Opens the assessment and clicks on to the present item."""
        frame = self.open(page=page)
        frame.locator("form[action$='/start'] button, a.button[href*='/attempts/']").first.click()
        frame.locator("form[data-answer]").wait_for()
        return frame

    def frame_of(self, page: Page | None = None) -> FrameLocator:
        return (page or self.page).frame_locator(FRAME)

    def close(self) -> None:
        self.context.close()


def stem(frame: FrameLocator) -> str:
    return frame.locator("[data-stem]").inner_text()


def item_of(frame: FrameLocator) -> ItemText:
    """The item that a person reads in the frame."""
    return Respondent({}, seed=1, bank=BANK).find(stem(frame))


def choose(frame: FrameLocator, item: ItemText, value: object) -> None:
    """Puts a response into the item as a person would: clicks, moves lines, picks, types."""
    match item.kind:
        case "single_choice" | "true_false" | "multiple_choice":
            texts = value if isinstance(value, list) else [str(value).lower() if isinstance(value, bool) else value]
            for text in texts:
                frame.locator("label.choice").filter(has=frame.locator(f'input[value="{text}"]')).click()
        case "ordering":
            for place, option in enumerate(value):
                line = frame.locator("[data-line]").filter(has=frame.locator(f'select[name="order-{option}"]'))
                while (n_above := line.evaluate("line => [...line.parentElement.children].indexOf(line)")) > place:
                    line.locator('[data-way="up"]').click()
                assert n_above == place
        case "matching":
            for source, target in value.items():
                frame.locator(f'select[name="match-{source}"]').select_option(target)
        case _:
            frame.locator("input[name=value]").fill(str(value))


def send(frame: FrameLocator) -> None:
    """Clicks the button and waits for the next item or the result."""
    before = frame.locator("input[name=presentation]").input_value()
    frame.locator("[data-send]").click()
    frame.locator(f'input[name=presentation]:not([value="{before}"]), {RESULT}').first.wait_for(state="attached")


def sit_to_the_end(visitor: Visitor, frame: FrameLocator) -> list[str]:
    """Answers every item by clicking. Returns the kinds met."""
    kinds = []
    while not frame.locator(RESULT).count():
        item = item_of(frame)
        choose(frame, item, visitor.respondent.answer(item))
        send(frame)
        kinds.append(item.kind)
    expect(frame.locator("h1")).to_be_visible()
    return kinds
