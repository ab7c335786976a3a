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
STREAK_SECONDS = 0.02
"""So long a process goes on with the next of its own threads before it leaves the turn to another process."""


class Turn:
    """The turn of one file.

    file          of the database; two small files beside it, `-next` and `-turn`, are locked
    wait_seconds  how long anybody waits; SQLite's own lock decides then
    """

    def __init__(self, file: str, *, wait_seconds: float) -> None:
        self._file = file
        self._wait_seconds = wait_seconds
        self._threads = threading.Lock()
        self._counting = threading.Lock()
        self._n_waiting = 0
        self._opened: tuple[int, int] | None = None
        self._process = 0
        self._held_since: float | None = None
        """When this process got the turn, as long as it has it."""

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Holds the turn for a block."""
        until = time.monotonic() + self._wait_seconds
        self._count(1)
        is_mine = self._threads.acquire(timeout=self._wait_seconds)
        self._count(-1)
        try:
            if is_mine:
                self._take_from_others(until)
            yield
        finally:
            if is_mine:
                if not self._n_waiting or time.monotonic() - (self._held_since or 0) > STREAK_SECONDS:
                    self._leave_to_others()
                self._threads.release()
            if not self._n_waiting and self._threads.acquire(blocking=False):  # whoever it was kept for has given up
                self._leave_to_others()
                self._threads.release()

    def _count(self, change: int) -> None:
        with self._counting:
            self._n_waiting += change

    def _take_from_others(self, until: float) -> None:
        """Who is next keeps that place until it has the turn: a process that had it comes after those that wait."""
        if self._held_since is not None and self._process == os.getpid():
            return
        try:
            following, turn = self._files()
        except OSError:  # no room for the files, or no right to make them: the database will say so
            return
        if _is_locked(following, until):
            self._held_since = time.monotonic() if _is_locked(turn, until) else None
            fcntl.flock(following, fcntl.LOCK_UN)

    def _leave_to_others(self) -> None:
        if self._held_since is not None and self._opened is not None:
            self._held_since = None
            fcntl.flock(self._opened[1], fcntl.LOCK_UN)

    def close(self) -> None:
        """Closes the files."""
        for file in self._opened or ():
            os.close(file)
        self._opened, self._held_since = None, None

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
