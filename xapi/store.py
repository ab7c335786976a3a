"""Writing statements: stamp, take a place in the sequence, insert with all index rows, void.

The sequence. Each tenant has one row in `xapi_head`; a writer advances it (one UPDATE ... RETURNING) before it looks for known ids and
inserts, and so holds the row's lock until its transaction ends. Writers of one tenant therefore commit in the order of their places:
when a reader sees place n, every place below n is committed or was rolled back. A consumer that polls by `since`, by `more` or by a feed
cursor cannot miss a statement. A place is a moment: `stored` in microseconds, taken in the turn, one microsecond a statement at least,
so `since` and `until` are ranges of the sequence and a month is one, too. On SQLite the write lock of the file gives the same order.
Rejected: a database sequence with reads held back to the oldest running transaction (one slow transaction anywhere hides new
statements, and who writes cannot read back at once); advisory locks (lost in the log of locks, one more name space to agree on);
giving places by a second UPDATE at the end (writes each row twice). The price is one writer at a time in a tenant, for the few
milliseconds of its inserts; tenants do not wait for each other. What can be done before the turn (parsing, validating, splicing,
digests) is done before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import BigInteger, BindParameter, Connection, bindparam, case, select, update

from kernel import strictjson
from kernel.ids import new_uuid
from kernel.prepared import OneOf
from kernel.prepared import Prepared as PreparedQuery
from xapi import intake, links, rawtext, timestamps
from xapi.bulk import insert_links, insert_new, insert_rows
from xapi.errors import StatementConflict, StatementInvalid, VoidingForbidden
from xapi.meaning import same_meaning
from xapi.models import head, link, reference, registry, statement
from xapi.vocabulary import DEFAULT_STATEMENT_VERSION, VERB_VOIDED

_COUNT, _LAST = bindparam("count", type_=BigInteger), bindparam("last", type_=BigInteger)
_REACHED = case((head.c.seq + _COUNT > _LAST, head.c.seq + _COUNT), else_=_LAST)
_ADVANCE = PreparedQuery(
    update(head)
    .where(head.c.tenant_id == bindparam("tenant"))
    .values(seq=_REACHED, first=case((head.c.first == 0, _REACHED - _COUNT + 1), else_=head.c.first))
    .returning(head.c.seq)
)
_MAX_LINKS = 10
"""References that are followed from one statement: people refer to a statement, or to such a reference; a longer chain is work without a
use, and its cost would grow with its square inside the tenant's turn."""

_TENANT: BindParameter[Any] = bindparam("tenant")
_PLACES_OF_IDS = PreparedQuery(select(registry.c.seq).where(registry.c.tenant_id == _TENANT, OneOf(registry.c.id, "ids")))
_PLACES_OF_REFERRERS = PreparedQuery(select(reference.c.seq).where(reference.c.tenant_id == _TENANT, OneOf(reference.c.target_id, "ids")))
_AT_PLACES = PreparedQuery(
    select(
        statement.c.id, statement.c.seq, statement.c.document, statement.c.target_id, statement.c.voids, statement.c.authority_key
    ).where(statement.c.tenant_id == _TENANT, OneOf(statement.c.seq, "places"))
)


