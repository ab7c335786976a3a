"""The Activities and the Agents Resource: what is known of an activity, and of a person, from the statements that name them.

Definitions are taken in as statements are stored, within the same turn of the tenant: what was taken in last costs nothing when it
comes again, for each process remembers it for a minute. Nothing is kept of agents: a Person is put together from statements that the
asker may see, so that no credential learns a name which it could not read anyway.
Source   xAPI 1.0.3, Communication 2.4 and 2.5; Data 2.4.4.1; IEEE 9274.1.1, 4.1.6.3 and 4.1.6.4
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any

import orjson
from flask import Response
from sqlalchemy import Connection, Row, bindparam, select, update

from kernel import strictjson
from xapi import links, query
from xapi.answers import json_answer
from xapi.auth import Caller, Sight
from xapi.bulk import insert_rows
from xapi.models import activity as activity_table
from xapi.request import XapiRequest, iri, refuse_unknown, required, single_agent
from xapi.resource import Resource

_MAPS = ("name", "description", "extensions")
_INTERACTION = ("interactionType", "correctResponsesPattern", "choices", "scale", "source", "target", "steps")
_IFIS = ("mbox", "mbox_sha1sum", "openid", "account")
_KEYS_AT_ONCE = 1_000
_N_READ = 100
"""Statements that are read for a Person, or for an activity that the asker may see in part."""

_KNOWN = select(activity_table).where(
    activity_table.c.tenant_id == bindparam("tenant"), activity_table.c.key.in_(bindparam("keys", expanding=True))
)
_CHANGE = (
    update(activity_table)
    .where(activity_table.c.tenant_id == bindparam("tenant"), activity_table.c.key == bindparam("at"))
    .values(last_key=bindparam("last"), definition=bindparam("text"))
)


class Memory:
    """Which definition of an activity this process saw taken in last; another process may have taken in one since, so it fades."""

    SECONDS = 60.0
    MAX_ENTRIES = 50_000

    def __init__(self) -> None:
        self._entries: dict[tuple[int, bytes], tuple[bytes, float]] = {}

    def holds(self, tenant_id: int, key: bytes, digest: bytes) -> bool:
        """Whether this definition was the last one, less than a minute ago."""
        found = self._entries.get((tenant_id, key))
        return found is not None and found[0] == digest and found[1] > time.monotonic()

    def remember(self, tenant_id: int, learned: Mapping[bytes, bytes]) -> None:
        """Takes note of what `learn` took in, once its transaction is committed."""
        if len(self._entries) > self.MAX_ENTRIES:
            self._entries.clear()
        until = time.monotonic() + self.SECONDS
        self._entries.update({(tenant_id, key): (digest, until) for key, digest in learned.items()})


@dataclass(frozen=True, slots=True)
class Definition:
    """What statements say of an activity.

    is_disputed   whether they say another thing of it too
    """

    digest: bytes
    text: str
    is_disputed: bool


def news(statements: Iterable[Mapping[str, Any]], *, tenant_id: int, memory: Memory) -> dict[bytes, Definition]:
    """Definitions that may be news, by key of the activity: to be asked before the turn, where it delays nobody."""
    found: dict[bytes, Definition] = {}
    for name, definition in _definitions(statements):
        key, text = links.activity_key(name), strictjson.dumps(definition)
        digest = _digest(text)
        if not memory.holds(tenant_id, key, digest):
            found[key] = Definition(digest, text.decode(), is_disputed=key in found and found[key].digest != digest)
    return found


def learn(db: Connection, statements: Iterable[Mapping[str, Any]], *, tenant_id: int) -> dict[bytes, bytes]:
    """Takes in the definitions of new statements, within the turn that stores them.

    Returns  what a `Memory` may remember after the commit: digest of the last definition by key of the activity
    """
    told: dict[bytes, list[Mapping[str, Any]]] = {}
    last: dict[bytes, bytes] = {}
    for name, definition in _definitions(statements):
        key, digest = links.activity_key(name), _digest(strictjson.dumps(definition))
        if last.get(key) != digest:
            told.setdefault(key, []).append(definition)
            last[key] = digest
    known = {bytes(row.key): row for row in _rows(db, tenant_id, told)}
    new, changed = [], []
    for key in sorted(told):
        if key in known and bytes(known[key].last_key) == last[key] and len(told[key]) == 1:
            continue
        definition = orjson.loads(known[key].definition) if key in known else {}
        for one in told[key]:
            definition = merged(definition, one)
        text = strictjson.dumps(definition).decode()
        if key in known:
            changed.append({"tenant": tenant_id, "at": key, "last": last[key], "text": text})
        else:
            new.append((tenant_id, key, last[key], text))
    insert_rows(db, activity_table, new)
    if changed:
        db.execute(_CHANGE, changed)
    return last


def merged(known: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """One definition from two: languages and extensions add up, the properties of an interaction stay together, the newer word counts."""
    kept = {name: value for name, value in known.items() if not ("interactionType" in told and name in _INTERACTION)}
    both = {name: {**kept[name], **told[name]} for name in _MAPS if name in kept and name in told}
    return {**kept, **told, **both}


def known_definitions(db: Connection, iris: Iterable[str], *, tenant_id: int) -> dict[str, dict[str, Any]]:
    """What is known of those activities that were defined, by IRI."""
    by_key = {links.activity_key(name): name for name in iris}
    return {by_key[bytes(row.key)]: orjson.loads(row.definition) for row in _rows(db, tenant_id, by_key)}


def activities_of(statement: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The activities that a statement names, and its sub-statement."""
    for part in (statement, statement["object"]):
        kind = part.get("objectType", "Activity") if part is statement["object"] else None
        if kind == "Activity":
            yield part
        for listed in part.get("context", {}).get("contextActivities", {}).values():
            yield from listed if isinstance(listed, list) else [listed]
        if kind == "SubStatement" and part["object"].get("objectType", "Activity") == "Activity":
            yield part["object"]


