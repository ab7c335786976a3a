"""Who may begin: set by a designer, told to the learner before the start, judged at the start and, of place and browser, at each answer."""

import csv
import hashlib
import html
import io
import json
import re
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner
from werkzeug.test import Client, TestResponse

import assessment.api as assessment
from assessment.models import Attempt
from lti_tool import models
from lti_tool.app import create_app
from lti_tool.cli import cli
from lti_tool.lti import vocabulary as v
from lti_tool.settings import Settings
from lti_tool.web.csrf import token_of
from lti_tool.workflows import admission
from tests.lti.lti_world import SECRET, TOOL, Tool, code_of
from tests.stock import stock

pytestmark = pytest.mark.stocked

CONFIG_KEY, EXAM_KEY = hashlib.sha256(b"settings").hexdigest(), hashlib.sha256(b"program").hexdigest()
START, AGAIN, GO_ON = "เริ่มทำแบบประเมิน", "ทำแบบประเมินอีกครั้ง", "ทำแบบประเมินต่อ"


class Person:
    """Somebody with a browser in the course."""

    def __init__(self, exam: "Exam", sub: str, role: str, link: str, custom: dict[str, str]) -> None:
        self.exam, self.browser = exam, exam.tool.new_browser()
        claims: dict[str, Any] = {"sub": sub, v.ROLES: [f"{v.MEMBERSHIP}#{role}"], v.RESOURCE_LINK: {"id": link, "title": "สอบ"}}
        self.launch = exam.tool.launched(self.browser, **claims, **{v.CUSTOM: {"activity": exam.activity, **custom}}, name=f"ผู้เรียน {sub}")

    @property
    def intro_path(self) -> str:
        return f"/learn/{self.launch}/assessment/{self.exam.form.uuid}"

    def get(self, path: str, **more: Any) -> TestResponse:
        return self.browser.get(path, base_url=TOOL, **{"headers": {"Accept": "text/html", **more.pop("headers", {})}, **more})

    def post(self, path: str, *, headers: dict[str, str] | None = None, **fields: Any) -> TestResponse:
        data = {"csrf": token_of(self.launch, SECRET), **fields}
        return self.browser.post(path, base_url=TOOL, data=data, headers={"Origin": TOOL, "Accept": "text/html", **(headers or {})})

    def intro(self) -> str:
        return html.unescape(self.get(self.intro_path).text)

    def start(self, **fields: Any) -> TestResponse:
        return self.post(f"{self.intro_path}/start", **fields)

    def started(self, **fields: Any) -> str:
        """Path of the sitting that must begin."""
        answer = self.start(**fields)
        assert answer.status_code == 303, answer.text[:3000]
        return answer.headers["Location"]

    def answer(self, path: str, page: TestResponse, **more: Any) -> TestResponse:
        """Answers the item of a page with what it offers first; a wrong answer will do."""
        return self.post(f"{path}/responses", **given_to(page), **more)


