"""A row of the outbox carries the trace that made it, where one is recorded.

Revision ID: 0040
Revises: 0031
"""

from __future__ import annotations

from alembic import op

from pulse_chassis.outbox import add_trace

revision = "0040"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(add_trace("gateway"))


def downgrade() -> None:
    op.execute("alter table gateway.outbox drop column traceparent")