class Activities(Resource):
    """The Activities Resource."""

    def read(self, db: Connection, asked: XapiRequest, caller: Caller, now: datetime) -> Response:  # noqa: ARG002  as every resource
        """The activity with all that is known of it; one that nobody defined is given back by its id."""
        refuse_unknown(asked.params, {"activityId"})
        required(asked.params, "activityId")
        name = iri(asked.params, "activityId")
        sight = caller.sight()
        if sight.sees_everything:
            definition = known_definitions(db, [name], tenant_id=caller.tenant_id).get(name)
        else:
            definition = _as_seen(_statements(db, links.activity_key(name, related=True), caller, sight), name)
        found = {"objectType": "Activity", "id": name} | ({"definition": definition} if definition else {})
        return json_answer(strictjson.dumps(found))


class Agents(Resource):
    """The Agents Resource."""

    def read(self, db: Connection, asked: XapiRequest, caller: Caller, now: datetime) -> Response:  # noqa: ARG002  as every resource
        """A Person: the identifier that was asked for, and every name under which statements know it."""
        refuse_unknown(asked.params, {"agent"})
        agent = single_agent(asked.params)
        sight = caller.sight()
        identifier = links.identifier_of(agent)
        names = [agent["name"]] if "name" in agent else []
        for statement in _statements(db, sight.agent_key(agent, related=False), caller, sight):
            names += [one["name"] for one in _actors(statement) if "name" in one and links.identifier_of(one) == identifier]
        person = {"objectType": "Person", **{name: [agent[name]] for name in _IFIS if name in agent}}
        return json_answer(strictjson.dumps(person | ({"name": list(dict.fromkeys(names))} if names else {})))


def _rows(db: Connection, tenant_id: int, keys: Iterable[bytes]) -> Iterator[Row[Any]]:
    """The rows of these activities; asked for in parts, for one statement may name more than a query takes."""
    asked = sorted(keys)
    for start in range(0, len(asked), _KEYS_AT_ONCE):
        yield from db.execute(_KNOWN, {"tenant": tenant_id, "keys": asked[start : start + _KEYS_AT_ONCE]})


def _digest(text: bytes) -> bytes:
    return blake2b(text, digest_size=links.KEY_BYTES).digest()


def _definitions(statements: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for statement in statements:
        for activity in activities_of(statement):
            if activity.get("definition"):
                yield activity["id"], activity["definition"]


def _statements(db: Connection, key: bytes, caller: Caller, sight: Sight) -> list[Mapping[str, Any]]:
    """The newest statements with this key that the caller may see, as it sees them, newest first."""
    wanted = query.within(query.Filter(keys=((key,),), limit=_N_READ), sight.part)
    page = query.first_page(db, wanted, tenant_id=caller.tenant_id)
    found = query.read_page(db, page, tenant_id=caller.tenant_id, mine=sight.mine)
    return [orjson.loads(sight.shown(document)) for document in found.documents]


def _as_seen(statements: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    definition: dict[str, Any] = {}
    for found, told in _definitions(reversed(statements)):
        if found == name:
            definition = merged(definition, told)
    return definition


def _actors(statement: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for actor in (statement["actor"], statement["object"]):
        yield actor
        yield from actor.get("member", ())
