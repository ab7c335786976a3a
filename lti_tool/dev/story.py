"""The story of one official from the LMS to the nation's roadmap, walked over real HTTP without a person.

Eight steps, each printed with its figure; the first that is not as it must be ends the walk.
"""

import html
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin, urlsplit
from uuid import UUID

import requests

from kernel.langmap import text_in
from lti_tool.dev.installation import Installation
from lti_tool.dev.lms.client import Browser, find_form, forms_of
from lti_tool.dev.respondent import Respondent, form_fields
from lti_tool.dev.world import STAFF, Official

STEPS = 8
MIN_ITEMS, MAX_ITEMS = 12, 20
AREAS = 3
RESUME_AT = 5
"""The item at which the learner reloads, changes the device and comes back."""
SCORE_SECONDS = 30
TEACHER, ADMINISTRATOR, EXECUTIVE = (person.id for person in STAFF)
VERBS = {name: f"http://adlnet.gov/expapi/verbs/{name}" for name in ("initialized", "answered", "completed", "passed", "failed", "scored")}


class StoryFailed(Exception):
    """A step was not as it must be; the text says what was met."""

    def __init__(self, step: int, text: str) -> None:
        super().__init__(text)
        self.step = step


class Story:
    """One walk through a running installation.

    say   gets a line for each step
    """

    def __init__(self, installation: Installation, say: Callable[[str], None]) -> None:
        self.installation = installation
        self._say = say
        self._step = 0
        newcomers = (each for each in installation.world.officials if each.history == "not_started" and each.agency == self._agency)
        self.official: Official = next(newcomers)
        self.browser = Browser(installation.lms_url)
        self.client_id = ""
        """Client id that the LMS gave the tool at its registration."""
        self.link = ""
        """Activity that the teacher placed."""
        self.points = ""
        self.attempt: UUID | None = None
        self.n_items = 0
        self._consumer = requests.Session()
        self._consumer.trust_env = False
        self._consumer.auth = (installation.lrs_key, installation.lrs_secret)
        self._consumer.headers["X-Experience-API-Version"] = "1.0.3"

    @property
    def _agency(self) -> str:
        return self.installation.world.agencies[0].key

    @property
    def _course(self) -> str:
        return self.installation.world.agencies[0].course_id

    def walk(self) -> int:
        """All steps in order. Returns how many. Raises StoryFailed."""
        steps = (
            self.connect_and_launch,
            self.sit_the_assessment,
            self.read_the_result,
            self.find_the_record,
            self.find_the_score_in_the_gradebook,
            self.read_the_feed,
            self.look_as_teacher_and_executive,
            self.rebuild_the_roadmap,
        )
        for self._step, step in enumerate(steps, start=1):
            started = time.perf_counter()
            try:
                figure = step()
            except StoryFailed:
                raise
            except Exception as error:
                raise StoryFailed(self._step, f"{type(error).__name__}: {error}") from error
            self._say(f"{self._step}/{STEPS}  {figure}  [{time.perf_counter() - started:.1f} s]")
        return len(steps)

    def connect_and_launch(self) -> str:
        """The LMS registers the tool, a teacher places an activity in the course, a learner launches it."""
        return f"{self.register_the_tool()}; {self.place_an_activity()}; {self.launch_in_thai()}"

    def register_the_tool(self) -> str:
        """The agency's invite, pasted into the LMS, registers the tool there; the LMS's administrator activates it."""
        invite = json.loads(self._command("platform", "invite", "--tenant", self._agency, "--json"))
        with Browser(self.installation.lms_url) as browser:
            browser.sign_in(ADMINISTRATOR)
            offer = browser.open_registration(invite["url"], choice="new")
            self._must_be_page(offer, "/lti/register")
            done = browser.submit_form(offer, form=self._form_to(offer, "/lti/register"))
            self._must(done.ok, f"the registration was answered {done.status_code}")
            page = browser.get(f"{self.installation.lms_url}/administration")
            waiting = re.findall(r"/administration/tools/(\w+)/activate", page.text)
            self._must(len(waiting) == 1, f"{len(waiting)} tools wait for their activation")
            self.client_id = waiting[0]
            browser.submit_form(page, form=self._form_to(page, f"/{self.client_id}/activate"))
        platforms = json.loads(self._command("platform", "list", "--json"))
        ours = [each for each in platforms if each["client_id"] == self.client_id and each["issuer"] == self.installation.lms_url]
        self._must(len(ours) == 1, "the LMS's new registration is not among the tool's platforms")
        return f"one pasted URL registered the tool as client {self.client_id}, activated; {len(platforms)} registrations"

    def place_an_activity(self) -> str:
        """A teacher switches the tool on in the course, picks the assessment in the dialog and saves the filled form."""
        lms = self.installation.lms_url
        with Browser(lms) as browser:
            browser.sign_in(TEACHER)
            tools = browser.get(f"{lms}/courses/{self._course}/tools")
            deployment = re.search(r'id="show-(\d+)"', tools.text)
            if deployment is None:
                raise StoryFailed(self._step, "the new tool is not among the course's")
            course = browser.submit_form(tools, form=f"show-{deployment[1]}")
            before = self._activities(browser)
            picker = browser.open_picker(self._course, deployment[1])
            self._must_be_page(picker, "/choose")
            choice = f"assessment:{self.installation.form.uuid}"
            terms = browser.submit_form(picker, form=self._form_to(picker, "/choose"), button=f"chosen={choice}")
            chosen = browser.submit_form(terms, form=self._form_to(terms, "/place"))
            form = browser.return_content(chosen, form=self._form_to(chosen, "/contentitem_return.php"))
            fields = dict(find_form(form, "activity").fields)
            course = browser.submit_form(form, form="activity")
            self._must(course.ok, f"saving the activity was answered {course.status_code}")
            (self.link,) = self._activities(browser) - before
        self.points = fields["points"]
        self._must("is_graded" in fields and fields["resource_id"], "the activity came without a column")
        return f"a teacher placed “{fields['title']}” ({fields['points']} points) as activity {self.link} by deep linking"

    def launch_in_thai(self) -> str:
        """A learner launches what the teacher placed from a course page, in an iframe, in Thai."""
        self.browser.sign_in(self.official.id)
        activity = self.browser.get(f"{self.installation.lms_url}/activities/{self.link}")
        self._must("<iframe" in activity.text, "the activity page holds no iframe")
        self.page = self.browser.open_activity(self.link)
        self._must_be_page(self.page, "/assessment/")
        self._must('lang="th"' in self.page.text, "the first page is not in Thai")
        self._must(self.installation.lms_url in self.page.headers.get("Content-Security-Policy", ""), "the LMS may not frame the page")
        name = text_in("en", self.official.name)
        return f"{name} launched in a frame and sees a Thai page of {len(self.page.content)} bytes"

    def sit_the_assessment(self) -> str:
        """Every item answered; a reload and a second device resume at the same item."""
        respondent = Respondent(self.official.abilities, seed=2567)
        page = self.browser.submit_form(self.page, form=self._form_to(self.page, "/start"))
        resumed = False
        areas: dict[str, int] = {}
        while "/result" not in urlsplit(page.url).path:
            self._must_be_page(page, "/attempts/")
            item = respondent.find(html.unescape(page.text))
            if self.n_items == RESUME_AT - 1:
                page = self._resumed_elsewhere_and_back(page, item.stem["th"])
                resumed = True
            areas[item.domain] = areas.get(item.domain, 0) + 1
            values = form_fields(item, respondent.answer(item))
            page = self.browser.submit_form(page, values, form=self._form_to(page, "/responses"))
            self.n_items += 1
            self._must(self.n_items <= MAX_ITEMS, f"more than {MAX_ITEMS} items were asked")
        self._must(MIN_ITEMS <= self.n_items <= MAX_ITEMS, f"{self.n_items} items were asked")
        self._must(resumed, "the attempt was not resumed")
        self.page = page
        self.attempt = UUID(re.search(r"/attempts/([0-9a-f-]{36})/", page.url).group(1))  # type: ignore[union-attr]
        spread = ", ".join(f"{code} {n}" for code, n in sorted(areas.items()))
        return f"{self.n_items} items answered ({spread}), each stored before the next; resumed at item {RESUME_AT} on a second device"

    def read_the_result(self) -> str:
        """Level in words with its error, radar with its table, what to do next; Thai and English."""
        text = html.unescape(self.page.text)
        errors = re.findall(r"±\s?(\d\.\d+)", text)
        self._must(len(errors) > AREAS, "the result does not give its errors")
        self._must("<svg" in text and "<table" in text, "the radar or its table is missing")
        steps = text.count('class="card step"')
        self._must(steps >= 1, "the result names no next step")
        form = self._form_to(self.page, "/language")
        english = self.browser.submit_form(self.page, form=form)
        self._must('lang="en"' in english.text[:200], "the page did not change to English")
        self.browser.submit_form(english, form=self._form_to(english, "/language"))
        return f"level of 3 areas with errors ±{', ±'.join(errors[:3])} logits, radar and table, {steps} next steps, in Thai and English"

    def find_the_record(self) -> str:
        """Statements, evidence, attainment, path and outbox came with the finish."""
        statements = self._statements(registration=str(self.attempt))
        verbs = [each["verb"]["id"] for each in statements]
        counts = {name: verbs.count(iri) for name, iri in VERBS.items()}
        self._must(counts["initialized"] == counts["completed"] == 1, f"statements: {counts}")
        self._must(counts["answered"] == self.n_items, f"statements: {counts}")
        n_measured = counts["passed"] + counts["failed"] + counts["scored"]
        self._must(n_measured == AREAS, f"statements: {counts}")
        names = {each["actor"]["account"]["name"] for each in statements}
        self._must(len(names) == 1 and bool(UUID(next(iter(names)))), "the actor is not one random UUID")
        roadmap = self._page_of("roadmap")
        evidence = roadmap.text.count(f"/attempts/{self.attempt}/result")
        self._must(evidence == n_measured, f"the roadmap page shows {evidence} pieces of evidence")
        path = self._page_of("path")
        steps = path.text.count('class="card step')
        self._must(steps >= 1, "the path has no step")
        listed = ", ".join(f"{n} {name}" for name, n in counts.items() if n)
        return f"{len(statements)} statements ({listed}); {evidence} pieces of evidence; a path of {steps} steps, each with its reason"

    def find_the_score_in_the_gradebook(self) -> str:
        """The worker sent the score by AGS; the LMS shows it."""
        deadline = time.monotonic() + SCORE_SECONDS
        while time.monotonic() < deadline:
            gradebook = html.unescape(self.browser.get(f"{self.installation.lms_url}/courses/{self._course}/grades").text)
            found = re.search(r'data-grade="(\d+(?:\.\d+)?)"', gradebook)
            if found:
                waiting = json.loads(self._command("score", "list", "--state", "waiting", "--json"))
                return f"the gradebook shows {found.group(1)} of {self.points}; {len(waiting)} scores still wait"
            time.sleep(0.2)
        raise StoryFailed(self._step, f"no score stood in the gradebook after {SCORE_SECONDS} s")

    def read_the_feed(self) -> str:
        """A consumer with a credential of its own reads all statements, page by page."""
        url: str | None = f"{self.installation.tool_url}/xapi/statements?limit=200&ascending=true"
        pages, ids, stored = 0, [], []
        while url:
            answer = self._consumer.get(url, timeout=30)
            self._must(answer.status_code == requests.codes.ok, f"the LRS answered {answer.status_code}: {answer.text[:200]}")
            body = answer.json()
            ids += [each["id"] for each in body["statements"]]
            stored += [each["stored"] for each in body["statements"]]
            url = urljoin(self.installation.tool_url, body["more"]) if body.get("more") else None
            pages += 1
        self._must(len(ids) == len(set(ids)), "a statement came twice")
        self._must(stored == sorted(stored), "the statements are not in order of arrival")
        refused = requests.get(f"{self.installation.tool_url}/xapi/statements", headers={"X-Experience-API-Version": "1.0.3"}, timeout=30)
        self._must(refused.status_code == requests.codes.unauthorized, "the LRS answers without a credential")
        return f"{len(ids)} statements read in {pages} pages, in order, none twice; without a credential: 401"

    def look_as_teacher_and_executive(self) -> str:
        """The teacher sees who stands where; the executive sees coverage and attainment, small groups hidden."""
        with Browser(self.installation.lms_url) as browser:
            browser.sign_in(TEACHER)
            teacher = browser.open_activity(f"{self._course}1")
            self._must_be_page(teacher, "/teach/")
            rows = teacher.text.count('role="rowheader"')
            self._must(rows > 0, "the teacher's page lists nobody")
        with Browser(self.installation.lms_url) as browser:
            browser.sign_in(EXECUTIVE)
            executive = browser.open_activity(f"{self._course}4")
            self._must_be_page(executive, "/executive/")
            text = html.unescape(executive.text)
            shares = re.findall(r"(\d+(?:\.\d+)?)\s?%", text)
            self._must(len(shares) >= 2 * AREAS, "the executive's page has no shares")
        masked = executive.text.count('class="masked"')
        self._must(masked > 0, "no small group is hidden, though some units have fewer than five people")
        learner = self.browser.get(executive.url)
        self._must(learner.status_code in {401, 403, 404, 409}, f"a learner there is answered {learner.status_code}")
        seen = f"{len(shares)} shares and {masked} hidden cells"
        return f"the teacher sees {rows} learners; the executive sees {seen}; a learner there is answered {learner.status_code}"

    def rebuild_the_roadmap(self) -> str:
        """Evidence and attainment dropped and computed again from the statements: every row equal."""
        report = json.loads(self._command("roadmap", "rebuild", "--json"))
        self._must(not report["differences"], f"rows differ: {report['differences'][:3]}")
        self._must(report["equal"] == report["evidence"] + report["attainment"] > 0, f"rebuild: {report}")
        made = f"{report['evidence']} evidence and {report['attainment']} attainment rows"
        return f"{report['statements']} statements gave {made} again; {report['equal']} equal, {report['different']} different"

    def _resumed_elsewhere_and_back(self, page: requests.Response, stem: str) -> requests.Response:
        """The same item after a reload, on a second device, and on the first one again; the page that was left is locked."""
        self._must(stem in html.unescape(self.browser.get(page.url).text), "a reload shows another item")
        with Browser(self.installation.lms_url) as other:
            other.sign_in(self.official.id)
            self._must(stem in html.unescape(self._continue(other).text), "a second device shows another item")
            left = self.browser.get(page.url)
            self._must(not left.ok, "the first device goes on beside the second")
        back = self._continue(self.browser)
        self._must(stem in html.unescape(back.text), "the first device came back to another item")
        return back

    def _continue(self, browser: Browser) -> requests.Response:
        intro = browser.open_activity(self.link)
        self._must_be_page(intro, "/assessment/")
        link = re.search(r'href="(/learn/[^"]+/attempts/[^"]+)"', intro.text)
        if link is None:
            raise StoryFailed(self._step, "the first page does not lead back to the open attempt")
        return browser.get(urljoin(intro.url, link.group(1)))

    def _activities(self, browser: Browser) -> set[str]:
        """Ids of the activities on the course page."""
        return set(re.findall(r'href="/activities/(\d+)"', browser.get(f"{self.installation.lms_url}/courses/{self._course}").text))

    def _page_of(self, name: str) -> requests.Response:
        launch = urlsplit(self.page.url).path.split("/")[2]
        page = self.browser.get(f"{self.installation.tool_url}/learn/{launch}/{name}")
        self._must_be_page(page, f"/{name}")
        return page

    def _form_to(self, page: requests.Response, ending: str) -> int:
        for place, form in enumerate(forms_of(page)):
            if urlsplit(form.action).path.endswith(ending):
                return place
        raise StoryFailed(self._step, f"the page {urlsplit(page.url).path} has no form to {ending}")

    def _statements(self, **filters: str) -> list[dict[str, Any]]:
        answer = self._consumer.get(f"{self.installation.tool_url}/xapi/statements", params=filters, timeout=30)
        self._must(answer.status_code == requests.codes.ok, f"the LRS answered {answer.status_code}: {answer.text[:200]}")
        statements: list[dict[str, Any]] = answer.json()["statements"]
        return statements

    def _command(self, *arguments: str) -> str:
        done = subprocess.run(  # noqa: S603  our own command
            [sys.executable, "-m", "lti_tool", *arguments],
            env=os.environ | self.installation.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        self._must(
            done.returncode == 0, f"kaona {' '.join(arguments)} ended with {done.returncode}: {done.stderr[-300:]}{done.stdout[-300:]}"
        )
        return done.stdout

    def _must_be_page(self, page: requests.Response, part: str) -> None:
        path = urlsplit(page.url).path
        code = re.search(r"data-code=\"([a-z_]+)\"", page.text)
        self._must(page.status_code == requests.codes.ok, f"{path} was answered {page.status_code} {code.group(1) if code else ''}")
        self._must(part in path, f"the walk came to {path} instead of {part}")

    def _must(self, condition: object, otherwise: str) -> None:
        if not condition:
            raise StoryFailed(self._step, otherwise)
