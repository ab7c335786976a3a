"""A sitting belongs to a person, a grade to a link: which sittings count where, and how a result is used in a second course."""

import html
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, inspect, text, update
from werkzeug.test import Client, TestResponse

from kernel.errors import NotFound
from lti_tool import migrate, models
from lti_tool.lti import vocabulary as v
from lti_tool.lti.tenants import add_tenant, get_tenant
from lti_tool.lti.vocabulary import Role
from lti_tool.web.csrf import token_of
from lti_tool.web.principal import Principal
from lti_tool.workflows import background, gradebook
from tests.lti.gradebook_world import ABLE, UNABLE, Course, new_course
from tests.lti.lti_world import SECRET, TOOL, Tool

pytestmark = pytest.mark.stocked

NO_COLUMN = "แบบประเมินนี้ไม่ส่งคะแนนไปยังรายวิชา"
SENT = "ส่งคะแนนของท่านไปยังรายวิชาแล้ว"
NOT_HERE = "ผลนี้ยังไม่นับให้กิจกรรมนี้"
USE = "ใช้ผลนี้กับกิจกรรมนี้"
AGAIN = "ทำแบบประเมินอีกครั้ง"
NEXT = "0003"
"""The revision after the one that makes the table; what came later stays as it is."""
OTHER_COURSE = "(มีผลจากรายวิชาอื่น)"


@dataclass
class Visit:
    """Somebody who came through a link, with the browser."""

    launch: models.Launch
    browser: Client

    def get(self, path: str) -> TestResponse:
        return self.browser.get(path, base_url=TOOL, headers={"Accept": "text/html"})

    def post(self, path: str) -> TestResponse:
        data = {"csrf": token_of(self.launch.uuid, SECRET)}
        return self.browser.post(path, base_url=TOOL, data=data, headers={"Origin": TOOL, "Accept": "text/html"})


class TwoCourses:
    """One assessment at two graded links: A in course 1, whose column is the first, and B in course 2, whose column is the second."""

    def __init__(self, course: Course) -> None:
        self.course, self.tool = course, course.tool
        course.load()
        self.columns = {link: course.gradebook.add(resourceLinkId=link) for link in "AB"}

    @property
    def form(self) -> UUID:
        return self.course.form.uuid

    def come(self, link: str, *, sub: str = "u-1", role: str = "Learner", context: str | None = None, graded: bool = True) -> Visit:
        """A launch through a link; its course is that of the link's letter unless another is named."""
        browser, number = self.tool.new_browser(), {"A": "1", "B": "2"}.get(link, "2")
        endpoint = {"scope": sorted(v.AGS_SCOPES), "lineitems": self.course.gradebook.url, "lineitem": self.columns.get(link)}
        claims = {
            "sub": sub,
            v.ROLES: [f"{v.MEMBERSHIP}#{role}"],
            v.CONTEXT: {"id": f"course-{context or number}", "title": f"วิชาที่ {context or number}"},
            v.RESOURCE_LINK: {"id": link, "title": "แบบประเมิน"},
            v.CUSTOM: {"activity": f"assessment:{self.form}"},
            v.AGS_ENDPOINT: endpoint if graded else None,
        }
        uuid = self.tool.launched(browser, **claims)
        return Visit(next(one for one in self.tool.rows(models.Launch) if one.uuid == uuid), browser)

    def intro(self, visit: Visit) -> str:
        return html.unescape(visit.get(f"/learn/{visit.launch.uuid}/assessment/{self.form}").text)

    def result(self, visit: Visit, attempt: UUID) -> str:
        answer = visit.get(f"/learn/{visit.launch.uuid}/attempts/{attempt}/result")
        assert answer.status_code == 200, answer.text[:2000]
        return html.unescape(answer.text)

    def use(self, visit: Visit) -> TestResponse:
        return visit.post(f"/learn/{visit.launch.uuid}/assessment/{self.form}/use")

    def principal(self, visit: Visit, **changes: Any) -> Principal:
        person = next(user.person_uuid for user in self.tool.rows(models.User) if user.id == visit.launch.user_id)
        made = self.course.teacher(visit.launch, roles=frozenset({Role.LEARNER}), person_uuid=person)
        return replace(made, **changes)

    def class_page(self, teacher: Visit) -> str:
        return html.unescape(teacher.get(f"/teach/{teacher.launch.uuid}/activities/{self.form}").text)

    def review(self, teacher: Visit, learner: Visit) -> str:
        path = f"/teach/{teacher.launch.uuid}/review/{self.form}/{self.principal(learner).person_uuid}"
        answer = teacher.get(path)
        assert answer.status_code == 200, answer.text[:2000]
        return html.unescape(answer.text)

    def grades(self) -> list[float | None]:
        """What the two columns hold of the first learner."""
        self.course.settle()
        return [self.course.gradebook.grade(number) for number in (1, 2)]

    def n_counted(self) -> int:
        return len(self.tool.rows(models.CountedSitting))

    def later(self) -> None:
        self.tool.moment.pass_by(minutes=10)


