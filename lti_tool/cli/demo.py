"""`kaona demo`: the tool and a demo LMS with made-up people on this machine; with `--once` the whole story without a person."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import requests

from lti_tool.cli.processes import end_by
from lti_tool.dev.installation import Installation, prepare

READY_SECONDS = 120
FEWEST_PEOPLE = 20
"""With fewer, some page of the demonstration would be empty."""

LOG = "kaona.log"


@click.command()
@click.option(
    "--once", is_flag=True, help="Walk the story without a person, print each step with its figure, fail at the first that fails."
)
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True, help="Port of the tool.")
@click.option("--lms-port", type=click.IntRange(1, 65535), default=8001, show_default=True, help="Port of the demo LMS.")
@click.option("--fresh", is_flag=True, help="Forget what earlier demonstrations stored in var/demo and begin again.")
@click.option("--apart", is_flag=True, help="Serve the demo LMS under another name, so that browsers take the tool for a third party.")
@click.option("--people", type=click.IntRange(FEWEST_PEOPLE), help="Make fewer people, for a quicker first start.  [default: all 200]")
def demo(*, once: bool, port: int, lms_port: int, fresh: bool, apart: bool, people: int | None) -> None:
    """Run the tool and a demo LMS with made-up people on this machine."""
    if port == lms_port:
        raise click.UsageError("the tool and the demo LMS need a port each: --port and --lms-port are equal")
    end_by(_interrupt)  # as Ctrl-C does: the servers are stopped in order
    if once:
        _walk_once(people, _lms_host(is_apart=apart))
        return
    folder = Path(os.environ.get("KAONA_DATA_DIR") or "var") / "demo"
    for number, option in ((port, "--port"), (lms_port, "--lms-port")):
        if not _is_free(number):
            raise click.ClickException(f"port {number} is in use; end what runs there or choose another by {option} (then also --fresh)")
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    installation = prepare(folder, port=port, lms_port=lms_port, say=_say, people=people, lms_host=_lms_host(is_apart=apart))
    with _running(installation):
        _print_addresses(installation)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            click.echo("\nstopped", err=True)


def _walk_once(people: int | None, lms_host: str) -> None:
    from lti_tool.dev.story import Story, StoryFailed

    with tempfile.TemporaryDirectory(prefix="kaona-demo-") as name:
        port, lms_port = _free_port(), _free_port()
        started = time.perf_counter()
        installation = prepare(Path(name), port=port, lms_port=lms_port, say=_say, people=people, lms_host=lms_host)
        _say(f"set-up took {time.perf_counter() - started:.1f} s")
        with _running(installation):
            started = time.perf_counter()
            try:
                n_steps = Story(installation, say=click.echo).walk()
            except StoryFailed as failure:
                raise click.ClickException(f"FAILED at step {failure.step}: {failure}") from failure
            click.echo(f"{n_steps} steps walked over HTTP in {time.perf_counter() - started:.1f} s")


@contextmanager
def _running(installation: Installation) -> Iterator[None]:
    """The tool's processes and the demo LMS, up and answering; ended with the block."""
    lms = installation.serve_lms()
    with (installation.folder / LOG).open("ab") as log:
        tool = subprocess.Popen(  # noqa: S603  our own command
            [sys.executable, "-m", "lti_tool", "all", "--port", str(installation.port), "--parent", str(os.getpid())],
            env={**os.environ, "KAONA_DATABASE_URL": "", **installation.environment()},  # never the operator's own database
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C reaches this process alone, which then ends the others in order
        )
    try:
        _wait_until_ready(installation, tool)
        yield
    finally:
        tool.terminate()
        try:
            tool.wait(40)
        except subprocess.TimeoutExpired:
            tool.kill()
        lms.close()


def _wait_until_ready(installation: Installation, process: "subprocess.Popen[Any]") -> None:
    deadline = time.monotonic() + READY_SECONDS
    with requests.Session() as session:
        session.trust_env = False
        while time.monotonic() < deadline:
            if process.poll() is not None:
                tail = (installation.folder / LOG).read_text(errors="replace")[-2000:]
                raise click.ClickException(f"the tool ended at its start with code {process.returncode}:\n{tail}")
            try:
                if session.get(f"{installation.tool_url}/readyz", timeout=2).ok:
                    return
            except requests.ConnectionError:
                pass
            time.sleep(0.1)
    raise click.ClickException(f"the tool was not ready within {READY_SECONDS} s")


def _print_addresses(installation: Installation) -> None:
    click.echo(
        f"""
  Open the demo LMS:   {installation.lms_url}
  Sign in there as a learner, the teacher, the administrator or the executive; open the course and its activities.

  The tool itself:     {installation.tool_url}   (opened by the LMS)
  LRS for consumers:   {installation.tool_url}/xapi/statements
    key     {installation.lrs_key}
    secret  {installation.lrs_secret}

  Ctrl-C ends it. What was done stays in {installation.folder} (begin again with --fresh); the log is {installation.folder / LOG}."""
    )


def _lms_host(*, is_apart: bool) -> str:
    """Name of the demo LMS on this machine: the tool's own, or one that makes it another site to a browser."""
    return "localhost" if is_apart else "127.0.0.1"


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _say(text: str) -> None:
    click.echo(f"kaona: {text}", err=True)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
