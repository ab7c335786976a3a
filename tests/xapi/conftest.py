"""An LRS on a real database, spoken to over HTTP; statements that are valid until a test says otherwise."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

import xapi.models  # noqa: F401  the fixture `database` makes the tables of every metadata that is known
from kernel.db import Database
from kernel.http import GuardedClient, HttpPolicy
from xapi import api

if TYPE_CHECKING:
    from tests.xapi.pushing import World

PEPPER = b"pepper of the tests"


class HandClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **duration: float) -> None:
        self.now += timedelta(**duration)


class LrsClient:
    """One credential speaking to the LRS."""

    def __init__(self, http: FlaskClient, key: api.NewKey, version: str = "2.0.0", mount: str = "/xapi") -> None:
        self.http, self.key, self.version, self.mount = http, key, version, mount

    def speaking(self, version: str, mount: str | None = None) -> "LrsClient":
        return LrsClient(self.http, self.key, version, mount or self.mount)

    def post(self, body: Any, **options: Any):
        return self._send("POST", body, **options)

    def put(self, body: Any, statement_id: str, **options: Any):
        return self._send("PUT", body, query={"statementId": statement_id}, **options)

    def get(self, **params: Any):
        headers = params.pop("headers", {})
        query = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in params.items()}
        return self._send("GET", None, query=query, headers=headers)

    def follow(self, more: str):
        return self.http.get(more, headers=self._headers(), auth=(self.key.key, self.key.secret))

    def ids(self, **params: Any) -> list[str]:
        answer = self.get(**params)
        assert answer.status_code == 200, answer.text
        return [statement["id"] for statement in answer.json["statements"]]

    def call(self, method: str, path: str, body: Any = None, *, headers: Any = None, content_type: str | None = None, **params: Any):
        """A request to any resource; parameters that are objects go as JSON."""
        query = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in params.items()}
        return self._send(method, body, query=query, headers=headers, content_type=content_type, path=path)

    def _send(
        self,
        method: str,
        body: Any,
        *,
        query: Any = None,
        headers: dict[str, str] | None = None,
        content_type: str | None = None,
        path: str = "/statements",
    ):
        data = body if isinstance(body, bytes) or body is None else json.dumps(body, ensure_ascii=False).encode()
        return self.http.open(
            f"{self.mount}{path}",
            method=method,
            query_string=query,
            data=data,
            content_type=content_type or ("application/json" if data is not None else None),
            headers={**self._headers(), **(headers or {})},
            auth=(self.key.key, self.key.secret),
        )

    def _headers(self) -> dict[str, str]:
        return {"X-Experience-API-Version": self.version} if self.version else {}


@pytest.fixture
def clock(now: datetime) -> HandClock:
    return HandClock(now)


@pytest.fixture
def http(database: Database, clock: HandClock) -> Iterator[FlaskClient]:
    app = Flask("lrs")
    app.register_blueprint(api.create_lrs(database, clock=clock, key_pepper=PEPPER))
    yield app.test_client()


@pytest.fixture
def new_client(database: Database, http: FlaskClient, now: datetime) -> Callable[..., LrsClient]:
    def make(*scopes: str, tenant_id: int = 1, **options: Any) -> LrsClient:
        with database.transaction() as db:
            key = api.create_key(db, tenant_id=tenant_id, name="test", scopes=scopes or ["all"], now=now, pepper=PEPPER, **options)
        return LrsClient(http, key)

    return make


@pytest.fixture
def lrs(new_client: Callable[..., LrsClient]) -> LrsClient:
    """A client that may do everything in tenant 1, in xAPI 2.0."""
    return new_client("all")


@pytest.fixture
def agent() -> dict[str, Any]:
    return {"objectType": "Agent", "account": {"homePage": "https://agency.example.go.th/people", "name": "p-1"}}


@pytest.fixture
def new_statement(agent: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    def make(**fields: Any) -> dict[str, Any]:
        statement = {
            "actor": agent,
            "verb": {"id": "http://adlnet.gov/expapi/verbs/answered", "display": {"th": "ตอบคำถาม"}},
            "object": {"id": "https://agency.example.go.th/items/1"},
        }
        return {**statement, **fields}

    return make


@pytest.fixture
def world(database: Database, clock: HandClock, lrs: LrsClient, new_statement: Callable[..., dict[str, Any]]) -> "Iterator[World]":
    """Tenant 1, whose statements are pushed."""
    from tests.xapi.pushing import World

    client = GuardedClient(HttpPolicy(dev_mode=True))
    yield World(database, clock, client, lrs, new_statement)
    client.close()
