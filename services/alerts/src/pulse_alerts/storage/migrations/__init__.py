"""Alembic's revisions of schema `alerts`."""
