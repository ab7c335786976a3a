"""Is this a statement? First its shape, by a compiled schema of its version; then the rules that a schema cannot say. Pure.

The first fault found is told, with the rule's stable code and its place as a JSON pointer.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import jsonschema_rs

from xapi import schema, timestamps
from xapi.errors import StatementInvalid
from xapi.vocabulary import V1, V2, VERB_VOIDED

_BY_DEFINITION = {
    ("identified", "oneOf"): "one_ifi",
    ("anonymous", "required"): "anonymous_group",
    ("team", "const"): "team_is_group",
    ("team", "required"): "team_is_group",
    ("oauth_pair", "minItems"): "authority_pair",
    ("oauth_pair", "maxItems"): "authority_pair",
    ("oauth_pair", "contains"): "authority_pair",
    ("oauth_pair", "required"): "authority_pair",
    ("oauth_pair", "not"): "authority_pair",
    ("score", "minimum"): "score_range",
    ("score", "maximum"): "score_range",
}
_BY_KEYWORD = {
    "type": "wrong_type",
    "additionalProperties": "unknown_property",
    "required": "missing_property",
    "enum": "unknown_value",
    "const": "unknown_value",
    "minimum": "too_small",
    "minItems": "relevant_types_empty",
}
_COMPONENTS = {
    "choices": ("choice", "sequencing"),
    "scale": ("likert",),
    "source": ("matching",),
    "target": ("matching",),
    "steps": ("performance",),
}


def validate_statement(statement: Mapping[str, Any], version: str = V2) -> None:
    """Passes a statement that the standard allows; refuses any other.

    statement   as parsed from JSON
    version     `2.0.0` or `1.0.3`: the terms of the request
    Raises      StatementInvalid with the rule's code and its place
    Source      xAPI 1.0.3, Data 2.2 to 2.4 and 4.0; IEEE 9274.1.1-2023, 4.2
    """
    validator = _validator(version)
    if not validator.is_valid(statement):
        raise _refusal(validator, statement)
    for rule, place in _broken_rules(statement, version):
        raise StatementInvalid(rule, place)


def validate_agent(agent: Any) -> None:
    """Passes the value of an `agent` parameter: an agent or an identified group. Raises StatementInvalid."""
    validator = _agent_validator()
    if not validator.is_valid(agent):
        raise _refusal(validator, agent)


@cache
def _validator(version: str) -> Any:
    return jsonschema_rs.Draft202012Validator(schema.statement_schema(version))


@cache
def _agent_validator() -> Any:
    return jsonschema_rs.Draft202012Validator(schema.agent_schema())


def _refusal(validator: Any, value: Any) -> StatementInvalid:
    fault = next(validator.iter_errors(value))
    place = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in fault.instance_path)
    return StatementInvalid(_rule(fault), place)


def _rule(fault: Any) -> str:
    path = list(fault.schema_path)
    keyword = path[-1]
    definition = path[path.index("$defs") + 1] if "$defs" in path else ""
    if fault.instance is None and keyword in ("type", "enum", "const"):
        return "null_value"
    if keyword == "propertyNames":
        return "iri" if definition == "extensions" else "language"
    if keyword == "pattern":
        return str(definition)
    return _BY_DEFINITION.get((definition, keyword)) or _BY_KEYWORD.get(keyword, "shape")


def _broken_rules(statement: Mapping[str, Any], version: str) -> Iterator[tuple[str, str]]:
    stored = statement.get("stored")
    if stored is not None and timestamps.parse(stored, V1) is None:
        yield "timestamp", "/stored"
    target = statement["object"]
    if statement["verb"]["id"] == VERB_VOIDED and target.get("objectType") != "StatementRef":
        yield "voiding_needs_statement_ref", "/object"
    yield from _broken_in_part(statement, version, "")
    if target.get("objectType") == "SubStatement":
        yield from _broken_in_part(target, version, "/object")


def _broken_in_part(part: Mapping[str, Any], version: str, place: str) -> Iterator[tuple[str, str]]:
    """Rules that hold for a statement and for a sub-statement alike."""
    timestamp = part.get("timestamp")
    if timestamp is not None and timestamps.parse(timestamp, version) is None:
        yield "timestamp", f"{place}/timestamp"
    score = part.get("result", {}).get("score")
    if score and not _score_in_order(score):
        yield "score_order", f"{place}/result/score"
    target = part["object"]
    is_activity = target.get("objectType", "Activity") == "Activity"
    if is_activity:
        yield from _broken_in_activity(target, f"{place}/object")
    if "context" in part:
        yield from _broken_in_context(part["context"], f"{place}/context", is_activity=is_activity)


def _broken_in_context(context: Mapping[str, Any], place: str, *, is_activity: bool) -> Iterator[tuple[str, str]]:
    """Rules of a context; `is_activity`: the object of its statement is one."""
    for name in ("revision", "platform"):
        if name in context and not is_activity:
            yield "revision_needs_activity", f"{place}/{name}"
    for kind, activities in context.get("contextActivities", {}).items():
        if isinstance(activities, list):
            for number, activity in enumerate(activities):
                yield from _broken_in_activity(activity, f"{place}/contextActivities/{kind}/{number}")
        else:
            yield from _broken_in_activity(activities, f"{place}/contextActivities/{kind}")


def _score_in_order(score: Mapping[str, Any]) -> bool:
    """Whether min < max, and raw between them, as far as each is given (xAPI 1.0.3, Data 2.4.5.1)."""
    low, high, raw = score.get("min"), score.get("max"), score.get("raw")
    if low is not None and high is not None and low >= high:
        return False
    return raw is None or ((low is None or low <= raw) and (high is None or raw <= high))


def _broken_in_activity(activity: Mapping[str, Any], place: str) -> Iterator[tuple[str, str]]:
    definition = activity.get("definition")
    if not definition:
        return
    interaction = definition.get("interactionType")
    if interaction is None and "correctResponsesPattern" in definition:
        yield "interaction_type_missing", f"{place}/definition"
    for name, kinds in _COMPONENTS.items():
        components = definition.get(name)
        if components is None:
            continue
        where = f"{place}/definition/{name}"
        if interaction is None:
            yield "interaction_type_missing", f"{place}/definition"
        elif interaction not in kinds:
            yield "interaction_component", where
        if len({component["id"] for component in components}) != len(components):
            yield "component_repeated", where
