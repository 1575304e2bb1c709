"""A row of the outbox carries the trace that made it, where one is recorded.

Revision ID: 0030
Revises: 0020
"""

from __future__ import annotations

from alembic import op

from pulse_chassis.outbox import add_trace

revision = "0030"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(add_trace("sync"))


def downgrade() -> None:
    op.execute("alter table sync.outbox drop column traceparent")
