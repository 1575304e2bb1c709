"""The audit log as reports read it.

Revision ID: 0060
Revises: 0050
"""

from __future__ import annotations

from alembic import op

revision = "0060"
down_revision = "0050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A contract: a column may be added at the end, nothing else changes. `entry` is the JSON of the event.
    op.execute("""
create view identity.audit_entry as
select seq, at, service, actor_kind, actor_id, actor_name, action, resource_type, resource_id, outcome, entry
from identity.audit_log""")
    op.execute("grant select on identity.audit_entry to pulse_published")


def downgrade() -> None:
    op.execute("drop view identity.audit_entry")
