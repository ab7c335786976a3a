"""The process tree of an installation, met by real signals."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STARTED_BY_ANOTHER = (
    "import os, subprocess, sys;"
    "subprocess.Popen([sys.executable, '-m', 'lti_tool', 'all', '--parent', str(os.getpid()), *sys.argv[1:]]).wait()"
)


@pytest.fixture
def installation(tmp_path):
    """Starts a command on a folder of its own and knows every process that works on that folder."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    names = {name: value for name, value in os.environ.items() if not name.startswith("KAONA_")}
    environment = names | {"KAONA_DATA_DIR": str(tmp_path / "data"), "KAONA_WEB_WORKERS": "1", "PYTHONPATH": str(ROOT)}
    mark = f"KAONA_DATA_DIR={tmp_path / 'data'}".encode()

    class Started:
        def start(self, *command):
            command = [sys.executable, *command, "--port", str(port)]
            self.process = subprocess.Popen(
                command,
                env=environment,
                cwd=tmp_path,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # noqa: PLW1509  the suite may run under nohup
            )
            return self.process

        def processes(self):
            found = {}
            for folder in Path("/proc").glob("[0-9]*"):
                try:
                    if mark in (folder / "environ").read_bytes().split(b"\0"):
                        found[int(folder.name)] = (folder / "cmdline").read_text()
                except OSError:
                    continue
            return {number: command for number, command in found.items() if command}  # a dead one has no command any more

        def worker_is_there(self):
            return any("\0worker\0" in command for command in self.processes().values())

        def answers(self):
            try:
                return urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2).status == 200
            except OSError:
                return False

    started = Started()
    yield started
    for number in started.processes():
        os.kill(number, signal.SIGKILL)
    started.process.wait()


def _happens(condition, seconds, pause=0.1):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(pause)
    return False


def test_an_end_asked_for_while_it_starts_leaves_no_worker(installation):
    process = installation.start("-m", "lti_tool", "all")
    assert _happens(installation.worker_is_there, 60, pause=0.005)

    process.terminate()

    process.wait(30)
    assert _happens(lambda: not installation.processes(), 60)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_tool_that_ends_however_it_ends_leaves_no_process(installation, number):
    process = installation.start("-m", "lti_tool", "all")
    assert _happens(lambda: installation.answers() and installation.worker_is_there(), 60)

    process.send_signal(number)

    assert _happens(lambda: process.poll() is not None, 120)
    assert _happens(lambda: not installation.processes(), 60)


def test_a_tool_whose_starter_was_killed_ends_with_it(installation):
    process = installation.start("-c", STARTED_BY_ANOTHER)
    assert _happens(installation.answers, 60)

    process.kill()

    process.wait()
    assert _happens(lambda: not installation.processes(), 60)
