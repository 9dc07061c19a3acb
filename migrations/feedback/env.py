"""Alembic's entry for the schema of feedback."""

from services.feedback.tables import metadata

from migrations.environment import run

run(metadata)
