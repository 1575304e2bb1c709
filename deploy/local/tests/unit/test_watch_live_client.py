"""Resuming: a client that is cut whenever the peer likes ends with exactly what the peer holds."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from pulse_contracts import frames as f
from pulse_local.watch.live_client import LiveClient
from pulse_local.watch.live_types import (
    AppliedFrame,
    LinkState,
)
from pulse_local.watch.peer_gateway import PeerGateway, Tokens, peer_gateway
from pulse_local.watch.reconnection import ReconnectPolicy

DEADLINE = 20.0


@pytest.fixture
async def gateway() -> AsyncIterator[PeerGateway]:
    async with peer_gateway() as peer:
        yield peer


def quick(seed: int = 1) -> ReconnectPolicy:
    return ReconnectPolicy(first_s=0.01, longest_s=0.05, mend_s=0.02, rng=random.Random(seed))


def client_of(gateway: PeerGateway, tokens: Tokens | None = None) -> LiveClient:
    return LiveClient(gateway.url, tokens or Tokens(), policy=quick())


async def next_of(client: LiveClient, kind: type[Any]) -> Any:
    async with asyncio.timeout(DEADLINE):
        async for frame in client:
            if isinstance(frame, kind):
                return frame
    raise AssertionError("the iterator ended")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0.002)


def subscribes(gateway: PeerGateway) -> list[f.SubscribeFrame]:
    return [frame for frame in gateway.seen if isinstance(frame, f.SubscribeFrame)]


@pytest.mark.parametrize("seed", range(4))
async def test_random_cuts_end_with_the_same_events_in_order(gateway: PeerGateway, seed: int) -> None:
    chance = random.Random(seed)
    count = 400
    applied: list[int] = []

    async def produce() -> None:
        for number in range(count):
            await gateway.add_event(number)
            if chance.random() < 0.05:
                await asyncio.sleep(chance.uniform(0, 0.01))
                gateway.cut()

    async with client_of(gateway) as client, asyncio.timeout(DEADLINE):
        await client.subscribe("alerts")
        assert isinstance(await anext(client), f.AckFrame)
        producing = asyncio.create_task(produce())
        while len(applied) < count:
            frame = await anext(client)
            if isinstance(frame, f.EventFrame):
                applied += [item.data["n"] for item in frame.items]
            if chance.random() < 0.1:
                await asyncio.sleep(0)
        await producing
        assert applied == list(range(count))
        assert client.counters.connections > 1
        assert client.counters.resumed > 0
        assert client.counters.gaps == 0


@pytest.mark.parametrize("seed", range(3))
async def test_a_state_cut_at_random_ends_equal_to_the_servers(gateway: PeerGateway, seed: int) -> None:
    chance = random.Random(seed)
    shown: dict[tuple[str, str], tuple[int, float]] = {}
    for device in range(5):
        await gateway.set_value(f"d{device}", "t", 0, 0.0)

    def apply(frame: AppliedFrame) -> None:
        if isinstance(frame, f.AckFrame) and not frame.recovered:
            shown.clear()
        if isinstance(frame, (f.SnapshotFrame, f.DataFrame)):
            for device, metric, ts, value, _ in frame.rows or []:
                assert isinstance(value, float)
                if ts >= shown.get((device, metric), (-1, 0.0))[0]:
                    shown[device, metric] = (ts, value)

    async def change() -> None:
        for ts in range(1, 200):
            await gateway.set_value(f"d{chance.randrange(8)}", "t", ts, float(ts))
            if chance.random() < 0.06:
                await asyncio.sleep(chance.uniform(0, 0.01))
                gateway.cut()

    async with client_of(gateway) as client, asyncio.timeout(DEADLINE):
        await client.subscribe("telemetry.latest", interval_ms=0)
        changing = asyncio.create_task(change())
        while not (changing.done() and shown == gateway.state):
            apply(await anext(client))


async def test_a_position_is_stored_only_after_the_frame_was_applied(gateway: PeerGateway) -> None:
    async with client_of(gateway) as client:
        await client.subscribe("alerts")
        await next_of(client, f.AckFrame)
        await gateway.add_event(0)
        await next_of(client, f.EventFrame)
        position = client.position("alerts")
        assert position is not None
        assert position.offset == "0", "the frame in hand is not applied yet"
        await gateway.add_event(1)
        await next_of(client, f.EventFrame)
        assert client.position("alerts") == f.Position(epoch="epoch-1", offset="1")


async def test_a_cut_within_a_snapshot_asks_for_a_whole_one(gateway: PeerGateway) -> None:
    for device in range(6):
        await gateway.set_value(f"d{device}", "t", 0, 0.0)
    async with client_of(gateway) as client:
        await client.subscribe("telemetry.latest")
        page = await next_of(client, f.SnapshotFrame)
        assert not page.last
        gateway.cut()
        await until(lambda: client.counters.discarded > 0 or client.status.state is not LinkState.LIVE)
        pages = []
        async with asyncio.timeout(DEADLINE):
            async for frame in client:
                if isinstance(frame, f.AckFrame):
                    pages.clear()
                if isinstance(frame, f.SnapshotFrame):
                    pages.append(frame)
                    if frame.last:
                        break
        assert len(pages) == 3
        assert [request.since for request in subscribes(gateway)] == [None, None]


async def test_a_trimmed_log_tells_a_gap_and_goes_on_from_the_end(gateway: PeerGateway) -> None:
    async with client_of(gateway) as client:
        await client.subscribe("alerts")
        await next_of(client, f.AckFrame)
        await gateway.add_event(0)
        await next_of(client, f.EventFrame)
        gateway.cut()
        gateway.log += [1, 2, 3]
        gateway.trimmed = 3
        gap = await next_of(client, f.GapFrame)
        assert gap.reason is f.GapReason.TRIMMED
        await gateway.add_event(4)
        event = await next_of(client, f.EventFrame)
        assert event.items[0].data["n"] == 4


async def test_another_epoch_is_never_mixed_with_the_old_offset(gateway: PeerGateway) -> None:
    async with client_of(gateway) as client:
        await client.subscribe("alerts")
        await next_of(client, f.AckFrame)
        await gateway.add_event(0)
        await next_of(client, f.EventFrame)
        gateway.epoch = "epoch-2"
        gateway.cut()
        await next_of(client, f.GapFrame)
        await gateway.add_event(1)
        await next_of(client, f.EventFrame)
        await gateway.add_event(2)
        await next_of(client, f.EventFrame)
        assert client.position("alerts") == f.Position(epoch="epoch-2", offset="2")


async def test_a_quiet_subscription_moves_on_with_heartbeats(gateway: PeerGateway) -> None:
    async with client_of(gateway) as client:
        await client.subscribe("alerts")
        await next_of(client, f.AckFrame)
        await gateway.broadcast(f.HeartbeatFrame(server_time=1, pos={"alerts": "41", "other": "7"}))
        gateway.log = list(range(42))
        await gateway.broadcast(f.GapFrame(sub="alerts", reason=f.GapReason.LATE, from_ts=0, to_ts=1))
        await next_of(client, f.GapFrame)
        position = client.position("alerts")
        assert position is not None
        assert position.offset == "41"
