"""The rules of one link: close codes, silence, tokens, refusals, rates; against a peer on a real socket."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from pulse_contracts import frames as f
from pulse_local.watch.live_client import LiveClient
from pulse_local.watch.live_types import (
    LinkState,
    LiveStoppedError,
    TokenRefusedError,
    TokenUnavailableError,
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


@pytest.mark.parametrize("code", [4000, 4001, 4003, 4006, 4009, 4010, 4099])
async def test_4000s_stop_and_tell_why_after_what_came_before(gateway: PeerGateway, code: int) -> None:
    async with client_of(gateway) as client:
        await client.subscribe("alerts")
        await next_of(client, f.AckFrame)
        await gateway.add_event(0)
        await asyncio.sleep(0)
        await gateway.close(code, "not you")
        assert (await next_of(client, f.EventFrame)).items[0].data["n"] == 0
        with pytest.raises(LiveStoppedError, match="not you") as stopped:
            await next_of(client, f.EventFrame)
        assert stopped.value.code == code
        assert client.status.state is LinkState.STOPPED
        with pytest.raises(LiveStoppedError):
            await anext(client)
        assert client.counters.connections == 1


@pytest.mark.parametrize("code", [4100, 4101, 4199])
async def test_4100s_mend_with_a_new_token(gateway: PeerGateway, code: int) -> None:
    tokens = Tokens()
    async with client_of(gateway, tokens) as client:
        await client.subscribe("alerts")
        await next_of(client, f.AckFrame)
        await gateway.close(code)
        await next_of(client, f.AckFrame)
        assert tokens.renewed == 1
        assert client.counters.connections == 2


@pytest.mark.parametrize("code", [4200, 4202, 4203, 4299, 1001, 1011])
async def test_4200s_and_all_others_come_back_and_resume(gateway: PeerGateway, code: int) -> None:
    tokens = Tokens()
    async with client_of(gateway, tokens) as client:
        await client.subscribe("alerts")
        await next_of(client, f.AckFrame)
        await gateway.close(code)
        assert (await next_of(client, f.AckFrame)).recovered is True
        assert tokens.renewed == 0


async def test_a_bye_counts_when_its_close_frame_is_lost(gateway: PeerGateway) -> None:
    async with client_of(gateway) as client:
        await client.subscribe("alerts")
        await next_of(client, f.AckFrame)
        await gateway.broadcast(f.ByeFrame(code=4010, reason="session revoked"))
        await gateway.add_event(0)
        await next_of(client, f.EventFrame)
        gateway.cut()
        with pytest.raises(LiveStoppedError, match="session revoked"):
            await next_of(client, f.EventFrame)


async def test_a_silent_link_is_dead_after_two_and_a_half_heartbeats(gateway: PeerGateway) -> None:
    gateway.heartbeat_ms = 80
    async with client_of(gateway) as client:
        await client.subscribe("alerts")
        await next_of(client, f.AckFrame)
        started = time.monotonic()
        await next_of(client, f.AckFrame)
        assert time.monotonic() - started > 0.15
        assert client.counters.connections == 2


async def test_heartbeats_keep_a_quiet_link_alive(gateway: PeerGateway) -> None:
    gateway.heartbeat_ms = 80
    async with client_of(gateway) as client:
        await client.subscribe("alerts")
        await next_of(client, f.AckFrame)
        for _ in range(6):
            await gateway.broadcast(f.HeartbeatFrame(server_time=1, pos={}))
            await asyncio.sleep(0.08)
        assert client.counters.connections == 1


async def test_an_expiring_token_is_refreshed_on_the_same_socket(gateway: PeerGateway) -> None:
    tokens = Tokens()
    async with client_of(gateway, tokens) as client:
        await client.subscribe("alerts")
        await next_of(client, f.AckFrame)
        await gateway.broadcast(f.TokenExpiringFrame(expires_in=60))
        await until(lambda: any(isinstance(frame, f.AuthRefreshFrame) for frame in gateway.seen))
        refreshed = next(frame for frame in gateway.seen if isinstance(frame, f.AuthRefreshFrame))
        assert refreshed.token == "token-2"
        assert client.counters.connections == 1


async def test_refused_credentials_stop_and_absent_ones_wait(gateway: PeerGateway) -> None:
    tokens = Tokens()
    tokens.failure = TokenUnavailableError("identity is away")
    async with client_of(gateway, tokens) as client:
        await client.subscribe("alerts")
        await until(lambda: client.status.state is LinkState.WAITING)
        assert client.status.detail == "identity is away"
        tokens.failure = None
        await next_of(client, f.AckFrame)
        tokens.failure = TokenRefusedError("wrong password")
        gateway.cut()
        with pytest.raises(LiveStoppedError, match="wrong password"):
            await next_of(client, f.AckFrame)


async def test_a_refused_sign_in_stops(gateway: PeerGateway) -> None:
    gateway.auth_error = f.ErrorFrame(code=f.ErrorCode.UNAUTHORIZED, message="bad token", retryable=False)
    async with client_of(gateway) as client:
        with pytest.raises(LiveStoppedError):
            await next_of(client, f.AckFrame)


async def test_a_refused_subscription_is_told_and_not_asked_again(gateway: PeerGateway) -> None:
    gateway.refuse_subscribe = [f.ErrorFrame(code=f.ErrorCode.FORBIDDEN, message="no", retryable=False)]
    async with client_of(gateway) as client:
        await client.subscribe("alerts", name="a")
        assert (await next_of(client, f.ErrorFrame)).sub == "a"
        await client.subscribe("alerts", name="b")
        await next_of(client, f.AckFrame)
        gateway.cut()
        await next_of(client, f.AckFrame)
        assert [request.sub for request in subscribes(gateway)] == ["a", "b", "b"]


async def test_a_retryable_refusal_is_asked_again(gateway: PeerGateway) -> None:
    gateway.refuse_subscribe = [f.ErrorFrame(code=f.ErrorCode.UNAVAILABLE, message="soon", retryable=True)]
    async with client_of(gateway) as client:
        await client.subscribe("alerts")
        await next_of(client, f.AckFrame)
        assert len(subscribes(gateway)) == 2


async def test_unknown_frames_and_fields_are_ignored_and_wrong_ones_are_not(gateway: PeerGateway) -> None:
    async with client_of(gateway) as client:
        await client.subscribe("alerts")
        await next_of(client, f.AckFrame)
        for socket in tuple(gateway.sockets):
            await socket.send(json.dumps({"type": "weather", "sunny": True}))
        event = {"type": "event", "sub": "alerts", "offset": "1", "items": [], "new_field": {"a": [1]}}
        for socket in tuple(gateway.sockets):
            await socket.send(json.dumps([event, {"type": "also_new"}]))
        await next_of(client, f.EventFrame)
        for socket in tuple(gateway.sockets):
            await socket.send(json.dumps({"type": "event", "sub": "alerts", "offset": "2", "items": "many"}))
        await next_of(client, f.AckFrame)
        assert client.counters.unknown_frames == 2
        assert client.counters.connections == 2


async def test_a_pause_holds_over_a_cut_and_a_ping_is_answered(gateway: PeerGateway) -> None:
    async with client_of(gateway) as client:
        await client.subscribe("alerts", interval_ms=100)
        await next_of(client, f.AckFrame)
        await client.tune("alerts", interval_ms=500, paused=True)
        assert await client.ping() < DEADLINE
        gateway.cut()
        await next_of(client, f.AckFrame)
        await until(lambda: sum(isinstance(frame, f.TuneFrame) for frame in gateway.seen) == 2)
        assert subscribes(gateway)[-1].interval_ms == 500
        await client.unsubscribe("alerts")
        await until(lambda: isinstance(gateway.seen[-1], f.UnsubscribeFrame))


async def test_many_subscriptions_stay_below_the_servers_rate(gateway: PeerGateway) -> None:
    async with client_of(gateway) as client:
        for number in range(32):
            await client.subscribe("alerts", name=f"s{number}")
        started = time.monotonic()
        await client.until_answered("s31")
        # 33 messages: 30 may come at once, the other three at 10 a second.
        assert time.monotonic() - started > 0.3


async def test_an_absent_gateway_is_tried_again_until_it_is_there() -> None:
    absent = LiveClient("http://127.0.0.1:1", Tokens(), policy=quick())
    async with absent:
        await until(lambda: absent.status.state is LinkState.WAITING)
        assert "cannot be reached" in absent.status.detail
