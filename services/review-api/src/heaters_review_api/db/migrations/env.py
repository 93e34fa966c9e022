"""Alembic's environment: runs on the connection that `db.migrate` gives it."""

from alembic import context

from heaters_review_api.accounts import tables as accounts

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=accounts.account.metadata,
    include_schemas=True,
    version_table_schema="app",
)
with context.begin_transaction():
    context.run_migrations()
