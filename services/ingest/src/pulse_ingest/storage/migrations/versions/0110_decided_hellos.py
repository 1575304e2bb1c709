"""The last hello that was decided of each client: one that is delivered again, or late, is answered and not decided.

Revision ID: 0110
Revises: 0100
"""

from __future__ import annotations

from alembic import op

revision = "0110"
down_revision = "0100"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        alter table telemetry.presence
            add column hello_instance text,
            add column hello_id bigint,
            add column hello_epoch integer
    """)
    op.execute("""
        comment on column telemetry.presence.hello_id is
            'Number of the last hello that was decided, within hello_instance; null where the client numbers none.'
    """)


def downgrade() -> None:
    op.execute("""
        alter table telemetry.presence drop column hello_instance, drop column hello_id, drop column hello_epoch
    """)
