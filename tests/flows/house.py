"""A whole running installation for the walks: the tool, two LMSs of two agencies, a worker, and about a dozen people with a past.

The first LMS is another site to a browser than the tool (`localhost` and `127.0.0.1`), as an agency's LMS is; the second
is of the same site, as in `kaona demo`, small, and everything in it that people name holds markup.
"""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import assessment.api as assessment
import roadmap.api as roadmap
from kernel.clock import system_clock
from kernel.db import Database
from kernel.langmap import LangMap
from lti_tool import migrate
from lti_tool.app import create_app
from lti_tool.dev import seed
from lti_tool.dev.lms import RunningServer, create_lms, gradebook, listen, serve
from lti_tool.dev.lms.client import Browser
from lti_tool.dev.lms.lms import Lms
from lti_tool.dev.world import STAFF, Official, World, lms_config, read_world
from lti_tool.jobs.worker import Worker
from lti_tool.lti.tenants import get_tenant
from lti_tool.lti.tool_keys import ensure_tool_key
from lti_tool.settings import Settings
from lti_tool.workflows import content
from lti_tool.workflows.background import make_worker
from tests.lms_harness import signing_keys

TEACHER, ADMINISTRATOR, EXECUTIVE = (person.id for person in STAFF)
ASSESSMENT, ROADMAP, PATH, OVERVIEW, ADMINISTRATION = "11", "12", "13", "14", "15"
"""Activities of each LMS's one course."""

N_NEWCOMERS = 60
MARKUP: LangMap = {lang: f'<img src=x onerror="hacked=1"> {lang} & "คำ" <b>x</b>' for lang in ("th", "en")}
SEEDED = {"dmd": {"dmd-platform": 6, "dmd-audit": 2}, "pro": {"pro-legal": 3}}
"""People who were there before: agency, unit, how many."""


class Clock:
    """The tool's clock: the machine's, which a test may put ahead for a while."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return system_clock() + self.ahead

    @contextmanager
    def put_ahead(self, **by: float) -> Iterator[None]:
        """So much later within the block."""
        self.ahead = timedelta(**by)
        try:
            yield
        finally:
            self.ahead = timedelta()


@dataclass
class Platform:
    """One LMS that serves, and its agency."""

    url: str
    agency: str
    lms: Lms
    server: RunningServer
    newcomers: Iterator[Official]
    """People of the LMS who have never opened the tool."""

    def browser(self, person_id: str) -> Browser:
        """A browser of somebody who is signed in at the LMS."""
        browser = Browser(self.url)
        browser.sign_in(person_id)
        return browser

    def grade_of(self, person_id: str) -> float | None:
        """What the gradebook shows for a person in the column of the assessment."""
        with self.lms.store.transaction() as db:
            column = next(item for item in gradebook.list_line_items(db, "1") if item.resource_link_id == ASSESSMENT)
            grade = gradebook.find_grade(db, column.id, person_id)
        return None if grade is None else grade.score

    def received_of(self, person_id: str) -> list[gradebook.ReceivedScore]:
        """Every score that came for a person."""
        with self.lms.store.transaction() as db:
            return [score for score in gradebook.list_received(db) if score.person_id == person_id]


@dataclass
class House:
    """The tool with everything around it."""

    folder: Path
    database: Database
    settings: Settings
    form: assessment.FormView
    clock: Clock
    platforms: tuple[Platform, ...]
    lrs: tuple[seed.Filled, ...]
    """A credential that reads, of each platform's agency."""
    worker: Worker
    server: RunningServer | None = None

    @property
    def url(self) -> str:
        """Address of the tool."""
        return self.settings.public_url

    @property
    def far(self) -> Platform:
        """The LMS on another site than the tool."""
        return self.platforms[0]

    @property
    def near(self) -> Platform:
        """The LMS on the tool's own site, full of markup."""
        return self.platforms[1]

    def work(self) -> None:
        """Lets the worker do all that is due."""
        while self.worker.run_once():
            pass

    def environment(self) -> dict[str, str]:
        """The settings of the same installation for a process of its own."""
        return {
            "KAONA_DATA_DIR": str(self.folder),
            "KAONA_PUBLIC_URL": self.url,
            "KAONA_DATABASE_URL": self.settings.resolved_database_url,
        }


