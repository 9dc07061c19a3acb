"""What the `env.py` of every service does: run its migrations on the runner's connection."""

from typing import Any

from alembic import context
from alembic.operations import ops
from sqlalchemy import MetaData

from kernel.database import row_security


def _is_ours(_: Any, name: str | None, kind: str, *__: Any) -> bool:
    return not (kind == "table" and name == "alembic_version")


def _secure_rows(_: Any, __: Any, directives: list[ops.MigrationScript]) -> None:
    """Put every drafted tenant table behind row security: Alembic does not know of it."""
    owner = context.config.attributes["owner"]
    for script in directives:
        upgrades = script.upgrade_ops
        if upgrades is None:
            continue
        made = [op for op in upgrades.ops if isinstance(op, ops.CreateTableOp)]
        upgrades.ops += [
            ops.ExecuteSQLOp(statement)
            for table in made
            if "organization_id" in table.to_table().primary_key.columns
            for statement in row_security(table.table_name, owner)
        ]
        _draft_what_models_ask(script, [table.table_name for table in made])


def _draft_what_models_ask(script: ops.MigrationScript, made: list[str]) -> None:
    """Draft what a model asks for beside its table: `info={"after_create": …, "after_drop": …}`."""
    metadata = context.config.attributes["metadata"]
    for name in made:
        info = metadata.tables[name].info
        for part, moment in (
            (script.upgrade_ops, "after_create"),
            (script.downgrade_ops, "after_drop"),
        ):
            if part is not None:
                part.ops += [ops.ExecuteSQLOp(statement) for statement in info.get(moment, ())]


def run(metadata: MetaData) -> None:
    """Run the asked migrations in the transaction that the runner began."""
    context.config.attributes["metadata"] = metadata
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        compare_type=True,
        compare_server_default=True,
        include_object=_is_ours,
        process_revision_directives=_secure_rows,
    )
    context.run_migrations()
