"""A course with its gradebook on the fake platform, by the rules that Moodle was measured to keep, and learners who sit."""

import itertools
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from sqlalchemy import select, update

import assessment.api as assessment
from kernel import outbox
from kernel.http import GuardedClient, HttpPolicy
from lti_tool import models
from lti_tool.dev.respondent import Respondent, read_bank
from lti_tool.jobs import line_items, score_publish, score_reconcile
from lti_tool.lti import vocabulary as v
from lti_tool.lti.services import AccessTokens
from lti_tool.lti.vocabulary import Role
from lti_tool.web.principal import Principal
from lti_tool.workflows import gradebook
from lti_tool.workflows.attempt_finished import record_outcome
from tests.lti.lti_world import TOOL, Answer, Call, Tool
from tests.stock import stock

ITEMS = "/course/lineitems"
SCORE, RESULTS, COLUMN, COLUMNS = v.MEDIA_SCORE, v.MEDIA_RESULTS, v.MEDIA_LINE_ITEM, v.MEDIA_LINE_ITEMS
KINDS = [score_publish.KIND, score_reconcile.KIND, *line_items.KINDS]
ABLE = {"DLIT": 3.0, "DGOV": 3.0, "DLEAD": 3.0}
UNABLE = {"DLIT": -3.0, "DGOV": -3.0, "DLEAD": -3.0}


class Gradebook:
    """Columns, grades and the four calls on them, as Moodle 4.5 was measured (facts Q37 to Q44)."""

    def __init__(self, tool: Tool) -> None:
        self.tool, self.url = tool, f"{tool.platform.url}{ITEMS}?type_id=1"
        self.items: dict[int, dict[str, Any]] = {}
        self.grades: dict[tuple[int, str], dict[str, Any]] = {}
        self._numbers = itertools.count(1)
        tool.platform.answers[ITEMS] = self._list_or_make

    def add(self, **values: Any) -> str:
        """A column that is there already. Returns its URL."""
        number = next(self._numbers)
        path = f"{ITEMS}/{number}/lineitem"
        self.items[number] = {"id": f"{self.tool.platform.url}{path}?type_id=1", "label": "กิจกรรม", "scoreMaximum": 100.0, **values}
        for ending, answer in (("", self._one), ("/scores", self._score), ("/results", self._results)):
            self.tool.platform.answers[path + ending] = self._of(number, answer)
        return self.items[number]["id"]

    def remove(self, number: int) -> None:
        """Somebody deleted a column on the platform."""
        del self.items[number]

    def grade(self, number: int = 1, sub: str = "u-1") -> float | None:
        return self.grades.get((number, sub), {}).get("points")

    def set_by_hand(self, points: float | None, number: int = 1, sub: str = "u-1") -> None:
        """A teacher's own grade, which later scores do not touch."""
        self.grades[number, sub] = {"points": points, "stamp": "", "by_hand": True}

    def calls(self, method: str, ending: str) -> list[Call]:
        found = [call for call in self.tool.platform.calls if call.method == method]
        return [call for call in found if urlsplit(call.path).path.endswith(ending) and ITEMS in call.path]

    def bodies(self, ending: str = "/scores", method: str = "POST") -> list[dict[str, Any]]:
        return [json.loads(call.body) for call in self.calls(method, ending)]

    def _of(self, number: int, answer: Callable[[int, Call], Answer]) -> Callable[[Call], Answer]:
        return lambda call: answer(number, call) if number in self.items else Answer(404)

    def _list_or_make(self, call: Call) -> Answer:
        if call.method == "POST":
            if call.headers["content-type"] != COLUMN:
                return Answer(400)
            values = json.loads(call.body)
            if len(values["label"]) > 255:
                return Answer(502)
            url = self.add(**values)
            return Answer(201, json.dumps(next(item for item in self.items.values() if item["id"] == url)).encode())
        if call.headers.get("accept") != COLUMNS:
            return Answer(400, b"No handler found")
        wanted = {name: values[0] for name, values in parse_qs(urlsplit(call.path).query).items()}
        names = {"resource_link_id": "resourceLinkId", "resource_id": "resourceId", "tag": "tag"}
        filters = {names[name]: value for name, value in wanted.items() if name in names}
        found = [item for item in self.items.values() if all(item.get(name) == value for name, value in filters.items())]
        return Answer(body=json.dumps(found).encode())

    def _one(self, number: int, call: Call) -> Answer:
        if call.method == "DELETE":
            del self.items[number]
            return Answer(204)
        if COLUMN not in (call.headers.get("accept"), call.headers.get("content-type")):
            return Answer(400)
        if call.method == "PUT":
            self.items[number] = json.loads(call.body)  # what is left out is erased
        return Answer(body=json.dumps(self.items[number]).encode())

    def _score(self, number: int, call: Call) -> Answer:
        body, maximum = json.loads(call.body), self.items[number]["scoreMaximum"]
        held = self.grades.get((number, body["userId"]))
        if call.headers["content-type"] != SCORE or body["gradingProgress"] != "FullyGraded":
            return Answer(400)
        if held is not None and held.get("by_hand"):
            return Answer(200)
        if held is not None and held["stamp"] >= body["timestamp"]:
            return Answer(409)
        points = body["scoreGiven"] * maximum / body["scoreMaximum"]
        self.grades[number, body["userId"]] = {"points": points, "stamp": body["timestamp"], "comment": body.get("comment")}
        return Answer(200)

    def _results(self, number: int, call: Call) -> Answer:
        if call.headers.get("accept") != RESULTS or "limit" in call.path:
            return Answer(404)
        maximum = self.items[number]["scoreMaximum"]
        found = [
            {"userId": sub, "resultScore": grade["points"], "resultMaximum": maximum}
            for (of, sub), grade in self.grades.items()
            if of == number and grade["points"] is not None
        ]
        return Answer(body=json.dumps(found).encode())


