"""A demonstration installation: its folder, addresses and credentials, prepared once and kept."""

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click

import assessment.api as assessment
from kernel.clock import system_clock
from kernel.db import Database
from kernel.strictjson import dumps, loads
from lti_tool import migrate
from lti_tool.dev import seed
from lti_tool.dev.lms import gradebook
from lti_tool.dev.lms.app import RunningServer, create_lms, serve
from lti_tool.dev.lms.config import LmsConfig
from lti_tool.dev.lms.lms import Lms
from lti_tool.dev.world import World, lms_config, read_world
from lti_tool.settings import Settings
from lti_tool.workflows import content

RECORD = "installation.json"


@dataclass(frozen=True, slots=True)
class Record:
    """What a prepared folder remembers of itself."""

    port: int
    lms_port: int
    lrs_key: str
    lrs_secret: str
    people: int | None = None
    """How many of the made-up people there are; None is all."""
    lms_host: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Installation:
    """One prepared demonstration."""

    folder: Path
    port: int
    lms_port: int
    form: assessment.FormView
    lrs_key: str
    lrs_secret: str
    """Made up for the demonstration and printed by it; a real secret is never stored."""
    world: World
    lms_host: str = "127.0.0.1"
    """Name of the LMS: `localhost` makes it another site than the tool, to a browser."""

    @property
    def tool_url(self) -> str:
        """Address of the tool."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def lms_url(self) -> str:
        """Address of the demo LMS."""
        return f"http://{self.lms_host}:{self.lms_port}"

    def environment(self) -> dict[str, str]:
        """The settings of the tool's processes."""
        return {"KAONA_DATA_DIR": str(self.folder), "KAONA_PUBLIC_URL": self.tool_url, "KAONA_WEB_WORKERS": "2"}

    def serve_lms(self) -> RunningServer:
        """Starts the demo LMS in a thread of this process."""
        config = _config(self.world, lms_url=self.lms_url, tool_url=self.tool_url, form=self.form, folder=self.folder)
        return serve(create_lms(config), port=self.lms_port)


def prepare(
    folder: Path, *, port: int, lms_port: int, say: Callable[[str], None], people: int | None = None, lms_host: str = "127.0.0.1"
) -> Installation:
    """Makes the folder's database with the made-up people, or finds it made.

    say        told of progress, one line at a time
    people     how many of them, of all kinds; None makes all; a folder that is made keeps those it has
    lms_host   name of the LMS, of this machine
    """
    folder.mkdir(parents=True, exist_ok=True)
    record_path = folder / RECORD
    if record_path.exists():
        people = Record(**loads(record_path.read_bytes())).people
    world = _fewer(read_world(), people)
    settings = Settings(data_dir=folder, public_url=f"http://127.0.0.1:{port}")
    database = Database(settings.resolved_database_url)
    try:
        if record_path.exists():
            record = Record(**loads(record_path.read_bytes()))
            if (record.port, record.lms_port, record.lms_host) != (port, lms_port, lms_host):
                apart = " --apart" if record.lms_host == "localhost" else ""
                raise click.ClickException(
                    f"the demonstration in {folder} was made for ports {record.port} and {record.lms_port}: "
                    f"start it with --port {record.port} --lms-port {record.lms_port}{apart}, or begin again with --fresh"
                )
        else:
            for leftover in folder.iterdir():  # a preparation that was broken off
                leftover.unlink() if leftover.is_file() else shutil.rmtree(leftover)
            say("loading frameworks, items, the form and the catalogue ...")
            form = _load_content(database)
            lms_url = f"http://{lms_host}:{lms_port}"
            config = _config(world, lms_url=lms_url, tool_url=settings.public_url, form=form, folder=folder)
            made = seed.fill(database, world, form_uuid=form.uuid, columns=_columns(config), settings=settings, lms_url=lms_url, say=say)
            record = Record(port, lms_port, made.lrs_key, made.lrs_secret, people, lms_host)
            record_path.touch(mode=0o600)
            record_path.write_bytes(dumps(asdict(record)))
        form = _load_content(database)
    finally:
        database.dispose()
    return Installation(folder, port, lms_port, form, record.lrs_key, record.lrs_secret, world, lms_host)


def _fewer(world: World, people: int | None) -> World:
    """The world with so many of its officials, taken evenly over all of them."""
    if people is None or people >= len(world.officials):
        return world
    step = len(world.officials) / people
    return replace(world, officials=tuple(world.officials[int(number * step)] for number in range(people)))


def _load_content(database: Database) -> assessment.FormView:
    migrate.upgrade(database)
    with database.transaction() as db:
        return content.load_defaults(db, now=system_clock()).form


def _config(world: World, *, lms_url: str, tool_url: str, form: assessment.FormView, folder: Path) -> LmsConfig:
    return lms_config(
        world, lms_url=lms_url, tool_url=tool_url, form_uuid=form.uuid, form_title=form.title, state_path=folder / "lms.sqlite"
    )


def _columns(config: LmsConfig) -> dict[str, str]:
    """Resource link id to line item URL, as the LMS itself names them."""
    lms = Lms.open(config)
    try:
        with lms.store.transaction() as db:
            return {
                item.resource_link_id: f"{config.base_url}/mod/lti/services.php/{course.id}/lineitems/{item.id}/lineitem"
                f"?type_id={item.deployment_id}"
                for course in config.courses
                for item in gradebook.list_line_items(db, course.id)
                if item.resource_link_id
            }
    finally:
        lms.store.close()
