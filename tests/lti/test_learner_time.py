"""Extra time, pauses and the class as it stands now, over HTTP: what a teacher does, a learner's open page is told."""

import csv
import html
import io
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner
from sqlalchemy import select
from werkzeug.test import TestResponse

import assessment.api as assessment
from assessment.models import Attempt
from lti_tool import models
from lti_tool.cli import cli
from lti_tool.lti import vocabulary as v
from lti_tool.models.audit import AuditEntry
from lti_tool.web.csrf import token_of
from lti_tool.workflows import allowances
from lti_tool.workflows.allowances import FileInvalid
from tests.lti.gradebook_world import Course, new_course
from tests.lti.lti_world import SECRET, TOOL, Tool

pytestmark = [pytest.mark.stocked, pytest.mark.one_database]


class Room:
    """A teacher before the page of the class, and a learner with the assessment open."""

    def __init__(self, course: Course) -> None:
        self.course, self.tool = course, course.tool
        course.load()
        self.teacher = self.tool.new_browser()
        self.teacher_launch = self.tool.launched(self.teacher, **self.claims("t-1", "Instructor"))
        self.learner = self.tool.new_browser()
        self.learner_launch = self.tool.launched(self.learner, **self.claims("u-1"))
        self.home = f"/teach/{self.teacher_launch}/activities/{course.form.uuid}"
        with self.tool.database.reading() as db:
            self.person: UUID = db.scalars(select(models.User.person_uuid).where(models.User.sub == "u-1")).one()
        begun = self.learn("POST", f"assessment/{course.form.uuid}/start")
        self.attempt = UUID(begun.headers["Location"].rsplit("/", 1)[1])
        self.learn("GET", f"attempts/{self.attempt}")

    def claims(self, sub: str, role: str = "Learner") -> dict[str, Any]:
        return {"sub": sub, v.ROLES: [f"{v.MEMBERSHIP}#{role}"], v.RESOURCE_LINK: {"id": "7"}, v.AGS_ENDPOINT: None}

    def learn(self, method: str, path: str, **fields: str) -> TestResponse:
        return self._ask(self.learner, self.learner_launch, method, f"/learn/{self.learner_launch}/{path}", fields)

    def teach(self, method: str, path: str = "", browser: Any = None, **fields: str) -> TestResponse:
        return self._ask(browser or self.teacher, self.teacher_launch, method, self.home + path, fields)

    def _ask(self, browser: Any, launch: UUID, method: str, path: str, fields: dict[str, str]) -> TestResponse:
        sent: dict[str, Any] = {"query_string": fields} if method == "GET" else {"data": {"csrf": token_of(launch, SECRET), **fields}}
        return browser.open(path, method=method, base_url=TOOL, headers={"Origin": TOOL, "Accept": "text/html"}, **sent)

    def clock(self) -> dict[str, Any]:
        told: dict[str, Any] = self.learn("GET", f"attempts/{self.attempt}/clock").json
        return told

    def give(self, **fields: str) -> TestResponse:
        wanted = {"scope": str(self.attempt), "reason": "interruption", **fields}
        return self.teach("POST", f"/learners/{self.person}/time", **wanted)

    def deadline(self) -> Any:
        with self.tool.database.reading() as db:
            return db.scalars(select(Attempt.deadline_at).where(Attempt.uuid == self.attempt)).one()

    def audit(self, event: str) -> list[AuditEntry]:
        return [entry for entry in self.tool.rows(AuditEntry) if entry.event == event]


