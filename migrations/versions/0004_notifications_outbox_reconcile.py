"""Notifications, the outbox to the host, and the cursor of reconciliation"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

OPEN = sa.text("state = 'open'")


def upgrade() -> None:
    op.create_table(
        "notifications",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("resource_id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("audience", sa.String(32), nullable=False),
        sa.Column("kota_employer_id", sa.Text(), nullable=True),
        sa.Column("kota_employee_id", sa.Text(), nullable=True),
        sa.Column("external_customer_id", sa.Text(), nullable=True),
        sa.Column("title", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("content_digest", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(32), server_default="open", nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_notifications"),
        sa.UniqueConstraint("kind", "resource_id", "action", name="uq_notifications_kind_resource_id_action"),
    )
    op.create_index("ix_notifications_employee", "notifications", ["kota_employee_id"], postgresql_where=OPEN)
    op.create_index("ix_notifications_employer", "notifications", ["kota_employer_id"], postgresql_where=OPEN)
    op.create_index("ix_notifications_due", "notifications", ["due_on"], postgresql_where=OPEN)
    op.create_table(
        "notification_dismissals",
        sa.Column("notification_id", sa.Uuid(), nullable=False),
        sa.Column("subject_digest", sa.LargeBinary(), nullable=False),
        sa.Column("content_digest", sa.LargeBinary(), nullable=False),
        sa.Column("dismissed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["notification_id"],
            ["notifications.id"],
            name="fk_notification_dismissals_notification_id_notifications",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("notification_id", "subject_digest", name="pk_notification_dismissals"),
    )
    op.create_table(
        "outbox_messages",
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.String(32), server_default="pending", nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("object", name="pk_outbox_messages"),
    )
    op.create_index(
        "ix_outbox_messages_due",
        "outbox_messages",
        ["next_attempt_at"],
        postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
    )
    op.create_table(
        "reconcile_cursors",
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("seen_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("requested_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("version", name="pk_reconcile_cursors"),
    )


def downgrade() -> None:
    op.drop_table("reconcile_cursors")
    op.drop_index(
        "ix_outbox_messages_due", table_name="outbox_messages", postgresql_where=sa.text("next_attempt_at IS NOT NULL")
    )
    op.drop_table("outbox_messages")
    op.drop_table("notification_dismissals")
    op.drop_index("ix_notifications_due", table_name="notifications", postgresql_where=OPEN)
    op.drop_index("ix_notifications_employer", table_name="notifications", postgresql_where=OPEN)
    op.drop_index("ix_notifications_employee", table_name="notifications", postgresql_where=OPEN)
    op.drop_table("notifications")
