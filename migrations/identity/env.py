"""Alembic's entry for the schema of identity."""

from services.identity.tables import metadata

from migrations.environment import run

run(metadata)