class Exam:
    """An assessment that a designer placed behind a link of a course."""

    def __init__(self, tool: Tool) -> None:
        self.tool = tool
        with tool.database.transaction() as db:
            self.form = stock(db, now=tool.moment.now)
        self.activity = f"assessment:{self.form.uuid}"
        self.designer = self.comes("d-1", "Instructor")
        graded = {f"graded {self.activity}": "on", f"points {self.activity}": "100"}
        placed = self.designer.post(f"/design/{self.designer.launch}/place", chosen=self.activity, **graded)
        assert placed.status_code == 303, placed.text[:2000]

    def comes(self, sub: str, role: str, link: str = "link-1", **custom: str) -> Person:
        return Person(self, sub, role, link, custom)

    def learner(self, sub: str = "u-1", link: str = "link-1", **custom: str) -> Person:
        return self.comes(sub, "Learner", link, **custom)

    def rule(self, **fields: str) -> TestResponse:
        """The designer sends the page's form."""
        return self.designer.post(f"/design/{self.designer.launch}/admission", **{"code": "none", **fields})

    def ruled(self, **fields: str) -> None:
        answer = self.rule(**fields)
        assert answer.status_code == 303, re.findall(r'role="alert".*?</div>', answer.text, re.DOTALL)

    def codes(self, **fields: str) -> list[tuple[str, str]]:
        made = self.designer.post(f"/design/{self.designer.launch}/admission/codes", **fields)
        assert made.mimetype == "text/csv", made.text[:2000]
        return [(row[0], row[1]) for row in csv.reader(io.StringIO(made.get_data().decode("utf-8-sig")))][1:]

    def finished(self, sub: str = "u-1", **fields: Any) -> None:
        """A sitting from its start until its time is over."""
        path = self.learner(sub).started(**fields)
        self.tool.moment.pass_by(hours=2)
        late = self.learner(sub)
        assert late.get(f"/learn/{late.launch}/attempts/{path.rpartition('/')[2]}").status_code == 303

    def attempt(self) -> Attempt:
        return self.tool.rows(Attempt)[-1]


@pytest.fixture
def exam(tool: Tool) -> Exam:
    return Exam(tool)


def given_to(page: TestResponse) -> dict[str, str]:
    """A whole answer to the item of a page."""
    fields = dict(re.findall(r'<input type="hidden" name="(presentation|kind|client_id)" value="([^"]*)">', page.text))
    parts = sorted(set(re.findall(r'name="((?:order|match)-[^"]+)"', page.text)))
    match fields["kind"]:
        case "ordering":
            given = {part: str(place) for place, part in enumerate(parts, start=1)}
        case "matching":
            given = dict.fromkeys(parts, re.findall(r'<option value="([^"]+)"', page.text)[0])
        case "numeric":
            given = {"value": "1"}
        case _:
            given = {"value": next(iter(re.findall(r'name="value" value="([^"]+)"', page.text)), "x")}
    return fields | given


def refusal_in(page: str) -> str:
    """The note on the intro page that says why not."""
    found = re.search(r'id="refusal"[^>]*>(.*?)</div>', page, re.DOTALL)
    assert found, page[:3000]
    return " ".join(re.sub(r"<[^>]+>", " ", found[1]).split())


def test_without_rules_nothing_is_asked_and_nothing_is_kept(exam: Exam):
    learner = exam.learner()

    page = learner.intro()
    learner.started()

    assert START in page
    assert "ใครเริ่มทำได้ และเมื่อใด" not in page
    assert exam.attempt().admission is None


def test_a_window_that_is_not_open_is_told_with_its_thai_date_and_refused_by_a_stable_code(exam: Exam):
    exam.ruled(opens_at="2569-11-23T09:00", closes_at="2026-11-23T12:00")
    learner = exam.learner()

    page, refused = learner.intro(), learner.start()

    assert refusal_in(page) == "แบบประเมินนี้ยังไม่เปิด เริ่มทำได้ตั้งแต่วันที่ 23 พ.ย. 2569 เวลา 09.00 น."
    assert START not in page
    assert (refused.status_code, code_of(refused)) == (403, "not_yet_open")
    assert "23 พ.ย. 2569 เวลา 09.00 น." in refused.text
    assert exam.tool.rows(Attempt) == []


def test_a_close_ends_the_beginning_and_never_a_running_sitting(exam: Exam):
    exam.ruled(closes_at="2026-11-22T09:40")  # ten minutes from now; the sitting takes forty
    early, late = exam.learner("u-1"), exam.learner("u-2")
    path = early.started()
    deadline = exam.attempt().deadline_at

    exam.tool.moment.pass_by(minutes=20)
    answered = early.answer(path, early.get(path))

    assert answered.status_code == 303
    assert exam.attempt().deadline_at == deadline > exam.tool.moment.now
    assert GO_ON in early.intro()
    assert code_of(late.start()) == "window_closed"
    assert "ปิดรับการเริ่มทำแล้วเมื่อวันที่ 22 พ.ย. 2569 เวลา 09.40 น." in refusal_in(late.intro())


