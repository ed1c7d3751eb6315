"""When a push was last tried, whether to look first, and the gates that keep pushes back"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

RECORDS = ("employers", "employees")


def upgrade() -> None:
    for table in RECORDS:
        op.add_column(table, sa.Column("push_tried_at", sa.DateTime(timezone=True), nullable=True))
        op.add_column(table, sa.Column("push_look_up", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_index(
        "ix_employees_waiting",
        "employees",
        ["employer_ref"],
        postgresql_where=sa.text("state = 'pending' AND kota_id IS NULL AND next_attempt_at IS NULL"),
    )
    op.create_table(
        "push_gates",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("probe_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("api_key", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_trace_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_push_gates"),
    )


def downgrade() -> None:
    op.drop_table("push_gates")
    op.drop_index(
        "ix_employees_waiting",
        table_name="employees",
        postgresql_where=sa.text("state = 'pending' AND kota_id IS NULL AND next_attempt_at IS NULL"),
    )
    for table in reversed(RECORDS):
        op.drop_column(table, "push_look_up")
        op.drop_column(table, "push_tried_at")
