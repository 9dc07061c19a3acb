"""An objective remembers which parents exclude it, so that a new link does not end that"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '5d2a97c1b0f3'
down_revision = '8c4f0b6d21ae'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        'objective',
        sa.Column(
            'excluded_by_ids', postgresql.ARRAY(sa.UUID()), nullable=False, server_default='{}'
        ),
    )
    op.alter_column('objective', 'excluded_by_ids', server_default=None)
    op.execute(
        """
        UPDATE objective SET excluded_by_ids = excluded.parent_ids
          FROM (SELECT organization_id, objective_id,
                       array_agg(DISTINCT parent_objective_id) AS parent_ids
                  FROM alignment_link WHERE is_excluded
                 GROUP BY organization_id, objective_id) excluded
         WHERE excluded.organization_id = objective.organization_id
           AND excluded.objective_id = objective.id
        """
    )


def downgrade() -> None:
    op.drop_column('objective', 'excluded_by_ids')