@contextmanager
def running_house(database_url: str, folder: Path, *, serves: bool = True, n_newcomers: int = N_NEWCOMERS) -> Iterator[House]:
    """Everything up and answering on loopback; it ends with the block.

    database_url   of an empty database
    n_newcomers    people of each LMS who have never opened the tool
    serves         False leaves the tool's port free, for a test that starts processes of its own there
    """
    listeners = [listen() for _ in range(3)]
    ports = [listener.getsockname()[1] for listener in listeners]
    settings = Settings(data_dir=folder, public_url=f"http://127.0.0.1:{ports[0]}", database_url=database_url)
    database = Database(settings.resolved_database_url, pool_size=5)
    migrate.upgrade(database)
    with database.transaction() as db:
        form = content.load_defaults(db, now=system_clock()).form
        ensure_tool_key(db, secret=settings.secret_key, now=system_clock())
    platforms, filled = [], []
    for agency, host, listener, port in zip(SEEDED, ("localhost", "127.0.0.1"), listeners[1:], ports[1:], strict=True):
        url = f"http://{host}:{port}"
        world = _people(agency)
        config = _lms_of(world, url, settings.public_url, form, _newcomers(world, n_newcomers))
        app = create_lms(config)
        lms = app.extensions["lms"]
        filled.append(
            seed.fill(database, world, form_uuid=form.uuid, columns=_columns(lms), settings=settings, lms_url=url, say=lambda _: None)
        )
        newcomers = iter(_newcomers(world, n_newcomers))
        platforms.append(Platform(url=url, agency=agency, lms=lms, server=serve(app, listener=listener), newcomers=newcomers))
    _ask_of_everybody(database, platforms[0].agency)
    clock = Clock()
    house = House(folder, database, settings, form, clock, tuple(platforms), tuple(filled), make_worker(settings, database, clock))
    if serves:
        house.server = serve(create_app(settings, clock=clock, database=database), listener=listeners[0])
    else:
        listeners[0].close()
    try:
        yield house
    finally:
        for server in filter(None, [house.server, *(platform.server for platform in platforms)]):
            server.close()
        for platform in platforms:
            platform.lms.store.close()
        database.dispose()


def _ask_of_everybody(database: Database, agency_key: str) -> None:
    """Targets for people whose role nobody has told the agency's roadmap: all who come by a launch alone."""
    with database.transaction() as db:
        tenant_id = get_tenant(db, agency_key).id
        for code in ("DLIT", "DGOV", "DLEAD"):
            node_key = f"{seed.FRAMEWORK}#{code}"
            roadmap.set_target(
                db, tenant_id=tenant_id, node_key=node_key, min_level=3, role=None, due=None, set_by="agency", now=system_clock()
            )


def _people(agency_key: str) -> World:
    """One agency with its few seeded people: all finished but one of each agency, who is still at it."""
    world = read_world()
    agency = replace(world.agency(agency_key), deployment_id="1", course_id="1")
    chosen: list[Official] = []
    for unit, n in SEEDED[agency_key].items():
        chosen += [one for one in world.officials if one.unit == unit and one.history == "finished"][:n]
    if agency_key == "dmd":
        chosen[1] = replace(chosen[1], history="in_progress")
    else:
        agency = replace(agency, name=MARKUP)
        chosen = [replace(one, name=MARKUP, unit_name=MARKUP) for one in chosen]
    return World((agency,), tuple(chosen))


def _newcomers(world: World, n: int) -> list[Official]:
    """People whom only the LMS knows as yet."""
    example = world.officials[0]
    numbers = itertools.count(1)
    return [
        replace(
            example,
            id=f"newcomer-{number}",
            name=example.name if example.name == MARKUP else {"th": f"ผู้มาใหม่ คนที่ {number}", "en": f"Newcomer {number}"},
            history="not_started",
            abilities={"DLIT": 0.1, "DGOV": -0.6, "DLEAD": -1.2},
        )
        for number in itertools.islice(numbers, n)
    ]


def _lms_of(world: World, url: str, tool_url: str, form: assessment.FormView, newcomers: list[Official]) -> Any:
    everybody = replace(world, officials=(*world.officials, *newcomers))
    config = lms_config(everybody, lms_url=url, tool_url=tool_url, form_uuid=form.uuid, form_title=form.title, state_path=None)
    courses = config.courses
    if world.agencies[0].name == MARKUP:
        (course,) = courses
        activities = tuple(replace(one, title=MARKUP, description=MARKUP) for one in course.activities)
        courses = (replace(course, title=MARKUP, activities=activities),)
    return replace(config, signing_keys=signing_keys(), control=True, courses=courses)


def _columns(lms: Lms) -> dict[str, str]:
    """Resource link id to line item URL, as the LMS itself names them."""
    with lms.store.transaction() as db:
        return {
            item.resource_link_id: f"{lms.config.base_url}/mod/lti/services.php/1/lineitems/{item.id}/lineitem?type_id={item.deployment_id}"
            for item in gradebook.list_line_items(db, "1")
            if item.resource_link_id
        }
