"""The pages of item analysis over the worker's stored figures: whose they are, what they hide, and what a person decides."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner

import assessment.api as assessment
from assessment.models import AttemptEvent
from kernel import outbox
from lti_tool import models
from lti_tool.cli import cli
from lti_tool.jobs import item_analysis
from lti_tool.lti import vocabulary as v
from lti_tool.lti.grants import grant_role
from lti_tool.settings import Settings
from lti_tool.web.csrf import token_of
from lti_tool.web.devices import device_kind
from lti_tool.workflows import item_analysis as workflow
from tests.lti.gradebook_world import Course, new_course
from tests.lti.lti_world import CLIENT_ID, SECRET, TOOL, Tool

pytestmark = pytest.mark.stocked

WINDOW = {v.LAUNCH_PRESENTATION: {"document_target": "window"}}


class House:
    """A course whose people have sat, an administrator, a teacher, and the worker's turn."""

    def __init__(self, course: Course, tool: Tool) -> None:
        self.course, self.tool, self.browser = course, tool, tool.new_browser()
        course.load()
        self.form = course.form.uuid

    def sit(self, n: int) -> None:
        for number in range(n):
            launch = self.course.launch(sub=f"u-{number}")
            self.course.sit(launch, dict.fromkeys(("DLIT", "DGOV", "DLEAD"), 2.0 - number % 5))
            self.tool.moment.pass_by(seconds=1)

    def work(self) -> list[str]:
        """The worker's round: every analysis that was asked for."""
        with self.tool.database.transaction() as db:
            claimed = outbox.claim(db, kinds=[item_analysis.KIND, item_analysis.NIGHT_KIND], now=self.course.now)
        for item in claimed:
            act = item_analysis.carry_out if item.kind == item_analysis.KIND else item_analysis.ask_for_all
            act(self.tool.database, item, clock=self.tool.moment)
        self.tool.moment.pass_by(seconds=1)
        return [item.payload.get("scope", "") for item in claimed]

    def enter(self, role: str, sub: str = "boss") -> str:
        """The base of somebody's pages."""
        if role in {"administrator", "central_executive"}:
            with self.tool.database.transaction() as db:
                grant_role(db, issuer=self.tool.platform.url, client_id=CLIENT_ID, sub=sub, role=role, now=self.course.now)
            target = {v.TARGET_LINK_URI: f"{TOOL}/open/admin", v.RESOURCE_LINK: {"id": "9"}}
        else:
            target = {v.ROLES: [f"{v.MEMBERSHIP}#{role}"]}
        return str(self.tool.launched(self.browser, **target, **WINDOW, sub=sub))

    def get(self, path: str) -> Any:
        return self.browser.get(path, base_url=TOOL, headers={"Accept": "text/html"})

    def post(self, path: str, page: str, **values: str) -> Any:
        token = self.get(page).text.split('name="csrf" value="')[1].split('"')[0]
        return self.browser.post(path, base_url=TOOL, data={"csrf": token, **values}, headers={"Accept": "text/html", "Origin": TOOL})

    def flag(self, scope: assessment.Scope, *flags: str) -> tuple[UUID, str]:
        """Stores the newest analysis again with these flags on its first item. Returns the review and the item's UUID."""
        with self.tool.database.transaction() as db:
            found = assessment.get_analysis(db, self.form, scope)
            first = found.document["domains"][0]["items"][0]
            document = json.loads(json.dumps(found.document))
            document["domains"][0]["items"][0]["flags"] = list(flags)
            (review,) = assessment.store_analysis(db, self.form, scope, n_persons=found.n_persons, document=document, as_of=self.course.now)
        return review, first["uuid"]


