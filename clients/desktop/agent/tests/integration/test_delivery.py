"""Delivery over the real broker against a server side that acks as a test tells it to."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pulse_agent.app import Agent
from pulse_agent.delivery import conversation
from pulse_agent.domain.connection import ConnectionState
from pulse_agent.domain.quota import Overflow, Quota
from pulse_agent.domain.reading import Reading, RefusedReading
from pulse_agent.settings import AgentSettings
from pulse_chassis.mqtt import MqttEndpoint
from pulse_contracts.ids import ClientId
from pulse_contracts.presence import PresenceStatus

Wait = Callable[..., Any]


def reading(number: int) -> Reading:
    return Reading(int(time.time() * 1e6) + number, {"n": number, "on": number % 2 == 0}, "test")


def settings_for(path: Path, device: MqttEndpoint, **more: Any) -> AgentSettings:
    return AgentSettings(
        path, ClientId(str(device.username)), device, live_patience=more.pop("live_patience", 0.5), **more
    )


@asynccontextmanager
async def running(settings: AgentSettings) -> AsyncIterator[Agent]:
    stop = asyncio.Event()
    async with Agent(settings) as agent:
        task = asyncio.create_task(agent.run(stop))
        try:
            yield agent
        finally:
            stop.set()
            await task


async def test_a_reading_goes_live_and_is_deleted_by_its_ack(
    device: MqttEndpoint, server: Any, outbox_path: Path, eventually: Wait
) -> None:
    async with running(settings_for(outbox_path, device)) as agent:
        await eventually(lambda: agent.status().state is ConnectionState.ONLINE, what="online")
        stored = await agent.put(reading(1))
        await eventually(lambda: stored.sequence in server.live_rows, what="live")
        await eventually(lambda: agent.outbox.stats.rows == 0, what="deleted")
    assert server.rows[1][1] == {"n": 1, "on": False}
    assert server.hellos[0].epoch == 0
    assert server.hellos[0].next == 1


async def test_what_was_kept_offline_is_drained_in_order_in_runs(
    device: MqttEndpoint, server: Any, outbox_path: Path, eventually: Wait
) -> None:
    settings = settings_for(outbox_path, device)
    async with Agent(AgentSettings(outbox_path, settings.client_id)) as offline:
        for start in range(0, 3000, 1000):
            await offline.put_many([reading(n) for n in range(start, start + 1000)])
    async with running(settings) as agent:
        await eventually(lambda: agent.outbox.stats.rows == 0, what="drained")
    assert sorted(server.rows) == list(range(1, 3001))
    assert server.duplicates == 0
    assert [size for kind, size in server.messages if kind == "buffer"].__len__() == 6


async def test_lost_acks_lead_to_a_resend_and_nothing_is_stored_twice(
    device: MqttEndpoint, server: Any, outbox_path: Path, eventually: Wait
) -> None:
    swallowed = iter([True] * 3)
    server.ack_plan = lambda payload: [] if next(swallowed, False) else [payload]
    async with running(settings_for(outbox_path, device)) as agent:
        await eventually(lambda: agent.status().state is ConnectionState.ONLINE, what="online")
        await agent.put_many([reading(n) for n in range(50)])
        await eventually(lambda: agent.outbox.stats.rows == 0, 30, what="deleted")
    assert sorted(server.rows) == list(range(1, 51))


async def test_acks_twice_and_in_reverse_order_settle_the_same(
    device: MqttEndpoint, server: Any, outbox_path: Path, eventually: Wait
) -> None:
    held: list[bytes] = []

    def plan(payload: bytes) -> list[bytes]:
        held.append(payload)
        if len(held) % 4:
            return []
        return [*reversed(held[-4:]), *held[-4:]]

    server.ack_plan = plan
    async with running(settings_for(outbox_path, device)) as agent:
        for start in range(40):
            await agent.put(reading(start))
        await eventually(lambda: agent.outbox.stats.rows == 0, 30, what="deleted")
    assert sorted(server.rows) == list(range(1, 41))


async def test_live_readings_that_are_lost_go_by_the_buffer_path(
    device: MqttEndpoint, server: Any, outbox_path: Path, eventually: Wait
) -> None:
    server.loses_live = True
    async with running(settings_for(outbox_path, device)) as agent:
        await eventually(lambda: agent.status().state is ConnectionState.ONLINE, what="online")
        for number in range(10):
            await agent.put(reading(number))
        await eventually(lambda: agent.outbox.stats.rows == 0, what="deleted")
    assert server.live_rows == set()
    assert sorted(server.rows) == list(range(1, 11))


async def test_a_killed_broker_in_mid_run_costs_nothing(
    device: MqttEndpoint, server: Any, outbox_path: Path, eventually: Wait, mosquitto_broker: Any
) -> None:
    async with running(settings_for(outbox_path, device)) as agent:
        await eventually(lambda: agent.status().state is ConnectionState.ONLINE, what="online")
        await agent.put_many([reading(n) for n in range(5000)])
        mosquitto_broker.kill()
        await agent.put_many([reading(n) for n in range(5000, 6000)])
        await eventually(lambda: agent.status().state is ConnectionState.OFFLINE_BUFFERING, what="offline")
        mosquitto_broker.start()
        await server.start()
        await eventually(lambda: agent.outbox.stats.rows == 0, 40, what="drained")
    assert sorted(server.rows) == list(range(1, 6001))


async def test_a_late_answer_to_an_earlier_hello_is_not_taken_for_the_newest(
    device: MqttEndpoint, server: Any, outbox_path: Path, eventually: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows sent after it would be stored before the newest hello is decided: the outbox would look rolled back."""
    monkeypatch.setattr(conversation, "HELLO_PATIENCE_SECONDS", 0.2)
    held: list[bytes] = []

    def plan(payload: bytes) -> list[bytes]:
        held.append(payload)
        late = json.dumps(json.loads(held[0]) | {"epoch": 7}).encode()
        return {1: [], 2: [late]}.get(len(held), [payload])

    server.welcome_plan = plan
    async with running(settings_for(outbox_path, device)) as agent:
        await agent.put_many([reading(n) for n in range(10)])
        await eventually(lambda: agent.outbox.stats.rows == 0, what="drained")
    assert [hello.id for hello in server.hellos[:3]] == [1, 2, 3]
    assert 7 not in server.received


