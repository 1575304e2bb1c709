"""Every change of configuration as reports read it.

Revision ID: 0020
Revises: 0010
"""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A contract: a column may be added at the end, nothing else changes.
    op.execute("""
create view sync.config_change as
select h.entry_id, e.scope, e.target, e.key, h.version, h.before, h.after, h.at, h.updated_by, h.source
from sync.config_history h join sync.config_entry e on e.id = h.entry_id""")
    op.execute("grant select on sync.config_change to pulse_published")


def downgrade() -> None:
    op.execute("drop view sync.config_change")
