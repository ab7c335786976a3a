"""The door of the LRS: what an application that carries it may do without HTTP, within its own transaction."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from kernel import strictjson
from xapi import auth, links, query, store
from xapi.auth import KeyView, NewKey
from xapi.blueprint import create_lrs
from xapi.errors import StatementInvalid
from xapi.migrate import migrate
from xapi.models import statement as statement_table
from xapi.openapi import SECURITY as OPENAPI_SECURITY
from xapi.openapi import paths as openapi_paths
from xapi.openapi import schemas as openapi_schemas
from xapi.validation import validate_statement
from xapi.vocabulary import V2

__all__ = [
    "OPENAPI_SECURITY",
    "KeyView",
    "NewKey",
    "StatementInvalid",
    "StoredStatement",
    "count_statements",
    "create_key",
    "create_lrs",
    "has_statement",
    "iter_statements",
    "iter_statements_of",
    "list_keys",
    "migrate",
    "openapi_paths",
    "openapi_schemas",
    "revoke_key",
    "store_statements",
    "validate_statement",
]


@dataclass(frozen=True, slots=True)
class StoredStatement:
    """A statement as the LRS holds it. `seq` grows with the order of commits within its tenant."""

    seq: int
    tenant_id: int
    id: str
    stored: datetime
    statement: dict[str, Any]
    voided: bool


def store_statements(
    db: Session,
    *,
    tenant_id: int,
    statements: Sequence[dict[str, Any]],
    authority: Mapping[str, Any],
    now: datetime,
) -> list[str]:
    """Validates, stamps and stores statements within the caller's transaction; gives their ids, in order.

    Call it late in the transaction: other writers of the tenant wait until it ends.
    authority   becomes each statement's authority; it may void its own statements only
    now         the moment of storing, read after the transaction began
    Raises      StatementInvalid (place from the list down), StatementConflict, VoidingForbidden; nothing is stored then
    """
    author = store.Author(authority)
    batch = []
    for place, statement in enumerate(statements):
        try:
            validate_statement(statement)
            batch.append(store.prepare(strictjson.dumps(statement).decode(), statement, author, version=V2))
        except StatementInvalid as error:
            raise error.within(f"/{place}") from None
    if batch:
        store.store(db.connection(), batch, tenant_id=tenant_id, now=now)
    return [prepared.id for prepared in batch]


def has_statement(db: Session, *, tenant_id: int, statement_id: str) -> bool:
    """Whether a statement of this id is stored, voided or not."""
    wanted = select(statement_table.c.seq).where(statement_table.c.tenant_id == tenant_id, statement_table.c.id == statement_id.lower())
    return db.execute(wanted).first() is not None


def iter_statements(db: Session, *, tenant_id: int | None = None, after: int = 0, batch: int = 500) -> Iterator[StoredStatement]:
    """Statements in the order of their places, voided ones too; read `batch` at a time.

    tenant_id   one tenant, or None for all, tenant by tenant
    after       only places above this one; a place has its meaning within a tenant, so it needs `tenant_id`
    """
    if tenant_id is None and after:
        raise ValueError("a place in the sequence is one of a tenant")
    tenants = [tenant_id] if tenant_id is not None else _tenants(db)
    for tenant in tenants:
        for rows in query.iterate(db.connection(), tenant_id=tenant, after=after, batch=batch):
            for row in rows:
                yield StoredStatement(row.seq, tenant, row.id, row.stored, orjson.loads(row.document), row.voided)


def iter_statements_of(db: Session, *, tenant_id: int, agent: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The statements whose actor or object is one agent, in the order of arrival, voided ones left out.

    agent   with one identifier, as in a statement
    """
    identifier = links.identifier_of(agent)
    assert identifier is not None
    wanted = query.Filter(keys=((links.agent_key(identifier),),), ascending=True)
    page: query.Page | None = query.first_page(db.connection(), wanted, tenant_id=tenant_id)
    while page is not None:
        found = query.read_page(db.connection(), page, tenant_id=tenant_id, mine=None)
        yield from map(orjson.loads, found.documents)
        page = found.next


def count_statements(db: Session, *, tenant_id: int | None = None) -> int:
    """How many statements are stored, voided ones too; of one tenant or of all."""
    count = select(func.count()).select_from(statement_table)
    return db.scalar(count if tenant_id is None else count.where(statement_table.c.tenant_id == tenant_id)) or 0


def create_key(
    db: Session,
    *,
    tenant_id: int,
    name: str,
    scopes: Sequence[str],
    now: datetime,
    expires_at: datetime | None = None,
    pepper: bytes = b"",
) -> NewKey:
    """A new credential. `pepper` must be the `key_pepper` of `create_lrs`. Raises RequestInvalid for an unknown scope."""
    return auth.create_key(db.connection(), tenant_id=tenant_id, name=name, scopes=scopes, now=now, expires_at=expires_at, pepper=pepper)


def list_keys(db: Session, *, tenant_id: int | None) -> list[KeyView]:
    """The credentials of a tenant, or of all (None), oldest first, ended ones too."""
    return auth.list_keys(db.connection(), tenant_id=tenant_id)


def revoke_key(db: Session, *, tenant_id: int, key: str, now: datetime) -> None:
    """Ends a credential at once. Raises KeyNotFound."""
    auth.revoke_key(db.connection(), tenant_id=tenant_id, key=key, now=now)


def _tenants(db: Session) -> list[int]:
    return list(db.scalars(select(statement_table.c.tenant_id).distinct().order_by(statement_table.c.tenant_id)))
