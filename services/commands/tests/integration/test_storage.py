"""The schema is what the code thinks it is, the others read the published view and nothing else, old rows go."""

from __future__ import annotations

from datetime import timedelta

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from pulse_commands import app
from pulse_commands.storage.tables import SCHEMA, metadata
from pulse_commands.use_cases.forget_old import ForgetOld

COLUMNS = [
    *("id", "batch_id", "device_id", "name", "state", "created_at", "updated_at", "actor_id", "actor_name"),
    *("expires_at", "published_at", "progress", "message", "error_code"),
]


@pytest.mark.own_schema
async def test_the_migrations_make_what_the_tables_say(world):
    def differences(connection):
        options = {
            "include_schemas": True,
            "include_name": lambda name, kind, _parents: kind != "schema" or name == SCHEMA,
            "include_object": lambda _item, name, kind, _reflected, _to: (
                kind in {"table", "column"} and name != "alembic_version"
            ),
            "compare_type": True,
        }
        # The role's search_path begins with our schema; the comparison wants every name with its schema.
        connection.dialect.default_schema_name = "public"
        found = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
        comments = ("modify_comment", "remove_table_comment")
        return [one for one in found if (one[0][0] if isinstance(one, list) else one[0]) not in comments]

    async with app.open_parts(world.settings()) as parts, parts.database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


@pytest.mark.own_schema
async def test_migrating_twice_changes_nothing(world):
    await app.migrate(world.settings())
    assert await world.db.fetchval("select version_num from commands.alembic_version") == "0010"


async def test_others_read_the_view_of_the_contract_and_no_table(world):
    reader = await asyncpg.connect(world.urls["pulse_gateway"])
    rows = await reader.fetch(
        "select attname from pg_attribute where attrelid = 'commands.command_view'::regclass and attnum > 0"
        " order by attnum"
    )
    assert [row["attname"] for row in rows] == COLUMNS
    await reader.fetch("select * from commands.command_view")
    for table in metadata.sorted_tables:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await reader.fetch(f"select * from commands.{table.name}")
    await reader.close()


async def test_ended_commands_and_refusals_are_forgotten_when_they_are_old(world):
    user = await world.user()
    a, b = await world.device("A", user), await world.device("B", user)
    async with world.service() as service:
        (ended, _open) = await world.send(user, a, b)
        await world.ask(user, "POST", f"/api/commands/{ended['id']}/cancel")
        await world.db.execute(
            "insert into commands.refusal (device_id, side, code, minute, first_at, last_at, detail)"
            " values ('A', 'device', 'other', now(), now(), now(), '')"
        )
        forget = ForgetOld(service.parts.work, service.parts.clock, timedelta(0), timedelta(0))
        await forget()
    assert await world.db.fetchval("select count(*) from commands.refusal") == 0
    assert [row["state"] for row in await world.db.fetch("select state from commands.command")] == ["queued"]
    assert await world.db.fetchval("select count(*) from commands.batch") == 1
