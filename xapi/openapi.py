"""The LRS as OpenAPI 3.1: what a client that knows no xAPI may read of it. Pure data, made from the statement's own schema.

Source   OpenAPI 3.1.1; xAPI 1.0.3, Communication 2; IEEE 9274.1.1, 4.1.6
"""

from typing import Any

from xapi.schema import IRI, UUID, Schema, statement_schema
from xapi.vocabulary import CONSISTENT_THROUGH_HEADER, MAX_BATCH, MOUNTS, VERSION_HEADER, VERSIONS

SECURITY = {"xapi": {"type": "http", "scheme": "basic", "description": "A credential of the LRS: its key and its secret."}}
_REFUSALS = {
    "400": "The request or a statement breaks a rule; `rule` and `place` name it. Nothing is stored.",
    "401": "Credentials are missing or refused.",
    "403": "The credential does not allow this.",
    "404": "There is no such statement, or none that the credential may see.",
    "409": "A statement of this id is stored and says something else. Nothing is stored.",
    "413": "The body or the batch is over its bound.",
    "415": "Multipart content is not taken.",
    "503": "The store is not available; send again later.",
}


def paths() -> dict[str, Any]:
    """The `paths` object: the Statement and the About Resource at both mount points."""
    found: dict[str, Any] = {}
    for mount, version in MOUNTS.items():
        found[f"{mount}/statements"] = _statements(version)
        found[f"{mount}/about"] = {"get": _about(version)}
    return found


def schemas() -> dict[str, Schema]:
    """The `components.schemas` that the paths name: the statement of each version, the result of a query, a refusal."""
    found: dict[str, Schema] = {
        "XapiAbout": {
            "type": "object",
            "required": ["version"],
            "properties": {"version": {"type": "array", "items": {"enum": list(VERSIONS)}}, "extensions": {"type": "object"}},
        },
        "XapiStatementResult": {
            "type": "object",
            "required": ["statements", "more"],
            "properties": {"statements": {"type": "array", "items": {"type": "object"}}, "more": {"type": "string"}},
        },
        "XapiRefusal": {
            "type": "object",
            "required": ["error"],
            "properties": {
                "error": {
                    "type": "object",
                    "required": ["code", "message", "rule", "place"],
                    "properties": {
                        "code": {"type": "string"},
                        "message": {"type": "object", "required": ["th", "en"], "additionalProperties": {"type": "string"}},
                        "rule": {"type": ["string", "null"]},
                        "place": {"type": ["string", "null"]},
                    },
                }
            },
        },
    }
    for version in MOUNTS.values():
        prefix = _prefix(version)
        found |= {f"{prefix}{name}": _moved(one, prefix) for name, one in statement_schema(version)["$defs"].items()}
    return found


def _statements(version: str) -> dict[str, Any]:
    one = {"$ref": f"#/components/schemas/{_prefix(version)}statement"}
    many = {"type": "array", "items": one, "maxItems": MAX_BATCH}
    header = {"name": VERSION_HEADER, "in": "header", "required": True, "schema": {"const": version}}
    return {
        "parameters": [header],
        "get": _operation(
            "Reads one statement, or those that match, newest first.",
            {
                "200": _json(
                    "A statement, or a page of them.", {"anyOf": [{"$ref": "#/components/schemas/XapiStatementResult"}, {"type": "object"}]}
                )
            },
            version,
            "400", "401", "403", "404", "405", "413", "503",
            parameters=_filters(version),
        ),
        "post": _operation(
            "Stores a statement or a batch, whole or not at all.",
            {"200": _json("The ids, in order.", {"type": "array", "items": {"type": "string", "pattern": UUID}})},
            version,
            "400", "401", "403", "405", "409", "413", "415", "503",
            requestBody={"required": True, "content": {"application/json": {"schema": {"oneOf": [one, many]}}}},
        ),
        "put": _operation(
            "Stores one statement under the id that the client gives.",
            {"204": {"description": "Stored, or stored before with the same meaning."}},
            version,
            "400", "401", "403", "405", "409", "413", "415", "503",
            parameters=[{"name": "statementId", "in": "query", "required": True, "schema": {"type": "string", "pattern": UUID}}],
            requestBody={"required": True, "content": {"application/json": {"schema": one}}},
        ),
    }  # fmt: skip


def _filters(version: str) -> list[dict[str, Any]]:
    uuid, iri, flag = {"type": "string", "pattern": UUID}, {"type": "string", "pattern": IRI}, {"enum": ["true", "false"]}
    moment = {"type": "string", "format": "date-time"}
    shapes: dict[str, Schema] = {
        "statementId": uuid, "voidedStatementId": uuid, "verb": iri, "activity": iri, "registration": uuid, "related_activities": flag,
        "related_agents": flag, "since": moment, "until": moment, "limit": {"type": "integer", "minimum": 0, "maximum": 999_999_999},
        "format": {"enum": ["ids", "exact", "canonical"]}, "attachments": flag, "ascending": flag, "more": {"type": "string"},
    }  # fmt: skip
    found: list[dict[str, Any]] = [{"name": name, "in": "query", "schema": shape} for name, shape in shapes.items()]
    agent = {"$ref": f"#/components/schemas/{_prefix(version)}actor"}
    return [*found, {"name": "agent", "in": "query", "content": {"application/json": {"schema": agent}}}]


def _about(version: str) -> dict[str, Any]:
    about = _json("The versions that are served.", {"$ref": "#/components/schemas/XapiAbout"})
    return {**_operation("What this LRS speaks.", {"200": about}, version, "400", "405", "413"), "security": []}


def _operation(summary: str, answers: dict[str, Any], version: str, *refusals: str, **more: Any) -> dict[str, Any]:
    refusal = {"$ref": "#/components/schemas/XapiRefusal"}
    told = {status: _json(_REFUSALS.get(status, "Refused."), refusal) for status in refusals}
    headers = {name: {"schema": {"type": "string"}} for name in (VERSION_HEADER, CONSISTENT_THROUGH_HEADER)}
    responses = {status: {**one, "headers": headers} for status, one in (answers | told).items()}
    return {"summary": summary, "tags": [f"xAPI {version}"], "security": [{"xapi": []}], "responses": responses, **more}


def _json(description: str, schema: Schema) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _prefix(version: str) -> str:
    return f"Xapi{version[0]}_"


def _moved(part: Any, prefix: str) -> Any:
    """A part of a schema whose references lead to the document's components."""
    if isinstance(part, dict):
        moved = {name: _moved(value, prefix) for name, value in part.items()}
        if isinstance(part.get("$ref"), str):
            moved["$ref"] = part["$ref"].replace("#/$defs/", f"#/components/schemas/{prefix}")
        return moved
    return [_moved(one, prefix) for one in part] if isinstance(part, list) else part