def test_the_platforms_own_times_hold_as_well(exam: Exam):
    shut = exam.learner("u-1", opens="2026-11-22T10:00:00+07:00")
    tighter = exam.learner("u-2", closes="2026-11-22T02:00:00Z", submit_from="2026-01-01T00:00:00Z")
    unfilled = exam.learner("u-3", opens="$ResourceLink.available.startDateTime", closes="soon")

    assert "22 พ.ย. 2569 เวลา 10.00 น." in refusal_in(shut.intro())
    assert code_of(tighter.start()) == "window_closed"
    assert unfilled.start().status_code == 303


def test_as_many_attempts_as_are_allowed_and_days_between_them(exam: Exam):
    exam.ruled(attempts="2", days_between="1")
    exam.finished()

    soon = exam.learner()
    too_soon, told = soon.start(), soon.intro()
    exam.tool.moment.pass_by(days=1)
    exam.finished()
    exam.tool.moment.pass_by(days=1)
    last = exam.learner()

    assert code_of(too_soon) == "too_soon"
    assert "ใช้ไปแล้ว 1 ครั้ง" in told
    assert "ทำอีกครั้งได้ตั้งแต่วันที่ 23 พ.ย. 2569 เวลา 10.10 น." in refusal_in(told)
    assert code_of(last.start()) == "attempts_used_up"
    assert AGAIN not in last.intro()
    assert exam.learner("u-2").start().status_code == 303


def test_the_open_sitting_is_gone_on_with_whatever_the_rules_say_by_now(exam: Exam):
    learner = exam.learner()
    path = learner.started()
    exam.ruled(attempts="1", code="shared", shared_code="สอบ-2569", closes_at="2026-11-22T09:00", opens_at="2026-11-21T09:00")

    resumed = exam.learner()

    assert GO_ON in resumed.intro()
    assert resumed.started().rpartition("/")[2] == path.rpartition("/")[2]
    assert exam.attempt().admission is None  # it keeps what it began under


def test_one_code_for_all_opens_however_it_is_typed_and_a_wrong_one_is_asked_for_again(exam: Exam):
    exam.ruled(code="shared", shared_code="สอบ 2569-a")
    learner = exam.learner()

    missing, wrong, right = learner.start(), learner.start(code="สอบ2568A"), learner.start(code=" สอบ๒๕๖๙ A ")

    assert (missing.status_code, wrong.status_code, right.status_code) == (422, 422, 303)
    assert "ต้องใช้รหัสเข้าทำแบบประเมิน" in refusal_in(missing.text)
    assert "ลองได้อีก 4 ครั้ง" in refusal_in(wrong.text)
    assert 'name="code"' in wrong.text
    (placed,) = exam.tool.rows(models.Placement)
    assert "2569" not in str(placed.access_code_hash)
    assert exam.attempt().admission == {"code": "shared"}


def test_guessing_is_stopped_for_a_while_and_then_even_the_right_code_waits(exam: Exam):
    exam.ruled(code="shared", shared_code="right-code")
    learner = exam.learner()
    for _ in range(admission.TRIES):
        learner.start(code="wrong-code")

    barred = learner.start(code="right-code")
    other = exam.learner("u-2").start(code="right-code")
    exam.tool.moment.pass_by(minutes=10)
    later = learner.start(code="right-code")

    assert barred.status_code == 422
    assert "กรอกรหัสผิดหลายครั้งเกินไป" in refusal_in(barred.text)
    assert other.status_code == later.status_code == 303


