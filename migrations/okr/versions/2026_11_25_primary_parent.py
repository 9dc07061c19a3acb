"""An objective says where its primary link leads, instead of only whether there is one"""

import sqlalchemy as sa
from alembic import op

revision = '8c4f0b6d21ae'
down_revision = '30fd298c144e'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('objective', sa.Column('parent_objective_id', sa.UUID(), nullable=True))
    op.add_column('objective', sa.Column('parent_key_result_id', sa.UUID(), nullable=True))
    op.execute(
        """
        UPDATE objective
           SET parent_objective_id = link.parent_objective_id,
               parent_key_result_id = link.parent_key_result_id
          FROM alignment_link link
         WHERE link.organization_id = objective.organization_id
           AND link.objective_id = objective.id AND link.is_primary
        """
    )
    op.create_index(
        'ix_objective_below',
        'objective',
        ['organization_id', 'parent_objective_id'],
        postgresql_where=sa.text('parent_objective_id IS NOT NULL'),
    )
    op.drop_index('ix_objective_top', table_name='objective')
    op.drop_column('objective', 'has_parent')
    op.create_index(
        'ix_objective_top',
        'objective',
        ['organization_id', 'cycle_id'],
        postgresql_where=sa.text('parent_objective_id IS NULL'),
    )


def downgrade() -> None:
    op.drop_index('ix_objective_top', table_name='objective')
    op.drop_index('ix_objective_below', table_name='objective')
    op.add_column(
        'objective',
        sa.Column('has_parent', sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.alter_column('objective', 'has_parent', server_default=None)
    op.execute('UPDATE objective SET has_parent = parent_objective_id IS NOT NULL')
    op.create_index(
        'ix_objective_top',
        'objective',
        ['organization_id', 'cycle_id'],
        postgresql_where=sa.text('NOT has_parent'),
    )
    op.drop_column('objective', 'parent_key_result_id')
    op.drop_column('objective', 'parent_objective_id')
