"""The teacher's pages over HTTP: who stands where, the roster behind the page, what is done about scores, the table to take away."""

import csv
import html
import io
import json
import re
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, select
from werkzeug.test import TestResponse

import assessment.api as assessment
from kernel import outbox
from kernel.ids import new_uuid
from kernel.outbox import OutboxItem
from lti_tool import models
from lti_tool.jobs import roster_sync
from lti_tool.lti import vocabulary as v
from lti_tool.lti.services import AccessTokens
from lti_tool.web.csrf import token_of
from lti_tool.workflows.enrolled import place_learners_in_scope
from tests.lti.gradebook_world import UNABLE, Course, new_course
from tests.lti.lti_world import SECRET, TOOL, Answer, Tool

pytestmark = [pytest.mark.stocked, pytest.mark.one_database]

MEMBERS = "/Members"
SCOPES = " ".join([*v.AGS_SCOPES, v.SCOPE_MEMBERS])


class Class:
    """A teacher before the page of a course whose link has a column."""

    def __init__(self, course: Course) -> None:
        self.course, self.tool = course, course.tool
        course.load()
        self.column = course.gradebook.add()
        self.tool.platform.answers["/token"] = lambda _: Answer(
            body=json.dumps({"access_token": "t", "expires_in": 3600, "scope": SCOPES}).encode()
        )
        self.browser = self.tool.new_browser()
        self.launch = self.tool.launched(self.browser, **self.claims("t-1", "Instructor"))
        self.home = f"/teach/{self.launch}/activities/{course.form.uuid}"

    def claims(self, sub: str, role: str = "Learner", name: str | None = None) -> dict[str, Any]:
        return {
            "sub": sub,
            "name": name,
            v.ROLES: [f"{v.MEMBERSHIP}#{role}"],
            v.NRPS_SERVICE: {"context_memberships_url": f"{self.tool.platform.url}{MEMBERS}"},
            v.RESOURCE_LINK: {"id": "7", "title": "แบบประเมิน"},
            v.AGS_ENDPOINT: {"scope": sorted(v.AGS_SCOPES), "lineitems": self.course.gradebook.url, "lineitem": self.column},
        }

    def learner(self, sub: str, name: str | None = None) -> models.Launch:
        """A learner who came through the link."""
        uuid = self.tool.launched(self.tool.new_browser(), **self.claims(sub, name=name))
        with self.tool.database.reading() as db:
            return db.scalars(select(models.Launch).where(models.Launch.uuid == uuid)).one()

    def person(self, sub: str) -> UUID:
        with self.tool.database.reading() as db:
            return db.scalars(select(models.User.person_uuid).where(models.User.sub == sub)).one()

    def get(self, path: str = "", **query: str) -> TestResponse:
        return self.browser.get(self.home + path, query_string=query, base_url=TOOL, headers={"Accept": "text/html"})

    def post(self, path: str, browser: Any = None, **fields: str) -> TestResponse:
        data = {"csrf": token_of(self.launch, SECRET), **fields}
        return (browser or self.browser).post(self.home + path, data=data, base_url=TOOL, headers={"Origin": TOOL, "Accept": "text/html"})

    def names(self, **query: str) -> list[str]:
        """Names on the page, in their order."""
        people = self.get(**query).text.split('id="people"')[-1]
        return [html.unescape(name) for name in re.findall(r'rowheader"><a [^>]*>([^<]+)</a>', people)]

    def counts(self, **query: str) -> dict[str, int]:
        """What the filters of the page count."""
        page = self.get(**query).text
        found = re.findall(r'<li><a href="([^"]+)"[^>]*>[^<]+\((\d+)\)</a></li>', page)
        return {dict(re.findall(r"(\w+)=(\w+)", html.unescape(url))).get("state", "all"): int(n) for url, n in found}

    def read_roster(self, *members: dict[str, Any]) -> list[str]:
        """The worker's turn, with a platform that has these members."""
        found = [{"user_id": "t-1", "roles": ["Instructor"], "status": "Active"}, *members]
        self.tool.platform.answers[MEMBERS] = lambda _: Answer(body=json.dumps({"members": found}).encode())
        self.tool.moment.pass_by(seconds=1)
        with self.tool.database.transaction() as db:
            claimed = outbox.claim(db, kinds=[roster_sync.KIND], now=self.tool.moment.now)

        def place(db: Any, tenant_id: int, people: Any) -> None:
            place_learners_in_scope(db, tenant_id, people, now=self.tool.moment.now)

        how = {"http": self.course.http, "settings": self.tool.app.settings, "clock": self.tool.moment, "on_learners": place}
        return [roster_sync.sync_roster(self.tool.database, item, **how) for item in claimed]

    def readings(self) -> list[OutboxItem]:
        found = [item for item in self.tool.rows(OutboxItem) if item.kind == roster_sync.KIND]
        return sorted(found, key=lambda item: item.id)


