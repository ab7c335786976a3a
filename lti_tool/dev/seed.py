"""Fills a new installation with made-up agencies and officials, by the same doors that real launches and answers go through."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

import assessment.api as assessment
import roadmap.api as roadmap
import xapi.api as xapi
from kernel.clock import system_clock
from kernel.db import Database
from kernel.ids import digest, new_uuid
from lti_tool.dev.lms import names
from lti_tool.dev.respondent import ItemText, Respondent, read_bank
from lti_tool.dev.world import STAFF, Agency, Official, World
from lti_tool.keys import lrs_pepper
from lti_tool.lti import grants, registrations, tenants
from lti_tool.lti.enrol import Enrolled, enrol
from lti_tool.lti.message import Message
from lti_tool.lti.sessions import begin_session
from lti_tool.lti.storage import Platform, find_known, list_platforms_of
from lti_tool.lti.vocabulary import Role
from lti_tool.settings import Settings
from lti_tool.workflows.attempt_finished import record_outcome

TARGETS: dict[str | None, dict[str, int]] = {
    None: {"DLIT": 3, "DGOV": 3, "DLEAD": 3},
    "OPS": {"DLIT": 2, "DGOV": 1, "DLEAD": 1},
    "SUP": {"DLIT": 2, "DGOV": 2, "DLEAD": 2},
    "EXE": {"DLIT": 2, "DGOV": 2, "DLEAD": 3},
}
"""Levels that the made-up agencies ask for, by role; of everyone whose role is not known all there is, so that whoever comes by a new
registration finds something to learn. No source prints any levels, so agencies enter their own."""

FRAMEWORK = "th-ds-2567"
PER_TRANSACTION = 10
SECONDS_AN_ITEM = 35
STARTED_ITEMS = 6
"""Items that somebody has answered who is still at it."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What the demonstration needs to know of its database."""

    lrs_key: str
    lrs_secret: str


def fill(
    database: Database,
    world: World,
    *,
    form_uuid: UUID,
    columns: Mapping[str, str],
    settings: Settings,
    lms_url: str,
    say: Callable[[str], None],
) -> Filled:
    """Agencies, platforms, targets, rights, people and their history.

    columns   the LMS's gradebook columns: resource link id to line item URL
    say       told of progress, one line at a time
    """
    now = system_clock()
    with database.transaction() as db:
        platforms = {agency.key: _add_agency(db, agency, lms_url=lms_url, settings=settings, now=now) for agency in world.agencies}
        first = world.agencies[0]
        for person, role in ((STAFF[2], "central_executive"), (STAFF[1], "administrator")):
            grants.grant_role(db, issuer=lms_url, client_id=first.client_id, sub=person.id, role=role, now=now)
        key = xapi.create_key(
            db,
            tenant_id=platforms[first.key].tenant_id,
            name="demonstration",
            scopes=["statements/read"],
            now=now,
            pepper=lrs_pepper(settings.secret_key),
        )
    bank = read_bank()
    officials = list(world.officials)
    for start in range(0, len(officials), PER_TRANSACTION):
        say(f"letting officials {start + 1} to {min(start + PER_TRANSACTION, len(officials))} of {len(officials)} take the assessment ...")
        with database.transaction() as db:
            for number, official in enumerate(officials[start : start + PER_TRANSACTION], start=start):
                sitter = _Sitter(db, world.agency(official.agency), official, platforms[official.agency], settings, columns, bank, number)
                sitter.live(form_uuid, now)
    return Filled(key.key, key.secret)


def _add_agency(db: Session, agency: Agency, *, lms_url: str, settings: Settings, now: datetime) -> Platform:
    tenants.add_tenant(db, key=agency.key, name=agency.name, home_page=f"{settings.public_url}/people/{agency.key}", now=now)
    registrations.add_platform(
        db,
        issuer=lms_url,
        client_id=agency.client_id,
        auth_url=f"{lms_url}/mod/lti/auth.php",
        token_url=f"{lms_url}/mod/lti/token.php",
        jwks_url=f"{lms_url}/mod/lti/certs.php",
        deployment=agency.deployment_id,
        tenant=agency.key,
        now=now,
    )
    platform = list_platforms_of(db, lms_url, agency.client_id)[0]
    for role, levels in TARGETS.items():
        for code, level in levels.items():
            roadmap.set_target(
                db,
                tenant_id=platform.tenant_id,
                node_key=f"{FRAMEWORK}#{code}",
                min_level=level,
                role=role,
                due=None,
                set_by="agency",
                now=now,
            )
    return platform


