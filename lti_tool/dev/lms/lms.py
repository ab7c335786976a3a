"""One running demo LMS: its data, its memory, its keys, its clock and its moods. Every page and service asks it."""

import json
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from flask import current_app

from lti_tool.dev.lms import gradebook
from lti_tool.dev.lms.catalogue import Catalogue, activity_change, compose, course_change, enrolment_change
from lti_tool.dev.lms.config import Activity, Course, CourseRole, Habits, LmsConfig, Person, Tool
from lti_tool.dev.lms.faults import Faults
from lti_tool.dev.lms.keys import KeyRing, SigningKey
from lti_tool.dev.lms.store import Store

PENDING_MESSAGE_SECONDS = 3600
"""How long an opened activity may wait for its authentication request."""


@dataclass(frozen=True, slots=True)
class PendingMessage:
    """A message between login initiation and authentication request: what it will say, and from where."""

    type: str
    """The message type, such as LtiResourceLinkRequest."""
    client_id: str
    course_id: str = ""
    activity_id: str = ""
    document_target: str = "iframe"
    title: str = ""
    text: str = ""
    """Title and text that the activity form holds, for a deep linking request."""
    for_user: str = ""
    """Whose work a submission review is about."""


@dataclass(slots=True)
class Lms:
    """The demo LMS as its own parts see it."""

    config: LmsConfig
    store: Store
    ring: KeyRing
    habits: Habits = field(default_factory=Habits)
    faults: Faults = field(default_factory=Faults)
    tool_key_sets: dict[str, object] = field(default_factory=dict)
    """Client id to the tool's key set as last fetched; kept without expiry, as Moodle does."""
    _changes: dict[tuple[str, str], Any] = field(default_factory=dict)
    _composed: tuple[LmsConfig, Catalogue] | None = None

    @classmethod
    def open(cls, config: LmsConfig) -> "Lms":
        """Opens the memory, makes keys and gradebook columns where there are none."""
        store = Store(config.state_path)
        lms = cls(config=config, store=store, ring=_keys_of(store, config), habits=config.habits)
        with store.transaction() as db:
            rows = db.execute("SELECT kind, id, document FROM change ORDER BY rowid")
            lms._changes = {(row["kind"], row["id"]): json.loads(row["document"]) for row in rows}
            for course, activity in lms.catalogue.activities.values():
                if activity.score_maximum is not None:
                    gradebook.ensure_column(db, course, activity)
        return lms

    @property
    def catalogue(self) -> Catalogue:
        """Tools, courses, activities and people as they are now."""
        if self._composed is None or self._composed[0] is not self.config:
            self._composed = (self.config, compose(self.config, self._changes))
        return self._composed[1]

    @property
    def tools(self) -> tuple[Tool, ...]:
        """Every tool, waiting ones too."""
        return self.catalogue.tools

    def apply(self, *changes: tuple[str, str, Any]) -> None:
        """Keeps changes to tools, courses, activities or enrolments (see `catalogue`), all or none."""
        with self.store.transaction() as db:
            for kind, key, document in changes:
                db.execute(
                    "INSERT INTO change VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET document = excluded.document",
                    (kind, key, json.dumps(document)),
                )
        self._changes = {**self._changes, **{(kind, key): document for kind, key, document in changes}}
        self._composed = None

    def now(self) -> datetime:
        """The LMS's own time, which a test may put ahead or back."""
        return self.config.clock() + timedelta(seconds=self.faults.clock_offset_seconds)

    def rotate_keys(self) -> str:
        """A new key signs from now on; the one before stays published. Gives the new kid."""
        kid = self.ring.rotate().kid
        self.store.put_setting("signing_keys", self.ring.dumps())
        return kid

    def find_person(self, person_id: str) -> Person | None:
        """An account by id."""
        return self.catalogue.people.get(person_id)

    def find_course(self, course_id: str) -> Course | None:
        """A course by id."""
        return self.catalogue.courses.get(course_id)

    def find_activity(self, activity_id: str) -> tuple[Course, Activity] | None:
        """An activity by id, with its course."""
        return self.catalogue.activities.get(activity_id)

    def find_tool(self, *, client_id: str | None = None, deployment_id: str | None = None) -> Tool | None:
        """A registered tool by its client id or by its deployment id."""
        return next((tool for tool in self.tools if client_id == tool.client_id or deployment_id == tool.deployment_id), None)

    def courses_of(self, person: Person) -> list[Course]:
        """The courses that a person may enter."""
        entered = person.roles.keys() - person.suspended_in
        return [course for course in self.catalogue.courses.values() if person.is_administrator or course.id in entered]

    def activities_of(self, person: Person, course: Course) -> list[Activity]:
        """The activities that a person sees in a course."""
        return [activity for activity in course.activities if not activity.audience or person.kind in activity.audience]

    def members_of(self, course: Course) -> list[Person]:
        """Who has a role in a course, suspended or not, by Thai name."""
        return sorted(
            (person for person in self.catalogue.people.values() if course.id in person.roles), key=lambda person: person.name["th"]
        )

    def enrol(self, course: Course, person: Person, role: CourseRole | None, *, is_suspended: bool = False) -> None:
        """Gives a person a role in a course, changes or rests it; None takes the person out."""
        self.apply(enrolment_change(course.id, person.id, role, is_suspended=is_suspended))
        with self.store.transaction() as db:
            db.execute("INSERT INTO roster_change (course_id, person_id) VALUES (?, ?)", (course.id, person.id))

    def new_id(self) -> str:
        """Digits that no course or activity of this LMS ever had."""
        used = [*self.catalogue.courses, *self.catalogue.activities, self.store.find_setting("last_id") or "0"]
        number = str(max(map(int, used)) + 1)
        self.store.put_setting("last_id", number)
        return number

    def new_deployment_id(self) -> str:
        """The row number that the next tool gets."""
        return str(max((int(tool.deployment_id) for tool in self.tools if tool.deployment_id.isdecimal()), default=0) + 1)

    def save_activity(self, course: Course, activity: Activity) -> None:
        """Adds or changes an activity, and its gradebook column with it."""
        self.apply(activity_change(course.id, activity))
        with self.store.transaction() as db:
            gradebook.save_column(db, course, activity)

    def save_course(self, course: Course, activities: Iterable[Activity]) -> None:
        """Adds a course with its activities."""
        self.apply(course_change(course))
        for activity in activities:
            self.save_activity(course, activity)

    def begin_message(self, session_key: str, message: PendingMessage) -> str:
        """Remembers an opened message; gives its one-time launch id."""
        launch_id = f"ltilaunch{message.activity_id}_{secrets.randbelow(10**9)}{secrets.token_hex(8)}"
        moment = int(self.now().timestamp())
        with self.store.transaction() as db:
            db.execute("DELETE FROM pending_message WHERE issued_at < ?", (moment - PENDING_MESSAGE_SECONDS,))
            row = (launch_id, session_key, json.dumps(asdict(message)), moment)
            db.execute("INSERT INTO pending_message VALUES (?, ?, ?, ?)", row)
        return launch_id

    def spend_message(self, session_key: str, launch_id: str) -> PendingMessage | None:
        """The pending message of this session, taken away in the act; None when there is none (any more)."""
        with self.store.transaction() as db:
            row = db.execute(
                "DELETE FROM pending_message WHERE launch_id = ? AND session_key = ? RETURNING message", (launch_id, session_key)
            ).fetchone()
        return None if row is None else PendingMessage(**json.loads(row["message"]))


def the_lms() -> Lms:
    """The LMS that the present request belongs to."""
    lms = current_app.extensions["lms"]
    assert isinstance(lms, Lms)
    return lms


def _keys_of(store: Store, config: LmsConfig) -> KeyRing:
    if config.signing_keys:
        return KeyRing([SigningKey.from_pem(pem) for pem in config.signing_keys])
    kept = store.find_setting("signing_keys")
    if kept is not None and json.loads(kept):
        return KeyRing.loads(kept)
    ring = KeyRing([SigningKey.generate(), SigningKey.generate()])
    store.put_setting("signing_keys", ring.dumps())
    return ring
