"""Columns, scores and results against the demo LMS over real HTTP: made, filled, changed by a teacher, deleted."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kernel.clock import system_clock
from kernel.db import Database
from kernel.http import GuardedClient
from lti_tool import models
from lti_tool.app import create_app
from lti_tool.dev.lms import gradebook, listen, serve
from lti_tool.jobs import line_items, score_publish, score_reconcile
from lti_tool.jobs.worker import Worker
from lti_tool.lti import vocabulary as v
from lti_tool.lti.registrations import add_platform
from lti_tool.lti.services import AccessTokens
from lti_tool.lti.tenants import add_tenant
from lti_tool.lti.tool_keys import ensure_tool_key
from lti_tool.settings import Settings
from lti_tool.workflows.background import make_worker
from lti_tool.workflows.gradebook import ensure_columns
from tests.lms_harness import COURSE_ID, LEARNER, UNGRADED, RunningLms, running_lms


@dataclass
class Met:
    """The tool and the demo LMS, with a link that gives points and has no column yet."""

    database: Database
    settings: Settings
    worker: Worker
    running: RunningLms
    link_id: int
    user_id: int

    def work(self, until: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not until():
            assert time.monotonic() < deadline
            self.worker.run_once()
            time.sleep(0.1)

    def column(self) -> models.LineItem:
        with self.database.reading() as db:
            return db.query(models.LineItem).one()

    def score(self) -> models.Score:
        with self.database.reading() as db:
            return db.query(models.Score).one()

    def send(self, given: float) -> None:
        with self.database.transaction() as db:
            line_item, user = db.query(models.LineItem).one(), db.get_one(models.User, self.user_id)
            score_publish.enqueue_score(
                db, line_item=line_item, user=user, score_given=given, score_maximum=20.0, comment="ดีมาก", now=system_clock()
            )
        self.work(lambda: self.score().state != "waiting")

    def differences(self) -> list[str]:
        with self.database.reading() as db:
            chosen = score_reconcile.list_columns(db)
        http = GuardedClient.from_settings(self.settings)
        for column in chosen:
            score_reconcile.reconcile_column(self.database, column, http=http, settings=self.settings, clock=system_clock)
        with self.database.reading() as db:
            return [one.kind for one in score_reconcile.list_differences(db, columns=chosen)]

    def cells(self) -> list[Any]:
        with self.running.lms.store.transaction() as db:
            made = [item for item in gradebook.list_line_items(db, COURSE_ID) if item.activity_id is None]
            return [(item, gradebook.find_grade(db, item.id, LEARNER)) for item in made]


@pytest.fixture
def met(database: Database, installation: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Met]:
    tokens = AccessTokens()
    for job in (score_publish, line_items, score_reconcile):
        monkeypatch.setattr(job, "TOKENS", tokens)
    listener = listen()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    settings = Settings(public_url=url, data_dir=installation)
    with running_lms(url) as running:
        server = serve(create_app(settings, database=database), listener=listener)
        with database.transaction() as db:
            link_id, user_id = _course(db, running, settings)
        yield Met(database, settings, make_worker(settings, database), running, link_id, user_id)
        server.close()


def _course(db: Any, running: RunningLms, settings: Settings) -> tuple[int, int]:
    now, lms = system_clock(), running.url
    ensure_tool_key(db, secret=settings.secret_key, now=now)
    tenant = add_tenant(db, key="dmd", name={"th": "กรม", "en": "Department"}, home_page="https://one.example", now=now)
    urls = {"auth_url": f"{lms}/mod/lti/auth.php", "token_url": f"{lms}/mod/lti/token.php", "jwks_url": f"{lms}/mod/lti/certs.php"}
    deployment = running.tool.deployment_id
    registration = add_platform(db, issuer=lms, client_id=running.tool.client_id, deployment=deployment, tenant="dmd", now=now, **urls).id
    whose = {"tenant_id": tenant.id, "created_at": now}
    user = models.User(**whose, registration_id=registration, sub=LEARNER)
    db.add(user)
    deployed = db.query(models.Deployment).one().id
    list_url = f"{lms}/mod/lti/services.php/{COURSE_ID}/lineitems?type_id={deployment}"
    course = models.Context(**whose, deployment_id=deployed, lti_id=COURSE_ID, line_items_url=list_url, ags_scopes=sorted(v.AGS_SCOPES))
    db.add(course)
    db.flush()
    placement = models.Placement(
        tenant_id=tenant.id, registration_id=registration, created_by_id=user.id, activity="roadmap", title="แผนที่สมรรถนะ" * 40,
        score_maximum=20.0, created_at=now, changed_at=now,
    )  # fmt: skip
    db.add(placement)
    db.flush()
    link = models.ResourceLink(**whose, deployment_id=deployed, context_id=course.id, lti_id=UNGRADED, placement_id=placement.id)
    db.add(link)
    db.flush()
    ensure_columns(db, link.id, now)
    return link.id, user.id


def test_a_column_is_made_filled_changed_compared_and_deleted(met: Met) -> None:
    met.work(lambda: met.column().url is not None)
    ((item, _),) = met.cells()
    assert (item.score_maximum, item.resource_link_id, item.tag, len(item.label)) == (20.0, UNGRADED, "whole", 255)

    met.send(15.0)
    ((_, grade),) = met.cells()
    assert (grade.score, grade.comment, met.score().state, met.differences()) == (15.0, "ดีมาก", "sent", [])

    with met.database.transaction() as db:
        line_items.change_column(db, db.query(models.LineItem).one(), now=system_clock(), label="ชื่อใหม่", maximum=40.0)
    met.work(lambda: met.cells()[0][0].label == "ชื่อใหม่")
    assert (met.cells()[0][0].score_maximum, met.cells()[0][0].tag) == (40.0, "whole")

    with met.running.lms.store.transaction() as db:
        gradebook.delete_line_item(db, item.id)
    time.sleep(1.1)  # a whole second, for the next timestamp
    met.send(16.0)
    assert (met.score().state, met.score().last_error, met.column().gone_at is None) == ("parked", "status 404", False)
    assert met.differences() == ["column_gone"]
