"""What Alembic runs to apply the steps, on the connection that it is handed."""

from alembic import context

from fergi.studio.tables import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    render_as_batch=True,  # SQLite alters a table by copying it
)
with context.begin_transaction():
    context.run_migrations()
