"""Runs the application's migrations on the connection that the caller holds."""

import importlib
from typing import Any, Literal

from alembic import context

from kernel.db import Base, UtcDateTime

for module in ("kernel.outbox", "assessment.models", "roadmap.models", "learning.models", "lti_tool.models"):
    importlib.import_module(module)


def render_item(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """A migration names plain types of the database: it must read the same when our own types change."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcDateTime) else False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
    render_item=render_item,
    include_object=lambda _object, name, kind, _reflected, _other: not (kind == "table" and name is not None and name.startswith("xapi_")),
)
with context.begin_transaction():
    context.run_migrations()
