"""Alembic's revisions of schema `telemetry`."""
