"""Alembic's migrations of the database; one head, and only forward."""
