"""What a demo LMS remembers: one SQLite file (or memory), one connection, one writer at a time."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS change (
    kind TEXT NOT NULL, id TEXT NOT NULL, document TEXT, PRIMARY KEY (kind, id)
);
CREATE TABLE IF NOT EXISTS roster_change (
    id INTEGER PRIMARY KEY AUTOINCREMENT, course_id TEXT NOT NULL, person_id TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS pending_message (
    launch_id TEXT PRIMARY KEY, session_key TEXT NOT NULL, message TEXT NOT NULL, issued_at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS access_token (
    digest TEXT PRIMARY KEY, client_id TEXT NOT NULL, scopes TEXT NOT NULL, expires_at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS line_item (
    id INTEGER PRIMARY KEY AUTOINCREMENT, course_id TEXT NOT NULL, deployment_id TEXT NOT NULL, label TEXT NOT NULL,
    score_maximum REAL NOT NULL, resource_link_id TEXT, resource_id TEXT, tag TEXT, review_url TEXT, review_custom TEXT,
    activity_id TEXT UNIQUE, is_locked INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS grade (
    line_item_id INTEGER NOT NULL REFERENCES line_item (id) ON DELETE CASCADE, person_id TEXT NOT NULL,
    score REAL, sent_score REAL, comment TEXT, posted_at INTEGER NOT NULL,
    is_locked INTEGER NOT NULL DEFAULT 0, is_overridden INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (line_item_id, person_id)
);
CREATE TABLE IF NOT EXISTS received_score (
    id INTEGER PRIMARY KEY AUTOINCREMENT, received_at TEXT NOT NULL, line_item_id INTEGER NOT NULL, person_id TEXT NOT NULL,
    body TEXT NOT NULL, status INTEGER NOT NULL, reason TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS service_call (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL,
    status INTEGER NOT NULL, reason TEXT NOT NULL
);
"""


class Store:
    """The LMS's memory, safe to use from many threads."""

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA foreign_keys = ON")
        if path is not None:
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing of what happens inside; others wait."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def find_setting(self, name: str) -> str | None:
        """A stored value by name, or None."""
        with self._lock:
            row = self._connection.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row["value"])

    def put_setting(self, name: str, value: str) -> None:
        """Keeps one value under a name; the last one counts."""
        with self.transaction() as db:
            db.execute("INSERT INTO setting VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, value))

    def close(self) -> None:
        """Lets go of the file."""
        with self._lock:
            self._connection.close()
