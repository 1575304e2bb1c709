"""A row of the outbox carries the trace that made it, where one is recorded.

Revision ID: 0070
Revises: 0060
"""

from __future__ import annotations

from alembic import op

from pulse_chassis.outbox import add_trace

revision = "0070"
down_revision = "0060"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(add_trace("identity"))


def downgrade() -> None:
    op.execute("alter table identity.outbox drop column traceparent")
