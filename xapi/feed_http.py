"""Feeds over HTTP, beside the resources of the standard: `/xapi/feeds`. No version header is needed: statements come as they were stored.

    GET     /feeds                        the caller's feeds
    PUT     /feeds/<name>                 makes a feed of the slice in the body, or gives it another slice
    GET     /feeds/<name>                 reads on: JSON, NDJSON or server-sent events by `Accept`
    DELETE  /feeds/<name>                 forgets it
    GET     /feeds/<name>/cursor          the feed with the cursor that is kept for it
    POST    /feeds/<name>/cursor          keeps another cursor
    GET     /feeds/<name>/days/<day>.csv  the statements that arrived on a day; .ndjson and .parquet too

A feed belongs to the credential that made it; scope `all` reaches those of the whole tenant. Whoever waits or is sent a stream holds one
thread of the web process, so the number of them is bounded; none holds a connection to the database meanwhile.
"""

import re
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from tempfile import SpooledTemporaryFile
from typing import Any, Final
from zoneinfo import ZoneInfo

import zstandard
from flask import Response
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.datastructures import Accept, MIMEAccept
from werkzeug.http import parse_accept_header

from kernel import strictjson
from kernel.clock import Clock
from kernel.db import Database
from xapi import exports, feeds, query, timestamps
from xapi.answers import json_answer
from xapi.auth import Caller, Sight
from xapi.errors import MethodRefused, RequestInvalid, ResourceNotFound, WaitersTooMany
from xapi.request import XapiRequest, moment, refuse_unknown, require_json
from xapi.slices import Slice, read_slice
from xapi.vocabulary import JSON, MAX_PAGE, MAX_WAIT_SECONDS, SCOPE_ALL, V2

HEARTBEAT_SECONDS: Final = 5
"""Between two signs of life of a stream of events. Each carries the cursor on, and shows whether the reader is still there."""
STREAM_SECONDS: Final = 300
"""How long a stream of events lasts before the client is asked to come again, and to show its credential again."""
RETRY_MILLISECONDS: Final = 2_000
"""What a stream of events tells its client to wait before it comes again."""

NDJSON: Final = "application/x-ndjson"
EVENTS: Final = "text/event-stream"
MAX_FILE_IN_MEMORY: Final = 1024 * 1024
"""Bytes of an export that are kept in memory; a larger one goes through a file without a name."""
FILE_PIECE: Final = 64 * 1024
"""Bytes of an export that are sent at once."""
COMPLETE_HEADER: Final = "X-Feed-Day-Complete"

EVENTS_AT_ONCE: Final = 100
"""Statements that are read and sent at once in a stream of events."""
_COMPRESSED: Final = (NDJSON, "text/csv")