@pytest.fixture
def two(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> TwoCourses:
    return TwoCourses(new_course(tool, monkeypatch))


def counts(page: str) -> dict[str, int]:
    """What the filters of a class page count."""
    found = re.findall(r'<li><a href="([^"]+)"[^>]*>[^<]+\((\d+)\)</a></li>', page)
    return {dict(re.findall(r"(\w+)=(\w+)", url)).get("state", "all"): int(n) for url, n in found}


# --- begun here, finished there ------------------------------------------------------------------------------------------------


def test_a_sitting_counts_for_the_link_where_it_began_and_for_the_link_where_it_was_finished(two: TwoCourses):
    two.course.sit(two.come("A").launch, answers=3)
    there = two.come("B")
    attempt = two.course.sit(there.launch)

    assert "กำลังรอส่งไปยังรายวิชา" in two.result(there, attempt)
    first, second = two.grades()
    assert first is not None
    assert first == second
    assert SENT in two.result(there, attempt)
    assert len(two.course.gradebook.bodies()) == 2


def test_each_of_the_two_columns_follows_the_policy_of_its_own_placement(two: TwoCourses):
    here, there = two.come("A"), two.come("B")
    two.course.place(here.launch, attempts_policy="first", score_maximum=100.0)
    two.course.place(there.launch, attempts_policy="last", score_maximum=50.0)
    two.course.sit(here.launch, UNABLE)
    low, nothing = two.grades()
    two.later()
    two.course.sit(here.launch, answers=1)
    two.course.sit(there.launch)

    assert nothing is None
    assert two.grades()[0] == low
    assert two.grades()[1] > low


def test_a_sitting_whose_time_ran_out_counts_where_it_was_begun_and_where_it_was_gone_on_with(two: TwoCourses):
    two.course.sit(two.come("A").launch, ABLE, answers=3)
    two.course.sit(two.come("B").launch, ABLE, answers=3)
    two.tool.moment.pass_by(hours=3)

    assert background.close_overdue_attempts(two.tool.database, two.tool.app.settings, two.tool.moment) == 1
    first, second = two.grades()
    assert first is not None
    assert first == second


def test_a_sitting_within_one_link_counts_once(two: TwoCourses):
    two.course.sit(two.come("A").launch, answers=3)
    two.course.sit(two.come("A").launch)

    assert (two.n_counted(), two.grades()[1]) == (1, None)


def test_a_database_of_before_counts_the_sittings_that_are_over_where_they_belong(two: TwoCourses):
    """A released schema has no such table: what is over then counts where it was begun and where it was finished."""
    two.course.sit(two.come("A").launch, answers=3)
    two.course.sit(two.come("B").launch)
    two.course.sit(two.come("A", sub="u-2").launch)
    two.course.sit(two.come("B", sub="u-3").launch, answers=3)
    before = counted(two)
    assert len(before) == 3

    move(two, "0001")
    assert not inspect(two.tool.database.engine).has_table("counted_sitting")
    move(two, NEXT)

    assert counted(two) == before


def test_a_database_that_has_the_table_already_keeps_it(two: TwoCourses):
    two.course.sit(two.come("A").launch)
    before = counted(two)
    move(two, "0002")
    with two.tool.database.engine.connect().execution_options(kaona_write=True) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
        connection.commit()

    move(two, NEXT)

    assert counted(two) == before


def test_a_database_that_has_the_receipts_already_keeps_them(two: TwoCourses):
    with two.tool.database.transaction() as db:
        erasure = {"uuid": uuid4(), "tenant_id": 1, "act": "unlink", "at": two.tool.moment.now, "actor": "command"}
        db.execute(insert(models.Erasure).values(erasure | {"digests": [], "counts": {}, "recipients": []}))
    with two.tool.database.engine.connect().execution_options(kaona_write=True) as connection:
        from alembic import command

        config = migrate._config()
        config.attributes["connection"] = connection
        command.stamp(config, "0002")
        connection.commit()

    move(two, NEXT)

    assert [one.uuid for one in two.tool.rows(models.Erasure)] == [erasure["uuid"]]


def counted(two: TwoCourses) -> set[tuple[Any, ...]]:
    return {
        (row.tenant_id, row.resource_link_id, row.attempt_uuid, row.user_id, row.launch_id) for row in two.tool.rows(models.CountedSitting)
    }


def move(two: TwoCourses, revision: str) -> None:
    """Moves the schema up or down to where the table is made; a database of the tests is made without a history."""
    from alembic import command

    two.tool.database.engine.dispose()
    with two.tool.database.engine.connect().execution_options(kaona_write=True) as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        if revision != NEXT:
            command.stamp(config, NEXT)
        (command.upgrade if revision == NEXT else command.downgrade)(config, revision)
        connection.commit()


# --- used in a second course ---------------------------------------------------------------------------------------------------


def test_a_graded_link_says_that_there_is_a_result_from_elsewhere_and_offers_two_ways(two: TwoCourses):
    attempt = two.course.sit(two.come("A").launch)
    there = two.come("B")

    page = two.intro(there)
    assert "ในรายวิชาอื่น" in page
    assert "วิชาที่ 1" not in page
    assert USE in page
    assert AGAIN in page
    assert NOT_HERE in two.result(there, attempt)
    assert USE in two.result(there, attempt)


def test_another_link_of_the_same_course_says_so(two: TwoCourses):
    two.course.sit(two.come("A", context="2").launch)

    assert "ในอีกกิจกรรมหนึ่งของรายวิชานี้" in two.intro(two.come("B"))


def test_an_ungraded_link_shows_the_result_and_asks_nothing(two: TwoCourses):
    attempt = two.course.sit(two.come("A").launch)
    there = two.come("C", graded=False)

    page = two.intro(there)
    assert (USE in page, AGAIN in page, "ดูผลของฉัน" in page) == (False, True, True)
    assert NO_COLUMN in two.result(there, attempt)


def test_nothing_leaves_for_a_course_without_the_learners_act_there(two: TwoCourses):
    attempt = two.course.sit(two.come("A").launch)
    there = two.come("B")
    placement = two.course.place(there.launch)
    two.intro(there)
    two.result(there, attempt)
    with two.tool.database.transaction() as db:
        gradebook.placement_changed(db, placement.id, two.course.now)

    assert two.grades()[1] is None
    assert {call.path.split("/")[3] for call in two.course.gradebook.calls("POST", "/scores")} == {"1"}


def test_using_a_result_sends_its_score_once_however_often_it_is_asked_for(two: TwoCourses):
    attempt = two.course.sit(two.come("A").launch)
    there = two.come("B")

    for _ in range(2):
        answer = two.use(there)
        assert (answer.status_code, answer.headers["Location"]) == (303, f"/learn/{there.launch.uuid}/attempts/{attempt}/result")
        first, second = two.grades()
        assert first is not None
        assert first == second
    assert (two.n_counted(), len(two.course.gradebook.bodies())) == (2, 2)
    assert USE not in two.intro(there)
    assert NOT_HERE not in two.result(there, attempt)


def test_two_uses_at_the_same_moment_are_one(two: TwoCourses):
    two.course.sit(two.come("A").launch)
    principal, start = two.principal(two.come("B")), Barrier(2)

    def use(_: int) -> UUID:
        start.wait(10)
        with two.tool.database.transaction() as db:
            return gradebook.use_result(db, principal, two.form, two.course.now)

    with ThreadPoolExecutor(2) as pool:
        assert len(set(pool.map(use, range(2)))) == 1
    first, second = two.grades()
    assert first == second
    assert (two.n_counted(), len(two.course.gradebook.bodies())) == (2, 2)


def test_taken_again_the_new_sitting_counts_here_alone(two: TwoCourses):
    old = two.course.sit(two.come("A").launch, UNABLE)
    low, _ = two.grades()
    two.later()
    there = two.come("B")
    new = two.course.sit(there.launch)

    assert old != new
    assert two.grades()[0] == low
    assert two.grades()[1] > low


def test_the_newest_result_is_the_one_that_can_be_used(two: TwoCourses):
    old = two.course.sit(two.come("A").launch, UNABLE)
    two.later()
    new = two.course.sit(two.come("A").launch)
    there = two.come("B")

    assert (NOT_HERE in two.result(there, old), USE in two.result(there, old)) == (True, False)
    assert two.use(there).headers["Location"].endswith(f"{new}/result")
    first, second = two.grades()
    assert first == second


def test_a_result_without_a_column_yet_is_sent_once_the_column_is_there(two: TwoCourses):
    attempt = two.course.sit(two.come("A").launch)
    there = two.come("C")
    two.course.place(there.launch)

    two.use(there)
    assert "กำลังรอส่งไปยังรายวิชา" in two.result(there, attempt)
    two.course.settle()
    assert two.course.gradebook.grade(3) is not None


# --- whose, and what, cannot be used -------------------------------------------------------------------------------------------


def test_s23_nobody_uses_the_result_of_somebody_else(two: TwoCourses):
    attempt = two.course.sit(two.come("A").launch)
    other = two.come("B", sub="u-2")

    assert USE not in two.intro(other)
    assert two.use(other).status_code == 404
    assert other.get(f"/learn/{other.launch.uuid}/attempts/{attempt}/result").status_code == 404
    assert (two.n_counted(), two.grades()[1]) == (1, None)


def test_s23_a_result_of_another_agency_is_no_result(two: TwoCourses):
    two.course.sit(two.come("A").launch)
    there = two.come("B")
    with two.tool.database.transaction() as db:
        add_tenant(db, key="two", name={"th": "สอง", "en": "Two"}, home_page="https://two.example", now=two.course.now)
        foreign = two.principal(there, tenant_id=get_tenant(db, "two").id)

    with pytest.raises(NotFound), two.tool.database.transaction() as db:
        gradebook.use_result(db, foreign, two.form, two.course.now)
    with two.tool.database.reading() as db:
        assert gradebook.find_offer(db, foreign, two.form) is None
    assert two.n_counted() == 1


def test_a_look_through_a_learners_eyes_uses_nothing(two: TwoCourses):
    two.course.sit(two.come("A").launch)
    preview = two.principal(two.come("B"), is_preview=True, person_uuid=uuid4())

    with pytest.raises(NotFound), two.tool.database.transaction() as db:
        gradebook.use_result(db, preview, two.form, two.course.now)
    with two.tool.database.reading() as db:
        assert gradebook.find_offer(db, preview, two.form) is None


def test_a_sitting_of_a_preview_counts_nowhere(two: TwoCourses):
    visit = two.come("A")
    with two.tool.database.transaction() as db:
        db.execute(update(models.Launch).where(models.Launch.id == visit.launch.id).values(preview_of_id=visit.launch.id))
    two.course.sit(visit.launch)

    assert two.n_counted() == 0


def test_an_open_sitting_is_gone_on_with_and_cannot_be_used(two: TwoCourses):
    two.course.sit(two.come("A").launch, answers=3)
    there = two.come("B")

    page = two.intro(there)
    assert (USE in page, "ท่านเริ่มทำแบบประเมินนี้ไว้แล้ว" in page) == (False, True)
    assert two.use(there).status_code == 404
    assert two.n_counted() == 0


def test_a_sitting_without_an_answer_cannot_be_used(two: TwoCourses):
    two.course.sit(two.come("A").launch, answers=0)
    two.tool.moment.pass_by(hours=3)
    background.close_overdue_attempts(two.tool.database, two.tool.app.settings, two.tool.moment)
    there = two.come("B")

    assert USE not in two.intro(there)
    assert two.use(there).status_code == 404
    assert two.grades() == [None, None]


# --- what teachers see ---------------------------------------------------------------------------------------------------------


def test_a_result_from_another_course_is_no_result_of_this_course_until_it_is_used_here(two: TwoCourses):
    two.course.sit(two.come("A").launch)
    there, teacher = two.come("B"), two.come("B", sub="t-1", role="Instructor")

    page = two.class_page(teacher)
    assert (OTHER_COURSE in page, counts(page)["none"], counts(page)["finished"]) == (True, 1, 0)
    assert "<strong>4</strong>" not in page
    assert "ยังไม่ได้เริ่มทำแบบประเมิน" in two.review(teacher, there)

    two.use(there)

    page = two.class_page(teacher)
    assert (OTHER_COURSE in page, counts(page)["none"], counts(page)["finished"]) == (False, 0, 1)
    assert re.search(r"<strong>\d</strong>", page)
    assert 'id="answers"' in two.review(teacher, there)


def test_the_levels_of_a_later_sitting_elsewhere_stay_there(two: TwoCourses):
    there, teacher = two.come("B"), two.come("B", sub="t-1", role="Instructor")
    two.course.sit(there.launch, UNABLE)
    before = re.findall(r"<strong>(\d)</strong>", two.class_page(teacher))
    two.later()
    two.course.sit(two.come("A").launch)

    page = two.class_page(teacher)
    assert re.findall(r"<strong>(\d)</strong>", page) == before
    assert (OTHER_COURSE in page, counts(page)["finished"]) == (False, 1)


def test_an_open_sitting_is_under_way_where_it_was_begun_and_where_it_is_gone_on_with(two: TwoCourses):
    two.course.sit(two.come("A").launch, answers=3)
    there, teacher = two.come("B"), two.come("B", sub="t-1", role="Instructor")
    origin = two.come("A", sub="t-2", role="Instructor")

    assert counts(two.class_page(teacher))["open"] == 0
    assert "ยังไม่ได้เริ่มทำแบบประเมิน" in two.review(teacher, there)
    two.course.sit(there.launch, answers=4)

    assert [counts(two.class_page(one))["open"] for one in (teacher, origin)] == [1, 1]
    assert "ตอบแล้ว" in two.review(teacher, there)
