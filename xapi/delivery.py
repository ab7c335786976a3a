"""Carrying statements to the targets of pushes: one turn of one push, batch by batch, in the order of the sequence.

A turn takes the push under a lease; each step reads a batch after the cursor, ends that transaction, calls, and records what came of it
in a second one. A worker that dies loses its lease, and the batch is sent again: at least once, and the ids make twice harmless.

A batch that the target refuses is not taken apart in memory: the place of its end is kept as `suspect`, and each following step sends the
first half of what lies before it, until one statement alone is refused. That one is set aside and the rest goes on. So the search
survives a restart, and every step is one call.
"""

import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import orjson
from sqlalchemy import ColumnElement, Connection, Row, and_, delete, exists, insert, or_, select, update

from kernel import strictjson
from kernel.clock import Clock
from kernel.db import Database
from kernel.http import GuardedClient, HttpResponse, OutboundFailed, OutboundRefused, retry_after
from kernel.ids import new_token
from kernel.outbox import LEASE_SECONDS, backoff_seconds
from xapi import attachments, feeds, pseudonyms, pushes, query, rawtext, webhooks
from xapi.models import head, push, set_aside
from xapi.pushes import BATCH
from xapi.query import Filter
from xapi.vocabulary import DEFAULT_STATEMENT_VERSION, JSON, OUTBOUND_SECONDS, V1, VERB_VOIDED

TURN_SECONDS: Final = 20.0
"""After so long a push lets others have its thread; it goes on with the next look."""
MAX_BATCH_BYTES: Final = 2_000_000
MAX_REFUSED_IN_ROW: Final = 20
"""A target that took none of so many statements, one by one, has nothing against single statements: the push pauses."""
SKIP: Final = 600_000_000
"""How far the cursor may lag behind the head when nothing of the slice lies between; moving it is a write."""

_LEASE = timedelta(seconds=LEASE_SECONDS)
_MAX_EXCERPT = 400

