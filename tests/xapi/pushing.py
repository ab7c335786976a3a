"""An LRS whose statements are pushed, with everything that a worker does, step by step."""

import uuid
from collections.abc import Callable
from typing import Any

from kernel.db import Database
from kernel.http import GuardedClient
from tests.xapi.conftest import PEPPER, HandClock, LrsClient
from xapi import api


class World:
    """Tenant 1, whose statements are pushed, and what stands outside: tenant 2's LRS over real HTTP, or a receiver."""

    def __init__(self, database: Database, clock: HandClock, client: GuardedClient, source: LrsClient, new_statement: Any) -> None:
        self.database, self.clock, self.client, self.source = database, clock, client, source
        self._new_statement = new_statement
        self.n = 0

    def store(self, n: int = 1, **fields: Any) -> list[str]:
        statements = [self._new_statement(id=self._next_id(), timestamp="2026-11-20T02:00:00Z", **fields) for _ in range(n)]
        answer = self.source.post(statements)
        assert answer.status_code == 200, answer.text
        return answer.json

    def add(self, target: Any, name: str = "centre", tenant_id: int = 1, **options: Any) -> api.NewPush:
        with self.database.transaction() as db:
            return api.add_push(db, tenant_id=tenant_id, name=name, target=target, now=self.clock(), pepper=PEPPER, **options)

    def send(self) -> int:
        """Turns of all pushes until none has anything to do now. Returns the number of calls."""
        total = 0
        for _ in range(50):
            due = api.find_due(self.database, now=self.clock())
            if not due:
                return total
            total += sum(self.turn(push_id) for push_id in due)
        raise AssertionError("it never comes to rest")

    def turn(self, push_id: int = 1) -> int:
        return api.deliver(self.database, push_id, http=self.client, pepper=PEPPER, clock=self.clock)

    def act(self, what: Callable[..., Any], name: str = "centre", **options: Any) -> Any:
        with self.database.transaction() as db:
            return what(db, tenant_id=1, name=name, **options)

    def view(self, name: str = "centre") -> api.PushView:
        with self.database.reading() as db:
            return next(view for view in api.list_pushes(db, tenant_id=1, removed=True) if view.name == name)

    def refused(self) -> list[api.SetAside]:
        return self.act(api.list_set_aside)

    def _next_id(self) -> str:
        self.n += 1
        return str(uuid.UUID(int=self.n, version=4))
