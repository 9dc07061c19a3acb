"""Alembic's entry for the schema of okr."""

from migrations.environment import run
from services.okr.tables import metadata

run(metadata)
