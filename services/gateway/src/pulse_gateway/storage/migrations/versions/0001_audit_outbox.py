"""The outbox through which the audit log is told.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

from pulse_chassis.outbox import outbox_table

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    outbox_table(sa.MetaData(), "gateway").create(op.get_bind())


def downgrade() -> None:
    op.execute("drop table gateway.outbox")
