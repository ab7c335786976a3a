"""ADL's conformance suite for learning record stores against ours: both versions, each at its own address.

The suite is ADL's and is not part of this project: fetch https://github.com/adlnet/lrs-conformance-test-suite, run `npm install` in it
(Node 20), then `python -m bench.conformance FOLDER [--database sqlite|postgresql] [--version 2.0.0|1.0.3] [--grep REGEX]`.
It starts the LRS alone under granian with one worker on a new database, and prints each failure; the exit code is 1 when there is one.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flask import Flask

import xapi.api as xapi
from bench import common
from kernel.clock import system_clock
from kernel.db import Database

ADDRESSES = {"2.0.0": "/xapi", "1.0.3": "/xapi/1.0.3"}
PEPPER = b"32 bytes of a benchmark's pepper"


def lone_lrs() -> Flask:
    """The LRS without the tool, on the database that the environment names."""
    app = Flask("lrs")
    app.register_blueprint(xapi.create_lrs(Database(os.environ["LRS_DATABASE_URL"]), key_pepper=PEPPER))
    return app


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", type=Path, help="the folder of the suite, with its packages installed")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--version", choices=list(ADDRESSES), action="append", help="both by default")
    parser.add_argument("--grep", help="only the cases whose title matches")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kaona-adl-") as folder, common.database_server(asked.database, Path(folder)) as pattern:
        results = [
            _run(asked.suite, version, common.new_database(pattern, f"lrs-{version}"), asked.grep) for version in asked.version or ADDRESSES
        ]
    sys.exit(0 if all(results) else 1)


def _run(suite: Path, version: str, url: str, grep: str | None) -> bool:
    """Runs the suite for one version; prints its failures and its counts. Whether all cases passed."""
    key = _new_key(url)
    port = common.free_port()
    options = ["--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--log-level", "error", "--factory"]
    command = [sys.executable, "-m", "granian", *options, "bench.conformance:lone_lrs"]
    before = set(suite.glob("logs/*.log"))
    with common.serving(command, port, {"LRS_DATABASE_URL": url}, "/xapi/about"):
        ask = ["-x", version, "-e", f"http://127.0.0.1:{port}{ADDRESSES[version]}", "-a", "-u", key.key, "-p", key.secret]
        runner = ["node", "bin/console_runner.js", *ask, *(["-g", grep] if grep else [])]
        ran = subprocess.run(runner, cwd=suite, check=False, capture_output=True, text=True)
    found = set(suite.glob("logs/*.log")) - before
    if len(found) != 1:
        raise SystemExit(f"the suite wrote no result:\n{ran.stdout[-2000:]}{ran.stderr[-2000:]}")
    told = json.loads(found.pop().read_text())  # its exit code is the number of failures modulo 256: not to be trusted
    for title, error in _failures(told["log"]):
        print(f"FAILED {title}\n       {error}")
    counts = told["summary"]
    print(f"xAPI {version} on {url.partition(':')[0].partition('+')[0]}: {counts['passed']} of {counts['total']} passed")
    return bool(counts["passed"] == counts["total"])


def _new_key(url: str) -> xapi.NewKey:
    """A credential that may do everything; the suite's command line takes no value that begins with a hyphen."""
    database = Database(url)
    xapi.migrate(database)
    while True:
        with database.transaction() as db:
            key = xapi.create_key(db, tenant_id=1, name="ADL", scopes=["all"], now=system_clock(), pepper=PEPPER)
        if not key.key.startswith("-") and not key.secret.startswith("-"):
            database.dispose()
            return key


def _failures(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Title and error of each case that failed."""
    title = f"{path} > {node.get('title', '')}".strip(" >")
    children = node.get("tests") or []
    if node.get("status") == "failed" and not children:
        yield title, str(node.get("error")).splitlines()[0]
    for child in children:
        yield from _failures(child, title)


if __name__ == "__main__":
    main()
