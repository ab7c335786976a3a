"""The commands in "Who may" of the record store's page, run as they stand there."""

import json
import re
import shlex
import subprocess
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner
from werkzeug.serving import make_server

from lti_tool.app import create_app
from lti_tool.cli import cli
from lti_tool.settings import read_settings

PAGE = (Path(__file__).parents[2] / "docs/record-store.md").read_text()
SECTION = PAGE[PAGE.index("## Who may") : PAGE.index("## Read everything")]
BLOCKS = re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL)
PROVIDERS = re.findall(r"```json\n(.*?)```", SECTION, re.DOTALL)
V2 = {"X-Experience-API-Version": "2.0.0"}
ASSESSMENT = "https://kaona.example.go.th/xapi-profile/activities/assessment/1"


@pytest.fixture
def installation(database_maker, tmp_path, monkeypatch):
    """An installation with one agency, served on a port."""
    environment = {
        "KAONA_DATA_DIR": str(tmp_path),
        "KAONA_DATABASE_URL": database_maker.new(),
        "KAONA_LRS_IDENTITY_PROVIDERS": PROVIDERS[0],
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("lti_tool.migrate.ensure_current", lambda _database: None)
    CliRunner().invoke(cli, ["tenant", "add", "dmd", "--name-th", "ก", "--name-en", "A"], catch_exceptions=False)
    server = make_server("127.0.0.1", 0, create_app(read_settings()), threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def made_by(block):
    """Runs `./kaona ...` in this process; gives what it printed."""
    program, *arguments = shlex.split(block.replace("\\\n", " "))
    assert program == "./kaona"
    return json.loads(CliRunner().invoke(cli, arguments, catch_exceptions=False).output)


@pytest.mark.one_database
def test_the_commands_of_the_page_do_what_it_says(installation):
    create, read, token, slice_to_share = BLOCKS
    reader, university = made_by(create), made_by(slice_to_share)
    actor = {"mbox": "mailto:somchai@agency.example.go.th", "name": "สมชาย"}
    statements = [
        {"actor": actor, "verb": {"id": f"http://adlnet.gov/expapi/verbs/{verb}"}, "object": {"id": ASSESSMENT}}
        for verb in ("answered", "passed")
    ]
    http = installation.app.test_client()
    assert http.post("/xapi/statements", json=statements, headers=V2, auth=(reader["key"], reader["secret"])).status_code == 200

    def shown(block, key):
        words = {
            "KEY": key["key"],
            "SECRET": key["secret"],
            "SERVER": f"http://127.0.0.1:{installation.server_port}",
            "PATH": "/usr/bin:/bin",
        }
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", block], env=words, capture_output=True, check=True)
        return [
            (statement["verb"]["id"].rpartition("/")[2], json.dumps(statement["actor"]))
            for statement in json.loads(done.stdout)["statements"]
        ]

    whole = [(verb, json.dumps(actor)) for verb in ("passed", "answered")]
    assert shown(read, reader) == shown(token, reader) == whole
    for block in (read, token):
        [(verb, veiled)] = shown(block, university)
        assert verb == "passed"
        assert "somchai" not in veiled
        assert "https://w3id.org/kaona/xapi/pseudonyms" in veiled
