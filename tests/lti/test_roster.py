"""The roster of a course: what is read, what it means for people's access, and what no fault of a platform may do.

Names and Role Provisioning Services 2.0, and what Moodle makes of it.
"""

import gc
import json
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from kernel import outbox
from kernel.http import GuardedClient, HttpPolicy
from kernel.outbox import OutboxItem
from lti_tool import models
from lti_tool.cli import roster as commands
from lti_tool.jobs import roster_sync
from lti_tool.lti import nrps
from lti_tool.lti import vocabulary as v
from lti_tool.lti.nrps import Member
from lti_tool.lti.services import AccessTokens
from lti_tool.workflows.enrolled import place_learners_in_scope
from roadmap.models import PersonScope
from tests.lti.lti_world import CLIENT_ID, TOOL, Answer, Call, Platform, Tool, assert_refused, code_of

LEARNER, INSTRUCTOR = f"{v.MEMBERSHIP}#Learner", f"{v.MEMBERSHIP}#Instructor"
MEMBERS = "/CourseSection/7/Members"


def member(sub: str, *roles: str, name: str | None = None, **more: Any) -> dict[str, Any]:
    """One member as platforms spell it."""
    return {"user_id": sub, "roles": list(roles) or ["Learner"], "status": "Active", **({"name": name} if name else {}), **more}


class Course:
    """A course whose platform gives its members, and the tool's worker that reads them, one round at a time."""

    def __init__(self, tool: Tool) -> None:
        self.tool = tool
        self.http = GuardedClient(HttpPolicy(dev_mode=True))
        self.pages: dict[str, tuple[list[Any], dict[str, str]]] = {}
        self.largest_batch_in_memory: int | None = None
        """Members in memory at most; None: nobody counts, for it takes long."""
        tool.platform.answers[MEMBERS] = self.page
        token = {"access_token": "token-1", "expires_in": 3600, "scope": v.SCOPE_MEMBERS}
        tool.platform.answers["/token"] = lambda _: Answer(body=json.dumps(token).encode())
        self.teacher = tool.new_browser()
        self.teachers_launch = self.launch("t-1", INSTRUCTOR, browser=self.teacher)

    def launch(self, sub: str, *roles: str, browser: Any = None, **claims: Any) -> UUID:
        service = {"context_memberships_url": f"{self.tool.platform.url}{MEMBERS}?Id=1", "service_versions": ["2.0"]}
        claims = {"sub": sub, "name": None, v.ROLES: list(roles) or [LEARNER], v.NRPS_SERVICE: service, **claims}
        return self.tool.launched(browser or self.tool.new_browser(), **claims)

    def page(self, call: Call) -> Answer:
        found, links = self.pages[call.path.removeprefix(MEMBERS)]
        header = ", ".join(f'<{url}>; rel="{relation}"' for relation, url in links.items())
        body = json.dumps({"id": "x", "context": {"id": "course-1"}, "members": found}).encode()
        return Answer(body=body, headers={"Link": header} if header else {})

    def has(self, *members: dict[str, Any], at: str = "?Id=1&limit=500", **links: str) -> None:
        """What the platform answers at one address; links without a host are the platform's own."""
        full = {relation: url if "://" in url else f"{self.tool.platform.url}{MEMBERS}{url}" for relation, url in links.items()}
        self.pages[at] = ([member("t-1", "Instructor"), *members] if at == "?Id=1&limit=500" else list(members), full)

    def ask(self) -> None:
        with self.tool.database.transaction() as db:
            roster_sync.ask_for_roster(db, tenant_id=1, context_id=1, now=self.tool.moment.now)

    def work(self) -> list[str]:
        """Carries out the readings that are due; time goes on a second before, so that each has a moment of its own."""
        self.tool.moment.pass_by(seconds=1)
        with self.tool.database.transaction() as db:
            claimed = outbox.claim(db, kinds=[roster_sync.KIND], now=self.tool.moment.now)
        options = {"http": self.http, "settings": self.tool.app.settings, "clock": self.tool.moment, "on_learners": self.place}
        return [roster_sync.sync_roster(self.tool.database, item, **options) for item in claimed]

    def place(self, db: Any, tenant_id: int, people: Any) -> None:
        if self.largest_batch_in_memory is not None:
            n_members = sum(type(thing) is Member for thing in gc.get_objects())
            self.largest_batch_in_memory = max(self.largest_batch_in_memory, n_members)
        place_learners_in_scope(db, tenant_id, people, now=self.tool.moment.now)

    def read(self) -> list[str]:
        self.ask()
        return self.work()

    @property
    def roster(self) -> models.Roster:
        (roster,) = self.tool.rows(models.Roster)
        return roster

    @property
    def change(self) -> tuple[int, int, int]:
        return (self.roster.n_new, self.roster.n_changed, self.roster.n_left)

    def enrolments(self) -> dict[str, models.Enrolment]:
        with self.tool.database.reading() as db:
            rows = db.execute(select(models.User.sub, models.Enrolment).join(models.Enrolment, models.Enrolment.user_id == models.User.id))
            return {row[0]: row[1] for row in rows}

    @property
    def present(self) -> set[str]:
        return {sub for sub, enrolment in self.enrolments().items() if enrolment.removed_at is None}

    @property
    def calls(self) -> list[Call]:
        return [call for call in self.tool.platform.calls if call.path.startswith(MEMBERS)]

    def opens(self, launch: UUID, browser: Any) -> Any:
        return browser.get(f"/learn/{launch}/path", base_url=TOOL, headers={"Accept": "text/html"})