@pytest.fixture
def room(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> Room:
    return Room(new_course(tool, monkeypatch))


def test_extra_time_is_shown_first_then_given_and_the_open_page_is_told(room: Room):
    room.tool.moment.pass_by(minutes=30)
    asked = room.teach("GET", f"/learners/{room.person}/time", scope=str(room.attempt), minutes="15", reason="interruption")
    assert asked.status_code == 200
    assert "<dialog" in asked.text
    assert room.clock()["seconds_left"] == 600

    given = room.give(minutes="15")

    assert given.headers["Location"].endswith(f"/learners/{room.person}?done=time")
    told = room.clock()
    assert (told["state"], told["seconds_left"]) == ("running", 25 * 60)
    assert told["ask_again_seconds"] < 5
    (entry,) = room.audit("accommodation.set")
    assert (entry.actor, entry.details["extra_minutes"]) == ("user:1", 15)
    assert "เวลาเพิ่ม 15 นาที" in room.teach("GET", f"/learners/{room.person}").text


def test_the_second_step_says_when_the_sitting_would_end(room: Room):
    ends = room.deadline() + timedelta(minutes=7, hours=7)

    page = room.teach("GET", f"/learners/{room.person}/time", scope=str(room.attempt), minutes="๗", reason="other").text

    assert f"{ends:%H.%M} น." in page


def test_what_was_given_can_be_taken_back_and_the_learner_keeps_five_minutes(room: Room):
    room.give(minutes="30")
    room.tool.moment.pass_by(minutes=50)
    page = room.teach("GET", f"/learners/{room.person}").text
    (address, *_) = re.findall(r'action="([^"]+/end)"', page)

    back = room.teacher.post(
        html.unescape(address), base_url=TOOL, data={"csrf": token_of(room.teacher_launch, SECRET)}, headers={"Origin": TOOL}
    )

    assert back.status_code == 303
    assert room.clock()["seconds_left"] == 300
    assert len(room.audit("accommodation.withdrawn")) == 1


def test_time_for_every_sitting_needs_none_that_runs_and_ends_with_its_day(room: Room):
    with room.tool.database.transaction() as db:
        assessment.forget_person(db, tenant_id=1, person_uuid=room.person, keep_as=None)

    room.give(scope="form", factor="150", pauses="2", pause_minutes="10", until="2030-06-30")

    with room.tool.database.reading() as db:
        (made,) = assessment.list_accommodations(db, tenant_id=1, now=room.tool.moment.now)
    assert (made.factor_percent, made.pauses, made.pause_minutes, made.form_uuid) == (150, 2, 10, room.course.form.uuid)
    assert made.valid_until.isoformat() == "2030-06-30T17:00:00+00:00"  # midnight in Bangkok, after the day
    intro = room.learn("GET", f"assessment/{room.course.form.uuid}").text
    assert "ไม่เกิน 60 นาที" in intro
    assert "หยุดพักได้ 2 ครั้ง" in intro


@pytest.mark.parametrize(
    "fields",
    [{"minutes": "ten"}, {"minutes": "-5"}, {"minutes": "99999"}, {"factor": "50"}, {"pauses": "2"}, {"reason": "x"}],
)
def test_what_cannot_be_given_is_asked_again_and_gives_nothing(room: Room, fields: dict[str, str]):
    before = room.deadline()
    wanted = {"scope": str(room.attempt), "reason": "other", **fields}

    asked = room.teach("GET", f"/learners/{room.person}/time", **wanted)
    given = room.give(**fields)

    assert (asked.status_code, given.status_code) == (422, 400)
    assert 'role="alert"' in asked.text
    assert room.deadline() == before


def test_a_teacher_reaches_no_sitting_and_no_person_of_another_course(room: Room):
    other = room.course.launch(sub="u-9", **{v.CONTEXT: {"id": "other"}})
    attempt = room.course.sit(other, answers=1)
    with room.tool.database.reading() as db:
        stranger = db.get_one(models.User, other.user_id).person_uuid

    refused = [
        room.teach("GET", f"/learners/{stranger}/time", scope="form", minutes="5", reason="other"),
        room.teach("POST", f"/learners/{stranger}/time", scope="form", minutes="5", reason="other"),
        room.give(scope=str(attempt), minutes="5"),
        room.teach("GET", "/now", browser=room.learner),
    ]

    assert [answer.status_code for answer in refused[:3]] == [404] * 3
    assert refused[3].status_code == 409  # another person's session


def test_a_pause_hides_the_item_stops_the_clock_and_ends_by_the_button(room: Room):
    room.give(pauses="1", pause_minutes="10")
    item = room.learn("GET", f"attempts/{room.attempt}")
    assert "data-answer" in item.text
    assert f"/attempts/{room.attempt}/pause" in item.text
    room.tool.moment.pass_by(minutes=5)

    room.learn("POST", f"attempts/{room.attempt}/pause")
    room.tool.moment.pass_by(minutes=4)

    paused = room.learn("GET", f"attempts/{room.attempt}")
    assert (paused.status_code, "data-answer" in paused.text) == (200, False)
    stem = re.search(r"data-stem[^>]*>([^<]+)<", item.text)
    assert stem is not None
    assert stem[1].strip() not in paused.text
    told = room.clock()
    assert (told["state"], told["seconds_left"], told["pause_seconds_left"]) == ("paused", 35 * 60, 6 * 60)
    room.learn("POST", f"attempts/{room.attempt}/resume")
    again = room.learn("GET", f"attempts/{room.attempt}")
    assert stem[1] in again.text
    assert f"/attempts/{room.attempt}/pause" not in again.text
    assert room.clock()["seconds_left"] == 35 * 60
    assert room.learn("POST", f"attempts/{room.attempt}/pause").status_code == 409


def test_the_page_of_the_class_tells_who_needs_a_look(room: Room):
    quiet = room.course.launch(sub="u-2")
    room.course.sit(quiet, answers=2)
    assert "กำลังตอบ" in room.teach("GET", "/now").text
    room.tool.moment.pass_by(minutes=2)
    assert "ขาดการเชื่อมต่อ" not in room.teach("GET", "/now").text

    room.tool.moment.pass_by(minutes=8)
    room.clock()  # the first learner's page is open, the second one's is not

    now = room.teach("GET", "/now").text
    rows = re.findall(r'<tr role="row" id="now-([^"]+)">(.*?)</tr>', now, re.DOTALL)
    assert [("ขาดการเชื่อมต่อ" in row, "ไม่ได้ตอบมาระยะหนึ่ง" in row) for _, row in rows] == [(True, False), (False, True)]
    assert rows[1][0] == str(room.person)
    room.tool.moment.pass_by(minutes=26)
    room.clock()
    assert "ใกล้หมดเวลา" in room.teach("GET", "/now").text
    assert "data-live" in room.teach("GET").text


def test_nobody_under_way_is_said_in_words(room: Room):
    with room.tool.database.transaction() as db:
        assessment.forget_person(db, tenant_id=1, person_uuid=room.person, keep_as=None)

    assert "ขณะนี้ไม่มีผู้ใดกำลังทำแบบประเมิน" in room.teach("GET", "/now").text


# --- the command and the file -------------------------------------------------------------------------------------------------------------


def file_of(*rows: dict[str, str]) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, allowances.COLUMNS, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def load(room: Room, text: str) -> int:
    with room.tool.database.transaction() as db:
        return allowances.set_from_file(db, text, tenant_id=1, actor="command", now=room.tool.moment.now)


def test_a_file_sets_every_line(room: Room):
    platform = {"issuer": room.tool.platform.url, "user": "u-1"}

    n = load(
        room,
        "\ufeff"
        + file_of(
            {**platform, "factor": "1.25", "minutes": "5", "until": "2030-01-31"},
            {**platform, "form": room.course.form.key, "pauses": "2", "pause_minutes": "10", "reason": "other"},
        ),
    )

    assert n == 2
    assert room.clock()["seconds_left"] == 55 * 60  # 40 x 1.25 + 5
    assert 'id="pause"' in room.learn("GET", f"attempts/{room.attempt}").text


def test_a_file_with_faults_names_every_line_and_sets_nothing(room: Room):
    platform = {"issuer": room.tool.platform.url, "user": "u-1"}

    with pytest.raises(FileInvalid) as refused:
        load(
            room,
            file_of(
                {**platform, "minutes": "5"},
                {**platform, "user": "nobody"},
                {**platform, "factor": "fast"},
                {**platform, "form": "no-such"},
                {**platform, "until": "31/12/2030"},
                {**platform, "minutes": "five"},
            ),
        )

    said = str(refused.value)
    assert [line for line in range(2, 8) if f"line {line}:" in said] == [3, 4, 5, 6, 7]
    assert room.clock()["seconds_left"] == 40 * 60


@pytest.mark.parametrize("text", ["", "issuer,minutes\n", "issuer,user,colour\n", "issuer,user\na,b,c,d\n"])
def test_a_file_of_another_shape_is_refused(room: Room, text: str):
    with pytest.raises(FileInvalid):
        load(room, text)


def test_a_line_that_the_room_refuses_is_named_and_the_whole_file_with_it(room: Room):
    platform = {"issuer": room.tool.platform.url, "user": "u-1"}

    with pytest.raises(FileInvalid, match="line 3"), room.tool.database.transaction() as db:
        text = file_of({**platform, "minutes": "5"}, {**platform, "pauses": "2"})
        allowances.set_from_file(db, text, tenant_id=1, actor="command", now=room.tool.moment.now)

    assert room.clock()["seconds_left"] == 40 * 60


def test_the_command_tells_its_usage_before_it_opens_anything():
    from lti_tool.cli.accommodation import accommodation

    for arguments in (["set", "--tenant", "x", "--factor", "fast", "u"], ["set", "--tenant", "x", "--until", "soon", "u"], ["withdraw"]):
        assert CliRunner().invoke(accommodation, arguments).exit_code == 2


def test_the_commands_set_list_import_and_take_back(room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KAONA_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("KAONA_DATABASE_URL", room.tool.database.url)
    monkeypatch.setattr("lti_tool.migrate.ensure_current", lambda _database: None)
    begun = room.deadline() - timedelta(minutes=40)

    def run(*arguments: str, code: int = 0) -> Any:
        done = CliRunner().invoke(cli, ["people", "accommodation", arguments[0], "--tenant", "opdc", *arguments[1:]])
        assert done.exit_code == code, done.output
        return json.loads(done.output) if "--json" in arguments else done

    (made,) = run("set", "--user", room.tool.platform.url, "u-1", "--factor", "1.5", "--json")["set"]
    assert room.deadline() == begun + timedelta(minutes=60)
    file = tmp_path / "all.csv"
    file.write_text(file_of({"issuer": room.tool.platform.url, "user": "u-1", "form": room.course.form.key, "minutes": "7"}), "utf-8-sig")
    assert run("import", str(file), "--json") == {"set": 1}
    assert room.deadline() == begun + timedelta(minutes=67)
    listed = run("list", "--json")
    assert [(one["factor_percent"], one["extra_minutes"], one["form_key"]) for one in listed] == [
        (100, 7, room.course.form.key),
        (150, 0, None),
    ]
    run("withdraw", made)
    assert [one["extra_minutes"] for one in run("list", "--json")] == [7]
    assert len(run("list", "--all", "--json")) == 2
    assert run("withdraw", made, code=1).exception.code == "accommodation_not_found"
    assert run("set", "--user", room.tool.platform.url, "u-1", "--form", "no-such", code=2)
    assert [entry.actor for entry in room.audit("accommodation.set")] == ["command", "command"]