async def test_a_run_that_was_set_back_counts_on_from_what_the_server_heard(
    device: MqttEndpoint, server: Any, outbox_path: Path, eventually: Wait
) -> None:
    first = iter([True])
    server.welcome_plan = lambda payload: [
        json.dumps(json.loads(payload) | {"id": 41}).encode() if next(first, False) else payload
    ]
    async with running(settings_for(outbox_path, device)) as agent:
        await eventually(lambda: agent.status().state is ConnectionState.ONLINE, what="online")
    assert [hello.id for hello in server.hellos] == [1, 42]


async def test_only_the_holes_are_sent_after_a_reconnect(
    device: MqttEndpoint, server: Any, outbox_path: Path, eventually: Wait
) -> None:
    server.is_acking = False
    settings = settings_for(outbox_path, device)
    async with running(settings) as agent:
        await eventually(lambda: agent.status().state is ConnectionState.ONLINE, what="online")
        await agent.put_many([reading(n) for n in range(100)])
        await eventually(lambda: len(server.rows) == 100, what="received")
    for number in range(40, 61):  # the server never got these
        del server.rows[number]
        server.ledger.remove(number, number)
    server.is_acking = True
    server.duplicates = 0
    async with running(settings) as agent:
        await eventually(lambda: agent.outbox.stats.rows == 0, what="drained")
    assert sorted(server.rows) == list(range(1, 101))
    assert server.duplicates == 0


async def test_rejected_rows_move_to_the_quarantine(
    device: MqttEndpoint, server: Any, outbox_path: Path, eventually: Wait
) -> None:
    server.refuses = {3: "not with us"}
    async with running(settings_for(outbox_path, device)) as agent:
        await agent.put_many([reading(n) for n in range(5)])
        await eventually(lambda: agent.outbox.stats.rows == 0, what="settled")
        assert agent.outbox.stats.quarantined == 1
    assert sorted(server.rows) == [1, 2, 4, 5]


async def test_dropped_readings_are_declared_lost_and_the_record_goes_when_acked(
    device: MqttEndpoint, server: Any, outbox_path: Path, eventually: Wait
) -> None:
    quota = Quota(max_bytes=10_000, free_floor_bytes=0, overflow_by_channel={"test": Overflow.REJECT_NEW})
    settings = settings_for(outbox_path, device, quota=quota)
    async with Agent(AgentSettings(outbox_path, settings.client_id, quota=quota)) as offline:
        results = await offline.put_many([reading(n) for n in range(500)])
    refused = {r.sequence for r in results if isinstance(r, RefusedReading)}
    assert 0 < len(refused) < 500
    async with running(settings) as agent:
        await eventually(lambda: agent.outbox.stats.rows == 0 and agent.outbox.stats.losses == 0, what="settled")
    assert {n for low, high in server.lost for n in range(low, high + 1)} == refused
    assert server.rows.keys() | refused == set(range(1, 501))