_DAY = re.compile(r"(\d{4}-\d\d-\d\d)\.(csv|ndjson|parquet)", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Coding:
    """A content coding (RFC 9110, 8.4.1).

    start       a new compressor, with `compress` and `flush`
    piece, end  what `flush` is told so that the reader can use all that was sent, and that this was the end
    """

    start: Callable[[], Any]
    piece: int
    end: int


_CODINGS: Final = {
    "zstd": _Coding(zstandard.ZstdCompressor(level=3).compressobj, zstandard.COMPRESSOBJ_FLUSH_BLOCK, zstandard.COMPRESSOBJ_FLUSH_FINISH),
    "gzip": _Coding(lambda: zlib.compressobj(5, wbits=31), zlib.Z_SYNC_FLUSH, zlib.Z_FINISH),
}
"""The content codings that are spoken here, the best first."""


class _Seat:
    """One of the few places for those who wait or are sent a stream; given back once, at the latest when nobody knows of it any more."""

    def __init__(self, seats: threading.BoundedSemaphore) -> None:
        if not seats.acquire(blocking=False):
            raise WaitersTooMany
        self._seats: threading.BoundedSemaphore | None = seats

    def leave(self) -> None:
        """Gives the place back."""
        seats, self._seats = self.__dict__.get("_seats"), None
        if seats is not None:
            seats.release()

    __del__ = leave


class _Reading:
    """The texts of batches as they are read; counts them for their reader, and knows how far it has come."""

    def __init__(self, batches: Iterable[feeds.Batch], caller: Caller) -> None:
        self._batches, self._caller = batches, caller
        self.position = 0

    def __iter__(self) -> Iterator[list[str]]:
        for batch in self._batches:
            self._caller.count(read=len(batch.rows))
            self.position = batch.position
            yield [document for _seq, document in batch.rows]


class Feeds:
    """The resource, with what it stands on.

    max_waiting   consumers that may wait or be sent a stream at once in this process
    """

    def __init__(self, database: Database, clock: Clock, pepper: bytes, *, max_waiting: int) -> None:
        self._database, self._clock, self._pepper = database, clock, pepper
        self._watch = feeds.Watch(database.looking)
        self._seats = threading.BoundedSemaphore(max_waiting)

    @property
    def views(self) -> dict[str, Callable[..., Response]]:
        """What answers at each address below the LRS."""
        return {
            "/feeds": self.every,
            "/feeds/<name>": self.one,
            "/feeds/<name>/cursor": self.cursor,
            "/feeds/<name>/days/<file>": self.day,
        }

    def every(self, asked: XapiRequest, caller: Caller) -> Response:
        """The feeds that the caller may read."""
        caller.sight()
        _only(asked, "GET", "HEAD")
        refuse_unknown(asked.params, set())
        with self._database.looking() as db:
            found = feeds.list_feeds(db, tenant_id=caller.tenant_id, owner=_owner(caller))
        return _told({"feeds": [self._shown(feed, caller) for feed in found]})

    def one(self, asked: XapiRequest, caller: Caller, name: str) -> Response:
        """One feed: made, read or forgotten."""
        sight = caller.sight()
        _only(asked, "GET", "HEAD", "PUT", "DELETE")
        if asked.method == "PUT":
            return self._put(asked, caller, sight, name)
        if asked.method == "DELETE":
            refuse_unknown(asked.params, set())
            with self._database.transaction() as db:
                feeds.delete_feed(db.connection(), tenant_id=caller.tenant_id, name=name, owner=_owner(caller))
            return Response(status=204)
        return self._get(asked, caller, sight, name)

    def cursor(self, asked: XapiRequest, caller: Caller, name: str) -> Response:
        """The cursor that is kept for the consumer."""
        caller.sight()
        _only(asked, "GET", "HEAD", "POST")
        refuse_unknown(asked.params, set())
        whose: dict[str, Any] = {"tenant_id": caller.tenant_id, "name": name, "owner": _owner(caller)}
        if asked.method != "POST":
            with self._database.looking() as db:
                return _told(self._shown(feeds.get_feed(db, **whose), caller))
        require_json(asked.headers.get("content-type"))
        start = strictjson.loads(asked.body)
        if not isinstance(start, dict) or not all(isinstance(value, str) for value in start.values()):
            raise RequestInvalid("not_object", "/")
        refuse_unknown(start, {"cursor", "since"})
        if len(start) != 1:
            raise RequestInvalid("one_start", "/")
        with self._database.transaction() as session:
            db = session.connection()
            position = self._start(db, {"after": start["cursor"]} if "cursor" in start else start, caller)
            return _told(self._shown(feeds.commit(db, position=position, now=self._clock(), **whose), caller))

    def day(self, asked: XapiRequest, caller: Caller, name: str, file: str) -> Response:
        """The statements of a feed that arrived on one day, as a file."""
        sight = caller.sight()
        _only(asked, "GET", "HEAD")
        refuse_unknown(asked.params, {"zone"})
        found = _DAY.fullmatch(file)
        if found is None:
            raise ResourceNotFound
        since, until = _day_in(found[1], asked.params.get("zone", "UTC"))
        export = exports.EXPORTS[found[2]]
        now = self._clock()
        with self._database.looking() as db:
            feed = feeds.get_feed(db, tenant_id=caller.tenant_id, name=name, owner=_owner(caller))
            through = feeds.head_of(db, caller.tenant_id)
            is_over = query.consistent_through(db, tenant_id=caller.tenant_id, now=now) > until
        read = _Reading(self._batches(feed.slice.between(since, until), caller, sight, after=0, through=through), caller)
        answer = self._whole(asked, export.write(read), export.media_type)
        answer.headers[COMPLETE_HEADER] = "true" if is_over and read.position >= through else "false"
        answer.headers["Content-Disposition"] = f'attachment; filename="{name}-{file}"'
        return answer

    def _put(self, asked: XapiRequest, caller: Caller, sight: Sight, name: str) -> Response:
        refuse_unknown(asked.params, set())
        require_json(asked.headers.get("content-type"))
        part = read_slice(strictjson.loads(asked.body))
        for agent in part.agents:
            sight.agent_key(agent, related=True)
        with self._database.transaction() as db:
            feed, is_new = feeds.put_feed(
                db.connection(), tenant_id=caller.tenant_id, name=name, owner=caller.key, part=part, now=self._clock()
            )
        return _told(self._shown(feed, caller), status=201 if is_new else 200)

    def _get(self, asked: XapiRequest, caller: Caller, sight: Sight, name: str) -> Response:
        """Reads on from where the request says, else from the kept cursor."""
        refuse_unknown(asked.params, {"after", "since", "limit", "wait"})
        limit = _number(asked.params, "limit", least=1, most=MAX_PAGE)
        wait = _number(asked.params, "wait", least=0, most=MAX_WAIT_SECONDS) or 0
        form = _form(asked)
        start = dict(asked.params)
        if form == EVENTS and asked.headers.get("last-event-id"):
            start = {"after": asked.headers["last-event-id"]}
        with self._database.looking() as db:
            feed = feeds.get_feed(db, tenant_id=caller.tenant_id, name=name, owner=_owner(caller))
            after = self._start(db, start, caller, kept=feed.position)
        if form == EVENTS:
            return self._streamed(asked, self._events(caller, feed.slice, sight, after), EVENTS)
        first = self._first(caller, feed.slice, sight, after, limit=limit or MAX_PAGE, seconds=wait)
        if form == JSON:
            caller.count(read=len(first.rows))
            documents = ",".join(document for _seq, document in first.rows)
            return json_answer(f'{{"statements":[{documents}],"cursor":"{self._cursor(first.position, caller)}"}}'.encode())
        return self._streamed(asked, self._lines(caller, feed.slice, sight, first, is_bounded=limit is not None), NDJSON)

    def _lines(self, caller: Caller, part: Slice, sight: Sight, first: feeds.Batch, *, is_bounded: bool) -> Iterator[bytes]:
        """Statements as lines: those that were read, and unless a limit was named all the rest; then a line with the cursor.

        Without that last line the stream was cut: a chunked body that a server ends early looks whole otherwise.
        """
        write = exports.EXPORTS["ndjson"].write
        read = _Reading([first], caller)
        yield from write(read)
        with suppress(DBAPIError, PoolTimeout):
            if not is_bounded and not first.is_last:
                with self._database.looking() as db:
                    through = feeds.head_of(db, caller.tenant_id)
                read = _Reading(self._batches(part, caller, sight, after=first.position, through=through), caller)
                yield from write(read)
            yield f'{{"cursor":"{self._cursor(read.position, caller)}"}}\n'.encode()

    def _first(self, caller: Caller, part: Slice, sight: Sight, after: int, *, limit: int, seconds: int) -> feeds.Batch:
        """The first statements after a place; when none is there, the first that come within some seconds."""
        batch = self._read(caller, part, sight, after, limit)
        if batch.rows or not seconds:
            return batch
        seat = _Seat(self._seats)
        try:
            end = time.monotonic() + seconds
            while not batch.rows and self._watch.wait(caller.tenant_id, beyond=batch.position, seconds=end - time.monotonic()):
                batch = self._read(caller, part, sight, batch.position, limit)
            return batch
        finally:
            seat.leave()

    def _events(self, caller: Caller, part: Slice, sight: Sight, after: int) -> Iterator[bytes]:
        """Statements as server-sent events, as they come; each has the cursor to go on from as its id.

        Source   HTML, 9.2 (server-sent events)
        """
        end = time.monotonic() + STREAM_SECONDS
        said = time.monotonic()
        yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
        with suppress(DBAPIError, PoolTimeout):  # the client comes again, and goes on where it was
            while time.monotonic() < end and not feeds.ENDING.is_set():
                batch = self._read(caller, part, sight, after, EVENTS_AT_ONCE)
                after = batch.position
                if batch.rows:
                    caller.count(read=len(batch.rows))
                    yield "".join(self._event(seq, document, caller) for seq, document in batch.rows).encode()
                    said = time.monotonic()
                elif time.monotonic() - said >= HEARTBEAT_SECONDS:
                    yield f": here\nid: {self._cursor(after, caller)}\n\n".encode()
                    said = time.monotonic()
                if batch.is_last:
                    until = min(end, said + HEARTBEAT_SECONDS)
                    self._watch.wait(caller.tenant_id, beyond=after, seconds=until - time.monotonic())

    def _event(self, seq: int, document: str, caller: Caller) -> str:
        return f"id: {self._cursor(seq, caller)}\ndata: {exports.ndjson_line(document)}\n"

    def _read(self, caller: Caller, part: Slice, sight: Sight, after: int, limit: int) -> feeds.Batch:
        with self._database.looking() as db:
            return feeds.read(db, part, tenant_id=caller.tenant_id, sight=sight, after=after, limit=limit)

    def _batches(self, part: Slice, caller: Caller, sight: Sight, *, after: int, through: int) -> Iterator[feeds.Batch]:
        return feeds.batches(self._database.look, part, tenant_id=caller.tenant_id, sight=sight, after=after, through=through)

    def _start(self, db: Connection, start: Mapping[str, str], caller: Caller, *, kept: int = 0) -> int:
        """The place to read on from: a cursor `after`, a moment `since`, else the one that is kept."""
        if "after" in start and "since" in start:
            raise RequestInvalid("one_start", "after")
        if "after" in start:
            return feeds.open_cursor(start["after"], tenant_id=caller.tenant_id, pepper=self._pepper)
        since = moment(start, "since", V2)
        return kept if since is None else feeds.place_after(db, since, tenant_id=caller.tenant_id)

    def _streamed(self, asked: XapiRequest, pieces: Iterable[bytes], media_type: str) -> Response:
        """An answer that is made while it is sent."""
        seat = _Seat(self._seats)
        answer = _coded(asked, pieces, media_type)
        answer.call_on_close(seat.leave)
        answer.headers["X-Accel-Buffering"] = "no"  # a proxy must not hold back what is there
        return answer

    def _whole(self, asked: XapiRequest, pieces: Iterable[bytes], media_type: str) -> Response:
        """An answer that is made before it is sent, so that it has a length, and a failure is no short file."""
        seat = _Seat(self._seats)
        answer = _coded(asked, pieces, media_type)
        answer.call_on_close(seat.leave)
        file = SpooledTemporaryFile(MAX_FILE_IN_MEMORY)  # noqa: SIM115  closed with the answer
        answer.call_on_close(file.close)
        file.writelines(answer.iter_encoded())
        answer.content_length = file.tell()
        file.seek(0)
        answer.response = iter(lambda: file.read(FILE_PIECE), b"")
        return answer

    def _shown(self, feed: feeds.Feed, caller: Caller) -> dict[str, Any]:
        return {
            "name": feed.name,
            "slice": feed.slice.to_json(),
            "cursor": self._cursor(feed.position, caller) if feed.position else "0",
            "committed_at": timestamps.written(feed.committed_at) if feed.committed_at else None,
            "created_at": timestamps.written(feed.created_at),
        }

    def _cursor(self, position: int, caller: Caller) -> str:
        return feeds.sign_cursor(position, tenant_id=caller.tenant_id, pepper=self._pepper)


def _told(value: dict[str, Any], *, status: int = 200) -> Response:
    return json_answer(strictjson.dumps(value), status=status)


def _only(asked: XapiRequest, *methods: str) -> None:
    """Passes the methods that the resource knows. Raises MethodRefused."""
    if asked.method not in methods:
        raise MethodRefused(method=asked.method, allowed=methods)


def _owner(caller: Caller) -> str | None:
    """Whose feeds a caller reaches: its own, or with scope `all` everyone's."""
    return None if SCOPE_ALL in caller.scopes else caller.key


def _form(asked: XapiRequest) -> str:
    accepted = parse_accept_header(asked.headers.get("accept", JSON), MIMEAccept)
    return accepted.best_match((JSON, NDJSON, EVENTS), JSON)


def _coded(asked: XapiRequest, pieces: Iterable[bytes], media_type: str) -> Response:
    """An answer in the content coding that the client likes best of those that are spoken here."""
    answer = Response(pieces, content_type=media_type)
    answer.vary.update(("Accept", "Accept-Encoding"))
    accepted = parse_accept_header(asked.headers.get("accept-encoding", "identity"), Accept)
    coding = accepted.best_match((*_CODINGS, "identity"))
    if coding in _CODINGS and media_type.startswith(_COMPRESSED):
        answer.response = _compressed(pieces, _CODINGS[coding])
        answer.content_encoding = coding
    return answer


def _compressed(pieces: Iterable[bytes], coding: _Coding) -> Iterator[bytes]:
    """The pieces, each made smaller and closed, so that it can be read before the next one is there."""
    packer = coding.start()
    for piece in pieces:
        yield packer.compress(piece) + packer.flush(coding.piece)
    yield packer.flush(coding.end)


def _number(params: Mapping[str, str], name: str, *, least: int, most: int) -> int | None:
    text = params.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not least <= int(text) <= most:
        raise RequestInvalid("out_of_range", name)
    return int(text)


def _day_in(day: str, zone: str) -> tuple[datetime, datetime]:
    """The times of a day in a zone. Raises RequestInvalid."""
    try:
        where = ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise RequestInvalid("not_zone", "zone") from None
    try:
        return exports.day_of(date.fromisoformat(day), where)
    except (ValueError, OverflowError):
        raise RequestInvalid("not_date", "day") from None