@pytest.fixture
def course(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> Course:
    monkeypatch.setattr(roster_sync, "TOKENS", AccessTokens())
    return Course(tool)


# --- reading -------------------------------------------------------------------------------------------------------------------


def test_nrps_2_the_media_type_is_asked_for_exactly_and_the_page_size_is_ours(course: Course):
    course.has(member("u-1"))

    assert course.read() == ["done"]

    (call,) = course.calls
    assert call.headers["accept"] == "application/vnd.ims.lti-nrps.v2.membershipcontainer+json"
    assert parse_qs(urlsplit(call.path).query) == {"Id": ["1"], "limit": ["500"]}
    token = next(call for call in course.tool.platform.calls if call.path == "/token")
    assert v.SCOPE_MEMBERS in parse_qs(token.body.decode())["scope"][0]


def test_a_page_size_that_the_platform_named_is_left():
    assert nrps.first_page_url("https://p/m?limit=50") == "https://p/m?limit=50"
    assert nrps.first_page_url("https://p/m") == "https://p/m?limit=500"


def test_nrps_2_next_links_are_followed_letter_for_letter(course: Course):
    course.has(member("u-1"), next="?P=Two&x=%C3%A9")
    course.has(member("u-2"), {"user_id": 5}, "no member", {"user_id": ""}, at="?P=Two&x=%C3%A9")

    assert course.read() == ["done"]

    assert [call.path for call in course.calls] == [f"{MEMBERS}?Id=1&limit=500", f"{MEMBERS}?P=Two&x=%C3%A9"]
    assert course.present == {"t-1", "u-1", "u-2"}


@pytest.mark.parametrize(
    "line", ['<{url}>; rel="next"', "<{url}>;rel=next", '<https://else/>; rel="differences", <{url}>; title="x"; rel=NEXT']
)
def test_rfc_8288_a_link_is_found_in_every_spelling(course: Course, line: str):
    course.has(member("u-2"), at="?P=2")
    header = {"Link": line.format(url=f"{course.tool.platform.url}{MEMBERS}?P=2")}
    body = json.dumps({"members": [member("u-1")]}).encode()
    first = Answer(body=body, headers=header)
    course.tool.platform.answers[MEMBERS] = lambda call: first if "Id=1" in call.path else course.page(call)

    course.read()

    assert course.present == {"t-1", "u-1", "u-2"}


def test_q45_both_spellings_of_a_role_mean_the_same(course: Course):
    course.has(member("a", "Learner"), member("b", LEARNER), member("c", "Instructor"), member("d", INSTRUCTOR), member("e", "Mentor"))

    course.read()

    roles = {sub: enrolment.roles for sub, enrolment in course.enrolments().items()}
    assert roles == {"t-1": ["instructor"], "a": ["learner"], "b": ["learner"], "c": ["instructor"], "d": ["instructor"]}


PERSON = "http://purl.imsglobal.org/vocab/lis/v2/institution/person#"
SHAPES = {
    "canvas": [
        {
            "status": "Active", "name": "Sienna Howell", "picture": "https://p/50.png", "given_name": "Sienna", "family_name": "Howell",
            "email": "showell@school.edu", "lis_person_sourcedid": "1238.8763.00", "user_id": "535fa085f22b4655f48cd5a36a9215f64c062838",
            "lti11_legacy_user_id": "535fa085f22b4655f48cd5a36a9215f64c062838", "roles": [LEARNER],
            "message": [{v.MESSAGE_TYPE: "LtiResourceLinkRequest", "locale": "en", "https://www.instructure.com/canvas_user_id": 1}],
        },
        {"status": "Active", "user_id": "u-2", "roles": [f"{PERSON}Administrator", INSTRUCTOR], "message": []},
    ],
    "blackboard": [
        {
            "status": "Active", "name": "Sienna Howell", "given_name": "Sienna", "family_name": "Howell", "email": "s@example.com",
            "user_id": "b317a895e7f64796a3fd01bb18a61d65", "lis_person_sourcedid": "student-acc", "roles": [LEARNER, f"{PERSON}Student"],
        },
        {"status": "Active", "user_id": "u-2", "roles": [INSTRUCTOR, f"{PERSON}Faculty"]},
    ],
    "brightspace": [
        {
            "status": "Active", "name": "Sienna Howell", "email": "s@example.com", "roles": [f"{PERSON}Student", "Learner"],
            "user_id": "9f8e7d6c-0000-4000-8000-123456789abc_5", "lis_person_sourcedid": "D2L:5",
        },
        {"status": "Active", "user_id": "u-2", "roles": [f"{PERSON}Instructor", "Instructor"]},
    ],
    "sakai": [
        {
            "status": "Active", "lti11_legacy_user_id": "92563498", "user_id": "s:92563498", "lis_person_sourcedid": "student01",
            "name": "Sienna Howell", "given_name": "Sienna", "family_name": "Howell", "email": "s@example.com", "roles": [LEARNER],
            "group_enrollments": [{"group_id": "7"}], "sakai_ext": {"sakai_role": "access", "sakai_groups": [{"id": "7", "title": "A"}]},
        },
        {"status": "Active", "user_id": "u-2", "roles": [INSTRUCTOR], "sakai_ext": {"sakai_role": "maintain"}},
    ],
    "open edx": [
        {"user_id": "8e2a4f66-6a41-4c0b-b34c-5a2a7e2b7a10", "roles": [LEARNER], "name": "Sienna Howell", "picture": "https://p/50.jpg"},
        {"user_id": "u-2", "roles": [LEARNER, INSTRUCTOR]},
    ],
}  # fmt: skip
"""A learner and a teacher as other platforms list them, by their public documents and sources."""


@pytest.mark.parametrize("product", SHAPES)
def test_members_are_read_in_the_shape_of_each_platform(course: Course, product: str):
    learner, teacher = SHAPES[product]
    course.has(learner, next="?Id=1&start=1&limit=1")
    course.has(teacher, at="?Id=1&start=1&limit=1")

    assert course.read() == ["done"]

    people, enrolled = {user.sub: user for user in course.tool.rows(models.User)}, course.enrolments()
    assert course.present == {"t-1", learner["user_id"], "u-2"}
    assert people[learner["user_id"]].display_name == "Sienna Howell"
    assert enrolled[learner["user_id"]].roles == ["learner"]
    assert "instructor" in enrolled["u-2"].roles


def test_q45_who_came_as_an_instructor_is_never_made_a_learner_by_the_roster(course: Course):
    course.launch("non-editing", f"{v.MEMBERSHIP}/Instructor#TeachingAssistant")
    course.has(member("non-editing", "Learner"), member("new", "Learner"))

    course.read()

    assert course.enrolments()["non-editing"].roles == ["instructor"]
    assert course.enrolments()["new"].roles == ["learner"]


def test_a_role_that_the_roster_alone_told_follows_the_roster(course: Course):
    course.has(member("a", "Instructor"))
    course.read()
    course.has(member("a", "Learner"))

    course.read()

    assert (course.enrolments()["a"].roles, course.change) == (["learner"], (0, 1, 0))


def test_q46_a_course_without_a_launch_is_not_read(course: Course):
    with course.tool.database.transaction() as db:
        made = models.Context(tenant_id=1, deployment_id=1, lti_id="other", memberships_url=f"{course.tool.platform.url}{MEMBERS}?Id=1",
                              created_at=course.tool.moment.now)  # fmt: skip
        db.add(made)
        db.flush()
        roster_sync.ask_for_roster(db, tenant_id=1, context_id=made.id, now=course.tool.moment.now)

    assert course.work() == ["done"]
    assert course.calls == []


def test_q47_members_without_a_name_are_kept_and_nothing_but_id_name_roles_and_status_is(course: Course):
    course.has(
        member("u-1"), member("u-2", name=" สมหญิง ใจดี ", email="secret@example.go.th", picture="https://p/x.png", lis_person_sourcedid="99")
    )

    course.read()

    people = {user.sub: user for user in course.tool.rows(models.User)}
    assert (people["u-1"].display_name, people["u-2"].display_name) == (None, "สมหญิง ใจดี")
    with course.tool.database.reading() as db:
        stored = repr([tuple(row) for row in db.execute(select(models.User.__table__))])
    assert "secret@" not in stored
    assert "x.png" not in stored
    assert "99'" not in stored


def test_the_name_of_a_launch_is_not_replaced_by_the_rosters(course: Course):
    course.launch("u-1", name="นางสาวกมล")
    course.has(member("u-1", name="กมล ก."), member("u-2", name="เดิม"))
    course.read()
    course.has(member("u-1", name="กมล ข."), member("u-2", name="ใหม่"))

    course.read()

    assert {user.sub: user.display_name for user in course.tool.rows(models.User)} == {"t-1": None, "u-1": "นางสาวกมล", "u-2": "ใหม่"}
    assert course.change == (0, 1, 0)


@pytest.mark.parametrize("way", ["launch", "roster"])
def test_a_name_that_the_platform_sends_no_more_is_forgotten_whichever_way_it_came(course: Course, way: str):
    course.launch("u-1", name="นางสาวกมล")
    course.has(member("u-1", name="กมล ก."), member("u-2", name="เดิม"))
    course.read()
    course.has(member("u-1"), member("u-2"))

    if way == "launch":
        course.launch("u-1", name=None)
        course.launch("u-2", name=None)
    else:
        course.read()

    assert {user.sub: user.display_name for user in course.tool.rows(models.User)} == {"t-1": None, "u-1": None, "u-2": None}


def test_members_who_never_came_count_in_the_roadmaps_denominator_and_teachers_do_not(course: Course):
    course.has(*(member(f"u-{n}") for n in range(7)), member("t-2", "Instructor"))

    course.read()

    with course.tool.database.reading() as db:
        in_scope = set(db.scalars(select(PersonScope.person_uuid).where(PersonScope.left_at.is_(None))))
        learners = {user.person_uuid for user in db.scalars(select(models.User)) if user.sub.startswith("u-")}
    assert in_scope == learners
    assert len(learners) == 7


# --- what a platform may do ----------------------------------------------------------------------------------------------------


def test_h42_a_next_link_that_points_to_itself_ends_the_reading_and_removes_nobody(course: Course):
    course.has(member("u-1"), member("u-2"))
    course.read()
    course.has(member("u-1"), next="?Id=1&limit=500")

    assert course.read() == ["done"]

    assert len(course.calls) == 2
    assert course.present == {"t-1", "u-1", "u-2"}
    assert course.roster.last_error == "link_repeats"


def test_h42_a_roster_without_end_stops_at_the_page_cap_and_removes_nobody(course: Course, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(nrps, "MAX_PAGES", 12)
    course.has(member("u-1"), member("u-2"))
    course.read()
    course.has(member("u-1"), next="?p=1")
    for n in range(1, 40):
        course.has(member(f"x-{n}"), at=f"?p={n}", next=f"?p={n + 1}")

    assert course.read() == ["done"]

    assert len(course.calls) == 1 + 12
    assert {"u-1", "u-2", "x-11"} <= course.present
    assert course.roster.last_error == "page_cap"


def test_a_reading_that_takes_too_long_is_partial(course: Course):
    course.has(member("u-1"), member("u-2"))
    course.read()
    course.has(member("u-1"), next="?p=2")

    def slowly(call: Call) -> Answer:
        course.tool.moment.pass_by(minutes=11)
        return course.page(call)

    course.tool.platform.answers[MEMBERS] = slowly
    with course.tool.database.transaction() as db:
        db.query(OutboxItem).delete()

    course.read()

    assert (course.roster.last_error, course.present) == ("time_cap", {"t-1", "u-1", "u-2"})


def test_a_platform_that_does_not_grant_the_roster_is_left_to_a_person(course: Course):
    course.tool.platform.answers["/token"] = lambda _: Answer(body=b'{"access_token":"t","expires_in":3600,"scope":"other"}')
    course.has(member("u-1"))

    assert course.read() == ["parked"]

    assert course.calls == []
    assert course.roster.last_error == "scope_missing"


@pytest.mark.parametrize(
    ("fault", "outcome", "note"),
    [
        (Answer(500), "again", "status 500"),
        (Answer(404), "parked", "status 404"),
        (Answer(body=b"<html>"), "again", "no members in the answer"),
        (Answer(body=b'{"members":"x"}'), "again", "no members in the answer"),
        (Answer(body=b" " * 5_000_001), "parked", "too large"),
        (Answer(302, headers={"Location": "https://elsewhere.example/"}), "parked", "status 302"),
    ],
)
def test_a_fault_in_the_middle_of_a_reading_removes_nobody(course: Course, fault: Answer, outcome: str, note: str):
    course.has(member("u-1"), member("u-2"))
    course.read()
    course.has(member("u-3"), member("u-2", status="Deleted"), next="?p=2")
    course.tool.platform.answers[MEMBERS] = lambda call: fault if "p=2" in call.path else course.page(call)

    assert course.read() == [outcome]

    assert course.present == {"t-1", "u-1", "u-2", "u-3"}
    assert course.roster.last_error == note


def test_an_empty_roster_is_a_fault_and_removes_nobody(course: Course):
    course.has(member("u-1"))
    course.read()
    course.tool.platform.answers[MEMBERS] = lambda _: Answer(body=b'{"members":[]}')

    course.read()

    assert (course.present, course.roster.last_error) == ({"t-1", "u-1"}, "empty")


def test_a_reading_that_failed_is_tried_again_and_given_up_after_eight_tries(course: Course):
    course.tool.platform.answers[MEMBERS] = lambda _: Answer(503)
    course.ask()

    outcomes = []
    for _ in range(8):
        outcomes += course.work()
        course.tool.moment.pass_by(minutes=15)

    assert outcomes == ["again"] * 7 + ["parked"]
    course.has(member("u-1"))
    course.tool.platform.answers[MEMBERS] = course.page
    assert course.read() == ["done"]
    assert course.roster.last_error is None
    assert {item.state for item in course.tool.rows(OutboxItem)} == {"superseded", "done"}


def test_a_member_who_is_listed_twice_counts_once(course: Course):
    course.has(member("u-1"), member("u-1"), member("u-2"), next="?p=2")
    course.has(member("u-2"), at="?p=2")
    course.read()
    course.has(member("u-1"), member("u-1", "Instructor"), member("u-2"), member("u-3"), member("u-3"))

    course.read()

    assert (course.present, course.change) == ({"t-1", "u-1", "u-2", "u-3"}, (1, 1, 0))


def test_h41_no_token_goes_to_a_host_that_is_not_approved(course: Course, other_platform: Platform):
    course.has(member("u-1"), next=f"{other_platform.url}/Members")

    assert course.read() == ["parked"]

    assert other_platform.calls == []
    assert course.roster.last_error == "host_foreign"


def test_no_transaction_is_open_while_the_platform_is_called(course: Course):
    def write_beside(call: Call) -> Answer:
        with course.tool.database.transaction() as db:
            db.query(models.Registration).update({"product": "beside"})
        return course.page(call)

    course.has(member("u-1"), next="?p=2")
    course.has(member("u-2"), at="?p=2")
    course.tool.platform.answers[MEMBERS] = write_beside

    assert course.read() == ["done"]


def test_memory_holds_one_page_and_not_the_roster(course: Course):
    n_pages, size = 12, 200
    for n in range(n_pages):
        at = "?Id=1&limit=500" if n == 0 else f"?p={n}"
        course.has(*(member(f"u-{n}-{k}") for k in range(size)), at=at, **({"next": f"?p={n + 1}"} if n + 1 < n_pages else {}))
    gc.collect()
    course.largest_batch_in_memory = 0

    assert course.read() == ["done"]

    assert len(course.present) == n_pages * size + 1
    assert size <= course.largest_batch_in_memory <= 2 * size + 2


def test_a_reader_that_lost_its_row_writes_nothing_more(course: Course):
    def takes_the_row(call: Call) -> Answer:
        with course.tool.database.transaction() as db:
            db.query(OutboxItem).update({"lease": "somebody else's"})
        return course.page(call)

    course.has(member("u-1"))
    course.tool.platform.answers[MEMBERS] = takes_the_row

    assert course.read() == ["lost"]
    assert course.present == {"t-1"}


def test_a_person_who_launches_while_the_roster_is_read_is_neither_doubled_nor_removed(course: Course):
    course.has(member("u-1"))
    course.read()

    def launches(call: Call) -> Answer:
        course.tool.moment.pass_by(seconds=2)
        for sub in ("u-1", "u-2", "late"):
            course.launch(sub)
        return course.page(call)

    course.has(member("u-2"))
    course.tool.platform.answers[MEMBERS] = launches

    course.read()

    assert course.present == {"t-1", "u-1", "u-2", "late"}
    assert len(course.tool.rows(models.User)) == 4


# --- who left ------------------------------------------------------------------------------------------------------------------


def test_a_deleted_member_loses_access_at_the_next_request_with_a_kind_page(course: Course):
    browser = course.tool.new_browser()
    launch = course.launch("u-1", browser=browser)
    course.has(member("u-1"))
    course.read()
    assert course.opens(launch, browser).status_code != 403
    course.has(member("u-1", status="Deleted"))

    course.read()
    refused = course.opens(launch, browser)

    assert (refused.status_code, code_of(refused)) == (403, "member_removed")
    assert "โปรดแจ้งผู้สอน" in refused.text
    assert refused.headers["Content-Security-Policy"].count(course.tool.platform.url)


@pytest.mark.parametrize("gone", [[], [member("u-1", status="Inactive")], [member("u-1", status="Deleted")]])
def test_a_member_who_is_suspended_deleted_or_missing_is_taken_off(course: Course, gone: list[Any]):
    course.has(member("u-1"), member("u-2"))
    course.read()
    course.has(member("u-2"), *gone)

    course.read()

    assert (course.present, course.change) == ({"t-1", "u-2"}, (0, 0, 1))


def test_a_launch_that_was_signed_before_the_reading_is_refused(course: Course):
    course.launch("u-1")
    course.has(member("u-1"))
    course.read()
    login = course.tool.login()
    claims = course.tool.claims(login, sub="u-1")
    course.has()
    course.tool.moment.pass_by(seconds=30)
    course.read()

    from tests.lti.lti_world import sign

    assert_refused(course.tool, course.tool.post(login.state, sign(claims)), "member_removed", 403)
    assert course.present == {"t-1"}


def test_a_launch_that_was_signed_after_the_reading_brings_the_member_back(course: Course):
    course.launch("u-1")
    course.has(member("u-1"))
    course.read()
    course.has()
    course.read()
    assert course.present == {"t-1"}
    course.tool.moment.pass_by(seconds=30)
    browser = course.tool.new_browser()

    launch = course.launch("u-1", browser=browser)

    assert course.present == {"t-1", "u-1"}
    assert course.opens(launch, browser).status_code != 403


def test_a_roster_that_has_the_member_again_brings_them_back_as_new(course: Course):
    course.has(member("u-1"))
    course.read()
    course.has()
    course.read()
    course.has(member("u-1"))

    course.read()

    assert (course.present, course.change) == ({"t-1", "u-1"}, (1, 0, 0))


def test_people_whom_launches_alone_brought_stay_for_a_day(course: Course):
    course.launch("site-administrator", INSTRUCTOR)
    course.launch("student-view")
    course.has(member("u-1"))
    course.read()
    assert course.present == {"t-1", "site-administrator", "student-view", "u-1"}

    course.tool.moment.pass_by(hours=25)
    course.read()

    assert course.present == {"t-1", "u-1"}


def test_what_a_removed_member_did_stays_and_other_courses_stay_open(course: Course):
    browser = course.tool.new_browser()
    course.launch("u-1", browser=browser)
    course.has(member("u-1"))
    course.read()
    elsewhere = {v.CONTEXT: {"id": "course-2"}, v.RESOURCE_LINK: {"id": "link-2"}, v.NRPS_SERVICE: None}
    other = course.launch("u-1", browser=browser, **elsewhere)
    course.has()

    course.read()

    assert course.opens(other, browser).status_code != 403
    assert "u-1" in {user.sub for user in course.tool.rows(models.User)}


# --- differences ---------------------------------------------------------------------------------------------------------------


def test_nrps_2_differences_are_read_where_the_platform_offers_them(course: Course):
    course.has(member("u-1"), member("u-2"), member("u-3"), next="?p=2", differences="?since=A")
    course.has(member("u-4"), at="?p=2", differences="?since=later")
    course.read()
    course.has(
        member("u-2", status="Deleted"), member("u-3", "Instructor"), member("u-9", name="มาใหม่"), at="?since=A", differences="?since=B"
    )

    assert course.read() == ["done"]

    assert course.calls[-1].path == f"{MEMBERS}?since=A"
    assert course.present == {"t-1", "u-1", "u-3", "u-4", "u-9"}
    assert (course.change, course.roster.change_at) == ((1, 1, 1), course.roster.read_at)
    assert course.roster.differences_url == f"{course.tool.platform.url}{MEMBERS}?since=B"


def test_two_link_headers_are_both_seen(course: Course):
    class Twice(dict[str, str]):
        def items(self) -> Any:
            url = f"{course.tool.platform.url}{MEMBERS}"
            return [("Link", f'<{url}?p=2>; rel="next"'), ("Link", f'<{url}?since=A>; rel="differences"')]

    course.has(member("u-2"), at="?p=2")
    first = Answer(body=json.dumps({"members": [member("u-1")]}).encode(), headers=Twice())
    course.tool.platform.answers[MEMBERS] = lambda call: first if "Id=1" in call.path else course.page(call)

    course.read()

    assert course.present == {"t-1", "u-1", "u-2"}
    assert course.roster.differences_url == f"{course.tool.platform.url}{MEMBERS}?since=A"


def test_a_link_of_differences_that_the_platform_no_longer_knows_is_followed_by_a_whole_reading(course: Course):
    course.has(member("u-1"), member("u-2"), differences="?since=A")
    course.read()
    course.has(member("u-1"))
    course.tool.platform.answers[MEMBERS] = lambda call: Answer(410) if "since" in call.path else course.page(call)

    assert course.read() == ["again"]
    assert course.work() == ["done"]

    assert (course.present, course.change) == ({"t-1", "u-1"}, (0, 0, 1))


def test_differences_are_trusted_for_a_week(course: Course):
    course.has(member("u-1"), member("u-2"), differences="?since=A")
    course.read()
    course.has(member("u-1"), differences="?since=A")
    course.has(at="?since=A", differences="?since=A")
    course.tool.moment.pass_by(days=6)
    course.read()
    assert course.present == {"t-1", "u-1", "u-2"}

    course.tool.moment.pass_by(days=2)
    course.read()

    assert course.present == {"t-1", "u-1"}


def test_the_first_reading_is_no_change_and_a_reading_without_change_keeps_the_last_one(course: Course):
    course.has(member("u-1"))
    course.read()
    assert course.roster.change_at is None
    course.has(member("u-1"), member("u-2"))
    course.read()
    found_at = course.roster.change_at
    assert found_at is not None

    course.read()

    assert (course.roster.change_at, course.change) == (found_at, (1, 0, 0))
    assert course.roster.read_at is not None
    assert course.roster.read_at > found_at


# --- when it is read -----------------------------------------------------------------------------------------------------------


def test_asked_twice_a_course_is_read_once(course: Course):
    course.has(member("u-1"))
    course.ask()
    course.ask()

    assert course.work() == ["done"]
    assert course.work() == []


def test_at_night_courses_are_read_that_an_instructor_opened_within_a_month(course: Course):
    def asked() -> int:
        with course.tool.database.transaction() as db:
            return roster_sync.ask_at_night(db, now=course.tool.moment.now)

    course.has(member("u-1"))
    assert asked() == 0  # half past nine in the morning
    course.tool.moment.pass_by(hours=17)
    assert asked() == 1
    assert course.work() == ["done"]
    assert asked() == 0
    course.tool.moment.pass_by(days=1)
    assert asked() == 1
    course.work()

    course.tool.moment.pass_by(days=30)

    assert asked() == 0


def test_a_course_that_only_learners_opened_is_not_read_at_night(tool: Tool):
    tool.launched(**{v.NRPS_SERVICE: {"context_memberships_url": f"{tool.platform.url}{MEMBERS}"}})
    tool.moment.now += timedelta(hours=17)

    with tool.database.transaction() as db:
        assert roster_sync.ask_at_night(db, now=tool.moment.now) == 0


# --- the commands --------------------------------------------------------------------------------------------------------------


def test_the_commands_list_courses_and_members_and_ask_for_a_reading(course: Course, monkeypatch: pytest.MonkeyPatch):
    @contextmanager
    def transaction() -> Any:
        with course.tool.database.transaction() as db:
            yield db, course.tool.app.settings

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(commands.roster, arguments, catch_exceptions=False).output

    monkeypatch.setattr(commands, "transaction", transaction)
    monkeypatch.setattr(commands, "now", course.tool.moment)
    where = ["--issuer", course.tool.platform.url, "--client-id", CLIENT_ID, "--context", "course-1"]
    course.has(member("u-1", name="สมหญิง"), member("u-2"))

    assert "asked for" in run("sync", *where)
    assert course.work() == ["done"]
    course.has(member("u-2"))
    course.read()

    (found,) = json.loads(run("courses", "--tenant", "opdc", "--json"))
    assert (found["context"], found["is_offered"], found["last_error"], found["read_at"] is None) == ("course-1", True, None, False)
    members = {one["sub"]: one for one in json.loads(run("list", *where, "--json"))}
    assert (members["u-1"]["name"], members["u-1"]["removed_at"] is None, members["u-2"]["removed_at"]) == ("สมหญิง", False, None)
    assert "u-2" in run("list", *where)
