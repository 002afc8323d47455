"""Alembic's entry: runs inside the connection and transaction that the caller opened."""

from alembic import context

from ivr.storage.schema import metadata

if context.is_offline_mode():
    context.configure(dialect_name=context.config.attributes["dialect"], target_metadata=metadata)
else:
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        render_as_batch=True,  # SQLite cannot alter most of a table in place
        transactional_ddl=True,
    )
with context.begin_transaction():
    context.run_migrations()
