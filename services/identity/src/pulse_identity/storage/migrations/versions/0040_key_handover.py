"""A device's new key is noted before the broker gets it, so that whatever breaks in between can be settled."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(sa.text("alter table identity.device_keys add column others_end_at timestamptz"))
    op.execute(
        sa.text(
            "create unique index ix_identity_device_keys_proposed on identity.device_keys (device_id)"
            " where others_end_at is not null"
        )
    )


def downgrade() -> None:
    op.execute(sa.text("drop index identity.ix_identity_device_keys_proposed"))
    op.execute(sa.text("alter table identity.device_keys drop column others_end_at"))