@dataclass(frozen=True, slots=True)
class Author:
    """On whose word statements are stored.

    authority   agent or group that becomes each statement's `authority`
    voids_any   may void statements of other authorities too
    """

    authority: Mapping[str, Any]
    voids_any: bool = False
    text: str = field(init=False)
    """The authority as JSON."""
    key: bytes = field(init=False)
    """Its digest."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", strictjson.dumps(self.authority).decode())
        object.__setattr__(self, "key", links.authority_key(self.authority))


@dataclass(frozen=True, slots=True)
class Prepared:
    """A valid statement, ready for its turn: all is known but its place and the moment of storing."""

    id: str
    received: Mapping[str, Any]
    stamped: Mapping[str, Any]
    """The statement as it will be given back, without `stored` and a timestamp that follows it."""
    pieces: Sequence[str]
    """Its text, cut where the moment of storing belongs."""
    keys: set[bytes]
    found_by: bytes
    """The keys, one after the other."""
    authority_key: bytes
    target_id: str | None
    voids: str | None


@dataclass(frozen=True, slots=True)
class Stored:
    """A statement that has its place."""

    seq: int
    prepared: Prepared
    voided: bool = False
    """Void from the start: a statement that may void it was there before, or came with it."""

    @property
    def id(self) -> str:
        """Its own id."""
        return self.prepared.id

    @property
    def statement(self) -> dict[str, Any]:
        """The statement as it is given back."""
        moment = timestamps.of_place(self.seq)
        return {"timestamp": moment, **self.prepared.stamped, "stored": moment}

    @property
    def document(self) -> str:
        """The same as text, as the store holds it."""
        return timestamps.of_place(self.seq).join(self.prepared.pieces)


def prepare(text: str, received: Mapping[str, Any], author: Author, *, version: str, id_hint: str | None = None) -> Prepared:
    """All of storing that needs no database.

    text      the statement as it was received; `received` is the same, parsed and valid
    version   `2.0.0` or `1.0.3`, the terms of the request
    id_hint   id for a statement that brings none (the `statementId` of a PUT)
    """
    stamped = {**received, "authority": author.authority}
    edits: list[rawtext.Edit] = []
    tail: list[str | None] = []

    def add(name: str, value: str | None) -> None:
        tail.extend((f',"{name}":', value) if value is not rawtext.STORED else (f',"{name}":"', rawtext.STORED, '"'))

    places = rawtext.members(text) if _needs_splicing(received) else {}
    if "id" not in received:
        stamped["id"] = id_hint or str(new_uuid())
        add("id", f'"{stamped["id"]}"')
    if "version" not in received:
        stamped["version"] = DEFAULT_STATEMENT_VERSION[version]
        add("version", f'"{stamped["version"]}"')
    if "authority" in received:
        edits.append((*places["authority"], author.text))
    else:
        add("authority", author.text)
    if "timestamp" not in received:
        add("timestamp", rawtext.STORED)
    elif "timestamp" in places:
        stamped["timestamp"] = timestamps.in_utc(received["timestamp"])
        edits.append((*places["timestamp"], f'"{stamped["timestamp"]}"'))
    if "stored" in received:
        start, end = places["stored"]
        edits += [(start, start, '"'), (start, start, rawtext.STORED), (start, end, '"')]
    else:
        add("stored", rawtext.STORED)
    if places:
        edits += _activities_as_lists(text, places, received, stamped)
    brace = len(text) - 1
    edits += [(brace, brace, new) for new in tail]
    target = received["object"]
    target_id = target["id"].lower() if target.get("objectType") == "StatementRef" else None
    keys = links.keys_of(received, author.authority)
    return Prepared(
        id=stamped["id"].lower(),
        received=received,
        stamped=stamped,
        pieces=rawtext.edited(text, edits),
        keys=keys,
        found_by=b"".join(keys),
        authority_key=author.key,
        target_id=target_id,
        voids=("any" if author.voids_any else "own") if received["verb"]["id"] == VERB_VOIDED else None,
    )


def store(db: Connection, batch: Sequence[Prepared], *, tenant_id: int, now: datetime) -> list[Stored]:
    """Stores a batch within the caller's transaction, all or nothing; call it late, for it takes the tenant's turn until commit.

    now      read after the transaction began; `stored` is this moment, or just after the last one given out
    Returns  the statements that are new, in order; one that is stored already with the same meaning is passed over
    Raises   StatementInvalid for an id twice in the batch; StatementConflict for a known id with another meaning; VoidingForbidden
    """
    straight = intake.take_in(db, batch, tenant_id=tenant_id, now=now)
    if straight is not None:
        return [Stored(place, prepared) for place, prepared in enumerate(batch, straight)]
    _refuse_repeated_ids(batch)
    first = _take_turn(db, tenant_id=tenant_id, count=len(batch), now=now)
    places = {prepared.id: place for place, prepared in enumerate(batch, first)}
    fresh = insert_new(db, registry, [(tenant_id, *entry) for entry in places.items()], column="id")
    if len(fresh) < len(batch):
        _refuse_other_meanings(db, tenant_id, [prepared for prepared in batch if prepared.id not in fresh])
    new = [prepared for prepared in batch if prepared.id in fresh]
    if not new:
        return []
    done = [Stored(places[prepared.id], prepared) for prepared in new]
    web = _References(db, tenant_id, done)
    done = [Stored(one.seq, one.prepared, voided=True) if one.id in web.voided else one for one in done] if web.voided else done
    keys = {one.seq: one.prepared.found_by for one in done}
    for key, seq in web.inherited:
        if seq in keys:
            keys[seq] += key
    insert_rows(db, statement, [_row(tenant_id, one) for one in done])
    insert_links(db, tenant_id, keys)
    insert_rows(db, link, [(tenant_id, key, seq) for key, seq in sorted(web.inherited) if seq not in keys], skip_known=True)
    insert_rows(db, reference, [(tenant_id, prepared.target_id, places[prepared.id]) for prepared in new if prepared.target_id])
    if web.voided_before:
        at = (statement.c.tenant_id == tenant_id, statement.c.seq.in_(web.voided_before))
        db.execute(update(statement).where(*at).values(voided=True))
    return done


class _References:
    """What follows from statements that refer to statements: who is voided, and by whose words a statement is found too.

    voided         ids of this batch that are voided, by a statement of the batch or one that came earlier
    voided_before  places of stored statements that this batch voids
    inherited      (key, seq) pairs beside their own: a statement is found by all that finds the statement it refers to, over
                   `_MAX_LINKS` references
    Source         xAPI 1.0.3, Data 2.3.2; Communication 2.1.3, filter conditions for StatementRefs
    """

    def __init__(self, db: Connection, tenant_id: int, done: Sequence[Stored]) -> None:
        self.voided: set[str] = set()
        self.voided_before: list[int] = []
        self.inherited: set[tuple[bytes, int]] = set()
        self._db, self._tenant_id = db, tenant_id
        self._nodes: dict[str, _Node] = {}
        fresh = {one.id for one in done}
        refers = any(one.prepared.target_id for one in done)
        if not refers and not _PLACES_OF_REFERRERS.rows(db, {"tenant": tenant_id, "ids": sorted(fresh)}):
            return
        for one in done:
            new = one.prepared
            self._nodes[one.id] = _Node(one.id, one.seq, new.keys, new.target_id, new.voids, new.authority_key)
        self._load_targets(fresh)
        self._load_referrers(fresh)
        for node in list(self._nodes.values()):
            self._inherit(node, fresh)
            self._void(node, fresh)

    def _load_targets(self, fresh: set[str]) -> None:
        """Brings in what the batch refers to, and what that refers to, as far as links are followed."""
        missing = {node.target_id for node in self._nodes.values() if node.target_id} - fresh
        for _ in range(_MAX_LINKS):
            if not missing:
                break
            found = self._load(_PLACES_OF_IDS, missing)
            missing = {node.target_id for node in found if node.target_id} - set(self._nodes)

    def _load_referrers(self, fresh: set[str]) -> None:
        """Brings in what refers to the batch, and what refers to that, as far as links are followed."""
        wanted = fresh
        for _ in range(_MAX_LINKS):
            if not wanted:
                break
            wanted = {node.id for node in self._load(_PLACES_OF_REFERRERS, wanted)}

    def _load(self, places_of: PreparedQuery, ids: set[str]) -> list["_Node"]:
        """Brings in the statements that a query of places finds; gives those that were not there."""
        places = [row[0] for row in places_of.rows(self._db, {"tenant": self._tenant_id, "ids": sorted(ids)})]
        found: list[_Node] = []
        if not places:
            return found
        for row in _AT_PLACES.rows(self._db, {"tenant": self._tenant_id, "places": places}):
            statement_id, seq, text, target_id, voids, by = row
            if statement_id not in self._nodes:
                document = orjson.loads(text)
                keys = links.keys_of(document, document["authority"])
                self._nodes[statement_id] = _Node(statement_id, seq, keys, target_id, voids, bytes(by))
                found.append(self._nodes[statement_id])
        return found

    def _inherit(self, node: "_Node", fresh: set[str]) -> None:
        """Adds the keys of all that this statement refers to, unless the whole chain was there before."""
        chain, at = {node.id}, node
        touched = node.id in fresh
        while len(chain) <= _MAX_LINKS and at.target_id and at.target_id in self._nodes and at.target_id not in chain:
            at = self._nodes[at.target_id]
            chain.add(at.id)
            touched = touched or at.id in fresh
            if touched:
                self.inherited.update((key, node.seq) for key in at.keys - node.keys)

    def _void(self, node: "_Node", fresh: set[str]) -> None:
        """A voiding statement voids its target, if that is stored, is no voiding statement, and is its own or it may void any."""
        target = self._nodes.get(node.target_id or "")
        if node.voids is None or target is None or target.voids is not None:
            return
        if node.voids == "own" and node.authority_key != target.authority_key:
            if node.id in fresh:
                raise VoidingForbidden
        elif target.id in fresh:
            self.voided.add(target.id)
        elif node.id in fresh:
            self.voided_before.append(target.seq)


@dataclass(frozen=True, slots=True)
class _Node:
    id: str
    seq: int
    keys: set[bytes]
    target_id: str | None
    voids: str | None
    authority_key: bytes


def _take_turn(db: Connection, *, tenant_id: int, count: int, now: datetime) -> int:
    """The first of `count` places, at this moment or later; other writers of the tenant wait until this transaction ends."""
    turn = {"tenant": tenant_id, "count": count, "last": timestamps.place_of(now) + count - 1}
    row = _ADVANCE.first(db, turn)
    if row is None:
        insert_rows(db, head, [(tenant_id, 0, 0)], skip_known=True)
        row = _ADVANCE.first(db, turn)
    assert row is not None
    return int(row[0]) - count + 1


def _refuse_other_meanings(db: Connection, tenant_id: int, known: Sequence[Prepared]) -> None:
    """Passes statements whose ids are taken by statements of the same meaning. Raises StatementConflict."""
    places = [row[0] for row in _PLACES_OF_IDS.rows(db, {"tenant": tenant_id, "ids": [prepared.id for prepared in known]})]
    documents = {row[0]: row[2] for row in _AT_PLACES.rows(db, {"tenant": tenant_id, "places": places})}
    for prepared in known:
        if not same_meaning(orjson.loads(documents[prepared.id]), prepared.received):
            raise StatementConflict(id=prepared.id)


def _row(tenant_id: int, one: Stored) -> tuple[Any, ...]:
    """The row of a statement."""
    new = one.prepared
    return tenant_id, one.seq, new.id, new.authority_key, new.target_id, new.voids, one.voided, one.document


def _refuse_repeated_ids(batch: Sequence[Prepared]) -> None:
    seen: set[str] = set()
    for place, prepared in enumerate(batch):
        if prepared.id in seen:
            raise StatementInvalid("id_repeated", f"/{place}/id")
        seen.add(prepared.id)


def _needs_splicing(received: Mapping[str, Any]) -> bool:
    """Whether a member of the received text must change; most statements only get members added."""
    timestamp = received.get("timestamp")
    return (
        "stored" in received
        or "authority" in received
        or (timestamp is not None and timestamps.in_utc(timestamp) != timestamp)
        or any(_lone_activities(part) for part in (received, received["object"]))
    )


def _lone_activities(part: Mapping[str, Any]) -> list[str]:
    """The kinds of context activities that stand alone, without a list around them."""
    kinds = part.get("context", {}).get("contextActivities", {})
    return [kind for kind, value in kinds.items() if isinstance(value, dict)]


def _activities_as_lists(
    text: str,
    places: Mapping[str, tuple[int, int]],
    received: Mapping[str, Any],
    stamped: dict[str, Any],
) -> list[rawtext.Edit]:
    """Puts lone context activities into lists of one, as every answer must show them (xAPI 1.0.3, Data 2.4.6.2)."""
    edits: list[rawtext.Edit] = []
    for path in ((), ("object",)):
        part = received["object"] if path else received
        kinds = _lone_activities(part)
        if not kinds:
            continue
        at = places
        for name in (*path, "context", "contextActivities"):
            at = rawtext.members(text, at[name][0])
        for kind in kinds:
            start, end = at[kind]
            edits += [(start, start, "["), (end, end, "]")]
        activities = {k: [v] if k in kinds else v for k, v in part["context"]["contextActivities"].items()}
        listed = {**part, "context": {**part["context"], "contextActivities": activities}}
        if path:
            stamped["object"] = listed
        else:
            stamped["context"] = listed["context"]
    return edits
