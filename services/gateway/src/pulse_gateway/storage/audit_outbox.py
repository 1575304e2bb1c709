"""The gateway's only table: what it tells the audit log, until the stream has it."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from pulse_chassis.outbox import outbox_table

SCHEMA: Final = "gateway"
outbox: Final = outbox_table(sa.MetaData(), SCHEMA)
