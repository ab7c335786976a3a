"""The page on feeds: its clients and commands work as they stand there, in both languages the same."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import playwright
import pytest
from flask import Flask
from werkzeug.serving import make_server

import xapi.models  # noqa: F401  the fixture `database` makes the tables of every metadata that is known
from kernel.clock import BANGKOK, system_clock
from xapi import api, exports, feeds

ROOT = Path(__file__).parents[2]
PASSED = "http://adlnet.gov/expapi/verbs/passed"
ANSWERED = "http://adlnet.gov/expapi/verbs/answered"
PEPPER = b"pepper of the tests"
NODE = shutil.which("node") or str(Path(playwright.__file__).parent / "driver" / "node")
RUN = {"follow.py": [sys.executable], "follow.mjs": [NODE], "follow.sh": ["sh"], "make.sh": ["sh"], "day.sh": ["sh"], "events.sh": ["sh"]}


def programs(page: str) -> dict[str, str]:
    """The programs of a page by the names that their first lines give."""
    text = (ROOT / "docs" / page).read_text()
    return {name: code for code, name in re.findall(r"^```\w+\n((?:#|//) (\S+)\n.*?)^```$", text, re.MULTILINE | re.DOTALL)}


@pytest.fixture
def shop(database, now, tmp_path):
    """A live LRS with a credential; starts programs of the page on it, and stores statements."""
    with database.transaction() as db:
        key = api.create_key(db, tenant_id=1, name="warehouse", scopes=["statements/read"], now=now, pepper=PEPPER)
    app = Flask("shop")
    app.register_blueprint(api.create_lrs(database, clock=system_clock, key_pepper=PEPPER))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "KAONA_FEED": f"http://127.0.0.1:{server.server_port}/xapi/feeds/warehouse",
        "KAONA_KEY": key.key,
        "KAONA_SECRET": key.secret,
        "DAY": f"{system_clock().astimezone(BANGKOK):%Y-%m-%d}",
    }
    started = []

    class Shop:
        folder = tmp_path

        def start(self, name):
            (tmp_path / name).write_text(programs("feeds.md")[name])
            process = subprocess.Popen(
                [*RUN[name], name], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
            )
            started.append(process)
            return process

        def run(self, name):
            process = self.start(name)
            output = process.communicate(timeout=30)[0].decode()
            assert process.returncode == 0, output
            return output

        def store(self, verb=PASSED):
            statement = {"actor": {"mbox": "mailto:a@e.go.th"}, "verb": {"id": verb}, "object": {"id": "https://e.go.th/1"}}
            authority = {"mbox": "mailto:lrs@e.go.th"}
            with database.transaction() as db:
                [made] = api.store_statements(db, tenant_id=1, statements=[statement], authority=authority, now=system_clock())
            return made

        def is_all_done(self):
            """Whether the consumer has told that it is done with all that is there."""
            with database.reading() as db:
                feed = api.get_feed(db, tenant_id=1, name="warehouse")
                return not api.read_on(db, feed.slice, tenant_id=1, after=feed.position).rows

    yield Shop()
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # a shell leaves its curl behind
        process.communicate()
    feeds.ENDING.set()
    server.shutdown()
    thread.join()
    server.server_close()
    feeds.ENDING.clear()


def id_of(line: bytes) -> str:
    text = line.decode().strip()
    return json.loads(text)["id"] if text.startswith("{") else text


@pytest.mark.one_database
@pytest.mark.parametrize("client", ["follow.py", "follow.mjs", "follow.sh"])
def test_a_client_of_the_page_follows_a_feed_and_goes_on_where_it_stopped(shop, client):
    shop.run("make.sh")
    first = shop.store()
    shop.store(ANSWERED)

    process = shop.start(client)
    seen = [id_of(process.stdout.readline())]
    second = shop.store()
    seen.append(id_of(process.stdout.readline()))
    deadline = time.monotonic() + 20
    while not shop.is_all_done():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    third = shop.store()
    again = shop.start(client)

    assert seen == [first, second]
    assert id_of(again.stdout.readline()) == third


@pytest.mark.parametrize("client", ["follow.py", "follow.mjs", "follow.sh"])
def test_a_client_has_ten_lines_at_most(client):
    lines = [line for line in programs("feeds.md")[client].splitlines()[1:] if line.strip()]

    assert len(lines) <= 10


@pytest.mark.one_database
def test_events_and_files_of_the_page_are_as_it_says(shop):
    made = json.loads(shop.run("make.sh"))
    known = shop.store()

    stream = shop.start("events.sh")
    assert stream.stdout.readline().startswith(b"retry")
    line = next(line for line in stream.stdout if line.startswith(b"data: "))
    shop.run("day.sh")

    assert made["name"] == "warehouse"
    assert id_of(line.removeprefix(b"data: ")) == known
    [file] = shop.folder.glob("*.csv")
    assert known in file.read_text("utf-8-sig")


def test_both_languages_show_the_same_programs():
    assert set(programs("feeds.md")) == set(RUN)
    assert programs("feeds.th.md") == programs("feeds.md")


def test_the_page_names_every_column_of_an_export():
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", (ROOT / "docs/feeds.md").read_text().partition("## Files by day")[2], re.MULTILINE)

    assert rows == [(column.name, column.meaning.rstrip(".")) for column in exports.COLUMNS]
