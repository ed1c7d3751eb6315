"""A replayed event keeps its resource, and dead events are found without reading all others

Deliveries wait while the indexes are built, some seconds for some millions of events; Kota repeats what is refused.
CONCURRENTLY would wait for the replicas that wait for this migration.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

UNROUTED = "state = 'pending' AND (resource_id IS NULL OR resource_seq IS NULL)"
UNROUTED_BEFORE = "state = 'pending' AND resource_id IS NULL"


def upgrade() -> None:
    op.drop_index("ix_kota_events_unrouted", table_name="kota_events")
    op.create_index("ix_kota_events_unrouted", "kota_events", ["received_at"], postgresql_where=sa.text(UNROUTED))
    op.create_index(
        "ix_kota_events_dead", "kota_events", ["received_at", "id"], postgresql_where=sa.text("state = 'dead'")
    )


def downgrade() -> None:
    op.drop_index("ix_kota_events_dead", table_name="kota_events")
    op.drop_index("ix_kota_events_unrouted", table_name="kota_events")
    # What was replayed and not routed yet is waiting by the rule of before.
    op.execute(
        "UPDATE kota_events SET resource_kind = NULL, resource_id = NULL "
        "WHERE state = 'pending' AND resource_seq IS NULL"
    )
    op.create_index(
        "ix_kota_events_unrouted", "kota_events", ["received_at"], postgresql_where=sa.text(UNROUTED_BEFORE)
    )
