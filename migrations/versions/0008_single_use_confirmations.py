"""By which token an offboarding was confirmed"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("offboardings", sa.Column("confirmation", sa.Text(), nullable=True))
    op.create_unique_constraint("uq_offboardings_confirmation", "offboardings", ["confirmation"])


def downgrade() -> None:
    op.drop_constraint("uq_offboardings_confirmation", "offboardings", type_="unique")
    op.drop_column("offboardings", "confirmation")
