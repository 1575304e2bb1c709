"""What alembic runs: everything is in the chassis."""

from pulse_chassis.database import run_migrations

run_migrations()
