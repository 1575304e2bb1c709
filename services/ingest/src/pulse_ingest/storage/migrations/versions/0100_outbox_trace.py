"""A row of the outbox carries the trace that made it, where one is recorded.

Revision ID: 0100
Revises: 0090
"""

from __future__ import annotations

from alembic import op

from pulse_chassis.outbox import add_trace

revision = "0100"
down_revision = "0090"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(add_trace("telemetry"))


def downgrade() -> None:
    op.execute("alter table telemetry.outbox drop column traceparent")
