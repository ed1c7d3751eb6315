"""When a contribution report was first seen to be final

Null for reports that were final before: the next reading of one that is not frozen yet notes it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("contribution_reports", sa.Column("final_seen_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("contribution_reports", "final_seen_at")