def test_guesses_at_the_same_moment_are_counted_one_by_one(exam: Exam):
    exam.ruled(code="shared", shared_code="right-code")
    learner, together = exam.learner(), Barrier(4)

    def guess(_number: int) -> TestResponse:
        browser = exam.tool.app.test_client()
        browser._cookies = learner.browser._cookies  # type: ignore[attr-defined]
        together.wait(10)
        data = {"csrf": token_of(learner.launch, SECRET), "code": "wrong-code"}
        return browser.post(f"{learner.intro_path}/start", base_url=TOOL, data=data, headers={"Origin": TOOL, "Accept": "text/html"})

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(guess, range(4)))

    assert [answer.status_code for answer in answers] == [422] * 4
    assert [row.n_wrong for row in exam.tool.rows(models.CodeTry)] == [4]


def test_a_one_time_code_opens_once_and_for_its_own_person(exam: Exam):
    exam.learner("u-1"), exam.learner("u-2")
    exam.ruled(code="one_time")
    listed = dict(exam.codes(learners="on", spare="1"))
    mine, theirs, spare = listed["ผู้เรียน u-1"], listed["ผู้เรียน u-2"], listed["รหัสสำรอง"]
    first, second, third = exam.learner("u-1"), exam.learner("u-2"), exam.learner("u-3")

    assert len(listed) == 3
    assert first.start(code=theirs).status_code == 422
    assert first.start(code=mine.lower()).status_code == 303
    assert second.start(code=mine).status_code == 422
    assert third.start(code=spare).status_code == 303
    assert second.start(code=spare).status_code == 422
    assert second.start(code=theirs).status_code == 303
    kept = exam.tool.rows(models.AccessCode)
    assert not {code.replace("-", "") for code in listed.values()} & {row.code_hash for row in kept}
    assert all(row.used_at for row in kept)


def test_a_code_is_spent_once_when_two_come_with_it_at_the_same_moment(exam: Exam):
    exam.ruled(code="one_time")
    ((_, code),) = exam.codes(spare="1")
    people, together = [exam.learner(f"u-{n}") for n in range(3)], Barrier(3)

    def come(person: Person) -> int:
        together.wait(10)
        return person.start(code=code).status_code

    with ThreadPoolExecutor(3) as threads:
        assert sorted(threads.map(come, people)) == [303, 422, 422]
    assert len(exam.tool.rows(Attempt)) == 1


def test_a_second_click_with_the_same_code_finds_the_sitting_that_the_first_one_began(exam: Exam):
    exam.ruled(code="one_time")
    ((_, code),) = exam.codes(spare="1")
    learner = exam.learner()

    first, again = learner.started(code=code), learner.started(code=code)

    assert first == again
    assert exam.tool.rows(models.CodeTry)[0].n_wrong == 0


def test_a_new_list_makes_the_unused_codes_of_the_old_one_worthless(exam: Exam):
    exam.ruled(code="one_time")
    old = [code for _, code in exam.codes(spare="2")]
    exam.learner("u-1").started(code=old[0])
    new = [code for _, code in exam.codes(spare="2")]

    assert exam.learner("u-2").start(code=old[1]).status_code == 422
    assert exam.learner("u-2").start(code=new[0]).status_code == 303
    page = html.unescape(exam.designer.get(f"/design/{exam.designer.launch}/admission").text)
    assert "ใช้ได้ 1 รหัส ใช้ไปแล้ว 2 รหัส" in page
    events = [row for row in exam.tool.rows(models.AuditEntry) if row.event == "access_codes.made"]
    assert [row.details["spare"] for row in events] == [2, 2]
    assert not any(code.replace("-", "") in str(row.details) for row in events for code in [*old, *new])


