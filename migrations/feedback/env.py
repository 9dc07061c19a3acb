"""Alembic's entry for the schema of feedback."""

from migrations.environment import run
from services.feedback.tables import metadata

run(metadata)
