"""Alembic's entry: runs on the connection that the store hands over."""

from alembic import context

from orloop_gate.adapters.tables import METADATA

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=METADATA, version_table="gate_schema")
with context.begin_transaction():
    context.run_migrations()
