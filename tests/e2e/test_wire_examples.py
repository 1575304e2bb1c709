"""Each literal example of the delivery protocol, sent by the tools a stranger would use, reaches table and socket."""

import asyncio
import json
import shutil
import subprocess
import time
from contextlib import AsyncExitStack

import httpx
import pytest

from pulse_contracts.frames import Filter

MOSQUITTO_PUB = shutil.which("mosquitto_pub")
CURL = shutil.which("curl")


def mosquitto_pub(stack, client_id: str, key: str, topic: str, payload: str) -> subprocess.CompletedProcess:
    assert MOSQUITTO_PUB, "mosquitto-clients is needed"
    host, port = stack.mqtt
    return subprocess.run(
        [MOSQUITTO_PUB, "-V", "mqttv5", "-h", host, "-p", str(port), "-i", client_id, "-u", client_id, "-P", key,
         "-q", "1", "-t", topic, "-m", payload],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )  # fmt: skip


def curl(stack, key: str, body: str) -> tuple[int, dict]:
    assert CURL, "curl is needed"
    done = subprocess.run(
        [CURL, "-s", "-o", "-", "-w", "\n%{http_code}", "-H", f"Authorization: Bearer {key}",
         "-H", "Content-Type: application/json", "--data-binary", body, f"{stack.url}/api/telemetry"],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )  # fmt: skip
    text, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(text)


async def seen_on_socket(client, device_id: str, metric: str, *, is_late: bool) -> object:
    """Wait for the reading's row, or, for one with an old timestamp, for the gap that tells charts to fetch it."""
    async with asyncio.timeout(10):
        async for frame in client:
            if frame.type == "gap" and is_late and device_id in (frame.device_ids or []):
                return frame
            for row in frame.rows if frame.type == "data" else ():
                if not is_late and row[0] == device_id and row[1] == metric:
                    return row[3]
    raise AssertionError("the socket ended")


async def stored(stack, device_id: str, metric: str) -> list[tuple]:
    rows = await stack.fetch(
        "SELECT metric_value, metric_bool, sequence_no FROM telemetry_data WHERE client_id = $1 AND metric_key = $2",
        device_id,
        metric,
    )
    return [tuple(r) for r in rows]


