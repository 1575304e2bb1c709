"""What was there before sync gets its stamps; and the way back leaves people and roles as they were."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from pulse_identity import app as identity
from pulse_identity.storage.tables import SCHEMA

BEFORE, NOW = "0010", "head"


async def _migrate(database, direction, revision):
    def run(connection):
        config = Config()
        config.set_main_option("script_location", str(identity.MIGRATIONS))
        config.attributes.update(connection=connection, version_schema=SCHEMA)
        direction(config, revision)

    async with database.engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()


@pytest.mark.own_schema
async def test_rows_of_before_get_a_stamp_of_when_they_were_changed(service, admin, row_of):
    database = service.parts.database
    user = await admin.call("POST", "/api/users", {"username": "old", "password": "correct horse battery"}, status=201)
    await _migrate(database, command.downgrade, BEFORE)
    async with database.transaction() as session:
        await session.execute(
            sa.text("update identity.users set updated_at = '2024-03-01T12:00:00.123Z' where username = 'old'")
        )
    await _migrate(database, command.upgrade, NOW)
    row = await row_of("users", user["id"])
    assert (row["version"], row["updated_at"], row["source"]) == (1, "1709294400123-0000", "web")
    await identity.prepare(service.parts)
    await admin.call("PATCH", f"/api/users/{user['id']}", {"email": "old@here.test"}, status=200)
    assert (await row_of("users", user["id"]))["updated_at"] > row["updated_at"]
