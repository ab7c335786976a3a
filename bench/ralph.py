"""Ralph, an LRS that somebody else wrote, from its package and in an environment of its own: the other LRS of tests and benchmarks.

It is run as published. Its only store that comes without a server of its own is a file, which by default may be made but not grown; the
plug-in below, by Ralph's own entry point for stores, sets that class attribute of Ralph's to the value that grows it, and nothing else.
"""

import fcntl
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements/ralph.txt"
USER, PASSWORD = "kaona", "secret"
PATH = "/xAPI"
READY_SECONDS = 60
PLUGIN = """
from ralph.backends.data.base import BaseOperationType
from ralph.backends.lrs.fs import FSLRSBackend

class GrowingFile(FSLRSBackend):
    default_operation_type = BaseOperationType.APPEND
"""


def ensure_python() -> Path:
    """The interpreter of an environment that holds the pinned packages; made once for each state of the lock file."""
    folder = ROOT / "var/ralph"
    folder.mkdir(parents=True, exist_ok=True)
    python, stamp = folder / "venv/bin/python", folder / "installed"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != LOCK.read_text():
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder / "venv"], check=True)
            pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps", "-r", LOCK]
            subprocess.run(pip, check=True)
            stamp.write_text(LOCK.read_text())
    return python


@contextmanager
def running(python: Path, folder: Path) -> Iterator[int]:
    """A Ralph that keeps its statements in an empty folder; gives its port. Its user is `USER`, its resources stand below `PATH`."""
    (folder / "growing_file.py").write_text(PLUGIN)
    (folder / "growing_file-1.dist-info").mkdir()
    (folder / "growing_file-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: growing-file\nVersion: 1\n")
    (folder / "growing_file-1.dist-info/entry_points.txt").write_text("[ralph.backends.lrs]\ngrowing = growing_file:GrowingFile\n")
    made = f"import bcrypt; print(bcrypt.hashpw(b'{PASSWORD}', bcrypt.gensalt(4)).decode())"
    digest = subprocess.check_output([python, "-c", made]).decode().strip()
    user = {"username": USER, "hash": digest, "scopes": ["all"], "agent": {"mbox": "mailto:kaona@example.org"}}
    (folder / "auth.json").write_text(json.dumps([user]))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder),
        "RALPH_APP_DIR": str(folder),
        "RALPH_AUTH_FILE": str(folder / "auth.json"),
        "RALPH_RUNSERVER_BACKEND": "growing",
        "RALPH_RUNSERVER_MAX_SEARCH_HITS_COUNT": "1000",
        "RALPH_BACKENDS__LRS__FS__DEFAULT_DIRECTORY_PATH": str(folder),
    }
    server = subprocess.Popen(
        [python, "-m", "uvicorn", "ralph.api:app", "--port", str(port), "--log-level", "error"], env=environment, cwd=folder
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/__heartbeat__", server)
        yield port
    finally:
        server.terminate()
        server.wait(20)


def _wait_for(address: str, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError(f"Ralph ended at its start with code {server.returncode}")
        with suppress(OSError), urllib.request.urlopen(address, timeout=5):
            return
        time.sleep(0.2)
    raise RuntimeError(f"Ralph did not answer within {READY_SECONDS} s")
