"""The LRS as OpenAPI 3.1: what a client that knows no xAPI may read of it. Pure data, made from the statement's own schema.

Source   OpenAPI 3.1.1; xAPI 1.0.3, Communication 2; IEEE 9274.1.1, 4.1.6
"""

from typing import Any

from xapi.schema import IRI, UUID, Schema, statement_schema
from xapi.vocabulary import (
    CONSISTENT_THROUGH_HEADER,
    FEED_NAME,
    FEEDS_MOUNT,
    JSON,
    MAX_BATCH,
    MAX_PAGE,
    MAX_SLICE_VALUES,
    MAX_WAIT_SECONDS,
    MOUNTS,
    MULTIPART,
    OCTETS,
    SCOPES,
    TOKEN_PATH,
    V2,
    VERSION_HEADER,
    VERSIONS,
)

SECURITY = {
    "xapi": {"type": "http", "scheme": "basic", "description": "A credential of the LRS: its key and its secret."},
    "xapiToken": {
        "type": "oauth2",
        "description": "A token that was got with a credential (RFC 6749, 4.4), or one of the agency's identity provider.",
        "flows": {"clientCredentials": {"tokenUrl": TOKEN_PATH, "scopes": dict.fromkeys(SCOPES, "As xAPI says (Communication 4.2).")}},
    },
}
_REFUSALS = {
    "400": "The request or a statement breaks a rule; `rule` and `place` name it. Nothing is stored.",
    "401": "Credentials are missing or refused.",
    "403": "The credential does not allow this.",
    "404": "There is nothing of this name, or nothing that the credential may see.",
    "409": "What is stored under this name says something else. Nothing is changed.",
    "412": "What is stored is not what `If-Match` or `If-None-Match` says. Nothing is changed.",
    "413": "The body or the batch is over its bound.",
    "429": "The credential makes too many requests; `Retry-After` says when to send again.",
    "503": "The store is not available; send again later.",
}


def paths() -> dict[str, Any]:
    """The `paths` object: every resource at both mount points."""
    found: dict[str, Any] = {}
    for mount, version in MOUNTS.items():
        found[f"{mount}/statements"] = _statements(version)
        found[f"{mount}/activities"] = _known("The activity with all that is known of it.", ("activityId",), version)
        found[f"{mount}/activities/state"] = _documents("stateId", ("activityId", "agent", "registration"), version)
        found[f"{mount}/activities/profile"] = _documents("profileId", ("activityId",), version)
        found[f"{mount}/agents"] = _known("The person with every name under which statements know them.", ("agent",), version)
        found[f"{mount}/agents/profile"] = _documents("profileId", ("agent",), version)
        found[f"{mount}/about"] = {"get": _about(version)}
    found[TOKEN_PATH] = {"post": _token()}
    return found | {FEEDS_MOUNT + path: one for path, one in _feeds().items()}


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
    iris = {"type": "array", "items": {"type": "string", "pattern": IRI}, "minItems": 1, "maxItems": MAX_SLICE_VALUES}
    found["XapiSlice"] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "verbs": iris,
            "activities": iris,
            "agents": {**iris, "items": {"$ref": f"#/components/schemas/{_prefix(V2)}actor"}},
            "registrations": {**iris, "items": {"type": "string", "pattern": UUID}},
            "since": {"type": "string", "format": "date-time"},
            "until": {"type": "string", "format": "date-time"},
        },
    }
    found["XapiFeed"] = {
        "type": "object",
        "required": ["name", "slice", "cursor", "committed_at", "created_at"],
        "properties": {
            "name": {"type": "string"},
            "slice": {"$ref": "#/components/schemas/XapiSlice"},
            "cursor": {"type": "string"},
            "committed_at": {"type": ["string", "null"]},
            "created_at": {"type": "string"},
        },
    }
    for version in MOUNTS.values():
        prefix = _prefix(version)
        found |= {f"{prefix}{name}": _moved(one, prefix) for name, one in statement_schema(version)["$defs"].items()}
    return found


