"""What ingest publishes to the other services: the views, and nothing but the views."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

VIEWS = {
    "telemetry.telemetry_data": "client_id metric_key metric_value metric_bool metric_text recorded_at received_at epoch "
    "sequence_no quality",
    "telemetry.latest_value": "client_id metric_key metric_value metric_bool metric_text metric_int recorded_at "
    "received_at quality",
    "telemetry.device_status": "client_id status since last_seen buffered clock_offset_ms instance agent_version reason",
    "telemetry.completeness": "client_id epoch cum highest received missing lost missing_ranges lost_ranges is_complete",
    "telemetry.series_index": "series_id client_id metric_key",
    "telemetry.sample_data": "series_id recorded_at seq epoch value whole flag text quality received_at",
}
TABLES = ("sample", "series", "latest", "stream", "presence", "rejected", "loss", "offline_period")


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("role", ["pulse_gateway", "pulse_identity"])
async def test_view_is_readable_by_the_other_services(world: Any, role: str, view: str) -> None:
    other = await world.connect(role)
    columns = ", ".join(VIEWS[view].split())
    assert await other.fetch(f"select {columns} from {view}") == []
    await other.close()


@pytest.mark.parametrize("table", TABLES)
async def test_table_is_not_readable_by_the_other_services(world: Any, table: str) -> None:
    other = await world.connect("pulse_gateway")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await other.fetch(f"select * from telemetry.{table}")
    await other.close()


async def test_people_find_telemetry_data_without_naming_the_schema(world: Any) -> None:
    operator = await world.connect("pulse_admin")
    assert await operator.fetch("select * from telemetry_data") == []
    await operator.close()


_SHAPE = """
    select 'revision' as kind, version_num::text as name from telemetry.alembic_version
    union all
    select table_name::text, column_name::text from information_schema.columns where table_schema = 'telemetry'
    order by 1, 2
"""


async def test_migrating_twice_changes_nothing(world: Any) -> None:
    from pulse_ingest import app

    before = await world.fetch(_SHAPE)
    await app.migrate(world.settings())
    assert await world.fetch(_SHAPE) == before
    assert before
