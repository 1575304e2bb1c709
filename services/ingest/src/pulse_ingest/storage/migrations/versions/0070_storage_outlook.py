"""What a measurement of the storage means, kept beside it: judged once, shown by whoever reads it.

Revision ID: 0070
Revises: 0060
"""

from __future__ import annotations

from alembic import op

revision = "0070"
down_revision = "0060"
branch_labels = None
depends_on = None

_COLUMNS = "day, measured_at, raw_bytes, minute_bytes, hour_bytes, other_bytes, used_bytes, capacity_bytes"


def upgrade() -> None:
    op.execute("alter table telemetry.storage_day add column state text, add column days_left double precision")
    op.execute(
        f"create or replace view telemetry.storage_use as select {_COLUMNS}, state, days_left"  # noqa: S608 -- our own
        " from telemetry.storage_day"
    )


def downgrade() -> None:
    op.execute("drop view telemetry.storage_use")
    op.execute("alter table telemetry.storage_day drop column state, drop column days_left")
    op.execute(f"create view telemetry.storage_use as select {_COLUMNS} from telemetry.storage_day")  # noqa: S608
    op.execute("grant select on telemetry.storage_use to pulse_published")
