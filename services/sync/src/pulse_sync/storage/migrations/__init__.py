"""Alembic's revisions of schema `sync`."""
