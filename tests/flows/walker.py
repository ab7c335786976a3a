"""A learner who walks the tool's pages over HTTP as a browser without script would."""

import html
import re
import uuid
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import requests

from lti_tool.dev.lms.client import Browser, Form, forms_of
from lti_tool.dev.respondent import ItemText, Respondent, form_fields, read_bank, right_answer, wrong_answer
from lti_tool.dev.world import Official
from tests.flows.house import ASSESSMENT, House, Platform

BANK = read_bank()


class Learner:
    """One official with a browser of their own, signed in at an LMS."""

    def __init__(self, house: House, official: Official, platform: Platform | None = None) -> None:
        self.house = house
        self.official = official
        self.platform = platform or house.far
        self.browser: Browser = self.platform.browser(official.id)
        self.respondent = Respondent(official.abilities, seed=2567, bank=BANK)
        self.page: requests.Response
        """The page that the learner looks at."""

    def launch(self, activity: str = ASSESSMENT) -> requests.Response:
        """Opens an activity of the course."""
        self.page = self.browser.open_activity(activity)
        return self.page

    def begin(self) -> requests.Response:
        """Launches and goes to the present item, by the button or the link of the first page."""
        self.launch()
        self.page = self.submit("/start") if has_form(self.page, "/start") else self.browser.get(attempt_link(self.page))
        return self.page

    def go_on(self) -> requests.Response:
        """Loads the attempt's own page again."""
        self.page = self.browser.get(f"{self.attempt_url}")
        return self.page

    def answer(self, value: Any = None, *, page: requests.Response | None = None) -> requests.Response:
        """Answers the item of the page, by ability when no value is given; stays on the page that comes of it."""
        page = page or self.page
        item = self.respondent.find(shown_text(page))
        fields = form_fields(item, self.respondent.answer(item) if value is None else value)
        self.page = self.browser.submit_form(page, fields, form=place_of(page, "/responses"))
        return self.page

    def finish(self) -> requests.Response:
        """Answers to the end and stands on the result page."""
        for _ in range(self.house.form.max_items + 1):
            if urlsplit(self.page.url).path.endswith("/result"):
                return self.page
            assert self.page.status_code == requests.codes.ok, self.page.text[:2000]
            self.answer()
        raise AssertionError("the assessment does not end")

    def sit(self) -> requests.Response:
        """Launches, answers everything, and stands on the result page."""
        self.begin()
        return self.finish()

    def submit(self, ending: str, **values: str) -> requests.Response:
        """Submits the form of the page whose address ends so."""
        return self.browser.submit_form(self.page, values, form=place_of(self.page, ending))

    def open(self, part: str) -> requests.Response:
        """A page of the same launch: `roadmap`, `path` ..."""
        return self.browser.get(f"{self.house.url}/learn/{self.launch_uuid}/{part}")

    @property
    def launch_uuid(self) -> UUID:
        return UUID(urlsplit(self.page.url).path.split("/")[2])

    @property
    def attempt_uuid(self) -> UUID:
        match = re.search(r"/attempts/([0-9a-f-]{36})", self.page.text + self.page.url)
        assert match, self.page.url
        return UUID(match.group(1))

    @property
    def attempt_url(self) -> str:
        return f"{self.house.url}/learn/{self.launch_uuid}/attempts/{self.attempt_uuid}"

    @property
    def item(self) -> ItemText:
        """The item of the page, by its words."""
        return self.respondent.find(shown_text(self.page))


def shown_text(page: requests.Response) -> str:
    """The words of a page, without those that a script may show later."""
    return html.unescape(page.text.partition("<template data-ahead")[0])


def place_of(page: requests.Response, ending: str) -> int:
    """Which form of the page posts to an address that ends so."""
    endings = [urlsplit(form.action).path for form in forms_of(page)]
    found = [place for place, path in enumerate(endings) if path.endswith(ending)]
    assert found, f"{page.url} ({page.status_code}) has forms to {endings} only"
    return found[0]


def has_form(page: requests.Response, ending: str) -> bool:
    return any(urlsplit(form.action).path.endswith(ending) for form in forms_of(page))


def attempt_link(page: requests.Response) -> str:
    match = re.search(r'href="(/learn/[0-9a-f-]{36}/attempts/[0-9a-f-]{36})"', page.text)
    assert match, f"{page.url} has no link to an attempt"
    return "{0.scheme}://{0.netloc}".format(urlsplit(page.url)) + match.group(1)


def answer_form(page: requests.Response) -> Form:
    return forms_of(page)[place_of(page, "/responses")]


def answer_fields(page: requests.Response, *, is_right: bool = True, **others: str) -> dict[str, Any]:
    """The whole body of an answer to the page's item, other fields laid over it."""
    item = Respondent({}, seed=1, bank=BANK).find(shown_text(page))
    values = form_fields(item, right_answer(item) if is_right else wrong_answer(item))
    offered = {name for name, _ in answer_form(page).fields}
    hidden = {name: value for name, value in answer_form(page).fields if name in {"csrf", "presentation", "kind", "client_id", "active_ms"}}
    assert {"csrf", "presentation", "kind", "client_id"} <= offered
    return {**hidden, "client_id": str(uuid.uuid4()), **values, **others}


def error_code(page: requests.Response) -> str:
    """The stable code that an error page shows."""
    match = re.search(r"<dd>([a-z_]+) \(\d{3}\)</dd>", page.text)
    return match.group(1) if match else ""


def position(page: requests.Response) -> int:
    """Number of the item on the page."""
    match = re.search(r'<progress value="(\d+)"', page.text)
    assert match, page.text[:2000]
    return int(match.group(1)) + 1


def visible(page: requests.Response) -> str:
    """The page's text without its marks."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())
