"""What ingest publishes to the other services: the views, and nothing but the views."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

ROLLUP = (
    "series_id bucket row_count value_count value_sum value_min value_max first_at first_value last_at last_value "
    "text_at text"
)
VIEWS = {
    "telemetry.telemetry_data": "client_id metric_key metric_value metric_bool metric_text recorded_at received_at epoch "
    "sequence_no quality",
    "telemetry.latest_value": "client_id metric_key metric_value metric_bool metric_text metric_int recorded_at "
    "received_at quality",
    "telemetry.device_status": "client_id status since last_seen buffered clock_offset_ms instance agent_version reason",
    "telemetry.completeness": "client_id epoch cum highest received missing lost missing_ranges lost_ranges is_complete",
    "telemetry.series_index": "series_id client_id metric_key",
    "telemetry.sample_data": "series_id recorded_at seq epoch value whole flag text quality received_at",
    "telemetry.minute_rollup": ROLLUP,
    "telemetry.hour_rollup": ROLLUP,
    "telemetry.minute_dirty": "series_id bucket",
    "telemetry.hour_dirty": "series_id bucket",
    "telemetry.rollup_position": "closed_before",
    "telemetry.series_kept": "series_id raw_from minute_from hour_from",
}
FILLED = {"telemetry.rollup_position"}
TABLES = (
    "sample", "series", "latest", "stream", "presence", "rejected", "loss", "offline_period", "rollup_minute",
    "rollup_mark",
)  # fmt: skip


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("role", ["pulse_gateway", "pulse_identity"])
async def test_view_is_readable_by_the_other_services(world: Any, role: str, view: str) -> None:
    other = await world.connect(role)
    columns = ", ".join(VIEWS[view].split())
    assert len(await other.fetch(f"select {columns} from {view}")) == (view in FILLED)
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
