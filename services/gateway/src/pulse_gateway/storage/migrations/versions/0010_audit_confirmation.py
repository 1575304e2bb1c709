"""The rows of audit events stay in the outbox until the audit log has them.

Revision ID: 0010
Revises: 0001
"""

from __future__ import annotations

from alembic import op

from pulse_chassis.outbox import add_confirmation

revision = "0010"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(add_confirmation("gateway"))


def downgrade() -> None:
    op.execute("alter table gateway.outbox drop column event_id, drop column published_at")
