"""What the `env.py` of every service does: run its migrations on the runner's connection."""

from typing import Any

from alembic import context
from sqlalchemy import MetaData


def _is_ours(_: Any, name: str | None, kind: str, *__: Any) -> bool:
    return not (kind == "table" and name == "alembic_version")


def run(metadata: MetaData) -> None:
    """Run the asked migrations in the transaction that the runner began."""
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        compare_type=True,
        compare_server_default=True,
        include_object=_is_ours,
    )
    context.run_migrations()
