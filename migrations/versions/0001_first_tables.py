"""The tables of sessions, sync and events"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("body_digest", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("deliveries", sa.Integer(), server_default="1", nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_dead_letters"),
        sa.UniqueConstraint("body_digest", name="uq_dead_letters_body_digest"),
    )
    op.create_index("ix_dead_letters_received_at", "dead_letters", ["received_at"])
    op.create_table(
        "employers",
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("kota_id", sa.Text(), nullable=True),
        sa.Column("kota_status", sa.Text(), nullable=True),
        sa.Column("kota_status_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("desired", sa.LargeBinary(), nullable=False),
        sa.Column("desired_digest", sa.LargeBinary(), nullable=False),
        sa.Column("synced", sa.LargeBinary(), nullable=True),
        sa.Column("synced_version", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(32), server_default="pending", nullable=False),
        sa.Column("push_key", sa.Text(), nullable=True),
        sa.Column("push_body", sa.LargeBinary(), nullable=True),
        sa.Column("push_version", sa.Integer(), nullable=True),
        sa.Column("push_started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("push_api_key", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_trace_id", sa.Text(), nullable=True),
        sa.Column("error_fields", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("ref", name="pk_employers"),
        sa.UniqueConstraint("kota_id", name="uq_employers_kota_id"),
    )
    op.create_index(
        "ix_employers_due", "employers", ["next_attempt_at"], postgresql_where=sa.text("next_attempt_at IS NOT NULL")
    )
    op.create_index("ix_employers_updated_at_ref", "employers", ["updated_at", "ref"])
    op.create_table(
        "kota_events",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(32), server_default="pending", nullable=False),
        sa.Column("deliveries", sa.Integer(), server_default="1", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("resource_kind", sa.Text(), nullable=True),
        sa.Column("resource_id", sa.Text(), nullable=True),
        sa.Column("resource_seq", sa.Integer(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("processed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_kota_events"),
    )
    op.create_index(
        "ix_kota_events_open",
        "kota_events",
        ["resource_kind", "resource_id"],
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index("ix_kota_events_received_at_id", "kota_events", ["received_at", "id"])
    op.create_index(
        "ix_kota_events_unrouted",
        "kota_events",
        ["received_at"],
        postgresql_where=sa.text("state = 'pending' AND resource_id IS NULL"),
    )
    op.create_table(
        "kota_resources",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("path_params", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("dirty_seq", sa.Integer(), server_default="1", nullable=False),
        sa.Column("clean_seq", sa.Integer(), server_default="0", nullable=False),
        sa.Column("kota_status", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("kind", "id", name="pk_kota_resources"),
    )
    op.create_index(
        "ix_kota_resources_due",
        "kota_resources",
        ["next_attempt_at"],
        postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
    )
    op.create_table(
        "periodic_tasks",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_periodic_tasks"),
    )
    op.create_table(
        "session_counts",
        sa.Column("subject_digest", sa.LargeBinary(), nullable=False),
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("subject_digest", "minute", name="pk_session_counts"),
    )
    op.create_index("ix_session_counts_minute", "session_counts", ["minute"])
    op.create_table(
        "session_grants",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("subject_digest", sa.LargeBinary(), nullable=False),
        sa.Column("employer_ref", sa.Text(), nullable=False),
        sa.Column("employee_ref", sa.Text(), nullable=True),
        sa.Column("external_customer_id", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_session_grants"),
    )
    op.create_index("ix_session_grants_granted_at", "session_grants", ["granted_at"])
    op.create_index("ix_session_grants_subject_digest", "session_grants", ["subject_digest"])
    op.create_table(
        "employees",
        sa.Column("employer_ref", sa.Text(), nullable=False),
        sa.Column("external_customer_id", sa.Text(), nullable=True),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("kota_id", sa.Text(), nullable=True),
        sa.Column("kota_status", sa.Text(), nullable=True),
        sa.Column("kota_status_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("desired", sa.LargeBinary(), nullable=False),
        sa.Column("desired_digest", sa.LargeBinary(), nullable=False),
        sa.Column("synced", sa.LargeBinary(), nullable=True),
        sa.Column("synced_version", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(32), server_default="pending", nullable=False),
        sa.Column("push_key", sa.Text(), nullable=True),
        sa.Column("push_body", sa.LargeBinary(), nullable=True),
        sa.Column("push_version", sa.Integer(), nullable=True),
        sa.Column("push_started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("push_api_key", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_trace_id", sa.Text(), nullable=True),
        sa.Column("error_fields", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["employer_ref"], ["employers.ref"], name="fk_employees_employer_ref_employers"),
        sa.PrimaryKeyConstraint("ref", name="pk_employees"),
        sa.UniqueConstraint("kota_id", name="uq_employees_kota_id"),
    )
    op.create_index(
        "ix_employees_due", "employees", ["next_attempt_at"], postgresql_where=sa.text("next_attempt_at IS NOT NULL")
    )
    op.create_index("ix_employees_employer_ref_ref", "employees", ["employer_ref", "ref"])
    op.create_index("ix_employees_updated_at_ref", "employees", ["updated_at", "ref"])


def downgrade() -> None:
    op.drop_index("ix_employees_updated_at_ref", table_name="employees")
    op.drop_index("ix_employees_employer_ref_ref", table_name="employees")
    op.drop_index("ix_employees_due", table_name="employees", postgresql_where=sa.text("next_attempt_at IS NOT NULL"))
    op.drop_table("employees")
    op.drop_index("ix_session_grants_subject_digest", table_name="session_grants")
    op.drop_index("ix_session_grants_granted_at", table_name="session_grants")
    op.drop_table("session_grants")
    op.drop_index("ix_session_counts_minute", table_name="session_counts")
    op.drop_table("session_counts")
    op.drop_table("periodic_tasks")
    op.drop_index(
        "ix_kota_resources_due", table_name="kota_resources", postgresql_where=sa.text("next_attempt_at IS NOT NULL")
    )
    op.drop_table("kota_resources")
    op.drop_index(
        "ix_kota_events_unrouted",
        table_name="kota_events",
        postgresql_where=sa.text("state = 'pending' AND resource_id IS NULL"),
    )
    op.drop_index("ix_kota_events_received_at_id", table_name="kota_events")
    op.drop_index("ix_kota_events_open", table_name="kota_events", postgresql_where=sa.text("state = 'pending'"))
    op.drop_table("kota_events")
    op.drop_index("ix_employers_updated_at_ref", table_name="employers")
    op.drop_index("ix_employers_due", table_name="employers", postgresql_where=sa.text("next_attempt_at IS NOT NULL"))
    op.drop_table("employers")
    op.drop_index("ix_dead_letters_received_at", table_name="dead_letters")
    op.drop_table("dead_letters")