ABOUT_STATEMENT: Final = frozenset({400, 413, 415, 422})
"""What a target answers to a statement that it does not take; 422 is what some web frameworks say for 400."""
FOR_A_PERSON: Final = frozenset({401, 403, 410})
"""What no waiting mends: the credentials are wrong or not enough, or the target wants no more."""
CONFLICT: Final = 409


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one call.

    kind    `done`: taken; `known`: the target has it already; `refused`: for what it says; `large`: for its size; `away`: to be tried
            again; `stop`: for a person to look at
    note    short reason: no word of a statement
    answer  the beginning of what the target said
    """

    kind: Literal["done", "known", "refused", "large", "away", "stop"]
    note: str = ""
    answer: str = ""
    after_seconds: float | None = None


DONE: Final = Verdict("done")


@dataclass(frozen=True, slots=True)
class Batch:
    """Statements that go in one call, and where the push stands when they are gone.

    again   the one statement was set aside and is tried once more: the cursor stays
    """

    push: Row[Any] = field(repr=False)
    places: Sequence[tuple[int, str]] = field(repr=False)
    end: int
    again: bool = False
    contents: Mapping[str, bytes] = field(default_factory=dict, repr=False)


def find_due(database: Database, *, now: datetime) -> list[int]:
    """The pushes that have something to send now and that nobody sends, the one that waited longest first."""
    with database.reading() as session:
        db = session.connection()
        waits = or_(head.c.seq > push.c.cursor, exists().where(set_aside.c.push_id == push.c.id, set_aside.c.again))
        candidates = select(push).join(head, head.c.tenant_id == push.c.tenant_id).where(_is_free(now), waits).order_by(push.c.due_at)
        return [row.id for row in db.execute(candidates) if _next_batch(db, row) is not None]


def deliver(
    database: Database, push_id: int, *, http: GuardedClient, pepper: bytes, clock: Clock, stop: threading.Event | None = None
) -> int:
    """One turn of a push. Returns how many calls it made; 0 too when another worker has it.

    stop   ends the turn after the call that is under way
    """
    lease = _claim(database, push_id, clock())
    if lease is None:
        return 0
    until = time.monotonic() + TURN_SECONDS
    n_calls = 0
    goes_on = True
    while goes_on and (batch := _read(database, push_id, lease)) is not None:
        verdict = DONE
        if batch.places:
            n_calls += 1
            verdict = _sent(batch, http, pepper, clock)
        goes_on = _record(database, lease, batch, verdict, clock())
        goes_on = goes_on and time.monotonic() < until and not (stop is not None and stop.is_set())
    _release(database, push_id, lease)
    return n_calls


def put_off(database: Database, push_id: int, *, note: str, now: datetime) -> None:
    """Leaves a push alone for a while after a fault of our own."""
    with database.transaction() as session:
        db = session.connection()
        row = db.execute(select(push).where(push.c.id == push_id)).one()
        values = {**_put_off(row, Verdict("away", note), now), "lease": None, "lease_until": None}
        db.execute(update(push).where(push.c.id == push_id).values(values))


def judged(status: int, n: int, *, has_voiding: bool, after_seconds: float | None = None) -> Verdict:
    """What a status means for a batch of `n` statements.

    has_voiding     a voiding statement is among them: then 403 may be about that one (xAPI 1.0.3, Data 2.3.2)
    after_seconds   the pause that the target asked for
    """
    note = f"status {status}"
    if 200 <= status < 300:  # noqa: PLR2004  the class of success
        return DONE
    if status == CONFLICT:
        return Verdict("known" if n == 1 else "refused", note)
    if status == 413 and n > 1:  # noqa: PLR2004  RFC 9110, 15.5.14
        return Verdict("large", note)
    if status in ABOUT_STATEMENT or (status == 403 and has_voiding):  # noqa: PLR2004  RFC 9110, 15.5.4
        return Verdict("refused", note)
    if status in FOR_A_PERSON:
        return Verdict("stop", note)
    return Verdict("away", note, after_seconds=after_seconds)


def in_terms_of(document: str, version: str) -> str:
    """A statement as an LRS of a version takes it: to 1.0.3 a `version` of 2.0 is told as 1.0.0, every other letter stays.

    A statement that says what 1.0.3 cannot say (contextAgents, contextGroups) keeps it, and the target decides.
    """
    if version != V1 or orjson.loads(document).get("version", "1").startswith("1"):
        return document
    start, end = rawtext.members(document)["version"]
    return f'{document[:start]}"{DEFAULT_STATEMENT_VERSION[V1]}"{document[end:]}'


def _is_free(now: datetime) -> ColumnElement[bool]:
    is_on = and_(push.c.removed_at.is_(None), push.c.paused_at.is_(None), push.c.due_at <= now)
    return and_(is_on, or_(push.c.lease_until.is_(None), push.c.lease_until <= now))


def _claim(database: Database, push_id: int, now: datetime) -> str | None:
    lease = new_token(16)
    with database.transaction() as session:
        mine = update(push).where(push.c.id == push_id, _is_free(now)).values(lease=lease, lease_until=now + _LEASE)
        taken = session.connection().execute(mine).rowcount == 1
    return lease if taken else None


def _release(database: Database, push_id: int, lease: str) -> None:
    with database.transaction() as session:
        free = update(push).where(push.c.id == push_id, push.c.lease == lease).values(lease=None, lease_until=None)
        session.connection().execute(free)


def _read(database: Database, push_id: int, lease: str) -> Batch | None:
    """The next batch of a push that is still ours and still on; None when there is none."""
    with database.reading() as session:
        db = session.connection()
        mine = (push.c.id == push_id, push.c.lease == lease, push.c.removed_at.is_(None), push.c.paused_at.is_(None))
        row = db.execute(select(push).where(*mine)).first()
        batch = None if row is None else _next_batch(db, row)
        return None if batch is None else _with_contents(db, batch)


def _next_batch(db: Connection, row: Row[Any]) -> Batch | None:
    again = db.execute(
        select(set_aside.c.seq).where(set_aside.c.push_id == row.id, set_aside.c.again).order_by(set_aside.c.seq).limit(1)
    ).first()
    if again is not None:
        page = replace(query.first_page(db, Filter(), tenant_id=row.tenant_id), low=again.seq - 1, high=again.seq, limit=1)
        return Batch(row, query.read_places(db, page, tenant_id=row.tenant_id), again.seq, again=True)
    page = pushes.next_page(db, row, limit=row.batch_limit)
    if row.suspect is not None:
        page = replace(page, high=min(page.high, row.suspect))
    places = query.read_places(db, page, tenant_id=row.tenant_id)
    end = page.high
    if row.suspect is not None and len(places) > 1:
        places = places[: len(places) // 2]
        end = places[-1][0]
    elif len(places) == page.limit:
        end = places[-1][0]
    while len(places) > 1 and sum(len(document) for _, document in places) > MAX_BATCH_BYTES:
        places = places[: len(places) // 2]
        end = places[-1][0]
    if not places and row.suspect is None and end - row.cursor < SKIP:
        return None
    return Batch(row, places, end)


def _with_contents(db: Connection, batch: Batch) -> Batch:
    """The batch with what its statements came with, for an LRS; cut where the contents would grow too large for one call."""
    row = batch.push
    if row.kind != "lrs" or row.pseudonymous or not any('"attachments"' in document for _, document in batch.places):
        return batch
    seqs = [seq for seq, _ in batch.places]
    n = attachments.within_bound(db, tenant_id=row.tenant_id, seqs=seqs)
    cut = batch if n == len(seqs) else replace(batch, places=batch.places[:n], end=seqs[n - 1])
    return replace(cut, contents=attachments.of(db, tenant_id=row.tenant_id, seqs=seqs[:n]))


def _sent(batch: Batch, http: GuardedClient, pepper: bytes, clock: Clock) -> Verdict:
    row = batch.push
    secret = pushes.opened(row.secret, pepper)
    if secret is None:
        return Verdict("stop", "secret_unreadable")
    documents = [document for _, document in batch.places]
    if row.pseudonymous:
        cover = pseudonyms.pseudonym_secret(f"push {row.id}", pepper)
        documents = [strictjson.dumps(pseudonyms.pseudonymised(orjson.loads(one), cover)).decode() for one in documents]
    try:
        if row.kind == "lrs":
            answer = _call_lrs(batch, documents, secret, http)
        else:
            cursor = feeds.sign_cursor(batch.places[-1][0], tenant_id=row.tenant_id, pepper=pepper)
            body = webhooks.body_of(row.name, cursor, documents)
            headers = webhooks.headers_of(body, _signing_keys(row, secret, pepper, clock()), clock())
            answer = http.request("POST", row.url, headers=headers, body=body, total_seconds=OUTBOUND_SECONDS)
    except OutboundRefused as error:
        return Verdict("away", f"{error.code}: {error.details['reason']}")
    except OutboundFailed as error:
        return Verdict("away", str(error.details["reason"]))
    has_voiding = any(orjson.loads(document)["verb"]["id"] == VERB_VOIDED for document in documents)
    pause = retry_after(answer.headers, clock())
    return replace(judged(answer.status, len(documents), has_voiding=has_voiding, after_seconds=pause), answer=_excerpt(answer.body))


def _call_lrs(batch: Batch, documents: list[str], secret: str, http: GuardedClient) -> HttpResponse:
    from xapi.remote import OutsideLrs  # noqa: PLC0415  tincan takes long to load, and only who sends to an LRS needs it

    row = batch.push
    lrs = OutsideLrs(http, endpoint=row.url, version=row.version, key=row.key, secret=secret)
    content_type, body = JSON, f"[{','.join(in_terms_of(document, row.version) for document in documents)}]".encode()
    if batch.contents:
        content_type, body = attachments.multipart(body, documents, batch.contents)
    return lrs.call("POST", "statements", headers={"Content-Type": content_type}, body=body)


def _signing_keys(row: Row[Any], secret: str, pepper: bytes, now: datetime) -> list[bytes]:
    """The key of a webhook and, while it is being replaced, the former one."""
    is_replaced = row.previous_until is not None and now < row.previous_until
    former = pushes.opened(row.previous_secret, pepper) if is_replaced else None
    return [webhooks.key_of(one) for one in (secret, former) if one is not None]


def _excerpt(body: bytes) -> str:
    """The beginning of an answer, printable: what stands there was written by somebody else."""
    text = body[: 4 * _MAX_EXCERPT].decode("utf-8", "replace")
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())[:_MAX_EXCERPT]


def _record(database: Database, lease: str, batch: Batch, verdict: Verdict, now: datetime) -> bool:
    """Writes down what came of a call. False when the turn is over: the lease was lost, or the target is not to be called now."""
    row = batch.push
    values = _once_more(row, batch, verdict, now) if batch.again else _further(row, batch, verdict, now)
    values["reached"] = max(row.reached, values.get("cursor", 0))
    with database.transaction() as session:
        db = session.connection()
        mine = update(push).where(push.c.id == row.id, push.c.lease == lease).values({**values, "lease_until": now + _LEASE})
        if db.execute(mine).rowcount != 1:
            return False
        if batch.again and verdict.kind in ("done", "known"):
            db.execute(delete(set_aside).where(set_aside.c.push_id == row.id, set_aside.c.seq == batch.end))
        elif verdict.kind == "refused" and len(batch.places) == 1:
            _set_aside(db, row.id, batch.places[0], verdict, now)
    return verdict.kind not in ("away", "stop")


def _once_more(row: Row[Any], batch: Batch, verdict: Verdict, now: datetime) -> dict[str, Any]:
    """How a push changes by a statement that was set aside and is tried once more; one that is voided or gone by now is not sent."""
    if verdict.kind in ("away", "stop"):
        return _put_off(row, verdict, now)
    return _taken(row, verdict, 1, now) if batch.places and verdict.kind in ("done", "known") else {}


def _further(row: Row[Any], batch: Batch, verdict: Verdict, now: datetime) -> dict[str, Any]:
    """How a push changes by a batch after its cursor."""
    n = len(batch.places)
    is_searched = row.suspect is not None and batch.end >= row.suspect
    if verdict.kind in ("away", "stop"):
        return _put_off(row, verdict, now)
    if verdict.kind == "large":
        return {"batch_limit": max(1, n // 2), "suspect": None}
    if verdict.kind == "refused" and n > 1:
        return {"suspect": batch.end}
    if verdict.kind == "refused":
        in_row = row.refused_in_row + 1
        pause = {"paused_at": now, "paused_for": "refuses_all"} if in_row >= MAX_REFUSED_IN_ROW else {}
        error = {"last_error": verdict.note, "last_error_at": now}
        return {"cursor": batch.end, "suspect": None, "refused_in_row": in_row, "failures": 0, **error, **pause}
    if not n:
        return {"cursor": batch.end, "suspect": None if is_searched else row.suspect}
    # taken in parts although the whole was refused: the target has a bound on batches that it does not call by its name
    limit = max(1, row.batch_limit // 2) if is_searched else min(BATCH, row.batch_limit + 1)
    place = {"cursor": batch.end, "suspect": None if is_searched else row.suspect, "batch_limit": limit}
    return {**_taken(row, verdict, n, now), **place}


def _taken(row: Row[Any], verdict: Verdict, n: int, now: datetime) -> dict[str, Any]:
    counted = {"known": row.known + n} if verdict.kind == "known" else {"sent": row.sent + n}
    return {**counted, "failures": 0, "refused_in_row": 0, "last_success_at": now}


def _put_off(row: Row[Any], verdict: Verdict, now: datetime) -> dict[str, Any]:
    values: dict[str, Any] = {"last_error": verdict.note[:300], "last_error_at": now}
    if verdict.kind == "stop":
        return {**values, "paused_at": now, "paused_for": verdict.note}
    pause = verdict.after_seconds if verdict.after_seconds is not None else backoff_seconds(row.failures + 1, random.random())  # noqa: S311
    return {**values, "failures": row.failures + 1, "due_at": now + timedelta(seconds=pause)}


def _set_aside(db: Connection, push_id: int, place: tuple[int, str], verdict: Verdict, now: datetime) -> None:
    seq, document = place
    reason = f"{verdict.note} {verdict.answer}".strip()
    db.execute(delete(set_aside).where(set_aside.c.push_id == push_id, set_aside.c.seq == seq))
    row = {
        "push_id": push_id,
        "seq": seq,
        "statement_id": orjson.loads(document)["id"],
        "reason": reason,
        "refused_at": now,
        "again": False,
    }
    db.execute(insert(set_aside).values(row))
