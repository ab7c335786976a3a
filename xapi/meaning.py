"""Do two statements say the same? The comparison of the standard, for an id that is seen again. Pure.

Source   xAPI 1.0.3, Data 2.3.1 (statement immutability and comparison); 4.6 (durations)
"""

import re
from collections.abc import Mapping
from typing import Any

from kernel import strictjson
from xapi import timestamps
from xapi.vocabulary import V1

_SET_BY_LRS = ("id", "stored", "authority", "version")
_FINE_SECONDS = re.compile(r"([.,]\d\d)\d+S")


def same_meaning(stored: Mapping[str, Any], received: Mapping[str, Any]) -> bool:
    """Whether the received statement matches the stored one of the same id.

    Not compared: what the LRS sets (a timestamp that it set itself included), verb displays, activity definitions, the order of group
    members, a lone context activity against a list of one, the case of mail domains and of digests, the zone of timestamps, durations
    below 0.01 s.
    """
    left, right = _compared(stored), _compared(received)
    if stored.get("timestamp") == stored.get("stored") or "timestamp" not in received:
        left.pop("timestamp", None)
        right.pop("timestamp", None)
    return strictjson.dumps(left, sort_keys=True) == strictjson.dumps(right, sort_keys=True)


def _compared(statement: Mapping[str, Any]) -> dict[str, Any]:
    """A statement or sub-statement without all that may differ."""
    kept = {name: value for name, value in statement.items() if name not in _SET_BY_LRS}
    kept["actor"] = _actor(kept["actor"])
    kept["verb"] = kept["verb"]["id"]
    kept["object"] = _object(kept["object"])
    if "timestamp" in kept:
        kept["timestamp"] = str(timestamps.parse(kept["timestamp"], V1))
    if "context" in kept:
        kept["context"] = _context(kept["context"])
    if "attachments" in kept:
        kept["attachments"] = [{**one, "sha2": one["sha2"].lower()} for one in kept["attachments"]]
    if "duration" in kept.get("result", {}):
        kept["result"] = {**kept["result"], "duration": _FINE_SECONDS.sub(r"\1S", kept["result"]["duration"])}
    return kept


def _object(value: Mapping[str, Any]) -> Any:
    kind = value.get("objectType", "Activity")
    if kind == "Activity":
        return _activity(value)
    if kind == "SubStatement":
        return _compared(value)
    return _actor(value) if kind in ("Agent", "Group") else {**value, "id": value["id"].lower()}


def _activity(value: Mapping[str, Any]) -> dict[str, Any]:
    return {"objectType": "Activity", "id": value["id"]}


def _actor(value: Mapping[str, Any]) -> dict[str, Any]:
    actor = {"objectType": "Agent", **value}
    if "mbox" in actor:
        name, _, domain = actor["mbox"].rpartition("@")
        actor["mbox"] = f"{name}@{domain.lower()}"
    if "mbox_sha1sum" in actor:
        actor["mbox_sha1sum"] = actor["mbox_sha1sum"].lower()
    if "member" in actor:
        actor["member"] = sorted(
            (_actor(member) for member in actor["member"]), key=lambda member: strictjson.dumps(member, sort_keys=True)
        )
    return actor


def _context(value: Mapping[str, Any]) -> dict[str, Any]:
    context = dict(value)
    for name in ("instructor", "team"):
        if name in context:
            context[name] = _actor(context[name])
    if "registration" in context:
        context["registration"] = context["registration"].lower()
    if "contextActivities" in context:
        context["contextActivities"] = {
            kind: [_activity(activity) for activity in (part if isinstance(part, list) else [part])]
            for kind, part in context["contextActivities"].items()
        }
    return context
