"""Every literal payload of delivery.md, published for real, is in `telemetry_data`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pulse_chassis.streams import StreamReader, connect_redis
from pulse_contracts.streams import TELEMETRY_STREAM, TelemetryAnnounced

FORMS = {
    "desktop": (
        "DESKTOP-001",
        "telemetry/DESKTOP-001/live",
        {
            "client_id": "DESKTOP-001",
            "timestamp": "2026-02-07T10:15:30Z",
            "sequence_no": 10542,
            "metrics": {"temperature": 72.45, "pressure": 101.3, "is_active": True},
            "source": "desktop",
        },
        {("temperature", 72.45, None), ("pressure", 101.3, None), ("is_active", None, True)},
    ),
    "single numeric": (
        "test",
        "telemetry/test/live",
        {"client_id": "test", "metric_name": "temp", "value_numeric": 55},
        {("temp", 55.0, None)},
    ),
    "single boolean": (
        "test",
        "telemetry/test/live",
        {"client_id": "test", "metric_name": "on", "value_boolean": False},
        {("on", None, False)},
    ),
    "flat": (
        "sensor_01",
        "devices/sensor_01/data",
        {"device_id": "sensor_01", "api_key": "…", "temperature": 60, "humidity": 75},
        {("temperature", 60.0, None), ("humidity", 75.0, None)},
    ),
    "app": (
        "TEST",
        "app/device/TEST/telemetry",
        {"telemetry": {"temp": 25}, "timestamp": "2025-12-19T12:00:00"},
        {("temp", 25.0, None)},
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("qos", [0, 1])
async def test_literal_payload_is_stored(world: Any, eventually: Any, form: str, qos: int) -> None:
    device, topic, payload, expected = FORMS[form]
    key = await world.add_device(device)
    if "api_key" in payload:
        payload = payload | {"api_key": key}

    async with world.ingest(), world.client(device) as client:
        await client.publish(topic, json.dumps(payload), qos=qos)

        async def stored() -> Any:
            rows = await world.fetch(
                "select metric_key, metric_value, metric_bool from telemetry_data where client_id = $1", device
            )
            return {tuple(row) for row in rows} == expected

        await eventually(stored, what=form)


async def test_compact_run_is_stored_announced_and_acked(world: Any, agent_of: Any, now_us: Any) -> None:
    await world.add_device("D")
    at = now_us()
    async with world.ingest(), world.client("D") as client:
        agent = agent_of(client, "D")
        await agent.listen()
        welcome = await agent.hello(next_=1041)
        await agent.run(1041, [[at, {"temperature": 72.4}], [at + 1, {"temperature": 72.5, "state": "ok"}]])
        ack = await agent.next_ack()

    assert welcome["epoch"] == 1
    assert welcome["cum"] == 1040
    assert (ack["epoch"], ack["cum"], ack["ok"], ack["rej"]) == (1, 1042, [[1041, 1042]], [])
    rows = await world.fetch("select epoch, sequence_no, metric_key, metric_text from telemetry_data order by 2, 3")
    assert [tuple(row) for row in rows] == [
        (1, 1041, "temperature", None),
        (1, 1042, "state", "ok"),
        (1, 1042, "temperature", None),
    ]
    redis = connect_redis(world.redis_url)
    entries = await StreamReader(redis, TELEMETRY_STREAM).read("0-0")
    await redis.aclose()
    announced = [TelemetryAnnounced.model_validate_json(entry) for _, entry in entries]
    assert [row for event in announced for row in event.rows] == [
        ("D", at // 1000, "good", {"temperature": 72.4}),
        ("D", (at + 1) // 1000, "good", {"temperature": 72.5, "state": "ok"}),
    ]
