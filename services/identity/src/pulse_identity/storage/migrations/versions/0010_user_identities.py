"""Users as another sign-in provider (OpenID Connect) knows them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0020"
branch_labels = None
depends_on = None

_CREATE = """
create table identity.user_identities (
    issuer text not null,
    subject text not null,
    user_id uuid not null references identity.users (id) on delete cascade,
    created_at timestamptz not null,
    primary key (issuer, subject)
)
"""


def upgrade() -> None:
    op.execute(sa.text(_CREATE))
    op.execute(sa.text("create index ix_identity_user_identities_user_id on identity.user_identities (user_id)"))


def downgrade() -> None:
    op.execute(sa.text("drop table identity.user_identities"))
