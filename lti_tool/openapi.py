"""Our own JSON addresses as one OpenAPI 3.1 document, served at `/openapi.json`.

Pages for people and the posts of platforms (login, launch) are no JSON addresses and stand in the documentation instead.
Source   OpenAPI 3.1.1
"""

from typing import Any

from flask import Flask, jsonify

import xapi.api as xapi
from lti_tool.web.current import this_app
from lti_tool.web.edge import without_transaction

TITLE = "Kaona"


def register(app: Flask) -> None:
    """Adds `/openapi.json`."""

    @app.get("/openapi.json")
    @without_transaction
    def openapi() -> Any:
        response = jsonify(document(this_app().settings.public_url))
        response.headers["Cache-Control"] = "public, max-age=3600"
        return response


def document(public_url: str) -> dict[str, Any]:
    """The whole document of one installation."""
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": "1", "description": "JSON addresses of Kaona. Identifiers are UUIDs; times are RFC 3339, UTC."},
        "servers": [{"url": public_url}],
        "security": [],
        "paths": {**_own_paths(), **xapi.openapi_paths()},
        "components": {"securitySchemes": xapi.OPENAPI_SECURITY, "schemas": xapi.openapi_schemas()},
    }


def _own_paths() -> dict[str, Any]:
    status = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}
    not_ready = _answer("The database is away or its schema is behind; `cure` says what to do.", status)
    jwk = {"type": "object", "required": ["kty", "kid", "n", "e", "alg", "use"], "not": {"required": ["d"]}}
    key_set = {"type": "object", "required": ["keys"], "properties": {"keys": {"type": "array", "minItems": 1, "items": jwk}}}
    itself = {"type": "object", "required": ["openapi", "paths"]}
    return {
        "/healthz": _get("The process is alive.", {"200": _answer("Alive.", status)}),
        "/readyz": _get("It may take requests.", {"200": _answer("Ready.", status), "503": not_ready}),
        "/lti/jwks.json": _get("The tool's public keys (RFC 7517).", {"200": _answer("The key set.", key_set)}),
        "/openapi.json": _get("This document.", {"200": _answer("The document.", itself)}),
    }


def _get(summary: str, answers: dict[str, Any]) -> dict[str, Any]:
    return {"get": {"summary": summary, "responses": answers}}


def _answer(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
