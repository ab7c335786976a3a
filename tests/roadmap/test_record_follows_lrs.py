"""What the LRS holds as void is no evidence, and nothing else is: incrementally and after a rebuild."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from flask import Flask

import xapi.api as xapi
from kernel.db import Database
from roadmap import api as roadmap
from tests.roadmap.factories import course_done, document, name, voiding

PERSON = name("person")
DLIT = "th-ds-2567#DLIT"
VERSION = {"X-Experience-API-Version": "1.0.3"}

Post = Callable[[str, dict[str, Any]], int]


@pytest.fixture
def post(database: Database, now: datetime) -> Post:
    """Sends a statement by one of three keys and gives the status of the reply; the roadmap hears what the LRS tells."""
    with database.transaction() as db:
        roadmap.load_frameworks(db, document(), now=now)
        scopes = {"writer": ["statements/write"], "stranger": ["statements/write"], "admin": ["all"]}
        keys = {who: xapi.create_key(db, tenant_id=1, name=who, scopes=granted, now=now) for who, granted in scopes.items()}

    def hear(db: Any, tenant_id: int, statements: list[dict[str, Any]]) -> None:
        roadmap.record_statements(db, tenant_id=tenant_id, statements=statements)

    app = Flask("lrs")
    app.register_blueprint(xapi.create_lrs(database, clock=lambda: now, on_stored=hear))

    def send(who: str, statement: dict[str, Any]) -> int:
        body = json.dumps({member: value for member, value in statement.items() if member != "authority"})
        auth, kind = (keys[who].key, keys[who].secret), "application/json"
        return app.test_client().post("/xapi/statements", data=body, content_type=kind, headers=VERSION, auth=auth).status_code

    return send


@pytest.mark.parametrize("voider", ["writer", "stranger", "admin"])
@pytest.mark.parametrize("is_ahead", [True, False])
def test_a_level_stands_exactly_while_the_lrs_holds_its_statement(
    database: Database, post: Post, now: datetime, *, voider: str, is_ahead: bool
) -> None:
    statement = course_done(PERSON, DLIT, now)
    void = voiding(statement, now)

    replies = [post(*sent) for sent in ([(voider, void), ("writer", statement)] if is_ahead else [("writer", statement), (voider, void)])]

    assert replies == [200, 200 if is_ahead or voider != "stranger" else 403]
    with database.transaction() as db:
        told = list(xapi.iter_statements(db))
        (is_void,) = (one.voided for one in told if one.id == statement["id"])
        levels = [one.level for one in roadmap.attainment_of(db, tenant_id=1, person_uuid=PERSON, now=now)]
        report = roadmap.rebuild(db, ((one.tenant_id, one.statement, one.voided) for one in told))
    assert is_void == (voider != "stranger")
    assert levels == ([] if is_void else [1])
    assert report.n_different == 0, report.differences