@dataclass(slots=True)
class _Sitter:
    """One official's past: a launch, and as much of the assessment as the story of this person says."""

    db: Session
    agency: Agency
    official: Official
    platform: Platform
    settings: Settings
    columns: Mapping[str, str]
    bank: dict[str, ItemText]
    number: int

    def live(self, form_uuid: UUID, now: datetime) -> None:
        then = now - timedelta(days=self.official.days_ago, minutes=self.number % 60)
        enrolled, launch_uuid = self._launch(form_uuid, then)
        roadmap.place_person(
            self.db,
            tenant_id=enrolled.tenant_id,
            person_uuid=enrolled.person_uuid,
            role=self.official.role,
            personnel_group=self.official.group,
            unit=self.official.unit,
            unit_label=self.official.unit_name,
            now=then,
        )
        if self.official.history == "not_started":
            return
        if self.official.history == "in_progress":
            then = now - timedelta(minutes=5 + self.number % 10)
        self._sit(enrolled, launch_uuid, form_uuid, then, now)

    def _launch(self, form_uuid: UUID, then: datetime) -> tuple[Enrolled, UUID]:
        link = f"{self.agency.course_id}1"
        message = Message(
            deployment_id=self.agency.deployment_id,
            sub=self.official.id,
            name=self.official.name["th"],
            roles=frozenset({Role.LEARNER}),
            target_link_uri=f"{self.settings.public_url}/open/assessment/{form_uuid}",
            context_id=self.agency.course_id,
            context_title="การพัฒนาทักษะดิจิทัลสำหรับข้าราชการ",
            link_id=link,
            link_title=None,
            activity=None,
            locale="th",
            return_url=None,
            document_target="iframe",
            line_item_url=self.columns[link],
            ags_scopes=tuple(sorted(names.AGS_SCOPES)),
            memberships_url=None,
        )
        known = find_known(
            self.db,
            self.platform,
            deployment=message.deployment_id,
            sub=message.sub,
            context=message.context_id,
            link=message.link_id,
            line_item=message.line_item_url,
        )
        assert known is not None
        enrolled = enrol(self.db, message, known, platform=self.platform, now=then)
        launch_uuid = new_uuid()
        row = {
            "uuid": launch_uuid,
            "tenant_id": enrolled.tenant_id,
            "registration_id": enrolled.registration_id,
            "deployment_id": enrolled.deployment_id,
            "user_id": enrolled.user_id,
            "context_id": enrolled.context_id,
            "resource_link_id": enrolled.resource_link_id,
            "line_item_id": enrolled.line_item_id,
            "state_hash": digest(f"made-up launch {launch_uuid}"),
            "locale": "th",
            "target": {"uri": message.target_link_uri, "activity": None},
            "return_url": None,
            "framed": True,
        }
        begin_session(self.db, row=row, roles=message.roles, now=then)
        return enrolled, launch_uuid

    def _sit(self, enrolled: Enrolled, launch_uuid: UUID, form_uuid: UUID, then: datetime, now: datetime) -> None:
        who: dict[str, Any] = {"tenant_id": enrolled.tenant_id, "person_uuid": enrolled.person_uuid}
        respondent = Respondent(self.official.abilities, self.number, self.bank)
        attempt = assessment.start_attempt(
            self.db, **who, form_uuid=form_uuid, launch_ref=str(launch_uuid), seed=self.number, now=then
        ).attempt_uuid
        step = assessment.get_step(self.db, attempt, **who, device="made-up", now=then)
        while step.item is not None:
            if self.official.history == "in_progress" and step.position > STARTED_ITEMS:
                return
            then += timedelta(seconds=SECONDS_AN_ITEM + (step.position * 7 + self.number) % 20)
            answer = assessment.Answer(
                step.item.presentation_uuid, f"made-up-{step.position}", respondent.answer_to(step.item.stem), SECONDS_AN_ITEM * 1000
            )
            step = assessment.submit_response(self.db, attempt, answer, **who, device="made-up", now=then)
        record_outcome(self.db, tenant_id=enrolled.tenant_id, attempt_uuid=attempt, public_url=self.settings.public_url, now=now)