class Course:
    """A link of a course, its gradebook, the tool's worker and learners who sit through the link."""

    def __init__(self, tool: Tool) -> None:
        self.tool, self.gradebook = tool, Gradebook(tool)
        self.http = GuardedClient(HttpPolicy(dev_mode=True))
        self.form: assessment.FormView | None = None
        self._seeds = itertools.count(1)

    @property
    def now(self) -> datetime:
        return self.tool.moment.now

    def launch(
        self, *, sub: str = "u-1", link: str = "7", line_item: str | None = None, role: str = "Learner", **changes: Any
    ) -> models.Launch:
        """Somebody comes through a link; the launch names the columns' list, and the link's own column when there is one."""
        endpoint = {"scope": sorted(v.AGS_SCOPES), "lineitems": self.gradebook.url, "lineitem": line_item}
        claims = {
            "sub": sub,
            v.ROLES: [f"{v.MEMBERSHIP}#{role}"],
            v.RESOURCE_LINK: {"id": link, "title": "แบบประเมิน"},
            v.AGS_ENDPOINT: {name: value for name, value in endpoint.items() if value is not None},
            **changes,
        }
        uuid = self.tool.launched(self.tool.new_browser(), **claims)
        with self.tool.database.reading() as db:
            return db.scalars(select(models.Launch).where(models.Launch.uuid == uuid)).one()

    def place(self, launch: models.Launch, **values: Any) -> models.Placement:
        """A designer's choice behind the link of a launch."""
        activity = "roadmap" if self.form is None else f"assessment:{self.form.uuid}"
        kept = {"activity": activity, "title": "แบบประเมินทักษะดิจิทัล", "score_maximum": 20.0} | values
        with self.tool.database.transaction() as db:
            placement = models.Placement(
                tenant_id=launch.tenant_id, registration_id=launch.registration_id, context_id=launch.context_id,
                created_by_id=launch.user_id, created_at=self.now, changed_at=self.now, **kept,
            )  # fmt: skip
            db.add(placement)
            db.flush()
            db.execute(
                update(models.ResourceLink).where(models.ResourceLink.id == launch.resource_link_id).values(placement_id=placement.id)
            )
        return placement

    def load(self) -> None:
        """The default framework, bank and form."""
        with self.tool.database.transaction() as db:
            self.form = stock(db, now=self.now)

    def sit(self, launch: models.Launch, abilities: dict[str, float] = ABLE, *, answers: int = 100) -> UUID:
        """A sitting of the launch's person, up to so many answers, or to its end with all that follows; one that is open goes on.

        Returns the attempt.
        """
        seed = next(self._seeds)
        respondent = Respondent(abilities, seed, read_bank())
        with self.tool.database.transaction() as db:
            who = {"tenant_id": launch.tenant_id, "person_uuid": db.get_one(models.User, launch.user_id).person_uuid}
            attempt = assessment.start_attempt(
                db, **who, form_uuid=self.form.uuid, launch_ref=str(launch.uuid), seed=seed, now=self.now
            ).attempt_uuid
            step = assessment.get_step(db, attempt, **who, device=str(launch.uuid), now=self.now)
            while step.item is not None and step.position <= answers:
                answer = assessment.Answer(step.item.presentation_uuid, str(step.position), respondent.answer_to(step.item.stem), 20_000)
                step = assessment.submit_response(db, attempt, answer, **who, device=str(launch.uuid), now=self.now)
            if step.state == "finished":
                record_outcome(db, tenant_id=launch.tenant_id, attempt_uuid=attempt, public_url=TOOL, now=self.now)
        return attempt

    def enqueue(self, given: float = 70.0, maximum: float = 100.0, **values: Any) -> None:
        """A score of the first person for the first column, without a sitting."""
        with self.tool.database.transaction() as db:
            line_item, user = db.scalars(select(models.LineItem)).first(), db.scalars(select(models.User)).first()
            assert line_item is not None
            assert user is not None
            score_publish.enqueue_score(
                db, line_item=line_item, user=user, score_given=given, score_maximum=maximum, now=self.now, **{"comment": None, **values}
            )

    def work(self) -> list[str]:
        """One round of the worker."""
        with self.tool.database.transaction() as db:
            claimed = outbox.claim(db, kinds=KINDS, now=self.now)
        return [self.carry_out(item) for item in claimed]

    def carry_out(self, item: outbox.Claimed) -> str:
        how: dict[str, Any] = {"http": self.http, "settings": self.tool.app.settings, "clock": self.tool.moment}
        if item.kind == score_publish.KIND:
            return score_publish.publish_score(self.tool.database, item, **how)
        job = score_reconcile if item.kind == score_reconcile.KIND else line_items
        return job.carry_out(self.tool.database, item, **how)

    def settle(self) -> None:
        """The worker until nothing is left to do: columns, their filling, scores; time passes by seconds."""
        for _ in range(30):
            gradebook.ensure_some(self.tool.database, self.tool.moment)
            gradebook.fill_some(self.tool.database, self.tool.moment)
            self.tool.moment.pass_by(seconds=2)
            if not self.work():
                return
        raise AssertionError("it never ends")

    def reconcile(self) -> list[score_reconcile.Difference]:
        """Compares every column and gives what differs."""
        self.tool.moment.pass_by(seconds=5)
        with self.tool.database.reading() as db:
            chosen = score_reconcile.list_columns(db)
        for column in chosen:
            score_reconcile.reconcile_column(
                self.tool.database, column, http=self.http, settings=self.tool.app.settings, clock=self.tool.moment
            )
        with self.tool.database.reading() as db:
            return score_reconcile.list_differences(db, columns=chosen)

    def scores(self) -> list[models.Score]:
        return sorted(self.tool.rows(models.Score), key=lambda score: score.id)

    def columns(self) -> list[models.LineItem]:
        return sorted(self.tool.rows(models.LineItem), key=lambda column: column.id)

    def teacher(self, launch: models.Launch, **changes: Any) -> Principal:
        """The person of a launch as its pages know them."""
        values: dict[str, Any] = dict.fromkeys(Principal.__dataclass_fields__) | {
            "launch_uuid": launch.uuid, "session_id": launch.id, "tenant_id": launch.tenant_id, "registration_id": launch.registration_id,
            "deployment_id": launch.deployment_id, "user_id": launch.user_id, "locale": "th", "roles": frozenset({Role.INSTRUCTOR}),
            "context_id": launch.context_id, "resource_link_id": launch.resource_link_id,
        }  # fmt: skip
        return Principal(**{**values, **changes})


def new_course(tool: Tool, monkeypatch: Any) -> Course:
    """A course whose worker holds no token of another test."""
    tokens = AccessTokens()
    for job in (score_publish, line_items, score_reconcile):
        monkeypatch.setattr(job, "TOKENS", tokens)
    return Course(tool)


def hours(n: int) -> timedelta:
    return timedelta(hours=n)
