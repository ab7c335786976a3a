"""The end of a sitting: what it stores, once, and beside others who write about the same people at the same time."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select

import assessment.api as assessment
import learning.api as learning
import roadmap.api as roadmap
import xapi.api as xapi
from assessment.models import Attempt
from kernel.clock import rfc3339
from kernel.db import Database
from kernel.ids import derived_uuid
from lti_tool import models
from lti_tool.dev.respondent import Respondent, read_bank
from lti_tool.lti.tenants import add_tenant
from lti_tool.settings import Settings
from lti_tool.workflows import background, statements_arrived
from lti_tool.workflows.attempt_finished import record_outcome
from tests.lti.lti_world import SECRET, TOOL, Moment, Platform, new_tool
from tests.stock import stock

pytestmark = pytest.mark.stocked

VERBS = "http://adlnet.gov/expapi/verbs/"
ABLE = {"DLIT": 3.0, "DGOV": 3.0, "DLEAD": 3.0}


class Agency:
    """One agency whose people sit, with all of the default content."""

    def __init__(self, database: Database, settings: Settings, tenant_id: int, now) -> None:
        self.database, self.settings, self.tenant_id, self.now = database, settings, tenant_id, now
        with database.transaction() as db:
            self.form = stock(db, now=now)
        self._seeds = itertools.count(1)

    @property
    def after_all(self):
        """When every sitting that is still open has run out of time."""
        return self.now + timedelta(hours=2)

    def sit(self, *, answers: int | None = None, person: UUID | None = None, launch_ref: str | None = None) -> tuple[UUID, UUID]:
        """A sitting of somebody able, up to so many answers or to its end: attempt and person."""
        seed, then = next(self._seeds), self.now
        who = {"tenant_id": self.tenant_id, "person_uuid": person or uuid4()}
        respondent = Respondent(ABLE, seed, read_bank())
        with self.database.transaction() as db:
            attempt = assessment.start_attempt(
                db, **who, form_uuid=self.form.uuid, launch_ref=launch_ref or str(uuid4()), seed=seed, now=then
            ).attempt_uuid
            step = assessment.get_step(db, attempt, **who, device="desk", now=then)
            while step.item is not None and (answers is None or step.position <= answers):
                then += timedelta(seconds=30)
                answer = assessment.Answer(step.item.presentation_uuid, str(uuid4()), respondent.answer_to(step.item.stem), 20_000)
                step = assessment.submit_response(db, attempt, answer, **who, device="desk", now=then)
        return attempt, who["person_uuid"]

    def record(self, attempt: UUID):
        with self.database.transaction() as db:
            return record_outcome(db, tenant_id=self.tenant_id, attempt_uuid=attempt, public_url=TOOL, now=self.now)

    def close_overdue(self) -> int:
        return background.close_overdue_attempts(self.database, self.settings, lambda: self.after_all)

    def n_open(self) -> int:
        with self.database.reading() as db:
            return len(db.scalars(select(Attempt.id).where(Attempt.state == "open")).all())

    def statements(self) -> list[dict]:
        with self.database.reading() as db:
            return [one.statement for one in xapi.iter_statements(db, tenant_id=self.tenant_id)]

    def verbs(self, attempt: UUID) -> list[str]:
        mine = [one for one in self.statements() if one.get("context", {}).get("registration") == str(attempt)]
        return [one["verb"]["id"].removeprefix(VERBS) for one in mine]

    def lrs(self) -> Flask:
        """The record store as the tool serves it."""

        def on_stored(db, tenant_id, statements):
            statements_arrived.take_in(db, tenant_id=tenant_id, statements=statements, now=self.now)

        app = Flask("lrs")
        app.register_blueprint(xapi.create_lrs(self.database, clock=lambda: self.now, on_stored=on_stored))
        return app


@pytest.fixture(scope="session")
def settings(installation) -> Settings:
    secret = installation / "secret-of-the-tests.key"
    secret.write_bytes(SECRET)
    return Settings(public_url=TOOL, data_dir=installation, secret_key_file=secret)


@pytest.fixture
def agency(database, settings, now) -> Agency:
    with database.transaction() as db:
        tenant = add_tenant(db, key="agency", name={"th": "หน่วยงาน", "en": "Agency"}, home_page="https://lms.example", now=now)
    return Agency(database, settings, tenant.id, now)


@pytest.fixture
def launched(database, settings, now):
    """An agency whose one learner came by a graded link: the agency, the launch and the person."""
    platform = Platform()
    tool = new_tool(database, settings, Moment(now), platform)
    tool.launched()
    (launch,), (user,) = tool.rows(models.Launch), tool.rows(models.User)
    yield Agency(database, settings, launch.tenant_id, now), str(launch.uuid), user.person_uuid
    platform.close()


def course(person: UUID, now) -> dict:
    node = derived_uuid("framework-node", "th-ds-2567", "DLIT")
    return {
        "id": str(uuid4()),
        "actor": {"objectType": "Agent", "account": {"homePage": "https://lms.example", "name": str(person)}},
        "verb": {"id": f"{VERBS}completed"},
        "object": {"id": "https://courses.example/digital-literacy"},
        "context": {"contextActivities": {"grouping": [{"id": f"{TOOL}/ims/case/v1p1/CFItems/{node}"}]}},
        "timestamp": rfc3339(now),
    }


def test_sittings_end_while_statements_about_the_same_people_arrive(agency, now):
    sittings = dict(agency.sit(answers=2) for _ in range(12))
    people = list(sittings.values())
    with agency.database.transaction() as db:
        key = xapi.create_key(db, tenant_id=agency.tenant_id, name="courses", scopes=["statements/write"], now=now)
    app, rounds = agency.lrs(), 12

    def post(place: int) -> list[int]:
        client, order = app.test_client(), people[place:] + people[:place]
        return [
            client.post(
                "/xapi/statements",
                json=[course(person, now) for person in order],
                headers={"X-Experience-API-Version": "1.0.3"},
                auth=(key.key, key.secret),
            ).status_code
            for _ in range(rounds)
        ]

    with ThreadPoolExecutor(6) as threads:
        posts = [threads.submit(post, place) for place in (0, 4, 8)]
        closes = [threads.submit(agency.close_overdue) for _ in range(3)]
        statuses, n_closed = [one.result() for one in posts], [one.result() for one in closes]

    assert statuses == [[200] * rounds] * 3
    assert sum(n_closed) == len(sittings)
    stored = agency.statements()
    assert sum(one["object"]["id"] == "https://courses.example/digital-literacy" for one in stored) == 3 * rounds * len(people)
    for attempt, person in sittings.items():
        verbs = agency.verbs(attempt)
        assert (verbs.count("initialized"), verbs.count("answered"), verbs.count("completed")) == (1, 2, 1)
        with agency.database.reading() as db:
            who = {"tenant_id": agency.tenant_id, "person_uuid": person}
            kinds = [one.kind for one in roadmap.evidence_of(db, **who, node_key="th-ds-2567#DLIT")]
            measured = [
                one for one in ABLE for found in roadmap.evidence_of(db, **who, node_key=f"th-ds-2567#{one}") if found.kind == "test"
            ]
            assert kinds.count("course") == 3 * rounds
            assert len(measured) == sum(verbs.count(verb) for verb in ("passed", "failed", "scored")) >= 1
            assert learning.find_path(db, **who) is not None


def test_one_round_ends_a_bounded_number_of_sittings(agency, monkeypatch):
    for _ in range(3):
        agency.sit(answers=1)
    monkeypatch.setattr(background, "OVERDUE_PER_ROUND", 2)

    assert [agency.close_overdue(), agency.close_overdue(), agency.close_overdue()] == [2, 1, 0]


def test_a_sitting_that_cannot_be_ended_holds_up_neither_the_one_before_it_nor_those_behind_it(agency, monkeypatch):
    attempts = [agency.sit(answers=1)[0] for _ in range(3)]
    broken, aside, moment = [], {}, agency.after_all

    def break_the_second(*args, **options):
        if options["attempt_uuid"] in broken or (not broken and agency.n_open() == 2):
            broken.append(options["attempt_uuid"])
            raise RuntimeError("broken")
        return record_outcome(*args, **options)

    def close() -> int:
        return background.close_overdue_attempts(agency.database, agency.settings, lambda: moment, aside)

    monkeypatch.setattr(background, "record_outcome", break_the_second)

    assert close() == 2
    assert close() == 0  # set aside, so that nobody tries it each round
    assert len(broken) == 1
    assert [len(agency.verbs(attempt)) > 0 for attempt in attempts].count(False) == agency.n_open() == 1

    monkeypatch.setattr(background, "record_outcome", record_outcome)
    moment += background.SET_ASIDE
    assert close() == 1
    assert all(agency.verbs(attempt) for attempt in attempts)


def test_a_target_that_changes_later_does_not_change_what_was_passed(agency, now):
    attempt, _ = agency.sit()
    first = agency.record(attempt)
    before = agency.statements()
    assert "passed" in agency.verbs(attempt)
    with agency.database.transaction() as db:
        for code in ABLE:
            node_key = f"th-ds-2567#{code}"
            roadmap.set_target(
                db, tenant_id=agency.tenant_id, node_key=node_key, min_level=4, role=None, due=None, set_by="agency", now=now
            )

    again = agency.record(attempt)

    assert agency.statements() == before
    assert again.statement_ids == first.statement_ids == tuple(one["id"] for one in before)
    assert (first.n_evidence, again.n_evidence) == (3, 0)


def test_the_score_of_a_sitting_goes_to_the_platform_once(launched, database):
    agency, launch_ref, person = launched
    attempt, _ = agency.sit(answers=None, person=person, launch_ref=launch_ref)

    assert [agency.record(attempt).score_enqueued for _ in range(2)] == [True, False]

    with database.reading() as db:
        (score,) = db.scalars(select(models.Score)).all()
    assert (score.version, score.maximum, score.given > 0) == (1, 100.0, True)


def test_a_sitting_without_any_answer_says_so_and_gives_no_score(launched, database):
    agency, launch_ref, person = launched
    attempt, _ = agency.sit(answers=0, person=person, launch_ref=launch_ref)

    assert agency.close_overdue() == 1

    assert agency.verbs(attempt) == ["initialized", "terminated"]
    with database.reading() as db:
        assert db.scalars(select(models.Score)).all() == []
        standing = roadmap.standing_of(
            db, tenant_id=agency.tenant_id, person_uuid=person, today=agency.after_all.date(), now=agency.after_all
        )
    assert {one.level for one in standing} == {None}


def test_the_record_store_knows_an_id_in_its_own_tenant_and_in_any_case_of_letters(agency, now):
    statement = course(uuid4(), now)
    authority = {"objectType": "Agent", "account": {"homePage": TOOL, "name": "kaona"}}
    with agency.database.transaction() as db:
        xapi.store_statements(db, tenant_id=7, statements=[statement], authority=authority, now=now)

    with agency.database.reading() as db:
        assert xapi.has_statement(db, tenant_id=7, statement_id=statement["id"].upper())
        assert not xapi.has_statement(db, tenant_id=8, statement_id=statement["id"])
        assert not xapi.has_statement(db, tenant_id=7, statement_id=str(uuid4()))