@pytest.fixture
def house(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> House:
    return House(new_course(tool, monkeypatch), tool)


def rows_of(response: Any) -> list[dict[str, str]]:
    assert response.status_code == 200
    return list(csv.DictReader(io.StringIO(response.data.decode("utf-8-sig"))))


def test_a_page_asks_the_worker_for_what_it_lacks_and_shows_it_afterwards_as_of_that_moment(house: House):
    house.sit(12)
    launch = house.enter("administrator")
    path = f"/admin/{launch}/items/forms/{house.form}?as=en"

    before = house.get(path)
    again = house.get(path)

    assert "กำลังคำนวณ" in before.text
    assert (before.status_code, again.status_code) == (200, 200)
    assert house.work() == ["tenant:1"]
    after = house.get(path).text
    assert "จากคำตอบของ 12 คน" in after
    assert "กำลังคำนวณ" not in after
    assert house.work() == []
    items = rows_of(house.get(f"/admin/{launch}/items/forms/{house.form}/items.csv"))
    assert {"item", "facility", "discrimination", "infit", "s_x2", "flags"} <= items[0].keys()
    assert sum(int(row["n"]) for row in items) >= 12 * 18
    assert {entry.event for entry in house.tool.rows(models.AuditEntry)} >= {"item_analysis.exported"}


def test_a_review_is_closed_on_its_page_with_a_reason_and_the_act_is_written_down(house: House):
    house.sit(3)
    launch = house.enter("administrator")
    house.get(f"/admin/{launch}/items/forms/{house.form}")
    house.work()
    review, item = house.flag(assessment.agency(1), "misfit")
    page = f"/admin/{launch}/items/forms/{house.form}/{item}"
    assert "รอการตัดสิน" in house.get(f"/admin/{launch}/items/").text

    without = house.post(f"{page}/reviews/{review}", page, decision="keep", reason=" ")
    done = house.post(f"{page}/reviews/{review}", page, decision="revise", reason="ตัวเลือก ง. ถูกได้")
    again = house.browser.post(f"{page}/reviews/{review}", base_url=TOOL, data={}, headers={"Accept": "text/html", "Origin": TOOL})

    assert (without.status_code, done.status_code, again.status_code) == (422, 303, 403)
    assert "ตัวเลือก ง. ถูกได้" in house.get(page).text
    closed = [entry for entry in house.tool.rows(models.AuditEntry) if entry.event == "item_review.closed"]
    assert [(entry.actor[:5], entry.details["decision"]) for entry in closed] == [("user:", "revise")]


def test_everybodys_answers_are_for_a_central_executive_and_reviews_do_not_cross_scopes(house: House):
    house.sit(2)
    launch = house.enter("administrator")
    house.get(f"/admin/{launch}/items/forms/{house.form}?scope=all")
    assert house.work() == ["tenant:1"]

    house.enter("central_executive")
    house.get(f"/admin/{launch}/items/forms/{house.form}?scope=all")

    assert house.work() == ["all"]
    review, item = house.flag(assessment.EVERYBODY, "misfit")
    page = f"/admin/{launch}/items/forms/{house.form}/{item}"
    foreign = house.post(f"{page}/reviews/{review}", f"{page}?scope=all", decision="keep", reason="x")
    assert foreign.status_code == 404
    assert house.post(f"{page}/reviews/{review}?scope=all", f"{page}?scope=all", decision="keep", reason="x").status_code == 303


def test_a_teacher_sees_the_course_alone_without_options_keys_or_few_people(house: House):
    house.sit(9)
    launch = house.enter("Instructor", "teacher")
    path = f"/teach/{launch}/activities/{house.form}/items/"
    assert house.get(path).status_code == 200
    (scope,) = house.work()
    assert scope.startswith("course:")
    assert "ไม่ถึง 10 คน" in house.get(path).text
    assert rows_of(house.get(f"{path}items.csv")) == []

    house.sit(30)
    house.get(path)
    house.work()

    shown = house.get(path).text
    assert "จากคำตอบของ 30 คน" in shown
    rows = rows_of(house.get(f"{path}items.csv"))
    assert rows
    assert all(int(row["n"]) >= 10 for row in rows)
    with house.tool.database.reading() as db:
        found = assessment.get_analysis(db, house.form, item_analysis.course(1, int(scope.partition(":")[2])))
    kept = workflow.withheld(found.document, n_persons=found.n_persons)
    assert all(item["distractors"] == [] and item["groups"] == [] for domain in kept["domains"] for item in domain["items"])
    assert house.get(f"/admin/{launch}/items/").status_code == 404


def test_a_teacher_is_told_of_no_flag_that_tells_of_the_key_or_of_groups():
    figures = {"n": 200, "distractors": [{}], "groups": [{}], "flags": ["too_easy", "group_difference", "wrong_option_attracts"]}
    document = {"groups": {"region": {"north": 9}}, "domains": [{"n_persons": 200, "items": [figures]}]}

    kept = workflow.withheld(document, n_persons=200)

    assert kept == {
        "groups": {},
        "domains": [{"n_persons": 200, "items": [{**figures, "distractors": [], "groups": [], "flags": ["too_easy"]}]}],
    }


def test_by_night_every_analysis_that_is_old_is_asked_for_once(house: House):
    house.sit(1)
    house.tool.moment.now = house.tool.moment.now.replace(hour=19)  # two o'clock in Bangkok
    for _ in range(2):
        with house.tool.database.transaction() as db:
            item_analysis.ask_at_night(db, now=house.course.now)

    assert house.work() == [""]
    assert sorted(house.work()) == ["all", "tenant:1"]
    with house.tool.database.transaction() as db:
        item_analysis.ask_at_night(db, now=house.course.now.replace(hour=12))
    assert house.work() == []


@pytest.fixture
def command(house: House, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """`kaona ...` on the house's installation; gives its JSON."""
    monkeypatch.setenv("KAONA_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("KAONA_DATABASE_URL", house.tool.database.url)
    monkeypatch.setenv("KAONA_SECRET_KEY_FILE", str(settings.secret_key_file))
    monkeypatch.setattr("lti_tool.migrate.ensure_current", lambda _database: None)

    def run(*arguments: str, code: int = 0) -> Any:
        done = CliRunner().invoke(cli, [*arguments, "--json"])
        assert done.exit_code == code, (done.output, done.exception)
        return json.loads(done.stdout) if code == 0 else done

    yield run
    monkeypatch.undo()


def test_groups_are_imported_whole_or_not_at_all_and_compare_people(house: House, command, tmp_path):
    house.sit(3)
    (person,) = [user.person_uuid for user in house.tool.rows(models.User) if user.sub == "u-2"]
    file = tmp_path / "groups.csv"
    file.write_text(f"person,attribute,label\nu-0,region,ใต้\n{house.tool.platform.url} u-1,region,เหนือ\n{person},age_band,40-49\n")

    assert command("people", "groups", "import", str(file), "--tenant", "opdc") == {"people": 3, "labels": 3}
    assert command("people", "groups", "list", "--tenant", "opdc") == [
        {"attribute": "age_band", "label": "40-49", "people": 1},
        {"attribute": "region", "label": "เหนือ", "people": 1},
        {"attribute": "region", "label": "ใต้", "people": 1},
    ]

    file.write_text("person,attribute,label\nu-0,region,เหนือ\nnobody,region,ใต้\n")
    refused = command("people", "groups", "import", str(file), "--tenant", "opdc", code=1)
    assert "row 2, column person" in str(refused.exception)
    with house.tool.database.reading() as db:
        table = assessment.read_answers(db, house.form, assessment.EVERYBODY)
    assert sorted(table.labels["region"]) == ["", "เหนือ", "ใต้"]


def test_analyses_are_computed_and_dropped_by_a_command(house: House, command):
    house.sit(2)

    (row,) = [row for row in command("items", "analyses") if row["persons"]]
    assert (row["scope"], row["persons"], row["open_reviews"]) == ("all", 2, 0)
    command("items", "analyses", "--tenant", "opdc", "--rebuild")
    with house.tool.database.reading() as db:
        assert assessment.get_analysis(db, house.form, assessment.EVERYBODY).as_of is None
        assert assessment.get_analysis(db, house.form, assessment.agency(1)).n_persons == 2


def test_a_sitting_knows_what_it_was_begun_with(house: House):
    agent = "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/140.0.0.0 Mobile Safari/537.36"
    launch = house.tool.launched(house.browser, **WINDOW)
    for _ in range(2):  # the second click goes on with the same sitting
        begun = house.browser.post(
            f"/learn/{launch}/assessment/{house.form}/start",
            base_url=TOOL,
            data={"csrf": token_of(launch, SECRET)},
            headers={"Origin": TOOL, "User-Agent": agent},
        )
        assert begun.status_code == 303

    assert [(event.kind, event.key) for event in house.tool.rows(AttemptEvent)] == [("device_kind", "phone")]


@pytest.mark.parametrize(
    ("agent", "kind"),
    [
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1", "phone"),
        ("Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/140.0.0.0 Mobile Safari/537.36", "phone"),
        ("Mozilla/5.0 (Linux; Android 15; SM-X910) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36", "tablet"),
        ("Mozilla/5.0 (iPad; CPU OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Version/17.0 Mobile/15E148 Safari/604.1", "tablet"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36", "computer"),
        ("", "computer"),
    ],
)
def test_a_browser_is_one_of_three_kinds(agent: str, kind: str):
    assert device_kind(agent) == kind
