"""Runs the LRS's revisions on the connection that `xapi.migrate` hands over."""

from alembic import context

from xapi.migrate import VERSION_TABLE
from xapi.models import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    include_name=lambda name, kind, _parents: kind != "table" or name in metadata.tables,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
