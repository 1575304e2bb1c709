"""The times in which devices were offline, as reports read them.

Revision ID: 0050
Revises: 0040
"""

from __future__ import annotations

from alembic import op

revision = "0050"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A contract: a column may be added at the end, nothing else changes. Without an end it lasts until now.
    op.execute("""
create view telemetry.offline_time as
select id, client_id, started_at, ended_at, reason from telemetry.offline_period""")
    op.execute("grant select on telemetry.offline_time to pulse_published")


def downgrade() -> None:
    op.execute("drop view telemetry.offline_time")
