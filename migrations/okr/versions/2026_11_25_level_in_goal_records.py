"""What is told of goals names their level, also what has not been delivered yet"""

from alembic import op

revision = 'b7e61f0c94d8'
down_revision = '5d2a97c1b0f3'
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A goal that is deleted by now is told of for the last time: its level decides nothing more.
    op.execute(
        """
        UPDATE outbox SET payload = payload || jsonb_build_object('level', coalesce(
                 (SELECT level FROM objective
                   WHERE objective.organization_id = outbox.organization_id
                     AND objective.id = (payload ->> 'objective_id')::uuid), 'unit'))
         WHERE topic = 'okr.goal.v1'
        """
    )


def downgrade() -> None:
    op.execute("UPDATE outbox SET payload = payload - 'level' WHERE topic = 'okr.goal.v1'")