def test_a_network_is_asked_for_at_the_start_and_at_each_answer(exam: Exam):
    exam.ruled(networks="10.4.0.0/16\n2001:db8::/32")
    learner = exam.learner()
    outside = learner.start()
    exam.ruled(networks="127.0.0.0/8")

    path = learner.started()
    page = learner.get(path)
    moved = learner.browser.post(
        f"{path}/responses", base_url=TOOL, data={"csrf": token_of(learner.launch, SECRET), **given_to(page)},
        headers={"Origin": TOOL, "Accept": "text/html"}, environ_overrides={"REMOTE_ADDR": "192.0.2.1"},
    )  # fmt: skip

    assert (outside.status_code, code_of(outside)) == (403, "network_refused")
    assert (moved.status_code, code_of(moved)) == (403, "network_refused")
    assert learner.answer(path, page).status_code == 303


@pytest.mark.one_database
def test_the_clients_address_is_the_one_that_the_trusted_proxy_saw(exam: Exam, settings: Settings):
    exam.ruled(networks="10.4.0.0/16")
    behind = create_app(settings.model_copy(update={"trusted_proxies": 1}), clock=exam.tool.moment, database=exam.tool.database)
    learner = exam.learner()

    def start(browser: Client, forwarded: str) -> int:
        browser._cookies = learner.browser._cookies  # type: ignore[attr-defined]
        headers = {"Origin": TOOL, "Accept": "text/html", "X-Forwarded-For": forwarded}
        data = {"csrf": token_of(learner.launch, SECRET)}
        return browser.post(f"{learner.intro_path}/start", base_url=TOOL, data=data, headers=headers).status_code

    assert start(exam.tool.app.test_client(), "10.4.0.9") == 403  # no proxy is trusted: the header is anybody's
    assert start(behind.test_client(), "10.4.0.9, 192.0.2.7") == 403  # the first part is what the client itself wrote
    assert start(behind.test_client(), "192.0.2.7, 10.4.0.9") == 303


def test_safe_exam_browser_proves_its_keys_by_headers_at_the_start_and_at_each_answer(exam: Exam):
    exam.ruled(config_keys=CONFIG_KEY, exam_keys=f"{'0' * 64}\n{EXAM_KEY}")
    learner = exam.learner()

    def proof(path: str, *, config: str = CONFIG_KEY) -> dict[str, str]:
        return {
            "X-SafeExamBrowser-ConfigKeyHash": assessment.exam_hash(TOOL + path, config),
            "X-SafeExamBrowser-RequestHash": assessment.exam_hash(TOOL + path, EXAM_KEY),
        }

    start = f"{learner.intro_path}/start"
    for headers in ({}, proof(learner.intro_path), proof(start, config="0" * 64)):
        refused = learner.post(start, headers=headers)
        assert (refused.status_code, code_of(refused)) == (403, "safe_exam_browser_needed")
    path = learner.post(start, headers=proof(start)).headers["Location"]
    page = learner.get(path, headers=proof(path))
    without = learner.answer(path, page)
    saved = learner.answer(path, page, headers=proof(f"{path}/responses"))

    assert "วิธีเปิดใน Safe Exam Browser" in learner.intro()
    assert page.status_code == 200
    assert (without.status_code, code_of(without)) == (403, "safe_exam_browser_needed")
    assert saved.status_code == 303
    assert exam.attempt().admission == {"seb": {"config_keys": [CONFIG_KEY], "exam_keys": ["0" * 64, EXAM_KEY]}}


def test_safe_exam_browser_proves_its_keys_by_script_where_it_sends_no_headers(exam: Exam):
    exam.ruled(config_keys=CONFIG_KEY)
    learner = exam.learner()

    path = learner.started(seb_config=assessment.exam_hash(TOOL + learner.intro_path, CONFIG_KEY))
    page = learner.get(path)  # a page that is only read proves nothing; this browser has proved itself
    wrong = learner.answer(path, page, seb_config=assessment.exam_hash(f"{TOOL}/elsewhere", CONFIG_KEY))
    foreign = "https://elsewhere.example/"
    replayed = learner.answer(path, page, seb_config=assessment.exam_hash(foreign, CONFIG_KEY), seb_page=foreign)
    at = f"{TOOL}{path}?at=1"
    saved = learner.answer(path, page, seb_config=assessment.exam_hash(at, CONFIG_KEY), seb_page=at)

    assert page.status_code == 200
    assert code_of(replayed) == "safe_exam_browser_needed"
    assert code_of(wrong) == "safe_exam_browser_needed"
    assert saved.status_code == 303


