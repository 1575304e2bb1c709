"""What sync tells others (`pulse:sync`, `pulse:config`, `pulse:audit`), until the streams have it."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from pulse_chassis.outbox import outbox_table

SCHEMA: Final = "sync"
outbox: Final = outbox_table(sa.MetaData(), SCHEMA)