EXAMPLES = {
    "named form": (
        "DESKTOP-001",
        "telemetry/DESKTOP-001/live",
        (
            '{"client_id":"DESKTOP-001","timestamp":"2026-02-07T10:15:30Z","sequence_no":10542,'
            '"metrics":{"temperature":72.45,"pressure":101.3,"is_active":true},"source":"desktop"}'
        ),
        {"temperature": 72.45, "pressure": 101.3, "is_active": True},
        True,
    ),
    "one number": (
        "test",
        "telemetry/test/live",
        '{"client_id":"test","metric_name":"temp","value_numeric":55}',
        {"temp": 55},
        False,
    ),
    "one boolean": (
        "test-2",
        "telemetry/test-2/live",
        '{"client_id":"test-2","metric_name":"door","value_boolean":true}',
        {"door": True},
        False,
    ),
    "flat form": (
        "sensor_01",
        "devices/sensor_01/data",
        '{"device_id":"sensor_01","api_key":"KEY","temperature":60,"humidity":75}',
        {"temperature": 60, "humidity": 75},
        False,
    ),
    "app form": (
        "TEST",
        "app/device/TEST/telemetry",
        '{"telemetry":{"temp":25},"timestamp":"2025-12-19T12:00:00"}',
        {"temp": 25},
        True,
    ),
    "run from an outbox": (
        "D",
        "telemetry/D/buffer",
        '{"v":1,"epoch":3,"first":1041,"rows":[[NOW_US,{"temperature":72.4}],[NOW_US1,{"temperature":72.5}]]}',
        {"temperature": 72.4},
        False,
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
async def test_literal_example_is_stored_and_shown(stack, name: str) -> None:
    device_id, topic, payload, metrics, is_late = EXAMPLES[name]
    now_us = time.time_ns() // 1000
    async with AsyncExitStack() as opened:
        http = await opened.enter_async_context(stack.admin())
        key = (await stack.register(http, device_id))[device_id]
        for _ in range(3 if '"epoch":3' in payload else 0):
            epoch = await stack.hello(device_id, key, first=1041)
        if '"epoch":3' in payload:
            assert epoch == 3
        account = stack.description["admin"]
        client = await opened.enter_async_context(stack.socket(account["username"], account["password"]))
        await client.subscribe(
            "telemetry.raw", name="raw", filter=Filter(device_ids=[device_id]), interval_ms=0, snapshot=False
        )
        await client.until_answered("raw")
        payload = payload.replace("KEY", key).replace("NOW_US1", str(now_us + 1000)).replace("NOW_US", str(now_us))

        sent = mosquitto_pub(stack, device_id, key, topic, payload)

        assert sent.returncode == 0, sent.stderr
        metric, value = next(iter(metrics.items()))
        shown = await seen_on_socket(client, device_id, metric, is_late=is_late)
        assert is_late or shown == value
        for metric, value in metrics.items():
            rows = await stored(stack, device_id, metric)
            column = 1 if isinstance(value, bool) else 0
            assert value in [row[column] for row in rows]
        leaked = await stack.fetch("SELECT 1 FROM telemetry.rejected WHERE client_id = $1", device_id)
        assert leaked == []


@pytest.mark.parametrize("name", ["named form", "one number", "flat form"])
async def test_literal_example_over_http_is_stored(stack, name: str) -> None:
    device_id, _, payload, metrics, _ = EXAMPLES[name]
    fresh = f"{device_id}-http"
    async with stack.admin() as http:
        key = (await stack.register(http, fresh))[fresh]
    body = payload.replace(f'"{device_id}"', f'"{fresh}"').replace("KEY", key)

    status, _ = await asyncio.to_thread(curl, stack, key, body)

    assert status == 200
    for metric, value in metrics.items():
        column = 1 if isinstance(value, bool) else 0
        assert value in [row[column] for row in await stored(stack, fresh, metric)]


async def metric_value(stack, service: str, name: str) -> float:
    """Sum of a counter over its labels."""
    async with httpx.AsyncClient() as http:
        text = (await http.get(f"{stack.description['services'][service]['url']}/metrics")).text
    lines = [line for line in text.splitlines() if line.startswith(name) and line[len(name)] in " {"]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


async def test_unknown_device_is_refused_by_the_broker_and_counted(stack) -> None:
    before = await metric_value(stack, "ingest", "ingest_broker_refused_connections_total")

    sent = mosquitto_pub(stack, "stranger", "guessed", "telemetry/stranger/live", EXAMPLES["one number"][2])

    assert sent.returncode != 0
    deadline = time.monotonic() + 10
    while await metric_value(stack, "ingest", "ingest_broker_refused_connections_total") <= before:
        assert time.monotonic() < deadline, "the refusal was not counted"
        await asyncio.sleep(0.05)
    assert await stack.fetch("SELECT 1 FROM telemetry_data WHERE client_id = 'stranger'") == []


async def test_unknown_key_over_http_is_refused_and_counted(stack) -> None:
    before = await metric_value(stack, "ingest", "ingest_rejected_total")

    status, problem = await asyncio.to_thread(curl, stack, "pk_nobody.guessed", EXAMPLES["one number"][2])

    assert status == 401
    assert problem["code"]
    assert await metric_value(stack, "ingest", "ingest_rejected_total") == before + 1


async def test_a_device_cannot_speak_for_its_neighbour(stack) -> None:
    async with stack.admin() as http:
        keys = await stack.register(http, "neighbour-a", "neighbour-b")

    sent = mosquitto_pub(
        stack, "neighbour-a", keys["neighbour-a"], "telemetry/neighbour-b/live",
        '{"client_id":"neighbour-b","metric_name":"temp","value_numeric":1}',
    )  # fmt: skip
    spoofed = mosquitto_pub(
        stack, "neighbour-a", keys["neighbour-a"], "telemetry/neighbour-a/live",
        '{"client_id":"neighbour-b","metric_name":"temp","value_numeric":2}',
    )  # fmt: skip
    honest = mosquitto_pub(
        stack, "neighbour-a", keys["neighbour-a"], "telemetry/neighbour-a/live",
        '{"client_id":"neighbour-a","metric_name":"temp","value_numeric":3}',
    )  # fmt: skip

    assert spoofed.returncode == honest.returncode == 0, (sent, spoofed, honest)
    deadline = time.monotonic() + 10
    while not await stored(stack, "neighbour-a", "temp"):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    assert await stored(stack, "neighbour-b", "temp") == []
    rejected = await stack.fetch("SELECT code FROM telemetry.rejected WHERE client_id = 'neighbour-a'")
    assert [r["code"] for r in rejected] == ["wrong_client"]