def test_another_browser_cannot_take_a_sitting_out_of_safe_exam_browser(exam: Exam):
    exam.ruled(config_keys=CONFIG_KEY)
    inside = exam.learner()
    path = inside.started(seb_config=assessment.exam_hash(TOOL + inside.intro_path, CONFIG_KEY))

    outside = exam.learner()
    name = path.rpartition("/")[2]
    read = outside.get(f"/learn/{outside.launch}/attempts/{name}")
    continued = outside.start()
    page = outside.intro()

    assert code_of(read) == code_of(continued) == "safe_exam_browser_needed"
    assert f'action="{outside.intro_path}/start" data-exam-browser' in page
    assert exam.attempt().device == str(inside.launch)


def test_a_sitting_from_a_link_without_rules_is_no_substitute_at_one_with_rules(exam: Exam):
    exam.ruled(code="shared", shared_code="right-code")
    elsewhere = exam.learner(link="link-2")
    path = elsewhere.started()
    here = exam.learner()

    open_page, refused = here.intro(), here.start(code="right-code")
    exam.tool.moment.pass_by(hours=2)
    again = exam.learner()
    again.get(f"/learn/{again.launch}/attempts/{path.rpartition('/')[2]}")

    assert GO_ON not in open_page
    assert (refused.status_code, code_of(refused)) == (409, "begun_elsewhere")
    links = {row.id: row.lti_id for row in exam.tool.rows(models.ResourceLink)}
    assert {links[row.resource_link_id] for row in exam.tool.rows(models.CountedSitting)} == {"link-2"}
    last = exam.learner()
    assert "ใช้ผลนี้กับกิจกรรมนี้" not in last.intro()
    assert code_of(last.post(f"{last.intro_path}/use")) == "result_not_taken"


def test_rules_that_make_no_sense_are_asked_for_again_and_nothing_changes(exam: Exam):
    page = exam.rule(attempts="many", opens_at="2026-12-02T10:00", closes_at="tomorrow", networks="10.0.0.0/33", config_keys="abc")

    assert page.status_code == 422
    told = re.sub(r"<[^>]+>", "\n", html.unescape(re.findall(r'role="alert"(.*?)</div>', page.text, re.DOTALL)[0]))
    assert [line for line in told.splitlines() if ":" in line and not line.endswith(":")] == [
        line for line in told.splitlines() if line.startswith(("จำนวนครั้ง", "ปิด", "เครือข่าย", "Safe Exam Browser"))
    ]
    assert len([line for line in told.splitlines() if line.startswith(("จำนวนครั้ง", "ปิด", "เครือข่าย", "Safe Exam Browser"))]) == 4
    assert 'value="many"' in page.text
    assert exam.rule(code="shared").status_code == 422
    assert exam.rule(code="shared", shared_code="a b").status_code == 422
    assert [row.admission for row in exam.tool.rows(models.Placement)] == [None]


def test_a_copy_of_the_link_keeps_its_rules_when_another_is_changed(exam: Exam):
    exam.ruled(attempts="1")
    (placed,) = exam.tool.rows(models.Placement)
    copy = exam.comes("d-1", "Instructor", "link-2", placement=str(placed.uuid))

    changed = copy.post(f"/design/{copy.launch}/admission", code="none", attempts="3")

    assert changed.status_code == 303
    assert [row.admission for row in exam.tool.rows(models.Placement)] == [{"attempts": 1}, {"attempts": 3}]


