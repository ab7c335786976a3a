"""The three ways a statement is given back: `exact` as received, `ids` with what identifies, `canonical` in one language. Pure.

Source   xAPI 1.0.3, Communication 2.1.3 (format) and its language filtering requirements
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import orjson

from kernel import strictjson

_IFIS = ("mbox", "mbox_sha1sum", "openid", "account")
Definitions = Mapping[str, Mapping[str, Any]]

_COMPONENTS = ("choices", "scale", "source", "target", "steps")


def formatted(document: str, form: str, languages: Sequence[str], definitions: Definitions = MappingProxyType({})) -> str:
    """One statement in one format.

    document    the statement as stored
    form        `exact`, `ids` or `canonical`
    languages   what the reader prefers, best first (`canonical` only)
    definitions   what is known of activities, by IRI; one that is not there keeps its own definition (`canonical` only)
    """
    if form == "exact":
        return document
    statement = orjson.loads(document)
    return strictjson.dumps(_ids(statement) if form == "ids" else _canonical(statement, languages, definitions)).decode()


def _ids(part: Mapping[str, Any]) -> dict[str, Any]:
    kept = dict(part)
    kept["actor"] = _actor_id(part["actor"])
    kept["verb"] = {"id": part["verb"]["id"]}
    kept["object"] = _object_id(part["object"])
    if "authority" in part:
        kept["authority"] = _actor_id(part["authority"])
    if "context" in part:
        kept["context"] = _context_ids(part["context"])
    return kept


def _object_id(value: Mapping[str, Any]) -> dict[str, Any]:
    kind = value.get("objectType", "Activity")
    if kind == "Activity":
        return {"id": value["id"]}
    if kind == "SubStatement":
        return _ids(value)
    return _actor_id(value) if kind in ("Agent", "Group") else dict(value)


def _actor_id(actor: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: actor[name] for name in ("objectType", *_IFIS) if name in actor}
    if "member" in actor and not any(name in actor for name in _IFIS):
        kept["member"] = [_actor_id(member) for member in actor["member"]]
    return kept


def _context_ids(context: Mapping[str, Any]) -> dict[str, Any]:
    kept = dict(context)
    for name in ("instructor", "team"):
        if name in kept:
            kept[name] = _actor_id(kept[name])
    if "contextActivities" in kept:
        kept["contextActivities"] = {
            kind: [_object_id(activity) for activity in activities] for kind, activities in kept["contextActivities"].items()
        }
    for name, inner in (("contextAgents", "agent"), ("contextGroups", "group")):
        if name in kept:
            kept[name] = [{**entry, inner: _actor_id(entry[inner])} for entry in kept[name]]
    return kept


def _canonical(part: Mapping[str, Any], languages: Sequence[str], known: Definitions) -> dict[str, Any]:
    kept = dict(part)
    if "display" in part["verb"]:
        kept["verb"] = {**part["verb"], "display": _one_language(part["verb"]["display"], languages)}
    kept["object"] = _canonical_object(part["object"], languages, known)
    activities = part.get("context", {}).get("contextActivities")
    if activities:
        one = {kind: [_canonical_object(activity, languages, known) for activity in entries] for kind, entries in activities.items()}
        kept["context"] = {**part["context"], "contextActivities": one}
    return kept


def _canonical_object(value: Mapping[str, Any], languages: Sequence[str], known: Definitions) -> dict[str, Any]:
    kind = value.get("objectType", "Activity")
    if kind == "SubStatement":
        return _canonical(value, languages, known)
    if kind != "Activity":
        return dict(value)
    definition = dict(known.get(value["id"]) or value.get("definition", {}))
    if not definition:
        return dict(value)
    for name in ("name", "description"):
        if name in definition:
            definition[name] = _one_language(definition[name], languages)
    for name in _COMPONENTS:
        if name in definition:
            definition[name] = [
                {**entry, "description": _one_language(entry["description"], languages)} if "description" in entry else entry
                for entry in definition[name]
            ]
    return {**value, "definition": definition}


def _one_language(texts: Mapping[str, str], languages: Sequence[str]) -> dict[str, str]:
    """The entry that suits the reader best: by the first wish that any entry meets, else the first there is.

    A wish is met by its own tag, then by a closer one (`en-GB` for `en`), then by a wider one (`en` for `en-US`), then by the language.
    """
    tags = {tag.lower(): tag for tag in texts}
    for wanted in (language.lower() for language in languages):
        if wanted == "*":
            break
        language = wanted.split("-")[0]
        tests: list[Callable[[str], bool]] = [
            wanted.__eq__,
            lambda tag, wish=wanted: tag.startswith(wish + "-"),  # type: ignore[misc]
            lambda tag, wish=wanted: wish.startswith(tag + "-"),  # type: ignore[misc]
            lambda tag, wish=language: tag.split("-")[0] == wish,  # type: ignore[misc]
        ]
        found = next((tag for meets in tests for tag in tags if meets(tag)), None)
        if found is not None:
            return {tags[found]: texts[tags[found]]}
    return dict(list(texts.items())[:1])
