"""The schema is what the code thinks it is, and the others may read the published views and nothing else."""

from __future__ import annotations

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from pulse_contracts.device_keys import key_sha256
from pulse_identity.storage.tables import SCHEMA, metadata

VIEWS = {
    "device_registry": ["device_id", "name", "owner_id", "is_active", "kind", "groups", "metadata", "created_at"],
    "device_key": ["device_id", "key_prefix", "key_sha256", "expires_at"],
    "device_access": ["user_id", "device_id", "level"],
    "user_authority": ["user_id", "username", "is_active", "roles", "permissions"],
    "synced_row": ["entity", "id", "version", "updated_at", "updated_by", "source", "fields", "revoked"],
    "desktop": ["device_id", "sign_jwk", "seal_key", "is_workstation", "is_active", "groups"],
    "audit_stored": ["event_id"],
}


@pytest.mark.own_schema
async def test_the_migrations_make_what_the_tables_say(service):
    def differences(connection):
        options = {
            "include_schemas": True,
            "include_name": lambda name, kind, _parents: kind != "schema" or name == SCHEMA,
            "include_object": lambda _item, name, kind, _reflected, _to: (
                not (kind == "table" and name == "alembic_version")
            ),
            "compare_type": True,
        }
        # The role's search_path begins with our schema; the comparison wants every name with its schema.
        connection.dialect.default_schema_name = "public"
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    async with service.parts.database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


@pytest.mark.own_schema
async def test_the_published_views_have_the_columns_of_the_contract(reader):
    for view, columns in VIEWS.items():
        rows = await reader.fetch(
            "select attname from pg_attribute where attrelid = $1::regclass and attnum > 0 order by attnum",
            f"identity.{view}",
        )
        assert [row["attname"] for row in rows] == columns


@pytest.mark.parametrize("table", sorted(table.name for table in metadata.sorted_tables))
async def test_the_tables_themselves_are_nobody_elses(reader, table):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await reader.fetch(f"select * from identity.{table}")


async def test_only_good_keys_of_active_devices_are_published(admin, reader):
    device = await admin.call("POST", "/api/devices", {"id": "keyed"}, status=201)
    (row,) = await reader.fetch("select * from identity.device_key")
    assert (row["device_id"], row["key_prefix"], row["expires_at"]) == ("keyed", device["key_prefix"], None)
    assert row["key_sha256"] == key_sha256(device["api_key"])
    fresh = await admin.call("POST", "/api/devices/keyed/rotate-key", {"overlap_seconds": 60}, status=200)
    rows = await reader.fetch("select key_sha256 from identity.device_key")
    assert {row["key_sha256"] for row in rows} == {key_sha256(device["api_key"]), key_sha256(fresh["api_key"])}
    await admin.call("POST", "/api/devices/keyed/rotate-key", status=200)
    assert await reader.fetchval("select count(*) from identity.device_key") == 1
    await admin.call("POST", "/api/devices/keyed/disable", status=200)
    assert await reader.fetchval("select count(*) from identity.device_key") == 0


async def test_access_is_published_once_for_each_user_and_device_at_the_strongest_level(service, admin, reader):
    operator = await service.add_person(admin, "operator")
    viewer = await service.add_person(admin, "viewer", username="both")
    await operator.call("POST", "/api/devices", {"id": "lent"}, status=201)
    await operator.call("POST", "/api/devices/lent/shares", {"role": "viewer", "level": "control"}, status=201)
    await operator.call("POST", "/api/devices/lent/shares", {"user": "both", "level": "read"}, status=201)
    rows = await reader.fetch("select user_id::text, level from identity.device_access where device_id = 'lent'")
    assert {row["user_id"]: row["level"] for row in rows} == {operator.id: "owner", viewer.id: "control"}
    assert len(rows) == 2


async def test_authority_is_published_with_roles_and_permissions(service, admin, reader):
    person = await service.add_person(admin, "viewer", "operator", username="erin")
    row = await reader.fetchrow("select * from identity.user_authority where username = 'erin'")
    assert (row["roles"], row["is_active"]) == (["operator", "viewer"], True)
    assert row["permissions"] == person.tokens["user"]["permissions"]
    nobody = await service.add_person(admin, username="norole")
    row = await reader.fetchrow("select * from identity.user_authority where user_id::text = $1", nobody.id)
    assert (row["roles"], row["permissions"]) == ([], [])
