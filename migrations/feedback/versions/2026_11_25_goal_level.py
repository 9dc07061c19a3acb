"""Goals have a level: the company's are told by it, no longer by standing in the root unit"""

import sqlalchemy as sa
from alembic import op

revision = 'c90d3e5b7a16'
down_revision = '6fd6c54f6946'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('goal', sa.Column('level', sa.Text(), nullable=True))
    # Until okr tells of them again, those of the root unit count as they did.
    op.execute(
        """
        UPDATE goal SET level = CASE WHEN EXISTS (
                 SELECT FROM directory_unit unit
                  WHERE unit.organization_id = goal.organization_id AND unit.id = goal.unit_id
                    AND unit.parent_id IS NULL)
               THEN 'company' ELSE 'unit' END
        """
    )
    op.alter_column('goal', 'level', nullable=False)


def downgrade() -> None:
    op.drop_column('goal', 'level')
