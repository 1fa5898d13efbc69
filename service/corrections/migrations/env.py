"""Run by Alembic: takes the steps on the connection that `service.corrections.database` hands over."""

from alembic import context

from service.corrections.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
