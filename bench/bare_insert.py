"""The floor of `bench.lrs`: what the database itself takes in of the same rows, with no HTTP, no check and no shared order.

One row a statement, with its id unique, and one row a key of the index, as the LRS keeps them; each batch is one durable transaction.
On PostgreSQL arrays are unnested, each client having a connection of its own; on SQLite one connection inserts row by row.
"""

import sqlite3
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy.engine import make_url

Row = tuple[str, str, list[bytes]]
"""Id, document, keys."""

_TABLES = (
    "CREATE TABLE bare_statement (seq {big} PRIMARY KEY, id {uuid} NOT NULL UNIQUE, document text NOT NULL)",
    "CREATE TABLE bare_link (key {bytes} NOT NULL, seq {big} NOT NULL, PRIMARY KEY (key, seq)) {tail}",
)


def insert_all(url: str, batches: Sequence[Sequence[Row]], n_clients: int) -> float:
    """Seconds that it takes to insert all batches into new tables of an empty database."""
    numbered, first = [], 1
    for batch in batches:
        numbered.append((first, batch))
        first += len(batch)
    return (_into_sqlite if url.startswith("sqlite") else _into_postgresql)(url, numbered, n_clients)


def _into_postgresql(url: str, batches: Sequence[tuple[int, Sequence[Row]]], n_clients: int) -> float:
    import psycopg

    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address) as connection:
        for table in _TABLES:
            connection.execute(table.format(big="bigint", uuid="uuid", bytes="bytea", tail=""))
    lock, turn = threading.Lock(), iter(batches)

    def client(_number: int) -> None:
        with psycopg.connect(address) as connection:
            while True:
                with lock:
                    first, batch = next(turn, (0, []))
                if not batch:
                    return
                seqs = list(range(first, first + len(batch)))
                ids, documents = [row[0] for row in batch], [row[1] for row in batch]
                pairs = [(key, seq) for seq, row in zip(seqs, batch, strict=True) for key in row[2]]
                connection.execute(
                    "INSERT INTO bare_statement SELECT * FROM unnest(%b::bigint[], %b::uuid[], %b::text[])", (seqs, ids, documents)
                )
                columns = ([key for key, _ in pairs], [seq for _, seq in pairs])
                connection.execute("INSERT INTO bare_link SELECT * FROM unnest(%b::bytea[], %b::bigint[])", columns)
                connection.commit()

    begun = time.perf_counter()
    with ThreadPoolExecutor(n_clients) as pool:
        list(pool.map(client, range(n_clients)))
    return time.perf_counter() - begun


def _into_sqlite(url: str, batches: Sequence[tuple[int, Sequence[Row]]], _n_clients: int) -> float:
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")
    for table in _TABLES:
        connection.execute(table.format(big="integer", uuid="text", bytes="blob", tail="WITHOUT ROWID" if "link" in table else ""))
    begun = time.perf_counter()
    for first, batch in batches:
        rows = list(enumerate(batch, first))
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO bare_statement VALUES (?, ?, ?)", [(seq, row[0], row[1]) for seq, row in rows])
        connection.executemany("INSERT INTO bare_link VALUES (?, ?)", [(key, seq) for seq, row in rows for key in row[2]])
        connection.execute("COMMIT")
    seconds = time.perf_counter() - begun
    connection.close()
    return seconds
