"""The outbox through which the audit log is told.

Revision ID: 0020
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

from pulse_chassis.outbox import outbox_table

revision = "0020"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    outbox_table(sa.MetaData(), "telemetry").create(op.get_bind())


def downgrade() -> None:
    op.execute("drop table telemetry.outbox")
