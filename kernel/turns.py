"""The turn to write to a SQLite file, in order: among the threads of a process, and among the processes of a machine.

SQLite itself has no queue. Who finds the file taken sleeps, up to a tenth of a second at a time, and tries again; under load
the process that is at it goes on, and another one may miss its ten seconds.
"""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

POLL_SECONDS = 0.0005
"""How often a process looks whether it is its turn; at most one of its threads does."""


class Turn:
    """The turn of one file.

    file          of the database; two small files beside it, `-next` and `-turn`, are locked
    wait_seconds  how long anybody waits; SQLite's own lock decides then
    """

    def __init__(self, file: str, *, wait_seconds: float) -> None:
        self._file = file
        self._wait_seconds = wait_seconds
        self._threads = threading.Lock()
        self._opened: tuple[int, int] | None = None
        self._process = 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Holds the turn for a block."""
        until = time.monotonic() + self._wait_seconds
        if not self._threads.acquire(timeout=self._wait_seconds):
            yield
            return
        try:
            with self._taken_from_others(until):
                yield
        finally:
            self._threads.release()

    @contextmanager
    def _taken_from_others(self, until: float) -> Iterator[None]:
        """Who is next keeps that place until it has the turn: a process that had it comes after those that wait."""
        try:
            following, turn = self._files()
        except OSError:  # no room for the files, or no right to make them: the database will say so
            yield
            return
        if _is_locked(following, until):
            _is_locked(turn, until)
            fcntl.flock(following, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(turn, fcntl.LOCK_UN)

    def close(self) -> None:
        """Closes the files."""
        for file in self._opened or ():
            os.close(file)
        self._opened = None

    def _files(self) -> tuple[int, int]:
        """The two files, opened by this process: a lock is shared with whoever inherited the file."""
        if self._opened is None or self._process != os.getpid():
            self._opened = _opened(f"{self._file}-next"), _opened(f"{self._file}-turn")
            self._process = os.getpid()
        return self._opened


def _opened(name: str) -> int:
    return os.open(name, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)


def _is_locked(file: int, until: float) -> bool:
    """Waits for the lock of a file. Returns whether it came in time."""
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(POLL_SECONDS)
        else:
            return True
