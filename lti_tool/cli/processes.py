"""`serve`, `worker`, `all`: the processes of an installation."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import click

from lti_tool.cli.common import start_installation
from lti_tool.settings import Settings

GRACE_SECONDS = 30


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on [default: that of KAONA_PUBLIC_URL, else 8000].")
def serve(host: str, port: int | None) -> None:
    """Run the web processes."""
    settings, database = start_installation()
    database.dispose()
    run_web(settings, host, port or _port(settings))


@click.command()
def worker() -> None:
    """Run a background worker."""
    from lti_tool import logs
    from lti_tool.workflows.background import make_worker

    settings, database = start_installation()
    logs.configure(settings.log_level)
    stop = threading.Event()

    def ask_to_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, ask_to_stop)
    make_worker(settings, database).run(stop)
    database.dispose()


@click.command("all")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on [default: that of KAONA_PUBLIC_URL, else 8000].")
def all_in_one(host: str, port: int | None) -> None:
    """Run web processes and a worker in one process tree."""
    settings, database = start_installation()
    database.dispose()
    background = subprocess.Popen([sys.executable, "-m", "lti_tool", "worker"])
    try:
        run_web(settings, host, port or _port(settings))
    finally:
        background.terminate()
        try:
            background.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            background.kill()


def run_web(settings: Settings, host: str, port: int) -> None:
    """Runs granian in this process until it is told to stop."""
    from granian import Granian
    from granian.constants import Interfaces

    metrics = settings.data_dir / "metrics" / str(os.getpid())
    _empty_folder(metrics)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(metrics)
    Granian(
        "lti_tool.wsgi:app",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=settings.web_workers,
        blocking_threads=settings.web_threads,
        backpressure=settings.web_threads * 16,
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=GRACE_SECONDS,
        log_enabled=settings.log_level == "DEBUG",
    ).serve()


def _port(settings: Settings) -> int:
    parts = urlsplit(settings.public_url)
    return parts.port or 8000 if parts.scheme == "http" else 8000


def _empty_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        file.unlink()
