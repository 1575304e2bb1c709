"""A slow client is told less, or told to come back; it never delays another, nor the end of the process."""

import asyncio
import os
import signal
import socket
import sys
import time
from contextlib import AsyncExitStack, suppress

import httpx
import pytest

from pulse_gateway.use_cases.desk import SocketLimits

SMALL = {"max_queue": 1, "write_limit": 1024}


async def blast(world, readings: int, *, metrics: int = 400) -> int:
    """Announce so many large readings, 50 kB each, as fast as it goes; return how many."""
    for count in range(readings):
        await world.announce(("dev-1", {f"metric-{m}": "x" * 100 + str(count) for m in range(metrics)}))
    return readings


async def stalled(client) -> None:
    """Stop reading, with as little as possible of the system's own buffering."""
    client.pause_reading()
    client.socket.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 * 1024)
    client.socket.transport.pause_reading()


async def test_a_slow_client_gets_raw_thinned_with_a_gap_and_then_goes_on(world, wait_until) -> None:
    admin = await world.user("admin")
    await world.device("dev-1", admin)
    async with world.gateway() as gateway, gateway.socket(admin, **SMALL) as client:
        await client.subscribe("telemetry.raw", interval_ms=0)
        await stalled(client)
        count = await blast(world, 120)
        client.socket.transport.resume_reading()
        client.resume_reading()
        await world.announce(("dev-1", {"end": 1}))
        await wait_until(lambda: any(r[1] == "end" for f in client.frames[-3:] for r in f.get("rows", ())))
        gaps = client.of("gap")
        assert gaps
        assert {g["reason"] for g in gaps} == {"slow"}
        assert sum(g["count"] for g in gaps) + len(client.rows()) == count * 400 + 1
        newest = f"{'x' * 100}{count - 1}"
        assert sum(r[3] == newest for r in client.rows()) == 400
        await world.announce(("dev-1", {"after": 1}))
        await wait_until(lambda: client.rows()[-1][1] == "after")


async def test_a_slow_client_of_latest_gets_every_newest_value(world, wait_until) -> None:
    admin = await world.user("admin")
    await world.device("dev-1", admin)
    async with world.gateway() as gateway, gateway.socket(admin, **SMALL) as client:
        await client.subscribe("telemetry.latest", interval_ms=0, snapshot=False)
        await stalled(client)
        count = await blast(world, 120)
        (served,) = gateway.gateway.desk.sockets._all
        assert served.outbox.bytes < 300_000
        client.socket.transport.resume_reading()
        client.resume_reading()
        await world.announce(("dev-1", {"end": 1}))
        await wait_until(lambda: any(r[1] == "end" for f in client.frames[-3:] for r in f.get("rows", ())))
        newest = f"{'x' * 100}{count - 1}"
        await wait_until(
            lambda: len({r[1] for f in client.of("data")[-3:] for r in f["rows"] if r[3] == newest}) == 400
        )
    assert len(client.rows()) < count * 400
    assert sum(f["n"] for f in client.of("data")) == count * 400 + 1
    assert not client.of("gap")


async def test_a_client_that_never_reads_delays_nobody(world, wait_until) -> None:
    admin = await world.user("admin")
    await world.device("dev-1", admin)
    await world.device("dev-2", admin)
    async with world.gateway() as gateway, gateway.socket(admin) as good:
        await good.subscribe("telemetry.raw", interval_ms=0, filter={"device_ids": ["dev-2"]})
        async with gateway.socket(admin, **SMALL) as bad:
            for n in range(8):
                await bad.subscribe("telemetry.raw", f"s{n}", interval_ms=0)
            await stalled(bad)
            blasting = asyncio.create_task(blast(world, 120))
            slowest = 0.0
            while not blasting.done():
                told, started = len(good.rows()), time.monotonic()
                await world.announce(("dev-2", {"m": 1}))
                await wait_until(lambda t=told: len(good.rows()) > t)
                slowest = max(slowest, time.monotonic() - started)
            assert slowest < 1.0
            bad.socket.transport.abort()


@pytest.mark.parametrize("which", ["send", "backlog"])
async def test_a_socket_that_stands_still_is_4202_or_dropped(world, wait_until, which: str) -> None:
    admin = await world.user("admin")
    await world.device("dev-1", admin)
    limits = SocketLimits(send_seconds=0.5 if which == "send" else 60, farewell_seconds=0.5)
    async with world.gateway(limits) as gateway, gateway.socket(admin, **SMALL) as client:
        for n in range(8):
            await client.subscribe("telemetry.raw", f"s{n}", interval_ms=0)
        await stalled(client)
        if which == "send":
            # How much fills the socket's buffers is the system's affair: go on until it stands still.
            async with asyncio.timeout(30):
                while not gateway.gateway.desk.stats.closes[4202]:
                    await blast(world, 15)
        else:
            (served,) = gateway.gateway.desk.sockets._all
            for _ in range(1100):
                served.beat()
        await wait_until(lambda: gateway.gateway.desk.stats.closes[4202] == 1)
        await wait_until(lambda: len(gateway.gateway.desk.sockets) == 0)
        client.socket.transport.abort()


async def test_a_client_that_reads_again_in_time_is_told_bye_4202(world, wait_until) -> None:
    admin = await world.user("admin")
    async with world.gateway(SocketLimits(farewell_seconds=10)) as gateway, gateway.socket(admin) as client:
        (served,) = gateway.gateway.desk.sockets._all
        for _ in range(1100):
            served.beat()
        code, bye = await client.closed()
    assert (code, bye["code"]) == (4202, 4202)


async def run_gateway(world) -> tuple[asyncio.subprocess.Process, str]:
    settings = world.settings()
    environment = os.environ | {
        "PULSE_DATABASE_URL": settings.database_url.get_secret_value(),
        "PULSE_REDIS_URL": settings.redis_url.get_secret_value(),
        "PULSE_IDENTITY_URL": settings.identity_url,
        "PULSE_HTTP_PORT": str(settings.http_port),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pulse_gateway", "serve", env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    return process, f"127.0.0.1:{settings.http_port}"


async def ready(address: str) -> None:
    async with httpx.AsyncClient() as http, asyncio.timeout(60):
        while True:
            with suppress(httpx.TransportError):
                if (await http.get(f"http://{address}/readyz")).status_code == 200:
                    return
            await asyncio.sleep(0.05)


async def test_sigterm_says_bye_4200_to_all_and_does_not_wait_for_who_never_reads(world, socket_to) -> None:
    admin = await world.user("admin")
    await world.device("dev-1", admin)
    process, address = await run_gateway(world)
    try:
        await ready(address)
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(socket_to(address, admin, **SMALL)) for _ in range(6)]
            for client in clients:
                assert (await client.subscribe("telemetry.raw", interval_ms=0))["type"] == "ack"
            await stalled(clients[-1])
            await blast(world, 60)
            started = time.monotonic()
            process.send_signal(signal.SIGTERM)
            moments = set()
            for client in clients[:-1]:
                code, bye = await client.closed()
                assert (code, bye["code"]) == (4200, 4200)
                moments.add(bye["retry_after_ms"])
            assert await asyncio.wait_for(process.wait(), 30) == 0
            assert time.monotonic() - started < 30
            assert len(moments) > 1, "each is asked to come back at a moment of its own"
            clients[-1].socket.transport.abort()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
