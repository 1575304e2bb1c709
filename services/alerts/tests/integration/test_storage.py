"""The schema is what the code thinks it is, the others read the published view and nothing else, old rows go."""

from __future__ import annotations

from datetime import timedelta

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from pulse_alerts import app
from pulse_alerts.storage import notification_tables
from pulse_alerts.storage.tables import SCHEMA, metadata
from pulse_alerts.use_cases.forget_notifications import ForgetNotifications
from pulse_chassis.clock import SystemClock

OTHERS_READ = {"alarm_view"}


@pytest.mark.own_schema
async def test_the_migrations_make_what_the_tables_say(world) -> None:
    def differences(connection):
        options = {
            "include_schemas": True,
            "include_name": lambda name, kind, _parents: kind != "schema" or name == SCHEMA,
            "include_object": lambda _item, name, kind, _reflected, _to: (
                kind in {"table", "column"}
                and name not in {"alembic_version", "ownership", "late_span", "rule_revision"}
            ),
            "compare_type": True,
        }
        # The role's search_path begins with our schema; the comparison wants every name with its schema.
        connection.dialect.default_schema_name = "public"
        found = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
        # Tables that plain SQL alone works on are not declared.
        comments = ("modify_comment", "remove_table_comment", "remove_table")
        return [one for one in found if (one[0][0] if isinstance(one, list) else one[0]) not in comments]

    assert notification_tables.channels.metadata is metadata
    async with app.open_parts(world.settings()) as parts, parts.database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_others_read_the_view_of_the_contract_and_no_table(world) -> None:
    reader = await asyncpg.connect(world.urls["pulse_gateway"])
    rows = await world.db.fetch(
        "select relname, relkind from pg_class where relnamespace = 'alerts'::regnamespace"
        " and relkind in ('r'::\"char\", 'v'::\"char\")"
    )
    assert {row["relname"] for row in rows} >= {table.name for table in metadata.sorted_tables}
    for row in rows:
        query = f"select * from alerts.{row['relname']} limit 1"
        if row["relname"] in OTHERS_READ:
            await reader.fetch(query)
        else:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await reader.fetch(query)
    await reader.close()


async def test_what_was_sent_long_ago_is_forgotten_and_what_waits_is_not(world, mail_inbox) -> None:
    user = await world.user()
    async with world.service(mail_host="127.0.0.1", mail_port=mail_inbox.port, mail_tls="none"):
        sent = await world.channel(user, kind="email", recipients=["a@example.org"], gather_seconds=0)
        held = await world.channel(user, kind="email", recipients=["b@example.org"], gather_seconds=3600)
        await world.raised()
        await world.expect_message(sent["id"], "sent")
        await world.until(lambda: world.db.fetchval("select count(*) = 3 from alerts.delivery"))
    count = "select count(*) from alerts.message where channel_id::text = $1"
    async with app.open_parts(world.settings()) as parts:  # nobody works here but the test
        forget = ForgetNotifications(parts.notifier_work, SystemClock(), timedelta(days=90))
        await forget()
        assert await world.db.fetchval(count, sent["id"]) == 1
        await world.db.execute("update alerts.message set settled_at = settled_at - interval '91 days'")
        await world.db.execute("update alerts.delivery set created_at = created_at - interval '91 days'")
        await forget()
    assert await world.db.fetchval(count, sent["id"]) == 0
    left = await world.db.fetch(
        "select channel_id::text, state from alerts.delivery where channel_id::text = any($1)", [sent["id"], held["id"]]
    )
    assert [tuple(row) for row in left] == [(held["id"], "waiting")]