def member(sub: str, name: str | None = None, **more: Any) -> dict[str, Any]:
    return {"user_id": sub, "roles": ["Learner"], "status": "Active", **({"name": name} if name else {}), **more}


@pytest.fixture
def room(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> Class:
    monkeypatch.setattr(roster_sync, "TOKENS", AccessTokens())
    return Class(new_course(tool, monkeypatch))


@pytest.fixture
def graded(room: Class) -> Class:
    """One learner of each kind: never came, under way, sent, could not be sent, changed in the gradebook."""
    room.get()
    room.read_roster(*(member(sub) for sub in ("never", "open", "sent", "parked", "changed")))
    room.course.sit(room.learner("sent", "สมชาย"))
    room.course.sit(room.learner("changed", "กมล"), UNABLE)
    room.course.settle()
    room.course.gradebook.set_by_hand(99.0, sub="changed")
    room.course.reconcile()
    (path,) = {path for path in room.tool.platform.answers if path.endswith("/scores")}
    room.tool.platform.answers[path] = lambda _: Answer(403)
    room.course.sit(room.learner("parked", "เพ็ญศรี"))
    room.course.settle()
    room.learner("open", "แก้วตา")
    with room.tool.database.transaction() as db:
        launch = db.scalars(
            select(models.Launch).join(models.User, models.User.id == models.Launch.user_id).where(models.User.sub == "open")
        ).one()
        who = {"tenant_id": 1, "person_uuid": room.person("open")}
        assessment.start_attempt(db, **who, form_uuid=room.course.form.uuid, launch_ref=str(launch.uuid), seed=1, now=room.tool.moment.now)
    return room


# --- the roster behind the page ------------------------------------------------------------------------------------------------


def test_opening_the_page_asks_for_an_old_roster_and_never_waits_for_the_platform(room: Class):
    first = room.get()

    assert "กำลังอ่านรายชื่อสมาชิก" in first.text
    assert len(room.readings()) == 1
    assert room.tool.platform.count(MEMBERS) == 0
    room.get()
    assert len(room.readings()) == 1


def test_a_roster_is_old_after_fifteen_minutes(room: Class):
    room.get()
    assert room.read_roster(member("u-1")) == ["done"]

    room.tool.moment.pass_by(minutes=14)
    room.get()
    assert [item.state for item in room.readings()] == ["done"]
    room.tool.moment.pass_by(minutes=1)
    page = room.get()

    assert [item.state for item in room.readings()] == ["done", "waiting"]
    assert "กำลังปรับปรุงให้เป็นปัจจุบัน" in page.text


def test_a_reading_that_failed_is_not_asked_for_at_every_visit_but_on_the_button(room: Class):
    room.tool.platform.answers["/token"] = lambda _: Answer(body=b'{"access_token":"t","expires_in":3600,"scope":"other"}')
    room.get()
    assert room.read_roster() == ["parked"]
    room.tool.moment.pass_by(minutes=45)

    page = room.get()
    assert "LMS ไม่อนุญาตให้ก้าวหน้าอ่านรายชื่อ" in page.text
    assert len(room.readings()) == 1
    response = room.post("/roster")

    assert (response.status_code, response.headers["Location"].endswith("done=reading")) == (303, True)
    assert [item.state for item in room.readings()] == ["superseded", "waiting"]


def test_a_course_without_the_service_says_so_and_has_nothing_to_ask_for(tool: Tool, monkeypatch: pytest.MonkeyPatch):
    room = Class(new_course(tool, monkeypatch))
    with tool.database.transaction() as db:
        db.query(models.Context).update({"memberships_url": None})

    assert "ไม่ได้เปิดให้ก้าวหน้าอ่านรายชื่อสมาชิก" in room.get().text
    assert room.post("/roster").status_code == 404
    assert room.readings() == []


def test_members_who_never_came_are_listed_as_not_started_with_and_without_a_name(room: Class):
    room.get()
    room.read_roster(member("u-1", "สมหญิง ใจดี"), member("u-2"))

    assert room.names() == ["สมหญิง ใจดี", f"ผู้เรียน {str(room.person('u-2'))[:4]}"]
    assert room.counts() == {"all": 2, "none": 2, "open": 0, "finished": 0}


def test_the_page_tells_the_last_change_by_name(room: Class):
    room.get()
    room.read_roster(member("u-1", "กิตติ"), member("u-2", "แก้วตา"))
    room.post("/roster")
    room.read_roster(member("u-2", "แก้วตา"), member("u-3", "<b>มานี</b>"), member("u-4"))

    page = room.get().text

    assert "เข้ามาใหม่ 2 คน: &lt;b&gt;มานี&lt;/b&gt; และอีก 1 คน" in page
    assert "ไม่เป็นสมาชิกที่ใช้งานอยู่แล้ว 1 คน: กิตติ" in page
    assert sorted(room.names()) == sorted(["แก้วตา", "<b>มานี</b>", f"ผู้เรียน {str(room.person('u-4'))[:4]}"])


def test_q46_a_learner_cannot_have_the_roster_read(room: Class):
    browser = room.tool.new_browser()
    launch = room.tool.launched(browser, **room.claims("u-1"))
    data = {"csrf": token_of(launch, SECRET)}

    response = browser.post(
        f"/teach/{launch}/activities/{room.course.form.uuid}/roster", data=data, base_url=TOOL, headers={"Origin": TOOL}
    )

    assert response.status_code == 404
    assert room.readings() == []


# --- who stands where ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "n"), [("all", 5), ("none", 1), ("open", 1), ("finished", 3), ("parked", 1), ("differs", 1)])
def test_each_filter_shows_as_many_people_as_it_counts(graded: Class, state: str, n: int):
    assert graded.counts()[state] == n == len(graded.names(state=state))


def test_scores_are_told_in_plain_words_with_the_cure(graded: Class):
    page = graded.get(f"/learners/{graded.person('parked')}").text

    assert "ส่งไม่สำเร็จ" in page
    assert "LMS ไม่ให้ระบบเขียนคอลัมน์คะแนนนี้" in page
    assert "โปรดตรวจว่ากิจกรรมในรายวิชายังเปิดให้คะแนนอยู่" in page


def test_a_difference_that_was_found_is_shown_with_both_scores(graded: Class):
    page = graded.get(f"/learners/{graded.person('changed')}").text

    assert "99 จาก 100" in page
    assert "สมุดคะแนนแสดงคะแนนอื่น" in page


def test_a_search_finds_part_of_a_name_and_the_code_of_people_without_one(graded: Class):
    assert graded.names(q="พ็ญ") == ["เพ็ญศรี"]
    assert graded.counts(q="พ็ญ") == {"all": 1, "none": 0, "open": 0, "finished": 1, "parked": 1}
    code = str(graded.person("never"))[:4]
    assert graded.names(q=code.upper()) == [f"ผู้เรียน {code}"]
    assert graded.names(q="%") == []
    assert graded.names(q="กมล", state="open") == []


def test_names_stand_in_the_order_of_a_thai_dictionary_and_the_unnamed_last(graded: Class):
    assert graded.names()[:4] == ["กมล", "แก้วตา", "เพ็ญศรี", "สมชาย"]
    assert graded.names(sort="state")[0].startswith("ผู้เรียน")
    assert graded.names(sort="activity")[0] in {"แก้วตา", "เพ็ญศรี"}


def test_teachers_and_removed_or_blocked_people_are_no_learners_of_the_page(graded: Class):
    with graded.tool.database.transaction() as db:
        db.query(models.User).filter_by(sub="sent").update({"blocked_at": graded.tool.moment.now})
        user = db.scalars(select(models.User.id).where(models.User.sub == "open")).one()
        db.query(models.Enrolment).filter_by(user_id=user).update({"removed_at": graded.tool.moment.now})

    assert graded.counts()["all"] == 3
    assert graded.get(f"/learners/{graded.person('open')}").status_code == 404


def fill(room: Class, n: int) -> None:
    """A course of n more members, as a roster leaves them."""
    at = room.tool.moment.now
    with room.tool.database.transaction() as db:
        people = [
            {
                "tenant_id": 1,
                "registration_id": 1,
                "sub": f"m-{k}",
                "person_uuid": new_uuid(),
                "display_name": f"สมาชิก {k:05}",
                "created_at": at,
            }
            for k in range(n)
        ]
        db.execute(models.User.__table__.insert(), people)
        ids = list(db.scalars(select(models.User.id).where(models.User.sub.like("m-%"))))
        shared = {
            "tenant_id": 1,
            "context_id": 1,
            "roles": ["learner"],
            "joined_at": at,
            "in_roster_at": at,
            "created_at": at,
            "changed_at": at,
        }
        db.execute(models.Enrolment.__table__.insert(), [{**shared, "user_id": user} for user in ids])


def test_a_page_shows_fifty_and_the_next_page_the_rest(room: Class):
    fill(room, 120)

    assert [len(room.names(page=page)) for page in ("1", "2", "3", "99")] == [50, 50, 20, 20]
    assert room.names(page="2")[0] == "สมาชิก 00050"
    assert room.counts()["all"] == 120


@pytest.mark.parametrize("sort", ["name", "state", "activity"])
def test_the_number_of_statements_does_not_grow_with_the_class(room: Class, sort: str):
    statements: list[str] = []
    event.listen(room.tool.database.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    room.get()
    fill(room, 10)

    def n_statements() -> int:
        statements.clear()
        assert room.get(sort=sort).status_code == 200
        return len(statements)

    few = n_statements()
    with room.tool.database.transaction() as db:
        db.query(models.Enrolment).filter(models.Enrolment.joined_at.is_not(None)).delete()
        db.query(models.User).filter(models.User.sub.like("m-%")).delete()
    fill(room, 400)

    assert n_statements() <= few + 1


# --- what a teacher does about scores ------------------------------------------------------------------------------------------


def test_one_score_is_sent_again(graded: Class):
    before = len(graded.course.gradebook.calls("POST", "/scores"))

    response = graded.post(f"/learners/{graded.person('sent')}/resend")
    graded.course.settle()

    assert response.headers["Location"].endswith(f"/learners/{graded.person('sent')}?done=resent")
    assert len(graded.course.gradebook.calls("POST", "/scores")) == before + 1
    assert "กำลังส่งไปยังรายวิชา" in graded.browser.get(response.headers["Location"], base_url=TOOL).text


def test_all_scores_that_could_not_be_sent_go_again_together(graded: Class):
    (path,) = {path for path in graded.tool.platform.answers if path.endswith("/scores")}
    graded.tool.platform.answers[path] = lambda _: Answer(200)

    assert graded.post("/resend").status_code == 303
    graded.course.settle()

    assert "parked" not in graded.counts()


def test_points_are_set_by_hand_with_a_comment_and_taken_back(graded: Class):
    one = f"/learners/{graded.person('sent')}"
    computed = next(score.given for score in graded.course.scores() if score.state == "sent" and score.override_by_id is None)

    assert graded.post(f"{one}/override", points="12,5", comment="งานกลุ่ม").status_code == 303
    graded.course.settle()
    page = graded.get(one).text
    assert "12.5 จาก 100" in page
    assert "งานกลุ่ม" in page
    assert "ผู้สอนกำหนด" in page

    assert graded.post(f"{one}/clear").status_code == 303
    page = graded.get(one).text
    assert "ผู้สอนกำหนด" not in page
    assert f"{computed:g} จาก 100" in page


@pytest.mark.parametrize("points", ["", "abc", "-1", "100.5", "nan", "inf", "1e400"])
def test_points_that_are_none_are_asked_for_again_with_what_was_written(graded: Class, points: str):
    one = f"/learners/{graded.person('sent')}"
    before = [(score.given, score.version) for score in graded.course.scores()]

    response = graded.post(f"{one}/override", points=points, comment="เก็บไว้")

    assert response.status_code == 422
    assert "คะแนนต้องเป็นตัวเลขตั้งแต่ 0 ถึง 100" in response.text
    assert 'value="เก็บไว้"' in response.text
    assert [(score.given, score.version) for score in graded.course.scores()] == before


def test_a_comment_that_is_too_long_is_asked_for_again(graded: Class):
    response = graded.post(f"/learners/{graded.person('sent')}/override", points="5", comment="ก" * 2001)

    assert response.status_code == 422
    assert "ความเห็นต้องเป็นข้อความไม่เกิน 2000 ตัวอักษร" in response.text


@pytest.mark.parametrize(("method", "ending"), [("get", ""), ("post", "/resend"), ("post", "/override"), ("post", "/clear")])
def test_s23_nobody_but_a_learner_of_the_course_answers(graded: Class, method: str, ending: str):
    elsewhere = {**graded.claims("stranger"), v.CONTEXT: {"id": "course-2"}, v.RESOURCE_LINK: {"id": "99"}}
    graded.tool.launched(graded.tool.new_browser(), **elsewhere)

    for person in (graded.person("stranger"), graded.person("t-1"), new_uuid()):
        path = f"/learners/{person}{ending}"
        response = graded.get(path) if method == "get" else graded.post(path, points="5")
        assert response.status_code == 404


def test_a_write_without_our_pages_token_is_refused(graded: Class):
    response = graded.post("/resend", csrf="x")

    assert response.status_code == 403


# --- the table to take away ----------------------------------------------------------------------------------------------------


def test_the_table_holds_everybody_that_the_filter_shows_thai_intact_and_no_formula(graded: Class):
    with graded.tool.database.transaction() as db:
        db.query(models.User).filter_by(sub="open").update({"display_name": '=HYPERLINK("x";"แก้วตา")'})

    response = graded.get("/learners.csv")
    rows = list(csv.reader(io.StringIO(response.data.decode("utf-8-sig"), newline="")))

    assert response.data.startswith(b"\xef\xbb\xbf")
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in response.headers["Content-Disposition"]
    assert [row[0] for row in rows[1:]] == ["กมล", "เพ็ญศรี", "สมชาย", '\'=HYPERLINK("x";"แก้วตา")', ""] or rows[1][0].startswith("'=")
    assert len(rows) == 6
    by_name = {row[0]: row for row in rows}
    assert by_name["สมชาย"][2] == "เสร็จแล้ว"
    assert by_name["สมชาย"][-1] == "100.0"
    assert len(list(csv.reader(io.StringIO(graded.get("/learners.csv", state="parked").data.decode("utf-8-sig"))))) == 2
    entries = [entry.details for entry in graded.tool.rows(models.AuditEntry) if entry.event == "class.exported"]
    assert entries[0] == {"form": str(graded.course.form.uuid), "learners": 5}


def test_the_page_leads_to_answers_preview_and_choice(graded: Class):
    page = html.unescape(graded.get().text)
    one = html.unescape(graded.get(f"/learners/{graded.person('sent')}").text)

    assert f"/teach/{graded.launch}/review/{graded.course.form.uuid}/{graded.person('sent')}" in one
    assert f"/design/{graded.launch}/preview" in page
    assert f"/design/{graded.launch}/choose" in page


def test_the_page_speaks_english_too(graded: Class):
    graded.browser.post(
        f"/teach/{graded.launch}/language",
        data={"csrf": token_of(graded.launch, SECRET), "language": "en"},
        base_url=TOOL,
        headers={"Origin": TOOL},
    )

    page = graded.get().text

    assert "Members of the course" in page
    assert "The score of 1 learner could not be sent to the course." in page
