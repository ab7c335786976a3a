"""`serve`, `worker`, `all`: the processes of an installation. None outlives the process that started it."""

import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

import click

from lti_tool.cli.common import start_installation
from lti_tool.settings import Settings, read_settings

GRACE_SECONDS = 30
PARENT_CHECK_SECONDS = 0.5
SHORTEST_LIFE_SECONDS = 10.0
"""Web processes that end sooner than this have a fault of their own."""

host_option = click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
port_option = click.option(
    "--port", type=click.IntRange(1, 65535), help="Port to listen on [default: that of KAONA_PUBLIC_URL, else 8000]."
)
parent_option = click.option("--parent", type=int, hidden=True, help="Process that started this one; when it is gone, end in order.")


@click.command()
@host_option
@port_option
def serve(host: str, port: int | None) -> None:
    """Run the web processes."""
    settings = read_settings()
    address = listening_address(host, port or _port(settings))
    start_installation()[1].dispose()
    run_web(settings, *address)


@click.command()
@parent_option
def worker(parent: int | None) -> None:
    """Run a background worker."""
    end_with(parent)
    from lti_tool import logs
    from lti_tool.workflows.background import make_worker

    settings, database = start_installation()
    logs.configure(settings.log_level)
    stop = threading.Event()

    def ask_to_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGINT, ask_to_stop)
    end_by(ask_to_stop)
    make_worker(settings, database).run(stop)
    database.dispose()


@click.command("all")
@host_option
@port_option
@parent_option
def all_in_one(host: str, port: int | None, parent: int | None) -> None:
    """Run web processes and a worker in one process tree."""
    end_by(_leave)  # until the web server has handlers of its own: the worker is ended below
    end_with(parent)
    settings = read_settings()
    address = listening_address(host, port or _port(settings))
    start_installation()[1].dispose()
    stop = threading.Event()
    keeper = threading.Thread(target=_keep_a_worker, args=(stop,), name="kaona-worker-keeper")
    keeper.start()
    try:
        run_web(settings, *address)
    finally:
        stop.set()
        keeper.join()


def _keep_a_worker(stop: threading.Event) -> None:
    """Runs a worker, and another one when it dies, until `stop`; then ends it in order."""
    while not stop.is_set():
        background = subprocess.Popen([sys.executable, "-m", "lti_tool", "worker", "--parent", str(os.getpid())])  # noqa: S603  our own command
        while background.poll() is None and not stop.wait(PARENT_CHECK_SECONDS):
            pass
        if stop.is_set():
            background.terminate()
            try:
                background.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                background.kill()


def run_web(settings: Settings, host: str, port: int) -> None:
    """Runs granian in this process until it is told to stop, by a closed terminal too.

    host   a numeric address, from `listening_address`
    """
    metrics = settings.data_dir / "metrics" / str(os.getpid())
    _empty_folder(metrics)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(metrics)
    hangup = signal.getsignal(signal.SIGHUP)
    while True:
        begun = time.monotonic()
        server = _web_server(settings, host, port)
        keeps_running = hangup is signal.SIG_IGN  # started by nohup
        ends = hangup if keeps_running else server.signal_handler_interrupt
        server.on_startup(partial(signal.signal, signal.SIGHUP, ends))
        with suppress(SystemExit):
            server.serve(target_loader=load_app)
        if server.interrupt_signal:
            return
        # granian gives up when a process of its dies twice within seconds: killed from outside that is no reason to stop
        if time.monotonic() - begun < SHORTEST_LIFE_SECONDS:
            raise click.ClickException("the web processes end as soon as they start; see the log above")
        click.echo("kaona: web processes died repeatedly; starting them again", err=True)


def _web_server(settings: Settings, host: str, port: int) -> Any:
    from granian import Granian
    from granian.constants import Interfaces

    return Granian(
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
    )


def load_app(target: str) -> Any:
    """The application `module:name`, in a web process that ends with the server that started it."""
    end_with(os.getppid())
    _end_waits_when_asked_to_end()
    module, name = target.split(":")
    app = getattr(import_module(module), name)
    collect_rarely()
    return app


def collect_rarely() -> None:
    """Keeps the search for garbage away from what was made at the start, and from every few requests: a batch of statements makes
    thousands of objects that go as they came, and looking through all others each time cost a seventh of its processor time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _end_waits_when_asked_to_end() -> None:
    """Lets go who waits for statements as soon as the signal to end is there; the server's own handler for it comes later, and waits."""
    from xapi.api import end_waits

    told, tells = socket.socketpair()
    tells.setblocking(False)
    signal.set_wakeup_fd(tells.fileno(), warn_on_full_buffer=False)

    def listen() -> None:
        while told.recv(1)[0] not in (signal.SIGTERM, signal.SIGINT):
            pass
        end_waits()
        tells.close()

    threading.Thread(target=listen, daemon=True, name="kaona-waits").start()


def end_by(handler: Callable[[int, FrameType | None], None]) -> None:
    """Handles the request to end and the closed terminal; one that was started by `nohup` outlives its terminal."""
    signal.signal(signal.SIGTERM, handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, handler)


def end_with(parent: int | None) -> None:
    """Ends this process in order once `parent` has gone, however that ended: even by a signal that cannot be handled."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_CHECK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    if parent is not None:
        threading.Thread(target=watch, daemon=True, name="kaona-parent").start()


def listening_address(host: str, port: int) -> tuple[str, int]:
    """The numeric address of a host name, on which this machine can listen now. Raises AddressUnusable."""
    from lti_tool.cli.faults import AddressUnusable

    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise AddressUnusable(host=host, port=port, reason=error.strerror or str(error)) from None
    return str(address[0]), port


def _leave(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _port(settings: Settings) -> int:
    parts = urlsplit(settings.public_url)
    return parts.port or 8000 if parts.scheme == "http" else 8000


def _empty_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        file.unlink()
