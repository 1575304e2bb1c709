"""What ingest tells the audit log, until the stream has it."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from pulse_chassis.outbox import outbox_table

outbox: Final = outbox_table(sa.MetaData(), "telemetry")
