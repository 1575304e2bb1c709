"""The rows of audit events stay in the outbox until the audit log has them.

Revision ID: 0050
Revises: 0040
"""

from __future__ import annotations

from alembic import op

from pulse_chassis.outbox import add_confirmation

revision = "0050"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(add_confirmation("identity"))
    op.execute("create view identity.audit_stored as select event_id from identity.audit_log")
    op.execute("grant select on identity.audit_stored to pulse_published")


def downgrade() -> None:
    op.execute("drop view identity.audit_stored")
    op.execute("alter table identity.outbox drop column event_id, drop column published_at")