def test_the_rules_stay_when_the_designer_changes_the_points(exam: Exam):
    exam.ruled(code="one_time", attempts="1")
    ((_, code),) = exam.codes(spare="1")

    exam.designer.post(f"/design/{exam.designer.launch}/place", chosen=exam.activity)

    assert exam.tool.rows(models.Placement)[-1].admission == {"attempts": 1, "code": "one_time"}
    assert exam.learner().start(code=code).status_code == 303


def test_a_form_may_say_who_begins_where_no_placement_does(exam: Exam):
    document = _document_of(exam)
    with exam.tool.database.transaction() as db:
        loaded = assessment.load_form(
            db, {**document, "key": "secure", "admission": {"networks": ["10.0.0.0/8"]}}, now=exam.tool.moment.now
        )
    learner = exam.learner()

    refused = learner.post(f"/learn/{learner.launch}/assessment/{loaded.uuid}/start")

    assert code_of(refused) == "network_refused"


def test_a_learner_cannot_open_the_designers_page(exam: Exam):
    learner = exam.learner()

    assert learner.get(f"/design/{learner.launch}/admission").status_code == 404
    assert learner.post(f"/design/{learner.launch}/admission", code="none").status_code == 404
    assert learner.post(f"/design/{learner.launch}/admission/codes", spare="5").status_code == 404


def test_an_erased_persons_codes_go_with_them(exam: Exam):
    from lti_tool.workflows.erasure import _forget_user
    from lti_tool.workflows.people import known_person

    exam.learner("u-1")
    exam.ruled(code="one_time")
    ((_, code),) = exam.codes(learners="on")
    person = exam.learner("u-1")
    person.start(code="wrong")
    person.started(code=code)
    with exam.tool.database.transaction() as db:
        tenant_id = exam.tool.rows(models.Tenant)[0].id
        known = known_person(db, tenant_id=tenant_id, agents=[], platform_users=[(exam.tool.platform.url, "u-1")])
        counts = _forget_user(db, known.users[0])

    assert counts["codes"] == 1
    assert exam.tool.rows(models.AccessCode) == exam.tool.rows(models.CodeTry) == []


def _document_of(exam: Exam) -> dict[str, Any]:
    from sqlalchemy import select

    from assessment.models import Form, FormVersion

    with exam.tool.database.reading() as db:
        newest = select(FormVersion.document).join(Form).where(Form.uuid == UUID(str(exam.form.uuid))).order_by(FormVersion.n.desc())
        return dict(db.scalars(newest).first() or {})


@pytest.mark.one_database
def test_commands_list_keep_and_make_codes(exam: Exam, settings: Settings, monkeypatch: pytest.MonkeyPatch):
    values = {"data_dir": settings.data_dir, "database_url": exam.tool.database.engine.url.render_as_string(hide_password=False)}
    for name, value in {**values, "secret_key_file": settings.secret_key_file}.items():
        monkeypatch.setenv(f"KAONA_{name.upper()}", str(value))
    monkeypatch.setattr("lti_tool.migrate.ensure_current", lambda _database: None)
    exam.learner("u-1")

    def run(*arguments: str, given: str = "") -> Any:
        return CliRunner().invoke(cli, ["admission", *arguments], input=given, catch_exceptions=False)

    (listed,) = json.loads(run("list", "--json").output)
    kept = run("keep", listed["placement"], "-", given='{"attempts": 1, "code": "one_time"}')
    made = run("codes", listed["placement"], "--spare", "1")

    assert (listed["rules"], kept.output) == (None, "kept\n")
    lines = list(csv.reader(io.StringIO(made.output.lstrip("\ufeff"))))
    assert [line[0] for line in lines] == ["name", "ผู้เรียน u-1", ""]
    code = lines[1][1]
    assert exam.learner("u-1").start(code=code).status_code == 303
    with pytest.raises(assessment.AdmissionInvalid):
        run("keep", listed["placement"], "-", given='{"attempts": 0}')
