"""Which events wait to be routed, with what they are about kept; and which are dead

Their table may be large, so the indexes are built beside its writers. One that was left half built is dropped first.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _rebuild(
        "ix_kota_events_unrouted",
        "(received_at) WHERE state = 'pending' AND (resource_id IS NULL OR resource_seq IS NULL)",
    )
    _rebuild("ix_kota_events_dead", "(received_at, id) WHERE state = 'dead'")


def downgrade() -> None:
    # The code before knows by this what waits to be routed.
    op.execute("UPDATE kota_events SET resource_id = NULL WHERE state = 'pending' AND resource_seq IS NULL")
    _rebuild("ix_kota_events_unrouted", "(received_at) WHERE state = 'pending' AND resource_id IS NULL")
    op.drop_index("ix_kota_events_dead", "kota_events")


def _rebuild(name: str, rows: str) -> None:
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        op.execute(f"CREATE INDEX CONCURRENTLY {name} ON kota_events {rows}")
