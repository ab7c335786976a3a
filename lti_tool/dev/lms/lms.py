"""One running demo LMS: its data, its memory, its keys, its clock and its moods. Every page and service asks it."""

import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from flask import current_app

from lti_tool.dev.lms import gradebook
from lti_tool.dev.lms.config import Activity, Course, LmsConfig, Person, Tool
from lti_tool.dev.lms.faults import Faults
from lti_tool.dev.lms.keys import KeyRing, SigningKey
from lti_tool.dev.lms.store import Store

PENDING_LAUNCH_SECONDS = 3600
"""How long an opened activity may wait for its authentication request."""


@dataclass(frozen=True, slots=True)
class PendingLaunch:
    """A launch between login initiation and authentication request."""

    activity_id: str
    document_target: str


@dataclass(slots=True)
class Lms:
    """The demo LMS as its own parts see it."""

    config: LmsConfig
    store: Store
    ring: KeyRing
    faults: Faults = field(default_factory=Faults)
    tool_key_sets: dict[str, object] = field(default_factory=dict)
    """Client id to the tool's key set as last fetched; kept without expiry, as Moodle does."""

    @classmethod
    def open(cls, config: LmsConfig) -> "Lms":
        """Opens the memory, makes keys and gradebook columns where there are none."""
        store = Store(config.state_path)
        lms = cls(config=config, store=store, ring=_keys_of(store, config))
        with store.transaction() as db:
            for course in config.courses:
                for activity in course.activities:
                    if activity.score_maximum is not None:
                        gradebook.ensure_column(db, course, activity)
        return lms

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
        return next((person for person in self.config.people if person.id == person_id), None)

    def find_course(self, course_id: str) -> Course | None:
        """A course by id."""
        return next((course for course in self.config.courses if course.id == course_id), None)

    def find_activity(self, activity_id: str) -> tuple[Course, Activity] | None:
        """An activity by id, with its course."""
        pairs = ((course, activity) for course in self.config.courses for activity in course.activities)
        return next((pair for pair in pairs if pair[1].id == activity_id), None)

    def find_tool(self, *, client_id: str | None = None, deployment_id: str | None = None) -> Tool | None:
        """A registered tool by its client id or by its deployment id."""
        return next((tool for tool in self.config.tools if client_id == tool.client_id or deployment_id == tool.deployment_id), None)

    def courses_of(self, person: Person) -> list[Course]:
        """The courses that a person may enter."""
        return [course for course in self.config.courses if person.is_administrator or course.id in person.roles]

    def activities_of(self, person: Person, course: Course) -> list[Activity]:
        """The activities that a person sees in a course."""
        return [activity for activity in course.activities if not activity.audience or person.kind in activity.audience]

    def members_of(self, course: Course) -> list[Person]:
        """Who has a role in a course, by Thai name."""
        return sorted((person for person in self.config.people if course.id in person.roles), key=lambda person: person.name["th"])

    def begin_launch(self, session_key: str, activity: Activity, document_target: str) -> str:
        """Remembers an opened activity; gives its one-time launch id."""
        launch_id = f"ltilaunch{activity.id}_{secrets.randbelow(10**9)}{secrets.token_hex(8)}"
        moment = int(self.now().timestamp())
        with self.store.transaction() as db:
            db.execute("DELETE FROM pending_launch WHERE issued_at < ?", (moment - PENDING_LAUNCH_SECONDS,))
            row = (launch_id, session_key, activity.id, document_target, moment)
            db.execute("INSERT INTO pending_launch VALUES (?, ?, ?, ?, ?)", row)
        return launch_id

    def spend_launch(self, session_key: str, launch_id: str) -> PendingLaunch | None:
        """The pending launch of this session, taken away in the act; None when there is none (any more)."""
        with self.store.transaction() as db:
            row = db.execute(
                "DELETE FROM pending_launch WHERE launch_id = ? AND session_key = ? RETURNING activity_id, document_target",
                (launch_id, session_key),
            ).fetchone()
        return None if row is None else PendingLaunch(row["activity_id"], row["document_target"])


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
