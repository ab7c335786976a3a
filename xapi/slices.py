"""A slice: a stored filter, which a credential, a feed or a push is held to. Pure.

    {"verbs": [IRI], "activities": [IRI], "agents": [agent], "registrations": [UUID], "since": timestamp, "until": timestamp}

Every member may be missing; a statement is in the slice when it has any value of each list that is there, and was stored within the
times. An activity counts wherever the statement names it as object or context, an agent wherever it is named at all: a slice means
`related_activities` and `related_agents`. A statement that refers to others is also found by their words, as in a query, so that a
voiding statement reaches everyone who may have the statement that it voids.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Final, NoReturn

from xapi import links, timestamps
from xapi.errors import RequestInvalid, StatementInvalid
from xapi.schema import IRI, UUID
from xapi.validation import validate_agent
from xapi.vocabulary import MAX_SLICE_VALUES

_IFIS = ("mbox", "mbox_sha1sum", "openid", "account")


@dataclass(frozen=True)
class Slice:
    """Which statements; without a member, all of them.

    verbs, activities   IRIs
    agents              agents and identified groups, reduced to what identifies them
    registrations       UUIDs in small letters
    since, until        moments of storing: after `since`, not after `until`
    """

    verbs: tuple[str, ...] = ()
    activities: tuple[str, ...] = ()
    agents: tuple[Mapping[str, Any], ...] = ()
    registrations: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    @cached_property
    def keys(self) -> tuple[tuple[bytes, ...], ...]:
        """Digests of `links` in groups: a statement of the slice has at least one key of every group. The narrowest kind comes first."""
        return self.keys_by(lambda agent: links.agent_key(links.identifier_of(agent) or "", related=True))

    def keys_by(self, agent_key: Callable[[Mapping[str, Any]], bytes]) -> tuple[tuple[bytes, ...], ...]:
        """The same for who names agents otherwise; `agent_key` gives the digest under which one is found anywhere in a statement."""
        groups = (
            [links.registration_key(uuid) for uuid in self.registrations],
            [agent_key(agent) for agent in self.agents],
            [links.activity_key(iri, related=True) for iri in self.activities],
            [links.verb_key(iri) for iri in self.verbs],
        )
        return tuple(tuple(sorted(group)) for group in groups if group)

    def between(self, since: datetime, until: datetime) -> "Slice":
        """The part of it that was stored after one moment and not after another; it may be empty."""
        return replace(self, since=max(since, self.since or since), until=min(until, self.until or until))

    def to_json(self) -> dict[str, Any]:
        """The slice as `read_slice` takes it, without the members that say nothing."""
        lists = {"verbs": self.verbs, "activities": self.activities, "agents": self.agents, "registrations": self.registrations}
        times = {"since": self.since, "until": self.until}
        return {
            **{name: list(values) for name, values in lists.items() if values},
            **{name: timestamps.written(moment) for name, moment in times.items() if moment is not None},
        }


EVERYTHING: Final = Slice()
"""The slice that holds every statement."""


def read_slice(value: Any, place: str = "") -> Slice:
    """The slice that a JSON value describes.

    value    as parsed from JSON
    place    JSON pointer to the value, for the place of a refusal
    Raises   RequestInvalid (its place a JSON pointer) for anything but an object of the members above, an empty list or one of more
             than `MAX_SLICE_VALUES`, a value not of its kind, an agent without identifier, and times that leave nothing between them
    """
    if not isinstance(value, dict):
        _refuse("not_object", place or "/")
    for name in value:
        if name not in _MEMBERS:
            _refuse("unknown_member", f"{place}/{name}")
    found = Slice(**{name: _MEMBERS[name](one, f"{place}/{name}") for name, one in value.items()})
    if found.since is not None and found.until is not None and found.since >= found.until:
        _refuse("times_exclude_all", f"{place}/until")
    return found


def _each(read: Callable[[Any, str], Any]) -> Callable[[Any, str], tuple[Any, ...]]:
    """Reads a list of values of one kind; one given twice counts once."""

    def read_list(values: Any, place: str) -> tuple[Any, ...]:
        if not isinstance(values, list) or not 0 < len(values) <= MAX_SLICE_VALUES:
            _refuse("not_list", place)
        found: list[Any] = []
        for number, value in enumerate(values):
            one = read(value, f"{place}/{number}")
            if one not in found:
                found.append(one)
        return tuple(found)

    return read_list


def _text(pattern: str, rule: str) -> Callable[[Any, str], str]:
    shape = re.compile(pattern.rstrip("$"))

    def read_text(value: Any, place: str) -> str:
        if not isinstance(value, str) or not shape.fullmatch(value):
            _refuse(rule, place)
        return value

    return read_text


def _uuid(value: Any, place: str) -> str:
    return _text(UUID, "not_uuid")(value, place).lower()


def _agent(value: Any, place: str) -> Mapping[str, Any]:
    try:
        validate_agent(value)
    except StatementInvalid as error:
        _refuse("not_agent", place + error.place)
    if links.identifier_of(value) is None:
        _refuse("not_agent", place)
    return {name: value[name] for name in ("objectType", *_IFIS) if name in value}


def _moment(value: Any, place: str) -> datetime:
    moment = timestamps.parse(value) if isinstance(value, str) else None
    return moment or _refuse("not_timestamp", place)


def _refuse(rule: str, place: str) -> NoReturn:
    raise RequestInvalid(rule, place)


_MEMBERS: Final[Mapping[str, Callable[[Any, str], Any]]] = {
    "verbs": _each(_text(IRI, "not_iri")),
    "activities": _each(_text(IRI, "not_iri")),
    "agents": _each(_agent),
    "registrations": _each(_uuid),
    "since": _moment,
    "until": _moment,
}
