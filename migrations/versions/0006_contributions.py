"""Contribution reports and their lines"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "contribution_reports",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kota_employer_id", sa.Text(), nullable=False),
        sa.Column("external_customer_id", sa.Text(), nullable=True),
        sa.Column("period_from", sa.Date(), nullable=False),
        sa.Column("period_to", sa.Date(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("finalized_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("kota_updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reading", sa.Uuid(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("lines", sa.Integer(), server_default="0", nullable=False),
        sa.Column("frozen", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_contribution_reports"),
    )
    op.create_index(
        "ix_contribution_reports_due",
        "contribution_reports",
        ["next_attempt_at"],
        postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
    )
    op.create_index(
        "ix_contribution_reports_kota_employer_id_period_from_id",
        "contribution_reports",
        ["kota_employer_id", "period_from", "id"],
    )
    op.create_index("ix_contribution_reports_period_from_id", "contribution_reports", ["period_from", "id"])
    op.create_table(
        "contribution_lines",
        sa.Column("report_id", sa.Text(), nullable=False),
        sa.Column("reading", sa.Uuid(), nullable=False),
        sa.Column("kota_employee_id", sa.Text(), nullable=False),
        sa.Column("payer", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("member_type", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("adjustment", sa.Boolean(), nullable=False),
        sa.Column("adjustment_for", sa.Text(), nullable=True),
        sa.Column("cover_from", sa.Date(), nullable=False),
        sa.Column("cover_to", sa.Date(), nullable=False),
        sa.Column("reporting_month", sa.Date(), nullable=False),
        sa.Column("policy_id", sa.Text(), nullable=True),
        sa.Column("note", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["report_id"],
            ["contribution_reports.id"],
            name="fk_contribution_lines_report_id_contribution_reports",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "report_id", "reading", "kota_employee_id", "payer", "id", name="pk_contribution_lines"
        ),
    )
    op.create_index("ix_contribution_lines_id", "contribution_lines", ["id"])


def downgrade() -> None:
    op.drop_index("ix_contribution_lines_id", table_name="contribution_lines")
    op.drop_table("contribution_lines")
    op.drop_index("ix_contribution_reports_period_from_id", table_name="contribution_reports")
    op.drop_index("ix_contribution_reports_kota_employer_id_period_from_id", table_name="contribution_reports")
    op.drop_index(
        "ix_contribution_reports_due",
        table_name="contribution_reports",
        postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
    )
    op.drop_table("contribution_reports")
