"""ESP32-style devices against a real Mosquitto: what they count is what the broker delivered, outages included."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiomqtt
import pytest

from pulse_chassis.mqtt import MqttEndpoint
from pulse_simulator.figures import Summary
from pulse_simulator.fleet import Fleet
from pulse_simulator.oracle import OracleRecord
from pulse_simulator.outages import parse_schedule
from pulse_simulator.plan import FleetPlan

if TYPE_CHECKING:
    from pulse_local.testing import TestBroker

DEADLINE = 60.0


class Ingest:
    """Subscribes as the ingest service does, and keeps what came."""

    def __init__(self, broker: TestBroker) -> None:
        self._broker = broker
        self.payloads: list[tuple[str, dict[str, Any]]] = []

    async def listen(self, ready: asyncio.Event) -> None:
        user, password = self._broker.svc_ingest
        async with aiomqtt.Client(self._broker.host, self._broker.port, username=user, password=password) as client:
            for topic in ("devices/+/data", "app/device/+/telemetry"):
                await client.subscribe(f"$share/ingest/{topic}", qos=1)
            ready.set()
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                self.payloads.append((str(message.topic), json.loads(message.payload)))

    def moments(self) -> Counter[tuple[str, str]]:
        """How often each (device, timestamp) came."""
        return Counter(
            (payload.get("device_id") or topic.split("/")[2], payload["timestamp"].removesuffix("Z"))
            for topic, payload in self.payloads
        )


@pytest.fixture
async def ingest(mosquitto_broker: TestBroker) -> AsyncIterator[Ingest]:
    listener = Ingest(mosquitto_broker)
    ready = asyncio.Event()
    task = asyncio.create_task(listener.listen(ready))
    async with asyncio.timeout(DEADLINE):
        await ready.wait()
    yield listener
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def run(broker: TestBroker, plan: FleetPlan) -> Summary:
    keys = {device_id: secrets.token_hex(16) for device_id in plan.device_ids}
    for device_id, key in keys.items():
        await asyncio.to_thread(broker.add_device, device_id, key)
    async with asyncio.timeout(DEADLINE):
        return await Fleet(plan, MqttEndpoint(broker.host, broker.port), keys).run()


def plan(tmp_path: Path, prefix: str, *outages: str, seconds: float = 2.0) -> FleetPlan:
    return FleetPlan(
        devices=4,
        agents=0,
        rate_hz=10.0,
        duration=timedelta(seconds=seconds),
        outages=parse_schedule(outages),
        drain_timeout=timedelta(seconds=20),
        has_jitter=True,
        seed=3,
        prefix=prefix,
        data=tmp_path,
        oracle=tmp_path / "oracle.log",
    )


async def until(condition: Any) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0.01)


async def test_what_is_acked_arrived_once_in_both_forms(
    mosquitto_broker: TestBroker, ingest: Ingest, tmp_path: Path
) -> None:
    wanted = plan(tmp_path, "whole")
    summary = await run(mosquitto_broker, wanted)
    figures = summary.devices
    assert figures.generated > 40
    assert figures.generated == figures.sent == figures.acked
    assert (figures.outstanding, figures.dropped, figures.unconfirmed, figures.resent) == (0, 0, 0, 0)
    await until(lambda: len(ingest.payloads) >= figures.acked)
    moments = ingest.moments()
    assert set(moments.values()) == {1}
    assert {device for device, _ in moments} == set(wanted.device_ids)
    assert len({topic.split("/")[0] for topic, _ in ingest.payloads}) == 2
    record = OracleRecord.read([tmp_path / "oracle.log"])
    assert len(record.accepted) == figures.acked
    assert len(record.intended) == figures.acked * 5


@pytest.mark.parametrize("kind", ["cut", "reset"])
async def test_an_outage_costs_what_was_measured_meanwhile_and_nothing_else(
    mosquitto_broker: TestBroker, ingest: Ingest, tmp_path: Path, kind: str
) -> None:
    summary = await run(mosquitto_broker, plan(tmp_path, f"outage-{kind}", f"2s@1s:{kind}", seconds=6.0))
    figures = summary.devices
    assert summary.outages == 1
    assert summary.outage_seconds == pytest.approx(2.0, abs=0.5)
    assert figures.dropped > 0
    assert figures.sent + figures.dropped == figures.generated
    assert figures.acked + figures.unconfirmed == figures.sent
    record = OracleRecord.read([tmp_path / "oracle.log"])
    await until(lambda: len(ingest.payloads) >= figures.acked)
    moments = ingest.moments()
    # Accepted means arrived; what was only sent may have arrived; nothing came twice.
    assert set(moments.values()) == {1}
    assert figures.acked == len(record.accepted) <= len(moments) <= figures.sent


async def test_a_wrong_key_connects_nobody_and_the_run_still_ends(mosquitto_broker: TestBroker, tmp_path: Path) -> None:
    wanted = plan(tmp_path, "wrong", seconds=1.0)
    fleet = Fleet(
        wanted, MqttEndpoint(mosquitto_broker.host, mosquitto_broker.port), dict.fromkeys(wanted.device_ids, "wrong")
    )
    fleet.stop.set()
    async with asyncio.timeout(DEADLINE):
        summary = await fleet.run()
    assert (summary.devices.sent, summary.devices.outstanding) == (0, 0)


async def test_stopping_early_drains_and_sums_up(mosquitto_broker: TestBroker, ingest: Ingest, tmp_path: Path) -> None:
    wanted = plan(tmp_path, "early", "30s@1s", seconds=50.0)
    keys = {device_id: secrets.token_hex(16) for device_id in wanted.device_ids}
    for device_id, key in keys.items():
        await asyncio.to_thread(mosquitto_broker.add_device, device_id, key)
    fleet = Fleet(wanted, MqttEndpoint(mosquitto_broker.host, mosquitto_broker.port), keys)
    running = asyncio.create_task(fleet.run())
    await until(lambda: fleet.phase == "outage")
    fleet.stop.set()
    async with asyncio.timeout(DEADLINE):
        summary = await running
    assert summary.is_drained
    assert summary.seconds < 30
    assert summary.devices.acked > 0
