"""Alembic's entry for the schema of identity."""

from migrations.environment import run
from services.identity.tables import metadata

run(metadata)
