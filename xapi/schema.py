"""The shape of a statement as JSON Schema, one for each version, written from the specification. Pure data.

The name of a definition and the keyword that failed give the rule's code (`validation.py`).
Source   xAPI 1.0.3, Data 2.4 and 4.0; IEEE 9274.1.1-2023, 4.2
"""

from typing import Any

from xapi.vocabulary import V2

Schema = dict[str, Any]

IRI = r"^[A-Za-z][A-Za-z0-9+.\-]*:[^\s<>\"{}|\\^`\x00-\x1f]+$"
UUID = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
MAILTO = r"^mailto:[^@\s<>]+@[^@\s<>]+$"
SHA1 = r"^[0-9a-fA-F]{40}$"
SHA2 = r"^(?:[0-9a-fA-F]{56}|[0-9a-fA-F]{64}|[0-9a-fA-F]{96}|[0-9a-fA-F]{128})$"
MEDIA_TYPE = r"^[A-Za-z0-9!#$&^_.+\-]+/[A-Za-z0-9!#$&^_.+\-]+(?:[ \t]*;[^\x00-\x1f\x7f]*)?$"
DURATION = (
    r"^P(?:\d+(?:[.,]\d+)?W|(?=\d|T\d)(?:\d+(?:[.,]\d+)?Y)?(?:\d+(?:[.,]\d+)?M)?(?:\d+(?:[.,]\d+)?D)?"
    r"(?:T(?=\d)(?:\d+(?:[.,]\d+)?H)?(?:\d+(?:[.,]\d+)?M)?(?:\d+(?:[.,]\d+)?S)?)?)$"
)
LANGUAGE = (
    r"^(?i:(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4}|[a-z]{5,8})(?:-[a-z]{4})?(?:-(?:[a-z]{2}|[0-9]{3}))?"
    r"(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*(?:-[0-9a-wy-z](?:-[a-z0-9]{2,8})+)*(?:-x(?:-[a-z0-9]{1,8})+)?"
    r"|x(?:-[a-z0-9]{1,8})+|i-(?:ami|bnn|default|enochian|hak|klingon|lux|mingo|navajo|pwn|tao|tay|tsu)"
    r"|en-gb-oed|sgn-(?:be-fr|be-nl|ch-de)|art-lojban|cel-gaulish|no-bok|no-nyn|zh-(?:guoyu|hakka|min|min-nan|xiang))$"
)
"""RFC 5646, section 2.1."""
VERSION_1 = r"^1\.0(?:\.\d+)?$"
"""xAPI 1.0.3, Data 2.4.10 refuses a statement of version `1.0`; ADL's suite wants it taken, as the header of a request is."""
VERSION_2 = r"^[12]\.0(?:\.\d+)?$"

INTERACTION_TYPES = (
    "true-false",
    "choice",
    "fill-in",
    "long-fill-in",
    "matching",
    "performance",
    "sequencing",
    "likert",
    "numeric",
    "other",
)
IFIS = ("mbox", "mbox_sha1sum", "openid", "account")


def statement_schema(version: str) -> Schema:
    """The schema of one statement in one version of xAPI (`1.0.3` or `2.0.0`)."""
    definitions = _definitions(second=version == V2)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": "#/$defs/statement", "$defs": definitions}


def agent_schema() -> Schema:
    """The schema of the `agent` parameter: an agent or an identified group."""
    definitions = _definitions(second=True)
    identified = {"allOf": [_actor("agent", "group")], "$ref": "#/$defs/identified"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$ref": "#/$defs/actor",
        "$defs": {**definitions, "actor": identified},
    }


