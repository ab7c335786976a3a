"""Runs the application's migrations on the connection that the caller holds."""

import importlib

from alembic import context

from kernel.db import Base

for module in ("kernel.outbox", "assessment.models", "roadmap.models", "learning.models", "lti_tool.models"):
    importlib.import_module(module)

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
    include_object=lambda _object, name, kind, _reflected, _other: not (kind == "table" and name is not None and name.startswith("xapi_")),
)
with context.begin_transaction():
    context.run_migrations()
