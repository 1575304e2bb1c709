"""Alembic's entry: everything is decided by `pulse_chassis.database.upgrade`."""

from __future__ import annotations

from pulse_chassis.database import run_migrations
from pulse_identity.storage.tables import metadata

run_migrations(metadata)
