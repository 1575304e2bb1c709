"""The rows of audit events stay in the outbox until the audit log has them.

Revision ID: 0030
Revises: 0020
"""

from __future__ import annotations

from alembic import op

from pulse_chassis.outbox import add_confirmation

revision = "0030"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(add_confirmation("telemetry"))


def downgrade() -> None:
    op.execute("alter table telemetry.outbox drop column event_id, drop column published_at")