async def test_an_unknown_epoch_leads_to_a_new_hello(
    device: MqttEndpoint, server: Any, outbox_path: Path, eventually: Wait
) -> None:
    async with running(settings_for(outbox_path, device)) as agent:
        await eventually(lambda: agent.status().state is ConnectionState.ONLINE, what="online")
        server.received.clear()
        server.rows.clear()
        await agent.put(reading(1))
        await eventually(lambda: agent.outbox.stats.rows == 0, what="settled")
    assert len(server.hellos) == 2
    assert sorted(server.rows) == [1]


async def test_a_head_that_is_not_our_reading_asks_for_a_new_epoch_and_keeps_the_rows(
    device: MqttEndpoint, server: Any, outbox_path: Path, eventually: Wait
) -> None:
    settings = settings_for(outbox_path, device)
    server.is_acking = False
    async with running(settings) as agent:
        await agent.put_many([reading(n) for n in range(20)])
        await eventually(lambda: len(server.rows) == 20, what="received")
    # A rolled-back outbox that grew past the server's highest: same numbers, other readings.
    server.rows = {number: (at - 1_000_000, metrics) for number, (at, metrics) in server.rows.items()}
    kept, server.rows, server.is_acking = server.rows, {}, True
    server.head_override = (20, kept[20][0])
    async with running(settings) as agent:
        await eventually(lambda: server.hellos[-1].epoch == 0 and len(server.hellos) >= 3, what="hello with epoch 0")
        server.head_override = None
        await eventually(lambda: agent.outbox.stats.rows == 0, what="drained")
        assert agent.outbox.stats.epoch == server.epoch
    assert sorted(server.rows) == list(range(1, 21))


async def test_without_a_server_the_agent_probes_and_heals_by_itself(
    device: MqttEndpoint, server: Any, outbox_path: Path, eventually: Wait
) -> None:
    async with running(settings_for(outbox_path, device)) as agent:
        await eventually(lambda: agent.status().state is ConnectionState.ONLINE, what="online")
        await server.stop()
        await agent.put_many([reading(n) for n in range(10)])
        await eventually(lambda: agent.status().state is ConnectionState.OFFLINE_BUFFERING, what="nobody listens")
        await server.start()
        await eventually(lambda: agent.outbox.stats.rows == 0, 30, what="drained")
    assert sorted(server.rows) == list(range(1, 11))


async def test_a_wrong_password_deletes_nothing(
    device: MqttEndpoint, server: Any, outbox_path: Path, eventually: Wait
) -> None:
    wrong = MqttEndpoint(device.host, device.port, device.username, "wrong")
    async with running(settings_for(outbox_path, wrong)) as agent:
        await agent.put(reading(1))
        await eventually(lambda: agent.status().state is ConnectionState.OFFLINE_BUFFERING, what="refused")
        assert agent.outbox.stats.rows == 1
    assert server.hellos == []


async def test_heartbeats_say_how_much_is_buffered_and_a_stop_says_offline(
    device: MqttEndpoint, server: Any, outbox_path: Path, eventually: Wait
) -> None:
    async with running(settings_for(outbox_path, device)):
        await eventually(lambda: server.heartbeats, what="heartbeat")
    await eventually(lambda: server.heartbeats[-1].status is PresenceStatus.OFFLINE, what="goodbye")
    assert server.heartbeats[0].buffered == 0
    assert server.heartbeats[-1].reason == "stopped"


async def test_a_second_agent_with_the_same_account_backs_off_instead_of_fighting(
    device: MqttEndpoint, server: Any, outbox_path: Path, tmp_path: Path, eventually: Wait
) -> None:
    async with running(settings_for(outbox_path, device)) as first:
        await eventually(lambda: first.status().state is ConnectionState.ONLINE, what="first online")
        async with running(settings_for(tmp_path / "clone" / "outbox.db", device)) as second:
            await eventually(lambda: second.status().state is ConnectionState.ONLINE, what="second online")
            await eventually(
                lambda: first.status().state is ConnectionState.OFFLINE_BUFFERING, what="first stepped back"
            )
            assert first.status().counts.connections == 1


async def test_fifty_agents_share_a_loop(tmp_path: Path) -> None:
    quota = Quota(ballast_bytes=0)
    paths = [tmp_path / str(n) / "outbox.db" for n in range(50)]
    agents = [Agent(AgentSettings(path, ClientId(f"a{n}"), quota=quota)) for n, path in enumerate(paths)]
    for agent in agents:
        await agent.__aenter__()
    try:
        await asyncio.gather(*(agent.put(reading(n)) for agent in agents for n in range(5)))
        assert all(agent.outbox.stats.rows == 5 for agent in agents)
    finally:
        await asyncio.gather(*(agent.__aexit__(None, None, None) for agent in agents))
