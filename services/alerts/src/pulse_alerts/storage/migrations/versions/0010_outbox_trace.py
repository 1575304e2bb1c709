"""A row of the outbox carries the trace that made it, where one is recorded.

Revision ID: 0010
Revises: 0002
"""

from __future__ import annotations

from alembic import op

from pulse_chassis.outbox import add_trace

revision = "0010"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(add_trace("alerts"))


def downgrade() -> None:
    op.execute("alter table alerts.outbox drop column traceparent")
