"""What a statement can be found by: the keys under which the index keeps it. Pure.

A key is 16 bytes: a BLAKE2b digest of a kind of filter and its value, so that a filter by verb, agent, activity or registration is the
same question to the same table, whatever the length of an IRI.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any

KEY_BYTES = 16


def verb_key(iri: str) -> bytes:
    """Statements with this verb."""
    return _key("verb", iri)


def registration_key(uuid: str) -> bytes:
    """Statements of this registration (`context.registration`)."""
    return _key("registration", uuid.lower())


def activity_key(iri: str, *, related: bool = False) -> bytes:
    """Statements whose object is this activity; `related`: that name it as object or context, a sub-statement's included."""
    return _key("activity*" if related else "activity", iri)


def agent_key(identifier: str, *, related: bool = False) -> bytes:
    """Statements whose actor or object is this agent or a group with it; `related`: that name it anywhere."""
    return _key("agent*" if related else "agent", identifier)


def authority_key(authority: Mapping[str, Any]) -> bytes:
    """Which authority this is; members of a group (an application and its user) count in any order."""
    members = sorted(identifier_of(member) or "" for member in authority.get("member", ()))
    return _key("authority", "\n".join([identifier_of(authority) or "", *members]))


def identifier_of(actor: Mapping[str, Any]) -> str | None:
    """The inverse functional identifier of an agent or identified group as one text; None for an anonymous group."""
    if "account" in actor:
        return f"account\n{actor['account']['homePage']}\n{actor['account']['name']}"
    if "mbox" in actor:
        name, _, domain = actor["mbox"].rpartition("@")
        return f"mbox\n{name}@{domain.lower()}"
    if "mbox_sha1sum" in actor:
        return f"mbox_sha1sum\n{actor['mbox_sha1sum'].lower()}"
    if "openid" in actor:
        return f"openid\n{actor['openid']}"
    return None


def keys_of(statement: Mapping[str, Any], authority: Mapping[str, Any]) -> set[bytes]:
    """Every key that finds this statement by its own words (what it refers to is added by the store).

    statement   valid
    authority   the agent or group that the LRS states as `authority`
    Source      xAPI 1.0.3, Communication 2.1.3; contextAgents and contextGroups count as related agents (IEEE 9274.1.1, 4.1.6.1)
    """
    keys = {verb_key(statement["verb"]["id"])}
    registration = statement.get("context", {}).get("registration")
    if registration:
        keys.add(registration_key(registration))
    target = statement["object"]
    kind = target.get("objectType", "Activity")
    if kind == "Activity":
        keys.add(activity_key(target["id"]))
    strict = set(_identifiers(statement["actor"]))
    if kind in ("Agent", "Group"):
        strict.update(_identifiers(target))
    keys.update(agent_key(identifier) for identifier in strict)
    related = strict.union(_identifiers(authority), *(_identifiers(actor) for actor in _context_actors(statement)))
    activities = set(_activities(statement))
    if kind == "SubStatement":
        inner = target["object"]
        related.update(_identifiers(target["actor"]), *(_identifiers(actor) for actor in _context_actors(target)))
        if inner.get("objectType") in ("Agent", "Group"):
            related.update(_identifiers(inner))
        activities.update(_activities(target))
    keys.update(agent_key(identifier, related=True) for identifier in related)
    keys.update(activity_key(iri, related=True) for iri in activities)
    return keys


@lru_cache(maxsize=20_000)
def _key(kind: str, value: str) -> bytes:
    return blake2b(f"{kind}\n{value}".encode(), digest_size=KEY_BYTES).digest()


def _identifiers(actor: Mapping[str, Any]) -> Iterator[str]:
    identifier = identifier_of(actor)
    if identifier:
        yield identifier
    for member in actor.get("member", ()):
        yield identifier_of(member) or ""


def _context_actors(part: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    context = part.get("context", {})
    for name in ("instructor", "team"):
        if name in context:
            yield context[name]
    for entry in context.get("contextAgents", ()):
        yield entry["agent"]
    for entry in context.get("contextGroups", ()):
        yield entry["group"]


def _activities(part: Mapping[str, Any]) -> Iterator[str]:
    if part["object"].get("objectType", "Activity") == "Activity":
        yield part["object"]["id"]
    for activities in part.get("context", {}).get("contextActivities", {}).values():
        for activity in activities if isinstance(activities, list) else [activities]:
            yield activity["id"]
