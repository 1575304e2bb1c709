"""What retention removed and nobody was told of yet: counted by the statement that removes it.

Revision ID: 0080
Revises: 0070
"""

from __future__ import annotations

from alembic import op

revision = "0080"
down_revision = "0070"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create table telemetry.retention_tally (what text primary key, removed bigint not null)")
    op.execute(
        "comment on table telemetry.retention_tally is "
        "'what retention removed and the audit log does not know yet: rows by kind, and partitions by name'"
    )


def downgrade() -> None:
    op.execute("drop table telemetry.retention_tally")