def _definitions(*, second: bool) -> dict[str, Schema]:
    one_ifi = [{"required": [name]} for name in IFIS]
    ifis = {"mbox": _ref("mailto"), "mbox_sha1sum": _ref("sha1"), "openid": _ref("iri"), "account": _ref("account")}
    statement = {
        "actor": _ref("actor"),
        "verb": _ref("verb"),
        "object": _ref("object"),
        "result": _ref("result"),
        "context": _ref("context"),
        "timestamp": _ref("text"),
        "attachments": {"type": "array", "items": _ref("attachment")},
    }
    context = {
        "registration": _ref("uuid"),
        "instructor": _ref("actor"),
        "team": _ref("team"),
        "contextActivities": _ref("context_activities"),
        "revision": _ref("text"),
        "platform": _ref("text"),
        "language": _ref("language"),
        "statement": _ref("statement_ref"),
        "extensions": _ref("extensions"),
    }
    if second:
        context["contextAgents"] = {"type": "array", "items": _ref("context_agent")}
        context["contextGroups"] = {"type": "array", "items": _ref("context_group")}
    relevant_types = {"type": "array", "minItems": 1, "items": _ref("iri")}
    return {
        "text": {"type": "string"},
        "iri": {"type": "string", "pattern": IRI},
        "uuid": {"type": "string", "pattern": UUID},
        "mailto": {"type": "string", "pattern": MAILTO},
        "sha1": {"type": "string", "pattern": SHA1},
        "sha2": {"type": "string", "pattern": SHA2},
        "media_type": {"type": "string", "pattern": MEDIA_TYPE},
        "duration": {"type": "string", "pattern": DURATION},
        "language": {"type": "string", "pattern": LANGUAGE},
        "version": {"type": "string", "pattern": VERSION_2 if second else VERSION_1},
        "language_map": {"type": "object", "propertyNames": _ref("language"), "additionalProperties": _ref("text")},
        "extensions": {"type": "object", "propertyNames": _ref("iri")},
        "account": _object({"homePage": _ref("iri"), "name": _ref("text")}, required=["homePage", "name"]),
        "identified": {"oneOf": one_ifi},
        "agent": {**_object({"objectType": {"const": "Agent"}, "name": _ref("text"), **ifis}), "$ref": "#/$defs/identified"},
        "group": {
            **_object(
                {
                    "objectType": {"const": "Group"},
                    "name": _ref("text"),
                    **ifis,
                    "member": {"type": "array", "items": _ref("agent")},
                },
                required=["objectType"],
            ),
            "if": {"anyOf": one_ifi},
            "then": _ref("identified"),
            "else": _ref("anonymous"),
        },
        "anonymous": {"required": ["member"]},
        "actor": _actor("agent", "group"),
        "team": {"type": "object", "required": ["objectType"], "properties": {"objectType": {"const": "Group"}}, "$ref": "#/$defs/group"},
        "authority": _actor("agent", "oauth_pair"),
        "oauth_pair": {
            "properties": {"member": {"minItems": 2, "maxItems": 2, "contains": {"required": ["account"]}}},
            "required": ["member"],
            "not": {"anyOf": one_ifi},
            "$ref": "#/$defs/group",
        },
        "verb": _object({"id": _ref("iri"), "display": _ref("language_map")}, required=["id"]),
        "object": {
            "type": "object",
            "properties": {"objectType": {"enum": ["Activity", "Agent", "Group", "StatementRef", "SubStatement"]}},
            **_by_type(Agent="agent", Group="group", StatementRef="statement_ref", SubStatement="substatement", other="activity"),
        },
        "substatement": _object(
            {
                **statement,
                "objectType": {"const": "SubStatement"},
                "object": _ref("substatement_object"),
            },
            required=["objectType", "actor", "verb", "object"],
        ),
        "substatement_object": {
            "type": "object",
            "properties": {"objectType": {"enum": ["Activity", "Agent", "Group", "StatementRef"]}},
            **_by_type(Agent="agent", Group="group", StatementRef="statement_ref", other="activity"),
        },
        "statement_ref": _object({"objectType": {"const": "StatementRef"}, "id": _ref("uuid")}, required=["objectType", "id"]),
        "activity": _object({"objectType": {"const": "Activity"}, "id": _ref("iri"), "definition": _ref("definition")}, required=["id"]),
        "definition": _object(
            {
                "name": _ref("language_map"),
                "description": _ref("language_map"),
                "type": _ref("iri"),
                "moreInfo": _ref("iri"),
                "extensions": _ref("extensions"),
                "interactionType": {"enum": list(INTERACTION_TYPES)},
                "correctResponsesPattern": {"type": "array", "items": _ref("text")},
                **{name: {"type": "array", "items": _ref("component")} for name in ("choices", "scale", "source", "target", "steps")},
            }
        ),
        "component": _object({"id": _ref("text"), "description": _ref("language_map")}, required=["id"]),
        "result": _object(
            {
                "score": _ref("score"),
                "success": {"type": "boolean"},
                "completion": {"type": "boolean"},
                "response": _ref("text"),
                "duration": _ref("duration"),
                "extensions": _ref("extensions"),
            }
        ),
        "score": _object(
            {
                "scaled": {"type": "number", "minimum": -1, "maximum": 1},
                **{name: {"type": "number"} for name in ("raw", "min", "max")},
            }
        ),
        "context": _object(context),
        "context_activities": _object({name: _ref("activities") for name in ("parent", "grouping", "category", "other")}),
        "activities": {
            "type": ["object", "array"],
            "if": {"type": "array"},
            "then": {"items": _ref("activity")},
            "else": _ref("activity"),
        },
        "context_agent": _object(
            {
                "objectType": {"const": "contextAgent"},
                "agent": _ref("agent"),
                "relevantTypes": relevant_types,
            },
            required=["objectType", "agent"],
        ),
        "context_group": _object(
            {
                "objectType": {"const": "contextGroup"},
                "group": _ref("group"),
                "relevantTypes": relevant_types,
            },
            required=["objectType", "group"],
        ),
        "attachment": _object(
            {
                "usageType": _ref("iri"),
                "display": _ref("language_map"),
                "description": _ref("language_map"),
                "contentType": _ref("media_type"),
                "length": {"type": "integer", "minimum": 0},
                "sha2": _ref("sha2"),
                "fileUrl": _ref("iri"),
            },
            required=["usageType", "display", "contentType", "length", "sha2"],
        ),
        "statement": _object(
            {
                **statement,
                "id": _ref("uuid"),
                "stored": _ref("text"),
                "authority": _ref("authority"),
                "version": _ref("version"),
            },
            required=["actor", "verb", "object"],
        ),
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _object(properties: Schema, *, required: list[str] | None = None) -> Schema:
    return {"type": "object", "properties": properties, "required": required or [], "additionalProperties": False}


def _actor(agent: str, group: str) -> Schema:
    types = {"type": "object", "properties": {"objectType": {"enum": ["Agent", "Group"]}}}
    return {**types, **_by_type(Group=group, other=agent)}


def _by_type(*, other: str, **by_type: str) -> Schema:
    """The definition that an `objectType` calls for, tried in turn; without one of them it is `other`."""
    schema = _ref(other)
    for object_type, name in by_type.items():
        is_type = {"type": "object", "properties": {"objectType": {"const": object_type}}, "required": ["objectType"]}
        schema = {"if": is_type, "then": _ref(name), "else": schema}
    return schema