def _statements(version: str) -> dict[str, Any]:
    one = {"$ref": f"#/components/schemas/{_prefix(version)}statement"}
    many = {"type": "array", "items": one, "maxItems": MAX_BATCH}
    parts = {"schema": {"type": "string"}}
    return {
        "parameters": [_version_header(version)],
        "get": _operation(
            "Reads one statement, or those that match, newest first.",
            {
                "200": {
                    "description": "A statement, or a page of them; with attachments=true their contents follow as further parts.",
                    "content": {
                        JSON: {"schema": {"anyOf": [{"$ref": "#/components/schemas/XapiStatementResult"}, {"type": "object"}]}},
                        MULTIPART: {},
                    },
                }
            },
            version,
            "400", "401", "403", "404", "405", "413", "503",
            parameters=_filters(version),
        ),
        "post": _operation(
            "Stores a statement or a batch, whole or not at all.",
            {"200": _json("The ids, in order.", {"type": "array", "items": {"type": "string", "pattern": UUID}})},
            version,
            "400", "401", "403", "405", "409", "413", "503",
            requestBody={"required": True, "content": {JSON: {"schema": {"oneOf": [one, many]}}, MULTIPART: parts}},
        ),
        "put": _operation(
            "Stores one statement under the id that the client gives.",
            {"204": {"description": "Stored, or stored before with the same meaning."}},
            version,
            "400", "401", "403", "405", "409", "413", "503",
            parameters=[{"name": "statementId", "in": "query", "required": True, "schema": {"type": "string", "pattern": UUID}}],
            requestBody={"required": True, "content": {JSON: {"schema": one}, MULTIPART: parts}},
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
    return [*found, _parameter("agent", version)]


def _known(summary: str, names: tuple[str, ...], version: str) -> dict[str, Any]:
    """A resource that is only read."""
    answers = {"200": _json(summary, {"type": "object", "required": ["objectType"]})}
    parameters = [_version_header(version), *(_parameter(name, version, required=True) for name in names)]
    return {"parameters": parameters, "get": _operation(summary, answers, version, "400", "401", "403", "405", "413", "503")}


def _documents(id_name: str, names: tuple[str, ...], version: str) -> dict[str, Any]:
    """A resource of documents: its contents are of any type."""
    context = [_parameter(name, version, required=name != "registration") for name in names]
    wanted, optional = ({"name": id_name, "in": "query", "required": one, "schema": {"type": "string"}} for one in (True, False))
    conditions = [{"name": name, "in": "header", "schema": {"type": "string"}} for name in ("If-Match", "If-None-Match")]
    since = {"name": "since", "in": "query", "schema": {"type": "string", "format": "date-time"}}
    body = {"required": True, "content": {JSON: {"schema": {"type": "object"}}, OCTETS: {"schema": {"type": "string"}}}}
    read = {"200": {"description": "The document, or a list of ids.", "content": {"*/*": {}}}, "304": {"description": "As it was."}}
    done = {"204": {"description": "Done."}}
    refusals = ("400", "401", "403", "405", "413", "503")
    changes = (*refusals, "409", "412")
    return {
        "parameters": [_version_header(version), *context],
        "get": _operation("Reads a document or the ids.", read, version, *refusals, "404", parameters=[optional, since, conditions[1]]),
        "put": _operation("Stores a document.", done, version, *changes, parameters=[wanted, *conditions], requestBody=body),
        "post": _operation("Stores or merges a document.", done, version, *changes, parameters=[wanted, *conditions], requestBody=body),
        "delete": _operation("Removes a document.", done, version, *changes, parameters=[wanted, conditions[0]]),
    }


def _feeds() -> dict[str, Any]:
    """Feeds, which are our own: what is read on, from a cursor, in the order of arrival."""
    statements = {"type": "array", "items": {"type": "object"}}
    result = {
        "type": "object",
        "required": ["statements", "cursor"],
        "properties": {"statements": statements, "cursor": {"type": "string"}},
    }
    read = {
        JSON: {"schema": result},
        "application/x-ndjson": {"schema": {"type": "string"}},
        "text/event-stream": {"schema": {"type": "string"}},
    }
    file: dict[str, Any] = {media_type: {} for media_type in ("text/csv", "application/x-ndjson", "application/vnd.apache.parquet")}
    feed, moment = {"$ref": "#/components/schemas/XapiFeed"}, {"type": "string", "format": "date-time"}
    name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string", "pattern": FEED_NAME}}
    day = {
        "name": "file",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d\.(csv|ndjson|parquet)$"},
    }
    start = {
        "oneOf": [
            {"type": "object", "required": [one], "properties": {one: shape}, "additionalProperties": False}
            for one, shape in (("cursor", {"type": "string"}), ("since", moment))
        ]
    }
    asked = {
        "after": {"type": "string"},
        "since": moment,
        "limit": {"type": "integer", "minimum": 1, "maximum": MAX_PAGE},
        "wait": {"type": "integer", "minimum": 0, "maximum": MAX_WAIT_SECONDS},
    }
    where = [{"name": one, "in": "query", "schema": shape} for one, shape in asked.items()]
    zone = {"name": "zone", "in": "query", "schema": {"type": "string"}}
    refusals = ("400", "401", "403", "405", "413", "503")
    known = (*refusals, "404")

    def body(schema: Schema) -> Schema:
        return {"required": True, "content": {JSON: {"schema": schema}}}

    def does(summary: str, answers: dict[str, Any], *told: str, **more: Any) -> dict[str, Any]:
        return _operation(summary, answers, "feeds", *told, **more)

    every = {"type": "object", "required": ["feeds"], "properties": {"feeds": {"type": "array", "items": feed}}}
    made = {"201": _json("The feed, made.", feed), "200": _json("The feed, with its new slice.", feed)}
    kept = {"200": _json("The feed with its cursor.", feed)}
    part = {"$ref": "#/components/schemas/XapiSlice"}
    return {
        "/feeds": {"get": does("The feeds of the credential.", {"200": _json("By name.", every)}, *refusals)},
        "/feeds/{name}": {
            "parameters": [name],
            "get": does("Reads on.", {"200": {"description": "Statements, oldest first.", "content": read}}, *known, parameters=where),
            "put": does("Makes a feed, or gives it another slice.", made, *refusals, "409", requestBody=body(part)),
            "delete": does("Forgets a feed.", {"204": {"description": "Forgotten."}}, *known),
        },
        "/feeds/{name}/cursor": {
            "parameters": [name],
            "get": does("The cursor that is kept.", kept, *known),
            "post": does("Keeps another cursor.", kept, *known, requestBody=body(start)),
        },
        "/feeds/{name}/days/{file}": {
            "parameters": [name, day],
            "get": does("What arrived on a day.", {"200": {"description": "A file.", "content": file}}, *known, "501", parameters=[zone]),
        },
    }


def _parameter(name: str, version: str, *, required: bool = False) -> dict[str, Any]:
    """A parameter that several resources know."""
    if name == "agent":
        agent = {"$ref": f"#/components/schemas/{_prefix(version)}actor"}
        return {"name": name, "in": "query", "required": required, "content": {JSON: {"schema": agent}}}
    return {
        "name": name,
        "in": "query",
        "required": required,
        "schema": {"type": "string", "pattern": UUID if name == "registration" else IRI},
    }


def _version_header(version: str) -> dict[str, Any]:
    return {"name": VERSION_HEADER, "in": "header", "required": True, "schema": {"const": version}}


def _about(version: str) -> dict[str, Any]:
    about = _json("The versions that are served.", {"$ref": "#/components/schemas/XapiAbout"})
    return {**_operation("What this LRS speaks.", {"200": about}, version, "400", "405", "413"), "security": []}


def _token() -> dict[str, Any]:
    token = {
        "type": "object",
        "required": ["access_token", "token_type", "expires_in", "scope"],
        "properties": {"access_token": {"type": "string"}, "token_type": {"const": "Bearer"}, "expires_in": {"type": "integer"}},
    }
    error = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}}}
    names = ("scope", "client_id", "client_secret")
    form = {
        "type": "object",
        "required": ["grant_type"],
        "properties": {"grant_type": {"const": "client_credentials"}, **{name: {"type": "string"} for name in names}},
    }
    refusal = {"$ref": "#/components/schemas/XapiRefusal"}
    return {
        "summary": "A token for a quarter of an hour (OAuth 2, client credentials).",
        "tags": ["OAuth 2"],
        "security": [{"xapi": []}, {}],
        "requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": form}}},
        "responses": {
            "200": _json("The token, with the scopes that it has.", token),
            "400": _json("The request is not as RFC 6749 has it.", error),
            "401": _json("The client did not prove its name.", error),
            **{status: _json(_REFUSALS.get(status, "Refused."), refusal) for status in ("405", "413", "429", "503")},
        },
    }


def _operation(summary: str, answers: dict[str, Any], version: str, *refusals: str, **more: Any) -> dict[str, Any]:
    refusal = {"$ref": "#/components/schemas/XapiRefusal"}
    all_refusals = (*refusals, "429") if "401" in refusals else refusals  # who must name itself is counted
    told = {status: _json(_REFUSALS.get(status, "Refused."), refusal) for status in all_refusals}
    headers = {name: {"schema": {"type": "string"}} for name in (VERSION_HEADER, CONSISTENT_THROUGH_HEADER)}
    responses = {status: {**one, "headers": headers} for status, one in (answers | told).items()}
    return {"summary": summary, "tags": [f"xAPI {version}"], "security": [{"xapi": []}, {"xapiToken": []}], "responses": responses, **more}


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
